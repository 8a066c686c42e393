"""The port to the queue (pgqueuer): the only module that knows which queue it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.models import Job, Schedule
from pgqueuer.queries import Queries

from marketplace.db.session import WriteSession, driver

JobHandler = Callable[[Mapping[str, Any]], Awaitable[None]]
ScheduledHandler = Callable[[], Awaitable[None]]


async def enqueue(
    session: WriteSession, job: str, payload: Mapping[str, Any] | None = None, *, after: timedelta | None = None
) -> None:
    """Asks the worker to run ``job`` once this transaction has committed (``after``: not before that long)."""
    queries = Queries.from_asyncpg_connection(await driver(session))
    await queries.enqueue(job, json.dumps(dict(payload or {})).encode(), execute_after=after)


async def run(
    dsn: str, jobs: Mapping[str, JobHandler], schedules: Mapping[str, tuple[str, ScheduledHandler]], *, stop: Any
) -> None:
    """Runs jobs and schedules (name -> (cron expression, handler)) until ``stop`` (an asyncio.Event) is set.

    Uses a connection of its own: LISTEN does not survive a transaction pooler. A job whose worker dies is picked
    up again after the heartbeat's timeout, so handlers must bear being run twice.
    """
    connection = await asyncpg.connect(dsn)
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        queue.shutdown = stop
        queue.qm.shutdown = stop
        queue.sm.shutdown = stop
        for name, handler in jobs.items():
            queue.entrypoint(name)(_job(handler))
        for name, (expression, scheduled) in schedules.items():
            queue.schedule(name, expression, clean_old=True)(_schedule(scheduled))
        await queue.run(dequeue_timeout=timedelta(seconds=5), heartbeat_timeout=timedelta(seconds=30), batch_size=10)
    finally:
        await connection.close()


def _job(handler: JobHandler) -> Callable[[Job], Awaitable[None]]:
    async def run_job(job: Job) -> None:
        await handler(json.loads(job.payload or b"{}"))

    return run_job


def _schedule(handler: ScheduledHandler) -> Callable[[Schedule], Awaitable[None]]:
    async def run_schedule(schedule: Schedule) -> None:  # noqa: ARG001 - the queue passes it
        await handler()

    return run_schedule
