"""What follows in settlement from events of the domains below, and from the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.outbox.service import Event, Handler
from marketplace.settlement import service


async def owe_storage(database: Database, now: datetime) -> int:
    """Years of storage that are over, each agreement in a transaction of its own. Returns how many lines are owed for them."""
    async with database.read() as session:
        due = await agreements.storage_to_settle(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            return await service.owe_storage(session, agreement_id, now)

    return await each(due, act)


def listeners(database: Database) -> Mapping[str, Handler]:
    """An agreement that both have signed: its premium is owed. Units that are missing: what the clause has the holder pay. Units
    that were taken out: their price is; and not, where that was recorded wrongly."""

    async def signed(event: Event) -> None:
        if event.payload.get("status") == "active":
            async with database.write() as session:
                await service.owe_premiums(session, event.aggregate_id)

    async def missing(event: Event) -> None:
        async with database.write() as session:
            await service.owe_for_missing(session, event.aggregate_id)

    async def taken_out(event: Event) -> None:
        async with database.write() as session:
            await service.owe_taken_out(session, UUID(event.payload["taking_out_id"]))

    async def put_back(event: Event) -> None:
        async with database.write() as session:
            await service.credit_put_back(session, UUID(event.payload["taking_out_id"]), datetime.now(UTC))

    return {
        "agreement.signed": signed, "holding.missing": missing, "agreement.taken_out": taken_out, "agreement.put_back": put_back,
    }  # fmt: skip
