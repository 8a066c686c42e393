"""A quote on pages: asked for, offered, answered with other figures and terms, accepted; and the thread on its order."""

from __future__ import annotations

import httpx

from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site, send
from tests.world import World


async def moved(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def asked(site: Site, buyer: httpx.AsyncClient) -> str:
    """The address of a request for four units, as its buyer sends it."""
    listing = await buyer.get(f"/listings/{site.job.listing}")
    assert f'href="/quotes/new?listing={site.job.listing}&amp;quantity=' in listing.text
    form = await buyer.get("/quotes/new", params={"listing": site.job.listing, "quantity": "4"})
    wrong = await send(buyer, "/quotes/new", form, quantity="none")
    assert wrong.status_code == 422
    return (await moved(await send(buyer, "/quotes/new", form, note="All <b>at once</b>?"))).partition("?")[0]


async def test_from_the_question_to_the_order(world: World) -> None:
    async with open_site(world) as site:
        await site.job.released(10)
        buyer, seller = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
        at = await asked(site, buyer)
        assert "1 quote waits for your answer" in (await seller.get("/")).text
        shown = (await seller.get(at)).text
        assert "All &lt;b&gt;at once" in shown
        assert "Make an offer, or decline with a reason." in shown
        offer = await seller.get(f"{at}/offer")
        price = f"p_{site.job.listing}"
        bad = await send(seller, f"{at}/offer", offer, **{price: "cheap"})
        assert bad.status_code == 422
        await moved(await send(seller, f"{at}/offer", offer, **{price: "71.50"}, reserve="yes", note="For you."))
        page = await buyer.get(at)
        assert "Accept version 1" in page.text
        assert "286.00" in page.text
        # The buyer answers with fewer units and a shorter right; the seller's figures are filled in.
        counter = await buyer.get(f"{at}/offer")
        assert 'value="71.50"' in counter.text
        await moved(
            await send(
                buyer,
                f"{at}/offer",
                counter,
                **{f"q_{site.job.listing}": "3"},
                other_terms="yes",
                t_window_end_months="36",
            )
        )
        stale = await buyer.get(f"{at}/accept")
        assert stale.status_code == 409
        page = await seller.get(at)
        assert "As proposed" in page.text
        assert "36 months" in page.text
        assert "Earlier versions" in page.text
        await moved(await send(seller, f"{at}/messages", page, text="Agreed, in principle"))
        look = await seller.get(f"{at}/accept")
        order = (await moved(await send(seller, f"{at}/accept", look))).partition("?")[0]
        shown = (await buyer.get(order)).text
        assert f'href="{at}"' in shown
        assert shown.index("Agreed, in principle") < shown.index("accepted")
        await moved(await send(buyer, f"{order}/messages", await buyer.get(order), text="Which dock?"))
        assert "Which dock?" in (await seller.get(at)).text
        assert (await send(buyer, f"{order}/messages", await buyer.get(order), text="y" * 2_001)).status_code == 422
        assert "Quotes" in (await buyer.get("/orders")).text
        assert at in (await buyer.get("/quotes?state=ended&side=buying")).text
        assert at not in (await buyer.get("/quotes?state=open")).text
        outsider = await site.browser(world.other, "buyer")
        for path in (at, f"{at}/offer", f"{at}/accept"):
            assert (await outsider.get(path)).status_code == 404


async def test_a_number_that_nobody_offers_is_declined_with_a_reason(world: World) -> None:
    async with open_site(world) as site:
        buyer, seller = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
        number = await site.number()
        assert f'href="/quotes/new?part={world.part}"' in (await buyer.get("/find", params={"q": number})).text
        form = await buyer.get("/quotes/new", params={"part": str(world.part)})
        at = (await moved(await send(buyer, "/quotes/new", form, quantity="2"))).partition("?")[0]
        assert "Nothing posted that fits" in (await seller.get(f"{at}/offer")).text
        page = await seller.get(f"{at}/decline")
        assert (await send(seller, f"{at}/decline", page)).status_code == 422
        await moved(await send(seller, f"{at}/decline", page, reason="not_available", note="Next year."))
        shown = (await buyer.get(at)).text
        assert "None to sell" in shown
        assert "Next year." in shown
        second = await buyer.get("/quotes/new", params={"part": str(world.part)})
        again = (await moved(await send(buyer, "/quotes/new", second, quantity="1"))).partition("?")[0]
        await moved(await send(buyer, f"{again}/withdraw", await buyer.get(f"{again}/withdraw"), note="Found one"))
        assert "Found one" in (await seller.get(again)).text
        assert (await ok(site.job.buyer.get(f"{API}/quotes?state=open")))["items"] == []
