"""The release editor and what follows: from own stock to a published posting, and taking it back."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.trade import Market, add_stock, key_of, open_market
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    made = await open_market(world)
    await add_stock(world)
    return made


@pytest.fixture
async def planner(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.maker, "planner") as client:
        yield client


def fields(html: str, form: str) -> dict[str, str | list[str]]:
    """What a browser would send of the form with this action: inputs, chosen options, text areas."""
    part = html.partition(f'action="{form}" method="post"')[2].partition("</form>")[0]
    assert part, f"no form for {form}"
    found: dict[str, str | list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", part):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is None or (('type="checkbox"' in tag or 'type="radio"' in tag) and " checked" not in tag):
            continue
        text = value[1] if value else ""
        if name[1] in found:
            before = found[name[1]]
            found[name[1]] = [*(before if isinstance(before, list) else [before]), text]
        else:
            found[name[1]] = text
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', part, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body) or re.search(r'value="([^"]*)"', body)
        found[name] = chosen[1] if chosen else ""
    found.update(re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', part, re.DOTALL))
    return found


async def drafted(client: httpx.AsyncClient, **values: str) -> str:
    """The address of a new draft."""
    page = await client.get("/releases/new")
    data = {
        "idempotency_key": key_of(page.text),
        "title": "End of series",
        "preset": "access-first",
        "use_class": "non_capital_spare",
        **values,
    }
    made = await client.post("/releases", data=data)
    assert made.status_code == 303, made.text
    twice = await client.post("/releases", data=data)
    assert twice.headers["location"] == made.headers["location"], "a second press makes no second draft"
    return made.headers["location"].removesuffix("/terms")


async def test_from_stock_to_published(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    stock = (await planner.get("/stock", params={"site": str(world.maker.sites[1])})).text
    link = re.search(r'href="/releases/new\?add=([^"]+)"', stock)
    assert link, "free stock can be released from its row"
    key = f"{world.part}|{world.maker.sites[1]}|new"
    draft = await drafted(planner, add=key)

    terms = await planner.get(f"{draft}/terms")
    assert "the manufacturer may order back any unit you still have" in terms.text
    assert "Told by the first line: 12 EA" in terms.text
    form = fields(terms.text, f"{draft}/terms")
    form |= {"t_window_end_months": "48", "t_price_percent": "72.5", "title": "Pumps"}
    preview = await planner.post("/releases/preview", data=form)
    assert "72.5 % of the price paid" in preview.text
    assert "<html" not in preview.text, "only the fragment"
    assert (await planner.post(f"{draft}/terms", data=form)).headers["location"] == f"{draft}/lines"

    lines = await planner.get(f"{draft}/lines")
    assert "72.00" in lines.text, "60 % of the list price of 120.00"
    form = fields(lines.text, f"{draft}/lines")
    form |= {
        "quantity_0": "10",
        "price_0": "55.5",
        "minimum_0": "2",
        "package_0": "2",
        "keep_0": "3",
        "then": "publish",
    }
    assert (await planner.post(f"{draft}/lines", data=form)).headers["location"] == f"{draft}/publish"

    look = await planner.get(f"{draft}/publish")
    assert "Offer 1 line with 10 units, worth 555.00 USD, to: All partners." in look.text
    async with market.client(world.buyer, "buyer") as buyer:
        assert (await buyer.get(draft)).status_code == 404, "a draft is nobody else's business"
    sent = {"idempotency_key": key_of(look.text), "confirmed": "yes"}
    done = await planner.post(f"{draft}/publish", data=sent)
    assert done.headers["location"] == f"{draft}?done=published"
    assert (await planner.post(f"{draft}/publish", data=sent)).headers["location"] == f"{draft}?done=published"
    async with market.client(world.buyer, "buyer") as buyer:
        found = await buyer.get("/find", params={"q": market.number})
        assert "55.50" in found.text
        assert (await buyer.get(draft)).status_code == 200

    row = await world.owner.fetchrow(
        "SELECT title, terms->>'window_end_months' AS ends, terms->'price'->>'percent_bp' AS share, status "
        "FROM release WHERE id = $1",
        draft.rpartition("/")[2],
    )
    assert dict(row) == {"title": "Pumps", "ends": "48", "share": "7250", "status": "published"}


async def test_wrong_terms_are_all_named_and_nothing_is_saved(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await drafted(planner)
    form = fields((await planner.get(f"{draft}/terms")).text, f"{draft}/terms")
    bad = {**form, "t_window_end_months": "9999", "t_handling_bp": "a lot", "t_price_percent": "", "title": "Changed"}
    page = await planner.post(f"{draft}/terms", data=bad)
    assert page.status_code == 422
    assert "Right ends after is from 1 to 360" in page.text
    assert "is not a share" in page.text
    assert "The share of the price paid is missing" in page.text
    assert 'value="a lot"' in page.text, "what was typed is kept"
    clash = {**form, "t_respond_days_stock": "60", "t_notice_days_stock": "10", "title": "Changed"}
    page = await planner.post(f"{draft}/terms", data=clash)
    assert page.status_code == 422
    assert "must not have to ship before the response: at least “Stock order: answer within”" in page.text
    title = await market.world.owner.fetchval("SELECT title FROM release WHERE id = $1", draft.rpartition("/")[2])
    assert title == "End of series"
    fragment = await planner.post("/releases/preview", data=bad)
    assert fragment.status_code == 200
    assert "Some terms do not fit yet" in fragment.text


async def test_preview_without_script_saves_nothing(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await drafted(planner)
    form = fields((await planner.get(f"{draft}/terms")).text, f"{draft}/terms")
    page = await planner.post(f"{draft}/terms", data={**form, "t_price_percent": "44", "preview": "yes"})
    assert page.status_code == 200
    assert "44 % of the price paid" in page.text
    share = await market.world.owner.fetchval(
        "SELECT terms->'price'->>'percent_bp' FROM release WHERE id = $1", draft.rpartition("/")[2]
    )
    assert share == "8500"


async def test_another_preset_brings_another_clause(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await drafted(planner)
    page = await planner.get(f"{draft}/terms", params={"preset": "standard-access"})
    assert "Fee for a draw" in page.text
    saved = await planner.post(f"{draft}/terms", data=fields(page.text, f"{draft}/terms"))
    assert saved.status_code == 303
    clause = await market.world.owner.fetchval("SELECT clause FROM release WHERE id = $1", draft.rpartition("/")[2])
    assert clause == "access-back"


async def test_lines_that_cannot_be_are_named_and_none_is_saved(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    draft = await drafted(planner, add=f"{world.part}|{world.maker.sites[1]}|new")
    form = fields((await planner.get(f"{draft}/lines")).text, f"{draft}/lines")
    for changed, words in (
        ({"quantity_0": "13"}, "Only 12 are free there"),
        ({"quantity_0": "0"}, "Quantity is from 1"),
        ({"price_0": "dear"}, "is not an amount"),
        ({"keep_0": "99"}, "from 0 to the quantity offered"),
        ({"minimum_0": "50"}, "larger than what is offered"),
    ):
        page = await planner.post(f"{draft}/lines", data={**form, **changed})
        assert page.status_code == 422, changed
        assert words in page.text
        assert (
            await world.owner.fetchval("SELECT quantity FROM listing WHERE release_id = $1", draft.rpartition("/")[2])
            == 12
        )
    removed = await planner.post(f"{draft}/lines", data={**form, "remove_0": "yes"})
    assert removed.status_code == 303
    assert "No lines yet." in (await planner.get(f"{draft}/lines")).text


async def test_stock_that_another_posting_offers_cannot_be_added(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await drafted(planner)
    taken = f"{market.world.part}|{market.world.maker.site}|new"
    page = await planner.post(f"{draft}/lines/add", data={"add": taken, "percent": "60"})
    assert page.status_code == 409
    assert "is not free any more" in page.text
    none = await planner.post(f"{draft}/lines/add", data={"percent": "60"})
    assert none.status_code == 422
    assert "Choose at least one stock line" in none.text


async def test_named_partners_alone_see_it(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    draft = await drafted(planner, add=f"{world.part}|{world.maker.sites[1]}|new")
    form = fields((await planner.get(f"{draft}/terms")).text, f"{draft}/terms")
    nobody = await planner.post(f"{draft}/terms", data={**form, "audience": "named"})
    assert nobody.status_code == 422
    assert "Name at least one partner" in nobody.text
    # The audience is named after the line was added: the line must follow it.
    form |= {"audience": "named", "audience_ids": str(world.buyer.id)}
    assert (await planner.post(f"{draft}/terms", data=form)).status_code == 303
    look = await planner.get(f"{draft}/publish")
    assert (
        f"Named partners: {await world.owner.fetchval('SELECT name FROM company WHERE id = $1', world.buyer.id)}"
        in look.text
    )
    await planner.post(f"{draft}/publish", data={"idempotency_key": key_of(look.text), "confirmed": "yes"})
    async with market.client(world.buyer, "buyer") as named, market.client(world.other, "buyer") as other:
        assert (await named.get(draft)).status_code == 200
        assert (await other.get(draft)).status_code == 404
        listing = await world.owner.fetchval("SELECT id FROM listing WHERE release_id = $1", draft.rpartition("/")[2])
        assert (await named.get(f"/listings/{listing}")).status_code == 200
        assert (await other.get(f"/listings/{listing}")).status_code == 404
        assert (await other.get(f"/listings/{listing}/order", follow_redirects=True)).status_code == 404


async def test_reducing_and_withdrawing_honour_what_is_ordered(market: Market, planner: httpx.AsyncClient) -> None:
    address = f"/releases/{market.release}"
    page = await planner.get(f"{address}/lines/{market.listing}/reduce")
    sent = {"confirmed": "yes", "idempotency_key": key_of(page.text)}
    too_many = await planner.post(f"{address}/lines/{market.listing}/reduce", data={**sent, "quantity": "21"})
    assert too_many.status_code == 409
    assert "To offer more, post a new line" in too_many.text
    done = await planner.post(f"{address}/lines/{market.listing}/reduce", data={**sent, "quantity": "6"})
    assert done.status_code == 303
    offered = "SELECT quantity FROM listing WHERE id = $1"
    assert await market.world.owner.fetchval(offered, market.listing) == 6
    page = await planner.get(f"{address}/close")
    assert "Take 8 unsold units off the market" in page.text
    closed = await planner.post(f"{address}/close", data={"confirmed": "yes", "idempotency_key": key_of(page.text)})
    assert closed.headers["location"] == f"{address}?done=closed"
    assert "Closed" in (await planner.get(address)).text
    async with market.client(market.world.buyer, "buyer") as buyer:
        assert "Nothing of this posting is on offer any more" in (await buyer.get(address)).text


async def test_others_cannot_touch_a_posting(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await drafted(planner)
    form = fields((await planner.get(f"{draft}/terms")).text, f"{draft}/terms")
    async with market.client(market.world.other, "admin") as other:
        for path in ("", "/terms", "/lines", "/publish", "/close"):
            assert (await other.get(f"{draft}{path}")).status_code == 404, path
        for path, data in (
            ("/terms", form),
            ("/lines", {}),
            ("/lines/add", {"add": f"{market.world.part}|{market.world.maker.site}|new", "percent": "1"}),
            ("/publish", {"confirmed": "yes"}),
            ("/close", {"confirmed": "yes"}),
        ):
            assert (await other.post(f"{draft}{path}", data=data)).status_code in (404, 409, 422), path
        assert (
            await other.post(
                "/releases", data={"title": "x", "preset": "access-first", "use_class": "non_capital_spare"}
            )
        ).status_code == 422
    status = await market.world.owner.fetchval("SELECT status FROM release WHERE id = $1", draft.rpartition("/")[2])
    assert status == "draft"


async def test_stock_says_what_is_free_reserved_and_listed(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    page = (await planner.get("/stock")).text
    assert market.number in page
    export = (await planner.get("/stock", params={"format": "csv"})).text
    rows = {tuple(row[4:9]) for row in csv.reader(io.StringIO(export)) if row[0] == market.number}
    assert rows == {("20", "EA", "0", "0", "20"), ("12", "EA", "12", "0", "0")}, "what is listed is not free to offer"
    lettered = await world.make_part(f"{world.tag.translate(str.maketrans('0123456789', 'ghijklmnop'))}-XY")
    await world.register(world.maker, 3, part=lettered)
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", lettered)
    assert number in (await planner.get("/stock", params={"search": number[:-1]})).text, "a number without a digit"
    words = (await planner.get("/stock", params={"search": "no-such-number-123"})).text
    assert "No stock matches" in words
    async with market.client(market.world.buyer, "buyer") as buyer:
        assert "No stock yet" in (await buyer.get("/stock")).text


async def test_an_answered_form_that_is_loaded_anew_leads_back_to_where_it_stands(world: World) -> None:
    market = await open_market(world)
    async with market.client(world.buyer, "buyer") as buyer:
        again = await buyer.get(f"/listings/{market.listing}/order")
        assert again.headers["location"] == f"/listings/{market.listing}"
        foreign = await buyer.post(
            "/sign-out", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        )
        assert foreign.status_code == 403
        assert "open the page here and fill the form in again" in foreign.text
        assert "for the role" not in foreign.text
        program = await buyer.post("/api/v1/orders", json={}, headers={"sec-fetch-site": "cross-site"})
        assert (program.status_code, program.json()["code"]) == (403, "request.cross_origin")
    async with market.client(world.maker, "planner") as planner:
        again = await planner.get(f"/releases/{market.release}/lines/add")
        assert again.headers["location"] == f"/releases/{market.release}/lines"


async def test_a_broken_package_is_said_at_its_field_and_nothing_is_saved(
    market: Market, planner: httpx.AsyncClient
) -> None:
    key = f"{market.world.part}|{market.world.maker.sites[1]}|new"
    draft = await drafted(planner, add=key)
    form = fields((await planner.get(f"{draft}/lines")).text, f"{draft}/lines")
    page = await planner.post(f"{draft}/lines", data={**form, "quantity_0": "10", "package_0": "7"})
    assert page.status_code == 422
    assert "10 is not a whole number of packages of 7: offer 7." in page.text
    assert 'value="10"' in page.text, "what was typed is kept"
    quantity = "SELECT quantity FROM listing WHERE release_id::text = $1"
    assert await market.world.owner.fetchval(quantity, draft.rpartition("/")[2]) == 12


async def test_what_was_typed_stays_while_the_stock_is_filtered_turned_over_and_added(
    market: Market, planner: httpx.AsyncClient
) -> None:
    world = market.world
    for n in range(27):
        part = await world.make_part(f"{world.tag}-MORE-{n:02d}")
        await world.register(world.maker, 3, part=part)
    draft = await drafted(planner, add=f"{world.part}|{world.maker.sites[1]}|new")
    address = f"{draft}/lines"
    form = fields((await planner.get(address)).text, address)
    typed = {**form, "quantity_0": "7", "price_0": "41.5", "keep_0": "x"}

    async def saved() -> list[tuple[int, str]]:
        rows = await world.owner.fetch(
            "SELECT quantity, unit_price FROM listing WHERE release_id::text = $1 ORDER BY id", draft.rpartition("/")[2]
        )
        return [(r["quantity"], f"{r['unit_price']:.2f}") for r in rows]

    for then in ({"then": "filter"}, {}):  # the button, and the Enter key
        page = await planner.post(address, data={**typed, "search": f"{world.tag}-MORE", **then})
        assert page.status_code == 200
        now = fields(page.text, address)
        assert (now["quantity_0"], now["price_0"], now["keep_0"]) == ("7", "41.5", "x")
        assert (now["search"], now["shown_search"]) == (f"{world.tag}-MORE", f"{world.tag}-MORE")
        assert f"{world.tag}-MORE-00" in page.text
        assert f"{world.tag}-MORE-26" not in page.text
        assert await saved() == [(12, "72.00")], "looking saves nothing"
    mark = re.search(r'name="then" value="(after:[^"]+)"', page.text)
    assert mark, "a next page"
    page = await planner.post(address, data={**now, "then": mark[1]})
    assert f"{world.tag}-MORE-26" in page.text
    now = fields(page.text, address)
    assert (now["quantity_0"], now["search"]) == ("7", f"{world.tag}-MORE")

    key = re.search(rf'name="add" value="([^"]+)" aria-label="Add {world.tag}-MORE-26', page.text)
    assert key
    wrong = await planner.post(f"{address}/add", data={**now, "add": key[1]})
    assert wrong.status_code == 422
    assert "is not a whole number" in wrong.text
    assert f'value="{key[1]}" checked' in wrong.text
    assert await saved() == [(12, "72.00")]
    away = await planner.post(address, data={**fields(wrong.text, address), "search": "", "then": "filter"})
    assert f'type="hidden" name="add" value="{key[1]}"' in away.text, "what was chosen is not forgotten"
    none = await planner.post(address, data={**now, "search": "no such stock 9", "then": "filter"})
    assert "No stock matches" in none.text
    every = await planner.post(address, data={**fields(none.text, address), "then": "all"})
    assert (fields(every.text, address)["search"], fields(every.text, address)["quantity_0"]) == ("", "7")
    right = fields(wrong.text, f"{address}") | {"keep_0": "0"}
    done = await planner.post(f"{address}/add", data=right)
    assert done.headers["location"] == f"{address}?search={world.tag}-MORE"
    assert sorted(await saved()) == [(3, "72.00"), (7, "41.50")]
    # Enter in a quantity saves.
    form = fields((await planner.get(done.headers["location"])).text, address)
    assert (await planner.post(address, data={**form, "quantity_0": "6"})).status_code == 303
    assert sorted(q for q, _ in await saved()) in ([3, 6], [6, 7])
