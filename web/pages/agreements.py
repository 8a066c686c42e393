"""Agreements: the list, and one with its text, schedule as it stands, signatures and history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries, service
from marketplace.agreements.books import CLASS_WORDS
from marketplace.agreements.classification import INDICATIVE
from marketplace.agreements.covered import IN_FORCE, OVER
from marketplace.agreements.deadlines import window
from marketplace.agreements.endpoints import pdf_of
from marketplace.agreements.evaluation import split
from marketplace.agreements.holds import Hold
from marketplace.agreements.on_day import days_that_matter, rights_on, rights_over
from marketplace.agreements.outcomes import Act
from marketplace.agreements.phrases import count, deadline
from marketplace.agreements.prose import summary_of_lines
from marketplace.agreements.queries import AgreementDetail, AgreementFilter, AgreementRow, retained
from marketplace.agreements.terms import Terms
from marketplace.agreements.title import kept_by, owner_words
from marketplace.db.session import ReadSession, WriteSession
from marketplace.holdings import queries as holdings
from marketplace.kit.clock import add_months, local_day
from marketplace.kit.errors import conflict, missing
from marketplace.kit.money import Money, amount_cell
from marketplace.obligations import queries as obligations
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.resales import queries as resales
from marketplace.safeguards import queries as safeguards
from marketplace.safeguards.interest_kinds import KINDS as INTEREST_KINDS
from marketplace.safeguards.queries import InterestFilter
from web.book_words import CSV_HEADER as CSV_HEADER_OF_BOOKS
from web.book_words import KINDS, shown
from web.charts import chart
from web.clauses import NAMES, html
from web.exports import csv_file, list_csv, wants_csv
from web.formats import day_words
from web.forms import Form
from web.pages.agreement_changes import can, may_renew, proposals_of
from web.pages.insolvencies import keeps
from web.pages.missing import NOTHING_MISSING, missing_under
from web.pages.notices import standing
from web.pages.values import follows
from web.session import SentForm, Visit, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/agreements", include_in_schema=False)
ReadsAgreements = Annotated[Visit, visits("agreement.read")]
Signs = Annotated[Visit, visits("agreement.sign")]

PER_PAGE: Final = 50
SOON: Final = timedelta(days=90)
COLUMNS: Final = (
    Column("agreement", "Agreement"),
    Column("other", "With"),
    Column("clause", "Clause"),
    Column("units", "Units", "end"),
    Column("value", "Signed value", "end"),
    Column("until", "Right until"),
    Column("status", "Status"),
)
TABS: Final = (
    ("", "All"), ("waiting", "Waits for our signature"), ("proposed", "Changes to answer"), ("active", "Active"), ("soon", "Right ends in 90 days"),
    ("suspended", "Suspended"), ("run_off", "Run-off"), ("finishing", "Ended, something open"),
)  # fmt: skip
MOST_TOLD: Final = 20
"""So many lines are told for a chosen day."""
ACT_WORDS: Final = {Act.USE: "Use up", Act.INSTALL: "Fit", Act.SCRAP: "Scrap", Act.RESELL: "Sell on"}
CSV_HEADER: Final = (
    "Agreement", "Status", "Manufacturer", "Holder", "Clause", "Version", "Schedule date", "Right from", "Right until",
    "Lines", "Units signed", "Not accepted", "With the holder now", "Sold for, as signed", "Currency", "Manufacturer signed", "Holder signed", "Exercises",
)  # fmt: skip
EVENTS: Final = {
    "offered": ("{company} offered the agreement", "send", "info"),
    "signed": ("{company} signed", "certificate", "good"),
    "active": ("The agreement became active", "circle-check", "good"),
    "suspended": ("{company} suspended the agreement", "hand-stop", "warn"),
    "suspension_ended": ("The suspension that {company} stated ended by itself", "circle-check", "good"),
    "suspension_joined": ("{company} suspended it too, beside the other side", "hand-stop", "warn"),
    "suspension_left": ("{company} lifted its suspension; that of the other side stands", "hand-stop", "warn"),
    "resumed": ("{company} resumed the agreement", "circle-check", "good"),
    "withdrawn": ("{company} withdrew the offer", "x", None),
    "legal_hold": ("{company} set a legal hold", "gavel", "bad"),
    "legal_hold_joined": ("{company} set a legal hold of its own beside the one that stands", "gavel", "bad"),
    "legal_hold_left": ("{company} lifted its legal hold; another one stands", "gavel", "warn"),
    "notice": ("{company} gave notice", "bell", "info"),
    "change_proposed": ("{company} proposed other terms", "message-circle", "info"),
    "terms_proposed": ("{company} proposed other terms before signing", "message-circle", "info"),
    "terms_signed": ("{company} signed the last terms: both have signed", "certificate", "good"),
    "acceded": ("{company} joined the agreement", "certificate", "good"),
    "end_proposed": ("{company} proposed to end the agreement", "message-circle", "info"),
    "proposal_declined": ("{company} declined the proposal", "x", None),
    "proposal_withdrawn": ("{company} took its proposal back", "package-off", None),
    "renewed": ("{company} signed: the right was made longer", "certificate", "good"),
    "superseded": ("{company} signed: another agreement took its place", "arrows-exchange", "info"),
    "terminated": ("{company} signed: ended by both sides", "flag", "bad"),
    "ended_for_breach": ("{company} ended the agreement for breach", "flag", "bad"),
    "legal_hold_lifted": ("{company} lifted the legal hold", "gavel", "good"),
    "taken_out": ("Units were taken out: their price is owed", "package-export", "info"),
    "put_back": ("{company} corrected: units were not taken out", "history", "info"),
    "title_passed": ("Units were paid: they are the holder's", "certificate", "good"),
    "renewal": ("The right was renewed: no notice was given in time", "refresh", "good"),
    "renewal_proposed": ("{company} offered to renew it", "message-circle", "info"),
    "renewal_accepted": ("{company} signed the renewal", "certificate", "good"),
    "non_renewal": ("{company} gave notice: it is not renewed", "bell", "warn"),
    "not_renewed": ("It cannot be renewed: the law does not allow it", "gavel", "warn"),
    "insolvency": ("{company} recorded an insolvency; the legal hold before it stays", "gavel", "bad"),
    "insolvency_lifted": ("{company} lifted its record of an insolvency", "gavel", "good"),
    "expiring": ("The right ends soon", "clock", "warn"),
    "run_off": ("The right has ended", "hourglass", None),
    "closed": ("{company} closed the agreement", "lock", None),
    "notice_used": ("{company} acted on its notice", "check", None),
    "notice_agreed": ("{company} agreed to a notice", "check", "good"),
    "notice_refused": ("{company} refused a notice", "x", "bad"),
    "used_before": ("{company} reported a use from before an order", "history", "warn"),
    "shelf_life": ("The shelf life of units ends", "hourglass", "warn"),
    "shortage": ("{company} counted: units are missing", "alert-triangle", "bad"),
    "shortage_counted": ("{company} counted again: units are still missing", "alert-triangle", "warn"),
    "shortage_ended": ("{company} counted again", "circle-check", "good"),
    "units_missing": ("{company} said what became of units", "package-off", "warn"),
    "value_stated": ("{company} stated what a unit cost or is worth", "coin", None),
    "notice_withdrawn": ("{company} withdrew its notice", "package-off", None),
}


@router.get("")
async def agreements(visit: ReadsAgreements) -> Response:
    """``?status=`` a tab, ``?clause=``, ``?reference=``, ``?ends=2027-Q1`` rights that end in that quarter, ``?dated=2027-Q1``."""
    tab = visit.choice("status", {key for key, _ in TABS})
    clause = visit.choice("clause", set(NAMES)) or None
    ends, dated = _quarter(visit, "ends"), _quarter(visit, "dated")
    closes = (visit.now, visit.now + SOON) if tab == "soon" else (None, None)
    if ends:
        # The quarter that runs: of it what has not ended yet, as Home counts it.
        first, last = (datetime.combine(d, time(), UTC) for d in ends)
        closes = (max(first, visit.now, closes[0] or first), min(last, closes[1] or last))
    wanted = AgreementFilter(
        status=tab if tab in {"suspended", "run_off"} else None,
        in_force=tab in {"active", "soon"} or ends is not None,
        clause=clause,
        reference=visit.asked("reference")[:20] or None,
        closes_from=closes[0],
        closes_before=closes[1],
        dated_from=dated[0] if dated else None,
        dated_before=dated[1] if dated else None,
        waiting=tab == "waiting",
        proposed_at=visit.now if tab == "proposed" else None,
        ids=tuple(await obligations.open_run_off(visit.session, visit.actor.company_id))
        if tab == "finishing"
        else None,
    )

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[AgreementRow], str | None]:
        found = await queries.agreements(session, visit.actor, wanted, after=mark, limit=rows, secret=visit.secret)
        return found.items, found.next

    if wants_csv(visit):
        return list_csv(visit, "agreements", CSV_HEADER, page, _csv_row)
    rows, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "agreements/list.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), tab=tab,
        tabs=[(key, words, f"/agreements?status={key}" if key else "/agreements", None) for key, words in TABS],
        value=lambda r: Money(r.value, r.currency), clauses=list(NAMES.items()), names=NAMES,
        until=_until, chips=[(name, visit.asked(name), f"{words} {visit.asked(name)}") for name, words, span in (("ends", "Right ends in", ends), ("dated", "Schedule of", dated)) if span],
    )  # fmt: skip


def _quarter(visit: Visit, name: str) -> tuple[date, date] | None:
    """The first day of the quarter in a parameter (2027-Q1) and of the next one. What is none is set aside."""
    if not (text := visit.asked(name)):
        return None
    if (found := re.fullmatch(r"(20\d\d|19\d\d)-Q([1-4])", text)) is None:
        visit.set_aside(name)
        return None
    first = date(int(found[1]), int(found[2]) * 3 - 2, 1)
    return first, add_months(first, 3)


def _until(row: AgreementRow) -> date:
    """The last day of the right, where the schedule counts its days; the stored bound is exclusive."""
    return local_day(row.window_closes_at - timedelta(seconds=1), row.zone)


def _csv_row(r: AgreementRow) -> list[object]:
    return [
        r.reference, r.status, r.maker, r.holder, r.title, r.version, r.schedule_date.isoformat() if r.schedule_date else "",
        local_day(r.window_opens_at, r.zone).isoformat(), _until(r).isoformat(), r.lines, r.quantity_sold, r.not_accepted, r.remaining,
        amount_cell(r.value, r.currency), r.currency, r.maker_signed_at.isoformat(timespec="seconds") if r.maker_signed_at else "",
        r.holder_signed_at.isoformat(timespec="seconds") if r.holder_signed_at else "", r.exercises,
    ]  # fmt: skip


async def _detail(visit: Visit, agreement_id: UUID) -> dict[str, Any]:
    """What the page of an agreement and its signing page show."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    covered = await holdings.callable_facts(visit.session, [(agreement_id, line.part_id) for line in found.lines])
    undated = found.row.status == "offered" and found.row.schedule_date is None
    lines = []
    for line in found.lines:
        known = covered.get((agreement_id, line.part_id))
        if known and undated:
            known = known._replace(facts=replace(known.facts, schedule_date=local_day(visit.now, found.row.zone)))
        stands = (
            split(known.terms, known.facts, visit.now) if known and known.status in (*IN_FORCE, "suspended") else None
        )
        lines.append((line, known, stands))
    row, actor = found.row, visit.actor
    side = "maker" if row.maker_id == actor.company_id else "holder" if row.holder_id == actor.company_id else ""
    open_terms = (
        await queries.open_terms(visit.session, agreement_id, visit.now) if row.status == "offered" and side else None
    )
    told = [(line.number, known.facts) for line, known, _ in lines if known]
    span = window(found.terms, told[0][1]) if undated and told else None
    over = OVER.get(row.status)
    summary = (over,) if over else summary_of_lines(found.terms, told, found.further)
    return {
        "found": found,
        "row": row,
        "lines": lines,
        "side": side,
        "summary": summary,
        "notices": tuple(reversed(await queries.notices_now(visit.session, agreement_id, visit.now))),
        "numbers": {line.part_id: line.number for line in found.lines},
        **standing(visit),
        "may_notice": side == "holder" and row.status in IN_FORCE and actor.may("holding.act"),
        "may_resell": side == "holder"
        and row.status in IN_FORCE
        and actor.may("agreement.sign")
        and may_be_sold_on(found.clauses),
        "may_sell_back": side == "holder"
        and row.status in IN_FORCE
        and actor.may("agreement.sign")
        and may_be_sold_back(found.clauses),
        # What is signed is the last version: while other terms lie beside it, those are answered.
        "may_sign": side in row.waiting_for and actor.may("agreement.sign") and open_terms is None,
        "price": lambda line: Money(line.sale_price, row.currency),
        "undated": undated,
        "since": span.first_day if span else local_day(row.window_opens_at, row.zone),
        "until": span.last_day if span else _until(row),
        "paper": html(found.wording),
        "clause_names": NAMES,
        "followed": follows(found.clauses),
    }


