"""What the field asked for of the manufacturer's own stock: five years of months, made up to agree with what its stock file says it
issued. Pure and repeatable."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from marketplace.demo.draws import Draws
from marketplace.demo.rows import OwnStock

YEARS = 5
MONTHS = 12 * YEARS


def first_month(snapshot: date) -> date:
    """The first of the ``MONTHS`` whole months before the stock was looked at."""
    month = snapshot.year * 12 + snapshot.month - 1 - MONTHS
    return date(month // 12, month % 12 + 1, 1)


def asked(stock: Sequence[OwnStock], draws: Draws) -> dict[UUID, list[float]]:
    """Part -> units of each month, oldest first. The last three years add up to the usage of the stock file; in the two before, a part
    was asked for about as much and half as much again. Every ninth part began to be recorded later, and now and then a unit came back."""
    years: dict[UUID, Counter[int]] = {}
    for row in stock:
        used = (row.usage_12, row.usage_24 - row.usage_12, row.usage_36 - row.usage_24)
        more = (used[2] + draws.below(2, "asked", "before", row.part_id), (3 * used[2] + 1) // 2)
        found = years.setdefault(row.part_id, Counter())
        for ago, units in enumerate((*used, *more)):
            found[ago] += units
    return {part: _months(part, found, draws) for part, found in years.items()}


def _months(part: UUID, years: Counter[int], draws: Draws) -> list[float]:
    units = [0.0] * MONTHS
    for ago in range(YEARS):
        for n in range(years[ago]):
            units[MONTHS - 1 - 12 * ago - draws.below(12, "asked", ago, n, part)] += 1
    if draws.below(9, "asked", "began", part) == 0:
        later = 6 + draws.below(18, "asked", "later", part)
        units[:later] = [math.nan] * later
    if years[0] and draws.below(25, "asked", "back", part) == 0:
        at = max(n for n, value in enumerate(units) if value > 0)
        if at + 1 < MONTHS:
            units[at + 1] -= 1
    return units
