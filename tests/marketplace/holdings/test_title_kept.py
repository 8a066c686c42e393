"""Units that stay the maker's until they are taken out or paid: posted, ordered, received, taken out, taken back, and what the
clock does with the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.agreements import service as agreements
from marketplace.agreements import tasks
from marketplace.agreements.combinations import starting_points
from marketplace.agreements.phrases import day
from marketplace.agreements.queries import clause_versions
from marketplace.agreements.terms import dump_terms
from marketplace.db.session import Database
from marketplace.holdings import service as holdings
from marketplace.kit.clock import add_months
from marketplace.kit.errors import DomainError
from marketplace.ledger.queries import CHECKS, verify
from marketplace.outbox.service import Event
from marketplace.parties.actor import OnBehalf
from marketplace.settlement import service as settlement
from marketplace.settlement.tasks import listeners
from tests import second
from tests.agreed import person, publish_whole_library, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.marketplace.settlement.owed import marks

owner, db, worker_db = second.FIXTURES
CLOCK = UUID(int=0)
TABLES = ("movement", "position", "taking_out", "title_due", "settlement_line", "agreement", "agreement_line")


@pytest.fixture
async def job(world: Any) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await publish_whole_library(world.owner)
        yield made


async def placed(
    job: Job,
    quantity: int = 6,
    offered: int = 10,
    *,
    serial: bool = False,
    preset: str = "title-kept",
    keep: int = 0,
    **changed: Any,
) -> None:
    """Posted from the starting point, ordered, signed, delivered."""
    world = job.world
    if serial:
        for n in range(offered):
            await world.register(world.maker, serial=f"SN-{world.tag}-{n:03d}")
    else:
        await world.register(world.maker, offered)
    async with world.db.read(world.maker.tenant) as session:
        points = starting_points({(x.clause, x.version) for x in await clause_versions(session)})
    (terms,) = points[preset].terms(use_class="non_capital_spare", **changed)
    body = {
        "title": "On consignment", "clause": terms.clause, "version": terms.version, "terms": dump_terms(terms),
        "use_class": "non_capital_spare", "payment_days": 14,
    }  # fmt: skip
    job.release = (await ok(job.planner.post(f"{API}/releases", json=body), 201))["id"]
    line = {
        "part_id": str(world.part), "site_id": str(world.maker.site), "condition": "new", "quantity": offered,
        "unit_price": "80.00", "minimum_to_keep": keep,
    }  # fmt: skip
    made = await ok(job.planner.put(f"{API}/releases/{job.release}/lines", json={"lines": [line]}))
    job.listing = made["listing_ids"][0]
    books = await ok(job.planner.get(f"{API}/releases/{job.release}/books"))
    if preset == "title-kept":
        kinds = {c["kind"] for x in books["lines"] for c in x["classes"]}
        # What has to be bought in the end is for the auditor.
        bought = terms.must_buy_months is not None or terms.at_end == "purchased"
        assert kinds == {"judgement" if bought else "consignment"}, "golden case 11"
    await ok(job.planner.post(f"{API}/releases/{job.release}/publish"))
    await job.ordered(quantity)
    await job.signed()
    await job.delivered(quantity)


async def owners(job: Job) -> dict[str, int]:
    """Units with the buyer: by owner, and whether they are under the agreement."""
    names = {job.world.maker.id: "maker", job.world.buyer.id: "buyer"}
    rows = await job.world.owner.fetch(
        "SELECT owner_id, agreement_id IS NOT NULL AS bound, sum(quantity)::int AS n FROM position WHERE part_id = $1 "
        "AND holder_id = $2 AND quantity > 0 GROUP BY 1, 2", job.world.part, job.world.buyer.id,
    )  # fmt: skip
    return {names[r["owner_id"]] + ("" if r["bound"] else " free"): r["n"] for r in rows}


async def lines(job: Job, kind: str = "sale_price") -> list[Any]:
    found = (await ok(job.planner.get(f"{API}/settlement")))["items"]
    return sorted((x for x in found if x["kind"] == kind), key=lambda x: x["reference"])


async def told(job: Job, clock: Database, name: str, subject: str = "") -> None:
    """What settlement hears of events by this name, twice: delivered at least once."""
    rows = await job.world.owner.fetch(
        "SELECT id, payload FROM outbox_event WHERE aggregate_id = $1 AND name = $2 ORDER BY id",
        UUID(subject or job.agreement),
        name,
    )
    for r in [*rows, *rows]:
        await listeners(clock)[name](
            Event(r["id"], name, "agreement", UUID(subject or job.agreement), json.loads(r["payload"]), (), 1)
        )


async def fits(job: Job, quantity: int, **more: Any) -> Any:
    body = {
        "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "quantity": quantity, "machine": "EX-200", **more,
    }  # fmt: skip
    return await job.buyer.post(f"{API}/holdings/installs", json=body)


async def counts(job: Job, clock: Database, now: datetime) -> int:
    async with clock.write() as session:
        return await agreements.count_out(session, OnBehalf(CLOCK, job.world.maker.id), UUID(job.agreement), now)


async def sound(job: Job, clock: Database) -> None:
    """The ledger's checks, of the lots of this part: neither side alone sees all of what became of them."""
    lots = {
        r["lot_id"] for r in await job.world.owner.fetch("SELECT lot_id FROM lot WHERE part_id = $1", job.world.part)
    }
    async with clock.read() as session:
        found = {name: await verify(session, name, limit=100_000) for name in CHECKS}
    assert [name for name, rows in found.items() if any(r.lot_id in lots for r in rows)] == []