TAKEN_WORDS = {
    "use": "issued to production", "install": "fitted", "resell": "sold on", "scrap": "scrapped",
    "without_leave": "gone without being taken out", "lay_too_long": "lay too long", "at_end": "bought at the end",
}  # fmt: skip
"""Why units were taken out, or count as taken out."""
MOST_TAKEN = 20
SOLD_ON: Final = {
    "asked": ("{company} asked to sell {units} on to {buyer}", "send", "info"),
    "consented": ("{company} consented: {units} may go to {buyer}", "certificate", "good"),
    "refused": ("{company} refused: {units} do not go to {buyer}", "x", "bad"),
    "acceded": ("{company} joined with an agreement of its own for {units}", "certificate", "good"),
    "shipped": ("{company} shipped {units} to {buyer}", "truck", "info"),
    "received": ("{company} received units sold on: {good}", "package-import", "good"),
    "cancelled": ("{company} called off that {units} are sold on to {buyer}", "x", None),
}
"""What happens to units that are sold on, as the agreement that they leave tells it."""


def _day(visit: Visit, today: date, began: date, ends: date) -> tuple[date, str]:
    """The day asked for (``?at=`` days after the schedule date, ``?on=`` a day), or the nearest that the right has; and where
    it is another one, why."""
    sent, asked = visit.asked("at"), visit.asked("on")
    if sent.isdecimal() and len(sent) < 6:
        return min(began + timedelta(days=int(sent)), ends), ""
    text = sent or asked
    if not text:
        return today, ""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today, f"'{text[:20]}' is no day: shown is today. Write it like {today.isoformat()}."
    if day == today or began <= day <= ends:
        return day, ""
    if day < began:
        return began, f"{day_words(day)} is before the schedule date: shown is that date."
    return ends, f"{day_words(day)} is after the right has ended: shown is the day after its end, and so it stays."


