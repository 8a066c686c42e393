"""Properties of the evaluator that hold for all terms and facts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from marketplace.agreements.deadlines import after_days, window
from marketplace.agreements.evaluation import (
    Act,
    Entitled,
    Facts,
    Free,
    Refused,
    callable_quantity,
    evaluate_call,
    evaluate_holder_act,
    split,
    unit_price,
)
from marketplace.agreements.price_rules import PriceSchedule
from marketplace.agreements.reach import minimum, usable
from marketplace.agreements.terms import AppliesTo, BuyBackV1, Terms, Urgency
from marketplace.kit.clock import add_months
from marketplace.kit.money import Money
from tests.marketplace.agreements.builders import terms

ZONES = [
    "America/Chicago",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Kathmandu",
    "UTC",
    "Pacific/Apia",
]
moments = st.datetimes(datetime(2026, 1, 1), datetime(2036, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(2026, 1, 1), date(2030, 12, 31))


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    preset = draw(st.sampled_from(["standard-buy-back", "declining-buy-back", "standard-access"]))
    reach = draw(st.sampled_from(list(AppliesTo)))
    keep = draw(st.integers(1, 8))
    step = draw(st.integers(1, 3))
    changed: dict[str, Any] = {
        "applies_to": reach.value,
        "minimum_to_keep": keep,
        "holder_reserve": draw(st.integers(0, keep - 1)),
        "partial_multiple": step,
        "partial_minimum": step * draw(st.integers(1, 3)),
        "max_exercises": draw(st.none() | st.integers(1, 3)),
        "window_start_months": draw(st.integers(0, 24)),
        "use_free_above_minimum": draw(st.booleans()),
    }
    if preset.endswith("buy-back"):
        floor = draw(st.none() | st.integers(1, 9_000))
        changed["price_floor_bp"] = floor
        changed["price_cap_bp"] = draw(st.none() | st.integers(floor or 1, 12_000))
        changed["handling_bp"] = draw(st.integers(0, 5_000))
        changed["rounding"] = draw(st.sampled_from(["half_up", "half_even", "up"]))
    return terms(preset, **changed)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    sold = draw(st.integers(0, 30))
    remaining = draw(st.integers(0, sold))
    held = draw(st.integers(0, remaining))
    in_transit = draw(st.integers(0, remaining - held))
    cents = draw(st.integers(1, 10_000_000))
    return Facts(
        schedule_date=draw(days),
        zone=draw(st.sampled_from(ZONES)),
        sale_price=Money(Decimal(cents).scaleb(-2), draw(st.sampled_from(["USD", "JPY", "KWD"]))),
        quantity_sold=sold,
        remaining=remaining,
        requested=draw(st.integers(1, 40)),
        urgency=draw(st.sampled_from(Urgency)),
        minimum_to_keep=draw(st.none() | st.integers(0, sold)),
        held=held,
        in_transit=in_transit,
        quality_held=draw(st.integers(0, remaining - held - in_transit)),
        taken_back=draw(st.integers(0, sold - remaining)),
        exercises=draw(st.integers(0, 3)),
        legal_hold=draw(st.integers(0, 9)) == 0,
        suspended=draw(st.integers(0, 9)) == 0,
    )


@given(any_terms(), any_facts(), moments)
def test_the_parts_of_a_schedule_add_up_and_never_promise_a_unit_twice(t: Terms, f: Facts, now: datetime) -> None:
    parts = split(t, f, now)
    numbers = [
        parts.callable,
        parts.not_covered,
        parts.held,
        parts.in_transit,
        parts.quality_held,
        parts.holder_reserve,
        parts.blocked,
    ]
    assert min(numbers) >= 0
    assert sum(numbers) == f.remaining
    assert parts.callable <= max(f.remaining - f.held - f.in_transit - f.quality_held - t.holder_reserve, 0)
    assert callable_quantity(t, f, now) == parts.callable


@given(any_terms(), any_facts(), moments)
def test_a_call_gets_no_more_than_asked_and_no_more_than_callable(t: Terms, f: Facts, now: datetime) -> None:
    answer = evaluate_call(t, f, now)
    available = callable_quantity(t, f, now)
    if isinstance(answer, Refused):
        # Refused although units are callable happens only for the size of the order.
        assert not available or answer.code.value in {"below_partial_minimum", "not_multiple"}
        assert answer.words.endswith(".")
        assert answer.until_words.endswith(".")
        return
    assert isinstance(answer, Entitled)
    assert 1 <= answer.granted == min(f.requested, available)
    assert answer.callable == available
    assert now <= answer.respond_by <= answer.ship_by
    assert answer.respond_by.tzinfo is UTC
    assert answer.total == answer.unit_price * answer.granted
    assert {(r.clause, r.version) for r in answer.reasons} == {(t.clause, t.version)}
    assert {r.term for r in answer.reasons} <= set(type(t).model_fields)


@given(any_terms(), any_facts(), moments, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_asking_later_about_the_same_notice_changes_nothing(t: Terms, f: Facts, now: datetime, late: timedelta) -> None:
    noticed = Facts(**{name: getattr(f, name) for name in Facts.__dataclass_fields__} | {"notice_at": now})
    assert evaluate_call(t, noticed, now + late) == evaluate_call(t, f, now)


@given(any_terms(), any_facts(), moments)
def test_a_refusal_by_the_calendar_says_when_it_becomes_possible(t: Terms, f: Facts, now: datetime) -> None:
    answer = evaluate_call(t, f, now)
    if isinstance(answer, Refused) and answer.possible_from is not None:
        then = evaluate_call(t, f, answer.possible_from)
        assert not isinstance(then, Refused) or then.code is not answer.code
        before = evaluate_call(t, f, answer.possible_from - timedelta(microseconds=1))
        assert isinstance(before, Refused)
        assert before.code is answer.code


@given(any_terms(), any_facts(), st.integers(0, 400))
def test_the_price_lies_between_floor_and_cap(t: Terms, f: Facts, months: int) -> None:
    price = unit_price(t, f.sale_price, f.schedule_date, add_months(f.schedule_date, months))
    assert price.currency == f.sale_price.currency
    assert price == price.rounded()
    assert price.amount >= 0
    if isinstance(t, BuyBackV1):
        if t.price_floor_bp is not None:
            assert price.amount >= f.sale_price.share(t.price_floor_bp, t.rounding).amount
        if t.price_cap_bp is not None:
            assert price.amount <= f.sale_price.share(t.price_cap_bp, t.rounding).amount


@st.composite
def declining(draw: st.DrawFn) -> BuyBackV1:
    months = sorted(draw(st.sets(st.integers(1, 120), min_size=1, max_size=6)))
    shares = sorted(
        draw(st.sets(st.integers(1, 30_000), min_size=len(months) + 1, max_size=len(months) + 1)), reverse=True
    )
    points = [{"after_months": m, "percent_bp": s} for m, s in zip([0, *months], shares, strict=True)]
    shape = draw(st.sampled_from(["step", "linear"]))
    price = {"kind": "schedule", "shape": shape, "declining": True, "points": points}
    result = terms(price=price, handling_bp=draw(st.integers(0, 2_000)))
    assert isinstance(result, BuyBackV1)
    return result


@given(declining(), days, st.integers(0, 3_900), st.integers(0, 400))
def test_a_declining_price_never_rises(t: BuyBackV1, start: date, day: int, later: int) -> None:
    paid = Money(Decimal("987.65"), "EUR")
    first = unit_price(t, paid, start, start + timedelta(days=day))
    second = unit_price(t, paid, start, start + timedelta(days=day + later))
    assert second.amount <= first.amount


@given(declining(), days)
def test_a_schedule_passes_through_its_points(t: BuyBackV1, start: date) -> None:
    paid = Money(Decimal(10_000), "USD")
    price = t.price
    assert isinstance(price, PriceSchedule)
    bare = t.model_copy(update={"handling_bp": 0})
    for point in price.points:
        assert unit_price(bare, paid, start, add_months(start, point.after_months)).amount == point.percent_bp


@given(any_terms(), any_facts(), moments, st.sampled_from(Act), st.integers(1, 30))
def test_no_act_that_is_allowed_goes_below_the_minimum_or_into_reserved_units(
    t: Terms, f: Facts, now: datetime, act: Act, quantity: int
) -> None:
    answer = evaluate_holder_act(t, f, act, quantity, now)
    if isinstance(answer, Refused):
        return
    assert quantity <= f.remaining - f.held
    if act is Act.MOVE_SITE or now >= window(t, f).closes:
        assert isinstance(answer, Free)
        return
    left = f.remaining - quantity
    # Under a FLOOR right the reserved units are part of the minimum; otherwise it stands beside them.
    counted = left if t.applies_to is AppliesTo.FLOOR else left - f.held
    assert counted >= minimum(t, f)
    assert quantity <= usable(t, f)


@given(moments, st.integers(0, 400), st.sampled_from(ZONES))
@example(datetime(2026, 3, 7, 12, tzinfo=UTC), 0, "America/Havana")  # midnight of 8 March 2026 does not exist there
def test_a_period_of_days_ends_at_local_midnight_and_never_early(start: datetime, count: int, zone: str) -> None:
    end = after_days(start, count, zone)
    last = start.astimezone(ZoneInfo(zone)).date() + timedelta(days=count)
    # The last instant before it is on the last day, the bound itself on the next: also where midnight is skipped.
    assert (end - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() == last
    assert end.astimezone(ZoneInfo(zone)).date() == last + timedelta(days=1)
    assert end > start
