"""Lists of needs as people paste them: a table with or without a header, parted by tabs, semicolons or commas. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

FIELDS: Mapping[str, tuple[str, ...]] = {
    "number": ("part number", "part", "number", "part no", "partno", "p/n", "pn", "item", "material", "nsn"),
    "quantity": ("quantity", "qty", "units", "count", "amount", "pcs", "pieces"),
    "needed_by": ("needed by", "needed", "date", "due", "due date", "required by", "required", "need by"),
    "urgency": ("urgency", "priority", "how urgent"),
    "job_number": ("job", "job number", "work order", "order", "wo"),
    "machine_model": ("machine", "machine model", "model", "equipment"),
    "machine_serial": ("machine serial", "serial", "serial number"),
    "kit": ("kit", "set", "kit name"),
    "substitutes": ("substitutes", "substitute", "alternates"),
    "complete_only": ("complete only", "complete", "all or nothing"),
}
"""By field the headings that mean it. Without a header the columns stand in this order, as far as there are."""
_URGENCY: Mapping[str, str] = {
    "machinedown": "machine_down", "down": "machine_down", "stopped": "machine_down", "breakdown": "machine_down", "aog": "machine_down",
    "urgent": "urgent", "critical": "urgent", "rush": "urgent",
    "stockorder": "stock_order", "stock": "stock_order", "routine": "stock_order", "normal": "stock_order",
}  # fmt: skip
_YES = frozenset({"yes", "y", "true", "1", "x", "ja"})
_US = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it stands (1 = the first line of the text) and its cells by field, without surrounding space."""

    at: int
    cells: Mapping[str, str]


def lines_of(text: str) -> list[Line]:
    """The rows of a pasted table. Empty lines are left out; a first line of headings says what the columns are."""
    found: list[Line] = []
    columns: Sequence[str] | None = None
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    for row in reader:
        # Not the separators inside a scanned code, which count as space too.
        cells = [c.strip(" \t\r\n\u00a0") for c in row]
        if not any(cells):
            continue
        if columns is None:
            columns = _header(cells)
            if columns:
                continue
            columns = tuple(FIELDS)
        found.append(Line(reader.line_num, {f: c for f, c in zip(columns, cells, strict=False) if f}))
    return found


def _separator(text: str) -> str:
    """What parts most cells of the first lines; a comma inside a number parts nothing where tabs do."""
    head = "\n".join(text.splitlines()[:20])
    return next((s for s in ("\t", ";", ",") if s in head), "\t")


def _header(cells: Sequence[str]) -> list[str] | None:
    """The fields of a line of headings; None where it is a row already."""
    means = {word: field for field, words in FIELDS.items() for word in words}
    named = [means.get(re.sub(r"[\s_]+", " ", c).strip().casefold(), "") for c in cells]
    return named if ("number" in named and sum(map(bool, named)) > 1) or named == ["number"] else None


def whole(text: str) -> int | None:
    """A quantity as people write it ('1,200', '4.0'); None where it is none."""
    match = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.0+)?", text)
    return int(match[1].replace(",", "")) if match and len(match[1]) <= 12 else None


def day(text: str) -> date | None:
    """A day: 2026-12-31, or 12/31/2026 as in the United States where it can be nothing else."""
    try:
        if match := _US.fullmatch(text):
            month, number, year = map(int, match.groups())
            # 03/04 is the third of April to one and the fourth of March to another: nobody guesses.
            return date(year, month, number) if number > 12 or month == number else None
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def urgency(text: str) -> str | None:
    """One of the three, by its own name or what people call it; a stock order where nothing is said."""
    return _URGENCY.get(re.sub(r"[^a-z]", "", text.casefold())) if text else "stock_order"


def yes(text: str) -> bool:
    """Whether a cell says yes."""
    return text.casefold() in _YES
