"""What is kept with a schedule for the maker's books and about the law, who reads it, and what the law refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from marketplace.agreements.classification import INDICATIVE
from marketplace.agreements.presets import PRESETS
from marketplace.agreements.service import OfferLine, sign
from marketplace.agreements.terms import dump_terms
from marketplace.db.session import Tenant, execute, fetch, fetch_value
from marketplace.kit.errors import DomainError
from marketplace.listings.queries import books_of_lines
from marketplace.listings.queries import lines as lines_of
from tests.agreed import NOW, agreed, offered, person, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import Party, World

KEPT = "SELECT unit_class, units, kind, rate_bp, trace FROM agreement_classification WHERE agreement_id = $1 ORDER BY 1"
FLOOR = {"applies_to": "floor", "minimum_to_keep": 3}
CHANGING = (
    "agreement", "agreement_line", "agreement_event", "agreement_classification", "framework", "purchase_order",
    "order_line", "order_unit", "release", "listing", "outbox_event",
)  # fmt: skip


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def client(world: World, party: Party, role: str, stack: AsyncExitStack) -> httpx.AsyncClient:
    token = await token_for(world.owner, party.users[role], party.id)
    return await stack.enter_async_context(client_for(app_for(world.db), token))


async def state_of(world: World) -> list[tuple[object, ...]]:
    tables = [t for t in CHANGING if await world.owner.fetchval("SELECT to_regclass($1)", t)]
    return await rows_of(world, *tables)


async def state_rate(world: World, rate: int | None) -> None:
    await world.owner.execute(
        "INSERT INTO company_books (company_id, discount_rate_bp, changed_by, changed_at) VALUES ($1, $2, $1, now()) "
        "ON CONFLICT (company_id) DO UPDATE SET discount_rate_bp = $2",
        world.maker.id,
        rate,
    )


async def move_to(world: World, party: Party, country: str, region: str) -> None:
    await world.owner.execute("UPDATE company SET country = $2 WHERE id = $1", party.id, country)
    await world.owner.execute(
        "UPDATE site SET country = $2, region = $3 WHERE company_id = $1", party.id, country, region
    )


# -- what is kept ----------------------------------------------------------------------------------------


async def test_a_schedule_keeps_each_class_of_units_with_the_tests_asked(world: World) -> None:
    await state_rate(world, 800)
    made = await offered(world, preset="access-first", **FLOOR)
    rows = await world.owner.fetch(KEPT, made)
    assert [tuple(r)[:4] for r in rows] == [("floor", 3, "lease", 800), ("free", 7, "sale", 800)]
    trace = await world.visible(
        world.maker, "SELECT trace FROM agreement_classification WHERE agreement_id = $1 ORDER BY unit_class", made
    )
    assert [step["reference"][:7] for step in trace[0]["trace"]] == ["IFRS 15"] * 3
    assert trace[0]["trace"][1]["figures"]["rate_bp"] == 800


async def test_many_lines_are_kept_in_the_same_number_of_statements(world: World) -> None:
    parts = [world.part, *[await world.make_part(f"{world.tag}-B{n}") for n in range(4)]]
    lines = [OfferLine(part, 10, Decimal(100), None, 3) for part in parts]
    made = await offered(world, preset="access-first", lines=lines)
    assert len(await world.owner.fetch(KEPT, made)) == 10


async def test_what_was_kept_does_not_follow_the_rate(world: World) -> None:
    made = await offered(world, price={"kind": "fixed", "amount": "110.00"}, handling_bp=0, window_start_months=1)
    before = await world.owner.fetch(KEPT, made)
    assert [tuple(r)[:4] for r in before] == [("free", 10, "judgement", None)]
    await state_rate(world, 300)
    assert await world.owner.fetch(KEPT, made) == before
    later = await offered(world, price={"kind": "fixed", "amount": "150.00"}, handling_bp=0, window_start_months=1)
    assert [tuple(r)[:4] for r in await world.owner.fetch(KEPT, later)] == [("free", 10, "financing", 300)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE agreement_classification SET kind = 'sale'",
        "DELETE FROM agreement_classification",
        "TRUNCATE agreement_classification",
        "DELETE FROM company_books",
    ],
)
async def test_what_was_kept_cannot_be_changed(world: World, sql: str) -> None:
    made = await offered(world)
    before = await world.owner.fetch(KEPT, made)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.db.write(world.maker.tenant) as session:
            await execute(session, sql)
    assert await world.owner.fetch(KEPT, made) == before


async def test_the_schedule_is_kept_for_the_maker_also_when_the_holder_offers(world: World) -> None:
    """The maker's books are written on its behalf, and the holder learns nothing of its rate."""
    from marketplace.agreements.service import offer

    await state_rate(world, 800)
    first = await offered(world)
    chosen = PRESETS["standard-buy-back"]
    async with world.db.write(world.buyer.tenant) as session:
        made = await offer(
            session, actor_id=world.buyer.actor, order_id=None, order_reference="ORD-OTHER", maker_id=world.maker.id,
            holder_id=world.buyer.id, clause="buy-back", version=1, terms=chosen.values, use_class="intermediate_good",
            currency="USD", zone="America/Chicago", schedule_date=NOW.date(),
            lines=[OfferLine(world.part, 10, Decimal(100))], now=NOW,
        )  # fmt: skip
        assert session.tenant.company == world.buyer.id
        assert not await fetch(session, KEPT, made)
    assert [tuple(r)[:4] for r in await world.owner.fetch(KEPT, made)] == [
        tuple(r)[:4] for r in await world.owner.fetch(KEPT, first)
    ]


