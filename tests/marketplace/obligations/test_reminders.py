"""Reminders: each told once, by one mail for a company, however many workers there are and however late they run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.embedded import WORKER, Credentials
from marketplace.db.session import Database
from marketplace.obligations import queries, service
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.reminding import Setting, remind_at
from marketplace.obligations.tasks import remind
from tests.agreed import person
from tests.marketplace.main_job import API, Job, ok
from tests.world import Party, World


async def mails(world: World, party: Party) -> list[dict[str, Any]]:
    """The mails that a company was sent about what is due, oldest first."""
    rows = await world.owner.fetch(
        "SELECT payload FROM outbox_event WHERE name = 'obligations.due' AND aggregate_id = $1 ORDER BY id", party.id
    )
    return [json.loads(r["payload"]) if isinstance(r["payload"], str) else r["payload"] for r in rows]


async def told(world: World, party: Party) -> list[tuple[str, str]]:
    rows = await world.owner.fetch(
        "SELECT kind, step FROM reminder WHERE company_id = $1 ORDER BY sent_at, kind, step", party.id
    )
    return [(r["kind"], r["step"]) for r in rows]


async def call_of(world: World, call: str) -> asyncpg.Record:
    return await world.owner.fetchrow("SELECT * FROM call WHERE id = $1::uuid", call)


async def set_due(world: World, call: str, status: str, column: str, due: datetime) -> None:
    await world.owner.execute(f"UPDATE call SET status = $2, {column} = $3 WHERE id = $1::uuid", call, status, due)


async def test_a_company_is_told_once_before_and_nothing_that_was_done(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        respond_by = (await call_of(world, job.call))["respond_by"]
        early = respond_by - timedelta(hours=24, minutes=1)
        await remind(worker_db, early)
        assert await told(world, world.buyer) == []
        for _ in range(3):
            await remind(worker_db, respond_by - timedelta(hours=23))
        assert await told(world, world.buyer) == [("answer_call", "ahead")]
        sent = await mails(world, world.buyer)
        assert len(sent) == 1
        mail = sent[0]["mail"]
        assert mail["to"] == [f"{r}@{world.buyer.code}.example".lower() for r in ("admin", "buyer")]
        assert (await call_of(world, job.call))["reference"] in mail["subject"]
        assert mail["link"] == "/calendar"
        # The other side has nothing to do here.
        assert await told(world, world.maker) == []

        await job.called()
        other = await call_of(world, job.call)
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "damaged", "note": "x"}))
        await remind(worker_db, other["respond_by"] - timedelta(hours=1))
        assert len(await mails(world, world.buyer)) == 1


async def test_what_is_over_is_not_reminded_of_but_what_lingers_is_told_once_to_both(
    world: World, worker_db: Database
) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        answered = (await call_of(world, job.call))["respond_by"]
        # An answer is the clock's to end: nobody is told afterwards.
        await remind(worker_db, answered + timedelta(minutes=1))
        assert await told(world, world.buyer) == []
        due = answered - timedelta(days=1)
        await set_due(world, job.call, "accepted", "ship_by", due)
        for _ in range(2):
            await remind(worker_db, due + timedelta(hours=1))
        assert await told(world, world.buyer) == [("ship_call", "overdue")]
        assert await told(world, world.maker) == [("ship_call", "overdue")]
        assert [m["mail"]["subject"].startswith("Overdue: ") for m in await mails(world, world.buyer)] == [True]
        # What has been overdue for long is left: a site that begins does not begin with old mail.
        await world.owner.execute("UPDATE call SET ship_by = ship_by - interval '1 hour' WHERE id = $1::uuid", job.call)
        await remind(worker_db, due + timedelta(days=40))
        calls = [step for step in await told(world, world.buyer) if step[0] == "ship_call"]
        assert len(calls) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_late_ticks_in_any_order_tell_the_same_once(
    world: World, worker_db: Database, order: Sequence[int]
) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        due = (await call_of(world, job.call))["respond_by"]
        await set_due(world, job.call, "accepted", "ship_by", due)
        moments = [due - timedelta(hours=20), due - timedelta(hours=2), due + timedelta(hours=2)]
        for n in order:
            await remind(worker_db, moments[n])
        found = await told(world, world.buyer)
        assert sorted(found) == [("ship_call", "ahead"), ("ship_call", "overdue")]
        assert len(await mails(world, world.buyer)) == 2


async def test_two_workers_at_once_send_one_mail(
    world: World, cluster: Credentials, database_name: str, worker_db: Database
) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(8)
        for _ in range(4):
            await job.called()
        due = (await call_of(world, job.call))["respond_by"]
        now = due - timedelta(hours=2)
        other = Database(cluster.dsn(WORKER, database_name), pool_size=5)
        try:
            ready = asyncio.Event()

            async def work(database: Database) -> int:
                await ready.wait()
                async with database.write() as session:
                    done = await service.remind(session, world.buyer.id, now)
                    # The other one is in the middle of the same by now.
                    await asyncio.sleep(0)
                    return done

            working = [asyncio.create_task(work(database)) for database in (worker_db, other) * 4]
            await asyncio.sleep(0)
            ready.set()
            done = await asyncio.gather(*working)
        finally:
            await other.close()
        assert sorted(done) == [0] * 7 + [4]
        assert len(await mails(world, world.buyer)) == 1
        assert await told(world, world.buyer) == [("answer_call", "ahead")] * 4


async def test_a_deadline_that_moved_is_another_one(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        closes = await world.owner.fetchval("SELECT window_closes_at FROM agreement WHERE id = $1::uuid", job.agreement)
        for _ in range(2):
            await remind(worker_db, closes - timedelta(days=3))
        assert await told(world, world.maker) == [("window_closes", "ahead")]
        await world.owner.execute(
            "UPDATE agreement SET window_closes_at = window_closes_at + interval '30 days' WHERE id = $1::uuid",
            job.agreement,
        )
        for _ in range(2):
            await remind(worker_db, closes + timedelta(days=26))
        assert await told(world, world.maker) == [("window_closes", "ahead")] * 2


async def test_a_company_chooses_how_long_before_and_whether(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        due = (await call_of(world, job.call))["respond_by"]

        async def chosen(setting: Setting) -> None:
            async with world.db.write(world.buyer.tenant) as session:
                await service.set_reminders(session, person(world.buyer), setting, due - timedelta(days=5))

        await chosen(Setting(mails=False))
        await remind(worker_db, due - timedelta(hours=2))
        assert await told(world, world.buyer) == []
        await chosen(Setting(hours_before=3))
        await remind(worker_db, due - timedelta(hours=4))
        assert await told(world, world.buyer) == []
        await remind(worker_db, due - timedelta(hours=2))
        assert await told(world, world.buyer) == [("answer_call", "ahead")]


@pytest.mark.parametrize("urgency", ["machine_down", "urgent", "stock_order"])
async def test_the_statement_reminds_when_the_pure_rule_says(world: World, worker_db: Database, urgency: str) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        await world.owner.execute("UPDATE call SET urgency = $2 WHERE id = $1::uuid", job.call, urgency)
        row = await call_of(world, job.call)
        at = remind_at(ObligationKind.ANSWER_CALL, row["respond_by"], row["noticed_at"], urgency)

        async def found(now: datetime) -> set[UUID]:
            async with worker_db.read() as session:
                return {o.row.subject_id for o in await queries.to_remind(session, now, company_id=world.buyer.id)}

        assert row["id"] in await found(at)
        assert row["id"] not in await found(at - timedelta(milliseconds=1))


async def test_where_nobody_is_left_to_tell_no_mail_goes_to_nobody(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        due = (await call_of(world, job.call))["respond_by"]
        # Nobody of the company is left to be told: it is noted, and no mail goes to nobody.
        await world.owner.execute("UPDATE user_account SET active = false WHERE company_id = $1", world.buyer.id)
        await remind(worker_db, due - timedelta(hours=2))
        sent = await mails(world, world.buyer)
        assert [set(m) for m in sent] == [{"count"}]


async def test_what_was_told_cannot_be_changed(worker_db: Database, db: Database, owner: asyncpg.Connection) -> None:
    rights = await owner.fetch(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = 'reminder' "
        "AND grantee IN ('backstock_app', 'backstock_worker')"
    )
    assert {tuple(r) for r in rights} == {
        ("backstock_app", "SELECT"), ("backstock_worker", "SELECT"), ("backstock_worker", "INSERT"),
    }  # fmt: skip
