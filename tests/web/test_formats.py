"""Values as pages write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.kit.money import Money
from web import formats

NOW = datetime(2026, 11, 22, 15, 4, tzinfo=UTC)


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).replace("&nbsp;", " ")


@pytest.mark.parametrize(("count", "said"), [(0, "0 units"), (1, "1 unit"), (2, "2 units"), (1204, "1,204 units")])
def test_plural(count: int, said: str) -> None:
    assert formats.plural(count, "unit") == said


def test_plural_of_an_irregular_noun() -> None:
    assert formats.plural(2, "company", "companies") == "2 companies"


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("4180", "USD", "4,180.00 USD"),
        ("0.0425", "USD", "0.0425 USD"),
        ("1250", "JPY", "1,250 JPY"),
        ("-12.5", "EUR", "-12.50 EUR"),
    ],
)
def test_money(amount: str, currency: str, said: str) -> None:
    assert words(formats.money(Money(Decimal(amount), currency))) == said


def test_a_missing_value_is_a_dash_and_said_aloud() -> None:
    for write in (formats.money, formats.qty, formats.km, formats.day):
        html = write(None)
        assert html == formats.NONE
        assert "visually-hidden" in html


def test_qty() -> None:
    assert words(formats.qty(1204, "kit")) == "1,204 kit"


@pytest.mark.parametrize(
    ("points", "said"), [(8500, "85 %"), (1250, "12.5 %"), (1205, "12.05 %"), (0, "0 %"), (-50, "-0.5 %")]
)
def test_percent(points: int, said: str) -> None:
    assert formats.percent(points) == said.replace(" ", "\u00a0")


@pytest.mark.parametrize(("value", "said"), [(0.4, "&lt; 1 km"), (1, "1 km"), (12.6, "13 km"), (1904, "1,904 km")])
def test_km(value: float, said: str) -> None:
    assert words(formats.km(value)) == said


def test_part_number_is_never_markup() -> None:
    html = formats.part_number('<img src=x onerror="alert(1)">')
    assert "<img" not in html
    assert html.count("data-copy=") == 1
    assert 'data-copy="&lt;img' in html


def test_part_number_without_copy_button() -> None:
    assert formats.part_number("12-A", copy=False) == '<span class="pn">12-A</span>'


def test_day() -> None:
    assert formats.day(date(2026, 11, 2)) == '<time datetime="2026-11-02">2 Nov 2026</time>'


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (timedelta(seconds=-10), "just now"),
        (timedelta(seconds=10), "in a moment"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(hours=3, minutes=59), "in 3 h"),
        (timedelta(hours=-30), "yesterday"),
        (timedelta(hours=30), "tomorrow"),
        (timedelta(days=-6, hours=-5), "6 days ago"),
        (timedelta(days=30), "in 30 days"),
        (timedelta(days=-45), "8 Oct 2026"),
    ],
)
def test_relative(gap: timedelta, said: str) -> None:
    assert formats.relative(NOW + gap, NOW) == said


def test_dt_carries_the_exact_moment_in_the_zone_of_the_reader() -> None:
    html = formats.dt(NOW - timedelta(hours=2), NOW, "America/Chicago")
    assert 'datetime="2026-11-22T13:04:00Z"' in html
    assert 'title="22 Nov 2026, 07:04 CST"' in html
    assert words(html) == "2 h ago"
    assert 'data-more="22 Nov 2026, 07:04 CST"' in html, "what a finger cannot see by hovering"
    early = formats.dt(datetime(2026, 3, 2, 3, 0, tzinfo=UTC), NOW, "America/Chicago")
    assert words(early) == "1 Mar 2026", "a day is the reader's own"
    assert 'data-more="21:00 CST"' in early


def test_moment_says_the_distance_only_while_it_is_near() -> None:
    assert words(formats.moment(NOW - timedelta(hours=2), NOW)) == "2 h ago, 22 Nov 2026, 13:04 UTC"
    assert words(formats.moment(NOW - timedelta(days=400), NOW)) == "18 Oct 2025, 15:04 UTC"


@pytest.mark.parametrize(
    ("gap", "said", "state"),
    [
        (timedelta(days=6, hours=23), "6 days left", "far"),
        (timedelta(hours=36), "36 h left", "far"),
        (timedelta(hours=24), "24 h left", "soon"),
        (timedelta(hours=4, minutes=10), "4 h 10 min left", "soon"),
        (timedelta(hours=4), "4 h left", "soon"),
        (timedelta(minutes=35, seconds=59), "35 min left", "soon"),
        (timedelta(seconds=30), "less than 1 min left", "soon"),
        (timedelta(0), "less than 1 min overdue", "over"),
        (timedelta(days=-2, hours=-1), "2 days overdue", "over"),
    ],
)
def test_deadline(gap: timedelta, said: str, state: str) -> None:
    html = formats.deadline(NOW + gap, NOW)
    assert words(html) == said
    assert f"deadline-{state}" in html


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=4000)))
def test_time_left_never_flatters(gap: timedelta) -> None:
    said = formats.time_left(NOW + gap, NOW)
    assert said.endswith(" left")
    units = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "day": timedelta(days=1), "days": timedelta(days=1)}
    shown = sum(
        (int(n.replace(",", "")) * units[u] for n, u in re.findall(r"([\d,]+) (min|h|days?)\b", said)), timedelta()
    )
    if not said.startswith("less than"):
        assert shown <= gap


def test_what_is_needed_by_a_day_is_needed_by_that_day_and_not_by_the_midnight_after_it() -> None:
    midnight = datetime(2026, 11, 30, 6, 0, tzinfo=UTC)
    assert words(formats.needed(midnight, NOW, "America/Chicago", running=False)) == "29 Nov 2026"
    assert words(formats.needed(midnight, NOW, "America/Chicago", running=True)) == "29 Nov 2026, 7 days left"
    assert "deadline-over" in formats.needed(midnight, midnight, "America/Chicago", running=True)
