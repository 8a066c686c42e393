"""Ordering over HTTP on a real database: both sides, every step, every refusal; nothing half done, nothing twice."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID, uuid4

import httpx
import pytest

from tests.web.trade import Market, key_of, open_market, order_form
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


@pytest.fixture
async def buyer(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.buyer, "admin") as client:
        yield client


@pytest.fixture
async def seller(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.maker, "planner") as client:
        yield client


def sent(page: httpx.Response, **values: str) -> dict[str, str]:
    """A form of a page as a browser would send it after the last look: confirmed, with its key."""
    return {"idempotency_key": key_of(page.text), "confirmed": "yes", **values}


async def placed(market: Market, client: httpx.AsyncClient, **changed: str) -> str:
    """The address of a new order."""
    address = f"/listings/{market.listing}/order"
    look = await client.post(address, data=order_form(market, **changed))
    done = await client.post(address, data=sent(look, **order_form(market, **changed)))
    assert done.status_code == 303, done.text
    return done.headers["location"].partition("?")[0]


async def step(client: httpx.AsyncClient, order: str, name: str, **values: str) -> httpx.Response:
    """Looks at a step's page, then carries it out."""
    page = await client.get(f"{order}/{name}")
    assert page.status_code == 200, page.text
    hidden = re.findall(r'name="wording_sha256" value="([^"]+)"', page.text)
    more = {"wording_sha256": hidden[0]} if hidden else {}
    return await client.post(f"{order}/{name}", data=sent(page, **more, **values))


# -- the listing and the order form ----------------------------------------------------------------------


async def test_the_listing_says_what_the_clause_means(market: Market, buyer: httpx.AsyncClient) -> None:
    page = (await buyer.get(f"/listings/{market.listing}", params={"quantity": "8"})).text
    assert "What the clause means for 8 units" in page
    assert (
        "The schedule&#39;s price is 60.00 USD a unit; you get 85 % of the schedule&#39;s price plus 6 % handling."
        in page
    )
    assert "Keep 2 of 8 units until " in page, "a quarter of what is offered is to be kept"
    assert "2 of 8; 5 of all 20 on offer, an order&#39;s share is rounded up" in page
    assert "the whole text" in page
    assert "{{" not in page
    serials = (await buyer.get(f"/listings/{market.serial_listing}")).text
    assert f"0004{market.world.tag}" in serials, "a buyer sees serials before buying"


async def test_an_order_is_looked_at_before_it_is_placed(market: Market, buyer: httpx.AsyncClient) -> None:
    look = await buyer.post(f"/listings/{market.listing}/order", data=order_form(market))
    assert look.status_code == 200
    assert "for 240.00 USD" in look.text
    assert "Reserve 4 EA for you now, for up to 48 hours." in look.text
    assert await market.ordered() == 0, "looking reserves nothing"
    made = await market.world.owner.fetchval(
        "SELECT count(*) FROM purchase_order WHERE buyer_id = $1", market.world.buyer.id
    )
    assert made == 0


@pytest.mark.parametrize(
    ("changed", "words", "status"),
    [
        ({"quantity": "0"}, "Quantity is from 1", 422),
        ({"quantity": "-3"}, "Quantity is from 1", 422),
        ({"quantity": "4.5"}, "is not a whole number", 422),
        ({"quantity": "--5"}, "is not a whole number", 422),
        ({"quantity": "9" * 5000}, "a number of 5,000 digits was given", 422),
        ({"quantity": "\u0663"}, "is not a whole number", 422),
        ({"quantity": ""}, "Quantity is missing", 422),
        ({"quantity": "3"}, "The smallest order is 4", 422),
        ({"quantity": "5"}, "Sold in packages of 2", 422),
        ({"quantity": "22"}, "Only 20 EA are left, not 22", 409),
        ({"po_number": " "}, "Purchase order number is missing", 422),
        ({"ship_to": "nonsense"}, "choose one from the list", 422),
        ({"requested_on": "2020-01-01"}, "Choose a day from today", 422),
        ({"requested_on": "2062-01-01"}, "to 5 years ahead", 422),
        ({"requested_on": "soon"}, "is not a date", 422),
    ],
)
@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_wrong_order_keeps_what_was_typed_and_changes_nothing(
    market: Market, buyer: httpx.AsyncClient, changed: dict[str, str], words: str, status: int, confirmed: bool
) -> None:
    before = await market.world.snapshot(*market.lots)
    more = {"confirmed": "yes", "idempotency_key": str(uuid4())} if confirmed else {}
    page = await buyer.post(f"/listings/{market.listing}/order", data={**order_form(market, **changed), **more})
    assert page.status_code == status
    assert words in page.text
    assert 'value="PO 88-1204"' in page.text or "po_number" in changed
    assert await market.ordered() == 0
    assert await market.world.snapshot(*market.lots) == before
    kept = await market.world.owner.fetchval(
        "SELECT count(*) FROM idempotency_key WHERE company_id = $1", market.world.buyer.id
    )
    assert kept == 0, "the refused key may be used again"


