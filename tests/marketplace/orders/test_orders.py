"""Orders: reserve, sign, ship, receive; every refusal leaves everything as it was."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from marketplace.agreements.queries import terms_and_facts
from marketplace.agreements.service import sign
from marketplace.db.session import Database, Tenant, execute, fetch_value
from marketplace.kit.clock import add_months
from marketplace.orders.service import accept
from marketplace.orders.tasks import expire_unanswered
from tests.agreed import person
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def test_from_release_to_units_under_agreement(job: Job) -> None:
    await job.sold(4)
    rows = await job.world.owner.fetch(
        'SELECT owner_id, holder_id, beneficiary_id, agreement_id, quantity FROM "position" '
        "WHERE part_id = $1 AND quantity > 0 ORDER BY quantity",
        job.world.part,
    )
    maker, buyer = job.world.maker.id, job.world.buyer.id
    assert [tuple(r) for r in rows] == [
        (buyer, buyer, maker, UUID(job.agreement), 4),
        (maker, maker, None, None, 6),
    ]
    detail = await ok(job.buyer.get(f"{API}/orders/{job.order}"))
    assert detail["shown_status"] == "received"
    assert [e["kind"] for e in detail["events"]] == ["placed", "accepted", "shipped", "received"]


async def test_serial_units_keep_their_lot(job: Job) -> None:
    await job.sold(2, offered=3, serial=True)
    lots = await job.world.owner.fetch(
        'SELECT l.serial FROM "position" p JOIN lot l USING (lot_id) WHERE p.holder_id = $1 AND p.quantity > 0',
        job.world.buyer.id,
    )
    assert len(lots) == 2


async def test_what_arrived_short_or_damaged(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    await job.signed()
    await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json={"own_transport": True}))
    before = await job.world.owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq")
    bad = {"lines": [{"line_no": 1, "good": 4, "short": 1}]}
    answer = await refused(job.buyer.post(f"{API}/orders/{job.order}/receive", json=bad), "order.receipt")
    assert answer["errors"][0]["message"] == (
        "Line 1: good 4, short 1, damaged 0 and wrong part 0 add up to 5, but 4 were shipped: 1 too many."
    )
    bad = {"lines": [{"line_no": 1, "good": 1, "damaged": 1, "note": "dented"}]}
    answer = await refused(job.buyer.post(f"{API}/orders/{job.order}/receive", json=bad), "order.receipt")
    assert answer["errors"][0]["message"].endswith("add up to 2, but 4 were shipped: 2 are still to be told of.")
    bad = {"lines": [{"line_no": 1, "good": 3, "short": 1}]}
    await refused(job.buyer.post(f"{API}/orders/{job.order}/receive", json=bad), "order.receipt_note")
    assert await job.world.owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq") == before
    good = {"lines": [{"line_no": 1, "good": 2, "short": 1, "damaged": 1, "note": "box crushed"}]}
    await ok(job.buyer.post(f"{API}/orders/{job.order}/receive", json=good))
    rows = await job.world.owner.fetch(
        'SELECT owner_id = $2 AS bought, agreement_id IS NOT NULL AS bound, quantity FROM "position" '
        "WHERE part_id = $1 AND holder_id = $2 AND quantity > 0 ORDER BY 1",
        job.world.part,
        job.world.buyer.id,
    )
    assert [tuple(r) for r in rows] == [(False, False, 1), (True, True, 2)]


async def test_nobody_keeps_what_was_not_accepted(job: Job) -> None:
    """Four signed for, all four to be kept; two arrive well. The text stays, its hash too; the minimum is two."""
    await job.released(4, minimum_to_keep=4)
    await job.ordered(4)
    await job.signed()
    url = f"{API}/agreements/{job.agreement}"
    before = await ok(job.buyer.get(url))
    line = before["schedule"][0]
    assert (line["accepted"], line["not_accepted"], line["minimum_in_force"]) == (4, 0, 4)
    await job.delivered(2, short=1, damaged=1, note="box crushed")
    after = await ok(job.buyer.get(url))
    line = after["schedule"][0]
    assert [line[x] for x in ("quantity_sold", "accepted", "not_accepted", "remaining")] == [4, 2, 2, 2]
    assert (line["minimum_to_keep"], line["minimum_in_force"]) == (4, 2)
    assert any(s.startswith("Keep 2 of 2 units") for s in line["summary"])
    assert (after["wording"], after["wording_sha256"]) == (before["wording"], before["wording_sha256"])
    pair = (UUID(job.agreement), job.world.part)
    async with job.world.db.read(job.world.maker.tenant) as session:
        facts = (await terms_and_facts(session, [pair]))[pair].facts
    assert (facts.quantity_sold, facts.accepted, facts.remaining, facts.minimum_to_keep) == (4, 2, 2, 4)


async def test_of_serial_units_it_is_said_which_is_not_good(job: Job) -> None:
    """Nothing is guessed: the first listed may be the damaged one. Every refusal leaves everything as it was."""
    await job.released(3, serial=True)
    await job.ordered(3)
    await job.signed()
    await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json={"own_transport": True}))
    url = f"{API}/orders/{job.order}/receive"
    first, second, third = (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["line_items"][0]["serials"]
    assert first < second < third, "the buyer sees what is on the way before it is his"
    owner = job.world.owner
    lot = {
        r["serial"]: r["lot_id"] for r in await owner.fetch("SELECT lot_id, serial FROM lot WHERE serial IS NOT NULL")
    }
    before = await owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq")
    line = {"line_no": 1, "good": 2, "damaged": 1, "note": "housing cracked"}
    for more, code in (
        ({}, "order.receipt_which"),
        ({"units": {"good": [second]}}, "order.receipt_which"),
        ({"units": {"damaged": [f"{first}-X"]}}, "order.receipt_unit"),
        ({"units": {"damaged": [first], "good": [first]}}, "order.receipt_unit"),
        ({"units": {"damaged": [first, str(lot[first])]}}, "order.receipt_unit"),
        ({"units": {"damaged": [first, second]}}, "order.receipt_unit"),
        ({"units": {"short": [first]}}, "order.receipt_unit"),
        ({"units": {"lost": [first]}}, "request.invalid"),
        ({"good": 3, "damaged": 0, "units": {"damaged": [first]}}, "order.receipt_unit"),
    ):
        await refused(job.buyer.post(url, json={"lines": [{**line, **more}]}), code)
    assert await owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq") == before
    assert (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["shown_status"] == "shipped"

    told = {"line_no": 1, "good": 1, "damaged": 1, "short": 1, "note": "one cracked, one not in the box"}
    units = {"damaged": [first], "short": [str(lot[third])]}
    await ok(job.buyer.post(url, json={"lines": [{**told, "units": units}]}))
    reasons = "SELECT reason_code FROM movement WHERE lot_id = $1 AND reason_code LIKE 'receipt%'"
    assert [await owner.fetchval(reasons, lot[x]) for x in (first, second, third)] == [
        "receipt_damaged", None, None,
    ], "what is missing stays on its way until the seller says what became of it"  # fmt: skip
    owned = "SELECT lot_id FROM position WHERE owner_id = $1 AND quantity > 0"
    assert [r["lot_id"] for r in await owner.fetch(owned, job.world.buyer.id)] == [lot[second]]
    story = (await ok(job.planner.get(f"{API}/orders/{job.order}")))["events"][-1]["detail"]
    assert story["serials"] == {"damaged": [first], "short": [third]}


async def test_a_line_of_units_with_and_without_serial_numbers(job: Job) -> None:
    """What is not good may be either kind: then every serial number must be named."""
    await job.released(2, serial=True, loose=2)
    await job.ordered(4)
    await job.signed()
    await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json={"own_transport": True}))
    url = f"{API}/orders/{job.order}/receive"
    first, second = (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["line_items"][0]["serials"]
    line = {"line_no": 1, "good": 2, "damaged": 2, "note": "wet"}
    await refused(job.buyer.post(url, json={"lines": [{**line, "units": {"damaged": [first]}}]}), "order.receipt_which")
    named = {"damaged": [first], "good": [second]}
    await ok(job.buyer.post(url, json={"lines": [{**line, "units": named}]}))
    rows = await job.world.owner.fetch(
        "SELECT l.serial, p.quantity FROM position p JOIN lot l USING (lot_id) WHERE p.owner_id = $1 AND p.quantity > 0",
        job.world.buyer.id,
    )
    assert {(r["serial"], r["quantity"]) for r in rows} == {(second, 1), (None, 1)}


async def test_serials_of_an_order_are_its_two_sides(job: Job) -> None:
    await job.released(2, serial=True)
    await job.ordered(2)
    serials = "SELECT count(*)::int FROM order_serials($1)"

    async def seen(tenant: Tenant) -> int:
        async with job.world.db.read(tenant) as session:
            return int(await fetch_value(session, serials, UUID(job.order)))

    world = job.world
    assert [await seen(x.tenant) for x in (world.maker, world.buyer, world.other)] == [2, 2, 0]
    await ok(job.buyer.post(f"{API}/orders/{job.order}/cancel", json={}))
    assert [await seen(x.tenant) for x in (world.maker, world.buyer)] == [2, 0], "it came to nothing"


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        (0, "order.quantity"),
        (-1, "order.quantity"),
        (11, "listing.not_enough"),
        (1, "order.minimum"),
        (3, "order.package"),
    ],
)
async def test_wrong_quantities(job: Job, quantity: int, code: str) -> None:
    await job.released(10, minimum_quantity=2, package_quantity=2)
    assert job.lot
    before = await job.world.snapshot(job.lot)
    body = {
        "lines": [{"listing_id": job.listing, "quantity": quantity}],
        "po_number": "PO-1",
        "ship_to_site_id": str(job.world.buyer.site),
    }
    await refused(job.buyer.post(f"{API}/orders", json=body), code)
    assert await job.world.snapshot(job.lot) == before
    assert await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id = $1", UUID(job.listing)) == 0


async def test_foreign_site_and_own_listing(job: Job) -> None:
    await job.released(10)
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 1}],
        "po_number": "PO",
        "ship_to_site_id": str(job.world.maker.site),
    }
    await refused(job.buyer.post(f"{API}/orders", json=body), "site.not_found")
    await refused(job.planner.post(f"{API}/orders", json=body), "actor.role")


async def test_two_buyers_one_unit(job: Job) -> None:
    await job.released(1)
    bodies = [
        (
            job.buyer,
            {
                "lines": [{"listing_id": job.listing, "quantity": 1}],
                "po_number": "A",
                "ship_to_site_id": str(job.world.buyer.site),
            },
        ),
        (
            job.outsider,
            {
                "lines": [{"listing_id": job.listing, "quantity": 1}],
                "po_number": "B",
                "ship_to_site_id": str(job.world.other.site),
            },
        ),
    ]
    answers = await asyncio.gather(*(c.post(f"{API}/orders", json=b) for c, b in bodies))
    assert sorted(a.status_code for a in answers) == [201, 409]
    loser = next(a for a in answers if a.status_code == 409)
    assert loser.json()["code"] == "listing.sold_out"


async def test_double_submit_orders_once(job: Job) -> None:
    await job.released(10)
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 2}],
        "po_number": "PO-1",
        "ship_to_site_id": str(job.world.buyer.site),
    }
    key = {"Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(job.buyer.post(f"{API}/orders", json=body, headers=key) for _ in range(5)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id = $1", UUID(job.listing)) == 2


async def test_outsiders_see_nothing(job: Job) -> None:
    await job.sold(2)
    await refused(job.outsider.get(f"{API}/orders/{job.order}"), "order.not_found")
    await refused(job.outsider.post(f"{API}/orders/{job.order}/cancel", json={}), "order.not_found")
    assert (await ok(job.outsider.get(f"{API}/orders")))["items"] == []


async def test_cancel_and_decline_free_the_units(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    await ok(job.buyer.post(f"{API}/orders/{job.order}/cancel", json={"note": "changed our mind"}))
    await job.ordered(10)
    await refused(job.planner.post(f"{API}/orders/{job.order}/decline", json={"reason": "mood"}), "order.reason")
    await ok(job.planner.post(f"{API}/orders/{job.order}/decline", json={"reason": "price"}))
    await refused(job.planner.post(f"{API}/orders/{job.order}/accept"), "order.state")
    row = await job.world.owner.fetchrow("SELECT ordered, quantity FROM listing WHERE id = $1", UUID(job.listing))
    assert tuple(row) == (0, 10)
    assert (
        await job.world.owner.fetchval("SELECT sum(quantity) FROM listing_lot WHERE listing_id = $1", UUID(job.listing))
        == 10
    )
    assert job.lot
    assert await job.world.positions(job.lot) == {1: (10, 0)}


async def test_unanswered_orders_expire(job: Job, worker_db: Database) -> None:
    await job.released(10)
    await job.ordered(4)
    later = datetime.now(UTC) + timedelta(hours=49)
    assert await expire_unanswered(worker_db, UUID(int=0), later) >= 1
    assert (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["shown_status"] == "expired"
    assert job.lot
    assert await job.world.positions(job.lot) == {1: (10, 0)}
    assert await expire_unanswered(worker_db, UUID(int=0), later) == 0


@pytest.mark.parametrize("ends", ["decline", "cancel", "expire"])
async def test_an_order_that_ends_after_its_posting_was_closed_frees_the_units(
    job: Job, worker_db: Database, ends: str
) -> None:
    await job.released(10)
    await job.ordered(4)
    first = job.order
    await job.ordered(3)
    await ok(job.planner.post(f"{API}/releases/{job.release}/close"))
    if ends == "decline":
        await ok(job.planner.post(f"{API}/orders/{job.order}/decline", json={"reason": "price"}))
    elif ends == "cancel":
        await ok(job.buyer.post(f"{API}/orders/{job.order}/cancel", json={}))
    else:
        await job.world.owner.execute("UPDATE purchase_order SET hold_expires_at = NULL WHERE id = $1", UUID(first))
        assert await expire_unanswered(worker_db, UUID(int=0), datetime.now(UTC) + timedelta(hours=49)) >= 1
    row = await job.world.owner.fetchrow(
        "SELECT ordered, quantity, published FROM listing WHERE id = $1", UUID(job.listing)
    )
    assert tuple(row) == (4, 4, False), "what is ordered stays honoured, nothing else is offered"
    behind = "SELECT coalesce(sum(quantity), 0) FROM listing_lot WHERE listing_id = $1"
    assert await job.world.owner.fetchval(behind, UUID(job.listing)) == 0
    # The six that are free can be posted anew.
    chosen = await ok(job.planner.get(f"{API}/releases/{job.release}"))
    body = {name: chosen[name] for name in ("clause", "version", "terms", "use_class")}
    again = (await ok(job.planner.post(f"{API}/releases", json={"title": "Again", **body}), 201))["id"]
    line = {
        "part_id": str(job.world.part), "site_id": str(job.world.maker.site), "condition": "new", "quantity": 6,
        "unit_price": "80.00",
    }  # fmt: skip
    await ok(job.planner.put(f"{API}/releases/{again}/lines", json={"lines": [line]}))


async def test_a_seller_who_may_not_sign_accepts_and_leaves_the_signature_open(job: Job) -> None:
    world = job.world
    await job.released(5)
    await job.ordered(2)
    person = world.maker.users["technician"]
    await world.owner.execute("UPDATE user_account SET roles = '{seller}' WHERE id = $1", person)
    token = await token_for(world.owner, person, world.maker.id)
    async with client_for(app_for(world.db), token) as seller:
        agreement = (await ok(seller.post(f"{API}/orders/{job.order}/accept")))["id"]
        await refused(seller.post(f"{API}/agreements/{agreement}/sign"), "actor.role")
        await ok(job.buyer.post(f"{API}/agreements/{agreement}/sign"))
        assert (await ok(job.planner.get(f"{API}/agreements/{agreement}")))["maker_signed_at"] is None
        await refused(seller.post(f"{API}/orders/{job.order}/ship", json={"own_transport": True}), "order.unsigned")
    await ok(job.planner.post(f"{API}/agreements/{agreement}/sign"))
    assert (await ok(job.planner.get(f"{API}/agreements/{agreement}")))["status"] == "active"
    await job.delivered(2)


@pytest.mark.parametrize(("zone", "hour"), [("Pacific/Pago_Pago", 1), ("Pacific/Kiritimati", 23), ("UTC", 12)])
async def test_the_second_signature_gives_a_schedule_its_day_whatever_the_hour(
    job: Job, db: Database, zone: str, hour: int
) -> None:
    """It is the day that it is then at the buyer's site, which may be yesterday or tomorrow in UTC; from it the window opens, and on it
    the maker's books are kept. Nobody gives it another day afterwards."""
    await job.released(10)
    await job.ordered(4)
    await job.world.owner.execute("UPDATE site SET timezone = $2 WHERE id = $1", job.world.buyer.site, zone)
    moment = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(hour), UTC)
    async with db.write(job.world.maker.tenant) as session:
        agreement = await accept(session, person(job.world.maker), UUID(job.order), moment)
    url = f"{API}/agreements/{agreement}"
    before = await ok(job.buyer.get(url))
    assert (before["schedule_date"], before["waiting_for"]) == (None, ["holder"])
    books = "SELECT DISTINCT at FROM agreement_classification WHERE agreement_id = $1"
    assert await job.world.owner.fetch(books, agreement) == []
    later = moment + timedelta(days=9)
    async with db.write(job.world.buyer.tenant) as session:
        await sign(session, person(job.world.buyer), agreement, later, wording_sha256=before["wording_sha256"])
    row = await job.world.owner.fetchrow("SELECT * FROM agreement WHERE id = $1", agreement)
    day = later.astimezone(ZoneInfo(zone)).date()
    assert row["schedule_date"] == day
    assert "**Schedule date:** the day on which the second party signs" in row["wording"]
    assert later - timedelta(days=1) < row["window_opens_at"] <= later
    months = json.loads(row["terms"])["window_end_months"]
    assert row["window_closes_at"].astimezone(ZoneInfo(zone)).date() == add_months(day, months) + timedelta(days=1)
    assert [r["at"] for r in await job.world.owner.fetch(books, agreement)] == [later]
    after = await ok(job.buyer.get(url))
    assert after["schedule_date"] == day.isoformat()
    assert [e["detail"]["schedule_date"] for e in after["events"] if e["kind"] == "active"] == [day.isoformat()]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.write(job.world.maker.tenant) as session:
            await execute(session, "UPDATE agreement SET schedule_date = schedule_date - 1 WHERE id = $1", agreement)
    assert await job.world.owner.fetchrow("SELECT * FROM agreement WHERE id = $1", agreement) == row


