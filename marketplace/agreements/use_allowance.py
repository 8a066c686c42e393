"""What a holder may use up or fit without asking in each period, with what it carries over from earlier ones."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple

from marketplace.agreements.deadlines import period_of
from marketplace.agreements.facts import Facts
from marketplace.agreements.term_kinds import UseAllowance
from marketplace.kit.clock import add_months


class AllowanceState(NamedTuple):
    """The period that a day lies in (0 = the first), its first and last day, and units: what the period itself allows, what
    was carried into it, what was used in it, what is left."""

    period: int
    first_day: date
    last_day: date
    granted: int
    carried: int
    used: int
    left: int


def granted_units(allowance: UseAllowance, accepted: int) -> int:
    """Units that one period allows."""
    return allowance.units if allowance.kind == "units" else accepted * allowance.share_bp // 10_000


def allowance_on(allowance: UseAllowance, facts: Facts, day: date) -> AllowanceState:
    """The allowance as it stands on a day. What is used comes off the oldest that is still open; what was used beyond the
    allowance (after a notice) uses up none of later periods."""
    months = allowance.period_months
    current = period_of(facts.schedule_date, day, months)
    used: Counter[int] = Counter()
    for use in facts.circumstances.used:
        if use.day <= day:
            used[period_of(facts.schedule_date, use.day, months)] += use.units
    each = granted_units(allowance, facts.accepted)
    # Oldest first: how much of each period is still open.
    left: list[tuple[int, int]] = []
    carried = 0
    for period in range(current + 1):
        left = [(made, units) for made, units in left if period - made <= allowance.carry_over_periods and units]
        carried = sum(units for _, units in left)
        left = _less([*left, (period, each)], used[period])
    return AllowanceState(
        current,
        add_months(facts.schedule_date, current * months),
        add_months(facts.schedule_date, (current + 1) * months) - timedelta(days=1),
        each,
        carried,
        used[current],
        sum(units for _, units in left),
    )


def _less(left: list[tuple[int, int]], used: int) -> list[tuple[int, int]]:
    rest: list[tuple[int, int]] = []
    for made, units in left:
        taken = min(units, used)
        used -= taken
        rest.append((made, units - taken))
    return rest
