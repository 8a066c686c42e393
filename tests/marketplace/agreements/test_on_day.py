"""What an agreement would give on a chosen day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements.deadlines import window
from marketplace.agreements.notice import Notice
from marketplace.agreements.on_day import days_that_matter, noon_of, rights_on, rights_over
from marketplace.agreements.outcomes import Act, Need
from marketplace.agreements.reach import split
from marketplace.kit.clock import local_day
from tests.marketplace.agreements.builders import facts, terms
from tests.marketplace.agreements.second import second


def test_the_right_is_told_before_within_and_after_its_window() -> None:
    given_terms, stands = terms(window_start_months=6, window_end_months=12), facts()
    span = window(given_terms, stands)
    before = rights_on((given_terms,), stands, span.first_day - timedelta(days=1))
    first = rights_on((given_terms,), stands, span.first_day)
    last = rights_on((given_terms,), stands, span.last_day)
    after = rights_on((given_terms,), stands, span.last_day + timedelta(days=1))
    assert (before.callable, before.unit_price, after.callable, after.unit_price) == (0, None, 0, None)
    assert "opens on" in before.words[0]
    assert "ended on" in after.words[0]
    assert first.callable == last.callable > 0
    assert first.unit_price is not None
    assert {a.act: a.answer for a in after.acts} == dict.fromkeys((Act.USE, Act.INSTALL, Act.SCRAP, Act.RESELL), "free")
    assert [name for name, _ in days_that_matter(given_terms, stands, date(2026, 1, 1))] == [
        "Today", "The right opens", "Its last day", "The day after",
    ]  # fmt: skip


def test_under_a_first_refusal_only_what_a_notice_names_can_be_asked_for_and_only_in_its_time() -> None:
    refusal = second("first-refusal", window_end_months=6)
    quiet = facts(schedule_date=date(2026, 1, 5))
    given = datetime(2026, 3, 2, 15, tzinfo=UTC)
    notice = Notice(
        UUID(int=1), UUID(int=2), UUID(int=3), Act.RESELL, Need.OFFER, 3, 0, 0, Decimal(300), "Somebody", "", "open", given,
        given + timedelta(days=15), given + timedelta(days=15), given + timedelta(days=75), None, "",
    )  # fmt: skip
    named = replace(quiet, circumstances=replace(quiet.circumstances, notices=(notice,)))
    for stands, day, callable_units in ((quiet, 3, 0), (named, 3, 3), (named, 20, 0)):
        moment = given + timedelta(days=day)
        parts = split(refusal, stands, moment)
        assert (parts.callable, parts.blocked + parts.cleared) == (callable_units, 10 - callable_units)
    assert "7 not now (not named in a notice)" in split(refusal, named, given).words
    spans = rights_over((refusal,), named)
    for day in (date(2026, 3, 2) + timedelta(days=n) for n in range(90)):
        told = next(s for s in reversed(spans) if s.first <= day)
        assert told.callable == rights_on((refusal,), named, day).callable, day


@given(
    st.dates(date(1995, 1, 1), date(2090, 1, 1)),
    st.sampled_from(["America/Chicago", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Berlin", "UTC"]),
)
def test_its_moment_is_on_the_day_everywhere(day: date, zone: str) -> None:
    if (zone, day) != ("Pacific/Apia", date(2011, 12, 30)):  # a day that there was not
        assert local_day(noon_of(day, zone), zone) == day


def test_the_right_over_its_time_is_told_in_spans_that_agree_with_every_day() -> None:
    steps = {
        "kind": "schedule", "shape": "step", "declining": True, "points": [
            {"after_months": 0, "percent_bp": 9_000}, {"after_months": 12, "percent_bp": 7_000}, {"after_months": 30, "percent_bp": 5_000}],
    }  # fmt: skip
    given_terms, stands = terms(window_start_months=6, window_end_months=48, price=steps), facts()
    spans = rights_over((given_terms,), stands)
    assert [bool(s.callable) for s in spans] == [False, True, True, True, False]
    assert len({s.unit_price for s in spans}) == 4, "three prices and none"
    starts = [s.first for s in spans]
    assert starts == sorted(starts)
    day = stands.schedule_date
    while day <= spans[-1].first + timedelta(days=3):
        told = next(s for s in reversed(spans) if s.first <= day)
        then = rights_on((given_terms,), stands, day)
        assert (told.callable, told.unit_price) == (then.callable, then.unit_price), day
        day += timedelta(days=1)
