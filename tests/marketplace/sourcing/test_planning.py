"""Many parts requests at once over HTTP: raised all or none, planned without side effects, confirmed all or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.sourcing import many
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

BULK = f"{API}/sourcing/requests/bulk"
PLANS = f"{API}/sourcing/plans"


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    """Four units at the partner, two of the maker's own."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.sold(4, offered=4)
        await world.register(world.maker, 2)
        yield made


def row(job: Job, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "part_id": str(job.world.part), "quantity": quantity, "destination_site_id": str(job.world.maker.site),
        "needed_by": (datetime.now(UTC) + timedelta(days=60)).isoformat(), "urgency": "stock_order", **more,
    }  # fmt: skip


async def raised(job: Job, *quantities: int, **more: Any) -> list[str]:
    rows = [row(job, n, **more) for n in quantities]
    return list((await ok(job.planner.post(BULK, json={"rows": rows}), 201))["ids"])


async def planned(job: Job, ids: list[str], **rules: Any) -> dict[str, Any]:
    return dict(await ok(job.planner.post(PLANS, json={"requests": ids, "rules": rules}), 201))


async def state(job: Job) -> tuple[int, int, int]:
    """Requests, orders and reserved units of the maker."""
    found = await job.world.owner.fetchrow(
        "SELECT (SELECT count(*) FROM requisition WHERE maker_id = $1)::int AS r, "
        "(SELECT count(*) FROM call WHERE maker_id = $1)::int AS c, coalesce((SELECT sum(h.quantity) FROM open_hold h "
        "JOIN call k ON k.id = h.cause_id WHERE k.maker_id = $1), 0)::int AS h",
        job.world.maker.id,
    )
    return found["r"], found["c"], found["h"]


# -- raising many ------------------------------------------------------------------------------------------


async def test_one_bad_row_stops_all_and_every_reason_of_every_row_is_said(job: Job) -> None:
    before = await state(job)
    number = await job.world.owner.fetchval("SELECT number FROM part WHERE id = $1", job.world.part)
    good = {**row(job), "part_id": None, "number": number.lower()}
    bad = row(job, 0, urgency="whenever", needed_by="2020-01-01T00:00:00Z", destination_site_id=str(uuid4()))
    unknown = {**row(job), "part_id": None, "number": "NO-SUCH-NUMBER-AT-ALL"}
    problem = await refused(job.planner.post(BULK, json={"rows": [good, bad, unknown]}), "requisition.rows")
    assert "2 of 3 rows" in problem["detail"]
    named = {e["field"] for e in problem["errors"]}
    assert named == {
        "rows.1.quantity", "rows.1.urgency", "rows.1.needed_by", "rows.1.destination_site_id", "rows.2.number",
    }  # fmt: skip
    assert await state(job) == before
    some = await ok(job.planner.post(BULK, json={"rows": [good, bad, unknown], "mode": "good_rows"}), 201)
    assert len(some["ids"]) == 1
    assert [x["row"] for x in some["left_out"]] == [1, 2]
    assert (await state(job))[0] == before[0] + 1


async def test_a_scanned_label_in_a_row_stands_for_the_number_on_it(job: Job) -> None:
    number = await job.world.owner.fetchval("SELECT number FROM part WHERE id = $1", job.world.part)
    plate = {**row(job, 2), "part_id": None, "number": f"[)>\x1e06\x1d1P{number}\x1dS0042\x1e\x04"}
    misread = {**row(job), "part_id": None, "number": "(01)09521234543214(21)A7"}
    before = await state(job)
    problem = await refused(job.planner.post(BULK, json={"rows": [plate, misread]}), "requisition.rows")
    [error] = problem["errors"]
    assert error["field"] == "rows.1.number"
    assert "misread" in error["message"]
    assert await state(job) == before
    [made] = (await ok(job.planner.post(BULK, json={"rows": [plate]}), 201))["ids"]
    kept = await job.world.owner.fetchrow("SELECT part_id, quantity FROM requisition WHERE id = $1::uuid", made)
    assert (kept["part_id"], kept["quantity"]) == (job.world.part, 2)


