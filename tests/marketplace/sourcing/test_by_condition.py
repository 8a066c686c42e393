"""Orders under terms of the second library that come back in several conditions: paid by the table, with handling beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from marketplace.agreements.combinations import ACCESS_BACK, BUY_BACK
from marketplace.agreements.deadlines import ship_by
from marketplace.agreements.terms import Urgency
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError, Kind
from marketplace.ledger.queries import CHECKS, verify
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered, person, rows_of
from tests.marketplace.agreements.second import second as second_terms
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

CALLS, DISPUTES = f"{API}/sourcing/calls", f"{API}/settlement/disputes"
TABLES = ("call", "call_event", "movement", "dispute", "dispute_statement", "settlement_line")
TABLE: dict[str, Any] = {
    "return_grade": "used", "return_papers": "certificate", "remaining_shelf_life_bp": 3_000,
    "grade_adjustments": [
        {"grade": "remanufactured", "percent_bp": 8_000}, {"grade": "used_tested", "percent_bp": 6_000},
        {"grade": "used", "percent_bp": 5_000},
    ],
}  # fmt: skip
"""Price 85 % of 100 and 6 % handling: 90.10 a unit in full."""


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def begun(
    world: World, stack: AsyncExitStack, *, serials: int = 0, access: bool = False, **changed: Any
) -> tuple[Job, list[str]]:
    """A job with units under the table, and their serial numbers."""
    job = await Job.begin(world, stack)
    clause, base = ("access-back", ACCESS_BACK) if access else ("buy-back", BUY_BACK)
    made = await agreed_on(world, [(clause, 2, {**base, **TABLE, **changed})])
    job.agreement = str(made)
    named = [f"SN-{world.tag}-{n}" for n in range(serials)]
    for serial in named:
        await delivered(world, made, 1, serial=serial)
    if not serials:
        await delivered(world, made, 10)
    return job, named


async def received(job: Job, quantity: int) -> list[dict[str, Any]]:
    """Ordered back and received; what each condition fetches."""
    await job.called(quantity)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    return list((await ok(job.technician.get(f"{CALLS}/{job.call}")))["grades"]["pays"])


async def inspect(job: Job, *found: Mapping[str, Any], **more: Any) -> Any:
    return await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json={"found": list(found), **more}))


async def lines(job: Job) -> list[tuple[str, int | None, str]]:
    """(kind, units if it is by the unit, amount) of what is owed for the order."""
    items = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    return sorted(((x["kind"], x["quantity"], f"{Decimal(x['amount']):.2f}") for x in items), key=str)


async def conditions(world: World) -> dict[str, int]:
    """Units of the world's part that the maker owns and has, by condition."""
    rows = await world.owner.fetch(
        "SELECT p.condition, sum(p.quantity)::int AS n FROM position p WHERE p.part_id = $1 AND p.owner_id = $2 "
        "AND p.holder_id = $2 AND p.agreement_id IS NULL AND p.quantity > 0 GROUP BY 1",
        world.part, world.maker.id,
    )  # fmt: skip
    return {r["condition"]: r["n"] for r in rows}


