"""Where every unit sat at a time, as it was known at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class AsOfRow:
    """How many of a lot were where at a time. Where a maker hides its holders from the reader, companies and place are
    told only roughly; ``agreement_id`` is None to whom the agreement does not bind."""

    lot_id: UUID
    part_id: UUID
    part_number: str
    serial: str | None
    owner: str
    holder: str
    site: str | None
    condition: str
    agreement_id: UUID | None
    quantity: int


async def as_of(
    session: AsyncSession,
    reader: Actor,
    *,
    at: datetime,
    known_at: datetime,
    lot_id: UUID | None = None,
    part_id: UUID | None = None,
    holder_id: UUID | None = None,
    limit: int = 500,
    after: tuple[UUID, int] | None = None,
) -> Sequence[AsOfRow]:
    """Where every unit sat at ``at``, as known at ``known_at``: for a lot, a part, a holder, or all that the
    tenant may see, told as the reader may see it. One statement: sums of deltas, never the balances kept on rows.
    Ordered by (lot, position)."""
    rows = await fetch(
        session,
        """
        WITH wanted AS (
            SELECT p.* FROM position p
            WHERE ($3::uuid IS NULL OR p.lot_id = $3) AND ($4::uuid IS NULL OR p.part_id = $4)
              AND ($5::uuid IS NULL OR p.holder_id = $5)
              AND ($7::uuid IS NULL OR (p.lot_id, p.position_id) > ($7, $8::int))
        )
        SELECT w.lot_id, w.part_id, pt.number AS part_number, l.serial, o.name AS owner, h.name AS holder,
               s.name AS site, w.condition, w.agreement_id, d.quantity::int AS quantity, w.owner_id, w.holder_id,
               w.beneficiary_id, s.region
        FROM wanted w
        CROSS JOIN LATERAL (
            SELECT sum(CASE WHEN m.to_position = w.position_id THEN m.quantity ELSE 0 END
                     - CASE WHEN m.from_position = w.position_id THEN m.quantity ELSE 0 END) AS quantity
            FROM movement m
            WHERE m.lot_id = w.lot_id AND (m.to_position = w.position_id OR m.from_position = w.position_id)
              AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
              AND m.occurred_at <= $1 AND m.recorded_at <= $2
        ) d
        JOIN lot l ON l.lot_id = w.lot_id
        JOIN part pt ON pt.id = w.part_id
        JOIN company o ON o.id = w.owner_id JOIN company h ON h.id = w.holder_id
        LEFT JOIN site s ON s.id = w.site_id
        WHERE d.quantity <> 0 ORDER BY w.lot_id, w.position_id LIMIT $6
        """,
        at,
        known_at,
        lot_id,
        part_id,
        holder_id,
        limit,
        after[0] if after else None,
        after[1] if after else None,
    )
    return [_told(dict(r), reader) for r in rows]


def _told(values: dict[str, Any], reader: Actor) -> AsOfRow:
    owner, holder, region = values.pop("owner_id"), values.pop("holder_id"), values.pop("region")
    right = values.pop("beneficiary_id")
    if reader.company_id not in (owner, holder, right):
        values["agreement_id"] = None
    if reader.veils(owner, holder, right):
        values["owner"] = reader.told(owner, values["owner"], veiled=True)
        values["holder"] = reader.told(holder, values["holder"], veiled=True, region=region)
        values["site"] = reader.told_place(holder, values["site"], veiled=True, region=region)
        values["agreement_id"] = None
    return AsOfRow(**values)
