"""An agreement is ended for breach by the side that is not in default: what ends, what finishes, what stays owed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK, COMBINATIONS
from marketplace.agreements.missing import Became
from marketplace.agreements.service import suspend
from marketplace.db.session import Database
from marketplace.holdings.service import WhatBecame, say_what_became
from marketplace.kit.clock import add_months, end_of_day, local_day
from marketplace.kit.errors import DomainError
from marketplace.ledger.queries import CHECKS, verify
from marketplace.obligations import queries as obligations
from marketplace.obligations.service import close_run_off
from marketplace.parties.actor import OnBehalf
from marketplace.sourcing import service
from marketplace.sourcing.defaults import Cause, default_since
from tests import second
from tests.agreed import agreed, agreed_on, delivered, person, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.marketplace.settlement.owed import marks, owes
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

ZONE = "America/Chicago"
CLOCK = UUID(int=0)
TABLES = (
    "agreement",
    "agreement_event",
    "call",
    "call_event",
    "movement",
    "open_hold",
    "settlement_line",
    "outbox_event",
)
SHIP = {"carrier": "UPS", "tracking": "1Z1"}


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        agreement_id = await agreed_on(world, [("buy-back", 2, BUY_BACK)])
        await delivered(world, agreement_id, 10)
        made.agreement = str(agreement_id)
        yield made


async def ends(
    world: World, party: Party, agreement: UUID, cause: Cause, reference: str, now: datetime
) -> service.Ended:
    async with world.db.write(party.tenant) as session:
        return await service.end_for_breach(
            session, person(party), agreement, cause=cause, reference=reference, reason="Enough.", now=now
        )


async def no(
    world: World, code: str, party: Party, agreement: UUID, cause: Cause, reference: str, now: datetime
) -> str:
    before = await rows_of(world, *TABLES)
    with pytest.raises(DomainError) as refusal:
        await ends(world, party, agreement, cause, reference, now)
    assert refusal.value.code == code, refusal.value.message
    assert await rows_of(world, *TABLES) == before
    return refusal.value.message


async def under(world: World, agreement: UUID) -> int:
    return int(
        await world.owner.fetchval("SELECT coalesce(sum(quantity), 0) FROM position WHERE agreement_id = $1", agreement)
    )


async def test_the_maker_ends_it_for_an_order_in_default_and_what_is_on_its_way_finishes(
    job: Job, worker_db: Database
) -> None:
    world, agreement, at = job.world, UUID(job.agreement), f"{API}/agreements/{job.agreement}/end-for-breach"

    async def call() -> tuple[str, str]:
        await job.called(1)
        return job.call, await world.owner.fetchval("SELECT reference FROM call WHERE id = $1", UUID(job.call))

    (travels, _), (late, named), (waits, waiting) = [await call() for _ in range(3)]
    for one in (travels, late):
        await ok(job.buyer.post(f"{API}/sourcing/calls/{one}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{travels}/ship", json=SHIP))
    body = {"cause": "order", "reference": named, "reason": "Four weeks late."}
    before = await rows_of(world, *TABLES)
    said = await refused(job.planner.post(at, json=body), "breach.no_default")
    assert "committed to and not shipped yet" in said["detail"]
    await refused(job.planner.post(at, json={**body, "reference": "BBO-NONE"}), "breach.not_found")
    await refused(job.outsider.post(at, json=body), "agreement.not_found")
    assert await rows_of(world, *TABLES) == before
    moment = await world.owner.fetchval("SELECT default_from FROM call WHERE id = $1", UUID(late))
    async with worker_db.write() as session:
        assert await service.act_on_default(session, CLOCK, UUID(late), moment)
    await world.owner.execute("UPDATE call SET default_from = now() WHERE id = $1", UUID(late))
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(at, json=body), "breach.own_default")
    assert await rows_of(world, *TABLES) == before
    seen = await ok(job.buyer.get(at))
    assert seen["defaults"] == [], "its own are nothing that it could end it for"
    (own,) = seen["own"]
    assert (own["cause"], own["reference"], own["until"]) == ("order", named, None)
    assert "in time" in own["words"]
    assert "may buy the units elsewhere" in own["other_may"]
    assert "section 16.2" in own["other_may"]
    assert (await ok(job.planner.get(at)))["own"] == []
    shown = await ok(job.planner.get(at))
    assert ([d["reference"] for d in shown["defaults"]], shown["units"], shown["on_the_way"]) == ([named], 9, 1)
    assert sorted(shown["orders"]) == sorted([named, waiting])
    answers = await asyncio.gather(*(job.planner.post(at, json=body) for _ in range(2)))
    assert sorted(a.status_code for a in answers) == [200, 409]
    done = next(a.json() for a in answers if a.status_code == 200)
    assert (done["units"], sorted(done["orders"])) == (9, sorted([named, waiting]))
    states = await world.owner.fetch("SELECT id::text, status FROM call WHERE agreement_id = $1", agreement)
    assert {r["id"]: r["status"] for r in states} == {travels: "shipped", late: "closed", waits: "cancelled"}
    assert await under(world, agreement) == 1
    assert (
        await world.owner.fetchval(
            "SELECT count(*) FROM open_hold WHERE cause_id = ANY($1::uuid[])", [UUID(late), UUID(waits)]
        )
        == 0
    )
    told = await world.owner.fetchval(
        "SELECT payload #>> '{mail,text}' FROM outbox_event WHERE aggregate_id = $1 AND name = 'agreement.ended_for_breach'",
        agreement,
    )
    assert "in time. Four weeks late. 9 units free" in told
    shown = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
    assert (shown["status"], shown["events"][-1]["kind"]) == ("terminated", "ended_for_breach")
    term = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}/term"))
    assert "before its window did: nothing can be ordered under it." in term["words"]
    assert term["decide_by"] is None
    assert term["ended_on"] < term["last_day"]
    # What is open, and until when duties last, is told although the right has ended: 12 months from the end, not from the window's.
    lasts = add_months(date.fromisoformat(term["ended_on"]), 12)
    assert date.fromisoformat(term["survives_until"]) == lasts < date.fromisoformat(term["last_day"])
    assert "Duties to report and to count" in term["words"]
    (line,) = shown["schedule"]
    assert "free of the right" in " ".join(line["summary"])
    assert not any("order back" in words for words in line["summary"])
    for party in (world.maker, world.buyer):
        async with world.db.read(party.tenant) as session:
            assert agreement in await obligations.open_run_off(session, party.id)
            assert (await obligations.still_open(session, agreement)).calls == 1
    # What section 11 gives stays: the units can still be bought elsewhere at the holder's cost, once.
    cover = {"unit_price": "150.00", "document": "INV-1"}
    await refused(job.technician.post(f"{API}/sourcing/calls/{waits}/cover", json=cover), "cover.not_default")
    await ok(job.technician.post(f"{API}/sourcing/calls/{late}/cover", json=cover))
    await refused(job.technician.post(f"{API}/sourcing/calls/{late}/cover", json=cover), "cover.not_default")
    # What was on its way is inspected, and comes back free where it is rejected.
    await ok(job.technician.post(f"{API}/sourcing/calls/{travels}/receive"))
    found = [{"grade": "new", "quantity": 1, "accepted": False}]
    rejected = {"found": found, "reason": "wrong_part", "note": "Another part in the box."}
    await ok(job.technician.post(f"{API}/sourcing/calls/{travels}/inspect", json=rejected))
    await world.owner.execute("UPDATE dispute SET respond_by = now() WHERE cause_id = $1", UUID(travels))
    await ok(job.technician.post(f"{API}/sourcing/calls/{travels}/send-back", json=SHIP))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{travels}/receive-back", json={}))
    assert await under(world, agreement) == 0
    free = await world.owner.fetchval(
        "SELECT sum(quantity) FROM position WHERE holder_id = $1 AND owner_id = $1 AND part_id = $2",
        world.buyer.id,
        world.part,
    )
    assert free == 10
    # Once its duties have ended too, twelve months after this end, and nothing is owed, the clock closes it.
    survives = await world.owner.fetchval("SELECT survives_until FROM agreement WHERE id = $1", agreement)
    assert survives == end_of_day(lasts, ZONE)

    async def closed(now: datetime) -> tuple[bool, int]:
        async with worker_db.read() as session:
            due = agreement in await obligations.to_close(session, now, limit=10_000)
        async with worker_db.write() as session:
            return due, await close_run_off(session, OnBehalf(CLOCK, world.maker.id), agreement, now)

    assert await closed(survives) == (False, 0), "what is bought elsewhere is owed still"
    owed = await world.owner.fetch(
        "SELECT id FROM settlement_line WHERE agreement_id = $1 AND paid < amount", agreement
    )
    for one in owed:
        for party in (world.maker, world.buyer):
            await marks(world, party, one["id"])
    assert await closed(survives - timedelta(microseconds=1)) == (False, 0)
    before = await rows_of(world, *TABLES)
    await refused(job.planner.post(f"{API}/agreements/{job.agreement}/close"), "agreement.state")
    assert await rows_of(world, *TABLES) == before
    assert await closed(survives) == (True, 1)
    assert await closed(survives) == (False, 0)
    shown = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
    assert (shown["status"], shown["events"][-1]["kind"]) == ("closed", "closed")
    async with worker_db.read() as session:
        wrong = [m for check in CHECKS for m in await verify(session, check)]
        lots = {r["lot_id"] for r in await world.owner.fetch("SELECT lot_id FROM lot WHERE part_id = $1", world.part)}
        assert not [m for m in wrong if m.lot_id in lots]


async def test_by_both_sides_what_waits_ends_with_it_and_what_is_under_way_hinders_it(
    world: World, worker_db: Database
) -> None:
    """Two orders back, one of them accepted, a notice, and two requests to sell on, one with consent."""
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    tables = (*TABLES, "resale", "resale_event", "notice", "agreement_proposal", "requisition")
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "use_rule": "after_notice"})])
        await delivered(world, agreement_id, 10)
        job.agreement = str(agreement_id)
        at = f"{API}/agreements/{agreement_id}"
        calls = []
        for _ in range(3):
            await job.called(1)
            calls.append(job.call)
        for call in calls[:2]:
            await ok(job.buyer.post(f"{API}/sourcing/calls/{call}/accept", json={}))
        asks = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 1,
        }  # fmt: skip
        asked, consented = [(await ok(job.buyer.post(f"{API}/resales", json=asks), 201))["id"] for _ in range(2)]
        await ok(job.planner.post(f"{API}/resales/{consented}/consent"))
        notice = {"part_id": str(world.part), "act": "use", "quantity": 1}
        await ok(job.buyer.post(f"{at}/notices", json=notice), 201)
        end = await ok(job.planner.post(f"{at}/proposals", json={"ends": True, "note": "We part as friends."}), 201)
        assert "Orders whose units are not with a carrier by then end, in either direction" in end["wording"]
        sign = f"{API}/agreements/proposals/{end['id']}/sign"

        # What is under way hinders it, and then nothing has ended.
        await ok(job.buyer.post(f"{API}/sourcing/calls/{calls[0]}/ship", json=SHIP))
        before = await rows_of(world, *tables)
        no = await refused(job.buyer.post(sign), "agreement.units_busy")
        assert "1 unit on the way." in no["detail"], "nothing that is reserved for an order back"
        await refused(job.planner.post(sign), "proposal.own")
        await refused(job.outsider.post(sign), "proposal.not_found")
        assert await rows_of(world, *tables) == before
        await ok(job.technician.post(f"{API}/sourcing/calls/{calls[0]}/receive"))
        found = {"found": [{"grade": "new", "quantity": 1}]}
        await ok(job.technician.post(f"{API}/sourcing/calls/{calls[0]}/inspect", json=found))

        answers = await asyncio.gather(*(job.buyer.post(sign) for _ in range(2)))
        assert sorted(a.status_code for a in answers) == [200, 409], [a.text for a in answers]
        assert next(a.json()["units"] for a in answers if a.status_code == 200) == 9
        for call in calls[1:]:
            assert (await ok(job.buyer.get(f"{API}/sourcing/calls/{call}")))["status"] == "cancelled"
            last = await world.owner.fetchval(
                "SELECT kind FROM call_event WHERE call_id = $1 ORDER BY id DESC LIMIT 1", UUID(call)
            )
            assert last == "ended_with_agreement"
        mails = await world.owner.fetch(
            "SELECT payload #>> '{mail,text}' AS text FROM outbox_event WHERE aggregate_id = ANY($1::uuid[]) "
            "AND name = 'call.answered' AND payload #>> '{mail,text}' LIKE '%ended by both sides%'",
            [UUID(c) for c in calls[1:]],
        )
        assert len(mails) == 4, "each order, both sides"
        for resale in (asked, consented):
            shown = await ok(job.buyer.get(f"{API}/resales/{resale}"))
            assert (shown["status"], shown["events"][-1]["kind"]) == ("cancelled", "cancelled")
            assert "has ended: nobody has to be asked" in shown["reason"]
        await refused(job.outsider.post(f"{API}/resales/{consented}/join"), "resale.state")
        assert (await ok(job.buyer.get(f"{API}/notices")))["items"] == []
        assert (
            await world.owner.fetchval(
                "SELECT count(*) FROM open_hold h JOIN lot l USING (lot_id) WHERE l.part_id = $1", world.part
            )
            == 0
        )
        assert await under(world, agreement_id) == 0
        async with worker_db.read() as session:
            assert not [m for check in CHECKS for m in await verify(session, check) if str(world.maker.id) in str(m)]


async def test_units_reserved_for_their_buyer_hinder_an_end_by_both_sides(job: Job) -> None:
    world, at = job.world, f"{API}/agreements/{job.agreement}"
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    token = await token_for(world.owner, world.other.users["admin"], world.other.id)
    async with client_for(app_for(world.db), token) as third:
        asks = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 2,
        }  # fmt: skip
        resale = f"{API}/resales/" + (await ok(job.buyer.post(f"{API}/resales", json=asks), 201))["id"]
        await ok(job.planner.post(f"{resale}/consent"))
        text = (await ok(third.get(resale)))["wording_sha256"]
        await ok(third.post(f"{resale}/join", json={"wording_sha256": text}))
    await job.called(1)
    end = await ok(job.planner.post(f"{at}/proposals", json={"ends": True, "note": "We part as friends."}), 201)
    before = await rows_of(world, *TABLES, "resale")
    no = await refused(job.buyer.post(f"{API}/agreements/proposals/{end['id']}/sign"), "agreement.units_busy")
    assert "2 units reserved for a sale." in no["detail"]
    assert await rows_of(world, *TABLES, "resale") == before


async def test_the_holder_ends_it_for_what_is_not_paid_until_it_is(job: Job) -> None:
    world, agreement = job.world, UUID(job.agreement)
    due = local_day(datetime.now(UTC), ZONE)
    line = await owes(world, agreement_id=agreement, due_on=due, part_id=world.part)
    reference = await world.owner.fetchval("SELECT reference FROM settlement_line WHERE id = $1", line)
    # Five days to make it good after the due day, whole days at the holder's site; time in which nothing runs is left out.
    since = end_of_day(due + timedelta(days=5), ZONE)
    least = timedelta(microseconds=1)
    for party, own in ((world.maker, 1), (world.buyer, 0)):
        async with world.db.read(party.tenant) as session:
            soon = await service.breach_of(session, person(party), agreement, since - least)
            late = await service.breach_of(session, person(party), agreement, since)
        assert ([d.until for d in soon.own], len(late.own), len(soon.defaults)) == ([since] * own, own, 0)
        assert len(late.defaults) == 1 - own
        assert all("Pay it" in d.make_good and "After that" in d.other_may for d in soon.own)
    assert "due by" in await no(
        world, "breach.no_default", world.buyer, agreement, Cause.PAYMENT, reference, since - least
    )
    await no(world, "breach.own_default", world.maker, agreement, Cause.PAYMENT, reference, since)
    await world.owner.execute("UPDATE settlement_line SET disputed = amount WHERE id = $1", line)
    await no(world, "breach.no_default", world.buyer, agreement, Cause.PAYMENT, reference, since)
    await world.owner.execute("UPDATE settlement_line SET disputed = 0 WHERE id = $1", line)
    other = await agreed_on(world, [("buy-back", 2, BUY_BACK)])
    await no(world, "breach.not_found", world.buyer, other, Cause.PAYMENT, reference, since)
    first = await agreed(world)
    await no(world, "breach.first_library", world.buyer, first, Cause.PAYMENT, reference, since)
    async with world.db.write(world.maker.tenant) as session:
        await suspend(session, agreement, person(world.maker), "Licence.", since - timedelta(days=1))
    await no(world, "breach.no_default", world.buyer, agreement, Cause.PAYMENT, reference, since)
    await world.owner.execute(
        "UPDATE agreement_event SET at = $2 WHERE subject_id = $1 AND kind = 'suspended'", agreement, since
    )
    done = await ends(world, world.buyer, agreement, Cause.PAYMENT, reference, since)
    assert (done.units, done.orders) == (10, [])
    await no(world, "agreement.state", world.buyer, agreement, Cause.PAYMENT, reference, since)
    assert await world.owner.fetchval("SELECT paid FROM settlement_line WHERE id = $1", line) == Decimal(0), (
        "stays owed"
    )
    # Paid meanwhile: whoever comes first, the other agreement is not ended for it.
    again = await owes(world, agreement_id=other, due_on=due)
    paid = await world.owner.fetchval("SELECT reference FROM settlement_line WHERE id = $1", again)
    await marks(world, world.maker, again)
    results: list[Any] = await asyncio.gather(
        marks(world, world.buyer, again),
        ends(world, world.buyer, other, Cause.PAYMENT, paid, since),
        return_exceptions=True,
    )
    status = await world.owner.fetchval("SELECT status FROM agreement WHERE id = $1", other)
    if isinstance(results[1], DomainError):
        assert (results[1].code, status) == ("breach.no_default", "active")
    else:
        assert status == "terminated"


async def test_units_that_left_without_leave_are_a_default_once_the_time_to_make_good_has_run(job: Job) -> None:
    world, agreement = job.world, UUID(job.agreement)

    async def says(became: Became, quantity: int) -> str:
        async with world.db.write(world.buyer.tenant) as session:
            said = WhatBecame(
                became=became,
                quantity=quantity,
                note="Our word.",
                part_id=world.part,
                site_id=world.buyer.site,
                agreement_id=agreement,
            )
            return str((await say_what_became(session, person(world.buyer), said, now=datetime.now(UTC))).id)

    gone, lost = await says(Became.GIVEN_AWAY, 2), await says(Became.LOST, 1)
    now = datetime.now(UTC)
    since = end_of_day(local_day(now, ZONE) + timedelta(days=5), ZONE)
    await no(world, "breach.no_default", world.maker, agreement, Cause.MISSING, gone, since - timedelta(microseconds=1))
    await no(world, "breach.no_default", world.maker, agreement, Cause.MISSING, lost, since)
    await no(world, "breach.own_default", world.buyer, agreement, Cause.MISSING, gone, since)
    # Who is in default cannot undo it by suspending.
    async with world.db.write(world.buyer.tenant) as session:
        await suspend(session, agreement, person(world.buyer), "We stop.", since + timedelta(hours=1))
    done = await ends(world, world.maker, agreement, Cause.MISSING, gone, since + timedelta(hours=2))
    assert done.units == 7


def test_only_time_that_still_runs_stands_still() -> None:
    terms = COMBINATIONS["standard-buy-back"].terms()
    last, begun = date(2027, 3, 1), datetime(2027, 3, 1, 15, tzinfo=UTC)
    plain = end_of_day(date(2027, 3, 6), ZONE)

    def since(*events: tuple[str, datetime]) -> datetime:
        return default_since(terms, last, ZONE, events, begun, plain + timedelta(days=99))

    assert since() == plain
    after = plain + timedelta(minutes=1)
    assert since(("suspended", after)) == plain
    assert since(("suspended", after), ("resumed", after + timedelta(days=9))) == plain
    within = plain - timedelta(days=2)
    assert since(("suspended", within), ("resumed", within + timedelta(days=3))) == plain + timedelta(days=3)
    assert since(("legal_hold", within)) > plain + timedelta(days=99), "it has stood still ever since"