def may_be_sold_on(clauses: Sequence[Terms]) -> bool:
    """Whether every clause lets units be sold on, if only with consent."""
    return all(terms.resale != "not_allowed" for terms in clauses)


def may_be_sold_back(clauses: Sequence[Terms]) -> bool:
    """Whether a clause gives the holder a right of its own to sell units back."""
    return any(t.clause == "buy-back" and t.version == 2 and t.put_percent_bp is not None for t in clauses)


@router.get("/{agreement_id}")
async def agreement(visit: ReadsAgreements, agreement_id: UUID) -> Response:
    """One agreement: in plain words, the schedule as it stands, signatures, the text, what happened."""
    context = await _detail(visit, agreement_id)
    events = []
    for e in context["found"].events:
        title, icon, tone = EVENTS.get(e.kind, ("{company}: " + e.kind.replace("_", " "), "circle-dashed", None))
        text = e.detail.get("reason") or e.detail.get("note")
        if basis := e.detail.get("basis"):
            text = f"{text} It rests on: {basis}"
        events.append(
            {"at": e.at, "title": title.replace("{company}", e.company), "text": str(text) if text else None,
             "icon": icon, "actor": None, "tone": tone, "known_at": None}
        )  # fmt: skip
    if context["side"]:
        events = sorted(events + await _sold_on(visit, agreement_id), key=lambda e: e["at"])
    kept = await queries.agreement_books(visit.session, visit.actor, context["found"])
    ours = context["side"] == "maker"
    secured = InterestFilter(agreement_id=agreement_id)
    term = await queries.term(visit.session, agreement_id, context["row"].zone)
    return visit.show(
        "agreements/agreement.html", **context, **_on_day(visit, context), events=events, done=visit.asked("done"), kept=kept,
        changes=await proposals_of(visit, agreement_id) if context["side"] else [], may=can(context["found"], visit.actor),
        secured=await safeguards.security_interests(visit.session, visit.actor.company_id, secured, visit.now.date(), limit=MOST_TOLD)
        if ours else (),
        insolvent=next(iter(await safeguards.standing_of(visit.session, visit.actor.company_id, [context["row"].holder_id])), None)
        if ours else None,
        interest_kinds=INTEREST_KINDS, day_now=visit.now.date(), keeps=ours and keeps(visit.actor),
        still=await obligations.still_open(visit.session, agreement_id) if context["row"].status in ("run_off", "terminated") else None,
        ends_at=_ends_at(context["row"]), suspended=suspended_by(context["found"], visit.now), basis=basis_of(context["found"].holds), term=term, renewing=may_renew(context["found"], term, visit.actor, visit.now),
        **(await missing_under(visit, agreement_id) if context["side"] else NOTHING_MISSING),
        may_conclude=visit.actor.may("agreement.sign"), at=visit.now,
        seen=await holdings.confirmed_under(visit.session, agreement_id) if context["side"] else {},
        may_count=context["side"] == "holder" and visit.actor.may("holding.act"),
        may_prove=context["side"] and visit.actor.may("ledger.prove") and not visit.actor.masked,
        **await _title(visit, agreement_id, context["found"].clauses, context["row"].zone, context["row"].currency),
        near=await queries.neighbours(visit.session, agreement_id),
        **shown((kept.accepted or kept.signed) if kept else None, context["found"].law),
    )  # fmt: skip