async def test_shipping_needs_both_signatures(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    await ok(job.planner.post(f"{API}/orders/{job.order}/accept"))
    await refused(job.planner.post(f"{API}/orders/{job.order}/ship", json={"own_transport": True}), "order.unsigned")


async def test_how_an_order_travels_is_stated_and_can_be_corrected(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    await job.signed()
    url = f"{API}/orders/{job.order}"
    before = await job.world.owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq")
    await refused(job.planner.post(f"{url}/shipment", json={"own_transport": True}), "order.state")
    for given, wrong in (
        ({}, ["carrier", "tracking"]),
        ({"carrier": "UPS", "tracking": " "}, ["tracking"]),
        ({"tracking": "1Z"}, ["carrier"]),
        ({"own_transport": True, "tracking": "1Z"}, ["tracking"]),
    ):
        answer = await refused(job.planner.post(f"{url}/ship", json=given), "shipment.incomplete")
        assert [e["field"] for e in answer["errors"]] == wrong
    assert await job.world.owner.fetch("SELECT * FROM movement ORDER BY lot_id, seq") == before
    assert (await ok(job.buyer.get(url)))["shown_status"] == "signed"

    await ok(job.planner.post(f"{url}/ship", json={"own_transport": True, "carrier": "our van"}))
    seen = await ok(job.buyer.get(url))
    assert (seen["carrier"], seen["tracking"]) == ("Own transport, our van", None)
    right = {"carrier": "UPS", "tracking": "1Z9"}
    await refused(job.buyer.post(f"{url}/shipment", json=right), "actor.role")
    await refused(job.planner.post(f"{url}/shipment", json={"carrier": "UPS"}), "shipment.incomplete")
    await ok(job.planner.post(f"{url}/shipment", json=right))
    await refused(job.planner.post(f"{url}/shipment", json=right), "shipment.same")
    seen = await ok(job.buyer.get(url))
    assert (seen["carrier"], seen["tracking"]) == ("UPS", "1Z9")
    told = [(e["kind"], e["detail"].get("carrier")) for e in seen["events"] if "carrier" in e["detail"]]
    assert told == [("shipped", "Own transport, our van"), ("shipment_corrected", "UPS")]
    await ok(job.buyer.post(f"{url}/receive", json={"lines": [{"line_no": 1, "good": 4}]}))
    await refused(job.planner.post(f"{url}/shipment", json={"own_transport": True}), "order.state")
    assert (await ok(job.buyer.get(url)))["tracking"] == "1Z9"


async def test_reduced_listing_honours_orders(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    await refused(job.planner.post(f"{API}/listings/{job.listing}/reduce", json={"quantity": 3}), "listing.reduce")
    await ok(job.planner.post(f"{API}/listings/{job.listing}/reduce", json={"quantity": 4}))
    await refused(job.outsider.get(f"{API}/releases/{job.release}"), "actor.role")
    await job.signed()
    await job.delivered(4)


async def test_csv_export(job: Job) -> None:
    await job.sold(1)
    answer = await job.buyer.get(f"{API}/orders/export.csv")
    assert answer.status_code == 200
    header, line = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    told = dict(zip(header, line, strict=True))
    order = (await ok(job.planner.get(f"{API}/orders")))["items"][0]
    assert (told["Order"], told["Line"], told["Quantity"], told["Ship to"]) == (
        order["reference"], "1", "1", order["ship_to"],
    )  # fmt: skip
    assert told["Part number"].startswith(job.world.tag)
    assert (told["PO number"], told["Currency"], told["Agreement"][:4]) == (order["po_number"], "USD", "AGR-")


async def test_whoever_ships_reads_where_to(job: Job) -> None:
    """Over the API too: a program of the seller's has no page to look at."""
    await job.sold(1)
    found = await ok(job.planner.get(f"{API}/orders/{job.order}"))
    assert found["ship_to_site_id"] == str(job.world.buyer.site)
    assert found["delivery"]["name"] == found["ship_to"]
    assert found["delivery"]["country"] == "US"
    await refused(job.outsider.get(f"{API}/orders/{job.order}"), "order.not_found")


async def test_the_export_has_the_filters_of_the_list_and_no_formulas(job: Job) -> None:
    await job.released(10)
    body = {"ship_to_site_id": str(job.world.buyer.site), "lines": [{"listing_id": job.listing, "quantity": 1}]}
    kept = await ok(job.buyer.post(f"{API}/orders", json={**body, "po_number": "=1+1"}), 201)
    gone = await ok(job.buyer.post(f"{API}/orders", json={**body, "po_number": "PO-2"}), 201)
    await ok(job.buyer.post(f"{API}/orders/{gone['id']}/cancel", json={}))
    for query in ({}, {"status": "placed"}, {"status": "cancelled"}, {"side": "buying"}, {"side": "selling"}):
        listed = (await ok(job.buyer.get(f"{API}/orders", params=query)))["items"]
        answer = await job.buyer.get(f"{API}/orders/export.csv", params=query)
        rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))[1:]
        assert [r[0] for r in rows] == [o["reference"] for o in listed], query
    placed = await job.buyer.get(f"{API}/orders/export.csv", params={"status": "placed"})
    assert ",'=1+1," in placed.text, "a cell that a spreadsheet would run is text"
    assert kept["id"] != gone["id"]


async def test_an_order_of_many_lines_is_all_or_nothing_and_of_constant_cost(job: Job) -> None:
    listings = await job.posted(7)
    body = {"po_number": "PO-MANY", "ship_to_site_id": str(job.world.buyer.site)}

    def lines(*chosen: str, quantity: int = 2) -> dict[str, object]:
        return {**body, "lines": [{"listing_id": i, "quantity": quantity} for i in chosen]}

    # Once before: two companies that trade for the first time take note of each other.
    known = await ok(job.buyer.post(f"{API}/orders", json=lines(listings[0])), 201)
    await ok(job.buyer.post(f"{API}/orders/{known['id']}/cancel", json={}))
    with counted(job.world.db) as one:
        first = await ok(job.buyer.post(f"{API}/orders", json=lines(listings[0])), 201)
    with counted(job.world.db) as five:
        many = await ok(job.buyer.post(f"{API}/orders", json=lines(*listings[1:6])), 201)
    assert len(five) == len(one), five

    # The last listing has too few: the line before it is not reserved either.
    bad = {**body, "lines": [{"listing_id": listings[5], "quantity": 1}, {"listing_id": listings[6], "quantity": 99}]}
    await refused(job.buyer.post(f"{API}/orders", json=bad), "listing.not_enough")
    ordered = "SELECT sum(ordered)::int FROM listing WHERE id = ANY($1::uuid[])"
    held = (
        "SELECT sum(held)::int FROM position WHERE part_id IN (SELECT part_id FROM listing WHERE id = ANY($1::uuid[]))"
    )
    ids = [UUID(i) for i in listings]
    assert (await job.world.owner.fetchval(ordered, ids), await job.world.owner.fetchval(held, ids)) == (12, 12)

    with counted(job.world.db) as cancel_one:
        await ok(job.buyer.post(f"{API}/orders/{first['id']}/cancel", json={}))
    with counted(job.world.db) as cancel_five:
        await ok(job.buyer.post(f"{API}/orders/{many['id']}/cancel", json={}))
    assert len(cancel_five) == len(cancel_one), cancel_five
    assert (await job.world.owner.fetchval(ordered, ids), await job.world.owner.fetchval(held, ids)) == (0, 0)
    behind = "SELECT sum(quantity)::int FROM listing_lot WHERE listing_id = ANY($1::uuid[])"
    assert await job.world.owner.fetchval(behind, ids) == 70
