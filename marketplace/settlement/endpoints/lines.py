"""JSON routes of lines, payments and set-offs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import ReadSession, Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.money import amount_cell, price_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Day, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.settlement import queries, service
from marketplace.settlement.kinds import LineKind
from marketplace.settlement.payments_file import Judged
from marketplace.settlement.permissions import MarksSettlement, ReadsSettlement
from marketplace.settlement.queries import PaymentFilter, SettlementFilter, SettlementRow
from marketplace.settlement.schemas import (
    AllocateIn,
    AllocationOut,
    CreditIn,
    JudgedOut,
    LineDetailOut,
    PaymentDetailOut,
    PaymentIn,
    PaymentOut,
    PaymentsFileIn,
    PaymentsFileOut,
    ReasonIn,
    SetOffIn,
    SettlementOut,
    SettlementTotalOut,
    shares_of,
)

router = APIRouter(prefix="/settlement", tags=["settlement"])


def _filter(
    now: Now,
    side: Annotated[Literal["payer", "payee"] | None, Query(description="payer: what you owe.")] = None,
    state: Annotated[
        Literal["open", "waiting", "half", "settled", "due", "overdue", "part_paid", "credited", "disputed", "paid"]
        | None,
        Query(
            description="waiting: for your own mark; half: for it alone, the other side has marked it; "
            "credited: in whole or in part, which is no payment."
        ),
    ] = None,
    other_id: Annotated[UUID | None, Query(description="The other company.")] = None,
    due_before: Day | None = None,
    kind: Annotated[LineKind | None, Query(description="What it is owed for.")] = None,
) -> SettlementFilter:
    return SettlementFilter(side, state, other_id, due_before, None, kind, now.date())


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
    "Unit price", "Amount", "Currency", "Due", "State", "Paid", "Credited", "Disputed", "Document", "Takes back", "Payer marked",
    "Payee marked", "Words",
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
        price_cell(r.unit_price, r.currency), amount_cell(r.amount, r.currency), r.currency, r.due_on,
        r.state.value, amount_cell(r.paid, r.currency), amount_cell(r.credited, r.currency), amount_cell(r.disputed, r.currency), r.document, r.counters, r.payer_marked_at and r.payer_marked_at.date(),
        r.payee_marked_at and r.payee_marked_at.date(), r.words,
    )  # fmt: skip


@router.get("/totals", summary="Sums of what you owe and are owed")
async def totals(session: Reading, actor: ReadsSettlement, now: Now) -> list[SettlementTotalOut]:
    """Open, overdue and settled amounts by side and currency."""
    found = await queries.settlement_totals(session, actor, now.date())
    return [SettlementTotalOut.model_validate(t) for t in found]


# -- payments: before the routes of one line, whose id would take their place ---------------------------


def _payment_filter(
    side: Annotated[Literal["payer", "payee"] | None, Query(description="payer: what you paid.")] = None,
    state: Annotated[
        Literal["waiting", "theirs", "confirmed", "reversed", "unallocated"] | None,
        Query(description="waiting: for your word; theirs: for the other side's."),
    ] = None,
    other_id: Annotated[UUID | None, Query(description="The other company.")] = None,
) -> PaymentFilter:
    return PaymentFilter(side, state, other_id)


@router.get("/payments", summary="Payments, set-offs and reversals")
async def payments(
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    wanted: Annotated[PaymentFilter, Depends(_payment_filter)],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[PaymentOut]:
    """Newest first."""
    page = await queries.payments(session, actor, wanted, after=after, limit=limit, secret=secret)
    return PageOut(items=[PaymentOut.model_validate(r) for r in page.items], next=page.next)


async def _detail(session: ReadSession, payment_id: UUID) -> PaymentDetailOut:
    row = await queries.payment(session, payment_id)
    return PaymentDetailOut.of_rows(row, list(await queries.allocations_of(session, row.reverses_id or payment_id)))


@router.post("/payments", summary="Record a payment", status_code=201)
async def record(
    session: Writing, actor: MarksSettlement, body: PaymentIn, now: Now, key: IdempotencyKey = None
) -> PaymentDetailOut:
    """What you paid or received, and for which lines; the other side confirms it. What no line is named for can be
    allocated later."""

    async def act() -> Any:
        paid = body.direction == "paid"
        made = await service.record(
            session, actor, from_id=actor.company_id if paid else body.other_id,
            to_id=body.other_id if paid else actor.company_id, amount=body.money(), paid_on=body.paid_on,
            wanted=shares_of(body.lines), now=now, bank_reference=body.bank_reference,
        )  # fmt: skip
        return await _detail(session, made.id)

    answer = await once(session, actor, key, "settlement.record", body.model_dump(), act)
    return PaymentDetailOut.model_validate(answer.content)


@router.post("/payments/import", summary="Record payments from a CSV")
async def import_payments(
    session: Writing, actor: MarksSettlement, body: PaymentsFileIn, now: Now, key: IdempotencyKey = None
) -> PaymentsFileOut:
    """Every good row lands; the others come back with every reason. The same file again changes nothing."""

    async def act() -> Any:
        if body.record:
            judged = await service.import_payments(session, actor, body.text, now)
        else:
            judged = await service.preview(session, actor, body.text, now)
        return file_out(judged, recorded=body.record)

    answer = await once(session, actor, key, "settlement.import", body.model_dump(), act, status=200)
    return PaymentsFileOut.model_validate(answer.content)


def file_out(judged: Sequence[Judged], *, recorded: bool) -> PaymentsFileOut:
    """What became of a file's rows, as the wire shows it."""
    fates = [one.fate for one in judged]
    return PaymentsFileOut(
        recorded=recorded, good=fates.count("good"), known=fates.count("known"), bad=fates.count("bad"),
        rows=[
            JudgedOut(
                row=one.row.number, fate=one.fate, reference=one.row.reference, amount=one.row.amount_text,
                currency=one.currency or one.row.currency, paid_on=one.row.paid_on, lines=list(one.row.lines),
                other=one.other, problems=list(one.problems),
            )
            for one in judged
        ],
    )  # fmt: skip


