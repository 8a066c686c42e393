"""Ordering units back: reserve, answer, ship, receive, inspect, settle; and what stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from marketplace.db.session import Database
from marketplace.kit.clock import local_day
from marketplace.outbox.service import Event, deliver_waiting
from marketplace.settings import Settings
from marketplace.sourcing.queries import looking_up
from marketplace.sourcing.tasks import act_on_silence, lapse_approvals
from marketplace.worker import handlers
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

CLOCK = UUID(int=0)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def present(job: Job) -> dict[str, int]:
    """Units by who owns and holds them: 'maker', 'buyer'."""
    rows = await job.world.owner.fetch(
        "SELECT owner_id, holder_id, agreement_id IS NOT NULL AS bound, sum(quantity)::int AS n, sum(held)::int AS held "
        'FROM "position" WHERE part_id = $1 AND quantity > 0 GROUP BY 1, 2, 3',
        job.world.part,
    )
    names = {job.world.maker.id: "maker", job.world.buyer.id: "buyer"}
    return {f"{names[r['owner_id']]}/{names[r['holder_id']]}{'*' if r['bound'] else ''}": r["n"] for r in rows}


async def test_the_whole_way_back(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    call = await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}"))
    assert call["status"] == "noticed"
    await job.came_back(1)
    assert await present(job) == {"buyer/buyer*": 3, "maker/maker": 1}
    lines = await job.owed(job.buyer)
    assert [(x["quantity"], x["cause_reference"]) for x in lines] == [(1, call["reference"])]
    await ok(job.technician.post(f"{API}/sourcing/requests/{job.requisition}/finish", json={"outcome": "fitted"}))
    assert await present(job) == {"buyer/buyer*": 3}
    machine = await job.world.owner.fetchval(
        "SELECT machine FROM movement WHERE kind = 'install' AND machine IS NOT NULL "
        "AND lot_id IN (SELECT lot_id FROM lot WHERE part_id = $1)",
        job.world.part,
    )
    assert machine == "EX-200 77"
    done = await ok(job.technician.get(f"{API}/sourcing/requests/{job.requisition}"))
    assert (done["status"], done["outcome"]) == ("closed", "fitted")


async def test_serial_units_come_back(job: Job) -> None:
    await job.sold(2, offered=2, serial=True)
    await job.called(2)
    await job.came_back(2)
    assert await present(job) == {"maker/maker": 2}


async def test_own_stock_first_listed_but_unsold_included(job: Job) -> None:
    await job.sold(4, offered=10)
    made = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(8)), 201)
    plan = await ok(job.technician.get(f"{API}/sourcing/requests/{made['id']}/plan"))
    assert [(c["kind"], c["quantity"]) for c in plan["chosen"]] == [("own_stock", 6), ("buy_back", 2)]
    own, partner = plan["chosen"]
    assert (own["freight_minor"], own["distance"]) == (0, "there already"), "it is where it is needed"
    assert datetime.fromisoformat(own["arrives"]) < datetime.now(UTC) + timedelta(days=1)
    assert partner["freight_minor"] > 0
    done = await ok(job.technician.post(f"{API}/sourcing/requests/{made['id']}/confirm", json={}))
    assert len(done["calls"]) == 2
    assert (
        await job.world.owner.fetchval("SELECT quantity - ordered FROM listing WHERE id = $1", UUID(job.listing)) == 0
    )


async def test_many_numbers_get_the_nearest_places_and_a_number_alone_gets_all(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_up, "PLACES_OF_MANY", 1)
    monkeypatch.setattr(looking_up, "PLACES_TOGETHER", 2)
    await job.sold(4, offered=4)
    await job.sold(2, offered=2)
    number = await job.world.owner.fetchval("SELECT number FROM part WHERE id = $1", job.world.part)

    async def locate(numbers: str, **more: bool) -> dict[str, Any]:
        found = await ok(job.technician.post(f"{API}/sourcing/locate", json={"numbers": numbers, **more}))
        part: dict[str, Any] = found[0]["parts"][0]
        return part

    alone, among = await locate(number), await locate(f"{number}\nNO-SUCH-NUMBER")
    assert (len(alone["candidates"]), alone["farther"]) == (2, 0)
    assert (len(among["candidates"]), among["farther"]) == (1, 1)
    assert among["candidates"][0] in alone["candidates"]
    assert all(c["reasons"] == [] for c in alone["candidates"])
    explained = await locate(number, explain=True)
    assert any("a unit" in words for c in explained["candidates"] for words in c["reasons"])
    # Where the one that is looked at cannot give any, the others are looked at too.
    first = among["candidates"][0]["agreement"]
    of = "FROM agreement a WHERE a.id = l.agreement_id AND a.reference = $1"
    await job.world.owner.execute(f"UPDATE agreement_line l SET bought = quantity_sold {of}", first)
    found = await locate(f"{number}\nNO-SUCH-NUMBER")
    assert ([c["callable"] > 0 for c in found["candidates"]], found["farther"]) == ([True, False], 0)
    await job.world.owner.execute(f"UPDATE agreement_line l SET bought = 0 {of}", first)
    # A right that does not stand comes after those that do, and what is left out then gives nothing either.
    await job.world.owner.execute("UPDATE agreement SET legal_hold = true WHERE reference = $1", first)
    found = await locate(f"{number}\nNO-SUCH-NUMBER")
    assert ([c["callable"] > 0 for c in found["candidates"]], found["farther"]) == ([True], 1)
    assert found["candidates"][0]["agreement"] != first
    await job.world.owner.execute(
        "UPDATE agreement a SET legal_hold = true FROM agreement_line l WHERE l.agreement_id = a.id AND l.part_id = $1",
        job.world.part,
    )
    found = await locate(f"{number}\nNO-SUCH-NUMBER")
    assert ([c["callable"] > 0 for c in found["candidates"]], found["farther"]) == ([False], 1)


async def test_not_on_shelf_withdraws_and_offers_the_next(job: Job) -> None:
    await job.sold(4, offered=10)
    await job.called(2)
    await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "tired"}), "call.reason")
    await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "other"}), "call.no_refusal")
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf"}))
    partner = next(c for c in await job.candidates() if c["kind"] == "buy_back")
    assert (partner["quantity"], partner["callable"]) == (4, 2)
    assert "withdrawn" in {b["code"] for b in partner["blocked"]}
    request = await ok(job.technician.get(f"{API}/sourcing/requests/{job.requisition}"))
    assert request["status"] == "open"
    assert request["plan"]["chosen"][0]["kind"] == "own_stock"
    assert await present(job) == {"buyer/buyer*": 4, "maker/maker": 6}


async def test_partial_commitment_frees_the_rest(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(3)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={"quantity": 1, "code": "damaged"}))
    held = await job.world.owner.fetchval('SELECT sum(held) FROM "position" WHERE part_id = $1', job.world.part)
    assert held == 1
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1}))
    assert await present(job) == {"buyer/buyer*": 3, "maker/maker": 1}


async def test_a_masked_holder_is_named_once_the_order_is_sent(job: Job) -> None:
    world = job.world
    await job.sold(4, offered=4)
    await world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", world.maker.users["technician"]
    )
    await job.called(1)
    url = f"{API}/sourcing/calls/{job.call}"
    named = world.buyer.name
    assert (await ok(job.technician.get(url)))["holder"] == named, "not masked: named at once"
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    for path in (url, f"{API}/sourcing/calls"):
        assert named not in (await job.technician.get(path)).text
        assert named in (await job.planner.get(path)).text, "who approves sees whom it is about"
    assert (await ok(job.technician.get(url)))["counter_phone"] is None
    await ok(job.planner.post(f"{API}/sourcing/requests/{job.requisition}/approve"))
    assert (await ok(job.technician.get(url)))["holder"] == named


async def test_silence_acts_as_agreed_however_late(job: Job, worker_db: Database) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    late = datetime.now(UTC) + timedelta(days=90)
    assert await act_on_silence(worker_db, CLOCK, datetime.now(UTC)) == 0
    await act_on_silence(worker_db, CLOCK, late)
    call = await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}"))
    assert call["status"] == ("accepted" if call["silence"] == "accepted" else "refused")
    assert await act_on_silence(worker_db, CLOCK, late) == 0


async def test_rejected_units_stay_the_holders(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"own_transport": True}))
    before = await present(job)
    await refused(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2}), "call.state")
    assert await present(job) == before, "on its way it cannot be inspected"
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    assert await sent_back(job) == [(2, 0)], "what waits for inspection is not offered to be ordered back again"
    await refused(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 3}), "call.inspect")
    await refused(
        job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1}), "call.inspect_note"
    )
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1, "note": "corroded"}))
    there = {"buyer/buyer*": 2, "maker/maker": 1, "buyer/maker*": 1}
    assert await present(job) == there
    assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}")))["status"] == "disputed"
    again = job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2})
    await refused(again, "call.state")
    assert await present(job) == there

    # The maker has it and does not own it: ordered back, it would be owed to nobody but itself.
    assert await sent_back(job) == [(1, 0)]
    assert sum(c["callable"] for c in await job.candidates() if c["kind"] != "own_stock") == 2
    # What was accepted is fitted, whatever becomes of the rest.
    await ok(job.technician.post(f"{API}/sourcing/requests/{job.requisition}/finish", json={"outcome": "fitted"}))
    assert await present(job) == {"buyer/buyer*": 2, "buyer/maker*": 1}


async def sent_back(job: Job) -> list[tuple[int, int]]:
    """(units, callable) of places whose units came back and were not accepted."""
    return [
        (c["quantity"], c["callable"])
        for c in await job.candidates()
        if [b["code"] for b in c["blocked"]] == ["sent_back"]
    ]


async def test_of_serial_units_the_inspection_says_which_are_rejected(job: Job) -> None:
    await job.sold(3, offered=3, serial=True)
    await job.called(2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    url = f"{API}/sourcing/calls/{job.call}/inspect"
    owner = job.world.owner
    rows = await owner.fetch(
        "SELECT l.serial, l.lot_id FROM call_unit u JOIN lot l USING (lot_id) WHERE u.call_id = $1 ORDER BY u.lot_id",
        UUID(job.call),
    )
    bad, fine = (r["serial"] for r in rows)
    before = await owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq")
    for units, code in (
        ({}, "call.inspect_which"),
        ({"rejected": ["SN-?"]}, "call.inspect_unit"),
        ({"rejected": [bad, fine]}, "call.inspect_unit"),
        ({"rejected": [bad], "good": [bad]}, "call.inspect_unit"),
    ):
        await refused(job.technician.post(url, json={"good": 1, "note": "corroded", "units": units}), code)
    assert await owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq") == before
    await ok(job.technician.post(url, json={"good": 1, "note": "corroded", "units": {"rejected": [bad]}}))
    owned = await owner.fetch(
        "SELECT l.serial FROM position p JOIN lot l USING (lot_id) WHERE p.owner_id = $1 AND p.quantity > 0",
        job.world.maker.id,
    )
    assert [r["serial"] for r in owned] == [fine], "the first listed was the bad one"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_payment_is_due_on_a_day_of_the_agreements_zone(job: Job, zone: str) -> None:
    """The two zones never have the same day, so one of them never has UTC's."""
    await job.sold(4, offered=4)
    await job.called(1)
    owner = job.world.owner
    await owner.execute("UPDATE agreement SET zone = $2 WHERE maker_id = $1", job.world.maker.id, zone)
    earliest = local_day(datetime.now(UTC), zone)
    await job.came_back(1)
    days = await owner.fetchval("SELECT payment_days FROM call WHERE id = $1", UUID(job.call))
    due = await owner.fetchval("SELECT due_on FROM settlement_line WHERE cause_id = $1", UUID(job.call))
    assert earliest + timedelta(days=days) <= due <= local_day(datetime.now(UTC), zone) + timedelta(days=days)


