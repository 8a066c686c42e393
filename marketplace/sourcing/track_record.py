"""A partner's track record: what its numbers mean. They are added up where the facts are (queries/records.py); nobody enters any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PERIODS: Final = (365, 90)
"""Days up to now that can be asked for, the usual one first."""
FEWEST_MAKERS: Final = 3
"""Of all manufacturers together numbers are told only where so many ordered back: nobody can tell then whose they are."""

DEFINITIONS: Final[Mapping[str, str]] = {
    "orders": "Buy-back orders and access draws whose notice was given to the partner in the period.",
    "answered": "Of the orders that the clause has it answer, and whose answer was given or whose time ran out: committed or refused by a "
    "person in time. An answer after the deadline is not taken.",
    "silent": "Orders whose time to answer ran out; the clause then says whether they count as accepted or as refused.",
    "refused": "Refusals, of a whole order or of a part of it, by the reason given.",
    "shipped_late": "Of the orders that shipped, those that shipped after the deadline of the clause. Time in which an agreement stood still, "
    "or units were stopped, moved the deadline.",
    "overdue": "Orders that the partner committed to, whose deadline to ship is over, and which have not shipped.",
    "median_seconds": "Half of the orders that shipped took no longer from the notice to the dispatch.",
    "counted": "Parts at sites, of those under agreements, whose last count lies in the period.",
    "shortages": "Counts that found fewer units than recorded where the clause calls that a breach.",
}


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """The numbers of one period, of the reader's own orders (``scope`` 'yours') or of all manufacturers' together ('all')."""

    scope: str
    makers: int
    orders: int
    asked: int
    answered: int
    silent: int
    refused: Mapping[str, int]
    shipped: int
    shipped_late: int
    overdue: int
    median_seconds: float | None
    counted: int
    shortages: int
    units_missing: int
    shortages_open: int

    @property
    def answered_percent(self) -> int | None:
        """Rounded down, so that 100 means all; None where nothing was asked."""
        return self.answered * 100 // self.asked if self.asked else None


def period(now: datetime, days: int) -> tuple[datetime, datetime]:
    """The beginning and the end of the last so many days."""
    return now - timedelta(days=days), now


def lasting(seconds: float | None) -> str:
    """'2 days 4 hours'; of less than an hour '40 minutes'; nothing shipped: 'nothing shipped'."""
    if seconds is None:
        return "nothing shipped"
    minutes = round(seconds / 60)
    if minutes < 60:
        return _counted(minutes, "minute")
    hours = round(minutes / 60)
    days, rest = divmod(hours, 24)
    if not days:
        return _counted(hours, "hour")
    return _counted(days, "day") + (f" {_counted(rest, 'hour')}" if rest else "")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