async def test_many_rows_cost_as_many_statements_as_few_and_a_key_raises_them_once(job: Job) -> None:
    with counted(job.world.db) as few:
        await raised(job, 1, 1)
    before = await state(job)
    with counted(job.world.db) as many:
        ids = await raised(job, *range(1, 301))
    assert len(many) == len(few)
    kept = await job.world.owner.fetch("SELECT quantity FROM requisition WHERE id = ANY($1::uuid[]) ORDER BY id", ids)
    assert [r["quantity"] for r in kept] == list(range(1, 301)), "in the order of the rows"
    body, headers = {"rows": [row(job)]}, {"Idempotency-Key": f"bulk-{job.world.tag}"}
    first = await ok(job.planner.post(BULK, json=body, headers=headers), 201)
    assert await ok(job.planner.post(BULK, json=body, headers=headers), 201) == first
    assert (await state(job))[0] == before[0] + 301


async def test_others_neither_raise_for_a_part_nor_see_a_plan(job: Job) -> None:
    before = await state(job)
    body = {"rows": [{**row(job), "destination_site_id": str(job.world.other.site)}]}
    await refused(job.outsider.post(BULK, json=body), "actor.role")
    plan = await planned(job, await raised(job, 1))
    assert (await job.buyer.get(f"{PLANS}/{plan['id']}")).status_code in (403, 404)
    async with AsyncExitStack() as stack:
        token = await token_for(job.world.owner, job.world.other.users["admin"], job.world.other.id)
        admin = await stack.enter_async_context(client_for(app_for(job.world.db), token))
        assert (await admin.get(f"{PLANS}/{plan['id']}")).status_code == 404
        assert (await admin.post(f"{PLANS}/{plan['id']}/confirm")).status_code in (403, 404)
    assert await state(job) == (before[0] + 1, *before[1:])


# -- planning ----------------------------------------------------------------------------------------------


async def test_a_plan_says_why_for_each_request_and_changes_nothing(job: Job) -> None:
    ids = await raised(job, 2, 1, 1, 9)
    before = await state(job)
    plan = await planned(job, ids)
    assert [r["id"] for r in plan["requests"]] == ids
    assert (plan["lacking"], plan["units"], plan["unmet"]) == (13, 6, 7)
    own = [c for r in plan["requests"] for c in r["chosen"] if c["kind"] == "own_stock"]
    assert sum(c["quantity"] for c in own) == 2
    assert {c["why"] for c in own} == {"Own stock comes first."}
    assert all(c["why"] for r in plan["requests"] for c in r["chosen"])
    assert all(r["unmet_why"] for r in plan["requests"] if r["unmet"])
    assert plan["total_minor"] == sum(
        c["unit_total_minor"] * c["quantity"] for r in plan["requests"] for c in r["chosen"]
    )
    assert await state(job) == before
    kept = await ok(job.planner.get(f"{PLANS}/{plan['id']}"))
    assert kept["requests"] == plan["requests"]
    assert [p["id"] for p in (await ok(job.planner.get(PLANS)))["items"]] == [plan["id"]]


async def test_policies_and_what_ifs_are_answered_and_not_kept(job: Job) -> None:
    ids = await raised(job, 2)

    async def what_if(**rules: Any) -> dict[str, Any]:
        return dict(await ok(job.planner.post(PLANS, json={"requests": ids, "rules": rules, "dry_run": True}), 201))

    assert {c["kind"] for c in (await what_if())["requests"][0]["chosen"]} == {"own_stock"}
    pool = await what_if(first="pool")
    assert {c["kind"] for c in pool["requests"][0]["chosen"]} == {"buy_back"}
    assert "Own stock is kept: the pool comes first." in {n["why"] for n in pool["requests"][0]["not_chosen"]}
    holder = pool["requests"][0]["chosen"][0]["holder_key"]
    without = await what_if(first="pool", without=[holder])
    assert {c["kind"] for c in without["requests"][0]["chosen"]} == {"own_stock"}
    poor = await what_if(first="pool", budget_minor=1)
    assert poor["requests"][0]["unmet"] == 2
    assert "budget" in poor["requests"][0]["unmet_why"]
    hurry = await what_if(first="pool", shift_days=-60)
    assert hurry["late"] == 1
    assert hurry["total_minor"] <= pool["total_minor"], "own stock, since the pool would be late"
    assert (await ok(job.planner.get(PLANS)))["items"] == []
    assert pool["id"] is None


