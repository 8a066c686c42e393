"""Two people at the same order in two browsers: what one does, the other's page shows by itself; nothing that somebody is about to
press or has filled in is taken away."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.conftest import OpenPage, Serve, looks_right
from tests.clients import token_for
from tests.marketplace.main_job import API, ok
from tests.web.job import open_site
from tests.web.trade import site_for
from tests.world import World

SOON = 15_000


async def test_what_one_side_does_the_others_page_shows(open_page: OpenPage, serve: Serve, world: World) -> None:
    address = await serve(site_for(world.db))
    before = await _connections(world)
    async with open_site(world) as site:
        job = site.job
        await job.sold(4)
        await job.called()
        token = await token_for(world.owner, world.maker.users["planner"], world.maker.id)
        asker = (await open_page(f"{address}/calls/{job.call}", cookies={"backstock_session": token})).page
        await asker.mouse.move(0, 0)
        request = await asker.context.new_page()
        await request.goto(f"{address}/requests/{job.requisition}")
        await asker.bring_to_front()
        await expect(asker.locator("h1")).to_contain_text("Waiting")

        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
        await expect(asker.locator("h1")).to_contain_text("Committed", timeout=SOON)
        await expect(asker.locator("#live")).to_have_attribute("aria-live", "polite")
        # The other tab of the same browser has no connection of its own and hears of it as well.
        await request.bring_to_front()
        await expect(request.locator("main")).to_contain_text("Committed", timeout=SOON)
        assert len(await _connections(world) - before) == 1

        # What is filled in stays, and goes over to the page that is asked for.
        await asker.bring_to_front()
        await asker.get_by_label("Message").fill("I am writing")
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/messages", json={"text": "On Tuesday"}), 201)
        bar = asker.locator(".live-bar")
        await expect(bar).to_contain_text("This order has changed", timeout=SOON)
        await expect(asker.locator("main")).not_to_contain_text("On Tuesday")
        await expect(asker.get_by_label("Message")).to_have_value("I am writing")
        await looks_right(asker, "live-bar")
        await bar.get_by_role("button", name="Show").click()
        await expect(asker.locator("main")).to_contain_text("On Tuesday")
        await expect(asker.get_by_label("Message")).to_have_value("I am writing")
        await expect(bar).to_have_count(0)


async def _connections(world: World) -> set[int]:
    """Of servers that tests before have left, too, as long as their last client is not known to be gone."""
    found = await world.owner.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'backstock-live'"
    )
    return {r["pid"] for r in found}


async def test_the_inbox_says_what_is_new_and_marks_what_changed(
    open_page: OpenPage, serve: Serve, world: World
) -> None:
    address = await serve(site_for(world.db))
    async with open_site(world) as site:
        job = site.job
        await job.sold(6)
        await job.called()
        token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
        inbox = (await open_page(f"{address}/calls?side=holder", cookies={"backstock_session": token})).page
        await inbox.mouse.move(0, 0)
        rows = inbox.locator("table.data tbody tr")
        await expect(rows).to_have_count(1)
        counter = inbox.locator('.side-link[data-nav="calls"] .count')
        await expect(counter).to_contain_text("1")
        first = job.call

        await job.called()
        await expect(inbox.locator(".live-bar")).to_contain_text("1 new", timeout=SOON)
        await expect(counter).to_contain_text("2", timeout=SOON)
        await expect(rows).to_have_count(1)
        await expect(inbox.locator("[data-waiting] summary")).to_have_attribute(
            "aria-label", re.compile("2 things wait"), timeout=SOON
        )

        await ok(job.technician.post(f"{API}/sourcing/calls/{first}/cancel", json={}))
        await expect(rows.first).to_have_class(re.compile("row-(gone|changed)"), timeout=SOON)
        await inbox.locator(".live-bar").get_by_role("button", name="Show").click()
        await expect(inbox.locator(f'a[href="/calls/{job.call}"]').first).to_be_visible()
        await expect(inbox.locator(".live-bar")).to_have_count(0)


async def test_the_pages_of_notifications(open_page: OpenPage, serve: Serve, world: World) -> None:
    """They pass axe, fit, and work without script."""
    address = await serve(site_for(world.db))
    user = world.buyer.users["buyer"]
    for n in range(3):
        await world.owner.execute(
            "INSERT INTO notification (company_id, user_id, event_id, kind, subject, text, link, urgent, daily, at) "
            "VALUES ($1, $2, $3, 'orders_back', $4, 'Please answer.', '/calls', $5, false, now())",
            world.buyer.id, user, 10**12 + n, f"Buy-back order CALL-{n}", n == 0,
        )  # fmt: skip
    token = await token_for(world.owner, user, world.buyer.id)
    cookies = {"backstock_session": token}
    opened = await open_page(f"{address}/notifications", cookies=cookies)
    await looks_right(opened.page, "notifications")
    await opened.page.goto(f"{address}/notifications/choices", wait_until="networkidle")
    await looks_right(opened.page, "notification-choices")
    plain = (await open_page(f"{address}/notifications", cookies=cookies, script=False)).page
    await expect(plain.locator("[data-bell]")).to_have_attribute("aria-label", "Notifications, 3 unread")
    await plain.get_by_role("button", name="Unread: Buy-back order CALL-1").click()
    await expect(plain).to_have_url(f"{address}/calls")
    await expect(plain.locator("[data-bell]")).to_have_attribute("aria-label", "Notifications, 2 unread")
    await plain.goto(f"{address}/notifications")
    await plain.get_by_role("button", name="Mark all as read").click()
    await expect(plain.locator("[data-bell]")).to_have_attribute("aria-label", "Notifications")
    await plain.goto(f"{address}/notifications/choices")
    await plain.get_by_label("What is owed").select_option("daily")
    await plain.get_by_role("button", name="Save").click()
    await expect(plain.get_by_label("What is owed")).to_have_value("daily")