async def _sold_on(visit: Visit, agreement_id: UUID) -> list[dict[str, Any]]:
    """What happened to units sold on from under the agreement, as its history tells it."""
    told = []
    for e in await resales.sold_on(visit.session, agreement_id):
        title, icon, tone = SOLD_ON[e.kind]
        words = title.format(
            company=e.company, buyer=e.buyer, units=f"{count(e.quantity, 'unit')} of {e.number}", good=e.good
        )
        text = (
            f"{e.reference}{f', {e.child}' if e.kind == 'acceded' and e.child else ''}{f': {e.note}' if e.note else ''}"
        )
        told.append(
            {"at": e.at, "title": words, "text": text, "icon": icon, "actor": None, "tone": tone, "known_at": None}
        )
    return told


def _ends_at(row: AgreementRow) -> str | None:
    """By when a suspension ends by itself, as the schedule counts its days."""
    return deadline(row.suspension_ends_at, row.zone) if row.suspension_ends_at else None


def suspended_by(found: AgreementDetail, now: datetime) -> str | None:
    """Who has an agreement suspended, and why each has."""
    stand = [s for s in found.suspensions if s.over_at(now) is None]
    return "; ".join(f"{s.company}: {s.reason or 'no reason stated'}" for s in stand) or found.row.status_reason


