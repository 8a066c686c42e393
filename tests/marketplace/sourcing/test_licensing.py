"""Controlled units cross a border under a licence: no shipment without it, and no time runs while it is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.kit.clock import local_day
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES
TABLES = ("call", "call_event", "movement", "open_hold")


async def begin(world: World, stack: AsyncExitStack, **terms: Any) -> Job:
    """Two units ordered back from a holder in Canada and accepted; the terms call them controlled."""
    await world.owner.execute("UPDATE site SET country = 'CA' WHERE id = $1", world.buyer.site)
    await world.owner.execute("UPDATE site SET country = 'US' WHERE id = $1", world.maker.site)
    made = await Job.begin(world, stack)
    stated = {**BUY_BACK, "export_class": "ECCN 1C350", **terms}
    agreement_id = await agreed_on(world, [("buy-back", 2, stated)])
    await delivered(world, agreement_id, 10)
    made.agreement = str(agreement_id)
    await made.called(2)
    await ok(made.buyer.post(f"{API}/sourcing/calls/{made.call}/accept", json={}))
    return made


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await begin(world, stack)


SHIP = {"carrier": "UPS", "tracking": "1Z1"}


async def row(job: Job) -> Any:
    return await job.world.owner.fetchrow("SELECT * FROM call WHERE id = $1", UUID(job.call))


async def test_no_controlled_unit_leaves_without_a_licence_and_no_time_runs_while_it_is_awaited(
    job: Job, worker_db: Database
) -> None:
    at = f"{API}/sourcing/calls/{job.call}"
    assert "Controlled (ECCN 1C350): the holder gets the export licence" in str((await row(job))["reasons"])
    before = await rows_of(job.world, *TABLES)
    problem = await refused(job.buyer.post(f"{at}/ship", json=SHIP), "licence.missing")
    assert "leave CA for US" in problem["detail"]
    await refused(job.technician.post(f"{at}/licence", json={"licence": "D1"}), "licence.other_side")
    await refused(job.buyer.post(f"{at}/licence", json={"licence": " "}), "licence.number")
    assert await rows_of(job.world, *TABLES) == before
    for _ in range(2):
        await ok(job.buyer.post(f"{at}/licence-asked"))
    # A year later, with the licence still awaited, nobody is in default.
    async with worker_db.write() as session:
        much_later = datetime.now(UTC) + timedelta(days=400)
        assert not await service.act_on_default(session, UUID(int=0), UUID(job.call), much_later)
    await job.world.owner.execute(
        "UPDATE call SET licence_asked_at = licence_asked_at - interval '10 days' WHERE id = $1", UUID(job.call)
    )
    was = await row(job)
    await ok(job.buyer.post(f"{at}/licence", json={"licence": " D1234 "}))
    is_now = await row(job)
    assert is_now["licence"] == "D1234"
    for name in ("ship_by", "deliver_by", "default_from"):
        moved = is_now[name] - was[name]
        assert timedelta(days=10) <= moved < timedelta(days=11, hours=1), name
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at}/licence", json={"licence": "D9"}), "licence.known")
    await refused(job.buyer.post(f"{at}/licence-asked"), "licence.known")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(f"{at}/ship", json=SHIP))
    told = (await ok(job.technician.get(at)))["licence"]
    assert told == "D1234"


async def test_a_licence_asked_for_too_late_does_not_stop_the_clock(job: Job) -> None:
    at = f"{API}/sourcing/calls/{job.call}"
    await job.world.owner.execute("UPDATE call SET ship_by = now() - interval '1 day' WHERE id = $1", UUID(job.call))
    before = await rows_of(job.world, *TABLES)
    await refused(job.buyer.post(f"{at}/licence-asked"), "licence.too_late")
    assert await rows_of(job.world, *TABLES) == before
    was = (await row(job))["ship_by"]
    await ok(job.buyer.post(f"{at}/licence", json={"licence": "D1"}))
    assert (await row(job))["ship_by"] == was, "it may still be shipped, late"
    await ok(job.buyer.post(f"{at}/ship", json=SHIP))


async def test_within_a_country_no_licence_is_asked_for_and_ex_works_the_manufacturer_gets_it(world: World) -> None:
    async with AsyncExitStack() as stack:
        made = await begin(world, stack, incoterm="EXW")
        at = f"{API}/sourcing/calls/{made.call}"
        await refused(made.buyer.post(f"{at}/licence", json={"licence": "D1"}), "licence.other_side")
        await ok(made.technician.post(f"{at}/licence", json={"licence": "D1"}))
        await world.owner.execute(
            'UPDATE call SET ship_from = ship_from || \'{"country": "US"}\' WHERE id = $1', UUID(made.call)
        )
        before = await rows_of(world, *TABLES)
        await refused(made.technician.post(f"{at}/licence-asked"), "licence.not_needed")
        assert await rows_of(world, *TABLES) == before


async def test_the_day_on_which_units_leave_the_country_is_kept(world: World) -> None:
    await world.owner.execute("UPDATE site SET country = 'CA' WHERE id = $1", world.buyer.site)
    async with AsyncExitStack() as stack:
        made = await Job.begin(world, stack)
        await made.sold(2)
    kept = await world.owner.fetchrow("SELECT exported_on, zone FROM agreement WHERE id = $1::uuid", made.agreement)
    assert kept["exported_on"] == local_day(datetime.now(UTC), kept["zone"])


@pytest.mark.parametrize("who", ["holder", "maker"])
async def test_where_the_licence_is_refused_either_side_ends_the_order_and_nothing_is_owed(job: Job, who: str) -> None:
    """Section 13.1: whatever its clock says; the order counts for none and its units are the holder's again."""
    at, side = f"{API}/sourcing/calls/{job.call}", job.buyer if who == "holder" else job.technician
    body = {"note": "Case Z123: end use not shown."}
    await ok(job.buyer.post(f"{at}/licence-asked"))
    before = await rows_of(job.world, *TABLES)
    await refused(side.post(f"{at}/end-unlicensed"), "licence.not_refused")
    await refused(job.technician.post(f"{at}/licence-refused", json=body), "licence.other_side")
    await refused(job.buyer.post(f"{at}/licence-refused", json={"note": "  "}), "licence.note")
    await refused(job.outsider.post(f"{at}/end-unlicensed"), "call.not_found")
    assert await rows_of(job.world, *TABLES) == before
    for _ in range(2):
        await ok(job.buyer.post(f"{at}/licence-refused", json=body))
    await refused(job.buyer.post(f"{at}/ship", json=SHIP), "licence.missing")
    await ok(side.post(f"{at}/end-unlicensed"))
    ended = await row(job)
    assert (ended["status"], ended["licence"]) == ("cancelled", None)
    held = "SELECT count(*) FROM open_hold WHERE cause_id = $1"
    assert await job.world.owner.fetchval(held, UUID(job.call)) == 0
    count = "SELECT exercises FROM agreement WHERE id = $1::uuid"
    assert await job.world.owner.fetchval(count, job.agreement) == 0
    assert await job.owed() == []
    before = await rows_of(job.world, *TABLES)
    await refused(side.post(f"{at}/end-unlicensed"), "licence.state")
    assert await rows_of(job.world, *TABLES) == before


async def test_a_licence_that_came_after_all_keeps_the_order(job: Job) -> None:
    at = f"{API}/sourcing/calls/{job.call}"
    await ok(job.buyer.post(f"{at}/licence-refused", json={"note": "Refused at first."}))
    await ok(job.buyer.post(f"{at}/licence", json={"licence": "D2"}))
    before = await rows_of(job.world, *TABLES)
    await refused(job.technician.post(f"{at}/end-unlicensed"), "licence.known")
    assert await rows_of(job.world, *TABLES) == before
    await ok(job.buyer.post(f"{at}/ship", json=SHIP))
