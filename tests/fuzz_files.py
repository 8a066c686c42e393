"""Small real files of every kind that can be uploaded, to be broken by tests."""

from __future__ import annotations

import io

from openpyxl import Workbook
from PIL import Image

ROWS = (
    ("Maker", "Part No", "Description", "Qty", "UoM", "Bin", "Condition", "Serial", "Cost", "Last issue", "2026-10"),
    ("", "100-A", "HYDRAULIC PUMP", "4", "EA", "A-1", "new", "", "120.50", "2020-05-04", "1"),
    ("", "100-B", "Düse, groß", "1.000", "EA", "A-2", "used", "", "7,25", "04.05.2020", "0"),
    ("", "200-C", 'VALVE "X"', "1", "EA", "", "core", "SN-1", "", "", "3"),
    ("", "Total", "", "1005", "", "", "", "", "", "", ""),
)


def samples() -> list[tuple[str, bytes]]:
    """(name, content) each."""
    text = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in ROWS)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in ROWS:
        sheet.append(row)
    book.create_sheet("Other").append(["Nothing"])
    packed = io.BytesIO()
    book.save(packed)
    found = [
        ("stock.csv", text.encode()),
        ("stock.csv", text.replace(",", ";").encode("cp1252")),
        ("stock.txt", text.replace('","', "\t").encode("utf-16")),
        ("counts.csv", b"Part No,Counted,Count date\n100-A,4,2026-11-01\n100-B,,\n"),
        ("uses.csv", b"Part No,Qty used,Used on,Machine\n100-A,1,2026-11-01,EX-1\n"),
        ("links.csv", b"Part No,Superseded by\n100-A,100-B\n100-B,100-A\n"),
        ("sites.csv", b"Site code,Name,City,Latitude,Longitude\nA1,North,Reno,39.5,-119.8\n"),
        ("prices.csv", b"Part No,List price,Valid from\n100-A,12.50,2026-12-01\n"),
        ("stock.xlsx", packed.getvalue()),
        ("c.pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"),
        ("d.step", b"ISO-10303-21;\nHEADER;\nENDSEC;\n"),
        ("e.dxf", b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n  0\r\nENDSEC\r\n  0\r\nEOF\r\n"),
    ]
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        Image.new("RGB", (48, 32), "red").save(out, kind)
        found.append((f"p.{kind.lower()}", out.getvalue()))
    return found
