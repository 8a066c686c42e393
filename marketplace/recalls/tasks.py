"""What the clock does with recalls, and what follows their events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from marketplace.db.session import Database
from marketplace.outbox.service import Event, Handler
from marketplace.recalls import service


async def tell(database: Database, now: datetime) -> int:
    """Tells whoever is concerned and was not told yet: also who got such units later. Returns how many companies."""
    told = 0
    while True:
        async with database.write() as session:
            some = await service.tell_untold(session, now)
        told += some
        if some < service.AT_ONCE:
            return told


def listeners(database: Database) -> Mapping[str, Handler]:
    """Holders are told as soon as a hold is put in force or lifted; the clock tells them where this failed."""

    async def told(_event: Event) -> None:
        await tell(database, datetime.now(UTC))

    return {"recall.put": told, "recall.lifted": told}
