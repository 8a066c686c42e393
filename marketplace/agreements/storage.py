"""The fee for storing the minimum to keep: when each year of a schedule ends, and what is owed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from marketplace.agreements.dues import Due, Duty, Event, Happened, obligations
from marketplace.agreements.facts import Facts
from marketplace.agreements.terms import Terms
from marketplace.kit.clock import add_months, end_of_day

_LEAST: Final = timedelta(microseconds=1)
"""The day on which a year ends is not counted: days to pay begin with the day after it."""


def storage_due(clauses: Sequence[Terms], facts: Facts, closes: datetime, years: int) -> datetime | None:
    """When the next year after so many settled ones ends (exclusive), within the window that ends at ``closes``; None where
    no clause states a fee, or no further year ends within it."""
    if not any(terms.generation == 2 and terms.storage_fee_bp for terms in clauses):
        return None
    at = year_end(facts, years + 1)
    return at if at <= closes else None


def year_end(facts: Facts, year: int) -> datetime:
    """The moment at which the schedule's ``year``-th year is over."""
    return end_of_day(add_months(facts.schedule_date, 12 * year), facts.zone)


def storage_fee(clauses: Sequence[Terms], facts: Facts, kept: int, at: datetime) -> Due | None:
    """What the manufacturer owes for the year that ended at ``at``, in which the holder never had fewer than ``kept`` units. Of
    several clauses the one that gives most: they are about the same units. None where nothing is owed."""
    in_year = replace(
        facts, remaining=min(kept, facts.accepted), held=0, in_transit=0, quality_held=0, withdrawn=0,
        circumstances=replace(facts.circumstances, cleared=0, notices=()),
    )  # fmt: skip
    found = [
        due
        for terms in clauses
        if terms.generation == 2
        for due in obligations(terms, in_year, Happened(event=Event.YEAR_ENDED, at=at - _LEAST))
        if due.what is Duty.PAY
    ]
    return max(found, key=lambda due: due.amount.amount if due.amount else 0, default=None)
