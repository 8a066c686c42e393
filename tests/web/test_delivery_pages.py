"""The pages of an order's way, both sides: shipments and their papers, a receipt with differences, returns, cancelling."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.test_trade import placed, sent, step
from tests.web.trade import Market, open_market
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


def plain(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def first(page: httpx.Response, pattern: str) -> str:
    found = re.search(rf'href="({pattern})"', page.text)
    assert found, pattern
    return found[1]


async def press(client: httpx.AsyncClient, address: str, to: str | None = None, **values: str) -> None:
    """Looks at a page, then sends its form confirmed."""
    page = await client.get(address)
    assert page.status_code == 200, page.text
    done = await client.post(to or address, data=sent(page, **values))
    assert done.status_code == 303, plain(done)


OWN = {"own_transport": "yes", "carrier": "", "tracking": ""}
WELL = {"short_1": "0", "damaged_1": "0", "wrong_1": "0", "over_1": "0", "reason_1": "", "note_1": ""}


async def test_shipped_in_parts_received_by_its_label_and_returned(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer, quantity="8")
    assert "you cancel alone" in plain(await buyer.get(order))
    await step(seller, order, "accept")
    await step(buyer, order, "sign")
    assert "Propose to end the agreement" in plain(await buyer.get(order))
    page = await step(seller, order, "ship", **OWN, ship_1="0")
    assert (page.status_code, "Ship at least one unit" in page.text) == (422, True)
    assert (
        await step(seller, order, "ship", **OWN, ship_1="4", packages="2", weight_kg="9.6", origin="us")
    ).status_code == 303
    assert "4 of 8 units shipped in 1 shipment, 0 received." in plain(await buyer.get(order))
    assert "delivery is on its way to you" in plain(await buyer.get("/"))
    shipment = first(await seller.get(order), r"/shipments/[0-9a-f-]{36}")
    papers = plain(await seller.get(f"{shipment}/packing-list"))
    assert all(words in papers for words in ("9.6 kg", "PO 88-1204", market.number, "buy-back version"))
    label = await seller.get(f"{shipment}/label")
    assert (label.text.count('role="img"'), "package 2 of 2" in plain(label)) == (2, True)
    assert (await buyer.get(f"{shipment}/packing-list.pdf")).headers["content-type"] == "application/pdf"

    # What a scanned label opens: one press.
    assert "Everything arrived" in plain(await buyer.get(shipment))
    assert "Everything arrived" not in plain(await seller.get(shipment))
    await press(buyer, shipment, f"{shipment}/received")
    assert "This shipment was received." in plain(await buyer.get(shipment))
    assert (await buyer.get(f"{shipment}/receive")).status_code == 409
    assert (await step(seller, order, "ship", **OWN, ship_1="4")).status_code == 303
    assert "8 of 8 units shipped in 2 shipments, 4 received." in plain(await seller.get(order))
    wrong = await step(buyer, order, "receive", **{**WELL, "good_1": "2", "short_1": "1", "damaged_1": "1"})
    assert wrong.status_code == 422
    told = {
        **WELL,
        "good_1": "2",
        "short_1": "1",
        "damaged_1": "1",
        "reason_1": "in_transport",
        "note_1": "Wet, one less",
    }
    assert (await step(buyer, order, "receive", **told)).status_code == 303

    page = await seller.get(order)
    assert "Not as shipped" in plain(page)
    assert "order has something to settle" in plain(await seller.get("/"))
    assert order in (await seller.get("/orders?status=settle")).text
    for difference in sorted(set(re.findall(rf'href="({order}/differences/[0-9a-f-]+)"', page.text))):
        seen = plain(await seller.get(difference))
        answer = "send_back" if "Damaged on the way" in seen else "lost"
        await press(seller, difference, answer=answer, note="")
    back = first(await buyer.get(order), rf"{order}/returns/[0-9a-f-]+")
    await press(buyer, back, **OWN, act="send")
    await press(seller, back, site=str(market.world.maker.site))

    asked = await buyer.get(f"{order}/return")
    assert "At most 6 can go back." in plain(asked)
    await press(buyer, f"{order}/return", back_1="2", reason="ordered_wrong", note="")
    again = re.findall(rf'href="({order}/returns/[0-9a-f-]+)"', (await seller.get(order)).text)[-1]
    await press(seller, again, answer="agree", credit_percent="50", reason="", note="")
    assert "50 % of the price to be credited" in plain(await buyer.get(order))
    await press(buyer, again, **OWN, act="send")
    await press(seller, again, site=str(market.world.maker.site))
    shown = plain(await buyer.get(again))
    assert "60.00" in shown
    story = plain(await buyer.get(order))
    for words in (
        "settled what differed",
        "lost on the way",
        "asks to return units",
        "has the units back",
        "Wet, one less",
    ):
        assert words in story, words


async def test_a_difference_and_a_return_are_settled_in_part(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer, quantity="8")
    await step(seller, order, "accept")
    await step(buyer, order, "sign")
    assert (await step(seller, order, "ship", **OWN, ship_1="8")).status_code == 303
    told = {**WELL, "good_1": "3", "short_1": "5", "reason_1": "not_in_package", "note_1": "Five are missing"}
    assert (await step(buyer, order, "receive", **told)).status_code == 303
    differs = first(await seller.get(order), rf"{order}/differences/[0-9a-f-]+")
    page = await seller.get(differs)
    assert "Why not the rest, or why you dispute it" in plain(page)
    refused = await seller.post(differs, data=sent(page, answer="lost", quantity="6", reason="", note=""))
    assert (refused.status_code, "Only 5 of 5 are open, not 6." in plain(refused)) == (409, True)
    await press(seller, differs, answer="lost", quantity="3", reason="counted", note="Scanned twice")
    looked_at = {"open": re.findall(r'name="open" value="(\d+)"', page.text)[0]}
    stale = await seller.post(differs, data=sent(page, **looked_at, answer="lost", quantity="2", reason="", note=""))
    assert (stale.status_code, "Meanwhile 2 of 5 are open, not 5" in plain(stale)) == (409, True)
    for who in (seller, buyer):
        seen = plain(await who.get(differs))
        for words in (
            "3 of 5",
            "Lost on the way",
            "2 of 5",
            "Disputed by the seller: counted when it was packed.",
            "Scanned twice",
        ):
            assert words in seen, words
        assert "2: disputed by the seller, counted when it was packed" in plain(await who.get(order))
    assert (
        "disputed" in plain(await buyer.get("/orders?status=settle"))
        or order in (await buyer.get("/orders?status=settle")).text
    )
    await press(buyer, differs, quantity="1", note="")
    await press(buyer, differs, note="")
    story = plain(await seller.get(order))
    for words in ("3 of 5 of ", "lost on the way", "1 of 5 of ", "taken by the buyer after all"):
        assert words in story, words

    await press(buyer, f"{order}/return", back_1="4", reason="not_needed", note="")
    back = first(await seller.get(order), rf"{order}/returns/[0-9a-f-]+")
    page = await seller.get(back)
    assert "how many of those that were asked for you take back" in plain(page)
    none = await seller.post(back, data=sent(page, answer="agree", take_1="0", reason="condition", note=""))
    assert (none.status_code, "choose Refuse" in plain(none)) == (422, True)
    some = await seller.post(back, data=sent(page, answer="agree", take_1="2", reason="", note=""))
    assert (some.status_code, "Choose one: why you do not take the others" in plain(some)) == (422, True)
    await press(seller, back, answer="agree", take_1="2", reason="condition", note="Two were opened")
    seen = plain(await buyer.get(back))
    assert "Not taken back 2 of " in seen
    assert "Only unused units are taken back" in seen
    assert "Not taken back: 2 of " in plain(await buyer.get(order))


async def test_the_rest_is_cancelled_by_both(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer, quantity="8")
    await step(seller, order, "accept")
    await step(buyer, order, "sign")
    await step(seller, order, "ship", **OWN, ship_1="2")
    await press(buyer, f"{order}/cancel", reason="too_late", note="")
    assert "asks to cancel what has not shipped" in plain(await seller.get(order))
    await press(seller, f"{order}/cancellation", answer="agree", note="")
    shown = plain(await buyer.get(order))
    assert "2 of 2 units shipped in 1 shipment" in shown
    assert "it would come too late" in shown
    assert (await buyer.get(f"{order}/cancel")).status_code == 409


async def test_a_seller_takes_its_acceptance_back(
    market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient
) -> None:
    order = await placed(market, buyer)
    await step(seller, order, "accept")
    page = await seller.get(f"{order}/cancel")
    unsaid = await seller.post(f"{order}/cancel", data=sent(page, reason="other", note=""))
    assert (unsaid.status_code, "what the reason is" in unsaid.text) == (422, True)
    assert await market.ordered() == 4
    await press(seller, f"{order}/cancel", reason="not_on_shelf", note="Empty bin")
    assert await market.ordered() == 0
    assert "cancelled: not on the shelf" in plain(await buyer.get(order))


async def test_outsiders_find_no_shipment(market: Market, buyer: httpx.AsyncClient, seller: httpx.AsyncClient) -> None:
    order = await placed(market, buyer)
    await step(seller, order, "accept")
    await step(buyer, order, "sign")
    await step(seller, order, "ship", **OWN)
    shipment = first(await seller.get(order), r"/shipments/[0-9a-f-]{36}")
    async with market.client(market.world.other, "admin") as client:
        for name in ("", "/packing-list", "/label", "/label.pdf", "/receive", "/shipment"):
            assert (await client.get(f"{shipment}{name}")).status_code == 404, name
        for name in ("/received", "/receive", "/shipment"):
            assert (await client.post(f"{shipment}{name}", data={"confirmed": "yes", **OWN})).status_code == 404, name
