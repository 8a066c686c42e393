"""``python -m tests.benchmarks.growing DATA_DIR [--parts 1000000] [--positions 5000000]``: grows a demo's world to the size at
which pages are held to their times. The demo is stopped while it grows, and started again for ``tests.benchmarks.pages``.

Parts are its makers', three positions in five are stock of their makers (with stock lines), the others their partners'. What is made
is on record but not in the log: this world is for looking at pages, and is thrown away."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import asyncpg

from marketplace.db.embedded import SUPERUSER, EmbeddedServer

_PIECE = 250_000

PARTS = """
WITH makers AS (SELECT array_agg(m.id ORDER BY m.id) AS ids FROM maker m JOIN company c ON c.id = m.company_id),
     classes AS (SELECT array_agg(code ORDER BY code) AS codes FROM part_class),
made AS (
    INSERT INTO part (id, maker_id, number, number_norm, description, class_code, uom, weight_grams, list_price, currency)
    SELECT uuidv7(), m.ids[1 + n % cardinality(m.ids)], 'G' || n % 9973 || '-' || n, 'G' || n % 9973 || n,
        (ARRAY['VALVE ASSEMBLY', 'BEARING', 'SEAL KIT', 'HYDRAULIC PUMP', 'SENSOR', 'GASKET', 'HOSE'])[1 + n % 7] || ' ' || n % 977,
        c.codes[1 + n % cardinality(c.codes)], 'EA', 100 + n % 9000, 1 + n % 900, 'USD'
    FROM generate_series($1::int, $2::int) n, makers m, classes c RETURNING id, number, number_norm
)
INSERT INTO part_number (part_id, number, number_norm, scheme) SELECT id, number, number_norm, 'maker' FROM made
"""
# One piece of positions: each of the parts of a temporary table once, at one site of its maker or of a partner.
POSITIONS = """
WITH own AS (SELECT company_id, array_agg(id ORDER BY id) AS sites FROM site WHERE closed_at IS NULL GROUP BY 1),
     partners AS (SELECT array_agg(s.id ORDER BY s.id) AS sites, array_agg(s.company_id ORDER BY s.id) AS companies FROM site s
                  WHERE s.closed_at IS NULL AND s.company_id NOT IN (SELECT company_id FROM maker WHERE company_id IS NOT NULL)),
placed AS (
    SELECT uuidv7() AS lot, g.part, g.n, CASE WHEN $3::bool THEN m.company_id ELSE p.companies[1 + (g.n * 7 + $4) % cardinality(p.sites)] END AS who,
        CASE WHEN $3 THEN o.sites[1 + (g.n + $4) % cardinality(o.sites)] ELSE p.sites[1 + (g.n * 7 + $4) % cardinality(p.sites)] END AS site,
        now() - make_interval(days => (g.n % 900)::int) AS at, 1 + g.n % 30 AS units
    FROM grown g JOIN part t ON t.id = g.part JOIN maker m ON m.id = t.maker_id JOIN own o ON o.company_id = m.company_id, partners p
    WHERE g.n BETWEEN $1 AND $2
), lots AS (
    INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position, last_recorded_at, last_occurred_at)
    SELECT lot, part, false, 'EA', who, lot, ARRAY[who], 1, 1, at, at FROM placed
), positions AS (
    INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity, held)
    SELECT lot, 1, part, false, who, who, site, 'new', units, 0 FROM placed
), lines AS (
    INSERT INTO stock_line (company_id, site_id, part_id, line_key, lot_id, condition, bin, quantity, unit_cost, currency, package_quantity, protected, snapshot_on, last_issue_on, job_id)
    SELECT who, site, part, part || ':new:#' || 1000 + $4, lot, 'new', 'B' || n % 999, units, 1 + n % 500, 'USD', 1, false, at::date, at::date - 400, (SELECT id FROM import_job ORDER BY id LIMIT 1)
    FROM placed WHERE $3
)
INSERT INTO movement (lot_id, seq, kind, quantity, to_position, to_quantity_after, occurred_at, recorded_at, company_id, actor_id, command_id, cause_kind, parties)
SELECT lot, 1, 'register', units, 1, units, at, at, who, (SELECT id FROM user_account LIMIT 1), lot, 'growth', ARRAY[who] FROM placed
"""


async def grow(dsn: str, parts: int, positions: int) -> None:
    """Brings parts and positions of a loaded demo to about these numbers."""
    connection = await asyncpg.connect(dsn)
    # Keys were checked when the demo was made; here they would take longer than the rows.
    await connection.execute(
        "SET session_replication_role = replica; SET gin_pending_list_limit = '64MB'; SET work_mem = '256MB'"
    )
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {words}", file=sys.stderr, flush=True)

    there = await connection.fetchval("SELECT count(*) FROM part")
    for first in range(there, parts, _PIECE):
        await connection.execute(PARTS, first + 1, min(first + _PIECE, parts))
        say(f"{min(first + _PIECE, parts):,} parts")
    await connection.execute(
        "CREATE TEMPORARY TABLE grown AS SELECT t.id AS part, row_number() OVER () AS n FROM part t JOIN maker m ON m.id = t.maker_id WHERE m.company_id IS NOT NULL; "
        "CREATE UNIQUE INDEX ON grown (n); ANALYZE grown; ANALYZE part"
    )
    count = await connection.fetchval("SELECT count(*) FROM grown")
    there, turn = await connection.fetchval("SELECT count(*) FROM position"), 0
    while there < positions:
        for first in range(0, count, _PIECE):
            await connection.execute(POSITIONS, first + 1, min(first + _PIECE, count), turn % 5 < 3, turn)
        there, turn = await connection.fetchval("SELECT count(*) FROM position"), turn + 1
        say(f"{there:,} positions")
    await connection.execute(
        "SELECT gin_clean_pending_list('ix_part_number_trgm'), gin_clean_pending_list('ix_part_words')"
    )
    await connection.execute("VACUUM (ANALYZE)")
    say("done")
    await connection.close()


def main(arguments: list[str]) -> int:
    """Starts the demo's PostgreSQL, grows its world, stops it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growing")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--parts", type=int, default=1_000_000)
    parser.add_argument("--positions", type=int, default=5_000_000)
    asked = parser.parse_args(arguments)
    server = EmbeddedServer(asked.data_dir)
    credentials = server.start()
    try:
        asyncio.run(grow(credentials.dsn(SUPERUSER), asked.parts, asked.positions))
    finally:
        server.stop(only_if_started_here=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
