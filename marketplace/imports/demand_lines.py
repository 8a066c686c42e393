"""A file of demand: months as columns, or one line a demand; and a file of stock as the advice needs it. Rows of text in, arrays out.

A cell that cannot be read is left out and told with its row, never taken for zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from marketplace.imports.catalogue_rows import is_total
from marketplace.imports.columns import ColumnPlan, match_columns
from marketplace.imports.demand_cells import Days, Units
from marketplace.imports.fields import heading
from marketplace.imports.values import parse_flag, parse_price, parse_quantity
from marketplace.kit.errors import DomainError, invalid
from marketplace.parts.numbers import normalise
from marketplace.planning.histories import MOST_PERIODS
from marketplace.planning.inputs import Array, Flags

Row = tuple[int, Sequence[str]]
MOST_TOLD = 10_000
"""Odd cells that are told one by one; the rest is counted."""
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan januar january janvier", "feb februar february", "mar maerz marz march mrz", "apr april", "may mai", "jun juni june", "jul juli july",
         "aug august", "sep sept september", "oct okt oktober october", "nov november", "dec dez dezember december"), start=1,
    )
    for name in names.split()
}  # fmt: skip
_YEAR_FIRST = re.compile(
    r"((?:19|20)\d\d)\s*[-/. ]?\s*M?\s*(0?[1-9]|1[0-2])(?:[-/.](?:0?[1-9]|[12]\d|3[01]))?(?:[ T].*)?", re.ASCII
)
_MONTH_FIRST = re.compile(r"(0?[1-9]|1[0-2])\s*[-/.]\s*((?:19|20)\d\d)", re.ASCII)
_NAMED = re.compile(r"([A-Za-z]{3,9})\.?[-/ ,]*((?:19|20)\d\d|\d\d)", re.ASCII)
_WHEN = frozenset(
    [
        "month",
        "period",
        "date",
        "day",
        "demanddate",
        "issuedate",
        "issuedon",
        "postingdate",
        "orderdate",
        "demandmonth",
        "monat",
        "datum",
    ]
)
_COUNT = frozenset(
    [
        "demand",
        "units",
        "quantity",
        "qty",
        "usage",
        "consumption",
        "issued",
        "issues",
        "sold",
        "sales",
        "menge",
        "verbrauch",
        "demandqty",
        "issuedqty",
    ]
)


def month_of(text: str) -> int | None:
    """A month as year * 12 + month - 1, or None: 2024-03, 2024/3, 202403, 2024M03, 03/2024, Mar 2024, Mar-24, 2024-03-31."""
    raw = text.strip().replace("ä", "a").replace("Ä", "A")
    if found := _YEAR_FIRST.fullmatch(raw):
        return int(found[1]) * 12 + int(found[2]) - 1
    if found := _MONTH_FIRST.fullmatch(raw):
        return int(found[2]) * 12 + int(found[1]) - 1
    if (found := _NAMED.fullmatch(raw)) and (month := _MONTHS.get(found[1].casefold())):
        year = int(found[2])
        return (year if year > 99 else 2000 + year) * 12 + month - 1
    return None


def month_text(month: int) -> str:
    """2024-03."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


def is_month(text: str) -> bool:
    """Whether a header names a month."""
    return month_of(text) is not None


@dataclass(slots=True)
class Told:
    """What was odd in a file: row (0: the whole file), part, and words. Told one by one up to ``MOST_TOLD``."""

    rows: list[tuple[str, int, str, str]] = field(default_factory=list)
    more: int = 0

    def add(self, file: str, row: int, part: str, words: str) -> None:
        """One more."""
        if len(self.rows) < MOST_TOLD:
            self.rows.append((file, row, part, words))
        else:
            self.more += 1


@dataclass(frozen=True, slots=True)
class DemandTable:
    """Demand by part: ``numbers`` as they are written, ``units`` (parts, months) with NaN where nothing is on record."""

    keys: dict[str, int]
    """Normalised number -> row of ``units``."""
    units: Array
    first_month: int
    """As ``month_of``."""
    numbers: list[str]
    """Of each row, as the file first writes it."""


