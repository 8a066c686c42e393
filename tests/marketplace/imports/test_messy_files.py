"""Files as systems and people write them: code pages, headers over two rows, units under them, totals at the end."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from marketplace.imports.catalogue_rows import is_total
from marketplace.imports.files.letters import code_page
from marketplace.imports.files.tables import open_table, read_batches
from marketplace.imports.shapes import recognise

TEXTS = {
    "cp1252": "Größe 5, Schlüssel für façade é\nZylinder Süd, über Öl\n",
    "cp850": "Größe 5, Schlüssel für façade é\nZylinder Süd, über Öl\n",
    "cp1250": "Pompa łożyska, zębatka ścięta\nżółty wąż długości 5 m\n",
    "cp1251": "Насос гидравлический\nУплотнение поршня\n",
    "cp866": "Насос гидравлический\nУплотнение поршня\n",
    "cp932": "油圧ポンプ部品, ピストンの\n東京倉庫 シール\n",
    "euc_jp": "油圧ポンプ部品, ピストンの\n東京倉庫 シール\n",
    "gb18030": "液压泵总成, 北京仓库\n活塞密封圈 上海\n",
}


@pytest.mark.parametrize("codec", TEXTS)
def test_the_code_page_is_what_reads_like_words(codec: str) -> None:
    assert code_page(TEXTS[codec].encode(codec)) == codec


HEADERS = (
    ("Part,Part,Stock,Stock,List\nNo.,text,on hand,location,price\nA-1,PUMP,4,S1,10\n", "Part No.", "stock", 1),
    ("Stock list\n\nPart,,Stock,\nNumber,Description,On hand,Warehouse\nA-1,PUMP,4,S1\n", "Number", "stock", 1),
    ("Part;;List;;Weight\nNo.;Description;price;Currency;kg\nA-1;PUMP;4,50;EUR;2\n", "Part No.", "parts", 1),
    ("Part number,Description,Qty\n,,[pcs]\nA-1,PUMP,4\nA-2,PUMP,4\n", "Part number", "stock", 2),
    ("old number|new number\nA-1|A-2\n", "old number", "supersessions", 1),
    ("Part number\tPrice\tValid from\nA-1\t2\t2026-01-01\n", "Part number", "prices", 1),
)


@pytest.mark.parametrize(("text", "first", "kind", "many"), HEADERS)
def test_headers_and_kinds(tmp_path: Path, text: str, first: str, kind: str, many: int) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    table = open_table(path)
    rows = [row for batch in read_batches(path, table) for row in batch]
    assert (table.header[0], recognise(table.header, [r.cells for r in table.sample]), len(rows)) == (first, kind, many)
    assert rows[0].cells[0] == "A-1"


def test_a_word_merged_over_rows_holds_for_each_of_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["Stock of the north", None, None, None], ["Part number", "Qty", "Plant", "Bin"], ["A-1", 4, "S1", 7], ["A-2", None, None, None],
        ["A-3", 1, None, None], ["A-4", 2, "S2", None], ["A-5", 3, None, None],
    ):  # fmt: skip
        sheet.append(row)
    for cells in ("A1:D1", "B3:B4", "C3:C5", "D3:D4"):
        sheet.merge_cells(cells)
    path = tmp_path / "list.xlsx"
    book.save(path)
    table = open_table(path)
    rows = [row.cells for batch in read_batches(path, table) for row in batch]
    # A figure may be the sum of the rows: it stays where it stands. What is not merged stays blank.
    assert rows == [
        ["A-1", "4", "S1", "7"], ["A-2", "", "S1", ""], ["A-3", "1", "S1", ""], ["A-4", "2", "S2", ""], ["A-5", "3", "", ""],
    ]  # fmt: skip


def test_totals_are_told_from_parts() -> None:
    assert is_total(["Total", "", "12"], 0)
    assert is_total(["", "Grand total:", "12"], 0)
    assert not is_total(["TOTAL-12", "", "12"], 0)
    assert not is_total(["Total", "A-1", "12"], 1)
