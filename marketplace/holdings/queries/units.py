"""Units by number, serial or batch, wherever the tenant may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One stock line: a unit (or so many alike) at a place. ``site`` None = in transit."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    description: str
    uom: str
    serial: str | None
    batch: str | None
    frozen: bool
    owner: str
    holder: str
    site: str | None
    condition: str
    agreement_id: UUID | None
    agreement: str | None
    beneficiary: str | None
    quantity: int
    held: int


async def visible_units(
    session: AsyncSession,
    *,
    part_ids: Sequence[UUID] | None = None,
    serial: str | None = None,
    holder_id: UUID | None = None,
    after: tuple[UUID, int] | None = None,
    limit: int = 51,
) -> Sequence[UnitRow]:
    """Units of these parts, or with this serial or batch however its letters are written, or held by a company, in
    the order of lots. At least one of the three is to be given. Row level security shows the tenant what it owns,
    holds or may call."""
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id, p.part_id, t.number, t.description, t.uom, l.serial, l.batch, l.frozen,
               o.name AS owner, h.name AS holder, s.name AS site, p.condition, p.agreement_id, a.reference AS agreement,
               b.name AS beneficiary, p.quantity, p.held
        FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN part t ON t.id = p.part_id
        JOIN company o ON o.id = p.owner_id JOIN company h ON h.id = p.holder_id
        LEFT JOIN site s ON s.id = p.site_id LEFT JOIN agreement a ON a.id = p.agreement_id
        LEFT JOIN company b ON b.id = p.beneficiary_id
        WHERE p.quantity > 0 AND ($1::uuid[] IS NULL OR p.part_id = ANY($1))
          AND ($2::text IS NULL OR upper(l.serial) = upper($2) OR upper(l.batch) = upper($2))
          AND ($3::uuid IS NULL OR p.holder_id = $3)
          AND ($4::uuid IS NULL OR (p.lot_id, p.position_id) > ($4, $5::int))
        ORDER BY p.lot_id, p.position_id LIMIT $6
        """,
        list(part_ids) if part_ids is not None else None,
        serial,
        holder_id,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [UnitRow(**dict(r)) for r in rows]
