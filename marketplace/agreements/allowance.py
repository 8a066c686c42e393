"""How many units a holder may do something with: what an act proposes before it is decided unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marketplace.agreements.evaluation import evaluate_holder_act
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Act, AfterNotice, Free, Refused
from marketplace.agreements.reach import declining_day, usable
from marketplace.agreements.terms import Terms

Noticed = tuple[datetime, int]
"""When a notice of just this act was given, and for how many units it still stands."""


def most_allowed(
    terms: Terms, facts: Facts, act: Act, wanted: int, now: datetime, noticed: Sequence[Noticed] = ()
) -> tuple[int, Refused | AfterNotice | None]:
    """The most of ``wanted`` units that ``act`` may be done with now, and what stands against the others (None when
    all may). A notice clears units up to its own number; notices are not added up."""
    first = _allowed(terms, facts, act, wanted, now, noticed)
    if first is None:
        return wanted, None
    unreserved = facts.remaining - facts.held
    # What could be allowed instead, most first: the clause limits by the minimum, by reservations, by transit.
    fewer = {
        usable(terms, facts, declining_day(terms, facts, now)),
        unreserved,
        unreserved - facts.in_transit,
        *(left for _, left in noticed),
    }
    for quantity in sorted(fewer, reverse=True):
        if 0 < quantity < wanted and _allowed(terms, facts, act, quantity, now, noticed) is None:
            return quantity, first
    return 0, first


def _allowed(
    terms: Terms, facts: Facts, act: Act, quantity: int, now: datetime, noticed: Sequence[Noticed]
) -> Refused | AfterNotice | None:
    answer = evaluate_holder_act(terms, facts, act, quantity, now)
    if isinstance(answer, AfterNotice):
        for at, left in noticed:
            cleared = evaluate_holder_act(terms, facts, act, quantity, now, noticed_at=at)
            if left >= quantity and isinstance(cleared, Free):
                return None
    return None if isinstance(answer, Free) else answer
