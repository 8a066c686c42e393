"""One order for several lines of a posting, on its page."""

from __future__ import annotations

import pytest

from tests.counting import counted
from tests.web.trade import Market, key_of, open_market
from tests.world import World

RESERVED = "SELECT coalesce(sum(ordered), 0)::int FROM listing WHERE release_id = $1"


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


def entries(market: Market, **changed: str) -> dict[str, str]:
    return {
        f"q_{market.listing}": "6",
        f"po_line_{market.listing}": "10",
        f"q_{market.serial_listing}": "1",
        "po_number": "PO 88-1204",
        "ship_to": str(market.world.buyer.site),
        **changed,
    }


async def test_two_lines_are_reviewed_and_placed_once(market: Market) -> None:
    world, address = market.world, f"/releases/{market.release}"
    async with market.client(world.buyer, "buyer") as client:
        with counted(world.db) as sent:
            page = await client.get(address)
        assert page.status_code == 200, page.text
        assert len(sent) <= 14, sent
        assert f'name="q_{market.listing}"' in page.text
        assert "at least 4, in packs of 2" in page.text
        data = {**entries(market), "idempotency_key": key_of(page.text)}
        review = await client.post(f"{address}/order", data=data)
        assert review.status_code == 200, review.text
        assert "Order 2 lines for 610.00 USD" in review.text
        assert await world.owner.fetchval(RESERVED, market.release) == 0, "reviewing orders nothing"
        for _ in range(2):
            placed = await client.post(f"{address}/order", data={**data, "confirmed": "yes"})
            assert placed.status_code == 303, placed.text
        assert await world.owner.fetchval(RESERVED, market.release) == 7
        order = placed.headers["location"].split("?")[0].rsplit("/", 1)[-1]
        rows = await world.owner.fetch(
            "SELECT quantity, po_line FROM order_line WHERE order_id = $1::text::uuid ORDER BY line_no", order
        )
        assert sorted((r["quantity"], r["po_line"]) for r in rows) == [(1, None), (6, "10")]


@pytest.mark.parametrize(
    ("line", "quantity", "status", "words"),
    [
        ("both", "", 422, "Give a quantity beside at least one part."),
        ("listing", "5", 422, "packs of 2"),
        ("listing", "2", 422, "4"),
        ("listing", "-4", 422, "is from 0 to"),
        ("listing", "four", 422, "is not a whole number"),
        ("serial", "3", 409, "PUMP-7: "),
    ],
)
async def test_one_line_that_cannot_be_had_keeps_all_back(
    market: Market, line: str, quantity: str, status: int, words: str
) -> None:
    world = market.world
    changed = {
        "both": {f"q_{market.listing}": "", f"q_{market.serial_listing}": ""},
        "listing": {f"q_{market.listing}": quantity},
        "serial": {f"q_{market.serial_listing}": quantity},
    }[line]
    async with market.client(world.buyer, "buyer") as client:
        data = {**entries(market, **changed), "idempotency_key": "one", "confirmed": "yes"}
        answer = await client.post(f"/releases/{market.release}/order", data=data)
        assert answer.status_code == status, answer.text
        assert words in answer.text
        assert 'value="PO 88-1204"' in answer.text, "what was typed is still there"
    assert await world.owner.fetchval(RESERVED, market.release) == 0
    assert await world.owner.fetchval("SELECT count(*) FROM purchase_order WHERE buyer_id = $1", world.buyer.id) == 0


async def test_who_may_not_order_sees_no_form(market: Market) -> None:
    world, address = market.world, f"/releases/{market.release}"
    async with market.client(world.buyer, "auditor") as client:
        page = await client.get(address)
        assert "Review the order" not in page.text
        assert (await client.post(f"{address}/order", data=entries(market))).status_code == 403
    async with market.client(world.maker, "planner") as client:
        own = await client.post(f"{address}/order", data={**entries(market), "ship_to": str(world.maker.site)})
        assert own.status_code in (403, 422)
    assert await world.owner.fetchval(RESERVED, market.release) == 0
