"""What the clock does with agreements."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import queries, service
from marketplace.agreements.queries import retained
from marketplace.agreements.queries.shelf_life import ending_shelf_lives
from marketplace.db.session import Database, fetch_value
from marketplace.jobs.service import each
from marketplace.parties.actor import OnBehalf

SOON = timedelta(days=90)
"""So long before its right ends an agreement says so: time to agree on more."""


async def mark_ends(database: Database, actor_id: UUID, now: datetime) -> int:
    """Agreements whose right ends within 90 days, or has ended, each in a transaction of its own. Rights are not touched:
    the window decides about them, to the minute. Returns how many steps were gone."""
    async with database.read() as session:
        due = await queries.ending(session, now, now + SOON)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            maker = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
            return await service.note_endings(session, OnBehalf(actor_id, maker), agreement_id, now, now + SOON)

    return await each(due, act)


async def end_suspensions(database: Database, actor_id: UUID, now: datetime) -> int:
    """Suspensions that have ended by themselves, each in a transaction of its own, as of the stored moment. Returns how many."""
    async with database.read() as session:
        due = await queries.suspensions_over(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            maker = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
            return await service.end_suspension_due(session, OnBehalf(actor_id, maker), agreement_id, now)

    return await each(due, act)


async def renew(database: Database, actor_id: UUID, now: datetime) -> int:
    """Agreements that renew by themselves go on, each in a transaction of its own, once for each deadline that has passed
    without a notice. Returns how many renewals there were."""
    async with database.read() as session:
        due = await queries.renewals_due(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            maker = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
            return await service.renew_due(session, OnBehalf(actor_id, maker), agreement_id, now)

    return await each(due, act)


async def tell_shelf_lives(database: Database, actor_id: UUID, now: datetime) -> int:
    """Units whose shelf life ends soon, and before the right does: each agreement in a transaction of its own, each lot once.
    Returns of how many parts and days both sides were told."""
    async with database.read() as session:
        due = await ending_shelf_lives(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            return await service.tell_shelf_lives(session, actor_id, agreement_id, now)

    return await each(due, act)


async def count_out(database: Database, actor_id: UUID, now: datetime) -> int:
    """Units that stay the maker's and lie too long, or are bought at the end, count as taken out: each agreement in a
    transaction of its own. Returns how many units did."""
    async with database.read() as session:
        due = await retained.counting_out(session, now)

    async def act(agreement_id: UUID) -> int:
        async with database.write() as session:
            maker = await fetch_value(session, "SELECT maker_id FROM agreement WHERE id = $1", agreement_id)
            return await service.count_out(session, OnBehalf(actor_id, maker), agreement_id, now)

    return await each(due, act)


async def pass_titles(database: Database, actor_id: UUID, now: datetime) -> int:
    """Title to paid units that were reserved when they were paid passes to those that are free by now. Returns how many."""
    async with database.read() as session:
        due = await retained.titles_due(session)

    async def act(cause_id: UUID) -> int:
        async with database.write() as session:
            return await service.pass_title_due(session, actor_id, cause_id, now)

    return await each(due, act)