async def test_several_conditions_in_one_receipt_are_each_paid_as_agreed(world: World, stack: AsyncExitStack) -> None:
    job, _ = await begun(world, stack)
    # The days to inspect end where the units are: at the site that received them, half a day before the agreement's.
    await world.owner.execute("UPDATE site SET timezone = 'Pacific/Auckland' WHERE id = $1", world.maker.site)
    grades = await received(job, 4)
    moment = await world.owner.fetchval("SELECT inspect_by FROM call WHERE id = $1", UUID(job.call))
    assert moment.astimezone(ZoneInfo("Pacific/Auckland")).time() == time()
    due = (await ok(job.technician.get(f"{API}/obligations")))["items"]
    assert [d["zone"] for d in due if d["kind"] == "inspect_call"] == ["Pacific/Auckland"]
    assert [(g["grade"], f"{Decimal(g['each']):.2f}", g["may_reject"]) for g in grades] == [
        ("new", "90.10", False), ("new_old_stock", "90.10", False), ("remanufactured", "72.08", False),
        ("used_tested", "54.06", False), ("used", "45.05", False), ("core", "45.05", True),
    ]  # fmt: skip
    assert "buy-back version 2, section 9.5" in grades[3]["words"]
    before = await rows_of(world, *TABLES)
    at = f"{CALLS}/{job.call}/inspect"
    for body, code in (
        ({"good": 4, "note": "Worn.", "lower": {"quantity": 1, "less": "5"}}, "call.inspect_lower"),
        ({"good": 3, "note": "One is broken."}, "call.inspect_found"),
        ({"found": [{"grade": "new", "quantity": 3}]}, "call.inspect"),
        ({}, "call.inspect"),
        ({"found": [{"grade": "used", "quantity": 4, "accepted": False}]}, "call.inspect_meets"),
        ({"found": [{"grade": "used", "quantity": 4, "accepted": False}], "reason": "damaged"}, "call.inspect_note"),
    ):
        await refused(job.technician.post(at, json=body), code)
    said = await refused(job.technician.post(at, json={"found": [{"grade": "new", "quantity": 5}]}), "call.inspect")
    assert said["errors"][0]["field"] == "found", "the field that was sent"
    assert said["detail"].startswith("4 units were received; 5 are spoken of.")
    assert await rows_of(world, *TABLES) == before
    await inspect(
        job, {"grade": "new", "quantity": 1}, {"grade": "used", "quantity": 2}, {"grade": "used_tested", "quantity": 1}
    )
    # 90.10 + 2 x 45.05 + 54.06: each as price and handling, to the cent.
    assert await lines(job) == [
        ("call_price", 1, "51.00"), ("call_price", 1, "85.00"), ("call_price", 2, "85.00"), ("handling", 1, "3.06"),
        ("handling", 1, "5.10"), ("handling", 2, "5.10"),
    ]  # fmt: skip
    items = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    (used,) = [x["words"] for x in items if x["kind"] == "call_price" and x["quantity"] == 2]
    assert "2 units: Used: 50 % of 90.10 USD, 45.05 USD a unit (buy-back version 2, section 9.5)." in used
    assert await conditions(world) == {"new": 1, "used": 2, "used_tested": 1}
    events = await world.owner.fetchval(
        "SELECT detail->'found' FROM call_event WHERE call_id = $1 AND kind = 'inspected'", UUID(job.call)
    )
    assert "used_tested" in events
    # A line of one condition is disputed like any other.
    (line,) = [x["id"] for x in items if x["kind"] == "call_price" and x["quantity"] == 2]
    body = {"amount": "10", "offer": "0", "reason": "price", "words": "Too much."}
    await ok(job.planner.post(f"{API}/settlement/{line}/dispute", json=body), 201)
    async with world.db.read(world.maker.tenant) as session:
        assert [name for name in CHECKS if await verify(session, name)] == []


async def test_a_reworked_unit_and_one_without_papers_by_serial_number(world: World, stack: AsyncExitStack) -> None:
    """Remanufactured is paid by the table; what lacks its papers or its condition may be rejected, and goes back."""
    job, serials = await begun(world, stack, serials=3)
    await received(job, 3)
    before = await rows_of(world, *TABLES)
    at = f"{CALLS}/{job.call}/inspect"
    reworked = {"grade": "remanufactured", "quantity": 1, "units": serials[:1]}
    bare = {"grade": "used", "quantity": 1, "papers": "none", "accepted": False, "units": serials[1:2]}
    core = {"grade": "core", "quantity": 1, "accepted": False}
    for found, code in (
        ([reworked, bare, core], "call.inspect_which"),
        ([reworked, bare, {**core, "units": serials[:1]}], "call.inspect_unit"),
        ([reworked, bare, {**core, "units": ["SN-?"]}], "call.inspect_unit"),
    ):
        await refused(job.technician.post(at, json={"found": found}), code)
    assert await rows_of(world, *TABLES) == before
    await inspect(job, reworked, bare, {**core, "units": serials[2:]})
    assert await lines(job) == [("call_price", 1, "68.00"), ("handling", 1, "4.08")]
    (dispute,) = (await ok(job.buyer.get(DISPUTES)))["items"]
    assert (dispute["quantity"], dispute["reason"]) == (2, "papers")
    shown = await ok(job.buyer.get(f"{DISPUTES}/{dispute['id']}"))
    said = shown["thread"][0]["words"]
    assert "sections 9.3 and 9.6" in said
    assert "certificate" in said
    assert "at least used is asked for" in said
    assert await conditions(world) == {"remanufactured": 1}
    # Accepted after all: each by the condition that was found, with its handling beside it; the core like the used one, the
    # next better that the table names.
    await ok(job.planner.post(f"{API}/sourcing/disputes/{dispute['id']}/accept"))
    assert await lines(job) == [
        ("call_price", 1, "42.50"), ("call_price", 1, "42.50"), ("call_price", 1, "68.00"), ("handling", 1, "2.55"),
        ("handling", 1, "2.55"), ("handling", 1, "4.08"),
    ]  # fmt: skip


