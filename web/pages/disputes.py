"""Disputes: what one side does not accept, the thread of both, how it ends; the way back of rejected units, and freight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import conflict, forbidden, missing
from marketplace.kit.money import Money, amount_cell
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.settlement import queries, service
from marketplace.settlement.disputes import OF_UNITS, REASONS, latest
from marketplace.settlement.queries import DisputeRow, StatementRow
from marketplace.sourcing import queries as calls
from marketplace.sourcing import service as sourcing
from web.exports import list_csv, wants_csv
from web.formats import plural
from web.forms import Form
from web.money_words import sums
from web.objections import objection, proposable
from web.pages.calls import ReadsCalls, detail
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(include_in_schema=False)
ReadsDisputes = Annotated[Visit, visits("settlement.read")]
Disputes = Annotated[Visit, visits("settlement.mark")]

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("dispute", "Dispute"),
    Column("about", "About"),
    Column("other", "With"),
    Column("amount", "In dispute", "end"),
    Column("status", "State"),
    Column("opened", "Opened"),
)
TABS: Final = (
    ("", "All"), ("waiting", "Wait for our answer"), ("open", "Open"), ("agreed", "Agreed"), ("withdrawn", "Withdrawn"),
)  # fmt: skip
CSV_HEADER: Final = (
    "Dispute", "About", "Line", "Payer", "Payee", "Opened by", "Reason", "In dispute", "Currency", "Units", "State", "Agreed",
    "Units kept", "Opened", "Ended",
)  # fmt: skip
SUBJECTS: Final = {
    "line": "A line", "grade": "A lower grade", "units": "Rejected units", "condition": "The condition found",
}  # fmt: skip
EVENTS: Final = {
    "opened": ("{company} opened the dispute", "scale", "bad"),
    "said": ("{company} says", "message", None),
    "proposed": ("{company} proposes", "message-circle", "info"),
    "agreed": ("{company} agreed", "check", "good"),
    "withdrawn": ("{company} gave it up", "arrow-back-up", "good"),
    "sent_back": ("Nobody objected in time: {company} sends the units back", "truck-return", None),
    "kept": ("Nobody objected in time: {company} keeps the units for nothing", "package-import", None),
}
DONE: Final = {
    "opened": "In dispute. That part is not due until the dispute ends; the other side was told.",
    "say": "Said. The other side was told.", "propose": "Proposed. The other side was told.",
    "condition": "In dispute. What was found stays paid and due meanwhile; the other side was told.",
    "agree": "Agreed. What it comes to stands below.", "withdraw": "Given up.",
}  # fmt: skip
LABELS: Final = {
    "amount": "Amount", "offer": "Of it you would pay", "reason": "Reason", "words": "What you say", "quantity": "Units kept",
    "missing": "Missing", "note": "Note", "trip": "Which freight", "currency": "Currency", "document": "Carrier's document",
    "condition": "Condition",
}  # fmt: skip


@router.get("/settlement/disputes")
async def disputes(visit: ReadsDisputes) -> Response:
    """``?state=`` a tab."""
    state = visit.choice("state", {k for k, _ in TABS}) or None

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[DisputeRow], str | None]:
        found = await queries.disputes(session, visit.actor, state=state, after=mark, limit=rows, secret=visit.secret)
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "disputes", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "settlement/disputes.html", rows=rows, tab=state or "", sums=sums, subjects=SUBJECTS, reasons=REASONS,
        tabs=[(key, words, f"/settlement/disputes?state={key}", None) for key, words in TABS],
        view=TableView.of(visit.request, COLUMNS).with_next(following),
    )  # fmt: skip


def _csv_row(d: DisputeRow) -> list[object]:
    agreed = "" if d.agreed_amount is None else amount_cell(d.agreed_amount, d.currency)
    return [
        d.reference, d.cause_reference, d.line or "", d.payer, d.payee, d.opener, REASONS[d.reason],
        amount_cell(d.amount, d.currency), d.currency, "" if d.quantity is None else d.quantity, d.status, agreed,
        "" if d.agreed_quantity is None else d.agreed_quantity, d.created_at.isoformat(timespec="seconds"),
        d.ended_at.isoformat(timespec="seconds") if d.ended_at else "",
    ]  # fmt: skip


# -- opening one about a line ------------------------------------------------------------------------------


async def _open_page(visit: Visit, line_id: UUID, form: Form) -> Response:
    row = await queries.settlement_line(visit.session, line_id)
    if row.payer_id != visit.actor.company_id:
        raise forbidden("dispute.side", f"{row.payer} owes {row.reference} and can dispute it; you are owed it.")
    settled, known = await queries.settled_units(visit.session, line_id)
    apart = {"condition", *(OF_UNITS if settled >= (row.quantity or 0) else ())}
    reasons = [(code, words) for code, words in REASONS.items() if code not in apart]
    return visit.show(
        "settlement/dispute_open.html", row=row, settled=known, form=form, reasons=reasons, labels=LABELS,
        left=sums(row.open_amount, row.currency),
    )  # fmt: skip


@router.get("/settlement/{line_id}/dispute")
async def open_page(visit: Disputes, line_id: UUID) -> Response:
    """How much of a line is disputed, and why."""
    return await _open_page(visit, line_id, Form())


@router.post("/settlement/{line_id}/dispute")
async def open_dispute(request: Request, line_id: UUID, sent: SentForm, now: Now) -> Response:
    """Opens it."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        amount = fields.amount("amount", LABELS["amount"])
        offer = fields.amount("offer", LABELS["offer"])
        reason = fields.one_of("reason", LABELS["reason"], REASONS)
        words = fields.text("words", LABELS["words"], most=500)
        fields.check("dispute.invalid", "Nothing was disputed.")
        made = await service.dispute_line(
            session, actor, line_id, amount=amount, offer=offer, reason=reason, words=words, now=now
        )
        return made.id

    async def again(visit: Visit, form: Form) -> Response:
        return await _open_page(visit, line_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=lambda made: f"/settlement/disputes/{made}?done=opened",
        again=again,
    )  # fmt: skip