async def test_how_units_travel_back_is_stated_and_can_be_corrected(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    url = f"{API}/sourcing/calls/{job.call}"
    await ok(job.buyer.post(f"{url}/accept", json={}))
    await refused(job.buyer.post(f"{url}/shipment", json={"own_transport": True}), "call.state")
    await refused(job.buyer.post(f"{url}/ship", json={"carrier": "UPS"}), "shipment.incomplete")
    assert (await ok(job.buyer.get(url)))["status"] == "accepted"
    await ok(job.buyer.post(f"{url}/ship", json={"carrier": "UPS", "tracking": "1Z8"}))
    right = {"carrier": "UPS", "tracking": "1Z9"}
    await refused(job.outsider.post(f"{url}/shipment", json=right), "call.not_found")
    await ok(job.buyer.post(f"{url}/shipment", json=right))
    await refused(job.buyer.post(f"{url}/shipment", json=right), "shipment.same")
    assert (await ok(job.technician.get(url)))["tracking"] == "1Z9"
    said = await job.world.owner.fetch(
        "SELECT kind, detail ->> 'tracking' AS tracking FROM call_event WHERE call_id = $1 AND detail ? 'tracking' ORDER BY id",
        UUID(job.call),
    )
    assert [tuple(r) for r in said] == [("shipped", "1Z8"), ("shipment_corrected", "1Z9")]


async def test_above_the_limit_waits_for_an_approver(job: Job, worker_db: Database) -> None:
    await job.sold(4, offered=4)
    await job.world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", job.world.maker.users["technician"]
    )
    found = (await job.candidates())[0]
    done = await ok(job.technician.post(f"{API}/sourcing/order-back", json={**job.need(2), "key": found["key"]}), 201)
    assert done["awaiting_approval"]
    assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{done['calls'][0]}")))["status"] == "allocated"
    await refused(job.technician.post(f"{API}/sourcing/requests/{done['requisition_id']}/approve"), "actor.role")
    await ok(job.planner.post(f"{API}/sourcing/requests/{done['requisition_id']}/approve"))
    assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{done['calls'][0]}")))["status"] == "noticed"
    again = await ok(job.technician.post(f"{API}/sourcing/order-back", json={**job.need(1), "key": found["key"]}), 201)
    assert again["awaiting_approval"]
    await lapse_approvals(worker_db, CLOCK, datetime.now(UTC) + timedelta(minutes=31))
    request = await ok(job.technician.get(f"{API}/sourcing/requests/{again['requisition_id']}"))
    assert request["status"] == "open"
    held = await job.world.owner.fetchval('SELECT sum(held) FROM "position" WHERE part_id = $1', job.world.part)
    assert held == 2