async def test_units_are_placed_taken_out_and_owed_for(job: Job, worker_db: Database) -> None:
    await placed(job)
    assert await owners(job) == {"maker": 6}
    assert await lines(job) == [], "nothing is owed on receipt"
    done = await ok(fits(job, 2), 201)
    assert done["quantity"] == 2
    assert await owners(job) == {"maker": 4}
    kinds = await job.world.owner.fetch(
        "SELECT kind FROM movement WHERE command_id = $1 ORDER BY lot_id, seq", UUID(done["command_id"])
    )
    assert [r["kind"] for r in kinds] == ["title", "install"], "it becomes the holder's when it is taken out"
    await told(job, worker_db, "agreement.taken_out")
    (line,) = await lines(job)
    assert (Decimal(line["amount"]), line["quantity"], line["payer"]) == (Decimal(160), 2, job.world.buyer.name)
    zone = await job.world.owner.fetchval("SELECT zone FROM agreement WHERE id = $1", UUID(job.agreement))
    today = await job.world.owner.fetchval("SELECT (now() AT TIME ZONE $1)::date", zone)
    assert date.fromisoformat(line["due_on"]) == today + timedelta(days=30)
    # What is not the holder's is neither sold nor scrapped by it, and the minimum (the terms' one) is kept.
    before = await rows_of(job.world, *TABLES)
    body = {"part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "quantity": 1, "reason": "old"}
    await refused(job.buyer.post(f"{API}/holdings/scraps", json=body), "agreement.ask_first")
    assert await rows_of(job.world, *TABLES) == before
    # Recorded wrongly: the units are the maker's again, and their price is taken back.
    lot, seq = await job.world.owner.fetchrow(
        "SELECT lot_id, seq FROM movement WHERE command_id = $1 AND kind = 'install'", UUID(done["command_id"])
    )
    async with job.world.db.write(job.world.buyer.tenant) as session:
        await holdings.correct(session, person(job.world.buyer), lot, seq, "Not fitted", now=datetime.now(UTC))
    await told(job, worker_db, "agreement.put_back")
    assert await owners(job) == {"maker": 6}
    (credit,) = await lines(job, "credit")
    assert (Decimal(credit["amount"]), credit["payer"]) == (Decimal(160), job.world.maker.name)
    await sound(job, worker_db)


async def test_taking_back_needs_no_answer_and_costs_the_fee(job: Job, worker_db: Database) -> None:
    await placed(job)
    await job.called(2)
    assert (await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}")))["status"] == "accepted"
    before = await rows_of(job.world, *TABLES)
    await refused(
        job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "other", "note": "No."}),
        "call.no_refusal",
    )
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    found = [c for c in await job.candidates() if c["kind"] != "own_stock"]
    assert sum(c["callable"] for c in found) == 4, "what is back and not inspected is promised to nobody"
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2}))
    assert await lines(job, "call_price") == []
    (line,) = await lines(job, "handling")
    # Three percent of 80 for each of two.
    assert (Decimal(line["amount"]), line["payer"]) == (Decimal("4.80"), job.world.maker.name)
    own = await job.world.owner.fetchval(
        "SELECT sum(quantity) FROM position WHERE part_id = $1 AND holder_id = $2 AND owner_id = $2 AND agreement_id IS NULL",
        job.world.part, job.world.maker.id,
    )  # fmt: skip
    assert own == 4 + 2
    await sound(job, worker_db)


