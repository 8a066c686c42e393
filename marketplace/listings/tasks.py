"""How postings follow what happens to the stock behind them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.listings import service
from marketplace.outbox.service import Event, Handler


def listeners(database: Database) -> Mapping[str, Handler]:
    """Reactions to events of the domains below: own units that are gone are no longer on offer."""

    async def taken(event: Event) -> None:
        units = [(UUID(str(lot)), int(position)) for lot, position in event.payload["units"]]
        company = UUID(str(event.payload["company_id"]))
        async with database.write() as session:
            await service.stop_offering_what_is_gone(session, company, units, datetime.now(UTC))

    return {"holding.taken": taken}
