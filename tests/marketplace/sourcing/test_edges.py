"""Edge cases of the clauses by their names in the design: a call a minute after the window, a sanction hit, and a use dated before
an order's notice. (Others: ``agreements/test_shelf_life.py``, ``resales/test_resales.py`` for an accession by the wrong company.)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements import service as agreements
from marketplace.agreements.combinations import BUY_BACK
from marketplace.kit.errors import DomainError
from marketplace.sourcing.service import Asked, order_back
from tests import second
from tests.agreed import agreed_on, person, rows_of, under
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

TABLES = ("call", "requisition", "movement", "open_hold", "permit", "agreement_exercise", "agreement_event")
BEFORE = datetime.now(UTC) - timedelta(days=9)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    """Ten units under buy-back/v2, there for nine days."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "minimum_to_keep": 2, "use_rule": "free"})])
        await world.register(world.buyer, 10, place=under(world, agreement_id), occurred_at=BEFORE)
        made.agreement = str(agreement_id)
        yield made


async def closes(job: Job) -> datetime:
    found: datetime = await job.world.owner.fetchval(
        "SELECT window_closes_at FROM agreement WHERE id = $1", UUID(job.agreement)
    )
    return found


async def orders(job: Job, now: datetime) -> None:
    world = job.world
    (place,) = await job.candidates()
    asked = Asked(world.part, 1, world.maker.site, now + timedelta(days=30), "urgent", "EX-200", "77")
    async with world.db.write(world.maker.tenant) as session:
        await order_back(session, person(world.maker, "technician"), asked, place["key"], now)


async def not_ordered(job: Job, now: datetime, code: str) -> str:
    before = await rows_of(job.world, *TABLES)
    with pytest.raises(DomainError) as no:
        await orders(job, now)
    assert no.value.code == code, no.value.message
    assert await rows_of(job.world, *TABLES) == before
    return no.value.message


async def test_a_call_a_minute_after_the_window_is_refused_and_a_minute_before_it_holds(job: Job) -> None:
    end = await closes(job)
    said = await not_ordered(job, end + timedelta(minutes=1), "requisition.window_closed")
    assert "The right ended on" in said
    await not_ordered(job, end, "requisition.window_closed")
    await orders(job, end - timedelta(minutes=1))


async def test_a_sanction_hit_suspends_the_agreement_and_its_days_are_added_to_the_window(job: Job) -> None:
    world, end = job.world, await closes(job)
    agreement_id, now = UUID(job.agreement), datetime.now(UTC)
    async with world.db.write(world.maker.tenant) as session:
        await agreements.suspend(session, agreement_id, person(world.maker), "Sanctions screening: a hit.", now)
    assert "suspended" in await not_ordered(job, now + timedelta(hours=1), "requisition.suspended")
    install = {"part_id": str(world.part), "site_id": str(world.buyer.site), "quantity": 1, "machine": "D6 SN 1"}
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{API}/holdings/installs", json=install), "agreement.suspended")
    assert await rows_of(world, *TABLES) == before
    async with world.db.write(world.maker.tenant) as session:
        await agreements.resume(session, agreement_id, person(world.maker), now + timedelta(days=20))
    tolled = await closes(job)
    assert timedelta(days=19, hours=22) < tolled - end < timedelta(days=20, hours=2)
    await not_ordered(job, tolled + timedelta(minutes=1), "requisition.window_closed")
    await orders(job, end + timedelta(days=1))