@pytest.mark.parametrize("title", ["consigned", "retained_until_paid"])
async def test_what_lies_too_long_counts_as_taken_out_once(job: Job, worker_db: Database, title: str) -> None:
    await placed(job, title=title, must_buy_months=12)
    await job.called(1)
    await ok(fits(job, 1), 201)
    at = await job.world.owner.fetchval("SELECT counts_out_at FROM agreement WHERE id = $1", UUID(job.agreement))
    day = await job.world.owner.fetchval("SELECT schedule_date FROM agreement WHERE id = $1", UUID(job.agreement))
    assert await counts(job, worker_db, at - timedelta(seconds=1)) == 0
    late = at + timedelta(days=40)
    both = await asyncio.gather(counts(job, worker_db, late), counts(job, worker_db, late))
    assert sorted(both) == [0, 4], "one was used, one is asked for"
    await told(job, worker_db, "agreement.taken_out")
    bought = next(x for x in await lines(job) if x["quantity"] == 4)
    assert date.fromisoformat(bought["due_on"]) == add_months(day, 12) + timedelta(days=30), "however late the clock is"
    if title == "consigned":
        assert await owners(job) == {"maker": 1, "buyer free": 4}
    else:
        assert await owners(job) == {"maker": 5}
        answer = await refused(fits(job, 2), "agreement.not_paid")
        assert "until they are paid" in answer["detail"]
        assert await counts(job, worker_db, late) == 0
        for party in (job.world.buyer, job.world.maker):
            await marks(job.world, party, UUID(bought["id"]))
        assert await owners(job) == {"maker": 1, "buyer free": 4}
    # The one that was asked for lies again: it counts from then.
    await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/cancel"))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/release"))
    assert await counts(job, worker_db, late) == 1
    await sound(job, worker_db)


async def test_at_the_end_units_go_back_without_a_fee_or_are_bought(job: Job, worker_db: Database) -> None:
    await placed(job, must_buy_months=None, at_end="purchased", window_end_months=1, non_renewal_days=14)
    closes, back = await job.world.owner.fetchrow(
        "SELECT counts_out_at, return_by FROM agreement WHERE id = $1", UUID(job.agreement)
    )
    assert back is None
    assert await counts(job, worker_db, closes - timedelta(seconds=1)) == 0
    await job.world.owner.execute("UPDATE agreement SET legal_hold = true WHERE id = $1", UUID(job.agreement))
    assert await counts(job, worker_db, closes) == 0, "nothing is decided while it stands still"
    await job.world.owner.execute("UPDATE agreement SET legal_hold = false WHERE id = $1", UUID(job.agreement))
    async with worker_db.read() as session:
        from marketplace.agreements.queries import retained

        assert UUID(job.agreement) in await retained.counting_out(session, closes, limit=100_000)
    assert await counts(job, worker_db, closes) == 6
    await told(job, worker_db, "agreement.taken_out")
    (line,) = await lines(job)
    assert line["quantity"] == 6
    assert await owners(job) == {"buyer free": 6}


async def test_what_is_left_at_the_end_is_ordered_back_and_keeps_the_agreement_open(job: Job) -> None:
    await placed(job, must_buy_months=None, at_end="returned", window_end_months=1, non_renewal_days=14)
    await job.world.owner.execute(
        "UPDATE agreement SET schedule_date = schedule_date - 40, window_opens_at = window_opens_at - interval '40 days', "
        "window_closes_at = window_closes_at - interval '40 days', status = 'run_off' WHERE id = $1", UUID(job.agreement),
    )  # fmt: skip
    before = await rows_of(job.world, *TABLES)
    await refused(fits(job, 1), "agreement.window_closed")
    await refused(job.planner.post(f"{API}/agreements/{job.agreement}/close", json={}), "agreement.units_kept")
    assert await rows_of(job.world, *TABLES) == before
    # Nobody could sign an end: so none is proposed.
    for client in (job.planner, job.buyer):
        end = client.post(f"{API}/agreements/{job.agreement}/proposals", json={"ends": True, "note": "No more use."})
        said = await refused(end, "agreement.units_kept")
        assert "Order them back, or have them paid" in said["detail"]
    assert await rows_of(job.world, *TABLES) == before
    await job.called(6)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 6}))
    assert await lines(job, "handling") == []
    assert (await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}")))["status"] == "settled"
    await ok(job.planner.post(f"{API}/agreements/{job.agreement}/close", json={}))


