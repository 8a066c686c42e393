"""How sales with a right behind them are booked: the golden cases that accountants agreed on, and what must hold for any
figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements import books
from marketplace.agreements.books import Sold, UnitClass, book_line, total
from marketplace.agreements.classification import (
    BookFacts,
    Call,
    Classification,
    Consigned,
    Exchange,
    Exercise,
    FirstRefusal,
    Kind,
    Put,
    classify,
    present_value,
)
from marketplace.agreements.prices import unit_price
from marketplace.agreements.terms import AppliesTo, BuyBackV1
from marketplace.kit.clock import add_months
from marketplace.kit.errors import DomainError
from marketplace.kit.money import Money
from tests.marketplace.agreements.builders import terms, usd

SIGNED = date(2026, 11, 30)


def at(months: int, price: str) -> tuple[Exercise, ...]:
    return (Exercise(months, Decimal(price)),)


def call(paid: str, months: int, price: str, rate_bp: int | None = None, **more: bool) -> Classification:
    return classify(BookFacts(usd(paid), (Call(at(months, price)),), rate_bp, **more))


def put(paid: str, price: str, market: str | None, rate_bp: int | None = None) -> Classification:
    market_value = None if market is None else Decimal(market)
    return classify(BookFacts(usd(paid), (Put(at(12, price), market_value),), rate_bp))


def refusal(before: str = "before scrapping", **ties: bool) -> Classification:
    return classify(BookFacts(usd("200"), (FirstRefusal(before, **ties),)))


def indexed(years: int) -> tuple[Exercise, ...]:
    """2 % more every year, from the end of the first year on: each step's first and last moment."""
    price, made = Decimal(100), [Exercise(1, Decimal(100))]
    for year in range(1, years + 1):
        made.append(Exercise(12 * year, price))
        price = (price * Decimal("1.02")).quantize(Decimal("0.01"))
        made.append(Exercise(12 * year, price))
    return tuple(made)


GOLDEN: Sequence[tuple[str, Callable[[], Classification], Kind]] = (
    ("1: call at 110 % in a year, at 5 %", lambda: call("1000000", 12, "1100000", 500), Kind.FINANCING),
    ("2: put above the market", lambda: put("1000000", "900000", "750000"), Kind.LEASE),
    ("3: call whose present value is less", lambda: call("1200", 36, "1300", 500), Kind.LEASE),
    ("4: call below the price paid", lambda: call("3500000", 12, "2900000"), Kind.LEASE),
    ("5a: the rate decides, 4 %", lambda: call("3500000", 12, "3700000", 400), Kind.FINANCING),
    ("5b: the rate decides, 6 %", lambda: call("3500000", 12, "3700000", 600), Kind.LEASE),
    ("6: put below the market", lambda: put("3500000", "2900000", "4000000"), Kind.SALE_WITH_RETURN),
    ("7: first refusal at a matched price before scrap", refusal, Kind.SALE),
    ("8: first refusal before use at a fixed price", lambda: refusal("before use", fixed_price=True), Kind.JUDGEMENT),
    (
        "10: indexed call that opens after day 1",
        lambda: classify(BookFacts(usd("100"), (Call(indexed(20)),), 800)),
        Kind.LEASE,
    ),
    (
        "11: the partner pays only on withdrawal",
        lambda: classify(BookFacts(usd("100"), (Consigned(paid_on_withdrawal=True), Call(at(12, "80"))))),
        Kind.CONSIGNMENT,
    ),
)


@pytest.mark.parametrize(("make", "kind"), [(m, k) for _, m, k in GOLDEN], ids=[name for name, _, _ in GOLDEN])
def test_golden_case(make: Callable[[], Classification], kind: Kind) -> None:
    found = make()
    assert found.kind is kind
    assert found.trace
    for step in found.trace:
        assert step.question.endswith("?")
        assert step.answer.endswith(".")
        assert "IFRS 15" in step.reference
        assert "ASC 606-10" in step.reference