async def test_shelf_life_and_units_kept_for_nothing(world: World, stack: AsyncExitStack) -> None:
    job, _ = await begun(world, stack, reject_remedy="credit")
    await received(job, 3)
    await inspect(
        job, {"grade": "new", "quantity": 1, "shelf_life_left_bp": 3_000},
        {"grade": "new", "quantity": 2, "shelf_life_left_bp": 2_999, "accepted": False},
    )  # fmt: skip
    (dispute,) = (await ok(job.buyer.get(DISPUTES)))["items"]
    keep, back = f"{CALLS}/{job.call}/keep-rejected", f"{CALLS}/{job.call}/send-back"
    before = await rows_of(world, *TABLES)
    said = await refused(job.technician.post(keep), "dispute.open")
    assert " has until the end of " in said["detail"], "as everywhere else, not as a moment of UTC"
    await refused(job.technician.post(back, json={"own_transport": True}), "call.remedy")
    answer = await job.buyer.post(keep)
    assert answer.status_code in (403, 404)
    assert await rows_of(world, *TABLES) == before
    await world.owner.execute(
        "UPDATE dispute SET respond_by = $2 WHERE id = $1::uuid",
        dispute["id"],
        datetime.now(UTC) - timedelta(minutes=1),
    )
    await ok(job.technician.post(keep))
    assert await conditions(world) == {"new": 3}
    assert await lines(job) == [("call_price", 1, "85.00"), ("call_price", None, "0.00"), ("handling", 1, "5.10")]
    assert (await ok(job.buyer.get(f"{CALLS}/{job.call}")))["status"] == "priced"
    await refused(job.technician.post(keep), "call.nothing_to_keep")


async def test_nobody_inspects_and_what_goes_back_cannot_be_kept(
    world: World, stack: AsyncExitStack, worker_db: Database
) -> None:
    """By the clock in the condition that the ledger has; the terms without credit have rejected units go back."""
    job, _ = await begun(world, stack)
    await received(job, 2)
    moment = (await world.owner.fetchval("SELECT inspect_by FROM call WHERE id = $1", UUID(job.call))) + timedelta(
        days=9
    )
    before = await rows_of(world, *TABLES)
    async with worker_db.write() as session:
        assert await service.accept_uninspected(session, UUID(int=0), UUID(job.call), moment)
    assert await lines(job) == [("call_price", 2, "170.00"), ("handling", 2, "10.20")]
    assert await rows_of(world, *TABLES) != before
    await received(job, 1)
    await inspect(job, {"grade": "core", "quantity": 1, "accepted": False})
    await refused(job.technician.post(f"{CALLS}/{job.call}/keep-rejected"), "call.remedy")


async def test_a_drawn_unit_costs_its_fee_in_any_condition_and_its_price_by_the_one_it_was_found_in(
    world: World, stack: AsyncExitStack, worker_db: Database
) -> None:
    job, _ = await begun(world, stack, access=True, minimum_to_keep=5, handling_bp=600)
    grades = await received(job, 2)
    assert {f"{Decimal(g['each']):.2f}" for g in grades} == {"5.00"}, "the fee is no price"
    bought = {g["grade"]: (Decimal(g["bought_each"]), Decimal(g["bought_handling"])) for g in grades}
    assert bought["new"] == (Decimal("127.20"), Decimal("7.20"))
    assert bought["used"] == (Decimal("63.60"), Decimal("3.60")), "what the worker buys it at is said at receipt"
    assert all("section 9.5" in g["bought_words"] for g in grades)
    assert [g["grade"] for g in grades if g["may_reject"]] == ["core"]
    await inspect(job, {"grade": "used", "quantity": 1}, {"grade": "new", "quantity": 1})
    assert [x[0] for x in await lines(job)] == ["draw_fee", "draw_fee"]
    replace_by = await world.owner.fetchval("SELECT replace_by FROM call WHERE id = $1", UUID(job.call))
    async with worker_db.write() as session:
        assert await service.buy_unreplaced(session, UUID(int=0), UUID(job.call), replace_by) == 2
    # The list price of 120 and 6 % on top, as two lines; for the used one half of both.
    assert [x for x in await lines(job) if x[0] != "draw_fee"] == [
        ("draw_purchase", 1, "120.00"), ("draw_purchase", 1, "60.00"), ("handling", 1, "3.60"), ("handling", 1, "7.20"),
    ]  # fmt: skip


