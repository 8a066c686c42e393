"""Renewal: by the clock exactly once for each stored deadline, by both sides, or not at all after a notice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.agreements import queries, service
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.deadlines import window
from marketplace.agreements.holds import HoldEvent, added_days, of_this_time, own, standing
from marketplace.db.session import Database, WriteSession
from marketplace.kit.clock import add_months, end_of_day, local_day
from marketplace.kit.errors import DomainError
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.service import close_run_off
from marketplace.parties.actor import OnBehalf
from tests import second
from tests.agreed import agreed, agreed_on, delivered, person, rows_of
from tests.marketplace.settlement.owed import marks, owes
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
ZONE = "America/Chicago"
TABLES = ("agreement", "agreement_event", "agreement_proposal", "outbox_event")
TODAY = datetime.now(UTC).date()
BEGAN = add_months(TODAY, -60) + timedelta(days=200)
"""The first window ends about 200 days from now."""


async def made(world: World, **changed: Any) -> UUID:
    terms = {**BUY_BACK, "renewal": "automatic", "max_renewals": 3, "non_renewal_days": 90, **changed}
    return await agreed_on(world, [("buy-back", 2, terms)], schedule_date=BEGAN)


async def row(world: World, agreement: UUID) -> asyncpg.Record:
    return await world.owner.fetchrow("SELECT * FROM agreement WHERE id = $1", agreement)


def last(found: asyncpg.Record) -> date:
    return local_day(found["window_closes_at"] - timedelta(seconds=1), ZONE)


async def plain_words(world: World, agreement: UUID) -> Sequence[str]:
    async with world.db.read(world.buyer.tenant) as session:
        return (await queries.terms_and_facts(session, [(agreement, world.part)]))[agreement, world.part].summary


async def renewed(worker_db: Database, agreement: UUID, maker: UUID, now: datetime) -> int:
    async with worker_db.write() as session:
        return await service.renew_due(session, OnBehalf(CLOCK, maker), agreement, now)


async def ended(worker_db: Database, agreement: UUID, maker: UUID, now: datetime) -> int:
    async with worker_db.write() as session:
        return await service.note_endings(session, OnBehalf(CLOCK, maker), agreement, now, now + timedelta(days=90))


async def by(world: World, party: Party, act: Any) -> Any:
    async with world.db.write(party.tenant) as session:
        return await act(session, person(party, "planner" if party is world.maker else "buyer"))


async def refused(world: World, party: Party, act: Any, code: str) -> str:
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refusal:
        await by(world, party, act)
    assert refusal.value.code == code, refusal.value.message
    assert await rows_of(world, *TABLES) == before
    return refusal.value.message


def notice(agreement: UUID, now: datetime, **more: Any) -> Any:
    async def act(session: WriteSession, actor: Any) -> None:
        await service.give_non_renewal(session, actor, agreement, "We close the site.", now, **more)

    return act


def proposal(agreement: UUID, now: datetime) -> Any:
    async def act(session: WriteSession, actor: Any) -> Any:
        return await service.propose_renewal(session, actor, agreement, text="Another year?", now=now)

    return act


async def mails(world: World, agreement: UUID, name: str) -> list[str]:
    rows = await world.owner.fetch(
        "SELECT payload -> 'mail' -> 'to' AS to FROM outbox_event WHERE aggregate_id = $1 AND name = $2",
        agreement,
        name,
    )
    return [str(r["to"]) for r in rows]


async def test_it_goes_on_at_the_deadline_and_both_are_told(world: World, worker_db: Database) -> None:
    agreement = await made(world)
    first = await row(world, agreement)
    end = add_months(BEGAN, 60)
    assert last(first) == end
    assert first["decide_by"] == end_of_day(end - timedelta(days=90), ZONE)
    assert first["survives_until"] == end_of_day(add_months(end, 12), ZONE)
    assert await renewed(worker_db, agreement, world.maker.id, first["decide_by"] - timedelta(seconds=1)) == 0
    assert (await row(world, agreement))["renewals"] == 0
    assert await renewed(worker_db, agreement, world.maker.id, first["decide_by"]) == 1
    found = await row(world, agreement)
    assert (found["renewals"], found["status"], last(found)) == (1, "active", add_months(BEGAN, 72))
    assert found["decide_by"] == end_of_day(add_months(BEGAN, 72) - timedelta(days=90), ZONE)
    event = await world.owner.fetchrow(
        "SELECT detail ->> 'from' AS was, detail ->> 'to' AS now, detail ->> 'renewals' AS n FROM agreement_event "
        "WHERE subject_id = $1 AND kind = 'renewal'", agreement,
    )  # fmt: skip
    assert tuple(event) == (end.isoformat(), add_months(BEGAN, 72).isoformat(), "1")
    (to,) = await mails(world, agreement, "agreement.renewal")
    for party in (world.maker, world.buyer):
        address = await world.owner.fetchval("SELECT email FROM user_account WHERE id = $1", party.users["admin"])
        assert address in to
    # The right itself goes on: what the evaluator reads has the renewal in it.
    async with world.db.read(world.maker.tenant) as session:
        known = (await queries.terms_and_facts(session, [(agreement, world.part)]))[agreement, world.part]
    assert window(known.terms, known.facts).closes == found["window_closes_at"]
    assert await renewed(worker_db, agreement, world.maker.id, first["decide_by"] + timedelta(days=1)) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_however_late_and_in_whatever_order_the_clock_runs_the_same_comes_out(
    world: World, worker_db: Database, seed: int
) -> None:
    """Ticks of both steps at random moments, or none at all until late; what comes out depends on the last moment only."""
    agreement = await made(world)
    end = (await row(world, agreement))["window_closes_at"]
    chance = random.Random(seed)

    async def run_until(begin: datetime, until: datetime) -> asyncpg.Record:
        days = (until - begin).days
        moments = sorted(begin + timedelta(days=chance.randrange(days)) for _ in range(chance.randrange(6)))
        for moment in (*moments, until):
            steps = [renewed, ended] if moment == until or chance.random() < 0.5 else [ended, renewed]
            for step in steps:
                await step(worker_db, agreement, world.maker.id, moment)
        return await row(world, agreement)

    # Deadlines are 90 days before the ends at 0, 365 and 730 days: two of them have passed.
    found = await run_until(datetime.now(UTC), end + timedelta(days=630))
    assert (found["renewals"], found["status"], last(found)) == (2, "active", add_months(BEGAN, 84))
    # As often as it may be, and then it ends.
    found = await run_until(end + timedelta(days=630), end + timedelta(days=365 * 9))
    assert (found["renewals"], found["status"], found["decide_by"]) == (3, "run_off", None)
    assert last(found) == add_months(BEGAN, 96)


async def test_two_workers_renew_it_once(world: World, worker_db: Database) -> None:
    for _ in range(4):
        agreement = await made(world)
        due = (await row(world, agreement))["decide_by"]
        done = await asyncio.gather(*(renewed(worker_db, agreement, world.maker.id, due) for _ in range(4)))
        assert sorted(done) == [0, 0, 0, 1]
        assert (await row(world, agreement))["renewals"] == 1


async def test_a_notice_and_the_worker_at_once_one_of_them_wins(world: World, worker_db: Database) -> None:
    for turn in range(4):
        agreement = await made(world)
        due = (await row(world, agreement))["decide_by"]

        async def give(agreement: UUID = agreement, now: datetime = due - timedelta(seconds=1)) -> str:
            try:
                await by(world, world.buyer, notice(agreement, now, ends_on=add_months(BEGAN, 60)))
            except DomainError as refusal:
                return refusal.code
            return "given"

        acts = [give(), renewed(worker_db, agreement, world.maker.id, due)]
        answers = await asyncio.gather(*(acts if turn % 2 else reversed(acts)))
        said = next(a for a in answers if isinstance(a, str))
        count = next(a for a in answers if isinstance(a, int))
        assert (said, count) in {("given", 0), ("renewal.late", 1)}


@pytest.mark.parametrize("side", ["maker", "buyer"])
async def test_after_a_notice_it_ends_with_its_window(world: World, worker_db: Database, side: str) -> None:
    agreement = await made(world)
    party: Party = getattr(world, side)
    found = await row(world, agreement)
    due, closes = found["decide_by"], found["window_closes_at"]
    assert "had to be given by" in await refused(world, party, notice(agreement, due), "renewal.late")
    other = notice(agreement, due - timedelta(seconds=1), ends_on=add_months(BEGAN, 61))
    assert "give that day, or none" in await refused(world, party, other, "renewal.ends_on")
    assert any("It goes on until" in words for words in await plain_words(world, agreement))
    await by(world, party, notice(agreement, due - timedelta(seconds=1)))
    told = await plain_words(world, agreement)
    assert not any("It goes on until" in words for words in told)
    assert any("is not renewed" in words for words in told)
    assert len(await mails(world, agreement, "agreement.non_renewal")) == 1
    await refused(world, party, notice(agreement, due - timedelta(seconds=1)), "renewal.noticed")
    assert await renewed(worker_db, agreement, world.maker.id, due + timedelta(days=400)) == 0
    assert await ended(worker_db, agreement, world.maker.id, closes) == 2
    found = await row(world, agreement)
    assert (found["status"], found["renewals"], found["non_renewal_by"]) == ("run_off", 0, party.id)
    await refused(world, party, notice(agreement, closes), "agreement.state")


async def test_a_late_notice_is_refused_whether_or_not_the_worker_has_run(world: World, worker_db: Database) -> None:
    agreement = await made(world)
    due = (await row(world, agreement))["decide_by"]
    seen = add_months(BEGAN, 60)
    await refused(world, world.buyer, notice(agreement, due, ends_on=seen), "renewal.late")
    await renewed(worker_db, agreement, world.maker.id, due)
    said = await refused(world, world.buyer, notice(agreement, due, ends_on=seen), "renewal.late")
    assert "goes on until" in said
    # Against the next one it is in time.
    await by(world, world.buyer, notice(agreement, due, ends_on=add_months(BEGAN, 72)))


async def test_by_agreement_one_offers_it_and_the_other_signs(world: World, worker_db: Database) -> None:
    agreement = await made(world, renewal="by_agreement")
    now = datetime.now(UTC)
    due = (await row(world, agreement))["decide_by"]
    await refused(world, world.buyer, notice(agreement, now), "renewal.none")
    await refused(world, world.buyer, proposal(agreement, due), "renewal.late")
    asked = await by(world, world.buyer, proposal(agreement, now))
    assert asked.valid_until <= due
    (wording,) = await world.owner.fetchrow("SELECT wording FROM agreement_proposal WHERE id = $1", asked.id)
    assert "goes on until" in wording

    def sign(now: datetime) -> Any:
        async def act(session: WriteSession, actor: Any) -> Any:
            return await service.accept_proposal(session, actor, asked.id, now, wording_sha256=asked.wording_sha256)

        return act

    await refused(world, world.buyer, sign(now), "proposal.own")
    done = await by(world, world.maker, sign(now))
    assert (done.agreement_id, done.units) == (agreement, 0)
    found = await row(world, agreement)
    assert (found["renewals"], last(found)) == (1, add_months(BEGAN, 72))
    await refused(world, world.maker, sign(now), "proposal.closed")
    assert await renewed(worker_db, agreement, world.maker.id, due + timedelta(days=800)) == 0, "never by itself"
    # One that nobody signs by the deadline lapses with it.
    due = found["decide_by"]
    asked = await by(world, world.maker, proposal(agreement, due - timedelta(days=2)))
    assert asked.valid_until == due
    await refused(world, world.buyer, sign(due), "proposal.lapsed")


async def test_the_law_of_the_day_is_asked_again(world: World, worker_db: Database) -> None:
    agreement = await made(world)
    due = (await row(world, agreement))["decide_by"]
    # The holder has moved to a country where such a right lasts five years at most.
    await world.owner.execute("UPDATE company SET country = 'FR' WHERE id = $1", world.buyer.id)
    assert await renewed(worker_db, agreement, world.maker.id, due) == 0
    found = await row(world, agreement)
    assert (found["renewals"], found["decide_by"], last(found)) == (0, None, add_months(BEGAN, 60))
    why = await world.owner.fetchval(
        "SELECT detail ->> 'note' FROM agreement_event WHERE subject_id = $1 AND kind = 'not_renewed'", agreement
    )
    assert "five years" in why
    assert len(await mails(world, agreement, "agreement.not_renewed")) == 1
    assert await renewed(worker_db, agreement, world.maker.id, due + timedelta(days=1)) == 0, "told once"
    assert await ended(worker_db, agreement, world.maker.id, found["window_closes_at"]) == 2
    other = await made(world, renewal="by_agreement", window_end_months=60)
    await refused(world, world.buyer, proposal(other, datetime.now(UTC)), "law.blocked")


async def test_while_it_stands_still_nothing_is_renewed_and_nobody_is_late(world: World, worker_db: Database) -> None:
    agreement = await made(world)
    due = (await row(world, agreement))["decide_by"]

    def hold(held: bool, now: datetime) -> Any:
        async def act(session: WriteSession, actor: Any) -> None:
            await service.set_legal_hold(session, agreement, actor, held, "Court.", now, basis="Order 1")

        return act

    await by(world, world.maker, hold(True, due - timedelta(days=3)))
    assert await renewed(worker_db, agreement, world.maker.id, due + timedelta(days=1)) == 0
    await refused(world, world.buyer, proposal(agreement, due - timedelta(days=1)), "agreement.legal_hold")
    await by(world, world.maker, hold(False, due + timedelta(days=7)))
    found = await row(world, agreement)
    assert found["decide_by"] == due + timedelta(days=10), "three days were left when it stood still"
    assert await renewed(worker_db, agreement, world.maker.id, due + timedelta(days=9)) == 0
    await by(world, world.buyer, notice(agreement, due + timedelta(days=9)))


async def test_days_of_a_freeze_lengthen_the_window_where_the_terms_say_so(world: World) -> None:
    for insolvency, days in (("freeze", 0), ("freeze_and_add", 20)):
        agreement = await made(world, insolvency=insolvency)
        before = await row(world, agreement)
        now, record = datetime.now(UTC), uuid4()
        maker, holder = person(world.maker), world.buyer.id
        async with world.db.write(world.maker.tenant) as session:
            await service.hold_all(session, maker, holder, record, "Petition.", now)
            again = now + timedelta(days=20)
            await service.lift_all(session, maker, holder, record, {agreement: False}, "Dismissed.", again)
        found = await row(world, agreement)
        assert (last(found) - last(before)).days == days
        assert found["frozen_days"] == days


def test_a_suspension_within_a_freeze_is_counted_once() -> None:
    t0 = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def at(days: int) -> datetime:
        return t0 + timedelta(days=days)

    hold = HoldEvent("legal_hold", at(0), uuid4(), "One", None, None)

    def days(stops: list[tuple[str, datetime]], *holds: HoldEvent) -> int:
        return added_days(of_this_time(holds), stops, at(10), "UTC", by_hand=True, by_record=False).by_hand

    stops = [("suspended", at(5)), ("resumed", at(8))]
    assert days(stops, hold) == 7
    assert days(stops[:1], hold) == 5, "it still lasts, and is added when it ends"
    assert days(stops, hold, hold._replace(kind="legal_hold_lifted", at=at(9))) == 0
    assert days([("suspended", at(-5)), ("resumed", at(2))], hold) == 8


def test_holds_of_both_sides_and_of_an_insolvency_are_counted_each_day_once() -> None:
    """The record stands from day 0 to 8 and then its maker's hand lets go; each side has a hold beside it for a time."""
    t0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
    maker, holder, record = uuid4(), uuid4(), uuid4()

    def said(kind: str, day: int, company: UUID, by: UUID | None = None) -> HoldEvent:
        return HoldEvent(kind, t0 + timedelta(days=day), company, "", by, None)

    events = [
        said("legal_hold", 0, maker, record), said("legal_hold_joined", 2, holder), said("legal_hold_joined", 4, maker),
        said("legal_hold_left", 6, holder), said("legal_hold_left", 8, maker, record),
    ]  # fmt: skip
    assert [(h.company_id, h.record) for h in standing(events)] == [(maker, None)]
    assert [(h.company_id, h.record) for h in standing(events[:3])] == [(maker, record), (holder, None), (maker, None)]
    assert own(standing(events[:3]), maker) == standing(events[:3])[2], "its own hand's before its record's"
    assert own(standing(events[:1]), holder) is None

    def days(hand: bool, by_record: bool) -> tuple[int, int]:
        at = t0 + timedelta(days=10)
        return tuple(added_days(of_this_time(events), [], at, "UTC", by_hand=hand, by_record=by_record))  # type: ignore[return-value]

    assert (days(True, True), days(True, False), days(False, True)) == ((8, 2), (8, 0), (0, 8))


