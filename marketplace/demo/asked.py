"""What the field asked for of the manufacturer's own stock: five years of months, made up. Each part has a rate of its own, most of them
small; some fall by a fifth a year, some are asked for several at a time. Pure and repeatable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from marketplace.demo.draws import Draws
from marketplace.demo.rows import OwnStock

YEARS = 5
MONTHS = 12 * YEARS
_LEAST, _MOST = 0.03, 6.0
"""Orders a year, spread evenly over the logarithm between."""
_FAST = 12
"""So many times as often every twenty-fifth part is asked for."""
_FINE = 1 << 20


def first_month(snapshot: date) -> date:
    """The first of the ``MONTHS`` whole months before the stock was looked at."""
    return month_of(snapshot, 0)


def month_of(snapshot: date, at: int) -> date:
    """The first day of the month ``at`` (from 0) of those."""
    month = snapshot.year * 12 + snapshot.month - 1 - MONTHS + at
    return date(month // 12, month % 12 + 1, 1)


def orders(draws: Draws, *part: object) -> tuple[int, ...]:
    """Units asked for in each month, oldest first."""
    rate = _LEAST * (_MOST / _LEAST) ** ((draws.below(_FINE, "asked", "rate", *part) + 0.5) / _FINE)
    if draws.below(25, "asked", "fast", *part) == 0:
        rate *= _FAST
    most = draws.one_of((1, 1, 1, 1, 1, 3), "asked", "most", *part)
    left = 0.8 if draws.below(6, "asked", "falls", *part) == 0 else 1.0
    units = [0] * MONTHS
    for ago in range(YEARS):
        # A falling part had this rate in the middle of the five years.
        for n in range(_poisson(rate * left ** (2 - ago), (draws.below(_FINE, "asked", ago, *part) + 0.5) / _FINE)):
            month = MONTHS - 1 - 12 * ago - draws.below(12, "asked", ago, n, *part)
            units[month] += 1 + draws.below(most, "asked", "units", ago, n, *part)
    return tuple(units)


def _poisson(mean: float, share: float) -> int:
    """The number below which ``share`` of a Poisson distribution lies."""
    number, term = 0, math.exp(-mean)
    below = term
    while below < share:
        number += 1
        term *= mean / number
        below += term
    return number


def asked(stock: Sequence[OwnStock], draws: Draws) -> dict[UUID, list[float]]:
    """Part -> units of each month, oldest first, as the stock file's usage has them. Every ninth part began to be recorded later, and now
    and then a unit came back."""
    sums: dict[UUID, list[float]] = {}
    for row in stock:
        units = sums.setdefault(row.part_id, [0.0] * MONTHS)
        for at, more in enumerate(row.asked):
            units[at] += more
    for part, units in sums.items():
        if draws.below(9, "asked", "began", part) == 0:
            later = 6 + draws.below(18, "asked", "later", part)
            units[:later] = [math.nan] * later
        if sum(units[-12:]) and draws.below(25, "asked", "back", part) == 0:
            at = max(n for n, value in enumerate(units) if value > 0)
            if at + 1 < MONTHS:
                units[at + 1] -= 1
    return sums
