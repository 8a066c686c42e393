"""Resales under the second library are answered and signed by stored moments, on which the clock acts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.resales.tasks import lapse
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok
from tests.marketplace.resales.test_resales import TABLES, asked, at, keeper
from tests.world import World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)


async def begun(world: World, stack: AsyncExitStack, **terms: Any) -> Job:
    job = await Job.begin(world, stack)
    await keeper(job, stack)
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, **terms})])
    await delivered(world, agreement_id, 6)
    job.agreement = str(agreement_id)
    return job


async def test_nobody_answers_or_signs_in_time(world: World, worker_db: Database) -> None:
    """The stored moments decide, however late the clock; while the agreement stands still no time runs."""
    async with AsyncExitStack() as stack:
        job = await begun(world, stack)
        first, second, third = await asked(job), await asked(job, quantity=1), await asked(job, quantity=1)
        await ok(job.planner.post(at(second, "consent")))
        row = await ok(job.planner.get(at(first)))
        due = datetime.fromisoformat(row["answer_by"])
        assert not row["silence_consents"]
        (mine,) = {
            x["record_id"]
            for x in (await ok(job.planner.get(f"{API}/obligations", params={"kind": "answer_resale"})))["items"]
        } - {third}
        assert mine == first
        signed_by = datetime.fromisoformat((await ok(job.planner.get(at(second))))["sign_by"])
        assert due < signed_by
        before = await rows_of(job.world, *TABLES)
        await lapse(worker_db, CLOCK, due - timedelta(seconds=1))
        assert await rows_of(job.world, *TABLES) == before
        # Suspended for ten days: the answer may come as much later.
        why = {"reason": "Sanctions screening."}
        await ok(job.planner.post(f"{API}/agreements/{job.agreement}/suspend", json=why))
        before = await rows_of(job.world, *TABLES)
        await lapse(worker_db, CLOCK, signed_by + timedelta(days=1))
        assert await rows_of(job.world, *TABLES) == before, "nothing lapses while it stands still"
        await ok(job.planner.post(f"{API}/agreements/{job.agreement}/resume"))
        await asyncio.gather(*(lapse(worker_db, CLOCK, signed_by + timedelta(days=1)) for _ in range(2)))
        stands = {x: (await ok(job.planner.get(at(x))))["status"] for x in (first, second, third)}
        assert stands == {first: "refused", second: "cancelled", third: "refused"}
        events = await job.world.owner.fetchval(
            "SELECT count(*) FROM resale_event WHERE resale_id = $1::uuid AND kind = 'refused'", first
        )
        assert events == 1


@pytest.mark.parametrize("units_left", [True, False])
async def test_silence_is_consent_where_the_clause_says_so(world: World, worker_db: Database, units_left: bool) -> None:
    async with AsyncExitStack() as stack:
        job = await begun(world, stack, silence_on_consent="given")
        resale = await asked(job)
        row = await ok(job.planner.get(at(resale)))
        due = datetime.fromisoformat(row["answer_by"])
        assert row["silence_consents"]
        if not units_left:
            end = await ok(
                job.planner.post(f"{API}/agreements/{job.agreement}/proposals", json={"ends": True, "note": "x"}), 201
            )
            await ok(job.buyer.post(f"{API}/agreements/proposals/{end['id']}/sign"))
        await asyncio.gather(*(lapse(worker_db, CLOCK, due + timedelta(days=40)) for _ in range(2)))
        told = await ok(job.planner.get(at(resale)))
        if units_left:
            assert told["status"] == "consented"
            assert datetime.fromisoformat(told["sign_by"]) - due < timedelta(days=61), (
                "from the stored moment, not the tick's"
            )
            assert datetime.fromisoformat(told["sign_by"]) - due > timedelta(days=58)
        else:
            assert told["status"] == "cancelled"
