"""Sending many commands at once and sorting what came of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from marketplace.db.embedded import APP, Credentials
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Applied


@asynccontextmanager
async def crowd(cluster: Credentials, name: str, clients: int) -> AsyncIterator[Database]:
    """Connections for so many clients at once, each warm before the race begins."""
    database = Database(cluster.dsn(APP, name), pool_size=clients, pool_wait_seconds=60)

    async def warm() -> None:
        async with database.read() as session:
            await session.connection()
            await ready.wait()

    ready = asyncio.Event()
    waiting = [asyncio.create_task(warm()) for _ in range(clients)]
    await asyncio.sleep(0)
    ready.set()
    await asyncio.gather(*waiting)
    try:
        yield database
    finally:
        await database.close()


async def race(attempts: Sequence[Callable[[], Awaitable[Applied]]]) -> tuple[list[Applied], Counter[str]]:
    """Starts all attempts together. Returns what succeeded and how often each refusal was given; anything that is
    not a refusal (a deadlock, a constraint) is raised."""
    start = asyncio.Event()

    async def one(attempt: Callable[[], Awaitable[Applied]]) -> Applied | DomainError:
        await start.wait()
        try:
            return await attempt()
        except DomainError as refusal:
            return refusal

    tasks = [asyncio.create_task(one(a)) for a in attempts]
    await asyncio.sleep(0)
    start.set()
    answers = await asyncio.gather(*tasks)
    return (
        [a for a in answers if isinstance(a, Applied)],
        Counter(a.code for a in answers if isinstance(a, DomainError)),
    )


async def gaps(owner: asyncpg.Connection, lots: Sequence[UUID]) -> list[asyncpg.Record]:
    """Lots whose transactions are not numbered 1, 2, 3 ... up to the last."""
    return list(
        await owner.fetch(
            "SELECT l.lot_id, l.last_seq, count(m.seq), max(m.seq) FROM lot l LEFT JOIN movement m USING (lot_id) "
            "WHERE l.lot_id = ANY($1::uuid[]) GROUP BY 1, 2 HAVING count(m.seq) <> l.last_seq OR max(m.seq) <> l.last_seq",
            list(lots),
        )
    )
