"""Reads of the ledger. Row level security scopes every one of them to the session's tenant."""

from marketplace.ledger.queries.checks import CHECKS, Mismatch, verify
from marketplace.ledger.queries.locked import entries_of, held_lots_for_update, lots_for_update
from marketplace.ledger.queries.past import AsOfRow, as_of
from marketplace.ledger.queries.units import (
    MOST_LOTS,
    HistoryRow,
    SerialHit,
    Unit,
    UnitLine,
    by_serial,
    history,
    places,
    unit,
)

__all__ = [
    "CHECKS",
    "MOST_LOTS",
    "AsOfRow",
    "HistoryRow",
    "Mismatch",
    "SerialHit",
    "Unit",
    "UnitLine",
    "as_of",
    "by_serial",
    "entries_of",
    "held_lots_for_update",
    "history",
    "lots_for_update",
    "places",
    "unit",
    "verify",
]
