"""Rejected units: kept as both sides agree, or back to their holder, under whose agreement they stay; and units of a lower
grade."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.ledger.queries import CHECKS, verify
from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.job import Site, open_site
from tests.world import World

TABLES = ("dispute", "dispute_statement", "settlement_line", "movement", "position", "permit", "call", "way_back")
CALLS, DISPUTES = f"{API}/sourcing/calls", f"{API}/settlement/disputes"
UPS = {"carrier": "UPS", "tracking": "1ZBACK"}


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as found:
        yield found


async def inspected(job: Job, quantity: int, good: int, **more: Any) -> None:
    """So many units ordered back, received, and so many of them accepted."""
    await job.called(quantity)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    body = {"good": good, "note": "Housing cracked.", "reason": "damaged", **more}
    await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json=body))


async def dispute_of(job: Job, subject: str = "units") -> dict[str, Any]:
    items = (await ok(job.buyer.get(DISPUTES)))["items"]
    return dict(next(d for d in items if d["subject"] == subject and d["cause_id"] == job.call))


async def status(job: Job) -> str:
    return str((await ok(job.buyer.get(f"{CALLS}/{job.call}")))["status"])


async def held(world: World, company: UUID, owner: UUID, *, bound: bool) -> int:
    return int(
        await world.owner.fetchval(
            "SELECT coalesce(sum(p.quantity), 0) FROM position p JOIN lot l USING (lot_id) WHERE l.part_id = $1 AND p.holder_id = $2 "
            "AND p.owner_id = $3 AND (p.agreement_id IS NOT NULL) = $4 AND p.site_id IS NOT NULL",
            world.part, company, owner, bound,
        )
    )  # fmt: skip


async def taken_back(world: World, job: Job) -> int:
    return int(
        await world.owner.fetchval("SELECT taken_back FROM agreement_line WHERE agreement_id = $1::uuid", job.agreement)
    )


@pytest.mark.parametrize("serial", [False, True])
async def test_rejected_units_go_back_and_stay_under_the_agreement(world: World, site: Site, serial: bool) -> None:
    job = site.job
    await job.sold(4, offered=4, serial=serial)
    if serial:
        await job.called(3)
        shipped = [
            str(r["serial"])
            for r in await world.owner.fetch(
                "SELECT l.serial FROM call_unit u JOIN lot l ON l.lot_id = u.lot_id WHERE u.call_id = $1::uuid ORDER BY 1",
                job.call,
            )
        ]
        units = {"units": {"good": shipped[:1], "rejected": shipped[1:]}}
        await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
        await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
        await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
        await ok(
            job.technician.post(
                f"{CALLS}/{job.call}/inspect", json={"good": 1, "note": "Cracked.", "reason": "damaged", **units}
            )
        )
    else:
        await inspected(job, 3, 1)
    maker, buyer = world.maker.id, world.buyer.id
    assert await held(world, maker, buyer, bound=True) == 2
    found = await dispute_of(job)
    assert (found["quantity"], found["reason"], found["waits_for"]) == (2, "damaged", str(buyer))
    before = await rows_of(world, *TABLES)
    await refused(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS), "dispute.open")
    await refused(job.planner.post(f"{API}/sourcing/disputes/{found['id']}/agree"), "dispute.nothing")
    await refused(job.buyer.post(f"{API}/sourcing/disputes/{found['id']}/accept"), "dispute.opener")
    await refused(job.buyer.post(f"{DISPUTES}/{found['id']}/agree"), "dispute.units")
    await refused(job.outsider.post(f"{API}/sourcing/disputes/{found['id']}/agree"), "dispute.not_found")
    assert await rows_of(world, *TABLES) == before
    await ok(job.buyer.post(f"{API}/sourcing/disputes/{found['id']}/agree"))
    assert await status(job) == "disputed", "they are still with the maker"
    await ok(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS))
    assert await held(world, maker, buyer, bound=True) == 0
    before = await rows_of(world, *TABLES)
    await refused(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS), "call.sent_back")
    await refused(job.outsider.post(f"{CALLS}/{job.call}/receive-back", json={}), "call.not_found")
    await refused(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={"missing": 3}), "call.back_missing")
    await refused(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={"missing": 2}), "call.back_note")
    assert await rows_of(world, *TABLES) == before
    await ok(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={}))
    assert await status(job) == "priced"
    assert await held(world, buyer, buyer, bound=True) == 3, "one that stayed, two that came back"
    assert await held(world, maker, maker, bound=False) == 1
    assert await taken_back(world, job) == 1
    await refused(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={}), "call.nothing_to_receive")
    back = await ok(job.technician.get(f"{CALLS}/{job.call}/way-back"))
    assert (back["quantity"], back["missing"], back["tracking"]) == (2, 0, "1ZBACK")
    # They can be ordered back again.
    await job.called(3)
    async with world.db.read(world.maker.tenant) as session:
        assert [name for name in CHECKS if await verify(session, name)] == []


async def test_the_sides_agree_on_some_and_on_an_amount(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await inspected(job, 3, 1)
    found = await dispute_of(job)
    at = f"{DISPUTES}/{found['id']}"
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{at}/propose", json={"amount": "10", "quantity": 3}), "dispute.quantity")
    await refused(job.buyer.post(f"{at}/propose", json={"amount": "10", "quantity": 0}), "dispute.amount")
    await refused(job.buyer.post(f"{at}/propose", json={"amount": "10"}), "dispute.quantity")
    await refused(job.buyer.post(f"{at}/propose", json={"amount": "9999", "quantity": 1}), "dispute.amount")
    await refused(job.outsider.post(f"{at}/say", json={"words": "Me too."}), "dispute.not_found")
    assert await rows_of(world, *TABLES) == before
    await ok(job.buyer.post(f"{at}/say", json={"words": "They were whole when we packed them."}))
    told = await ok(
        job.buyer.post(f"{at}/propose", json={"amount": "40", "quantity": 1, "words": "Keep one for half the price."})
    )
    assert told["waits_for"] == str(world.maker.id)
    assert [s["kind"] for s in told["thread"]] == ["opened", "said", "proposed"]
    await refused(job.buyer.post(f"{API}/sourcing/disputes/{found['id']}/agree"), "dispute.nothing")
    await ok(job.planner.post(f"{API}/sourcing/disputes/{found['id']}/agree"))
    lines = await job.owed(job.buyer)
    assert "40.0000" in [x["amount"] for x in lines]
    assert await held(world, world.maker.id, world.maker.id, bound=False) == 2
    assert await taken_back(world, job) == 2
    await ok(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={"missing": 1, "note": "The box was open."}))
    assert await held(world, world.buyer.id, world.buyer.id, bound=True) == 1
    assert await status(job) == "priced"
    await refused(job.buyer.post(f"{at}/say", json={"words": "Too late."}), "dispute.ended")


async def test_a_rejection_that_is_withdrawn_is_an_acceptance(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await inspected(job, 2, 0)
    found = await dispute_of(job)
    assert (await ok(job.technician.get(f"{API}/sourcing/requests/{job.requisition}")))["ordered"] == 0
    await ok(job.planner.post(f"{API}/sourcing/disputes/{found['id']}/accept"))
    assert await status(job) == "priced"
    (line,) = await job.owed(job.buyer)
    assert line["quantity"] == 2
    assert await held(world, world.maker.id, world.maker.id, bound=False) == 2
    assert (await ok(job.technician.get(f"{API}/sourcing/requests/{job.requisition}")))["ordered"] == 2


async def test_who_says_nothing_gets_its_units_back(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await inspected(job, 2, 0)
    found = await dispute_of(job)
    await world.owner.execute(
        "UPDATE dispute SET respond_by = $2 WHERE id = $1::uuid", found["id"], datetime.now(UTC) - timedelta(minutes=1)
    )
    await ok(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS))
    ended = await ok(job.buyer.get(f"{DISPUTES}/{found['id']}"))
    assert (ended["status"], ended["agreed_quantity"], ended["thread"][-1]["kind"]) == ("agreed", 0, "sent_back")
    await ok(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={}))
    assert await status(job) == "settled", "nothing is owed"
    assert await taken_back(world, job) == 0


async def test_who_objects_in_time_does_not_get_them_back_unasked(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await inspected(job, 1, 0)
    found = await dispute_of(job)
    await ok(job.buyer.post(f"{DISPUTES}/{found['id']}/say", json={"words": "It is whole."}))
    await world.owner.execute(
        "UPDATE dispute SET respond_by = $2 WHERE id = $1::uuid", found["id"], datetime.now(UTC) - timedelta(minutes=1)
    )
    before = await rows_of(world, *TABLES)
    await refused(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS), "dispute.open")
    assert await rows_of(world, *TABLES) == before


async def test_drawn_units_leave_their_dispute_too(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4, preset="wide-access")
    key = next(c["key"] for c in await job.candidates() if c["kind"] == "access_draw")
    asked = {**job.need(2), "key": key}
    job.call = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=asked), 201))["calls"][0]
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    lower = {"good": 2, "note": "Scratched.", "lower": {"quantity": 1, "less": "5"}}
    await refused(job.technician.post(f"{CALLS}/{job.call}/inspect", json=lower), "call.inspect_lower")
    await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json={"good": 1, "note": "Cracked."}))
    found = await dispute_of(job)
    await ok(job.buyer.post(f"{DISPUTES}/{found['id']}/propose", json={"amount": "30", "quantity": 1}))
    await ok(job.planner.post(f"{API}/sourcing/disputes/{found['id']}/agree"))
    call = await ok(job.buyer.get(f"{CALLS}/{job.call}"))
    assert (call["status"], call["to_replace"], call["bought"]) == ("disputed", 1, 1), "one is still to be replaced"
    await world.register(world.maker, 1)
    body = {"quantity": 1, "site_id": str(world.maker.site), "condition": "new", **UPS}
    sent = await ok(job.planner.post(f"{CALLS}/{job.call}/replacements", json=body))
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{sent['id']}/receive", json={"good": 1}))
    assert await status(job) == "priced"


async def test_a_lower_grade_is_proposed_and_agreed(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called(2)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    before = await rows_of(world, *TABLES)
    for lower, code in (
        ({"quantity": 3, "less": "5"}, "call.inspect_lower"), ({"quantity": 1, "less": "5000"}, "call.inspect_lower"),
        ({"quantity": 1, "less": "0.001"}, "call.inspect_lower"),
    ):  # fmt: skip
        body = {"good": 2, "note": "Scratched.", "lower": lower}
        await refused(job.technician.post(f"{CALLS}/{job.call}/inspect", json=body), code)
    body = {"good": 2, "lower": {"quantity": 1, "less": "5"}}
    await refused(job.technician.post(f"{CALLS}/{job.call}/inspect", json=body), "call.inspect_note")
    assert await rows_of(world, *TABLES) == before
    body = {"good": 2, "note": "One is scratched.", "lower": {"quantity": 1, "less": "20"}}
    await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json=body))
    assert await status(job) == "priced"
    found = await dispute_of(job, "grade")
    line = await ok(job.buyer.get(f"{API}/settlement/{found['line_id']}"))
    assert (line["disputed"], line["state"]) == ("20.0000", "due")
    at = f"{DISPUTES}/{found['id']}"
    await ok(job.buyer.post(f"{at}/propose", json={"amount": "15", "words": "A scratch costs five."}))
    await ok(job.planner.post(f"{at}/agree"))
    line = await ok(job.buyer.get(f"{API}/settlement/{found['line_id']}"))
    assert (line["disputed"], line["paid"], line["credited"]) == ("0.0000", "0.0000", "5.0000")
    (counter,) = line["counter_lines"]
    assert (counter["kind"], counter["amount"]) == ("grade_adjustment", "5.0000")
    before = await rows_of(world, *TABLES)
    again = {"amount": "139", "offer": "0", "reason": "lower_grade", "words": "The other, too."}
    await refused(job.planner.post(f"{API}/settlement/{found['line_id']}/dispute", json=again), "dispute.settled")
    assert await rows_of(world, *TABLES) == before