def read_demand(header: Sequence[str], rows: Iterable[Row], told: Told) -> DemandTable:
    """Months as columns where two headers or more are months, else one line a demand.

    Raises ``advise.demand`` where neither a part number nor months or demands can be found, or where two columns are one month.
    """
    plan = match_columns(header, [])
    number = plan.column("number")
    if number is None:
        raise invalid(
            "advise.demand",
            f"No column of the demand file is the part number. Its columns are {_shown(header)}. Name one of them Part number.",
            field="demand",
        )
    months = {column: month for column, name in enumerate(header) if (month := month_of(name)) is not None}
    if len(months) >= 2 or (months and _long(header) is None):
        return _wide(months, number, rows, told)
    long = _long(header)
    if long is None:
        raise invalid(
            "advise.demand",
            f"The demand file needs months as columns, such as 2024-01, or the columns Month and Quantity. Its columns are {_shown(header)}.",
            field="demand",
        )
    return _by_line(number, *long, rows, told)


def _shown(header: Sequence[str]) -> str:
    return ", ".join(f"'{name[:30]}'" for name in header[:8]) + (" ..." if len(header) > 8 else "")


def _long(header: Sequence[str]) -> tuple[int, int] | None:
    names = [heading(name) for name in header]
    when = next((n for n, name in enumerate(names) if name in _WHEN), None)
    count = next((n for n, name in enumerate(names) if name in _COUNT), None)
    return None if when is None or count is None else (when, count)


def _wide(months: dict[int, int], number: int, rows: Iterable[Row], told: Told) -> DemandTable:
    seen: dict[int, int] = {}
    for column, month in months.items():
        if month in seen:
            raise invalid(
                "advise.demand",
                f"Two columns of the demand file are {month_text(month)}: columns {seen[month] + 1} and {column + 1}.",
                field="demand",
            )
        seen[month] = column
    first, last = min(seen), max(seen)
    span = _span(first, last)
    if gaps := [month_text(m) for m in range(first, last + 1) if m not in seen]:
        shown = ", ".join(gaps[:6]) + (f" and {len(gaps) - 6} more" if len(gaps) > 6 else "")
        told.add("demand", 0, "", f"No column for {shown}: taken as not recorded, not as zero.")
    keys: dict[str, int] = {}
    numbers: list[str] = []
    kept: list[Array] = []
    units = Units(lambda row, part, words: told.add("demand", row, part, words))
    for row, cells in rows:
        written, key = _number(cells[number])
        if not _counts(cells, number, key, row, "demand", told):
            continue
        line, at = np.full(span, np.nan), keys.get(key, len(kept))
        for column, month in months.items():
            line[month - first] = units.read(
                cells[column] if column < len(cells) else "", row, written, (at, month - first)
            )
        if key in keys:
            old = kept[keys[key]]
            both = np.isnan(old) & np.isnan(line)
            kept[keys[key]] = np.where(both, np.nan, np.nan_to_num(old) + np.nan_to_num(line))
            told.add("demand", row, written, "The number has more than one row: their demand is added up.")
        else:
            keys[key] = len(kept)
            numbers.append(written)
            kept.append(line)
    for (part, month), amount in cast("Iterable[tuple[tuple[int, int], float]]", units.settled()):
        kept[part][month] = np.nan_to_num(kept[part][month]) + amount
    return DemandTable(keys, np.array(kept) if kept else np.empty((0, span)), first, numbers)


def _by_line(number: int, when: int, count: int, rows: Iterable[Row], told: Told) -> DemandTable:
    keys: dict[str, int] = {}
    numbers: list[str] = []
    found: list[tuple[int, int, float]] = []
    units, days = Units(lambda row, part, words: told.add("demand", row, part, words)), Days()
    late: list[tuple[int, str, str, str, tuple[int, int], str]] = []

    def add(written: str, key: str, month: int, amount: float) -> None:
        if key not in keys:
            keys[key] = len(numbers)
            numbers.append(written)
        found.append((keys[key], month, amount))

    def take(row: int, written: str, key: str, text: str, month: int | None, cell: str) -> None:
        if month is None:
            told.add(
                "demand",
                row,
                written,
                f"'{text[:30]}' is no month that can be read one way only: the row is left out. Write 2024-03 or 2024-03-31.",
            )
            return
        amount = units.read(cell, row, written, (written, key, month))
        if not np.isnan(amount):
            add(written, key, month, amount)

    for row, cells in rows:
        written, key = _number(cells[number])
        if not _counts(cells, number, key, row, "demand", told):
            continue
        text = cells[when].strip()
        month = month_of(text)
        either = days.month(text) if month is None else month
        if isinstance(either, tuple):
            # Only days above the twelfth say what stands first; this one waits for them.
            late.append((row, written, key, text, either, cells[count]))
        else:
            take(row, written, key, text, either, cells[count])
    for row, written, key, text, both, cell in late:
        take(row, written, key, text, days.settled(both), cell)
    for (written, key, month), amount in cast("Iterable[tuple[tuple[str, str, int], float]]", units.settled()):
        add(written, key, month, amount)
    if not found:
        return DemandTable(keys, np.full((len(keys), 1), np.nan), 0, numbers)
    first, last = min(f[1] for f in found), max(f[1] for f in found)
    span = _span(first, last)
    total, start = np.zeros((len(keys), span)), np.full(len(keys), span)
    for part, month, amount in found:
        total[part, month - first] += amount
        start[part] = min(start[part], month - first)
    # A list of demands has no lines for months without any: from a part's first one on they are zeros.
    return DemandTable(keys, np.where(np.arange(span) >= start[:, None], total, np.nan), first, numbers)


