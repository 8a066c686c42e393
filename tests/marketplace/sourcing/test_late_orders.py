"""Orders under terms of the second library that are not shipped in time: seen, late, in default, covered elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.kit.clock import end_of_day, local_day
from marketplace.sourcing import queries, service
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
TABLES = ("call", "call_event", "movement", "open_hold", "settlement_line")


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    """A job with ten units under buy-back/v2: half a percent a week for delay, at most five; cover at most a quarter."""
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "handling_bp": 0, **TERMS})])
        await delivered(world, agreement_id, 10)
        made.agreement = str(agreement_id)
        yield made


TERMS = {"price": {"kind": "percent_of_sale", "percent_bp": 10_000}}


async def shown(job: Job, call: str | None = None) -> Any:
    return await ok(job.planner.get(f"{API}/sourcing/calls/{call or job.call}"))


async def row(job: Job) -> Any:
    return await job.world.owner.fetchrow("SELECT * FROM call WHERE id = $1", UUID(job.call))


async def past(job: Job, days: float) -> None:
    """As if the order had been given so many days earlier."""
    await job.world.owner.execute(
        "UPDATE call SET noticed_at = noticed_at - $2::interval, respond_by = respond_by - $2::interval, ship_by = ship_by - $2::interval, "
        "deliver_by = deliver_by - $2::interval, default_from = default_from - $2::interval, accepted_at = accepted_at - $2::interval WHERE id = $1",
        UUID(job.call), timedelta(days=days),
    )  # fmt: skip


async def tick(job: Job, clock: Database, now: datetime | None = None) -> bool:
    async with clock.write() as session:
        return await service.act_on_default(session, CLOCK, UUID(job.call), now or datetime.now(UTC))


async def unchanged(job: Job, answer: Any, code: str, before: Any) -> None:
    await refused(answer, code)
    assert await rows_of(job.world, *TABLES) == before


async def test_deadlines_of_the_terms_are_kept_with_the_order(job: Job) -> None:
    await job.called(2)
    kept = await row(job)
    assert kept["acknowledge_by"] <= kept["respond_by"] < kept["ship_by"] < kept["deliver_by"]
    assert kept["default_from"] > kept["ship_by"]
    at = f"{API}/sourcing/calls/{job.call}/acknowledge"
    before = await rows_of(job.world, *TABLES)
    answer = await job.technician.post(at)
    assert answer.status_code in (403, 404), "the holder has seen it, not the asker"
    assert await rows_of(job.world, *TABLES) == before
    for _ in range(2):
        await ok(job.buyer.post(at))
    seen = await job.world.owner.fetchval(
        "SELECT count(*) FROM call_event WHERE call_id = $1 AND kind = 'acknowledged'", UUID(job.call)
    )
    assert seen == 1
    assert (await row(job))["status"] == "noticed", "it binds to nothing"
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    before = await rows_of(job.world, *TABLES)
    await unchanged(job, job.buyer.post(at), "call.state", before)


@pytest.mark.parametrize(
    ("late", "owed"), [(0, None), (1, "1.00"), (7, "1.00"), (8, "2.00"), (69, "10.00"), (400, "10.00")]
)
async def test_delay_is_owed_for_by_the_period_up_to_the_cap(job: Job, late: int, owed: str | None) -> None:
    """Two units of 100 each; half a percent for each week begun, at most five percent."""
    await job.called(2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    kept = await row(job)
    # The buyer's carrier takes them at the holder's dock (FCA): that they are with it in time is what counts.
    days = (kept["ship_by"] - datetime.now(UTC)).total_seconds() / 86_400 + late
    await past(job, days + 1e-4 if late else days - 0.5)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json={"good": 2}))
    lines = (await ok(job.planner.get(f"{API}/settlement")))["items"]
    damages = [x for x in lines if x["kind"] == "late_damages"]
    assert [str(Decimal(x["amount"]).quantize(Decimal("0.01"))) for x in damages] == ([owed] if owed else [])
    if damages:
        (line,) = damages
        assert (line["payer"], line["payee"]) == (job.world.buyer.name, job.world.maker.name)


async def test_default_comes_once_by_the_stored_moment_and_what_is_shipped_after_it_counts(
    job: Job, worker_db: Database
) -> None:
    await job.called(2)
    assert not await tick(job, worker_db), "not accepted yet"
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    kept = await row(job)
    moment = kept["default_from"]
    assert not await tick(job, worker_db, moment - timedelta(seconds=1))
    async with worker_db.read() as session:
        assert UUID(job.call) in await queries.defaulting(session, moment, limit=100_000)
    assert await asyncio.gather(tick(job, worker_db, moment), tick(job, worker_db, moment)) in (
        [True, False],
        [False, True],
    )
    told = await job.world.owner.fetch(
        "SELECT payload->'mail'->>'subject' AS subject FROM outbox_event WHERE aggregate_id = $1 AND name = 'call.defaulted'",
        UUID(job.call),
    )
    assert len(told) == 2
    assert (await shown(job))["status"] == "defaulted"
    held = await job.world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1", UUID(job.call))
    assert held, "what is reserved stays reserved"
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))
    assert not await tick(job, worker_db, moment + timedelta(days=9))


async def test_time_in_which_the_agreement_stands_still_is_no_delay(job: Job, worker_db: Database) -> None:
    await job.called(2)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    before = await row(job)
    at = f"{API}/agreements/{job.agreement}"
    await ok(job.planner.post(f"{at}/suspend", json={"reason": "Licence."}))
    assert not await tick(job, worker_db, before["default_from"] + timedelta(days=30))
    await job.world.owner.execute(
        "UPDATE agreement_event SET at = at - interval '4 days' WHERE subject_id = $1 AND kind = 'suspended'",
        UUID(job.agreement),
    )
    await job.world.owner.execute(
        "UPDATE call SET noticed_at = noticed_at - interval '5 days' WHERE id = $1", UUID(job.call)
    )
    await ok(job.planner.post(f"{at}/resume", json={}))
    assert not await tick(job, worker_db, before["default_from"]), "four days later, it says now"
    after = await row(job)
    for name in ("ship_by", "deliver_by", "default_from"):
        assert timedelta(days=4) <= after[name] - before[name] < timedelta(days=5, hours=1), name
        day = local_day(after[name] - timedelta(microseconds=1), "America/Chicago")
        assert after[name] == end_of_day(day, "America/Chicago"), f"{name}: what ended with a day ends with a day"


async def test_cover_is_owed_up_to_its_cap_and_frees_the_units(job: Job, worker_db: Database) -> None:
    await job.called(2)
    at = f"{API}/sourcing/calls/{job.call}/cover"
    body = {"unit_price": "180.00", "document": "INV-1"}
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    before = await rows_of(job.world, *TABLES)
    await unchanged(job, job.technician.post(at, json=body), "cover.not_default", before)
    await past(job, 60)
    assert await tick(job, worker_db)
    before = await rows_of(job.world, *TABLES)
    answer = await job.buyer.post(at, json=body)
    assert answer.status_code in (403, 404)
    await unchanged(job, job.technician.post(at, json={**body, "document": "  "}), "cover.document", before)
    await ok(job.technician.post(at, json=body))
    lines = (await ok(job.planner.get(f"{API}/settlement")))["items"]
    (line,) = [x for x in lines if x["kind"] == "cover_purchase"]
    # 80 more a unit, held at a quarter of the price paid: 25 for each of two.
    assert (Decimal(line["amount"]), line["payer"], line["document"]) == (Decimal(50), job.world.buyer.name, "INV-1")
    assert (await shown(job))["status"] == "closed"
    assert not await job.world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1", UUID(job.call))
    before = await rows_of(job.world, *TABLES)
    await unchanged(job, job.technician.post(at, json=body), "cover.not_default", before)
    await refused(
        job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}),
        "call.state",
    )


async def test_what_costs_no_more_elsewhere_is_owed_nothing_for(job: Job, worker_db: Database) -> None:
    await job.called(1)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await past(job, 60)
    assert await tick(job, worker_db)
    await ok(
        job.technician.post(f"{API}/sourcing/calls/{job.call}/cover", json={"unit_price": "99", "document": "INV-2"})
    )
    lines = (await ok(job.planner.get(f"{API}/settlement")))["items"]
    assert not [x for x in lines if x["kind"] == "cover_purchase"]
    assert (await shown(job))["status"] == "closed"


async def test_cover_and_shipping_at_once_end_in_one_of_them(job: Job, worker_db: Database) -> None:
    await job.called(1)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await past(job, 60)
    assert await tick(job, worker_db)
    cover, ship = await asyncio.gather(
        job.technician.post(f"{API}/sourcing/calls/{job.call}/cover", json={"unit_price": "180", "document": "INV-3"}),
        job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}),
    )
    assert sorted([cover.status_code < 300, ship.status_code < 300]) == [False, True], (cover.text, ship.text)


async def test_the_first_library_knows_no_default(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4, offered=4)
        await job.called(1)
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
        kept = await row(job)
        assert (kept["acknowledge_by"], kept["deliver_by"], kept["default_from"]) == (None, None, None)
        assert not await tick(job, worker_db, datetime.now(UTC) + timedelta(days=999))
