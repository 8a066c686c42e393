"""Imports too large for a request, brought on by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from marketplace.db.session import Database, Tenant, WriteSession, execute
from marketplace.imports.service import run
from marketplace.jobs.service import JobHandler, enqueue
from marketplace.kit.errors import DomainError, Kind

RUN = "imports.run"


async def ask_worker(session: WriteSession, *, job_id: UUID, company_id: UUID, actor_id: UUID, land: bool) -> None:
    """Has the worker bring an import on once this transaction has committed."""
    await enqueue(
        session, RUN, {"job_id": str(job_id), "company_id": str(company_id), "actor_id": str(actor_id), "land": land}
    )


def jobs(database: Database, data_dir: Path) -> Mapping[str, JobHandler]:
    """The worker's handlers. ``data_dir``: where the uploads are; the web process and the worker share it."""

    async def run_import(payload: Mapping[str, Any]) -> None:
        job_id, company_id = UUID(payload["job_id"]), UUID(payload["company_id"])
        log = structlog.get_logger("imports").bind(job_id=str(job_id))
        try:
            await run(
                database, job_id=job_id, company_id=company_id, actor_id=UUID(payload["actor_id"]), data_dir=data_dir,
                land=bool(payload["land"]), now=datetime.now(UTC),
            )  # fmt: skip
        except DomainError as error:
            if error.kind is Kind.BUSY:
                raise  # the queue tries again
            log.info("import refused", code=error.code)
            async with database.write(Tenant(company_id)) as session:
                await execute(
                    session, "UPDATE import_job SET error = $2 WHERE id = $1 AND step <> 'done'", job_id, error.message
                )

    return {RUN: run_import}