# -- who reads it ----------------------------------------------------------------------------------------


async def test_only_the_maker_reads_its_books_in_the_database(world: World) -> None:
    await state_rate(world, 800)
    made = await agreed(world)
    rate = "SELECT discount_rate_bp FROM company_books WHERE company_id = $1"
    assert len(await world.visible(world.maker, KEPT, made)) == 1
    assert len(await world.visible(world.maker, rate, world.maker.id)) == 1
    delegate = Tenant(world.other.id, (world.maker.id,))
    for tenant in (world.buyer.tenant, world.other.tenant, delegate):
        async with world.db.read(tenant) as session:
            assert not await fetch(session, KEPT, made)
            assert not await fetch(session, rate, world.maker.id)
    async with world.db.read(delegate) as session:
        assert await fetch_value(session, "SELECT 1 FROM agreement WHERE id = $1", made), (
            "a delegate sees the agreement"
        )
    for whose in (world.maker.id, world.buyer.id):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.db.write(world.buyer.tenant) as session:
                await execute(
                    session,
                    "INSERT INTO agreement_classification SELECT agreement_id, part_id, 'reserve', $2, 1, 'sale', "
                    "false, '[]', NULL, now() FROM agreement_line WHERE agreement_id = $1",
                    made,
                    whose,
                )
    assert len(await world.visible(world.maker, KEPT, made)) == 1