async def test_somebody_elses_site_is_not_there(market: Market, buyer: httpx.AsyncClient) -> None:
    page = await buyer.post(
        f"/listings/{market.listing}/order", data=order_form(market, ship_to=str(market.world.other.site))
    )
    assert page.status_code == 404
    assert await market.ordered() == 0


async def test_html_in_what_is_typed_stays_text(market: Market, buyer: httpx.AsyncClient) -> None:
    order = await placed(market, buyer, po_number="<script>alert(1)</script>")
    page = (await buyer.get(order)).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


async def test_pressing_twice_is_one_order(market: Market, buyer: httpx.AsyncClient) -> None:
    address = f"/listings/{market.listing}/order"
    look = await buyer.post(address, data=order_form(market))
    form = sent(look, **order_form(market))
    first, second = await buyer.post(address, data=form), await buyer.post(address, data=form)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert await market.ordered() == 4
    other = await buyer.post(address, data={**form, "quantity": "6"})
    assert other.status_code == 409
    assert "quantity" in other.text
    assert await market.ordered() == 4


async def test_just_sold_out(market: Market, buyer: httpx.AsyncClient) -> None:
    look = await buyer.post(f"/listings/{market.listing}/order", data=order_form(market, quantity="20"))
    async with market.client(market.world.other, "buyer") as rival:
        await placed(market, rival, quantity="20", ship_to=str(market.world.other.site))
    late = await buyer.post(f"/listings/{market.listing}/order", data=sent(look, **order_form(market, quantity="20")))
    assert late.status_code == 409
    assert "just sold out" in late.text
    assert await market.ordered() == 20
    again = await buyer.get(f"/listings/{market.listing}")
    assert "Sold out." in again.text


# -- the whole way ---------------------------------------------------------------------------------------


async def test_from_order_to_delivery(market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient) -> None:
    world = market.world
    order = await placed(market, buyer)
    page = (await buyer.get(f"{order}?done=placed")).text
    assert "Order placed." in page
    assert "left" in page, "the time left is shown"
    assert "waits for your answer" in (await seller.get("/")).text

    assert (await step(seller, order, "accept")).headers["location"] == f"{order}?done=accepted"
    assert "waits for your signature" in (await buyer.get("/")).text
    unsigned = await seller.get(f"{order}/ship")
    assert unsigned.status_code == 409, "nothing ships before both have signed"

    read = await buyer.get(f"{order}/sign")
    assert "Schedule of units" in read.text
    assert "{{" not in read.text
    assert (await step(buyer, order, "sign")).status_code == 303
    assert "ready to ship" in (await seller.get("/")).text

    untold = await step(seller, order, "ship", carrier="Blue Heron")
    assert untold.status_code == 422
    assert "Give the carrier&#39;s tracking number, or choose own transport." in untold.text
    assert (await step(seller, order, "ship", carrier="Blue Heron", tracking="BH 1")).status_code == 303
    assert 'value="BH 1"' in (await seller.get(f"{order}/shipment")).text
    assert (await step(seller, order, "shipment", carrier="Blue Heron", tracking="BH 2")).status_code == 303
    assert "corrected how it travels" in (await buyer.get(order)).text
    wrong = await step(buyer, order, "receive", good_1="3", short_1="0", damaged_1="0", wrong_1="0")
    assert wrong.status_code == 422
    assert "Good, short, damaged and wrong add up to 3, but 4 were shipped: 1 is still to be told of." in wrong.text
    unsaid = await step(buyer, order, "receive", good_1="3", short_1="0", damaged_1="1", wrong_1="0")
    assert "Say in a few words what is wrong" in unsaid.text
    done = await step(buyer, order, "receive", good_1="3", short_1="0", damaged_1="1", wrong_1="0", note_1="Dented")
    assert done.status_code == 303, done.text

    page = (await buyer.get(order)).text
    assert "3 good, 1 damaged" in page
    told = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "Ordered 240.00&nbsp;USD, of it accepted 180.00&nbsp;USD" in told
    schedule = re.search(r'href="(/agreements/[0-9a-f-]+)"', page)
    assert schedule
    told = " ".join(re.sub(r"<[^>]+>", " ", (await buyer.get(schedule[1])).text).split())
    assert "Accepted 3 Not accepted 1" in told
    until = re.search(r"Right until</dt><dd><time datetime=\"([\d-]+)\"", page)
    promised = re.search(
        r"until (\d+) (\w+) (\d{4}) the manufacturer may", (await buyer.get(f"/listings/{market.listing}")).text
    )
    assert until
    assert promised
    assert f"{date.fromisoformat(until[1]):%-d %b %Y}" == " ".join(promised.groups()), "the day the clause named"
    assert "signed the agreement" in page
    assert "Blue Heron, BH 1" in page
    ours = await world.owner.fetchval(
        "SELECT sum(quantity) FROM position WHERE owner_id = $1 AND beneficiary_id = $2", world.buyer.id, world.maker.id
    )
    assert ours == 3