async def test_a_plan_of_many_costs_as_many_statements_as_one_of_few(job: Job) -> None:
    few_ids, many_ids = await raised(job, 1), await raised(job, *[1] * 50, substitutes=True)
    body = {"rules": {}, "dry_run": True}
    with counted(job.world.db) as few:
        await ok(job.planner.post(PLANS, json={**body, "requests": few_ids}), 201)
    with counted(job.world.db) as many:
        await ok(job.planner.post(PLANS, json={**body, "requests": many_ids}), 201)
    assert len(many) <= len(few) + 1, "one more for what may stand in"


async def test_a_price_in_another_currency_is_planned_with_a_rate_only(job: Job) -> None:
    ids = await raised(job, 3)
    maker = job.world.maker
    before = await planned(job, ids, first="pool")
    await job.world.owner.execute("UPDATE company SET currency = 'EUR' WHERE id = $1", maker.id)
    try:
        none = await planned(job, ids, first="pool")
        assert {c["kind"] for c in none["requests"][0]["chosen"]} == {"own_stock"}
        [words] = [w["words"] for n in none["requests"][0]["not_callable"] for w in n["why"] if w["code"] == "no_rate"]
        assert words.startswith("Its price is in USD, and there is no rate into EUR")
        async with AsyncExitStack() as stack:
            token = await token_for(job.world.owner, maker.users["admin"], maker.id)
            admin = await stack.enter_async_context(client_for(app_for(job.world.db), token))
            today = datetime.now(UTC).date()
            rate = {"currency": "USD", "into": "EUR", "day": str(today), "rate": "0.5", "source": "Treasury"}
            await refused(job.planner.post(f"{API}/sourcing/rates", json=rate), "actor.role")
            late = {**rate, "day": str(today + timedelta(days=2))}
            await refused(admin.post(f"{API}/sourcing/rates", json=late), "rate.day")
            tiny = await refused(
                admin.post(f"{API}/sourcing/rates", json={**rate, "rate": "0.0000000001"}), "request.invalid"
            )
            assert tiny["errors"][0]["message"] == "Write at most 9 digits after the point."
            old = {**rate, "day": str(today - timedelta(days=40))}
            await ok(admin.post(f"{API}/sourcing/rates", json=old), 201)
            stale = await planned(job, ids, first="pool")
            assert stale["rates"] == [], "a rate of forty days ago compares nothing"
            await ok(admin.post(f"{API}/sourcing/rates", json=rate), 201)
            assert [r["source"] for r in await ok(job.planner.get(f"{API}/sourcing/rates"))] == ["Treasury"]
        after = await planned(job, ids, first="pool")
        assert after["rates"] == [f"1 USD = 0.5 EUR on {today:%d %b %Y} (Treasury)"]
        price = [p["requests"][0]["chosen"][0]["price_minor"] for p in (before, after)]
        assert price[0] == price[1] * 2
        # A plan of one request goes by the same rates, and orders what it says.
        await job.world.owner.execute("UPDATE requisition SET quantity = 5 WHERE id = $1::uuid", ids[0])
        path = f"{API}/sourcing/requests/{ids[0]}"
        one = await ok(job.technician.get(f"{path}/plan"))
        assert (one["currency"], one["rates"]) == ("EUR", after["rates"])
        [pool] = [c for c in one["chosen"] if c["kind"] == "buy_back"]
        assert (pool["price_minor"], pool["currency"]) == (price[1], "USD")
        await job.world.owner.execute("UPDATE currency_rate SET day = day - 40 WHERE company_id = $1", maker.id)
        stale = await ok(job.technician.get(f"{path}/plan"))
        assert {c["kind"] for c in stale["chosen"]} == {"own_stock"}
        assert stale["unmet"] == 3
        [words] = [w["words"] for n in stale["not_callable"] for w in n["why"] if w["code"] == "no_rate"]
        assert words.startswith("Its price is in USD, and there is no rate into EUR")
        await job.world.owner.execute("UPDATE currency_rate SET day = day + 40 WHERE company_id = $1", maker.id)
        done = await ok(job.technician.post(f"{path}/confirm", json={}))
        assert len(done["calls"]) == len(one["chosen"])
    finally:
        await job.world.owner.execute("UPDATE company SET currency = 'USD' WHERE id = $1", maker.id)


