"""An access-back with a first refusal beside it, from the posting to the changed and the passed-on agreement, on a database
in which the second library is released."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pypdf
import pytest

from marketplace.agreements import queries
from marketplace.agreements.combinations import BUY_BACK, COMBINATIONS, FIRST_REFUSAL
from marketplace.agreements.prose import NAMES
from marketplace.agreements.reach import usable
from marketplace.agreements.terms import dump_terms
from marketplace.sourcing import queries as sourcing
from marketplace.sourcing.service.defaulting import clause_of
from tests.agreed import agreed_on, delivered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok
from tests.marketplace.sourcing.test_rejecting import dispute_of
from tests.world import World

FOUND = [
    {"quantity": 4, "grade": "new"},
    {"quantity": 1, "grade": "core", "accepted": False},
]
BOTH = COMBINATIONS["shelf-and-first-refusal"]


@pytest.fixture
async def job(second_world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(second_world, stack)


def body(**changed: Any) -> dict[str, Any]:
    """A posting under both clauses, with some shared terms changed."""
    first, *further = BOTH.terms(use_class="non_capital_spare", **changed)
    return {
        "title": "Shelf", "clause": first.clause, "version": first.version, "terms": dump_terms(first),
        "use_class": "non_capital_spare",
        "further": [{"clause": t.clause, "version": t.version, "terms": dump_terms(t)} for t in further],
    }  # fmt: skip


async def posted(job: Job, quantity: int = 10, **changed: Any) -> None:
    world = job.world
    job.lot = await world.register(world.maker, quantity)
    job.release = (await ok(job.planner.post(f"{API}/releases", json=body(**changed)), 201))["id"]
    line = {
        "part_id": str(world.part), "site_id": str(world.maker.site), "condition": "new", "quantity": quantity,
        "unit_price": "80.00", "minimum_to_keep": 3,
    }  # fmt: skip
    made = await ok(job.planner.put(f"{API}/releases/{job.release}/lines", json={"lines": [line]}))
    job.listing = made["listing_ids"][0]
    await ok(job.planner.post(f"{API}/releases/{job.release}/publish"))


async def refused(answer: Any, code: str, status: int = 422) -> dict[str, Any]:
    response: httpx.Response = await answer
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    found: dict[str, Any] = response.json()
    return found


async def test_from_the_posting_to_a_paper_with_both_texts(job: Job) -> None:
    await posted(job)
    seen = await ok(job.buyer.get(f"{API}/listings/{job.listing}"))
    assert [c["clause"] for c in seen["further"]] == ["first-refusal"]
    assert seen["clause_badge"].endswith(", and first refusal")
    assert any("stricter binds" in sentence for sentence in seen["clause_summary"])
    assert seen["id"] in {x["id"] for x in (await ok(job.buyer.get(f"{API}/listings?clause=first-refusal")))["items"]}
    books = await ok(job.planner.get(f"{API}/releases/{job.release}/books"))
    told = {b["unit_class"]: " ".join(s["question"] for s in b["trace"]) for b in books["lines"][0]["classes"]}
    assert "asked first" not in told["floor"], "the first refusal reaches the units above the minimum"
    assert "asked first" in told["free"]

    await job.ordered(10)
    await job.signed()
    agreement = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
    [beside] = agreement["further"]
    sha256 = await job.world.owner.fetchval(
        "SELECT encode(sha256, 'hex') FROM clause_version WHERE clause = 'first-refusal'"
    )
    assert (beside["clause"], beside["version"], beside["sha256"]) == ("first-refusal", 1, sha256)
    assert agreement["title"].count(" and ") >= 1
    for clause in ("access-back", "first-refusal"):
        assert f"({clause}, version" in agreement["wording"], "the text has both clauses"
    assert "Further clause" in agreement["wording"]
    assert agreement["schedule"][0]["badge"].endswith("and first refusal")
    signed = await job.world.owner.fetch(
        "SELECT clause FROM framework WHERE maker_id = $1 AND maker_signed_at IS NOT NULL AND holder_signed_at IS NOT NULL "
        "ORDER BY clause", job.world.maker.id,
    )  # fmt: skip
    assert [r["clause"] for r in signed] == ["access-back", "first-refusal"], (
        "a framework for each clause, signed by both"
    )
    listed = await ok(job.buyer.get(f"{API}/agreements?clause=first-refusal"))
    assert [a["id"] for a in listed["items"]] == [job.agreement]
    kept = await ok(job.planner.get(f"{API}/agreements/{job.agreement}/books"))
    assert kept["recorded_at"]
    assert "asked first" in str([b for b in kept["lines"][0]["classes"] if b["unit_class"] == "free"])
    pdf = (await job.buyer.get(f"{API}/agreements/{job.agreement}/paper.pdf")).content
    text = " ".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    assert f"List of terms: {NAMES['access-back']}" in text
    assert f"List of terms: {NAMES['first-refusal']}" in text
    assert text.count("Signed once by the same two companies") == 2, "a framework for each clause"
    for nobody in (job.outsider,):
        assert (await nobody.get(f"{API}/agreements/{job.agreement}")).status_code == 404
        assert (await nobody.get(f"{API}/agreements/{job.agreement}/paper.pdf")).status_code == 404


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        ([("buy-back", 2), ("access-back", 2)], "terms.combination", "one first refusal"),
        ([("first-refusal", 1), ("buy-back", 2)], "terms.combination", "one first refusal"),
        ([("buy-back", 2), ("first-refusal", 1), ("first-refusal", 1)], "terms.combination", "one first refusal"),
        ([("buy-back", 1), ("first-refusal", 1)], "terms.combination", "first library"),
        ([("buy-back", 2), ("first-refusal", 9)], "terms.unknown_clause", "no clause"),
    ],
)
async def test_what_cannot_stand_together_is_not_posted(
    job: Job, names: list[tuple[str, int]], code: str, words: str
) -> None:
    from marketplace.agreements.presets import PRESETS
    from tests.marketplace.agreements.second import BASES

    known = {**BASES, ("buy-back", 1): dict(PRESETS["standard-buy-back"].values)}
    given = [{"clause": c, "version": v, "terms": known.get((c, v), {})} for c, v in names]
    first, *further = given
    new = {**first, "title": "No", "use_class": "non_capital_spare", "further": further}
    answer = await refused(job.planner.post(f"{API}/releases", json=new), code)
    assert words in answer["detail"]
    assert not await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)


async def test_a_wrong_term_of_the_clause_beside_is_named_by_its_clause(job: Job) -> None:
    new = body()
    new["further"][0]["terms"]["clearance_days"] = 0
    answer = await refused(job.planner.post(f"{API}/releases", json=new), "terms.invalid")
    assert [e["field"] for e in answer["errors"]] == ["first-refusal.clearance_days"]
    new = body()
    new["further"][0]["terms"]["minimum_to_keep"] = 1
    answer = await refused(job.planner.post(f"{API}/releases", json=new), "terms.combination")
    assert [e["field"] for e in answer["errors"]] == ["first-refusal.minimum_to_keep"]


async def test_clauses_are_told_with_their_combinations(job: Job) -> None:
    clauses = {(c["clause"], c["version"]): c for c in await ok(job.planner.get(f"{API}/clauses"))}
    both = next(c for c in clauses["access-back", 2]["combinations"] if c["name"] == BOTH.name)
    assert [c["clause"] for c in both["further"]] == ["first-refusal"]
    # What is told there can be posted as it is; another text's hash cannot.
    assert both["further"][0]["sha256"] == clauses["first-refusal", 1]["sha256"]
    first = {"clause": "access-back", "version": 2, "terms": dump_terms(BOTH.terms()[0])}
    new = {**first, "title": "As told", "use_class": "non_capital_spare", "further": both["further"]}
    made = await ok(job.planner.post(f"{API}/releases", json=new), 201)
    kept = await ok(job.planner.get(f"{API}/releases/{made['id']}"))
    assert [c["clause"] for c in kept["further"]] == ["first-refusal"]
    releases = await rows_of(job.world, "release")
    new["further"] = [{**both["further"][0], "sha256": clauses["buy-back", 1]["sha256"]}]
    await refused(job.planner.post(f"{API}/releases", json=new), "clause.other_text", 409)
    assert await rows_of(job.world, "release") == releases
    assert clauses["access-back", 2]["presets"][BOTH.name] == dump_terms(BOTH.terms()[0])
    assert set(clauses["buy-back", 1]["presets"]) == {"access-first", "standard-buy-back", "declining-buy-back"}
    assert set(clauses["first-refusal", 1]["presets"]) == {"revenue-now"}


async def test_both_clauses_change_together_and_what_changes_is_told_by_clause(job: Job) -> None:
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    changed = body(clearance_days=45, window_end_months=72)
    given = {k: changed[k] for k in ("clause", "version", "terms", "further")}
    made = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/proposals", json=given), 201)
    assert [d["term"] for d in made["differences"]] == [
        "window_end_months", "clearance_days", "first-refusal.window_end_months", "first-refusal.clearance_days",
    ]  # fmt: skip
    # As the editor names them.
    labels = ["Right ends after", "Cleared for", "Right ends after (first refusal)", "Cleared for (first refusal)"]
    assert [d["label"] for d in made["differences"]] == labels
    done = await ok(job.planner.post(f"{API}/agreements/proposals/{made['id']}/sign"))
    after = await ok(job.buyer.get(f"{API}/agreements/{done['agreement_id']}"))
    assert after["further"][0]["terms"]["clearance_days"] == 45
    assert after["further"][0]["sha256"]
    assert (await ok(job.buyer.get(f"{API}/agreements/{job.agreement}")))["further"][0]["terms"]["clearance_days"] == 60

    # The first refusal can be taken off, and that is told.
    alone = {**given, "further": []}
    made = await ok(job.planner.post(f"{API}/agreements/{done['agreement_id']}/proposals", json=alone), 201)
    assert [d["term"] for d in made["differences"]] == ["first-refusal.clause"]
    before = await job.world.owner.fetchval("SELECT count(*) FROM agreement WHERE maker_id = $1", job.world.maker.id)
    wrong = {**given, "further": [{"clause": "buy-back", "version": 2, "terms": {}}]}
    await refused(job.planner.post(f"{API}/agreements/{done['agreement_id']}/proposals", json=wrong), "terms.invalid")
    after_count = await job.world.owner.fetchval(
        "SELECT count(*) FROM agreement WHERE maker_id = $1", job.world.maker.id
    )
    assert after_count == before


async def test_units_are_offered_before_they_are_sold_on_and_what_goes_over_is_what_stays_on_them(job: Job) -> None:
    """The ready-made combination offers units first, so that the maker can take them at the price it matches; the buyer joins under
    the clauses that stay on the unit, and no others."""
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 3, "offer": "70.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    await ok(job.planner.post(f"{API}/notices/{given['id']}/answer", json={"agree": True}))
    async with AsyncExitStack() as stack:
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        ask = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 3, "minimum_passed_on": 1,
        }  # fmt: skip
        resale = (await ok(job.buyer.post(f"{API}/resales", json=ask), 201))["id"]
        wording = (await ok(third.get(f"{API}/resales/{resale}")))["wording"]
        assert "(access-back, version" in wording
        assert "(first-refusal, version" not in wording
        child = (await ok(third.post(f"{API}/resales/{resale}/join")))["child_id"]
        theirs = await ok(third.get(f"{API}/agreements/{child}"))
        assert (theirs["clause"], theirs["further"]) == ("access-back", [])
    signed = await world.owner.fetch(
        "SELECT clause FROM framework WHERE holder_id = $1 AND holder_signed_at IS NOT NULL ORDER BY clause",
        world.other.id,
    )
    assert [r["clause"] for r in signed] == ["access-back"]


async def test_what_is_offered_is_taken_by_its_notice_and_drawing_the_minimum_takes_none_of_it(job: Job) -> None:
    """Sections 4.2 and 7.7 of first-refusal, 2.2 of access-back: a draw is of the minimum to keep, an offer of units above it."""
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    world = job.world
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 2, "offer": "140.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    at = f"{API}/notices/{given['id']}"
    (usual,) = [c for c in await job.candidates() if c["callable"]]
    assert (usual["kind"], usual["callable"]) == ("access_draw", 3)
    assert "2 units of them are offered by notice" in usual["blocked"][0]["words"]
    await job.called(3)
    stands = await ok(job.planner.get(at))
    assert (stands["ordered"], stands["left"], stands["standing"]) == (0, 2, "running"), "the minimum was drawn"

    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
    found = await ok(job.technician.post(f"{API}/sourcing/locate", json={"numbers": number, "notice_id": given["id"]}))
    (named,) = [c for c in found[0]["parts"][0]["candidates"] if c["callable"]]
    assert (named["kind"], named["callable"], named["unit_price"]) == ("buy_back", 2, "140.00")
    order = {**job.need(1), "key": named["key"], "notice_id": given["id"]}
    done = await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201)
    call = await ok(job.planner.get(f"{API}/sourcing/calls/{done['calls'][0]}"))
    assert (call["unit_price"], call["status"]) == ("140.0000", "accepted"), "what was offered needs no answer"
    # Nothing of the minimum is left to draw: an order that names no notice answers the oldest.
    await job.called(1)
    assert (await ok(job.planner.get(f"{API}/sourcing/calls/{job.call}")))["notice_id"] == given["id"]
    stands = await ok(job.planner.get(at))
    assert (stands["ordered"], stands["standing"]) == (2, "ordered")


async def test_an_offer_is_taken_while_the_minimum_can_be_drawn_too(job: Job) -> None:
    """What an order names decides by which clause it goes, whatever the other would cost."""
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    notice = {
        "part_id": str(job.world.part), "act": "resell", "quantity": 2, "offer": "140.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    place = next(c for c in await job.candidates() if c["callable"])
    order = {**job.need(3), "key": place["key"], "notice_id": given["id"]}
    before = await rows_of(job.world, "call", "notice", "agreement_exercise")
    await refused(job.technician.post(f"{API}/sourcing/order-back", json=order), "requisition.no_notice", 409)
    assert await rows_of(job.world, "call", "notice", "agreement_exercise") == before
    order["quantity"] = 2
    done = await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201)
    call = await ok(job.planner.get(f"{API}/sourcing/calls/{done['calls'][0]}"))
    assert (call["kind"], call["unit_price"], call["notice_id"]) == ("buy_back", "140.0000", given["id"])
    assert (await ok(job.buyer.get(f"{API}/notices/{given['id']}")))["standing"] == "ordered"


async def test_what_is_taken_on_an_offer_is_paid_as_the_first_refusal_says(job: Job) -> None:
    """Section 6 of first-refusal, without the handling that the buy-back beside it adds to a price of its own."""
    world = job.world
    first = {**BUY_BACK, "applies_to": "floor", "minimum_to_keep": 3, "resale": "offer_first", "handling_bp": 600}
    agreement_id = await agreed_on(
        world,
        [("buy-back", 2, first), ("first-refusal", 1, {**FIRST_REFUSAL, "applies_to": "free", "minimum_to_keep": 3})],
    )
    await delivered(world, agreement_id, 10)
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 1, "offer": "140.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{agreement_id}/notices", json=notice), 201)
    place = next(c for c in await job.candidates() if c["callable"])
    order = {**job.need(1), "key": place["key"], "notice_id": given["id"]}
    call = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201))["calls"][0]
    await ok(job.buyer.post(f"{API}/sourcing/calls/{call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{call}/receive"))
    await ok(job.technician.post(f"{API}/sourcing/calls/{call}/inspect", json={"good": 1}))
    lines = [(x["kind"], x["amount"]) for x in await job.owed() if x["cause_id"] == call]
    assert lines == [("call_price", "140.0000")]


@pytest.mark.parametrize(("offer", "clause"), [("60.00", "first-refusal"), ("140.00", "buy-back")])
async def test_an_order_goes_by_the_clause_that_it_was_made_under(job: Job, offer: str, clause: str) -> None:
    """Where both reach the units the cheaper one; its grades, delay and remedies are those of the order from then on."""
    world = job.world
    first = {**BUY_BACK, "applies_to": "all", "minimum_to_keep": 0, "resale": "offer_first"}
    agreement_id = await agreed_on(
        world, [("buy-back", 2, first), ("first-refusal", 1, {**FIRST_REFUSAL, "minimum_to_keep": 0})]
    )
    await delivered(world, agreement_id, 10)
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 2, "offer": offer, "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{agreement_id}/notices", json=notice), 201)
    place = next(c for c in await job.candidates() if c["callable"])
    order = {**job.need(1), "key": place["key"], "notice_id": given["id"]}
    call_id = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201))["calls"][0]
    async with world.db.read(world.maker.tenant) as session:
        pair = (agreement_id, world.part)
        covered = (await queries.terms_and_facts(session, [pair]))[pair]
        call = await sourcing.call(session, UUID(call_id))
        assert clause_of(covered, call).clause == call.clause == clause
    if call.status == "noticed":
        await ok(job.buyer.post(f"{API}/sourcing/calls/{call_id}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{call_id}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{call_id}/receive"))
    said = await refused(
        job.technician.post(f"{API}/sourcing/calls/{call_id}/inspect", json={"good": 0, "note": "Bent.", "reason": "damaged"}),
        "call.inspect_found",
    )  # fmt: skip
    assert f"({clause} version" in said["detail"]


async def test_what_is_taken_on_an_offer_uses_up_none_of_the_minimum(job: Job) -> None:
    """Section 2.2 of access-back: the minimum to keep is drawn by draws. What the holder offered and the maker took is not of it."""
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    world = job.world

    async def left() -> tuple[int, int]:
        """(units that can be drawn now, units that the holder may scrap without asking)"""
        drawn = [c["callable"] for c in await job.candidates() if c["callable"] and c["kind"] == "access_draw"]
        async with world.db.read(world.buyer.tenant) as session:
            pair = (UUID(job.agreement), world.part)
            covered = (await queries.terms_and_facts(session, [pair]))[pair]
        return sum(drawn), min(usable(t, covered.facts) for t in covered.clauses)

    assert await left() == (3, 7)
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 7, "offer": "140.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    place = next(c for c in await job.candidates() if c["callable"])
    order = {**job.need(5), "key": place["key"], "notice_id": given["id"]}
    job.call = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201))["calls"][0]
    first = job.call
    clause = "SELECT clause FROM call WHERE id = $1::uuid"
    assert await world.owner.fetchval(clause, first) == "first-refusal"
    assert await left() == (3, 2), "reserved"
    await job.called(1)
    assert await world.owner.fetchval(clause, job.call) == "access-back"
    assert await left() == (2, 1), "one of the minimum drawn; three stay with the holder until it has been replaced"
    drawn, job.call = job.call, first
    at = f"{API}/sourcing/calls/{first}"
    await ok(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    assert await left() == (2, 1), "on the way"
    await ok(job.technician.post(f"{at}/receive"))
    assert await left() == (2, 1), "at the maker"
    await ok(job.technician.post(f"{at}/inspect", json={"found": FOUND, "note": "Bent.", "reason": "damaged"}))
    await ok(job.buyer.post(f"{API}/sourcing/disputes/{(await dispute_of(job))['id']}/agree"))
    await ok(job.technician.post(f"{at}/send-back", json={"carrier": "UPS", "tracking": "1Z3"}))
    await ok(job.buyer.post(f"{at}/receive-back", json={}))
    assert await left() == (2, 2), "one came back"
    counted = "SELECT taken_back, taken_above FROM agreement_line WHERE agreement_id = $1::uuid"
    assert tuple(await world.owner.fetchrow(counted, job.agreement)) == (4, 4)
    job.call = drawn
    await job.came_back(1)
    assert await left() == (2, 2)
    assert tuple(await world.owner.fetchrow(counted, job.agreement)) == (5, 4)

    # What both sides change goes on from there; the rest of the offer is taken under what holds now.
    changed = body(payment_days=45)
    change = {k: changed[k] for k in ("clause", "version", "terms", "further")}
    made = await ok(job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json=change), 201)
    done = await ok(job.buyer.post(f"{API}/agreements/proposals/{made['id']}/sign"))
    job.agreement = done["agreement_id"]
    assert tuple(await world.owner.fetchrow(counted, job.agreement)) == (5, 4)
    assert await left() == (2, 2)
    place = next(c for c in await job.candidates() if c["callable"] and c["kind"] != "own_stock")
    order = {**job.need(2), "key": place["key"], "notice_id": given["id"]}
    taken = (await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201))["calls"][0]
    assert await left() == (2, 0)
    at = f"{API}/sourcing/calls/{taken}"
    await ok(job.buyer.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z4"}))
    assert await left() == (2, 0)
    await ok(job.technician.post(f"{at}/receive"))
    await ok(job.technician.post(f"{at}/inspect", json={"good": 2}))
    assert await left() == (2, 0)
    await job.called(2)
    assert await left() == (0, 0), "and the minimum can be drawn to its last unit"


async def test_an_order_on_an_offer_that_waits_for_an_approver_leaves_the_minimum_to_be_drawn(job: Job) -> None:
    await posted(job)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    world = job.world
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 7, "offer": "140.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    limit = "UPDATE user_account SET order_limit_amount = $2 WHERE id = $1"
    await world.owner.execute(limit, world.maker.users["technician"], 1)
    place = next(c for c in await job.candidates() if c["callable"])
    order = {**job.need(5), "key": place["key"], "notice_id": given["id"]}
    made = await ok(job.technician.post(f"{API}/sourcing/order-back", json=order), 201)
    assert made["awaiting_approval"]

    async def drawn() -> list[int]:
        return [c["callable"] for c in await job.candidates() if c["callable"] and c["kind"] == "access_draw"]

    async def counted() -> tuple[int, int]:
        orders = "SELECT exercises FROM agreement WHERE id = $1::uuid"
        taken = "SELECT taken FROM notice WHERE id = $1::uuid"
        return await world.owner.fetchval(orders, job.agreement), await world.owner.fetchval(taken, given["id"])

    assert (await drawn(), await counted()) == ([3], (0, 0)), "reserved, and no order yet"
    await ok(job.planner.post(f"{API}/sourcing/requests/{made['requisition_id']}/approve"))
    assert (await drawn(), await counted()) == ([3], (1, 5))


@pytest.mark.parametrize("stricter", ["consent", "accession", "not_allowed"])
async def test_a_first_refusal_that_could_never_be_offered_is_not_posted(job: Job, stricter: str) -> None:
    new = body()
    new["terms"]["resale"] = stricter
    answer = await refused(job.planner.post(f"{API}/releases", json=new), "terms.combination")
    assert [(e["field"], e["code"]) for e in answer["errors"]] == [("first-refusal.resale", "terms.never_offered")]
    assert not await job.world.owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", job.world.maker.id)


async def test_a_buyer_of_the_units_joins_under_both(job: Job) -> None:
    await posted(job, runs_with_the_unit=True)
    await job.ordered(10)
    await job.signed()
    await job.delivered(10)
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    notice = {
        "part_id": str(world.part), "act": "resell", "quantity": 3, "offer": "70.00", "offered_by": "A third company",
    }  # fmt: skip
    given = await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/notices", json=notice), 201)
    await ok(job.planner.post(f"{API}/notices/{given['id']}/answer", json={"agree": True}))
    async with AsyncExitStack() as stack:
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        ask = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 3, "minimum_passed_on": 1,
        }  # fmt: skip
        resale = (await ok(job.buyer.post(f"{API}/resales", json=ask), 201))["id"]
        wording = (await ok(third.get(f"{API}/resales/{resale}")))["wording"]
        assert all(f"({clause}, version" in wording for clause in ("access-back", "first-refusal"))
        child = (await ok(third.post(f"{API}/resales/{resale}/join")))["child_id"]
        parent, theirs = [
            await ok(client.get(f"{API}/agreements/{which}"))
            for client, which in ((job.buyer, job.agreement), (third, child))
        ]
        assert theirs["further"] == parent["further"] != []
    signed = await world.owner.fetch(
        "SELECT clause FROM framework WHERE holder_id = $1 AND holder_signed_at IS NOT NULL ORDER BY clause",
        world.other.id,
    )
    assert [r["clause"] for r in signed] == ["access-back", "first-refusal"]
