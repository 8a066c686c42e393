"""Before there is an order: a quote is asked for, offers go version against version, and what is accepted becomes an order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms
from marketplace.orders.quoting import Standing
from tests.agreed import rows_of
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = (
    "quote",
    "quote_version",
    "quote_line",
    "trade_message",
    "purchase_order",
    "order_line",
    "agreement",
    "open_hold",
    "movement",
)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.released(10)
        yield made


async def asked(job: Job, quantity: int = 4, **more: Any) -> str:
    """A request for a quote on the job's listing: its path."""
    body = {"listing_id": job.listing, "quantity": quantity, "ship_to_site_id": str(job.world.buyer.site), **more}
    return f"{API}/quotes/" + (await ok(job.buyer.post(f"{API}/quotes", json=body), 201))["id"]


def offer(job: Job, answers: int, quantity: int = 4, price: str = "70.00", **more: Any) -> dict[str, Any]:
    return {
        "answers": answers, "hours": 24, "lines": [{"listing_id": job.listing, "quantity": quantity, "unit_price": price}], **more,
    }  # fmt: skip


async def later(job: Job, at: str) -> None:
    """The last offer's time is over: it is read from the clock, so its times are set back."""
    await job.world.owner.execute(
        "UPDATE quote SET expires_at = now() - interval '1 minute' WHERE id::text = $1", at[-36:]
    )


async def test_version_against_version_until_one_is_accepted(job: Job) -> None:
    at = await asked(job, note="All at once?", needed_by=(datetime.now(UTC) + timedelta(days=20)).date().isoformat())
    seen = await ok(job.planner.get(at))
    assert (seen["status"], seen["waits_for"], seen["quantity"], seen["note"]) == ("asked", "seller", 4, "All at once?")
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 0, reserve=True, note="For all four.")))
    assert (await ok(job.buyer.get(at)))["waits_for"] == "buyer"
    held = "SELECT coalesce(sum(h.quantity), 0)::int FROM open_hold h JOIN lot l USING (lot_id) WHERE l.part_id = $1"
    assert await job.world.owner.fetchval(held, job.world.part) == 4
    # The buyer wants other terms, fewer units and a lower price; what was reserved is free again.
    terms = dump_terms(PRESETS["standard-buy-back"].terms(use_class="non_capital_spare", window_end_months=36))
    clauses = [{"clause": "buy-back", "version": 1, "terms": terms}]
    await ok(
        job.buyer.post(f"{at}/offers", json=offer(job, 1, 3, "65.00", clauses=clauses, reserve=True, po_number="PO-8"))
    )
    assert await job.world.owner.fetchval(held, job.world.part) == 0, "only a seller reserves"
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at}/accept", json={"version": 2}), "quote.own")
    await refused(job.planner.post(f"{at}/accept", json={"version": 1}), "quote.stale")
    await refused(job.planner.post(f"{at}/withdraw", json={"version": 2}), "quote.theirs")
    await refused(job.planner.post(f"{at}/decline", json={"version": 2, "reason": "mood"}), "quote.reason")
    assert await rows_of(job.world, *TABLES) == before
    order = (await ok(job.planner.post(f"{at}/accept", json={"version": 2})))["id"]
    found = await ok(job.buyer.get(f"{API}/orders/{order}"))
    assert (found["shown_status"], found["po_number"], Decimal(found["total"])) == ("accepted", "PO-8", Decimal(195))
    agreement = await ok(job.buyer.get(f"{API}/agreements/{found['agreement_id']}"))
    assert (agreement["terms"]["window_end_months"], agreement["waiting_for"]) == (36, ["holder"])
    seen = await ok(job.buyer.get(at))
    assert (seen["status"], seen["order_id"]) == ("accepted", order)
    assert [(v["number"], v["company"], v["lines"][0]["quantity"], v["reserved"]) for v in seen["versions"]] == [
        (1, job.world.maker.name, 4, True), (2, job.world.buyer.name, 3, False),
    ]  # fmt: skip
    assert len({v["sha256"] for v in seen["versions"]}) == 2
    # And it goes on as ever.
    job.order, job.agreement = order, found["agreement_id"]
    await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/sign"))
    await job.delivered(3)
    line = (await ok(job.buyer.get(f"{API}/settlement")))["items"][0]
    assert Decimal(line["amount"]) == Decimal(195)
    await refused(job.planner.post(f"{at}/offers", json=offer(job, 2)), "quote.state")


async def test_the_buyer_accepts_what_is_reserved_and_then_signs(job: Job) -> None:
    at = await asked(job, 10)
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 0, 10, reserve=True)))
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 1}],
        "po_number": "P",
        "ship_to_site_id": str(job.world.other.site),
    }
    await refused(job.outsider.post(f"{API}/orders", json=body), "listing.sold_out")
    order = (await ok(job.buyer.post(f"{at}/accept", json={"version": 1, "po_number": "PO-9"})))["id"]
    found = await ok(job.buyer.get(f"{API}/orders/{order}"))
    assert (found["po_number"], found["units"], found["shown_status"]) == ("PO-9", 10, "accepted")
    agreement = await ok(job.buyer.get(f"{API}/agreements/{found['agreement_id']}"))
    assert agreement["maker_signed_at"], "the seller's offer was its signature"
    assert agreement["waiting_for"] == ["holder"]


