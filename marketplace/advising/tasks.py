"""What the worker does for advising: reads large files of demand, and reckons advice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from marketplace.advising import service
from marketplace.db.session import Database
from marketplace.jobs.service import JobHandler
from marketplace.kit.errors import DomainError, Kind


def jobs(database: Database, data_dir: Path) -> Mapping[str, JobHandler]:
    """The worker's handlers. ``data_dir``: where the uploads are; the web process and the worker share it."""

    async def read_demand(payload: Mapping[str, Any]) -> None:
        import_id, company_id = UUID(payload["import_id"]), UUID(payload["company_id"])
        try:
            await service.land_demand(
                database, import_id=import_id, company_id=company_id, data_dir=data_dir, now=datetime.now(UTC)
            )
        except DomainError as error:
            if error.kind is Kind.BUSY:
                raise  # the queue tries again
            # The words stand on the file, for the person who looks at it.
            structlog.get_logger("advising").info("demand refused", import_id=str(import_id), code=error.code)

    async def run_advice(payload: Mapping[str, Any]) -> None:
        await service.make_advice(
            database,
            run_id=UUID(payload["run_id"]),
            company_id=UUID(payload["company_id"]),
            clock=lambda: datetime.now(UTC),
        )

    return {service.READ_DEMAND: read_demand, service.RUN_ADVICE: run_advice}
