"""Prices of the second library: what a unit costs on a day, whatever the price follows, and why. Exact until the one rounding
at the end, which the terms name; then held between floor and cap."""

from __future__ import annotations

from datetime import date
from decimal import Context, Decimal
from typing import NamedTuple

from marketplace.agreements import phrases
from marketplace.agreements.facts import Facts
from marketplace.agreements.price_kinds import AnyPrice, CostBasis, CostPlus, IndexedPrice, NoValue
from marketplace.agreements.prices import percent_after
from marketplace.agreements.terms_v2 import AccessBackV2, BuyBackV2, FirstRefusalV1, TermsV2
from marketplace.kit.clock import add_months, months_between
from marketplace.kit.money import Money

PricedTerms = BuyBackV2 | AccessBackV2 | FirstRefusalV1
_EXACT = Context(prec=50)
_WHOLE = Decimal(10_000)


class Priced(NamedTuple):
    """A price per unit and what it is made of. ``term``: the one that decided it; ``held``: words where floor or cap did."""

    amount: Money
    words: str
    term: str
    held: str


class Parts(NamedTuple):
    """An amount that is paid for a unit: the price itself and the holder's handling. They add up to it."""

    price: Money
    handling: Money


class _Basis(NamedTuple):
    """An exact amount before handling, and what it is in words."""

    amount: Decimal
    words: str


class IndexReading(NamedTuple):
    """An index as it counts: ``value`` over ``base``, after floor and cap, and how it was found in words."""

    value: Decimal
    base: Decimal
    words: str


def price_on(terms: PricedTerms, facts: Facts, on_day: date) -> Priced:
    """The price of a unit if notice is given on ``on_day``: by its kind, plus handling, held between floor and cap."""
    basis = _basis(terms.price, facts, on_day)
    currency = facts.sale_price.currency
    exact = _EXACT.divide(_EXACT.multiply(basis.amount, Decimal(10_000 + terms.handling_bp)), _WHOLE)
    amount = Money(exact, currency).rounded(terms.rounding)
    words = basis.words
    if terms.handling_bp:
        words += f", plus {phrases.percent(terms.handling_bp)} handling"
    if terms.price_floor_bp is not None:
        floor = facts.sale_price.share(terms.price_floor_bp, terms.rounding)
        if amount.amount < floor.amount:
            held = f"Never less than {phrases.percent(terms.price_floor_bp)} of the price paid."
            return Priced(floor, words, "price_floor_bp", held)
    if terms.price_cap_bp is not None:
        cap = facts.sale_price.share(terms.price_cap_bp, terms.rounding)
        if amount.amount > cap.amount:
            held = f"Never more than {phrases.percent(terms.price_cap_bp)} of the price paid."
            return Priced(cap, words, "price_cap_bp", held)
    return Priced(amount, words, "price", "")


def parts_of(terms: TermsV2, amount: Money) -> Parts:
    """An amount with handling in it as price and handling. In the proportion that the terms state, also where floor, cap or
    condition have changed it, since those apply to both together; the price is rounded as the terms say, the rest is handling."""
    if terms.clause == "title-kept" or not terms.handling_bp:
        return Parts(amount, Money(amount.amount * 0, amount.currency))
    exact = _EXACT.divide(_EXACT.multiply(amount.amount, _WHOLE), Decimal(10_000 + terms.handling_bp))
    price = Money(exact, amount.currency).rounded(terms.rounding)
    return Parts(price, amount - price)


