"""Terms are negotiated before anybody is bound: with the order, and on the agreement that not both have signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms
from marketplace.kit.clock import local_day
from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = (
    "agreement",
    "agreement_line",
    "agreement_proposal",
    "agreement_event",
    "purchase_order",
    "framework",
    "open_hold",
)
POSTED = PRESETS["standard-buy-back"]


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.released(10)
        yield made


def terms(**changed: Any) -> dict[str, Any]:
    return dump_terms(POSTED.terms(use_class="non_capital_spare", **changed))


def clause(**changed: Any) -> dict[str, Any]:
    return {"clause": "buy-back", "version": 1, "terms": terms(**changed)}


async def order(job: Job, note: str = "We use them up within three years.", **changed: Any) -> str:
    """The order's id; with other terms where some are changed."""
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 4}], "po_number": "PO-9",
        "ship_to_site_id": str(job.world.buyer.site),
        **({"proposed": {"clauses": [clause(**changed)], "note": note}} if changed else {}),
    }  # fmt: skip
    job.order = (await ok(job.buyer.post(f"{API}/orders", json=body), 201))["id"]
    return f"{API}/orders/{job.order}"


async def proposal(job: Job, agreement: str) -> dict[str, Any]:
    """The newest proposal about an agreement."""
    found: dict[str, Any] = (await ok(job.planner.get(f"{API}/agreements/{agreement}/proposals")))[0]
    return found


async def test_the_buyers_terms_are_signed_as_the_order_is_accepted(job: Job) -> None:
    at = await order(job, window_end_months=36)
    seen = await ok(job.planner.get(at))
    assert seen["proposed"]["clauses"][0]["terms"]["window_end_months"] == 36
    assert seen["proposed"]["note"].startswith("We use them up")
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(f"{at}/accept"), "order.terms")
    await refused(job.planner.post(f"{at}/accept", json={"terms": "posted"}), "order.terms")
    assert await rows_of(job.world, *TABLES) == before
    agreement = (await ok(job.planner.post(f"{at}/accept", json={"terms": "proposed"})))["id"]
    found = await ok(job.buyer.get(f"{API}/agreements/{agreement}"))
    assert (found["status"], found["terms"]["window_end_months"]) == ("active", 36)
    assert found["order_id"] == job.order
    assert "36 months" in found["wording"]
    assert "**Schedule date:** the day on which the second party signs" in found["wording"]
    signed = datetime.fromisoformat(found["maker_signed_at"])
    assert found["schedule_date"] == local_day(signed, found["zone"]).isoformat()
    shown = await ok(job.buyer.get(at))
    assert (shown["shown_status"], shown["agreement_id"]) == ("signed", agreement)
    assert shown["reference"] in found["wording"].replace("\\", ""), "the text names the order"
    books = await ok(job.planner.get(f"{API}/agreements/{agreement}/books"))
    assert books["recorded_at"], "the books are of the version that is signed"
    # And it goes on as ever.
    job.agreement = agreement
    await job.delivered(4)
    assert (await ok(job.buyer.get(f"{API}/agreements/{agreement}")))["remaining"] == 4


async def test_the_buyers_terms_are_declined_and_the_postings_stand(job: Job) -> None:
    at = await order(job, window_end_months=36)
    agreement = (
        await ok(job.planner.post(f"{at}/accept", json={"terms": "posted", "reason": "Five years, as for everybody."}))
    )["id"]
    found = await ok(job.buyer.get(f"{API}/agreements/{agreement}"))
    assert (found["status"], found["terms"]["window_end_months"], found["waiting_for"]) == ("offered", 60, ["holder"])
    told = await proposal(job, agreement)
    assert (told["kind"], told["status"], told["reason"]) == ("terms", "declined", "Five years, as for everybody.")
    assert [(d["term"], d["before"], d["after"]) for d in told["differences"]] == [
        ("window_end_months", "60 months", "36 months")
    ]
    await ok(job.buyer.post(f"{API}/agreements/{agreement}/sign"))
    assert (await ok(job.buyer.get(at)))["shown_status"] == "signed"