async def _condition_page(visit: Visit, line_id: UUID, form: Form) -> Response:
    row = await queries.settlement_line(visit.session, line_id)
    if row.payee_id != visit.actor.company_id:
        raise forbidden(
            "dispute.side", f"{row.payee} is owed {row.reference} and can object; you can dispute the line."
        )
    found = None
    if row.condition is not None:
        about = await queries.disputes_of_line(visit.session, line_id)
        found = objection(visit.actor, await calls.call(visit.session, row.cause_id), row, about, visit.now)
    if found is None:
        raise conflict(
            "dispute.no_condition",
            f"No condition that fetches more can be named for {row.reference}: open the line to see how it stands.",
        )
    return visit.show(
        "settlement/condition.html", row=row, form=form, labels=LABELS | {"quantity": "Units"}, units=found.units,
        conditions=found.conditions, found=found.found,
    )  # fmt: skip


@router.get("/settlement/{line_id}/condition")
async def condition_page(visit: Disputes, line_id: UUID) -> Response:
    """In which better condition the units of a line were, and what that fetches."""
    return await _condition_page(visit, line_id, Form())


@router.post("/settlement/{line_id}/condition")
async def object_to_condition(request: Request, line_id: UUID, sent: SentForm, now: Now) -> Response:
    """Opens the dispute about the condition."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        fields = sent.fields()
        condition = fields.one_of("condition", LABELS["condition"], CONDITION_WORDS)
        quantity = fields.whole("quantity", "Units", low=1)
        words = fields.text("words", LABELS["words"], most=500)
        fields.check("dispute.invalid", "Nothing was disputed.")
        row = await queries.settlement_line(session, line_id)
        return await sourcing.object_to_condition(
            session, actor, row.cause_id, line_id, condition=condition, quantity=quantity, words=words, now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _condition_page(visit, line_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=lambda made: f"/settlement/disputes/{made}?done=condition",
        again=again,
    )  # fmt: skip


# -- one dispute -------------------------------------------------------------------------------------------


def _words(d: DisputeRow, s: StatementRow) -> str | None:
    if s.amount is None:
        return s.words or None
    if s.condition is not None:
        named, units = CONDITION_WORDS[s.condition].lower(), plural(d.quantity or 0, "unit")
        return f"{units} in condition {named}, {sums(s.amount, d.currency)} more owed. {s.words}".strip()
    said = f"{sums(s.amount, d.currency)} of {sums(d.amount, d.currency)} owed"
    if s.quantity is not None and d.subject == "units":
        said = f"{s.quantity} of {d.quantity} kept, {sums(s.amount, d.currency)} owed for them"
    return f"{said}. {s.words}".strip()


async def _page(visit: Visit, dispute_id: UUID, form: Form) -> Response:
    row = await queries.dispute(visit.session, dispute_id)
    actor = visit.actor
    proposal = latest(await queries.proposals(visit.session, dispute_id), actor.company_id)
    events: list[dict[str, Any]] = []
    for s in await queries.dispute_statements(visit.session, dispute_id):
        title, icon, tone = EVENTS[s.kind]
        events.append(
            {"at": s.at, "title": title.replace("{company}", s.company), "text": _words(row, s), "icon": icon, "actor": None,
             "tone": tone, "known_at": None}
        )  # fmt: skip
    running = row.status == "open" and actor.may("settlement.mark")
    ours = actor.company_id == row.opened_by
    return visit.show(
        "settlement/dispute.html", row=row, form=form, events=events, sums=sums, reasons=REASONS, subjects=SUBJECTS, labels=LABELS,
        proposal=proposal, running=running, may_agree=running and proposal is not None, may_withdraw=running and ours,
        conditions=proposable(row), condition_words=CONDITION_WORDS,
        other=row.payee if actor.company_id == row.payer_id else row.payer, done=DONE.get(visit.asked("done")),
    )  # fmt: skip


@router.get("/settlement/disputes/{dispute_id}")
async def dispute(visit: ReadsDisputes, dispute_id: UUID) -> Response:
    """What is in dispute, what each side says, how to end it."""
    return await _page(visit, dispute_id, Form())


@router.post("/settlement/disputes/{dispute_id}/{step}")
async def act_on(request: Request, dispute_id: UUID, step: str, sent: SentForm, now: Now) -> Response:
    """say, propose, agree, withdraw."""
    if step not in {"say", "propose", "agree", "withdraw"}:
        raise missing("page.not_found", "There is no such page.")

    async def act(session: WriteSession, actor: Actor) -> str:
        row = await queries.dispute(session, dispute_id)
        fields = sent.fields()
        if step == "say":
            words = fields.text("words", LABELS["words"], most=500)
            fields.check("dispute.invalid", "Nothing was said.")
            await service.say(session, actor, dispute_id, words, now)
        elif step == "propose":
            graded = row.subject == "condition"
            amount = None if graded else fields.amount("amount", LABELS["amount"])
            condition = fields.one_of("condition", LABELS["condition"], CONDITION_WORDS) if graded else None
            units = row.subject == "units"
            quantity = fields.whole("quantity", LABELS["quantity"], low=0) if units else None
            words = fields.text("words", LABELS["words"], required=False, most=500)
            fields.check("dispute.invalid", "Nothing was proposed.")
            await service.propose(
                session, actor, dispute_id, amount=amount, quantity=quantity, words=words, now=now, condition=condition
            )
        else:
            await _end(session, actor, row, step, now)
        return step

    async def again(visit: Visit, form: Form) -> Response:
        return await _page(visit, dispute_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=lambda done: f"/settlement/disputes/{dispute_id}?done={done}",
        again=again,
    )  # fmt: skip


async def _end(session: WriteSession, actor: Actor, row: DisputeRow, step: str, now: datetime) -> None:
    if row.subject == "units":
        ends = sourcing.agree_units if step == "agree" else sourcing.accept_rejected
        await ends(session, actor, row.id, now)
    elif step == "agree":
        await service.agree(session, actor, row.id, now)
    else:
        await service.withdraw(session, actor, row.id, now)


# -- the way back ------------------------------------------------------------------------------------------


async def _back_page(visit: Visit, call_id: UUID, step: str, form: Form) -> Response:
    visit.actor.require("call.receive" if step == "send-back" else "order.receive")
    found = await detail(visit, call_id)
    return visit.show(f"calls/{step.replace('-', '_')}.html", **found, form=form, labels=LABELS)


@router.post("/calls/{call_id}/keep-rejected")
async def keep_rejected(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """Where the agreement lets the maker keep rejected units for nothing."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await sourcing.keep_rejected(session, actor, call_id, now)

    return await submit(request, sent, "call.receive", act, now=now, to=f"/calls/{call_id}?done=keep-rejected")