def _basis(price: AnyPrice, facts: Facts, on_day: date) -> _Basis:
    sale, currency = facts.sale_price, facts.sale_price.currency
    known = facts.circumstances
    if price.kind == "fixed":
        return _Basis(price.amount, "fixed")
    if price.kind == "percent_of_sale":
        return _Basis(_part(sale.amount, price.percent_bp), _of(price.percent_bp, f"the price paid, {sale}"))
    if price.kind == "schedule":
        share = percent_after(price, months_between(facts.schedule_date, on_day))
        return _Basis(_part(sale.amount, share), _of(share, f"the price paid, {sale}"))
    if price.kind == "indexed":
        read = read_index(price, facts, on_day)
        moved = _EXACT.divide(_EXACT.multiply(_part(sale.amount, price.percent_bp), read.value), read.base)
        return _Basis(moved, f"{_of(price.percent_bp, f'the price paid, {sale}')}, {read.words}")
    if price.kind == "percent_of_list":
        listed = known.list_price_now or facts.list_price or sale
        where, why = (
            ("the list price", "") if known.list_price_now else
            ("the last list price", "") if facts.list_price else ("the price paid", ", as there is no list price")
        )  # fmt: skip
        share = price.superseded_bp if known.superseded else price.percent_bp
        why += ", as the part is superseded" if known.superseded else ""
        return _Basis(_part(listed.amount, share), f"{_of(share, f'{where}, {listed}')}{why}")
    if price.kind == "cost_plus":
        return _cost_plus(price, facts, on_day)
    if price.kind == "market_minus":
        market = known.market
        if (
            market is not None
            and market.source == price.source
            # The day may have begun where the holder is and not yet where the agreement's clock is.
            and -1 <= (on_day - market.on).days <= price.max_age_days
        ):
            off = f", less {phrases.percent(price.discount_bp)}" if price.discount_bp else ""
            words = f"{market.amount} by {market.source} of {phrases.day(market.on)}{off}"
            return _Basis(_part(market.amount.amount, 10_000 - price.discount_bp), words)
        why = f", as no value by {price.source} of the last {phrases.count(price.max_age_days, 'day')} is known"
        return _Basis(_part(sale.amount, price.fallback_bp), _of(price.fallback_bp, f"the price paid, {sale}") + why)
    offer = known.intent.offer if known.intent else None
    if offer is not None:
        off = f", less {phrases.percent(price.discount_bp)}" if price.discount_bp else ""
        return _Basis(_part(offer.amount, 10_000 - price.discount_bp), f"what somebody else offers, {offer}{off}")
    words = _of(price.no_offer_bp, f"the price paid, {Money(sale.amount, currency)}")
    return _Basis(_part(sale.amount, price.no_offer_bp), f"{words}, as nobody else offers")


def _cost_plus(price: CostPlus, facts: Facts, on_day: date) -> _Basis:
    known, sale = facts.circumstances, facts.sale_price
    cost, what = sale, "the price paid"
    if (
        price.basis is CostBasis.STATED_COST
        and known.stated_cost is not None
        and known.stated_cost.amount < sale.amount
    ):
        cost, what = known.stated_cost, "the stated cost"
    months = months_between(facts.schedule_date, on_day)
    storage = min(months * price.storage_month_bp, price.storage_cap_bp)
    amount = _part(cost.amount, 10_000 + price.markup_bp + storage)
    words = f"{what}, {cost}"
    if price.markup_bp:
        words += f", plus {phrases.percent(price.markup_bp)}"
    if storage:
        words += f", plus {phrases.percent(storage)} for storage of {phrases.count(months, 'month')}"
    if price.inbound_freight and known.inbound_freight is not None:
        amount = _EXACT.add(amount, known.inbound_freight.amount)
        words += f", plus {known.inbound_freight} freight in"
    return _Basis(amount, words)


def read_index(price: IndexedPrice, facts: Facts, on_day: date) -> IndexReading:
    """How an index counts for a notice on ``on_day``. A value of zero or below counts as none."""
    series = facts.circumstances.find(price.series)
    base = series.values.get(price.base_period) if series else None
    if series is None or base is None or base <= 0:
        return IndexReading(_WHOLE, _WHOLE, f"unmoved, as {price.series} has no value of {price.base_period}")
    wanted = _month(add_months(on_day.replace(day=1), -price.lag_months))
    value = series.values.get(wanted)
    words = f"moved by {price.series} of {wanted}"
    if value is None or value <= 0:
        rule = price.discontinued if series.discontinued else price.no_value
        missing = "is no longer published" if series.discontinued else f"has no value of {wanted}"
        earlier = [period for period, number in series.values.items() if period < wanted and number > 0]
        newest = max(earlier, default=None)
        if rule is NoValue.LAST_KNOWN and newest is not None:
            value, words = series.values[newest], f"moved by {price.series} of {newest}, as it {missing}"
        else:
            value, words = base, f"unmoved, as {price.series} {missing}"
    ratio = _EXACT.divide(_EXACT.multiply(value, _WHOLE), base)
    if ratio < price.index_floor_bp:
        return IndexReading(
            Decimal(price.index_floor_bp),
            _WHOLE,
            f"{words}, but to no less than {phrases.percent(price.index_floor_bp)}",
        )
    if ratio > price.index_cap_bp:
        return IndexReading(
            Decimal(price.index_cap_bp), _WHOLE, f"{words}, but to no more than {phrases.percent(price.index_cap_bp)}"
        )
    return IndexReading(value, base, f"{words} ({phrases.percent(int(ratio))} of {price.base_period})")


def _part(amount: Decimal, basis_points: int) -> Decimal:
    return _EXACT.divide(_EXACT.multiply(amount, Decimal(basis_points)), _WHOLE)


def _of(share: int, what: str) -> str:
    return f"{phrases.percent(share)} of {what}"


def _month(day: date) -> str:
    return f"{day.year:04d}-{day.month:02d}"
