"""A holder is on record as insolvent: every agreement with it comes under legal hold, and goes on as exactly when lifted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.schemas import Status
from marketplace.db.session import Database
from marketplace.kit.clock import add_months
from marketplace.safeguards.service import lift_insolvency, record_insolvency
from marketplace.sourcing import service as sourcing
from tests import second
from tests.agreed import agreed, agreed_on, person, rows_of
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

AT = f"{API}/insolvencies"
TABLES = (
    "insolvency", "insolvency_hold", "insolvency_lifted", "agreement", "agreement_event", "purchase_order", "call", "movement",
    "open_hold", "resale", "release", "outbox_event",
)  # fmt: skip
WHY = "Chapter 7 petition filed."
SHIP = {"carrier": "UPS", "tracking": "1Z2"}


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


def body(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "company_id": str(job.world.buyer.id), "reason": WHY, "source": "Bankr. D. Mass., case 26-10123",
        "opened_on": "2026-11-02", "administrator": "J. Ortiz, trustee", **more,
    }  # fmt: skip


async def recorded(job: Job, **more: Any) -> dict[str, Any]:
    return dict(await ok(job.planner.post(AT, json=body(job, **more)), 201))


async def lifted(job: Job, record: str) -> dict[str, Any]:
    return dict(await ok(job.planner.post(f"{AT}/{record}/lift", json={"reason": "The case was dismissed."})))


async def hold(job: Job, agreement: str, held: bool, who: httpx.AsyncClient | None = None) -> httpx.Response:
    return await (who or job.planner).post(
        f"{API}/agreements/{agreement}/legal-hold", json={"held": held, "reason": "A court order."}
    )


async def held(job: Job) -> set[str]:
    rows = await job.world.owner.fetch(
        "SELECT id FROM agreement WHERE maker_id = $1 AND legal_hold", job.world.maker.id
    )
    return {str(r["id"]) for r in rows}


async def test_everything_with_it_stands_still_and_nothing_new_is_begun(job: Job, worker_db: Database) -> None:
    await job.sold(4, offered=12)
    await job.called(1)
    unsigned = Job(**vars(job))
    await unsigned.ordered(2)
    unsigned.agreement = (await ok(job.planner.post(f"{API}/orders/{unsigned.order}/accept")))["id"]
    unshipped = Job(**vars(job))
    await unshipped.ordered(2)
    await unshipped.signed()
    placed = Job(**vars(job))
    await placed.ordered(2)
    made = await recorded(job)
    assert (made["stands"], made["found"], made["holds"], made["company"]) == (True, 3, 3, job.world.buyer.name)
    assert await held(job) == {job.agreement, unsigned.agreement, unshipped.agreement}
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}), "agreement.legal_hold")
    assert job.world.maker.name in said["detail"]
    await refused(job.buyer.post(f"{API}/agreements/{unsigned.agreement}/sign"), "agreement.legal_hold")
    await refused(job.planner.post(f"{API}/orders/{unshipped.order}/ship", json=SHIP), "agreement.legal_hold")
    said = await refused(job.planner.post(f"{API}/orders/{placed.order}/accept"), "company.insolvent")
    assert "Decline the order" in said["detail"]
    assert "2 Nov 2026" in said["detail"]
    late = datetime.now(UTC) + timedelta(days=40)
    async with worker_db.write() as session:
        assert await sourcing.act_on_silence(session, UUID(int=0), UUID(job.call), late) is None
    assert await rows_of(job.world, *TABLES) == before
    # Its units are no cover for anything, and the search says why.
    places = [c for c in await job.candidates() if c["kind"] == "buy_back"]
    assert sum(c["callable"] for c in places) == 0
    told = [b["words"] for c in places for b in c["blocked"]]
    assert any("legal hold" in words for words in told), told
    # What was offered by name cannot be published for it; the order can be declined.
    await ok(job.planner.post(f"{API}/orders/{placed.order}/decline", json={"reason": "other", "note": "Insolvent."}))
    # And when it goes on, everything does.
    done = await lifted(job, made["id"])
    assert (done["stands"], done["holds"], done["holds_lifted"]) == (False, 0, 3)
    assert await held(job) == set()
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/agreements/{unsigned.agreement}/sign"))
    await ok(job.planner.post(f"{API}/orders/{unshipped.order}/ship", json=SHIP))


async def test_nothing_is_published_for_it_by_name(job: Job) -> None:
    await job.released(3)
    draft = dict((await ok(job.planner.get(f"{API}/releases/{job.release}"))).items())
    await job.world.register(job.world.maker, 5)
    made = await recorded(job)
    new = {
        "title": "For them", "clause": draft["clause"], "version": draft["version"], "terms": draft["terms"],
        "use_class": draft["use_class"], "audience": "named", "audience_ids": [str(job.world.buyer.id)],
    }  # fmt: skip
    release = (await ok(job.planner.post(f"{API}/releases", json=new), 201))["id"]
    line = {
        "part_id": str(job.world.part), "site_id": str(job.world.maker.site), "condition": "new", "quantity": 2,
        "unit_price": "80.00",
    }  # fmt: skip
    await ok(job.planner.put(f"{API}/releases/{release}/lines", json={"lines": [line]}))
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.planner.post(f"{API}/releases/{release}/publish"), "company.insolvent")
    assert "Take it off the named partners" in said["detail"]
    assert await rows_of(job.world, *TABLES) == before
    await lifted(job, made["id"])
    await ok(job.planner.post(f"{API}/releases/{release}/publish"))


async def test_lifting_takes_back_exactly_what_the_record_set(job: Job) -> None:
    world = job.world
    ours, by_court, by_holder, released, again = [str(await agreed(world)) for _ in range(5)]
    assert (await hold(job, by_court, True)).status_code == 200
    assert (await hold(job, by_holder, True, job.buyer)).status_code == 200
    made = await recorded(job)
    assert (made["found"], made["holds"]) == (5, 3)
    assert {a["agreement_id"] for a in made["agreements"] if a["held_before"]} == {by_court, by_holder}
    # One is released with the estate's leave, another is too, and is then held anew for a reason of its own.
    for one in (released, again):
        assert (await hold(job, one, False)).status_code == 200
    assert (await hold(job, again, True)).status_code == 200
    assert await held(job) == {ours, by_court, by_holder, again}
    # What was held before cannot be lifted from under the record, by either side.
    before = await rows_of(world, *TABLES)
    assert (await hold(job, by_court, False)).json()["code"] == "agreement.insolvency"
    assert (await hold(job, by_holder, False, job.buyer)).json()["code"] == "agreement.insolvency"
    assert (await hold(job, ours, False, job.buyer)).json()["code"] == "agreement.held_by_other"
    assert await rows_of(world, *TABLES) == before
    done = await lifted(job, made["id"])
    assert done["holds_lifted"] == 1
    assert await held(job) == {by_court, by_holder, again}
    assert (await hold(job, by_court, False)).status_code == 200
    assert (await hold(job, by_holder, False, job.buyer)).status_code == 200
    kinds = [e["kind"] for e in (await ok(job.buyer.get(f"{API}/agreements/{ours}")))["events"]]
    assert kinds[-2:] == ["legal_hold", "legal_hold_lifted"] or kinds[:2] == ["legal_hold_lifted", "legal_hold"]
    # And the same company again: another record.
    second = await recorded(job, reason="A second petition.")
    assert second["holds"] == 4
    rows = await ok(job.planner.get(AT, params={"standing": "true"}))
    assert [r["id"] for r in rows["items"]] == [second["id"]]
    rows = await ok(job.planner.get(AT))
    assert [r["id"] for r in rows["items"]] == [second["id"], made["id"]]


async def test_a_hold_beside_that_of_a_record_stands_when_the_record_is_lifted(job: Job) -> None:
    """The holder's own hold, for another reason, in two agreements: of one it is lifted before the record, of one after it."""
    world = job.world
    before, after = [str(await agreed(world)) for _ in range(2)]
    record = (await recorded(job))["id"]
    for one in (before, after):
        answer = await hold(job, one, True, job.buyer)
        assert answer.status_code == 200, answer.text
        assert [(h["company"], h["insolvency_id"]) for h in answer.json()["holds"]] == [
            (world.maker.name, record), (world.buyer.name, None),
        ]  # fmt: skip
    assert (await hold(job, before, False, job.buyer)).json()["legal_hold"] is True, "the record's hold stands"
    assert (await lifted(job, record))["holds_lifted"] == 1
    assert await held(job) == {after}
    kept = await rows_of(world, *TABLES)
    assert (await hold(job, after, False)).json()["code"] == "agreement.held_by_other"
    assert await rows_of(world, *TABLES) == kept
    shown = await ok(job.planner.get(f"{API}/agreements/{after}"))
    assert [(h["company"], h["insolvency_id"]) for h in shown["holds"]] == [(world.buyer.name, None)]
    assert (await hold(job, after, False, job.buyer)).json()["legal_hold"] is False
    assert await held(job) == set()


