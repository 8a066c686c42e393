"""What follows in settlement from events of the domains below."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.outbox.service import Event, Handler
from marketplace.settlement import service


def listeners(database: Database) -> Mapping[str, Handler]:
    """An agreement that both have signed: its premium is owed. Units that were taken out: their price is; and not, where that
    was recorded wrongly."""

    async def signed(event: Event) -> None:
        if event.payload.get("status") == "active":
            async with database.write() as session:
                await service.owe_premiums(session, event.aggregate_id)

    async def taken_out(event: Event) -> None:
        async with database.write() as session:
            await service.owe_taken_out(session, UUID(event.payload["taking_out_id"]))

    async def put_back(event: Event) -> None:
        async with database.write() as session:
            await service.credit_put_back(session, UUID(event.payload["taking_out_id"]), datetime.now(UTC))

    return {"agreement.signed": signed, "agreement.taken_out": taken_out, "agreement.put_back": put_back}
