"""What the clock does with resales."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.resales import queries, service


async def lapse(database: Database, actor_id: UUID, now: datetime) -> int:
    """Ends resales that nobody answered or signed in time, or takes silence as consent where the clause says so, each in a
    transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.overdue(session, now)

    async def act(resale_id: UUID) -> int:
        async with database.write() as session:
            return await service.lapse(session, actor_id, resale_id, now)

    return await each(due, act)
