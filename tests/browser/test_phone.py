"""A technician's phone: from opening it to an order back that is sent, and the same where there is no network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, looks_right, serving
from tests.clients import token_for
from tests.web.job import Site, open_site
from tests.web.trade import site_for
from tests.world import World


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


_ALTERED = """(changed) => new Promise((done) => {
    const opening = indexedDB.open("backstock", 1);
    opening.onsuccess = () => {
        const all = opening.result.transaction("waiting", "readwrite").objectStore("waiting");
        const asked = all.getAll();
        asked.onsuccess = () => {
            const first = asked.result.find((one) => one.state === "done");
            all.put({...first, ...changed}).onsuccess = () => { opening.result.close(); done(); };
        };
    };
})"""
"""Changes what is kept of the form that was sent, or, under another key, keeps a copy."""
_STATES = """() => new Promise((done) => {
    const opening = indexedDB.open("backstock", 1);
    opening.onsuccess = () => {
        const asked = opening.result.transaction("waiting").objectStore("waiting").getAll();
        asked.onsuccess = () => { opening.result.close(); done(Object.fromEntries(asked.result.map((x) => [x.key, x.state]))); };
    };
})"""


class Fingers:
    """Taps on a page, counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps = page, 0

    async def tap(self, name: str, role: str = "button") -> None:
        self.taps += 1
        await self.page.get_by_role(role, name=name).first.tap()  # type: ignore[arg-type]


async def _installed(page: Page) -> None:
    """The worker answers for this page: it was there when the page was opened."""
    async with asyncio.timeout(30):
        await page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    await page.reload(wait_until="networkidle")
    assert await page.evaluate("() => navigator.serviceWorker.controller !== null")


async def test_from_opening_it_to_an_order_back_in_six_taps(site: Site, open_page: OpenPage) -> None:
    world = site.world
    await site.job.sold(2, offered=2)
    number = await site.number()
    token = await token_for(world.owner, world.maker.users["technician"], world.maker.id)
    async with serving(site_for(world.db)) as address:
        opened = await open_page(f"{address}/scan", size=PHONE, cookies={"backstock_session": token})
        page, fingers = opened.page, Fingers(opened.page)
        await page.get_by_label("Serial or part number").fill(number)
        await fingers.tap("Look it up")
        await fingers.tap("Order this unit back", "link")
        await fingers.tap("Review the order")
        await fingers.tap("Order this unit back")
        await page.get_by_text("ordered").first.wait_for()
        assert fingers.taps <= 6
        assert urlsplit(page.url).path.startswith("/requests/")
        made = await world.owner.fetch(
            "SELECT status, quantity FROM call WHERE maker_id = $1 AND holder_id = $2", world.maker.id, world.buyer.id
        )
        assert [tuple(r) for r in made] == [("noticed", 1)]
        assert not opened.faults


async def test_what_was_looked_up_stays_and_what_was_pressed_is_sent_once(site: Site, open_page: OpenPage) -> None:
    world = site.world
    await site.job.sold(2, offered=2)
    number = await site.number()
    token = await token_for(world.owner, world.maker.users["technician"], world.maker.id)
    app = site_for(world.db)
    ordered = "SELECT count(*) FROM call WHERE maker_id = $1"
    async with AsyncExitStack() as first:
        address = await first.enter_async_context(serving(app))
        opened = await open_page(f"{address}/scan", size=PHONE, cookies={"backstock_session": token})
        page = opened.page
        await _installed(page)
        await page.goto(f"{address}/requests?q={number}", wait_until="networkidle")
        await page.get_by_role("link", name="Order this unit back").first.tap()
        await page.get_by_role("button", name="Review the order").tap()
        await page.get_by_role("button", name="Order this unit back").wait_for()
    # No server answers any more: as far as the phone can tell, there is no network.
    await page.get_by_role("button", name="Order this unit back").tap()
    await page.get_by_text("It is sent, once, as soon as there is a connection.").wait_for()
    waits = page.locator("[data-offline-waiting] li")
    await expect(waits).to_have_count(1)
    assert await world.owner.fetchval(ordered, world.maker.id) == 0
    await looks_right(page, "offline")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await page.get_by_role("link", name=number).first.tap()
    await page.get_by_text("No connection. This page is as it was").wait_for()
    await page.get_by_text(world.buyer.name).first.wait_for()
    await page.goto(f"{address}/agreements")
    await page.get_by_role("heading", name="Without a connection").wait_for()
    # A form that binds nobody, and one that is not sent later, are not sent at all, and say so.
    await page.goto(f"{address}/requests?q={number}")
    async with serving(app, urlsplit(address).port or 0):
        await page.goto(f"{address}/offline")
        await page.get_by_text("Sent. Confirmed").wait_for()
        assert await world.owner.fetchval(ordered, world.maker.id) == 1
        # The same once more, as after an answer that was lost on the way: one effect.
        await page.evaluate(_ALTERED, {"state": "waiting"})
        await page.reload(wait_until="networkidle")
        await page.get_by_text("Sent. Confirmed").wait_for()
        assert await world.owner.fetchval(ordered, world.maker.id) == 1
        # What has waited for longer than a day is not sent, and says so; what was sent is not sent again, whatever its age.
        requests = "SELECT count(*) FROM idempotency_key WHERE company_id = $1"
        before = await world.owner.fetchval(requests, world.maker.id)
        await page.evaluate(_ALTERED, {"state": "waiting", "key": "late", "at": 0})
        await page.reload(wait_until="networkidle")
        await page.get_by_text("It waited for more than a day and was not sent.").wait_for()
        # Somebody else signs in on this phone: nothing of hers is sent, or shown, and it waits.
        await page.evaluate(_ALTERED, {"state": "waiting", "key": "hers"})
        other = await token_for(world.owner, world.maker.users["planner"], world.maker.id)
        await page.context.add_cookies([{"name": "backstock_session", "value": other, "url": address}])
        await page.goto(f"{address}/scan", wait_until="networkidle")
        await page.goto(f"{address}/offline", wait_until="networkidle")
        await page.get_by_text("Nothing waits.").wait_for()
        assert await page.evaluate(_STATES) == {"late": "refused", "hers": "waiting"} | dict.fromkeys(
            [k for k in await page.evaluate(_STATES) if k not in {"late", "hers"}], "done"
        )
        assert await world.owner.fetchval(requests, world.maker.id) == before
        assert await world.owner.fetchval(ordered, world.maker.id) == 1
        await page.context.add_cookies([{"name": "backstock_session", "value": token, "url": address}])
        await page.goto(f"{address}/scan", wait_until="networkidle")
        await page.goto(f"{address}/offline", wait_until="networkidle")
        await page.get_by_role("link", name="Order back").first.tap()
        await page.get_by_text("Ordered").first.wait_for()
        assert urlsplit(page.url).path.startswith("/requests/")
        # Whoever signs out leaves nothing that another one could read.
        names = "() => caches.keys().then((all) => all.filter((name) => name.startsWith('pages-')).length)"
        assert await page.evaluate(names) == 1
        await page.evaluate("() => document.querySelector('form[action=\"/sign-out\"]').submit()")
        await page.get_by_role("link", name="Sign in").first.wait_for()
        assert await page.evaluate(names) == 0
