"""Pages of units that are missing: said on the page of the count before it is recorded, on the agreement's page to both sides,
in the calendar; the holder says what became of them; a consignment that is lost on the road."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from marketplace.agreements.combinations import BUY_BACK, TITLE_KEPT
from tests import second
from tests.agreed import agreed_on, delivered, rows_of, under
from tests.web.job import Site, open_site, send
from tests.world import World

owner, db, worker_db = second.FIXTURES

TERMS: dict[str, Any] = {**BUY_BACK, "handling_bp": 0, "minimum_to_keep": 4, "count_tolerance_bp": 0}
TABLES = ("shortage", "missing_units", "movement", "stock_count", "withdrawal", "call")


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_a_breach_found_by_count_is_said_at_once_to_both_sides_and_answered(site: Site) -> None:
    world, job = site.world, site.job
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 6)
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    place = f"part={world.part}&site={world.buyer.site}"
    act = await buyer.get(f"/holdings/act?{place}&act=count")
    assert "Lost, or gone already" in act.text
    before = await rows_of(world, *TABLES)
    fields = {"part": str(world.part), "site": str(world.buyer.site), "act": "count", "quantity": "3"}
    asked = await send(buyer, "/holdings/act", act, **fields)
    assert "section 10.2" in asked.text
    assert "At stake" in asked.text
    assert await rows_of(world, *TABLES) == before, "nothing is recorded before it is confirmed"
    done = await send(buyer, "/holdings/act", asked, **fields, confirmed="yes")
    landed = done.headers["location"]
    assert landed == f"/holdings/missing?agreement={agreement_id}&{place}&done=count", done.text
    page = (await buyer.get(landed)).text
    assert "Counted: it is a breach." in page
    assert re.search(r"Say where they are by the end of \d+ \w+ 20\d\d\.", page)
    home, held = (await buyer.get("/")).text, (await buyer.get("/holdings")).text
    assert "1 count found units missing" in home
    assert 'href="/holdings/shortages?waits=explain"' in home
    assert "Missing: 3" in held
    assert "shortage may be concluded" not in (await planner.get("/")).text
    listed = (await buyer.get("/holdings/shortages?waits=explain")).text
    assert f"/holdings/missing?agreement={agreement_id}&amp;" in listed
    assert "Conclude…" not in (await planner.get("/holdings/shortages")).text
    for who, words in ((buyer, "Say where they are"), (planner, "says by")):
        for path in (f"/agreements/{agreement_id}", "/holdings"):
            page = await who.get(path)
            assert words in page.text, path
            assert "3 units" in page.text
        calendar = await who.get("/calendar")
        assert "Count again, and say where 3 units" in calendar.text
    # The same number everywhere: what is looked for cannot be called.
    for who in (buyer, planner):
        page = (await who.get(f"/agreements/{agreement_id}")).text
        assert '<td data-label="Callable now"><span><strong>3</strong>' in page
        assert "<strong>3 units could be ordered back at" in page
        assert "<strong>3 units could be ordered back at" in (await who.get(f"/agreements/{agreement_id}/on-day")).text
    told = (await job.planner.get(f"/api/v1/agreements/{agreement_id}")).json()
    assert told["schedule"][0]["callable"] == 3
    assert [c["callable"] for c in await job.candidates()] == [3]
    at = f"/holdings/missing?agreement={agreement_id}&{place}"
    form = await buyer.get(at)
    assert "3 units are still to be accounted for" in form.text
    said = {"agreement": str(agreement_id), "part": str(world.part), "site": str(world.buyer.site), "quantity": "3"}
    wrong = await send(buyer, "/holdings/missing", form, **said, became="sold", note="")
    assert wrong.status_code == 422
    assert "What happened, and how you know is missing" in wrong.text
    asked = await send(
        buyer, "/holdings/missing", form, **said, became="sold", note="To a walk-in customer, by mistake."
    )
    assert "1 unit short at 100 %" in asked.text
    assert "no leave for 3 of them" in asked.text
    done = await send(
        buyer,
        "/holdings/missing",
        asked,
        **said,
        became="sold",
        note="To a walk-in customer, by mistake.",
        confirmed="yes",
    )
    assert done.headers["location"].startswith(f"/agreements/{agreement_id}?done=missing"), done.text
    for who in (buyer, planner):
        page = await who.get(f"/agreements/{agreement_id}")
        assert "walk-in customer" in page.text
        assert "100.00" in page.text
        assert "to be accounted for" not in page.text
        assert "accounted for" in page.text
    stranger = await site.browser(world.other, "buyer")
    assert (await stranger.get(at)).status_code == 404
    files = {
        "/holdings/missing-units?format=csv": "To a walk-in customer", "/api/v1/holdings/missing-units.csv": "To a walk-in customer",
        "/holdings/shortages?format=csv": "explained", "/api/v1/holdings/shortages.csv": "explained",
    }  # fmt: skip
    for path, words in files.items():
        head, row = (await planner.get(path)).text.strip("\ufeff\r\n").split("\r\n")
        assert head.startswith("Agreement,Part number,Manufacturer,Holder,Site,")
        assert words in row, path
    assert "walk-in customer" in (await planner.get("/holdings/missing-units")).text


async def test_the_manufacturer_reads_on_home_what_it_may_conclude(site: Site) -> None:
    world = site.world
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 6)
    given = {"site_id": str(world.buyer.site), "part_id": str(world.part), "counted": 3}
    told = (await site.job.buyer.post("/api/v1/holdings/counts", json=given)).json()
    assert told["in_breach"] == [str(agreement_id)]
    await world.owner.execute("UPDATE shortage SET conclude_from = now() WHERE maker_id = $1", world.maker.id)
    planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
    assert "1 shortage may be concluded" in (await planner.get("/")).text
    assert "shortage may be concluded" not in (await buyer.get("/")).text
    page = (await planner.get("/holdings/shortages?waits=conclude")).text
    (at,) = set(re.findall(r'href="(/holdings/shortages/[^"]+/conclude)"', page))
    assert "nobody has said by the end of" in (await planner.get(at)).text
    assert at in (await planner.get(f"/agreements/{agreement_id}")).text
    assert at not in (await buyer.get("/holdings/shortages")).text


async def test_a_consignment_lost_on_the_road_is_reported_by_either_side(site: Site) -> None:
    world, job = site.world, site.job
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    await delivered(world, agreement_id, 6)
    job.agreement = str(agreement_id)
    await job.called(1)
    at = f"/calls/{job.call}"
    buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
    assert (await technician.get(f"{at}/lost")).status_code == 404, "nothing is on the way"
    await job.buyer.post(f"/api/v1/sourcing{at}/accept", json={})
    await job.buyer.post(f"/api/v1/sourcing{at}/ship", json={"carrier": "UPS", "tracking": "1Z9"})
    for who in (buyer, technician):
        assert "Lost on its way" in (await who.get(at)).text
        assert "to whom the risk passed with the carrier" in (await who.get(f"{at}/lost")).text
    form = await technician.get(f"{at}/lost")
    wrong = await send(technician, f"{at}/lost", form, note=" ")
    assert wrong.status_code == 422
    done = await send(technician, f"{at}/lost", form, note="UPS cannot trace it.")
    assert done.headers["location"] == f"{at}?done=lost", done.text
    page = await buyer.get(at)
    assert "UPS cannot trace it." in page.text
    assert "It was lost on its way" in page.text
    assert "Price" in page.text


async def test_of_units_that_stay_the_makers_the_page_names_breach_and_price_before_and_after(site: Site) -> None:
    """All three, of which one is to be kept, are given away: 100 for breach and three times 100 as the price."""
    world = site.world
    agreement_id = await agreed_on(world, [("title-kept", 1, {**TITLE_KEPT, "minimum_to_keep": 1})])
    await world.register(world.buyer, 3, place=replace(under(world, agreement_id), owner=world.maker.id))
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    form = await buyer.get(f"/holdings/missing?agreement={agreement_id}&part={world.part}&site={world.buyer.site}")
    said = {
        "agreement": str(agreement_id), "part": str(world.part), "site": str(world.buyer.site), "quantity": "3",
        "became": "given_away", "note": "Lent to a neighbour, who fitted them.",
    }  # fmt: skip
    before = await rows_of(world, *TABLES, "taking_out")
    asked = await send(buyer, "/holdings/missing", form, **said)
    assert await rows_of(world, *TABLES, "taking_out") == before, "nothing is recorded before it is confirmed"
    for words in (
        "100.00 USD by ",
        "section 11.4",
        "3 units count as taken out (title-kept, section 6.3)",
        "300.00 USD at 100.00 USD each",
    ):
        assert words in asked.text, words
    assert "nothing is owed" not in asked.text
    await send(buyer, "/holdings/missing", asked, **said, confirmed="yes")
    for who in (buyer, planner):
        for path in (f"/agreements/{agreement_id}", "/holdings/missing-units"):
            page = (await who.get(path)).text
            assert "section 6.3): the price, 300.00 USD" in page, path
            assert "price, due <" in page, path
