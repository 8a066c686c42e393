"""Units by number, serial or batch, wherever the tenant may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One stock line: a unit (or so many alike) at a place. ``site`` None = in transit. Where a maker hides its holders
    from the reader, companies and place are told only roughly and there is no agreement."""

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
    reader: Actor,
    *,
    part_ids: Sequence[UUID] | None = None,
    serial: str | None = None,
    holder_id: UUID | None = None,
    after: tuple[UUID, int] | None = None,
    limit: int = 51,
) -> Sequence[UnitRow]:
    """Units of these parts, or with this serial or batch however its letters are written, or held by a company, in
    the order of lots. At least one of the three is to be given. Row level security shows the tenant what it owns,
    holds or may call; who holds it is told as the reader may see it."""
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id, p.part_id, t.number, t.description, t.uom, l.serial, l.batch, l.frozen,
               o.name AS owner, h.name AS holder, s.name AS site, p.condition, p.agreement_id, a.reference AS agreement,
               b.name AS beneficiary, p.quantity, p.held, p.owner_id, p.holder_id, p.beneficiary_id, s.region
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
    return [_told(dict(r), reader) for r in rows]


def _told(values: dict[str, Any], reader: Actor) -> UnitRow:
    owner, holder, region = values.pop("owner_id"), values.pop("holder_id"), values.pop("region")
    right = values.pop("beneficiary_id")
    if reader.company_id not in (owner, holder, right):
        values["agreement_id"] = None  # no party to it
    if reader.veils(owner, holder, right):
        values["owner"] = reader.told(owner, values["owner"], veiled=True)
        values["holder"] = reader.told(holder, values["holder"], veiled=True, region=region)
        values["site"] = reader.told_place(holder, values["site"], veiled=True, region=region)
        values["beneficiary"] = right and reader.told(right, values["beneficiary"], veiled=True)
        values["agreement_id"] = values["agreement"] = None
    return UnitRow(**values)
