"""ledger.*: single moves against their floor, bulk commands, many clients after one unit."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import uvloop

from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Command, NewLot, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from tests.benchmarks.bench import APP, OWNER, Credentials, Figure, owner_of, percentile, seconds, size
from tests.world import Party, World

PROCESSES, CLIENTS = 2, 8
FLOOR = (Path(__file__).parent / "floor_move.sql").read_text()


async def prepared(credentials: Credentials, lots: int) -> tuple[UUID, UUID, UUID, list[UUID], list[UUID]]:
    """A maker with two sites, and so many lots of one unit at the first: company, actor, part, sites, lots."""
    database = Database(credentials.dsn(APP), pool_size=2)
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        made = await register(world, world.maker, lots)
        await owner.execute("VACUUM ANALYZE")
    await database.close()
    return world.maker.id, world.maker.actor, world.part, world.maker.sites, made


async def register(world: World, party: Party, count: int, quantity: int = 1) -> list[UUID]:
    lots = [uuid4() for _ in range(count)]
    place = world.place(party)
    for start in range(0, count, 1_000):
        some = lots[start : start + 1_000]
        await world.run(
            party, *(Step(Kind.REGISTER, i, quantity, to=place, new_lot=NewLot(i, world.part, "EA")) for i in some)
        )
    return lots


async def _service(
    dsn: str, company: UUID, actor: UUID, sites: list[UUID], slices: list[list[UUID]], span: float, batch: int
) -> int:
    database = Database(dsn, pool_size=len(slices))
    from marketplace.db.session import Tenant

    tenant = Tenant(company)
    places = [Place(company, company, site, "new") for site in sites[:2]]
    until = time.perf_counter() + span

    async def client(lots: list[UUID]) -> int:
        done = 0
        at = dict.fromkeys(lots, 1)
        chance = random.Random(str(lots[0]))
        while time.perf_counter() < until:
            chosen = chance.sample(lots, batch)
            steps = tuple(Step(Kind.MOVE, i, 1, at[i], to=places[at[i] % 2]) for i in chosen)
            async with database.write(tenant) as session:
                await carry_out(session, Command(uuid4(), company, actor, steps, "bench"), datetime.now(UTC))
            for i in chosen:
                at[i] = 3 - at[i]
            done += batch
        return done

    try:
        return sum(await asyncio.gather(*(client(s) for s in slices)))
    finally:
        await database.close()


async def _bare(
    dsn: str, company: UUID, actor: UUID, part: UUID, sites: list[UUID], slices: list[list[UUID]], span: float
) -> int:
    until = time.perf_counter() + span

    async def client(lots: list[UUID]) -> int:
        connection = await asyncpg.connect(dsn)
        statement = await connection.prepare(FLOOR)
        done = 0
        at = dict.fromkeys(lots, 1)
        chance = random.Random(str(lots[0]))
        while time.perf_counter() < until:
            lot = chance.choice(lots)
            goes = 3 - at[lot]
            await statement.fetch(uuid4(), company, b"x" * 32, lot, at[lot], goes, sites[goes - 1], part, actor)
            at[lot] = goes
            done += 1
        await connection.close()
        return done

    return sum(await asyncio.gather(*(client(s) for s in slices)))


def _service_process(*arguments: object) -> int:
    return uvloop.run(_service(*arguments))  # type: ignore[arg-type]


def _bare_process(*arguments: object) -> int:
    return uvloop.run(_bare(*arguments))  # type: ignore[arg-type]


def _spread(lots: list[UUID], clients: int) -> list[list[list[UUID]]]:
    """Lots by process and client: nobody waits for anybody's lock."""
    each = len(lots) // clients
    slices = [lots[n * each : (n + 1) * each] for n in range(clients)]
    half = clients // PROCESSES
    return [slices[p * half : (p + 1) * half] for p in range(PROCESSES)]


def run(credentials: Credentials) -> list[Figure]:
    """ledger.move, ledger.move_batch, ledger.hold_race."""
    span = seconds()
    company, actor, part, sites, lots = asyncio.run(prepared(credentials, size(16_000, 960)))
    half = len(lots) // 2
    app, owner = credentials.dsn(APP), credentials.dsn(OWNER)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = _spread(lots[:half], CLIENTS)
        # A first short run opens the lines at the second site for both, and warms both processes.
        for duration in (span / 6, span):
            bare = [pool.submit(_bare_process, owner, company, actor, part, sites, p, duration) for p in parts]
            floor = sum(f.result() for f in bare) / duration
            asyncio.run(_home(credentials, lots[:half]))
        parts = _spread(lots[half:], CLIENTS)
        for duration in (span / 6, span):
            moved = [pool.submit(_service_process, app, company, actor, sites, p, duration, 1) for p in parts]
            rate = sum(f.result() for f in moved) / duration
            asyncio.run(_home(credentials, lots[half:]))
        batch = size(500, 50)
        moved = [pool.submit(_service_process, app, company, actor, sites, p, span, batch) for p in parts]
        bulk = sum(f.result() for f in moved) / span
    return [
        Figure(
            "ledger.move", rate, "per s", floor, rate / floor, CLIENTS, "2 processes; floor_move.sql in the same run"
        ),
        Figure("ledger.move_batch", bulk, "per s", None, None, CLIENTS, f"units, {batch} a command"),
        asyncio.run(hold_race(credentials)),
    ]


async def _home(credentials: Credentials, lots: list[UUID]) -> None:
    """Puts every unit back to line 1, so that the next run knows where they are. Balances only: the history of a
    benchmark is thrown away."""
    async with owner_of(credentials) as owner:
        await owner.execute(
            "UPDATE position SET quantity = CASE position_id WHEN 1 THEN 1 ELSE 0 END WHERE lot_id = ANY($1::uuid[])",
            lots,
        )


async def hold_race(credentials: Credentials) -> Figure:
    """200 clients want the same unit at once: one gets it; how long the slowest of the others wait to hear so."""
    clients = size(200, 20)
    database = Database(credentials.dsn(APP), pool_size=clients)
    waits: list[float] = []
    winners: Counter[int] = Counter()
    refusals: Counter[str] = Counter()
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        async with asyncio.TaskGroup() as warm:
            barrier = asyncio.Barrier(clients)

            async def open_one() -> None:
                async with database.read() as session:
                    await session.connection()
                    await barrier.wait()

            for _ in range(clients):
                warm.create_task(open_one())
        # The first rounds fill every connection's caches of plans and catalogue, which a server does once in its life.
        for turn in range(-2, size(10, 2)):
            (lot,) = await register(world, world.maker, 1)
            if turn == 0:
                waits.clear()

            async def one(lot: UUID = lot, turn: int = turn) -> None:
                began = time.perf_counter()
                try:
                    async with database.write(world.maker.tenant) as session:
                        command = Command(
                            uuid4(), world.maker.id, world.maker.actor, (Step(Kind.HOLD, lot, 1, 1),), "bench"
                        )
                        await carry_out(session, command, datetime.now(UTC))
                except DomainError as refusal:
                    refusals[refusal.code] += 1
                    waits.append((time.perf_counter() - began) * 1000)
                else:
                    winners[turn] += 1

            await asyncio.gather(*(one() for _ in range(clients)))
            assert winners[turn] == 1, "not exactly one winner"
    await database.close()
    return Figure(
        "ledger.hold_race",
        percentile(waits, 0.99),
        "ms",
        None,
        None,
        clients,
        "p99 of the losers, connections in use before; one winner each round",
    )
