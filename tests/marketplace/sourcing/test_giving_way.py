"""A stopped machine goes before a routine order, and only until the holder has accepted that one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    """Three units at the partner, all of them on order for stock; a request for a stopped machine has nothing left."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.sold(3, offered=3)
        await made.called(3)
        yield made


async def stopped(job: Job, quantity: int = 1, urgency: str = "machine_down") -> str:
    """A request for a stopped machine."""
    made = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(quantity, urgency=urgency)), 201)
    return str(made["id"])


async def held(job: Job) -> list[tuple[str, str, int]]:
    """Every order of the maker: urgency, status, units reserved for it."""
    rows = await job.world.owner.fetch(
        "SELECT k.urgency, k.status, coalesce((SELECT sum(h.quantity) FROM open_hold h WHERE h.cause_id = k.id), 0)::int AS n "
        "FROM call k WHERE k.maker_id = $1 ORDER BY k.id",
        job.world.maker.id,
    )
    return [(r["urgency"], r["status"], r["n"]) for r in rows]


async def test_a_stopped_machine_takes_units_of_a_routine_order_before_it_is_accepted(job: Job) -> None:
    request = await stopped(job)
    assert not (await ok(job.technician.get(f"{API}/sourcing/requests/{request}/plan")))["chosen"]
    done = await ok(
        job.technician.post(
            f"{API}/sourcing/requests/{request}/take-over",
            json={"call_id": job.call},
            headers={"Idempotency-Key": "way-1"},
        )
    )
    assert await held(job) == [("urgent", "noticed", 2), ("machine_down", "noticed", 1)]
    assert len(done["calls"]) == 1
    other = await ok(job.technician.get(f"{API}/sourcing/requests/{job.requisition}"))
    assert (other["ordered"], other["quantity"]) == (2, 3), "what it lost is lacking again"
    assert await job.world.owner.fetchval("SELECT plan FROM requisition WHERE reference = $1", other["reference"])
    # All of what is left: the routine order ends and counts for nothing.
    await ok(
        job.technician.post(f"{API}/sourcing/requests/{await stopped(job, 5)}/take-over", json={"call_id": job.call})
    )
    assert await held(job) == [
        ("urgent", "cancelled", 0),
        ("machine_down", "noticed", 1),
        ("machine_down", "noticed", 2),
    ]
    count = "SELECT exercises FROM agreement WHERE id = $1::uuid"
    assert await job.world.owner.fetchval(count, job.agreement) == 2
    story = (
        "SELECT detail ->> 'quantity' AS n FROM call_event WHERE kind = 'gave_way' AND call_id = $1::uuid ORDER BY id"
    )
    assert [r["n"] for r in await job.world.owner.fetch(story, job.call)] == ["1", "2"]
    told = await job.world.owner.fetchval(
        "SELECT count(*) FROM outbox_event WHERE name = 'call.gave_way' AND aggregate_id = $1::uuid", job.call
    )
    assert told == 2, "the holder is told each time"


@pytest.mark.parametrize("why", ["not_down", "accepted", "as_urgent", "too_many"])
async def test_what_does_not_give_way(job: Job, why: str) -> None:
    call, body = job.call, {}
    request = await stopped(job, urgency="urgent" if why == "not_down" else "machine_down")
    code = {
        "not_down": "requisition.not_machine_down", "accepted": "call.accepted", "as_urgent": "call.as_urgent",
        "too_many": "requisition.quantity",
    }[why]  # fmt: skip
    if why == "accepted":
        await ok(job.buyer.post(f"{API}/sourcing/calls/{call}/accept", json={}))
    if why == "as_urgent":
        taken = await ok(job.technician.post(f"{API}/sourcing/requests/{request}/take-over", json={"call_id": call}))
        call, request = taken["calls"][0], await stopped(job)
    if why == "too_many":
        body = {"quantity": 2}
    before = await held(job)
    await refused(
        job.technician.post(f"{API}/sourcing/requests/{request}/take-over", json={"call_id": call, **body}), code
    )
    assert await held(job) == before


async def test_answered_and_taken_over_at_the_same_moment(job: Job) -> None:
    """Whoever comes first wins; no unit is promised twice."""
    request = await stopped(job, 3)
    accepted, taken = await asyncio.gather(
        job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}),
        job.technician.post(f"{API}/sourcing/requests/{request}/take-over", json={"call_id": job.call}),
    )
    assert sorted((accepted.status_code, taken.status_code)) == [200, 409], (accepted.text, taken.text)
    assert sum(n for _, _, n in await held(job)) == 3


async def test_an_order_is_cut_again_and_again_and_the_holder_may_still_take_a_part(job: Job) -> None:
    take = {"call_id": job.call, "quantity": 1}
    await ok(job.technician.post(f"{API}/sourcing/requests/{await stopped(job)}/take-over", json=take))
    assert (await held(job))[0] == ("urgent", "noticed", 2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={"quantity": 1, "code": "short"}))
    assert [n for _, _, n in await held(job)] == [1, 1]


async def test_a_request_that_waited_for_approval_and_lost_its_units_is_open_again(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(2, offered=2)
        technician = world.maker.users["technician"]
        await world.owner.execute("UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", technician)
        await job.called(2)
        at = f"{API}/sourcing/requests/{job.requisition}"
        assert (await ok(job.planner.get(at)))["status"] == "awaiting_approval"
        need = job.need(2, urgency="machine_down")
        made = await ok(job.planner.post(f"{API}/sourcing/requests", json=need), 201)
        body = {"call_id": job.call}
        await ok(job.planner.post(f"{API}/sourcing/requests/{made['id']}/take-over", json=body))
        assert (await ok(job.planner.get(at)))["status"] == "open"