async def test_sold_units_stay_the_makers_until_they_are_paid_also_reserved_ones(job: Job, worker_db: Database) -> None:
    await placed(job, preset="access-first", title="retained_until_paid", minimum_to_keep=0)
    assert await owners(job) == {"maker": 6}
    (line,) = await lines(job)
    assert Decimal(line["amount"]) == Decimal(480)
    before = await rows_of(job.world, *TABLES)
    answer = await refused(fits(job, 1), "agreement.not_paid")
    assert "until they are paid" in answer["detail"]
    assert await rows_of(job.world, *TABLES) == before
    await job.called(2)
    for party in (job.world.buyer, job.world.maker):
        await marks(job.world, party, UUID(line["id"]))
    assert await owners(job) == {"maker": 2, "buyer": 4}
    async with worker_db.write() as session:
        assert await agreements.pass_title_due(session, CLOCK, UUID(line["id"]), datetime.now(UTC)) == 0, (
            "reserved still"
        )
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "short"}))
    await tasks.pass_titles(worker_db, CLOCK, datetime.now(UTC))
    assert await owners(job) == {"buyer": 6}
    async with worker_db.write() as session:
        assert await agreements.pass_title_due(session, CLOCK, UUID(line["id"]), datetime.now(UTC)) == 0
    await ok(fits(job, 1), 201)
    await sound(job, worker_db)


async def test_units_used_without_leave_count_as_taken_out(job: Job, worker_db: Database) -> None:
    await placed(job)
    now = datetime.now(UTC)
    async with job.world.db.write(job.world.buyer.tenant) as session:
        made = await agreements.note_taken_without_leave(
            session, OnBehalf(job.world.buyer.actor, job.world.buyer.id), agreement_id=UUID(job.agreement),
            part_id=job.world.part, quantity=1, act_id=uuid4(), taken_at=now, now=now,
        )  # fmt: skip
    assert made is not None
    async with worker_db.write() as session:
        first = await settlement.owe_taken_out(session, made)
        assert await settlement.owe_taken_out(session, made) == first
    assert [Decimal(x["amount"]) for x in await lines(job)] == [Decimal(80)]


