"""What the worker does for the watch: looks once a day for every manufacturer with a right in force, and whenever somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.db.session import Database, Tenant
from marketplace.jobs.service import JobHandler, each
from marketplace.kit.errors import DomainError
from marketplace.watching import queries, service


def jobs(database: Database, clock: Callable[[], datetime]) -> Mapping[str, JobHandler]:
    """The worker's handlers."""

    async def run_watch(payload: Mapping[str, Any]) -> None:
        await service.make_watch(
            database, run_id=UUID(payload["run_id"]), company_id=UUID(payload["company_id"]), clock=clock
        )

    return {service.RUN_WATCH: run_watch}


async def look_everywhere(database: Database, now: datetime) -> int:
    """Asks for a run for every company with rights in force, each in a transaction of its own. Returns how many were asked for; one
    that is at work already is left to end."""
    async with database.read() as session:
        companies = await queries.companies_to_watch(session, now)

    async def act(company_id: UUID) -> int:
        async with database.write(Tenant(company_id)) as session:
            try:
                await service.begin(session, company_id, None, now)
            except DomainError as refused:
                if refused.code != "watch.running":
                    raise
                return 0
            return 1

    return await each(companies, act)
