"""What the books need of a price that the terms alone do not say: on which dates it can lie between what and what, or what it
follows where nothing bounds it. Pure. Indicative, an auditor confirms it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

from marketplace.agreements import phrases
from marketplace.agreements.classification import Exercise, FirstRefusal
from marketplace.agreements.facts import Facts
from marketplace.agreements.price_kinds import IndexedPrice
from marketplace.agreements.pricing import price_on
from marketplace.agreements.term_kinds import ResaleRule, ScrapRule, UseRule
from marketplace.agreements.terms import BuyBackV1, BuyBackV2
from marketplace.agreements.terms_v2 import FirstRefusalV1
from marketplace.kit.clock import add_months
from marketplace.kit.money import Money

_DAY = date(2001, 1, 1)
"""Months are counted from a day that every month has."""
_FOLLOWS = {
    "percent_of_list": "the maker's list price",
    "market_minus": "the market",
    "match_third_party": "what somebody else offers",
}


def open_price(terms: BuyBackV1 | BuyBackV2) -> str:
    """What the price of a buy-back follows where neither the kind nor a floor and a cap bound it; empty where it is bounded."""
    if terms.version == 1:
        return ""
    price = terms.price
    bounded = terms.price_floor_bp is not None and terms.price_cap_bp is not None
    if price.kind == "cost_plus" and price.inbound_freight and not bounded:
        return "the freight that the holder paid"
    return "" if bounded else _FOLLOWS.get(price.kind, "")


def bounded_exercises(terms: BuyBackV2, sale_price: Money) -> tuple[Exercise, ...]:
    """Dates with the least and the most that a unit can cost on each, in order: the ends of the window, and both sides of
    every month in which the terms change the price. Of a price that falls evenly, its agreed points."""
    start, end = terms.window_start_months, terms.window_end_months
    made = [Exercise(start, price) for price in _range(terms, sale_price, start)]
    for month in _changes(terms):
        if start < month <= end:
            # The last moment of the old price and the first of the new.
            made += [Exercise(month, price) for m in (month - 1, month) for price in _range(terms, sale_price, m)]
    made += [Exercise(end, price) for price in _range(terms, sale_price, end)]
    return tuple(dict.fromkeys(made))


def _changes(terms: BuyBackV2) -> list[int]:
    price = terms.price
    if price.kind == "cost_plus":
        return list(range(1, terms.window_end_months + 1)) if price.storage_month_bp else []
    if price.kind != "schedule":
        return []
    if price.shape == "step":
        return [point.after_months for point in price.points]
    months: list[int] = []
    for first, then in pairwise(price.points):
        rises = then.percent_bp > first.percent_bp
        months += range(first.after_months + 1, then.after_months + 1) if rises else [then.after_months]
    return months


def _range(terms: BuyBackV2, sale_price: Money, month: int) -> tuple[Decimal, ...]:
    """Least and most on that month: one amount where the terms alone say it."""
    facts = Facts(schedule_date=_DAY, zone="UTC", sale_price=sale_price, quantity_sold=1, remaining=1)
    price = terms.price
    if isinstance(price, IndexedPrice):
        shares = [price.percent_bp * bound // 10_000 for bound in (price.index_floor_bp, price.index_cap_bp)]
        return tuple(dict.fromkeys(_held(terms, sale_price, share) for share in shares))
    if price.kind in _FOLLOWS and terms.price_floor_bp is not None and terms.price_cap_bp is not None:
        bounds = (terms.price_floor_bp, terms.price_cap_bp)
        return tuple(dict.fromkeys(sale_price.share(bound, terms.rounding).amount for bound in bounds))
    return (price_on(terms, facts, add_months(_DAY, month)).amount.amount,)


def _held(terms: BuyBackV2, sale_price: Money, share: int) -> Decimal:
    amount = sale_price.share(share * (10_000 + terms.handling_bp) // 10_000, terms.rounding).amount
    if terms.price_floor_bp is not None:
        amount = max(amount, sale_price.share(terms.price_floor_bp, terms.rounding).amount)
    if terms.price_cap_bp is not None:
        amount = min(amount, sale_price.share(terms.price_cap_bp, terms.rounding).amount)
    return amount


def first_refusal(terms: FirstRefusalV1) -> FirstRefusal:
    """A first refusal as the books ask about it: before what, and whether its price is fixed in advance."""
    before = [
        words
        for offered, words in (
            (terms.use_rule in (UseRule.AFTER_NOTICE, UseRule.WITHIN_ALLOWANCE), "used"),
            (terms.resale is ResaleRule.OFFER_FIRST, "sold on"),
            (terms.scrap_rule is ScrapRule.OFFER_FIRST, "scrapped"),
        )
        if offered
    ]
    follows_market = terms.price.kind in ("match_third_party", "market_minus", "percent_of_list")
    return FirstRefusal(f"before units are {phrases.listed(before, 'or')}", fixed_price=not follows_market)