FIGURES: Sequence[tuple[str, dict[str, object]]] = (
    ("1", {"price": "1000000.0000 USD", "rate_bp": 500, "highest_present_value": "1047619.0476",
           "interest": "100000.0000 USD", "interest_at_months": 12}),
    ("2", {"price": "1000000.0000 USD", "highest_price": "900000.0000", "expected_market": "750000.0000"}),
    ("3", {"price": "1200.0000 USD", "rate_bp": 500, "highest_present_value": "1122.9889", "until_months": 36}),
    ("4", {"price": "3500000.0000 USD", "highest_price": "2900000.0000"}),
    ("5a", {"rate_bp": 400, "highest_present_value": "3557692.3077", "interest": "200000.0000 USD"}),
    ("5b", {"rate_bp": 600, "highest_present_value": "3490566.0377"}),
    ("6", {"price": "3500000.0000 USD", "highest_price": "2900000.0000", "expected_market": "4000000.0000"}),
    ("7", {"fixed_price": False, "holder_compelled": False, "common_practice": False}),
    ("8", {"fixed_price": True, "holder_compelled": False, "common_practice": False}),
    # The first month is the dearest: from then on 8 % outruns the 2 %.
    ("10", {"from_months": 1, "until_months": 240, "rate_bp": 800, "highest_present_value": "99.3607"}),
    ("11", {"paid_on_withdrawal": True, "title_kept": False}),
)  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), FIGURES, ids=[case for case, _ in FIGURES])
def test_a_golden_case_keeps_its_figures(case: str, expected: dict[str, object]) -> None:
    """What an auditor finds in the trace that is kept."""
    make = next(m for name, m, _ in GOLDEN if name.startswith(f"{case}:"))
    kept = {name: figure for step in make().trace for name, figure in step.figures.items()}
    assert {name: kept[name] for name in expected} == expected


def test_golden_case_9_floor_with_a_call_and_the_rest_free() -> None:
    """10 sold, minimum 3 with a call at 80 %, 7 free: 3 leases and 7 sales, and 70 % is revenue now."""
    found = book_line(
        terms("standard-buy-back", applies_to="floor", minimum_to_keep=3, handling_bp=0,
              price={"kind": "percent_of_sale", "percent_bp": 8_000}),
        Sold(10, usd("100"), 3), SIGNED, None,
    )  # fmt: skip
    assert [(b.unit_class, b.units, b.kind) for b in found.classes] == [
        (UnitClass.FLOOR, 3, Kind.LEASE),
        (UnitClass.FREE, 7, Kind.SALE),
    ]
    assert total([found]).headline == "3 of 10 units will be leases: revenue now 70 %."


def test_the_figures_of_the_golden_cases() -> None:
    assert present_value(Decimal(3_700_000), 400, 12).quantize(Decimal(1)) == 3_557_692
    assert present_value(Decimal(3_700_000), 600, 12).quantize(Decimal(1)) == 3_490_566
    assert present_value(Decimal(1_300), 500, 36).quantize(Decimal(1)) == 1_123
    financing = call("1000000", 12, "1100000", 500)
    assert financing.trace[-1].figures["interest"] == "100000.0000 USD"
    assert "100,000.00 USD a unit at 1 year is interest" in financing.trace[-1].answer
    assert (
        "3,557,692.31 USD at 4 % a year, against 3,500,000.00 USD"
        in call("3500000", 12, "3700000", 400).trace[1].answer
    )


def test_the_same_call_from_day_one_straddles() -> None:
    """What golden case 10 turns on: on day 1 the present value is the price paid."""
    exercises = (Exercise(0, Decimal(100)), *indexed(20))
    found = classify(BookFacts(usd("100"), (Call(exercises),), 800))
    assert found.kind is Kind.JUDGEMENT
    assert not found.needs_rate
    assert "On some dates" in found.trace[-1].answer


def test_without_a_rate_it_says_what_can_be_said() -> None:
    unsaid = call("3500000", 12, "3700000")
    assert unsaid.kind is Kind.JUDGEMENT
    assert unsaid.needs_rate
    assert unsaid.trace[-1].answer.startswith("State a discount rate:")
    assert "on no date less at 5.71 % a year or below" in unsaid.trace[-1].answer
    assert "less on every date from 5.72 % a year on" in unsaid.trace[-1].answer
    assert call("3500000", 12, "2900000").trace[1].answer.startswith("Yes, at any discount rate")
    on_day_one = call("100", 0, "100")
    assert (on_day_one.kind, on_day_one.needs_rate) == (Kind.FINANCING, False)


