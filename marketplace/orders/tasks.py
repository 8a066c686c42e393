"""What the clock does with orders, and how they follow their agreements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.orders import queries, service
from marketplace.outbox.service import Event, Handler


async def expire_unanswered(database: Database, actor_id: UUID, now: datetime) -> int:
    """Ends orders whose reservation has run out, each in a transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.unanswered(session, now)

    async def act(order_id: UUID) -> int:
        async with database.write() as session:
            return await service.expire(session, actor_id, order_id, now)

    return await each(due, act)


def listeners(database: Database) -> Mapping[str, Handler]:
    """An agreement was changed: its order, if it has not shipped yet, goes on under what took its place. It was ended by both, or
    for breach: such an order is cancelled."""

    async def superseded(event: Event) -> None:
        async with database.write() as session:
            await service.go_on_under(session, event.aggregate_id)

    async def terminated(event: Event) -> None:
        async with database.write() as session:
            await service.end_with_agreement(session, event.aggregate_id)

    return {
        "agreement.superseded": superseded,
        "agreement.terminated": terminated,
        "agreement.ended_for_breach": terminated,
    }
