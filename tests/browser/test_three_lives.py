"""The whole life of three agreements in a real browser, by a clock that the test moves: from signing through use, notices,
resale, late orders and payment to renewal and the end. One is a preset as it is. The library's second versions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Page, expect

from marketplace import worker
from marketplace.agreements.combinations import BUY_BACK, COMBINATIONS
from marketplace.db.session import Database
from marketplace.listings import service as listings
from marketplace.listings.service import NewLine
from marketplace.parties.permissions import request_time
from tests.agreed import person
from tests.browser.conftest import Opened, OpenPage, Serve, looks_right
from tests.clients import token_for
from tests.web.trade import site_for
from tests.world import Party, World

# Its people look at where units are, on maps.
pytestmark = pytest.mark.maps

BEGAN = datetime(2019, 3, 4, 15, tzinfo=UTC)
"""Long enough ago that all of a life lies before the present, which the database knows."""


@dataclass
class Life:
    """People at their browsers, and the clock that all of them share."""

    world: World
    address: str
    open_page: OpenPage
    clock: Database
    now: datetime = BEGAN
    at_work: dict[str, Opened] = field(default_factory=dict)

    async def who(self, party: Party, role: str) -> Page:
        """The browser of somebody, signed in."""
        key = f"{party.code}-{role}"
        if key not in self.at_work:
            token = await token_for(self.world.owner, party.users[role], party.id)
            self.at_work[key] = await self.open_page(self.address, cookies={"backstock_session": token})
        return self.at_work[key].page

    @property
    async def planner(self) -> Page:
        return await self.who(self.world.maker, "planner")

    @property
    async def buyer(self) -> Page:
        return await self.who(self.world.buyer, "buyer")

    @property
    async def third(self) -> Page:
        return await self.who(self.world.other, "buyer")

    async def until(self, day: date) -> None:
        """The clock goes on to noon of that day, and the worker ticks."""
        self.now = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        await worker.tick(self.clock, self.now)

    async def later(self, days: int) -> None:
        await self.until(self.now.date() + timedelta(days=days))

    async def go(self, page: Page, path: str) -> None:
        await page.goto(f"{self.address}{path}")

    async def press(self, page: Page, name: str, told: str | re.Pattern[str] = "") -> None:
        """Presses the button of a form, and is there when its page has come; ``told``: what that page says."""
        # Who goes on before that drops the page that was on its way.
        async with page.expect_navigation(wait_until="load"):
            await page.get_by_role("button", name=name, exact=True).first.click()
        if told:
            await expect(page.get_by_text(told).first).to_be_visible()

    def quiet(self) -> None:
        """Nothing went wrong in anybody's browser beyond what was refused on purpose."""
        faults = [f for opened in self.at_work.values() for f in opened.faults]
        assert [f for f in faults if "status of 409" not in f and "status of 422" not in f] == []

    # -- what all three begin with ------------------------------------------------------------------------------

    async def offered(self, clause: str, version: int, terms: Mapping[str, Any], quantity: int) -> UUID:
        """A posting of the maker's stock at 100 a unit."""
        maker = self.world.maker
        await self.world.register(maker, quantity, occurred_at=self.now - timedelta(days=1))
        async with self.world.db.write(maker.tenant) as session:
            release = await listings.draft(
                session, person(maker, "planner"), title="Slow movers", clause=clause, version=version, terms=terms,
                use_class="non_capital_spare",
            )  # fmt: skip
            minimum = int(terms["minimum_to_keep"])
            line = NewLine(self.world.part, maker.site, "new", quantity, Decimal(100), 1, 1, minimum)
            (made,) = await listings.add_lines(session, person(maker, "planner"), release, [line])
            await listings.publish(session, person(maker, "planner"), release, self.now)
        return made

    async def signed(self, listing: UUID, quantity: int) -> str:
        """Ordered, accepted, signed by both, shipped and received; the path of the agreement."""
        buyer, planner = await self.buyer, await self.planner
        await self.go(buyer, f"/listings/{listing}")
        await buyer.locator("#f-quantity").fill(str(quantity))
        await buyer.locator("#f-po_number").fill("PO 1")
        await self.press(buyer, "Review the order")
        await self.press(buyer, "Place the order", "Order placed.")
        order = buyer.url.partition("?")[0].removeprefix(self.address)
        await self.go(planner, f"{order}/accept")
        await self.press(planner, "Accept and sign", "Order accepted.")
        await self.go(buyer, f"{order}/sign")
        await self.press(buyer, "Sign", "Signed for your company.")
        await self.go(planner, f"{order}/ship")
        await planner.get_by_label("Own transport").check()
        await self.press(planner, "Mark as shipped", "Marked as shipped.")
        await self.later(3)
        await self.go(buyer, f"{order}/receive")
        await self.press(buyer, "Record the delivery", f"{quantity} good")
        await self.paid(order.split("/")[-1], buyer)
        return str(
            await self.world.owner.fetchval(
                "SELECT '/agreements/' || agreement_id FROM purchase_order WHERE id = $1::uuid", order.split("/")[-1]
            )
        )

    async def paid(self, cause: str, other: Page) -> list[asyncpg.Record]:
        """Every line that an order, or an order back, has led to is paid: both sides say so. The lines."""
        lines = await self.world.owner.fetch(
            "SELECT id, kind, payer_id, payee_id, amount FROM settlement_line WHERE cause_id = $1::uuid ORDER BY id",
            cause,
        )
        for line in lines:
            for page in (await self.planner, other):
                await self.go(page, f"/settlement/{line['id']}/mark")
                await self.press(page, "All of it was paid")
        return lines

    async def done_on_shelf(self, act: str, quantity: int, **fields: str) -> Page:
        """The holder records that units were used, fitted or scrapped; the page that says what it does."""
        warehouse = await self.who(self.world.buyer, "warehouse")
        at = f"/holdings/act?part={self.world.part}&site={self.world.buyer.site}"
        await self.go(warehouse, at)
        await warehouse.locator(f"input[name=act][value={act}]").check(force=True)
        await warehouse.locator("#f-quantity").fill(str(quantity))
        for name, value in fields.items():
            await warehouse.locator(f"#f-{name}").fill(value)
        await self.press(warehouse, "See what this does")
        return warehouse

    async def recorded(self, page: Page, act: str) -> None:
        """The act is confirmed and on record."""
        await self.press(page, {"fit": "Record the fitting", "scrap": "Scrap them"}[act])
        await expect(page).to_have_url(re.compile("done="))

    async def status(self, agreement: str) -> str:
        return str(
            await self.world.owner.fetchval(
                "SELECT status FROM agreement WHERE id = $1::uuid", agreement.rsplit("/", maxsplit=1)[-1]
            )
        )

    async def left(self, agreement: str) -> int:
        """Units under the agreement, wherever they are."""
        return int(
            await self.world.owner.fetchval(
                "SELECT coalesce(sum(quantity), 0) FROM position WHERE agreement_id = $1::uuid AND quantity > 0",
                agreement.rsplit("/", maxsplit=1)[-1],
            )
        )


