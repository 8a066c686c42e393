"""Books and legal limits on pages: while terms are set, before a posting is out, on an agreement, and under Company."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from marketplace.agreements.classification import INDICATIVE
from tests.agreed import agreed, rows_of
from tests.counting import counted
from tests.web.test_release_pages import drafted, fields
from tests.web.trade import Market, add_stock, key_of, open_market
from tests.world import World
from web.book_words import CSV_HEADER


@pytest.fixture
async def market(world: World) -> Market:
    made = await open_market(world)
    await add_stock(world)
    return made


@pytest.fixture
async def planner(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.maker, "planner") as client:
        yield client


async def with_line(market: Market, planner: httpx.AsyncClient) -> str:
    """A draft of twelve units, three of them to keep."""
    key = f"{market.world.part}|{market.world.maker.sites[1]}|new"
    return await drafted(planner, add=key)


async def test_the_editor_shows_books_and_law_while_terms_are_set(market: Market, planner: httpx.AsyncClient) -> None:
    draft = await with_line(market, planner)
    terms = (await planner.get(f"{draft}/terms")).text
    assert "12 of 12 units will be leases: revenue now 0 %." in terms
    assert INDICATIVE in terms
    assert "If the units go to Louisiana: a right to buy back movables" in terms
    near = terms.partition('id="f-t_window_end_months"')[2].partition('id="f-t_')[0]
    assert "Louisiana Civil Code, art. 2568" in near, "beside the term it is about"
    form = fields(terms, f"{draft}/terms")
    form |= {"t_applies_to": "floor", "t_window_end_months": "60"}
    preview = (await planner.post("/releases/preview", data=form)).text
    assert "3 of 12 units will be leases: revenue now 75 %." in preview
    assert INDICATIVE in preview
    assert "Louisiana" not in preview
    # A minimum that was the terms' follows them in the preview as it will when they are saved.
    preview = (await planner.post("/releases/preview", data={**form, "t_minimum_to_keep": "6"})).text
    assert "6 of 12 units will be leases: revenue now 50 %." in preview
    wrong = (await planner.post("/releases/preview", data={**form, "t_window_end_months": ""})).text
    assert "Some terms do not fit yet" in wrong
    assert "revenue now" not in wrong


async def test_without_lines_an_example_is_told(market: Market, planner: httpx.AsyncClient) -> None:
    terms = (await planner.get(f"{await drafted(planner)}/terms")).text
    assert "10 of 10 units will be leases: revenue now 0 %." in terms
    assert "Told by an example." in terms


async def test_before_posting_the_tests_can_be_opened_without_script(
    market: Market, planner: httpx.AsyncClient
) -> None:
    draft = await with_line(market, planner)
    page = (await planner.get(f"{draft}/publish")).text
    assert "12 of 12 units will be leases: revenue now 0 %." in page
    assert INDICATIVE in page
    details = re.findall(r"<details class=\"more books-group\">(.*?)</details>", page, re.DOTALL)
    assert len(details) == 2
    assert "IFRS 15 B66-B67; ASC 606-10-55-68, 55-69" in details[0]
    assert "3 units within the minimum to keep" in details[0]


async def test_what_the_law_blocks_is_said_before_and_refused(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    await world.owner.execute("UPDATE company SET country = 'FR' WHERE id = $1", world.maker.id)
    draft = await with_line(market, planner)
    look = (await planner.get(f"{draft}/publish")).text
    assert "The law does not allow these terms" in look
    assert f'href="{draft}/terms#f-t_window_end_months"' in look
    before = await rows_of(world, "release", "listing")
    sent = {"idempotency_key": key_of(look), "confirmed": "yes"}
    refused = await planner.post(f"{draft}/publish", data=sent)
    assert refused.status_code == 422
    assert "Code civil, art. 1660" in refused.text
    assert await rows_of(world, "release", "listing") == before


async def test_who_may_not_sign_by_law_is_told_so_when_ordering(world: World) -> None:
    market = await open_market(world)
    terms = "jsonb_set(terms, '{window_end_months}', '96')"
    await world.owner.execute(f"UPDATE release SET terms = {terms} WHERE id = $1", market.release)
    await world.owner.execute("UPDATE site SET region = 'LA' WHERE company_id = $1", world.buyer.id)
    before = await rows_of(world, "purchase_order", "order_line", "listing")
    async with market.client(world.buyer, "buyer") as client:
        page = await client.get(f"/releases/{market.release}")
        data = {
            "idempotency_key": key_of(page.text), "confirmed": "yes", f"q_{market.listing}": "6",
            "po_number": "PO 88-1204", "ship_to": str(world.buyer.site),
        }  # fmt: skip
        answer = await client.post(f"/releases/{market.release}/order", data=data)
    assert answer.status_code == 422, answer.text
    assert answer.text.count("The law does not allow these terms. Louisiana: a right to buy back movables") == 1
    assert answer.text.count("Nothing was changed") == 1
    assert "window_end" not in answer.text
    assert 'value="PO 88-1204"' in answer.text, "what was typed is still there"
    assert await rows_of(world, "purchase_order", "order_line", "listing") == before


async def test_the_publish_page_takes_as_many_statements_for_many_lines(
    market: Market, planner: httpx.AsyncClient
) -> None:
    draft = await with_line(market, planner)
    statements = []
    for more in (0, 4):
        for n in range(more):
            part = await market.world.make_part(f"{market.world.tag}-MORE-{n}")
            await market.world.register(market.world.maker, 5, part=part)
            page = await planner.get(f"{draft}/lines")
            key = f"{part}|{market.world.maker.site}|new"
            added = {"idempotency_key": key_of(page.text), "percent": "60", "add": key}
            assert (await planner.post(f"{draft}/lines/add", data=added)).status_code == 303
        with counted(market.world.db) as sent:
            assert "units will be leases" in (await planner.get(f"{draft}/publish")).text
        statements.append(len(sent))
    assert statements[0] == statements[1]


async def test_an_agreement_shows_its_books_to_the_maker_alone(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    made = await agreed(world, preset="access-first", applies_to="floor")
    page = (await planner.get(f"/agreements/{made}")).text
    assert "3 of 10 units will be leases: revenue now 70 %." in page
    assert INDICATIVE in page
    assert "Kept when the schedule was made" in page
    assert "11 USC § 365" in page
    file = await planner.get(f"/agreements/{made}/books.csv")
    assert file.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert tuple(rows[0]) == CSV_HEADER
    assert {(row[2], row[4], row[7]) for row in rows[1:]} == {
        ("3", "within the minimum to keep", "Lease"),
        ("7", "above the minimum to keep", "Plain sale"),
    }
    assert {row[-1] for row in rows[1:]} == {INDICATIVE}
    for party in (world.buyer, world.other):
        async with market.client(party, "admin") as other:
            seen = await other.get(f"/agreements/{made}")
            assert seen.status_code == (200 if party is world.buyer else 404)
            assert "revenue now" not in seen.text
            assert "Lease" not in seen.text
            assert (await other.get(f"/agreements/{made}/books.csv")).status_code == 404
    async with market.client(world.buyer, "admin") as holder:
        assert "11 USC § 365" in (await holder.get(f"/agreements/{made}")).text, "the law is both sides'"


async def test_what_was_not_accepted_is_told_beside_what_was_signed(market: Market, planner: httpx.AsyncClient) -> None:
    made = await agreed(market.world, preset="access-first", applies_to="floor")
    await market.world.owner.execute("UPDATE agreement_line SET not_accepted = 8 WHERE agreement_id = $1", made)
    page = (await planner.get(f"/agreements/{made}")).text
    assert "2 of 2 units will be leases: revenue now 0 %." in page
    assert "Told without 8 units not accepted on receipt, which were not sold." in page
    assert "As signed: 3 of 10 units will be leases: revenue now 70 %." in page
    rows = list(csv.reader(io.StringIO((await planner.get(f"/agreements/{made}/books.csv")).text)))
    assert {(row[2], row[3], row[4]) for row in rows[1:]} == {
        ("3", "1", "within the minimum to keep"),
        ("7", "7", "above the minimum to keep"),
    }


async def test_what_was_kept_without_a_rate_is_told_at_todays_beside_it(
    market: Market, planner: httpx.AsyncClient
) -> None:
    world = market.world
    made = await agreed(world, price={"kind": "fixed", "amount": "150.00"}, handling_bp=0, window_start_months=1)
    page = (await planner.get(f"/agreements/{made}")).text
    assert "10 of 10 units need an auditor" in page
    assert "State one under Company to see what it would come to." in page
    assert "it decides between lease and financing" not in page, "stating one does not change what was kept"
    await world.owner.execute(
        "INSERT INTO company_books (company_id, discount_rate_bp, changed_by, changed_at) VALUES ($1, 300, $1, now())",
        world.maker.id,
    )
    page = (await planner.get(f"/agreements/{made}")).text
    assert "10 of 10 units need an auditor" in page
    assert "10 of 10 units will be financing: revenue now 0 %. That is reckoned now, and not stored." in page


async def test_an_agreement_from_before_says_that_nothing_was_kept(market: Market, planner: httpx.AsyncClient) -> None:
    made = await agreed(market.world)
    await market.world.owner.execute("DELETE FROM agreement_classification WHERE agreement_id = $1", made)
    page = (await planner.get(f"/agreements/{made}")).text
    assert "Not stored: reckoned now" in page
    assert "Kept when the schedule was made" not in page
    assert "10 of 10 units will be leases: revenue now 0 %." in page
    file = (await planner.get(f"/agreements/{made}/books.csv")).text
    assert "not stored, reckoned now" in file


async def test_the_discount_rate_is_stated_under_company(market: Market, planner: httpx.AsyncClient) -> None:
    world = market.world
    state = "SELECT discount_rate_bp FROM company_books WHERE company_id = $1"
    assert "Discount rate: not stated." in (await planner.get("/company")).text
    async with market.client(world.maker, "admin") as admin:
        page = (await admin.get("/company")).text
        form = fields(page, "/company/discount-rate")
        for wrong in ("eight", "101", "-1"):
            answer = await admin.post("/company/discount-rate", data={**form, "discount_rate": wrong})
            assert answer.status_code == 422
            assert f'value="{wrong}"' in answer.text
        assert await world.owner.fetchval(state, world.maker.id) is None
        done = await admin.post("/company/discount-rate", data={**form, "discount_rate": "8.5 %"})
        assert done.headers["location"] == "/company?done=rate"
        assert 'value="8.5"' in (await admin.get("/company?done=rate")).text
        # What units are expected to be worth when they may be sold back stands beside it, and leaves it alone.
        page = (await admin.get("/company")).text
        worth = fields(page, "/company/expected-market")
        wrong_worth = await admin.post("/company/expected-market", data={**worth, "expected_market": "much"})
        assert wrong_worth.status_code == 422
        stated = await admin.post("/company/expected-market", data={**worth, "expected_market": "40 %"})
        assert stated.headers["location"] == "/company?done=market"
    kept = await world.owner.fetchrow("SELECT * FROM company_books WHERE company_id = $1", world.maker.id)
    assert (kept["discount_rate_bp"], kept["expected_market_bp"]) == (850, 4_000)
    assert (await planner.post("/company/expected-market", data={**worth, "expected_market": "1"})).status_code == 403
    assert "Discount rate: 8.5\u00a0% a year." in (await planner.get("/company")).text
    forbidden = await planner.post("/company/discount-rate", data={**form, "discount_rate": "1"})
    assert forbidden.status_code == 403
    async with market.client(world.buyer, "admin") as partner:
        page = (await partner.get("/company")).text
        assert "Discount rate" not in page
        assert (await partner.post("/company/discount-rate", data={"discount_rate": "1"})).status_code == 409
    assert await world.owner.fetchval(state, world.maker.id) == 850
    assert await world.owner.fetchval(state, world.buyer.id) is None
