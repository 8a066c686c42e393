"""Uploads, good and hostile: what is read, what is refused, in which words, with bounded memory."""

from __future__ import annotations

import csv
import tracemalloc
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.imports.files.survey import FileKind, survey
from marketplace.imports.files.tables import open_table, read_batches
from marketplace.kit.errors import DomainError

HEADER = ["Maker", "Part number", "Description", "Quantity", "Site"]
LINE = ["NORTHFIELD", "5120-01-398-1439", "WRENCH, TORQUE", "12", "Rockford"]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def rows_of(path: Path, **how: str) -> list[list[str]]:
    table = open_table(path, **how)
    return [row.cells for batch in read_batches(path, table) for row in batch]


def refusal(path: Path, **how: str) -> DomainError:
    with pytest.raises(DomainError) as caught:
        rows_of(path, **how)
    return caught.value


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    line = ["ACME", "A-1", "Größe 5 Schlüssel façade é", "3", "Köln"]
    text = "".join(delimiter.join(cells) + "\r\n" for cells in (HEADER, line, line))
    path = write(tmp_path / "stock.csv", text, encoding)
    table = open_table(path)
    assert (table.delimiter, table.header) == (delimiter, tuple(HEADER))
    assert rows_of(path) == [line, line]


def test_latin_bytes_far_behind_an_ascii_start_are_read(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    with path.open("wb") as file:
        file.write((",".join(HEADER) + "\n").encode())
        for _ in range(12_000):
            file.write(b"ACME,A-1,WRENCH,3,Rockford\n")
        file.write("ACME,A-2,Schlüssel,3,Köln\n".encode("cp1252"))
    assert rows_of(path)[-1] == ["ACME", "A-2", "Schlüssel", "3", "Köln"]


def test_row_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", 'Stock list\n\nPart number,Quantity,Bin\nA-1,3,"a\nb"\n\nA-2,4,c\n')
    table = open_table(path)
    assert table.header_row == 3
    found = [row for batch in read_batches(path, table) for row in batch]
    assert [(row.number, row.cells) for row in found] == [(4, ["A-1", "3", "a\nb"]), (7, ["A-2", "4", "c"])]


def test_a_killed_import_goes_on_behind_the_last_row(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", "Part number,Quantity\n" + "".join(f"A-{i},{i}\n" for i in range(10)))
    table = open_table(path)
    first = next(read_batches(path, table, size=4))
    rest = [row for batch in read_batches(path, table, after=first[-1].number, size=4) for row in batch]
    assert [row.cells[0] for row in (*first, *rest)] == [f"A-{i}" for i in range(10)]


def test_short_rows_are_filled_and_long_rows_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "Part number,Quantity,Bin\nA-1,3\nA-2,4,c,surplus\nA-3,5,d,,,\n")
    assert rows_of(path) == [["A-1", "3", ""], ["A-2", "4", "c", "surplus"], ["A-3", "5", "d"]]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import.empty"),
        (b"\xef\xbb\xbf\r\n \n", "import.empty"),
        (b"Part number,Quantity\n", "import.no_rows"),
        (b"Part number,Quantity\nA-1\x00,3\n", "import.nul"),
        (b"Part number,Quantity\n" + b"x" * 10_000_000, "import.line_too_long"),
        (b"Part number,Quantity\nA-1,3\nA-2,\"" + b"4\nA-3,5\n" * 60_000, "import.quote"),
        (b"only\nnames\nof\nparts\n", "import.one_column"),
        (b"ACME,A-1,3,17.50\nACME,A-2,4,18.50\n", "import.no_header"),
        (b"%PDF-1.7 ...", "import.kind"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "import.kind"),
        (b"<html><table><tr><td>A-1</td></tr></table>", "import.kind"),
        (b"PK\x03\x04 broken", "import.damaged"),
        (b"\xff\xfeP\x00a", "import.encoding"),
        (",".join(["Part number", "Quantity", *(f"c{i}" for i in range(600))]).encode() + b"\nA,1\n", "import.too_wide"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_in_words(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == code
    assert len(error.message) < 400


def test_an_archive_without_a_workbook_is_damaged_and_no_outage(tmp_path: Path) -> None:
    path = tmp_path / "macros.xlsm"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/vbaProject.bin", b"VBA")
    assert refusal(path).code == "import.damaged"


def test_the_open_quote_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", 'Part number,Quantity\nA-1,3\nA-2,"4\n' + "A-3,5\n" * 60_000)
    assert refusal(path).extra["line"] == 3


def test_a_wrong_delimiter_names_the_right_one(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", "Part number;Quantity\nA-1;3\nA-2;4\n")
    error = refusal(path, delimiter=",")
    assert error.code == "import.one_column"
    assert "semicolon" in error.message


def test_a_workbook_is_read_as_typed(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "s.xlsx",
        {
            "Notes": [["Made by", "warehouse"], ["on", "Monday"]],
            "Stock": [["Inventory of plant 4"], [], HEADER, [*LINE[:3], 12, "Rockford"], ["X", "A-2", "", 0.5, True]],
        },
    )
    table = open_table(path)
    assert (table.kind, table.sheet, table.header_row) == (FileKind.XLSX, "Stock", 3)
    found = [row for batch in read_batches(path, table) for row in batch]
    assert [(row.number, row.cells) for row in found] == [(4, LINE), (5, ["X", "A-2", "", "0.5", "TRUE"])]
    assert refusal(path, sheet="Nowhere").code == "import.sheet"


def test_an_archive_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert refusal(path).code == "import.kind"


def test_text_named_like_a_workbook_is_said_to_be_none(tmp_path: Path) -> None:
    path = write(tmp_path / "kept-under-its-hash", "Part number,Quantity\nA-1,3\n")
    with pytest.raises(DomainError) as refused:
        open_table(path, named="Stock.XLSX")
    assert refused.value.code == "import.kind"
    assert "named like an Excel workbook" in refused.value.message


def test_a_single_row_without_header_is_told_from_a_header_without_rows(tmp_path: Path) -> None:
    alone = refusal(write(tmp_path / "r.csv", "ABC,pump,four\n"))
    bare = refusal(write(tmp_path / "h.csv", "Part number,Quantity\n"))
    assert (alone.code, bare.code) == ("import.no_rows", "import.no_rows")
    assert "put one above it" in alone.message
    assert "put one above it" not in bare.message


def test_a_bomb_is_refused_without_being_opened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"<row>" + b"0" * (64 << 20))
    tracemalloc.start()
    try:
        assert refusal(path).code == "import.bomb"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_workbook_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "l.xlsx", {"Stock": [HEADER, LINE]})
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        stated = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    needle = stated.to_bytes(4, "little")
    central = raw.index(b"PK\x01\x02")
    at = raw.index(needle, central)
    raw[at : at + 4] = (stated // 2).to_bytes(4, "little")
    path.write_bytes(raw)
    assert refusal(path).code == "import.damaged"


def test_two_cells_far_apart_are_refused_before_they_become_a_rectangle(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("Stock")
        sheet.write_row(0, 0, HEADER)
        sheet.write(1_048_575, 16_383, "far")
    assert refusal(path).code == "import.bomb"


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows([*LINE[:1], f"5120-01-{i:09}", *LINE[2:]] for i in range(200_000))
    tracemalloc.start()
    try:
        table = open_table(path)
        count = sum(len(batch) for batch in read_batches(path, table))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 24 << 20, f"{peak:,} bytes at the peak"


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=20))
def test_what_a_csv_writer_wrote_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "stock.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Part number", "Quantity", "Description"])
        writer.writerows((f"A-{number}", *row[1:]) for number, row in enumerate(rows))
    assert rows_of(path, delimiter=",") == [
        [f"A-{number}", *("" if not any(c.strip() for c in row[i:]) else row[i] for i in (1, 2))]
        for number, row in enumerate(rows)
    ]


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=4000))
def test_no_bytes_make_the_survey_fail_otherwise_than_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("bin") / "upload"
    path.write_bytes(content)
    code = "import."
    try:
        rows_of(path)
    except DomainError as error:
        code = error.code
    assert code.startswith("import.")


def test_survey_tells_the_kind(tmp_path: Path) -> None:
    assert survey(workbook(tmp_path / "a.xlsx", {"S": [HEADER, LINE]})).kind is FileKind.XLSX
    assert survey(write(tmp_path / "a.txt", "Part,Qty\nA,1\n")).kind is FileKind.CSV
