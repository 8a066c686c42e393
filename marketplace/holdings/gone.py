"""Which units are gone when the holder says how many: pure choice over locked stock lines and their reservations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.holdings.proposal import Line, in_order


@dataclass(frozen=True, slots=True)
class Reserved:
    """An open reservation on a stock line: for which order, how many."""

    lot_id: UUID
    position_id: int
    hold_seq: int
    quantity: int
    cause_kind: str
    cause_id: UUID | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gone:
    """So many of a stock line that are not there; ``held``: out of this reservation, None of free ones."""

    line: Line
    quantity: int
    held: Reserved | None = None


def choose_gone(
    lines: Sequence[Line], reserved: Sequence[Reserved], searched: Mapping[tuple[UUID, int], int], quantity: int
) -> tuple[list[Gone], int]:
    """What of these lines is gone, and how many are not on record. First what is being looked for (``searched``), then other
    free units, those without a serial number before those that have to be named, and what is promised to somebody last."""
    left = quantity
    chosen: list[Gone] = []
    for line in sorted(
        in_order(lines), key=lambda x: (not searched.get((x.lot_id, x.position_id)), x.serial is not None)
    ):
        count = min(line.free, left)
        if count > 0:
            chosen.append(Gone(line, count))
            left -= count
    by_line = {(line.lot_id, line.position_id): line for line in lines}
    for hold in sorted(reserved, key=lambda h: (h.lot_id.bytes, h.hold_seq), reverse=True):
        line_of = by_line.get((hold.lot_id, hold.position_id))
        count = min(hold.quantity, left)
        if line_of is not None and count > 0:
            chosen.append(Gone(line_of, count, hold))
            left -= count
    return chosen, left


def unnamed_serials(lines: Sequence[Line], gone: Sequence[Gone]) -> bool:
    """Whether some, but not all, of the serial-numbered units were chosen: which of them is not said by a number."""
    serials = {line.lot_id for line in lines if line.serial is not None}
    taken = {g.line.lot_id for g in gone} & serials
    return bool(taken) and taken != serials
