"""Files for the advice: months as columns or demands as lines, and stock with what else is known of a part."""

from __future__ import annotations

import numpy as np
import pytest

from marketplace.imports.demand_lines import Told, month_of, month_text, read_demand, read_stock
from marketplace.kit.errors import DomainError

NAN = np.nan


def lines(*rows: str) -> list[tuple[int, list[str]]]:
    return [(n, row.split(";")) for n, row in enumerate(rows, start=2)]


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2024-03", "2024-03"), ("2024-03-31", "2024-03"), ("2024-03-01 00:00", "2024-03"), ("202403", "2024-03"), ("2024/3", "2024-03"),
        ("2024M11", "2024-11"), ("3/2024", "2024-03"), ("03.2024", "2024-03"), ("Mar 2024", "2024-03"), ("mar-24", "2024-03"),
        ("März 2024", "2024-03"), ("MÄR 24", "2024-03"), ("Dezember 2023", "2023-12"), ("2024-13", None), ("13/2024", None), ("Sum 2024", None), ("1203", None), ("", None),
        ("20240331", None), ("4711", None), ("Total", None),
    ],
)  # fmt: skip
def test_months(text: str, month: str | None) -> None:
    found = month_of(text)
    assert (None if found is None else month_text(found)) == month


def test_months_as_columns() -> None:
    told = Told()
    header = ["Part number", "2024-01", "Feb 2024", "2024-04"]
    found = read_demand(header, lines("A-1;2;;-1", "b 2;0;(3);x", ";1;1;1", "a1;1;4;", "C3;1,200;1.5;-"), told)
    assert found.keys == {"A1": 0, "B2": 1, "C3": 2}
    assert month_text(found.first_month) == "2024-01"
    expected = [[3, 4, NAN, -1], [0, -3, NAN, NAN], [1_200, 1.5, NAN, NAN]]
    assert np.array_equal(found.units, expected, equal_nan=True)
    said = {(row, part): words for _, row, part, words in told.rows}
    assert "2024-03" in said[0, ""]
    assert "'x' is no number" in said[3, "b 2"]
    assert "No part number" in said[4, ""]
    assert "more than one row" in said[5, "a1"]
    with pytest.raises(DomainError, match="Two columns of the demand file are 2024-01: columns 2 and 3"):
        read_demand(["Part", "2024-01", "Jan 2024"], [], Told())


def test_demands_as_lines() -> None:
    told = Told()
    found = read_demand(
        ["Item", "Posting date", "Quantity"],
        lines(
            "A;2024-01-15;2",
            "A;2024-01-20;1",
            "B;31.03.2024;4",
            "A;2024-04;1",
            "A;05/04/2024;1",
            "B;soon;1",
            "B;04/04/2024;-1",
        ),
        told,
    )
    assert np.array_equal(found.units, [[3, 0, 0, 1], [NAN, NAN, 4, -1]], equal_nan=True)
    assert sorted(row for _, row, _, _ in told.rows) == [6, 7]
    assert all("one way only" in words for *_, words in told.rows)
    with pytest.raises(DomainError, match="100 years"):
        read_demand(["Item", "Month", "Quantity"], lines("A;1901-01;1", "A;2024-01;1"), Told())


@pytest.mark.parametrize(
    ("header", "words"),
    [(["Colour", "2024-01"], "is the part number"), (["Part number", "Colour"], "months as columns"), (["Part number", "Month"], "months as columns")],
)  # fmt: skip
def test_demand_files_that_say_too_little(header: list[str], words: str) -> None:
    with pytest.raises(DomainError, match=words) as refused:
        read_demand(header, [], Told())
    assert refused.value.code == "advise.demand"


def test_stock_with_all_that_is_known() -> None:
    told = Told()
    header = [
        "Part number",
        "Qty",
        "Unit cost",
        "Protected",
        "Partner price",
        "Scrap value",
        "Shortage cost",
        "Use hazard",
        "Criticality",
        "Volume",
        "Replaced by",
    ]
    found = read_stock(
        header,
        lines(
            "A-1;3;;no;80;5;900;0.2;2;1.5;B-2", "a1;4;12.50;;;;;;;;", "B2;1;0;yes;;;;12;;;", "C;-2;1;;;;;;;;", "D;2;abc;perhaps;;;;;;;ZZ", ";1;1;;;;;;;;",
        ),
        told,
    )  # fmt: skip
    assert found.numbers == ["A-1", "B2", "D"]
    assert found.stock.tolist() == [7, 1, 2]
    assert np.array_equal(found.cost, [12.5, NAN, NAN], equal_nan=True)
    assert found.protected.tolist() == [False, True, True]
    assert [found.more[name][0] for name in ("price", "scrap", "value", "hazard", "criticality", "space")] == [
        80,
        5,
        900,
        0.2,
        2,
        1.5,
    ]
    assert np.isnan(found.more["hazard"][1])
    assert found.replaced_by == {0: 1}
    said = " ".join(f"{row} {words}" for _, row, _, words in told.rows)
    for words in (
        "4 The unit cost is zero",
        "4 A hazard of 12",
        "5 '-2' is negative",
        "6 unit cost: 'abc'",
        "taken as protected",
        "ZZ is not in the stock file",
        "7 No part number",
    ):
        assert words in said
    with pytest.raises(DomainError, match="is the quantity"):
        read_stock(["Part number", "Colour"], [], Told())


