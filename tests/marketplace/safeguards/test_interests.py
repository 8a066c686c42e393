"""Security interests: the maker's own records, with a reminder before they lapse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from marketplace.db.session import Database
from marketplace.obligations import queries as obligations
from marketplace.obligations.kinds import ObligationKind
from tests.agreed import agreed, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

AT = f"{API}/security-interests"
TABLES = ("security_interest", "security_interest_end")


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


def body(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "company_id": str(job.world.buyer.id), "kind": "ucc1", "filed_with": "Texas Secretary of State",
        "number": "26-0031234567", "filed_on": "2026-11-02", "expires_on": "2031-11-02", **more,
    }  # fmt: skip


async def made(job: Job, **more: Any) -> dict[str, Any]:
    return dict(await ok(job.planner.post(AT, json=body(job, **more)), 201))


async def test_one_is_recorded_continued_and_ended(job: Job) -> None:
    agreement = str(await agreed(job.world))
    other = str(await agreed(job.world))
    one = await made(job, company_id=None, agreement_id=agreement)
    whole = await made(job, number="26-77")
    assert (one["standing"], one["company"], one["agreement_id"]) == ("in_force", job.world.buyer.name, agreement)
    of_this = await ok(job.planner.get(AT, params={"agreement_id": agreement}))
    assert [r["number"] for r in of_this["items"]] == ["26-77", "26-0031234567"]
    of_other = await ok(job.planner.get(AT, params={"agreement_id": other}))
    assert [r["number"] for r in of_other["items"]] == ["26-77"]
    new = await made(
        job, company_id=None, continues_id=one["id"], number="31-0099", filed_on="2026-11-03", expires_on="2036-11-02"
    )
    assert (new["agreement_id"], new["continues_id"]) == (agreement, one["id"])
    before = await rows_of(job.world, *TABLES)
    await refused(job.planner.post(AT, json=body(job, continues_id=one["id"])), "security_interest.ended")
    await refused(job.planner.post(f"{AT}/{one['id']}/end", json={"reason": "Again."}), "security_interest.ended")
    assert await rows_of(job.world, *TABLES) == before
    old = await ok(job.planner.get(f"{AT}/{one['id']}"))
    assert (old["standing"], old["continued_by"], old["end_reason"]) == ("ended", new["id"], "Continued as 31-0099")
    done = await ok(job.planner.post(f"{AT}/{whole['id']}/end", json={"reason": "Released on payment."}))
    assert done["standing"] == "ended"
    file = (await job.planner.get(f"{AT}.csv", params={"standing": "in_force"})).text.splitlines()
    assert len(file) == 2
    assert "31-0099" in file[1]


async def test_what_is_refused_and_who_reads_it(job: Job) -> None:
    agreement = str(await agreed(job.world))
    one = await made(job)
    before = await rows_of(job.world, *TABLES)
    future = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    for code, more in (
        ("security_interest.subject", {"company_id": None}),
        ("security_interest.subject", {"company_id": str(job.world.maker.id)}),
        ("security_interest.subject", {"company_id": str(job.world.other.id), "agreement_id": agreement}),
        ("security_interest.filed_on", {"filed_on": future}),
        ("security_interest.expires_on", {"expires_on": "2026-11-01"}),
        ("security_interest.number", {"number": "  "}),
        ("request.invalid", {"kind": "handshake"}),
        ("security_interest.not_found", {"continues_id": agreement}),
    ):
        await refused(job.planner.post(AT, json=body(job, **more)), code)
    await refused(job.buyer.post(AT, json=body(job)), "security_interest.maker")
    await refused(job.technician.post(AT, json=body(job)), "actor.role")
    await refused(job.buyer.get(f"{AT}/{one['id']}"), "security_interest.not_found")
    await refused(job.buyer.post(f"{AT}/{one['id']}/end", json={"reason": "No."}), "security_interest.not_found")
    assert (await ok(job.buyer.get(AT)))["items"] == []
    assert await rows_of(job.world, *TABLES) == before


async def test_it_is_ended_once(job: Job) -> None:
    one = await made(job)
    answers = await asyncio.gather(
        *(job.planner.post(f"{AT}/{one['id']}/end", json={"reason": "Paid."}) for _ in range(3)),
        job.planner.post(AT, json=body(job, company_id=None, continues_id=one["id"], number="N-2")),
    )
    assert sum(a.status_code < 300 for a in answers) == 1
    assert {a.status_code for a in answers} <= {200, 201, 409}


async def test_its_lapse_is_in_the_makers_calendar_and_told_a_month_before(job: Job, worker_db: Database) -> None:
    today = datetime.now(UTC).date()
    last = today + timedelta(days=40)
    one = await made(job, filed_on=(today - timedelta(days=900)).isoformat(), expires_on=last.isoformat())
    listed = await ok(job.planner.get(f"{API}/obligations", params={"kind": "security_lapses"}))
    (row,) = listed["items"]
    assert (row["what"], row["mine"]) == (
        f"Continue security interest 26-0031234567 against {job.world.buyer.name}", True,
    )  # fmt: skip
    assert row["by"] == f"by the end of {last.day} {last:%b %Y}"
    assert (await ok(job.buyer.get(f"{API}/obligations", params={"kind": "security_lapses"})))["items"] == []

    async def told(on: date) -> set[str]:
        moment = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        async with worker_db.read() as session:
            found = await obligations.to_remind(session, moment, company_id=job.world.maker.id)
        return {str(o.row.subject_id) for o in found if o.row.kind is ObligationKind.SECURITY_LAPSES}

    assert one["id"] not in await told(last - timedelta(days=31))
    assert one["id"] in await told(last - timedelta(days=29))
    assert one["id"] in await told(last + timedelta(days=2)), "overdue: nothing happens by itself"
    await ok(job.planner.post(f"{AT}/{one['id']}/end", json={"reason": "Paid."}))
    assert one["id"] not in await told(last - timedelta(days=5))
    assert (await ok(job.planner.get(f"{API}/obligations", params={"kind": "security_lapses"})))["items"] == []
