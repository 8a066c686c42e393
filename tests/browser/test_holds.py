"""Quality holds, recalls and counts in a real browser: every page passes axe and fits a desktop in light and a phone in the dark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from marketplace.db.session import Database
from tests.browser.conftest import OpenPage, Serve, assert_fits_everywhere, looks_right
from tests.clients import token_for
from tests.marketplace.main_job import ok
from tests.web.job import open_site
from tests.web.trade import site_for
from tests.world import Party, World


@pytest.fixture(scope="module")
async def address(serve: Serve, db: Database) -> str:
    return await serve(site_for(db))


async def test_every_page_of_a_recall_is_accessible_and_fits(open_page: OpenPage, address: str, world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=6)
        await world.register(world.other, 3)
        made = await ok(site.job.planner.post("/api/v1/recalls", json={
            "part_id": str(world.part), "kind": "recall", "reason": "The weld seam may crack under load.",
            "instruction": "Set the units aside, mark them, and send a photograph of the seam.", "document": "CAPA-2026-114",
            "answer_by": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
        }), 201)  # fmt: skip
        at = f"/recalls/{made['id']}"
        answer = {
            "found": 3,
            "set_aside": 3,
            "used_before": 1,
            "used_on": "2026-10-02",
            "note": "One went into a loader.",
        }
        await ok(site.job.buyer.post(f"/api/v1{at}/answers", json=answer), 201)
        lot = await world.owner.fetchval(
            "SELECT lot_id FROM position WHERE holder_id = $1 AND quantity > 0", world.buyer.id
        )
        visits: tuple[tuple[Party, str, dict[str, str]], ...] = (
            (world.maker, "planner", {
                "list": "/recalls", "new": "/recalls/new", "progress": at, "units": f"{at}?list=units", "lift": f"{at}/lift",
            }),
            (world.buyer, "warehouse", {"answered": at, "unit": f"/units/{lot}"}),
            (world.other, "warehouse", {"to-answer": at, "home": "/", "waits": "/recalls?waits=yes"}),
        )  # fmt: skip
        for party, role, pages in visits:
            signed_in = {"backstock_session": await token_for(world.owner, party.users[role], party.id)}
            opened = await open_page(f"{address}/scan", cookies=signed_in)
            for name, path in pages.items():
                told = await opened.page.goto(f"{address}{path}", wait_until="networkidle")
                assert told is not None
                assert told.status == 200, path
                await assert_fits_everywhere(opened.page)
                await looks_right(opened.page, f"holds-{name}")
            if role == "planner":
                page = opened.page
                await page.goto(f"{address}/recalls/new")
                await page.get_by_label("Part number", exact=True).fill(await site.number())
                await page.get_by_label("Reason", exact=True).fill("Seam.")
                await page.locator("#f-instruction").fill("Wait.")
                await page.locator("#f-answer_by").fill("2030-01-02")
                await page.get_by_role("button", name="Show what it would stop").click()
                await expect(page.get_by_role("button", name="Put it in force")).to_be_visible()
                await assert_fits_everywhere(page)
                await looks_right(page, "holds-confirm")
            assert opened.faults == []


async def test_every_page_of_a_count_is_accessible_and_fits(open_page: OpenPage, address: str, world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4)
        part = await world.make_part(f"{world.tag}-OWN")
        await world.register(world.buyer, 12, part=part)
        await world.register(world.buyer, serial="SN-77", site=world.buyer.sites[1])
        sheets = "/api/v1/holdings/sheets"
        made = await ok(site.job.buyer.post(sheets, json={"site_id": str(world.buyer.site)}), 201)
        at = f"/counts/{made['id']}"
        items = {"items": f"{await site.number()}, 4\n{world.tag}-OWN, 11\nSN-77\nZZ-UNKNOWN"}
        await ok(site.job.buyer.post(f"{sheets}/{made['id']}/entries", json=items), 201)
        signed_in = {"backstock_session": await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)}
        opened = await open_page(f"{address}/scan", cookies=signed_in)
        page = opened.page
        for name, path in {"list": "/counts", "sheet": at, "review": f"{at}?view=review"}.items():
            told = await page.goto(f"{address}{path}", wait_until="networkidle")
            assert told is not None
            assert told.status == 200, path
            await assert_fits_everywhere(page)
            await looks_right(page, f"counts-{name}")
        await page.get_by_role("button", name="Count again").click()
        await page.locator("#f-items").fill(f"{world.tag}-OWN")
        await page.locator("#f-quantity").fill("11")
        await page.get_by_role("button", name="Enter it").click()
        await page.get_by_role("link", name="Look at what differs").click()
        await page.get_by_role("button", name="Show what follows").click()
        await expect(page.get_by_text("Your own stock will be lowered by 1.")).to_be_visible()
        await assert_fits_everywhere(page)
        await looks_right(page, "counts-confirm")
        await page.get_by_role("button", name="Confirm the count").click()
        await expect(page.get_by_text("The record follows the count.")).to_be_visible()
        await assert_fits_everywhere(page)
        assert opened.faults == []