async def test_what_cannot_be_recorded(job: Job) -> None:
    made = await recorded(job)
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.planner.post(AT, json=body(job)), "insolvency.recorded")
    assert said["facts"]["insolvency_id"] == made["id"]
    future = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    await refused(job.planner.post(AT, json=body(job, opened_on=future)), "insolvency.opened_on")
    await refused(job.planner.post(AT, json=body(job, company_id=str(job.world.maker.id))), "insolvency.company")
    await refused(job.planner.post(AT, json=body(job, company_id=str(UUID(int=9)))), "company.not_found")
    await refused(job.planner.post(AT, json=body(job, reason=" ")), "insolvency.reason")
    await refused(job.buyer.post(AT, json=body(job, company_id=str(job.world.other.id))), "insolvency.maker")
    await refused(job.technician.post(AT, json=body(job)), "actor.role")
    assert await rows_of(job.world, *TABLES) == before
    await ok(
        job.planner.post(f"{AT}/{made['id']}/notes", json={"note": "Trustee changed.", "administrator": "M. Vogt"}), 201
    )
    told = await ok(job.planner.get(f"{AT}/{made['id']}"))
    assert (told["administrator"], [n["note"] for n in told["notes"]]) == ("M. Vogt", ["Trustee changed."])
    await lifted(job, made["id"])
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{AT}/{made['id']}/lift", json={"reason": "Again."}), "insolvency.lifted")
    assert await rows_of(job.world, *TABLES) == before


