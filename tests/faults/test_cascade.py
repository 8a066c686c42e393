"""A worker that dies at each step of ordering the next best source: what came to nothing is made good once, never twice, and never
forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from marketplace.db.embedded import WORKER, Credentials
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.outbox.service import Listeners, deliver_waiting
from marketplace.sourcing.tasks import FELL_SHORT, listeners
from tests import own_database
from tests.faulting import report
from tests.marketplace.sourcing.test_cascade import pool_of
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES


class Killed:
    """A worker whose every connection is cut from its so-many-th statement on, the beginning and the end of transactions among them:
    as if its process had ended there."""

    def __init__(self, database: Database, after: int) -> None:
        self.database, self.left = database, after

    @property
    def died(self) -> bool:
        return self.left <= 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        engine = self.database.engine.sync_engine

        def count(connection: Any, record: LoggedQuery) -> None:
            if not re.search(r"pg_type|set_config\('jit'", record.query):
                self.left -= 1
                if self.left <= 0:
                    connection.terminate()

        known: set[Any] = set()

        def out(connection: Any, _record: object, _proxy: object) -> None:
            driver = connection.driver_connection
            if driver not in known:
                known.add(driver)
                driver.add_query_logger(lambda record: count(driver, record))

        event.listen(engine, "checkout", out)
        try:
            yield
        finally:
            event.remove(engine, "checkout", out)


def heard(database: Database) -> Listeners:
    return Listeners({FELL_SHORT: [listeners(database)[FELL_SHORT]]})


async def test_a_worker_that_dies_in_a_cascade_leaves_neither_no_order_nor_two(
    world: World, worker_db: Database, owner: asyncpg.Connection, cluster: Credentials, name: str
) -> None:
    done = (
        "SELECT (SELECT count(*) FROM call WHERE requisition_id = $1 AND status = 'noticed')::int AS orders, "
        "(SELECT count(*) FROM call WHERE requisition_id = $1)::int AS ever, "
        "(SELECT count(*) FROM cascade_outcome o JOIN cascade c ON c.id = o.cascade_id WHERE c.requisition_id = $1)::int AS outcomes, "
        "(SELECT count(*) FROM outbox_event WHERE aggregate_id = $1 AND name = 'requisition.went_on')::int AS told, "
        "(SELECT coalesce(sum(h.quantity), 0) FROM open_hold h JOIN call k ON k.id = h.cause_id WHERE k.requisition_id = $1)::int AS held"
    )
    steps, died_before, died_after = 0, 0, 0
    async with AsyncExitStack() as stack:
        pool = await pool_of(world, stack, worker_db, units=200)
        await pool.at_once(percent=20)
        while True:
            steps += 1
            await pool.ordered()
            await pool.refuse()
            # Only what the worker goes on by is still to be delivered.
            await owner.execute(
                "UPDATE outbox_event SET delivered_at = now() WHERE delivered_at IS NULL AND name <> $1", FELL_SHORT
            )
            request = UUID(pool.job.requisition)
            mortal = Database(cluster.dsn(WORKER, name), pool_size=1)
            killed = Killed(mortal, steps)
            with killed.watched(), suppress(DomainError):
                await deliver_waiting(mortal, heard(mortal), lambda: datetime.now(UTC))
            await mortal.close()
            found = await owner.fetchrow(done, request)
            assert found["orders"] == found["outcomes"] == found["told"] == found["held"] <= 1, (
                "half of it was done",
                steps,
                dict(found),
                await pool.chain(),
            )
            died_before += killed.died and not found["orders"]
            died_after += killed.died and bool(found["orders"])
            # The next worker, once the lease of the dead one is over; twice, since it may die as well.
            for minutes in (5, 10):
                later = datetime.now(UTC) + timedelta(minutes=minutes)
                await deliver_waiting(worker_db, heard(worker_db), lambda at=later: at)  # type: ignore[misc]
            found = await owner.fetchrow(done, request)
            assert dict(found) == {"orders": 1, "ever": 2, "outcomes": 1, "told": 1, "held": 1}
            assert (
                await owner.fetchval(
                    "SELECT count(*) FROM outbox_event WHERE delivered_at IS NULL AND name = $1", FELL_SHORT
                )
                == 0
            )
            if not killed.died:
                break
    assert died_before > 20
    assert died_after >= 2, "after the order was committed, before the event was ticked off"
    report("F7", "worker cut off after each of its statements while it orders the next best source", steps=steps,
           before_the_order=died_before, after_it=died_after, orders_each=1)  # fmt: skip
