"""Codes as a camera sees them: read from a picture in a page, and made as a film for the browser's pretended camera."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import zxingcpp

WIDTH, HEIGHT = 640, 480
_STEP = re.compile(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?")


def read_code(svg: str) -> str:
    """What the code says that a page draws (segno's path of horizontal runs, a module high)."""
    drawn = re.search(r'<path[^>]*class="qrline"[^>]*\sd="([^"]+)"|<path[^>]*\sd="([^"]+)"[^>]*class="qrline"', svg)
    assert drawn, svg[:300]
    runs: list[tuple[int, int, int]] = []
    x = y = 0.0
    for step, first, second in _STEP.findall(drawn[1] or drawn[2]):
        if step == "M":
            x, y = float(first), float(second)
        elif step == "m":
            x, y = x + float(first), y + float(second)
        else:
            runs.append((int(y), int(x), int(float(first))))
            x += float(first)
    side = max(row for row, _, _ in runs) + 5
    modules = np.full((side, side), 255, np.uint8)
    for row, left, count in runs:
        modules[row, left : left + count] = 0
    found = zxingcpp.read_barcodes(np.kron(modules, np.ones((6, 6), np.uint8)))
    assert len(found) == 1, "one code, and readable"
    return str(found[0].text)


def data_matrix(content: str) -> np.ndarray:
    """A GS1 DataMatrix, ten dots to a module, with its quiet zone."""
    made = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.DataMatrix, gs1=True)
    return np.asarray(made.to_image(scale=10, add_quiet_zones=True))


def film(path: Path, picture: np.ndarray) -> None:
    """A YUV4MPEG2 film of a picture that stands still: what Chromium's pretended camera plays."""
    luma = np.full((HEIGHT, WIDTH), 235, np.uint8)
    top, left = (HEIGHT - picture.shape[0]) // 2, (WIDTH - picture.shape[1]) // 2
    luma[top : top + picture.shape[0], left : left + picture.shape[1]] = np.where(picture < 128, 16, 235)
    frame = b"FRAME\n" + luma.tobytes() + b"\x80" * (WIDTH * HEIGHT // 2)
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420\n".encode() + frame * 5)