async def test_an_offer_ends_by_the_clock_and_its_units_are_free(job: Job) -> None:
    at = await asked(job, 10)
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 0, 10, reserve=True)))
    await later(job, at)
    await job.world.owner.execute(
        "UPDATE open_hold SET expires_at = now() - interval '1 minute' WHERE cause_id::text = $1", at[-36:]
    )
    seen = await ok(job.buyer.get(at))
    assert (seen["status"], seen["waits_for"]) == ("lapsed", None)
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at}/accept", json={"version": 1}), "quote.lapsed")
    assert await rows_of(job.world, *TABLES) == before
    # No job has run, and somebody else buys them.
    body = {
        "lines": [{"listing_id": job.listing, "quantity": 10}],
        "po_number": "P",
        "ship_to_site_id": str(job.world.other.site),
    }
    await ok(job.outsider.post(f"{API}/orders", json=body), 201)
    # Another offer may be made; it promises what is there no more, so accepting it is refused.
    await refused(job.planner.post(f"{at}/offers", json=offer(job, 1, 10, reserve=True)), "listing.not_enough")
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 1, 10)))
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at}/accept", json={"version": 2}), "listing.sold_out")
    assert await rows_of(job.world, *TABLES) == before


async def test_only_the_part_what_replaces_it_and_its_alternates(job: Job) -> None:
    world = job.world
    listed = await job.posted(3)
    parts = [
        await world.owner.fetchval("SELECT part_id FROM listing WHERE id::text = $1", x) for x in listed
    ]  # replaces, alternate, unrelated
    await world.owner.execute(
        "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, '2020-01-01')",
        world.part,
        parts[0],
    )
    await world.owner.execute(
        "INSERT INTO alternate (part_id, alternate_part_id) VALUES ($1, $2)", world.part, parts[1]
    )
    body = {"part_id": str(world.part), "quantity": 2, "ship_to_site_id": str(world.buyer.site)}
    at = f"{API}/quotes/" + (await ok(job.buyer.post(f"{API}/quotes", json=body), 201))["id"]
    lines = [{"listing_id": x, "quantity": 1, "unit_price": "9"} for x in listed]
    before = await rows_of(world, *TABLES)
    await refused(job.planner.post(f"{at}/offers", json={"answers": 0, "lines": lines}), "quote.part")
    mixed = [lines[0], {**lines[0], "listing_id": job.listing}]
    await refused(job.planner.post(f"{at}/offers", json={"answers": 0, "lines": mixed}), "order.mixed")
    assert await rows_of(world, *TABLES) == before
    await ok(job.planner.post(f"{at}/offers", json={"answers": 0, "lines": lines[:2]}))
    made = (await ok(job.buyer.get(at)))["versions"][0]["lines"]
    assert [x["relation"] for x in made] == ["superseded_by", "alternate"]
    # What the buyer does not see is not offered to it.
    await ok(
        job.planner.post(f"{API}/audiences/blocks", json={"partner_id": str(world.buyer.id), "reason": "Credit."}), 201
    )
    await refused(job.planner.post(f"{at}/offers", json={"answers": 1, "lines": lines[:1]}), "quote.not_offered")
    await refused(job.buyer.post(f"{at}/accept", json={"version": 1}), "listing.not_found")
    assert (await ok(job.buyer.get(at)))["status"] == "offered"


async def test_nobody_else_sees_or_answers(job: Job) -> None:
    at = await asked(job)
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 0)))
    await ok(job.buyer.post(f"{at}/messages", json={"text": " By sea? "}), 201)
    before = await rows_of(job.world, *TABLES)
    for answer in (
        job.outsider.get(at), job.outsider.get(f"{at}/messages"), job.outsider.post(f"{at}/messages", json={"text": "Hm"}),
        job.outsider.post(f"{at}/offers", json=offer(job, 1)), job.outsider.post(f"{at}/accept", json={"version": 1}),
        job.outsider.post(f"{at}/decline", json={"version": 1, "reason": "price"}),
    ):  # fmt: skip
        await refused(answer, "quote.not_found")
    assert (await ok(job.outsider.get(f"{API}/quotes")))["items"] == []
    own = {"listing_id": job.listing, "quantity": 1, "ship_to_site_id": str(job.world.maker.site)}
    assert (await job.planner.post(f"{API}/quotes", json=own)).status_code == 403
    await refused(job.technician.post(f"{at}/offers", json=offer(job, 1)), "actor.role")
    await refused(job.buyer.post(f"{at}/messages", json={"text": "x" * 2_001}), "message.text")
    assert await rows_of(job.world, *TABLES) == before
    # One thread, from the quote on to its order.
    order = (await ok(job.buyer.post(f"{at}/accept", json={"version": 1})))["id"]
    await ok(job.planner.post(f"{at}/messages", json={"text": "By lorry."}), 201)
    for path, client in ((f"{API}/orders/{order}/messages", job.planner), (f"{at}/messages", job.buyer)):
        assert [(m["company"], m["text"]) for m in (await ok(client.get(path)))["items"]] == [
            (job.world.buyer.name, "By sea?"), (job.world.maker.name, "By lorry."),
        ]  # fmt: skip
    mail = await job.world.owner.fetchval(
        "SELECT payload #>> '{mail,link}' FROM outbox_event WHERE name = 'order.message' AND aggregate_id::text = $1",
        order,
    )
    assert mail == f"/orders/{order}"


