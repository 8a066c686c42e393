"""Named starting points of the second library: one clause or several that stand together, with terms for each.

On offer in place of the presets of the first library once all their clauses are released (``starting_points``). Numbers follow
published practice, as in ``presets``; half a percent a week up to five percent for delay is usual in supply contracts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import Terms, parse_terms
from marketplace.agreements.together import NamedClause, together


@dataclass(frozen=True, slots=True)
class Combination:
    """Clauses with a set of terms each, in JSON types, and when to choose them."""

    name: str
    title: str
    when: str
    clauses: tuple[tuple[str, int, Mapping[str, Any]], ...]

    @property
    def first(self) -> NamedClause:
        """The clause that comes first."""
        return NamedClause(*self.clauses[0])

    @property
    def further(self) -> tuple[NamedClause, ...]:
        """Those beside it."""
        return tuple(NamedClause(*clause) for clause in self.clauses[1:])

    def released(self, published: Collection[tuple[str, int]]) -> bool:
        """Whether all its clauses are among those ``published``, so that something can be posted under them."""
        return all((clause, version) in published for clause, version, _ in self.clauses)

    def terms(self, **changed: Any) -> tuple[Terms, ...]:
        """The typed terms of each clause, with some terms changed in each that has them. Raises ``terms.invalid``,
        ``terms.combination``."""
        made = tuple(
            parse_terms(clause, version, {**values, **{k: v for k, v in changed.items() if k in values}})
            for clause, version, values in self.clauses
        )
        return together(made)


_SHARED: Mapping[str, Any] = {
    "use_class": "either", "scope": "parts", "minimum_to_keep": 0, "minimum_steps": [], "window_start_months": 0,
    "window_end_months": 60, "partial_minimum": 1, "partial_multiple": 1, "max_exercises": None,
    "notice_hours_machine_down": 24, "notice_days_urgent": 3, "notice_days_stock": 20,
    "deliver_hours_machine_down": 48, "deliver_days_urgent": 6, "deliver_days_stock": 30,
    "day_count": "calendar", "holiday_calendar": None, "cure_days": 5, "rounding": "half_up",
    "use_rule": "free", "use_allowance": None, "use_notice_days": 10, "resale": "consent", "resale_notice_days": 15,
    "scrap_rule": "offer_first", "scrap_notice_days": 30, "silence_on_notice": "cleared",
    "silence_on_consent": "refused", "clearance_days": 60, "report_within_days": 14,
    "return_grade": "used_tested", "return_papers": "as_sold", "remaining_shelf_life_bp": 0, "grade_adjustments": [],
    "reject_remedy": "return", "inspection_days": 10, "incoterm": "FCA", "incoterm_place": "the Holder's dock",
    "storage_conditions": "dry_indoors", "storage_fee_bp": 0, "payment_days": 30, "set_off": True, "title": "sold",
    "count_interval_months": 12, "count_tolerance_bp": 200, "late_share_bp": 50, "late_period_days": 7,
    "late_cap_bp": 500, "cover_purchase": True, "cover_cap_bp": 2_500, "breach_share_bp": 10_000,
    "breach_cap_bp": 10_000, "loss_bearer": "holder", "loss_compensation_bp": 2_000, "insolvency": "freeze",
    "export_class": None, "hazmat_un": None, "returned_goods_months": 36, "renewal": "by_agreement",
    "renewal_months": 12, "max_renewals": 5, "non_renewal_days": 90, "survival_months": 12,
}  # fmt: skip
_PRICED: Mapping[str, Any] = {
    "price": {"kind": "percent_of_sale", "percent_bp": 8_500}, "handling_bp": 600, "price_floor_bp": None,
    "price_cap_bp": None,
}  # fmt: skip
_ORDERED: Mapping[str, Any] = {
    "applies_to": "all", "holder_reserve": 0, "blackouts": [], "blackout_machine_down": True, "max_units": None,
    "max_units_months": 12, "acknowledge_hours_machine_down": 1, "acknowledge_days_urgent": 1,
    "acknowledge_days_stock": 3, "respond_hours_machine_down": 4, "respond_days_urgent": 1, "respond_days_stock": 15,
    "no_response": "accepted", "option_premium_bp": 0, "substitution": "makers_list",
    "substitution_direction": "newer_for_older", "runs_with_the_unit": True,
}  # fmt: skip
BUY_BACK: Mapping[str, Any] = {**_SHARED, **_ORDERED, **_PRICED, "put_percent_bp": None, "put_start_months": 0}
ACCESS_BACK: Mapping[str, Any] = {
    **_SHARED, **_ORDERED, **_PRICED, "applies_to": "floor", "minimum_to_keep": 1, "draw_fee_bp": 500,
    "replace_days": 60, "price": {"kind": "percent_of_list", "percent_bp": 10_000, "superseded_bp": 10_000},
    "handling_bp": 0,
}  # fmt: skip
FIRST_REFUSAL: Mapping[str, Any] = {
    **_SHARED, **_PRICED, "applies_to": "all", "handling_bp": 0, "option_premium_bp": 0, "resale": "offer_first",
    "runs_with_the_unit": False, "price": {"kind": "match_third_party", "discount_bp": 0, "no_offer_bp": 2_000},
    "breach_share_bp": 0, "breach_cap_bp": None,
}  # fmt: skip
TITLE_KEPT: Mapping[str, Any] = {
    **_SHARED, "title": "consigned", "resale": "not_allowed", "scrap_rule": "consent", "withdrawal_days": 30,
    "recall_fee_bp": 300, "must_buy_months": None, "at_end": "returned", "end_return_days": 30, "loss_bearer": "holder",
    "count_interval_months": 6,
}  # fmt: skip

COMBINATIONS: Mapping[str, Combination] = {
    made.name: made
    for made in (
        Combination(
            "standard-buy-back",
            "Standard buy-back",
            "The usual case: buy back what is left, no minimum to keep.",
            (("buy-back", 2, BUY_BACK),),
        ),
        Combination(
            "access-first",
            "Access first",
            "A part you may need again: any remaining unit can be bought back, and some are always kept.",
            (("buy-back", 2, {**BUY_BACK, "minimum_to_keep": 3, "window_end_months": 96}),),
        ),
        Combination(
            "revenue-now",
            "Revenue now",
            "A part you may let go: sold for good, and you are asked at the market's price before a unit is sold on or scrapped.",
            (("first-refusal", 1, FIRST_REFUSAL),),
        ),
        Combination(
            "title-kept",
            "Title kept",
            "A part that stays yours: it lies where it is needed, and is paid when it is taken out.",
            (("title-kept", 1, {**TITLE_KEPT, "minimum_to_keep": 1}),),
        ),
        Combination(
            "standard-access",
            "Standard access",
            "A partner that keeps units on its shelf for you: draw one, replace it in kind.",
            (("access-back", 2, ACCESS_BACK),),
        ),
        Combination(
            "declining-buy-back",
            "Buy-back at a declining price",
            "Parts that lose value: 90 % of the price paid at first, 40 % after five years.",
            (("buy-back", 2, {**BUY_BACK, "handling_bp": 0, "price": PRESETS["declining-buy-back"].values["price"]}),),
        ),
        Combination(
            "wide-access",
            "Access to all units",
            "As standard access, reaching every unit the partner has left.",
            (
                (
                    "access-back",
                    2,
                    {**ACCESS_BACK, "applies_to": "all", "minimum_to_keep": 2, "draw_fee_bp": 300, "replace_days": 90},
                ),
            ),
        ),
        Combination(
            "shelf-and-first-refusal",
            "A few on the shelf, and asked before the rest goes",
            "A few units can be drawn at once; the others are the holder's, which asks before it sells or scraps them.",
            (
                # Where the clause that orders asked for a yes to each sale, nothing would ever be offered first.
                ("access-back", 2, {**ACCESS_BACK, "minimum_to_keep": 3, "resale": "offer_first"}),
                ("first-refusal", 1, {**FIRST_REFUSAL, "applies_to": "free", "minimum_to_keep": 3}),
            ),
        ),
    )
}


def ready_made(published: Collection[tuple[str, int]]) -> Sequence[Combination]:
    """All named terms of ``published`` clauses, of every version: the usual first."""
    presets = [Combination(p.name, p.title, p.when, ((p.clause, p.version, p.values),)) for p in PRESETS.values()]
    return [c for c in (*COMBINATIONS.values(), *presets) if c.released(published)]


def starting_points(published: Collection[tuple[str, int]]) -> Mapping[str, Combination]:
    """By name what a new posting starts from, the usual first: none of a version that a ``published`` one replaces."""
    newest: dict[str, int] = {}
    for clause, version in published:
        newest[clause] = max(version, newest.get(clause, 0))
    return {
        c.name: c for c in ready_made(published) if all(version == newest[clause] for clause, version, _ in c.clauses)
    }