async def test_declining_puts_the_units_back(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer)
    silent = await step(seller, order, "decline", reason="", note="")
    assert silent.status_code == 422
    assert await market.ordered() == 4
    assert (await step(seller, order, "decline", reason="not_on_shelf", note="Empty bin")).status_code == 303
    assert await market.ordered() == 0
    page = (await buyer.get(order)).text
    assert "declined by the seller: not on the shelf" in page
    assert "Empty bin" in page


async def test_cancelling_is_the_buyers_until_signed(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer)
    foreign = await seller.post(f"{order}/cancel", data={"confirmed": "yes", "note": ""})
    assert foreign.status_code == 409, "the seller declines instead"
    assert await market.ordered() == 4
    assert (await step(buyer, order, "cancel", note="Found another")).status_code == 303
    assert await market.ordered() == 0
    again = await buyer.get(f"{order}/cancel")
    assert again.status_code == 409
    assert "not possible now" in again.text


async def test_a_step_sent_without_the_last_look_only_shows_it(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer)
    page = await seller.post(f"{order}/accept", data={"idempotency_key": str(uuid4())})
    assert page.status_code == 200
    assert "Accept and sign for" in page.text
    assert "Placed" in (await buyer.get(order)).text
    status = await market.world.owner.fetchval(
        "SELECT status FROM purchase_order WHERE id = $1", order.rpartition("/")[2]
    )
    assert status == "placed"


async def test_signing_another_text_than_was_read_is_refused(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer)
    await step(seller, order, "accept")
    page = await buyer.get(f"{order}/sign")
    forged = await buyer.post(f"{order}/sign", data=sent(page, wording_sha256="0" * 64))
    assert forged.status_code == 409
    assert "Read it again, then sign" in forged.text
    signed = await market.world.owner.fetchval(
        "SELECT holder_signed_at FROM agreement WHERE order_id = $1", order.rpartition("/")[2]
    )
    assert signed is None


async def test_the_list_filters_and_exports(market: Market, buyer: httpx.AsyncClient) -> None:
    order = await placed(market, buyer)
    reference = await market.world.owner.fetchval(
        "SELECT reference FROM purchase_order WHERE id = $1", order.rpartition("/")[2]
    )
    for query in ("", "side=buying", "status=placed", f"search={reference[:7]}", "search=PO+88"):
        assert reference in (await buyer.get(f"/orders?{query}")).text, query
    for query in ("side=selling", "status=shipped", "search=nobody"):
        assert reference not in (await buyer.get(f"/orders?{query}")).text, query
    export = await buyer.get("/orders?format=csv")
    assert reference in export.text
    assert export.headers["content-disposition"].startswith('attachment; filename="orders-')
    found = await buyer.get("/find", params={"q": reference})
    assert found.headers["location"] == order


# -- who may -----------------------------------------------------------------------------------------------