@pytest.mark.parametrize(
    "status", ["offered", "suspended", "run_off", "closed", "terminated", "superseded", "withdrawn"]
)
async def test_what_is_not_in_force_is_not_renewed(world: World, worker_db: Database, status: str) -> None:
    agreement = await made(world)
    due = (await row(world, agreement))["decide_by"]
    await world.owner.execute("UPDATE agreement SET status = $2 WHERE id = $1", agreement, status)
    before = await rows_of(world, *TABLES)
    assert await renewed(worker_db, agreement, world.maker.id, due) == 0
    assert await rows_of(world, *TABLES) == before
    await refused(world, world.buyer, proposal(agreement, datetime.now(UTC)), "agreement.state")
    if status == "suspended":
        await by(world, world.buyer, notice(agreement, due + timedelta(days=1)))
    else:
        await refused(world, world.buyer, notice(agreement, datetime.now(UTC)), "agreement.state")


async def test_terms_of_the_first_library_know_no_renewal(world: World) -> None:
    agreement = await agreed(world)
    found = await row(world, agreement)
    assert (found["decide_by"], found["survives_until"]) == (None, None)
    await refused(world, world.maker, proposal(agreement, datetime.now(UTC)), "renewal.none")
    await refused(world, world.maker, notice(agreement, datetime.now(UTC)), "renewal.none")


