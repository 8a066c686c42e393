"""replay.*: the first requests of the records against a fresh demo world, through the services, beside their own statements without
the services. The floor asks only what is met, each of another part; the replay asks everything, refusals too."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from marketplace.db.session import Database, Tenant, driver
from marketplace.demo.loader import load_demo
from marketplace.demo.replay.asking import Desk, look, order_by_plan
from marketplace.demo.replay.proving import prove
from marketplace.demo.replay.running import Order, desk_of, replay, stream
from marketplace.demo.replay.stream import Asking
from marketplace.demo.replay.tally import percentiles
from marketplace.kit.errors import DomainError
from tests.benchmarks.bench import APP, OWNER, Credentials, Figure, size

WORKERS, PROCESSES = 8, 2
_TENANT = "SELECT set_config('app.company', $1, true), set_config('app.sources_for', $2, true)"
Sent = list[tuple[str, tuple[object, ...]]]


class _RehearsedError(Exception):
    """Ends a transaction whose statements are known by now."""


async def _rehearsed(database: Database, desk: Desk, askings: Sequence[Asking], count: int) -> list[tuple[UUID, Sent]]:
    """The statements of so many requests that are met, each of another part, and the id of the parts request in them. Nothing of
    it stays."""
    found: list[tuple[UUID, Sent]] = []
    parts: set[str] = set()
    sent: Sent = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        if not query.query.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            sent.append((query.query, tuple(query.args)))

    async with database.read() as session:
        (await driver(session)).add_query_logger(note)
    for asking in askings:
        site = desk.to[asking.record.place]
        if len(found) == count:
            break
        if asking.record.nsn in parts or not asking.record.nsn or asking.record.quantity < 1 or site is None:
            continue
        parts.add(asking.record.nsn)
        sent.clear()
        actor, now = desk.who(asking), datetime.now(UTC)
        try:
            async with database.read(Tenant(actor.company_id)) as session:
                seen = await look(session, actor, asking, desk.points[site], now)
            if seen is None or seen.unit != asking.record.unit:
                continue
            async with database.write(Tenant(actor.company_id)) as writing:
                requisition, _, _ = await order_by_plan(writing, desk, actor, asking, seen.part_id, site, now)
                found.append((requisition, list(sent)))
                raise _RehearsedError
        except (_RehearsedError, DomainError):
            continue
    return found


def _as(known: Mapping[UUID, UUID], argument: object) -> object:
    """The argument with the ids of this time: as such, and in JSON text."""
    if isinstance(argument, UUID):
        return known.get(argument, argument)
    if isinstance(argument, str):
        for before, now in known.items():
            argument = argument.replace(str(before), str(now))
    return argument


async def _bare(dsn: str, maker: UUID, requests: Sequence[tuple[UUID, Sent]]) -> float:
    """Requests per second of the same statements over bare connections: locks, reads and writes, each request in one transaction,
    committed."""
    rest = iter(requests)

    async def client(connection: asyncpg.Connection) -> None:
        for requisition, sent in rest:
            known: dict[UUID, UUID] = {}
            async with connection.transaction():
                await connection.execute(_TENANT, str(maker), "")
                for statement, arguments in sent:
                    given = [
                        [_as(known, one) for one in a] if isinstance(a, list | tuple) else _as(known, a)
                        for a in arguments
                    ]
                    rows = await connection.fetch(statement, *given)
                    if statement.startswith("INSERT INTO requisition"):
                        known[requisition] = rows[0]["id"]

    connections = [await asyncpg.connect(dsn) for _ in range(WORKERS)]
    try:
        began = time.perf_counter()
        await asyncio.gather(*(client(c) for c in connections))
        return len(requests) / (time.perf_counter() - began)
    finally:
        for connection in connections:
            await connection.close()


async def _prepare(credentials: Credentials) -> float:
    """The demo world, settled, and the floor."""
    await load_demo(credentials.dsn(OWNER), start=datetime.now(UTC), progress=lambda *_: None)
    owner = await asyncpg.connect(credentials.dsn(OWNER))
    await owner.execute("VACUUM (ANALYZE)")
    await owner.close()
    database = Database(credentials.dsn(APP), pool_size=1)
    try:
        desk = await desk_of(database, "FLOOR")
        requests = await _rehearsed(database, desk, stream(Order(credentials.dsn(APP), "FLOOR", 1, 1)), size(400, 10))
    finally:
        await database.close()
    # The first of each connection make its plans.
    warm = len(requests) // 4
    await _bare(credentials.dsn(APP), desk.planner.company_id, requests[:warm])
    return await _bare(credentials.dsn(APP), desk.planner.company_id, requests[warm:])


def run(credentials: Credentials) -> list[Figure]:
    """replay.rate, replay.reserved, replay.refused."""
    floor = asyncio.run(_prepare(credentials))
    before = os.getloadavg()[0]
    order = Order(credentials.dsn(APP), "REPLAY-bench", 1, WORKERS, size(6_000, 60))
    done = replay(order, PROCESSES, lambda *_: None)
    proof = asyncio.run(prove(credentials.dsn(OWNER), order.run))
    tally = done.tally
    assert not tally.failures, tally.failures
    assert (proof.double_promises, proof.faults) == (0, ()), proof.faults
    rate = tally.asked / done.seconds
    met = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(tally.outcomes.items()))
    figures = [
        Figure(
            "replay.rate", rate, "per s", floor, rate / floor, WORKERS,
            f"{tally.asked:,} requests in {PROCESSES} processes: {met}; 0 double promises; {tally.retries} looked again; "
            f"{sum(tally.statements) / max(len(tally.statements), 1):.0f} statements each; load {before:.1f}; floor: the statements of "
            "what is met over bare asyncpg, one process",
        )
    ]  # fmt: skip
    for name, step in (("replay.reserved", "request, met"), ("replay.refused", "request, unmet")):
        at = percentiles(tally.milliseconds.get(step, []))
        if at:
            note = f"{step}; p50 {at['p50']:,}, p99 {at['p99']:,}"
            figures.append(Figure(name, at["p95"], "ms", None, None, WORKERS, note))
    return figures