async def test_many_take_as_many_statements_as_one(job: Job) -> None:
    counts = []
    at = ""
    for _ in range(2):
        for _ in range(3):
            at = await asked(job)
            await ok(job.planner.post(f"{at}/offers", json=offer(job, 0)))
        with counted(job.world.db) as sent:
            assert len((await ok(job.planner.get(f"{API}/quotes?state=open")))["items"]) in (3, 6)
        counts.append(len(sent))
    assert counts[0] == counts[1]
    whole = []
    for n in range(1, 4):
        with counted(job.world.db) as sent:
            await ok(job.buyer.get(at))
        whole.append(len(sent))
        await ok((job.buyer if n % 2 else job.planner).post(f"{at}/offers", json=offer(job, n)))
    assert len(set(whole)) == 1, "a history is read whole"
    assert [q["waits_for"] for q in (await ok(job.planner.get(f"{API}/quotes?state=waits")))["items"]] == ["seller"]


async def _together(*answers: Any) -> Counter[str]:
    """Sends all at once: how often each came out; anything but an answer or a refusal is an error."""
    found: list[httpx.Response] = await asyncio.gather(*(answer() for answer in answers))
    assert not [a for a in found if a.status_code >= 500], [a.text for a in found]
    return Counter("done" if a.status_code < 300 else a.json()["code"] for a in found)


@pytest.mark.parametrize("turn", range(4))
async def test_two_sides_at_once_have_one_outcome(job: Job, turn: int) -> None:
    """Accepted while withdrawn, while another version is made, twice, while the posting closes, and the last units sold meanwhile."""
    at = await asked(job, 10)
    await ok(job.planner.post(f"{at}/offers", json=offer(job, 0, 10)))
    order = {
        "lines": [{"listing_id": job.listing, "quantity": 10}],
        "po_number": "P",
        "ship_to_site_id": str(job.world.other.site),
    }
    rivals: list[tuple[httpx.AsyncClient, str, dict[str, Any], set[str]]] = [
        (job.planner, f"{at}/withdraw", {"version": 1}, {"quote.state"}),
        (job.planner, f"{at}/offers", offer(job, 1, 10, "99.00"), {"quote.state", "quote.stale"}),
        (job.buyer, f"{at}/accept", {"version": 1, "po_number": "second"}, {"quote.state"}),
        (job.outsider, f"{API}/orders", order, {"listing.sold_out", "listing.not_enough"}),
    ]
    client, path, body, lost = rivals[turn]
    came = await _together(
        lambda: job.buyer.post(f"{at}/accept", json={"version": 1}), lambda: client.post(path, json=body)
    )
    assert came["done"] == 1, came
    assert set(came) <= {"done"} | lost, came
    seen = await ok(job.buyer.get(at))
    orders = await job.world.owner.fetch(
        "SELECT o.id, x.quantity, x.unit_price FROM purchase_order o JOIN order_line x ON x.order_id = o.id WHERE o.seller_id = $1",
        job.world.maker.id,
    )  # fmt: skip
    assert sum(o["quantity"] for o in orders) in ((10,) if turn > 1 else (0, 10))
    if seen["status"] == "accepted":
        assert [(str(o["id"]), o["unit_price"]) for o in orders] == [(seen["order_id"], Decimal(70))]


def test_whose_turn_it_is() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    open_offer = Standing("offered", 2, "seller", now + timedelta(seconds=1))
    assert [open_offer.may(act, "buyer", now) for act in ("offer", "accept", "decline", "withdraw")] == [
        True,
        True,
        True,
        False,
    ]
    assert [open_offer.may(act, "seller", now) for act in ("offer", "accept", "decline", "withdraw")] == [
        True,
        False,
        False,
        True,
    ]
    over = Standing("offered", 2, "seller", now)
    assert (over.shown(now), over.waits_for(now)) == ("lapsed", None)
    assert not over.may("accept", "buyer", now)
    assert over.may("offer", "buyer", now)
    assert Standing("asked").may("withdraw", "buyer", now)
    assert not Standing("asked").may("accept", "seller", now)
    assert not any(
        Standing("accepted", 1, "buyer").may(act, side, now)
        for act in ("offer", "accept")
        for side in ("buyer", "seller")
    )