async def test_the_first_library_states_no_conditions(world: World, stack: AsyncExitStack) -> None:
    job = await Job.begin(world, stack)
    await job.sold(4, offered=4)
    await job.called(1)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    assert (await ok(job.technician.get(f"{CALLS}/{job.call}")))["grades"] is None
    before = await rows_of(world, *TABLES)
    body = {"found": [{"grade": "used", "quantity": 1}]}
    await refused(job.technician.post(f"{CALLS}/{job.call}/inspect", json=body), "call.inspect_found")
    assert await rows_of(world, *TABLES) == before


async def test_who_is_owed_for_a_condition_objects_to_it(world: World, stack: AsyncExitStack) -> None:
    """Nothing of what was found changes, and it stays due and can be paid; the difference is a line of its own once both agree."""
    job, _ = await begun(world, stack)
    await received(job, 4)
    found = [{"grade": "used", "quantity": 4}]
    with pytest.raises(DomainError) as wrong:
        async with world.db.write(world.buyer.tenant) as session:
            await service.inspect(session, person(world.buyer), UUID(job.call), good=4, note="", now=datetime.now(UTC))
    assert (wrong.value.code, wrong.value.kind) == ("call.side", Kind.FORBIDDEN)
    await inspect(job, *found)
    inspected = await lines(job)
    assert inspected == [("call_price", 4, "170.00"), ("handling", 4, "10.20")]
    by = {x["kind"]: x for x in (await ok(job.buyer.get(f"{API}/settlement")))["items"]}
    line, at = by["call_price"]["id"], f"{CALLS}/{job.call}/object"
    assert (by["call_price"]["condition"], by["handling"]["condition"]) == ("used", None)
    better = {"line_id": line, "condition": "new", "quantity": 3, "words": "Our test report was in the box."}
    own = {"amount": "1", "offer": "0", "reason": "price", "words": "Too little."}
    before = await rows_of(world, *TABLES)
    for who, body, code, status in (
        (job.planner, better, "call.side", 403),
        (job.outsider, better, "call.not_found", 404),
        (job.buyer, {**better, "line_id": by["handling"]["id"]}, "dispute.no_condition", 409),
        (job.buyer, {**better, "line_id": job.call}, "settlement.not_found", 404),
        (job.buyer, {**better, "condition": "core"}, "dispute.condition", 422),
        (job.buyer, {**better, "condition": "used"}, "dispute.condition", 422),
        (job.buyer, {**better, "quantity": 5}, "dispute.quantity", 422),
    ):
        problem = await refused(who.post(at, json=body), code)
        assert problem["status"] == status, code
    problem = await refused(job.buyer.post(f"{API}/settlement/{line}/dispute", json=own), "dispute.side")
    assert problem["status"] == 403
    assert await rows_of(world, *TABLES) == before
    made = (await ok(job.buyer.post(at, json=better), 201))["id"]
    # Of three units, each 90.10 in place of 45.05; what was found stays due meanwhile, and is paid.
    shown = await ok(job.planner.get(f"{DISPUTES}/{made}"))
    assert (shown["subject"], shown["found"], Decimal(shown["amount"])) == ("condition", "used", Decimal("135.15"))
    due = (await ok(job.planner.get(f"{API}/obligations")))["items"]
    (asked,) = [d for d in due if d["reference"] == shown["reference"]]
    assert (asked["kind"], asked["otherwise"]) == (
        "answer_dispute", "Nothing is agreed by silence; what was found stays paid and due.",
    )  # fmt: skip
    assert Decimal((await ok(job.buyer.get(f"{API}/settlement/{line}")))["due_amount"]) == 170
    for who in (job.planner, job.buyer):
        await ok(who.post(f"{API}/settlement/{line}/mark"))
    before = await rows_of(world, *TABLES)
    propose = f"{DISPUTES}/{made}/propose"
    for body, code in (
        ({"condition": "core"}, "dispute.condition"), ({"amount": "5"}, "dispute.amount"),
        ({"condition": "used_tested", "quantity": 1}, "dispute.quantity"), ({}, "dispute.condition"),
    ):  # fmt: skip
        await refused(job.planner.post(propose, json=body), code)
    await refused(job.buyer.post(at, json=better), "dispute.open")
    await refused(job.planner.post(f"{DISPUTES}/{made}/withdraw"), "dispute.opener")
    await refused(job.buyer.post(f"{DISPUTES}/{made}/agree"), "dispute.nothing")
    assert await rows_of(world, *TABLES) == before
    await ok(job.planner.post(propose, json={"condition": "used_tested"}))
    ended = await ok(job.buyer.post(f"{DISPUTES}/{made}/agree"))
    assert (ended["status"], ended["agreed_condition"]) == ("agreed", "used_tested")
    # 54.06 in place of 45.05: 8.50 and 0.51 a unit, for three.
    assert await lines(job) == sorted([*inspected, ("call_price", 3, "25.50"), ("handling", 3, "1.53")])
    assert await conditions(world) == {"used": 4}, "what was found stays in the ledger"
    # The fourth unit: given up, and nothing comes of it.
    await refused(job.buyer.post(at, json={**better, "quantity": 2}), "dispute.quantity")
    other = (await ok(job.buyer.post(at, json={**better, "quantity": None}), 201))["id"]
    assert (await ok(job.buyer.get(f"{DISPUTES}/{other}")))["quantity"] == 1
    await ok(job.buyer.post(f"{DISPUTES}/{other}/withdraw"))
    assert len(await lines(job)) == 4
    # The time to pay is the time to object.
    await world.owner.execute("UPDATE settlement_line SET due_on = current_date - 2 WHERE id = $1", UUID(line))
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(at, json={**better, "quantity": None}), "dispute.late")
    assert await rows_of(world, *TABLES) == before


