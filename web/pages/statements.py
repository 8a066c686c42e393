"""Statements: balances of a month with every company, and the month with one of them, as page and files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.db.session import ReadSession
from marketplace.kit.errors import DomainError, missing
from marketplace.kit.money import amount_cell
from marketplace.settlement import queries
from marketplace.settlement.endpoints import statements as files
from marketplace.settlement.months import Balance, Month
from marketplace.settlement.printed import entry_words, side, summary
from web.exports import list_csv, wants_csv
from web.money_words import sums
from web.session import Visit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/settlement/statements", include_in_schema=False)
ReadsStatements = Annotated[Visit, visits("settlement.read")]

PER_PAGE: Final = 50
ENTRIES: Final = 200
COLUMNS: Final = (
    Column("other", "With"),
    Column("opening", "Opening", "end"),
    Column("owed", "Lines and credits", "end"),
    Column("paid", "Payments", "end"),
    Column("closing", "Closing", "end"),
    Column("act", "Actions", "end", hidden_label=True),
)
ENTRY_COLUMNS: Final = (
    Column("at", "Counts since"),
    Column("what", "What"),
    Column("about", "About"),
    Column("favour", "In our favour", "end"),
    Column("against", "Against us", "end"),
)
CSV_HEADER: Final = (
    "Company", "Currency", "Opening", "Lines", "Credits", "Payments", "Taken back", "Set off", "Closing", "Entries",
)  # fmt: skip


def _asked(visit: Visit) -> Month:
    """The month that was asked for; the one before this where none was, or none that is."""
    try:
        month = Month.of(visit.asked("month")) if visit.asked("month") else Month.containing(visit.now).previous
        month.require_begun(visit.now)
    except DomainError:
        visit.set_aside("month")
        return Month.containing(visit.now).previous
    return month


RECENT: Final = timedelta(days=400)


@router.get("")
async def balances(visit: ReadsStatements) -> Response:
    """``?month=`` 2026-11; the last one that has ended when none is asked for."""
    month = _asked(visit)

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Balance], str | None]:
        found = await queries.statements(session, visit.actor, month, after=mark, limit=rows, secret=visit.secret)
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, f"statements-{month}", CSV_HEADER, page, _cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "settlement/statements.html", rows=rows, month=month, final=month.closed(visit.now), sums=sums,
        later=month.next if month.next.start <= visit.now else None,
        view=TableView.of(visit.request, COLUMNS).with_next(following),
    )  # fmt: skip


def _cells(b: Balance) -> list[object]:
    amounts = (b.opening, b.lines, b.credits, b.payments, b.taken_back, b.set_off, b.closing)
    return [b.other, b.currency, *(amount_cell(x, b.currency) for x in amounts), b.entries]


@router.get("/{other_id}/{month}/statement.{kind}")
async def file(visit: ReadsStatements, other_id: UUID, month: str, kind: str) -> Response:
    """The statement as csv, xlsx or pdf."""
    asked = Month.of(month)
    if kind not in {"csv", "xlsx", "pdf"}:
        raise missing("page.not_found", "There is no such page.")
    if kind == "xlsx":
        return await files.xlsx_of(visit.session, visit.actor, other_id, asked, visit.now)
    if kind == "pdf":
        return await files.pdf_of(visit.session, visit.actor, other_id, asked, visit.now)
    return await files.csv_of(visit.request, visit.session, visit.actor, visit.secret, other_id, asked, visit.now)


@router.get("/{other_id}/{month}")
async def statement(visit: ReadsStatements, other_id: UUID, month: str) -> Response:
    """A month with one company: balances, and every entry in pages."""
    found = await queries.statement(visit.session, visit.actor, other_id, Month.of(month), visit.now)
    page = await queries.entries(
        visit.session, visit.actor, other_id, found.month, after=visit.request.query_params.get("after"), limit=ENTRIES,
        secret=visit.secret,
    )  # fmt: skip
    return visit.show(
        "settlement/statement.html", found=found, rows=page.items, summary=summary, sums=sums, side=side, entry_words=entry_words,
        view=TableView.of(visit.request, ENTRY_COLUMNS).with_next(page.next),
        later=found.month.next if found.month.next.start <= visit.now else None,
        # Back to where nothing was owed or open; before that there is one empty month after another.
        earlier=found.month.previous if found.balances or found.month.start > visit.now - RECENT else None,
    )  # fmt: skip