def _span(first: int, last: int) -> int:
    if last - first + 1 > MOST_PERIODS:
        raise invalid(
            "advise.demand",
            f"The demand file goes from {month_text(first)} to {month_text(last)}: more than {MOST_PERIODS // 12} years. Check its years.",
            field="demand",
        )
    return last - first + 1


def _number(cell: str) -> tuple[str, str]:
    written = cell.strip()
    try:
        return written, normalise(written) if written else ""
    except DomainError:
        return written, ""


def _counts(cells: Sequence[str], number: int, key: str, row: int, file: str, told: Told) -> bool:
    """Whether a row is about a part; one that is not is told."""
    if is_total(cells, number):
        told.add(file, row, "", "A sum of the rows above, or the end of a list: left out.")
        return False
    if not key:
        told.add(file, row, "", "No part number: left out.")
    return bool(key)


# -- stock --------------------------------------------------------------------------------------------------------


_MORE = {
    field_: frozenset(names.split())
    for field_, names in {
        "value": "valueofaunit shortagecost stockoutcost penalty valuewhenneeded costofshortage expresscost",
        "price": "partnerprice offerprice resaleprice releaseprice",
        "scrap": "scrapvalue scrapprice salvage salvagevalue schrottwert",
        "hazard": "hazard usehazard usedupayear partneruse",
        "criticality": "criticality criticalityclass criticalitylevel kritikalitt kritikalitaet",
        "space": "space volume litres liters volumelitres shelfspace volumen",
        "replaced_by": "replacedby supersededby successor newnumber replacement ersetztdurch nachfolger nachfolgenummer",
    }.items()
}
"""Columns beside those of a stock import. Only what is named just so: a price that is like one is another price."""


_CRITICAL = {
    word: float(level)
    for level, words in enumerate(("ordinary normal", "important wichtig", "vital critical kritisch lebenswichtig"))
    for word in words.split()
}


@dataclass(frozen=True, slots=True)
class StockTable:
    """Stock by part, lines of one number added up; NaN where a file does not say."""

    numbers: list[str]
    descriptions: list[str]
    keys: dict[str, int]
    stock: Array
    cost: Array
    protected: Flags
    more: dict[str, Array]
    """``value``, ``price``, ``scrap``, ``hazard``, ``criticality``, ``space``."""
    replaced_by: dict[int, int]


def read_stock(header: Sequence[str], rows: Iterable[Row], told: Told) -> StockTable:
    """A stock file: part number and quantity; unit cost (else list price), protected, and what ``_MORE`` names, where they are there.

    Raises ``advise.stock`` without a part number or a quantity.
    """
    extra = _extra(header)
    plan = match_columns(["" if column in extra.values() else name for column, name in enumerate(header)], [])
    for needed, words in (("number", "Part number"), ("quantity", "Quantity")):
        if plan.column(needed) is None:
            raise invalid(
                "advise.stock",
                f"No column of the stock file is the {words.lower()}. Its columns are {_shown(header)}. Name one of them {words}.",
                field="stock",
            )
    _tell_columns(header, plan, extra, told)
    keys: dict[str, int] = {}
    numbers: list[str] = []
    descriptions: list[str] = []
    columns: dict[str, list[float]] = {name: [] for name in ("stock", "cost", "protected", *_MORE)}
    del columns["replaced_by"]
    after: dict[int, tuple[int, str]] = {}
    for row, cells in rows:
        written, key = _number(cells[plan.column("number") or 0])
        if not _counts(cells, plan.column("number") or 0, key, row, "stock", told):
            continue
        quantity = _quantity(_cell(cells, plan.column("quantity")), cells, plan, row, written, told)
        if quantity is None:
            continue
        part = keys.get(key)
        if part is None:
            part = keys[key] = len(numbers)
            numbers.append(written)
            descriptions.append(_cell(cells, plan.column("description")))
            for name, values in columns.items():
                values.append(0.0 if name in ("stock", "protected", "criticality", "space") else float("nan"))
        columns["stock"][part] += quantity
        # The first line that says something speaks for the part.
        if np.isnan(columns["cost"][part]):
            columns["cost"][part] = _cost(cells, plan, row, written, told)
        columns["protected"][part] = max(
            columns["protected"][part], float(_flag(_cell(cells, plan.column("protected")), row, written, told))
        )
        for name, column in extra.items():
            text = _cell(cells, column)
            if name == "replaced_by":
                if text:
                    after.setdefault(part, (row, text))
            elif text and name == "criticality" and (level := _CRITICAL.get(text.casefold())) is not None:
                columns[name][part] = level
            elif text:
                value = _amount(text, row, written, told, header[column])
                if value is not None and name == "hazard" and value > 10:
                    told.add(
                        "stock", row, written, f"A hazard of {value:g} a year is left out: write 12 % a year as 0.12."
                    )
                elif value is not None:
                    columns[name][part] = value
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return StockTable(
        numbers,
        descriptions,
        keys,
        arrays.pop("stock"),
        arrays.pop("cost"),
        arrays.pop("protected") > 0,
        arrays,
        _successors(after, keys, numbers, told),
    )


