"""A delegation opens the sites of the maker and of its counterparties to the delegate while it stands and no longer, and
nothing of the delegate, who was not asked: only the site that it asks for units to. An agreement or an order opens sites
for good. What was ordered before a delegation ended goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from runpy import run_path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.agreed import agreed
from tests.clients import app_for, client_for, token_for
from tests.importing import Importing, day
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.job import open_site
from tests.world import Party, World

Client = Callable[[Party, str], Awaitable[httpx.AsyncClient]]
MIGRATION = next(Path(__file__).resolve().parents[3].glob("migrations/versions/*_170000_*.py"))


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        app = app_for(world.db)

        async def one(party: Party, role: str) -> httpx.AsyncClient:
            token = await token_for(world.owner, party.users[role], party.id)
            return await stack.enter_async_context(client_for(app, token))

        yield one


async def delegated(world: World, client: Client) -> tuple[httpx.AsyncClient, str]:
    admin = await client(world.maker, "admin")
    body = {"company_id": str(world.other.id), "max_quantity": 5, "max_value": "10000.00"}
    return admin, (await ok(admin.post(f"{API}/delegations", json=body), 201))["id"]


async def seen(reader: httpx.AsyncClient, *parties: Party) -> list[int]:
    """What asking whom to ring at the first site of these companies is answered with."""
    return [(await reader.get(f"{API}/sites/{p.site}/contacts")).status_code for p in parties]


async def test_sites_are_open_while_the_delegation_stands(world: World, client: Client) -> None:
    await agreed(world)
    delegate, partner = await client(world.other, "technician"), await client(world.buyer, "buyer")
    admin, delegation = await delegated(world, client)
    assert await seen(delegate, world.maker, world.buyer) == [200, 200]
    assert await seen(admin, world.other, world.buyer) == [404, 200], "nobody asked the delegate"
    assert await seen(partner, world.other, world.maker) == [404, 200]
    assert (await admin.delete(f"{API}/delegations/{delegation}")).status_code == 204
    assert await seen(delegate, world.maker, world.buyer) == [404, 404]
    assert await seen(admin, world.other, world.buyer) == [404, 200], "an agreement counts for good"
    assert await seen(partner, world.maker) == [200]


@pytest.mark.parametrize("ended", ["valid_until = now() - interval '1 s'", "valid_from = now() + interval '1 h'"])
async def test_a_delegation_outside_its_time_opens_nothing(world: World, client: Client, ended: str) -> None:
    delegate = await client(world.other, "technician")
    _, delegation = await delegated(world, client)
    assert await seen(delegate, world.maker) == [200]
    await world.owner.execute(f"UPDATE delegation SET {ended} WHERE id = $1", UUID(delegation))
    assert await seen(delegate, world.maker) == [404]


async def ordered_by_delegate(world: World, job: Job, delegate: httpx.AsyncClient) -> dict[str, Any]:
    place = next(c for c in await job.candidates(delegate) if c["kind"] != "own_stock")
    body = {**job.need(1), "destination_site_id": str(world.other.site), "key": place["key"]}
    done: dict[str, Any] = await ok(delegate.post(f"{API}/sourcing/order-back", json=body), 201)
    return done


@pytest.mark.parametrize("answer", ["shipped", "refused", "taken back"])
async def test_what_was_ordered_before_goes_on_after_the_end(world: World, client: Client, answer: str) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4, offered=4)
        delegate, holder = await client(world.other, "technician"), job.buyer
        admin, delegation = await delegated(world, client)
        done = await ordered_by_delegate(world, job, delegate)
        call = f"{API}/sourcing/calls/{done['calls'][0]}"
        assert await seen(admin, world.other) == [200], "it is where the units are to go"
        assert (await admin.delete(f"{API}/delegations/{delegation}")).status_code == 204
        state = "SELECT status FROM call WHERE id = $1"
        if answer == "refused":
            await ok(holder.post(f"{call}/refuse", json={"code": "not_on_shelf"}))
        elif answer == "taken back":
            await ok(delegate.post(f"{call}/cancel"))
        else:
            await ok(holder.post(f"{call}/accept", json={}))
            await ok(holder.post(f"{call}/ship", json={"own_transport": True}))
            await ok(delegate.post(f"{call}/receive"))
            at = await world.owner.fetchrow(
                'SELECT holder_id, site_id FROM "position" WHERE part_id = $1 AND quantity > 0 AND holder_id <> $2',
                world.part, world.buyer.id,
            )  # fmt: skip
            assert tuple(at) == (world.other.id, world.other.site)
            await ok(delegate.post(f"{call}/inspect", json={"good": 1}))
        expected = {"shipped": "priced", "refused": "refused", "taken back": "cancelled"}[answer]
        assert await world.owner.fetchval(state, UUID(done["calls"][0])) == expected
        await ok(job.planner.get(f"{API}/sourcing/requests/{done['requisition_id']}/plan"))
        body = {**job.need(1), "destination_site_id": str(world.other.site), "key": "none"}
        await refused(delegate.post(f"{API}/sourcing/order-back", json=body), "sourcing.nothing")


async def test_the_migration_forgets_who_only_delegated(world: World) -> None:
    """Pairs that a delegation made go; those with an agreement or an order between them stay."""
    await agreed(world)
    statement, owner = str(run_path(str(MIGRATION))["FORGET"]), world.owner
    pairs = "SELECT company_id, other_id FROM counterparty WHERE company_id = ANY($1::uuid[]) AND other_id = ANY($1::uuid[])"
    ids = [p.id for p in (world.maker, world.buyer, world.other)]
    transaction = owner.transaction()
    await transaction.start()
    try:
        for company in (world.buyer, world.other):
            await owner.execute(
                "INSERT INTO delegation (maker_id, company_id, max_quantity, max_value_amount, currency, valid_from) "
                "VALUES ($1, $2, 1, 1, 'USD', $3)",
                world.maker.id, company.id, datetime.now(UTC),
            )  # fmt: skip
        await owner.execute(
            "INSERT INTO counterparty (company_id, other_id) VALUES ($1, $2), ($2, $1)", world.maker.id, world.other.id
        )
        assert len(await owner.fetch(pairs, ids)) == 4
        await owner.execute(statement)
        left = {tuple(r) for r in await owner.fetch(pairs, ids)}
        assert left == {(world.maker.id, world.buyer.id), (world.buyer.id, world.maker.id)}
    finally:
        await transaction.rollback()


async def test_a_delegate_is_no_party_and_is_led_to_no_agreement(world: World, client: Client) -> None:
    """What it needs of the terms it is told with the units; the signed paper and its prices are the two sides' own."""
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await delegated(world, client)
        delegate = await client(world.other, "technician")
        agreement = f"{API}/agreements/{site.job.agreement}"
        await refused(delegate.get(agreement), "agreement.not_found")
        assert (await ok(delegate.get(f"{API}/agreements")))["items"] == []
        for party, role in ((world.maker, "technician"), (world.buyer, "buyer")):
            await ok((await client(party, role)).get(agreement))
        done = await ordered_by_delegate(world, site.job, delegate)
        browser = await site.browser(world.other, "technician")
        assert (await browser.get(f"/agreements/{site.job.agreement}")).status_code == 404
        unit = await world.owner.fetchval(
            "SELECT lot_id FROM position WHERE agreement_id = $1 AND quantity > 0", UUID(site.job.agreement)
        )
        lot = f"{API}/holdings/lots/{unit}"
        told = await ok(delegate.get(lot))
        assert {line["agreement_id"] for line in (*told["lines"], *told["rights"])} == {None}
        assert "bought back until" in told["rights"][0]["sentence"]
        pages = [
            f"/units/{unit}", f"/units?q={await site.number()}", f"/units?q={await site.number()}&at=2099-01-01",
            f"/requests?q={await site.number()}", f"/calls/{done['calls'][0]}", f"/requests/{done['requisition_id']}", "/calls", "/",
        ]  # fmt: skip
        for page in pages:
            shown = await browser.get(page)
            assert shown.status_code == 200, page
            assert "/agreements/" not in shown.text, page
        # Its two sides go on finding it from there.
        planner = await site.browser(world.maker, "planner")
        for page in (f"/calls/{done['calls'][0]}", *pages[:2]):
            assert f'href="/agreements/{site.job.agreement}"' in (await planner.get(page)).text, page


async def test_a_delegate_is_not_told_that_the_makers_stock_was_never_counted(
    world: World, client: Client, tmp_path: Path
) -> None:
    """Neither the maker's files nor its counts are open to it, so the page does not pretend to know."""
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await delegated(world, client)
        number = await site.number()
        imports = Importing(world, world.db, tmp_path)
        file = f"maker,number,quantity,list price\n{world.maker.code},{number},3,9\n"
        assert (await imports.landed(file, snapshot_on=day(20))).rows_good == 1
        shown = {}
        for party in (world.maker, world.other):
            browser = await site.browser(party, "technician")
            shown[party.id] = (await browser.get("/requests", params={"q": number, "urgency": "urgent"})).text
        assert 'per file of <time datetime="2026-11-20">' in shown[world.maker.id]
        assert "last count not shown to you" in shown[world.other.id]
        # Of what a partner holds for the maker both are told when it was counted: never.
        for text in shown.values():
            assert text.count("never counted") == 1, text
