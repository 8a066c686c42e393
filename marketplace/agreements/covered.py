"""What an agreement says about units of one part as they stand: typed terms, facts, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements import prose
from marketplace.agreements.facts import Facts
from marketplace.agreements.terms import Terms

IN_FORCE = frozenset({"active", "expiring", "run_off"})
"""States in which rights can be used. The window decides about time; run-off ends nothing by itself."""
OUT_OF_FORCE: Mapping[str, str] = {
    "offered": "The agreement is not signed by both sides yet.",
    "signed": "The agreement is not in force yet.",
    "superseded": "The agreement was replaced by another, which has its units.",
    "terminated": "The agreement has ended.",
    "closed": "The agreement has ended and is closed.",
    "withdrawn": "The agreement was withdrawn before both sides had signed it.",
}
"""Why nothing can be done under an agreement that is neither in force nor suspended."""

OVER: Mapping[str, str] = {
    "terminated": "The agreement has ended: nothing can be ordered under it. Units that the holder still has are free of the right; "
    "what is owed stays owed.",
    "closed": "The agreement has ended and is closed: nothing can be ordered under it, and units that the holder still has are free "
    "of the right.",
    "superseded": "Another agreement took its place, and has its units.",
    "withdrawn": "The agreement was withdrawn before both sides had signed it: nothing of it came into force.",
}
"""What an agreement that is over means to the holder, in place of what its clauses would say."""


class Right(NamedTuple):
    """One part under one agreement as the evaluator needs it, with the agreement's reference."""

    reference: str
    terms: Terms
    facts: Facts
    further: tuple[Terms, ...] = ()

    @property
    def clauses(self) -> tuple[Terms, ...]:
        """The terms of every clause of the agreement, the first one first."""
        return (self.terms, *self.further)


class Standing(NamedTuple):
    """Units of one part under one agreement that its holder has: all, reserved for calls, and of the others those on quality
    hold; and beside them those on their way ``back`` to the manufacturer.

    What is on the way was given to a carrier for the manufacturer or a buyer: the holder has it no more (a move between sites
    of its own is one step). What comes back rejected it has again when it has received it."""

    remaining: int
    held: int
    quality_held: int
    back: int


NOTHING = Standing(0, 0, 0, 0)


class Covered(NamedTuple):
    """One part under one agreement. ``facts`` are for asking what could be called now: add requested, urgency and
    notice with ``dataclasses.replace(facts, ...)``."""

    agreement_id: UUID
    part_id: UUID
    reference: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    status: str
    status_reason: str | None
    clause: str
    version: int
    use_class: str
    schedule_date: date
    window_opens_at: datetime
    window_closes_at: datetime
    terms: Terms
    facts: Facts
    further: tuple[Terms, ...] = ()

    @property
    def clauses(self) -> tuple[Terms, ...]:
        """The terms of every clause of the agreement, the first one first."""
        return (self.terms, *self.further)

    @property
    def badge(self) -> prose.Badge:
        """The clause in a cell's width, and as a sentence."""
        if self.status == "run_off":
            return prose.ended_badge(self.terms, self.facts)
        return prose.badge(self.terms, self.facts, further=self.further)

    def told_to(self, company_id: UUID) -> prose.Badge:
        """The same from the side of the company that reads it."""
        if self.status == "run_off":
            return prose.ended_badge(self.terms, self.facts)
        return prose.badge(self.terms, self.facts, to_maker=company_id == self.maker_id, further=self.further)

    @property
    def summary(self) -> tuple[str, ...]:
        """What the clause means for these units, in sentences to the holder."""
        over = OVER.get(self.status)
        return (over,) if over else prose.summary(self.terms, self.facts, self.further)