async def test_selling_on_with_leave_takes_units_out(job: Job, worker_db: Database) -> None:
    await placed(job, resale="consent", minimum_to_keep=0)
    world = job.world
    async with AsyncExitStack() as stack:
        await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        body = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 2, "note": "",
        }  # fmt: skip
        resale = (await ok(job.buyer.post(f"{API}/resales", json=body), 201))["id"]
        at = f"{API}/resales/{resale}"
        await ok(job.planner.post(f"{at}/consent"))
        await ok(third.post(f"{at}/join"))
        await ok(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z7"}))
        await ok(third.post(f"{at}/receive", json={"site_id": str(world.other.site)}))
    assert await owners(job) == {"maker": 4}
    free = await world.owner.fetchval(
        "SELECT sum(quantity) FROM position WHERE part_id = $1 AND owner_id = $2 AND holder_id = $2 AND agreement_id IS NULL",
        world.part, world.other.id,
    )  # fmt: skip
    assert free == 2, "the right does not reach what was taken out"
    await told(job, worker_db, "agreement.taken_out")
    (line,) = await lines(job)
    assert (Decimal(line["amount"]), line["payer"]) == (Decimal(160), world.buyer.name)
    await sound(job, worker_db)


@pytest.mark.parametrize(("became", "owed"), [("used", 2), ("sold", 2), ("lost", 0)])
async def test_what_was_taken_without_leave_counts_as_taken_out(
    job: Job, worker_db: Database, became: str, owed: int
) -> None:
    await placed(job, use_rule="consent")
    said = {
        "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "became": became,
        "quantity": 2, "note": "Found out today.",
    }  # fmt: skip
    await ok(job.buyer.post(f"{API}/holdings/missing-units", json=said), 201)
    await told(job, worker_db, "agreement.taken_out")
    found = await lines(job)
    assert [(x["quantity"], Decimal(x["amount"])) for x in found] == ([(2, Decimal(160))] if owed else [])
    assert await owners(job) == {"maker": 4}
    async with job.world.db.read(job.world.maker.tenant) as session:
        assert not [m for check in CHECKS for m in await verify(session, check)]


@pytest.mark.parametrize(
    ("became", "gone", "breach", "words"),
    [("scrapped", 2, 0, "scrapped"), ("given_away", 6, 80, "gone in another way"), ("used", 6, 80, "used up")],
)
async def test_the_answer_names_all_that_is_owed_and_each_is_owed_once(
    job: Job, worker_db: Database, became: str, gone: int, breach: int, words: str
) -> None:
    """One of six is to be kept: breach is owed for that one, the price for all, each with its section and day, everywhere."""
    await placed(job, keep=1, use_rule="consent", scrap_rule="consent")
    said = {
        "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "became": became,
        "quantity": gone, "note": "Found out today.",
    }  # fmt: skip
    row = await ok(job.buyer.post(f"{API}/holdings/missing-units", json=said), 201)
    price = row["price"]
    assert (price["units"], Decimal(price["amount"]), Decimal(row["amount"])) == (gone, gone * 80, breach)
    due = date.fromisoformat(price["due_on"])
    assert (
        f"(title-kept, section 6.3): the price, {gone * 80}.00 USD at 80.00 USD each, is due by {day(due)}."
        in row["told"]
    )
    if breach:
        first = date.fromisoformat(row["due_on"])
        assert f"80.00 USD. (title-kept/v1, section 11.4). Due by {day(first)}." in row["told"]
    else:
        assert "None of them is missing from the minimum to keep: nothing is owed for that." in row["told"]
    # The record, its file, the other side's mail and the agreement's history say the same.
    (kept,) = (await ok(job.planner.get(f"{API}/holdings/missing-units")))["items"]
    assert kept == row
    assert row["told"] in (await job.planner.get(f"{API}/holdings/missing-units.csv")).text
    mail = await job.world.owner.fetchval(
        "SELECT payload->'mail'->>'text' FROM outbox_event WHERE aggregate_id = $1 AND name = 'holding.missing'",
        UUID(row["id"]),
    )
    assert row["told"] in mail
    events = (await ok(job.planner.get(f"{API}/agreements/{job.agreement}")))["events"]
    assert [row["told"] in e["detail"]["note"] for e in events if e["kind"] == "units_missing"] == [True]
    # What the lines say is what was answered.
    await told(job, worker_db, "agreement.taken_out")
    await told(job, worker_db, "holding.missing", row["id"])
    found = {x["kind"]: x for x in (await ok(job.planner.get(f"{API}/settlement")))["items"]}
    assert {k: Decimal(x["amount"]) for k, x in found.items()} == {
        "sale_price": gone * 80, **({"breach": breach} if breach else {})
    }  # fmt: skip
    assert found["sale_price"]["due_on"] == price["due_on"]
    assert found["sale_price"]["words"].startswith(f"Counts as taken out (section 6.3): {words}: {gone} units at ")
    # What is owed for is not taken back in the ledger.
    lot, seq = await job.world.owner.fetchrow(
        "SELECT lot_id, seq FROM movement WHERE command_id = $1 ORDER BY 1, 2 LIMIT 1", UUID(row["command_id"])
    )
    before = await rows_of(job.world, *TABLES)
    buyer = person(job.world.buyer, "admin")
    async with job.world.db.write(job.world.buyer.tenant) as session:
        with pytest.raises(DomainError) as no:
            await holdings.correct(session, buyer, lot, seq, "typed twice", now=datetime.now(UTC))
    assert no.value.code == ("holding.correct_kind" if became == "given_away" else "holding.correct_owed")
    assert await rows_of(job.world, *TABLES) == before
