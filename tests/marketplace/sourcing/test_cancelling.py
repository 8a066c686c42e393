"""An order is taken back by its maker alone until its holder is bound, and by both of them afterwards (second library)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from tests import second as library
from tests.agreed import agreed, agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.job import open_site
from tests.world import World

owner, db, worker_db = library.FIXTURES
TABLES = ("call", "call_event", "call_unit", "movement", "open_hold", "requisition", "agreement", "settlement_line")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def ordered(world: World, stack: AsyncExitStack, version: int) -> Job:
    job = await Job.begin(world, stack)
    one = await (agreed_on(world, [("buy-back", 2, BUY_BACK)]) if version == 2 else agreed(world))
    await delivered(world, one, 10)
    job.agreement = str(one)
    await job.called(6)
    return job


async def call(job: Job) -> dict[str, Any]:
    return dict(await ok(job.buyer.get(f"{API}/sourcing/calls/{job.call}")))


async def reserved(job: Job) -> int:
    return int(
        await job.world.owner.fetchval(
            "SELECT coalesce(sum(held), 0) FROM position WHERE agreement_id = $1", UUID(job.agreement)
        )
    )


@pytest.mark.parametrize(("version", "accepted"), [(2, False), (1, False), (1, True)])
async def test_before_the_holder_is_bound_and_under_the_first_library_the_maker_cancels(
    world: World, stack: AsyncExitStack, version: int, accepted: bool
) -> None:
    job = await ordered(world, stack, version)
    at = f"{API}/sourcing/calls/{job.call}"
    if accepted:
        await ok(job.buyer.post(f"{at}/accept", json={}))
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{at}/release"), "call.not_asked")
    assert await rows_of(world, *TABLES) == before
    assert (await ok(job.planner.post(f"{at}/cancel")))["done"] == "calls.cancel"
    assert ((await call(job))["status"], await reserved(job)) == ("cancelled", 0)


async def test_a_bound_holder_agrees_or_goes_on(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        one = await agreed_on(world, [("buy-back", 2, BUY_BACK)])
        await delivered(world, one, 10)
        job.agreement = str(one)
        await job.called(6)
        at, request = f"{API}/sourcing/calls/{job.call}", f"{API}/sourcing/requests/{job.requisition}"
        await ok(job.buyer.post(f"{at}/accept", json={}))
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        assert "both have to agree" in (await planner.get(f"/calls/{job.call}/cancel")).text
        before = await rows_of(world, *TABLES)
        said = await refused(job.planner.post(f"{request}/cancel"), "requisition.bound")
        assert "ask to cancel that order first" in said["detail"]
        await refused(job.outsider.post(f"{at}/release"), "call.not_found")
        await refused(job.planner.post(f"{at}/release"), "actor.role")
        assert await rows_of(world, *TABLES) == before
        assert (await ok(job.planner.post(f"{at}/cancel")))["done"] == "calls.cancel_asked"
        found = await call(job)
        assert (found["status"], await reserved(job)) == ("accepted", 6)
        assert found["cancel_asked_at"] is not None
        before = await rows_of(world, *TABLES)
        await refused(job.planner.post(f"{at}/cancel"), "call.cancel_asked")
        assert await rows_of(world, *TABLES) == before
        mail = await world.owner.fetchval(
            "SELECT payload -> 'mail' ->> 'subject' FROM outbox_event WHERE aggregate_id = $1 AND name = 'call.cancel_asked'",
            UUID(job.call),
        )
        assert mail == f"{world.maker.name} asks to cancel {found['reference']}"
        assert "1 order is asked to be cancelled" in (await buyer.get("/")).text.replace("<strong>", "")
        assert found["reference"] in (await buyer.get("/calls?side=holder&status=release")).text
        page = await buyer.get(f"/calls/{job.call}")
        assert "asks to cancel this order" in page.text
        assert "asked to cancel the order" in page.text, "in its history"
        assert "Nothing is owed for it" in (await buyer.get(f"/calls/{job.call}/release")).text
        await ok(job.buyer.post(f"{at}/release"))
        assert ((await call(job))["status"], await reserved(job)) == ("cancelled", 0)
        assert (
            await world.owner.fetchval("SELECT count(*) FROM settlement_line WHERE cause_id = $1", UUID(job.call)) == 0
        )
        counted = await world.owner.fetchval(
            "SELECT count(*) FROM agreement_exercise WHERE call_id = $1 AND undone_at IS NULL", UUID(job.call)
        )
        assert counted == 0, "it counts as no order"
        assert "agreed that the order ends" in (await planner.get(f"/calls/{job.call}")).text
        await ok(job.planner.post(f"{request}/cancel"))


async def test_who_was_asked_may_ship_all_the_same(world: World, stack: AsyncExitStack) -> None:
    job = await ordered(world, stack, 2)
    at = f"{API}/sourcing/calls/{job.call}"
    await ok(job.buyer.post(f"{at}/accept", json={}))
    await ok(job.planner.post(f"{at}/cancel"))
    await ok(job.buyer.post(f"{at}/ship", json={"own_transport": True}))
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{at}/release"), "call.state")
    await refused(job.planner.post(f"{at}/cancel"), "call.state")
    assert await rows_of(world, *TABLES) == before
