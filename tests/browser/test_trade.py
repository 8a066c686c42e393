"""The trade in a real browser: a buyer and a planner go the whole way, and every page of it passes axe, fits a phone
and a desktop, in light and dark. Once more without script."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from marketplace.db.session import Database
from marketplace.parties.service import hash_password
from tests.browser.conftest import (
    Opened,
    OpenPage,
    Serve,
    assert_fits_everywhere,
    looks_right,
)
from tests.clients import token_for
from tests.web.trade import Market, add_stock, open_market, site_for
from tests.world import Party, World

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
async def address(serve: Serve, db: Database) -> str:
    return await serve(site_for(db))


@pytest.fixture
async def market(world: World) -> Market:
    market = await open_market(world)
    await add_stock(world)
    await world.owner.execute(
        "UPDATE user_account SET password_hash = $2 WHERE id = $1",
        world.buyer.users["admin"],
        await hash_password(PASSWORD),
    )
    return market


async def cookies(market: Market, party: Party, role: str) -> dict[str, str]:
    return {"backstock_session": await token_for(market.world.owner, party.users[role], party.id)}


async def everywhere(page: Page, name: str) -> None:
    """At every width, then as a desktop and as a phone."""
    await assert_fits_everywhere(page)
    await looks_right(page, f"trade-{name}")


def quiet(opened: Opened, *expected: str) -> None:
    """Nothing went wrong on the page beyond what was meant to."""
    assert [fault for fault in opened.faults if not any(word in fault for word in expected)] == []


async def test_sign_in_find_order_and_deliver(open_page: OpenPage, address: str, market: Market) -> None:
    world = market.world
    opened = await open_page(f"{address}/orders")
    page = opened.page
    await expect(page).to_have_url(f"{address}/sign-in?next=/orders")
    await everywhere(page, "sign-in")
    await page.get_by_label("E-mail address").fill(f"admin@{world.buyer.code}.example")
    await page.get_by_label("Password").fill("not the password")
    await page.locator("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("do not match")
    await everywhere(page, "sign-in-refused")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.locator("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Orders", level=1)).to_be_visible()
    await everywhere(page, "orders-empty")

    box = page.get_by_role("search").get_by_role("textbox")
    await box.fill(f"{market.number}\n{world.tag}-PUMP-7\nQQQ-000999888")
    await box.press("Enter")
    await expect(page.get_by_role("heading", name="3 numbers")).to_be_visible()
    await everywhere(page, "find-numbers")
    await page.get_by_role("link", name=f"Order {market.number} from").click()
    await expect(page.get_by_role("heading", name="What the clause means for 4 units")).to_be_visible()
    await everywhere(page, "listing")
    await page.locator("#f-quantity").fill("6")
    await page.get_by_label("Your purchase order number").fill("PO 88-1204")
    await page.get_by_role("button", name="Review the order").click()
    await expect(page.get_by_role("heading", name=f"Order 6 EA of {market.number}")).to_be_visible()
    await everywhere(page, "listing-confirm")
    await page.get_by_role("button", name="Place the order").click()
    await expect(page.get_by_text("Order placed.")).to_be_visible()
    await everywhere(page, "order-placed")
    order = page.url.partition("?")[0]
    quiet(opened, "status of 401")

    sold = await open_page(address, cookies=await cookies(market, world.maker, "planner"))
    other = sold.page
    await expect(other.get_by_role("link", name="1 order waits for your answer")).to_be_visible()
    await everywhere(other, "home-waiting")
    await other.goto(f"{order}/decline")
    await everywhere(other, "order-decline")
    await other.goto(order)
    await other.get_by_role("link", name="Accept").click()
    await expect(other.get_by_role("button", name="Accept and sign")).to_be_visible()
    await everywhere(other, "order-accept")
    await other.get_by_role("button", name="Accept and sign").click()
    await expect(other.get_by_text("Order accepted.")).to_be_visible()

    await page.goto(order)
    await page.get_by_role("link", name="Read and sign").click()
    await expect(page.get_by_role("heading", name="Schedule of units")).to_be_attached()
    await everywhere(page, "order-sign")
    await page.get_by_role("button", name="Sign", exact=True).click()
    await expect(page.get_by_text("Signed for your company.")).to_be_visible()

    await other.goto(f"{order}/ship")
    await everywhere(other, "order-ship")
    await other.get_by_label("Own transport").check()
    await other.get_by_role("button", name="Mark as shipped").click()
    await expect(other.get_by_text("Marked as shipped.")).to_be_visible()

    await page.goto(f"{order}/receive")
    await everywhere(page, "order-receive")
    await page.locator("#f-good_1").fill("5")
    await page.locator("#f-short_1").fill("1")
    await page.get_by_role("button", name="Record the delivery").click()
    await expect(page.get_by_role("alert")).to_contain_text("Say in a few words what is wrong")
    await everywhere(page, "order-receive-refused")
    await page.locator("#f-note_1").fill("One missing from the box")
    await page.get_by_role("button", name="Record the delivery").click()
    await expect(page.get_by_text("5 good, 1 short")).to_be_visible()
    await everywhere(page, "order-received")
    quiet(opened, "status of 401", "status of 422")
    quiet(sold)


async def test_release_with_a_live_preview(open_page: OpenPage, address: str, market: Market) -> None:
    opened = await open_page(f"{address}/stock", cookies=await cookies(market, market.world.maker, "planner"))
    page = opened.page
    await everywhere(page, "stock")
    await page.get_by_role("link", name=f"Release… {market.number}").first.click()
    await expect(page.get_by_label("Title", exact=True)).to_be_visible()
    await everywhere(page, "release-new")
    await page.get_by_label("Title", exact=True).fill("Pumps, end of series")
    await page.get_by_role("button", name="Make the draft").click()
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("85 % of the price paid, 72.00 USD, plus 6 % handling")
    await everywhere(page, "release-terms")
    await page.locator("#f-t_price_percent").fill("70")
    await expect(preview).to_contain_text("70 % of the price paid, 72.00 USD, plus 6 % handling")
    await page.locator("#f-t_window_end_months").fill("0")
    await expect(preview).to_contain_text("Right ends after is from 1 to 360")
    await page.locator("#f-t_window_end_months").fill("36")
    await expect(preview).to_contain_text("Buy-back · until")
    await page.locator("#f-t_price_kind").select_option("schedule")
    await expect(page.locator("#f-t_price_points")).to_be_visible()
    await expect(page.locator("#f-t_price_percent")).to_be_hidden()
    await page.locator("#f-t_price_kind").select_option("percent_of_sale")
    await page.get_by_role("button", name="Save and choose units").first.click()
    await expect(page.get_by_role("heading", name="Add from your stock")).to_be_visible()
    await everywhere(page, "release-lines")
    await page.get_by_label(f"Quantity of {market.number}").fill("99")
    await page.get_by_role("button", name="Save and go on to publish").click()
    await expect(page.get_by_role("alert")).to_contain_text("free there")
    await everywhere(page, "release-lines-refused")
    await page.get_by_label(f"Quantity of {market.number}").fill("9")
    await page.get_by_role("button", name="Save and go on to publish").click()
    await expect(page.get_by_role("button", name="Publish", exact=True)).to_be_visible()
    await everywhere(page, "release-publish")
    await page.get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("Partners see it from now on")).to_be_visible()
    await everywhere(page, "release")
    await page.get_by_role("link", name=f"Reduce {market.number}").click()
    await expect(page.get_by_role("heading", name="Reduce what is offered")).to_be_visible()
    await everywhere(page, "release-reduce")
    # A preview still on its way is given up when the page is left.
    quiet(opened, "status of 422", "releases/preview net::ERR_ABORTED")


@pytest.mark.parametrize(
    ("who", "role", "path"),
    [
        ("", "", "/"),
        ("buyer", "buyer", "/"),
        ("buyer", "buyer", "/find"),
        ("buyer", "buyer", "/find?q=NOTHING-000999888"),
        ("buyer", "buyer", "/find?q=pump"),
        ("buyer", "buyer", "/find?clause=access-back&seller=00000000-0000-0000-0000-000000000000"),
        ("maker", "planner", "/releases"),
        ("maker", "planner", "/releases?status=draft"),
        ("maker", "admin", "/company"),
        ("maker", "admin", "/company/sites/new"),
        ("maker", "admin", "/company/people/new"),
        ("maker", "admin", "/company/sites/{site}"),
        ("maker", "admin", "/company/sites/{site}/close"),
        ("maker", "admin", "/company/people/{person}"),
        ("maker", "admin", "/company/people/{person}/switch"),
        ("maker", "admin", "/company/keys/new"),
        ("maker", "admin", "/company/delegations/new"),
        ("buyer", "buyer", "/releases"),
        ("buyer", "buyer", "/releases/{release}"),
        ("buyer", "buyer", "/no-such-page"),
    ],
)
async def test_page(open_page: OpenPage, address: str, market: Market, who: str, role: str, path: str) -> None:
    signed = await cookies(market, getattr(market.world, who), role) if who else None
    maker = market.world.maker
    await market.world.owner.execute(
        "INSERT INTO site_contact (company_id, site_id, name, role, telephone) VALUES ($1, $2, 'Sam Ortiz', 'Counter', '1')",
        maker.id,
        maker.site,
    )
    path = path.format(site=maker.site, person=maker.users["planner"], release=market.release)
    opened = await open_page(address + path, cookies=signed)
    name = (
        path.replace(str(maker.site), "one")
        .replace(str(maker.users["planner"]), "one")
        .replace(str(market.release), "one")
    )
    await everywhere(opened.page, re.sub(r"\W+", "-", f"{who}{name}").strip("-"))
    quiet(opened, "status of 40")


async def test_several_lines_in_one_order(open_page: OpenPage, address: str, market: Market) -> None:
    signed = await cookies(market, market.world.buyer, "buyer")
    opened = await open_page(f"{address}/listings/{market.listing}", cookies=signed)
    page = opened.page
    await page.get_by_role("link", name="order from the whole posting").click()
    await page.get_by_label(f"Quantity of {market.number} in EA").fill("4")
    await page.get_by_label(re.compile("Quantity of .*PUMP-7 in EA")).fill("2")
    await page.get_by_label("Your purchase order number").fill("PO 9")
    await page.get_by_role("button", name="Review the order").click()
    await expect(page.get_by_text("Order 2 lines for")).to_be_visible()
    await everywhere(page, "posting-order-review")
    await page.get_by_role("button", name="Place the order").click()
    await expect(page.get_by_text("Order placed.")).to_be_visible()


async def test_the_whole_way_without_script(open_page: OpenPage, address: str, market: Market) -> None:
    signed = await cookies(market, market.world.buyer, "admin")
    page = (await open_page(f"{address}/find?q={market.number}", cookies=signed, script=False)).page
    await page.get_by_role("link", name=f"Order {market.number} from").click()
    await page.get_by_label("Your purchase order number").fill("PO 1")
    await page.get_by_role("button", name="Review the order").click()
    await page.get_by_role("button", name="Place the order").click()
    await expect(page.get_by_text("Order placed.")).to_be_visible()
    order = page.url.partition("?")[0]
    seller = (
        await open_page(f"{order}/accept", cookies=await cookies(market, market.world.maker, "planner"), script=False)
    ).page
    await seller.get_by_role("button", name="Accept and sign").click()
    await page.goto(f"{order}/sign")
    await page.get_by_role("button", name="Sign", exact=True).click()
    await seller.goto(f"{order}/ship")
    await seller.get_by_role("textbox", name="Carrier").fill("Blue Heron")
    await seller.get_by_role("textbox", name="Tracking number").fill("BH 1")
    await seller.get_by_role("button", name="Mark as shipped").click()
    await page.goto(f"{order}/receive")
    await page.get_by_role("button", name="Record the delivery").click()
    await expect(page.get_by_text("4 good")).to_be_visible()
    await seller.goto(f"{address}/releases/new")
    await seller.get_by_label("Title", exact=True).fill("Without script")
    await seller.get_by_role("button", name="Make the draft").click()
    await seller.locator("#f-t_price_percent").fill("61")
    await seller.get_by_role("button", name="Preview").click()
    await expect(seller.locator("#preview")).to_contain_text("61 % of the price paid")


async def test_pressing_twice_orders_once(open_page: OpenPage, address: str, market: Market) -> None:
    signed = await cookies(market, market.world.buyer, "admin")
    page = (await open_page(f"{address}/listings/{market.listing}", cookies=signed)).page
    await page.get_by_label("Your purchase order number").fill("PO 2")
    await page.get_by_role("button", name="Review the order").click()
    await page.get_by_role("button", name="Place the order").dblclick()
    await expect(page.get_by_text("Order placed.")).to_be_visible()
    assert await market.ordered() == 4
    await page.go_back()
    await page.get_by_role("button", name="Place the order").click()
    await expect(page).to_have_url(re.compile(r"/orders/"))
    assert await market.ordered() == 4, "the same form from the history is the same order"


async def test_find_is_light(open_page: OpenPage, address: str, market: Market) -> None:
    signed = await cookies(market, market.world.buyer, "buyer")
    opened = await open_page(f"{address}/find?q={market.number}", cookies=signed)
    assert sum((await opened.transferred()).values()) <= 200_000
