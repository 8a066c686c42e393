"""Title kept, on pages: posted from its starting point, ordered, fitted, seen by both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import second
from tests.agreed import publish_whole_library
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World

owner, db, worker_db = second.FIXTURES


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        await publish_whole_library(world.owner)
        yield opened


async def test_from_the_posting_to_what_is_owed(site: Site) -> None:
    job, world = site.job, site.world
    planner = await site.browser(world.maker, "planner")
    clerk = await site.browser(world.buyer, "buyer")
    keeper = await site.browser(world.buyer, "warehouse")
    page = await planner.get("/releases/new")
    assert "A part that stays yours" in page.text, "it appears by itself once its clause is released"
    made = await send(
        planner, "/releases", page, title="On consignment", preset="title-kept", use_class="non_capital_spare"
    )
    assert made.status_code == 303, made.text
    address = made.headers["location"]
    page = await planner.get(address)
    assert "Consignment" in page.text, "golden case 11"
    # The page has a form before that of the terms, to start again from another preset.
    fields = fields_of(page.text[page.text.index('<form class="form form-wide"') :], address)
    wrong = await planner.post(address, data={**fields, "payment_days": "900"})
    assert wrong.status_code == 422
    assert "0 to 180" in wrong.text
    saved = await planner.post(address, data={**fields, "payment_days": "14", "t_must_buy_months": "12"})
    assert saved.status_code == 303, saved.text
    job.release = address.split("/")[2]
    await world.register(world.maker, 10)
    line = {
        "part_id": str(world.part), "site_id": str(world.maker.site), "condition": "new", "quantity": 10, "unit_price": "80", "minimum_to_keep": 0,
    }  # fmt: skip
    added = await ok(job.planner.put(f"{API}/releases/{job.release}/lines", json={"lines": [line]}))
    job.listing = added["listing_ids"][0]
    await ok(job.planner.post(f"{API}/releases/{job.release}/publish"))
    assert "taking a unit out; nothing on receipt" in (await clerk.get(f"/listings/{job.listing}")).text
    await job.ordered(6)
    assert "nothing on receipt" in (await clerk.get(f"/orders/{job.order}")).text
    await job.signed()
    await job.delivered(6)
    kept = "until they are taken out"
    assert kept in (await keeper.get("/holdings")).text
    unit = await world.owner.fetchval("SELECT lot_id FROM position WHERE agreement_id = $1::text::uuid", job.agreement)
    assert kept in (await keeper.get(f"/units/{unit}")).text

    address = "/holdings/act"
    page = await keeper.get(f"{address}?part={world.part}&site={world.buyer.site}")
    checked = await send(keeper, address, page, act="fit", quantity="2", machine="EX-200")
    assert "you owe 160.00 USD" in checked.text
    assert await world.owner.fetchval("SELECT count(*) FROM taking_out WHERE holder_id = $1", world.buyer.id) == 0
    done = await keeper.post(address, data=fields_of(checked.text, address))
    assert done.status_code == 303, done.text
    for browser in (planner, clerk):
        shown = (await browser.get(f"/agreements/{job.agreement}")).text
        assert "Whose the units are" in shown
        assert "2 units of" in shown
        assert "counts as taken out after" in shown
        assert "Units were taken out: their price is owed" in shown


async def test_sold_units_say_that_they_are_not_paid(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(3)
    clerk = await site.browser(world.buyer, "buyer")
    assert "Within 30 days of receipt" in (await clerk.get(f"/orders/{job.order}")).text
    assert "Whose the units are" not in (await clerk.get(f"/agreements/{job.agreement}")).text
    owed = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    (line,) = [x for x in owed if x["kind"] == "sale_price"]
    shown = (await clerk.get(f"/settlement/{line['id']}")).text
    assert f'href="/orders/{job.order}"' in shown