@pytest.fixture
async def life(
    serve: Serve,
    open_page: OpenPage,
    second_db: tuple[asyncpg.Connection, Database],
    second_world: World,
    second_worker_db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Life]:
    app = site_for(second_db[1])
    made = Life(second_world, await serve(app), open_page, second_worker_db)
    monkeypatch.setitem(app.dependency_overrides, request_time, lambda: made.now)
    yield made
    made.quiet()


async def test_used_within_the_allowance_renewed_and_run_off(life: Life) -> None:
    terms = {
        **BUY_BACK, "minimum_to_keep": 3, "use_rule": "within_allowance", "window_end_months": 24,
        "use_allowance": {"kind": "units", "units": 2, "period_months": 12, "carry_over_periods": 0}, "renewal": "automatic", "max_renewals": 1,
    }  # fmt: skip
    agreement = await life.signed(await life.offered("buy-back", 2, terms, 10), 10)
    buyer, planner = await life.buyer, await life.planner
    warehouse = await life.done_on_shelf("fit", 2, machine="EX-200")
    await looks_right(warehouse, "lives-use")
    await life.recorded(warehouse, "fit")
    assert await life.left(agreement) == 8
    warehouse = await life.done_on_shelf("fit", 1, machine="EX-200")
    await expect(warehouse.get_by_text("First give the manufacturer notice")).to_be_visible()
    assert await life.left(agreement) == 8, "two a year are free, and no third"
    await life.later(380)
    warehouse = await life.done_on_shelf("fit", 2, machine="EX-200")
    await life.recorded(warehouse, "fit")
    assert await life.left(agreement) == 6
    # The clock renews it once; then notice is given that it is not to go on.
    await life.until(date(2021, 3, 4))
    await life.go(planner, agreement)
    await expect(planner.get_by_text("Renewed 1 time so far.")).to_be_visible()
    await looks_right(planner, "lives-renewed")
    await life.until(date(2022, 3, 10))
    await life.go(buyer, agreement)
    assert await life.status(agreement) == "run_off"
    await expect(buyer.get_by_text("What has ended").or_(buyer.get_by_text("Run-off")).first).to_be_visible()
    await life.until(date(2023, 6, 1))
    assert await life.status(agreement) == "closed"
    warehouse = await life.done_on_shelf("fit", 6, machine="EX-200")
    await life.recorded(warehouse, "fit")
    assert await life.left(agreement) == 0


