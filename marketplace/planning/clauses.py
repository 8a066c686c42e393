"""What a named set of terms means to the formulas: how many units stay in reach, for how long, what they cost to call back, and
how many a holder may use.

Read off the terms of the named starting points, so that the advice and the posting that follows from it speak of the same words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marketplace.agreements.combinations import COMBINATIONS, Combination
from marketplace.kit.errors import missing

_BP = 10_000
_MONTHS = 12


class Reach(StrEnum):
    """Which of the units with partners a demand of the field can be met from."""

    ALL = "all"
    FLOOR = "floor"
    """Those the holder must keep, and no others."""
    NONE = "none"
    """The holder asks before it sells on or scraps, and a unit cannot be called."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Terms as the formulas see them. Shares are of what the partner paid for a unit."""

    name: str
    title: str
    reach: Reach
    floor: int
    """Units the holder must keep: not used up, whatever its hazard."""
    first_refusal: bool
    window_years: float
    buy_back_share: float
    """Of the price paid, with handling or the fee of a draw."""
    buy_back_falls: float
    """A year, continuously: the price falls to what it is at the end of its schedule."""
    hazard: float | None
    """What the clause's allowance of use would come to a year, where it has one."""


def read(name: str) -> Reading:
    """The reading of a named starting point. Raises ``planning.preset`` for a name that is not there."""
    found = COMBINATIONS.get(name)
    if found is None:
        raise missing("planning.preset", f"There are no terms named '{name}'. Known are {', '.join(COMBINATIONS)}.")
    return reading(found)


def reading(combination: Combination) -> Reading:
    """As ``read``. The first clause that lets units be ordered back says how; a first refusal beside it is noted."""
    names = [clause for clause, _, _ in combination.clauses]
    refusal = "first-refusal" in names
    for clause, _, terms in combination.clauses:
        if clause in ("buy-back", "access-back", "title-kept"):
            share, falls = _price(clause, terms)
            reach = Reach(str(terms.get("applies_to", "all")).replace("free", "none"))
            return Reading(
                combination.name, combination.title, reach, int(terms["minimum_to_keep"]), refusal,
                int(terms["window_end_months"]) / _MONTHS, share, falls, _allowed(terms),
            )  # fmt: skip
    terms = combination.clauses[0][2]
    return Reading(
        combination.name, combination.title, Reach.NONE, 0, refusal, int(terms["window_end_months"]) / _MONTHS, 1.0, 0.0, _allowed(terms)
    )  # fmt: skip


def _price(clause: str, terms: Mapping[str, Any]) -> tuple[float, float]:
    if clause == "title-kept":
        return terms["recall_fee_bp"] / _BP, 0.0
    if clause == "access-back":
        # A unit that is drawn is replaced in kind or paid; the part at today's price is one for one.
        return 1.0 + terms["draw_fee_bp"] / _BP, 0.0
    price = terms["price"]
    # The holder's handling is a share of the price, as the clause reckons it.
    handled = 1.0 + terms["handling_bp"] / _BP
    if price["kind"] == "percent_of_sale":
        return price["percent_bp"] / _BP * handled, 0.0
    if price["kind"] == "schedule":
        points = price["points"]
        first, last = points[0], points[-1]
        span = (last["after_months"] - first["after_months"]) / _MONTHS
        falls = math.log(first["percent_bp"] / last["percent_bp"]) / span if span and last["percent_bp"] else 0.0
        return first["percent_bp"] / _BP * handled, max(falls, 0.0)
    return handled, 0.0


def _allowed(terms: Mapping[str, Any]) -> float | None:
    """A share of the units that may be used in each period, as a continuous hazard; units of a period have no hazard until it is
    known of how many."""
    allowance = terms.get("use_allowance")
    if not allowance or allowance.get("kind") != "share_of_sold":
        return None
    share = min(allowance["share_bp"] / _BP, 0.999)
    return float(-math.log1p(-share) * _MONTHS / allowance["period_months"])


USUAL: Sequence[str] = ("access-first", "standard-buy-back", "revenue-now")
"""What advice weighs unless others are named. Title kept is left to people: it brings money when a unit is taken, not now."""