async def test_a_limit_is_compared_in_its_own_currency_or_an_approver_asked(job: Job) -> None:
    """Ten thousand of the person's company's currency are no ten thousand of another's."""
    maker, owner = job.world.maker, job.world.owner
    place = next(c for c in await job.candidates(job.technician) if c["callable"] and c["kind"] == "buy_back")
    assert place["currency"] == "USD"
    await owner.execute("UPDATE user_account SET order_limit_amount = 10000 WHERE id = $1", maker.users["technician"])
    await owner.execute("UPDATE company SET currency = 'JPY' WHERE id = $1", maker.id)
    states = []
    try:
        for rate in (None, "150", "1"):
            if rate:
                await owner.execute(
                    'INSERT INTO currency_rate (company_id, currency, "into", day, rate, source, recorded_by, recorded_at) '
                    "VALUES ($1, 'USD', 'JPY', $2, $3::text::numeric, 'x', $4, now())",
                    maker.id, datetime.now(UTC).date(), rate, maker.users["admin"],
                )  # fmt: skip
            body = {**job.need(1), "key": place["key"]}
            made = await ok(job.technician.post(f"{API}/sourcing/order-back", json=body), 201)
            states.append((await ok(job.technician.get(f"{API}/sourcing/requests/{made['requisition_id']}")))["status"])
    finally:
        await owner.execute("UPDATE company SET currency = 'USD' WHERE id = $1", maker.id)
    assert states == ["awaiting_approval", "awaiting_approval", "ordered"]


# -- confirming --------------------------------------------------------------------------------------------


async def test_confirming_many_costs_as_many_statements_as_few_and_reserves_for_each_what_is_its_own(job: Job) -> None:
    world = job.world
    await world.register(world.maker, 30)
    few, many = await planned(job, await raised(job, 3, 1)), await planned(job, await raised(job, *[2] * 10))
    with counted(world.db) as first:
        await ok(job.planner.post(f"{PLANS}/{few['id']}/confirm"))
    with counted(world.db) as second:
        done = await ok(job.planner.post(f"{PLANS}/{many['id']}/confirm"))
    assert len(done["calls"]) == 10
    # Both send orders to one holder each at the most; the first also under an agreement.
    assert len(second) <= len(first), [s for s in second if s not in first]
    rows = await world.owner.fetch(
        "SELECT k.id, k.quantity, (SELECT sum(h.quantity) FROM open_hold h WHERE h.cause_id = k.id)::int AS held, "
        "(SELECT sum(u.quantity) FROM call_unit u WHERE u.call_id = k.id)::int AS units, "
        "(SELECT sum(m.quantity) FROM movement m WHERE m.cause_id = k.id AND m.kind = 'hold')::int AS moved, "
        "(SELECT array_agg(e.kind ORDER BY e.id) FROM call_event e WHERE e.call_id = k.id) AS told "
        "FROM call k WHERE k.maker_id = $1", world.maker.id,
    )  # fmt: skip
    assert len(rows) > 10
    for r in rows:
        assert r["quantity"] == r["held"] == r["units"] == r["moved"]
        assert r["told"][:2] == ["requested", "noticed"]
    told = await world.owner.fetchval(
        "SELECT count(DISTINCT aggregate_id) FROM outbox_event WHERE name = 'call.noticed' AND $1 = ANY(company_ids)",
        world.maker.id,
    )
    assert told == len(rows), "each order is told by itself"


async def test_confirming_orders_exactly_what_was_shown_and_once(job: Job) -> None:
    ids = await raised(job, 3, 1)
    plan = await planned(job, ids)
    done = await ok(job.planner.post(f"{PLANS}/{plan['id']}/confirm"))
    chosen = sorted((r["id"], c["quantity"]) for r in plan["requests"] for c in r["chosen"])
    calls = await job.world.owner.fetch(
        "SELECT requisition_id, quantity, status FROM call WHERE id = ANY($1::uuid[])", done["calls"]
    )
    assert sorted((str(c["requisition_id"]), c["quantity"]) for c in calls) == chosen
    assert {c["status"] for c in calls} <= {"noticed", "accepted"}
    assert (await state(job))[2] == 4
    kept = await ok(job.planner.get(f"{PLANS}/{plan['id']}"))
    assert kept["confirmed_at"]
    assert kept["calls"] == done["calls"]
    before = await state(job)
    await refused(job.planner.post(f"{PLANS}/{plan['id']}/confirm"), "plan.confirmed")
    assert await state(job) == before


