"""Notices as rows: answered, withdrawn, ordered on, acted on, standing still, and never for the same unit twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements import queries
from marketplace.agreements.circumstances import Circumstances
from marketplace.agreements.combinations import BUY_BACK, FIRST_REFUSAL
from marketplace.agreements.notice import Notice, Standing
from marketplace.agreements.outcomes import Act, Need
from marketplace.agreements.reach import as_of, split
from marketplace.agreements.service import (
    answer_notice,
    give_notice,
    resume,
    set_legal_hold,
    suspend,
    withdraw_notice,
)
from marketplace.agreements.terms import parse_terms
from marketplace.holdings.service import AtSite, correct, install, scrap
from marketplace.kit.errors import DomainError
from tests import second
from tests.agreed import agreed, agreed_on, clock, delivered, person, rows_of
from tests.marketplace.agreements.builders import facts
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

PLAIN = parse_terms("buy-back", 2, BUY_BACK)
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLES = ("notice", "notice_use", "agreement_exercise", "agreement_event", "movement", "permit", "call")
SCRAP_AFTER_NOTICE = {**BUY_BACK, "minimum_to_keep": 2, "use_rule": "after_notice"}


def notice(number: int = 1, **changed: Any) -> Notice:
    usual: dict[str, Any] = {
        "id": UUID(int=number), "agreement_id": UUID(int=1), "part_id": UUID(int=2), "act": Act.SCRAP, "needs": Need.OFFER,
        "quantity": 3, "taken": 0, "used": 0, "offer": None, "offered_by": None, "note": "", "status": "open", "at": T0,
        "answer_by": T0 + timedelta(days=30), "clear_from": T0 + timedelta(days=30), "clear_until": T0 + timedelta(days=90),
        "answered_at": None, "answer_note": "",
    }  # fmt: skip
    return Notice(**{**usual, **changed})


def test_where_a_notice_stands() -> None:
    day = timedelta(days=1)
    runs = notice()
    assert runs.standing(T0 + 29 * day) is Standing.RUNNING
    assert runs.standing(T0 + 30 * day) is Standing.CLEARED
    assert runs.standing(T0 + 90 * day) is Standing.STALE
    assert notice(taken=3).standing(T0) is Standing.ORDERED
    assert notice(taken=1, used=2).standing(T0) is Standing.USED
    assert notice(clear_from=None, clear_until=None).standing(T0 + 31 * day) is Standing.REFUSED, "silence is a no"
    assert notice(status="refused").standing(T0) is Standing.REFUSED
    assert notice(status="withdrawn").standing(T0) is Standing.WITHDRAWN
    agreed_early = notice(status="agreed", clear_from=T0 + day, clear_until=T0 + 61 * day)
    assert agreed_early.standing(T0 + day) is Standing.CLEARED


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 5), st.sampled_from(["open", "agreed", "withdrawn"])), max_size=5
    ),
    st.integers(0, 200),
)
def test_no_unit_is_both_offered_and_cleared(given_on: list[tuple[int, int, str]], ask: int) -> None:
    """Whatever was noticed when: at any moment what is cleared is within what is left, and a notice that runs clears nothing."""
    notices = tuple(
        notice(
            n, quantity=quantity, status=status, at=T0 + timedelta(days=day), answer_by=T0 + timedelta(days=day + 30),
            clear_from=T0 + timedelta(days=day + 30), clear_until=T0 + timedelta(days=day + 90),
        )
        for n, (day, quantity, status) in enumerate(given_on)
    )  # fmt: skip
    now = T0 + timedelta(days=ask)
    stands = facts(remaining=10, held=2, circumstances=Circumstances(notices=notices))
    known = as_of(PLAIN, stands, now).circumstances
    assert 0 <= known.cleared <= 8
    if known.intent is not None:
        running = [n for n in notices if n.standing(now) is Standing.RUNNING]
        assert known.intent.noticed_at == min(running, key=lambda n: n.id).at
    assert all(n.standing(now) is not Standing.CLEARED for n in notices if n.standing(now) is Standing.RUNNING)


async def gives(world: World, agreement_id: UUID, act: Act, quantity: int, now: datetime, **more: Any) -> UUID:
    async with world.db.write(world.buyer.tenant) as session:
        made = await give_notice(session, person(world.buyer), agreement_id, world.part, act, quantity, now, **more)
        return made.id


async def one(world: World, agreement_id: UUID, number: UUID) -> Notice:
    async with world.db.read(world.maker.tenant) as session:
        return next(n for n in await queries.notices(session, agreement_id) if n.id == number)


async def answers(
    world: World, party: Party, agreement_id: UUID, number: UUID, now: datetime, *, agree: bool = True
) -> None:
    async with world.db.write(party.tenant) as session:
        await answer_notice(session, person(party), agreement_id, number, agree=agree, words="", now=now)


async def no(world: World, code: str, act: Any) -> DomainError:
    """Refused with this code, and nothing has changed."""
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as said:
        await act()
    assert said.value.code == code, said.value.message
    assert await rows_of(world, *TABLES) == before
    return said.value


async def test_the_maker_lets_units_go_at_once(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    await delivered(world, agreement_id, 10)
    now = clock()
    number = await gives(world, agreement_id, Act.SCRAP, 2, now)

    async def scraps() -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await scrap(
                session, person(world.buyer), AtSite(world.part, world.buyer.site), 2, reason="worn", now=clock()
            )

    await no(world, "agreement.ask_first", scraps)
    await no(world, "notice.not_maker", lambda: answers(world, world.buyer, agreement_id, number, now))
    await no(world, "notice.no_refusal", lambda: answers(world, world.maker, agreement_id, number, now, agree=False))
    await no(world, "agreement.not_found", lambda: answers(world, world.other, agreement_id, number, now))
    await answers(world, world.maker, agreement_id, number, now)
    stands = await one(world, agreement_id, number)
    assert (stands.standing(clock()), stands.clear_from) == (Standing.CLEARED, now)
    await no(world, "notice.state", lambda: answers(world, world.maker, agreement_id, number, now))
    await scraps()
    assert (await one(world, agreement_id, number)).standing(clock()) is Standing.USED
    mails = await world.owner.fetch(
        "SELECT payload->'mail'->>'subject' AS subject FROM outbox_event WHERE aggregate_id = $1 "
        "AND name LIKE 'agreement.notice%' ORDER BY id", agreement_id,
    )  # fmt: skip
    assert len(mails) == 2, "the maker was asked, the holder was told"
    assert "your notice was answered" in mails[1]["subject"]


async def test_what_was_scrapped_by_mistake_is_under_its_notice_again(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    lot = await delivered(world, agreement_id, 10)
    now = clock()
    number = await gives(world, agreement_id, Act.SCRAP, 2, now)
    await answers(world, world.maker, agreement_id, number, now)
    async with world.db.write(world.buyer.tenant) as session:
        await scrap(session, person(world.buyer), AtSite(world.part, world.buyer.site), 2, reason="worn", now=clock())
    seq = await world.owner.fetchval("SELECT max(seq) FROM movement WHERE lot_id = $1 AND kind = 'scrap'", lot)
    async with world.db.write(world.buyer.tenant) as session:
        await correct(session, person(world.buyer), lot, seq, "wrong shelf", now=clock())
    stands = await one(world, agreement_id, number)
    assert (stands.used, stands.left, stands.standing(clock())) == (0, 2, Standing.CLEARED)


async def test_units_are_under_one_notice_at_a_time(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    await delivered(world, agreement_id, 10)
    now = clock()
    first = await gives(world, agreement_id, Act.SCRAP, 7, now)
    said = await no(world, "notice.too_many", lambda: gives(world, agreement_id, Act.SCRAP, 4, now))
    assert "at most 0" in said.message, "the last three are the minimum to keep"
    async with world.db.write(world.buyer.tenant) as session:
        await withdraw_notice(session, person(world.buyer), agreement_id, first, now)
    assert (await one(world, agreement_id, first)).standing(now) is Standing.WITHDRAWN
    await gives(world, agreement_id, Act.SCRAP, 4, now)


@pytest.mark.parametrize("how", ["suspended", "legal_hold"])
async def test_no_time_of_a_notice_runs_while_the_agreement_stands_still(world: World, how: str) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    await delivered(world, agreement_id, 10)
    now = clock()
    number = await gives(world, agreement_id, Act.SCRAP, 2, now)
    before = await one(world, agreement_id, number)
    maker = person(world.maker)
    stopped, again = now + timedelta(days=3), now + timedelta(days=13, hours=5)
    async with world.db.write(world.maker.tenant) as session:
        if how == "suspended":
            await suspend(session, agreement_id, maker, "licence", stopped)
        else:
            await set_legal_hold(session, agreement_id, maker, True, "court", stopped)
    await no(world, f"agreement.{how}", lambda: answers(world, world.maker, agreement_id, number, stopped))
    async with world.db.write(world.maker.tenant) as session:
        if how == "suspended":
            await resume(session, agreement_id, maker, again)
        else:
            await set_legal_hold(session, agreement_id, maker, False, "over", again)
    after = await one(world, agreement_id, number)
    moved = again - stopped
    assert after.answer_by == before.answer_by + moved
    assert before.clear_until is not None
    assert after.clear_until == before.clear_until + moved
    await answers(world, world.maker, agreement_id, number, again)


# -- terms of the second library ----------------------------------------------------------------------------


async def test_a_notice_never_takes_the_minimum_out_of_reach(world: World) -> None:
    """Ten sold, three to keep. A notice of seven, of which all go by a free act: nothing is left for it to be about, and the maker can
    order what it has had kept, whether it says yes before or after."""
    here = AtSite(world.part, world.buyer.site)

    async def stands(agreement_id: UUID) -> tuple[int, int]:
        async with world.db.read(world.maker.tenant) as session:
            known = (await queries.terms_and_facts(session, [(agreement_id, world.part)]))[agreement_id, world.part]
        parts = split(known.terms, known.facts, clock())
        return parts.callable, parts.cleared

    async def fits(quantity: int) -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await install(session, person(world.buyer), here, quantity, machine="M1", now=clock())

    terms = {**BUY_BACK, "minimum_to_keep": 3}
    first = await agreed_on(world, [("buy-back", 2, terms)])
    await delivered(world, first, 10)
    number = await gives(world, first, Act.SCRAP, 7, clock())
    await fits(5)
    async with world.db.read(world.maker.tenant) as session:
        row = await queries.one_notice_now(session, world.maker.id, number, clock())
        assert [r.notice.left for r in await queries.open_notices_now(session, world.maker.id, clock())] == [2]
        assert [n.left for n in await queries.notices_now(session, first, clock())] == [2]
    assert (row.notice.left, row.notice.gone) == (2, 5)
    await answers(world, world.maker, first, number, clock())
    assert await stands(first) == (3, 2)
    await fits(2)
    assert await stands(first) == (3, 0)
    async with world.db.read(world.maker.tenant) as session:
        row = await queries.one_notice_now(session, world.maker.id, number, clock())
    assert (row.notice.left, row.notice.standing(clock())) == (0, Standing.GONE)

    # It is no answer to a notice that is about nothing any more.
    second_ = await agreed_on(world, [("buy-back", 2, {**terms, "minimum_to_keep": 2})])
    await delivered(world, second_, 4)
    number = await gives(world, second_, Act.SCRAP, 2, clock())
    await fits(2)
    said = await no(world, "notice.state", lambda: answers(world, world.maker, second_, number, clock()))
    assert "another act" in said.message


def test_what_the_maker_let_go_it_does_not_take_by_ordering_the_minimum_away() -> None:
    """Seven of ten are cleared and three are kept. The maker orders the three: of the seven the holder keeps three again, and the
    maker, who did not want them, cannot order those either while the clearance runs."""
    given = notice(quantity=7, status="agreed", clear_from=T0, clear_until=T0 + timedelta(days=60))
    terms = parse_terms("buy-back", 2, {**BUY_BACK, "minimum_to_keep": 3})
    for ordered, callable_units, cleared, let_go in ((0, 3, 7, 0), (3, 0, 4, 3)):
        known = replace(given, ordered_beside=ordered)
        stands = facts(
            remaining=10, held=ordered, schedule_date=date(2026, 2, 1), circumstances=Circumstances(notices=(known,))
        )
        parts = split(terms, stands, T0 + timedelta(days=1))
        assert (parts.callable, parts.cleared, parts.let_go) == (callable_units, cleared, let_go)


async def test_a_sale_is_offered_with_what_somebody_else_offers(world: World) -> None:
    """A first refusal that matches an offer: an incomplete notice is none; the maker takes part of it at that price."""
    agreement_id = await agreed_on(world, [("first-refusal", 1, FIRST_REFUSAL)])
    await delivered(world, agreement_id, 10)
    now = clock()
    for lacking in ({}, {"offer": Decimal(70)}, {"offered_by": "Harbor Machine"}):
        said = await no(
            world, "notice.offer", lambda lacking=lacking: gives(world, agreement_id, Act.RESELL, 4, now, **lacking)
        )
        assert "No notice was given" in said.message
    await no(
        world, "notice.offer",
        lambda: gives(world, agreement_id, Act.SCRAP, 1, now, offer=Decimal(1), offered_by="Somebody"),
    )  # fmt: skip
    number = await gives(world, agreement_id, Act.RESELL, 4, now, offer=Decimal(70), offered_by="Harbor Machine")
    async with world.db.read(world.maker.tenant) as session:
        covered = (await queries.terms_and_facts(session, [(agreement_id, world.part)]))[agreement_id, world.part]
    intent = as_of(covered.terms, covered.facts, now).circumstances.intent
    assert intent is not None
    assert (intent.act, intent.quantity, str(intent.offer)) == (Act.RESELL, 4, "70.00 USD")
    stands = await one(world, agreement_id, number)
    assert as_of(covered.terms, covered.facts, stands.answer_by).circumstances.intent is None, (
        "its time to be answered is over"
    )
    assert as_of(covered.terms, covered.facts, stands.answer_by).circumstances.cleared == 4


async def test_consent_is_a_yes_or_a_no(world: World) -> None:
    terms = {**BUY_BACK, "scrap_rule": "consent", "minimum_to_keep": 2}
    agreement_id = await agreed_on(world, [("buy-back", 2, terms)])
    await delivered(world, agreement_id, 10)
    now = clock()
    asked = await gives(world, agreement_id, Act.SCRAP, 1, now)
    stands = await one(world, agreement_id, asked)
    assert (stands.needs, stands.clear_from) == (Need.CONSENT, None)
    assert stands.standing(stands.answer_by) is Standing.REFUSED, "no response is a no"
    await answers(world, world.maker, agreement_id, asked, now, agree=False)
    assert (await one(world, agreement_id, asked)).standing(now) is Standing.REFUSED
    again = await gives(world, agreement_id, Act.SCRAP, 1, now)
    await answers(world, world.maker, agreement_id, again, now)
    async with world.db.write(world.buyer.tenant) as session:
        await scrap(session, person(world.buyer), AtSite(world.part, world.buyer.site), 1, reason="worn", now=clock())
    await no(world, "agreement.consent", lambda: gives(world, agreement_id, Act.RESELL, 1, now))


async def test_the_allowance_is_counted_from_the_ledger(world: World) -> None:
    allowance = {"kind": "units", "units": 3, "period_months": 12, "carry_over_periods": 0}
    terms = {**BUY_BACK, "use_rule": "within_allowance", "use_allowance": allowance}
    agreement_id = await agreed_on(world, [("buy-back", 2, terms)])
    lot = await delivered(world, agreement_id, 10)
    here = AtSite(world.part, world.buyer.site)

    async def fits(quantity: int) -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await install(session, person(world.buyer), here, quantity, machine="M1", now=clock())

    await fits(2)
    said = await no(world, "agreement.ask_first", lambda: fits(2))
    assert said.extra["available"] == 1
    seq = await world.owner.fetchval("SELECT max(seq) FROM movement WHERE lot_id = $1 AND kind = 'install'", lot)
    async with world.db.write(world.buyer.tenant) as session:
        await correct(session, person(world.buyer), lot, seq, "not fitted", now=clock())
    await fits(3)
    await no(world, "agreement.ask_first", lambda: fits(1))
    # What a notice clears is beside the allowance.
    now = clock()
    number = await gives(world, agreement_id, Act.INSTALL, 2, now)
    await answers(world, world.maker, agreement_id, number, now)
    await fits(2)
    used = await world.owner.fetchval("SELECT sum(units) FROM notice_use WHERE notice_id = $1", number)
    assert used == 2
    async with world.db.read(world.buyer.tenant) as session:
        covered = (await queries.terms_and_facts(session, [(agreement_id, world.part)]))[agreement_id, world.part]
    assert sum(d.units for d in covered.facts.circumstances.used) == 3


async def test_two_clerks_cannot_both_take_the_last_of_the_allowance(world: World) -> None:
    allowance = {"kind": "units", "units": 1, "period_months": 12, "carry_over_periods": 0}
    terms = {**BUY_BACK, "use_rule": "within_allowance", "use_allowance": allowance}
    agreement_id = await agreed_on(world, [("buy-back", 2, terms)])
    for _ in range(2):
        await delivered(world, agreement_id, 5)

    async def fits() -> str:
        try:
            async with world.db.write(world.buyer.tenant) as session:
                await install(
                    session, person(world.buyer), AtSite(world.part, world.buyer.site), 1, machine="M1", now=clock()
                )
        except DomainError as error:
            return error.code
        return "fitted"

    assert sorted(await asyncio.gather(*(fits() for _ in range(4)))) == ["agreement.ask_first"] * 3 + ["fitted"]


async def test_the_strictest_of_several_clauses_binds(world: World) -> None:
    """Scrap is free under the first clause and offered first under the second: it is offered first."""
    call = {**BUY_BACK, "scrap_rule": "free", "applies_to": "floor", "minimum_to_keep": 3}
    first = {**FIRST_REFUSAL, "applies_to": "free", "minimum_to_keep": 3}
    agreement_id = await agreed_on(world, [("buy-back", 2, call), ("first-refusal", 1, first)])
    await delivered(world, agreement_id, 10)

    async def scraps() -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await scrap(
                session, person(world.buyer), AtSite(world.part, world.buyer.site), 1, reason="worn", now=clock()
            )

    await no(world, "agreement.ask_first", scraps)
    number = await gives(world, agreement_id, Act.SCRAP, 1, clock())
    assert (await one(world, agreement_id, number)).needs is Need.OFFER
    async with world.db.read(world.maker.tenant) as session:
        covered = (await queries.terms_and_facts(session, [(agreement_id, world.part)]))[agreement_id, world.part]
    assert covered.badge.short.endswith(", and first refusal")


# -- over the API, with orders ---------------------------------------------------------------------------------


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def test_an_order_comes_off_the_notice_and_goes_back_when_cancelled(job: Job) -> None:
    world = job.world
    await job.sold(4, offered=4)
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 3}
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=body), 201)
    at = f"{API}/notices/{given['id']}"
    await job.called(2)
    stands = await ok(job.planner.get(at))
    assert (stands["standing"], stands["ordered"], stands["left"]) == ("running", 2, 1)
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/cancel", json={}))
    stands = await ok(job.planner.get(at))
    assert (stands["ordered"], stands["left"]) == (0, 3)
    await job.called(3)
    assert (await ok(job.buyer.get(at)))["standing"] == "ordered"
    await refused(job.planner.post(f"{at}/answer", json={"agree": True}), "notice.state")
    listed = await ok(job.buyer.get(f"{API}/notices"))
    assert given["id"] not in [n["id"] for n in listed["items"]]


async def test_a_first_refusal_is_exercised_in_part_by_an_ordinary_order(job: Job) -> None:
    world = job.world
    agreement_id = await agreed_on(world, [("first-refusal", 1, FIRST_REFUSAL)])
    await delivered(world, agreement_id, 5)
    job.agreement = str(agreement_id)
    assert not [c for c in await job.candidates() if c["callable"]], "nothing is offered yet"
    body = {
        "part_id": str(world.part), "act": "resell", "quantity": 3, "offer": "70.00", "offered_by": "Harbor Machine",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{agreement_id}/notices", json=body), 201)
    (place,) = [c for c in await job.candidates() if c["callable"]]
    assert (place["callable"], Decimal(place["unit_price"])) == (3, Decimal(70))
    await job.called(2)
    stands = await ok(job.planner.get(f"{API}/notices/{given['id']}"))
    assert (stands["ordered"], stands["left"], stands["standing"]) == (2, 1, "running")
    await ok(
        job.planner.post(f"{API}/notices/{given['id']}/answer", json={"agree": True, "note": "Sell the last one."})
    )
    assert not [c for c in await job.candidates() if c["callable"]], "what is let go cannot be ordered"
    assert (await ok(job.buyer.get(f"{API}/notices/{given['id']}")))["standing"] == "cleared"


async def test_an_order_names_the_notice_that_it_answers(job: Job) -> None:
    """Sections 4.2 and 7.7 of first-refusal: each notice is answered by itself, at the offer that it names."""
    world = job.world
    agreement_id = await agreed_on(world, [("first-refusal", 1, FIRST_REFUSAL)])
    await delivered(world, agreement_id, 9)
    job.agreement = str(agreement_id)
    numbers = []
    for quantity, offer in ((2, "70.00"), (3, "64.00")):
        body = {
            "part_id": str(world.part), "act": "resell", "quantity": quantity, "offer": offer, "offered_by": "Harbor Machine",
        }  # fmt: skip
        numbers.append((await ok(job.buyer.post(f"{API}/agreements/{agreement_id}/notices", json=body), 201))["id"])
    old, new = numbers
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)

    async def place(notice: str | None) -> dict[str, Any]:
        asked = {"numbers": number, "notice_id": notice}
        found = await ok(job.technician.post(f"{API}/sourcing/locate", json=asked))
        first: dict[str, Any] = next(c for c in found[0]["parts"][0]["candidates"] if c["callable"])
        return first

    usual, named = await place(None), await place(new)
    assert (usual["callable"], Decimal(usual["unit_price"])) == (2, Decimal(70)), "the oldest unless said otherwise"
    assert "2 notices run" in usual["blocked"][0]["words"]
    assert (named["callable"], Decimal(named["unit_price"])) == (3, Decimal(64))
    body = {**job.need(3), "key": named["key"]}
    other = await agreed_on(world, [("buy-back", 2, SCRAP_AFTER_NOTICE)])
    await delivered(world, other, 4)
    elsewhere = str(await gives(world, other, Act.SCRAP, 1, clock()))
    before = await rows_of(world, *TABLES)
    for notice_id, code in (
        (old, "requisition.not_covered"),
        (elsewhere, "notice.other"),
        (UUID(int=7), "notice.not_found"),
    ):
        at = job.technician.post(f"{API}/sourcing/order-back", json={**body, "notice_id": str(notice_id)})
        await refused(at, code)
        assert await rows_of(world, *TABLES) == before
    # Above the technician's limit it is sent once an approver agrees, and still answers the notice that it names.
    await world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", world.maker.users["technician"]
    )
    done = await ok(job.technician.post(f"{API}/sourcing/order-back", json={**body, "notice_id": new}), 201)
    assert done["awaiting_approval"]
    await ok(job.planner.post(f"{API}/sourcing/requests/{done['requisition_id']}/approve"))
    call = await ok(job.planner.get(f"{API}/sourcing/calls/{done['calls'][0]}"))
    assert (call["notice_id"], Decimal(call["unit_price"]), call["status"]) == (new, Decimal(64), "accepted")
    stands = [await ok(job.planner.get(f"{API}/notices/{n}")) for n in numbers]
    assert [(n["ordered"], n["standing"]) for n in stands] == [(0, "running"), (3, "ordered")]
    again = job.technician.post(f"{API}/sourcing/order-back", json={**body, **job.need(1), "notice_id": new})
    await refused(again, "notice.state")


async def test_a_notice_is_its_two_sides_own(job: Job) -> None:
    world = job.world
    await job.sold(4, offered=4)
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 1}
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=body), 201)
    async with world.db.read(world.other.tenant) as session:
        assert not await queries.notices(session, UUID(job.agreement)), "row level security"
        with pytest.raises(DomainError) as said:
            await queries.one_notice(session, world.maker.id, given["id"])
    assert said.value.code == "notice.not_found"


async def test_notices_together_leave_the_minimum_to_keep(world: World) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, {**SCRAP_AFTER_NOTICE, "minimum_to_keep": 3})])
    await delivered(world, agreement_id, 8)
    now = clock()
    await gives(world, agreement_id, Act.SCRAP, 3, now)
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as no:
        await gives(world, agreement_id, Act.SCRAP, 3, now)
    assert (no.value.code, "at most 2" in no.value.message) == ("notice.too_many", True)
    assert await rows_of(world, *TABLES) == before
    await gives(world, agreement_id, Act.SCRAP, 2, now)
