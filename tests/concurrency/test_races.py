"""Many clients after the same units: F1 (one winner), F10 (one resolution), and overlapping bulk commands."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from marketplace.db.embedded import Credentials
from marketplace.db.session import Database
from marketplace.ledger.entries import Applied, Command, NewLot, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from tests.concurrency.racing import crowd, gaps, race
from tests.faulting import report, sized
from tests.world import World


async def commit(
    database: Database, world: World, *steps: Step, key: UUID | None = None, now: datetime | None = None
) -> Applied:
    """One command of the maker in a transaction of its own."""
    command = Command(key or uuid4(), world.maker.id, world.maker.actor, steps, "test")
    async with database.write(world.maker.tenant) as session:
        return await carry_out(session, command, now or datetime.now(UTC))


def attempt(
    database: Database, world: World, *steps: Step, key: UUID | None = None
) -> Callable[[], Awaitable[Applied]]:
    """``commit`` for later."""
    return lambda: commit(database, world, *steps, key=key)


async def register_many(world: World, count: int, quantity: int = 1) -> list[UUID]:
    lots = [uuid4() for _ in range(count)]
    place = world.place(world.maker)
    steps = [Step(Kind.REGISTER, i, quantity, to=place, new_lot=NewLot(i, world.part, "EA")) for i in lots]
    await world.run(world.maker, *steps)
    return lots


async def test_f1_one_unit_has_one_winner(world: World, cluster: Credentials, database_name: str) -> None:
    """50 clients want the same unit, round after round; the ways of taking it are mixed."""
    rounds, clients = sized(100, 10_000), 50
    async with crowd(cluster, database_name, clients) as database:
        for number in range(rounds):
            serial = f"F1-{number}" if number % 2 else None
            lot = await world.register(world.maker, serial=serial)
            there = world.place(world.maker, site=world.maker.sites[1])
            ways = (
                Step(Kind.HOLD, lot, 1, 1), Step(Kind.SCRAP, lot, 1, 1), Step(Kind.USE_UP, lot, 1, 1),
                Step(Kind.MOVE, lot, 1, 1, to=there),
            )  # fmt: skip
            won, lost = await race([attempt(database, world, ways[i % len(ways)]) for i in range(clients)])
            assert len(won) == 1
            assert set(lost) <= {"ledger.reserved", "ledger.not_enough"}
            assert sum(lost.values()) == clients - 1
            assert not await gaps(world.owner, [lot])
            assert await world.owner.fetchval("SELECT last_seq FROM lot WHERE lot_id = $1", lot) == 2
    report("F1", "50 clients after one unit, by four ways", rounds=rounds, winners_each=1, refused_each=clients - 1)


async def test_f1_200_clients_for_100_units(world: World, cluster: Credentials, database_name: str) -> None:
    lot = await world.register(world.maker, 100)
    async with crowd(cluster, database_name, sized(60, 200)) as database:
        won, lost = await race([attempt(database, world, Step(Kind.HOLD, lot, 1, 1)) for _ in range(200)])
    assert len(won) == 100
    assert lost == Counter({"ledger.reserved": 100})
    assert await world.positions(lot) == {1: (100, 100)}
    assert not await gaps(world.owner, [lot])
    report("F1", "200 clients for 100 units", reserved=len(won), refused=lost.total())


async def test_f1_the_same_serial_is_registered_once(world: World, cluster: Credentials, database_name: str) -> None:
    """Twenty registrations of one serial at once: one lot, the others are told."""
    from marketplace.kit.ids import serial_lot_id

    lot = serial_lot_id(world.maker.code, str(world.part), "TWIN")
    step = Step(Kind.REGISTER, lot, 1, to=world.place(world.maker), new_lot=NewLot(lot, world.part, "EA", "TWIN"))
    async with crowd(cluster, database_name, 20) as database:
        won, lost = await race([attempt(database, world, step) for _ in range(20)])
    assert len(won) == 1
    assert set(lost) <= {"ledger.serial_exists", "ledger.not_found"}
    assert await world.positions(lot) == {1: (1, 0)}


async def test_f10_a_reservation_is_resolved_once(world: World, cluster: Credentials, database_name: str) -> None:
    """Post, partial post, void and the clock after the same reservation: one of them gets it."""
    rounds = sized(60, 3_000)
    now = datetime.now(UTC)
    winners: Counter[str] = Counter()
    async with crowd(cluster, database_name, 12) as database:
        for _ in range(rounds):
            lot = await world.register(world.maker, 5)
            held = await world.run(
                world.maker, Step(Kind.HOLD, lot, 4, 1, expires_at=now + timedelta(hours=1)), now=now
            )
            seq = held.entries[0].seq
            late = now + timedelta(hours=2)

            def after(step: Step, when: datetime) -> Callable[[], Awaitable[Applied]]:
                return lambda: commit(database, world, step, now=when)

            tries = [
                after(Step(Kind.POST, lot, 4, 1, purpose=Kind.SCRAP, resolves=seq), now),
                after(Step(Kind.POST, lot, 3, 1, purpose=Kind.USE_UP, resolves=seq), now),
                after(Step(Kind.POST, lot, 1, 1, purpose=Kind.SCRAP, resolves=seq, keep_rest=True), now),
                after(Step(Kind.VOID, lot, 4, 1, resolves=seq), now),
                after(Step(Kind.EXPIRE, lot, 4, 1, resolves=seq), late),
                after(Step(Kind.VOID, lot, 4, 1, resolves=seq), late),
            ]
            random.shuffle(tries)
            won, lost = await race(tries)
            assert len(won) == 1, lost
            assert set(lost) <= {"ledger.hold_resolved", "ledger.hold_expired"}
            rows = await world.owner.fetch(
                "SELECT kind, quantity FROM movement WHERE lot_id = $1 AND resolves = $2", lot, seq
            )
            assert len(rows) == 1
            kind, taken = rows[0]
            winners[kind] += 1
            left = 5 - (taken if kind == "post" else 0)
            rest = 3 if kind == "post" and taken == 1 else 0
            assert await world.positions(lot) == {1: (left, rest)}
            assert (
                await world.owner.fetchval("SELECT coalesce(sum(quantity), 0) FROM open_hold WHERE lot_id = $1", lot)
                == rest
            )
            assert not await gaps(world.owner, [lot])
    assert len(winners) == 3, f"the race was always won by the same: {winners}"
    report(
        "F10", "post, partial post, void and the clock after one reservation", rounds=rounds, resolved_by=dict(winners)
    )


async def test_overlapping_bulk_commands_do_not_deadlock(
    world: World, cluster: Credentials, database_name: str
) -> None:
    """Eight clients, commands of many lots in no order, a fifth sent twice at once: 0 deadlocks (one would be raised
    as busy), 0 gaps, 0 double effects."""
    lots = await register_many(world, sized(120, 2_000), 1_000)
    size, commands = sized(60, 500), sized(48, 400)
    chance = random.Random(7)
    work = []
    for _ in range(commands):
        chosen = chance.sample(lots, size)
        key = uuid4()
        work += [(key, [Step(Kind.SCRAP, i, 1, 1) for i in chosen])] * (2 if chance.random() < 0.2 else 1)
    chance.shuffle(work)
    expected: Counter[UUID] = Counter()
    for steps in dict(work).values():
        expected.update(s.lot_id for s in steps)
    queue = list(work)
    replays: list[bool] = []
    async with crowd(cluster, database_name, 8) as database:

        async def client() -> None:
            while queue:
                key, steps = queue.pop()
                replays.append((await commit(database, world, *steps, key=key)).replayed)

        await asyncio.gather(*(client() for _ in range(8)))
    assert (len(replays), sum(replays)) == (len(work), len(work) - commands)
    rows = await world.owner.fetch("SELECT lot_id, quantity FROM position WHERE lot_id = ANY($1::uuid[])", lots)
    assert {r["lot_id"]: 1_000 - r["quantity"] for r in rows if r["quantity"] < 1_000} == dict(expected)
    assert not await gaps(world.owner, lots)


async def test_a_bulk_command_is_all_or_nothing_and_of_constant_cost(world: World, db: Database) -> None:
    """One line that cannot be done undoes the other hundred; and a hundred lots take as many statements as one."""
    import pytest

    from marketplace.kit.errors import DomainError

    lots = await register_many(world, 100)
    before = await world.snapshot(*lots)
    steps = [Step(Kind.SCRAP, i, 1, 1) for i in lots[:-1]] + [Step(Kind.SCRAP, lots[-1], 2, 1)]
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, *steps)
    assert refused.value.code == "ledger.not_enough"
    assert await world.snapshot(*lots) == before

    async def statements(*steps: Step) -> int:
        seen: list[str] = []
        async with db.write(world.maker.tenant) as session:
            raw = await (await session.connection()).get_raw_connection()
            connection = raw.driver_connection
            assert connection is not None
            connection.add_query_logger(lambda record: seen.append(record.query))
            await carry_out(
                session, Command(uuid4(), world.maker.id, world.maker.actor, steps, "test"), datetime.now(UTC)
            )
            connection._query_loggers.clear()
        return len(seen)

    one = await statements(Step(Kind.HOLD, lots[0], 1, 1))
    many = await statements(*(Step(Kind.HOLD, i, 1, 1) for i in lots[1:]))
    assert one == many <= 9
