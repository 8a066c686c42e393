"""How far a long import is, told once a second beside the transaction that does the work, so that others can see it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError

from marketplace.db.session import Database, Tenant, WriteSession, execute
from marketplace.kit.errors import DomainError

_EVERY = 1.0
_TELL = """
INSERT INTO import_progress (job_id, company_id, phase, done, total) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (job_id) DO UPDATE SET phase = excluded.phase, done = excluded.done, total = excluded.total, told_at = now(),
    began_at = CASE WHEN import_progress.phase = excluded.phase THEN import_progress.began_at ELSE now() END
"""


@dataclass(slots=True)
class Telling:
    """What an import is at: its phase (waiting, reading, checking, comparing, landing, finishing) and, where the end is known, rows
    done of ``total``."""

    phase: str = "reading"
    done: int = 0
    total: int = 0
    seen: Callable[[Telling], None] | None = None
    """Whoever else looks, such as a command line."""

    def at(self, phase: str, done: int = 0, total: int = 0) -> None:
        """Says where it is now."""
        self.phase, self.done, self.total = phase, min(done, total) if total else done, total
        if self.seen:
            self.seen(self)


@contextlib.asynccontextmanager
async def telling(
    database: Database, tenant: Tenant, job_id: UUID, *, aloud: bool, seen: Callable[[Telling], None] | None = None
) -> AsyncIterator[Telling]:
    """Tells others once a second what the block says, until it ends; not of what a request does by itself (``aloud``)."""
    told = Telling(seen=seen)
    if not aloud:
        yield told
        return

    async def tell() -> None:
        while True:
            async with _quietly(job_id), database.write(tenant) as session:
                await execute(session, _TELL, job_id, tenant.company, told.phase, told.done, told.total)
            await asyncio.sleep(_EVERY)

    task = asyncio.create_task(tell())
    try:
        yield told
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with _quietly(job_id), database.write(tenant) as session:
            await told_all(session, job_id)


@contextlib.asynccontextmanager
async def _quietly(job_id: UUID) -> AsyncIterator[None]:
    """Nobody's import fails because nobody could be told of it."""
    try:
        yield
    except (DomainError, PostgresError, SQLAlchemyError, OSError) as error:
        structlog.get_logger("imports").info("progress not told", job_id=str(job_id), error=str(error))


async def asked(session: WriteSession, job_id: UUID, company_id: UUID) -> None:
    """The import waits for the worker."""
    await execute(session, _TELL, job_id, company_id, "waiting", 0, 0)


async def told_all(session: WriteSession, job_id: UUID) -> None:
    """Nothing is to be told any more."""
    await execute(session, "DELETE FROM import_progress WHERE job_id = $1", job_id)
