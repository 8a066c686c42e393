"""Runs side by side, and what was advised beside what came. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

MOST_COMPARED = 4
_YEAR = 365.25 * 86_400


def figures(totals: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of a run that is done: cash, sure (None: a run from before it was kept), keep, release, scrap, worth, below, differ,
    apart."""
    every, apart = totals["all"], totals.get("apart")
    sure = totals.get("sure")
    return {
        "cash": every["cash"], "sure": sure["after"] if sure else None, "worth": every["worth"],
        **{n: int(every[n]) for n in ("keep", "release", "scrap")},
        "below": sum(totals["below"].values()) if "below" in totals else 0,
        "differ": apart["parts"] if apart else None, "apart": apart["cash"] if apart else None,
    }  # fmt: skip


def demand_since(months: Sequence[tuple[int, float | None, int | None]], made: datetime) -> float | None:
    """Units of the months after the one in which a run was made, from (month, units, file); None where no file tells of one."""
    first = made.year * 12 + made.month
    told = [units for month, units, _ in months if month >= first and units is not None]
    return sum(told) if told else None


def expected_since(rate: float, decline: float, made: datetime, now: datetime) -> float:
    """Units that were expected from the run until now, at a rate of units a year that falls by ``decline``."""
    years = max((now - made).total_seconds() / _YEAR, 0.0)
    return rate * (-math.expm1(-decline * years) / decline if decline > 1e-9 else years)
