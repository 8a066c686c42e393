"""The log's keys, and what was published, as files of whoever signs: outside of the database, so that a database that was set back
is not signed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from marketplace.db.private_files import write_private
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

FOLDER, KEYS, PUBLISHED, HISTORY = "log", "keys", "published", "history"
HISTORY_BYTES = 2_000_000
"""Beyond this the history is thinned."""


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

    def keep_published(self, note: str, at: datetime) -> None:
        """Keeps a checkpoint that was committed, by the moment ``at``: as the last one, and as one of those that were."""
        self._write(PUBLISHED, note)
        point = parse_checkpoint(parse_note(note).text)
        path = self._folder / HISTORY
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{at.isoformat()} {point.size} {point.root.hex()} {point.origin}\n")
            size = file.tell()
        if size > HISTORY_BYTES:
            kept = thinned(self.history(), at)
            self._write(HISTORY, "".join(f"{a.isoformat()} {p.size} {p.root.hex()} {p.origin}\n" for a, p in kept))

    def history(self) -> list[tuple[datetime, Checkpoint]]:
        """What was published when, the oldest first, as far as it is kept. A last line that was cut off is none."""
        try:
            lines = (self._folder / HISTORY).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            at, size, root, origin = (*line.split(" ", 3), "", "", "")[:4]
            # A worker that was killed leaves the beginning of a line.
            with contextlib.suppress(ValueError):
                if origin:
                    found.append((datetime.fromisoformat(at), Checkpoint(origin, int(size), bytes.fromhex(root))))
        return found

    def set_aside(self, at: datetime) -> list[Path]:
        """Keys and what was published by them out of use, beside where they were: the worker makes a new key for a new log. Where they
        are now."""
        moved = []
        for name in (KEYS, PUBLISHED):
            path = self._folder / name
            if path.exists():
                moved.append(path.rename(path.with_name(f"{name}.ended-{at:%Y%m%dT%H%M%SZ}")))
        return moved

    def _write(self, name: str, text: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._folder / name, text)


def thinned(history: Sequence[tuple[datetime, Checkpoint]], now: datetime) -> list[tuple[datetime, Checkpoint]]:
    """All of the last ten minutes; the last of each minute of the day before; of each hour of a month; of each day of all time. So it
    stays below what it is thinned at for many years, however fast the log grows."""
    kept: dict[object, tuple[datetime, Checkpoint]] = {}
    for at, point in history:
        age = now - at
        width = next((w for most, w in _WIDTHS if age <= most), "%Y%m%d")
        kept[(at, point.size) if width is None else (width, at.strftime(width))] = at, point
    return sorted(kept.values())


_WIDTHS: Final = ((timedelta(minutes=10), None), (timedelta(days=1), "%Y%m%d%H%M"), (timedelta(days=30), "%Y%m%d%H"))
"""How old, and what two have in common of which the later one stays."""


def new_signer(base_url: str) -> Signer:
    """A new key of a log that has no name yet: its address without the scheme, and a few letters of its own."""
    host = urlsplit(base_url).netloc or "backstock.invalid"
    return Signer(f"{host}/log/{secrets.token_hex(4)}", ED25519, secrets.token_bytes(32))