def test_a_sale_and_leaseback_is_financing_where_it_would_be_a_lease() -> None:
    assert call("100", 12, "80", sale_and_leaseback=True).kind is Kind.FINANCING


def test_a_put_needs_the_expected_market() -> None:
    found = put("100", "90", None)
    assert (found.kind, found.needs_market) == (Kind.JUDGEMENT, True)
    assert put("100", "130", "90", 500).kind is Kind.FINANCING
    assert put("100", "130", "140", 500).kind is Kind.SALE_WITH_RETURN


def test_a_put_at_the_price_of_the_call_is_told_as_a_forward() -> None:
    dates = at(12, "80")
    found = classify(BookFacts(usd("100"), (Call(dates), Put(dates, None))))
    assert found.kind is Kind.LEASE
    assert "a forward" in found.trace[0].answer


def test_exchange_in_kind_and_nothing_at_all() -> None:
    assert classify(BookFacts(usd("100"), (Exchange(),))).kind is Kind.JUDGEMENT
    assert classify(BookFacts(usd("100"), ())).kind is Kind.SALE
    assert classify(BookFacts(usd("0"), ())).kind is Kind.JUDGEMENT


@pytest.mark.parametrize(
    "facts",
    [
        lambda: BookFacts(usd("-1"), ()),
        lambda: BookFacts(usd("1"), (), -1),
        lambda: BookFacts(usd("1"), (), 10_001),
        lambda: BookFacts(usd("1"), (Call(()),)),
        lambda: BookFacts(usd("1"), (Put(at(-1, "1"), None),)),
    ],
)
def test_facts_that_cannot_be(facts: Callable[[], BookFacts]) -> None:
    with pytest.raises(DomainError, match=r"books\.facts"):
        facts()


# -- what holds for any figures --------------------------------------------------------------------------

amounts = st.decimals(min_value="0.0001", max_value="1000000", places=4)
rates = st.integers(0, 10_000)
months = st.integers(0, 360)


@given(amounts, rates, rates, months, months)
def test_present_value_falls_with_rate_and_time(amount: Decimal, rate: int, other: int, month: int, later: int) -> None:
    low, high = sorted((rate, other))
    first, last = sorted((month, later))
    assert present_value(amount, low, first) >= present_value(amount, high, first)
    assert present_value(amount, low, first) >= present_value(amount, low, last)
    assert 0 <= present_value(amount, rate, month) <= amount


@given(amounts, rates, st.integers(0, 30))
def test_whole_years_are_exact(amount: Decimal, rate: int, years: int) -> None:
    """Nothing of a compounded amount is lost on the way back."""
    grown = amount * (1 + Decimal(rate) / 10_000) ** years
    assert present_value(grown, rate, 12 * years) == amount


@given(amounts, amounts, amounts, rates, months)
def test_a_dearer_call_never_moves_from_financing_to_lease(
    paid: Decimal, price: Decimal, more: Decimal, rate: int, month: int
) -> None:
    def kind(cost: Decimal) -> Kind:
        return classify(BookFacts(Money(paid, "USD"), (Call((Exercise(month, cost),)),), rate)).kind

    if kind(price) is Kind.FINANCING:
        assert kind(price + more) is Kind.FINANCING


@given(amounts, amounts, rates, rates, months)
def test_a_higher_rate_never_moves_from_lease_to_financing(
    paid: Decimal, price: Decimal, rate: int, other: int, month: int
) -> None:
    def kind(of: int) -> Kind:
        return classify(BookFacts(Money(paid, "USD"), (Call((Exercise(month, price),)),), of)).kind

    low, high = sorted((rate, other))
    if kind(low) is Kind.LEASE:
        assert kind(high) is Kind.LEASE


