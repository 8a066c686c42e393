"""Which other units go in place of rejected ones: from where the first came before elsewhere, in few consignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements.term_kinds import Grade

_GRADES = [g.value for g in Grade]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Free units of one lot at a place of the holder's."""

    lot_id: UUID
    position_id: int
    site_id: UUID
    condition: str
    free: int


class Share(NamedTuple):
    """What one site sends in one condition: so many of each lot at its position."""

    site_id: UUID
    condition: str
    lots: tuple[tuple[UUID, int, int], ...]

    @property
    def quantity(self) -> int:
        """Units in all."""
        return sum(n for _, _, n in self.lots)


def shares(shelves: Sequence[Shelf], wanted: int, *, site_id: UUID, condition: str, worst: Grade) -> list[Share]:
    """Up to ``wanted`` units, none in a worse condition than ``worst``: first from the site and in the condition of the first
    order, then from that site, then from where most are."""
    places: dict[tuple[UUID, str], list[Shelf]] = {}
    for shelf in shelves:
        if shelf.free > 0 and _GRADES.index(shelf.condition) <= _GRADES.index(worst):
            places.setdefault((shelf.site_id, shelf.condition), []).append(shelf)

    def rank(place: tuple[UUID, str]) -> tuple[object, ...]:
        there = sum(s.free for s in places[place])
        return place[0] != site_id, place[1] != condition, -there, _GRADES.index(place[1]), place[0]

    made: list[Share] = []
    for place in sorted(places, key=rank):
        lots: list[tuple[UUID, int, int]] = []
        for shelf in places[place]:
            part = min(shelf.free, wanted)
            wanted -= part
            if part:
                lots.append((shelf.lot_id, shelf.position_id, part))
        if lots:
            made.append(Share(*place, tuple(lots)))
    return made