async def test_version_against_version_until_both_sign_the_last(job: Job) -> None:
    at = await order(job, window_end_months=36)
    offered = (await ok(job.planner.post(f"{at}/accept", json={"terms": "open"})))["id"]
    first = await proposal(job, offered)
    assert (first["kind"], first["status"], first["proposed_by"]) == ("terms", "open", job.world.buyer.name)
    # The seller answers with other terms; the buyer's are countered, and only the last version can be signed.
    counter = await ok(
        job.planner.post(f"{API}/agreements/{offered}/proposals", json=clause(window_end_months=48, handling_bp=700)),
        201,
    )
    assert counter["answers_id"] == first["id"]
    before = await rows_of(job.world, *TABLES)
    for client in (job.planner, job.buyer):
        await refused(client.post(f"{API}/agreements/{offered}/sign"), "agreement.stale_version")
    sign = f"{at}/terms"
    await refused(job.planner.post(f"{sign}/{first['id']}/sign"), "proposal.closed")
    await refused(job.planner.post(f"{sign}/{counter['id']}/sign"), "proposal.own")
    await refused(job.buyer.post(f"{API}/agreements/proposals/{counter['id']}/sign"), "proposal.kind")
    old = {"wording_sha256": first["wording_sha256"]}
    await refused(job.buyer.post(f"{sign}/{counter['id']}/sign", json=old), "agreement.other_text")
    assert (await job.outsider.post(f"{sign}/{counter['id']}/sign")).status_code == 404
    assert (
        await job.outsider.post(f"{API}/agreements/{offered}/proposals", json=clause(handling_bp=1))
    ).status_code == 404
    assert await rows_of(job.world, *TABLES) == before
    new = {"wording_sha256": counter["wording_sha256"]}
    done = await ok(job.buyer.post(f"{sign}/{counter['id']}/sign", json=new))
    found = await ok(job.planner.get(f"{API}/agreements/{done['agreement_id']}"))
    assert (found["status"], found["terms"]["window_end_months"], found["terms"]["handling_bp"]) == ("active", 48, 700)
    assert found["order_id"] == job.order
    assert (await ok(job.buyer.get(at)))["agreement_id"] == done["agreement_id"]
    older = await ok(job.buyer.get(f"{API}/agreements/{offered}"))
    assert (older["status"], older["order_id"]) == ("superseded", None)
    stale = await refused(job.buyer.post(f"{API}/agreements/{offered}/sign"), "agreement.stale_version")
    assert stale["facts"]["agreement_id"] == done["agreement_id"]
    await job.delivered(4)
    assert (await ok(job.buyer.get(at)))["shown_status"] == "received"


async def test_terms_can_be_proposed_later_and_taken_back(job: Job) -> None:
    at = await order(job)
    offered = (await ok(job.planner.post(f"{at}/accept")))["id"]
    made = await ok(job.buyer.post(f"{API}/agreements/{offered}/proposals", json=clause(window_end_months=24)), 201)
    assert made["kind"] == "terms"
    await refused(job.buyer.post(f"{API}/agreements/{offered}/sign"), "agreement.stale_version")
    assert (await job.buyer.post(f"{API}/agreements/proposals/{made['id']}/decline")).status_code == 204
    await ok(job.buyer.post(f"{API}/agreements/{offered}/sign"))
    assert (await ok(job.buyer.get(at)))["shown_status"] == "signed"
    # Signed by both: other terms are a change of the agreement from now on.
    later = await ok(job.buyer.post(f"{API}/agreements/{offered}/proposals", json=clause(window_end_months=24)), 201)
    assert later["kind"] == "change"


async def test_proposed_terms_lapse_with_the_order(job: Job) -> None:
    at = await order(job, window_end_months=36)
    offered = (await ok(job.planner.post(f"{at}/accept", json={"terms": "open"})))["id"]
    await ok(job.buyer.post(f"{at}/cancel", json={"note": "Not needed."}))
    told = await proposal(job, offered)
    assert told["status"] == "lapsed"
    await refused(job.planner.post(f"{at}/terms/{told['id']}/sign"), "order.state")
    free = await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id::text = $1", job.listing)
    assert free == 0


@pytest.mark.parametrize(
    ("proposed", "code"),
    [
        ({"clauses": [{"clause": "buy-back", "version": 1, "terms": terms()}]}, "proposal.nothing"),
        ({"clauses": [{"clause": "buy-back", "version": 1, "terms": {}}]}, "terms.invalid"),
        ({"clauses": [clause(handling_bp=1), {"clause": "access-back", "version": 1, "terms": {}}]}, "terms.invalid"),
        ({"clauses": [{"clause": "barter", "version": 1, "terms": {}}]}, "terms.unknown_clause"),
    ],
)
async def test_terms_that_cannot_be_reserve_nothing(job: Job, proposed: dict[str, Any], code: str) -> None:
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 4}], "po_number": "PO-9", "proposed": proposed,
        "ship_to_site_id": str(job.world.buyer.site),
    }  # fmt: skip
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{API}/orders", json=body), code)
    assert await rows_of(job.world, *TABLES) == before
    assert await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id::text = $1", job.listing) == 0


async def test_nothing_is_proposed_that_is_not_released(job: Job) -> None:
    from tests.marketplace.agreements.second import BASES

    newer = {"clause": "buy-back", "version": 9, "terms": BASES["buy-back", 2]}
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 4}], "po_number": "PO-9", "proposed": {"clauses": [newer]},
        "ship_to_site_id": str(job.world.buyer.site),
    }  # fmt: skip
    await refused(job.buyer.post(f"{API}/orders", json=body), "terms.unknown_clause")
    assert await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id::text = $1", job.listing) == 0
