"""``backstock advise``: from two files to a workbook, without a server, and never a traceback."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from marketplace.kit.errors import DomainError
from marketplace.planning import analyst
from marketplace.planning.advice import Policy
from marketplace.planning.marginals import Money
from tests.test_command_line import backstock

Advise = Callable[..., subprocess.CompletedProcess[str]]

MONTHS = [f"{year}-{month:02}" for year in (2022, 2023, 2024, 2025) for month in range(1, 13)]


@pytest.fixture
def advise(tmp_path: Path) -> Advise:
    chance = np.random.default_rng(3)
    with (tmp_path / "stock.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Part number", "Description", "Quantity", "Unit cost", "Protected", "Replaced by"])
        rows.writerows(
            [f"P-{n:03}", "=1+1" if n == 0 else "Seal kit", 5 + n % 30, 40 + n, "yes" if n == 1 else "", ""]
            for n in range(60)
        )
        rows.writerow(["NEW", "No history", 4, 100, "", ""])
        rows.writerow(["FREE", "No price", 4, "0", "", ""])
        rows.writerow(["OLD", "Has a successor", 4, 100, "", "P-002"])
    with (tmp_path / "demand.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Part number", *MONTHS])
        for n in range(60):
            rows.writerow([f"p{n:03}", *((chance.random(48) < 0.02 * (1 + n % 8)) * chance.integers(1, 3, 48))])
        rows.writerow(["OLD", *([1, 0] * 24)])
        rows.writerow(["STRANGE", *([1] * 48)])

    def run(
        *more: str, out: str = "out.xlsx", stock: str = "stock.csv", demand: str = "demand.csv"
    ) -> subprocess.CompletedProcess[str]:
        paths = ("--stock", str(tmp_path / stock), "--demand", str(tmp_path / demand), "--out", str(tmp_path / out))
        done = backstock("advise", *paths, *more)
        assert "Traceback" not in done.stderr
        return done

    return run


def test_a_workbook_of_advice_totals_and_oddities(advise: Advise, tmp_path: Path) -> None:
    done = advise("--cash-target", "50000", "--exact", "5", "--renewed")
    assert done.returncode == 0, done.stderr
    assert "61 of 63 parts" in done.stdout
    assert "Reading stock" in done.stderr
    assert "Coverage" in done.stderr
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["Advice", "Totals", "Odd in the input"]
    header, *rows = book["Advice"].iter_rows(values_only=True)
    by_number = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert len(by_number) == 63
    for row in by_number.values():
        assert row["Keep"] + row["Release"] + row["Scrap"] == row["Stock"]
        assert row["Why"]
        assert 0 <= row["Coverage after"] <= 1
    assert by_number["P-000"]["Description"] == "=1+1", "text, never a formula"
    assert by_number["P-001"]["Why"].startswith("Protected")
    assert "No history" in by_number["NEW"]["To look at"]
    assert by_number["FREE"]["Why"].startswith("No price")
    assert by_number["FREE"]["Worth"] is None
    assert "Replaced by P-002" in by_number["OLD"]["To look at"]
    assert by_number["P-002"]["Rate a year"] > 4 > by_number["OLD"]["Rate a year"]
    assert sum(row["Reckoned"] == "exactly" for row in by_number.values()) == 5
    totals = [row for row in book["Totals"].iter_rows(values_only=True) if row[0]]
    words = {row[0]: row for row in totals}
    assert words["Units to release"][1] == sum(row["Release"] for row in by_number.values() if row["Worth"] is not None)
    for head in (
        "Frontier: cash at once",
        "Scenario",
        "Best choice that brings 50,000 at once",
        "Models of demand, tried on the last 12 months",
        "Risks",
    ):
        assert head in words
    odd = " ".join(str(cell) for row in book["Odd in the input"].iter_rows(values_only=True) for cell in row)
    assert "1 number with demand is not in the stock file" in odd
    assert "taken as not known" in odd
    assert not list(tmp_path.glob(".out*")), "nothing half written is left"


def test_csv_has_the_same_in_three_files(advise: Advise, tmp_path: Path) -> None:
    assert advise(out="out.csv").returncode == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()))
    assert len(rows) == 63
    assert rows[0]["Description"] == "'=1+1", "a spreadsheet runs no cell of it"
    assert (tmp_path / "out-totals.csv").exists()
    assert "FREE" in (tmp_path / "out-odd.csv").read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("options", "files", "code"),
    [
        ((), {"stock": "nowhere.csv"}, "advise.file"),
        ((), {"out": "out.pdf"}, "advise.out"),
        ((), {"out": "no/folder/out.xlsx"}, "advise.out"),
        ((), {"demand": "stock.csv"}, "advise.demand"),
        ((), {"stock": "demand.csv"}, "import.no_header"),
        (("--hazard", "12"), {}, "planning.hazard"),
        (("--horizon", "101"), {}, "planning.number"),
        (("--horizon", "-1"), {}, "planning.number"),
        (("--terms", "for-ever"), {}, "planning.preset"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    advise: Advise, tmp_path: Path, options: tuple[str, ...], files: dict[str, str], code: str
) -> None:
    before = sorted(tmp_path.iterdir())
    done = advise(*options, **files)
    assert f"[{code}]" in done.stderr
    assert done.returncode in (2, 4)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("horizon", ["0", "100"])
def test_odd_input_is_told_and_no_cell_is_a_silent_number(advise: Advise, tmp_path: Path, horizon: str) -> None:
    odd = {
        "BACK": ["1", "0", "-2", "4"] * 30, "GAPS": ["1" if n % 9 == 0 else "" if n % 5 == 0 else "0" for n in range(120)],
        "ONCE": [""] * 119 + ["2"], "ZERO": ["0"] * 120, "PACK": ["100" if n % 7 == 0 else "0" for n in range(120)],
        "SLIP": ["1" if n % 6 == 0 else "0" for n in range(119)] + ["5000"], "FREE": ["1", "0"] * 60,
    }  # fmt: skip
    months = [f"{y}-{m:02}" for y in range(2016, 2026) for m in range(1, 13)]
    with (tmp_path / "odd.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["Part number", *months], *([n, *units] for n, units in odd.items())])
    with (tmp_path / "held.csv").open("w", newline="") as file:
        rows = [[n, 9, "0" if n == "FREE" else "90"] for n in odd]
        csv.writer(file).writerows(
            [["Part number", "Quantity", "Unit cost"], *rows, ["LESS", "-3", "10"], ["HALF", "1.5", "10"]]
        )
    done = advise("--horizon", horizon, "--hazard", "10", "--exact", "0", stock="held.csv", demand="odd.csv")
    assert done.returncode == 0, done.stderr
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    header, *lines = book["Advice"].iter_rows(values_only=True)
    by_number = {row[0]: dict(zip(header, row, strict=True)) for row in lines}
    assert set(by_number) == set(odd), "what has no whole stock is left out"
    said = {
        "BACK": "Returns of", "GAPS": "without a record", "ONCE": "Fewer than 12 months", "ZERO": "Never asked for", "PACK": "packs and pieces",
        "SLIP": "times the usual",
    }  # fmt: skip
    for number, words in said.items():
        assert words in by_number[number]["To look at"], number
    assert by_number["FREE"]["Why"].startswith("No price")
    for row in by_number.values():
        assert row["Keep"] + row["Release"] + row["Scrap"] == row["Stock"]
        assert not any(
            isinstance(cell, str) and cell.strip().lower() in ("nan", "inf", "-inf") for cell in row.values()
        )
    told = " ".join(str(cell) for row in book["Odd in the input"].iter_rows(values_only=True) for cell in row)
    assert "LESS" in told
    assert "HALF" in told


def test_the_analysts_module_takes_plain_lists() -> None:
    found = analyst.advise(
        {"number": ["A", "B", "C"], "stock": [10, 3, 2], "cost": [200.0, float("nan"), 40.0]},
        demand=[[0, 1, 0] * 12, [0] * 36, [float("nan")] * 36],
    )
    columns = found.columns()
    assert {len(values) for values in columns.values()} == {3}
    assert columns["number"] == ["A", "B", "C"]
    assert found.totals()["advised"] == 2
    assert found.frontier()[0].coverage >= found.frontier()[-1].coverage
    assert analyst.coverage(0.1, 0.05, 5, 1, 20) == pytest.approx(0.930652, abs=1e-6)
    assert analyst.coverage(0.3, 0.08, 6, 1, 20, decline=0.1, own_goes_first=True) == pytest.approx(0.810303, abs=1e-6)
    money = Money(value=1_000, price=180, buy_back=180, call_cost=40, scrap=60, holding=25, interest=0.08)
    priced = analyst.price_of_terms(0.3, 0.5, 20, money, 10, decline=0.1)
    assert priced["minimum of 3"] == pytest.approx(3_029.43 - 2_562.55, abs=0.02)
    assert priced["first refusal"] == pytest.approx(2_662.45 - 2_562.55, abs=0.02)
    assert priced["minimum of 3"] > 4 * priced["first refusal"], "price floors well above first refusals"
    with pytest.raises(Exception, match="no column 'cost'"):
        analyst.advise({"stock": [1]}, [[1]])
    with pytest.raises(Exception, match="demand has 1 part and the column 'stock' of the table 2"):
        analyst.advise({"stock": [1, 2], "cost": [1, 2]}, [[1]], policy=Policy())


@pytest.mark.parametrize(
    ("table", "demand", "words"),
    [
        ({"stock": [1], "cost": ["much"]}, [[1, 1]], "column 'cost' of the table has something in it that is no number"),
        ({"stock": [3, 2], "cost": [3]}, [[1, 2], [3, 4]], "demand has 2 parts and the column 'cost' of the table 1"),
        ({"stock": [1, 2], "cost": [1, 2], "price": [1]}, [[1, 2], [3, 4]], "column 'price' of the table 1"),
        ({"stock": [1, 2], "cost": [1, 2]}, [[1, 1]], "demand has 1 part and the column 'stock' of the table 2"),
        ({"stock": [[1]], "cost": [1]}, [[1, 1]], "one number a part"),
        ({"stock": [], "cost": []}, np.empty((0, 5)), "no part in the history"),
        ({"stock": [-1], "cost": [3]}, [[1, 2]], "Stock is -1"),
        ({"stock": [1]}, [[1, 2]], "no column 'cost'"),
    ],
)  # fmt: skip
def test_what_a_table_cannot_be_is_said(table: dict[str, object], demand: Any, words: str) -> None:
    with pytest.raises(DomainError, match=re.escape(words)):
        analyst.advise(table, demand)


def test_a_share_too_high_is_told_as_what_it_is() -> None:
    with pytest.raises(DomainError) as refused:
        Policy(interest=12).check()
    assert "unit would last" not in refused.value.message
    assert "Write 12 % a year as 0.12" in refused.value.message
