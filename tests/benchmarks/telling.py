"""record.partner and record.activity: a partner's track record of many orders back, and the first page of what a company's people did, both
in the service, each one statement."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg

from marketplace.activity.queries import activity
from marketplace.agreements.service import OfferLine
from marketplace.db.session import Database
from marketplace.sourcing.queries.records import track_record
from marketplace.sourcing.track_record import period
from tests.agreed import agreed, person, publish
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, percentile, size
from tests.world import World


async def _filled(owner: asyncpg.Connection, world: World, orders: int) -> None:
    """So many orders back of one holder over a year, each with its notice, its answer by one of the holder's people, and its dispatch."""
    await owner.execute(
        "INSERT INTO requisition (reference, company_id, maker_id, requested_by, part_id, quantity, destination_site_id, needed_by, urgency, "
        "status) VALUES ('BENCH', $1, $1, $2, $3, 1, $4, now(), 'urgent', 'closed')",
        world.maker.id, world.maker.actor, world.part, world.maker.site,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO call (reference, kind, requisition_id, company_id, maker_id, holder_id, part_id, site_id, destination_site_id, condition, "
        "urgency, quantity, unit_price, currency, status, silence, reasons, inspection_days, payment_days, noticed_at, respond_by, ship_by, "
        "shipped_at, requested_by) SELECT 'BENCH-' || n, 'buy_back', r.id, $1, $1, $2, $3, $4, $5, 'new', 'urgent', 1, 80, 'USD', 'closed', "
        "'refused', '[]', 5, 30, at, at + interval '1 day', at + interval '5 days', at + n % 7 * interval '1 day', $6 "
        "FROM requisition r, generate_series(1, $7::int) AS n, LATERAL (SELECT now() - n * (interval '364 days' / $7::int) AS at) x "
        "WHERE r.reference = 'BENCH'",
        world.maker.id, world.buyer.id, world.part, world.buyer.site, world.maker.site, world.maker.actor, orders,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO call_event (call_id, maker_id, holder_id, company_id, kind, detail, actor_id, at) SELECT c.id, c.maker_id, c.holder_id, "
        "c.company_id, k.kind, '{}', $2, c.noticed_at + interval '1 hour' FROM call c, "
        "(VALUES ('noticed'), ('accepted'), ('shipped')) AS k (kind) WHERE c.holder_id = $1",
        world.buyer.id, world.buyer.users["buyer"],
    )  # fmt: skip
    await owner.execute("ANALYZE")


async def _run(credentials: Credentials) -> list[Figure]:
    database = Database(credentials.dsn(APP), pool_size=2)
    try:
        async with owner_of(credentials) as owner:
            world = await World.make(owner, database)
            await publish(world.owner)
            await agreed(world, lines=[OfferLine(world.part, 4, Decimal(100), Decimal(120), None)])
            orders, rounds = size(20_000, 50), size(20, 1)
            await _filled(owner, world, orders)
            actor = person(world.buyer, "admin")
            partner: list[float] = []
            acts: list[float] = []
            for _ in range(rounds):
                began = time.perf_counter()
                async with database.read(world.maker.tenant) as session:
                    (found, *_) = await track_record(session, world.buyer.id, *period(datetime.now(UTC), 365))
                partner.append((time.perf_counter() - began) * 1000)
                assert found.orders == orders
                began = time.perf_counter()
                async with database.read(world.buyer.tenant) as session:
                    page = await activity(session, actor, after=None, limit=50, secret="s")
                acts.append((time.perf_counter() - began) * 1000)
                assert len(page.items) == 50
            words = f"median of {rounds}"
            return [
                Figure("record.partner", percentile(partner, 0.5), "ms", None, None, 1, f"{orders:,} orders back in a year; {words}"),
                Figure("record.activity", percentile(acts, 0.5), "ms", None, None, 1, f"50 of {orders * 3:,} acts; {words}"),
            ]  # fmt: skip
    finally:
        await database.close()


def run(credentials: Credentials) -> list[Figure]:
    """record.partner and record.activity."""
    return asyncio.run(_run(credentials))
