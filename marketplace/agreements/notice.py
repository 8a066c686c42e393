"""A holder's notice: where it stands at a moment, by the dates stored with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements.outcomes import Act, Need


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
    GONE = "gone"
    """Nothing is left of it: its units went by another act, and what is left is the minimum to keep."""
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
    ordered_beside: int = 0
    """Units that the maker ordered under the agreement since it was given, and not by answering it."""
    gone: int = 0
    """Units it can no longer be about, because they went by another act or are kept: see ``cut_down``."""
    let_go: int = 0
    """Of those ``gone``, units that the manufacturer cannot order either while the clearance runs: see ``cut_down``."""

    @property
    def left(self) -> int:
        """Units neither ordered nor acted on, of those that it can still be about."""
        return self.quantity - self.taken - self.used - self.gone

    def standing(self, now: datetime) -> Standing:
        """Where it stands at ``now``."""
        if self.status in ("withdrawn", "refused"):
            return Standing(self.status)
        if self.left <= 0:
            return Standing.GONE if self.gone else Standing.USED if self.used else Standing.ORDERED
        if self.status == "open" and now < self.answer_by:
            return Standing.RUNNING
        if self.clear_from is None or self.clear_until is None:
            return Standing.REFUSED
        return Standing.CLEARED if self.clear_from <= now < self.clear_until else Standing.STALE


class Keep(NamedTuple):
    """How many units a clause keeps with the holder beside those reserved. ``stays``: units ordered back do not use it up."""

    units: int
    stays: bool


def cleared_by(notices: Sequence[Notice], act: Act, quantity: int, now: datetime) -> Notice | None:
    """The oldest notice under which ``quantity`` units may be acted on now. Notices are not added up."""
    fit = (n for n in notices if n.act is act and n.left >= quantity and n.standing(now) is Standing.CLEARED)
    return min(fit, key=lambda n: n.id, default=None)


def cut_down(notices: Sequence[Notice], loose: int, keeps: Sequence[Keep], now: datetime) -> tuple[Notice, ...]:
    """The notices without the units that went by another act or a loss: of ``loose`` units that are left and not reserved those that
    run or are cleared name, the oldest first, none of the minimum to keep, of which each clause says its own: the largest counts.

    What the manufacturer ordered beside a notice makes the minimum reach units that it had let go. The holder keeps them then, and
    nobody else is entitled to them while the clearance runs (``let_go``): else it could say that it does not want units, and take
    them after all by ordering the minimum away, again and again.
    """
    keep = max(k.units for k in keeps)
    made: list[Notice] = []
    before = promised = 0
    for notice in notices:
        standing = notice.standing(now)
        if standing not in (Standing.RUNNING, Standing.CLEARED):
            made.append(notice)
            continue
        left = min(notice.left, max(loose - keep - before, 0))
        let_go = 0
        if standing is Standing.CLEARED:
            without = max(max(k.units - notice.ordered_beside, 0) if k.stays else k.units for k in keeps)
            let_go = max(min(notice.left, max(loose - without - promised, 0)) - left, 0)
        made.append(replace(notice, gone=notice.left - left, let_go=let_go))
        before += left
        promised += left + let_go
    return tuple(made)
