"""Reads of what came of advice: decided, released, sold, called back, used up, asked for and not found since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.sourcing.states import CAME_TO_NOTHING


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a part since a run: ``released`` units on published lines of the drafts that were made of its advice, ``sold`` of them for
    ``earned``; under the agreements of those sales ``called`` back for ``paid``, and ``used`` up or fitted by holders; of all parts requests for
    it, ``asked`` units and of them ``unmet``, which no order that stands brings."""

    part_id: UUID
    released: int
    sold: int
    earned: float
    called: int
    paid: float
    used: int
    asked: int
    unmet: int

    @property
    def money(self) -> float:
        """Earned by sales less paid for units that were called back."""
        return self.earned - self.paid


# A line's quantity is what goes on of it, without what its seller left out; what was short, damaged or wrong on receipt is not sold.
_NOTHING = "', '".join(CAME_TO_NOTHING)
_CAME = f"""
WITH decided AS (
    SELECT DISTINCT d.part_id, d.release_id FROM advice_decision d
    WHERE d.run_id = $1 AND d.company_id = $2 AND d.part_id = ANY($3::uuid[]) AND d.release_id IS NOT NULL
), offered AS (
    SELECT l.id, l.part_id, l.quantity FROM decided d JOIN listing l ON l.release_id = d.release_id AND l.part_id = d.part_id
    WHERE l.company_id = $2 AND l.published
), sales AS (
    SELECT o.part_id, p.agreement_id, x.units, x.units * n.unit_price AS amount
    FROM offered o JOIN order_line n ON n.listing_id = o.id AND n.seller_id = $2
    CROSS JOIN LATERAL (SELECT n.quantity - coalesce(n.short, 0) - coalesce(n.damaged, 0) - coalesce(n.wrong, 0) AS units) x
    JOIN purchase_order p ON p.id = n.order_id LEFT JOIN agreement a ON a.id = p.agreement_id
    WHERE p.status IN ('signed', 'shipped', 'received') OR p.status = 'accepted' AND a.maker_signed_at IS NOT NULL AND a.holder_signed_at IS NOT NULL
), rights AS (
    SELECT DISTINCT s.part_id, s.agreement_id FROM sales s WHERE s.agreement_id IS NOT NULL
), back AS (
    SELECT r.part_id, sum(c.inspected_good) AS units, sum(c.inspected_good * c.unit_price) AS amount
    FROM rights r JOIN call c ON c.agreement_id = r.agreement_id AND c.part_id = r.part_id
    WHERE c.inspected_good > 0 GROUP BY r.part_id
), gone AS (
    SELECT r.part_id, sum(m.quantity) AS units FROM rights r JOIN movement m ON m.agreement_id = r.agreement_id AND m.kind IN ('use_up', 'install')
    JOIN lot t ON t.lot_id = m.lot_id AND t.part_id = r.part_id
    WHERE NOT EXISTS (SELECT FROM movement c WHERE c.lot_id = m.lot_id AND c.corrects = m.seq) GROUP BY r.part_id
), wanted AS (
    SELECT q.part_id, sum(q.quantity) AS units, sum(greatest(q.quantity - coalesce((
        SELECT sum(CASE WHEN c.inspected_good IS NULL THEN c.quantity ELSE c.inspected_good END) FROM call c WHERE c.requisition_id = q.id
        AND c.status NOT IN ('{_NOTHING}')), 0), 0)) AS unmet
    FROM requisition q WHERE q.maker_id = $2 AND q.part_id = ANY($3::uuid[]) AND q.created_at >= $4 AND q.status <> 'cancelled' GROUP BY q.part_id
)
SELECT x.part_id, coalesce((SELECT sum(o.quantity) FROM offered o WHERE o.part_id = x.part_id), 0)::int AS released,
    coalesce((SELECT sum(s.units) FROM sales s WHERE s.part_id = x.part_id), 0)::int AS sold,
    coalesce((SELECT sum(s.amount) FROM sales s WHERE s.part_id = x.part_id), 0)::float8 AS earned,
    coalesce(b.units, 0)::int AS called, coalesce(b.amount, 0)::float8 AS paid, coalesce(g.units, 0)::int AS used,
    coalesce(w.units, 0)::int AS asked, coalesce(w.unmet, 0)::int AS unmet
FROM unnest($3::uuid[]) x (part_id) LEFT JOIN back b ON b.part_id = x.part_id LEFT JOIN gone g ON g.part_id = x.part_id
LEFT JOIN wanted w ON w.part_id = x.part_id
"""


async def came_of(
    session: AsyncSession, company_id: UUID, run_id: UUID, part_ids: Sequence[UUID], since: datetime
) -> dict[UUID, Came]:
    """What came of these parts; ``since``: when the run was made. One statement, however many parts."""
    rows = await fetch(session, _CAME, run_id, company_id, list(part_ids), since)
    return {r["part_id"]: Came(**dict(r)) for r in rows}
