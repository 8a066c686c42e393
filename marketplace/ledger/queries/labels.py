"""What a scanned label leads to: units on record with this serial, and the part that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.ledger.queries.units import SerialHit, by_lot, by_serial
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


async def scanned(session: AsyncSession, label: Label, *, units: bool) -> Scanned:
    """``units``: whether the reader may see any. A label that names part and serial leads to this serial of this part alone: the same
    serial may stand on the parts of several makers."""
    if label.unit is not None:
        return Scanned(label, await by_lot(session, label.unit) if units else (), ())
    found = await _parts(session, label)
    hits: Sequence[SerialHit] = ()
    if units and label.serial:
        hits = await by_serial(session, label.serial)
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
