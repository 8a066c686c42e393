"""What is done by itself when an order back comes to nothing: the next best source is proposed, or ordered at once where the maker
wants that for the urgency and it is within its limits. Pure.

Compared is the price of a unit with that of the order that came to nothing (of own stock, for which nothing is owed, with its list
price), and the arrival with the one that was expected of it; where that order was itself given so, with the first of them, the one that
somebody chose: or a limit of a fifth would double a price in four steps. What no rate or price compares is proposed: never ordered by a
guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.kit.money import Money
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.rates import Rate, in_minor, missing_words

CAUSES: Mapping[str, str] = {
    "refused": "was refused",
    "silent": "was not answered in time",
    "in_part": "was accepted in part",
    "defaulted": "was not shipped in time",
    "lost": "was lost on its way",
    "gone": "lost units that it had reserved",
    "gave_way": "gave way to a stopped machine",
    "unlicensed": "got no export licence",
}
OUTCOMES: Mapping[str, str] = {
    "ordered": "Ordered from the next best",
    "reserved": "Reserved, waits for approval",
    "proposed": "Next best proposed",
    "nothing": "Nothing else to order",
    "enough": "Nothing was lacking any more",
}
LARGEST_BP = 1_000_000
LARGEST_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class Rule:
    """What a maker wants for one urgency. The limits count only where it is ``at_once``."""

    at_once: bool
    most_more_bp: int
    most_later_days: int

    @property
    def words(self) -> str:
        """The rule as a sentence."""
        if not self.at_once:
            return "The next best source is proposed; somebody orders it."
        dearer = (
            f"costs at most {_percent(self.most_more_bp)} more a unit" if self.most_more_bp else "costs no more a unit"
        )
        later = f"comes at most {_days(self.most_later_days)} later" if self.most_later_days else "comes no later"
        return f"The next best source is ordered at once where it {dearer} and {later} than the order that somebody gave; else it is proposed."

    def kept(self) -> dict[str, Any]:
        """As it is kept with what it decided."""
        return {
            "at_once": self.at_once, "most_more_bp": self.most_more_bp, "most_later_days": self.most_later_days,
        }  # fmt: skip


PROPOSE = Rule(at_once=False, most_more_bp=0, most_later_days=0)
"""Of an urgency for which a maker has stated nothing."""


@dataclass(frozen=True, slots=True)
class Before:
    """The order that somebody gave and that came to nothing: what one of its units would have come to (None: nobody knows), and when they would have
    arrived."""

    price: Money | None
    expected_at: datetime


@dataclass(frozen=True, slots=True)
class Next:
    """So many from a place that the plan chose, and how it differs from the order before: ``more_bp`` of its price more (negative:
    less; None: not to be compared), ``later_days`` later. ``why_not``: what keeps it from being ordered by itself."""

    candidate: Candidate
    quantity: int
    more_bp: int | None
    later_days: int
    why_not: str = ""

    @property
    def words(self) -> str:
        """From whom, when, how much more."""
        c = self.candidate
        when = f", arriving {c.arrives:%d %b %Y}" if c.arrives else ""
        if c.kind == "own_stock":
            price = "nothing is owed"
        elif self.more_bp is None:
            price = f"{c.unit_price} a unit"
        elif self.more_bp == 0:
            price = f"{c.unit_price} a unit, as the first order"
        else:
            price = f"{c.unit_price} a unit, {_percent(abs(self.more_bp))} {'more' if self.more_bp > 0 else 'less'} than the first order"
        later = f", {_days(self.later_days)} later than the first order" if self.later_days else ""
        where = f"own stock ({c.site})" if c.kind == "own_stock" else c.holder
        return f"{self.quantity:,} from {where}{when}{later}; {price}."


def compared(
    rule: Rule, before: Before, chosen: Sequence[tuple[Candidate, int]], rates: Mapping[str, Rate], *, whole: bool
) -> list[Next]:
    """Each place that a plan chose, beside the order that came to nothing and under the rule. ``whole``: all of it or nothing, so
    that one beyond the limits keeps the others from being ordered, too."""
    found = [_compared(rule, before, candidate, count, rates) for candidate, count in chosen]
    if whole and any(n.why_not for n in found):
        rest = "It is wanted complete or not at all, and another part of it is not within the limits."
        return [n if n.why_not else Next(n.candidate, n.quantity, n.more_bp, n.later_days, rest) for n in found]
    return found


def _compared(rule: Rule, before: Before, c: Candidate, count: int, rates: Mapping[str, Rate]) -> Next:
    arrives = c.arrives or before.expected_at
    later = max(-((before.expected_at - arrives) // _DAY), 0) if arrives > before.expected_at else 0
    more = _more(before.price, c, rates)
    why = ""
    if later > rule.most_later_days:
        why = f"It would come {_days(later)} later; by itself at most {_days(rule.most_later_days)} later is ordered."
    elif c.kind != "own_stock" and more is None:
        why = _not_comparable(before.price, c)
    elif more is not None and more > rule.most_more_bp:
        why = f"It costs {_percent(more)} more a unit; by itself at most {_percent(rule.most_more_bp)} more is ordered."
    return Next(c, count, more, later, why)


def _more(before: Money | None, c: Candidate, rates: Mapping[str, Rate]) -> int | None:
    if before is None or c.unit_price is None or not before.amount:
        return None
    old, new = in_minor(before, before.currency, rates), in_minor(c.unit_price, before.currency, rates)
    if not old or new is None:
        return None
    # Upwards: what is a little beyond a limit is beyond it.
    return -((old - new) * 10_000 // old)


def _not_comparable(before: Money | None, c: Candidate) -> str:
    if before is None or not before.amount or c.unit_price is None:
        return "There is no price of the first order that it could be compared with."
    return missing_words(c.unit_price.currency, before.currency)


def outcome_of(found: Sequence[Next], *, approval: bool) -> str:
    """What comes of it, a key of ``OUTCOMES``."""
    if not found:
        return "nothing"
    if all(n.why_not for n in found):
        return "proposed"
    return "reserved" if approval else "ordered"


def told(found: Sequence[Next], lacking: int, *, approval: bool, substitutes: bool) -> str:
    """What was done, for whoever asked: what was ordered, what is only proposed and why, what nobody can give."""
    ordered = [n for n in found if not n.why_not]
    left = [n for n in found if n.why_not]
    words: list[str] = []
    if ordered:
        words.append("Reserved for 30 minutes until an approver agrees:" if approval else "Ordered instead:")
        words += [n.words for n in ordered]
    for n in left:
        words += ["Proposed, not ordered:", n.words, n.why_not]
    short = lacking - sum(n.quantity for n in found)
    if short > 0:
        rest = f"{short:,} of {lacking:,}" if found else f"{short:,}"
        of_it = "" if substitutes else " of this number, and the request allows no substitutes"
        words.append(
            f"Nobody else can give {rest} now{of_it}: those who were asked before for this request are not asked again by themselves. "
            "The request says why for each place."
        )
    elif left:
        words.append("Open the request to order it.")
    return " ".join(words)


_DAY = timedelta(days=1)


def _percent(bp: int) -> str:
    return f"{(Decimal(bp) / 100).normalize():f} %"


def _days(count: int) -> str:
    return f"{count:,} {'day' if count == 1 else 'days'}"


def first_of(follows: Mapping[UUID, UUID], order: UUID) -> UUID:
    """The order that somebody gave, of those that followed each other by themselves (each with the one that it follows)."""
    while order in follows:
        order = follows[order]
    return order
