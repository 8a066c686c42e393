"""From written numbers to places: which part, by which step, where its units are. The page, the API, the files and the command line
all answer from this one look, so that they say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.ledger import queries as ledger
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.parts.finding import relation_words, step_words
from marketplace.parts.numbers import Asked, Match, normalise, parse_list
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.facets import Facets, Filters, count, fits
from marketplace.sourcing.freight import Point
from marketplace.sourcing.queries.availability import Located, locate

PLACES_OF_MANY = 12
"""Places looked at of each part, at the least, where several numbers are asked for at once; a number alone gets all."""
PLACES_TOGETHER = 2_000
"""So many places are shared out among several numbers: few numbers get many places each."""


def places_each(numbers: int) -> int | None:
    """How many places of a part are looked at when so many numbers are asked for; None = all."""
    return None if numbers <= 1 else max(PLACES_OF_MANY, PLACES_TOGETHER // numbers)


@dataclass(frozen=True, slots=True)
class PartPlaces:
    """A part and its places. ``all_ready``: where units can be had now, own stock first, then by arrival (with a position: the
    nearest first); ``all_blocked``: places where none can, each with the reason; ``farther``: how many places were not looked at;
    ``left_out``: how many do not fit the filters. ``through``: the written number it was found by, where that is not its own."""

    part: parts.PartRow
    through: str | None
    relation: str | None
    relation_words: str | None
    all_ready: tuple[Candidate, ...]
    all_blocked: tuple[Candidate, ...]
    farther: int
    left_out: int

    @property
    def places(self) -> tuple[Candidate, ...]:
        """All of them."""
        return (*self.all_ready, *self.all_blocked)

    @property
    def callable(self) -> int:
        """How many units can be had from all the places, rights that span several counted once."""
        by_group: dict[str, int] = {}
        for c in self.all_ready:
            by_group[c.group] = min(by_group.get(c.group, 0) + c.callable, c.group_cap)
        return sum(by_group.values())

    @property
    def stuck(self) -> int:
        """How many units there are beside those that can be called now."""
        return sum(c.quantity for c in self.places) - self.callable

    @property
    def units_blocked(self) -> int:
        """How many units are at the places where none can be had."""
        return sum(c.quantity for c in self.all_blocked)


@dataclass(frozen=True, slots=True)
class NumberPlaces:
    """What one number led to. ``more``: there are more parts like it than shown."""

    asked: Asked
    step: Match | None
    found: tuple[PartPlaces, ...]
    more: bool
    serial: str | None = None
    """What was asked for, where it is a unit's serial: the number is then that of the unit's part."""

    @property
    def words(self) -> str:
        """How it was found, in words."""
        return "serial of a unit of this part" if self.serial else step_words(self.step)

    @property
    def written(self) -> str:
        """What somebody wrote."""
        return self.serial or self.asked.written


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The answers in the order asked. ``serials``: of one number asked alone the units that bear it as their serial."""

    answers: tuple[NumberPlaces, ...]
    serials: Sequence[ledger.SerialHit]
    farther: int
    """Places of all the parts that were not looked at, and are not counted."""
    every: Sequence[Candidate]
    filters: Filters
    at: datetime

    def facets(self) -> Facets:
        """What the search can be narrowed by."""
        return count(self.every, self.filters, self.at)


async def look_up(
    session: AsyncSession,
    actor: Actor,
    asked: Sequence[Asked],
    *,
    destination: Point,
    urgency: str,
    now: datetime,
    filters: Filters,
    near: Point | None = None,
    notice: UUID | None = None,
    explain: bool = False,
    in_full: bool = False,
    alone: bool | None = None,
) -> LookedUp:
    """The places of every number; a constant number of statements. All places are looked at of a number alone or ``in_full``, else
    the nearest. ``alone``: whether this is all that was asked for, where it is a part of a longer list. Raises ``sourcing.nothing``."""
    found = await parts.find(session, asked)
    serials: Sequence[ledger.SerialHit] = ()
    serial = None
    if len(asked) == 1 and alone is not False:
        serials = await ledger.by_serial(session, asked[0].written)
        if serials and not found.hits:
            # A serial leads to its part: that is what somebody who scanned a unit wants to know about.
            serial = asked[0].written
            asked = parse_list("\n".join(dict.fromkeys(s.part_number for s in serials)))
            found = await parts.find(session, asked)
    hit = list(dict.fromkeys(h.part_id for hits in found.hits.values() for h in hits))
    located = await locate(
        session, actor, hit, destination=destination, urgency=urgency, now=now, explain=explain,
        most=None if in_full else places_each(len(asked)), notice=notice, near=near,
    )  # fmt: skip
    beside: dict[UUID, list[parts.Related]] = {}
    for r in located.related:
        beside.setdefault(r.part_id, []).append(r)
    answers = []
    every: list[Candidate] = []
    farther: dict[UUID, int] = {}
    for a in asked:
        hits = found.hits.get(a.norm, ())
        shown: dict[UUID, PartPlaces] = {}
        for h in hits:
            number = located.catalogue[h.part_id].number
            other = h.step is Match.EXACT and h.through != number and normalise(h.through) != normalise(number)
            through = h.through if other else None
            shown[h.part_id] = _places(located, h.part_id, filters, now, through=through)
        # What replaces a part is followed only from numbers that are certain.
        for h in hits if hits and hits[0].step is Match.EXACT else ():
            for r in beside.get(h.part_id, ()):
                if r.other_id not in shown and located.candidates[r.other_id]:
                    words = relation_words(
                        r.relation, r.steps, r.since, located.catalogue[h.part_id].number, now.date()
                    )
                    shown[r.other_id] = _places(located, r.other_id, filters, now, relation=(r.relation, words))
        for part_id in shown:
            every += located.candidates[part_id]
            farther[part_id] = located.farther.get(part_id, 0)
        told = list(shown.values())
        if hits and hits[0].step is not Match.EXACT:
            told.sort(key=lambda p: not p.all_ready)
        answers.append(NumberPlaces(a, hits[0].step if hits else None, tuple(told), a.norm in found.more, serial))
    return LookedUp(tuple(answers), serials, sum(farther.values()), every, filters, now)


def _places(
    located: Located, part_id: UUID, filters: Filters, now: datetime, *, through: str | None = None,
    relation: tuple[str | None, str | None] = (None, None),
) -> PartPlaces:  # fmt: skip
    every = located.candidates[part_id]
    kept = [c for c in every if fits(c, filters, now)] if filters else every
    return PartPlaces(
        located.catalogue[part_id], through, *relation, tuple(c for c in kept if c.callable > 0),
        tuple(c for c in kept if c.callable <= 0), located.farther.get(part_id, 0), len(every) - len(kept),
    )  # fmt: skip
