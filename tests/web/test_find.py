"""Finding parts over HTTP: steps said in words, related numbers marked, filters, words, references, export."""

from __future__ import annotations

import csv
import io

import pytest

from marketplace.kit.exports import BOM
from tests.counting import counted
from tests.web.trade import Market, open_market
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


async def find(market: Market, q: str = "", **more: str) -> str:
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.get("/find", params={"q": q, **more})
    assert page.status_code == 200, page.text
    return page.text


async def test_an_exact_number_however_it_is_written(market: Market) -> None:
    page = await find(market, market.number.lower().replace("-", " "))
    assert "Found by: exact number" in page
    assert "May be bought back until" in page
    assert "to 20 days (stock)" in page
    assert "min. 4, packs of 2" in page
    assert f'href="/listings/{market.listing}"' in page


async def test_the_newer_number_is_marked_and_never_swapped(market: Market) -> None:
    page = await find(market, market.number)
    assert f"Replaces {market.number} since 4 Mar 2024" in page
    newer = await find(market, market.newer_number)
    assert f"Older number: replaced by {market.newer_number}" in newer
    assert f'href="/listings/{market.listing}"' in newer, "what is on offer of the older number is shown, marked"


async def test_a_beginning_and_a_slip_are_said_to_be_only_that(market: Market) -> None:
    assert "No exact match; these begin with it" in await find(market, market.number[:-2])
    tag = market.world.tag
    slip = await find(market, f"{tag}-PUMQ-7")
    assert "spelled much alike" in slip
    assert f"{tag}-PUMP-7" in slip


async def test_nothing_found_says_what_was_tried(market: Market) -> None:
    page = await find(market, "QQQ-ZZZ-000999888")
    assert "No part has the number QQQ-ZZZ-000999888" in page
    assert "similar spellings" in page


async def test_a_pasted_list_in_the_body_tells_each_number(market: Market) -> None:
    lines = "\r\n".join(
        [market.number, market.newer_number, "QQQ-ZZZ-000999888", f"{market.world.tag}-PUMP-7\t4\tpumps"]
    )
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.post("/find", data={"q": lines})
        asked_once = await client.post("/find", data={"q": lines, "offered": "yes"})
    assert "4 numbers" in page.text
    assert "3 exact, 1 not found" in page.text
    assert "1 number was not found" in page.text
    assert market.number in asked_once.text


async def test_too_many_numbers_are_refused_with_the_list_kept(market: Market) -> None:
    lines = "\n".join(f"NUMBER-{n}" for n in range(501))
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.post("/find", data={"q": lines})
    assert page.status_code == 422
    assert "501 numbers; at most 500" in page.text
    assert "NUMBER-500" in page.text, "what was pasted is still there"


async def test_the_number_of_statements_does_not_grow_with_the_list(market: Market) -> None:
    world = market.world
    for n in range(30):
        await world.make_part(f"{world.tag}-MANY-{n}")
    lines = "\n".join(f"{world.tag}-MANY-{n}" for n in range(30))
    async with market.client(world.buyer, "buyer") as client:
        with counted(world.db) as few:
            await client.post("/find", data={"q": f"{market.number}\n{market.newer_number}"})
        with counted(world.db) as many:
            await client.post("/find", data={"q": f"{lines}\n{market.number}\nnothing-like-{world.tag}"})
    assert any("part_number" in statement for statement in few)
    # Prefix, substring, and close spelling by halves and by trigrams, are tried once each: one number is not exact.
    assert len(many) <= len(few) + 4, many
    # The shell counts one thing more since there are quality holds to be answered, and reads the bell with the place in the order of
    # events in a statement of its own: it has to come before the rest.
    assert len(many) <= 22


async def test_browsing_filters_and_sorts_on_the_server(market: Market) -> None:
    world = market.world
    seller = {"seller": str(world.maker.id)}
    everything = await find(market, **seller)
    assert market.number in everything
    assert f"{world.tag}-PUMP-7" in everything
    assert f"{world.tag}-PUMP-7" not in await find(market, **seller, max_price="100")
    assert market.number not in await find(market, **seller, max_price="59.99")
    assert f"{world.tag}-PUMP-7" not in await find(market, **seller, min_quantity="3")
    assert "Nothing on offer matches" in await find(market, **seller, clause="access-back")
    assert "Nothing on offer matches" in await find(market, **seller, condition="core")
    assert market.number in await find(market, **seller, within="50")
    cheap_first = await find(market, **seller, sort="price")
    assert cheap_first.index(market.number) < cheap_first.index(f"{world.tag}-PUMP-7")
    dear_first = await find(market, **seller, sort="-price")
    assert dear_first.index(f"{world.tag}-PUMP-7") < dear_first.index(market.number)


async def test_a_filter_that_cannot_be_read_is_left_out_and_said(market: Market) -> None:
    page = await find(market, market.number, max_price="cheap")
    assert "Left out of the search:" in page
    assert f'href="/listings/{market.listing}"' in page


async def test_words_search_descriptions(market: Market) -> None:
    page = await find(market, "hydraulic pump", seller=str(market.world.maker.id))
    assert "in descriptions" in page
    assert market.number in page


async def test_references_and_serials_lead_to_their_thing(market: Market) -> None:
    world = market.world
    reference = await world.owner.fetchval("SELECT reference FROM release WHERE id = $1", market.release)
    async with market.client(world.buyer, "buyer") as client:
        leads = await client.get("/find", params={"q": reference.lower()})
        assert leads.status_code == 303
        assert leads.headers["location"] == f"/releases/{market.release}"
        unseen = await client.get("/find", params={"q": f"0004{world.tag}"})
    assert "A unit with this serial" not in unseen.text, "a partner does not see the seller's units"
    async with market.client(world.maker, "planner") as client:
        seen = await client.get("/find", params={"q": f"0004{world.tag}"})
    assert f'href="/units/{market.lots[1]}"' in seen.text


async def test_the_export_holds_every_number(market: Market) -> None:
    async with market.client(market.world.buyer, "buyer") as client:
        answer = await client.post("/find", data={"q": f"{market.number}\n=QQQ-000999888", "format": "csv"})
        browsed = await client.get("/find", params={"seller": str(market.world.maker.id), "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix(BOM))))
    assert rows[0][0] == "Asked for"
    assert [market.number, "exact number", market.number] == rows[1][:3]
    assert rows[-1][:2] == ["'=QQQ-000999888", "not found"], "a cell never starts a formula"
    assert len(list(csv.reader(io.StringIO(browsed.text.removeprefix(BOM))))) == 3


async def test_pages_of_a_long_list_follow_each_other_without_gap_or_repeat(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web.pages import find as page_module

    monkeypatch.setattr(page_module, "PER_PAGE", 1)
    seen: list[str] = []
    address = f"/find?seller={market.world.maker.id}&sort=price"
    async with market.client(market.world.buyer, "buyer") as client:
        while address:
            page = (await client.get(address)).text
            seen += [number for number in (market.number, f"{market.world.tag}-PUMP-7") if f">{number}<" in page]
            link = page.partition('rel="next" href="')[2].partition('"')[0]
            address = link.replace("&amp;", "&")
    assert seen == [market.number, f"{market.world.tag}-PUMP-7"]


async def test_a_forged_bookmark_is_refused(market: Market) -> None:
    async with market.client(market.world.buyer, "buyer") as client:
        page = await client.get("/find", params={"after": "bm90IG91cnM"})
    assert page.status_code == 422
    assert "Start again from the first page" in page.text
