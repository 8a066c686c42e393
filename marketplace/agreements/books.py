"""From an agreement's terms to its books: which units of a line the right reaches, on which dates and at what price, how
each class of units is booked, and what that comes to. Pure. Indicative, an auditor confirms it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import pairwise
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements.classification import (
    Arrangement,
    BookFacts,
    Call,
    Classification,
    Consigned,
    Exchange,
    Exercise,
    Kind,
    Put,
    Step,
    classify,
)
from marketplace.agreements.price_bounds import bounded_exercises, first_refusal, open_price
from marketplace.agreements.prices import buy_back_price
from marketplace.agreements.term_kinds import AtEnd, Title
from marketplace.agreements.terms import AppliesTo, BuyBackV1, BuyBackV2, FirstRefusalV1, Terms
from marketplace.kit.clock import add_months
from marketplace.kit.money import Money

_REMAINING = (
    "The holder may use these units up without asking, so the right reaches only what is left; taken as substantive all "
    "the same, since it reaches every unit that is left. An auditor may see it otherwise."
)


class UnitClass(StrEnum):
    """Units of one line that are booked alike."""

    FLOOR = "floor"
    """Within the minimum to keep."""
    FREE = "free"
    """Above the minimum to keep."""
    RESERVE = "reserve"
    """The holder's own reserve: the last units that the right reaches, which it never has to give up."""


CLASS_WORDS = {
    UnitClass.FLOOR: "within the minimum to keep",
    UnitClass.FREE: "above the minimum to keep",
    UnitClass.RESERVE: "in the holder's own reserve",
}


@dataclass(frozen=True, slots=True)
class Sold:
    """One line as it is sold: so many units, of which the holder keeps ``minimum_to_keep`` available, at a price each."""

    quantity: int
    unit_price: Money
    minimum_to_keep: int


@dataclass(frozen=True, slots=True)
class Booked:
    """Units of one line that are booked alike, and how."""

    unit_class: UnitClass
    units: int
    classification: Classification

    @property
    def kind(self) -> Kind:
        """How they are booked."""
        return self.classification.kind


@dataclass(frozen=True, slots=True)
class LineBooks:
    """One line with its classes of units."""

    unit_price: Money
    classes: tuple[Booked, ...]

    @property
    def units(self) -> int:
        """All units of the line."""
        return sum(booked.units for booked in self.classes)


