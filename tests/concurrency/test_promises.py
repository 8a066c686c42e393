"""Many technicians after the same units, through parts request, plan and order: each unit is promised once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from marketplace.db.embedded import OWNER, Credentials
from marketplace.db.session import Database
from marketplace.demo.replay.proving import prove
from marketplace.kit.errors import DomainError, Kind
from marketplace.sourcing import service
from tests.agreed import agreed, delivered, person
from tests.concurrency.racing import crowd, gaps
from tests.faulting import sized
from tests.world import World

UNITS, TECHNICIANS = 100, 200


async def order(database: Database, world: World, run: str) -> str:
    """One technician's request for a unit; what came of it. One that is told to try again does so, as a person would."""
    technician, now = person(world.maker, "technician"), datetime.now(UTC)
    asked = service.Asked(world.part, 1, world.maker.site, now + timedelta(days=2), "machine_down", job_number=run)
    while True:
        try:
            async with database.write(world.maker.tenant) as session:
                requisition = await service.raise_request(session, technician, asked, now)
                await service.confirm(session, technician, requisition, None, now)
        except DomainError as refused:
            if refused.kind is not Kind.BUSY:
                return refused.code
        else:
            return "ordered"


async def test_200_technicians_after_100_units(world: World, cluster: Credentials, database_name: str) -> None:
    """Four lots, two of the holder's sites, one agreement: 100 are ordered and 100 refused, and nothing stays of a refusal."""
    run = f"RACE-{uuid4()}"
    agreement = await agreed(world, quantity=UNITS)
    lots = [await delivered(world, agreement, UNITS // 4, site=site) for site in world.buyer.sites[:2] * 2]
    async with crowd(cluster, database_name, sized(60, TECHNICIANS)) as database:
        came = Counter(await asyncio.gather(*(order(database, world, run) for _ in range(TECHNICIANS))))
    assert came == Counter({"ordered": UNITS, "requisition.nothing_to_order": TECHNICIANS - UNITS})
    assert [await world.positions(lot) for lot in lots] == [{1: (25, 25)}] * 4
    assert not await gaps(world.owner, lots)
    count = "SELECT count(*) FROM requisition WHERE job_number = $1"
    assert await world.owner.fetchval(count, run) == UNITS, "nothing stays of a request that was refused"
    owner = cluster.dsn(OWNER, database_name)
    proof = await prove(owner, run, whole_ledger=False)
    assert (proof.orders, proof.reservations, proof.double_promises, proof.faults) == (UNITS, UNITS, 0, ())

    # The proof looks: an order that claims one unit more, and one that claims another place, are found.
    calls = [r["id"] for r in await world.owner.fetch("SELECT k.id FROM call k JOIN requisition r ON r.id = k.requisition_id "
                                                     "WHERE r.job_number = $1 ORDER BY k.id LIMIT 2", run)]  # fmt: skip
    await world.owner.execute("UPDATE call SET quantity = 2 WHERE id = $1", calls[0])
    await world.owner.execute("UPDATE call SET site_id = $2 WHERE id = $1", calls[1], world.maker.site)
    assert (await prove(owner, run, whole_ledger=False)).double_promises == 3, "its sum, its request, its units"