async def test_it_is_the_makers_own_record(job: Job) -> None:
    await job.sold(2, offered=2)
    made = await recorded(job)
    async with AsyncExitStack() as stack:
        token = await token_for(job.world.owner, job.world.other.users["admin"], job.world.other.id)
        stranger = await stack.enter_async_context(client_for(app_for(job.world.db), token))
        for who in (job.buyer, stranger):
            assert (await ok(who.get(AT)))["items"] == []
            assert len((await who.get(f"{AT}.csv")).text.splitlines()) == 1
            before = await rows_of(job.world, *TABLES)
            await refused(who.get(f"{AT}/{made['id']}"), "insolvency.not_found")
            await refused(who.post(f"{AT}/{made['id']}/lift", json={"reason": "No."}), "insolvency.not_found")
            await refused(who.post(f"{AT}/{made['id']}/notes", json={"note": "No."}), "insolvency.not_found")
            assert await rows_of(job.world, *TABLES) == before
    for table in ("insolvency", "insolvency_hold"):
        async with job.world.db.read(job.world.buyer.tenant) as session:
            from marketplace.db.session import fetch_value

            assert await fetch_value(session, f"SELECT count(*) FROM {table}") == 0
    # The holder reads the legal hold and its reason, and nothing of the source.
    theirs = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
    assert theirs["legal_hold"]
    assert any(WHY in str(e) for e in theirs["events"])
    assert "26-10123" not in str(theirs)
    file = (await job.planner.get(f"{AT}.csv")).text
    assert "Bankr. D. Mass., case 26-10123" in file


