"""What one partner sees of a posting, told to its seller. The rule is that of ``listing_seen`` (migration 302210), asked for somebody
else and with what stands in the way by name; a test holds both against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.listings.windows import Admission

_LINES = """
WITH them AS (SELECT c.id, c.is_partner FROM company c WHERE c.id = $2),
groups AS (SELECT m.group_id FROM partner_group_member m WHERE m.partner_id = $2),
the AS (
    SELECT r.id, r.company_id,
           EXISTS (SELECT 1 FROM partner_block b WHERE b.company_id = r.company_id AND b.partner_id = $2 AND b.lifted_at IS NULL) AS blocked,
           EXISTS (SELECT 1 FROM export_clearance e WHERE e.company_id = r.company_id AND e.partner_id = $2 AND e.withdrawn_at IS NULL
               AND e.valid_until >= ($3 AT TIME ZONE 'UTC')::date) AS cleared,
           r.audience, r.audience_ids, r.open_from, t.is_partner,
           EXISTS (SELECT 1 FROM release_window w WHERE w.release_id = r.id AND w.opens_at IS NULL
               AND (w.partner_id = $2 OR w.group_id IN (SELECT group_id FROM groups))) AS at_once,
           (SELECT min(w.opens_at) FROM release_window w WHERE w.release_id = r.id
               AND (w.partner_id = $2 OR w.group_id IN (SELECT group_id FROM groups))) AS opens_at
    FROM release r CROSS JOIN them t WHERE r.id = $1 AND r.company_id = $6
)
SELECT l.id, l.part_id, p.number AS part_number, p.description, p.uom, l.place, l.condition, l.quantity - l.ordered AS available,
       l.published AS out, l.controlled, l.unit_price AS posted_price, least(l.unit_price, (
           SELECT min(coalesce(x.unit_price, round(l.unit_price * (10000 - x.off_bp) / 10000, 4))) FROM partner_price x
           WHERE x.company_id = l.company_id AND x.ended_at IS NULL
             AND (x.partner_id = $2 OR x.group_id IN (SELECT group_id FROM groups))
             AND (x.release_id IS NULL OR x.release_id = l.release_id) AND (x.listing_id IS NULL OR x.listing_id = l.id))) AS unit_price,
       the.blocked, the.cleared,
       -- A line that is out has a copy of its posting's audience; a draft's is made when it is published.
       the.at_once OR (the.is_partner AND CASE WHEN l.published THEN l.audience_ids IS NULL ELSE the.audience = 'all' END)
           OR $2 = ANY (CASE WHEN l.published THEN l.audience_ids ELSE the.audience_ids END) AS at_once,
       least(CASE WHEN the.is_partner THEN CASE WHEN l.published THEN l.open_from ELSE the.open_from END END, the.opens_at) AS opens_at
FROM the JOIN listing l ON l.release_id = the.id JOIN part p ON p.id = l.part_id
WHERE $4::uuid IS NULL OR l.id > $4 ORDER BY l.id LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A line of a posting, as one partner meets it. ``unit_price`` is what that partner pays."""

    id: UUID
    part_id: UUID
    part_number: str
    description: str
    uom: str
    place: str
    condition: str
    available: int
    posted_price: Decimal
    unit_price: Decimal
    admission: Admission


async def preview(
    session: AsyncSession,
    company_id: UUID,
    release_id: UUID,
    partner_id: UUID,
    now: datetime,
    *,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[PreviewRow]:
    """The lines of a posting of one's own as a partner sees them at ``now``, by id; one statement. A line that is not out yet is told
    as if the posting were published."""
    rows = await fetch(session, _LINES, release_id, partner_id, now, after, limit, company_id)
    return [
        PreviewRow(
            r["id"], r["part_id"], r["part_number"], r["description"], r["uom"], r["place"], r["condition"], r["available"],
            r["posted_price"], r["unit_price"],
            Admission(r["out"], r["blocked"], r["controlled"] and not r["cleared"], bool(r["at_once"]), r["opens_at"], now),
        )
        for r in rows
    ]  # fmt: skip
