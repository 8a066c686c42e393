"""The holder's own right to sell units back: an order back that nobody can refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.ledger.queries import CHECKS, verify
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
CALLS, SELL = f"{API}/sourcing/calls", f"{API}/sourcing/sell-back"
TABLES = ("call", "call_event", "call_unit", "movement", "open_hold", "settlement_line", "agreement_line")
PUT: dict[str, Any] = {**BUY_BACK, "put_percent_bp": 7_000, "put_start_months": 0, "minimum_to_keep": 8}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def begun(world: World, stack: AsyncExitStack, **changed: Any) -> Job:
    job = await Job.begin(world, stack)
    made = await agreed_on(world, [("buy-back", 2, {**PUT, **changed})])
    await delivered(world, made, 10)
    job.agreement = str(made)
    return job


def body(job: Job, quantity: int = 3, **more: Any) -> dict[str, Any]:
    world = job.world
    return {
        "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site), "condition": "new",
        "quantity": quantity, **more,
    }  # fmt: skip


async def sold(job: Job, quantity: int = 3) -> None:
    job.call = (await ok(job.buyer.post(SELL, json=body(job, quantity)), 201))["id"]


async def held(job: Job) -> int:
    return int(
        await job.world.owner.fetchval(
            "SELECT coalesce(sum(held), 0) FROM position WHERE agreement_id = $1", UUID(job.agreement)
        )
    )


async def test_sold_back_named_shipped_inspected_and_paid(world: World, stack: AsyncExitStack) -> None:
    """The minimum to keep of eight does not stand in the way: it limits what the holder does otherwise."""
    job = await begun(world, stack)
    (place,) = await ok(job.buyer.get(f"{SELL}/{job.agreement}"))
    assert (place["free"], place["can"], f"{Decimal(place['unit_price']):.2f}") == (10, 10, "70.00")
    assert "70 % of the price paid" in place["words"]
    assert "buy-back version 2, section 2.5" in place["words"]
    await sold(job)
    call = await ok(job.planner.get(f"{CALLS}/{job.call}"))
    assert (call["kind"], call["status"], call["urgency"]) == ("put", "accepted", "stock_order")
    assert call["acknowledge_by"] < call["ship_by"]
    assert await held(job) == 3
    # The maker cannot refuse it; the holder waits for where it goes, as long as the maker may say so.
    before = await rows_of(world, *TABLES)
    await refused(job.planner.post(f"{CALLS}/{job.call}/cancel"), "put.binding")
    await refused(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}), "put.destination")
    at = f"{CALLS}/{job.call}/destination"
    answer = await job.buyer.post(at, json={"site_id": str(world.buyer.site)})
    assert answer.status_code in (403, 404)
    await refused(job.planner.post(at, json={"site_id": str(world.buyer.site)}), "site.not_found")
    await refused(job.outsider.get(f"{CALLS}/{job.call}"), "call.not_found")
    await refused(job.outsider.get(f"{SELL}/{job.agreement}"), "agreement.not_found")
    await refused(job.outsider.post(SELL, json=body(job)), "agreement.not_found")
    assert await rows_of(world, *TABLES) == before
    await ok(job.planner.post(at, json={"site_id": str(world.maker.site)}))
    assert (await ok(job.buyer.get(f"{CALLS}/{job.call}")))["ship_to"]["name"]
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.planner.post(f"{CALLS}/{job.call}/receive"))
    await ok(job.planner.post(f"{CALLS}/{job.call}/inspect", json={"good": 3}))
    (line,) = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    # No handling: section 6.2 adds it to the price of the manufacturer's own orders.
    assert (line["kind"], f"{Decimal(line['amount']):.2f}", line["payer"]) == ("call_price", "210.00", world.maker.name)
    back = await world.owner.fetchval(
        "SELECT taken_back FROM agreement_line WHERE agreement_id = $1", UUID(job.agreement)
    )
    used = await world.owner.fetchval(
        "SELECT count(*) FROM agreement_exercise WHERE agreement_id = $1", UUID(job.agreement)
    )
    assert (back, used) == (3, 0), "it uses up none of the maker's own orders"
    for who in (job.planner, job.buyer):
        await ok(who.post(f"{API}/settlement/{line['id']}/mark"))
    async with world.db.read(world.maker.tenant) as session:
        assert [name for name in CHECKS if await verify(session, name)] == []


async def test_refused_outside_of_its_terms_with_nothing_changed(world: World, stack: AsyncExitStack) -> None:
    job = await begun(world, stack, put_start_months=6)
    before = await rows_of(world, *TABLES)
    answer = await refused(job.buyer.post(SELL, json=body(job)), "put.window_not_open")
    assert "section 2.5" in answer["detail"]
    (place,) = await ok(job.buyer.get(f"{SELL}/{job.agreement}"))
    assert place["can"] == 0
    assert "opens on" in place["words"]
    assert await rows_of(world, *TABLES) == before
    day = (datetime.now(UTC) - timedelta(days=200)).date()
    await world.owner.execute("UPDATE agreement SET schedule_date = $2 WHERE id = $1", UUID(job.agreement), day)
    before = await rows_of(world, *TABLES)
    more = await refused(job.buyer.post(SELL, json=body(job, 11)), "put.quantity")
    assert more["detail"] == "Of 10 units 10 can be sold back now: there are no others under this agreement."
    await refused(job.buyer.post(SELL, json=body(job, condition="used")), "put.not_there")
    await refused(job.buyer.post(SELL, json=body(job, part_id=job.agreement)), "agreement.not_found")
    assert await rows_of(world, *TABLES) == before
    await job.called(9)
    # What is reserved for an order of the maker's is not the holder's to sell.
    before = await rows_of(world, *TABLES)
    answer = await refused(job.buyer.post(SELL, json=body(job, 2)), "put.quantity")
    assert "1 can be sold back now" in answer["detail"]
    assert await rows_of(world, *TABLES) == before
    await ok(job.planner.post(f"{API}/agreements/{job.agreement}/suspend", json={"reason": "Licence."}))
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(SELL, json=body(job, 1)), "agreement.suspended")
    assert await rows_of(world, *TABLES) == before


async def test_a_clause_without_it_gives_none(world: World, stack: AsyncExitStack) -> None:
    job = await begun(world, stack, put_percent_bp=None)
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(SELL, json=body(job)), "put.no_put")
    assert await rows_of(world, *TABLES) == before


async def test_two_at_once_never_sell_a_unit_twice(world: World, stack: AsyncExitStack) -> None:
    job = await begun(world, stack)
    answers = await asyncio.gather(*(job.buyer.post(SELL, json=body(job, 6)) for _ in range(3)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409]
    assert await held(job) == 6


async def test_nobody_says_where_and_what_is_not_shipped_is_in_default(
    world: World, stack: AsyncExitStack, worker_db: Database
) -> None:
    """After the time for it the units go to the maker's first site; a holder that does not ship its own sale is late."""
    job = await begun(world, stack)
    await sold(job)
    await world.owner.execute(
        "UPDATE call SET acknowledge_by = acknowledge_by - interval '4 days' WHERE id = $1", UUID(job.call)
    )
    before = await rows_of(world, *TABLES)
    at = f"{CALLS}/{job.call}/destination"
    await refused(job.planner.post(at, json={"site_id": str(world.maker.site)}), "put.too_late")
    assert await rows_of(world, *TABLES) == before
    moment = await world.owner.fetchval("SELECT default_from FROM call WHERE id = $1", UUID(job.call))
    async with worker_db.write() as session:
        assert await service.act_on_default(session, UUID(int=0), UUID(job.call), moment)
    await refused(
        job.planner.post(f"{CALLS}/{job.call}/cover", json={"unit_price": "180", "document": "INV-1"}),
        "cover.not_default",
    )
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    assert (await ok(job.planner.get(f"{CALLS}/{job.call}")))["status"] == "shipped"