async def test_strangers_are_told_nothing(world: World) -> None:
    agreement = await made(world)
    for act in (notice(agreement, datetime.now(UTC)), proposal(agreement, datetime.now(UTC))):
        await refused(world, world.other, act, "agreement.not_found")


async def test_it_is_closed_by_the_clock_once_nothing_is_open_and_duties_have_ended(
    world: World, worker_db: Database
) -> None:
    agreement = await made(world, renewal="none", renewal_months=0, max_renewals=0)
    lot = await delivered(world, agreement, 4)
    found = await row(world, agreement)
    closes, survives = found["window_closes_at"], found["survives_until"]

    async def closed(now: datetime) -> int:
        async with worker_db.write() as session:
            return await close_run_off(session, OnBehalf(CLOCK, world.maker.id), agreement, now)

    async def due(now: datetime) -> bool:
        async with worker_db.read() as session:
            return agreement in await obligations.to_close(session, now, limit=10_000)

    assert await closed(survives) == 0, "still in force"
    await ended(worker_db, agreement, world.maker.id, closes)
    assert not await due(survives - timedelta(seconds=1))
    assert await closed(survives - timedelta(seconds=1)) == 0
    # Something is not paid yet: it waits for that, however late it is.
    line = await owes(world, agreement_id=agreement)
    assert not await due(survives)
    assert await closed(survives) == 0
    for party in (world.maker, world.buyer):
        await marks(world, party, line)
    await world.owner.execute("UPDATE agreement SET legal_hold = true WHERE id = $1", agreement)
    assert await closed(survives) == 0
    await world.owner.execute("UPDATE agreement SET legal_hold = false WHERE id = $1", agreement)
    assert await due(survives)
    done = await asyncio.gather(*(closed(survives) for _ in range(3)))
    assert sorted(done) == [0, 0, 1]
    assert (await row(world, agreement))["status"] == "closed"
    under = await world.owner.fetchval(
        "SELECT count(*) FROM position WHERE lot_id = $1 AND agreement_id IS NOT NULL AND quantity > 0", lot
    )
    assert under == 0, "its units stand under no agreement"