async def test_delegates_source_within_limits(job: Job) -> None:
    await job.sold(4, offered=4)
    world = job.world
    app = app_for(world.db)
    token = await token_for(world.owner, world.other.users["technician"], world.other.id)
    await world.owner.execute(
        "UPDATE site SET address = '4 Yard Road', counter_phone = '+1 205 555 0100' WHERE id = $1", world.other.site
    )
    await world.owner.execute(
        "INSERT INTO site_contact (company_id, site_id, name, telephone) VALUES ($1, $2, 'Sam Ortiz', '+1 205 555 0134')",
        world.other.id, world.other.site,
    )  # fmt: skip
    async with client_for(app, token) as delegate:
        number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
        locate = {"numbers": number}
        await refused(delegate.post(f"{API}/sourcing/locate", json=locate), "sourcing.nothing")
        admin = await token_for(world.owner, world.maker.users["admin"], world.maker.id)
        async with client_for(app, admin) as boss:
            body = {"company_id": str(world.other.id), "max_quantity": 2, "max_value": "150"}
            await ok(boss.post(f"{API}/delegations", json=body), 201)
        found = await ok(delegate.post(f"{API}/sourcing/locate", json=locate))
        place = found[0]["parts"][0]["candidates"][0]
        assert "delegation_limit" in {b["code"] for b in place["blocked"]}
        need = {**job.need(3), "destination_site_id": str(world.other.site)}
        await refused(
            delegate.post(f"{API}/sourcing/order-back", json={**need, "key": place["key"]}), "requisition.delegation"
        )
        need["quantity"] = 1
        done = await ok(delegate.post(f"{API}/sourcing/order-back", json={**need, "key": place["key"]}), 201)
        call = done["calls"][0]
        # The holder does not deal with the delegate, and still learns where to ship and whom to ring.
        assert not await world.visible(world.buyer, "SELECT 1 FROM site WHERE id = $1", world.other.site)
        told = await ok(job.buyer.get(f"{API}/sourcing/calls/{call}"))
        assert told["destination"] == told["ship_to"]["name"]
        assert (told["ship_to"]["address"], told["ship_to"]["place"]) == ("4 Yard Road", "Adamsville")
        assert told["ship_to"]["telephone"] == "+1 205 555 0100"
        assert [(p["name"], p["telephone"]) for p in told["ship_to"]["people"]] == [("Sam Ortiz", "+1 205 555 0134")]
        assert told["ship_to"]["asked_by"]["name"] == f"technician of {world.other.code}"
        assert told["ship_to"]["asked_by"]["company"] == world.other.name
        asked = await ok(delegate.get(f"{API}/sourcing/calls/{call}"))
        assert asked["ship_from"]["name"] == told["site"]
        assert asked["ship_to"] == told["ship_to"]
        # What was ordered stays as it was, whatever becomes of the site.
        await world.owner.execute("UPDATE site SET address = 'moved' WHERE id = $1", world.other.site)
        assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{call}")))["ship_to"] == told["ship_to"]
        await refused(job.outsider.get(f"{API}/sourcing/calls/{job.order}"), "call.not_found")
        await ok(job.buyer.post(f"{API}/sourcing/calls/{call}/accept", json={}))
        await ok(job.buyer.post(f"{API}/sourcing/calls/{call}/ship", json={"own_transport": True}))
        await ok(delegate.post(f"{API}/sourcing/calls/{call}/receive"))
        await ok(delegate.post(f"{API}/sourcing/calls/{call}/inspect", json={"good": 1}))
        await ok(
            delegate.post(f"{API}/sourcing/requests/{done['requisition_id']}/finish", json={"outcome": "received"})
        )