async def test_nobody_signed_in_is_sent_to_sign_in_and_back(market: Market) -> None:
    async with market.client() as client:
        for path in ("/orders", f"/listings/{market.listing}", "/find?q=x", "/stock", "/releases", "/company"):
            answer = await client.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=/"), path
        posted = await client.post(f"/listings/{market.listing}/order", data=order_form(market))
    assert posted.status_code == 303
    assert await market.ordered() == 0


async def test_an_outsider_finds_nothing(market: Market, buyer: httpx.AsyncClient) -> None:
    order = await placed(market, buyer)
    async with market.client(market.world.other, "admin") as client:
        for name in ("", "/accept", "/decline", "/sign", "/cancel", "/ship", "/shipment", "/receive"):
            assert (await client.get(f"{order}{name}")).status_code == 404, name
        for name in ("accept", "decline", "sign", "cancel", "ship", "shipment", "receive"):
            data = {"confirmed": "yes", "reason": "other", "carrier": "x", "tracking": "y"}
            assert (await client.post(f"{order}/{name}", data=data)).status_code == 404, name
        assert (await client.get(f"/orders/{uuid4()}")).status_code == 404
        assert (await client.get("/orders/not-an-id")).status_code == 404
        assert order.rpartition("/")[2] not in (await client.get("/orders")).text
    assert await market.ordered() == 4


async def test_a_role_that_may_not_is_told_whom_to_ask(market: Market) -> None:
    async with market.client(market.world.buyer, "warehouse") as client:
        refused = await client.post(f"/listings/{market.listing}/order", data=order_form(market))
        assert refused.status_code == 403
        assert "Ask your company" in refused.text
        assert "Sign out" in refused.text, "the page of a refusal keeps the navigation"
        page = await client.get(f"/listings/{market.listing}")
        assert "Your role may not order." in page.text
        assert (await client.get("/releases")).status_code == 403
    async with market.client(market.world.maker, "technician") as client:
        assert (await client.get("/orders")).status_code == 200
        refused = await client.get("/releases/new")
        assert refused.status_code == 403
        assert "may not prepare and publish" in refused.text
    assert await market.ordered() == 0


async def test_an_unknown_address_keeps_the_navigation(buyer: httpx.AsyncClient) -> None:
    page = await buyer.get("/no-such-page")
    assert page.status_code == 404
    assert "Sign out" in page.text


async def test_each_serial_number_is_received_by_itself(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    address = f"/listings/{market.serial_listing}/order"
    form = order_form(market, quantity="2")
    look = await buyer.post(address, data=form)
    order = (await buyer.post(address, data=sent(look, **form))).headers["location"].partition("?")[0]
    for who, name in ((seller, "accept"), (buyer, "sign")):
        assert (await step(who, order, name)).status_code == 303
    assert (await step(seller, order, "ship", own_transport="yes")).status_code == 303

    page = (await buyer.get(f"{order}/receive")).text
    assert "good_1" not in page, "units with serial numbers are not counted"
    first, second = re.findall(r'name="(unit_1_[0-9a-f-]+)"', page)
    label = re.search(rf'<label for="f-{first}">([^<]+)</label>', page)
    assert label
    damaged = label[1].strip()
    assert damaged == f"0004{market.world.tag}", "in the order of the serials"
    assert '<option value="good" selected>' in page
    before = await market.world.snapshot(*market.lots)
    unsaid = await step(buyer, order, "receive", **{first: "damaged", second: "good"})
    assert "Say in a few words what is wrong" in unsaid.text
    assert '<option value="damaged" selected>' in unsaid.text, "what was chosen is kept"
    odd = await step(buyer, order, "receive", **{first: "damaged", second: "eaten"}, note_1="Dented")
    assert odd.status_code == 422
    assert await market.world.snapshot(*market.lots) == before

    done = await step(buyer, order, "receive", **{first: "damaged", second: "good"}, note_1="Dented")
    assert done.status_code == 303, done.text
    page = (await buyer.get(order)).text
    assert "1 good, 1 damaged" in page
    assert f"damaged: {damaged}" in page
    lot = UUID(first.removeprefix("unit_1_"))
    reasons = await market.world.owner.fetch("SELECT reason_code FROM movement WHERE lot_id = $1", lot)
    assert "receipt_damaged" in {r["reason_code"] for r in reasons}
