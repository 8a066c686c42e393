"""What follows in settlement from events of the domains below."""

from __future__ import annotations

from collections.abc import Mapping

from marketplace.db.session import Database
from marketplace.outbox.service import Event, Handler
from marketplace.settlement import service


def listeners(database: Database) -> Mapping[str, Handler]:
    """An agreement that both have signed: its premium is owed. Units that are missing: what the clause has the holder pay."""

    async def signed(event: Event) -> None:
        if event.payload.get("status") == "active":
            async with database.write() as session:
                await service.owe_premiums(session, event.aggregate_id)

    async def missing(event: Event) -> None:
        async with database.write() as session:
            await service.owe_for_missing(session, event.aggregate_id)

    return {"agreement.signed": signed, "holding.missing": missing}