@given(amounts, st.lists(st.tuples(months, amounts), min_size=1, max_size=5), rates)
def test_without_a_rate_nothing_is_said_that_a_rate_would_undo(
    paid: Decimal, dates: list[tuple[int, Decimal]], rate: int
) -> None:
    exercises = tuple(Exercise(m, p) for m, p in sorted(dates))
    blind = classify(BookFacts(Money(paid, "USD"), (Call(exercises),)))
    if not blind.needs_rate:
        assert classify(BookFacts(Money(paid, "USD"), (Call(exercises),), rate)).kind is blind.kind


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20_000)), min_size=1, max_size=4, unique_by=lambda p: p[0]),
    st.sampled_from(["step", "linear"]), st.integers(0, 30), st.integers(31, 90), rates,
)  # fmt: skip
def test_the_dates_that_decide_decide_for_every_day(
    points: list[tuple[int, int]], shape: str, opens: int, ends: int, rate: int
) -> None:
    """The lowest and the highest present value over every day of the window lie within those of the dates chosen."""
    first = [{"after_months": 0, "percent_bp": 9_000}]
    made = first + [{"after_months": m, "percent_bp": p} for m, p in sorted(points)]
    found = terms(
        "standard-buy-back", price={"kind": "schedule", "shape": shape, "declining": False, "points": made},
        window_start_months=opens, window_end_months=ends,
    )  # fmt: skip
    assert isinstance(found, BuyBackV1)
    paid = usd("250")
    chosen = [present_value(e.price, rate, e.months) for e in books.exercises(found, paid)]
    every = [
        present_value(unit_price(found, paid, SIGNED, add_months(SIGNED, m)).amount, rate, m)
        for m in range(opens, ends + 1)
    ]
    assert min(chosen) <= min(every)
    assert max(chosen) == max(every)


# -- from terms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "changed", "expected"),
    [
        ("standard-buy-back", {}, {"free": (10, Kind.LEASE)}),
        ("access-first", {}, {"floor": (3, Kind.LEASE), "free": (7, Kind.LEASE)}),
        ("access-first", {"applies_to": "floor"}, {"floor": (3, Kind.LEASE), "free": (7, Kind.SALE)}),
        ("access-first", {"applies_to": "free"}, {"floor": (3, Kind.SALE), "free": (7, Kind.LEASE)}),
        ("access-first", {"holder_reserve": 4}, {"free": (6, Kind.LEASE), "reserve": (4, Kind.SALE)}),
        ("access-first", {"applies_to": "floor", "holder_reserve": 1},
         {"floor": (2, Kind.LEASE), "free": (7, Kind.SALE), "reserve": (1, Kind.SALE)}),
        ("declining-buy-back", {}, {"free": (10, Kind.LEASE)}),
        ("standard-access", {}, {"floor": (1, Kind.JUDGEMENT), "free": (9, Kind.SALE)}),
        ("wide-access", {}, {"floor": (2, Kind.JUDGEMENT), "free": (8, Kind.JUDGEMENT)}),
    ],
)  # fmt: skip
def test_units_that_the_right_cannot_reach_are_plain_sales(preset, changed, expected) -> None:
    found = terms(preset, **changed)
    line = book_line(found, Sold(10, usd("100"), found.minimum_to_keep), SIGNED, 800)
    assert {b.unit_class.value: (b.units, b.kind) for b in line.classes} == expected
    assert line.units == 10


def _steps(*points: tuple[int, int]) -> dict[str, object]:
    return {
        "kind": "schedule", "shape": "step", "declining": False,
        "points": [{"after_months": m, "percent_bp": p} for m, p in points],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("price", "opens", "kind"),
    [
        (_steps((0, 10_000), (24, 9_000)), 0, Kind.JUDGEMENT),
        (_steps((0, 10_000), (24, 9_000)), 1, Kind.LEASE),
        (_steps((0, 12_000), (12, 13_000)), 0, Kind.JUDGEMENT),
        (_steps((0, 20_000), (12, 30_000)), 0, Kind.FINANCING),
        (_steps((0, 20_000), (12, 5_000)), 0, Kind.JUDGEMENT),
        (_steps((0, 20_000), (12, 5_000)), 12, Kind.LEASE),
    ],
)
def test_every_step_within_the_window_counts(price, opens: int, kind: Kind) -> None:
    """At 8 %: what the steps say within the window, and nothing outside it."""
    found = terms("standard-buy-back", price=price, handling_bp=0, window_start_months=opens, window_end_months=60)
    line = book_line(found, Sold(1, usd("100"), 0), SIGNED, 800)
    assert line.classes[0].kind is kind


