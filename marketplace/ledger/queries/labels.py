"""What a scanned label leads to: units on record with this serial, and the part that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.ledger.queries.units import SerialHit
from marketplace.parts import queries as parts
from marketplace.parts.labels import Kind, Label
from marketplace.parts.numbers import Asked, normalise


@dataclass(frozen=True, slots=True)
class Scanned:
    """Visible units that the label names, and parts by the first of its numbers that is known. ``elsewhere``: the serial is on record,
    with other parts than the label names; never taken for it."""

    label: Label
    units: Sequence[SerialHit]
    parts: Sequence[parts.PartRow]
    elsewhere: Sequence[SerialHit] = ()


async def scanned(session: AsyncSession, label: Label, *, units: bool, limit: int = 20) -> Scanned:
    """``units``: whether the reader may see any. A label that names part and serial leads to this serial of this part alone: the same
    serial may stand on the parts of several makers."""
    if label.unit is not None:
        return Scanned(label, await _lots(session, "l.lot_id = $1", label.unit, limit) if units else (), ())
    found = await _parts(session, label)
    hits: Sequence[SerialHit] = ()
    if units and label.serial:
        hits = await _lots(session, "upper(l.serial) = upper($1) AND l.serial IS NOT NULL", label.serial, limit)
    if label.kind is Kind.PLAIN or not found:
        return Scanned(label, hits, found)
    ids = {p.id for p in found}
    return Scanned(label, [h for h in hits if h.part_id in ids], found, [h for h in hits if h.part_id not in ids])


async def _parts(session: AsyncSession, label: Label) -> Sequence[parts.PartRow]:
    asked = [Asked(n, norm) for n in label.numbers if (norm := normalise(n))]
    hits = await parts.find_exactly(session, asked)
    first = next((hits[a.norm] for a in asked if a.norm in hits), ())
    if not first:
        return ()
    rows = await parts.parts(session, first)
    return [rows[i] for i in first if i in rows]


async def _lots(session: AsyncSession, where: str, value: str | UUID, limit: int) -> Sequence[SerialHit]:
    rows = await fetch(
        session,
        "SELECT l.lot_id, coalesce(l.serial, '') AS serial, p.number AS part_number, p.description, l.part_id FROM lot l "
        f"JOIN part p ON p.id = l.part_id WHERE {where} ORDER BY p.number_norm, l.lot_id LIMIT $2",
        value,
        limit,
    )
    return [SerialHit(**dict(r)) for r in rows]
