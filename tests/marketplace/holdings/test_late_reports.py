"""What a holder reports late of units that came to it through an order, a resale, a replacement, or under other terms: their
history began with others, and it reads its own part of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest

from marketplace.db.session import Database
from marketplace.ledger.queries import CHECKS, verify
from tests.agreed import rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = ("movement", "position", "missing_units", "permit", "settlement_line")
MOMENT = timedelta(microseconds=1)


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def came(job: Job, kind: str = "receive") -> datetime:
    """When the units of the part last came by a movement of this kind."""
    found: datetime = await job.world.owner.fetchval(
        "SELECT max(m.occurred_at) FROM movement m JOIN lot l USING (lot_id) WHERE l.part_id = $1 AND $2 IN (m.kind, m.purpose)",
        job.world.part, kind,
    )  # fmt: skip
    return found


def fitted(job: Job, at: datetime | None, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "quantity": quantity, "machine": "D6 SN 1",
        "occurred_at": at.isoformat() if at else None, **more,
    }  # fmt: skip


async def fits(job: Job, at: datetime | None, who: Any = None, **more: Any) -> Any:
    return await ok((who or job.buyer).post(f"{API}/holdings/installs", json=fitted(job, at, **more)), 201)


async def too_early(job: Job, at: datetime, there: str, who: Any = None, **more: Any) -> str:
    """Refused, clearly, and nothing changed."""
    before = await rows_of(job.world, *TABLES)
    no = await refused(
        (who or job.buyer).post(f"{API}/holdings/installs", json=fitted(job, at, **more)), "ledger.late_conflict"
    )
    assert await rows_of(job.world, *TABLES) == before
    assert f"would have left a place where {there} of these units stood. More came there on " in no["detail"]
    return str(no["detail"])


async def whole(worker_db: Database) -> None:
    async with worker_db.read() as session:
        assert not [name for name in CHECKS if await verify(session, name)]


@pytest.mark.parametrize("serial", [False, True])
async def test_of_units_bought_through_an_order(job: Job, worker_db: Database, serial: bool) -> None:
    await job.sold(6, offered=8, serial=serial)
    received = await came(job)
    await fits(job, None)
    named = {}
    if serial:
        named = {
            "serial": await job.world.owner.fetchval(
                "SELECT min(l.serial) FROM lot l JOIN position p USING (lot_id) WHERE p.holder_id = $1 AND p.quantity = 1",
                job.world.buyer.id,
            )
        }
        other = await job.world.owner.fetchval(
            "SELECT l.lot_id FROM lot l JOIN position p USING (lot_id) WHERE l.serial = $1 AND p.quantity = 1",
            named["serial"],
        )
        await ok(job.planner.post(f"{API}/holdings/freeze", json={"lot_ids": [str(other)], "reason": "a look"}), 201)
        await ok(job.planner.post(f"{API}/holdings/lift", json={"lot_ids": [str(other)], "reason": "a look"}), 201)
    await too_early(job, received - MOMENT, "0", **named)
    await fits(job, received + MOMENT, **named)
    if not serial:
        gone = {
            "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site),
            "became": "lost", "quantity": 2, "note": "Flood of the cellar.",
        }  # fmt: skip
        before = await rows_of(job.world, *TABLES)
        early = {**gone, "happened_at": (received - MOMENT).isoformat()}
        await refused(job.buyer.post(f"{API}/holdings/missing-units", json=early), "ledger.late_conflict")
        assert await rows_of(job.world, *TABLES) == before
        late = {**gone, "happened_at": (received + MOMENT).isoformat()}
        await ok(job.buyer.post(f"{API}/holdings/missing-units", json=late), 201)
        left = {"quantity": 2, "machine": "D6 SN 2"}
        await fits(job, received + MOMENT, **left)
    await whole(worker_db)


async def test_of_units_whose_agreement_was_changed(job: Job, worker_db: Database) -> None:
    await job.sold(4, offered=5)
    received = await came(job)
    terms = (await ok(job.planner.get(f"{API}/agreements/{job.agreement}")))["terms"]
    change = {
        "clause": terms["clause"], "version": terms["version"], "terms": {**terms, "window_end_months": 48}, "note": "Less.",
    }  # fmt: skip
    made = await ok(job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json=change), 201)
    signed = {"wording_sha256": made["wording_sha256"]}
    await ok(job.buyer.post(f"{API}/agreements/proposals/{made['id']}/sign", json=signed))
    changed = await came(job, "repoint")
    await fits(job, None)
    said = await too_early(job, received + MOMENT, "0")
    assert "a change of their agreement: give a later moment" in said
    await fits(job, changed + MOMENT)
    await whole(worker_db)


async def test_of_units_that_were_sold_on(job: Job, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        world = job.world
        await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
        token = await token_for(world.owner, world.other.users["admin"], world.other.id)
        third = await stack.enter_async_context(client_for(app_for(world.db), token))
        await job.sold(4, offered=5)
        bought = await came(job)
        asks = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 3,
        }  # fmt: skip
        resale = f"{API}/resales/" + (await ok(job.buyer.post(f"{API}/resales", json=asks), 201))["id"]
        await ok(job.planner.post(f"{resale}/consent"))
        text = (await ok(third.get(resale)))["wording_sha256"]
        await ok(third.post(f"{resale}/join", json={"wording_sha256": text}))
        await ok(job.buyer.post(f"{resale}/ship", json={"carrier": "UPS", "tracking": "1Z9"}))
        await ok(third.post(f"{resale}/receive", json={"site_id": str(world.other.site)}))
        received, place = await came(job), {"site_id": str(world.other.site)}
        await fits(job, None, third, **place)
        # While the units were the seller's, they cannot have been the buyer's to fit.
        await too_early(job, bought + MOMENT, "0", third, **place)
        await fits(job, received + MOMENT, third, **place)
        await fits(job, bought + MOMENT)
        await whole(worker_db)


async def test_of_units_that_came_in_place_of_drawn_ones(job: Job, worker_db: Database) -> None:
    await job.sold(4, preset="wide-access")
    await job.called(2)
    await job.came_back(2)
    bought = await came(job)
    body = {
        "quantity": 2,
        "site_id": str(job.world.maker.site),
        "condition": "new",
        "carrier": "UPS",
        "tracking": "1Z9",
    }
    made = await ok(job.planner.post(f"{API}/sourcing/calls/{job.call}/replacements", json=body))
    await ok(job.buyer.post(f"{API}/sourcing/replacements/{made['id']}/receive", json={"good": 2}))
    received = await came(job)
    lot, line = await job.world.owner.fetchrow(
        "SELECT p.lot_id, p.position_id FROM replacement_unit u JOIN position p USING (lot_id) WHERE p.holder_id = $1 "
        "AND p.quantity = 2",
        job.world.buyer.id,
    )
    exact = {"part_id": None, "site_id": None, "lot_id": str(lot), "position_id": line}
    await fits(job, None, **exact)
    await too_early(job, bought + MOMENT, "0", **exact)
    await fits(job, received + MOMENT, **exact)
    await whole(worker_db)
