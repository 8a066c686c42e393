"""What is owed between companies under their agreements: the list with its sums, one line, what the companies owe each
other on balance."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.money import Money, amount_cell, price_cell
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries, service
from marketplace.settlement.disputes import REASONS
from marketplace.settlement.kinds import KIND_WORDS, LineKind
from marketplace.settlement.queries import BalanceRow, SettlementFilter, SettlementRow
from marketplace.settlement.states import STATE_WORDS
from marketplace.sourcing import queries as calls
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.money_words import cause_href, line_state, line_story, sums
from web.objections import objection
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/settlement", include_in_schema=False)
ReadsOwed = Annotated[Visit, visits("settlement.read")]
Marks = Annotated[Visit, visits("settlement.mark")]

PER_PAGE: Final = 50
BESIDE: Final = 5
"""Balances shown beside the list; the rest has a page of its own, and the list says so."""
COLUMNS: Final = (
    Column("line", "Line"),
    Column("other", "With"),
    Column("what", "For"),
    Column("amount", "Amount", "end"),
    Column("open", "Open", "end"),
    Column("due", "Due"),
    Column("state", "State"),
    Column("act", "Actions", "end", hidden_label=True),
)
BALANCE_COLUMNS: Final = (
    Column("other", "With"),
    Column("owed", "We owe", "end"),
    Column("owing", "We are owed", "end"),
    Column("net", "Balance", "end"),
    Column("act", "Actions", "end", hidden_label=True),
)
TABS: Final = (
    ("", "Open"), ("overdue", "Overdue"), ("part_paid", "Part paid"), ("credited", "Credited"), ("disputed", "Disputed"),
    ("half", "Said to be paid"), ("settled", "Paid"), ("all", "All"),
)  # fmt: skip
STATES: Final = {**{key: key for key, _ in TABS}, "": "open", "all": None, "due": "due", "waiting": "waiting"}
"""What ``?state=`` may say, and the filter it stands for; due and waiting have no tab and are linked to."""
CSV_HEADER: Final = (
    "Line", "Payer", "Payee", "Kind", "For", "Agreement", "Part number", "Description", "Quantity", "Unit", "Price each",
    "Amount", "Paid", "Credited", "Said to be paid", "Disputed", "Currency", "Due", "State", "Document", "Payer says all paid",
    "Payee says all paid", "Why",
)  # fmt: skip
BALANCE_HEADER: Final = (
    "Company", "Currency", "We owe", "Of which overdue", "Of which disputed", "We are owed", "Of which overdue",
    "Of which disputed", "Balance", "Open lines",
)  # fmt: skip
DONE: Final = {
    "marked": ("Recorded.", "It counts as paid once the other side confirms it."),
    "settled": ("Paid.", "Both sides say that all of it was paid."),
    "credited": ("Credited.", "The other side owes that much less."),
}


@router.get("")
async def settlement(visit: ReadsOwed) -> Response:
    """``?side=`` payer (we owe) or payee (we are owed), ``?state=`` a tab, ``?line=`` the one with this reference,
    ``?other=`` a company, ``?kind=`` what it is for, ``?until=`` due by that day."""
    tab = visit.choice("state", STATES.keys())
    wanted = SettlementFilter(
        side=visit.choice("side", {"payer", "payee"}) or None, state=STATES[tab], reference=visit.asked("line")[:20] or None,
        other_id=visit.id("other"), kind=visit.choice("kind", set(LineKind)) or None, due_until=visit.day("until"),
        today=visit.today,
    )  # fmt: skip

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[SettlementRow], str | None]:
        found = await queries.settlement_lines(
            session, visit.actor, wanted, after=mark, limit=rows, secret=visit.secret
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "settlement", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    totals = await queries.settlement_totals(visit.session, visit.actor, visit.today)
    beside = await queries.balances(
        visit.session, visit.actor, visit.today, other_id=wanted.other_id, limit=BESIDE, secret=visit.secret
    )
    tiles = [
        {
            "label": "We owe" if t.side == "payer" else "We are owed",
            "value": str(Money(t.open_amount, t.currency).rounded()),
            "href": f"/settlement?side={t.side}",
            "note": _note(t),
            "tone": "warn" if t.overdue_amount else None,
        }
        for t in totals
    ]
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    kept = [(k, v) for k, v in view.query if k != "state"]
    return visit.show(
        "settlement/list.html", rows=rows, view=view, tiles=tiles,
        tabs=[(key, words, f"/settlement?{urlencode([('state', key), *kept])}", None) for key, words in TABS], tab=tab,
        beside=beside.items, more_beside=beside.next is not None, sums=sums, state=line_state, cause=cause_href,
        companies=[(str(c.id), c.name) for c in await queries.counterparties(visit.session, visit.actor.company_id)],
        kinds=list(KIND_WORDS.items()), kind_words=KIND_WORDS, money=Money, may_mark=visit.actor.may("settlement.mark"),
        done=DONE.get(visit.asked("done")),
    )  # fmt: skip


def _note(t: queries.SettlementTotal) -> str:
    parts = [f"{t.open_lines:,} open"]
    if t.overdue_amount:
        parts.append(f"{Money(t.overdue_amount, t.currency).rounded()} overdue")
    if t.disputed_amount:
        parts.append(f"{Money(t.disputed_amount, t.currency).rounded()} disputed")
    return ", ".join(parts)


def _csv_row(r: SettlementRow) -> list[object]:
    return [
        r.reference, r.payer, r.payee, KIND_WORDS[r.kind], r.cause_reference, r.agreement or "", r.number, r.description,
        r.quantity, r.uom, price_cell(r.unit_price, r.currency), *(amount_cell(x, r.currency) for x in (r.amount, r.paid, r.credited, r.allocated, r.disputed)),
        r.currency, r.due_on.isoformat(), STATE_WORDS[r.state], r.document or "",
        r.payer_marked_at.isoformat(timespec="seconds") if r.payer_marked_at else "",
        r.payee_marked_at.isoformat(timespec="seconds") if r.payee_marked_at else "", r.words,
    ]  # fmt: skip


@router.get("/balances")
async def balances(visit: ReadsOwed) -> Response:
    """What is open with each other company, by currency, and what remains when both sides are taken together."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[BalanceRow], str | None]:
        found = await queries.balances(
            session, visit.actor, visit.today, after=mark, limit=rows, secret=visit.secret, other_id=visit.id("other")
        )
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "balances", BALANCE_HEADER, page, _balance_cells)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "settlement/balances.html", rows=rows, sums=sums, may_mark=visit.actor.may("settlement.mark"),
        view=TableView.of(visit.request, BALANCE_COLUMNS).with_next(following),
    )  # fmt: skip


