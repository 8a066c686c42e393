"""CSV that a spreadsheet opens safely: a cell that would run as a formula is written as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*", re.ASCII)
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula, full-width forms too."""
BOM = "\ufeff"


def safe_cell(value: object) -> str:
    """The text of a cell; one that begins like a formula gets an apostrophe in front. Plain numbers stay."""
    text = "" if value is None else str(value)
    if text.lstrip(" \u00a0").startswith(_STARTS) and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text


def original_cell(text: str) -> str:
    """The value behind ``safe_cell``: what an import reads back from our own export."""
    if text.startswith("'") and safe_cell(text[1:]) == text:
        return text[1:]
    return text


def csv_chunks(header: Sequence[str] | None, rows: Iterable[Sequence[object]], *, every: int = 500) -> Iterator[str]:
    """CSV text in chunks of ``every`` rows: RFC 4180, with a byte order mark so that Excel reads UTF-8. Without a
    ``header`` the text continues an export that has begun."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    if header is not None:
        buffer.write(BOM)
        writer.writerow([safe_cell(name) for name in header])
    for number, row in enumerate(rows, start=1):
        writer.writerow([safe_cell(cell) for cell in row])
        if number % every == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def csv_start(header: Sequence[str]) -> str:
    """The first piece of an export that is written page by page: byte order mark and header."""
    return BOM + csv_rows([header])


def csv_rows(rows: Iterable[Sequence[object]]) -> str:
    """Rows of such an export, every cell made safe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return buffer.getvalue()
