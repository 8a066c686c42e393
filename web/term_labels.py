"""The terms of clauses in the editor: their groups and the words of their choices. Either side reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUPS: Final = (
    (
        "The right",
        (
            "applies_to", "minimum_to_keep", "minimum_steps", "holder_reserve", "window_start_months",
            "window_end_months", "scope", "blackouts", "blackout_machine_down", "option_premium_bp", "put_percent_bp",
            "put_start_months",
        ),
    ),
    (
        "Price",
        (
            "price", "handling_bp", "price_floor_bp", "price_cap_bp", "draw_fee_bp", "replace_days",
            "purchase_percent_bp", "rounding",
        ),
    ),
    (
        "Taking out and paying",
        ("withdrawal_days", "must_buy_months", "recall_fee_bp", "at_end", "end_return_days"),
    ),
    (
        "Clock",
        (
            "acknowledge_hours_machine_down", "respond_hours_machine_down", "notice_hours_machine_down",
            "deliver_hours_machine_down", "acknowledge_days_urgent", "respond_days_urgent", "notice_days_urgent",
            "deliver_days_urgent", "acknowledge_days_stock", "respond_days_stock", "notice_days_stock",
            "deliver_days_stock", "no_response", "day_count", "holiday_calendar", "cure_days",
        ),
    ),
    (
        "How much at a time",
        ("partial_minimum", "partial_multiple", "max_exercises", "max_units", "max_units_months"),
    ),
    (
        "Using, selling on, scrapping",
        (
            "use_free_above_minimum", "use_rule", "use_allowance", "use_notice_days", "resale", "resale_notice_days",
            "scrap_rule", "scrap_notice_days", "silence_on_notice", "silence_on_consent", "clearance_days",
            "report_within_days", "runs_with_the_unit",
        ),
    ),
    (
        "What comes back",
        (
            "substitution", "substitution_direction", "return_grade", "grade_adjustments", "return_papers",
            "remaining_shelf_life_bp", "reject_remedy",
        ),
    ),
    (
        "Delivery, payment, loss",
        (
            "freight_payer", "incoterm", "incoterm_place", "inspection_days", "payment_days", "set_off", "title",
            "storage_conditions", "storage_fee_bp", "loss_bearer", "loss_compensation_bp",
        ),
    ),
    (
        "If something goes wrong",
        (
            "late_share_bp", "late_period_days", "late_cap_bp", "cover_purchase", "cover_cap_bp", "breach_share_bp",
            "breach_cap_bp", "count_interval_months", "count_tolerance_bp", "insolvency",
        ),
    ),
    ("Trade rules", ("export_class", "hazmat_un", "returned_goods_months")),
    (
        "Renewal and end",
        ("renewal", "renewal_months", "max_renewals", "non_renewal_days", "survival_months"),
    ),
)  # fmt: skip
REST: Final = "More"
PARTIES: Final = {"manufacturer": "Manufacturer", "holder": "Holder"}
GRADES: Final = {
    "new": "New",
    "new_old_stock": "New old stock",
    "remanufactured": "Remanufactured",
    "used_tested": "Used and tested",
    "used": "Used",
    "core": "Core",
}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "applies_to": {
        "all": "All that the holder still has",
        "free": "Units above the minimum",
        "floor": "Only the minimum",
    },
    "no_response": {"accepted": "Accepted", "refused": "Refused"},
    "rounding": {"half_up": "Half up", "half_even": "Half to even", "up": "Up"},
    "resale": {
        "not_allowed": "Not allowed",
        "consent": "With the manufacturer's consent",
        "free": "Without asking",
        "offer_first": "Offered to the manufacturer first",
        "accession": "Once the buyer has joined",
    },
    "freight_payer": PARTIES,
    "loss_bearer": PARTIES,
    "use_free_above_minimum": {"true": "Without asking", "false": "After notice"},
    "runs_with_the_unit": {"true": "The right goes with it", "false": "The right ends on it"},
    "scope": {
        "lots": "Only the units sold",
        "parts": "Any equal unit of the part",
        "interchange": "Also interchangeable parts",
    },
    "use_rule": {
        "free": "Without asking",
        "within_allowance": "Within an allowance",
        "after_notice": "After notice",
        "consent": "With the manufacturer's consent",
    },
    "scrap_rule": {
        "free": "Without asking",
        "offer_first": "Offered to the manufacturer first",
        "consent": "With the manufacturer's consent",
    },
    "silence_on_notice": {"cleared": "The holder may act", "refused": "The holder may not act"},
    "silence_on_consent": {"refused": "Consent is refused", "given": "Consent is given"},
    "substitution": {
        "none": "Not allowed",
        "form_fit_function": "Equal in form, fit and function",
        "makers_list": "As the maker's list names",
    },
    "substitution_direction": {"newer_for_older": "Newer for older only", "either": "Either way"},
    "return_grade": GRADES,
    "return_papers": {
        "none": "None",
        "as_sold": "Those that came with it",
        "certificate": "Certificate",
        "full_trace": "Certificate and full trace",
    },
    "reject_remedy": {
        "return": "Goes back, stays under the clause",
        "replace": "The holder sends another",
        "credit": "The manufacturer keeps it and pays nothing",
    },
    "incoterm": {
        "EXW": "EXW, Ex works",
        "FCA": "FCA, Free carrier",
        "FAS": "FAS, Free alongside ship",
        "FOB": "FOB, Free on board",
        "CFR": "CFR, Cost and freight",
        "CIF": "CIF, Cost, insurance, freight",
        "CPT": "CPT, Carriage paid to",
        "CIP": "CIP, Carriage and insurance paid to",
        "DAP": "DAP, Delivered at place",
        "DPU": "DPU, Delivered, unloaded",
        "DDP": "DDP, Delivered, duty paid",
    },
    "storage_conditions": {
        "dry_indoors": "Dry and indoors",
        "climate_controlled": "Climate-controlled",
        "as_maker_states": "As the maker states",
    },
    "title": {
        "sold": "Sold: the holder, from delivery",
        "retained_until_paid": "Manufacturer, until they are paid",
        "consigned": "Manufacturer, until they are taken out",
    },
    "insolvency": {"freeze": "Window runs on", "freeze_and_add": "Days are added to the window"},
    "renewal": {"none": "It ends", "by_agreement": "Renewed if both agree", "automatic": "Renewed unless one objects"},
    "at_end": {"returned": "Go back to the manufacturer", "purchased": "Are bought by the holder"},
    "day_count": {"calendar": "Calendar days", "business": "Business days"},
    "set_off": {"true": "Either side may", "false": "Neither side does"},
    "cover_purchase": {"true": "Allowed, at the holder's cost", "false": "Not allowed"},
    "blackout_machine_down": {"true": "Can be ordered all the same", "false": "Is no exception"},
    "no_value": {"last_known": "Its newest earlier value", "unchanged": "Its value of the base month"},
    "discontinued": {"last_known": "Its newest earlier value", "unchanged": "Its value of the base month"},
    "basis": {"price_paid": "The price paid", "stated_cost": "The cost that the holder shows"},
    "inbound_freight": {"true": "Added, as evidenced", "false": "Not added"},
}
KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "price": {
        "percent_of_sale": "A share of what the partner paid",
        "fixed": "A fixed amount",
        "schedule": "A share that changes with time",
        "indexed": "A share that follows an index",
        "percent_of_list": "A share of the list price",
        "cost_plus": "Its cost and a share on top",
        "market_minus": "The market value less a discount",
        "match_third_party": "What somebody else offers",
    },
    "use_allowance": {"units": "So many units per period", "share_of_sold": "A share of the units sold per period"},
}
"""The kinds that a term may be of, in the order they are offered."""
PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "fixed": {"amount": "Fixed amount"},
    "percent_of_sale": {"percent_bp": "Share of the price paid"},
    "schedule": {
        "points": "Months and share",
        "shape": "Between these points",
        "declining": "Declared to decline",
    },
    "indexed": {
        "percent_bp": "Share of the price paid, before the index",
        "series": "Index",
        "base_period": "Base month",
        "lag_months": "Value of so many months before",
        "index_floor_bp": "Index counts as at least",
        "index_cap_bp": "Index counts as at most",
        "no_value": "A value not published in time",
        "discontinued": "Once no longer published",
    },
    "percent_of_list": {"percent_bp": "Share of the list price", "superseded_bp": "Once the part is superseded"},
    "cost_plus": {
        "basis": "Cost",
        "markup_bp": "Added to the cost",
        "storage_month_bp": "Added for storage, per month",
        "storage_cap_bp": "Most for storage",
        "inbound_freight": "Freight in",
    },
    "market_minus": {
        "source": "Market value by",
        "discount_bp": "Less",
        "max_age_days": "Not older than",
        "fallback_bp": "Otherwise, of the price paid",
    },
    "match_third_party": {"discount_bp": "Less than the offer by", "no_offer_bp": "Nobody offers: of the price paid"},
    "units": {
        "units": "Units per period",
        "period_months": "Length of a period",
        "carry_over_periods": "Unused can be used for",
    },
    "share_of_sold": {
        "share_bp": "Share of the units sold",
        "period_months": "Length of a period",
        "carry_over_periods": "Unused can be used for",
    },
}
"""What belongs to a kind, by kind."""
SHAPES: Final = (("step", "In steps"), ("linear", "Evenly, month by month"))
