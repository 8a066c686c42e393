"""buy-back: the price of units that are bought back, and, from version 2, of those that the holder sells back."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketplace.agreements import deadlines, exercise, phrases
from marketplace.agreements.exercise import Cost
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import frozen
from marketplace.agreements.outcomes import Entitled, Reason, RefusalCode, Refused
from marketplace.agreements.prices import percent_on, unit_price
from marketplace.agreements.reach import reason
from marketplace.agreements.terms import BuyBackV1, BuyBackV2, NoResponse, Terms, Urgency
from marketplace.kit.clock import add_months, end_of_day, local_day
from marketplace.kit.errors import invalid


def evaluate(terms: BuyBackV1 | BuyBackV2, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May ``facts.requested`` units be bought back, and at what price, by when."""
    moment = facts.notice_at or now
    if terms.version == 1:
        return exercise.evaluate(terms, facts, now, lambda: _cost(terms, facts, moment, explain), explain=explain)
    return exercise.evaluate(terms, facts, now, lambda: exercise.priced(terms, facts, moment), explain=explain)


def evaluate_put(terms: Terms, facts: Facts, quantity: int, now: datetime) -> Entitled | Refused:
    """May the holder sell ``quantity`` units back to the manufacturer; what it may not, it can offer. Limits on the
    manufacturer's own orders do not count. Raises ``call.quantity``."""
    if quantity < 1:
        raise invalid("call.quantity", "Ask for at least one unit.", field="quantity")
    if terms.clause != "buy-back" or terms.version != 2 or terms.put_percent_bp is None:
        words = "The agreement gives the holder no right to sell units back."
        return Refused(RefusalCode.NO_PUT, words, "Offer them to the manufacturer.", None, ())
    stopped = frozen(facts, now) or _put_not_in_time(terms, facts, now)
    if stopped:
        return stopped
    loose = facts.remaining - facts.held - facts.in_transit - facts.quality_held - facts.withdrawn
    available = max(loose - facts.circumstances.cleared, 0)
    if not available:
        words = "Every unit left is reserved, on the way, on hold, being counted or cleared for use."
        return Refused(RefusalCode.NOTHING_LEFT, words, "Possible when units are free again.", None, ())
    price = facts.sale_price.share(terms.put_percent_bp, terms.rounding)
    words = f"{price} a unit ({phrases.percent(terms.put_percent_bp)} of the price paid, {facts.sale_price})."
    return Entitled(
        available,
        min(quantity, available),
        price,
        None,
        now,
        deadlines.ship_by(terms, Urgency.STOCK, now, facts.zone),
        terms.inspection_days,
        terms.payment_days,
        terms.freight_payer,
        NoResponse.ACCEPTED,
        (reason(terms, "put_percent_bp", words),),
        None,
        deadlines.deliver_by(terms, Urgency.STOCK, now, facts.zone),
    )


def _put_not_in_time(terms: BuyBackV2, facts: Facts, now: datetime) -> Refused | None:
    first = add_months(facts.schedule_date, terms.put_start_months)
    opens, span = end_of_day(first - timedelta(days=1), facts.zone), deadlines.window(terms, facts)
    if now < opens:
        words = f"The holder's right to sell back opens on {phrases.day(first)}."
        grounds = (reason(terms, "put_start_months", words),)
        return Refused(RefusalCode.WINDOW_NOT_OPEN, words, f"Possible from {phrases.day(first)}.", opens, grounds)
    if now >= span.closes:
        words = f"The holder's right to sell back ended on {phrases.day(span.last_day)}."
        grounds = (reason(terms, "window_end_months", words),)
        return Refused(RefusalCode.WINDOW_CLOSED, words, "Offer the units to the manufacturer.", None, grounds)
    return None


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
