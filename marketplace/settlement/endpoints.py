"""JSON routes of settlement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.money import amount_cell, price_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Day, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.settlement import queries, service
from marketplace.settlement.permissions import MarksSettlement, ReadsSettlement
from marketplace.settlement.queries import SettlementFilter, SettlementRow
from marketplace.settlement.schemas import SettlementOut, SettlementTotalOut

router = APIRouter(prefix="/settlement", tags=["settlement"])


def _filter(
    side: Annotated[Literal["payer", "payee"] | None, Query(description="payer: what you owe.")] = None,
    state: Annotated[
        Literal["open", "waiting", "half", "settled"] | None,
        Query(description="waiting: for your own mark; half: for it alone, the other side has marked it."),
    ] = None,
    other_id: Annotated[UUID | None, Query(description="The other company.")] = None,
    due_before: Day | None = None,
) -> SettlementFilter:
    return SettlementFilter(side, state, other_id, due_before)


Wanted = Annotated[SettlementFilter, Depends(_filter)]


@router.get("", summary="What you owe and are owed")
async def lines(
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    wanted: Wanted,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[SettlementOut]:
    """Settlement lines, newest first."""
    page = await queries.settlement_lines(session, actor, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[SettlementOut.model_validate(r) for r in page.items], next=page.next)


_COLUMNS = (
    "Reference", "Payer", "Payee", "Kind", "For", "Agreement", "Part number", "Description", "Quantity", "Unit",
    "Unit price", "Amount", "Currency", "Due", "Payer marked", "Payee marked", "Words",
)  # fmt: skip


@router.get(".csv", summary="What you owe and are owed, as CSV", response_class=StreamingResponse)
async def export(request: Request, actor: ReadsSettlement, secret: PageSecret, wanted: Wanted) -> StreamingResponse:
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(_COLUMNS)
        after: str | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
            while True:
                page = await queries.settlement_lines(
                    session, actor, wanted, after=after, limit=MAX_PAGE, secret=secret
                )
                yield csv_rows(_cells(r) for r in page.items)
                after = page.next
                if after is None:
                    return

    headers = {"content-disposition": 'attachment; filename="settlement.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


def _cells(r: SettlementRow) -> tuple[object, ...]:
    return (
        r.reference, r.payer, r.payee, r.kind, r.cause_reference, r.agreement, r.number, r.description, r.quantity, r.uom,
        price_cell(r.unit_price, r.currency), amount_cell(r.amount, r.currency), r.currency, r.due_on, r.payer_marked_at and r.payer_marked_at.date(),
        r.payee_marked_at and r.payee_marked_at.date(), r.words,
    )  # fmt: skip


@router.get("/totals", summary="Sums of what you owe and are owed")
async def totals(session: Reading, actor: ReadsSettlement, now: Now) -> list[SettlementTotalOut]:
    """Open, overdue and settled amounts by side and currency."""
    found = await queries.settlement_totals(session, actor, now.date())
    return [SettlementTotalOut.model_validate(t) for t in found]


@router.get("/{line_id}", summary="One settlement line")
async def line(session: Reading, actor: ReadsSettlement, line_id: UUID) -> SettlementOut:
    """What is owed, why, and who has marked it."""
    return SettlementOut.model_validate(await queries.settlement_line(session, line_id))


@router.post("/{line_id}/mark", summary="Mark a line as settled")
async def mark(
    session: Writing, actor: MarksSettlement, line_id: UUID, now: Now, key: IdempotencyKey = None
) -> SettlementOut:
    """Your side's mark; the line is settled when both sides have marked it."""

    async def act() -> Any:
        return SettlementOut.model_validate(await service.mark(session, actor, line_id, now))

    answer = await once(session, actor, key, "settlement.mark", {"line_id": line_id}, act, status=200)
    return SettlementOut.model_validate(answer.content)