async def test_many_technicians_few_units(job: Job) -> None:
    await job.sold(3, offered=3)
    found = (await job.candidates())[0]
    answers = await asyncio.gather(
        *(
            job.technician.post(f"{API}/sourcing/order-back", json={**job.need(1), "key": found["key"]})
            for _ in range(8)
        )
    )
    won = [a for a in answers if a.status_code == 201 and a.json()["calls"]]
    lost = [a.json() for a in answers if a.status_code == 409]
    assert (len(won), len(lost)) == (3, 5), [a.text for a in answers]
    assert {(a["code"], a["facts"]["available"]) for a in lost} == {("requisition.held", 0)}
    assert "3 reserved for other orders. Nothing was ordered." in lost[0]["detail"]
    requests = await job.world.owner.fetchval(
        "SELECT count(*) FROM requisition WHERE maker_id = $1", job.world.maker.id
    )
    assert requests == 3, "a refusal leaves no request behind"
    held = await job.world.owner.fetchval('SELECT sum(held) FROM "position" WHERE part_id = $1', job.world.part)
    assert held == 3


@pytest.mark.parametrize(
    ("change", "status", "code", "words"),
    [
        ({"key": "no-such-place"}, 404, "requisition.place", "look up where units are now"),
        ({"quantity": 4}, 409, "requisition.not_enough", "can give 3 now, not 4. Nothing was ordered."),
    ],
)
async def test_an_order_back_that_cannot_be_leaves_nothing_behind(
    job: Job, change: dict[str, object], status: int, code: str, words: str
) -> None:
    await job.sold(3, offered=3)
    assert job.lot
    before = await job.world.snapshot(job.lot)
    body = {**job.need(1), "key": (await job.candidates())[0]["key"], **change}
    answer = await job.technician.post(f"{API}/sourcing/order-back", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["detail"]
    assert await job.world.snapshot(job.lot) == before
    made = "SELECT (SELECT count(*) FROM requisition WHERE maker_id = $1) + (SELECT count(*) FROM call WHERE maker_id = $1)"
    assert await job.world.owner.fetchval(made, job.world.maker.id) == 0


async def test_what_is_in_the_way_names_the_refusal(job: Job) -> None:
    """The clause before where the units are: a right that is not open yet, on units that are reserved too."""
    await job.sold(3, offered=3)
    found = (await job.candidates())[0]
    await job.called(2)
    await job.world.owner.execute(
        "UPDATE agreement SET window_opens_at = window_opens_at + interval '40 days', schedule_date = schedule_date + 40 "
        "WHERE id = $1", UUID(job.agreement),
    )  # fmt: skip
    answer = await job.technician.post(f"{API}/sourcing/order-back", json={**job.need(1), "key": found["key"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "requisition.window_not_open"), answer.text
    assert answer.json()["detail"].index("The right opens on") < answer.json()["detail"].index("2 reserved")


@pytest.mark.parametrize(
    ("choices", "status", "code"),
    [
        ([], 422, "requisition.choices"),
        ([("gone", 1)], 404, "requisition.place"),
        ([("place", 0)], 422, "requisition.quantity"),
        ([("place", -1)], 422, "requisition.quantity"),
        ([("place", 3)], 409, "requisition.too_many"),
        ([("place", 2), ("place", 1)], 409, "requisition.too_many"),
        ([("place", 5)], 409, "requisition.not_enough"),
        ([("place", 1), ("gone", 1)], 404, "requisition.place"),
    ],
)
async def test_choices_that_cannot_be_ordered_change_nothing(
    job: Job, choices: list[tuple[str, int]], status: int, code: str
) -> None:
    await job.sold(4, offered=4)
    assert job.lot
    place = (await job.candidates())[0]["key"]
    made = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(2)), 201)
    before = await job.world.snapshot(job.lot)
    body = {"choices": [{"key": place if key == "place" else key, "quantity": n} for key, n in choices]}
    answer = await job.technician.post(f"{API}/sourcing/requests/{made['id']}/confirm", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await job.world.snapshot(job.lot) == before
    assert (await ok(job.technician.get(f"{API}/sourcing/requests/{made['id']}")))["status"] == "open"
    assert await job.world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", job.world.maker.id) == 0


async def test_a_plan_of_nothing_is_refused(job: Job) -> None:
    await job.sold(2, offered=2)
    await job.called(2)
    made = await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(1)), 201)
    answer = await job.technician.post(f"{API}/sourcing/requests/{made['id']}/confirm", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "requisition.nothing_to_order")


