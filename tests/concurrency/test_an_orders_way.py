"""Both sides act on the same order at the same moment, in either order: one outcome, the other is told why, every unit is somewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.embedded import OWNER, Credentials
from tests import second
from tests.concurrency.test_orders_back import Act, Gate, outcomes
from tests.marketplace.main_job import API, Job, ok
from tests.marketplace.orders.test_deliveries import OWN, Way, sales, way
from tests.world import World

owner, db, worker_db = second.FIXTURES
ORDER = "SELECT id FROM purchase_order WHERE id = $1::uuid FOR UPDATE"
LISTING = "SELECT id FROM listing WHERE id = $1::uuid FOR UPDATE"


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


@pytest.fixture
async def gate(world: World, cluster: Credentials) -> AsyncIterator[Gate]:
    name = await world.owner.fetchval("SELECT current_database()")
    connection = await asyncpg.connect(cluster.dsn(OWNER, name))
    yield Gate(connection, world.owner)
    await connection.close()


def acts_of(order: Way, **more: str) -> dict[str, Act]:
    """What either side may do, by name; ``more``: the addresses of a difference and of a return."""
    planner, buyer, url = order.job.planner, order.job.buyer, order.url
    return {
        "ship": lambda: planner.post(f"{url}/ship", json=OWN),
        "agree": lambda: planner.post(f"{url}/cancellation/answer", json={"answer": "agree"}),
        "withdraw": lambda: buyer.post(f"{url}/cancellation/answer", json={"answer": "withdraw"}),
        "receive": lambda: buyer.post(f"{url}/receive", json={"lines": [], "shipment_id": more["shipment"]}),
        "accept": lambda: planner.post(f"{url}/accept"),
        "cancel": lambda: buyer.post(f"{url}/cancel", json={"reason": "not_needed"}),
        "settle": lambda: planner.post(f"{more['difference']}/answer", json={"answer": "lost", "open": 2}),
        "take": lambda: buyer.post(f"{more['difference']}/take", json={"open": 2}),
        "send": lambda: buyer.post(f"{more['back']}/ship", json=OWN),
        "keep": lambda: buyer.post(f"{more['back']}/withdraw", json={}),
        "answer": lambda: planner.post(f"{more['back']}/answer", json={"agree": True}),
        "refuse": lambda: planner.post(f"{more['back']}/answer", json={"agree": False, "reason": "no_use"}),
    }


@pytest.mark.parametrize("first", ["order", "price"])
async def test_a_price_changes_while_somebody_orders_at_the_old_one(job: Job, gate: Gate, first: str) -> None:
    await job.released(10)
    line = {"listing_id": job.listing, "quantity": 4, "unit_price": "80.00"}
    body = {"lines": [line], "po_number": "P", "ship_to_site_id": str(job.world.buyer.site)}
    acts: dict[str, Act] = {
        "order": lambda: job.buyer.post(f"{API}/orders", json=body),
        "price": lambda: job.planner.post(f"{API}/listings/{job.listing}/reprice", json={"unit_price": "90.00"}),
    }
    other = "price" if first == "order" else "order"
    came = outcomes(await gate.race(LISTING, job.listing, [acts[first], acts[other]]))
    prices = await job.world.owner.fetch(
        "SELECT l.unit_price FROM order_line l WHERE l.listing_id = $1", UUID(job.listing)
    )
    if first == "order":
        assert came == ["won", "won"]
        assert [p["unit_price"] for p in prices] == [Decimal(80)], "what was ordered stays at its price"
    else:
        assert came == ["won", "listing.price_changed"]
        assert not prices
    ordered = await job.world.owner.fetchval("SELECT ordered FROM listing WHERE id = $1", UUID(job.listing))
    assert ordered == (4 if first == "order" else 0)


@pytest.mark.parametrize("pair", [("cancel", "accept"), ("accept", "cancel")], ids="-".join)
async def test_an_order_is_cancelled_while_it_is_accepted(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    await job.released(10)
    await job.ordered(4)
    acts = acts_of(Way(job))
    came = outcomes(await gate.race(ORDER, job.order, [acts[x] for x in pair]))
    # Until both have signed the buyer cancels alone, with a reason: also just after it was accepted.
    assert came == (["won", "order.state"] if pair[0] == "cancel" else ["won", "won"])
    assert (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["shown_status"] == "cancelled"
    assert await job.world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1", UUID(job.order)) == 0
    assert await Way(job).stands() == {"shelf": 10}


@pytest.mark.parametrize("pair", [("ship", "agree"), ("agree", "ship")], ids="-".join)
async def test_the_rest_is_shipped_while_it_is_cancelled(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    """Two people at the seller's: one ships, the other agrees to cancel."""
    order = await way(job)
    await order.ship((1, 2))
    await ok(job.buyer.post(f"{order.url}/cancellation", json={"reason": "too_late"}))
    came = outcomes(await gate.race(ORDER, job.order, [acts_of(order)[x] for x in pair]))
    assert came == ["won", "order.cancel_not_asked" if pair[0] == "ship" else "order.state"]
    assert await order.stands() == ({"shelf": 4, "way": 6} if pair[0] == "ship" else {"shelf": 8, "way": 2})
    seen = await order.detail()
    assert seen["shown_status"] == "shipped"
    assert seen["cancellation"]["status"] == ("refused" if pair[0] == "ship" else "agreed")
    assert (await ok(job.planner.get(f"{API}/orders?side=selling")))["items"][0]["units"] == (
        6 if pair[0] == "ship" else 2
    )


