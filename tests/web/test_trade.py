"""The pages of the trade over HTTP: find, order, accept, sign, ship, receive, on a real database."""

from __future__ import annotations

import pytest

from tests.web.trade import Market, key_of, open_market, order_form
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


async def test_find_shows_the_offer_in_words(market: Market) -> None:
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.get("/find", params={"q": market.number.lower().replace("-", " ")})
    assert page.status_code == 200, page.text
    assert market.number in page.text
    assert "May be bought back until" in page.text
    assert f'href="/listings/{market.listing}"' in page.text
