"""Which units an act takes when the holder names only part and place: pure choice over locked stock lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from marketplace.ledger.entries import LotState, Place

NEVER = date.max


@dataclass(frozen=True, slots=True)
class Line:
    """A stock line under its lot's lock. ``free``: neither reserved nor, where that matters, on quality hold. ``sought``: so
    many were taken out of ``free`` because somebody said that they are not there, and no count has found them since."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    place: Place
    quantity: int
    free: int
    frozen: bool
    serial: str | None
    expires_on: date | None
    sought: int = 0

    @property
    def apart(self) -> bool:
        """Kept for its owner (``kept_apart``)."""
        return self.place.apart


@dataclass(frozen=True, slots=True)
class Take:
    """So many from one stock line."""

    line: Line
    quantity: int


def lines_of(lots: Mapping[UUID, LotState], expiry: Mapping[UUID, date | None], now: datetime) -> list[Line]:
    """The stock lines of locked lots that have quantity. Reservations whose time is up count as free: whoever
    meets them under the lock ends them."""
    found = []
    for lot in lots.values():
        for number, position in lot.positions.items():
            if not position.quantity:
                continue
            overdue = sum(
                h.quantity
                for h in lot.holds.values()
                if h.position == number and h.expires_at is not None and h.expires_at <= now
            )
            found.append(
                Line(
                    lot.lot_id,
                    number,
                    lot.part_id,
                    position.place,
                    position.quantity,
                    position.free + overdue,
                    lot.frozen,
                    lot.serial,
                    expiry.get(lot.lot_id),
                )
            )
    return found


def in_order(lines: Sequence[Line]) -> list[Line]:
    """Unencumbered units first; within each, what expires first; then always the same order."""
    return sorted(
        lines,
        key=lambda line: (
            line.place.agreement is not None,
            line.expires_on or NEVER,
            line.place.agreement.bytes if line.place.agreement else b"",
            line.lot_id.bytes,
            line.position_id,
        ),
    )


def propose(lines: Sequence[Line], quantity: int, allowed: Mapping[UUID, int]) -> tuple[list[Take], int]:
    """What to take, and how many are missing. ``allowed``: the most from each agreement; unencumbered units are
    the holder's own and taken first."""
    left = quantity
    budget = dict(allowed)
    takes: list[Take] = []
    for line in in_order(lines):
        agreement = line.place.agreement
        most = line.free if agreement is None else min(line.free, budget.get(agreement, 0))
        count = min(most, left)
        if count <= 0:
            continue
        if agreement is not None:
            budget[agreement] -= count
        takes.append(Take(line, count))
        left -= count
    return takes, left


@dataclass(frozen=True, slots=True)
class CountPlan:
    """What a count changes: ``adjust`` loses, ``add`` more are found, ``missing`` wait for clearing up."""

    expected: int
    adjust: tuple[Take, ...]
    add: int
    missing: tuple[Take, ...]


def plan_count(lines: Sequence[Line], holder: UUID, counted: int, seen: Collection[UUID] = frozenset()) -> CountPlan:
    """What follows from counting ``counted`` where these lines stand. ``seen``: lots whose serial numbers were read: it is the
    others that are missing.

    Fewer: the holder's own loose units are adjusted; what is encumbered, serial-numbered or reserved is taken out
    of availability, without deciding who is at fault. More: the surplus is the holder's own.
    """
    expected = sum(line.quantity for line in lines)
    short = max(expected - counted, 0)
    adjust: list[Take] = []
    missing: list[Take] = []
    for line in in_order(lines):
        count = min(line.free, short) if is_loose(line, holder) else 0
        if count > 0:
            adjust.append(Take(line, count))
            short -= count
    adjusted = {(t.line.lot_id, t.line.position_id): t.quantity for t in adjust}
    # Unreserved units first: a reservation is somebody's promise and is broken last.
    for reserved in (False, True):
        for line in sorted(in_order(lines), key=lambda x: x.lot_id in seen):
            there = line.quantity - line.free if reserved else line.free
            if not reserved:
                there -= adjusted.get((line.lot_id, line.position_id), 0)
            count = min(there, short)
            if count > 0:
                missing.append(Take(line, count))
                short -= count
    return CountPlan(expected, tuple(adjust), max(counted - expected, 0), tuple(_merged(missing)))


def is_loose(line: Line, holder: UUID) -> bool:
    """Whether a count may change the line: the holder's own, unencumbered, not serial-numbered."""
    return line.place.agreement is None and line.place.owner == holder and line.serial is None


def _merged(takes: Sequence[Take]) -> list[Take]:
    by_line: dict[tuple[UUID, int], Take] = {}
    for take in takes:
        key = (take.line.lot_id, take.line.position_id)
        before = by_line.get(key)
        by_line[key] = Take(take.line, take.quantity + (before.quantity if before else 0))
    return list(by_line.values())