@pytest.mark.parametrize("pair", [("receive", "agree"), ("agree", "receive")], ids="-".join)
async def test_a_part_is_received_while_the_rest_is_cancelled(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    order = await way(job)
    shipment = await order.ship((1, 2))
    await ok(job.buyer.post(f"{order.url}/cancellation", json={"reason": "too_late"}))
    acts = acts_of(order, shipment=shipment)
    assert outcomes(await gate.race(ORDER, job.order, [acts[x] for x in pair])) == ["won", "won"]
    assert await order.stands() == {"shelf": 8, "bought": 2}
    assert (await order.detail())["shown_status"] == "received"
    assert await sales(job) == 160


@pytest.mark.parametrize("pair", [("withdraw", "agree"), ("agree", "withdraw")], ids="-".join)
async def test_a_wish_to_cancel_is_withdrawn_while_it_is_agreed_to(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    order = await way(job)
    await order.ship((1, 2))
    await ok(job.buyer.post(f"{order.url}/cancellation", json={"reason": "too_late"}))
    came = outcomes(await gate.race(ORDER, job.order, [acts_of(order)[x] for x in pair]))
    assert came == ["won", "order.cancel_not_asked"]
    assert (await order.detail())["units"] == (6 if pair[0] == "withdraw" else 2)


@pytest.mark.parametrize("pair", [("settle", "settle"), ("settle", "take"), ("take", "settle")], ids="-".join)
async def test_a_difference_is_settled_once(job: Job, gate: Gate, pair: tuple[str, str]) -> None:
    order = await way(job)
    await order.ship()
    await order.receive(good=4, short=2, note="two fewer")
    (found,) = (await order.detail())["differences"]
    acts = acts_of(order, difference=f"{order.url}/differences/{found['id']}")
    assert outcomes(await gate.race(ORDER, job.order, [acts[x] for x in pair])) == ["won", "difference.settled"]
    lost = pair[0] == "settle"
    assert await order.stands() == ({"shelf": 4, "bought": 4, "lose": 2} if lost else {"shelf": 4, "bought": 6})
    assert await sales(job) == (320 if lost else 480)
    assert len((await order.detail())["differences"][0]["parts"]) == 1


@pytest.mark.parametrize(
    ("pair", "then"),
    [
        (("answer", "keep"), ["won", "won"]), (("keep", "answer"), ["won", "return.state"]),
        (("answer", "refuse"), ["won", "return.state"]), (("answer", "answer"), ["won", "return.state"]),
        (("send", "keep"), ["won", "return.state"]), (("keep", "send"), ["won", "return.state"]),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, tuple) else "",
)  # fmt: skip
async def test_a_return_goes_one_way(job: Job, gate: Gate, pair: tuple[str, str], then: list[str]) -> None:
    order = await way(job)
    await order.ship()
    await order.receive()
    body: dict[str, Any] = {"lines": [{"line_no": 1, "quantity": 2}], "reason": "not_needed", "note": ""}
    made = (await ok(job.buyer.post(f"{order.url}/returns", json=body), 201))["id"]
    acts = acts_of(order, back=f"{order.url}/returns/{made}")
    if "send" in pair:
        await ok(acts["answer"]())
    assert outcomes(await gate.race(ORDER, job.order, [acts[x] for x in pair])) == then
    (seen,) = (await order.detail())["returns"]
    last = pair[1] if then[1] == "won" else pair[0]
    assert seen["status"] == {"keep": "withdrawn", "answer": "agreed", "send": "shipped"}[last]
    assert await order.stands() == (
        {"shelf": 4, "bought": 4, "back": 2} if last == "send" else {"shelf": 4, "bought": 6}
    )
