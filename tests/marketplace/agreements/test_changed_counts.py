"""What was used, ordered, stated and noticed counts on when signed terms are changed: a change makes a new agreement over the
same schedule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements import queries
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.notice import Standing
from tests import second
from tests.agreed import agreed, agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

TERMS = {
    **BUY_BACK, "handling_bp": 0, "use_rule": "within_allowance", "max_units": 3, "renewal": "automatic",
    "use_allowance": {"kind": "units", "units": 3, "period_months": 12, "carry_over_periods": 0},
    "price": {"kind": "market_minus", "source": "Broker quotation", "discount_bp": 0, "max_age_days": 30, "fallback_bp": 5_000},
}  # fmt: skip


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)], quantity=20)
        await delivered(world, agreement_id, 20)
        made.agreement = str(agreement_id)
        yield made


async def changed(job: Job, **terms: Any) -> str:
    """Both sign other terms; the agreement that holds then."""
    shown = await ok(job.planner.get(f"{API}/agreements/{job.agreement}"))
    body = {"clause": "buy-back", "version": 2, "terms": {**shown["terms"], **terms}}
    made = await ok(job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json=body), 201)
    done = await ok(job.buyer.post(f"{API}/agreements/proposals/{made['id']}/sign", json={}))
    return str(done["agreement_id"])


async def test_what_was_ordered_back_of_all_units_uses_up_no_minimum_that_is_agreed_on_later(job: Job) -> None:
    """It counts as it did before the change; what is drawn of the minimum before another change counts on."""

    async def reached() -> int:
        return sum(c["callable"] for c in await job.candidates() if c["kind"] != "own_stock")

    await job.called(3)
    await job.came_back(3)
    job.agreement = await changed(job, applies_to="floor", minimum_to_keep=4, max_units=None)
    assert await reached() == 4
    await job.called(1)
    await job.came_back(1)
    assert await reached() == 3
    job.agreement = await changed(job, report_within_days=21)
    assert await reached() == 3


async def test_counts_go_on_over_a_change_of_terms(job: Job) -> None:
    world, now = job.world, datetime.now(UTC)
    part = str(world.part)
    at = f"{API}/agreements/{job.agreement}"
    used = {"part_id": part, "site_id": str(world.buyer.site), "quantity": 2, "machine": "M1"}
    await ok(job.buyer.post(f"{API}/holdings/installs", json=used), 201)
    value = {
        "part_id": part,
        "kind": "market",
        "amount": "80",
        "source": "Broker quotation",
        "valued_on": str(now.date()),
    }
    await ok(job.buyer.post(f"{at}/values", json=value), 201)
    await job.called(1)
    await job.came_back(1)
    scrap = {"part_id": part, "act": "scrap", "quantity": 2}
    runs = await ok(job.buyer.post(f"{at}/notices", json=scrap), 201)
    await ok(job.buyer.post(f"{at}/non-renewal", json={"reason": "We close the site."}))

    new = UUID(await changed(job, report_within_days=21))
    new = UUID(await changed_again(job, new))
    async with world.db.read(world.buyer.tenant) as session:
        known = (await queries.terms_and_facts(session, [(new, world.part)]))[new, world.part].facts.circumstances
        (notice,) = await queries.notices(session, new)
        assert not await queries.notices(session, UUID(job.agreement))
        listed = await queries.open_notices(session, world.buyer.id, now)
    assert [d.units for d in known.used] == [2], "two of three were used"
    assert [d.units for d in known.ordered] == [1]
    assert known.market is not None
    assert known.market.amount.amount == Decimal(80)
    assert (str(notice.id), notice.standing(now)) == (runs["id"], Standing.RUNNING)
    assert [row.agreement_id for row in listed] == [new]
    term = await ok(job.buyer.get(f"{API}/agreements/{new}/term"))
    assert term["non_renewal_at"], "a notice against renewal stands"


async def changed_again(job: Job, new: UUID) -> str:
    """A second change, so that two agreements lie behind the one that holds."""
    before, job.agreement = job.agreement, str(new)
    try:
        return await changed(job, report_within_days=28)
    finally:
        job.agreement = before


async def test_an_agreement_that_has_ended_leaves_no_notice_to_answer(job: Job) -> None:
    world, now = job.world, datetime.now(UTC)
    scrap = {"part_id": str(world.part), "act": "scrap", "quantity": 2}
    await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=scrap), 201)
    end = {"ends": True, "note": "We close the site."}
    made = await ok(job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json=end), 201)
    await ok(job.buyer.post(f"{API}/agreements/proposals/{made['id']}/sign", json={}))
    async with world.db.read(world.maker.tenant) as session:
        assert await queries.notices_running(session, world.maker.id, now) == 0
        assert not await queries.open_notices(session, world.maker.id, now)
    due = await ok(job.planner.get(f"{API}/obligations"))
    assert not [o for o in due["items"] if o["kind"] == "order_noticed"]


async def test_a_change_is_booked_for_what_goes_over_and_adds_no_premium(job: Job) -> None:
    """Of twenty units one comes back and two are scrapped: seventeen go over, and the books are about these."""
    world, tables = job.world, ("agreement", "agreement_proposal", "agreement_event", "outbox_event")
    await job.called(1)
    await job.came_back(1)
    what = {
        "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site), "became": "scrapped",
        "quantity": 2, "note": "Scrapped.",
    }  # fmt: skip
    await ok(job.buyer.post(f"{API}/holdings/missing-units", json=what), 201)
    terms = (await ok(job.planner.get(f"{API}/agreements/{job.agreement}")))["terms"]
    dearer = {**terms, "option_premium_bp": terms["option_premium_bp"] + 100, "report_within_days": 21}
    before = await rows_of(world, *tables)
    asked = job.planner.post(
        f"{API}/agreements/{job.agreement}/proposals", json={"clause": "buy-back", "version": 2, "terms": dearer}
    )
    said = await refused(asked, "proposal.premium")
    assert said["errors"][0]["field"] == "option_premium_bp"
    assert await rows_of(world, *tables) == before
    new = await changed(job, report_within_days=21)
    kept = await world.owner.fetchval(
        "SELECT sum(units) FROM agreement_classification WHERE agreement_id = $1", UUID(new)
    )
    assert kept == 17
    books = await ok(job.planner.get(f"{API}/agreements/{new}/books"))
    assert sum(books["units"].values()) == 17
    assert "17 units" in books["headline"], books["headline"]


@pytest.mark.parametrize("library", [2, 1])
async def test_only_orders_that_are_open_or_shipped_count(world: World, library: int) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        if library == 2:
            made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "max_exercises": 2, "max_units": 3})])
        else:
            made = await agreed(world, max_exercises=2)
        await delivered(world, made, 10)
        for reason in ("short", None):
            await job.called(2)
            at = f"{API}/sourcing/calls/{job.call}"
            if reason:
                await ok(job.buyer.post(f"{at}/refuse", json={"code": reason, "note": "Too short notice."}))
        await ok(job.buyer.post(f"{at}/accept", json={}))
        await ok(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
        async with world.db.read(world.maker.tenant) as session:
            facts = (await queries.terms_and_facts(session, [(made, world.part)]))[made, world.part].facts
        # Under the first library an order that the holder refused counts.
        assert facts.exercises == (1 if library == 2 else 2)
        assert sum(d.units for d in facts.circumstances.ordered) == (2 if library == 2 else 0)