async def test_a_condition_on_which_both_agreed_is_settled(world: World, stack: AsyncExitStack) -> None:
    """Neither the line nor what came of the agreement is disputed again for what the units were like; for the others it can be."""
    job, _ = await begun(world, stack)
    await received(job, 4)
    await inspect(job, {"grade": "used", "quantity": 4})
    by = {x["kind"]: x["id"] for x in (await ok(job.buyer.get(f"{API}/settlement")))["items"]}
    better = {"line_id": by["call_price"], "condition": "new", "quantity": 3, "words": "As good as new."}
    made = (await ok(job.buyer.post(f"{CALLS}/{job.call}/object", json=better), 201))["id"]
    await ok(job.planner.post(f"{DISPUTES}/{made}/agree"))
    extra = next(
        x
        for x in (await ok(job.buyer.get(f"{API}/settlement")))["items"]
        if x["kind"] == "call_price" and x["quantity"] == 3
    )
    before = await rows_of(world, *TABLES)
    for line, amount, words in (
        (by["call_price"], "42.51", "other 1 unit"), (by["handling"], "10.20", "other 1 unit"), (extra["id"], "1", "price that is wrong"),
    ):  # fmt: skip
        for reason in ("lower_grade", "papers"):
            body = {"amount": amount, "offer": "0", "reason": reason, "words": "Worn after all."}
            said = await refused(job.planner.post(f"{API}/settlement/{line}/dispute", json=body), "dispute.settled")
            assert words in said["detail"]
    assert await rows_of(world, *TABLES) == before
    body = {"amount": "42.50", "offer": "0", "reason": "lower_grade", "words": "The fourth is worn."}
    await ok(job.planner.post(f"{API}/settlement/{by['call_price']}/dispute", json=body), 201)
    body = {"amount": "1", "offer": "0", "reason": "price", "words": "Reckoned wrongly."}
    await ok(job.planner.post(f"{API}/settlement/{extra['id']}/dispute", json=body), 201)


