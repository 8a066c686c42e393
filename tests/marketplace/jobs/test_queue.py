"""The queue goes on after the database was away: a worker needs nobody to start it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from marketplace.db.embedded import SUPERUSER, WORKER, Credentials
from marketplace.db.session import Database, execute
from marketplace.jobs import service
from marketplace.jobs.service import enqueue, run

SOON = 60


class Listening:
    """What a running queue has done, and a way to wait for more."""

    def __init__(self) -> None:
        self.done: asyncio.Queue[str] = asyncio.Queue()
        self.stop = asyncio.Event()

    async def handle(self, payload: Mapping[str, Any]) -> None:
        await self.done.put(payload["mark"])
        if payload.get("stuck"):
            await asyncio.Event().wait()

    async def next(self) -> str:
        return await asyncio.wait_for(self.done.get(), SOON)


@pytest.fixture
async def listening(cluster: Credentials, database_name: str) -> AsyncIterator[Listening]:
    queue = Listening()
    running = asyncio.create_task(
        run(cluster.dsn(WORKER, database_name), {"test.mark": queue.handle}, {}, stop=queue.stop)
    )
    yield queue
    queue.stop.set()
    await asyncio.wait_for(running, SOON)


async def mark(db: Database, *, job: str = "test.mark", stuck: bool = False) -> str:
    text = uuid4().hex
    async with db.write() as session:
        await enqueue(session, job, {"mark": text, "stuck": stuck})
    return text


CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND usename = 'backstock_worker'"
)


@pytest.mark.parametrize("away", [False, True], ids=["cut", "away"])
async def test_jobs_run_after_the_database_was_lost(
    listening: Listening, worker_db: Database, cluster: Credentials, database_name: str, *, away: bool
) -> None:
    first = await mark(worker_db)
    assert await listening.next() == first
    admin = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"))
    try:
        if away:
            await admin.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS false')
        with capture_logs() as told:
            assert await admin.fetchval(CUT, database_name) >= 1
            words = "queue out of reach" if away else "no connection to the queue"
            async with asyncio.timeout(SOON):
                while not any(line["event"] == words for line in told):  # noqa: ASYNC110 - a log wakes nobody
                    await asyncio.sleep(0.02)
    finally:
        await admin.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS true')
        await admin.close()
    await worker_db.close()
    second = await mark(worker_db)
    assert await listening.next() == second


async def test_a_job_that_never_ends_does_not_keep_the_queue_from_coming_back(
    listening: Listening,
    worker_db: Database,
    cluster: Credentials,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "_END_SECONDS", 0.1)
    first = await mark(worker_db, stuck=True)
    assert await listening.next() == first
    admin = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"))
    # Whether the library notices first and ends the job, or it is cut off here, is a matter of milliseconds.
    assert await admin.fetchval(CUT, database_name) >= 1
    await admin.close()
    await worker_db.close()
    second = await mark(worker_db)
    assert await listening.next() == second


async def test_a_driver_out_of_step_is_a_lost_connection(
    worker_db: Database, cluster: Credentials, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asyncpg raises when the server process is ended in the middle of an answer (seen once in a run of the tests)."""
    serve, seen = service._serve, Listening()

    async def first_out_of_step(connection: asyncpg.Connection, *rest: Any) -> None:
        monkeypatch.setattr(service, "_serve", serve)
        await connection.close()
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    monkeypatch.setattr(service, "_serve", first_out_of_step)
    running = asyncio.create_task(
        run(cluster.dsn(WORKER, database_name), {"test.mark": seen.handle}, {}, stop=seen.stop)
    )
    text = await mark(worker_db)
    assert await seen.next() == text
    seen.stop.set()
    await asyncio.wait_for(running, SOON)


async def test_a_job_cut_off_when_the_worker_stops_is_the_next_workers(
    worker_db: Database, cluster: Credentials, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_END_SECONDS", 0.1)
    seen = Listening()
    text = await mark(worker_db, job="test.cut_off", stuck=True)
    for _ in range(2):
        seen.stop.clear()
        running = asyncio.create_task(
            run(cluster.dsn(WORKER, database_name), {"test.cut_off": seen.handle}, {}, stop=seen.stop)
        )
        assert await seen.next() == text
        seen.stop.set()
        await asyncio.wait_for(running, SOON)
    async with worker_db.write() as session:
        assert await execute(session, "DELETE FROM pgqueuer WHERE entrypoint = 'test.cut_off'") == "DELETE 1"


async def test_an_address_that_never_answered_is_an_error_at_the_start(cluster: Credentials) -> None:
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await run(cluster.dsn(WORKER, "no_such_database"), {}, {}, stop=asyncio.Event())