@router.get("/payments/{payment_id}", summary="One payment")
async def payment(session: Reading, actor: ReadsSettlement, payment_id: UUID) -> PaymentDetailOut:
    """Who paid whom what, who says so, and which lines it pays."""
    return await _detail(session, payment_id)


@router.post("/payments/{payment_id}/confirm", summary="Confirm a payment")
async def confirm(
    session: Writing, actor: MarksSettlement, payment_id: UUID, now: Now, key: IdempotencyKey = None
) -> PaymentDetailOut:
    """Your word that it was paid; of a set-off, that you agree; of a reversal, that it is taken back."""

    async def act() -> Any:
        await service.confirm(session, actor, payment_id, now)
        return await _detail(session, payment_id)

    given = {"payment_id": payment_id}
    answer = await once(session, actor, key, "settlement.confirm", given, act, status=200)
    return PaymentDetailOut.model_validate(answer.content)


@router.post("/payments/{payment_id}/allocate", summary="Say what the rest of a payment is for")
async def allocate(
    session: Writing, actor: MarksSettlement, payment_id: UUID, body: AllocateIn, now: Now, key: IdempotencyKey = None
) -> PaymentDetailOut:
    """The payer says so, or who recorded it."""

    async def act() -> Any:
        await service.allocate(session, actor, payment_id, shares_of(body.lines), now)
        return await _detail(session, payment_id)

    given = {"payment_id": payment_id, **body.model_dump()}
    answer = await once(session, actor, key, "settlement.allocate", given, act, status=200)
    return PaymentDetailOut.model_validate(answer.content)


@router.post("/payments/{payment_id}/reverse", summary="Take a payment back")
async def reverse(
    session: Writing, actor: MarksSettlement, payment_id: UUID, body: ReasonIn, now: Now, key: IdempotencyKey = None
) -> PaymentDetailOut:
    """At once while the other side has not confirmed it (also to say that you received nothing); after that the other
    side has to agree. Answers the reversal."""

    async def act() -> Any:
        return await _detail(session, (await service.reverse(session, actor, payment_id, body.reason, now)).id)

    given = {"payment_id": payment_id, **body.model_dump()}
    answer = await once(session, actor, key, "settlement.reverse", given, act, status=200)
    return PaymentDetailOut.model_validate(answer.content)


@router.post("/set-offs", summary="Set off what two companies owe each other", status_code=201)
async def set_off(
    session: Writing, actor: MarksSettlement, body: SetOffIn, now: Now, key: IdempotencyKey = None
) -> PaymentDetailOut:
    """Nets lines of both directions in one currency that are neither paid nor in dispute; it counts once the other side
    confirms it."""

    async def act() -> Any:
        made = await service.set_off(session, actor, body.other_id, body.currency, now, line_ids=body.line_ids)
        return await _detail(session, made.id)

    answer = await once(session, actor, key, "settlement.set_off", body.model_dump(), act)
    return PaymentDetailOut.model_validate(answer.content)


@router.get("/{line_id}", summary="One settlement line")
async def line(session: Reading, actor: ReadsSettlement, line_id: UUID) -> LineDetailOut:
    """What is owed, why, what was paid of it, and who says so."""
    found = SettlementOut.model_validate(await queries.settlement_line(session, line_id))
    return LineDetailOut(
        **found.model_dump(),
        payments=[AllocationOut.model_validate(a) for a in await queries.line_payments(session, line_id)],
        counter_lines=[SettlementOut.model_validate(r) for r in await queries.counters_of(session, line_id)],
    )


@router.post("/{line_id}/credit", summary="Take back part of a line", status_code=201)
async def credit(
    session: Writing, actor: MarksSettlement, line_id: UUID, body: CreditIn, now: Now, key: IdempotencyKey = None
) -> SettlementOut:
    """By who is owed it: a counter line, set at once against what is not paid yet; what was paid is owed back."""

    async def act() -> Any:
        return SettlementOut.model_validate(
            await service.give_credit(session, actor, line_id, body.amount, words=body.words, now=now)
        )

    given = {"line_id": line_id, **body.model_dump()}
    answer = await once(session, actor, key, "settlement.credit", given, act)
    return SettlementOut.model_validate(answer.content)


@router.post("/{line_id}/mark", summary="Mark a line as settled")
async def mark(
    session: Writing, actor: MarksSettlement, line_id: UUID, now: Now, key: IdempotencyKey = None
) -> SettlementOut:
    """Your side's mark; the line is settled when both sides have marked it."""

    async def act() -> Any:
        return SettlementOut.model_validate(await service.mark(session, actor, line_id, now))

    answer = await once(session, actor, key, "settlement.mark", {"line_id": line_id}, act, status=200)
    return SettlementOut.model_validate(answer.content)
