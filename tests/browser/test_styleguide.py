"""The style guide in a real browser: every component, light and dark, desktop and phone, with and without script."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from playwright.async_api import Route, expect

from tests.browser.conftest import (
    DESKTOP,
    PHONE,
    OpenPage,
    Serve,
    Theme,
    assert_accessible,
    assert_fits,
    assert_touchable,
    screenshot,
)
from web.app import create_web

pytestmark = pytest.mark.maps

FIRST_LOAD_LIMIT = 150_000
MAP_PARTS = ("maplibre", "topojson", "atlas", "places.geojson", "js/map.js")


@pytest.fixture(scope="module")
async def site(serve: Serve) -> str:
    app = FastAPI(docs_url=None, redoc_url=None)
    create_web(app)
    return await serve(app)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/styleguide", "/styleguide?visitor=1", "/styleguide/errors/409"])
async def test_looks_right(open_page: OpenPage, site: str, path: str, theme: Theme, size: tuple[int, int]) -> None:
    opened = await open_page(site + path, size=size, theme=theme)
    page = opened.page
    if path == "/styleguide":
        # It is fetched once somebody looks at it.
        await page.locator(".map").first.scroll_into_view_if_needed()
        await expect(page.locator(".map-pin").first).to_be_visible(timeout=15_000)
    await assert_fits(page)
    await assert_accessible(page)
    if size is PHONE:
        await assert_touchable(page)
    name = re.sub(r"\W+", "-", path).strip("-")
    await screenshot(page, f"{name}-{theme}-{size[0]}")
    expected = ["error: Failed to load resource"] if "errors" in path else []
    assert [fault for fault in opened.faults if not any(fault.startswith(e) for e in expected)] == []


async def test_first_load_is_light(open_page: OpenPage, site: str) -> None:
    opened = await open_page(site + "/styleguide")
    transferred = await opened.transferred()
    weight = {url: size for url, size in transferred.items() if not any(part in url for part in MAP_PARTS)}
    assert len(weight) >= 8
    assert sum(weight.values()) <= FIRST_LOAD_LIMIT, weight
    assert all(url.startswith(site) for url in transferred)


@pytest.mark.parametrize("cookie", ["light", "dark"])
async def test_the_cookie_beats_the_device_from_the_first_paint(open_page: OpenPage, site: str, cookie: str) -> None:
    device: Theme = "dark" if cookie == "light" else "light"
    opened = await open_page(site + "/styleguide/errors/404", theme=device, cookies={"theme": cookie}, script=False)
    assert await opened.page.locator("html").get_attribute("data-bs-theme") == cookie
    colour = await opened.page.locator("body").evaluate("(e) => getComputedStyle(e).backgroundColor")
    assert colour == {"light": "rgb(246, 247, 248)", "dark": "rgb(14, 17, 19)"}[cookie]


async def test_the_theme_is_switched_with_and_without_script(open_page: OpenPage, site: str) -> None:
    for script in (True, False):
        page = (await open_page(site + "/styleguide", script=script)).page
        await page.locator(".user-btn").click()
        await page.locator('.top button[name="theme"][value="dark"]').click()
        await expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        assert [c["value"] for c in await page.context.cookies() if c.get("name") == "theme"] == ["dark"], script
        assert page.url == site + "/styleguide"


async def test_a_clause_badge_opens_on_hover_on_focus_and_without_script(open_page: OpenPage, site: str) -> None:
    for act in ("hover", "focus", "tap"):
        size = PHONE if act == "tap" else DESKTOP
        page = (await open_page(site + "/styleguide", size=size, script=act != "tap")).page
        button = page.locator("#badges [data-clause] button, section:has(#badges) [data-clause] button").first
        sentence = page.locator("section:has(#badges) .clause-text").first
        await expect(sentence).to_be_hidden()
        if act == "hover":
            await button.hover()
        elif act == "focus":
            # Reached with the Tab key from the button before it, as a keyboard user would.
            await button.focus()
            await page.keyboard.press("Shift+Tab")
            await page.keyboard.press("Tab")
        else:
            await button.tap()
        await expect(sentence).to_be_visible()
        await expect(sentence).to_contain_text("May be bought back until")
        box, anchor = await sentence.bounding_box(), await button.bounding_box()
        assert box is not None
        assert anchor is not None
        below = box["y"] - (anchor["y"] + anchor["height"])
        above = anchor["y"] - (box["y"] + box["height"])
        assert 0 <= max(below, above) < 20, "the sentence stands at its badge"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]


async def test_a_pasted_list_is_counted_and_sent(open_page: OpenPage, site: str) -> None:
    opened = await open_page(site + "/styleguide")
    page = opened.page
    await page.keyboard.press("/")
    box = page.locator("#search-box")
    await expect(box).to_be_focused()
    low = await box.bounding_box()
    await box.fill("2520-01-196-3871\n2815-00-178-9268\n\n1630-00-256-8842")
    await expect(page.locator("[data-search-count]")).to_have_text("3 numbers")
    high = await box.bounding_box()
    assert low is not None
    assert high is not None
    assert high["height"] > low["height"] + 20
    # To its end: a context that is closed while its page is on the way may wait for ever.
    async with page.expect_navigation(url="**/find?**") as sent:
        await box.press("Enter")
    assert "q=2520-01-196-3871" in (await sent.value).url


async def test_a_form_is_sent_once(open_page: OpenPage, site: str) -> None:
    page = (await open_page(site + "/styleguide")).page
    # 204 leaves the page as it is, so the form can be looked at after it was sent.
    await page.route("**/styleguide/errors/409", lambda route: route.fulfill(status=204))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    button = page.get_by_role("button", name="Place the order")
    await button.click()
    locked = page.locator('button[aria-disabled="true"]')
    await expect(locked).to_have_text("Working…")
    await locked.dispatch_event("click")
    assert len(sent) == 1


async def test_menus_close_on_escape(open_page: OpenPage, site: str) -> None:
    page = (await open_page(site + "/styleguide", size=PHONE)).page
    await page.get_by_text("More", exact=True).click()
    panel = page.locator(".bottom .menu-panel")
    await expect(panel.get_by_role("link", name="Agreements")).to_be_visible()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()


async def test_map_pins_are_buttons_that_tell_their_place(open_page: OpenPage, site: str) -> None:
    opened = await open_page(site + "/styleguide")
    page = opened.page
    pin = page.get_by_role("button", name="Billings, MT")
    await expect(pin).to_be_visible(timeout=15_000)
    await pin.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".maplibregl-popup-content")).to_contain_text("2 units, callable")
    await expect(page.get_by_role("button", name="3 places, zoom in")).to_be_visible()
    assert opened.faults == []


async def test_of_two_places_far_apart_the_map_shows_both(open_page: OpenPage, site: str) -> None:
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": at}, "properties": {"title": title, "text": "1 unit"}}
        for title, at in (("Austin, TX", [-97.7, 30.3]), ("Tattnall, GA", [-82.1, 32.1]))
    ]  # fmt: skip
    page = (await open_page(site + "/styleguide/errors/404")).page

    async def answer(route: Route) -> None:
        await route.fulfill(json={"type": "FeatureCollection", "features": features})

    await page.route("**/places.geojson*", answer)
    await page.goto(site + "/styleguide")
    await page.locator(".map").first.scroll_into_view_if_needed()
    for title in ("Austin, TX", "Tattnall, GA"):
        await expect(page.get_by_role("button", name=title)).to_be_in_viewport(timeout=15_000)
    await expect(page.locator(".map-outside")).to_have_count(0)


async def test_a_refused_form_names_its_errors_beside_the_fields(open_page: OpenPage, site: str) -> None:
    page = (await open_page(site + "/styleguide")).page
    field = page.locator("#f-quantity_ordered")
    await expect(field).to_have_attribute("aria-invalid", "true")
    described = await field.get_attribute("aria-describedby")
    assert described is not None
    await expect(page.locator(f"#{described.split()[-1]}")).to_contain_text("Order at least 1")
    await page.get_by_role("link", name="Quantity ordered").click()
    await expect(field).to_be_focused()


async def test_the_api_reference_is_drawn_from_local_files(open_page: OpenPage, site: str) -> None:
    opened = await open_page(site + "/api/docs")
    await expect(opened.page.locator(".swagger-ui .info")).to_be_visible(timeout=15_000)
    assert all(request.url.startswith((site, "data:")) for request in opened.requests)
    assert opened.faults == []
