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
from marketplace.obligations.queries.run_off import (
    AgreementsWaiting,
    StillOpen,
    agreements_waiting,
    open_run_off,
    still_open,
    to_close,
)

__all__ = [
    "FAR",
    "FIRST",
    "AgreementsWaiting",
    "DayCount",
    "ObligationFilter",
    "Owing",
    "StillOpen",
    "agreements_waiting",
    "by_day",
    "coming",
    "obligations",
    "open_run_off",
    "setting",
    "still_open",
    "to_close",
    "to_remind",
]