async def test_a_decision_about_renewal_is_in_both_calendars_until_there_is_nothing_to_decide(world: World) -> None:
    agreement = await made(world)
    now = datetime.now(UTC)

    async def due(party: Party) -> list[str]:
        async with world.db.read(party.tenant) as session:
            wanted = obligations.ObligationFilter(kinds=frozenset({ObligationKind.DECIDE_RENEWAL}))
            rows = await obligations.coming(session, person(party), wanted, now, 10)
        return [o.what for o in rows if o.mine]

    reference = (await row(world, agreement))["reference"]
    for party in (world.maker, world.buyer):
        assert await due(party) == [f"Give notice if {reference} is not to be renewed"]
    assert await due(world.other) == []
    await by(world, world.buyer, notice(agreement, now))
    for party in (world.maker, world.buyer):
        assert await due(party) == []


async def test_both_are_reminded_of_a_renewal_a_month_before(world: World, worker_db: Database) -> None:
    agreement = await made(world)
    deadline = (await row(world, agreement))["decide_by"]
    for party in (world.maker, world.buyer):
        for days, told in ((31, False), (29, True)):
            async with worker_db.read() as session:
                found = await obligations.to_remind(session, deadline - timedelta(days=days), company_id=party.id)
            assert (
                any(o.row.record_id == agreement for o in found if o.row.kind is ObligationKind.DECIDE_RENEWAL) is told
            )
