"""What the clock does with sign-ins, and what the worker does about accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import JobHandler
from marketplace.parties import service
from marketplace.parties.service import Source, forget_old


def jobs(database: Database) -> Mapping[str, JobHandler]:
    """The worker's handlers: it looks up whose address it is for which a new password was asked."""

    async def reset(payload: Mapping[str, Any]) -> None:
        async with database.write() as session:
            await service.send_reset(
                session, UUID(payload["id"]), str(payload["email"]), source=Source(payload["place"], payload["device"]),
                now=datetime.fromisoformat(payload["at"]),
            )  # fmt: skip

    return {service.ASK_RESET: reset}


async def tidy(database: Database, now: datetime) -> int:
    """Forgets failed attempts and sessions that ended long ago. Returns how many rows went."""
    async with database.write() as session:
        return await forget_old(session, now)
