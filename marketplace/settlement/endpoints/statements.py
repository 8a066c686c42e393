"""JSON routes of statements, and the files that pages give too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from marketplace.db.requests import PageSecret, Reading, database
from marketplace.db.session import ReadSession, Tenant
from marketplace.documents.service import typeset, workbook
from marketplace.kit.errors import conflict
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.money import amount_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Day, PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries
from marketplace.settlement.months import Entry, Month, Statement
from marketplace.settlement.permissions import ReadsSettlement
from marketplace.settlement.printed import entry_words, statement_paper
from marketplace.settlement.schemas import BalanceOut, EntryOut, StatementOut

router = APIRouter(prefix="/settlement/statements", tags=["settlement"])
MonthText = Annotated[str, Path(description="Such as 2026-11; days in UTC.", examples=["2026-11"])]
MOST_ON_PAPER = 5_000
"""Entries of a statement as PDF: the typesetter takes 650 MB for them."""
COLUMNS = (
    "Currency", "Counts since", "What", "Kind", "Reference", "About", "Day", "Due", "In our favour", "Against us", "Balance",
)  # fmt: skip


@router.get("", summary="Balances of a month with every company")
async def balances(
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    now: Now,
    day: Annotated[Day | None, Query(description="Any day of the month; today when left out.")] = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[BalanceOut]:
    """By name: opening balance, what happened, closing balance, for each currency. Amounts above zero are in your favour."""
    month = Month(day.replace(day=1)) if day else Month.containing(now)
    month.require_begun(now)
    page = await queries.statements(session, actor, month, after=after, limit=limit, secret=secret)
    return PageOut(items=[BalanceOut.model_validate(b) for b in page.items], next=page.next)


@router.get("/{other_id}/{month}", summary="A statement")
async def statement(
    session: Reading, actor: ReadsSettlement, other_id: UUID, month: MonthText, now: Now
) -> StatementOut:
    """A month with one company, as it was known at its end: once it is final it never changes."""
    found = await queries.statement(session, actor, other_id, Month.of(month), now)
    return StatementOut(
        company=found.company, other_id=found.other_id, other=found.other, month=str(found.month), final=found.final,
        balances=[BalanceOut.model_validate(b) for b in found.balances],
    )  # fmt: skip


@router.get("/{other_id}/{month}/entries", summary="What a statement is made of")
async def entries(
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    other_id: UUID,
    month: MonthText,
    now: Now,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[EntryOut]:
    """By currency, then by the moment since which each counts."""
    asked = Month.of(month)
    asked.require_begun(now)
    page = await queries.entries(session, actor, other_id, asked, after=after, limit=limit, secret=secret)
    return PageOut(items=[EntryOut.model_validate(e) for e in page.items], next=page.next)


_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("application/pdf",)
}}}  # fmt: skip
_SHEETS: dict[int | str, dict[str, Any]] = {200: {"content": {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {"schema": {"type": "string", "format": "binary"}},
}}}  # fmt: skip


@router.get("/{other_id}/{month}/statement.csv", summary="A statement as CSV", response_class=StreamingResponse)
async def as_csv(
    request: Request,
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    other_id: UUID,
    month: MonthText,
    now: Now,
) -> StreamingResponse:
    """Opening balances, every entry with the balance after it, closing balances, streamed; cells that a spreadsheet would run as formulas are written as text."""
    return await csv_of(request, session, actor, secret, other_id, Month.of(month), now)


@router.get(
    "/{other_id}/{month}/statement.xlsx", summary="A statement as workbook", response_class=Response, responses=_SHEETS
)
async def as_workbook(session: Reading, actor: ReadsSettlement, other_id: UUID, month: MonthText, now: Now) -> Response:
    """Every entry, with the balance after it."""
    return await xlsx_of(session, actor, other_id, Month.of(month), now)


@router.get(
    "/{other_id}/{month}/statement.pdf", summary="A statement as PDF", response_class=Response, responses=_FILES
)
async def as_paper(session: Reading, actor: ReadsSettlement, other_id: UUID, month: MonthText, now: Now) -> Response:
    """For the company that asks; the other side has its own, with the sides turned round. Of a month that is final the same
    bytes are made at any time."""
    return await pdf_of(session, actor, other_id, Month.of(month), now)


# -- files, for pages too ----------------------------------------------------------------------------------


def cells(e: Entry, balance: Decimal) -> tuple[object, ...]:
    """An entry as a row of ``COLUMNS``, with the balance after it."""
    return (
        e.currency, e.known_at.isoformat(timespec="seconds"), e.what, entry_words(e), e.reference, e.about, e.on.isoformat(),
        e.due_on.isoformat() if e.due_on else "", amount_cell(e.in_favour, e.currency), amount_cell(e.against, e.currency), amount_cell(balance, e.currency),
    )  # fmt: skip


def _balance(currency: str, what: str, day: date, amount: Decimal) -> tuple[object, ...]:
    words = f"{what.capitalize()} balance"
    return (currency, "", what, words, "", "", day.isoformat(), "", "", "", amount_cell(amount, currency))


async def csv_of(
    request: Request, session: ReadSession, actor: Actor, secret: str, other_id: UUID, month: Month, now: datetime
) -> StreamingResponse:
    """Opening balances, entries and closing balances of a statement, page by page in sessions of their own; refuses before the
    first byte. The closing balances are those that the rows above add up to: of a month that is not over, something may come
    in between."""
    found = await queries.statement(session, actor, other_id, month, now)
    balances = {b.currency: b.opening for b in found.balances}
    db, tenant = database(request), Tenant(actor.company_id, actor.sources)

    async def pages() -> AsyncIterator[str]:
        yield csv_start(COLUMNS)
        yield csv_rows(_balance(currency, "opening", month.first, amount) for currency, amount in balances.items())
        after: str | None = None
        while True:
            async with db.read(tenant) as reading:
                page = await queries.entries(
                    reading, actor, other_id, month, after=after, limit=MAX_PAGE, secret=secret
                )
            told = []
            for e in page.items:
                balances[e.currency] = balances.get(e.currency, Decimal(0)) + e.in_favour - e.against
                told.append(cells(e, balances[e.currency]))
            yield csv_rows(told)
            after = page.next
            if after is None:
                break
        yield csv_rows(_balance(currency, "closing", month.last, amount) for currency, amount in balances.items())

    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=_named(actor, month, "csv"))


async def _whole(
    session: ReadSession, actor: Actor, other_id: UUID, month: Month, now: datetime, most: int
) -> tuple[Statement, list[Entry]]:
    found = await queries.statement(session, actor, other_id, month, now)
    if sum(b.entries for b in found.balances) > most:
        raise conflict(
            "statement.too_long",
            f"The statement of {month.words} has more than {most:,} entries, too many for this kind of file. Take it "
            "as CSV, or as workbook.",
        )
    rows = list(await queries.all_entries(session, actor, other_id, month))
    # Nobody's connection waits for the file to be made.
    await session.close()
    return found, rows


async def xlsx_of(session: ReadSession, actor: Actor, other_id: UUID, month: Month, now: datetime) -> Response:
    """The statement as a workbook. Raises ``statement.too_long``."""
    found, rows = await _whole(session, actor, other_id, month, now, queries.MOST_ENTRIES)
    header = COLUMNS
    balances = {b.currency: b.opening for b in found.balances}

    def lines() -> list[tuple[object, ...]]:
        told: list[tuple[object, ...]] = [
            (b.currency, "", "opening", "Opening balance", "", "", month.first, None, None, None, b.opening)
            for b in found.balances
        ]
        for e in rows:
            balances[e.currency] += e.in_favour - e.against
            told.append(
                (
                    e.currency, e.known_at.isoformat(timespec="seconds"), e.what, entry_words(e), e.reference, e.about, e.on, e.due_on,
                    e.in_favour or None, e.against or None, balances[e.currency],
                )
            )  # fmt: skip
        told += [
            (b.currency, "", "closing", "Closing balance", "", "", month.last, None, None, None, b.closing)
            for b in found.balances
        ]
        return told

    made = await workbook(f"Statement {month}", header, lines())
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Response(made, media_type=kind, headers=_named(actor, month, "xlsx"))


async def pdf_of(session: ReadSession, actor: Actor, other_id: UUID, month: Month, now: datetime) -> Response:
    """The statement as PDF. Raises ``statement.too_long``."""
    found, rows = await _whole(session, actor, other_id, month, now, MOST_ON_PAPER)
    made = await typeset(lambda: statement_paper(found, rows))
    return Response(made, media_type="application/pdf", headers=_named(actor, month, "pdf"))


def _named(actor: Actor, month: Month, kind: str) -> dict[str, str]:
    name = f"statement-{actor.company_code}-{month}.{kind}"
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