async def test_another_unit_follows_for_a_rejected_one_by_itself(world: World, stack: AsyncExitStack) -> None:
    """At the price of the first order, by the clock of a stock order from the rejection on, and as no further order: the terms
    allow one. What is not left cannot follow; what is rejected of it is followed again."""
    job, _ = await begun(world, stack, reject_remedy="replace", max_exercises=1, handling_bp=600)
    await received(job, 7)
    first = await ok(job.technician.get(f"{CALLS}/{job.call}"))
    await inspect(
        job, {"grade": "new", "quantity": 2}, {"grade": "core", "quantity": 5, "accepted": False}, note="Worn out."
    )
    assert await lines(job) == [("call_price", 2, "170.00"), ("handling", 2, "10.20")]
    (other,) = [c for c in (await ok(job.buyer.get(f"{CALLS}?limit=9")))["items"] if c["replaces_id"]]
    # Ten were there and seven went: three are left of the five.
    assert (other["replaces"], other["quantity"], other["status"], other["urgency"]) == (
        first["reference"], 3, "accepted", "stock_order",
    )  # fmt: skip
    assert (other["kind"], Decimal(other["unit_price"]), other["destination"]) == (
        "buy_back", Decimal(first["unit_price"]), first["destination"],
    )  # fmt: skip
    agreement = await world.owner.fetchrow("SELECT exercises, zone FROM agreement WHERE id = $1", UUID(job.agreement))
    assert agreement["exercises"] == 1, "it does not count as one more"
    stored = await world.owner.fetchrow("SELECT * FROM call WHERE id = $1::uuid", other["id"])
    terms = second_terms("buy-back", **{**TABLE, "reject_remedy": "replace"})
    assert stored["ship_by"] == ship_by(terms, Urgency.STOCK, stored["accepted_at"], agreement["zone"])
    assert stored["default_from"] > stored["ship_by"]
    assert f"In place of 3 units rejected under {first['reference']}" in stored["reasons"]
    said = await world.owner.fetch("SELECT kind, detail FROM call_event WHERE call_id = $1 ORDER BY id", UUID(job.call))
    kinds = [e["kind"] for e in said]
    assert ("another_ordered" in kinds, "no_other_left" in kinds) == (True, True)
    due = (await ok(job.buyer.get(f"{API}/obligations")))["items"]
    assert [d["reference"] for d in due if d["kind"] == "ship_call"] == [other["reference"]]
    # Shipped and accepted like any order; nothing is left that could follow for what is rejected of it.
    old, job.call = job.call, other["id"]
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    freight = {"trip": "there", "amount": "12.00", "currency": "USD", "document": "CMR 7"}
    await refused(job.buyer.post(f"{CALLS}/{job.call}/freight", json=freight), "freight.own")
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    await inspect(job, {"grade": "new", "quantity": 2}, {"grade": "core", "quantity": 1, "accepted": False})
    assert await lines(job) == sorted([("call_price", 2, "170.00"), ("handling", 2, "10.20")] * 2)
    assert not [c for c in (await ok(job.buyer.get(f"{CALLS}?limit=9")))["items"] if c["replaces_id"] == job.call]
    # The five go back as ever.
    (units,) = [d for d in (await ok(job.buyer.get(DISPUTES)))["items"] if d["cause_id"] == old]
    await ok(job.buyer.post(f"{API}/sourcing/disputes/{units['id']}/agree"))
    await ok(job.technician.post(f"{CALLS}/{old}/send-back", json={"own_transport": True}))
    await ok(job.buyer.post(f"{CALLS}/{old}/receive-back", json={}))
    async with world.db.read(world.maker.tenant) as session:
        assert [name for name in CHECKS if await verify(session, name)] == []


async def test_an_order_in_place_of_units_that_are_kept_after_all_ends(world: World, stack: AsyncExitStack) -> None:
    job, _ = await begun(world, stack, reject_remedy="replace", max_exercises=2)
    await received(job, 4)
    await inspect(job, {"grade": "new", "quantity": 2}, {"grade": "core", "quantity": 2, "accepted": False})
    (other,) = [c for c in (await ok(job.buyer.get(f"{CALLS}?limit=9")))["items"] if c["replaces_id"]]
    (units,) = (await ok(job.buyer.get(DISPUTES)))["items"]
    await ok(job.planner.post(f"{API}/sourcing/disputes/{units['id']}/accept"))
    assert (await ok(job.buyer.get(f"{CALLS}/{other['id']}")))["status"] == "cancelled"
    assert not await world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1::uuid", other["id"])
    # It never counted, so that its end gives nothing back either.
    exercises = "SELECT exercises FROM agreement WHERE id = $1"
    assert await world.owner.fetchval(exercises, UUID(job.agreement)) == 1
    # One that is needed no more ends by both, with the same count.
    await received(job, 1)
    await inspect(job, {"grade": "core", "quantity": 1, "accepted": False})
    (again,) = [c for c in (await ok(job.buyer.get(f"{CALLS}?limit=9")))["items"] if c["replaces_id"] == job.call]
    await ok(job.planner.post(f"{CALLS}/{again['id']}/cancel"))
    await ok(job.buyer.post(f"{CALLS}/{again['id']}/release"))
    assert await world.owner.fetchval(exercises, UUID(job.agreement)) == 2
