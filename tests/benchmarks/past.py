"""asof.*: where the units of a part sat at a date, what changed between two, and all of it as one file."""

from __future__ import annotations

import asyncpg

from marketplace.db.embedded import SUPERUSER
from marketplace.db.session import Database
from tests.benchmarks.bench import Credentials
from tests.world import World, make_company

PARTNERS = 20
MOVES = 10
"""Stock transactions of each lot; two of its places are used, so that there are five for each stock line."""
YEARS = 5
MONTHS = 12 * YEARS


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
