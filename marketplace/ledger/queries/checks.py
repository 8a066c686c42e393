"""Everything recomputed from the movements, to be compared with what the rows say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import execute, fetch

_REBUILT = """
WITH deltas AS (
    SELECT lot_id, to_position AS position_id, quantity FROM movement
    WHERE to_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    UNION ALL
    SELECT lot_id, from_position, -quantity FROM movement
    WHERE from_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
), rebuilt AS (
    SELECT lot_id, position_id, sum(quantity)::bigint AS quantity FROM deltas GROUP BY lot_id, position_id
), holds AS (
    SELECT m.lot_id, m.from_position AS position_id, m.seq, m.quantity FROM movement m
    LEFT JOIN movement r ON r.lot_id = m.lot_id AND r.resolves = m.seq
    WHERE m.kind = 'hold' AND r.seq IS NULL
), held AS (
    SELECT lot_id, position_id, sum(quantity)::bigint AS held FROM holds GROUP BY lot_id, position_id
)
"""

CHECKS: dict[str, str] = {
    "every stock line equals the sum of its transactions": _REBUILT
    + """
    SELECT coalesce(p.lot_id, r.lot_id) AS lot_id, coalesce(p.position_id, r.position_id) AS number,
           p.quantity AS kept, r.quantity AS rebuilt
    FROM position p FULL JOIN rebuilt r ON r.lot_id = p.lot_id AND r.position_id = p.position_id
    WHERE coalesce(p.quantity, 0) <> coalesce(r.quantity, 0)
    """,
    "every stock line equals the balance after its last transaction": """
    WITH balances AS (
        SELECT lot_id, from_position AS position_id, seq, from_quantity_after AS quantity FROM movement
        WHERE from_quantity_after IS NOT NULL
        UNION ALL
        SELECT lot_id, to_position, seq, to_quantity_after FROM movement WHERE to_quantity_after IS NOT NULL
    ), last AS (
        SELECT DISTINCT ON (lot_id, position_id) lot_id, position_id, quantity FROM balances
        ORDER BY lot_id, position_id, seq DESC
    )
    SELECT p.lot_id, p.position_id AS number, p.quantity AS kept, l.quantity AS rebuilt
    FROM position p LEFT JOIN last l ON l.lot_id = p.lot_id AND l.position_id = p.position_id
    WHERE p.quantity <> coalesce(l.quantity, 0)
    """,
    "no more is reserved than there is": """
    SELECT lot_id, position_id AS number, held AS kept, quantity AS rebuilt FROM position
    WHERE held < 0 OR held > quantity OR quantity < 0
    """,
    "a serial-numbered unit is in one place": """
    SELECT p.lot_id, 0 AS number, sum(p.quantity)::bigint AS kept, 1 AS rebuilt
    FROM position p JOIN lot l ON l.lot_id = p.lot_id WHERE l.serialised AND p.quantity > 0
    GROUP BY p.lot_id HAVING sum(p.quantity) > 1 OR count(*) > 1
    """,
    "reserved quantities equal the open reservations": _REBUILT
    + """
    SELECT p.lot_id, p.position_id AS number, p.held AS kept, coalesce(h.held, 0) AS rebuilt
    FROM position p LEFT JOIN held h ON h.lot_id = p.lot_id AND h.position_id = p.position_id
    WHERE p.held <> coalesce(h.held, 0)
    """,
    "open reservations equal those in the transactions": _REBUILT
    + """
    SELECT coalesce(o.lot_id, h.lot_id) AS lot_id, coalesce(o.hold_seq, h.seq) AS number, o.quantity AS kept,
           h.quantity AS rebuilt
    FROM open_hold o FULL JOIN holds h ON h.lot_id = o.lot_id AND h.seq = o.hold_seq
    WHERE o.quantity IS DISTINCT FROM h.quantity OR o.position_id IS DISTINCT FROM h.position_id
    """,
    "what is answered is a reservation of as many units": """
    SELECT m.lot_id, m.seq AS number, m.quantity AS kept, CASE WHEN h.kind = 'hold' THEN h.quantity END AS rebuilt
    FROM movement m JOIN movement h ON h.lot_id = m.lot_id AND h.seq = m.resolves
    WHERE h.kind <> 'hold' OR h.quantity < m.quantity OR h.from_position IS DISTINCT FROM m.from_position
    """,
    "transactions are numbered without gaps": """
    SELECT l.lot_id, 0 AS number, l.last_seq AS kept, count(m.seq) AS rebuilt
    FROM lot l LEFT JOIN movement m ON m.lot_id = l.lot_id GROUP BY l.lot_id, l.last_seq
    HAVING count(m.seq) <> l.last_seq OR coalesce(max(m.seq), 0) <> l.last_seq
    """,
    "registered and found equal present and gone, per family of lots": """
    WITH flows AS (
        SELECT l.root_lot_id,
               sum(CASE WHEN m.from_position IS NULL AND m.kind <> 'split' AND m.kind <> 'correct' THEN m.quantity
                        ELSE 0 END) AS came,
               sum(CASE WHEN m.to_position IS NULL
                         AND coalesce(m.purpose, m.kind) NOT IN ('hold', 'void', 'expire', 'freeze', 'lift', 'split')
                         AND m.kind <> 'correct' THEN m.quantity ELSE 0 END) AS went,
               sum(CASE WHEN m.kind = 'correct' AND m.from_position IS NULL THEN m.quantity
                        WHEN m.kind = 'correct' AND m.to_position IS NULL THEN -m.quantity ELSE 0 END) AS corrected
        FROM movement m JOIN lot l ON l.lot_id = m.lot_id GROUP BY l.root_lot_id
    ), present AS (
        SELECT l.root_lot_id, sum(p.quantity) AS quantity
        FROM position p JOIN lot l ON l.lot_id = p.lot_id GROUP BY l.root_lot_id
    )
    SELECT f.root_lot_id AS lot_id, 0 AS number, p.quantity AS kept, f.came - f.went + f.corrected AS rebuilt
    FROM flows f LEFT JOIN present p ON p.root_lot_id = f.root_lot_id
    WHERE coalesce(p.quantity, 0) <> f.came - f.went + f.corrected
    """,
    "no stock line was ever negative, in the order things happened": """
    WITH stands AS (
        -- What was corrected happened never; its correction is dated like it.
        SELECT m.* FROM movement m LEFT JOIN movement c ON c.lot_id = m.lot_id AND c.corrects = m.seq
        WHERE m.corrects IS NULL AND c.lot_id IS NULL AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    ), deltas AS (
        SELECT lot_id, to_position AS position_id, quantity, occurred_at, seq FROM stands WHERE to_position IS NOT NULL
        UNION ALL
        SELECT lot_id, from_position, -quantity, occurred_at, seq FROM stands WHERE from_position IS NOT NULL
    ), running AS (
        SELECT lot_id, position_id, sum(quantity) OVER (PARTITION BY lot_id, position_id ORDER BY occurred_at, seq) AS q
        FROM deltas
    )
    SELECT lot_id, position_id AS number, 0 AS kept, min(q) AS rebuilt FROM running WHERE q < 0
    GROUP BY lot_id, position_id
    """,
    "transactions of a lot are recorded in order": """
    SELECT lot_id, seq AS number, 0 AS kept, 0 AS rebuilt FROM (
        SELECT lot_id, seq, recorded_at, lag(recorded_at) OVER (PARTITION BY lot_id ORDER BY seq) AS before FROM movement
    ) o WHERE recorded_at <= before
    """,
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A place where the ledger does not add up: which check, which lot, and the two numbers."""

    check: str
    lot_id: UUID
    number: int
    kept: int | None
    rebuilt: int | None