def test_what_is_odd_is_told_to_a_limit_and_counted_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace.imports.demand_lines.MOST_TOLD", 2)
    told = Told()
    read_demand(["Part number", "2024-01", "2024-02"], lines(*["A;x;y"] * 3), told)
    assert (len(told.rows), told.more) == (2, 6)


@pytest.mark.parametrize(
    ("cells", "units", "words"),
    [
        # A point alone may stand before decimals or between thousands: without a cell that says which, nothing is guessed.
        (["1.500", "20", "3"], [NAN, 20, 3], "'1.500' may be 1.5 or 1,500 units"),
        (["1.500", "2,5", "-1.200"], [1_500, 2.5, -1_200], "'1.500' was read as 1500, and 1 more like it"),
        (["1.500", "1.234,5", "7"], [1_500, 1_234.5, 7], "'1.500' was read as 1500, and no other cell"),
        (["1.500", "0.500", "7"], [1.5, 0.5, 7], None),
        (["1.500", "2,5", "2.5"], [NAN, 2.5, 2.5], "may be"),
        (["1,500", "20", "3"], [1_500, 20, 3], None),
        (["1,500", "20,5", "3"], [1.5, 20.5, 3], "'1,500' was read as 1.5"),
        (["1,500", "2.5", "1'200"], [1_500, 2.5, 1_200], None),
        (["1.234.567", "1.000", "1 000"], [1_234_567, 1_000, 1_000], "'1.000' was read as 1000"),
    ],
)  # fmt: skip
def test_units_are_read_as_their_file_writes_them(cells: list[str], units: list[float], words: str | None) -> None:
    wide, long = Told(), Told()
    found = read_demand(["Teilenummer", "Januar 2024", "Feb. 2024", "März 2024"], lines("A-1;" + ";".join(cells)), wide)
    assert np.array_equal(found.units, [units], equal_nan=True)
    each = [f"A-1;2024-0{n};{cell}" for n, cell in enumerate(cells, start=1)]
    found = read_demand(["Artikel", "Monat", "Menge"], lines(*each), long)
    assert np.nansum(found.units) == pytest.approx(np.nansum(units))
    for told in (wide, long):
        if words:
            assert words in told.rows[0][3]
        else:
            assert not told.rows


def test_days_are_read_as_the_other_days_of_their_file() -> None:
    header = ["Part", "Date", "Quantity"]
    told = Told()
    found = read_demand(header, lines("A;05/04/2024;1", "A;31/03/2024;2", "A;06.05.2024;4"), told)
    assert np.array_equal(found.units, [[2, 1, 4]])
    assert not told.rows
    found = read_demand(header, lines("A;05/04/2024;1", "A;03/31/2024;2"), told)
    assert month_text(found.first_month) == "2024-03"
    assert np.array_equal(found.units, [[2, 0, 1]])
    assert not told.rows
    # Two orders in one file: the day that could be either is left out.
    read_demand(header, lines("A;05/04/2024;1", "A;03/31/2024;2", "A;31/03/2024;2"), told)
    assert [row for _, row, _, _ in told.rows] == [2]


def test_a_german_stock_file_with_a_sum_below() -> None:
    told = Told()
    header = ["Teilenummer", "Bestand", "Stückkosten", "Kritikalität", "Ersetzt durch", "Farbe"]
    found = read_stock(
        header, lines("A;1.200;1.234,50;wichtig;B;rot", "B;7;10;lebenswichtig;;", "Summe;1.207;;;;"), told
    )
    assert (found.numbers, found.stock.tolist(), found.cost.tolist()) == (["A", "B"], [1_200, 7], [1_234.5, 10])
    assert found.more["criticality"].tolist() == [1, 2]
    assert found.replaced_by == {0: 1}
    said = " ".join(f"{row} {words}" for _, row, _, words in told.rows)
    for words in (
        "0 Nothing was read from the columns 'Farbe'",
        "2 '1.200' was read as 1200",
        "4 A sum of the rows above",
    ):
        assert words in said
    bare = Told()
    read_stock(["Teilenummer", "Bestand"], lines("A;1"), bare)
    assert "no part has advice" in bare.rows[0][3]
