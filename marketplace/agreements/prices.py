"""What a unit costs under a clause of the first library on a given day. Exact, in the currency of the sale."""

from __future__ import annotations

from datetime import date

from marketplace.agreements.price_rules import PercentOfSale, PriceSchedule
from marketplace.agreements.terms import AccessBackV1, BuyBackV1
from marketplace.kit.clock import months_between
from marketplace.kit.money import Money


def unit_price(terms: BuyBackV1 | AccessBackV1, sale_price: Money, schedule_date: date, on_day: date) -> Money:
    """Due per unit if notice is given on ``on_day``: the buy-back price, or the draw fee of access-back.

    Buy-back: price, plus handling, then held between floor and cap; rounded as the terms say.
    """
    if terms.clause == "access-back":
        return sale_price.share(terms.draw_fee_bp, terms.rounding)
    # Days are counted only where the price depends on them: a search asks thousands of times.
    months = months_between(schedule_date, on_day) if terms.price.kind == "schedule" else 0
    return buy_back_price(terms, sale_price, months)


def buy_back_price(terms: BuyBackV1, sale_price: Money, months: int) -> Money:
    """The same by whole months after the schedule date: it stays until the next whole month begins."""
    price = terms.price
    if price.kind == "fixed":
        amount = Money(price.amount, sale_price.currency).share(10_000 + terms.handling_bp, terms.rounding)
    else:
        percent_bp = percent_after(price, months)
        # One rounding, at the end: share of the price paid, times one plus handling.
        shared = sale_price.amount * (percent_bp * (10_000 + terms.handling_bp)) / 100_000_000
        amount = Money(shared, sale_price.currency).rounded(terms.rounding)
    return _within(terms, amount, sale_price)


def percent_on(price: PercentOfSale | PriceSchedule, schedule_date: date, on_day: date) -> int:
    """Share of the price paid, in basis points, after the whole months between the two days."""
    return percent_after(price, months_between(schedule_date, on_day) if price.kind == "schedule" else 0)


def percent_after(price: PercentOfSale | PriceSchedule, months: int) -> int:
    """Share of the price paid, in basis points, after so many whole months.

    A linear schedule moves evenly month by month, rounded down to the basis point; after the last point the
    share stays.
    """
    if price.kind == "percent_of_sale":
        return price.percent_bp
    current = price.points[0]
    for later in price.points[1:]:
        if months < later.after_months:
            if price.shape == "step":
                return current.percent_bp
            span = later.after_months - current.after_months
            done = months - current.after_months
            return (current.percent_bp * (span - done) + later.percent_bp * done) // span
        current = later
    return current.percent_bp


def purchase_price(terms: AccessBackV1, sale_price: Money, list_price: Money | None) -> Money:
    """Due per drawn unit that is not replaced in time: a share of the list price the schedule states.

    Where the schedule states none, the price the holder paid stands in for it.
    """
    return (list_price or sale_price).share(terms.purchase_percent_bp, terms.rounding)


def _within(terms: BuyBackV1, amount: Money, sale_price: Money) -> Money:
    if terms.price_floor_bp is not None:
        floor = sale_price.share(terms.price_floor_bp, terms.rounding)
        if amount.amount < floor.amount:
            return floor
    if terms.price_cap_bp is not None:
        cap = sale_price.share(terms.price_cap_bp, terms.rounding)
        if amount.amount > cap.amount:
            return cap
    return amount
