"""Named starting points for terms: what a release editor offers before anybody types a number.

The numbers follow published practice: response 4 hours when a machine is down and 15 days for stock orders,
85 % plus 6 % handling (New York General Business Law 696-f), first offer before scrapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketplace.agreements.terms import Terms, parse_terms


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of terms of one clause version, in JSON types, and when to choose it."""

    name: str
    title: str
    when: str
    clause: str
    version: int
    values: Mapping[str, Any]

    def terms(self, **changed: Any) -> Terms:
        """The typed terms, with some of them changed; raises ``terms.invalid``."""
        return parse_terms(self.clause, self.version, {**self.values, **changed})


_COMMON: Mapping[str, Any] = {
    "use_class": "either",
    "applies_to": "all",
    "minimum_to_keep": 0,
    "holder_reserve": 0,
    "window_start_months": 0,
    "window_end_months": 60,
    "partial_minimum": 1,
    "partial_multiple": 1,
    "max_exercises": None,
    "notice_hours_machine_down": 24,
    "notice_days_urgent": 3,
    "notice_days_stock": 20,
    "respond_hours_machine_down": 4,
    "respond_days_urgent": 1,
    "respond_days_stock": 15,
    "no_response": "accepted",
    "rounding": "half_up",
    "use_free_above_minimum": True,
    "use_notice_days": 10,
    "clearance_days": 60,
    "report_within_days": 14,
    "resale": "consent",
    "scrap_notice_days": 30,
    "runs_with_the_unit": True,
    "freight_payer": "manufacturer",
    "inspection_days": 10,
    "payment_days": 30,
    "loss_bearer": "holder",
    "loss_compensation_bp": 2_000,
}
_BUY_BACK: Mapping[str, Any] = {
    **_COMMON,
    "price": {"kind": "percent_of_sale", "percent_bp": 8_500},
    "handling_bp": 600,
    "price_floor_bp": None,
    "price_cap_bp": None,
}
_ACCESS: Mapping[str, Any] = {
    **_COMMON,
    "applies_to": "floor",
    "minimum_to_keep": 1,
    "draw_fee_bp": 500,
    "replace_days": 60,
    "purchase_percent_bp": 10_000,
}

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "access-first",
            "Access first",
            "A part you may need again: any remaining unit can be bought back, and some are always kept.",
            "buy-back",
            1,
            {**_BUY_BACK, "minimum_to_keep": 3, "window_end_months": 96},
        ),
        Preset(
            "standard-buy-back",
            "Standard buy-back",
            "The usual case: buy back what is left, no minimum to keep.",
            "buy-back",
            1,
            _BUY_BACK,
        ),
        Preset(
            "declining-buy-back",
            "Buy-back at a declining price",
            "Parts that lose value: 90 % of the price paid at first, 40 % after five years.",
            "buy-back",
            1,
            {
                **_BUY_BACK,
                "price": {
                    "kind": "schedule",
                    "shape": "linear",
                    "declining": True,
                    "points": [{"after_months": 0, "percent_bp": 9_000}, {"after_months": 60, "percent_bp": 4_000}],
                },
                "handling_bp": 0,
            },
        ),
        Preset(
            "standard-access",
            "Standard access",
            "A partner that keeps units on its shelf for you: draw one, replace it in kind.",
            "access-back",
            1,
            _ACCESS,
        ),
        Preset(
            "wide-access",
            "Access to all units",
            "As standard access, reaching every unit the partner has left.",
            "access-back",
            1,
            {**_ACCESS, "applies_to": "all", "minimum_to_keep": 2, "draw_fee_bp": 300, "replace_days": 90},
        ),
    )
}
