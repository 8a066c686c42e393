"""What is owed between companies under their agreements, and marking it as settled from each side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.money import Money, amount_cell, price_cell
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries, service
from marketplace.settlement.queries import SettlementFilter, SettlementRow
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/settlement", include_in_schema=False)
ReadsOwed = Annotated[Visit, visits("settlement.read")]
Marks = Annotated[Visit, visits("settlement.mark")]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("line", "Line"),
    Column("other", "With"),
    Column("what", "For"),
    Column("amount", "Amount", "end"),
    Column("due", "Due"),
    Column("marks", "Marked as settled"),
    Column("act", "Actions", "end", hidden_label=True),
)
TABS: Final = (
    ("", "Open"),
    ("half", "Marked by the other side"),
    ("waiting", "Waits for our mark"),
    ("settled", "Settled"),
    ("all", "All"),
)
CSV_HEADER: Final = (
    "Line", "Payer", "Payee", "Order", "Agreement", "Part number", "Description", "Quantity", "Unit", "Price each",
    "Amount", "Currency", "Due", "Payer marked", "Payee marked", "Why",
)  # fmt: skip


@router.get("")
async def settlement(visit: ReadsOwed) -> Response:
    """``?side=`` payer (we owe) or payee (we are owed), ``?state=`` a tab, ``?line=`` the one with this reference."""
    tab = visit.choice("state", {key for key, _ in TABS})
    side = visit.choice("side", {"payer", "payee"}) or None
    wanted = SettlementFilter(
        side=side, state={"": "open", "all": None}.get(tab, tab), reference=visit.asked("line")[:20] or None
    )

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[SettlementRow], str | None]:
        found = await queries.settlement_lines(
            session, visit.actor, wanted, after=mark, limit=rows, secret=visit.secret
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "settlement", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    totals = await queries.settlement_totals(visit.session, visit.actor, visit.today)
    tiles = [
        {
            "label": "We owe" if t.side == "payer" else "We are owed",
            "value": str(Money(t.open_amount, t.currency).rounded()),
            "href": f"/settlement?side={t.side}",
            "note": f"{t.open_lines:,} open"
            + (f", {Money(t.overdue_amount, t.currency).rounded()} overdue" if t.overdue_amount else ""),
            "tone": "warn" if t.overdue_amount else None,
        }
        for t in totals
    ]
    kept = f"&side={side}" if side else ""
    return visit.show(
        "settlement/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tiles=tiles,
        tabs=[(key, words, f"/settlement?state={key}{kept}", None) for key, words in TABS], tab=tab,
        amount=lambda r: Money(r.amount, r.currency), may_mark=visit.actor.may("settlement.mark"),
        done=DONE.get(visit.asked("done")), mine=lambda r: _mine(r, visit.actor),
    )  # fmt: skip


DONE: Final = {
    "marked": ("Marked as settled.", "The line is settled once the other side has marked it too."),
    "settled": ("Settled.", "Both sides have marked the line."),
}


def _mine(row: SettlementRow, actor: Actor) -> bool:
    """Whether the line waits for this company's own mark."""
    side = "payer" if row.payer_id == actor.company_id else "payee"
    return side in row.waiting_for


def _csv_row(r: SettlementRow) -> list[object]:
    return [
        r.reference, r.payer, r.payee, r.cause_reference, r.agreement or "", r.number, r.description, r.quantity, r.uom,
        price_cell(r.unit_price, r.currency), amount_cell(r.amount, r.currency), r.currency, r.due_on.isoformat(),
        r.payer_marked_at.isoformat(timespec="seconds") if r.payer_marked_at else "",
        r.payee_marked_at.isoformat(timespec="seconds") if r.payee_marked_at else "", r.words,
    ]  # fmt: skip


async def _mark_page(visit: Visit, line_id: UUID, form: Form) -> Response:
    row = await queries.settlement_line(visit.session, line_id)
    return visit.show(
        "settlement/mark.html", row=row, form=form, amount=Money(row.amount, row.currency),
        paying=row.payer_id == visit.actor.company_id, last=len(row.waiting_for) == 1,
    )  # fmt: skip


@router.get("/{line_id}/mark")
async def mark_page(visit: Marks, line_id: UUID) -> Response:
    """What marking does, before it does it."""
    return await _mark_page(visit, line_id, Form())


@router.post("/{line_id}/mark")
async def mark(request: Request, line_id: UUID, sent: SentForm, now: Now) -> Response:
    """Marks the line as settled from this company's side."""

    async def act(session: WriteSession, actor: Actor) -> str:
        return "settled" if (await service.mark(session, actor, line_id, now)).settled else "marked"

    async def shown(visit: Visit, form: Form, _outcome: object = None) -> Response:
        return await _mark_page(visit, line_id, form)

    return await submit(
        request,
        sent,
        "settlement.mark",
        act,
        now=now,
        to=lambda done: f"/settlement?done={done}",
        again=shown,
        confirm=shown,
    )
