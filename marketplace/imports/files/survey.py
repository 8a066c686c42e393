"""One pass over an upload before anything is read from it: what it is, and whether it is sound."""

from __future__ import annotations

import codecs
import re
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from charset_normalizer import from_bytes

from marketplace.imports.files.letters import code_page
from marketplace.kit.errors import DomainError, invalid

CHUNK = 1 << 18
MAX_LINE_BYTES = 1 << 20
MAX_ENTRIES = 5_000
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 250
"""XML of real stock files packs 10 to 60 times; bombs pack 1,000 times."""
_RATIO_FROM = 8 << 20
MAX_CELLS = 30_000_000
"""Rows times columns of a sheet. It is read row by row in little memory, but each of these cells is read and staged: a
sheet formatted down to its last row would take hours to say nothing."""
_GUESSES = ["cp1252", "cp1250", "latin_1"]
_LETTERS = 26


class FileKind(StrEnum):
    """What can be read."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Survey:
    """A sound file: its kind, its size in bytes, and for CSV its encoding (a Python codec name)."""

    kind: FileKind
    size: int
    encoding: str


def survey(path: Path) -> Survey:
    """Look through the whole file once, in bounded memory.

    Raises ``import.empty``, ``import.kind``, ``import.nul``, ``import.line_too_long``, ``import.bomb`` or
    ``import.damaged``.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4096)
    if not start.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n") and size <= len(start):
        raise invalid("import.empty", "The file is empty. Export it again and check that it has rows.")
    _refuse_other_kinds(start)
    if start.startswith(b"PK"):
        check_workbook(path)
        return Survey(FileKind.XLSX, size, "")
    return Survey(FileKind.CSV, size, _text_encoding(path, start))


def _refuse_other_kinds(start: bytes) -> None:
    for magic, what in (
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls), or one with a password"),
        (b"%PDF", "a PDF"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"{\\rtf", "an RTF document"),
    ):
        if start.startswith(magic):
            raise invalid("import.kind", f"This is {what}. Save the list as CSV or .xlsx and upload that.")
    if re.match(rb"\s*(<!doctype|<html|<\?xml)", start.removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
        raise invalid("import.kind", "This is a web page or XML, not a table. Save the list as CSV or .xlsx.")


def _text_encoding(path: Path, start: bytes) -> str:
    """The encoding, by byte order mark, by being valid UTF-8 to the end, or by the bytes that are not."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return _whole(path, name)
    wide = _wide_without_mark(start)
    if wide:
        return _whole(path, wide)
    return _whole(path, "utf-8")


def _wide_without_mark(start: bytes) -> str | None:
    """UTF-16 without a byte order mark shows as a zero in every second byte of plain text."""
    even, odd = start[0::2], start[1::2]
    if len(start) >= 8 and odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if len(start) >= 8 and even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _whole(path: Path, encoding: str) -> str:
    """``encoding`` if the whole file is sound in it; for bytes that are not UTF-8, the likeliest other one."""
    decoder = codecs.getincrementaldecoder(encoding)()
    wide = encoding.startswith("utf-16")
    line, line_bytes = 1, 0
    odd_bytes = b""
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if not wide and b"\0" in chunk:
                at = line + chunk[: chunk.index(b"\0")].count(b"\n")
                raise invalid(
                    "import.nul", f"Line {at:,} has zero bytes: this is not a text file, or a damaged one.", line=at
                )
            line, line_bytes = _measure(chunk, line, line_bytes)
            if not odd_bytes:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    odd_bytes = before[-CHUNK // 4 :] + chunk
                before = chunk
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        odd_bytes = odd_bytes or before
    if not odd_bytes:
        return encoding
    if encoding != "utf-8":
        raise invalid("import.encoding", f"The file says it is {encoding.upper()} but is damaged. Export it again.")
    return _guess(odd_bytes)


def _measure(chunk: bytes, line: int, line_bytes: int) -> tuple[int, int]:
    """Lines so far and bytes of the open line; refuses a line without end."""
    parts = re.split(rb"\r\n|\n|\r", chunk)
    longest = (
        max(line_bytes + len(parts[0]), *(len(p) for p in parts[1:]), 0) if len(parts) > 1 else line_bytes + len(chunk)
    )
    if longest > MAX_LINE_BYTES:
        raise invalid(
            "import.line_too_long",
            f"Around line {line:,} there are more than {MAX_LINE_BYTES:,} bytes without a line end. The file is "
            "damaged, or not a table. Export it again with one row a line.",
            line=line,
        )
    return line + len(parts) - 1, len(parts[-1]) if len(parts) > 1 else line_bytes + len(chunk)


def _guess(sample: bytes) -> str:
    """What reads most like words; Western Windows unless another code page reads clearly better."""
    if likely := code_page(sample):
        return likely
    found = from_bytes(sample[:CHUNK], cp_isolation=_GUESSES)
    best = found.best()
    western = next((m for m in found if m.encoding == "cp1252"), None)
    if western is not None and (best is None or western.chaos <= best.chaos + 0.02):
        return "cp1252"
    return best.encoding if best is not None else "latin_1"


def check_workbook(path: Path) -> None:
    """Refuse a workbook that would unpack to too much, before the reader opens it. The sizes that the archive
    states are checked against what comes out. Raises ``import.bomb``, ``import.damaged``, ``import.kind``."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_sizes(entries, path.stat().st_size)
            names = {entry.filename for entry in entries}
            if "[Content_Types].xml" not in names or not any(n.startswith("xl/") for n in names):
                raise invalid("import.kind", "This archive is not an Excel workbook. Save the list as CSV or .xlsx.")
            for entry in entries:
                sheet = entry.filename.startswith("xl/worksheets/")
                _unpack(archive, entry, sheet=sheet)
    except DomainError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise invalid(
            "import.damaged", "The workbook is damaged or has a password. Save it again without one, or as CSV."
        ) from error
    except Exception as error:
        # zlib.error and lzma.LZMAError have no common base.
        if type(error).__module__ in ("zlib", "_lzma", "lzma"):
            raise invalid("import.damaged", "The workbook is damaged. Save it again, or as CSV.") from error
        raise


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if (
        len(entries) > MAX_ENTRIES
        or unpacked > MAX_UNPACKED_BYTES
        or packed > size  # entries that overlap
        or (unpacked > _RATIO_FROM and unpacked > MAX_RATIO * max(packed, 1))
    ):
        raise _bomb(f"{size:,} bytes would unpack to {unpacked:,} bytes in {len(entries):,} parts")


def _bomb(what: str) -> DomainError:
    return invalid("import.bomb", f"The workbook was not opened: {what}. Save the rows you need as CSV.")


_CELL = re.compile(rb'<(?:\w+:)?(c|row)\b[^>]*?\br="([A-Z]{0,3})(\d{1,7})"')


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, sheet: bool) -> None:
    """Read an entry to its end (its checksum is checked there); of a sheet, measure the rectangle of its cells."""
    rows = columns = 0
    rest = b""
    with archive.open(entry) as part:
        while chunk := part.read(CHUNK):
            if not sheet:
                continue
            text = rest + chunk
            for match in _CELL.finditer(text):
                rows = max(rows, int(match[3]))
                columns = max(columns, _column_number(match[2]))
            rest = text[-200:]
            if rows * max(columns, 1) > MAX_CELLS:
                raise _bomb(f"its cells span {rows:,} rows and {columns:,} columns")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + letter - 64
    return number
