"""A file of published index values: one row for each value of a month, every row checked before any lands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from marketplace.agreements.price_kinds import PERIOD_PATTERN
from marketplace.kit.errors import FieldError, invalid, invalid_fields

COLUMNS = ("series", "month", "value", "published_at", "source")
_MOST = 100_000
_TELL = 20


class IndexRow(NamedTuple):
    """A value of an index for a month, as published at a moment; None: the index ended with that month."""

    series: str
    month: str
    value: Decimal | None
    published_at: datetime
    source: str


def read_index_file(text: str) -> tuple[IndexRow, ...]:
    """The rows of a CSV with the columns ``COLUMNS``; the value 'ended' says that an index is no longer published. Raises
    ``index.file`` naming the line and what is wrong with it, up to twenty of them."""
    reader = csv.DictReader(io.StringIO(text))
    try:
        named = reader.fieldnames or ()
    except csv.Error as error:
        raise invalid("index.file", f"The file is no CSV: {error}.") from None
    missing = [name for name in COLUMNS if name not in named]
    if missing:
        raise invalid("index.file", f"The file lacks the columns {', '.join(missing)}: it needs {', '.join(COLUMNS)}.")
    found: list[IndexRow] = []
    wrong: list[FieldError] = []
    for number, raw in enumerate(_rows(reader), start=2):
        row = {name: (raw.get(name) or "").strip() for name in COLUMNS}
        problems = _problems(row)
        if problems:
            wrong += [FieldError(f"line {number}", "index.row", words) for words in problems]
            continue
        value = None if row["value"] == "ended" else Decimal(row["value"])
        found.append(IndexRow(row["series"], row["month"], value, _moment(row["published_at"]), row["source"]))
    if len(found) > _MOST:
        raise invalid("index.file", f"At most {_MOST:,} values at a time; the file has {len(found):,}.")
    if wrong:
        raise invalid_fields(
            "index.file", f"{len(wrong):,} values are not right; nothing was kept.", tuple(wrong[:_TELL])
        )
    if not found:
        raise invalid("index.file", "The file has no values.")
    _twice(found)
    return tuple(found)


def _rows(reader: csv.DictReader[str]) -> Iterator[dict[str, str | Any]]:
    try:
        yield from reader
    except csv.Error as error:
        raise invalid(
            "index.file", f"The file is no CSV from line {reader.line_num} on: {error}. Nothing was kept."
        ) from None


def _problems(row: dict[str, str]) -> list[str]:
    said: list[str] = []
    if not 1 <= len(row["series"]) <= 120:
        said.append("name the index, in at most 120 characters")
    if not re.fullmatch(PERIOD_PATTERN, row["month"]):
        said.append(f"'{row['month'][:20]}' is no month such as 2026-11")
    if row["value"] != "ended":
        try:
            if not Decimal(row["value"]).is_finite() or Decimal(row["value"]) <= 0:
                said.append(f"the value is above zero, or 'ended'; '{row['value'][:20]}' is not")
        except InvalidOperation:
            said.append(f"'{row['value'][:20]}' is no number, and not 'ended'")
    try:
        _moment(row["published_at"])
    except ValueError:
        said.append(f"'{row['published_at'][:40]}' is no date or moment such as 2026-11-20 or 2026-11-20T09:30:00Z")
    if not row["source"]:
        said.append("name the source: who published it where")
    return said


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _twice(rows: Sequence[IndexRow]) -> None:
    known: dict[tuple[str, str, datetime], Decimal | None] = {}
    for row in rows:
        key = (row.series, row.month, row.published_at)
        if key in known and known[key] != row.value:
            words = f"{row.series} of {row.month} stands in the file twice with other values, as published at the same moment."
            raise invalid("index.file", f"{words} Nothing was kept.")
        known[key] = row.value