@asynccontextmanager
async def delegate_with(job: Job, quantity: int, value: str) -> AsyncIterator[httpx.AsyncClient]:
    """A technician of the third company, which may source the maker's parts within these limits."""
    world = job.world
    admin = await token_for(world.owner, world.maker.users["admin"], world.maker.id)
    async with client_for(app_for(world.db), admin) as boss:
        body = {"company_id": str(world.other.id), "max_quantity": quantity, "max_value": value}
        await ok(boss.post(f"{API}/delegations", json=body), 201)
    token = await token_for(world.owner, world.other.users["technician"], world.other.id)
    async with client_for(app_for(world.db), token) as client:
        yield client


async def test_limits_are_for_the_request_however_it_is_confirmed(job: Job) -> None:
    """Three units at 64 and 68 each, one confirm after the other: the second would come to more than 100."""
    await job.sold(4, offered=4)
    async with delegate_with(job, 4, "100") as delegate:
        need = {**job.need(2), "destination_site_id": str(job.world.other.site)}
        request = (await ok(delegate.post(f"{API}/sourcing/requests", json=need), 201))["id"]
        confirm = f"{API}/sourcing/requests/{request}/confirm"
        number = await job.world.owner.fetchval("SELECT number FROM part WHERE id = $1", job.world.part)
        found = await ok(delegate.post(f"{API}/sourcing/locate", json={"numbers": number}))
        place = found[0]["parts"][0]["candidates"][0]
        assert 50 < float(place["unit_price"]) < 100
        one = {"choices": [{"key": place["key"], "quantity": 1}]}
        await ok(delegate.post(confirm, json=one))
        calls = "SELECT count(*) FROM call WHERE requisition_id = $1"
        await refused(delegate.post(confirm, json=one), "requisition.delegation")
        assert await job.world.owner.fetchval(calls, UUID(request)) == 1
    # The technician's own limit, the same way: the second waits for an approver.
    await job.world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 100 WHERE id = $1", job.world.maker.users["technician"]
    )
    request = (await ok(job.technician.post(f"{API}/sourcing/requests", json=job.need(2)), 201))["id"]
    confirm = f"{API}/sourcing/requests/{request}/confirm"
    key = (await job.candidates())[0]["key"]
    one = {"choices": [{"key": key, "quantity": 1}]}
    assert (await ok(job.technician.post(confirm, json=one)))["awaiting_approval"] is False
    assert (await ok(job.technician.post(confirm, json=one)))["awaiting_approval"] is True


