"""What the clock does with obligations: it reminds. What happens at a deadline is done by the domain it belongs to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.db.session import Database
from marketplace.jobs.service import each
from marketplace.obligations import queries, service


async def remind(database: Database, now: datetime) -> int:
    """Reminds every company that has something coming up or overdue, each in a transaction and with a mail of its own.
    Returns how many companies were told. However often and late it runs, each is told once, and nothing that is over."""
    async with database.read() as session:
        companies = sorted({owing.company_id for owing in await queries.to_remind(session, now)})

    async def act(company_id: UUID) -> int:
        async with database.write() as session:
            return int(await service.remind(session, company_id, now) > 0)

    return await each(companies, act)
