"""What the clock does with sign-ins."""

from __future__ import annotations

from datetime import datetime

from marketplace.db.session import Database
from marketplace.parties.service import forget_old


async def tidy(database: Database, now: datetime) -> int:
    """Forgets failed attempts and sessions that ended long ago. Returns how many rows went."""
    async with database.write() as session:
        return await forget_old(session, now)
