"""Credits from before they were kept apart, and sums that were written as one unit, on a database with data."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
from alembic import command

from marketplace.db.embedded import APP, OWNER, Credentials
from marketplace.db.session import Database
from marketplace.db.setup import _config, migrate
from marketplace.settlement import service
from tests.agreed import NOW, person, usd
from tests.conftest import clone
from tests.marketplace.settlement.owed import marks, owes
from tests.world import World

LINES = "SELECT kind, words, quantity, unit_price, amount, allocated, paid, credited FROM settlement_line ORDER BY kind, words"


def test_credits_and_sums_are_told_apart_after_the_migration(cluster: Credentials) -> None:
    name = "scratch_credits"
    asyncio.run(clone(cluster, name))
    dsn = cluster.dsn(OWNER, name)

    async def make() -> None:
        owner, db = await asyncpg.connect(dsn), Database(cluster.dsn(APP, name), pool_size=2)
        world = await World.make(owner, db)
        line = await owes(world, words="credited")
        async with db.write(world.buyer.tenant) as session:
            await service.give_credit(session, person(world.buyer), line, Decimal(50), words="A seal.", now=NOW)
        for side in (world.maker, world.buyer):
            await marks(world, side, line)
        await owes(world, kind="premium", words="a premium", quantity=None, unit_price=usd("70"))
        await owes(world, words="one unit", quantity=1)
        kept = "2 rejected units kept for 40.00 USD in all, as both sides agreed (DSP-7F3K2Q)."
        await owes(world, words=kept, quantity=None, unit_price=usd("40"))
        await owner.close()
        await db.close()

    async def read() -> list[asyncpg.Record]:
        owner = await asyncpg.connect(dsn)
        found = await owner.fetch(LINES)
        await owner.close()
        return found

    asyncio.run(make())
    before = asyncio.run(read())
    command.downgrade(_config(dsn), "300210")
    migrate(dsn)
    after = asyncio.run(read())
    assert after == before
    assert {r["words"][:8]: (r["quantity"], r["credited"]) for r in after} == {
        "A seal.": (None, 50), "a premiu": (None, 0), "credited": (3, 50), "one unit": (1, 0), "2 reject": (None, 0),
    }  # fmt: skip
