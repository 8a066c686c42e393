"""What becomes of a posting when the units behind it are used, moved, scrapped, corrected or counted away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.db.session import Database
from marketplace.listings.tasks import listeners
from marketplace.outbox.service import Event
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def clerk_does(job: Job, path: str, body: dict[str, Any], status: int = 201) -> Any:
    """Something the maker's warehouse does with its own units; its planner corrects."""
    world = job.world
    role = "planner" if path == "corrections" else "warehouse"
    token = await token_for(world.owner, world.maker.users[role], world.maker.id)
    async with client_for(app_for(world.db), token) as clerk:
        return await ok(clerk.post(f"{API}/holdings/{path}", json=body), status)


def here(job: Job, **more: Any) -> dict[str, Any]:
    return {"part_id": str(job.world.part), "site_id": str(job.world.maker.site), **more}


def act(job: Job, way: str, quantity: int) -> tuple[str, dict[str, Any]]:
    """Route and body by which so many units go."""
    return {
        "use": ("uses", here(job, quantity=quantity)),
        "fit": ("installs", here(job, quantity=quantity, machine="EX-200 77")),
        "scrap": ("scraps", here(job, quantity=quantity, reason="rust")),
        "move": ("moves", here(job, quantity=quantity, to_site_id=str(job.world.maker.sites[1]))),
        "count": ("counts", here(job, counted=10 - quantity)),
        "correct": ("corrections", {"lot_id": str(job.lot), "seq": 1, "reason": "wrong part"}),
    }[way]


async def events(job: Job, name: str) -> list[Event]:
    rows = await job.world.owner.fetch(
        "SELECT id, name, aggregate, aggregate_id, payload::text, company_ids FROM outbox_event "
        "WHERE name = $1 AND $2 = ANY (company_ids) ORDER BY id",
        name,
        job.world.maker.id,
    )
    return [
        Event(
            r["id"], r["name"], r["aggregate"], r["aggregate_id"], json.loads(r["payload"]), tuple(r["company_ids"]), 1
        )
        for r in rows
    ]


async def deliver(job: Job, worker_db: Database) -> None:
    """What the worker does with everything that was told."""
    for event in await events(job, "holding.taken"):
        await listeners(worker_db)["holding.taken"](event)


async def offered(job: Job) -> tuple[int, int, int]:
    """(quantity, ordered, units that stand behind it)."""
    row = await job.world.owner.fetchrow(
        "SELECT l.quantity, l.ordered, (SELECT coalesce(sum(b.quantity), 0)::int FROM listing_lot b "
        "WHERE b.listing_id = l.id) AS behind FROM listing l WHERE l.id = $1",
        UUID(job.listing),
    )
    return row["quantity"], row["ordered"], row["behind"]


def want(job: Job, quantity: int) -> dict[str, Any]:
    return {
        "lines": [{"listing_id": job.listing, "quantity": quantity}],
        "po_number": "PO-2",
        "ship_to_site_id": str(job.world.buyer.site),
    }


@pytest.mark.parametrize("way", ["use", "fit", "scrap", "move", "count", "correct"])
async def test_units_that_are_gone_are_no_longer_on_offer(job: Job, worker_db: Database, way: str) -> None:
    await job.released(10)
    await clerk_does(job, *act(job, way, 10))
    await deliver(job, worker_db)
    assert await offered(job) == (0, 0, 0)
    await refused(job.buyer.post(f"{API}/orders", json=want(job, 1)), "listing.sold_out")
    [told] = await events(job, "listing.shrunk")
    mail = told.payload["mail"]
    assert mail["to"] == [f"planner@{job.world.maker.code}.example".lower()]
    assert mail["link"] == f"/releases/{job.release}"
    assert mail["subject"] == "10 units are no longer on offer"
    assert "10 EA gone, 0 still on offer, 0 ordered and honoured." in mail["text"]
    await deliver(job, worker_db)
    assert await offered(job) == (0, 0, 0)
    assert len(await events(job, "listing.shrunk")) == 1, "told once"


@pytest.mark.parametrize("way", ["use", "scrap", "move", "count"])
async def test_what_is_left_stays_on_offer_and_what_is_ordered_is_honoured(
    job: Job, worker_db: Database, way: str
) -> None:
    await job.released(10)
    await job.ordered(4)
    await clerk_does(job, *act(job, way, 5))
    await deliver(job, worker_db)
    await deliver(job, worker_db)
    assert await offered(job) == (5, 4, 1)
    await refused(job.buyer.post(f"{API}/orders", json=want(job, 2)), "listing.not_enough")
    await job.signed()
    await job.delivered(4)
    await ok(job.buyer.post(f"{API}/orders", json=want(job, 1)), 201)
    assert await offered(job) == (5, 5, 0)


async def test_units_that_were_never_on_offer_shrink_nothing(job: Job, worker_db: Database) -> None:
    await job.released(10)
    await job.world.register(job.world.maker, 5, site=job.world.maker.sites[1])
    await clerk_does(
        job, "uses", {"part_id": str(job.world.part), "site_id": str(job.world.maker.sites[1]), "quantity": 5}
    )
    await deliver(job, worker_db)
    assert await offered(job) == (10, 0, 10)
    assert not await events(job, "listing.shrunk")


async def test_a_unit_with_a_serial_number_that_a_count_misses_is_not_sold(job: Job, worker_db: Database) -> None:
    await job.released(3, serial=True)
    await clerk_does(job, "counts", here(job, counted=2))
    await deliver(job, worker_db)
    await deliver(job, worker_db)
    assert await offered(job) == (2, 0, 2)


