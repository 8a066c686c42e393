"""Lists as CSV files, streamed: each page of rows is read in a short session of its own, so that a slow reader never
holds a connection, and memory stays that of one page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

from starlette.responses import Response, StreamingResponse

from marketplace.db.requests import database
from marketplace.db.session import ReadSession
from marketplace.kit.exports import csv_rows, csv_start
from web.session import Visit

ROWS: Final = 500
"""Rows read at a time."""
Row = TypeVar("Row")
Pages = Callable[[ReadSession, str | None, int], Awaitable[tuple[Sequence[Row], str | None]]]
"""From a bookmark (None: the beginning) and a number of rows to those rows and the bookmark after them (None: the end)."""
More = Callable[[ReadSession, str | None], Awaitable[tuple[Sequence[Sequence[object]], str | None]]]
"""From a bookmark (None: the beginning) to the next rows and the bookmark after them (None: the end)."""


def wants_csv(visit: Visit) -> bool:
    """Whether the address asks for the file instead of the page."""
    return visit.asked("format") == "csv"


def csv_file(visit: Visit, name: str, header: Sequence[str], more: More) -> Response:
    """The whole list as ``name``-<day>.csv; cells that a spreadsheet would run are written as text."""
    db, tenant = database(visit.request), visit.tenant

    async def stream() -> AsyncIterator[str]:
        yield csv_start(header)
        mark: str | None = None
        while True:
            async with db.read(tenant) as session:
                rows, mark = await more(session, mark)
            yield csv_rows(rows)
            if mark is None:
                return

    return streamed(visit, name, stream())


def streamed(visit: Visit, name: str, pieces: AsyncIterator[str] | AsyncIterator[bytes]) -> Response:
    """Pieces of text as the file ``name``-<day>.csv."""
    file = f"{name}-{visit.now:%Y-%m-%d}.csv"
    return StreamingResponse(
        pieces,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file}"'},
    )


def list_csv(
    visit: Visit, name: str, header: Sequence[str], page: Pages[Row], cells: Callable[[Row], Sequence[object]]
) -> Response:
    """The whole of a list that a page shows in pieces: ``page`` answers up to so many rows behind a bookmark, and the
    next bookmark; ``cells`` is one row's line in the file."""

    async def more(session: ReadSession, mark: str | None) -> tuple[Sequence[Sequence[object]], str | None]:
        rows, following = await page(session, mark, ROWS)
        return [cells(row) for row in rows], following

    return csv_file(visit, name, header, more)