@dataclass(frozen=True, slots=True)
class Totals:
    """What lines come to. ``revenue_now_bp``: the share of what they are sold for that is revenue when the units are
    delivered, rounded down; ``at_least``: more may follow from a judgement or from units that are not expected back."""

    units: dict[Kind, int]
    revenue_now_bp: int
    at_least: bool
    needs_rate: bool
    needs_market: bool = False

    @property
    def headline(self) -> str:
        """'3 of 10 units will be leases: revenue now 70 %.'"""
        total = sum(self.units.values())
        if not total:
            return "No units, so nothing to book."
        named = [(kind, n) for kind in _KIND_WORDS if (n := self.units.get(kind, 0))]
        if not named:
            who = "The unit is a plain sale" if total == 1 else f"All {total:,} units are plain sales"
        else:
            said = [
                f"{n:,} of {phrases.count(total, 'unit')} {_words(kind, n)}" if i == 0 else f"{n:,} {_words(kind, n)}"
                for i, (kind, n) in enumerate(named)
            ]
            who = phrases.listed(said)
        share = phrases.percent(self.revenue_now_bp // 100 * 100)
        return f"{who}: revenue now {'at least ' if self.at_least else ''}{share}."


_KIND_WORDS: dict[Kind, tuple[str, str]] = {
    Kind.LEASE: ("will be a lease", "will be leases"),
    Kind.FINANCING: ("will be financing", "will be financing"),
    Kind.CONSIGNMENT: ("stays consigned", "stay consigned"),
    Kind.SALE_WITH_RETURN: ("will be a sale with a right of return", "will be sales with a right of return"),
    Kind.JUDGEMENT: ("needs an auditor's judgement", "need an auditor's judgement"),
}


def _words(kind: Kind, units: int) -> str:
    one, many = _KIND_WORDS[kind]
    return one if units == 1 else many


def book_line(
    terms: Terms,
    sold: Sold,
    schedule_date: date,
    rate_bp: int | None,
    further: Sequence[Terms] = (),
    *,
    market_bp: int | None = None,
) -> LineBooks:
    """How one line is booked under these terms, were its schedule dated ``schedule_date``; ``rate_bp``: the maker's
    discount rate a year, ``market_bp``: what a unit is expected to be worth when its holder may sell it back, of its price; None
    = not stated. The holder's own right reaches every unit, whatever the maker's reaches. Each class of units apart, by the rights of every clause that reaches it;
    classes without units are left out."""
    made: list[Booked] = []
    dates = call_dates(terms, sold.unit_price) if terms.clause == "buy-back" else ()
    for unit_class, units, reached in _classes(terms, sold.quantity, sold.minimum_to_keep):
        if units:
            rights = _rights(terms, dates, unit_class, schedule_date) if reached else ()
            rights += _puts(terms, sold.unit_price, market_bp)
            rights += tuple(
                first_refusal(x) for x in further if x.clause == "first-refusal" and _reaches(x, unit_class)
            )
            made.append(Booked(unit_class, units, classify(BookFacts(sold.unit_price, rights, rate_bp))))
    return LineBooks(sold.unit_price, tuple(made))


def accepted(terms: Terms, signed: LineBooks, minimum_to_keep: int, not_accepted: int) -> LineBooks:
    """A line as it was signed, without the units that were not accepted on receipt: those were not sold. How a class of
    units is booked is asked when the contract begins and stays; how many are in it follows the rule by which they were
    split, so that what is missing comes off the units above the minimum first, as the right itself takes it."""
    left = {unit_class: n for unit_class, n, _ in _classes(terms, signed.units - not_accepted, minimum_to_keep)}
    return replace(
        signed, classes=tuple(replace(b, units=n) for b in signed.classes if (n := min(b.units, left[b.unit_class])))
    )


def _classes(terms: Terms, quantity: int, minimum_to_keep: int) -> list[tuple[UnitClass, int, bool]]:
    """(class, how many, whether the right reaches them). The reserve is the last of what the right reaches."""
    floor = min(minimum_to_keep, quantity)
    free = quantity - floor
    floor_reached, free_reached = terms.applies_to is not AppliesTo.FREE, terms.applies_to is not AppliesTo.FLOOR
    left = terms.holder_reserve
    of_floor = min(left, floor) if floor_reached else 0
    of_free = min(left - of_floor, free) if free_reached else 0
    return [
        (UnitClass.FLOOR, floor - of_floor, floor_reached),
        (UnitClass.FREE, free - of_free, free_reached),
        (UnitClass.RESERVE, of_floor + of_free, False),
    ]


def _reaches(terms: FirstRefusalV1, unit_class: UnitClass) -> bool:
    """Whether a first refusal reaches units of a class that another clause makes: the holder's reserve against orders is
    offered first like the others."""
    if unit_class is UnitClass.RESERVE:
        return True
    beyond = AppliesTo.FREE if unit_class is UnitClass.FLOOR else AppliesTo.FLOOR
    return terms.applies_to is not beyond


def _rights(
    terms: Terms, dates: tuple[Exercise, ...], unit_class: UnitClass, schedule_date: date
) -> tuple[Arrangement, ...]:
    if terms.clause == "access-back":
        return (Exchange(),)
    if terms.clause == "title-kept":
        bought = terms.must_buy_months is not None or terms.at_end is AtEnd.PURCHASED
        return (Consigned(paid_on_withdrawal=terms.title is Title.CONSIGNED, title_kept=True, must_buy=bought),)
    if terms.clause == "first-refusal":
        return (first_refusal(terms),)
    note = _dates(terms, schedule_date)
    if unit_class is UnitClass.FREE and terms.use_free_above_minimum:
        note += f" {_REMAINING}"
    return (Call(dates, note, open_price(terms)),)


def _puts(terms: Terms, sale_price: Money, market_bp: int | None) -> tuple[Arrangement, ...]:
    """The holder's own right to sell back, if the terms give it one."""
    if terms.clause != "buy-back" or terms.version == 1 or terms.put_percent_bp is None:
        return ()
    price = sale_price.share(terms.put_percent_bp, terms.rounding).amount
    first, last = terms.put_start_months, terms.window_end_months
    # At the price of the call on the call's own dates the two are a forward, which the tests ask by the dates.
    put_dates = tuple(dict.fromkeys((Exercise(first, price), Exercise(last, price))))
    market = None if market_bp is None else sale_price.share(market_bp).amount
    return (Put(put_dates, market),)


def _dates(terms: Terms, schedule_date: date) -> str:
    first, last = (add_months(schedule_date, m) for m in (terms.window_start_months, terms.window_end_months))
    return f"Counted from {phrases.day(schedule_date)} that is from {phrases.day(first)} to {phrases.day(last)}."


def call_dates(terms: BuyBackV1 | BuyBackV2, sale_price: Money) -> tuple[Exercise, ...]:
    """The dates that decide, with the price on each: one that the terms alone say, or the least and the most that it can
    come to. What nothing bounds is named by ``open_price``."""
    if terms.version == 1:
        return exercises(terms, sale_price)
    return bounded_exercises(terms, sale_price)


def exercises(terms: BuyBackV1, sale_price: Money) -> tuple[Exercise, ...]:
    """The dates that decide: the first and the last of the window, and, where the price changes, the last moment of the
    old price and the first of the new. Between two of them the price stands still or falls, so that its present value
    only falls, and what holds on these dates holds on every date."""
    start, end = terms.window_start_months, terms.window_end_months

    @cache
    def price(month: int) -> Decimal:
        return buy_back_price(terms, sale_price, month).amount

    made = [Exercise(start, price(start))]
    for month in _changes(terms):
        if start < month <= end:
            old, new = price(month - 1), price(month)
            if old != new or old != made[-1].price:
                made += [Exercise(month, old), Exercise(month, new)] if old != new else [Exercise(month, old)]
    last = Exercise(end, price(end))
    return tuple(made if made[-1] == last else [*made, last])


def _changes(terms: BuyBackV1) -> Sequence[int]:
    """The months in which the price may change. While it falls evenly from point to point, the points alone: what lies
    between is worth less than the one and more than the other."""
    if terms.price.kind != "schedule":
        return ()
    points = terms.price.points
    if terms.price.shape == "step":
        return [point.after_months for point in points]
    months: list[int] = []
    for first, then in pairwise(points):
        rises = then.percent_bp > first.percent_bp
        months += range(first.after_months + 1, then.after_months + 1) if rises else [then.after_months]
    return months


def total(lines: Sequence[LineBooks]) -> Totals:
    """What lines come to together. Shares are by what units are sold for; lines of no price do not count in them."""
    units: dict[Kind, int] = {}
    value = now = Decimal(0)
    at_least = needs_rate = needs_market = False
    for line in lines:
        for booked in line.classes:
            units[booked.kind] = units.get(booked.kind, 0) + booked.units
            worth = line.unit_price.amount * booked.units
            value += worth
            now += worth if booked.kind is Kind.SALE else 0
            at_least = at_least or booked.kind in (Kind.JUDGEMENT, Kind.SALE_WITH_RETURN)
            needs_rate = needs_rate or booked.classification.needs_rate
            needs_market = needs_market or booked.classification.needs_market
    return Totals(units, int(now * 10_000 / value) if value else 0, at_least, needs_rate, needs_market)


@dataclass(frozen=True, slots=True)
class NamedLine:
    """The books of one line with the part it is of."""

    part_id: UUID
    number: str
    uom: str
    books: LineBooks


@dataclass(frozen=True, slots=True)
class Books:
    """The books of several lines: of a posting as it would be sold, or of an agreement. ``rate_bp``: the discount rate that
    they were reckoned with."""

    rate_bp: int | None
    lines: tuple[NamedLine, ...]

    @property
    def totals(self) -> Totals:
        """What all lines come to."""
        return total([line.books for line in self.lines])


__all__ = [
    "CLASS_WORDS", "Booked", "Books", "Classification", "Kind", "LineBooks", "NamedLine", "Sold", "Step", "Totals", "UnitClass", "accepted",
    "book_line", "exercises", "total",
]  # fmt: skip
