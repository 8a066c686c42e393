"""Changing and ending agreements by both sides: proposals, countered or signed, and what becomes of the units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements import queries, service, tasks
from marketplace.agreements.changes import differences, only_longer
from marketplace.agreements.presets import PRESETS
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger.queries import CHECKS, verify
from marketplace.orders.tasks import listeners
from marketplace.outbox.service import Event
from tests.agreed import person, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = ("agreement", "agreement_line", "agreement_proposal", "agreement_event", "movement", "framework", "position")
CLOCK = UUID(int=0)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


def at(job: Job, agreement: str = "") -> str:
    return f"{API}/agreements/{agreement or job.agreement}"


async def terms_now(job: Job, agreement: str = "") -> dict[str, Any]:
    return dict((await ok(job.planner.get(at(job, agreement))))["terms"])


async def proposed(job: Job, who: Any = None, **changed: Any) -> dict[str, Any]:
    terms = {**await terms_now(job), **changed}
    body = {"clause": terms["clause"], "version": terms["version"], "terms": terms, "note": "As agreed by telephone."}
    return dict(await ok((who or job.planner).post(f"{at(job)}/proposals", json=body), 201))


async def sign(job: Job, proposal: dict[str, Any], who: Any = None) -> dict[str, Any]:
    body = {"wording_sha256": proposal["wording_sha256"]}
    return dict(await ok((who or job.buyer).post(f"{API}/agreements/proposals/{proposal['id']}/sign", json=body)))


async def under(job: Job) -> dict[str | None, int]:
    """Units of the part by the agreement they stand under."""
    rows = await job.world.owner.fetch(
        "SELECT a.reference, sum(p.quantity)::int AS units FROM position p LEFT JOIN agreement a ON a.id = p.agreement_id "
        "WHERE p.part_id = $1 AND p.quantity > 0 GROUP BY a.reference",
        job.world.part,
    )
    return {r["reference"]: r["units"] for r in rows}


async def events(job: Job, agreement: str = "") -> list[str]:
    return [e["kind"] for e in (await ok(job.planner.get(at(job, agreement))))["events"]]


def test_differences_are_told_term_by_term() -> None:
    before = PRESETS["access-first"].terms()
    after = PRESETS["access-first"].terms(window_end_months=120, notice_days_stock=30)
    told = [(d.term, d.before, d.after) for d in differences(before, after)]
    assert told == [("window_end_months", "96 months", "120 months"), ("notice_days_stock", "20 days", "30 days")]
    assert not differences(before, before)
    longer = PRESETS["access-first"].terms(window_end_months=120)
    assert only_longer(before, longer, differences(before, longer))
    assert not only_longer(longer, before, differences(longer, before))
    assert not only_longer(before, after, differences(before, after))
    other = {d.term: (d.before, d.after) for d in differences(before, PRESETS["standard-access"].terms())}
    assert other["clause"] == ("buy-back, version 1", "access-back, version 1")
    assert other["price"][1] == other["replace_days"][0] == "no such term"


async def test_a_change_that_both_signed_replaces_the_agreement_and_moves_every_unit(
    job: Job, worker_db: Database
) -> None:
    await job.sold(4, offered=4, preset="access-first")
    old = await ok(job.planner.get(at(job)))
    proposal = await proposed(job, window_end_months=120)
    assert [(d["term"], d["before"], d["after"]) for d in proposal["differences"]] == [
        ("window_end_months", "96 months", "120 months")
    ]
    assert old["reference"].replace("-", "\\-") in proposal["wording"], "the text names what it replaces"
    assert (await ok(job.buyer.get(at(job))))["status"] == "active", "nothing changes before the second signature"

    done = await sign(job, proposal)
    assert done == {"agreement_id": done["agreement_id"], "reference": proposal["reference"], "units": 4}
    new = await ok(job.buyer.get(at(job, done["agreement_id"])))
    assert (new["status"], new["terms"]["window_end_months"]) == ("active", 120)
    assert new["wording"] == proposal["wording"]
    assert new["schedule_date"] == old["schedule_date"]
    assert new["window_closes_at"] > old["window_closes_at"]
    assert [(x["quantity_sold"], x["minimum_to_keep"], x["remaining"]) for x in new["schedule"]] == [(4, 0, 4)]
    assert new["maker_signed_at"]
    assert new["holder_signed_at"]
    assert await events(job, done["agreement_id"]) == ["offered", "renewed"]
    assert (await ok(job.planner.get(at(job))))["status"] == "superseded"
    assert await under(job) == {proposal["reference"]: 4}
    async with job.world.db.read(job.world.maker.tenant) as session:
        found = await queries.neighbours(session, UUID(done["agreement_id"]))
        assert found.replaces == (UUID(job.agreement), old["reference"])
    async with worker_db.read() as session:
        broken = [name for name in CHECKS if await verify(session, name)]
    assert not broken
    # Ordered back under the new terms, used under the new terms.
    assert [c["agreement"] for c in await job.candidates() if c["kind"] == "buy_back"] == [proposal["reference"]]
    await job.called(1)
    await job.came_back(1)
    assert (await ok(job.planner.get(at(job, done["agreement_id"]))))["schedule"][0]["taken_back"] == 1
    kept = await ok(job.planner.get(f"{at(job, done['agreement_id'])}/books"))
    assert kept["recorded_at"], "classified anew for the maker's books"


async def test_counters_go_back_and_forth_and_only_the_last_can_be_signed(job: Job) -> None:
    await job.sold(4, offered=4)
    first = await proposed(job, window_end_months=72)
    second = await proposed(job, job.buyer, window_end_months=72, notice_days_stock=30)
    assert second["answers_id"] == first["id"]
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{API}/agreements/proposals/{first['id']}/sign"), "proposal.closed")
    await refused(job.buyer.post(f"{API}/agreements/proposals/{second['id']}/sign"), "proposal.own")
    await refused(job.outsider.post(f"{API}/agreements/proposals/{second['id']}/sign"), "proposal.not_found")
    await refused(job.outsider.get(f"{at(job)}/proposals"), "agreement.not_found")
    await refused(
        job.planner.post(f"{API}/agreements/proposals/{second['id']}/sign", json={"wording_sha256": "0" * 64}),
        "agreement.other_text",
    )
    await refused(job.planner.post(f"{API}/agreements/proposals/{second['id']}/decline"), "agreement.reason")
    assert await rows_of(job.world, *TABLES) == before
    done = await sign(job, second, job.planner)
    assert (await terms_now(job, done["agreement_id"]))["notice_days_stock"] == 30
    told = await ok(job.planner.get(f"{at(job)}/proposals"))
    assert [(p["status"], p["proposed_by"]) for p in told] == [
        ("accepted", job.world.buyer.name), ("countered", job.world.maker.name),
    ]  # fmt: skip


async def test_declining_and_taking_back_leave_everything_as_it_is(job: Job) -> None:
    await job.sold(4, offered=4)
    before = await rows_of(job.world, "agreement", "agreement_line", "movement", "position")
    first = await proposed(job, window_end_months=72)
    answer = await job.buyer.post(
        f"{API}/agreements/proposals/{first['id']}/decline", json={"reason": "Seven years are too long."}
    )
    assert answer.status_code == 204
    second = await proposed(job, window_end_months=66)
    assert (await job.planner.post(f"{API}/agreements/proposals/{second['id']}/decline")).status_code == 204
    told = await ok(job.buyer.get(f"{at(job)}/proposals"))
    assert [(p["status"], p["reason"]) for p in told] == [
        ("withdrawn", None), ("declined", "Seven years are too long."),
    ]  # fmt: skip
    await refused(job.buyer.post(f"{API}/agreements/proposals/{second['id']}/sign"), "proposal.closed")
    assert await rows_of(job.world, "agreement", "agreement_line", "movement", "position") == before


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, "proposal.nothing"),
        ({"window_end_months": 0}, "terms.invalid"),
        ({"minimum_to_keep": 5_000_000}, "terms.invalid"),
        ({"use_class": "intermediate_good"}, "agreement.use_class"),
    ],
)
async def test_terms_that_cannot_be_are_refused_and_nothing_changes(
    job: Job, changed: dict[str, Any], code: str
) -> None:
    await job.sold(4, offered=4)
    before = await rows_of(job.world, *TABLES)
    terms = {**await terms_now(job), **changed}
    body = {"clause": "buy-back", "version": 1, "terms": terms}
    await refused(job.planner.post(f"{at(job)}/proposals", json=body), code)
    await refused(job.planner.post(f"{at(job)}/proposals", json={"clause": "buy-back"}), "proposal.terms")
    await refused(job.planner.post(f"{at(job)}/proposals", json={**body, "ends": True}), "proposal.terms")
    await refused(job.outsider.post(f"{at(job)}/proposals", json=body), "agreement.not_found")
    twice = [{"part_id": str(job.world.part), "minimum_to_keep": keep} for keep in (1, 2)]
    await refused(job.planner.post(f"{at(job)}/proposals", json={**body, "minimums": twice}), "proposal.minimums")
    await refused(job.technician.post(f"{at(job)}/proposals", json=body), "actor.role")
    assert await rows_of(job.world, *TABLES) == before


async def test_an_end_frees_the_units_and_leaves_what_is_owed(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    await job.came_back(1)
    owed = await rows_of(job.world, "settlement_line")
    await refused(job.buyer.post(f"{at(job)}/proposals", json={"ends": True}), "agreement.reason")
    body = {"ends": True, "note": "We close the site."}
    proposal = await ok(job.buyer.post(f"{at(job)}/proposals", json=body), 201)
    assert proposal["terms"] is None
    assert proposal["differences"] == []
    done = await sign(job, proposal, job.planner)
    assert (done["agreement_id"], done["units"]) == (None, 3)
    ended = await ok(job.buyer.get(at(job)))
    assert (ended["status"], ended["status_reason"]) == ("terminated", "We close the site.")
    assert await under(job) == {None: 4}
    assert [c for c in await job.candidates() if c["kind"] == "buy_back"] == []
    assert await rows_of(job.world, "settlement_line") == owed
    for verb in ("sign", "proposals", "suspend", "close"):
        answer = await job.buyer.post(
            f"{at(job)}/{verb}", json={"ends": True, "note": "again"} if verb == "proposals" else {"reason": "again"}
        )
        assert answer.status_code in {409, 422}, (verb, answer.text)


async def test_units_under_way_finish_under_the_terms_they_set_out_with(job: Job) -> None:
    await job.sold(4, offered=4)
    proposal = await proposed(job, window_end_months=72)
    await job.called(1)
    steps: list[tuple[Any, str]] = [
        (job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}), "reserved for orders"),
        (job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}),
         "on the way"),
        (job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"), "with the manufacturer"),
    ]  # fmt: skip
    for step, words in steps:
        await ok(step)
        before = await rows_of(job.world, *TABLES)
        said = await refused(
            job.buyer.post(f"{API}/agreements/proposals/{proposal['id']}/sign"), "agreement.units_busy"
        )
        assert words in said["detail"]
        assert await rows_of(job.world, *TABLES) == before
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 1}))
    done = await sign(job, proposal)
    assert done["units"] == 3
    new = await ok(job.planner.get(at(job, done["agreement_id"])))
    assert (new["exercises"], new["schedule"][0]["taken_back"]) == (1, 1), "counters go on from where they stood"


async def test_what_is_received_after_the_change_comes_under_the_new_terms(job: Job) -> None:
    """An order still on the way, and a replacement that is still owed."""
    await job.released(6, preset="wide-access")
    await job.ordered(4)
    await job.signed()
    await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
    first = await sign(job, await proposed(job, replace_days=120))
    lines = [{"line_no": 1, "good": 3, "short": 1, "note": "One is missing."}]
    await ok(job.buyer.post(f"{API}/orders/{job.order}/receive", json={"lines": lines}))
    assert (await under(job))[first["reference"]] == 3
    new = await ok(job.planner.get(at(job, first["agreement_id"])))
    assert new["schedule"][0]["not_accepted"] == 1

    job.agreement = first["agreement_id"]
    await job.called(1)
    await job.came_back(1)
    second = await sign(job, await proposed(job, replace_days=150))
    body = {
        "quantity": 1,
        "site_id": str(job.world.maker.site),
        "condition": "new",
        "carrier": "UPS",
        "tracking": "1Z9",
    }
    sent = await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=body))
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{sent['id']}/receive", json={"good": 1}))
    assert (await under(job))[second["reference"]] == 3
    newest = await ok(job.planner.get(at(job, second["agreement_id"])))
    assert newest["schedule"][0]["taken_back"] == 0


async def test_a_proposal_that_nobody_answers_lapses(job: Job) -> None:
    await job.sold(4, offered=4)
    proposal = await proposed(job, window_end_months=72)
    later = datetime.now(UTC) + timedelta(days=31)
    async with job.world.db.write(job.world.buyer.tenant) as session:
        with pytest.raises(DomainError) as late:
            await service.accept_proposal(session, person(job.world.buyer), UUID(proposal["id"]), later)
    assert late.value.code == "proposal.lapsed"
    assert await under(job) == {(await ok(job.planner.get(at(job))))["reference"]: 4}
    async with job.world.db.write(job.world.buyer.tenant) as session:
        await service.propose_end(
            session, person(job.world.buyer), UUID(job.agreement), text="Let us end it.", now=later
        )
    told = await ok(job.planner.get(f"{at(job)}/proposals"))
    assert [p["status"] for p in told] == ["open", "lapsed"]


async def test_both_countering_and_signing_at_once_end_in_one_outcome(job: Job) -> None:
    """Signing, countering and ordering back at once: exactly one change, every unit under one agreement or reserved."""
    await job.sold(4, offered=4)
    proposal = await proposed(job, window_end_months=72)
    candidate = next(c for c in await job.candidates() if c["kind"] == "buy_back")
    terms = {**await terms_now(job), "window_end_months": 71}
    answers = await asyncio.gather(
        *(job.buyer.post(f"{API}/agreements/proposals/{proposal['id']}/sign") for _ in range(3)),
        job.buyer.post(f"{at(job)}/proposals", json={"clause": "buy-back", "version": 1, "terms": terms}),
        job.technician.post(f"{API}/sourcing/order-back", json={**job.need(1), "key": candidate["key"]}),
    )
    assert all(a.status_code < 500 for a in answers), [a.text for a in answers]
    assert sum(a.status_code == 200 for a in answers[:3]) <= 1
    live = await job.world.owner.fetch(
        "SELECT id, status FROM agreement WHERE maker_id = $1 AND status = 'active'", job.world.maker.id
    )
    assert len(live) == 1
    stand = await job.world.owner.fetch(
        "SELECT DISTINCT agreement_id FROM position WHERE part_id = $1 AND quantity > 0 AND holder_id = $2",
        job.world.part,
        job.world.buyer.id,
    )
    assert [r["agreement_id"] for r in stand] == [live[0]["id"]]
    calls = await job.world.owner.fetch("SELECT agreement_id FROM call WHERE maker_id = $1", job.world.maker.id)
    assert all(c["agreement_id"] == live[0]["id"] for c in calls)


async def test_the_clock_says_that_a_right_ends_and_either_side_closes_what_has_ended(
    job: Job, worker_db: Database
) -> None:
    await job.sold(4, offered=4)
    closes = await job.world.owner.fetchval("SELECT window_closes_at FROM agreement WHERE id = $1", UUID(job.agreement))
    await refused(job.buyer.post(f"{at(job)}/close"), "agreement.state")
    for moment, status, kinds in (
        (closes - timedelta(days=91), "active", []),
        (closes - timedelta(days=89), "expiring", ["expiring"]),
        (closes + timedelta(minutes=1), "run_off", ["expiring", "run_off"]),
    ):
        for _ in range(2):
            await asyncio.gather(*(tasks.mark_ends(worker_db, CLOCK, moment) for _ in range(2)))
        assert (await ok(job.planner.get(at(job))))["status"] == status
        assert [k for k in await events(job) if k in {"expiring", "run_off"}] == kinds
    assert sum((await under(job)).values()) == 4
    (line,) = (await ok(job.buyer.get(f"{API}/holdings")))["items"]
    ended = f"{closes - timedelta(days=1):%b %Y}"
    assert line["badge"] == f"Buy-back · ended {ended}", "nobody reads that units may still be ordered back"
    assert f"The right ended in {ended}" in line["sentence"]
    await ok(job.buyer.post(f"{at(job)}/close"))
    assert (await ok(job.planner.get(at(job))))["status"] == "closed"
    assert await under(job) == {None: 4}


async def test_a_late_clock_goes_both_steps_at_once(job: Job, worker_db: Database) -> None:
    await job.sold(4, offered=4)
    await tasks.mark_ends(worker_db, CLOCK, datetime.now(UTC) + timedelta(days=366 * 40))
    assert (await ok(job.planner.get(at(job))))["status"] == "run_off"
    assert [k for k in await events(job) if k in {"expiring", "run_off"}] == ["expiring", "run_off"]


async def test_suspension_and_legal_hold_over_the_api(job: Job) -> None:
    await job.sold(4, offered=4)
    done = await ok(job.planner.post(f"{at(job)}/suspend", json={"reason": "Export licence under review."}))
    assert (done["status"], done["legal_hold"]) == ("suspended", False)
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at(job)}/resume"), "agreement.suspended_by_other")
    await refused(job.planner.post(f"{at(job)}/suspend", json={"reason": "Again."}), "agreement.state")
    await refused(job.outsider.post(f"{at(job)}/suspend", json={"reason": "Mine."}), "agreement.not_found")
    assert await rows_of(job.world, *TABLES) == before
    # The other side's stands beside it on its own: each lifts its own.
    both = await ok(job.buyer.post(f"{at(job)}/suspend", json={"reason": "Strike."}))
    assert [(s["company"], s["reason"]) for s in both["suspensions"]] == [
        (job.world.maker.name, "Export licence under review."), (job.world.buyer.name, "Strike."),
    ]  # fmt: skip
    left = await ok(job.planner.post(f"{at(job)}/resume"))
    assert (left["status"], [s["company"] for s in left["suspensions"]]) == ("suspended", [job.world.buyer.name])
    await refused(job.planner.post(f"{at(job)}/resume"), "agreement.suspended_by_other")
    assert [s["reason"] for s in (await ok(job.planner.get(at(job))))["suspensions"]] == ["Strike."]
    assert (await ok(job.buyer.post(f"{at(job)}/resume")))["status"] == "active"
    hold = {"held": True, "reason": "Insolvency proceedings were opened."}
    assert (await ok(job.planner.post(f"{at(job)}/legal-hold", json=hold)))["legal_hold"] is True
    await refused(job.buyer.post(f"{at(job)}/legal-hold", json={**hold, "held": False}), "agreement.held_by_other")
    lifted = await ok(job.planner.post(f"{at(job)}/legal-hold", json={**hold, "held": False}))
    assert lifted["legal_hold"] is False


async def test_under_legal_hold_nothing_is_changed_or_ended(job: Job) -> None:
    await job.sold(4, offered=4)
    change = await proposed(job, window_end_months=72)
    hold = {"held": True, "reason": "Insolvency proceedings were opened."}
    await ok(job.planner.post(f"{at(job)}/legal-hold", json=hold))
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{API}/agreements/proposals/{change['id']}/sign"), "agreement.legal_hold")
    assert await rows_of(job.world, *TABLES) == before
    end = await ok(job.planner.post(f"{at(job)}/proposals", json={"ends": True, "note": "Let us end it."}), 201)
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{API}/agreements/proposals/{end['id']}/sign"), "agreement.legal_hold")
    assert await rows_of(job.world, *TABLES) == before


async def test_an_order_that_has_not_shipped_goes_on_under_what_was_changed(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(10)
        await job.ordered(4)
        await job.signed()
        done = await sign(job, await proposed(job, report_within_days=22))
        told = listeners(worker_db)["agreement.superseded"]
        event = Event(1, "agreement.superseded", "agreement", UUID(job.agreement), {}, (), 0)
        await asyncio.gather(*(told(event) for _ in range(2)))
        shown = await ok(job.buyer.get(f"{API}/orders/{job.order}"))
        assert shown["agreement_id"] == done["agreement_id"]
        await job.delivered(4)
        assert await under(job) == {done["reference"]: 4, None: 6}


@pytest.mark.parametrize("how", ["ended_by_both", "ended_for_breach"])
async def test_an_order_that_has_not_shipped_ends_with_its_agreement(
    world: World, worker_db: Database, how: str
) -> None:
    name = "agreement.terminated" if how == "ended_by_both" else "agreement.ended_for_breach"
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(10)
        await job.ordered(4)
        await job.signed()
        told = listeners(worker_db)[name]
        event = Event(1, name, "agreement", UUID(job.agreement), {}, (), 0)
        await told(event)
        assert (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["shown_status"] == "signed", "it still holds"
        end = await ok(job.planner.post(f"{at(job)}/proposals", json={"ends": True, "note": "Let us end it."}), 201)
        await ok(job.buyer.post(f"{API}/agreements/proposals/{end['id']}/sign"))
        if how == "ended_for_breach":
            # As an end for breach leaves it: no clause of the first library has one.
            await world.owner.execute(
                "UPDATE agreement_event SET kind = $2 WHERE subject_id = $1::uuid AND kind = 'terminated'",
                job.agreement,
                how,
            )
        await asyncio.gather(*(told(event) for _ in range(2)))
        shown = await ok(job.buyer.get(f"{API}/orders/{job.order}"))
        assert (shown["shown_status"], shown["reason_code"]) == ("cancelled", how)
        held = await world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1::uuid", job.order)
        assert held == 0
        listing = await ok(job.buyer.get(f"{API}/listings/{job.listing}"))
        assert listing["available"] == 10, "on offer again"
        mails = await world.owner.fetchval(
            "SELECT count(*) FROM outbox_event WHERE aggregate_id = $1::uuid AND name = 'order.cancelled'", job.order
        )
        assert mails == 2, "told once each"
