"""What an order gives back when it ends: never units that somebody has taken, moved or posted meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from marketplace.db.session import Database
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.listings.service import stop_offering_what_is_gone
from marketplace.orders.service import expire
from tests.faulting import sized
from tests.marketplace.main_job import API, Job, ok
from tests.world import World

LATE = timedelta(hours=49)
"""After every reservation."""


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def ends(job: Job, worker_db: Database, late: datetime) -> None:
    """The clock ends the order."""
    async with worker_db.write() as session:
        await expire(session, UUID(int=0), UUID(job.order), late)


async def told(job: Job, worker_db: Database, late: datetime) -> None:
    """What the worker does once it hears that units are gone."""
    async with worker_db.write() as session:
        await stop_offering_what_is_gone(session, job.world.maker.id, [(job.lot, 1)], late)


async def stands(job: Job) -> tuple[int, int, int, int, int]:
    """(offered in all, ordered, behind the line, in the place, of which reserved)."""
    row = await job.world.owner.fetchrow(
        "SELECT l.quantity, l.ordered, (SELECT coalesce(sum(b.quantity), 0)::int FROM listing_lot b WHERE b.listing_id = l.id), "
        'p.quantity, p.held FROM listing l, "position" p WHERE l.id = $1 AND p.lot_id = $2 AND p.position_id = 1',
        UUID(job.listing), job.lot,
    )  # fmt: skip
    return tuple(row)


async def test_units_taken_after_the_reservation_ran_out_are_not_offered_again(job: Job, worker_db: Database) -> None:
    world, late = job.world, datetime.now(UTC) + LATE
    await job.released(10)
    await job.ordered(4)
    there = world.place(world.maker, site=world.maker.sites[1])
    await world.run(world.maker, Step(Kind.SCRAP, job.lot, 6, 1), Step(Kind.MOVE, job.lot, 1, 1, to=there), now=late)
    await told(job, worker_db, late)
    assert await stands(job) == (7, 4, 3, 3, 0)
    await ends(job, worker_db, late)
    assert await stands(job) == (3, 0, 3, 3, 0), "three are left, and three were on offer already"
    mails = await world.owner.fetch(
        "SELECT payload -> 'mail' ->> 'text' AS words FROM outbox_event WHERE name = 'listing.shrunk' AND $1 = ANY (company_ids) "
        "ORDER BY id",
        world.maker.id,
    )
    assert "3 EA gone, 3 still on offer, 4 ordered and honoured." in mails[0]["words"]
    assert "4 EA gone, 3 still on offer, 0 ordered and honoured." in mails[1]["words"], "the seller is told"


async def test_units_that_another_posting_offers_meanwhile_are_not_offered_twice(job: Job, worker_db: Database) -> None:
    world, late = job.world, datetime.now(UTC) + LATE
    await job.released(10)
    await job.ordered(10)
    await job.world.run(world.maker, Step(Kind.SCRAP, job.lot, 2, 1), now=late)
    chosen = await ok(job.planner.get(f"{API}/releases/{job.release}"))
    body = {name: chosen[name] for name in ("clause", "version", "terms", "use_class")}
    again = (await ok(job.planner.post(f"{API}/releases", json={"title": "Again", **body}), 201))["id"]
    line = {
        "part_id": str(world.part), "site_id": str(world.maker.site), "condition": "new", "quantity": 5,
        "unit_price": "80.00",
    }  # fmt: skip
    await ok(job.planner.put(f"{API}/releases/{again}/lines", json={"lines": [line]}))
    await ends(job, worker_db, late)
    assert await stands(job) == (3, 0, 3, 8, 0), "eight are left, five of them are in the newer posting"


async def test_the_end_of_an_order_and_a_use_at_the_same_time(job: Job, worker_db: Database) -> None:
    world = job.world
    for _ in range(sized(12, 200)):
        late = datetime.now(UTC) + LATE
        await job.released(10)
        await job.ordered(6)
        taken = random.randint(5, 10)

        async def use(taken: int = taken, late: datetime = late) -> None:
            await asyncio.sleep(random.random() / 50)
            await world.run(world.maker, Step(Kind.USE_UP, job.lot, taken, 1), now=late)
            await told(job, worker_db, late)

        async def end(late: datetime = late) -> None:
            await asyncio.sleep(random.random() / 20)
            await ends(job, worker_db, late)

        await asyncio.gather(use(), end())
        offered, ordered, behind, left, held = await stands(job)
        assert (ordered, held, left) == (0, 0, 10 - taken)
        assert offered == behind == left, "all that is left is on offer, and nothing else"
        await ok(job.planner.post(f"{API}/releases/{job.release}/close"))
        if left:
            await world.run(world.maker, Step(Kind.SCRAP, job.lot, left, 1), now=late)