async def test_as_many_statements_for_many_agreements_as_for_one(world: World) -> None:
    def one(party: Any) -> Any:
        return person(party, "planner")

    async def count() -> tuple[int, int]:
        with counted(world.db) as sent:
            async with world.db.write(world.maker.tenant) as session:
                made = await record_insolvency(
                    session, one(world.maker), company_id=world.buyer.id, reason=WHY, source="Court",
                    opened_on=datetime.now(UTC).date(), administrator="", now=datetime.now(UTC),
                )  # fmt: skip
            first = len(sent)
            async with world.db.write(world.maker.tenant) as session:
                await lift_insolvency(session, one(world.maker), made.id, reason="Dismissed.", now=datetime.now(UTC))
        return first, len(sent) - first

    async def more(times: int) -> None:
        for _ in range(times):
            await agreed(world)
            # Of the second library: windows that a freeze lengthens, and deadlines for a renewal, move as it is lifted.
            for insolvency in ("freeze", "freeze_and_add"):
                await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "insolvency": insolvency})])

    await more(1)
    await count()
    few = await count()
    await more(5)
    assert await count() == few


async def test_recorded_twice_at_once_it_is_recorded_once(job: Job) -> None:
    for _ in range(3):
        await agreed(job.world)
    for _ in range(4):
        answers = await asyncio.gather(*(job.planner.post(AT, json=body(job)) for _ in range(4)))
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
        record = next(a.json() for a in answers if a.status_code == 201)
        lifts = await asyncio.gather(
            *(job.planner.post(f"{AT}/{record['id']}/lift", json={"reason": "Dismissed."}) for _ in range(3))
        )
        assert sorted(a.status_code for a in lifts) == [200, 409, 409]
        assert await held(job) == set()


async def test_recording_while_a_unit_ships_and_an_order_is_accepted(job: Job) -> None:
    """Each comes first or is refused: nothing ships under the hold, no agreement slips past the record."""
    for turn in range(4):
        job.world.part = await job.world.make_part(f"{job.world.tag}-{turn}")
        await job.sold(4, offered=8)
        await job.called(1)
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
        await job.ordered(2)
        acts = [
            job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json=SHIP),
            job.planner.post(AT, json=body(job)),
            job.planner.post(f"{API}/orders/{job.order}/accept"),
        ]
        tags = ["ship", "record", "accept"]
        order = list(zip(tags, acts, strict=True))
        random.Random(turn).shuffle(order)
        answers = dict(zip([t for t, _ in order], await asyncio.gather(*(a for _, a in order)), strict=True))
        assert answers["record"].status_code == 201, answers["record"].text
        assert answers["ship"].status_code in {200, 409}, answers["ship"].text
        assert answers["accept"].status_code in {200, 201, 409}, answers["accept"].text
        record = answers["record"].json()
        free = await job.world.owner.fetchval(
            "SELECT count(*) FROM agreement WHERE maker_id = $1 AND NOT legal_hold", job.world.maker.id
        )
        assert free == 0
        if answers["accept"].status_code == 409:
            assert answers["accept"].json()["code"] == "company.insolvent"
        if answers["ship"].status_code == 409:
            assert answers["ship"].json()["code"] == "agreement.legal_hold"
            await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json=SHIP), "agreement.legal_hold")
        await lifted(job, record["id"])