_POINTS = re.compile(r"\d{1,3}(\.\d{3})+", re.ASCII)
_COMMA = re.compile(r"\d,\d{1,2}\D*$", re.ASCII)


def _tell_columns(header: Sequence[str], plan: ColumnPlan, extra: dict[str, int], told: Told) -> None:
    if plan.column("unit_cost") is None and plan.column("list_price") is None:
        told.add(
            "stock",
            0,
            "",
            "No column is the unit cost or a list price: no part has advice. Name one of them Unit cost.",
        )
    strange = [header[n].strip() for n in plan.unused if n not in extra.values() and header[n].strip()]
    if strange:
        told.add("stock", 0, "", f"Nothing was read from the columns {_shown(strange)}: their names are not known.")


def _extra(header: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for column, name in enumerate(header):
        for field_, names in _MORE.items():
            if field_ not in found and heading(name) in names:
                found[field_] = column
    return found


def _successors(
    after: dict[int, tuple[int, str]], keys: dict[str, int], numbers: list[str], told: Told
) -> dict[int, int]:
    found: dict[int, int] = {}
    for part, (row, text) in after.items():
        new = keys.get(_number(text)[1])
        if new is None:
            told.add(
                "stock",
                row,
                numbers[part],
                f"Its successor {text[:40]} is not in the stock file: its demand stays its own.",
            )
        elif new != part:
            found[part] = new
    return found


def _cell(cells: Sequence[str], column: int | None) -> str:
    return cells[column].strip() if column is not None and column < len(cells) else ""


def _quantity(text: str, cells: Sequence[str], plan: ColumnPlan, row: int, part: str, told: Told) -> int | None:
    costs = (_cell(cells, plan.column(name)) for name in ("unit_cost", "list_price"))
    if _POINTS.fullmatch(text) and any(_COMMA.search(cost) for cost in costs):
        whole = text.replace(".", "")
        told.add("stock", row, part, f"'{text}' was read as {whole}, since the row has a decimal comma.")
        text = whole
    try:
        return parse_quantity(text)
    except DomainError as error:
        told.add("stock", row, part, f"{error.message} The row is left out.")
        return None


def _cost(cells: Sequence[str], plan: ColumnPlan, row: int, part: str, told: Told) -> float:
    for name in ("unit_cost", "list_price"):
        if text := _cell(cells, plan.column(name)):
            value = _amount(text, row, part, told, name.replace("_", " "))
            if value == 0:
                told.add(
                    "stock",
                    row,
                    part,
                    f"The {name.replace('_', ' ')} is zero: taken as not known, so there is no advice without another one.",
                )
            elif value is not None:
                return value
    return float("nan")


def _amount(text: str, row: int, part: str, told: Told, column: str) -> float | None:
    try:
        return float(parse_price(text))
    except DomainError as error:
        told.add("stock", row, part, f"{column}: {error.message} It is left out.")
        return None


def _flag(text: str, row: int, part: str, told: Told) -> bool:
    if not text:
        return False
    try:
        return parse_flag(text)
    except DomainError as error:
        told.add("stock", row, part, f"{error.message} The part is taken as protected.")
        return True
