"""Units that come back by their condition, and those that a holder sells back, in a real browser: every page passes axe, fits a
desktop in light and a phone in the dark; on a database in which the second library is released."""

from __future__ import annotations

import asyncpg
import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from tests.agreed import agreed_on, delivered
from tests.browser.conftest import OpenPage, Serve, assert_fits_everywhere, looks_right
from tests.clients import token_for
from tests.marketplace.main_job import ok
from tests.marketplace.sourcing.test_by_condition import TABLE
from tests.web.job import open_site
from tests.web.trade import site_for
from tests.world import Party, World


@pytest.fixture(scope="module")
async def address(serve: Serve, second_db: tuple[asyncpg.Connection, Database]) -> str:
    return await serve(site_for(second_db[1]))


async def test_every_page_is_accessible_and_fits(open_page: OpenPage, address: str, second_world: World) -> None:
    world = second_world
    async with open_site(world) as site:
        job = site.job
        terms = {**BUY_BACK, **TABLE, "reject_remedy": "credit", "put_percent_bp": 7_000}
        made = await agreed_on(world, [("buy-back", 2, terms)])
        for n in range(2):
            await delivered(world, made, 1, serial=f"SN-{world.tag}-{n}")
        await delivered(world, made, 6)
        calls = "/api/v1/sourcing/calls"
        sale = {
            "agreement_id": str(made), "part_id": str(world.part), "site_id": str(world.buyer.site), "condition": "new",
            "quantity": 1,
        }  # fmt: skip
        sold = (await ok(job.buyer.post("/api/v1/sourcing/sell-back", json=sale), 201))["id"]
        came: list[str] = []
        for quantity in (3, 2):
            await job.called(quantity)
            await ok(job.buyer.post(f"{calls}/{job.call}/accept", json={}))
            await ok(job.buyer.post(f"{calls}/{job.call}/ship", json={"own_transport": True}))
            await ok(job.technician.post(f"{calls}/{job.call}/receive"))
            came.append(job.call)
        units = await world.owner.fetch(
            "SELECT l.serial FROM call_unit u JOIN lot l ON l.lot_id = u.lot_id WHERE u.call_id = $1::uuid AND l.serial IS NOT NULL",
            came[0],
        )  # fmt: skip
        named = [str(u["serial"]) for u in units]
        found = [
            {"grade": "used", "quantity": 1, "units": named[:1]},
            {"grade": "core", "quantity": 2, "accepted": False, "units": named[1:]},
        ]
        await ok(job.technician.post(f"{calls}/{came[0]}/inspect", json={"found": found}))
        visits: list[tuple[Party, str, dict[str, str]]] = [
            (world.maker, "admin", {
                "inspect": f"/calls/{came[1]}/inspect", "inspected": f"/calls/{came[0]}", "sold": f"/calls/{sold}",
                "destination": f"/calls/{sold}/destination", "direct": "/calls?side=maker&status=direct", "company": "/company",
            }),
            (world.buyer, "admin", {
                "sell-back": f"/agreements/{made}/sell-back", "held": f"/agreements/{made}", "sale": f"/calls/{sold}",
            }),
        ]  # fmt: skip
        for party, role, pages in visits:
            token = await token_for(world.owner, party.users[role], party.id)
            opened = await open_page(f"{address}/scan", cookies={"backstock_session": token})
            for name, path in pages.items():
                answer = await opened.page.goto(f"{address}{path}", wait_until="networkidle")
                assert answer is not None
                assert answer.status == 200, path
                await assert_fits_everywhere(opened.page)
                await looks_right(opened.page, f"back-{name}")
            if role == "admin" and party is world.buyer:
                await opened.page.goto(f"{address}/agreements/{made}/sell-back", wait_until="networkidle")
                await opened.page.get_by_label("Quantity").fill("1")
                await opened.page.get_by_role("button", name="See what this does").click()
                await opened.page.get_by_role("button", name="Sell them back").wait_for()
                await assert_fits_everywhere(opened.page)
                await looks_right(opened.page, "back-sell-back-confirm")
            unexpected = [f for f in opened.faults if "WebGL" not in f and "GPU" not in f]
            assert unexpected == []