async def test_no_resale_goes_to_it(job: Job) -> None:
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    async with AsyncExitStack() as stack:
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        await job.sold(4, offered=4)
        ask = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 1,
        }  # fmt: skip
        resale = (await ok(job.buyer.post(f"{API}/resales", json=ask), 201))["id"]
        made = await recorded(job, company_id=str(world.other.id))
        before = await rows_of(world, *TABLES)
        await refused(job.planner.post(f"{API}/resales/{resale}/consent"), "company.insolvent")
        assert await rows_of(world, *TABLES) == before
        await lifted(job, made["id"])
        await ok(job.planner.post(f"{API}/resales/{resale}/consent"))
        made = await recorded(job, company_id=str(world.other.id))
        before = await rows_of(world, *TABLES)
        await refused(third.post(f"{API}/resales/{resale}/join"), "company.insolvent")
        assert await rows_of(world, *TABLES) == before
        await lifted(job, made["id"])
        await ok(third.post(f"{API}/resales/{resale}/join"))
        # Now it holds an agreement: it comes under the hold, and what is on its shelf to be shipped to it stays.
        await recorded(job, company_id=str(world.other.id))
        before = await rows_of(world, *TABLES)
        await refused(job.buyer.post(f"{API}/resales/{resale}/ship", json=SHIP), "agreement.legal_hold")
        assert await rows_of(world, *TABLES) == before


@pytest.mark.parametrize("status", get_args(Status))
async def test_what_is_not_over_is_held_in_whatever_state_it_is(job: Job, status: str) -> None:
    agreement = await agreed(job.world)
    await job.world.owner.execute("UPDATE agreement SET status = $2 WHERE id = $1", agreement, status)
    over = status in {"closed", "terminated", "superseded", "withdrawn"}
    made = await recorded(job)
    assert await held(job) == (set() if over else {str(agreement)})
    # What ends meanwhile, or not: lifting takes the hold back.
    await lifted(job, made["id"])
    assert await held(job) == set()


async def test_the_days_of_a_freeze_are_added_as_it_is_lifted(world: World) -> None:
    now = datetime.now(UTC)
    began = add_months(now.date(), -12)
    adds = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "insolvency": "freeze_and_add"})], schedule_date=began)
    runs_on = await agreed_on(world, [("buy-back", 2, dict(BUY_BACK))], schedule_date=began)

    async def ends() -> dict[UUID, tuple[datetime, datetime]]:
        rows = await world.owner.fetch(
            "SELECT id, window_closes_at, decide_by FROM agreement WHERE maker_id = $1", world.maker.id
        )
        return {r["id"]: (r["window_closes_at"], r["decide_by"]) for r in rows}

    before = await ends()
    async with world.db.write(world.maker.tenant) as session:
        made = await record_insolvency(
            session, person(world.maker, "planner"), company_id=world.buyer.id, reason=WHY, source="Court",
            opened_on=now.date(), administrator="", now=now,
        )  # fmt: skip
    later = now + timedelta(days=30)
    async with world.db.write(world.maker.tenant) as session:
        await lift_insolvency(session, person(world.maker, "planner"), made.id, reason="Dismissed.", now=later)
    after = await ends()
    assert [(a - b).days for a, b in zip(after[adds], before[adds], strict=True)] == [30, 30]
    assert after[runs_on][0] == before[runs_on][0], "the window runs on"
    assert after[runs_on][1] - before[runs_on][1] == timedelta(days=30), "but nobody could decide meanwhile"


async def test_no_replacement_is_sent_into_its_hands_and_none_is_bought_meanwhile(
    job: Job, worker_db: Database
) -> None:
    await job.sold(4, preset="wide-access")
    await job.called(1)
    await job.came_back(1)
    made = await recorded(job)
    send = {"quantity": 1, "site_id": str(job.world.maker.site), "condition": "new", **SHIP}
    tables = (*TABLES, "replacement", "settlement_line")
    before = await rows_of(job.world, *tables)
    await refused(job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=send), "agreement.legal_hold")
    async with worker_db.write() as session:
        late = datetime.now(UTC) + timedelta(days=900)
        await sourcing.buy_unreplaced(session, UUID(int=0), UUID(job.call), late)
    assert await rows_of(job.world, *tables) == before
    await lifted(job, made["id"])
    await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=send))
