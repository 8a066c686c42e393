"""Changing a parts request at any stage: what it does to its orders is known before, and what is bound stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from marketplace.sourcing.changing import Placed, consequences
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


def placed(n: int, quantity: int, *, bound: bool = False) -> Placed:
    return Placed(UUID(int=n), f"CALL-{n}", "A", quantity, bound)


def test_fewer_units_take_back_the_newest_whole_orders_that_bind_nobody() -> None:
    orders = [placed(1, 2), placed(2, 3, bound=True), placed(3, 1)]
    done = consequences(orders, wanted=4, moves=False)
    assert [o.reference for o in done.taken_back] == ["CALL-3"]
    assert (done.too_many, done.lacking) == (1, 0)
    assert [o.reference for o in done.staying] == ["CALL-2"]
    moved = consequences(orders, wanted=6, moves=True)
    assert [o.reference for o in moved.taken_back] == ["CALL-3", "CALL-1"]
    assert (moved.too_many, moved.lacking) == (0, 3)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    """Four units at the partner, of which two are on order."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.sold(4, offered=4)
        await made.called(2)
        yield made


async def stands(job: Job) -> tuple[Any, ...]:
    row = await job.world.owner.fetchrow(
        "SELECT r.quantity, r.urgency, r.status, (SELECT count(*) FROM requisition_change c WHERE c.requisition_id = r.id)::int AS n, "
        "(SELECT array_agg(k.status ORDER BY k.id) FROM call k WHERE k.requisition_id = r.id) AS calls, "
        "(SELECT coalesce(sum(h.quantity), 0)::int FROM open_hold h JOIN call k ON k.id = h.cause_id WHERE k.requisition_id = r.id) AS held "
        "FROM requisition r WHERE r.id = $1",
        UUID(job.requisition),
    )
    return tuple(row.values())


async def change(job: Job, **given: Any) -> Any:
    return await job.technician.post(f"{API}/sourcing/requests/{job.requisition}/change", json=given)


async def test_what_a_change_does_is_told_first_and_then_done(job: Job) -> None:
    before = await stands(job)
    told = (await change(job, quantity=1, dry_run=True)).json()
    assert told["taken_back"] == []
    assert told["words"] == ["1 more than wanted stays on order."]
    site = (await job.world.owner.fetchval(
        "INSERT INTO site (company_id, code, name, timezone, country, place, region) SELECT company_id, 'ZZ9', 'Yard', timezone, country, place, region FROM site WHERE id = $1 "
        "RETURNING id", job.world.maker.site,
    ))  # fmt: skip
    told = (await change(job, destination_site_id=str(site), dry_run=True)).json()
    assert [o["quantity"] for o in told["taken_back"]] == [2]
    assert await stands(job) == before, "asking changes nothing"
    done = (await change(job, destination_site_id=str(site), urgency="stock_order")).json()
    assert done["taken_back"] == told["taken_back"]
    assert await stands(job) == (2, "stock_order", "open", 1, ["cancelled"], 0)
    kept = await job.world.owner.fetchrow(
        "SELECT before, after FROM requisition_change WHERE requisition_id = $1", UUID(job.requisition)
    )
    assert '"urgent"' in kept["before"]
    assert '"stock_order"' in kept["after"]


async def test_what_has_shipped_stays_and_less_than_that_is_refused(job: Job) -> None:
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    before = await stands(job)
    await refused(change(job, quantity=1), "requisition.quantity")
    await refused(change(job, urgency="urgent"), "requisition.unchanged")
    assert await stands(job) == before
    more = (await change(job, quantity=4)).json()
    assert (more["taken_back"], more["lacking"]) == ([], 2)
    assert (await stands(job))[0] == 4
    outsider = await job.buyer.post(f"{API}/sourcing/requests/{job.requisition}/change", json={"quantity": 9})
    assert outsider.status_code in (403, 404)
    assert (await stands(job))[0] == 4


async def test_a_request_that_has_ended_is_not_changed(job: Job) -> None:
    await ok(job.technician.post(f"{API}/sourcing/requests/{job.requisition}/cancel"))
    before = await stands(job)
    await refused(change(job, quantity=1), "requisition.closed")
    assert await stands(job) == before