def basis_of(holds: Sequence[Hold]) -> str | None:
    """Who has an agreement under legal hold, and what each hold rests on."""
    return "; ".join(f"{h.company}: {h.basis or 'no basis named'}" for h in holds) or None


def _on_day(visit: Visit, context: Mapping[str, Any]) -> dict[str, Any]:
    """The right on a chosen day: ``?on=`` a day, or ``?at=`` so many days after the schedule date (the slider). And how it
    goes over its whole time, of the first line, as picture and table."""
    row: AgreementRow = context["row"]
    covered = [(line, known) for line, known, _ in context["lines"] if known]
    if not covered:
        return {"on_day": []}
    line, first = covered[0]
    spans = rights_over(first.clauses, first.facts)
    began, ends = first.facts.schedule_date, spans[-1].first
    most = (ends - began).days
    # The agreement's days, not the reader's: its window opens and closes by them.
    day, another = _day(visit, local_day(visit.now, row.zone), began, ends)
    return {
        "on_day": [(line, rights_on(known.clauses, known.facts, day)) for line, known in covered[:MOST_TOLD]],
        "day": day, "another_day": another, "most_told": MOST_TOLD, "acts": ACT_WORDS, "spans": spans, "drawn_line": line,
        "days": days_that_matter(first.terms, first.facts, local_day(visit.now, row.zone)),
        "slider": (min(max((day - began).days, 0), most), most), "span_ends": ends,
        "drawn_price": chart([(s.first, s.unit_price.amount if s.unit_price else None) for s in spans], steps=True, mark=day),
        "drawn_units": chart([(s.first, Decimal(s.callable)) for s in spans], steps=True, mark=day, whole=True),
    }  # fmt: skip


