"""Reads of obligations: one statement over every place where a deadline is stored."""

from marketplace.obligations.queries.lists import (
    FAR,
    FIRST,
    DayCount,
    ObligationFilter,
    by_day,
    coming,
    obligations,
)
from marketplace.obligations.queries.reminded import Owing, setting, to_remind

__all__ = [
    "FAR",
    "FIRST",
    "DayCount",
    "ObligationFilter",
    "Owing",
    "by_day",
    "coming",
    "obligations",
    "setting",
    "to_remind",
]
