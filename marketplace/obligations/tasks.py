"""What the clock does with obligations: it reminds, and closes what nothing is open under. What happens at a deadline is
done by the domain it belongs to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.db.session import Database, fetch_value
from marketplace.jobs.service import each
from marketplace.obligations import queries, service
from marketplace.parties.actor import OnBehalf


async def remind(database: Database, now: datetime) -> int:
    """Reminds every company that has something coming up or overdue, each in a transaction and with a mail of its own.
    Returns how many companies were told. However often and late it runs, each is told once, and nothing that is over."""
    async with database.read() as session:
        companies = sorted({owing.company_id for owing in await queries.to_remind(session, now)})

    async def act(company_id: UUID) -> int:
        async with database.write() as session:
            return int(await service.remind(session, company_id, now) > 0)

    return await each(companies, act)


async def close_run_off(database: Database, actor_id: UUID, now: datetime) -> int:
    """Closes agreements under which nothing is open any more and whose duties have ended, each in a transaction of its own.
    Returns how many."""
    async with database.read() as session:
        due = await queries.to_close(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            maker = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
            return await service.close_run_off(session, OnBehalf(actor_id, maker), agreement_id, now)

    return await each(due, act)