async def test_only_the_maker_reads_its_books_over_the_api(job: Job) -> None:
    world = job.world
    await state_rate(world, 800)
    await job.sold()
    path = f"{API}/agreements/{job.agreement}/books"
    found = await ok(job.planner.get(path))
    assert found["notice"] == INDICATIVE
    assert found["headline"] == "4 of 4 units will be leases: revenue now 0 %."
    assert found["recorded_at"]
    assert found["discount_rate_bp"] == 800
    assert found["lines"][0]["classes"][0]["trace"][1]["answer"].startswith("Yes: ")
    await world.owner.execute(
        "INSERT INTO delegation (maker_id, company_id, max_quantity, max_value_amount, currency, valid_from) "
        "VALUES ($1, $2, 5, 1000, 'USD', now() - interval '1 day')",
        world.maker.id, world.other.id,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        admin = await client(world, world.other, "admin", stack)
        assert (await admin.get(f"{API}/agreements/{job.agreement}")).status_code == 404, "a delegate is no party"
        for other in (job.buyer, job.outsider, admin):
            answer = await other.get(path)
            assert answer.status_code == 404, answer.text
        text = (await job.buyer.get(f"{API}/agreements/{job.agreement}")).text
        assert "lease" not in text.lower()
        assert "discount" not in text.lower()
        for other in (job.buyer, admin):
            assert (await other.get(f"{API}/company")).json()["discount_rate_bp"] is None


async def test_an_agreement_from_before_is_reckoned_and_says_so(job: Job) -> None:
    await job.sold()
    await job.world.owner.execute("DELETE FROM agreement_classification WHERE agreement_id = $1", UUID(job.agreement))
    found = await ok(job.planner.get(f"{API}/agreements/{job.agreement}/books"))
    assert found["recorded_at"] is None
    assert found["headline"] == "4 of 4 units will be leases: revenue now 0 %."


async def test_what_was_not_accepted_on_receipt_is_not_sold(job: Job) -> None:
    """Kept is what was signed; what is left after receipt is told beside it: the missing units come off those above the
    minimum first."""
    await state_rate(job.world, 800)
    await job.released(preset="access-first", minimum_to_keep=3)
    await job.ordered(5)
    await job.signed()
    path = f"{API}/agreements/{job.agreement}/books"
    before = await job.world.owner.fetch(KEPT, UUID(job.agreement))
    found = await ok(job.planner.get(path))
    assert (found["units"], found["accepted"]) == ({"lease": 5}, None)
    await job.delivered(1, short=3, damaged=1, note="Crate was open")
    found = await ok(job.planner.get(path))
    assert found["headline"] == "5 of 5 units will be leases: revenue now 0 %."
    assert (found["accepted"]["units"], found["accepted"]["headline"]) == (
        {"lease": 1},
        "1 of 1 unit will be a lease: revenue now 0 %.",
    )
    classes = [(c["unit_class"], c["units"], c["not_accepted"]) for c in found["lines"][0]["classes"]]
    assert classes == [("floor", 2, 1), ("free", 3, 3)]
    assert await job.world.owner.fetch(KEPT, UUID(job.agreement)) == before
    # The same for an agreement of which nothing was kept.
    await job.world.owner.execute("DELETE FROM agreement_classification WHERE agreement_id = $1", UUID(job.agreement))
    reckoned = await ok(job.planner.get(path))
    assert reckoned["recorded_at"] is None
    assert (reckoned["accepted"], reckoned["lines"]) == (found["accepted"], found["lines"])


async def test_what_todays_rate_would_say_is_told_beside_what_was_kept_without_one(job: Job) -> None:
    made = await agreed(job.world, price={"kind": "fixed", "amount": "150.00"}, handling_bp=0, window_start_months=1)
    path = f"{API}/agreements/{made}/books"
    found = await ok(job.planner.get(path))
    assert (found["units"], found["needs_rate"], found["now"]) == ({"judgement": 10}, True, None)
    await state_rate(job.world, 300)
    await job.world.owner.execute("UPDATE agreement_line SET not_accepted = 4 WHERE agreement_id = $1", made)
    found = await ok(job.planner.get(path))
    assert (found["units"], found["discount_rate_bp"]) == ({"judgement": 10}, None)
    assert found["accepted"]["units"] == {"judgement": 6}
    assert found["now"]["units"] == {"financing": 6}


async def test_of_nothing_accepted_nothing_is_booked(job: Job) -> None:
    await job.released()
    await job.ordered()
    await job.signed()
    await job.delivered(0, short=4, note="Nothing came")
    found = await ok(job.planner.get(f"{API}/agreements/{job.agreement}/books"))
    assert (found["accepted"]["units"], found["accepted"]["headline"]) == ({}, "No units, so nothing to book.")


# -- the posting before it is out ------------------------------------------------------------------------


def body(**terms: Any) -> dict[str, Any]:
    chosen = PRESETS["access-first"].terms(**terms)
    return {
        "title": "Dead stock", "clause": "buy-back", "version": 1, "terms": dump_terms(chosen),
        "use_class": "non_capital_spare",
    }  # fmt: skip


async def drafted(job: Job, keep: int = 3, **terms: Any) -> str:
    await job.world.register(job.world.maker, 10)
    made = (await ok(job.planner.post(f"{API}/releases", json=body(**terms)), 201))["id"]
    line = {
        "part_id": str(job.world.part), "site_id": str(job.world.maker.site), "condition": "new", "quantity": 10,
        "unit_price": "80.00", "minimum_to_keep": keep,
    }  # fmt: skip
    await ok(job.planner.put(f"{API}/releases/{made}/lines", json={"lines": [line]}))
    return str(made)


async def test_the_books_of_a_draft(job: Job) -> None:
    release = await drafted(job, applies_to="floor")
    found = await ok(job.planner.get(f"{API}/releases/{release}/books"))
    assert found["headline"] == "3 of 10 units will be leases: revenue now 70 %."
    assert (found["revenue_now_bp"], found["at_least"], found["needs_rate"]) == (7000, False, False)
    assert found["units"] == {"lease": 3, "sale": 7}
    assert found["notice"] == INDICATIVE
    assert "us-365" in {finding["rule"] for finding in found["law"]}
    await ok(job.planner.post(f"{API}/releases/{release}/publish"))
    await refused(job.buyer.get(f"{API}/releases/{release}/books"), "actor.role")
    async with AsyncExitStack() as stack:
        for party in (job.world.buyer, job.world.other):
            admin = await client(job.world, party, "admin", stack)
            await refused(admin.get(f"{API}/releases/{release}/books"), "release.not_found")


async def test_nobody_waits_while_a_thousand_lines_are_reckoned(job: Job) -> None:
    """A price that rises monthly has two dates a month: of a thousand lines that takes a second or more."""
    await drafted(job)
    world = job.world
    price = {
        "kind": "schedule", "shape": "linear", "declining": False,
        "points": [{"after_months": 0, "percent_bp": 5_000}, {"after_months": 90, "percent_bp": 8_000}],
    }  # fmt: skip
    ticks, done = 0, asyncio.Event()

    async def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            await asyncio.sleep(0.001)

    async with world.db.read(world.maker.tenant) as session:
        release = await fetch_value(session, "SELECT release_id FROM listing WHERE company_id = $1", world.maker.id)
        (line,) = await lines_of(session, release)
        many = [replace(line, unit_price=Decimal(100 + n)) for n in range(1_000)]
        beside = asyncio.create_task(tick())
        terms = PRESETS["access-first"].terms(price=price)
        found = await books_of_lines(session, world.maker.id, [terms], many, NOW.date())
        done.set()
        await beside
    assert len(found.lines) == 1_000
    assert ticks > 10


async def test_a_rate_is_asked_for_where_it_decides(job: Job) -> None:
    release = await drafted(job, price={"kind": "fixed", "amount": "90.00"}, handling_bp=0, window_start_months=12)
    path = f"{API}/releases/{release}/books"
    found = await ok(job.planner.get(path))
    assert found["needs_rate"]
    assert "State a discount rate" in found["lines"][0]["classes"][0]["trace"][-1]["answer"]
    async with AsyncExitStack() as stack:
        admin = await client(job.world, job.world.maker, "admin", stack)
        await ok(admin.put(f"{API}/company/discount-rate", json={"discount_rate_bp": 1500}))
    found = await ok(job.planner.get(path))
    assert (found["needs_rate"], found["discount_rate_bp"], found["units"]) == (False, 1500, {"lease": 10})


async def test_the_rate_is_the_administrators_of_a_maker(job: Job) -> None:
    world, path = job.world, f"{API}/company/discount-rate"
    rows = "SELECT company_id, discount_rate_bp FROM company_books WHERE company_id = ANY($1::uuid[])"
    both = [world.maker.id, world.buyer.id]
    async with AsyncExitStack() as stack:
        admin = await client(world, world.maker, "admin", stack)
        partner = await client(world, world.buyer, "admin", stack)
        await refused(job.planner.put(path, json={"discount_rate_bp": 800}), "actor.role")
        await refused(partner.put(path, json={"discount_rate_bp": 800}), "company.maker")
        for wrong in ({}, {"discount_rate_bp": -1}, {"discount_rate_bp": 10_001}, {"discount_rate_bp": "8 %"}):
            assert (await admin.put(path, json=wrong)).status_code == 422
        assert not await world.owner.fetch(rows, both)
        assert (await ok(admin.get(f"{API}/company")))["discount_rate_bp"] is None
        for rate in (800, None, 0):
            await ok(admin.put(path, json={"discount_rate_bp": rate}))
            assert (await ok(admin.get(f"{API}/company")))["discount_rate_bp"] == rate
        assert [tuple(r) for r in await world.owner.fetch(rows, both)] == [(world.maker.id, 0)]


# -- the law ---------------------------------------------------------------------------------------------


async def test_a_posting_to_a_partner_in_france_is_refused_with_the_term_named(job: Job) -> None:
    world = job.world
    await move_to(world, world.buyer, "FR", "Lyon")
    release = await drafted(job)
    named = {**body(), "audience": "named", "audience_ids": [str(world.buyer.id), str(world.other.id)]}
    await ok(job.planner.put(f"{API}/releases/{release}", json=named))
    findings = (await ok(job.planner.get(f"{API}/releases/{release}/books")))["law"]
    assert (findings[0]["rule"], findings[0]["action"], findings[0]["certain"]) == ("fr-1660", "BLOCK", True)
    before = await state_of(world)
    answer = await job.planner.post(f"{API}/releases/{release}/publish")
    assert (answer.status_code, answer.json()["code"]) == (422, "law.blocked")
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [("window_end_months", "law.fr-1660")]
    assert await state_of(world) == before
    await ok(job.planner.put(f"{API}/releases/{release}", json={**named, **body(window_end_months=60)}))
    await ok(job.planner.post(f"{API}/releases/{release}/publish"))


async def test_a_posting_to_all_is_published_and_the_partner_it_does_not_fit_is_refused(job: Job) -> None:
    """Nothing is reserved for an order that could not be signed; one that was placed before is not accepted."""
    world = job.world
    release = await drafted(job)
    await ok(job.planner.post(f"{API}/releases/{release}/publish"))
    listing = (await ok(job.planner.get(f"{API}/releases/{release}")))["line_items"][0]["id"]
    order = {
        "po_number": "PO-1", "ship_to_site_id": str(world.buyer.site),
        "lines": [{"listing_id": listing, "quantity": 2}],
    }  # fmt: skip
    placed = (await ok(job.buyer.post(f"{API}/orders", json=order), 201))["id"]
    await move_to(world, world.buyer, "US", "LA")
    before = await state_of(world)
    again = await job.buyer.post(f"{API}/orders", json={**order, "po_number": "PO-2"})
    assert (again.status_code, again.json()["code"]) == (422, "law.blocked"), again.text
    accepted = await job.planner.post(f"{API}/orders/{placed}/accept")
    assert (accepted.status_code, accepted.json()["code"]) == (422, "law.blocked"), accepted.text
    assert accepted.json()["errors"][0]["code"] == "law.us-la-2568"
    assert await state_of(world) == before
    await move_to(world, world.buyer, "US", "AL")
    await ok(job.planner.post(f"{API}/orders/{placed}/accept"))


async def test_an_offer_is_asked_about_again_when_it_is_signed(world: World) -> None:
    made = await offered(world, preset="access-first")
    await world.owner.execute("UPDATE company SET country = 'FR' WHERE id = $1", world.buyer.id)
    before = await state_of(world)
    with pytest.raises(DomainError, match=r"law\.blocked"):
        async with world.db.write(world.buyer.tenant) as session:
            await sign(session, person(world.buyer), made, NOW + timedelta(minutes=1))
    assert await state_of(world) == before
    await world.owner.execute("UPDATE company SET country = 'US' WHERE id = $1", world.buyer.id)
    async with world.db.write(world.buyer.tenant) as session:
        await sign(session, person(world.buyer), made, NOW + timedelta(minutes=1))


async def test_what_the_law_says_is_kept_and_both_sides_read_it(job: Job) -> None:
    await job.sold()
    for side in (job.planner, job.buyer):
        found = await ok(side.get(f"{API}/agreements/{job.agreement}"))
        assert [(f["rule"], f["action"], f["term"]) for f in found["law"]] == [("us-365", "WARN", "runs_with_the_unit")]
    detail = await job.world.owner.fetchval(
        "SELECT detail::text FROM agreement_event WHERE subject_id = $1 AND kind = 'offered'", UUID(job.agreement)
    )
    assert '"units_at": {"country": "US", "subdivision": "AL"}' in detail