@pytest.mark.parametrize("state", ["noticed", "waiting"])
async def test_a_delegate_cancels_its_request_with_everything_ordered(job: Job, state: str) -> None:
    world = job.world
    await job.sold(4, offered=4)
    if state == "waiting":
        await world.owner.execute(
            "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", world.other.users["technician"]
        )
    async with delegate_with(job, 4, "1000") as delegate:
        number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
        found = await ok(delegate.post(f"{API}/sourcing/locate", json={"numbers": number}))
        key = found[0]["parts"][0]["candidates"][0]["key"]
        need = {**job.need(2), "destination_site_id": str(world.other.site), "key": key}
        done = await ok(delegate.post(f"{API}/sourcing/order-back", json=need), 201)
        assert done["awaiting_approval"] is (state == "waiting")
        request = f"{API}/sourcing/requests/{done['requisition_id']}"
        await ok(delegate.post(f"{request}/cancel", json={}))
        assert (await ok(delegate.get(request)))["status"] == "cancelled"
        await refused(delegate.post(f"{request}/cancel", json={}), "requisition.closed")
    held = 'SELECT coalesce(sum(held), 0) FROM "position" WHERE part_id = $1'
    assert await world.owner.fetchval(held, world.part) == 0
    told = "SELECT count(*) FROM outbox_event WHERE payload::text LIKE '%no longer needs%' AND aggregate_id = $1"
    assert await world.owner.fetchval(told, UUID(done["calls"][0])) == (1 if state == "noticed" else 0)