async def test_another_price_than_was_shown_orders_nothing_and_answers_the_new_plan(job: Job) -> None:
    ids = await raised(job, 2)
    plan = await planned(job, ids)
    [shown] = [c["unit_price"] for r in plan["requests"] for c in r["chosen"]]
    # As if the clause's price were another one since.
    await job.world.owner.execute(
        "UPDATE sourcing_plan SET shown = jsonb_set(shown, '{requests,0,chosen,0,unit_price}', '\"0.01\"') WHERE id = $1",
        UUID(plan["id"]),
    )
    before = await state(job)
    problem = await refused(job.planner.post(f"{PLANS}/{plan['id']}/confirm"), "plan.changed")
    assert [c["unit_price"] for r in problem["facts"]["plan"]["requests"] for c in r["chosen"]] == [shown]
    assert await state(job) == before


async def test_a_unit_gone_meanwhile_orders_nothing_and_answers_the_new_plan(job: Job) -> None:
    ids = await raised(job, 3, 3)
    plan = await planned(job, ids)
    assert plan["unmet"] == 0
    [single] = await raised(job, 1)
    await ok(job.technician.post(f"{API}/sourcing/requests/{single}/confirm", json={}))
    before = await state(job)
    problem = await refused(job.planner.post(f"{PLANS}/{plan['id']}/confirm"), "plan.changed")
    assert problem["facts"]["plan"]["unmet"] == 1
    assert [r["id"] for r in problem["facts"]["plan"]["requests"]] == ids
    assert await state(job) == before
    again = await planned(job, ids)
    await ok(job.planner.post(f"{PLANS}/{again['id']}/confirm"))
    assert (await state(job))[2] == 6


@pytest.mark.parametrize("what", ["complete", "late", "sooner", "elsewhere", "urgency"])
async def test_a_plan_for_what_was_asked_before_orders_nothing_and_answers_the_new_plan(job: Job, what: str) -> None:
    """As the request has changed since, or units would come later than the plan says, it is not what was shown."""
    maker = job.world.maker
    [asked] = await raised(job, 2, complete_only=what == "complete")
    plan = await planned(job, [asked])
    assert plan["late"] == 0
    if what == "late":
        # As if days had passed: what was to come in time now comes after it is needed, and nobody asked for less.
        soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        await job.world.owner.execute(
            "UPDATE requisition SET needed_by = $2 WHERE id = $1", UUID(asked), datetime.fromisoformat(soon)
        )
        await job.world.owner.execute(
            "UPDATE sourcing_plan SET shown = jsonb_set(shown, '{requests,0,needed_by}', to_jsonb($2::text)) WHERE id = $1",
            UUID(plan["id"]), soon,
        )  # fmt: skip
    else:
        dock = await job.world.owner.fetchval(
            "INSERT INTO site (company_id, code, name, place, region, country, timezone) "
            "VALUES ($1, 'DOCK2', 'Another dock', 'N', 'AL', 'US', 'UTC') RETURNING id",
            maker.id,
        )
        change = {
            "complete": {"quantity": 3},
            "sooner": {"needed_by": (datetime.now(UTC) + timedelta(days=30)).isoformat()},
            "elsewhere": {"destination_site_id": str(dock)},
            "urgency": {"urgency": "machine_down"},
        }[what]
        await ok(job.planner.post(f"{API}/sourcing/requests/{asked}/change", json=change))
    before = await state(job)
    problem = await refused(job.planner.post(f"{PLANS}/{plan['id']}/confirm"), "plan.changed")
    assert [r["id"] for r in problem["facts"]["plan"]["requests"]] == [asked]
    assert await state(job) == before
    again = await planned(job, [asked])
    await ok(job.planner.post(f"{PLANS}/{again['id']}/confirm"))
    assert (await state(job))[2] == (3 if what == "complete" else 2)


