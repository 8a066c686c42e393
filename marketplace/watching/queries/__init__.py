"""Reads of the watch: what a run is reckoned from, and what it found."""

from marketplace.watching.queries.found import (
    Behind,
    Finding,
    HolderRow,
    PartRow,
    RowFilter,
    RunRow,
    behind,
    findings_of,
    first_site,
    going_for_update,
    holders,
    latest,
    row,
    rows,
    run,
    run_for_update,
    runs,
    setting_of,
)
from marketplace.watching.queries.gathering import (
    asked_by_month,
    companies_to_watch,
    levels,
)
from marketplace.watching.queries.prices import following_prices, rates_into
from marketplace.watching.queries.standing import standing

__all__ = [
    "Behind",
    "Finding",
    "HolderRow",
    "PartRow",
    "RowFilter",
    "RunRow",
    "asked_by_month",
    "behind",
    "companies_to_watch",
    "findings_of",
    "first_site",
    "following_prices",
    "going_for_update",
    "holders",
    "latest",
    "levels",
    "rates_into",
    "row",
    "rows",
    "run",
    "run_for_update",
    "runs",
    "setting_of",
    "standing",
]  # fmt: skip
