"""F2: random movements while totals are read: every snapshot adds up. F16: everything rebuilt from the movements."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.db.embedded import OWNER, Credentials
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger import queries
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from tests.concurrency.racing import crowd, gaps
from tests.faulting import report, sized
from tests.world import World

# One snapshot of families of lots: registered, present, used for good, out but able to come back, least unreserved.
TOTALS = """
WITH family AS (SELECT lot_id FROM lot WHERE root_lot_id = ANY($1::uuid[])),
flows AS (
    SELECT sum(quantity) FILTER (WHERE kind = 'register') AS registered,
           sum(quantity) FILTER (WHERE coalesce(purpose, kind) IN ('scrap', 'use_up')) AS used,
           sum(CASE coalesce(purpose, kind) WHEN 'lose' THEN quantity WHEN 'find' THEN -quantity
                                            WHEN 'install' THEN quantity WHEN 'remove' THEN -quantity ELSE 0 END) AS away
    FROM movement WHERE lot_id IN (SELECT lot_id FROM family)
), present AS (
    SELECT sum(quantity) AS quantity, min(quantity - held) AS free FROM position
    WHERE lot_id IN (SELECT lot_id FROM family)
)
SELECT registered::int, present.quantity::int, coalesce(used, 0)::int, coalesce(away, 0)::int, present.free::int
FROM flows, present
"""


async def _anything(
    database: Database, world: World, owner: asyncpg.Connection, roots: list[UUID], chance: random.Random
) -> bool:
    """One random command on a random lot of the families; True when it was carried out."""
    lots = [r[0] for r in await owner.fetch("SELECT lot_id FROM lot WHERE root_lot_id = ANY($1::uuid[])", roots)]
    # Splits make many lots that are soon used up; half of the commands go where there is still plenty.
    lot = chance.choice(roots if chance.random() < 0.5 else lots)
    number = chance.choice([1, 1, 2])
    there = world.place(world.maker, site=chance.choice(world.maker.sites))
    ago = datetime.now(UTC) - timedelta(minutes=chance.randint(0, 3))
    holds = await owner.fetch("SELECT hold_seq, position_id, quantity FROM open_hold WHERE lot_id = $1", lot)
    steps = [
        Step(Kind.MOVE, lot, chance.randint(1, 3), number, to=there),
        Step(Kind.MOVE, lot, 1, number, to=there, occurred_at=ago),
        Step(Kind.SCRAP, lot, 1, number), Step(Kind.USE_UP, lot, 1, number), Step(Kind.INSTALL, lot, 1, number),
        Step(Kind.REMOVE, lot, 1, to=there), Step(Kind.LOSE, lot, 1, number), Step(Kind.FIND, lot, 1, to=there),
        Step(Kind.SPLIT, lot, 1, number, child=uuid4()), Step(Kind.HOLD, lot, 1, number),
    ]  # fmt: skip
    if holds:
        hold = chance.choice(holds)
        steps += [
            Step(Kind.VOID, lot, hold["quantity"], hold["position_id"], resolves=hold["hold_seq"]),
            Step(Kind.POST, lot, 1, hold["position_id"], purpose=Kind.SCRAP, resolves=hold["hold_seq"]),
        ]
    try:
        async with database.write(world.maker.tenant) as session:
            command = Command(uuid4(), world.maker.id, world.maker.actor, (chance.choice(steps),), "test")
            await carry_out(session, command, datetime.now(UTC))
    except DomainError:
        return False
    return True


async def busy_families(world: World, cluster: Credentials, name: str, *, per_client: int) -> list[UUID]:
    """Four families of lots after eight clients have done all sorts of things to them, checked while they did."""
    old = datetime.now(UTC) - timedelta(hours=1)
    each = max(40, per_client * 2)
    roots = [await world.register(world.maker, each, occurred_at=old) for _ in range(4)]
    snapshots = 0
    busy = True

    async def watch() -> None:
        nonlocal snapshots
        reader = await asyncpg.connect(cluster.dsn(OWNER, name))
        try:
            while busy:
                registered, present, used, away, free = await reader.fetchrow(TOTALS, roots)
                assert registered == 4 * each
                assert registered == present + used + away, "a snapshot does not add up"
                assert free >= 0
                snapshots += 1
        finally:
            await reader.close()

    async with crowd(cluster, name, 8) as database:

        async def client(seed: int) -> int:
            chance = random.Random(seed)
            owner = await asyncpg.connect(cluster.dsn(OWNER, name))
            try:
                return sum([await _anything(database, world, owner, roots, chance) for _ in range(per_client)])
            finally:
                await owner.close()

        watcher = asyncio.create_task(watch())
        done = await asyncio.gather(*(client(seed) for seed in range(8)))
        busy = False
        await watcher
    assert min(done) > per_client / 12, "too few commands were carried out"
    assert snapshots > 20
    return roots


async def test_f2_every_snapshot_adds_up(world: World, cluster: Credentials, database_name: str) -> None:
    roots = await busy_families(world, cluster, database_name, per_client=sized(60, 5_000))
    lots = [r[0] for r in await world.owner.fetch("SELECT lot_id FROM lot WHERE root_lot_id = ANY($1::uuid[])", roots)]
    assert len(lots) > len(roots), "nothing was split"
    assert not await gaps(world.owner, lots)
    async with world.db.read(world.maker.tenant) as session:
        for check in queries.CHECKS:
            assert not await queries.verify(session, check), check
    moved = await world.owner.fetchval("SELECT count(*) FROM movement WHERE lot_id = ANY($1::uuid[])", lots)
    report("F2", "eight clients do anything at random while totals are read", movements=moved, lots=len(lots), checks=len(queries.CHECKS),
           snapshots_that_did_not_add_up=0)  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("UPDATE position SET quantity = quantity + 1 WHERE lot_id = $1", "every stock line equals the sum of its transactions"),
        ("UPDATE position SET held = 1 WHERE lot_id = $1", "reserved quantities equal the open reservations"),
        ("DELETE FROM movement WHERE lot_id = $1 AND seq = 2", "transactions are numbered without gaps"),
        ("UPDATE movement SET occurred_at = occurred_at - interval '9 years' WHERE lot_id = $1 AND seq = 2", "no stock line was ever negative, in the order things happened"),
        ("UPDATE movement SET recorded_at = recorded_at - interval '9 years' WHERE lot_id = $1 AND seq = 2", "transactions of a lot are recorded in order"),
        ("UPDATE movement SET quantity = 3 WHERE lot_id = $1 AND seq = 1", "registered and found equal present and gone, per family of lots"),
        ("DELETE FROM open_hold WHERE lot_id = $1", "open reservations equal those in the transactions"),
    ],
)  # fmt: skip
async def test_each_check_finds_its_damage(world: World, damage: str, check: str) -> None:
    """The checks of F2 and F16 can fail: damage done as the owner is found by the check that is for it."""
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1))
    hurt = world.owner.transaction()
    await hurt.start()
    try:
        await world.owner.execute(damage, lot)
        rows = await world.owner.fetch(f"SELECT lot_id FROM ({queries.CHECKS[check]}) x")
        assert lot in {r["lot_id"] for r in rows}
    finally:
        await hurt.rollback()


async def test_f16_everything_is_rebuilt_from_the_movements(
    world: World, cluster: Credentials, database_name: str
) -> None:
    """Positions and open reservations thrown away and computed again, in plain Python, from the movements alone."""
    roots = await busy_families(world, cluster, database_name, per_client=sized(30, 5_000))
    lots = [r[0] for r in await world.owner.fetch("SELECT lot_id FROM lot WHERE root_lot_id = ANY($1::uuid[])", roots)]
    began = time.perf_counter()
    quantities: dict[tuple[UUID, int], int] = {}
    held: dict[tuple[UUID, int], int] = {}
    holds: dict[tuple[UUID, int], tuple[int, int]] = {}
    moved = 0
    for m in await world.owner.fetch(
        "SELECT * FROM movement WHERE lot_id = ANY($1::uuid[]) ORDER BY lot_id, seq", lots
    ):
        moved += 1
        lot = m["lot_id"]
        if m["resolves"] is not None:
            position, quantity = holds.pop((lot, m["resolves"]))
            held[lot, position] -= quantity
        if m["kind"] == "hold":
            holds[lot, m["seq"]] = (m["from_position"], m["quantity"])
            held[lot, m["from_position"]] = held.get((lot, m["from_position"]), 0) + m["quantity"]
        if m["kind"] in ("hold", "void", "expire", "freeze", "lift"):
            continue
        for position, change in ((m["from_position"], -m["quantity"]), (m["to_position"], m["quantity"])):
            if position is not None:
                quantities[lot, position] = quantities.get((lot, position), 0) + change
                assert quantities[lot, position] >= 0, "negative in the order things were recorded"
        # The balances written on the row are those of that moment.
        assert m["from_quantity_after"] == (quantities[lot, m["from_position"]] if m["from_position"] else None)
        assert m["to_quantity_after"] == (quantities[lot, m["to_position"]] if m["to_position"] else None)
    seconds = time.perf_counter() - began
    kept = await world.owner.fetch(
        "SELECT lot_id, position_id, quantity, held FROM position WHERE lot_id = ANY($1::uuid[])", lots
    )
    assert {(r[0], r[1]): (r[2], r[3]) for r in kept} == {k: (q, held.get(k, 0)) for k, q in quantities.items()}
    working = await world.owner.fetch(
        "SELECT lot_id, hold_seq, position_id, quantity FROM open_hold WHERE lot_id = ANY($1::uuid[])", lots
    )
    assert {(r[0], r[1]): (r[2], r[3]) for r in working} == holds
    report("F16", "every stock line and open reservation computed again from the movements", movements=moved, lots=len(lots),
           seconds=round(seconds, 3), different=0)  # fmt: skip
