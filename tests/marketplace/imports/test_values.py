"""What cells mean, and what leaves in exports."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports.values import (
    DateOrder,
    date_order,
    decimal_comma,
    parse_condition,
    parse_day,
    parse_flag,
    parse_price,
    parse_quantity,
)
from marketplace.kit.errors import DomainError
from marketplace.kit.exports import BOM, csv_chunks, original_cell, safe_cell


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), (" 1,200 ", 1200), ("12.0", 12), ("12,00", 12), ("1 200", 1200), ("0", 0)]
)
def test_quantities(text: str, number: int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["-3", "1.5", "12.000", "abc", "", "1,20", "9" * 30, "٣", "1e3", "--", "=1+1"])
def test_wrong_quantities(text: str) -> None:
    with pytest.raises(DomainError) as caught:
        parse_quantity(text)
    assert caught.value.code == "import.quantity"


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-04",
        "2025-03-04 00:00:00",
        "2025-03-04T10:00:00Z",
        "20250304",
        "4.3.2025",
        "04-Mar-2025",
        "3/4/2025",
        "2025/3/4",
    ],
)
def test_days(text: str) -> None:
    assert parse_day(text) == date(2025, 3, 4)


@pytest.mark.parametrize("text", ["2025-03", "2025/3", "3/2025", "03.2025", "03-2025", "Mar-2025", "March 2025"])
def test_a_month_is_its_first_day_but_for_what_expires_in_it(text: str) -> None:
    assert parse_day(text) == date(2025, 3, 1)
    with pytest.raises(DomainError):
        parse_day(text, months=False)


def test_the_order_of_slashed_days_comes_from_the_column() -> None:
    assert parse_day("3/4/2025", DateOrder.DAY_FIRST) == date(2025, 4, 3)
    assert date_order(["3/4/2025", "25/4/2025"]) is DateOrder.DAY_FIRST
    assert date_order(["3/4/2025", "4/25/2025"]) is DateOrder.MONTH_FIRST
    assert date_order(["3/4/2025"]) is None
    assert date_order(["25/4/2025", "4/25/2025"]) is None


@pytest.mark.parametrize(
    ("cells", "comma"),
    [
        (["12,000", "1.250,000"], True), (["12,000", "9,50"], True), (["0,125", "3"], True), (["12,000", "3"], False),
        (["12,000", "9.50"], False), (["9,50", "9.50"], False), (["1,250.00"], False), (["1,250,000", "9,50"], False), ([], False),
    ],
)  # fmt: skip
def test_a_comma_before_decimals_is_told_by_the_file(cells: list[str], comma: bool) -> None:
    assert decimal_comma(cells) is comma


@pytest.mark.parametrize(
    "text", ["2025-02-30", "13/2025", "Foo 2025", "2025-00", "13/13/2025", "soon", "", "0000-01-01", "1-Foo-2025"]
)
def test_wrong_days(text: str) -> None:
    with pytest.raises(DomainError):
        parse_day(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("New", "new"), ("N.O.S.", "new_old_stock"), ("new old stock", "new_old_stock"), ("Reman", "remanufactured"),
        ("USED - TESTED", "used_tested"), ("SV", "used_tested"), ("as-is", "used"), ("Core", "core"),
    ],
)  # fmt: skip
def test_conditions(text: str, word: str) -> None:
    assert parse_condition(text) == word


def test_unknown_words_are_refused() -> None:
    for parse in (parse_condition, parse_flag, parse_price):
        with pytest.raises(DomainError):
            parse("purple")
    assert parse_flag("X") is True
    assert parse_flag(" ") is False
    assert parse_price("$1,234.50") == Decimal("1234.50")
    with pytest.raises(DomainError):
        parse_price("-2")


@pytest.mark.parametrize(
    "text", ["=1+1", "+SUM(A1)", "-2+3", "@cmd", "\t=1", "\r=1", "=cmd|'/C calc'!A0", " =1+1", "\uff1d1+1", "-"]
)
def test_formulas_leave_as_text(text: str) -> None:
    assert safe_cell(text) == "'" + text
    assert original_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", ["-12", "-1,200.50", "+3", "A-1", "", "5120-01-398-1439", "a=b"])
def test_plain_cells_stay(text: str) -> None:
    assert safe_cell(text) == text


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=4), max_size=8
    )
)
def test_exports_read_back_as_they_were_and_no_cell_runs(rows: list[list[str]]) -> None:
    text = "".join(csv_chunks(["a", "b"], rows, every=3))
    assert text.startswith(BOM)
    back = list(csv.reader(io.StringIO(text[1:], newline="")))[1:]
    assert [[original_cell(cell) for cell in row] for row in back] == [
        [original_cell(safe_cell(cell)) for cell in row] for row in rows
    ]
    for row in back:
        for cell in row:
            assert not cell.lstrip().startswith(("=", "@"))