async def test_two_planners_promise_no_unit_twice(job: Job) -> None:
    """Overlapping plans, the same one pressed twice, and another over the same units, all at once."""
    first, second = await raised(job, 4), await raised(job, 4)
    plans = [await planned(job, ids) for ids in (first, second, [*first, *second])]
    answers = await asyncio.gather(
        *(job.planner.post(f"{PLANS}/{p['id']}/confirm") for p in (*plans, plans[0], plans[2]))
    )
    codes = [a.status_code for a in answers]
    assert codes.count(200) == 1, [a.text for a in answers]
    assert set(codes) == {200, 409}
    free = await job.world.owner.fetchval(
        "SELECT min(quantity - held) FROM position WHERE part_id = $1 AND quantity > 0", job.world.part
    )
    assert free >= 0
    ordered = await job.world.owner.fetchval(
        "SELECT sum(quantity)::int FROM call WHERE maker_id = $1", job.world.maker.id
    )
    assert ordered in (4, 6)


async def test_above_the_limit_orders_of_a_plan_wait_for_an_approver(job: Job) -> None:
    await job.world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1",
        job.world.maker.users["technician"],
    )  # fmt: skip
    ids = await raised(job, 1)
    body = {"requests": ids, "rules": {"first": "pool"}}
    plan = await ok(job.technician.post(PLANS, json=body), 201)
    done = await ok(job.technician.post(f"{PLANS}/{plan['id']}/confirm"))
    assert done["waiting"] == len(done["calls"]) == 1
    status = await job.world.owner.fetchval("SELECT status FROM requisition WHERE id = $1", UUID(ids[0]))
    assert status == "awaiting_approval"


async def test_confirming_costs_a_bounded_number_of_statements_for_each_order(job: Job) -> None:
    plan = await planned(job, await raised(job, 1))
    with counted(job.world.db) as one:
        await ok(job.planner.post(f"{PLANS}/{plan['id']}/confirm"))
    plan = await planned(job, await raised(job, 1, 1, 1, 1))
    with counted(job.world.db) as four:
        done = await ok(job.planner.post(f"{PLANS}/{plan['id']}/confirm"))
    assert len(done["calls"]) == 4
    assert len(four) - len(one) <= 3 * 45, (len(one), len(four))


async def test_a_kit_and_a_complete_request_are_planned_whole_or_not_at_all(job: Job) -> None:
    kit = await raised(job, 4, 4, kit="K-1")
    plan = await planned(job, kit)
    assert plan["units"] == 0
    assert {r["unmet_why"] for r in plan["requests"]} == {"Its kit cannot be had whole, so nothing of it is ordered."}
    await refused(job.planner.post(f"{PLANS}/{plan['id']}/confirm"), "plan.nothing_to_order")
    whole = await planned(job, await raised(job, 7, complete_only=True))
    assert whole["units"] == 0
    assert whole["requests"][0]["unmet_why"] == "Only 6 of 7 could be had, and it is wanted complete or not at all."


def test_a_plan_by_somebody_who_sees_more_names_no_holder_to_others() -> None:
    """Not of units that are the maker's own but kept with a partner either, nor which places have the holder that refused."""
    line = {
        "holder": "Lone Mesquite",
        "site": "Austin",
        "region": "TX",
        "distance": "1,850 km",
        "holder_key": "k",
        "lat": "30.2",
        "lon": "-97.7",
    }
    own = {"kind": "own_stock", "callable": 2, "holder": "Northfield", "site": "Rockford", "region": "IL"}
    apart = {**line, "kind": "own_stock", "callable": 0, "why": [{"code": "kept_apart"}]}
    before = {**line, "kind": "buy_back", "callable": 0, "why": [{"code": "asked_before"}]}
    request = {"chosen": [own], "not_chosen": [], "next_best": None, "not_callable": [apart, before]}
    told = many.for_reader({"requests": [request], "masked": False}, {uuid4()})
    assert not any(secret in repr(told) for secret in ("Mesquite", "Austin", "1,850", "30.2", "-97.7", "asked_before"))
    assert told["requests"][0]["chosen"] == [own]
    assert [x["region"] for x in told["requests"][0]["not_callable"]] == ["TX"]
