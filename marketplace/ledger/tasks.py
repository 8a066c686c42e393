"""The sealing of the ledger, again and again: sequence what is committed, sign what has grown, keep what was published outside
of the database as well, so that a database that was set back is not signed."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from marketplace.db.session import Database
from marketplace.kit.errors import DomainError, conflict
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
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service import publish_keys, raise_alarm, sequence, sign

PAUSE = 0.25
"""Seconds between looks at an empty queue."""
AFTER_TROUBLE = 30.0
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


class Sealer:
    """Seals the ledger of one database. One that is not the only one does nothing while another is at work."""

    def __init__(self, database: Database, ring: KeyRing, base_url: str) -> None:
        self._database, self._ring, self._base_url = database, ring, base_url
        self._known: list[Signer] = []

    async def round(self, now: Callable[[], datetime]) -> int:
        """Everything that waits, and a checkpoint where there is something new. Returns how many movements were sequenced.
        Raises ``log.key``, ``log.gap``, ``log.shrank``, ``log.forked``, each put on record as an alarm."""
        try:
            return await self._round(now)
        except DomainError as error:
            if error.code.startswith("log."):
                await self._alarm(error, now())
            raise

    async def _round(self, now: Callable[[], datetime]) -> int:
        signers = await self._signers()
        done = 0
        while True:
            async with self._database.write() as session:
                found = await sequence(session, now(), signers[0].name)
            done += found or 0
            if not found:
                break
        if signers != self._known:
            async with self._database.write() as session:
                await publish_keys(session, signers, now())
            self._known = signers
        async with self._database.write() as session:
            point = await sign(session, now(), signers, self._ring.published())
        if point is not None:
            async with self._database.read() as session:
                latest = await queries.latest_checkpoint(session)
            if latest is not None:
                self._ring.keep_published(latest.note)
        return done

    async def _signers(self) -> list[Signer]:
        signers = self._ring.signers()
        if signers:
            return signers
        async with self._database.read() as session:
            state = await queries.state(session)
        if state is not None:
            # A new key under the old name would be another log to everybody who knows the old one.
            raise conflict(
                "log.key",
                f"The log {state.origin} exists and its keys are gone: put back the file {FOLDER}/{KEYS} of the data folder. "
                "Nothing is sequenced or signed until then.",
            )
        signers = [new_signer(self._base_url)]
        self._ring.keep_signers(signers)
        return signers

    async def _alarm(self, error: DomainError, now: datetime) -> None:
        kinds = {"log.shrank": "smaller", "log.forked": "forked", "log.key": "key"}
        async with self._database.write() as session:
            await raise_alarm(session, now, kinds.get(error.code, "check"), error.message)

    async def run(self, now: Callable[[], datetime], stop: asyncio.Event) -> None:
        """Rounds until ``stop``; trouble is told and tried again."""
        log = structlog.get_logger("sealer")
        while not stop.is_set():
            pause = PAUSE
            try:
                await self.round(now)
            except DomainError as error:
                log.error("not sealed", code=error.code, words=error.message)
                pause = AFTER_TROUBLE if error.code.startswith("log.") else 1.0
            except Exception:
                log.exception("not sealed")
                pause = AFTER_TROUBLE
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue
