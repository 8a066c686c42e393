"""Payments between companies: the list, one payment, recording one over several lines, agreeing to one, taking one back,
set-offs, a file of payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import DomainError, invalid, missing
from marketplace.kit.money import Money, amount_cell
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries, service
from marketplace.settlement.kinds import KIND_WORDS
from marketplace.settlement.netting import Open, net
from marketplace.settlement.queries import PaymentFilter, PaymentRow, SettlementRow
from web.errors import STATUS
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form
from web.money_words import HOW_WORDS, payment_state, payment_story, payment_title, sums
from web.session import SentForm, Visit, looking, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/settlement", include_in_schema=False)
ReadsPayments = Annotated[Visit, visits("settlement.read")]
Records = Annotated[Visit, visits("settlement.mark")]

PER_PAGE: Final = 50
MOST_CHOICES: Final = 200
"""Open lines to choose from, what is due first before the rest; the page says when there are more."""
MOST_TEXT: Final = 500_000
COLUMNS: Final = (
    Column("payment", "Payment"),
    Column("other", "With"),
    Column("amount", "Amount", "end"),
    Column("paid", "Paid on"),
    Column("for", "For lines", "end"),
    Column("state", "State"),
    Column("act", "Actions", "end", hidden_label=True),
)
TABS: Final = (
    ("", "All"), ("waiting", "Wait for our word"), ("theirs", "Wait for the other side"), ("confirmed", "Confirmed"),
    ("unallocated", "Not for a line yet"), ("reversed", "Taken back"),
)  # fmt: skip
KINDS: Final = (("payment", "Payments"), ("set_off", "Set-offs"), ("reversal", "Taking back"), ("credit", "Credits"))
CSV_HEADER: Final = (
    "Payment", "How", "Payer", "Payee", "Amount", "Currency", "For lines", "Paid on", "Bank reference", "Payer says so",
    "Payee says so", "Taken back", "Takes back", "Note", "Recorded",
)  # fmt: skip
LABELS: Final = {
    "amount": "Amount", "paid_on": "Paid on", "bank_reference": "Bank reference", "reason": "Why", "lines": "Lines",
    "other_id": "Company", "text": "File", "line_ids": "Lines",
}  # fmt: skip
DONE: Final = {
    "recorded": ("Recorded.", "The other side was told; it counts once they confirm it."),
    "confirmed": ("Confirmed.", "Both sides say so now."),
    "reversed": ("Done.", "What it comes to stands below."),
    "allocated": ("Said.", "The lines are paid by that much."),
    "proposed": ("Proposed.", "The other side was told; the set-off counts once they agree."),
    "imported": (
        "The good rows were recorded.",
        "Bad rows changed nothing. Correct them and upload the file again: what was recorded is known by its reference.",
    ),
}
EXAMPLE: Final = "reference,amount,currency,date,lines\nWIRE 4711,270.30,USD,2026-11-20,SET-7F3K2Q SET-8G4L3R"


@router.get("/payments")
async def payments(visit: ReadsPayments) -> Response:
    """``?state=`` a tab, ``?side=``, ``?kind=``, ``?other=``, ``?from=`` and ``?until=`` days of payment, ``?payment=`` a
    reference."""
    wanted = PaymentFilter(
        side=visit.choice("side", {"payer", "payee"}) or None, state=visit.choice("state", {k for k, _ in TABS}) or None,
        other_id=visit.id("other"), reference=visit.asked("payment")[:140] or None,
        kind=visit.choice("kind", {k for k, _ in KINDS}) or None, paid_from=visit.day("from"),
        paid_until=visit.day("until"),
    )  # fmt: skip

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[PaymentRow], str | None]:
        found = await queries.payments(session, visit.actor, wanted, after=mark, limit=rows, secret=visit.secret)
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "payments", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, COLUMNS).with_next(following)
    kept = [(k, v) for k, v in view.query if k != "state"]
    return visit.show(
        "settlement/payments.html", rows=rows, view=view, tab=wanted.state or "", sums=sums,
        tabs=[(key, words, f"/settlement/payments?{urlencode([('state', key), *kept])}", None) for key, words in TABS],
        kinds=KINDS, how_words=HOW_WORDS, state=lambda r: payment_state(r, visit.actor),
        companies=[(str(c.id), c.name) for c in await queries.counterparties(visit.session, visit.actor.company_id)],
        may_mark=visit.actor.may("settlement.mark"), done=DONE.get(visit.asked("done")),
    )  # fmt: skip


def _csv_row(r: PaymentRow) -> list[object]:
    moments = [m.isoformat(timespec="seconds") if m else "" for m in (r.payer_at, r.payee_at, r.reversed_at)]
    return [
        r.reference, HOW_WORDS[r.how], r.payer, r.payee, amount_cell(r.amount, r.currency), r.currency,
        amount_cell(r.allocated, r.currency), r.paid_on.isoformat(), r.bank_reference, *moments, r.reverses or "", r.note,
        r.created_at.isoformat(timespec="seconds"),
    ]  # fmt: skip


# -- recording one ---------------------------------------------------------------------------------------


async def _record_page(visit: Visit, form: Form, chosen: Sequence[UUID] = ()) -> Response:
    direction = form.value("direction", visit.choice("direction", {"paid", "received"}))
    currency = form.value("currency", visit.asked("currency")).upper()[:3]
    other_id = uuid_of(form.value("other", visit.asked("other")))
    first: SettlementRow | None = None
    if chosen:
        first = (await queries.lines_by_id(visit.session, chosen)).get(chosen[0])
        if first is None:
            raise missing("settlement.not_found", "No such settlement line.")
        paying = first.payer_id == visit.actor.company_id
        direction, currency = ("paid" if paying else "received"), first.currency
        other_id = first.payee_id if paying else first.payer_id
    companies = await queries.counterparties(visit.session, visit.actor.company_id)
    names = {c.id: c.name for c in companies}
    if first is not None:
        names.setdefault(other_id or first.payer_id, first.payee if direction == "paid" else first.payer)
    ready = direction in {"paid", "received"} and other_id in names and len(currency) == 3 and currency.isalpha()
    lines: Sequence[SettlementRow] = ()
    if ready and other_id:
        lines = await _open(visit.session, visit.actor, other_id, currency, paying=direction == "paid")
    ticked = set(form.chosen("line")) or {str(i) for i in chosen}
    return visit.show(
        "settlement/record.html", form=form, ready=ready, direction=direction, currency=currency or visit.actor.currency,
        other_id=str(other_id or ""), other=names.get(other_id) if other_id else None, labels=LABELS,
        companies=[(str(i), name) for i, name in names.items()], lines=lines[:MOST_CHOICES], more=len(lines) > MOST_CHOICES,
        ticked=ticked, sums=sums, kind_words=KIND_WORDS, open_of=lambda r: r.left,
        total=sum((x.left for x in lines if str(x.id) in ticked), Decimal(0)),
    )  # fmt: skip


async def _open(
    session: ReadSession, actor: Actor, other_id: UUID, currency: str, *, paying: bool
) -> Sequence[SettlementRow]:
    pair = (actor.company_id, other_id) if paying else (other_id, actor.company_id)
    return await queries.open_lines(session, *pair, currency, limit=MOST_CHOICES + 1)


@router.get("/payments/new")
async def record_page(visit: Records) -> Response:
    """``?line=`` (several) for which lines, or ``?direction=`` paid or received, ``?other=``, ``?currency=``."""
    asked = [uuid_of(x) for x in visit.request.query_params.getlist("line")]
    return await _record_page(visit, Form(), [x for x in asked if x is not None])


def _shares(fields: Fields, form: Form) -> dict[UUID, Decimal | None]:
    """The ticked lines; an empty amount stands for all that is left of the line."""
    wanted: dict[UUID, Decimal | None] = {}
    for text in dict.fromkeys(form.chosen("line")):
        line_id = uuid_of(text)
        if line_id is None:
            continue
        name = f"amount-{line_id}"
        wanted[line_id] = fields.amount(name, "Amount for a line") if form.value(name).strip() else None
    return wanted


@router.post("/payments/new")
async def record(request: Request, sent: SentForm, now: Now) -> Response:
    """Records what was paid and for which lines."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields, form = sent.fields(), sent.form()
        other_id = fields.id("other", "Company")
        direction = fields.one_of("direction", "Paid or received", ("paid", "received"))
        currency = fields.text("currency", "Currency", most=3).upper()
        amount = fields.amount("amount", LABELS["amount"])
        day = fields.day("paid_on", LABELS["paid_on"], required=True)
        bank = fields.text("bank_reference", LABELS["bank_reference"], required=False, most=140)
        wanted = _shares(fields, form)
        fields.check("payment.invalid", "Nothing was recorded.")
        assert isinstance(day, date)  # noqa: S101 - check has refused everything else
        sides = (actor.company_id, other_id) if direction == "paid" else (other_id, actor.company_id)
        made = await service.record(
            session, actor, from_id=sides[0], to_id=sides[1], amount=Money(amount, currency), paid_on=day, wanted=wanted,
            now=now, bank_reference=bank,
        )  # fmt: skip
        return made.id

    async def again(visit: Visit, form: Form) -> Response:
        return await _record_page(visit, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=lambda made: f"/settlement/payments/{made}?done=recorded",
        again=again,
    )  # fmt: skip


# -- a file of payments ----------------------------------------------------------------------------------


def _upload(visit: Visit, form: Form, status_code: int = 200) -> Response:
    return visit.show(
        "settlement/upload.html", form=form, judged=None, text="", labels=LABELS, example=EXAMPLE,
        status_code=status_code,
    )  # fmt: skip


@router.get("/payments/upload")
async def upload_page(visit: Records) -> Response:
    """Where a CSV of payments is uploaded."""
    return _upload(visit, Form())


@router.post("/payments/upload")
async def preview(request: Request, now: Now) -> Response:
    """What would become of every row of a file; nothing is changed."""
    async with request.form(max_files=1, max_fields=10) as data:
        file, typed = data.get("file"), data.get("text")
        raw = await file.read(MOST_TEXT + 1) if isinstance(file, UploadFile) and file.filename else b""
    text = raw.decode("utf-8", errors="replace") if raw else typed if isinstance(typed, str) else ""

    async def show(visit: Visit) -> Response:
        visit.actor.require("settlement.mark")
        try:
            if not text.strip():
                raise invalid("payments.file", "Choose a file, or paste its rows.", field="text")
            if len(text) > MOST_TEXT:
                raise invalid("payments.file", f"At most {MOST_TEXT:,} characters fit.", field="text")
            judged = await service.preview(visit.session, visit.actor, text, now)
        except DomainError as error:
            return _upload(visit, Form.rejected({"text": text[:MOST_TEXT]}, error), STATUS[error.kind])
        fates = [one.fate for one in judged]
        return visit.show(
            "settlement/upload.html", form=Form(), judged=judged, text=text, labels=LABELS, example=EXAMPLE,
            counts={fate: fates.count(fate) for fate in ("good", "known", "bad")}, sums=sums,
        )  # fmt: skip

    return await looking(request, now, show)


@router.post("/payments/file")
async def record_file(request: Request, sent: SentForm, now: Now) -> Response:
    """Records the good rows of the file that was looked at."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.import_payments(session, actor, sent.form().value("text"), now)

    async def again(visit: Visit, form: Form) -> Response:
        return _upload(visit, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to="/settlement/payments?done=imported", again=again
    )


# -- one payment -----------------------------------------------------------------------------------------


async def _page(visit: Visit, payment_id: UUID, form: Form) -> Response:
    row = await queries.payment(visit.session, payment_id)
    actor = visit.actor
    may = actor.may("settlement.mark")
    back = await queries.reversal_of(visit.session, payment_id)
    lines: Sequence[SettlementRow] = ()
    if may and row.left > 0 and row.how != "set_off" and actor.company_id in (row.from_id, row.company_id):
        lines = await queries.open_lines(visit.session, row.from_id, row.to_id, row.currency, limit=MOST_CHOICES + 1)
    ours = row.company_id == actor.company_id
    waits = row.waits_for(actor.company_id)
    return visit.show(
        "settlement/payment.html", row=row, form=form, sums=sums, title=payment_title(row), labels=LABELS, how=HOW_WORDS[row.how],
        state=payment_state(row, actor), ours=ours, back=back, kind_words=KIND_WORDS,
        allocations=await queries.allocations_of(visit.session, row.reverses_id or payment_id),
        events=payment_story(row, back), open_of=lambda r: r.left, lines=lines[:MOST_CHOICES], more=len(lines) > MOST_CHOICES,
        may_confirm=may and waits, other=row.payee if row.from_id == actor.company_id else row.payer,
        may_reverse=may and row.reversed_at is None and row.how != "credit" and back is None
        and not (row.how == "reversal" and row.confirmed), done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.get("/payments/{payment_id}")
async def payment(visit: ReadsPayments, payment_id: UUID) -> Response:
    """Who paid whom what, who says so, which lines it pays, and what happened."""
    return await _page(visit, payment_id, Form())


@router.post("/payments/{payment_id}/{step}")
async def act_on(request: Request, payment_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """confirm, reverse, allocate."""
    if step not in {"confirm", "reverse", "allocate"}:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        if step == "confirm":
            await service.confirm(session, actor, payment_id, now)
            return "confirmed"
        fields = sent.fields()
        if step == "reverse":
            reason = fields.text("reason", LABELS["reason"], most=500)
            fields.check("payment.reason", "Nothing was changed.")
            await service.reverse(session, actor, payment_id, reason, now)
            return "reversed"
        wanted = _shares(fields, sent.form())
        fields.check("payment.invalid", "Nothing was changed.")
        await service.allocate(session, actor, payment_id, wanted, now)
        return "allocated"

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, payment_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now,
        to=lambda done: f"/settlement/payments/{payment_id}?done={done}", again=again,
    )  # fmt: skip


# -- set-off ---------------------------------------------------------------------------------------------


async def _set_off_page(visit: Visit, form: Form, outcome: Mapping[str, str] | None = None) -> Response:
    other_id = uuid_of(form.value("other", visit.asked("other")))
    currency = form.value("currency", visit.asked("currency")).upper()[:3]
    names = {c.id: c.name for c in await queries.counterparties(visit.session, visit.actor.company_id)}
    if other_id not in names or not (len(currency) == 3 and currency.isalpha()):
        raise missing("payment.other", "Choose the company and the currency from the balances.")
    both = [await _open(visit.session, visit.actor, other_id, currency, paying=paying) for paying in (True, False)]
    sides = [[x for x in lines if free(x) > 0] for lines in both]
    ours, theirs = ([Open(x.id, x.due_on, free(x)) for x in side] for side in sides)
    amount, _ = net(ours, theirs)
    return visit.show(
        "settlement/set_off.html", form=form, other_id=str(other_id), other=names[other_id], currency=currency,
        ours=sides[0][:MOST_CHOICES], theirs=sides[1][:MOST_CHOICES], more=any(len(x) > MOST_CHOICES for x in both), sums=sums,
        free=free, amount=amount, outcome=outcome, money_of=lambda text, code: str(sums(Decimal(text), code)), ticked=form.chosen("line"), kind_words=KIND_WORDS, labels=LABELS,
    )  # fmt: skip


def free(line: SettlementRow) -> Decimal:
    """What of a line is neither paid, nor said to be, nor in dispute."""
    return min(line.left, line.left - line.disputed)


@router.get("/set-off")
async def set_off_page(visit: Records) -> Response:
    """``?other=`` and ``?currency=``: what both owe each other, and what would be netted."""
    return await _set_off_page(visit, Form())


@router.post("/set-off")
async def set_off(request: Request, sent: SentForm, now: Now) -> Response:
    """Proposes to net the ticked lines; what that comes to is shown before it is proposed."""

    async def act(session: WriteSession, actor: Actor) -> dict[str, str]:
        fields, form = sent.fields(), sent.form()
        other_id = fields.id("other", "Company")
        currency = fields.text("currency", "Currency", most=3).upper()
        ids = [i for i in (uuid_of(x) for x in form.chosen("line")) if i is not None]
        if not ids:
            fields.wrong("line_ids", "Tick at least one line of either side.")
        fields.check("setoff.nothing", "Nothing was proposed.")
        made = await service.set_off(session, actor, other_id, currency, now, line_ids=ids)
        return {"id": str(made.id), "amount": f"{made.amount:f}"}

    async def again(visit: Visit, form: Form) -> Response:
        return await _set_off_page(visit, form)

    async def confirm(visit: Visit, form: Form, outcome: Mapping[str, str]) -> Response:
        return await _set_off_page(visit, form, outcome)

    return await submit(
        request, sent, "settlement.mark", act, now=now,
        to=lambda made: f"/settlement/payments/{made['id']}?done=proposed", again=again, confirm=confirm,
    )  # fmt: skip
