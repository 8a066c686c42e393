"""The visibility matrix: every way to a posting says the same to the same reader, at the same price."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from marketplace.db.session import Database
from marketplace.outbox.service import deliver_waiting
from marketplace.settings import Settings
from marketplace.worker import handlers
from tests.clients import client_for, token_for
from tests.marketplace.attachments.test_files import PDF
from tests.web.trade import Market, open_market
from tests.world import Party, World, make_company

API = "/api/v1"
POSTED = Decimal(60)


@dataclass
class Cast:
    """A market with a named partner, a partner of a group, one that is neither, one blocked, and a company that is no partner."""

    market: Market
    planner: httpx.AsyncClient
    group: str
    readers: dict[str, Party]
    paper: str
    """A certificate on the line."""


async def call(client: httpx.AsyncClient, method: str, path: str, status: int, **given: Any) -> Any:
    answer = await client.request(method, API + path, **given)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def seen(cast: Cast, party: Party | None, role: str) -> dict[str, Decimal | None]:
    """By each way the price at which the line is seen; None = it is not."""
    market, found = cast.market, dict[str, Decimal | None]()
    token = await token_for(market.world.owner, party.users[role], party.id) if party else None
    line, part = str(market.listing), str(market.world.part)
    async with client_for(market.app, token) as api:
        one = await api.get(f"{API}/listings/{line}")
        assert one.status_code in ((200, 404) if party else (401,)), one.text
        found["api"] = Decimal(one.json()["unit_price"]) if one.status_code == 200 else None
        listed = await api.get(f"{API}/listings?part_id={part}")
        rows = listed.json().get("items", []) if listed.status_code == 200 else []
        found["api list"] = next((Decimal(r["unit_price"]) for r in rows if r["id"] == line), None)
        whole = await api.get(f"{API}/releases/{market.release}")
        lines = whole.json()["line_items"] if whole.status_code == 200 else []
        if whole.status_code != 403:  # the role reads no postings
            found["api posting"] = next((Decimal(r["unit_price"]) for r in lines if r["id"] == line), None)
        counts = await api.get(f"{API}/listings/facets?part_id={part}&seller_id={market.world.maker.id}")
        told = counts.json() if counts.status_code == 200 else {"listings": 0, "facets": []}
        there = told["listings"] == 1
        # Every facet counts it, or none does (the part has no class; of quantities all below count).
        counted = {f["name"]: max((c["listings"] for c in f["choices"]), default=0) for f in told["facets"]}
        assert counted == dict.fromkeys(counted, int(there)) | ({"class": 0} if counted else {}), counted
        found["count"] = found["api"] if there else None
        papers = await api.get(f"{API}/documents?on=listing&on_id={line}")
        there = papers.status_code == 200 and [d["id"] for d in papers.json()["items"]] == [cast.paper]
        file = await api.get(f"{API}/documents/{cast.paper}/content")
        assert file.status_code == (200 if there else 404 if party else 401), file.text
        found["document"] = found["api"] if there else None
    async with market.client(party, role) as browser:
        page = await browser.get(f"/listings/{line}")
        price = re.search(r'<span class="fact-label">Price</span><span class="fact-value">\D*([\d.]+)', page.text)
        found["page"] = Decimal(price[1]) if page.status_code == 200 and price else None
        number = market.number
        sheet = await browser.get(f"/find?q={number}&format=csv")
        read = (
            csv.DictReader(io.StringIO(sheet.text.lstrip("\ufeff")))
            if "csv" in sheet.headers.get("content-type", "")
            else []
        )
        found["csv"] = next((Decimal(r["Price"]) for r in read if r["Listing"] == f"/listings/{line}"), None)
        searched = await browser.get(f"/find?q={number}")
        found["search"] = found["api"] if f"/listings/{line}" in searched.text else None
    if party and party is not market.world.maker:
        # What its seller is told that this reader sees.
        told = await call(cast.planner, "GET", f"/releases/{market.release}/seen-by/{party.id}", 200)
        row = next(r for r in told["items"] if r["id"] == line)
        found["as the seller is told"] = Decimal(row["unit_price"]) if row["seen"] else None
    if party:
        units = await market.world.visible(party, "SELECT * FROM listed_units($1, 10)", market.listing)
        found["units"] = found["api"] if units else None
        raw = await market.world.visible(party, "SELECT id FROM listing WHERE id = $1", market.listing)
        found["row level security"] = found["api"] if raw else None
    return found


async def everyone_sees(
    cast: Cast, expected: dict[str, str | None], roles: dict[str, tuple[str, ...]] | None = None
) -> None:
    """The same by every way, for each reader (and each of these roles)."""
    for name, price in expected.items():
        party = cast.readers.get(name)
        for role in (roles or {}).get(name, ("buyer" if party and "buyer" in party.users else "admin",)):
            ways = await seen(cast, party, role)
            wanted = None if price is None else Decimal(price)
            assert ways == dict.fromkeys(ways, wanted), f"{name} as {role}: {ways}"


@pytest.fixture
async def cast(world: World) -> Any:
    market = await open_market(world)
    stranger = await make_company(world.owner, f"NO{world.tag}", manufacturer=True)
    grouped = await make_company(world.owner, f"GR{world.tag}", manufacturer=False)
    blocked = await make_company(world.owner, f"BL{world.tag}", manufacturer=False)
    token = await token_for(world.owner, world.maker.users["planner"], world.maker.id)
    async with client_for(market.app, token) as planner:
        made = await call(
            planner, "POST", "/audiences/groups", 201, json={"name": "Inner circle", "partner_ids": [str(grouped.id)]}
        )
        paper = await planner.post(
            f"{API}/documents", data={"on": "listing", "on_id": str(market.listing), "kind": "certificate"},
            files={"file": ("c.pdf", PDF, "application/pdf")},
        )  # fmt: skip
        assert paper.status_code == 201, paper.text
        yield Cast(
            market, planner, made["id"],
            {"maker": world.maker, "named": world.buyer, "grouped": grouped, "other": world.other, "blocked": blocked, "no partner": stranger},
            paper.json()["id"],
        )  # fmt: skip


async def test_every_way_says_the_same_to_the_same_reader(cast: Cast) -> None:
    market, planner, world = cast.market, cast.planner, cast.market.world
    roles = {
        "maker": ("planner", "admin", "auditor"),
        "named": ("buyer", "warehouse", "technician", "admin", "auditor"),
        "blocked": ("buyer", "admin"),
    }
    reason = {"partner_id": str(cast.readers["blocked"].id), "reason": "Does not pay."}
    block = (await call(planner, "POST", "/audiences/blocks", 201, json=reason))["id"]
    nobody = {"blocked": None, "no partner": None, "anonymous": None}
    await everyone_sees(cast, {"maker": "60", "named": "60", "grouped": "60", "other": "60", **nobody}, roles)

    # A window for a group and a name at once, everyone in an hour: nobody is early.
    soon = datetime.now(UTC) + timedelta(hours=1)
    path = f"/releases/{market.release}/audience"
    staged = [
        {"group_ids": [cast.group], "partner_ids": [str(world.buyer.id)]}, {"opens_at": soon.isoformat(), "everyone": True},
    ]  # fmt: skip
    await call(planner, "PUT", path, 200, json={"windows": staged})
    # Prices by name and by group: the lowest of those that apply.
    for price in (
        {"group_id": cast.group, "off_bp": 1000},
        {"group_id": cast.group, "listing_id": str(market.listing), "unit_price": "51.00"},
        {"partner_id": str(world.buyer.id), "release_id": str(market.release), "off_bp": 500},
        {"partner_id": str(world.other.id), "listing_id": str(market.listing), "unit_price": "99.00"},
    ):
        await call(planner, "POST", "/audiences/prices", 201, json=price)
    await everyone_sees(cast, {"maker": "60", "named": "57", "grouped": "51", "other": None, **nobody})
    # The window opens by the clock, without anything that runs.
    await world.owner.execute(
        "UPDATE listing SET open_from = now() - interval '1 second' WHERE release_id = $1", market.release
    )
    await world.owner.execute(
        "UPDATE release SET open_from = now() - interval '1 second' WHERE id = $1", market.release
    )
    # A price above the posted one never makes it dearer.
    await everyone_sees(cast, {"other": "60", "blocked": None, "no partner": None})

    # Controlled: only who is cleared, until its last day is over.
    await call(
        planner,
        "POST",
        "/audiences/controlled-parts",
        201,
        json={"part_id": str(world.part), "classification": "9A610.x"},
    )
    await everyone_sees(cast, {"maker": "60", "named": None, "grouped": None, "other": None, **nobody})
    paper = {"partner_id": str(world.buyer.id), "reference": "Licence D1234567", "valid_until": "2031-12-31"}
    cleared = (await call(planner, "POST", "/audiences/clearances", 201, json=paper))["id"]
    await everyone_sees(cast, {"named": "57", "grouped": None})
    await world.owner.execute("UPDATE export_clearance SET valid_until = current_date - 1 WHERE id = $1", UUID(cleared))
    await everyone_sees(cast, {"named": None})
    await call(planner, "DELETE", f"/audiences/controlled-parts/{world.part}", 204)
    await call(planner, "POST", f"/audiences/blocks/{block}/lift", 200)
    await everyone_sees(cast, {"named": "57", "blocked": "60"})
    # Out of the group, out of its window and its price.
    await world.owner.execute("UPDATE listing SET open_from = NULL WHERE release_id = $1", market.release)
    await call(planner, "PUT", f"/audiences/groups/{cast.group}", 200, json={"name": "Inner circle", "partner_ids": []})
    await everyone_sees(cast, {"grouped": None, "named": "57", "blocked": None})


async def test_an_order_of_a_controlled_part_goes_on_only_while_its_buyer_is_cleared(cast: Cast) -> None:
    market, planner, world = cast.market, cast.planner, cast.market.world
    token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
    line = {"listing_id": str(market.listing), "quantity": 4}
    order = {"po_number": "PO-1", "ship_to_site_id": str(world.buyer.site), "lines": [line]}
    paper = {"partner_id": str(world.buyer.id), "reference": "Licence D1234567", "valid_until": "2031-12-31"}
    controlled = {"part_id": str(world.part), "classification": "9A610.x"}
    await call(planner, "POST", "/audiences/controlled-parts", 201, json=controlled)

    async def state(of: str) -> object:
        row = await world.owner.fetchrow(
            "SELECT status, agreement_id, shipped_at, (SELECT count(*) FROM order_shipment s WHERE s.order_id = o.id) FROM purchase_order o WHERE id = $1",
            UUID(of),
        )
        return tuple(row or ())

    async with client_for(market.app, token) as buyer:
        cleared = (await call(planner, "POST", "/audiences/clearances", 201, json=paper))["id"]
        made = (await call(buyer, "POST", "/orders", 201, json=order))["id"]
        await call(planner, "POST", f"/audiences/clearances/{cleared}/withdraw", 200, json={})
        before = await state(made)
        refused = await call(planner, "POST", f"/orders/{made}/accept", 409)
        assert refused["code"] == "order.not_cleared"
        assert "not cleared" in refused["detail"]
        assert await state(made) == before

        # Cleared again it is accepted; what has lapsed by the day it is to leave keeps it here.
        cleared = (await call(planner, "POST", "/audiences/clearances", 201, json=paper))["id"]
        agreement = (await call(planner, "POST", f"/orders/{made}/accept", 200))["id"]
        await call(buyer, "POST", f"/agreements/{agreement}/sign", 200)
        await world.owner.execute(
            "UPDATE export_clearance SET valid_until = current_date - 1 WHERE id = $1", UUID(cleared)
        )
        before, van = await state(made), {"carrier": "UPS", "tracking": "1Z999"}
        assert (await call(planner, "POST", f"/orders/{made}/ship", 409, json=van))["code"] == "order.not_cleared"
        assert await state(made) == before
        await world.owner.execute(
            "UPDATE export_clearance SET valid_until = current_date + 1 WHERE id = $1", UUID(cleared)
        )
        await call(planner, "POST", f"/orders/{made}/ship", 200, json=van)


async def test_an_order_takes_the_price_that_was_shown_or_nothing(cast: Cast) -> None:
    market, planner, world = cast.market, cast.planner, cast.market.world
    token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
    line = {"listing_id": str(market.listing), "quantity": 4, "unit_price": "60.00"}
    order = {"po_number": "PO-1", "ship_to_site_id": str(world.buyer.site), "lines": [line]}
    async with client_for(market.app, token) as buyer:
        await call(planner, "POST", f"/listings/{market.listing}/reprice", 200, json={"unit_price": "66.00"})
        refused = await call(buyer, "POST", "/orders", 409, json=order)
        assert refused["code"] == "listing.price_changed"
        assert "66.00" in refused["detail"]
        price = {"partner_id": str(world.buyer.id), "off_bp": 2500}
        granted = (await call(planner, "POST", "/audiences/prices", 201, json=price))["id"]
        assert (await call(buyer, "POST", "/orders", 409, json=order))["code"] == "listing.price_changed"
        reason = {"partner_id": str(world.buyer.id), "reason": "Does not pay."}
        block = (await call(planner, "POST", "/audiences/blocks", 201, json=reason))["id"]
        line["unit_price"] = "49.50"
        assert (await call(buyer, "POST", "/orders", 404, json=order))["code"] == "listing.not_found"
        assert await market.ordered() == 0
        assert not await world.owner.fetchval("SELECT count(*) FROM purchase_order WHERE buyer_id = $1", world.buyer.id)
        await call(planner, "POST", f"/audiences/blocks/{block}/lift", 200)
        made = (await call(buyer, "POST", "/orders", 201, json=order))["id"]
        # What was ordered stays at its price, and goes on although its buyer is blocked.
        await call(planner, "POST", f"/audiences/prices/{granted}/end", 200)
        await call(planner, "POST", "/audiences/blocks", 201, json=reason)
        await call(planner, "POST", f"/orders/{made}/accept", 200)
        shown = await call(buyer, "GET", f"/orders/{made}", 200)
        assert (shown["shown_status"], Decimal(shown["line_items"][0]["unit_price"])) == ("accepted", Decimal("49.5"))


async def test_a_thread_and_what_it_tells_are_its_two_sides(cast: Cast, worker_db: Database, tmp_path: Path) -> None:
    """A quote with a message: record, messages, page, list and notifications, for every role of every company."""
    market, world = cast.market, cast.market.world
    said = f"Between us {world.tag}"
    token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
    asked = {"listing_id": str(market.listing), "quantity": 2, "ship_to_site_id": str(world.buyer.site), "note": said}
    async with client_for(market.app, token) as buyer:
        quote = (await call(buyer, "POST", "/quotes", 201, json=asked))["id"]
        await call(buyer, "POST", f"/quotes/{quote}/messages", 201, json={"text": said})
    await deliver_waiting(worker_db, handlers(Settings(data_dir=tmp_path), worker_db), lambda: datetime.now(UTC))
    sides = {"maker", "named"}
    for name, party in cast.readers.items():
        for role, user in party.users.items():
            token = await token_for(world.owner, user, party.id)
            who = f"{name} as {role}"
            async with client_for(market.app, token) as api:
                ways = {
                    "api": (await api.get(f"{API}/quotes/{quote}")).status_code == 200,
                    "messages": said in (await api.get(f"{API}/quotes/{quote}/messages")).text,
                    "list": quote in (await api.get(f"{API}/quotes?limit=200")).text,
                }
                told = await api.get(f"{API}/notifications?limit=200")
            async with market.client(party, role) as browser:
                page = await browser.get(f"/quotes/{quote}")
                ways["page"] = page.status_code == 200 and said in page.text
                ways["list page"] = quote in (await browser.get("/quotes")).text
                ways["file"] = "csv" in (sheet := await browser.get("/quotes?format=csv")).headers[
                    "content-type"
                ] and bool(sheet.text.count("\n") > 1)
            assert ways == dict.fromkeys(ways, name in sides), f"{who}: {ways}"
            assert quote not in told.text or name in sides, who
    # Nobody but the two is told, also not by what lies in the tables.
    for party in cast.readers.values():
        rows = await world.visible(party, "SELECT 1 FROM quote WHERE id = $1", UUID(quote))
        assert bool(rows) == (party in (world.maker, world.buyer))


async def test_policies_and_views_state_one_rule(world: World) -> None:
    """What both say is written down once, in the migration; here the database's own words for both are compared."""
    for table in ("listing", "release"):
        policy = await world.owner.fetchval(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'app_read' AND polrelid = $1::regclass",
            table,
        )
        view = await world.owner.fetchval("SELECT pg_get_viewdef($1::regclass)", f"{table}_seen")
        plain = [re.sub(rf"\b{table}\.|\s+|[()]|;", "", text) for text in (policy, view)]
        rule = re.split(r"ORcompany_id=ANY(?:SELECT)?app_sources", plain[0])[0]
        assert "app_windows" in rule
        assert rule in plain[1], (rule, plain[1])
