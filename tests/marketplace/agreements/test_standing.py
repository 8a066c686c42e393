"""Suspensions that end by themselves, legal holds that name what they rest on, and deadlines that go on after either."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements import holds, queries, service, tasks
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.combined import best_call, holder_act
from marketplace.agreements.outcomes import Act, Refused
from marketplace.agreements.stops import moved_by, stopped_between
from marketplace.agreements.suspensions import standing
from marketplace.db.session import Database
from marketplace.kit.canonical import instant
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.errors import DomainError
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import ObligationKind
from marketplace.parties.actor import OnBehalf
from tests import second
from tests.agreed import agreed, agreed_on, delivered, person, rows_of
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
ZONE = "America/Chicago"
TABLES = ("agreement", "agreement_event", "notice", "outbox_event")
DAY = timedelta(days=1)
LEAST = timedelta(microseconds=1)
TERMS = {**BUY_BACK, "minimum_to_keep": 2, "use_rule": "after_notice"}


@given(
    st.integers(0, 7_000),
    st.integers(1, 86_399),
    st.timedeltas(timedelta(), timedelta(days=400)),
    st.sampled_from([ZONE, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_what_ends_with_a_day_goes_on_to_the_end_of_a_day(
    day: int, second_of_day: int, still: timedelta, zone: str
) -> None:
    deadline = end_of_day(date(2020, 1, 1) + day * DAY, zone)
    begun = deadline - timedelta(seconds=second_of_day)
    stop = [(begun, begun + still)]
    after = moved_by(deadline, stop, zone)
    assert after == end_of_day(local_day(after - LEAST, zone), zone)
    assert abs(after - deadline - still) <= DAY + timedelta(hours=2), "by the days that ended meanwhile"
    hours = deadline + timedelta(seconds=second_of_day, microseconds=1)
    assert moved_by(hours, stop, zone) == hours + still
    assert moved_by(deadline, stop, zone, exact=True) == deadline + still


@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 90_000)), min_size=1, max_size=12),
    st.sampled_from([ZONE, "UTC", "Australia/Lord_Howe"]),
)
def test_many_short_stops_move_a_deadline_no_further_than_the_window(pauses: list[tuple[int, int]], zone: str) -> None:
    """Ten holds within a second add nothing to the window, and nothing to a notice that runs."""
    # Not at a whole second: a hold may begin or end with a day, and is then counted with the one or the other.
    moment = datetime(2026, 3, 6, 14, 0, 0, 500, tzinfo=UTC)
    deadline = last = end_of_day(date(2026, 5, 1), zone)
    events: list[holds.HoldEvent] = []
    of_window = 0
    for pause, seconds in pauses:
        begun = moment + timedelta(seconds=pause)
        moment = begun + timedelta(seconds=seconds)
        deadline = moved_by(deadline, [(begun, moment)], zone)
        events = [holds.HoldEvent(holds.SET, begun, CLOCK, "Maker", None, "Order")]
        of_window += holds.added_days(
            holds.of_this_time(events), (), moment, zone, by_hand=True, by_record=False
        ).by_hand
    moved = (local_day(deadline - LEAST, zone) - local_day(last - LEAST, zone)).days
    assert moved <= of_window


async def by(world: World, party: Party, act: Any, *given: Any, **more: Any) -> Any:
    async with world.db.write(party.tenant) as session:
        return await act(session, given[0], person(party), *given[1:], **more)


async def refused(world: World, code: str, party: Party, act: Any, *given: Any, **more: Any) -> str:
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refusal:
        await by(world, party, act, *given, **more)
    assert refusal.value.code == code, refusal.value.message
    assert await rows_of(world, *TABLES) == before
    return refusal.value.message


async def row(world: World, agreement: UUID) -> Any:
    return await world.owner.fetchrow("SELECT * FROM agreement WHERE id = $1", agreement)


async def gives(world: World, agreement: UUID, now: datetime) -> Any:
    async with world.db.write(world.buyer.tenant) as session:
        made = await service.give_notice(session, person(world.buyer), agreement, world.part, Act.SCRAP, 2, now)
    return await world.owner.fetchrow("SELECT * FROM notice WHERE id = $1", made.id)


async def test_a_suspension_ends_by_itself_as_of_its_stored_moment_once_however_late(
    world: World, worker_db: Database
) -> None:
    agreement = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement, 10)
    stated = datetime.now(UTC) + DAY
    before, given_up = await row(world, agreement), await gives(world, agreement, stated - timedelta(hours=1))
    await by(world, world.maker, service.suspend, agreement, "Licence.", stated)
    ends = end_of_day(local_day(stated, ZONE) + 30 * DAY, ZONE)
    assert (await row(world, agreement))["suspension_ends_at"] == ends
    said = await refused(world, "agreement.suspended_by_other", world.buyer, service.resume, agreement, ends - LEAST)
    assert "only it can resume" in said
    async with world.db.read(world.buyer.tenant) as session:
        wanted = obligations.ObligationFilter(agreement_id=agreement, kinds=frozenset({ObligationKind.SUSPENSION_ENDS}))
        (due,) = await obligations.coming(session, person(world.buyer), wanted, stated, 5)
        assert (due.due, due.owes, due.mine) == (ends, world.maker.name, False)
    # A hold that began meanwhile outlasts it, and is lifted before the worker comes: the suspension ended first all the same.
    held, lifted = ends - 2 * DAY, ends + 3 * DAY + timedelta(hours=2)
    await by(world, world.buyer, service.set_legal_hold, agreement, True, "Court.", held, basis="Order 26-118")

    async def late() -> int:
        async with worker_db.write() as session:
            clock = OnBehalf(CLOCK, world.maker.id)
            return await service.end_suspension_due(session, clock, agreement, lifted + 40 * DAY)

    async with worker_db.read() as session:
        assert agreement not in await queries.suspensions_over(session, ends - LEAST, limit=10_000)
        assert agreement in await queries.suspensions_over(session, ends, limit=10_000)
    await by(world, world.buyer, service.set_legal_hold, agreement, False, "Over.", lifted)
    assert await asyncio.gather(late(), late()) == [0, 0], "whoever locked it first wrote it down"
    after = await row(world, agreement)
    assert (after["status"], after["suspension_ends_at"], after["tolled_days"]) == ("active", None, 30 + 4)
    first, last = (local_day(r["window_closes_at"] - LEAST, ZONE) for r in (before, after))
    assert (last - first).days == 34
    told = await world.owner.fetch(
        "SELECT at, company_id FROM agreement_event WHERE subject_id = $1 AND kind = 'suspension_ended'", agreement
    )
    assert [(t["at"], t["company_id"]) for t in told] == [(ends, world.maker.id)]
    moved = await world.owner.fetchrow("SELECT * FROM notice WHERE id = $1", given_up["id"])
    for name in ("answer_by", "clear_until"):
        assert moved[name] == moved_by(given_up[name], [(stated, lifted)], ZONE), name
        assert moved[name] == end_of_day(local_day(moved[name] - LEAST, ZONE), ZONE), name
    # The same side states another one when ninety days have passed; the other side is free to.
    free = local_day(ends - LEAST, ZONE) + 91 * DAY
    soon = end_of_day(free - DAY, ZONE) - LEAST
    said = await refused(world, "agreement.suspended_lately", world.maker, service.suspend, agreement, "Again.", soon)
    assert f"from {free.day} {free:%b %Y}" in said
    await by(world, world.buyer, service.suspend, agreement, "Ours.", soon - DAY)
    await by(world, world.buyer, service.resume, agreement, soon)
    await by(world, world.maker, service.suspend, agreement, "Again.", soon + LEAST)
    # What ended by itself either side can have written down; the clock does it alone.
    again = (await row(world, agreement))["suspension_ends_at"]
    await tasks.end_suspensions(worker_db, CLOCK, again)
    assert (await row(world, agreement))["status"] == "active"


async def test_each_side_s_suspension_stands_by_itself_and_their_days_count_once(
    world: World, worker_db: Database
) -> None:
    """The maker's begins on day 0, the holder's on day 10: forty days in all. The first that ends, by itself or lifted, leaves the
    other; what each side did last counts for when it states another one."""
    tables = ("agreement", "agreement_event", "outbox_event", "notice")
    t0 = datetime.now(UTC) + DAY

    async def both() -> tuple[UUID, datetime, datetime]:
        agreement = await agreed_on(world, [("buy-back", 2, TERMS)])
        await delivered(world, agreement, 10)
        await by(world, world.maker, service.suspend, agreement, "Licence.", t0)
        await refused(world, "agreement.state", world.maker, service.suspend, agreement, "Again.", t0 + DAY)
        await by(world, world.buyer, service.suspend, agreement, "Strike.", t0 + 10 * DAY)
        first, last = (end_of_day(local_day(t0 + n * DAY, ZONE) + 30 * DAY, ZONE) for n in (0, 10))
        assert (await row(world, agreement))["suspension_ends_at"] == last
        async with world.db.read(world.buyer.tenant) as session:
            still = await queries.stands_still(session, agreement)
        assert still is not None
        assert (still.by, still.sides, still.ends_at) == (f"{world.maker.name} and {world.buyer.name}", 2, last)
        return agreement, first, last

    async def stand(agreement: UUID, at: datetime) -> list[str]:
        async with world.db.read(world.maker.tenant) as session:
            return [s.company for s in standing(await queries.suspension_events(session, agreement), at)]

    def after(n: int) -> datetime:
        return t0 + n * DAY

    # The maker's ends by itself, the holder's stands: nothing goes on, and the maker cannot end it.
    agreement, first, last = await both()
    assert await stand(agreement, first - LEAST) == [world.maker.name, world.buyer.name]
    assert await stand(agreement, first) == [world.buyer.name]
    await tasks.end_suspensions(worker_db, CLOCK, first)
    assert (await row(world, agreement))["status"] == "suspended"
    before = await rows_of(world, *tables)
    await refused(world, "agreement.suspended_by_other", world.maker, service.resume, agreement, first + DAY)
    await refused(world, "agreement.suspended_lately", world.maker, service.suspend, agreement, "Again.", first + DAY)
    assert await rows_of(world, *tables) == before
    await tasks.end_suspensions(worker_db, CLOCK, last)
    ended = await row(world, agreement)
    assert (ended["status"], ended["tolled_days"]) == ("active", 40)

    # The holder lifts its own first: the maker's stands until it ends by itself.
    agreement, first, last = await both()
    await by(world, world.buyer, service.resume, agreement, after(20))
    kept = await row(world, agreement)
    assert (kept["status"], kept["suspended_by"], kept["suspension_ends_at"]) == ("suspended", world.maker.id, first)
    assert (kept["status_reason"], kept["tolled_days"]) == ("Licence.", 0)
    await refused(world, "agreement.suspended_by_other", world.buyer, service.resume, agreement, after(21))
    await tasks.end_suspensions(worker_db, CLOCK, first)
    assert (await row(world, agreement))["tolled_days"] == 30

    # The maker lifts its own first, then the holder: from the first day to the last, each day once.
    agreement, first, last = await both()
    await by(world, world.maker, service.resume, agreement, after(5 + 10))
    kept = await row(world, agreement)
    assert (kept["suspended_by"], kept["suspension_ends_at"], kept["status_reason"]) == (
        world.buyer.id,
        last,
        "Strike.",
    )
    await by(world, world.buyer, service.resume, agreement, after(25))
    ended = await row(world, agreement)
    assert (ended["status"], ended["suspended_by"], ended["suspended_on"]) == ("active", None, None)
    assert ended["tolled_days"] == (local_day(after(25), ZONE) - local_day(t0, ZONE)).days
    async with world.db.read(world.maker.tenant) as session:
        (stop,) = stopped_between(await queries.stops(session, agreement), t0 - DAY, after(60))
    assert stop == (t0, after(25)), "one time that stood still"
    # Ninety days from its own last one, not from the other side's.
    soon = end_of_day(local_day(after(15), ZONE) + 90 * DAY, ZONE)
    await refused(world, "agreement.suspended_lately", world.maker, service.suspend, agreement, "A.", soon - LEAST)
    await by(world, world.maker, service.suspend, agreement, "A.", soon)


async def test_under_the_first_library_a_suspension_lasts_and_its_clocks_move_to_the_minute(world: World) -> None:
    agreement = await agreed(world)
    now = datetime.now(UTC)
    for turn in range(2):
        await by(world, world.maker, service.suspend, agreement, "Licence.", now + turn * DAY)
        assert (await row(world, agreement))["suspension_ends_at"] is None
        await by(world, world.maker, service.resume, agreement, now + turn * DAY + timedelta(hours=1))
    await by(world, world.maker, service.set_legal_hold, agreement, True, "Court.", now + 5 * DAY)
    await by(world, world.maker, service.set_legal_hold, agreement, False, "Over.", now + 9 * DAY)
    assert (await row(world, agreement))["tolled_days"] == 0, "no basis asked, no days added"


async def test_a_legal_hold_names_what_it_rests_on_and_the_right_does_not_end_meanwhile(
    world: World, worker_db: Database
) -> None:
    began = datetime.now(UTC).date() - timedelta(days=400)
    terms = {**TERMS, "window_end_months": 14, "renewal": "none", "renewal_months": 0, "max_renewals": 0}
    by_hand = await agreed_on(world, [("buy-back", 2, terms)], schedule_date=began)
    recorded = await agreed_on(world, [("buy-back", 2, terms)], schedule_date=began)
    now, record = datetime.now(UTC), uuid4()
    for basis in ("", " ", "x" * 201):
        await refused(
            world, "agreement.basis", world.maker, service.set_legal_hold, by_hand, True, "Court.", now, basis=basis
        )
    await by(world, world.maker, service.set_legal_hold, by_hand, True, "Court.", now, basis="Order  26-118")
    async with world.db.write(world.maker.tenant) as session:
        await service.hold_all(session, person(world.maker), world.buyer.id, record, "Petition.", now)
    closes = (await row(world, by_hand))["window_closes_at"]

    async def ending(agreement: UUID) -> int:
        async with worker_db.read() as session:
            due = agreement in await queries.ending(session, closes, closes, limit=10_000)
        async with worker_db.write() as session:
            steps = await service.note_endings(session, OnBehalf(CLOCK, world.maker.id), agreement, closes, closes)
        assert due is bool(steps)
        return steps

    assert await ending(by_hand) == 0, "each day of the hold makes the right longer"
    assert await ending(recorded) == 2, "an insolvency's do not, unless the terms say so"
    later = closes + 5 * DAY
    async with world.db.write(world.maker.tenant) as session:
        held = {by_hand: True, recorded: False}
        await service.lift_all(session, person(world.maker), world.buyer.id, record, held, "Dismissed.", later)
    await by(world, world.maker, service.set_legal_hold, by_hand, False, "Over.", later)
    found = await row(world, by_hand)
    days = (local_day(later, ZONE) - local_day(now, ZONE)).days
    assert (found["status"], found["tolled_days"], found["frozen_days"]) == ("active", days, 0)
    assert local_day(found["window_closes_at"], ZONE) - local_day(closes, ZONE) == days * DAY
    named = await world.owner.fetchval(
        "SELECT detail ->> 'basis' FROM agreement_event WHERE subject_id = $1 AND kind = 'legal_hold'", by_hand
    )
    assert named == "Order 26-118"


async def test_a_refusal_during_a_suspension_says_from_when_it_is_possible_again(world: World) -> None:
    """By the stored moment at which it ends by itself; not while a legal hold stands beside it."""
    agreement = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement, 10)
    now = datetime.now(UTC)
    await by(world, world.maker, service.suspend, agreement, "Licence.", now)
    ends = end_of_day(local_day(now, ZONE) + 30 * DAY, ZONE)

    async def said() -> list[Any]:
        async with world.db.read(world.buyer.tenant) as session:
            pair = (agreement, world.part)
            found = (await queries.terms_and_facts(session, [pair], requested=1))[pair]
        answers = (
            holder_act(found.clauses, found.facts, Act.SCRAP, 1, now).answer,
            best_call(found.clauses, found.facts, now).answer,
        )
        return [a.possible_from if isinstance(a, Refused) else a for a in answers]

    assert await said() == [ends, ends]
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as locked:
        async with world.db.write(world.buyer.tenant) as session:
            await service.require_live(session, agreement)
    assert locked.value.extra["possible_from"] == instant(ends)
    with pytest.raises(DomainError) as told:
        await gives(world, agreement, now)
    assert (told.value.code, told.value.extra["possible_from"]) == ("agreement.suspended", instant(ends))
    assert "at the latest after" in told.value.message
    assert await rows_of(world, *TABLES) == before
    await by(world, world.buyer, service.set_legal_hold, agreement, True, "Court.", now, basis="Order 26-118")
    assert await said() == [None, None]


async def test_each_sides_hold_stands_on_its_own_and_each_lifts_its_own(world: World) -> None:
    """The manufacturer's from today to day 5, the holder's from today to day 9: nothing moves before, nine days are added."""
    agreement = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement)
    now, closes = datetime.now(UTC), (await row(world, agreement))["window_closes_at"]

    def holds(party: Party, held: bool, at: datetime, basis: str = "") -> Any:
        return by(world, party, service.set_legal_hold, agreement, held, "Sanctions.", at, basis=basis)

    async def stands() -> list[tuple[str, str | None]]:
        async with world.db.read(world.buyer.tenant) as session:
            found = await queries.agreement(session, person(world.buyer), agreement)
        assert found.row.legal_hold is bool(found.holds)
        return [(h.company, h.basis) for h in found.holds]

    async def live(at: datetime) -> str | None:
        async with world.db.write(world.maker.tenant) as session:
            try:
                await service.require_live(session, agreement)
            except DomainError as error:
                return error.message
        return None

    both = [(world.maker, "Order 1"), (world.buyer, "Order 2")]
    await asyncio.gather(*(holds(party, True, now, basis) for party, basis in both))
    assert sorted(await stands()) == sorted((party.name, basis) for party, basis in both)
    for party, basis in both:
        await refused(
            world, "agreement.state", party, service.set_legal_hold, agreement, True, "Again.", now, basis=basis
        )
    said = await live(now)
    assert said is not None
    assert " and " in said
    assert "have lifted theirs" in said
    await holds(world.maker, False, now + 5 * DAY)
    assert await stands() == [(world.buyer.name, "Order 2")]
    assert f"until {world.buyer.name} lifts it" in str(await live(now))
    assert (await row(world, agreement))["tolled_days"] == 0, "it goes on standing still"
    later = now + 9 * DAY
    await refused(
        world, "agreement.held_by_other", world.maker, service.set_legal_hold, agreement, False, "Over.", later
    )
    await holds(world.buyer, False, later)
    assert await stands() == []
    assert await live(later) is None
    found = await row(world, agreement)
    days = (local_day(later, ZONE) - local_day(now, ZONE)).days
    assert (found["tolled_days"], found["hold_adds_days"]) == (days, False)
    assert local_day(found["window_closes_at"], ZONE) - local_day(closes, ZONE) == days * DAY
    kinds = await world.owner.fetch(
        "SELECT kind FROM agreement_event WHERE subject_id = $1 AND kind LIKE 'legal_hold%' ORDER BY id", agreement
    )
    assert [r["kind"] for r in kinds] == ["legal_hold", "legal_hold_joined", "legal_hold_left", "legal_hold_lifted"]
    # And anew, as if nothing had been.
    await holds(world.buyer, True, later, "Order 3")
    await refused(
        world, "agreement.held_by_other", world.maker, service.set_legal_hold, agreement, False, "Over.", later
    )
    assert await stands() == [(world.buyer.name, "Order 3")]
