"""The editor of clauses in a real browser, on a database in which all of the library is released: each kind of price shows its
fields and no others, with script and without, on a desktop and at 360 pixels; and ordering under other terms."""

from __future__ import annotations

import re

import asyncpg
import pytest
from playwright.async_api import expect

from marketplace.db.session import Database
from tests.browser.conftest import (
    DESKTOP,
    OpenPage,
    Serve,
    looks_right,
)
from tests.clients import token_for
from tests.web.test_release_pages import drafted
from tests.web.trade import Market, add_stock, open_market, site_for
from tests.world import Party, World

KINDS = {
    "percent_of_sale": "Share of the price paid",
    "fixed": "Fixed amount a unit",
    "schedule": "Months and share",
    "indexed": "Base month",
    "percent_of_list": "Once the part is superseded",
    "cost_plus": "Added for storage, per month",
    "market_minus": "Market value by",
}


@pytest.fixture(scope="module")
async def address(serve: Serve, second_db: tuple[asyncpg.Connection, Database]) -> str:
    return await serve(site_for(second_db[1]))


@pytest.fixture
async def market(second_world: World) -> Market:
    made = await open_market(second_world)
    await add_stock(second_world)
    return made


async def cookies(market: Market, party: Party, role: str) -> dict[str, str]:
    return {"backstock_session": await token_for(market.world.owner, party.users[role], party.id)}


@pytest.mark.parametrize("script", [True, False])
async def test_each_kind_of_price_shows_its_own_fields(
    open_page: OpenPage, address: str, market: Market, script: bool
) -> None:
    async with market.client(market.world.maker, "planner") as planner:
        draft = await drafted(planner, preset="shelf-and-first-refusal")
    opened = await open_page(
        f"{address}{draft}/terms", cookies=await cookies(market, market.world.maker, "planner"), script=script
    )
    page = opened.page
    kind = page.locator("#f-t_price_kind")
    await expect(kind).to_have_value("percent_of_list")
    for value, label in KINDS.items():
        await kind.select_option(value)
        own = page.locator(f".kind[data-kind={value}]").first
        await expect(own.get_by_text(label, exact=True)).to_be_visible()
        for other in KINDS:
            if other != value:
                await expect(page.locator(f".kind[data-kind={other}]").first).to_be_hidden()
        if script:
            await looks_right(page, f"clauses-price-{value}")
            await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    allowance = page.locator("#f-t_use_allowance_kind")
    await expect(page.locator(".kind[data-kind=units]").first).to_be_hidden()
    await allowance.select_option("units")
    await expect(page.get_by_text("Units per period", exact=True).first).to_be_visible()
    assert not opened.faults


async def test_the_preview_follows_what_is_typed(open_page: OpenPage, address: str, market: Market) -> None:
    async with market.client(market.world.maker, "planner") as planner:
        draft = await drafted(planner, preset="access-first")
    opened = await open_page(f"{address}{draft}/terms", cookies=await cookies(market, market.world.maker, "planner"))
    page = opened.page
    await page.locator("#f-t_price_kind").select_option("market_minus")
    await page.fill("#f-t_price_market_minus_source", "the dealers' guide")
    await page.fill("#f-t_price_market_minus_discount_bp", "10")
    await page.fill("#f-t_price_market_minus_max_age_days", "90")
    await page.fill("#f-t_price_market_minus_fallback_bp", "60")
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("60 %")
    await page.get_by_role("button", name="Add a first refusal").click()
    await expect(page.get_by_role("heading", name="And a first refusal", exact=True)).to_be_visible()
    await expect(preview).to_contain_text("the stricter binds")
    await expect(page.locator("#f-t_price_market_minus_source")).to_have_value("the dealers' guide")
    # What does not fit is told at its field, on a page that goes there.
    await page.fill("#f-t_blackouts", "Christmas")
    await page.locator("#terms").get_by_role("button", name="Save and choose units").click()
    await expect(page.locator("#e-t_blackouts")).to_contain_text("is not a span of days")
    await looks_right(page, "clauses-wrong")
    await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    await page.fill("#f-t_blackouts", "24 Dec - 6 Jan")
    await page.locator("#f-t_holiday_calendar").select_option("US-TX")
    await page.locator("#f-t_day_count").select_option("business")
    await page.locator("#terms").get_by_role("button", name="Save and choose units").click()
    await expect(page).to_have_url(re.compile(r"/lines$"))


async def test_an_order_under_other_terms(open_page: OpenPage, address: str, market: Market) -> None:
    world = market.world
    opened = await open_page(
        f"{address}/listings/{market.listing}", cookies=await cookies(market, world.buyer, "buyer")
    )
    page = opened.page
    await page.get_by_role("link", name="Propose other terms").click()
    await page.fill("#f-t_window_end_months", "36")
    await expect(page.locator("#preview")).to_contain_text("36 months")
    await page.fill("#f-po_number", "PO 9")
    await page.select_option("#f-ship_to", str(world.buyer.site))
    await looks_right(page, "clauses-order-terms")
    await page.get_by_role("button", name="Review the order").click()
    await looks_right(page, "clauses-order-terms-confirm")
    await page.get_by_role("button", name="Place the order with these terms").click()
    await expect(page).to_have_url(re.compile(r"/orders/[^/]+$|done=placed"))
    await looks_right(page, "clauses-order-with-terms")
    order = page.url.partition("?")[0]
    seller = await open_page(f"{order}/accept", cookies=await cookies(market, world.maker, "planner"))
    await looks_right(seller.page, "clauses-accept-terms")
    await seller.page.get_by_text("Answer them later").click()
    await seller.page.get_by_role("button", name="Accept", exact=True).click()
    await seller.page.get_by_role("link", name="Answer the other terms").click()
    await looks_right(seller.page, "clauses-proposed-terms")
    await seller.page.get_by_role("button", name="Sign", exact=True).click()
    await expect(seller.page.get_by_text("Signed by both: this agreement holds from now on.")).to_be_visible()
    assert not opened.faults
    assert not seller.faults