@pytest.mark.parametrize("answered", [False, True])
async def test_a_use_dated_before_an_orders_notice_needs_evidence(job: Job, answered: bool) -> None:
    """Whether the order waits, or was answered by saying that the units were used and not reported (section 5.2)."""
    world = job.world
    await job.called(3)
    if answered:
        used = {"code": "used_unreported", "note": "Fitted last week."}
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json=used))
    act: dict[str, Any] = {
        "part_id": str(world.part), "site_id": str(world.buyer.site), "quantity": 2, "machine": "D6 SN 1",
        "occurred_at": (BEFORE + timedelta(days=2)).isoformat(),
    }  # fmt: skip
    before = await rows_of(world, *TABLES)
    for note in (None, "  "):
        said = await refused(job.buyer.post(f"{API}/holdings/installs", json={**act, "note": note}), "holding.evidence")
        assert "an order of 3 units was noticed on" in said["detail"]
        assert "Section 5.2" in said["detail"]
        assert said["errors"][0]["field"] == "note"
    assert await rows_of(world, *TABLES) == before
    await ok(job.buyer.post(f"{API}/holdings/installs", json={**act, "note": "Work order 4711."}), 201)
    read = (await ok(job.planner.get(f"{API}/agreements/{job.agreement}")))["events"]
    (told,) = [e["detail"]["note"] for e in read if e["kind"] == "used_before"]
    assert told.startswith("2 units, dated ")
    assert told.endswith("Shown by: Work order 4711.")
    # A use of today, and one of that day where no order stands against it, asks for nothing.
    await ok(job.buyer.post(f"{API}/holdings/installs", json={**act, "quantity": 1, "occurred_at": None}), 201)
    if not answered:
        await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/cancel"))
        await ok(job.buyer.post(f"{API}/holdings/installs", json={**act, "quantity": 1}), 201)


async def test_an_order_has_a_size_that_the_agreement_allows_or_is_for_all_that_can_be_ordered(world: World) -> None:
    """At least four, in pairs (section 4.2); the last two are an order of their own."""
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        terms = {**BUY_BACK, "partial_minimum": 4, "partial_multiple": 2}
        agreement_id = await agreed_on(world, [("buy-back", 2, terms)])
        await world.register(world.buyer, 10, place=under(world, agreement_id), occurred_at=BEFORE)
        (place,) = await job.candidates()
        assert place["callable"] == 10
        for quantity in (3, 5):
            before = await rows_of(world, *TABLES)
            body = {**job.need(quantity), "key": place["key"]}
            no = await refused(job.technician.post(f"{API}/sourcing/order-back", json=body), "requisition.order_size")
            assert "One order takes at least 4, in multiples of 2, or all 10 that can be ordered." in no["detail"]
            assert await rows_of(world, *TABLES) == before
        few = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(3)), 201)
        plan = await ok(job.technician.get(f"{API}/sourcing/requests/{few['id']}/plan"))
        assert (plan["chosen"], plan["unmet"]) == ([], 3)
        assert "This request lacks 3." in plan["not_callable"][0]["why"][0]["words"]
        odd = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(9)), 201)
        plan = await ok(job.technician.get(f"{API}/sourcing/requests/{odd['id']}/plan"))
        assert [c["quantity"] for c in plan["chosen"]] == [8]
        await ok(job.technician.post(f"{API}/sourcing/requests/{odd['id']}/confirm", json={}))
        (place,) = await job.candidates()
        await ok(job.technician.post(f"{API}/sourcing/order-back", json={**job.need(2), "key": place["key"]}), 201)


async def test_a_plan_over_several_places_gives_each_an_order_of_a_size_that_it_takes(world: World) -> None:
    """Six and then two would be cheapest by a little; an order of two is none (section 4.2)."""
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        terms = {**BUY_BACK, "partial_minimum": 4, "partial_multiple": 2}
        agreement_id = await agreed_on(world, [("buy-back", 2, terms)])
        for site in world.buyer.sites[:2]:
            at = under(world, agreement_id, site=site)
            await world.register(world.buyer, 6, place=at, occurred_at=BEFORE)
        made = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(8)), 201)
        plan = await ok(job.technician.get(f"{API}/sourcing/requests/{made['id']}/plan"))
        assert sorted(c["quantity"] for c in plan["chosen"]) == [4, 4]
        done = await ok(job.technician.post(f"{API}/sourcing/requests/{made['id']}/confirm", json={}))
        assert len(done["calls"]) == 2
