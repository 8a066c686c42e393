"""buy-back/v1: the price of units that are bought back."""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements import exercise, phrases
from marketplace.agreements.exercise import Cost
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Entitled, Reason, Refused
from marketplace.agreements.prices import percent_on, unit_price
from marketplace.agreements.reach import reason
from marketplace.agreements.terms import BuyBackV1
from marketplace.kit.clock import local_day


def evaluate(terms: BuyBackV1, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May ``facts.requested`` units be bought back, and at what price, by when."""
    moment = facts.notice_at or now
    return exercise.evaluate(terms, facts, now, lambda: _cost(terms, facts, moment, explain), explain=explain)


def _cost(terms: BuyBackV1, facts: Facts, moment: datetime, explain: bool) -> Cost:
    on_day = local_day(moment, facts.zone)
    price = unit_price(terms, facts.sale_price, facts.schedule_date, on_day)
    if not explain:
        return Cost(price, None, ())
    reasons: list[Reason] = []
    if terms.price.kind == "fixed":
        basis = "fixed"
    else:
        share = percent_on(terms.price, facts.schedule_date, on_day)
        basis = f"{phrases.percent(share)} of {facts.sale_price}"
    if terms.handling_bp:
        basis += f", plus {phrases.percent(terms.handling_bp)} handling"
    reasons.append(reason(terms, "price", f"{price} a unit ({basis})."))
    if terms.price_floor_bp is not None and price == facts.sale_price.share(terms.price_floor_bp, terms.rounding):
        reasons.append(
            reason(
                terms, "price_floor_bp", f"Never less than {phrases.percent(terms.price_floor_bp)} of the price paid."
            )
        )
    if terms.price_cap_bp is not None and price == facts.sale_price.share(terms.price_cap_bp, terms.rounding):
        reasons.append(
            reason(terms, "price_cap_bp", f"Never more than {phrases.percent(terms.price_cap_bp)} of the price paid.")
        )
    return Cost(price, None, tuple(reasons))
