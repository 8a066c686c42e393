"""Imports too large for a request, brought on by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from marketplace.db.session import Database
from marketplace.imports import service
from marketplace.jobs.service import JobHandler
from marketplace.kit.errors import DomainError, Kind


def jobs(database: Database, data_dir: Path) -> Mapping[str, JobHandler]:
    """The worker's handlers. ``data_dir``: where the uploads are; the web process and the worker share it."""

    async def run_import(payload: Mapping[str, Any]) -> None:
        job_id, company_id = UUID(payload["job_id"]), UUID(payload["company_id"])
        try:
            await service.run(
                database, job_id=job_id, company_id=company_id, actor_id=UUID(payload["actor_id"]), data_dir=data_dir,
                land=bool(payload["land"]), now=datetime.now(UTC),
            )  # fmt: skip
        except DomainError as error:
            if error.kind is Kind.BUSY:
                raise  # the queue tries again
            structlog.get_logger("imports").info("import refused", job_id=str(job_id), code=error.code)
            await service.note_refusal(database, company_id, job_id, error.message)

    return {service.RUN: run_import}


async def prices_of_the_day(database: Database, now: datetime) -> None:
    """Prices whose day has come become their parts' own; done again, it changes nothing."""
    async with database.write() as session:
        await service.bring_prices_up_to_date(session, now)
