"""What the clock does with calls and parts requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.outbox.service import Event, Handler
from marketplace.parties.actor import OnBehalf
from marketplace.sourcing import queries, service
from marketplace.sourcing.service.placing import APPROVAL_MINUTES

CLOCK = UUID(int=0)
"""Whoever acts where nobody does."""

FELL_SHORT = "requisition.fell_short"
"""An order back came to nothing, and the maker's rule says what follows."""


WANTS_EVERY = timedelta(minutes=5)


async def tell_wants(database: Database, now: datetime) -> int:
    """Want lists that nobody has looked at for five minutes, each in a transaction of its own. Returns how many offers were told."""
    async with database.read() as session:
        due = await queries.wants_due(session, now - WANTS_EVERY)

    async def act(search_id: UUID) -> int:
        async with database.write() as session:
            return await service.look(session, search_id, now)

    return await each(due, act)


async def act_on_silence(database: Database, actor_id: UUID, now: datetime) -> int:
    """Calls whose deadline has passed without an answer, each in a transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.silent(session, now)

    async def act(call_id: UUID) -> int:
        async with database.write() as session:
            return await service.act_on_silence(session, actor_id, call_id, now) is not None

    return await each(due, act)


async def act_on_default(database: Database, actor_id: UUID, now: datetime) -> int:
    """Accepted orders that are in default, each in a transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.defaulting(session, now)

    async def act(call_id: UUID) -> int:
        async with database.write() as session:
            return await service.act_on_default(session, actor_id, call_id, now)

    return await each(due, act)


async def accept_uninspected(database: Database, actor_id: UUID, now: datetime) -> int:
    """Units that nobody rejected in time are accepted, each order in a transaction of its own. Returns how many."""
    async with database.read() as session:
        due = await queries.uninspected(session, now)

    async def act(call_id: UUID) -> int:
        async with database.write() as session:
            return await service.accept_uninspected(session, actor_id, call_id, now)

    return await each(due, act)


async def buy_unreplaced(database: Database, actor_id: UUID, now: datetime) -> int:
    """Drawn units that were not replaced in time are bought, each order in a transaction of its own. Returns how
    many units."""
    async with database.read() as session:
        due = await queries.unreplaced(session, now)

    async def act(call_id: UUID) -> int:
        async with database.write() as session:
            return await service.buy_unreplaced(session, actor_id, call_id, now)

    return await each(due, act)


async def lapse_approvals(database: Database, actor_id: UUID, now: datetime) -> int:
    """Parts requests that nobody approved within 30 minutes. Returns how many."""
    async with database.read() as session:
        due = await queries.unapproved(session, now - timedelta(minutes=APPROVAL_MINUTES))

    async def act(requisition_id: UUID) -> int:
        async with database.write() as session:
            found = await queries.requisition(session, requisition_id)
            return await service.lapse(session, OnBehalf(actor_id, found.maker_id), requisition_id, now)

    return await each(due, act)


def listeners(database: Database) -> Mapping[str, Handler]:
    """Reactions to events of the domains below: a settled line ends the call it was owed for; units that are gone are made up
    for in the orders that had reserved them; where an order came to nothing and its maker wants that, the next best is ordered."""

    async def settled(event: Event) -> None:
        cause = event.payload.get("cause_id")
        if cause is None:
            return
        async with database.write() as session:
            # Lines are owed for agreements too, for which no order ends.
            if await queries.is_call(session, UUID(str(cause))):
                await service.settle(session, UUID(str(cause)), datetime.now(UTC))

    async def missing(event: Event) -> None:
        for call_id in event.payload.get("calls", ()):
            async with database.write() as session:
                if await queries.is_call(session, UUID(str(call_id))):
                    await service.mend(session, CLOCK, UUID(str(call_id)), datetime.now(UTC))

    async def fell_short(event: Event) -> None:
        async with database.write() as session:
            await service.go_on(session, UUID(str(event.payload["cascade_id"])), datetime.now(UTC))

    return {"settlement.settled": settled, "holding.missing": missing, FELL_SHORT: fell_short}
