"""Reads of holdings: what a company holds, when it was last counted, what is being looked for."""

from marketplace.holdings.queries.lines import (
    ClauseTotal,
    Holding,
    HoldingFilter,
    HoldingRow,
    StockLineRow,
    holding,
    stock_lines,
    totals_by_clause,
    what_we_hold,
)
from marketplace.holdings.queries.locked import lines_for_update, lot_ids_at, lot_ids_of_serial, shelf_for_update
from marketplace.holdings.queries.standing import (
    CountRow,
    FreezeTarget,
    ToCountRow,
    WithdrawalRow,
    callable_facts,
    freeze_targets,
    last_count,
    movement_to_correct,
    places_to_count,
    units_at,
    waiting,
    withdrawals_open,
)
from marketplace.holdings.queries.units import UnitRow, visible_units

__all__ = [
    "ClauseTotal",
    "CountRow",
    "FreezeTarget",
    "Holding",
    "HoldingFilter",
    "HoldingRow",
    "StockLineRow",
    "ToCountRow",
    "UnitRow",
    "WithdrawalRow",
    "callable_facts",
    "freeze_targets",
    "holding",
    "last_count",
    "lines_for_update",
    "lot_ids_at",
    "lot_ids_of_serial",
    "movement_to_correct",
    "places_to_count",
    "shelf_for_update",
    "stock_lines",
    "totals_by_clause",
    "units_at",
    "visible_units",
    "waiting",
    "what_we_hold",
    "withdrawals_open",
]