async def verify(session: AsyncSession, check: str, *, limit: int = 100) -> Sequence[Mismatch]:
    """The first mismatches of one named check in CHECKS, over everything the session's role may see."""
    rows = await fetch(session, f"SELECT * FROM ({CHECKS[check]}) x LIMIT {int(limit)}")
    return [Mismatch(check, r["lot_id"], r["number"], r["kept"], r["rebuilt"]) for r in rows]


# The tables by their own names, with nothing in them but some lots: every check then says of these what it says of all.
_OF_SOME = """
WITH movement AS NOT MATERIALIZED (SELECT * FROM public.movement WHERE lot_id = ANY($1::uuid[])),
     position AS NOT MATERIALIZED (SELECT * FROM public.position WHERE lot_id = ANY($1::uuid[])),
     open_hold AS NOT MATERIALIZED (SELECT * FROM public.open_hold WHERE lot_id = ANY($1::uuid[])),
     lot AS NOT MATERIALIZED (SELECT * FROM public.lot WHERE lot_id = ANY($1::uuid[]))
"""


async def verify_lots(
    session: AsyncSession, check: str, lots: Sequence[UUID], *, limit: int = 100
) -> Sequence[Mismatch]:
    """As ``verify``, of these lots alone: whole families, for the check of families to mean anything."""
    rows = await fetch(session, f"{_OF_SOME} SELECT * FROM ({CHECKS[check]}) x LIMIT {int(limit)}", list(lots))
    return [Mismatch(check, r["lot_id"], r["number"], r["kept"], r["rebuilt"]) for r in rows]


async def no_row_by_row(session: AsyncSession) -> None:
    """For the rest of the transaction: tables are joined whole, since their number of rows is not known beforehand."""
    await execute(session, "SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)")
