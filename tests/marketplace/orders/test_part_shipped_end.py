"""An agreement ends while part of its order has shipped: the rest is free again, and what is on its way arrives."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import UUID

from marketplace.db.session import Database
from marketplace.orders.service import end_with_agreement
from tests.marketplace.main_job import API, Job, ok
from tests.world import World


async def test_what_has_not_shipped_is_cancelled_with_the_agreement(world: World, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(10)
        await job.ordered(6)
        await job.signed()
        url, agreement = f"{API}/orders/{job.order}", f"{API}/agreements/{job.agreement}"
        body = {"own_transport": True, "lines": [{"line_no": 1, "quantity": 2}]}
        await ok(job.planner.post(f"{url}/ship", json=body))
        end = await ok(job.planner.post(f"{agreement}/proposals", json={"ends": True, "note": "We part."}), 201)
        await ok(job.buyer.post(f"{API}/agreements/proposals/{end['id']}/sign", json={}))
        for _ in range(2):
            async with worker_db.write() as session:
                await end_with_agreement(session, UUID(job.agreement))
        seen = await ok(job.buyer.get(url))
        assert (seen["shown_status"], seen["units"], seen["left_out"][0]["left_out"]) == ("shipped", 2, 4)
        assert await world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id = $1", UUID(job.order)) == 0
        await ok(job.buyer.post(f"{url}/receive", json={"lines": []}))
        rows = await world.owner.fetch(
            "SELECT owner_id = $2 AS bought, agreement_id IS NULL AS free, sum(quantity)::int AS n FROM position "
            "WHERE part_id = $1 AND quantity > 0 GROUP BY 1, 2 ORDER BY 1",
            world.part, world.buyer.id,
        )  # fmt: skip
        assert [tuple(r) for r in rows] == [(False, True, 8), (True, True, 2)]
