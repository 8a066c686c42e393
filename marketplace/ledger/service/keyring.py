"""The log's keys, and what was published, as files of whoever signs: outside of the database, so that a database that was set back
is not signed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from marketplace.kit.errors import conflict
from marketplace.ledger.log.notes import (
    ED25519,
    Checkpoint,
    NoteError,
    Signer,
    parse_checkpoint,
    parse_note,
    parse_private,
    written_key,
)

FOLDER, KEYS, PUBLISHED = "log", "keys", "published"


class KeyRing:
    """The log's private keys and the last checkpoint that was published, as files of the worker's alone."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.expanduser() / FOLDER

    def signers(self) -> list[Signer]:
        """The keys that sign, oldest first; none where no file is. Raises ``log.key`` where it cannot be read."""
        try:
            lines = (self._folder / KEYS).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        try:
            return [parse_private(line) for line in lines if line.strip() and not line.startswith("#")]
        except NoteError as error:
            raise conflict("log.key", f"{self._folder / KEYS}: {error}") from None

    def keep_signers(self, signers: list[Signer]) -> None:
        """Writes the keys, readable by nobody else."""
        self._write(KEYS, "".join(f"{written_key(s)}\n" for s in signers))

    def published(self) -> Checkpoint | None:
        """The last checkpoint that was published, if one was. Raises ``log.key`` where it cannot be read."""
        try:
            text = (self._folder / PUBLISHED).read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            return parse_checkpoint(parse_note(text).text)
        except NoteError as error:
            raise conflict("log.key", f"{self._folder / PUBLISHED}: {error}") from None

    def keep_published(self, note: str) -> None:
        """Keeps a checkpoint that was committed."""
        self._write(PUBLISHED, note)

    def _write(self, name: str, text: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting = self._folder / f".{name}.new"
        descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(self._folder / name)


def new_signer(base_url: str) -> Signer:
    """A new key of a log that has no name yet: its address without the scheme, and a few letters of its own."""
    host = urlsplit(base_url).netloc or "backstock.invalid"
    return Signer(f"{host}/log/{secrets.token_hex(4)}", ED25519, secrets.token_bytes(32))
