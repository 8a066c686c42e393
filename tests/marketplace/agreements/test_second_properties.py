"""Properties of the second library that hold for all terms, facts and days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from marketplace.agreements.calendars import add_business_days, is_business_day, known_calendar
from marketplace.agreements.circumstances import Dated
from marketplace.agreements.combined import Combined, callable_and_cleared, calls, holder_act
from marketplace.agreements.deadlines import blackout_until, counted, window
from marketplace.agreements.dues import Event, Happened, net_due, obligations
from marketplace.agreements.evaluation import (
    Act,
    AfterNotice,
    Entitled,
    Facts,
    Free,
    Refused,
    evaluate_call,
    evaluate_holder_act,
    split,
)
from marketplace.agreements.notice import Notice
from marketplace.agreements.outcomes import Need
from marketplace.agreements.pricing import price_on
from marketplace.agreements.prose import badge, render_clause, summary
from marketplace.agreements.reach import declining_day, kept_beside, minimum, still_about, usable
from marketplace.agreements.remedies import breach_of_minimum, cover, late_damages
from marketplace.agreements.renewal import end_of_term
from marketplace.agreements.term_kinds import AllowedUnits, Blackout
from marketplace.agreements.terms import AppliesTo, TermsV2, Urgency, dump_terms, parse_terms
from marketplace.agreements.use_allowance import allowance_on
from marketplace.kit.clock import add_months, end_of_day, local_day
from marketplace.kit.money import Money
from tests.agreed import CONTRACTS
from tests.marketplace.agreements.builders import facts as ordinary
from tests.marketplace.agreements.builders import usd
from tests.marketplace.agreements.second import CLAUSES, ZONES, any_facts, any_second, check, days, moments, second

PRICED = [key for key in CLAUSES if key[0] != "title-kept"]
_TEXTS = {key: (CONTRACTS / key[0] / f"v{key[1]}" / "clause.md").read_text() for key in CLAUSES}


@check(any_second(), any_facts(), moments)
def test_the_parts_add_up_and_no_unit_is_both_cleared_and_called(t: TermsV2, f: Facts, now: datetime) -> None:
    parts = split(t, f, now)
    assert min(parts[:9]) >= 0
    assert parts.cleared >= 0
    assert parts.remaining == (
        parts.callable + parts.not_covered + parts.held + parts.in_transit + parts.quality_held + parts.withdrawn
        + parts.holder_reserve + parts.blocked + parts.cleared + parts.let_go
    )  # fmt: skip
    answer = evaluate_call(t, f, now)
    if isinstance(answer, Entitled):
        assert 0 < answer.granted <= min(answer.callable, f.requested)
        assert answer.granted + f.circumstances.cleared + f.held <= f.remaining


@check(any_second(), any_facts(), st.integers(1, 30), st.lists(st.integers(0, 10), max_size=4))
def test_after_any_order_what_is_cleared_leaves_the_minimum_and_nothing_let_go_is_ordered(
    t: TermsV2, f: Facts, quantity: int, orders: list[int]
) -> None:
    """A notice has run; the maker orders beside it, as often as it is let. What the holder may act on never reaches into the
    minimum, and what it was cleared for is never ordered: between the two lies what neither has."""
    now = datetime(2027, 3, 1, 15, tzinfo=UTC)
    f = replace(f, held=0, taken_back=0, in_transit=0, quality_held=0, withdrawn=0, suspended=False, legal_hold=False)
    above = usable(t, f, declining_day(t, f, now))
    named = min(quantity, above)
    if not named:
        return
    given = Notice(
        UUID(int=1), UUID(int=2), UUID(int=3), Act.SCRAP, Need.OFFER, named, 0, 0, None, None, "", "agreed",
        now - timedelta(days=9), now, now - timedelta(days=1), now + timedelta(days=60), None, "",
    )  # fmt: skip
    held = 0
    for wanted in (0, *orders, 30):
        known = replace(given, ordered_beside=held)
        stands = replace(f, held=held, circumstances=replace(f.circumstances, cleared=0, intent=None, notices=(known,)))
        (cut,) = still_about((t,), stands, (known,), now)
        loose = stands.remaining - held
        assert cut.left <= max(loose - kept_beside(t, stands, declining_day(t, stands, now)), 0)
        assert cut.left + cut.let_go == named, "what was let go nobody takes"
        held += min(wanted, split(t, stands, now).callable)
        assert named <= f.remaining - held


@check(any_second(), any_facts(), moments, st.sampled_from(Act), st.integers(1, 30))
def test_no_act_that_is_allowed_goes_below_the_minimum_or_into_reserved_units(
    t: TermsV2, f: Facts, now: datetime, act: Act, quantity: int
) -> None:
    answer = evaluate_holder_act(t, f, act, quantity, now)
    if isinstance(answer, Refused):
        return
    assert quantity <= f.remaining - f.held
    if act is Act.MOVE_SITE or now >= window(t, f).closes:
        return
    if t.clause == "first-refusal" and t.applies_to is AppliesTo.FLOOR:
        return
    left = f.remaining - quantity
    counted_left = left if t.applies_to is AppliesTo.FLOOR else left - f.held
    assert counted_left >= minimum(t, f, declining_day(t, f, now))


@check(any_second(), any_facts(), moments, st.sampled_from(Act), st.integers(1, 30))
def test_a_notice_that_has_run_clears_for_just_the_time_it_says(
    t: TermsV2, f: Facts, now: datetime, act: Act, quantity: int
) -> None:
    answer = evaluate_holder_act(t, f, act, quantity, now)
    if not isinstance(answer, AfterNotice) or answer.clear_from is None or answer.clear_until is None:
        return
    assert now < answer.clear_from < answer.clear_until

    def later(at: datetime) -> Free | AfterNotice | Refused:
        # The minimum only declines and the window only closes: both set free, so they may not decide here.
        return evaluate_holder_act(t, f, act, quantity, at, noticed_at=now)

    assert isinstance(later(answer.clear_from), Free)
    before = later(answer.clear_from - timedelta(microseconds=1))
    allowance = t.use_allowance is not None and act in (Act.USE, Act.INSTALL)
    if not allowance and answer.clear_from < window(t, f).closes and t.applies_to is not AppliesTo.FLOOR:
        assert isinstance(before, AfterNotice)


@check(any_second(PRICED), any_facts(), st.integers(0, 400))
def test_the_price_lies_between_floor_and_cap_on_any_day(t: TermsV2, f: Facts, months: int) -> None:
    assert t.clause != "title-kept"
    price = price_on(t, f, add_months(f.schedule_date, months)).amount
    assert price == price.rounded()
    assert price.amount >= 0
    assert price.currency == "USD"
    if t.price_floor_bp is not None:
        assert price.amount >= f.sale_price.share(t.price_floor_bp, t.rounding).amount
    if t.price_cap_bp is not None:
        assert price.amount <= f.sale_price.share(t.price_cap_bp, t.rounding).amount


@check(any_facts(), st.integers(1, 10_000), st.integers(10_000, 50_000), st.integers(0, 120), st.integers(1, 30_000))
def test_an_indexed_price_lies_between_the_floor_and_cap_of_its_index(
    f: Facts, low: int, high: int, months: int, share: int
) -> None:
    price = {
        "kind": "indexed", "percent_bp": share, "series": "Producer prices", "base_period": "2026-11", "lag_months": 2,
        "index_floor_bp": low, "index_cap_bp": high, "no_value": "last_known", "discontinued": "unchanged",
    }  # fmt: skip
    t = second("buy-back", price=price, handling_bp=0)
    assert t.clause == "buy-back"
    amount = price_on(t, f, add_months(f.schedule_date, months)).amount.amount
    exact = f.sale_price.amount * share / 10_000
    cent = Decimal("0.01")
    assert exact * low / 10_000 - cent <= amount <= exact * high / 10_000 + cent


@check(any_second(), any_facts(), days, st.integers(0, 2_000))
def test_the_minimum_to_keep_never_rises(t: TermsV2, f: Facts, start: date, later: int) -> None:
    assert minimum(t, f, start + timedelta(days=later)) <= minimum(t, f, start) <= minimum(t, f)


@check(any_second(), any_facts(), moments, st.integers(0, 60))
def test_a_longer_window_takes_no_right_away(t: TermsV2, f: Facts, now: datetime, more: int) -> None:
    longer = t.model_copy(update={"window_end_months": t.window_end_months + more})
    if isinstance(evaluate_call(t, f, now), Entitled):
        assert isinstance(evaluate_call(longer, f, now), Entitled)


@check(any_second(), any_facts(), moments, st.sampled_from(Act), st.integers(1, 30))
def test_what_is_free_for_many_is_free_for_fewer(t: TermsV2, f: Facts, now: datetime, act: Act, quantity: int) -> None:
    if isinstance(evaluate_holder_act(t, f, act, quantity, now), Free) and quantity > 1:
        assert isinstance(evaluate_holder_act(t, f, act, quantity - 1, now), Free)


allowances = st.builds(
    lambda units, months, carry: AllowedUnits(
        kind="units", units=units, period_months=months, carry_over_periods=carry
    ),
    st.integers(1, 9), st.integers(1, 24), st.integers(0, 4),
)  # fmt: skip


@check(allowances, any_facts(), days, st.integers(1, 5))
def test_an_allowance_never_goes_below_nothing_and_shrinks_by_what_is_used(
    allowance: AllowedUnits, f: Facts, day: date, units: int
) -> None:
    day = max(day, f.schedule_date)
    state = allowance_on(allowance, f, day)
    assert state.first_day <= day <= state.last_day
    assert 0 <= state.left <= state.granted + state.carried
    assert state.carried <= allowance.units * allowance.carry_over_periods
    more = replace(f.circumstances, used=(*f.circumstances.used, Dated(day, units)))
    assert allowance_on(allowance, replace(f, circumstances=more), day).left == max(state.left - units, 0)
    larger = allowance.model_copy(update={"carry_over_periods": allowance.carry_over_periods + 1})
    assert allowance_on(larger, f, day).left >= state.left


@check(any_second(), moments, st.integers(0, 30), st.sampled_from(ZONES))
def test_a_period_of_counted_days_ends_at_local_midnight_after_a_day_that_counts(
    t: TermsV2, start: datetime, count: int, zone: str
) -> None:
    end = counted(t, start, count, zone)
    last = (end - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    assert end == end_of_day(last, zone)
    assert end > start
    assert last >= local_day(start, zone) + timedelta(days=count)
    if t.holiday_calendar is not None:
        assert is_business_day(last, t.holiday_calendar)
        first = local_day(start, zone) + timedelta(days=1)
        between = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        if count:
            assert sum(is_business_day(d, t.holiday_calendar) for d in between) == count


@check(days, st.integers(1, 25), st.sampled_from(["US", "US-TX", "DE-BY", "AU-NSW", "AE", "JP", "CA-QC"]))
def test_business_days_are_monotone(start: date, count: int, code: str) -> None:
    assert add_business_days(start, count + 1, code) > add_business_days(start, count, code) >= start
    assert add_business_days(start + timedelta(days=1), count, code) >= add_business_days(start, count, code)


def test_working_weeks_and_holidays_are_those_of_the_place() -> None:
    assert not is_business_day(date(2027, 7, 5), "US")  # 4 July 2027 is a Sunday and kept on the Monday after it
    assert not is_business_day(date(2027, 1, 8), "SA")  # a Friday, and the Sunday after it
    assert is_business_day(date(2027, 1, 10), "SA")
    assert not is_business_day(date(2028, 6, 15), "DE-BY")
    assert is_business_day(date(2028, 6, 15), "DE-BE")
    assert [known_calendar(code) for code in ("US", "US-TX", "XX", "US-ZZ")] == [True, True, False, False]


blackouts = st.lists(
    st.sampled_from([
        Blackout(from_month=12, from_day=20, to_month=1, to_day=6),
        Blackout(from_month=1, from_day=7, to_month=1, to_day=10),
        Blackout(from_month=2, from_day=15, to_month=2, to_day=29),
        Blackout(from_month=7, from_day=1, to_month=8, to_day=15),
        Blackout(from_month=1, from_day=1, to_month=12, to_day=31),
    ]),
    max_size=3,
)  # fmt: skip


@check(blackouts, days)
def test_a_blackout_ends_on_the_first_day_that_is_in_none(spans: list[Blackout], day: date) -> None:
    until = blackout_until(spans, day)
    whole_year = any((b.from_month, b.to_month, b.to_day - b.from_day) == (1, 12, 30) for b in spans)
    if until is None:
        assert not whole_year
    else:
        assert until > day
        if not whole_year:
            assert blackout_until(spans, until) is None
            assert blackout_until(spans, until - timedelta(days=1)) == until


@check(st.integers(0, 1_000), st.integers(1, 31), st.integers(1, 500), st.integers(0, 4_000))
def test_late_damages_grow_by_periods_and_never_beyond_the_cap(
    share: int, period: int, days_late: int, more: int
) -> None:
    cap = None if not share else share + more
    t = second("buy-back", late_share_bp=share, late_period_days=period, late_cap_bp=cap)
    f, value = ordinary(), usd("10000.00")
    due = end_of_day(date(2027, 3, 11), f.zone)
    came = due + timedelta(days=days_late - 1, hours=12)
    late = (local_day(came, f.zone) - date(2027, 3, 11)).days
    owed = late_damages(t, f, value, due, came).amount
    expected = min(-(-late // period) * share, cap or 0)
    assert owed == value.share(expected)
    assert late_damages(t, f, value, due, came + timedelta(days=1)).amount.amount >= owed.amount
    assert not late_damages(t, f, value, due, due - timedelta(microseconds=1)).amount.amount


@check(st.integers(1, 30_000), st.integers(1, 99_999), st.integers(1, 9))
def test_cover_and_missing_units_never_cost_more_than_their_caps(cap: int, elsewhere: int, units: int) -> None:
    t, f = second("buy-back", cover_cap_bp=cap, breach_cap_bp=cap, minimum_to_keep=4), ordinary()
    owed = cover(t, f, usd("360.40"), usd(f"{elsewhere}.00"), units).amount.amount
    assert 0 <= owed <= (f.sale_price.share(cap) * units).amount
    assert owed <= max(Decimal(elsewhere) - Decimal("360.40"), Decimal(0)) * units
    assert breach_of_minimum(t, f, units).amount.amount <= (f.sale_price * 4).share(cap).amount


@check(any_second(), any_facts(), st.sampled_from(Event), moments, st.sampled_from(Act))
def test_what_is_due_is_due_after_what_happened_and_names_its_term(
    t: TermsV2, f: Facts, event: Event, at: datetime, act: Act
) -> None:
    if event is Event.ACTED and not f.remaining:
        return
    found = obligations(t, f, Happened(event=event, at=at, act=act, amount=usd("10.00")))
    for due in found:
        assert due.reason.term in type(t).model_fields
        assert (due.reason.clause, due.reason.version) == (t.clause, t.version)
        assert due.words == due.reason.words
        assert "  " not in due.words
        if due.by is not None and event not in (Event.SIGNED, Event.ENDED):
            assert due.by >= at
    dated = [due.by for due in found if due.by is not None]
    assert dated == sorted(dated)


@check(st.integers(0, 9_999), st.integers(0, 9_999), st.booleans())
def test_setting_off_changes_what_is_paid_and_not_who_is_better_off(a: int, b: int, sets_off: bool) -> None:
    t = second("buy-back", set_off=sets_off)
    to_holder, to_maker = net_due(t, usd(f"{a}.00"), usd(f"{b}.00"))
    assert (to_holder - to_maker).amount == a - b
    assert min(to_holder.amount, to_maker.amount) == (0 if sets_off else min(a, b))


@check(any_second(), any_facts(), st.integers(0, 3))
def test_the_end_of_a_schedule_is_where_its_renewals_lead(t: TermsV2, f: Facts, made: int) -> None:
    f = replace(f, circumstances=replace(f.circumstances, renewals=made))
    end = end_of_term(t, f)
    assert end.last_day == window(t, f).last_day
    assert end.survives_until >= end.last_day
    if end.renews_until is not None and end.decide_by is not None:
        renewed = replace(f, circumstances=replace(f.circumstances, renewals=made + 1))
        assert end_of_term(t, renewed).last_day == end.renews_until
        assert end.decide_by < window(t, f).closes


@check(any_second(), any_facts(), moments, st.sampled_from(Act), st.integers(1, 12))
def test_the_strictest_clause_binds_the_holder_and_each_clause_answers_an_order(
    t: TermsV2, f: Facts, now: datetime, act: Act, quantity: int
) -> None:
    alike = {
        name: getattr(t, name)
        for name in (
            "use_class",
            "minimum_to_keep",
            "minimum_steps",
            "rounding",
            "day_count",
            "holiday_calendar",
            "title",
        )
    }
    # A second clause beside it, alike in what must be alike.
    other = second("first-refusal" if t.clause == "buy-back" else "buy-back").model_copy(update=alike)
    if "title-kept" in (t.clause, other.clause) or t.applies_to is AppliesTo.FLOOR:
        return
    both = Combined((t, other))
    answers = [evaluate_holder_act(one, f, act, quantity, now) for one in both.clauses]
    bound = holder_act(both, f, act, quantity, now)
    assert bound.answer in answers
    if any(isinstance(answer, Refused) for answer in answers):
        assert isinstance(bound.answer, Refused)
    elif not all(isinstance(answer, Free) for answer in answers):
        assert isinstance(bound.answer, AfterNotice)
    assert [(call.clause, call.answer) for call in calls(both, f, now)] == [
        (one.clause, evaluate_call(one, f, now)) for one in both.clauses
    ]
    called, cleared = callable_and_cleared(both, f, now)
    assert called + cleared + f.held <= f.remaining or not called


@check(any_second(), any_facts())
def test_terms_read_as_words_without_code_in_them(t: TermsV2, f: Facts) -> None:
    text = render_clause(_TEXTS[t.clause, t.version], t)
    sentences = [badge(t, f).sentence, badge(t, f, to_maker=True).sentence, *summary(t, f)]
    for words in (text, *sentences):
        for code in ("{{", "None", "_bp", "True", "False", "<", "()"):
            assert code not in words, (code, words)
    for sentence in sentences:
        assert sentence.endswith("."), sentence
        assert ".." not in sentence
        assert "  " not in sentence
        assert sentence[0].isupper()


@check(any_second())
def test_terms_survive_json(t: TermsV2) -> None:
    assert parse_terms(t.clause, t.version, dump_terms(t)) == t


@pytest.mark.parametrize(
    ("zone", "at", "urgent_ship"),
    [
        # Three calendar days over the change of the clock, to summer time and back, in both halves of the world.
        ("America/Chicago", "2027-03-12T18:00:00+00:00", "2027-03-16T05:00:00+00:00"),
        ("America/Chicago", "2027-11-05T18:00:00+00:00", "2027-11-09T06:00:00+00:00"),
        ("Australia/Sydney", "2027-04-02T03:00:00+00:00", "2027-04-05T14:00:00+00:00"),
        ("Australia/Sydney", "2027-10-01T03:00:00+00:00", "2027-10-04T13:00:00+00:00"),
        ("Europe/Berlin", "2028-02-27T09:00:00+00:00", "2028-03-01T23:00:00+00:00"),
    ],
)  # fmt: skip
def test_date_edges(zone: str, at: str, urgent_ship: str) -> None:
    f = ordinary(zone=zone, urgency=Urgency.URGENT)
    answer = evaluate_call(second(), f, datetime.fromisoformat(at))
    assert isinstance(answer, Entitled)
    assert answer.ship_by == datetime.fromisoformat(urgent_ship).astimezone(UTC)


def test_a_schedule_of_the_last_of_january_counts_months_to_the_last_of_february() -> None:
    f = ordinary(schedule_date=date(2027, 1, 31))
    t = second(window_start_months=1, window_end_months=13, renewal="none", renewal_months=0, max_renewals=0)
    span = window(t, f)
    assert (span.first_day, span.last_day) == (date(2027, 2, 28), date(2028, 2, 29))


def test_money_of_no_minor_unit_is_rounded_to_whole_amounts() -> None:
    f = ordinary(sale_price=Money(Decimal(1234), "JPY"))
    t = second(price={"kind": "percent_of_sale", "percent_bp": 3_333}, handling_bp=0)
    assert t.clause == "buy-back"
    assert price_on(t, f, date(2027, 3, 1)).amount == Money(Decimal(411), "JPY")