async def test_of_two_postings_of_the_same_units_the_newer_gives_way(job: Job, worker_db: Database) -> None:
    await job.released(10)
    first = job.listing
    await ok(job.planner.post(f"{API}/listings/{first}/reduce", json={"quantity": 4}))
    terms = (await ok(job.planner.get(f"{API}/releases/{job.release}")))["terms"]
    body = {"title": "Again", "clause": "buy-back", "terms": terms, "use_class": "non_capital_spare"}
    again = (await ok(job.planner.post(f"{API}/releases", json=body), 201))["id"]
    line = {**here(job), "condition": "new", "quantity": 6, "unit_price": "70.00", "minimum_to_keep": 0}
    job.listing = (await ok(job.planner.put(f"{API}/releases/{again}/lines", json={"lines": [line]})))["listing_ids"][0]
    await ok(job.planner.post(f"{API}/releases/{again}/publish"))
    await clerk_does(job, *act(job, "scrap", 7))
    await deliver(job, worker_db)
    assert await offered(job) == (0, 0, 0)
    job.listing = first
    assert await offered(job) == (3, 0, 3)
    [told] = await events(job, "listing.shrunk")
    assert told.payload["units"] == 7


async def test_an_order_at_the_same_time_is_either_honoured_or_refused(job: Job, worker_db: Database) -> None:
    for _ in range(8):
        await job.released(10)
        lot = job.lot
        exact = {"lot_id": str(lot), "position_id": 1, "quantity": 10, "reason": "fire"}
        token = await token_for(job.world.owner, job.world.maker.users["warehouse"], job.world.maker.id)
        async with client_for(app_for(job.world.db), token) as clerk:
            order, scrap = await asyncio.gather(
                job.buyer.post(f"{API}/orders", json=want(job, 4)), clerk.post(f"{API}/holdings/scraps", json=exact)
            )
            await asyncio.gather(deliver(job, worker_db), job.buyer.post(f"{API}/orders", json=want(job, 6)))
        assert sorted((order.status_code, scrap.status_code)) == [201, 409], (order.text, scrap.text)
        await deliver(job, worker_db)
        quantity, ordered, behind = await offered(job)
        held = await job.world.owner.fetchval('SELECT held FROM "position" WHERE lot_id = $1', lot)
        assert ordered == held
        assert quantity - ordered == behind
        assert quantity == (0 if scrap.status_code == 201 else 10)
        await job.world.owner.execute('UPDATE "release" SET status = $2 WHERE id = $1', UUID(job.release), "closed")


async def test_many_units_take_as_many_statements_as_one(job: Job, worker_db: Database) -> None:
    def taken(*lots: UUID) -> Event:
        payload = {"company_id": str(job.world.maker.id), "units": [[str(lot), 1] for lot in lots]}
        return Event(0, "holding.taken", "command", uuid4(), payload, (job.world.maker.id,), 1)

    made = []
    listed = await job.posted(21)
    for listings in (listed[:1], listed[1:]):
        lots = [
            r["lot_id"]
            for r in await job.world.owner.fetch(
                "SELECT lot_id FROM listing_lot WHERE listing_id = ANY($1::uuid[])", [UUID(i) for i in listings]
            )
        ]
        # Put there and back by hand: the ledger of this database is looked through by other tests.
        change = 'UPDATE "position" SET quantity = $2 WHERE lot_id = ANY($1::uuid[]) RETURNING quantity'
        stood = await job.world.owner.fetchval('SELECT quantity FROM "position" WHERE lot_id = $1', lots[0])
        await job.world.owner.execute(change, lots, 3)
        with counted(worker_db) as sent:
            await listeners(worker_db)["holding.taken"](taken(*lots))
        await job.world.owner.execute(change, lots, stood)
        made.append(len(sent))
        left = await job.world.owner.fetch(
            "SELECT quantity FROM listing WHERE id = ANY($1::uuid[])", [UUID(i) for i in listings]
        )
        assert {r["quantity"] for r in left} == {3}
    assert made[0] == made[1]


async def test_a_partner_tells_nobody_of_what_it_uses(job: Job) -> None:
    world = job.world
    await world.register(world.buyer, 3)
    token = await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)
    async with client_for(app_for(world.db), token) as clerk:
        body = {"part_id": str(world.part), "site_id": str(world.buyer.site), "quantity": 3}
        await ok(clerk.post(f"{API}/holdings/uses", json=body), 201)
    told = "SELECT count(*) FROM outbox_event WHERE name = 'holding.taken' AND $1 = ANY (company_ids)"
    assert await world.owner.fetchval(told, world.buyer.id) == 0


async def test_of_a_broken_package_the_buyer_of_all_takes_the_rest_along(job: Job, worker_db: Database) -> None:
    await job.released(21, package_quantity=7, minimum_quantity=14)
    await clerk_does(job, *act(job, "use", 4))
    await deliver(job, worker_db)
    assert await offered(job) == (17, 0, 17)
    for quantity, code, words in (
        (16, "order.package", "order 14 or 17."),
        (15, "order.package", "order 14 or 17."),
        (7, "order.minimum", "14 EA"),
    ):
        answer = await refused(job.buyer.post(f"{API}/orders", json=want(job, quantity)), code)
        assert words in answer["detail"]
    assert await offered(job) == (17, 0, 17)
    await ok(job.buyer.post(f"{API}/orders", json=want(job, 14)), 201)
    answer = await refused(job.buyer.post(f"{API}/orders", json=want(job, 2)), "order.minimum")
    assert "3 EA" in answer["detail"]
    await ok(job.buyer.post(f"{API}/orders", json=want(job, 3)), 201)
    assert await offered(job) == (17, 17, 0)
