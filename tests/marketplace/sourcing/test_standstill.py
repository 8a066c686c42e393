"""Orders back under an agreement that is suspended or under legal hold: nothing is answered or shipped, no time runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements.stops import lasted, stopped_between
from marketplace.db.session import Database
from marketplace.sourcing import service
from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

CLOCK = UUID(int=0)
T0 = datetime(2026, 3, 1, tzinfo=UTC)
TABLES = ("call", "call_event", "movement", "open_hold")


def hour(n: float) -> datetime:
    return T0 + timedelta(hours=n)


def test_time_that_stood_still_is_counted_once_and_only_within() -> None:
    events = [("suspended", hour(2)), ("legal_hold", hour(3)), ("resumed", hour(5)), ("legal_hold_lifted", hour(7))]
    assert lasted(stopped_between(events, hour(0), hour(9))) == timedelta(hours=5)
    assert lasted(stopped_between(events, hour(4), hour(6))) == timedelta(hours=2)
    assert lasted(stopped_between(events, hour(8), hour(9))) == timedelta()
    assert lasted(stopped_between(events[:1], hour(0), hour(9))) == timedelta(hours=7), "it still lasts"
    assert lasted(stopped_between([], hour(0), hour(9))) == timedelta()


@given(st.lists(st.floats(0, 100), min_size=2, max_size=12, unique=True), st.floats(0, 100))
def test_cut_anywhere_the_parts_add_up(at: list[float], cut: float) -> None:
    events = [("suspended" if n % 2 == 0 else "resumed", hour(when)) for n, when in enumerate(sorted(at))]
    whole = lasted(stopped_between(events, hour(0), hour(100)))
    # What lasts at the end of the first part counts up to there, and from there on in the second.
    first = lasted(stopped_between([e for e in events if e[1] <= hour(cut)], hour(0), hour(cut)))
    assert first + lasted(stopped_between(events, hour(cut), hour(100))) == whole


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def stop(job: Job, how: str) -> None:
    at = f"{API}/agreements/{job.agreement}"
    if how == "suspended":
        await ok(job.planner.post(f"{at}/suspend", json={"reason": "Export licence under review."}))
    else:
        await ok(job.planner.post(f"{at}/legal-hold", json={"held": True, "reason": "Insolvency."}))


async def go_on(job: Job, how: str) -> None:
    at = f"{API}/agreements/{job.agreement}"
    if how == "suspended":
        await ok(job.planner.post(f"{at}/resume"))
    else:
        await ok(job.planner.post(f"{at}/legal-hold", json={"held": False, "reason": "Agreed with the estate."}))


async def silence(job: Job, worker_db: Database, now: datetime) -> str | None:
    async with worker_db.write() as session:
        return await service.act_on_silence(session, CLOCK, UUID(job.call), now)


async def back_date(job: Job, days: int) -> None:
    """As if the agreement had been stopped, and the order sent, so many days ago."""
    await job.world.owner.execute(
        "UPDATE agreement_event SET at = at - make_interval(days => $2) WHERE subject_id = $1 "
        "AND kind IN ('suspended','legal_hold')",
        UUID(job.agreement), days,
    )  # fmt: skip
    await job.world.owner.execute(
        "UPDATE call SET noticed_at = noticed_at - make_interval(days => $2), respond_by = respond_by - make_interval(days => $2), "
        "ship_by = ship_by - make_interval(days => $2) WHERE id = $1",
        UUID(job.call), days,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["suspended", "legal_hold"])
async def test_nothing_is_accepted_or_shipped_and_silence_does_nothing(job: Job, worker_db: Database, how: str) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    await stop(job, how)
    before = await rows_of(job.world, *TABLES)
    said = await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}), f"agreement.{how}")
    assert job.world.maker.name in said["detail"]
    assert await silence(job, worker_db, datetime.now(UTC) + timedelta(days=40)) is None
    assert await rows_of(job.world, *TABLES) == before
    await go_on(job, how)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await stop(job, how)
    before = await rows_of(job.world, *TABLES)
    ship = {"carrier": "UPS", "tracking": "1Z2"}
    await refused(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json=ship), f"agreement.{how}")
    assert await rows_of(job.world, *TABLES) == before
    await go_on(job, how)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json=ship))


@pytest.mark.parametrize("how", ["suspended", "legal_hold"])
async def test_what_waited_for_an_approver_is_not_ordered_meanwhile(job: Job, how: str) -> None:
    await job.sold(4, offered=4)
    limit = "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1"
    await job.world.owner.execute(limit, job.world.maker.users["technician"])
    await job.called(2)
    approve = f"{API}/sourcing/requests/{job.requisition}/approve"
    await stop(job, how)
    before = await rows_of(job.world, *TABLES, "agreement_exercise", "agreement", "requisition")
    await refused(job.planner.post(approve), f"agreement.{how}")
    assert await rows_of(job.world, *TABLES, "agreement_exercise", "agreement", "requisition") == before
    await go_on(job, how)
    await ok(job.planner.post(approve))
    assert await job.world.owner.fetchval("SELECT status FROM call WHERE id = $1::uuid", job.call) == "noticed"


@pytest.mark.parametrize("how", ["suspended", "legal_hold"])
async def test_the_clock_goes_on_where_it_stood(job: Job, worker_db: Database, how: str) -> None:
    """Stopped for 30 days right after the order was sent: the holder has its whole time to answer afterwards, however the
    clock and a person take turns."""
    await job.sold(4, offered=4)
    await job.called(1)
    row: Any = await job.world.owner.fetchrow("SELECT noticed_at, respond_by FROM call WHERE id = $1", UUID(job.call))
    time_to_answer = row["respond_by"] - row["noticed_at"]
    await stop(job, how)
    await back_date(job, 30)
    await go_on(job, how)
    now = datetime.now(UTC)
    assert await silence(job, worker_db, now) is None, "its time has only begun to run"
    moved = await job.world.owner.fetchval("SELECT respond_by FROM call WHERE id = $1", UUID(job.call))
    assert abs((moved - now) - time_to_answer) < timedelta(minutes=2)
    for _ in range(2):
        assert await silence(job, worker_db, now + timedelta(minutes=1)) is None
    assert await job.world.owner.fetchval("SELECT respond_by FROM call WHERE id = $1", UUID(job.call)) == moved, "once"
    told = await job.world.owner.fetchval(
        "SELECT count(*) FROM call_event WHERE call_id = $1 AND kind = 'clock_moved'", UUID(job.call)
    )
    assert told == 1
    assert await silence(job, worker_db, moved + timedelta(seconds=1)) is not None


async def test_a_person_who_answers_after_the_stop_is_in_time(job: Job) -> None:
    await job.sold(4, offered=4)
    await job.called(1)
    await stop(job, "suspended")
    await back_date(job, 30)
    await go_on(job, "suspended")
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))


async def test_stopping_and_shipping_at_once_end_in_one_order(job: Job) -> None:
    for turn in range(5):
        job.world.part = await job.world.make_part(f"{job.world.tag}-{turn}")
        await job.sold(4, offered=4)
        await job.called(1)
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
        shipped, stopped = await asyncio.gather(
            job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}),
            job.planner.post(
                f"{API}/agreements/{job.agreement}/legal-hold", json={"held": True, "reason": "Insolvency."}
            ),
        )
        assert stopped.status_code == 200, stopped.text
        assert shipped.status_code in {200, 409}, shipped.text
