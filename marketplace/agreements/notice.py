"""A holder's notice: where it stands at a moment, by the dates stored with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from marketplace.agreements.circumstances import Intent
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, Need
from marketplace.kit.money import Money


class Standing(StrEnum):
    """Where a notice stands."""

    RUNNING = "running"
    """The maker may still order the units, or answer."""
    CLEARED = "cleared"
    """The holder may act."""
    ORDERED = "ordered"
    """The maker has ordered all of its units."""
    USED = "used"
    """All of it has been acted on or ordered."""
    REFUSED = "refused"
    """The maker said no, or did not answer where that means no."""
    WITHDRAWN = "withdrawn"
    STALE = "stale"
    """The time in which the holder could act has passed: it asks again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A holder's notice of an act. ``taken`` of its units were ordered by the maker, ``used`` were acted on. From
    ``clear_from`` until ``clear_until`` the holder may act; None: only once the maker has agreed."""

    id: UUID
    agreement_id: UUID
    part_id: UUID
    act: Act
    needs: Need
    quantity: int
    taken: int
    used: int
    offer: Decimal | None
    offered_by: str | None
    note: str
    status: str
    at: datetime
    answer_by: datetime
    clear_from: datetime | None
    clear_until: datetime | None
    answered_at: datetime | None
    answer_note: str

    @property
    def left(self) -> int:
        """Units neither ordered nor acted on."""
        return self.quantity - self.taken - self.used

    def standing(self, now: datetime) -> Standing:
        """Where it stands at ``now``."""
        if self.status in ("withdrawn", "refused"):
            return Standing(self.status)
        if self.left <= 0:
            return Standing.USED if self.used else Standing.ORDERED
        if self.status == "open" and now < self.answer_by:
            return Standing.RUNNING
        if self.clear_from is None or self.clear_until is None:
            return Standing.REFUSED
        return Standing.CLEARED if self.clear_from <= now < self.clear_until else Standing.STALE


def cleared_by(notices: Sequence[Notice], act: Act, quantity: int, now: datetime) -> Notice | None:
    """The oldest notice under which ``quantity`` units may be acted on now. Notices are not added up."""
    fit = (n for n in notices if n.act is act and n.left >= quantity and n.standing(now) is Standing.CLEARED)
    return min(fit, key=lambda n: n.id, default=None)


def as_of(facts: Facts, now: datetime) -> Facts:
    """The facts with what the notices known to them (``circumstances.notices``) come to at ``now``: the one that the order names,
    or else the oldest that runs, is what the holder intends, and units of those that have run are cleared."""
    known = facts.circumstances
    if not known.notices:
        return facts
    standing = [(n, n.standing(now)) for n in known.notices]
    cleared = sum(n.left for n, at in standing if at is Standing.CLEARED)
    named = known.answers
    running = next((n for n, at in standing if at is Standing.RUNNING and named in (None, n.id)), None)
    intent = None
    if running is not None:
        offer = None if running.offer is None else Money(running.offer, facts.sale_price.currency)
        intent = Intent(running.act, running.left, running.at, offer, running.answer_by)
    within = max(facts.remaining - facts.held, 0)
    return replace(facts, circumstances=replace(known, cleared=min(cleared, within), intent=intent, notices=()))
