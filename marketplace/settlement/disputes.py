"""Disputes: why, how long the other side has to answer, and who owes what once both agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.kit.errors import invalid
from marketplace.kit.money import Money

ANSWER_DAYS = 14
"""Days to answer where no clause states any. Nothing is agreed by silence."""
REASONS: Mapping[str, str] = {
    "lower_grade": "In a lower grade",
    "condition": "In a better condition than was found",
    "damaged": "Damaged",
    "wrong_part": "The wrong part",
    "papers": "Papers are missing",
    "quantity": "The quantity is wrong",
    "price": "The price is wrong",
    "not_owed": "It is not owed",
    "other": "Another reason",
}


OF_UNITS = ("lower_grade", "damaged", "wrong_part", "papers")
"""Reasons that say what units were like: what both sides have agreed on about that is settled."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one side would agree to: ``amount`` is owed of what is in dispute; of rejected units, for the ``quantity`` that
    the manufacturer keeps."""

    company_id: UUID
    amount: Decimal
    quantity: int | None
    at: datetime
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a unit that came back in this condition fetches: ``each`` in all, of which ``handling`` is for handling."""

    condition: str
    each: Decimal
    handling: Decimal


def fetched(kept: Mapping[str, Any]) -> dict[str, Fetched]:
    """What each condition fetches, best first, as it was kept with a dispute."""
    return {
        p["condition"]: Fetched(p["condition"], Decimal(p["each"]), Decimal(p["handling"])) for p in kept["conditions"]
    }


def better(fetches: Mapping[str, Fetched], found: str) -> dict[str, Decimal]:
    """How much more a unit fetches in each condition that fetches more than the one that was found."""
    known = fetches.get(found)
    if known is None:
        return {}
    return {c: f.each - known.each for c, f in fetches.items() if f.each > known.each}


def require_proposal(amount: Money, quantity: int | None, *, disputed: Money, units: int | None) -> None:
    """Raises ``dispute.amount``, ``dispute.quantity`` for what nobody could agree to."""
    if amount != amount.rounded() or not 0 <= amount.amount <= disputed.amount:
        raise invalid(
            "dispute.amount", f"Give an amount from nothing to {disputed.rounded()}, in whole cents.", field="amount"
        )
    if units is None:
        if quantity is not None:
            raise invalid("dispute.quantity", "This dispute is about an amount only.", field="quantity")
        return
    if quantity is None or not 0 <= quantity <= units:
        raise invalid(
            "dispute.quantity", f"Say how many of the {units:,} units are kept: 0 to {units:,}.", field="quantity"
        )
    if amount.amount and not quantity:
        raise invalid("dispute.amount", "For units that all go back nothing is paid.", field="amount")


def latest(proposals: Sequence[Proposal], company_id: UUID) -> Proposal | None:
    """The last of the proposals (oldest first), where it is the other side's; None: there is nothing to agree to."""
    last = proposals[-1] if proposals else None
    return last if last is not None and last.company_id != company_id else None
