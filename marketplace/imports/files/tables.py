"""Rows out of an upload: the delimiter, the header, then batches of text cells with their row in the file."""

from __future__ import annotations

import contextlib
import csv
import functools
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TextIO
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils import column_index_from_string
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook

from marketplace.imports.columns import match_columns
from marketplace.imports.fields import heading
from marketplace.imports.files.survey import MAX_LINE_BYTES, FileKind, Survey, survey
from marketplace.imports.shapes import NAMES, SHAPES
from marketplace.kit.errors import DomainError, conflict, invalid

BATCH = 5_000
SAMPLE_ROWS = 200
MAX_COLUMNS = 500
_HEADER_WITHIN = 25
_SAMPLE_CHARACTERS = 1 << 20
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

Cell = str | int | float | bool | date | time | datetime | timedelta


class FileRow(NamedTuple):
    """One row: its number in the file (the line a record starts on, or the sheet's row) and its cells."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """How to read a file, and the first rows of it."""

    kind: FileKind
    encoding: str
    delimiter: str
    sheets: tuple[str, ...]
    sheet: str
    header_row: int
    """Row of the file that holds the header."""
    header: tuple[str, ...]
    sample: tuple[FileRow, ...]


def open_table(
    path: Path,
    *,
    sheet: str | None = None,
    delimiter: str | None = None,
    named: str = "",
    also_name: Callable[[str], bool] | None = None,
) -> Table:
    """Survey a file and find its header. ``sheet`` and ``delimiter`` override what would be chosen; ``named`` is what
    its sender calls it; ``also_name`` says of a cell whether it names a column beside those that every stock file may have,
    such as a month of a demand file.

    Raises what ``survey`` raises, and ``import.sheet``, ``import.one_column``, ``import.no_header``,
    ``import.no_rows``, ``import.too_wide``, ``import.quote``.
    """
    found = survey(path)
    if found.kind is FileKind.CSV and named.lower().endswith((".xlsx", ".xlsm", ".xlsb")):
        raise invalid(
            "import.kind",
            "The file is named like an Excel workbook but is not one. Save the list as .xlsx or CSV and upload that.",
        )
    sheets: tuple[str, ...] = ()
    if found.kind is FileKind.XLSX:
        sheets = _sheets(path)
        sheet = _choose_sheet(path, sheets, sheet, also_name)
        delimiter = ""
    else:
        delimiter = delimiter or _sniff(path, found)
    top = _top(path, found, delimiter, sheet or "")
    row, problem = _header(top, delimiter, also_name)
    if problem:
        raise problem
    below = next((r for r in top if r.number == row.number + 1), None)
    if below and _goes_on(row, below):
        row = below
    header = _names(top, row)
    units = next((r for r in top if r.number > row.number), None)
    if units and _only_units(units):
        # Units of measure under the names: part of the header.
        row = FileRow(units.number, row.cells)
    if len(header) > MAX_COLUMNS:
        raise invalid("import.too_wide", f"The header has {len(header):,} columns; at most {MAX_COLUMNS} can be read.")
    sample = tuple(r for r in top if r.number > row.number)
    if not sample:
        named_columns = _known(row, also_name) > 1
        hint = "" if named_columns else " If that row is stock itself, put one above it that names the columns."
        raise invalid("import.no_rows", f"There is a header in row {row.number} but no row below it.{hint}")
    return Table(found.kind, found.encoding, delimiter, sheets, sheet or "", row.number, header, sample)


def read_batches(path: Path, table: Table, *, after: int = 0, size: int = BATCH) -> Iterator[list[FileRow]]:
    """All rows below the header, ``size`` at a time, blank ones left out; cells filled up to the header's width.

    ``after``: go on behind this row of the file (a killed import). A row with more cells than the header keeps
    them, so that validation can name it. Memory stays bounded, but for a workbook's table of shared texts.
    Raises ``import.quote``, ``import.line_too_long``, ``import.encoding``.
    """
    width = len(table.header)
    first = max(after, table.header_row)
    batch: list[FileRow] = []
    for row in _rows(path, table.kind, table.encoding, table.delimiter, table.sheet):
        if row.number <= first:
            continue
        cells = _trimmed(row.cells)
        if not cells:
            continue
        cells += [""] * (width - len(cells))
        batch.append(FileRow(row.number, cells))
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _trimmed(cells: Sequence[str]) -> list[str]:
    """The cells without blank ones at the end."""
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return list(cells[:end])


def _top(path: Path, found: Survey, delimiter: str, sheet: str) -> list[FileRow]:
    rows: list[FileRow] = []
    for row in _rows(path, found.kind, found.encoding, delimiter, sheet):
        if any(cell.strip() for cell in row.cells):
            rows.append(row)
        if len(rows) >= SAMPLE_ROWS + _HEADER_WITHIN:
            break
    return rows


def _header(
    top: Sequence[FileRow], delimiter: str, also_name: Callable[[str], bool] | None = None
) -> tuple[FileRow, DomainError | None]:
    """The row that names the columns: of the first rows the one with the most known names, two at least."""
    if not top:
        return FileRow(0, []), invalid("import.empty", "The file has no row with anything in it.")
    best = max(top[:_HEADER_WITHIN], key=lambda row: (_known(row, also_name), -row.number))
    if _known(best, also_name) >= 2:
        return best, None
    widest = max(len(_trimmed(row.cells)) for row in top)
    if widest < 2:
        return best, _one_column(top, delimiter)
    # No names we know: the first row of the usual width, if it reads like names and not like a stock line.
    first = next(row for row in top if len(_trimmed(row.cells)) >= max(2, widest // 2))
    filled = [cell.strip() for cell in first.cells if cell.strip()]
    with_digits = sum(1 for cell in filled if any(ch.isdigit() for ch in cell))
    if with_digits * 3 > len(filled):
        shown = ", ".join(f"'{cell[:20]}'" for cell in filled[:4])
        return first, invalid(
            "import.no_header",
            f"No row names the columns: row {first.number} reads {shown}. Put a first row above with names such as "
            "Maker, Part number, Description, Quantity.",
        )
    return first, None


def _names(top: Sequence[FileRow], row: FileRow) -> tuple[str, ...]:
    """The names of the columns. A header over two rows has what its columns have in common above ('Part' over 'No.', one merged
    cell over several): a cell that names no column alone is read with what stands above it."""
    cells = [cell.strip() for cell in _trimmed(row.cells)]
    above = next((r for r in reversed(top) if r.number < row.number), None)
    if above is None or above.number < row.number - 1 or sum(1 for c in above.cells if c.strip()) < 2:
        return tuple(cells)
    shared, names = "", []
    for column in range(max(len(cells), len(_trimmed(above.cells)))):
        own = cells[column] if column < len(cells) else ""
        over = above.cells[column].strip() if column < len(above.cells) else ""
        shared = over or shared
        if heading(own) in NAMES:
            names.append(own)
        elif heading(f"{shared} {own}") in NAMES or (own and shared):
            names.append(f"{shared} {own}".strip())
        else:
            names.append(own or over)
    return tuple(names)


def _goes_on(header: FileRow, below: FileRow) -> bool:
    """Whether a header goes on in the row below: it names columns there, some that the upper row leaves blank, and holds no figure."""
    upper, lower = (_trimmed(row.cells) for row in (header, below))
    filled = [(column, cell) for column, cell in enumerate(lower) if cell.strip()]
    if any(ch.isdigit() for _, cell in filled for ch in cell):
        return False
    return _known(below) >= 2 and any(column >= len(upper) or not upper[column].strip() for column, _ in filled)


def _only_units(row: FileRow) -> bool:
    filled = [cell.strip() for cell in row.cells if cell.strip()]
    return bool(filled) and all(cell[0] in "[(" and cell[-1] in "])" for cell in filled)


def _known(row: FileRow, also_name: Callable[[str], bool] | None = None) -> int:
    """How many cells are names of columns that we know; further names count only beside one of those, since cells of a row of
    stock may read like them."""
    known = len({name for cell in row.cells if (name := heading(cell)) in NAMES})
    return known + sum(1 for cell in row.cells if also_name(cell)) if also_name and known else known


def _one_column(top: Sequence[FileRow], delimiter: str) -> DomainError:
    counts = {d: sum(row.cells[0].count(d) for row in top if row.cells) for d in DELIMITERS if d != delimiter}
    other = max(counts, key=lambda d: counts[d]) if counts else ""
    hint = (
        f" The text has {counts[other]:,} {DELIMITERS[other]}s: choose {DELIMITERS[other]} as the delimiter."
        if other and counts[other] >= len(top)
        else " A stock file needs at least a part number and a quantity."
    )
    by = f" when split at each {DELIMITERS.get(delimiter, repr(delimiter))}" if delimiter else ""
    return invalid("import.one_column", f"The file has only one column{by}.{hint}")


def _rows(path: Path, kind: FileKind, encoding: str, delimiter: str, sheet: str) -> Iterator[FileRow]:
    if kind is FileKind.XLSX:
        yield from _sheet_rows(path, sheet)
    else:
        with path.open(encoding=encoding, newline="", errors="strict") as text:
            yield from _csv_rows(text, delimiter, encoding)


def _lines(text: TextIO) -> Iterator[str]:
    """Lines of bounded length; zero characters (UTF-16 files can hide them) are refused."""
    number = 0
    while line := text.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise invalid(
                "import.line_too_long", f"Line {number:,} is longer than {MAX_LINE_BYTES:,} characters.", line=number
            )
        if "\0" in line:
            raise invalid("import.nul", f"Line {number:,} has zero characters: the file is damaged.", line=number)
        yield line


def _csv_rows(text: TextIO, delimiter: str, encoding: str) -> Iterator[FileRow]:
    reader = csv.reader(_lines(text), delimiter=delimiter)
    start = 1
    try:
        for cells in reader:
            yield FileRow(start, cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise invalid(
            "import.quote",
            f"A quotation mark opened in line {start:,} is not closed again. Close or double it there, and upload the "
            "file again.",
            line=start,
        ) from error
    except UnicodeDecodeError as error:
        raise invalid("import.encoding", f"Near line {start:,} the text is not {encoding}.", line=start) from error


def _sniff(path: Path, found: Survey) -> str:
    """The delimiter that splits the first lines most evenly into the most columns; comma if none does."""
    with path.open(encoding=found.encoding, newline="", errors="replace") as text:
        sample = text.read(_SAMPLE_CHARACTERS)
    lines = sample.splitlines(keepends=True)[: _HEADER_WITHIN * 4]
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if any(row)]
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        if width > 1:
            scores[delimiter] = (round(count / len(widths), 1), width)
    return max(scores, key=lambda d: scores[d]) if scores else ","


# What a reader of damaged XML, ZIP or cells raises: the library tells of them in these ways.
_DAMAGED = (BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, zlib.error)


@contextlib.contextmanager
def _workbook(path: Path) -> Iterator[Workbook]:
    """The workbook, read as it streams: a sheet of any length takes the memory of a row and of the shared texts."""
    # Opened here: of a path it would go by the ending, and an upload is kept under its hash.
    with path.open("rb") as file:
        try:
            with warnings.catch_warnings():
                # It warns of styles and rules that it leaves out; only cells are read.
                warnings.simplefilter("ignore")
                book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except (InvalidFileException, OSError, *_DAMAGED) as error:
            # A ZIP archive without a workbook in it is an OSError, too; only what the disk says has a number.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise invalid("import.damaged", "The workbook cannot be read. Save it again as .xlsx or CSV.") from error
        try:
            yield book
        finally:
            book.close()


def _sheets(path: Path) -> tuple[str, ...]:
    with _workbook(path) as book:
        return tuple(sheet.title for sheet in book.worksheets)


def _choose_sheet(
    path: Path, sheets: tuple[str, ...], wanted: str | None, also_name: Callable[[str], bool] | None = None
) -> str:
    """The wanted sheet, else the one whose header has the most fields, the earliest of equals."""
    if wanted is not None:
        if wanted not in sheets:
            raise invalid("import.sheet", f"There is no sheet '{wanted}'. Sheets: {', '.join(sheets)}.", field="sheet")
        return wanted
    if not sheets:
        raise invalid("import.empty", "The workbook has no sheet.")
    if len(sheets) == 1:
        return sheets[0]

    def fields_in(name: str) -> int:
        top: list[list[str]] = []
        for row in _sheet_rows(path, name):
            top.append(row.cells)
            if len(top) >= _HEADER_WITHIN:
                break
        return max(
            (
                max(len(match_columns(cells, [], fields=shape.fields).matches) for shape in SHAPES.values())
                + (sum(map(also_name, cells)) if also_name else 0)
                for cells in top
            ),
            default=0,
        )

    return max(sheets, key=fields_in)


_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_READ_AT_ONCE = 1 << 20
_MOST_MERGED = 100_000


@functools.lru_cache(maxsize=16)
def _merged_down(path: Path, name: str, _changed: int) -> dict[int, list[tuple[int, int]]]:
    """First row of cells merged downwards within a column -> (column from 0, last row) of each. A sheet tells of them behind its
    rows, so that they are looked for before the rows are read. ``_changed``: when the file was written."""
    found: dict[int, list[tuple[int, int]]] = {}
    with _workbook(path) as book:
        try:
            with book[name]._get_source() as source:  # noqa: SLF001 - it has no other way to what stands behind the rows
                left, count = b"", 0
                while (chunk := source.read(_READ_AT_ONCE)) and count < _MOST_MERGED:
                    text, end = left + chunk, 0
                    for match in _MERGED.finditer(text):
                        column, first, other, last = (part.decode() for part in match.groups())
                        end, count = match.end(), count + 1
                        if column == other and int(last) > int(first):
                            found.setdefault(int(first), []).append((column_index_from_string(column) - 1, int(last)))
                    left = text[max(end, len(text) - 200) :]
        except _DAMAGED as error:
            raise _damaged() from error
    return found


def _filled_down(rows: Iterator[FileRow], merged: dict[int, list[tuple[int, int]]]) -> Iterator[FileRow]:
    """A word in cells that are merged downwards holds for each of their rows, such as the site of a group; a figure, which may be
    the sum of them, stays in the first."""
    running: dict[int, tuple[str, int]] = {}
    for row in rows:
        running = {column: kept for column, kept in running.items() if kept[1] >= row.number}
        for column, (word, _) in running.items():
            if column >= len(row.cells):
                row.cells.extend([""] * (column + 1 - len(row.cells)))
            row.cells[column] = row.cells[column] or word
        for column, last in merged.get(row.number, ()):
            word = row.cells[column] if column < len(row.cells) else ""
            if any(ch.isalpha() for ch in word):
                running[column] = (word, last)
        yield row


def _sheet_rows(path: Path, name: str) -> Iterator[FileRow]:
    merged = _merged_down(path, name, path.stat().st_mtime_ns)
    rows = _plain_rows(path, name)
    return _filled_down(rows, merged) if merged else rows


def _plain_rows(path: Path, name: str) -> Iterator[FileRow]:
    with _workbook(path) as book:
        try:
            sheet = book[name]
            # What a sheet says of its own extent is often wrong, and would cut rows off.
            sheet.reset_dimensions()
            rows = enumerate(sheet.iter_rows(values_only=True), start=1)
        except _DAMAGED as error:
            raise _damaged() from error
        while True:
            try:
                number, row = next(rows, (0, ()))
            except _DAMAGED as error:
                raise _damaged() from error
            if not number:
                return
            yield FileRow(number, ["" if cell is None else _text(cell) for cell in row])


def _damaged() -> DomainError:
    return conflict("import.damaged", "The sheet cannot be read. Save the workbook again as .xlsx or CSV.")


def _text(cell: Cell) -> str:
    """A cell as one would type it: whole numbers without a point, days as ISO, no exponents."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