@router.get("/calls/{call_id}/send-back")
async def send_back_page(visit: ReadsCalls, call_id: UUID) -> Response:
    """What sending rejected units back does."""
    return await _back_page(visit, call_id, "send-back", Form())


@router.get("/calls/{call_id}/receive-back")
async def receive_back_page(visit: ReadsCalls, call_id: UUID) -> Response:
    """What receiving them again does."""
    return await _back_page(visit, call_id, "receive-back", Form())


@router.post("/calls/{call_id}/send-back")
async def send_back(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """Rejected units go back to their holder."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        consignment = fields.consignment()
        fields.check("call.invalid", "Nothing was sent.")
        await sourcing.send_back(session, actor, call_id, consignment, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _back_page(visit, call_id, "send-back", form)

    return await submit(request, sent, "call.receive", act, now=now, to=f"/calls/{call_id}?done=send-back", again=again)


@router.post("/calls/{call_id}/receive-back")
async def receive_back(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """The holder has them again."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        lost = fields.whole("missing", LABELS["missing"], low=0, empty=0)
        note = fields.text("note", LABELS["note"], required=False, most=500)
        fields.check("call.invalid", "Nothing was received.")
        await sourcing.receive_back(session, actor, call_id, missing_units=lost, note=note, now=now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _back_page(visit, call_id, "receive-back", form)

    return await submit(
        request, sent, "order.receive", act, now=now, to=f"/calls/{call_id}?done=receive-back", again=again
    )


# -- freight -----------------------------------------------------------------------------------------------


async def _freight_page(visit: Visit, call_id: UUID, form: Form) -> Response:
    visit.actor.require("settlement.mark")
    found = await detail(visit, call_id)
    back = await calls.way_back(visit.session, call_id)
    trips = [
        ("there", "Of the units to the manufacturer"),
        *([("back", "Of rejected units back to the holder")] if back else []),
    ]
    return visit.show("calls/freight.html", **found, form=form, labels=LABELS, trips=trips)


@router.get("/calls/{call_id}/freight")
async def freight_page(visit: ReadsCalls, call_id: UUID) -> Response:
    """What was paid to a carrier, by which document."""
    return await _freight_page(visit, call_id, Form())


@router.post("/calls/{call_id}/freight")
async def freight(request: Request, call_id: UUID, sent: SentForm, now: Now) -> Response:
    """The other side owes it."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        trip = fields.one_of("trip", LABELS["trip"], ("there", "back"))
        amount = fields.amount("amount", LABELS["amount"])
        currency = fields.text("currency", LABELS["currency"], most=3).upper()
        document = fields.text("document", LABELS["document"], most=80)
        fields.check("freight.invalid", "Nothing was recorded.")
        await sourcing.record_freight(
            session, actor, call_id, trip=trip, amount=Money(amount, currency), document=document, now=now
        )

    async def again(visit: Visit, form: Form) -> Response:
        return await _freight_page(visit, call_id, form)

    return await submit(
        request, sent, "settlement.mark", act, now=now, to=f"/calls/{call_id}?done=freight", again=again
    )