@given(
    st.integers(1, 60), st.integers(0, 60), st.integers(0, 10), st.sampled_from(list(AppliesTo)), st.integers(0, 60),
)  # fmt: skip
def test_what_was_not_accepted_is_in_no_class_and_no_class_grows(
    units: int, keep: int, reserve: int, applies: AppliesTo, missing: int
) -> None:
    """After receipt each class has what it would have, had only the accepted units been sold."""
    keep, missing = min(keep, units), min(missing, units)
    if applies is AppliesTo.FLOOR:
        keep, reserve = max(keep, 1), 0
    found = terms("access-first", applies_to=applies, holder_reserve=reserve)
    signed = book_line(found, Sold(units, usd("100"), keep), SIGNED, 800)
    left = books.accepted(found, signed, keep, missing)
    assert left.units == units - missing
    of_signed = {b.unit_class: b.units for b in signed.classes}
    assert all(b.units <= of_signed[b.unit_class] for b in left.classes)
    if units > missing:
        assert left == book_line(found, Sold(units - missing, usd("100"), keep), SIGNED, 800)


def test_a_price_that_falls_evenly_is_reckoned_at_its_ends() -> None:
    """A thousand lines of a price that falls monthly are a page, not a coffee."""
    found = terms("declining-buy-back", window_start_months=0, window_end_months=100, price={
        "kind": "schedule", "shape": "linear", "declining": True,
        "points": [{"after_months": 0, "percent_bp": 9_000}, {"after_months": 90, "percent_bp": 4_500}],
    })  # fmt: skip
    assert isinstance(found, BuyBackV1)
    dates = [(e.months, e.price) for e in books.exercises(found, usd("100"))]
    share = Decimal(10_000 + found.handling_bp) / 10_000
    assert dates == [(0, 90 * share), (90, Decimal("45.50") * share), (90, 45 * share), (100, 45 * share)]


def test_dates_are_told() -> None:
    line = book_line(terms(), Sold(1, usd("100"), 0), SIGNED, 800)
    assert (
        "Counted from 30 Nov 2026 that is from 30 Nov 2026 to 30 Nov 2031."
        in line.classes[0].classification.trace[0].answer
    )


def test_totals_are_by_value() -> None:
    floor = terms("access-first", applies_to="floor")
    dear = book_line(floor, Sold(10, usd("90"), 10), SIGNED, None)
    cheap = book_line(floor, Sold(100, usd("1"), 3), SIGNED, None)
    found = total([dear, cheap])
    assert found.units == {Kind.LEASE: 13, Kind.SALE: 97}
    assert found.revenue_now_bp == 97 * 10_000 // 1_000
    assert found.headline == "13 of 110 units will be leases: revenue now 9 %."


def test_headlines() -> None:
    def headline(preset: str, units: int, keep: int, **changed: object) -> str:
        return total([book_line(terms(preset, **changed), Sold(units, usd("100"), keep), SIGNED, None)]).headline

    assert (
        headline("standard-access", 10, 1) == "1 of 10 units needs an auditor's judgement: revenue now at least 90 %."
    )
    assert headline("standard-buy-back", 1, 0) == "1 of 1 unit will be a lease: revenue now 0 %."
    assert headline("access-first", 3, 3, applies_to="free") == "All 3 units are plain sales: revenue now 100 %."
    assert total([]).headline == "No units, so nothing to book."


def test_a_duty_to_pay_in_the_end_is_for_the_auditor() -> None:
    right = Consigned(paid_on_withdrawal=True, title_kept=True, must_buy=True)
    told = classify(BookFacts(usd("100"), (right,), rate_bp=500))
    assert told.kind is Kind.JUDGEMENT
    assert [s.reference for s in told.trace][-1].startswith("IFRS 15 B78(c)")