def _balance_cells(r: BalanceRow) -> list[object]:
    amounts = (r.owed, r.owed_overdue, r.owed_disputed, r.owing, r.owing_overdue, r.owing_disputed, r.net)
    return [r.other, r.currency, *(amount_cell(x, r.currency) for x in amounts), r.lines]


# -- one line --------------------------------------------------------------------------------------------


async def _line_page(visit: Visit, line_id: UUID, form: Form) -> Response:
    row = await queries.settlement_line(visit.session, line_id)
    actor = visit.actor
    paying = row.payer_id == actor.company_id
    may = actor.may("settlement.mark")
    counters = await queries.counters_of(visit.session, line_id)
    disputes = await queries.disputes_of_line(visit.session, line_id)
    # Only what a condition fetches is objected to; what each fetches is kept with the order.
    graded = row.condition is not None and actor.may("call.read")
    objected = (
        objection(actor, await calls.call(visit.session, row.cause_id), row, disputes, visit.now) if graded else None
    )
    uncredited = row.amount - sum((c.amount for c in counters), Decimal(0))
    return visit.show(
        "settlement/line.html", row=row, form=form, paying=paying, sums=sums, state=line_state(row), cause=cause_href(row), money_of=lambda r: Money(r.unit_price, r.currency) if r.unit_price is not None else None,
        kind_words=KIND_WORDS, payments=await queries.line_payments(visit.session, line_id), counters=counters,
        events=line_story(row, await queries.payments_of_line(visit.session, line_id)), done=DONE.get(visit.asked("done")),
        overdue=row.overdue(visit.today), may_mark=may and mine(row, actor) and not row.disputed, may_pay=may and row.left > 0,
        disputes=disputes, reasons=REASONS, objection=objected,
        may_dispute=may and paying and not row.disputed and row.open_amount > 0 and (row.object_by is None or visit.now < row.object_by),
        uncredited=uncredited, may_credit=may and not paying and uncredited > 0 and row.counters_id is None,
        labels={"amount": "Amount", "words": "Why"},
    )  # fmt: skip


def mine(row: SettlementRow, actor: Actor) -> bool:
    """Whether the line waits for this company's own word that all of it was paid."""
    side = "payer" if row.payer_id == actor.company_id else "payee"
    return side in row.waiting_for


@router.get("/{line_id}")
async def line(visit: ReadsOwed, line_id: UUID) -> Response:
    """What is owed, why, what was paid of it, what takes part of it back, and what happened."""
    return await _line_page(visit, line_id, Form())


@router.post("/{line_id}/credit")
async def credit(request: Request, line_id: UUID, sent: SentForm, now: Now) -> Response:
    """Who is owed the line takes back part of it."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        amount = fields.amount("amount", "Amount")
        words = fields.text("words", "Why", most=500)
        fields.check("settlement.credit", "Nothing was credited.")
        await service.give_credit(session, actor, line_id, amount, words=words, now=now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _line_page(visit, line_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=f"/settlement/{line_id}?done=credited", again=again
    )


async def _mark_page(visit: Visit, line_id: UUID, form: Form) -> Response:
    row = await queries.settlement_line(visit.session, line_id)
    return visit.show(
        "settlement/mark.html", row=row, form=form, sums=sums, paying=row.payer_id == visit.actor.company_id,
        said=row.allocated - row.paid,
    )  # fmt: skip


@router.get("/{line_id}/mark")
async def mark_page(visit: Marks, line_id: UUID) -> Response:
    """What saying that all was paid does, before it does it."""
    return await _mark_page(visit, line_id, Form())


@router.post("/{line_id}/mark")
async def mark(request: Request, line_id: UUID, sent: SentForm, now: Now) -> Response:
    """Says for this company that all of the line was paid."""

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
        to=lambda done: f"/settlement/{line_id}?done={done}",
        again=shown,
        confirm=shown,
    )
