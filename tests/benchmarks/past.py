"""asof.*: where the units of a part sat at a date, what changed between two, and all of it as one file."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx

from marketplace.db.embedded import SUPERUSER
from marketplace.db.session import Database
from marketplace.ledger import queries
from marketplace.ledger.queries import AsOf, Scope
from marketplace.parties.actor import Actor
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, percentile, rows, serving, size, timed
from tests.clients import token_for
from tests.world import World, make_company

PARTNERS = 20
MOVES = 10
"""Stock transactions of each lot; two of its places are used, so that there are five for each stock line."""
Act = Callable[[UUID, int], Awaitable[None]]
"""Asks of a part, at the given turn."""


async def load(credentials: Credentials, database: Database, lots: int, parts: int) -> World:
    """``lots`` lots of ``parts`` parts over five years, two stock lines and ``MOVES`` transactions each. Half are the maker's
    own, half are with partners under agreements. One part has a hundredth of all. Written in the order in which they were
    recorded, as a ledger is. By the superuser, who need not have every reference looked up five million times."""
    owner = await asyncpg.connect(credentials.dsn(SUPERUSER))
    try:
        world = await World.make(owner, database)
        await owner.execute("SET session_replication_role = replica")
        partners = [await make_company(owner, f"P{world.tag}{n}", manufacturer=False) for n in range(PARTNERS)]
        await owner.executemany(
            "INSERT INTO counterparty (company_id, other_id) VALUES ($1, $2)",
            [(world.maker.id, p.id) for p in partners],
        )
        await owner.execute(
            "INSERT INTO part (maker_id, number, number_norm, description, uom) "
            "SELECT $1, 'AS-OF-' || n, 'ASOF' || n, 'BENCH PART', 'EA' FROM generate_series(1, $2::int) n",
            world.maker_row, parts,
        )  # fmt: skip
        await owner.execute(
            "CREATE TEMPORARY TABLE stock AS SELECT n, gen_random_uuid() AS lot_id, x.part_id, y.company_id AS holder_id, "
            "y.sites, CASE WHEN y.k > 0 THEN md5('agreement' || y.k || '-' || n % 500)::uuid END AS agreement_id, "
            "ARRAY[$1, y.company_id] AS parties, timestamptz '2021-01-01Z' + random() * interval '4 years' AS since "
            "FROM generate_series(1, $3::int) n "
            "JOIN (SELECT row_number() OVER (ORDER BY number) - 1 AS k, id AS part_id FROM part WHERE description = 'BENCH PART') x "
            "  ON x.k = CASE WHEN n % 100 = 0 THEN 0 ELSE n % $4::int END "
            "JOIN (SELECT k, s.company_id, array_agg(s.id ORDER BY s.code) AS sites FROM unnest($2::uuid[]) WITH ORDINALITY AS c (id, k) "
            "  JOIN site s ON s.company_id = c.id GROUP BY k, s.company_id "
            "  UNION ALL SELECT 0, company_id, array_agg(id ORDER BY code) FROM site WHERE company_id = $1 GROUP BY company_id) y "
            "  ON y.k = CASE WHEN n % 2 = 0 THEN 0 ELSE 1 + n / 2 % $5::int END",
            world.maker.id, [p.id for p in partners], lots, parts, PARTNERS,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position, "
            "last_recorded_at, last_occurred_at) SELECT lot_id, part_id, false, 'EA', $1, lot_id, parties, $2, 2, "
            "timestamptz '2026-01-01Z', timestamptz '2026-01-01Z' FROM stock",
            world.maker.id, MOVES,
        )  # fmt: skip
        # Twelve come in at the first place; then, in turn, two go to the second or one comes back.
        await owner.execute(
            'INSERT INTO "position" (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, '
            "agreement_id, beneficiary_id, quantity, held) SELECT lot_id, p, part_id, false, holder_id, holder_id, sites[p], 'new', "
            "agreement_id, CASE WHEN agreement_id IS NULL THEN NULL ELSE $1::uuid END, CASE WHEN p = 1 THEN 12 - g ELSE g END, 0 "
            "FROM stock CROSS JOIN generate_series(1, 2) p CROSS JOIN (SELECT ($2::int / 2) * 2 - ($2::int - 1) / 2 AS g)",
            world.maker.id, MOVES,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO movement (lot_id, seq, kind, quantity, from_position, to_position, agreement_id, occurred_at, recorded_at, "
            "company_id, actor_id, command_id, cause_kind, parties) "
            "SELECT lot_id, s, CASE WHEN s = 1 THEN 'register' ELSE 'move' END, CASE WHEN s = 1 THEN 12 WHEN s % 2 = 0 THEN 2 ELSE 1 END, "
            "CASE WHEN s = 1 THEN NULL WHEN s % 2 = 0 THEN 1 ELSE 2 END, CASE WHEN s > 1 AND s % 2 = 0 THEN 2 ELSE 1 END, "
            # Every twentieth was reported three weeks late.
            "agreement_id, at - CASE WHEN (n + s) % 20 = 0 AND s > 1 THEN interval '21 days' ELSE interval '0' END, at + interval '1 minute', "
            "holder_id, holder_id, lot_id, 'bench', parties "
            "FROM (SELECT *, since + s * interval '36 days' AS at FROM stock CROSS JOIN generate_series(1, $1::int) s) m ORDER BY at",
            MOVES,
        )  # fmt: skip
        await owner.execute("VACUUM ANALYZE")
    finally:
        await owner.close()
    return world


def _reader(world: World) -> Actor:
    return Actor(
        user_id=world.maker.users["planner"], company_id=world.maker.id, user_name="Bench", company_name=world.maker.name,
        company_code=world.maker.code, is_manufacturer=True, is_partner=False, currency="USD", roles=frozenset({"planner"}),
    )  # fmt: skip


async def _measure(credentials: Credentials) -> list[Figure]:
    lots, parts = rows(500_000, 1_000), rows(5_000, 20)
    database = Database(credentials.dsn(APP), pool_size=2)
    world = await load(credentials, database, lots, parts)
    reader, tenant = _reader(world), world.maker.tenant
    async with owner_of(credentials) as owner:
        ids = [r[0] for r in await owner.fetch("SELECT id FROM part WHERE description = 'BENCH PART' ORDER BY number")]
        counts = [await owner.fetchval(f'SELECT count(*) FROM "{table}"') for table in ("position", "movement")]
    chance = random.Random(5)
    big, asked = ids[0], [chance.choice(ids[1:]) for _ in range(400)]
    note = f"{counts[0]:,} stock lines, {counts[1]:,} transactions"
    figures = []

    def views(turn: int) -> tuple[AsOf, AsOf]:
        """Two days, the later one as it was known two weeks after it."""
        at = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=turn * 7 % 1_300)
        return AsOf(at - timedelta(days=30), at), AsOf(at, at + timedelta(days=14))

    async def page(part: UUID, turn: int) -> None:
        """What the page of a part shows: its lines, and the sum of each place."""
        then, scope = views(turn)[1], Scope(part_id=part)
        async with database.read(tenant) as session:
            await queries.as_of(session, reader, then, scope, limit=501)
            await queries.sums(session, reader, then, scope, limit=51)

    async def difference(part: UUID, turn: int) -> None:
        since, until = views(turn)
        async with database.read(tenant) as session:
            await queries.differences(session, reader, since, until, Scope(part_id=part), limit=51)

    for name, act, of, count in (
        ("asof.part", page, asked, size(300, 3)), ("asof.difference", difference, asked, size(300, 3)),
        ("asof.part_largest", page, [big], size(10, 2)), ("asof.difference_largest", difference, [big], size(10, 2)),
    ):  # fmt: skip

        async def one(_: int, turn: int, act: Act = act, of: list[UUID] = of) -> None:
            await act(of[turn % len(of)], turn)

        await timed(1, 3, one)
        taken = await timed(1, count, one)
        lines = lots // 50 if of == [big] else 2 * lots // parts
        figures.append(
            Figure(name, percentile(taken, 0.95), "ms", None, None, 1, f"p95, a part with {lines:,} of {note}")
        )
    token = ""
    async with owner_of(credentials) as owner:
        token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    sums, copied = await _bare(credentials, tenant.company)
    async with (
        serving(credentials) as url,
        httpx.AsyncClient(base_url=url, cookies={"backstock_session": token}, timeout=600) as client,
    ):
        # A year after the newest transaction, and where as much came before as since: neither way of adding up is short there.
        for name, day, floor, bare in (
            ("asof.all", "2026-11-01", copied, "the lines' ids and quantities copied out, bare"),
            ("asof.all_middle", "2023-06-01", sums, "the same sums, bare, counted"),
        ):
            best, first, found = 0.0, 0.0, 0
            for _ in range(size(3, 1)):
                began, found, head = time.perf_counter(), 0, 0.0
                async with client.stream(
                    "GET", "/api/v1/holdings/as-of.csv", params={"at": f"{day}T00:00:00Z"}
                ) as answer:
                    assert answer.status_code == 200, await answer.aread()
                    async for piece in answer.aiter_bytes():
                        found += piece.count(b"\n")
                        head = head or (time.perf_counter() - began if found > 1 else 0.0)
                rate = (found - 1) / (time.perf_counter() - began)
                best, first = max((best, first), (rate, head))
            assert found - 1 == counts[0] or name == "asof.all_middle", found
            words = (
                f"best of {size(3, 1)}, {found - 1:,} lines over HTTP, first after {first:.1f} s; floor: {bare}; {note}"
            )
            figures.append(Figure(name, best, "rows per s", floor, best / floor, 1, words))
    await database.close()
    return figures


async def _bare(credentials: Credentials, company: UUID | None) -> tuple[float, float]:
    """Lines per second that PostgreSQL adds up in one statement, without names and without writing them out; and that it copies out
    as they are, without names and without adding anything up."""
    connection = await asyncpg.connect(credentials.dsn(APP))
    taken = 0

    async def take(piece: bytes) -> None:
        nonlocal taken
        taken += piece.count(b"\n")

    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('app.company', $1, true), set_config('work_mem', '128MB', true), "
                "set_config('max_parallel_workers_per_gather', '0', true)",
                str(company),
            )
            began = time.perf_counter()
            found = await connection.fetchval(
                "SELECT count(*) FROM (SELECT lot_id, CASE s WHEN 1 THEN to_position ELSE from_position END, sum(quantity * s) "
                "FROM movement CROSS JOIN generate_series(-1, 1, 2) s WHERE occurred_at <= '2023-06-01Z' "
                "GROUP BY 1, 2 HAVING sum(quantity * s) > 0) x"
            )
            sums = float(found / (time.perf_counter() - began))
            began = time.perf_counter()
            await connection.copy_from_query(
                'SELECT lot_id, position_id, quantity FROM "position"', output=take, format="csv"
            )
            return sums, taken / (time.perf_counter() - began)
    finally:
        await connection.close()


def run(credentials: Credentials) -> list[Figure]:
    """asof.part, asof.difference, asof.all, asof.all_middle."""
    return asyncio.run(_measure(credentials))
