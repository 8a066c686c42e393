"""The sealing of the ledger, again and again: sequence what is committed, sign what has grown, keep what was published outside
of the database as well, so that a database that was set back is not signed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from marketplace.db.session import Database
from marketplace.kit.errors import DomainError, conflict
from marketplace.ledger.log.notes import Signer
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service import BATCH, KeyRing, new_signer, publish_keys, raise_alarm, sequence, sign

PAUSE = 0.25
"""Seconds between looks at an empty queue."""
AFTER_TROUBLE = 30.0


class Sealer:
    """Seals the ledger of one database. One that is not the only one does nothing while another is at work."""

    def __init__(self, database: Database, ring: KeyRing, base_url: str) -> None:
        self._database, self._ring, self._base_url = database, ring, base_url
        self._known: list[Signer] = []
        self._begun = self._settled = False
        """Whether all that was sequenced so far is signed: then a look at an empty queue ends there."""

    async def round(self, now: Callable[[], datetime]) -> int:
        """What waits, batch by batch, and after each a checkpoint over it. Returns how many movements were sequenced.
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
            if found is None:
                return done
            done += found
            if found or not self._settled or signers != self._known:
                await self._sign(now, signers)
            # Less than a batch: what has come meanwhile is for the next round. Who went on until nothing waits would go on as long
            # as somebody writes without a break. The very first look may have found only what is older than the queue.
            if found < BATCH and self._begun:
                return done
            self._begun = True

    async def _sign(self, now: Callable[[], datetime], signers: list[Signer]) -> None:
        self._settled = False
        if signers != self._known:
            async with self._database.write() as session:
                await publish_keys(session, signers, now())
            self._known = signers
        published = self._ring.published()
        async with self._database.write() as session:
            point = await sign(session, now(), signers, published)
        # Also one that was signed before: whoever signed it may have died before it kept it.
        if point is not None and point != published:
            async with self._database.read() as session:
                latest = await queries.latest_checkpoint(session)
            if latest is not None:
                self._ring.keep_published(latest.note, now())
        # None while another sequencer is at work: it may be done before what was sequenced here, and sign nothing of it.
        self._settled = point is not None

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
                f"The log {state.origin} exists and its keys are gone: put back the file log/keys of the data folder. "
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
                # Whatever it was, with its traceback in the log: the queue is kept, and the next round goes on from it. A loop that
                # ended here would stop sealing until somebody restarts the worker.
                log.exception("not sealed")
                pause = AFTER_TROUBLE
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue
