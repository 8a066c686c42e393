"""What the clock does with orders."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.orders import queries, service


async def expire_unanswered(database: Database, actor_id: UUID, now: datetime) -> int:
    """Ends orders whose reservation has run out, each in a transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.unanswered(session, now)

    async def act(order_id: UUID) -> int:
        async with database.write() as session:
            return await service.expire(session, actor_id, order_id, now)

    return await each(due, act)
