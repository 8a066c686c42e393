"""The port to the queue (pgqueuer): the only module that knows which queue it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import PgQueuer, RetryRequested
from pgqueuer.models import Job, Schedule
from pgqueuer.queries import Queries

from marketplace.db.session import Database, Tenant, WriteSession, driver, execute
from marketplace.jobs.queries import run_for_update
from marketplace.kit.errors import DomainError, Kind

JobHandler = Callable[[Mapping[str, Any]], Awaitable[None]]
ScheduledHandler = Callable[[], Awaitable[None]]
_CONNECT_SECONDS = 10.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# An internal error: a server process that was ended in the middle of an answer leaves the driver out of step.
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_END_SECONDS = 10.0
"""How long running jobs may go on after the connection was lost or the worker was told to stop."""


async def enqueue(
    session: WriteSession, job: str, payload: Mapping[str, Any] | None = None, *, after: timedelta | None = None
) -> None:
    """Asks the worker to run ``job`` once this transaction has committed (``after``: not before that long)."""
    queries = Queries.from_asyncpg_connection(await driver(session))
    await queries.enqueue(job, json.dumps(dict(payload or {})).encode(), execute_after=after)


async def each(ids: Iterable[UUID], act: Callable[[UUID], Awaitable[int]]) -> int:
    """Acts on each, in a transaction of its own: what cannot be done for one now holds up none of the others, and is tried
    again with the next tick. The sum of what was done."""
    done = 0
    for key in ids:
        try:
            done += await act(key)
        except DomainError as error:
            if error.kind is Kind.BUSY:
                raise  # the database is away: for all of them
            structlog.get_logger("clock").warning("not done now", id=str(key), code=error.code, words=error.message)
    return done


@dataclass(frozen=True, slots=True)
class Attempts:
    """Long work that is landed whole: rows of ``table`` (id, company_id, state, attempt, error, finished_at), each of which some worker
    carries out. One that is killed has written nothing and is begun anew; whoever began it last may write, so that two workers that both
    believe to have it do not both land it; after ``most`` it fails in words instead of going round for ever."""

    table: str
    most: int = 3

    async def carry_out(
        self,
        database: Database,
        tenant: Tenant,
        run_id: UUID,
        work: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        """Begins it and has it done; done twice, it does nothing twice. What cannot be done ends it as 'failed' with the words."""
        async with database.write(tenant) as session:
            found = await run_for_update(session, self.table, tenant.company, run_id)
            if found is None or found["state"] in ("done", "failed"):
                return
            attempt = found["attempt"]
            if attempt >= self.most:
                words = f"The worker broke off {self.most} times before this run had ended: see its log, then start another one."
                await self._fail(session, tenant, run_id, attempt, words, clock())
                return
            attempt += 1
            await execute(
                session,
                f"UPDATE {self.table} SET state = 'running', attempt = $3 WHERE id = $1 AND company_id = $2",
                run_id, tenant.company, attempt,
            )  # fmt: skip
        try:
            await work()
        except DomainError as error:
            if error.kind is Kind.BUSY:
                raise  # the queue tries again
            async with database.write(tenant) as session:
                await self._fail(session, tenant, run_id, attempt, error.message, clock())
        except Exception:
            # Nobody should wait for what will not come; the cause is the log's.
            words = "Something went wrong that is no fault of your data. The operator's log says what."
            async with database.write(tenant) as session:
                await self._fail(session, tenant, run_id, attempt, words, clock())
            raise

    async def _fail(
        self, session: WriteSession, tenant: Tenant, run_id: UUID, attempt: int, words: str, now: datetime
    ) -> None:
        await execute(
            session,
            f"UPDATE {self.table} SET state = 'failed', error = $3, finished_at = $4 WHERE id = $1 AND company_id = $2 "
            "AND state IN ('waiting', 'running') AND attempt = $5",
            run_id, tenant.company, words, now, attempt,
        )  # fmt: skip

    async def still_mine(self, session: WriteSession, tenant: Tenant, run_id: UUID, attempt: int) -> bool:
        """Whether this attempt may write; the row is locked until the transaction ends."""
        found = await run_for_update(session, self.table, tenant.company, run_id)
        return found is not None and found["state"] == "running" and found["attempt"] == attempt


async def run(
    dsn: str,
    jobs: Mapping[str, JobHandler],
    schedules: Mapping[str, tuple[str, ScheduledHandler]],
    *,
    stop: asyncio.Event,
) -> None:
    """Runs jobs and schedules (name -> (cron expression, handler)) until ``stop`` is set.

    Uses a connection of its own: LISTEN does not survive a transaction pooler. When the connection is lost it makes
    a new one, at longer and longer intervals up to half a minute, however long the database is away; only the very
    first one must succeed, so that a wrong address is noticed at the start. A job whose worker dies is picked up
    again after the heartbeat's timeout, so handlers must bear being run twice.
    """
    log = structlog.get_logger("jobs")
    connection: asyncpg.Connection | None = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    pause = _SHORTEST_PAUSE
    while True:
        if connection is not None:
            try:
                await _serve(connection, jobs, schedules, stop)
            except _LOST as error:
                log.warning("queue interrupted", error=repr(error))
            else:
                pause = _SHORTEST_PAUSE
        if stop.is_set():
            return
        log.warning("no connection to the queue", again_in_seconds=pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
            return
        pause = min(pause * 2, _LONGEST_PAUSE)
        try:
            connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
        except (asyncpg.PostgresError, OSError, TimeoutError) as error:
            connection = None
            log.warning("queue out of reach", error=repr(error))


async def _serve(
    connection: asyncpg.Connection,
    jobs: Mapping[str, JobHandler],
    schedules: Mapping[str, tuple[str, ScheduledHandler]],
    stop: asyncio.Event,
) -> None:
    """Serves the queue over one connection until it is lost or ``stop`` is set; closes it.

    Always returns soon after that: the library waits for its running jobs without limit, so one stuck job would keep
    the worker from ever connecting again. What is cut off here is put back into the queue, or, where the connection is
    gone, picked up again after the heartbeat's timeout.
    """
    ending = asyncio.Event()
    connection.add_termination_listener(lambda _: ending.set())

    async def forward() -> None:
        await stop.wait()
        ending.set()

    forwarding = asyncio.create_task(forward())
    try:
        queue = PgQueuer.from_asyncpg_connection(connection)
        queue.shutdown = ending
        queue.qm.shutdown = ending
        queue.sm.shutdown = ending
        for name, handler in jobs.items():
            queue.entrypoint(name)(_job(handler))
        for name, (expression, scheduled) in schedules.items():
            queue.schedule(name, expression, clean_old=True)(_schedule(scheduled))
        serving = asyncio.create_task(
            queue.run(dequeue_timeout=timedelta(seconds=5), heartbeat_timeout=timedelta(seconds=30), batch_size=10)
        )
        try:
            told = asyncio.create_task(ending.wait())
            await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            await asyncio.wait({serving}, timeout=_END_SECONDS)
        finally:
            await _cut_off(serving)
    finally:
        forwarding.cancel()
        try:
            await connection.close(timeout=_CONNECT_SECONDS)
        except _LOST:
            connection.terminate()


async def _cut_off(serving: asyncio.Task[None]) -> None:
    """Takes what the task ended with, or cancels it and waits a moment, not for ever, for it to go."""
    if not serving.done():
        structlog.get_logger("jobs").warning("running jobs cut off", after_seconds=_END_SECONDS)
        serving.cancel()
        await asyncio.wait({serving}, timeout=_END_SECONDS)
    if serving.done() and not serving.cancelled():
        serving.result()


def _job(handler: JobHandler) -> Callable[[Job], Awaitable[None]]:
    async def run_job(job: Job) -> None:
        try:
            await handler(json.loads(job.payload or b"{}"))
        except asyncio.CancelledError:
            # Only an ending worker cuts a job off. The library would take it for a job nobody wants any more and
            # strike it out; put back, it is the next worker's.
            raise RetryRequested(reason="The worker ended while this ran.") from None

    return run_job


def _schedule(handler: ScheduledHandler) -> Callable[[Schedule], Awaitable[None]]:
    async def run_schedule(schedule: Schedule) -> None:  # noqa: ARG001 - the queue passes it
        await handler()

    return run_schedule
