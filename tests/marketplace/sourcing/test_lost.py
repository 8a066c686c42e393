"""Units of an order that are gone before they arrive: from the shelf, or on the road. Ten units of 100, four to keep, orders at
the price paid; a loss that the holder bears costs a fifth for each unit missing from the minimum."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import ACCESS_BACK, BUY_BACK
from marketplace.db.session import Database
from marketplace.ledger.queries import CHECKS, verify
from marketplace.outbox.service import Event
from marketplace.sourcing import queries, service
from marketplace.sourcing.tasks import listeners
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

PRICED = {"price": {"kind": "percent_of_sale", "percent_bp": 10_000}, "handling_bp": 0, "minimum_to_keep": 4}
TABLES = ("call", "call_event", "movement", "open_hold", "settlement_line", "call_unit")


@pytest.fixture
async def world_job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def under(job: Job, clause: str = "buy-back", units: int = 10, **terms: Any) -> None:
    base = BUY_BACK if clause == "buy-back" else ACCESS_BACK
    agreement_id = await agreed_on(job.world, [(clause, 2, {**base, **PRICED, **terms})])
    await delivered(job.world, agreement_id, units)
    job.agreement = str(agreement_id)


async def says(job: Job, became: str, quantity: int, **how: Any) -> Any:
    body = {
        "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "became": became,
        "quantity": quantity, "note": "The roof leaked.", **how,
    }  # fmt: skip
    return await ok(job.buyer.post(f"{API}/holdings/missing-units", json=body), 201)


async def told(job: Job, clock: Database, row: Any) -> None:
    """The worker tells sourcing of it, twice at once."""
    payload = await job.world.owner.fetchval(
        "SELECT payload::text FROM outbox_event WHERE aggregate_id = $1 AND name = 'holding.missing'", UUID(row["id"])
    )
    event = Event(1, "holding.missing", "missing_units", UUID(row["id"]), json.loads(payload), (), 0)
    missing = listeners(clock)["holding.missing"]
    await asyncio.gather(missing(event), missing(event))


async def call_of(job: Job) -> Any:
    return await job.world.owner.fetchrow("SELECT * FROM call WHERE id = $1", UUID(job.call))


async def held(job: Job) -> tuple[int, int]:
    """(reserved in the ledger, reserved on the order's own list)."""
    row = await job.world.owner.fetchrow(
        "SELECT (SELECT coalesce(sum(quantity), 0) FROM open_hold WHERE cause_id = $1)::int AS ledger, "
        "(SELECT coalesce(sum(u.quantity), 0) FROM call_unit u JOIN open_hold h USING (lot_id, hold_seq) "
        "WHERE u.call_id = $1)::int AS listed", UUID(job.call),
    )  # fmt: skip
    return row["ledger"], row["listed"]


async def owed(job: Job) -> list[tuple[str, Decimal, str]]:
    found = await job.owed()
    return sorted((x["kind"], Decimal(x["amount"]), x["payer"]) for x in found)


async def test_what_is_left_takes_the_place_of_reserved_units_that_are_gone(
    world_job: Job, worker_db: Database
) -> None:
    job = world_job
    await under(job, units=6)
    await delivered(job.world, UUID(job.agreement), 3)
    await job.called(5)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    # Four free ones go first, then three of the five reserved: two free ones are left nowhere.
    row = await says(job, "lost", 7)
    assert (await held(job))[0] == 2
    await told(job, worker_db, row)
    kept = await call_of(job)
    assert (kept["status"], kept["quantity"]) == ("accepted", 2)
    assert await held(job) == (2, 2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2}))
    lacking = await job.world.owner.fetchval("SELECT status FROM requisition WHERE id = $1", UUID(job.requisition))
    assert lacking == "ordered", "three are still wanted"
    for check in CHECKS:
        async with worker_db.read() as session:
            assert not [x for x in await verify(session, check) if job.agreement in str(x)], check


async def test_serial_numbered_units_are_made_up_for_by_others(world_job: Job, worker_db: Database) -> None:
    job = world_job
    agreement_id = await agreed_on(job.world, [("buy-back", 2, {**BUY_BACK, **PRICED})])
    for n in range(3):
        await delivered(job.world, agreement_id, 1, serial=f"{job.world.tag}-{n}")
    job.agreement = str(agreement_id)
    await job.called(1)
    (serial,) = [
        r["serial"] for r in await job.world.owner.fetch(
            "SELECT l.serial FROM open_hold h JOIN lot l USING (lot_id) WHERE h.cause_id = $1", UUID(job.call)
        )
    ]  # fmt: skip
    row = await says(job, "destroyed", 1, serial=serial)
    assert await held(job) == (0, 0)
    await told(job, worker_db, row)
    assert ((await call_of(job))["status"], await held(job)) == ("noticed", (1, 1))


