"""Sourcing and records in a real browser: every page passes axe, fits a desktop in light and a phone in the dark, and
the way from a number to an order back works there, with script and without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from marketplace.advising.service import make_advice
from marketplace.db.session import Database
from marketplace.ledger.service import KeyRing
from marketplace.ledger.tasks import check
from tests.advised import stocked
from tests.browser.conftest import (
    PHONE,
    OpenPage,
    Serve,
    assert_fits,
    assert_fits_everywhere,
    looks_right,
)
from tests.clients import token_for
from tests.marketplace.attachments.test_files import picture
from tests.marketplace.main_job import Job, ok
from tests.marketplace.settlement.owed import owes
from tests.web.job import Site, open_site
from tests.web.trade import site_for
from tests.world import Party, World


@pytest.fixture(scope="module")
async def address(serve: Serve, db: Database) -> str:
    return await serve(site_for(db))


async def cookies(world: World, party: Party, role: str) -> dict[str, str]:
    return {"backstock_session": await token_for(world.owner, party.users[role], party.id)}


async def everywhere(page: Page, name: str) -> None:
    """At every width, then as a desktop and as a phone."""
    await assert_fits_everywhere(page)
    await looks_right(page, f"records-{name}", exclude=(".map",))


async def came_this_far(site: Site) -> Job:
    """Units with a partner, one of them ordered back and on its way, one settled."""
    job = site.job
    await job.sold(4, offered=4)
    await job.called()
    await job.came_back()
    await job.called()
    notice = {"part_id": str(site.world.part), "act": "scrap", "quantity": 1}
    await ok(job.buyer.post(f"/api/v1/agreements/{job.agreement}/notices", json=notice), 201)
    return job


async def the_notice(job: Job) -> str:
    """The one that was given."""
    found = (await ok(job.planner.get("/api/v1/notices")))["items"]
    return str(found[0]["id"])


async def drawn(site: Site) -> tuple[str, str]:
    """An access draw of two units, one of them replaced by a unit on its way: the call and the replacement."""
    job = site.job
    kept = job.call, job.requisition, job.agreement
    await job.sold(4, preset="wide-access")
    key = next(c["key"] for c in await job.candidates() if c["kind"] == "access_draw")
    asked = {**job.need(2), "key": key}
    job.call = (await ok(job.technician.post("/api/v1/sourcing/order-back", json=asked), 201))["calls"][0]
    await job.came_back(2)
    draw = job.call
    job.call, job.requisition, job.agreement = kept
    body = {
        "quantity": 1, "site_id": str(site.world.maker.site), "condition": "new", "carrier": "UPS", "tracking": "1Z",
    }  # fmt: skip
    made = await ok(job.planner.post(f"/api/v1/sourcing/calls/{draw}/replacements", json=body))
    return draw, str(made["id"])


async def advised(world: World, site: Site, worker_db: Database) -> tuple[str, str, str]:
    """A run of the advisor, a scenario of it, and a part that both tell of."""
    parts = await stocked(world, site.job.planner)
    made: list[str] = []
    for more in ({}, {"name": "Fast partners", "hazard": 5, "limits": {"least": {"ordinary": 0.99}}}):
        body = {"horizon": 15, **more, **({"base_id": made[0]} if made else {})}
        made.append((await ok(site.job.planner.post("/api/v1/advice", json=body), 201))["id"])
        await make_advice(worker_db, run_id=UUID(made[-1]), company_id=world.maker.id, clock=lambda: datetime.now(UTC))
    return made[0], made[1], str(parts["SLOW"])


async def on_its_way(job: Job) -> tuple[str, str, str, str]:
    """An order shipped in two of three parts, one received with a difference, a return asked for and the rest to be cancelled: the
    addresses of the order, of its first shipment, of the difference and of the return."""
    kept = job.order, job.agreement, job.listing
    await job.released(8)
    await job.ordered(6)
    await job.signed()
    way, url = f"/orders/{job.order}", f"/api/v1/orders/{job.order}"
    for packages in (2, 1):
        body = {"own_transport": True, "packages": packages, "lines": [{"line_no": 1, "quantity": 2}]}
        made = await ok(job.planner.post(f"{url}/ship", json=body))
        if packages == 2:
            line = {"line_no": 1, "good": 1, "damaged": 1, "note": "wet", "reasons": {"damaged": "in_transport"}}
            await ok(job.buyer.post(f"{url}/receive", json={"lines": [line]}))
            parted = f"/shipments/{made['id']}"
    asked = {"lines": [{"line_no": 1, "quantity": 1}], "reason": "not_needed"}
    back = (await ok(job.buyer.post(f"{url}/returns", json=asked), 201))["id"]
    await ok(job.buyer.post(f"{url}/cancellation", json={"reason": "too_late"}))
    (differs,) = (await ok(job.buyer.get(url)))["differences"]
    job.order, job.agreement, job.listing = kept
    return way, parted, f"{way}/differences/{differs['id']}", f"{way}/returns/{back}"


async def test_every_page_is_accessible_and_fits(
    open_page: OpenPage, address: str, world: World, worker_db: Database, tmp_path: Path
) -> None:
    async with open_site(world) as site:
        job = await came_this_far(site)
        number = await site.number()
        lot = await world.owner.fetchval(
            "SELECT lot_id FROM position WHERE holder_id = $1 AND quantity > 0", world.buyer.id
        )
        line = await world.owner.fetchval("SELECT id FROM settlement_line WHERE payer_id = $1", world.maker.id)
        paid = await ok(job.planner.post("/api/v1/settlement/payments", json={
            "direction": "paid", "other_id": str(world.buyer.id), "amount": "20", "currency": "USD", "paid_on": "2026-01-02",
            "bank_reference": "WIRE 4711", "lines": [{"line_id": str(line), "amount": "10"}],
        }), 201)  # fmt: skip
        await owes(world, by=world.buyer, payer_id=world.buyer.id, payee_id=world.maker.id, kind="late_damages")
        odd = await ok(job.planner.post(f"/api/v1/settlement/{line}/dispute", json={
            "amount": "5", "reason": "damaged", "words": "The housing is cracked.",
        }), 201)  # fmt: skip
        month = f"{datetime.now(UTC):%Y-%m}"
        await check(worker_db, KeyRing(tmp_path), datetime.now(UTC))
        held = f"part={world.part}&site={world.buyer.site}"
        draw, sent = await drawn(site)
        end = {"ends": True, "note": "We close the site in spring."}
        await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
        resold = await ok(job.buyer.post("/api/v1/resales", json={
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 1,
        }), 201)  # fmt: skip
        asked = await ok(job.planner.post(f"/api/v1/agreements/{job.agreement}/proposals", json=end), 201)
        other = {"company_id": str(world.other.id)}
        estate = await ok(job.planner.post("/api/v1/insolvencies", json={
            **other, "reason": "Petition filed.", "source": "Bankr. D. Mass., case 26-10123", "opened_on": "2026-11-02",
        }), 201)  # fmt: skip
        secured = await ok(job.planner.post("/api/v1/security-interests", json={
            "agreement_id": job.agreement, "kind": "ucc1", "filed_with": "Texas Secretary of State", "number": "26-1",
            "filed_on": "2026-11-02", "expires_on": "2031-11-02",
        }), 201)  # fmt: skip
        gone = {
            "part_id": str(world.part),
            "site_id": str(world.buyer.site),
            "became": "lost",
            "quantity": 1,
            "note": "Roof leak.",
        }
        await ok(job.buyer.post("/api/v1/holdings/missing-units", json={**gone, "agreement_id": job.agreement}), 201)
        search = {"name": "Pumps", "numbers": number, "filters": {"callable": "now"}, "urgency": "machine_down"}
        kept = await ok(job.planner.post("/api/v1/searches", json=search), 201)
        photo = await ok(job.planner.post("/api/v1/documents", data={"on": "lot", "on_id": str(lot), "kind": "photo"},
            files={"file": ("IMG 1.jpg", picture("JPEG"))}), 201)  # fmt: skip
        await site.job.released(3)
        wanted = {"listing_id": job.listing, "quantity": 2, "ship_to_site_id": str(world.buyer.site), "note": "Both?"}
        quote = "/quotes/" + (await ok(job.buyer.post("/api/v1/quotes", json=wanted), 201))["id"]
        offered = {"listing_id": job.listing, "quantity": 2, "unit_price": "9.50"}
        await ok(job.planner.post(f"/api/v1{quote}/offers", json={"answers": 0, "lines": [offered], "reserve": True}))
        run, scenario, told = await advised(world, site, worker_db)
        at = f"/advice/{run}"
        way, parted, differs, back = await on_its_way(job)
        visits: list[tuple[Party, str, dict[str, str]]] = [
            (world.maker, "planner", {
                "insolvencies": "/insolvencies", "insolvency": f"/insolvencies/{estate['id']}", "insolvency-new": "/insolvencies/new", "recalls": "/recalls", "recall-new": "/recalls/new",
                "interests": "/security-interests", "interest": f"/security-interests/{secured['id']}",
                "interest-new": f"/security-interests/new?agreement={job.agreement}",
                "draw": f"/calls/{draw}", "replace": f"/calls/{draw}/replace", "to-replace": "/calls?side=maker&status=replace",
                "requests": "/requests", "bulk": "/requests/bulk", "plan": "/plans/new", "plans": "/plans", "cascade": "/company/cascade", "rates": "/company/rates", "availability": f"/requests?q={number}", "narrowed": f"/requests?q={number}&callable=now",
                "candidates": "/candidates", "protected": "/protected-parts", "audiences": "/audiences", "cover": f"/cover?q={number}", "compare": f"/compare?id={job.listing}",
                "document-new": f"/documents/new?on=lot&id={lot}&part={world.part}", "document-withdraw": f"/documents/{photo['id']}/withdraw",
                "searches": "/searches", "search-name": f"/searches/{kept['id']}/name",
                "new": f"/requests/new?part={world.part}", "request": f"/requests/{job.requisition}",
                "cancel": f"/requests/{job.requisition}/cancel", "asked": "/calls?side=maker",
                "status": "/status", "units": "/units", "unit": f"/units/{lot}", "freeze": f"/units/{lot}/freeze",
                "as-of": f"/units/as-of?part={world.part}", "as-of-units": "/units/as-of?view=units", "as-of-none": "/units/as-of?q=no-such-thing",
                "as-of-difference": f"/units/as-of?part={world.part}&since=2020-01-01", "as-of-changes": f"/units/as-of?agreement={job.agreement}&since=2020-01-01&view=changes&place={lot}.1",
                "past": f"/units?q={number}&at=2020-01-01", "agreements": "/agreements",
                "resales": "/resales", "resale": f"/resales/{resold['id']}", "agreement": f"/agreements/{job.agreement}", "notices": "/agreements/notices", "notice": f"/agreements/notices/{await the_notice(job)}", "imports": "/imports", "advice": "/advice", "demand": "/advice/demand",
                "advice-run": at, "advice-totals": f"{at}/totals", "advice-part": f"{at}/parts/{told}", "advice-frontier": f"{at}/frontier", "advice-scenario": f"{at}/scenario",
                "advice-compare": f"/advice/compare?run={run}&run={scenario}", "advice-differences": f"/advice/{scenario}/differences", "advice-outcomes": f"{at}/outcomes",
                 "watch": "/watch", "scan": "/scan",
                "settlement": "/settlement", "mark": f"/settlement/{line}/mark", "line": f"/settlement/{line}", "balances": "/settlement/balances",
                "payments": "/settlement/payments", "record": f"/settlement/payments/new?line={line}", "record-whom": "/settlement/payments/new",
                "upload": "/settlement/payments/upload", "set-off": f"/settlement/set-off?other={world.buyer.id}&currency=USD",
                "paid": f"/settlement/payments/{paid['id']}", "disputes": "/settlement/disputes", "dispute": f"/settlement/disputes/{odd['id']}",
                "statements": f"/settlement/statements?month={month}", "statement": f"/settlement/statements/{world.buyer.id}/{month}",
                "freight": f"/calls/{job.call}/freight", "send-back": f"/calls/{job.call}/send-back",
                "order": way, "order-shipment": parted, "packing-list": f"{parted}/packing-list", "shipping-label": f"{parted}/label", "ship-rest": f"{way}/ship",
                "difference": differs, "return-answer": back, "cancel-rest-answer": f"{way}/cancellation", "to-settle": "/orders?status=settle",
                "calendar": "/calendar", "calendar-of": f"/calendar?agreement={job.agreement}",
            }),
            (world.maker, "admin", {
                "cascade-stated": "/company/cascade", "rate-stated": "/company/rates",
                "account": "/account", "second-factor": "/account/second-factor", "security": "/company/security",
                "invitations": "/company/invitations", "activity": "/company/activity", "partner": f"/partners/{world.buyer.id}",
            }),
            (world.buyer, "admin", {
                "replacement": f"/calls/{draw}/replacements/{sent}", "replacing": "/calls?side=holder&status=replacing",
                "order-bought": way, "return-ask": f"{way}/return", "difference-take": differs, "return-asked": back, "receive-part": f"{way}/receive",
                "inbox": "/calls", "call": f"/calls/{job.call}", "accept": f"/calls/{job.call}/accept",
                "refuse": f"/calls/{job.call}/refuse", "holdings": "/holdings", "holdings-totals": "/holdings/totals", "act": f"/holdings/act?{held}", "missing": f"/holdings/missing?agreement={job.agreement}&{held}",
                "notice": f"/agreements/{job.agreement}/notice", "change": f"/agreements/{job.agreement}/change", "standing": f"/agreements/{job.agreement}/standing", "end": f"/agreements/{job.agreement}/end", "sell-on": f"/resales/ask?agreement={job.agreement}", "proposal": f"/agreements/{job.agreement}/proposals/{asked['id']}", "held-agreement": f"/agreements/{job.agreement}",
                "held-calendar": "/calendar", "confirm-payment": f"/settlement/payments/{paid['id']}", "owed-line": f"/settlement/{line}", "dispute-to-answer": f"/settlement/disputes/{odd['id']}",
                "quotes": "/quotes", "quote": quote, "quote-offer": f"{quote}/offer", "quote-accept": f"{quote}/accept", "quote-decline": f"{quote}/decline", "quote-new": f"/quotes/new?listing={job.listing}",
                "receive-back": f"/calls/{job.call}/receive-back", "shortages": "/holdings/shortages", "gone": "/holdings/missing-units",
            }),
        ]  # fmt: skip

        async def look_at(signed_in: dict[str, str], pages: Sequence[tuple[str, str]]) -> None:
            opened = await open_page(f"{address}/scan", cookies=signed_in)
            for name, path in pages:
                answer = await opened.page.goto(f"{address}{path}", wait_until="networkidle")
                assert answer is not None
                assert answer.status == 200, path
                try:
                    await everywhere(opened.page, name)
                except AssertionError as wrong:
                    wrong.add_note(f"on {path}")
                    raise
            assert [f for f in opened.faults if "WebGL" not in f and "GPU" not in f] == []

        # Several at once: most of the time of a page is waiting for its network to fall quiet.
        async with asyncio.TaskGroup() as looking:
            for party, role, pages in visits:
                signed_in, listed = await cookies(world, party, role), list(pages.items())
                for n in range(0, len(listed), 24):
                    looking.create_task(look_at(signed_in, listed[n : n + 24]))


@pytest.mark.parametrize("script", [True, False])
async def test_a_technician_orders_a_unit_back_on_a_phone(
    open_page: OpenPage, address: str, world: World, script: bool
) -> None:
    async with open_site(world) as site:
        await site.job.sold(2, offered=2)
        signed_in = await cookies(world, world.maker, "technician")
        page = (await open_page(f"{address}/requests", size=PHONE, cookies=signed_in, script=script)).page
        await page.get_by_label("Part number or serial").fill((await site.number()).lower())
        await page.get_by_role("button", name="Show where units are").click()
        await page.get_by_role("link", name="Order this unit back").first.click()
        await page.locator("#f-machine_model").fill("EX-200")
        await page.get_by_role("button", name="Review the order").click()
        await expect(page.get_by_text("Reserve the units at once")).to_be_visible()
        await page.get_by_role("button", name="Order this unit back").click()
        await expect(page.get_by_text("Ordered.", exact=True)).to_be_visible()
        await assert_fits(page)
        assert await world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", world.maker.id) == 1