async def test_own_stock_counts_against_a_delegation_at_list_price(job: Job) -> None:
    await job.released(4)
    world = job.world
    await world.owner.execute("UPDATE part SET list_price = NULL, currency = NULL WHERE id = $1", world.part)
    async with delegate_with(job, 4, "250") as delegate:
        number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)

        async def place() -> dict[str, Any]:
            found = await ok(delegate.post(f"{API}/sourcing/locate", json={"numbers": number}))
            return dict(found[0]["parts"][0]["candidates"][0])

        unknown = await place()
        assert (unknown["kind"], unknown["callable"]) == ("own_stock", 0)
        assert "without a list price" in unknown["blocked"][0]["words"]
        await world.owner.execute("UPDATE part SET list_price = 120, currency = 'USD' WHERE id = $1", world.part)
        known = await place()
        assert known["callable"] == 2
        need = {**job.need(3), "destination_site_id": str(world.other.site), "key": known["key"]}
        await refused(delegate.post(f"{API}/sourcing/order-back", json=need), "requisition.delegation_limit")
        done = await ok(delegate.post(f"{API}/sourcing/order-back", json={**need, "quantity": 2}), 201)
        assert not done["awaiting_approval"]
        more = {**need, "quantity": 3}
        del more["key"]
        request = (await ok(delegate.post(f"{API}/sourcing/requests", json=more), 201))["id"]
        confirm = f"{API}/sourcing/requests/{request}/confirm"
        one = {"choices": [{"key": known["key"], "quantity": 1}]}
        await ok(delegate.post(confirm, json=one))
        await ok(delegate.post(confirm, json=one))
        assert await world.owner.fetchval("SELECT count(*) FROM call WHERE requisition_id = $1", UUID(request)) == 2


async def test_what_was_not_accepted_is_kept_apart_for_its_owner(job: Job) -> None:
    """One of two arrives damaged: the maker sees where it is and why it cannot be had; it is neither moved along nor
    counted in place of a unit that is missing."""
    world = job.world
    await job.released(2)
    await job.ordered(2)
    await job.signed()
    await job.delivered(1, damaged=1, note="bent")
    found = await job.candidates()
    assert [(c["kind"], c["callable"], [b["code"] for b in c["blocked"]]) for c in found] == [
        ("buy_back", 1, []), ("own_stock", 0, ["kept_apart"])
    ]  # fmt: skip
    assert found[1]["holder"] == world.buyer.name
    await job.called(1)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf", "note": ""}))
    token = await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)
    count = {"part_id": str(world.part), "site_id": str(world.buyer.site)}
    async with client_for(app_for(world.db), token) as keeper:
        told = await ok(keeper.post(f"{API}/holdings/counts", json={**count, "counted": 0}), 201)
        assert (told["expected"], told["withdrawn"]) == (1, 1)
    assert sum(c["callable"] for c in await job.candidates()) == 0, "the damaged one does not stand in for it"


