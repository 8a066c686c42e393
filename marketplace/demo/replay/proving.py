"""After a replay: that no unit was promised twice, recomputed from the ledger's transactions and not from what the replay counted."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from marketplace.demo.replay.tally import Proof
from marketplace.ledger.queries.checks import CHECKS

# The orders of a run, the transactions that reserve for them and that nothing has answered, and how many other such there are of
# the same stock lines. What is there is added up from the transactions too.
_OF_RUN = """
WITH asked AS (
    SELECT id, quantity FROM requisition WHERE job_number = $1
), orders AS (
    SELECT k.* FROM call k JOIN asked r ON r.id = k.requisition_id WHERE k.status <> 'cancelled'
), touched AS (
    SELECT DISTINCT m.lot_id FROM movement m JOIN orders k ON k.id = m.cause_id WHERE m.kind = 'hold'
), holds AS (
    SELECT m.lot_id, m.seq, m.from_position AS position_id, m.quantity, m.cause_id
    FROM movement m JOIN touched t ON t.lot_id = m.lot_id
    WHERE m.kind = 'hold' AND NOT EXISTS (SELECT FROM movement r WHERE r.lot_id = m.lot_id AND r.resolves = m.seq)
), there AS (
    SELECT lot_id, position_id, sum(quantity)::bigint AS quantity FROM (
        SELECT m.lot_id, m.to_position AS position_id, m.quantity FROM movement m JOIN touched t ON t.lot_id = m.lot_id
        WHERE m.to_position IS NOT NULL AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
        UNION ALL
        SELECT m.lot_id, m.from_position, -m.quantity FROM movement m JOIN touched t ON t.lot_id = m.lot_id
        WHERE m.from_position IS NOT NULL AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    ) d GROUP BY lot_id, position_id
)
"""
_DOUBLE = {
    "more is reserved of a stock line than is there": """
        SELECT h.lot_id::text || ' line ' || h.position_id AS one FROM holds h
        LEFT JOIN there t ON t.lot_id = h.lot_id AND t.position_id = h.position_id
        GROUP BY h.lot_id, h.position_id, t.quantity HAVING sum(h.quantity) > coalesce(t.quantity, 0)
    """,
    "a reservation is of units that are not those of its order": """
        SELECT k.reference AS one FROM orders k JOIN holds h ON h.cause_id = k.id
        JOIN position p ON p.lot_id = h.lot_id AND p.position_id = h.position_id
        WHERE p.part_id <> k.part_id OR p.holder_id <> k.holder_id OR p.site_id IS DISTINCT FROM k.site_id
           OR p.agreement_id IS DISTINCT FROM k.agreement_id
           OR k.agreement_id IS NULL AND p.owner_id <> k.maker_id
           OR k.agreement_id IS NOT NULL AND p.beneficiary_id IS DISTINCT FROM k.maker_id
    """,
    "the reservations of an order do not add up to its quantity": """
        SELECT k.reference AS one FROM orders k LEFT JOIN holds h ON h.cause_id = k.id
        GROUP BY k.id, k.reference, k.quantity HAVING coalesce(sum(h.quantity), 0) <> k.quantity
    """,
    "a request got more than it asked for": """
        SELECT r.id::text AS one FROM asked r JOIN orders k ON k.requisition_id = r.id
        GROUP BY r.id, r.quantity HAVING sum(k.quantity) > r.quantity
    """,
}


async def prove(owner_dsn: str, run: str, *, whole_ledger: bool = True) -> Proof:
    """Looks at every order of the run (``requisition.job_number``) as the schema's owner, who sees all of it, and at the whole
    ledger as ``backstock ledger verify`` does."""
    connection = await asyncpg.connect(owner_dsn, server_settings={"work_mem": "128MB"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            counted = await connection.fetchrow(
                _OF_RUN + "SELECT (SELECT count(*) FROM orders) AS orders, "
                "(SELECT count(*) FROM holds h JOIN orders k ON k.id = h.cause_id) AS holds",
                run,
            )
            faults: list[str] = []
            double = 0
            for words, sql in _DOUBLE.items():
                found = [r["one"] for r in await connection.fetch(f"{_OF_RUN} {sql}", run)]
                double += len(found)
                faults += [f"{words}: {one}" for one in found[:10]]
            checks = CHECKS if whole_ledger else {}
            for name, sql in checks.items():
                rows = await connection.fetch(f"SELECT * FROM ({sql}) x LIMIT 10")
                faults += [
                    f"{name}: lot {_lot(r)} #{r['number']}, kept {r['kept']}, rebuilt {r['rebuilt']}" for r in rows
                ]
                if name in _PROMISES:
                    double += len(rows)
            return Proof(counted["orders"], counted["holds"], double, tuple(faults), len(checks))
    finally:
        await connection.close()


_PROMISES = frozenset({"no more is reserved than there is", "reserved quantities equal the open reservations"})


def _lot(row: asyncpg.Record) -> UUID:
    found: UUID = row["lot_id"]
    return found
