"""Other terms with an order, on pages: proposed, answered with others, signed as the last version."""

from __future__ import annotations

import re

import pytest

from tests.web.test_release_pages import fields
from tests.web.trade import Market, key_of, open_market
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


async def placed(market: Market, **changed: str) -> str:
    """The address of an order that the buyer placed with other terms."""
    at = f"/listings/{market.listing}/terms"
    async with market.client(market.world.buyer, "buyer") as buyer:
        listing = await buyer.get(f"/listings/{market.listing}")
        assert f"{at}?quantity=" in listing.text
        form = fields((await buyer.get(at, params={"quantity": "4"})).text, at)
        form |= {"po_number": "PO 7", "ship_to": str(market.world.buyer.site), "note": "We use them sooner.", **changed}
        preview = await buyer.post(f"{at}/preview", data=form)
        assert "36 months" in preview.text
        assert "<html" not in preview.text
        look = await buyer.post(at, data=form)
        assert "Place the order with these terms" in look.text
        assert await market.ordered() == 0, "looking places nothing"
        done = await buyer.post(at, data={**fields(look.text, at), "idempotency_key": key_of(look.text)})
        assert done.status_code == 303, done.text
        order = done.headers["location"].removesuffix("?done=placed")
        page = (await buyer.get(order)).text
        assert "Other terms that you propose" in page
        assert "We use them sooner." in page
    return order


async def test_terms_of_the_buyer_are_answered_with_others_and_the_last_are_signed(market: Market) -> None:
    order = await placed(market, t_window_end_months="36")
    world = market.world
    async with market.client(world.maker, "planner") as seller, market.client(world.buyer, "buyer") as buyer:
        page = await seller.get(f"{order}/accept")
        assert "Right ends after" in page.text
        sent = {"idempotency_key": key_of(page.text), "confirmed": "yes"}
        silent = await seller.post(f"{order}/accept", data=sent)
        assert silent.status_code == 422
        assert "The buyer proposes other terms" in silent.text
        done = await seller.post(
            f"{order}/accept", data={**sent, "idempotency_key": key_of(silent.text), "terms": "open"}
        )
        assert done.status_code == 303
        shown = (await seller.get(done.headers["location"])).text
        assert "The other terms wait for your answer" in shown
        assert "Answer the other terms" in shown
        assert f'href="{order}/sign"' not in shown, "what is on offer is not the last version"
        proposal = re.search(r'href="(/agreements/[^"]+/proposals/[^"]+)"', shown)
        assert proposal
        agreement = proposal[1].partition("/proposals/")[0]
        assert "Read and sign" not in (await seller.get(agreement)).text
        look = await seller.get(proposal[1])
        assert "both sides have signed then" in look.text
        answer = re.search(r'href="([^"]+/change\?answer=[^"]+)"', look.text)
        assert answer
        form = fields((await seller.get(answer[1])).text, f"{agreement}/change")
        assert form["t_window_end_months"] == "36", "their terms are filled in"
        change = await seller.post(f"{agreement}/change", data={**form, "t_window_end_months": "48"})
        assert "48 months" in change.text
        await seller.post(f"{agreement}/change", data=fields(change.text, f"{agreement}/change"))

        stale = await buyer.post(f"{order}/sign", data={"idempotency_key": "x" * 12, "confirmed": "yes"})
        assert stale.status_code == 409
        assert "Other terms are proposed" in stale.text
        theirs = re.search(r'href="(/agreements/[^"]+/proposals/[^"]+)"', (await buyer.get(order)).text)
        assert theirs
        last = await buyer.get(theirs[1])
        assert "48 months" in last.text
        signed = await buyer.post(theirs[1], data=fields(last.text, theirs[1]))
        assert signed.status_code == 303, signed.text
        assert signed.headers["location"].endswith("?done=changed")
        after = (await buyer.get(order)).text
        assert "Both have signed" in after
        found = await buyer.get(signed.headers["location"])
        assert "It took the place of" in found.text
        assert "Replaced by another agreement" in (await buyer.get(agreement)).text
        ship = await seller.get(f"{order}/ship")
        assert ship.status_code == 200


async def test_only_those_who_may_sign_propose_terms(market: Market) -> None:
    world = market.world
    await world.owner.execute(
        "UPDATE user_account SET roles = '{warehouse}' WHERE id = $1", world.buyer.users["warehouse"]
    )
    async with market.client(world.buyer, "warehouse") as other:
        assert (await other.get(f"/listings/{market.listing}/terms")).status_code == 403
    async with market.client(world.maker, "planner") as own:
        assert (await own.get(f"/listings/{market.listing}/terms")).status_code in {403, 409}


async def test_terms_that_do_not_fit_are_named_and_nothing_is_ordered(market: Market) -> None:
    at = f"/listings/{market.listing}/terms"
    async with market.client(market.world.buyer, "buyer") as buyer:
        form = fields((await buyer.get(at, params={"quantity": "4"})).text, at)
        form |= {"po_number": "PO 7", "ship_to": str(market.world.buyer.site)}
        same = await buyer.post(at, data=form)
        assert same.status_code == 422
        assert "These are the terms of the posting" in same.text
        wrong = await buyer.post(at, data={**form, "t_window_end_months": "900", "po_number": ""})
        assert wrong.status_code == 422
        assert await market.ordered() == 0
