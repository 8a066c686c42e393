"""Marks from before payments were kept become payments, and nothing that was settled opens again."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
from alembic import command

from marketplace.db.embedded import APP, OWNER, Credentials
from marketplace.db.session import Database
from marketplace.db.setup import _config, migrate
from tests.agreed import usd
from tests.conftest import clone
from tests.marketplace.settlement.owed import marks, owes
from tests.world import World

LINES = "SELECT words, payer_marked_at, payer_marked_by, payee_marked_at, payee_marked_by, allocated, paid FROM settlement_line ORDER BY id"
PAYMENTS = (
    "SELECT l.words, p.how, p.amount, p.allocated, p.payer_at, p.payer_by, p.payee_at, p.payee_by, a.amount AS share "
    "FROM payment p JOIN payment_allocation a ON a.payment_id = p.id JOIN settlement_line l ON l.id = a.line_id "
    "ORDER BY l.id"
)


def test_marks_become_payments(cluster: Credentials) -> None:
    name = "scratch_marks"
    asyncio.run(clone(cluster, name))
    dsn = cluster.dsn(OWNER, name)

    async def make() -> None:
        owner, db = await asyncpg.connect(dsn), Database(cluster.dsn(APP, name), pool_size=2)
        world = await World.make(owner, db)
        for said in ("", "maker", "buyer", "maker buyer", "buyer maker"):
            line = await owes(world, words=said)
            for side in said.split():
                await marks(world, getattr(world, side), line)
        await owes(world, words="nothing", unit_price=usd("0"))
        await owner.close()
        await db.close()

    async def read() -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
        owner = await asyncpg.connect(dsn)
        found = await owner.fetch(LINES), await owner.fetch(PAYMENTS)
        await owner.close()
        return found

    asyncio.run(make())
    lines, payments = asyncio.run(read())
    command.downgrade(_config(dsn), "290120")
    migrate(dsn)
    again, made = asyncio.run(read())
    assert again == lines
    assert [p["words"] for p in made] == ["maker", "buyer", "maker buyer", "buyer maker"]
    assert made == payments
    assert {p["amount"] for p in made} == {Decimal("270.30")}