@router.get("/{agreement_id}/on-day")
async def on_day(visit: ReadsAgreements, agreement_id: UUID) -> Response:
    """The right on a chosen day alone, for the page to put in place while somebody moves the slider."""
    context = await _detail(visit, agreement_id)
    return visit.show("agreements/on_day.html", **context, **_on_day(visit, context))


async def _title(
    visit: Visit, agreement_id: UUID, clauses: Sequence[Terms], zone: str, currency: str
) -> dict[str, Any]:
    """Whose the units are and what was taken out of them, where the terms keep the title; nothing where they are sold."""
    words = owner_words(clauses)
    if not words:
        return {"title_words": ""}
    ends = await retained.ends(visit.session, agreement_id)
    counts, back = (local_day(at - timedelta(microseconds=1), zone) if at else None for at in ends)
    return {
        "title_words": words, "placed": kept_by(clauses) is not None,
        "whose": await retained.whose(visit.session, agreement_id),
        "taken": await retained.taken_under(visit.session, agreement_id, limit=MOST_TAKEN), "why": TAKEN_WORDS,
        "taken_price": lambda t: Money(t.unit_price * (t.quantity - t.undone), currency).rounded(),
        "counts_out": counts, "return_by": back,
    }  # fmt: skip


@router.get("/{agreement_id}/books.csv")
async def books(visit: ReadsAgreements, agreement_id: UUID) -> Response:
    """The maker's books of an agreement as a file: a row for each test. Nobody else has them."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    kept = await queries.agreement_books(visit.session, visit.actor, found)
    if kept is None:
        raise missing("agreement.no_books", "No books of yours for this agreement.")
    at = kept.recorded_at.isoformat(timespec="seconds") if kept.recorded_at else "not stored, reckoned now"
    left = {
        (line.part_id, booked.unit_class): booked.units
        for line in (kept.accepted or kept.signed).lines
        for booked in line.books.classes
    }
    rows = [
        [
            found.row.reference, line.number, booked.units,
            booked.units - left.get((line.part_id, booked.unit_class), 0), CLASS_WORDS[booked.unit_class],
            f"{line.books.unit_price.amount.normalize():f}", line.books.unit_price.currency, KINDS[booked.kind][0],
            kept.signed.rate_bp, at, number, step.reference, step.question, step.answer, INDICATIVE,
        ]
        for line in kept.signed.lines
        for booked in line.books.classes
        for number, step in enumerate(booked.classification.trace, 1)
    ]  # fmt: skip

    async def all_of_it(_session: ReadSession, _mark: str | None) -> tuple[Sequence[Sequence[object]], None]:
        return rows, None

    return csv_file(visit, f"books-{found.row.reference}", CSV_HEADER_OF_BOOKS, all_of_it)


@router.get("/{agreement_id}/paper.pdf")
async def paper(visit: ReadsAgreements, agreement_id: UUID) -> Response:
    """The agreement as PDF, for its two parties."""
    return await pdf_of(visit.session, visit.actor, agreement_id)


async def _sign_page(visit: Visit, agreement_id: UUID, form: Form) -> Response:
    context = await _detail(visit, agreement_id)
    if not context["may_sign"] and not form.bad:
        raise conflict("agreement.state", "This agreement does not wait for your signature.")
    return visit.show("agreements/sign.html", **context, form=form)


@router.get("/{agreement_id}/sign")
async def sign_page(visit: Signs, agreement_id: UUID) -> Response:
    """The text, and what signing does."""
    return await _sign_page(visit, agreement_id, Form())


@router.post("/{agreement_id}/sign")
async def sign(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Signs for the actor's company, exactly the text that was shown."""

    async def act(session: WriteSession, actor: Actor) -> str:
        text = sent.form().value("wording_sha256") or None
        return (await service.sign(session, actor, agreement_id, now, wording_sha256=text)).reference

    async def shown(visit: Visit, form: Form, _outcome: object = None) -> Response:
        return await _sign_page(visit, agreement_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=f"/agreements/{agreement_id}?done=signed", again=shown,
        confirm=shown,
    )  # fmt: skip
