"""Papers set as PDF, a few at once, the others wait their turn; tables as workbooks."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Final

import xlsxwriter

from marketplace.documents import typesetter
from marketplace.documents.blocks import Paper, as_json
from marketplace.kit.errors import busy

AT_ONCE: Final = 2
"""Papers set at the same time: each takes a processor."""
MOST_ASKED_FOR: Final = 20
"""Papers in work or waiting; who asks for one more is told to come again."""
SECONDS: Final = 60
"""The longest that one paper may take."""

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="typesetting")
_asked_for = 0


async def typeset(draw: Callable[[], Paper]) -> bytes:
    """The paper that ``draw`` makes (in a thread, as it may be long) as PDF. Of equal papers equal bytes are made.
    Raises ``document.busy``, and whatever ``draw`` raises."""
    # One event loop counts; nothing is awaited between reading the number and changing it.
    global _asked_for
    if _asked_for >= MOST_ASKED_FOR:
        raise busy("document.busy", "Many documents are being made at this moment. Try again in a few seconds.")
    _asked_for += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, lambda: set_now(draw()))
    finally:
        _asked_for -= 1


def set_now(paper: Paper) -> bytes:
    """The paper as PDF; returns when it is made. Raises ``document.busy``."""
    code, made, told = _run(paper, fewest_letters=False)
    if code == typesetter.LETTERS_MISSING:
        # Some marks (accents, vowel signs) are there, but not together with every letter.
        code, made, told = _run(paper, fewest_letters=True)
    if code:
        raise RuntimeError(f"{paper.title} could not be set: {told}")
    return made


def _run(paper: Paper, *, fewest_letters: bool) -> tuple[int, bytes, str]:
    """What the typesetter's process ends with: its code, the PDF, what it complained of."""
    given = {"paper": as_json(paper, fewest_letters=fewest_letters), "made_at": int(paper.made_at.timestamp())}
    try:
        # -I: nothing of the environment and of the folder it starts in reaches the process.
        done = subprocess.run(  # noqa: S603 - our own program; what it is given is data on its standard input
            [sys.executable, "-I", typesetter.__file__],
            input=json.dumps(given).encode(), capture_output=True, timeout=SECONDS, check=False, env={},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise busy("document.busy", "The document took too long to make. Try again later.") from None
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")[:2_000]


async def workbook(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """An XLSX file of one sheet, made in a thread. Decimals are numbers and days are days; any other text stays text, so
    that nothing in it is run as a formula."""
    return await asyncio.to_thread(workbook_now, name, header, rows)


def workbook_now(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The workbook; returns when it is made."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = book.add_worksheet(name[:31])
    bold, day, money = (
        book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "#,##0.00##"}),
    )  # fmt: skip
    for column, text in enumerate(header):
        sheet.write_string(0, column, text, bold)
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if isinstance(value, Decimal | int):
                sheet.write_number(number, column, value, money if isinstance(value, Decimal) else None)
            elif isinstance(value, date):
                sheet.write_datetime(number, column, value, day)
            elif value is not None and value != "":
                sheet.write_string(number, column, str(value))
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, 0, max(len(header) - 1, 0))
    book.close()
    return made.getvalue()
