"""Reads of the ledger. Row level security scopes every one of them to the session's tenant."""

from marketplace.ledger.queries.changed import ChangeRow, Flow, PlaceChange, changes, difference_in_all, differences
from marketplace.ledger.queries.checks import CHECKS, Mismatch, no_row_by_row, verify, verify_lots
from marketplace.ledger.queries.labels import Scanned, scanned
from marketplace.ledger.queries.locked import entries_of, held_lots_for_update, lots_for_update
from marketplace.ledger.queries.past import AsOf, AsOfRow, Pin, PlaceSum, Scope, as_of, check_scope, pins, sums
from marketplace.ledger.queries.past_file import as_of_file
from marketplace.ledger.queries.standing_holds import StandingHold, standing_holds
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
    "AsOf",
    "AsOfRow",
    "ChangeRow",
    "Flow",
    "HistoryRow",
    "Mismatch",
    "Pin",
    "PlaceChange",
    "PlaceSum",
    "Scanned",
    "Scope",
    "SerialHit",
    "StandingHold",
    "Unit",
    "UnitLine",
    "as_of",
    "as_of_file",
    "by_serial",
    "changes",
    "check_scope",
    "difference_in_all",
    "differences",
    "entries_of",
    "held_lots_for_update",
    "history",
    "lots_for_update",
    "no_row_by_row",
    "pins",
    "places",
    "scanned",
    "standing_holds",
    "sums",
    "unit",
    "verify",
    "verify_lots",
]