@pytest.mark.parametrize("accepted", [False, True])
async def test_with_none_left_an_order_is_refused_or_comes_to_default(
    world_job: Job, worker_db: Database, accepted: bool
) -> None:
    job = world_job
    await under(job, units=2)
    await job.called(2)
    if accepted:
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    row = await says(job, "sold", 2)
    await told(job, worker_db, row)
    kept = await call_of(job)
    if not accepted:
        assert (kept["status"], kept["refusal_code"]) == ("refused", "short")
        return
    assert kept["status"] == "accepted"
    before = await rows_of(job.world, *TABLES)
    at = f"{API}/sourcing/calls/{job.call}"
    await refused(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z1"}), "call.nothing_left")
    assert await rows_of(job.world, *TABLES) == before
    async with worker_db.write() as session:
        assert await service.act_on_default(session, UUID(int=0), UUID(job.call), kept["default_from"])
    await ok(job.technician.post(f"{at}/cover", json={"unit_price": "110", "document": "INV-1"}))
    assert ("cover_purchase", Decimal(20), job.world.buyer.name) in await owed(job)


async def shipped(job: Job, quantity: int) -> None:
    await job.called(quantity)
    at = f"{API}/sourcing/calls/{job.call}"
    await ok(job.buyer.post(f"{at}/accept", json={}))
    await ok(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))


@pytest.mark.parametrize(
    ("clause", "terms", "lines"),
    [
        ("buy-back", {"incoterm": "FCA"}, [("call_price", 300, "maker")]),
        ("buy-back", {"incoterm": "DAP", "incoterm_place": "Dock 1"}, [("loss_compensation", 20, "holder")]),
        ("buy-back", {"incoterm": "DAP", "incoterm_place": "Dock 1", "loss_bearer": "manufacturer"}, []),
        ("access-back", {"draw_fee_bp": 500}, [("draw_fee", 15, "maker"), ("draw_purchase", 300, "maker")]),
    ],
)  # fmt: skip
async def test_who_bears_the_risk_on_the_road_pays(
    world_job: Job, clause: str, terms: dict[str, Any], lines: list[tuple[str, int, str]]
) -> None:
    """Three of six units are lost on their way: one of the minimum of four is missing then."""
    job = world_job
    await under(job, clause, 6, **terms)
    await shipped(job, 3)
    at = f"{API}/sourcing/calls/{job.call}/lost"
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(at, json={"note": "  "}), "call.lost_note")
    assert await rows_of(job.world, *TABLES) == before
    who = job.buyer if clause == "buy-back" else job.technician
    await ok(who.post(at, json={"note": "UPS: fell into the river, claim 55."}))
    kept = await call_of(job)
    assert (kept["status"], kept["inspected_good"]) == ("lost", None)
    names = {"maker": job.world.maker.name, "holder": job.world.buyer.name}
    assert await owed(job) == [(kind, Decimal(amount), names[who]) for kind, amount, who in lines]
    left = await job.world.owner.fetchval(
        "SELECT coalesce(sum(quantity), 0) FROM position WHERE agreement_id = $1", UUID(job.agreement)
    )
    assert left == 3
    # Where it is paid as if it had arrived, it counts as taken back; of four that access-back reaches one is left then.
    counted = "SELECT taken_back FROM agreement_line WHERE agreement_id = $1"
    passed = bool(lines) and lines[0][2] == "maker"
    assert await job.world.owner.fetchval(counted, UUID(job.agreement)) == (3 if passed else 0)
    reached = sum(c["callable"] for c in await job.candidates() if c["kind"] != "own_stock")
    assert reached == (1 if clause == "access-back" else 3)
    async with job.world.db.read(job.world.maker.tenant) as session:
        need = await queries.requisition(session, UUID(job.requisition))
    assert (need.status, need.ordered, need.on_the_way) == ("open", 0, 0), "it is wanted again"
    before = await rows_of(job.world, *TABLES)
    await refused(who.post(at, json={"note": "Again."}), "call.not_on_the_way")
    assert await rows_of(job.world, *TABLES) == before


async def test_receiving_and_losing_at_once_end_in_one_of_them(world_job: Job) -> None:
    job = world_job
    await under(job, units=6)
    await shipped(job, 1)
    at = f"{API}/sourcing/calls/{job.call}"
    lost, received = await asyncio.gather(
        job.buyer.post(f"{at}/lost", json={"note": "Not traced."}), job.technician.post(f"{at}/receive")
    )
    assert sorted([lost.status_code < 300, received.status_code < 300]) == [False, True], (lost.text, received.text)


async def test_under_the_first_library_the_road_is_the_makers_risk(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4, offered=4)
        await shipped(job, 1)
        await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/lost", json={"note": "Not traced."}))
        (line,) = await owed(job)
        assert (line[0], line[2]) == ("call_price", world.maker.name)
        assert (await call_of(job))["lost_by"] == world.maker.id