async def test_a_delegate_meets_its_own_limit_first(job: Job) -> None:
    """Units reserved and beyond the delegation: the answer names the delegation, in its currency."""
    world = job.world
    await job.sold(4, offered=4)
    admin = await token_for(world.owner, world.maker.users["admin"], world.maker.id)
    async with client_for(app_for(world.db), admin) as boss:
        body = {"company_id": str(world.other.id), "max_quantity": 4, "max_value": "100"}
        await ok(boss.post(f"{API}/delegations", json=body), 201)
    await job.called(1)
    token = await token_for(world.owner, world.other.users["technician"], world.other.id)
    async with client_for(app_for(world.db), token) as delegate:
        number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
        found = await ok(delegate.post(f"{API}/sourcing/locate", json={"numbers": number}))
        key = found[0]["parts"][0]["candidates"][0]["key"]
        need = {**job.need(3), "destination_site_id": str(world.other.site), "key": key}
        answer = await delegate.post(f"{API}/sourcing/order-back", json=need)
    assert (answer.status_code, answer.json()["code"]) == (409, "requisition.delegation_limit"), answer.text
    assert "at most 4 units or 100.00 USD a request" in answer.json()["detail"]
    assert await world.owner.fetchval("SELECT count(*) FROM requisition WHERE company_id = $1", world.other.id) == 0


async def test_cancelling_frees_the_units(job: Job) -> None:
    await job.sold(3, offered=3)
    await job.called(2)
    await refused(job.outsider.post(f"{API}/sourcing/calls/{job.call}/accept", json={}), "call.not_found")
    await ok(job.technician.post(f"{API}/sourcing/requests/{job.requisition}/cancel"))
    held = await job.world.owner.fetchval('SELECT sum(held) FROM "position" WHERE part_id = $1', job.world.part)
    assert held == 0
    await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}), "call.state")


async def test_access_draws_cost_the_fee_or_the_list_price(job: Job) -> None:
    await job.released(4, preset="standard-access", minimum_to_keep=2)
    await job.ordered(4)
    await job.signed()
    await job.delivered(4)
    found = (await job.candidates())[0]
    assert found["kind"] == "access_draw"
    await job.called(1)
    await job.came_back(1)
    lines = await job.owed()
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 0}, "requisition.quantity"),
        ({"quantity": -4}, "requisition.quantity"),
        ({"urgency": "yesterday"}, "request.invalid"),
        ({"needed_by": "2020-01-01T00:00:00Z"}, "requisition.needed_by"),
        ({"part_id": "00000000-0000-0000-0000-000000000001"}, "part.not_found"),
        ({"destination_site_id": "00000000-0000-0000-0000-000000000001"}, "site.not_found"),
    ],
)
async def test_wrong_requests(job: Job, change: dict[str, object], code: str) -> None:
    await refused(job.technician.post(f"{API}/sourcing/requests", json={**job.need(1), **change}), code)
    assert (
        await job.world.owner.fetchval("SELECT count(*) FROM requisition WHERE maker_id = $1", job.world.maker.id) == 0
    )


async def test_both_marks_settle_the_call(job: Job, worker_db: Database, tmp_path: Path) -> None:
    """The event of the second mark moves the call, delivered once or twice; mail is kept as files."""
    await job.sold(2, offered=2)
    await job.called(1)
    await job.came_back(1)
    line = (await job.owed(job.buyer))[0]["id"]
    await ok(job.planner.post(f"{API}/settlement/{line}/mark"))
    await ok(job.buyer.post(f"{API}/settlement/{line}/mark"))
    listeners = handlers(Settings(data_dir=tmp_path), worker_db)
    await deliver_waiting(worker_db, listeners, lambda: datetime.now(UTC))
    assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}")))["status"] == "settled"
    again = Event(0, "settlement.settled", "settlement", UUID(line), {"cause_id": job.call}, (), 1)
    for handler in listeners.of("settlement.settled"):
        await handler(again)
    assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}")))["status"] == "settled"
    subjects = "".join(p.read_text() for p in (tmp_path / "mail").glob("*.eml"))
    assert "Buy-back order" in subjects


async def test_the_ledger_adds_up_after_all_this(worker_db: Database) -> None:
    from marketplace.ledger.queries import CHECKS, verify

    for check in CHECKS:
        async with worker_db.read() as session:
            assert not await verify(session, check), check