async def test_a_preset_whose_first_refusal_is_waived(life: Life) -> None:
    ((clause, version, terms),) = COMBINATIONS["revenue-now"].clauses
    agreement = await life.signed(await life.offered(clause, version, terms, 4), 4)
    planner = await life.planner
    warehouse = await life.who(life.world.buyer, "warehouse")
    await life.go(warehouse, f"{agreement}/notice")
    await warehouse.locator("input[name=act][value=scrap]").check(force=True)
    await warehouse.locator("#f-quantity").fill("3")
    await life.press(warehouse, "See what this does")
    await looks_right(warehouse, "lives-notice")
    await life.press(warehouse, "Give notice")
    no = await life.done_on_shelf("scrap", 3, reason="No room")
    await expect(no.get_by_text("notice").first).to_be_visible()
    assert await life.left(agreement) == 4, "the notice runs"
    await life.later(2)
    await life.go(planner, "/agreements/notices")
    await planner.get_by_role("main").locator("a[href*='/agreements/notices/']").first.click()
    await looks_right(planner, "lives-waive")
    await life.press(planner, "We do not want them", "Agreed.")
    done = await life.done_on_shelf("scrap", 3, reason="No room")
    await life.recorded(done, "scrap")
    assert await life.left(agreement) == 1
    row = await life.world.owner.fetchrow(
        "SELECT window_closes_at FROM agreement WHERE id = $1::uuid", agreement.split("/")[-1]
    )
    await life.until(row["window_closes_at"].date() + timedelta(days=1))
    assert await life.status(agreement) == "run_off"


async def test_part_sold_on_called_late_paid_for_and_settled(life: Life) -> None:
    world = life.world
    ((clause, version, terms),) = COMBINATIONS["access-first"].clauses
    agreement = await life.signed(await life.offered(clause, version, terms, 10), 10)
    buyer, planner, third = await life.buyer, await life.planner, await life.third
    # Part is sold on: the maker consents, the buyer joins by its signature.
    await life.go(buyer, f"/resales/ask?agreement={agreement.split('/')[-1]}")
    await buyer.locator("#f-quantity").fill("4")
    await buyer.locator("#f-buyer").select_option(str(world.other.id))
    await buyer.locator("#f-minimum_passed_on").fill("1")
    await buyer.get_by_role("button", name=re.compile("^Ask ")).click()
    await expect(buyer.get_by_text("Asked.")).to_be_visible()
    resale = buyer.url.partition("?")[0].removeprefix(life.address)
    await life.go(planner, resale)
    await life.press(planner, "Consent", "Consented.")
    await life.go(third, resale)
    await looks_right(third, "lives-accession")
    await life.press(third, "Sign", "Signed.")
    await life.go(buyer, resale)
    await buyer.get_by_label("Own transport").check()
    await life.press(buyer, "Ship", "Marked as shipped.")
    await life.later(4)
    await life.go(third, resale)
    await life.press(third, "Receive", "The units are yours.")
    assert await life.left(agreement) == 6
    # Ordered back from the first holder, and late.
    await life.later(200)
    technician = await life.who(world.maker, "technician")
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
    await life.go(technician, f"/requests?q={number}&quantity=2")
    await (
        technician.get_by_role("link", name="Order this unit back")
        .or_(technician.get_by_role("link", name="Order 2 back"))
        .first.click()
    )
    await life.press(technician, "Review the order")
    await looks_right(technician, "lives-order-back")
    await technician.get_by_role("button", name=re.compile("^Order .* back$")).click()
    link = technician.get_by_role("link", name=re.compile("^CALL-")).first
    await expect(link).to_be_visible()
    call = str(await link.get_attribute("href")).partition("?")[0]
    holder = await world.owner.fetchval("SELECT holder_id FROM call WHERE id = $1::uuid", call.split("/")[-1])
    seller = buyer if holder == world.buyer.id else third
    await life.go(seller, f"{call}/accept")
    await life.press(seller, "Commit")
    kept = await world.owner.fetchrow("SELECT ship_by, default_from FROM call WHERE id = $1::uuid", call.split("/")[-1])
    await life.until(kept["default_from"].date() + timedelta(days=1))
    await life.go(technician, call)
    await expect(technician.get_by_text("In default").first).to_be_visible()
    await looks_right(technician, "lives-default")
    await life.go(seller, f"{call}/ship")
    await seller.get_by_label("Own transport").check()
    await life.press(seller, "Mark as shipped")
    await life.later(2)
    await life.go(technician, f"{call}/receive")
    await life.press(technician, "It has arrived")
    await life.go(technician, f"{call}/inspect")
    await looks_right(technician, "lives-inspect")
    await life.press(technician, "Record the inspection")
    await expect(technician.get_by_role("heading", name="Settlement")).to_be_visible()
    lines = await life.paid(call.split("/")[-1], seller)
    kinds = {line["kind"] for line in lines}
    assert {"call_price", "handling", "late_damages"} <= kinds, kinds
    await life.go(planner, f"/settlement/{lines[0]['id']}")
    await looks_right(planner, "lives-settled")
    unpaid = await world.owner.fetchval(
        "SELECT count(*) FROM settlement_line WHERE cause_id = $1::uuid AND paid < amount", call.split("/")[-1]
    )
    assert unpaid == 0