async def test_what_cannot_be_shipped_ends_it(world: World, stack: AsyncExitStack, worker_db: Database) -> None:
    job = await begun(world, stack)
    await sold(job)
    before = await rows_of(world, *TABLES)
    said = await refused(
        job.buyer.post(f"{CALLS}/{job.call}/refuse", json={"code": "damaged", "note": "Wet."}), "call.bound"
    )
    assert "section 2.5, this order binds its holder from its notice on" in said["detail"]
    assert "ask" not in said["detail"], "the maker cannot cancel it either"
    assert await rows_of(world, *TABLES) == before
    gone = {**body(job, 3), "became": "destroyed", "note": "Wet."}
    del gone["condition"]
    await ok(job.buyer.post(f"{API}/holdings/missing-units", json={**gone, "quantity": 10}), 201)
    assert await held(job) == 0
    async with worker_db.write() as session:
        await service.mend(session, CLOCK, UUID(job.call), datetime.now(UTC))
    await refused(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}), "call.nothing_left")
    await world.owner.execute("UPDATE call SET status = 'refused' WHERE id = $1", UUID(job.call))
    before = await rows_of(world, *TABLES)
    said = await refused(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}), "call.state")
    assert "This order is refused" in said["detail"], "not that the maker can still say where the units go"
    assert await rows_of(world, *TABLES) == before
