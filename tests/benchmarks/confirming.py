"""plan.confirm: a plan of many parts requests is confirmed in the service, all its orders and reservations in one transaction.

The same plan of a tenth as many orders beside it, and how many statements each took: what is added by an order is what is left to gain."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.service import OfferLine
from marketplace.db.session import Database
from marketplace.parties.actor import Actor
from marketplace.sourcing import service
from marketplace.sourcing.allocation import Rules
from marketplace.sourcing.many import WhatIf
from tests.agreed import agreed, delivered, person, publish
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, percentile, size
from tests.counting import counted
from tests.world import World

ROUNDS = 5


async def _world(world: World, parts: list[UUID], each: int) -> None:
    """So many units of every part at two holders, under an agreement with each."""

    await publish(world.owner)
    parties = [world.buyer, world.other]
    for party in parties:
        there = replace(world, buyer=party)
        lines = [OfferLine(part, each, Decimal(100), Decimal(120), None) for part in parts]
        agreement = await agreed(there, lines=lines)
        for part in parts:
            await delivered(there, agreement, each, part=part)


async def _confirmed(world: World, actor: Actor, parts: list[UUID], count: int) -> tuple[float, int, int]:
    """Milliseconds, statements and orders of one plan over so many requests, made before."""
    now = datetime.now(UTC)
    rows = [
        service.Row(
            number="", part_id=parts[n % len(parts)], quantity=1, destination_site_id=world.maker.site, needed_by=now + timedelta(days=60),
            urgency="stock_order",
        )
        for n in range(count)
    ]  # fmt: skip
    async with world.db.write(world.maker.tenant) as session:
        ids, _ = await service.raise_many(session, actor, rows, now)
    async with world.db.write(world.maker.tenant) as session:
        plan, _ = await service.make_plan(session, actor, ids, WhatIf(Rules(first="pool")), now)
    with counted(world.db) as sent:
        began = time.perf_counter()
        async with world.db.write(world.maker.tenant) as session:
            done = await service.confirm_plan(session, actor, plan, datetime.now(UTC))
        taken = (time.perf_counter() - began) * 1000
    return taken, len(sent), len(done["calls"])


async def _run(credentials: Credentials) -> list[Figure]:
    database = Database(credentials.dsn(APP), pool_size=2)
    try:
        async with owner_of(credentials) as owner:
            world = await World.make(owner, database)
            most, rounds = size(144, 10), size(ROUNDS, 1)
            parts = [await world.make_part(f"{world.tag}-{n:03d}") for n in range(size(48, 5))]
            await _world(world, parts, 100)
            actor = person(world.maker, "planner")
            figures = []
            await _confirmed(world, actor, parts, 2)
            for name, count in (("plan.confirm.tenth", most // 10), ("plan.confirm", most)):
                runs = [await _confirmed(world, actor, parts, count) for _ in range(rounds)]
                taken, statements, orders = percentile([r[0] for r in runs], 0.5), runs[-1][1], runs[-1][2]
                note = f"{count} requests, {orders} orders, in {statements:,} statements; median of {rounds}"
                figures.append(Figure(name, taken, "ms", None, None, 1, note))
            return figures
    finally:
        await database.close()


def run(credentials: Credentials) -> list[Figure]:
    """plan.confirm and plan.confirm.tenth."""
    return asyncio.run(_run(credentials))
