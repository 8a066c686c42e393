"""Changing an agreement: other terms or an end, proposed and signed by one side and signed by the other; suspension, legal
hold, closing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries, service
from marketplace.agreements.changes import Difference, LineMinimum, differences_of_all, minimum_after
from marketplace.agreements.endpoints import minimums_of
from marketplace.agreements.holds import own
from marketplace.agreements.phrases import deadline
from marketplace.agreements.queries import AgreementDetail, ProposalRow, Term
from marketplace.agreements.states import AGREEMENT_TRANSITIONS, AgreementState
from marketplace.agreements.stops import AGAIN_DAYS, SUSPENSION_DAYS
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError, conflict, missing
from marketplace.orders import service as orders
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from marketplace.sourcing import service as sourcing
from web.clause_forms import ClausesForm, named_clauses
from web.clauses import html
from web.forms import Fields, Form, Value
from web.session import SentForm, Visit, submit, visits

router = APIRouter(prefix="/agreements", include_in_schema=False)
ReadsAgreements = Annotated[Visit, visits("agreement.read")]
Signs = Annotated[Visit, visits("agreement.sign")]
LABELS: Final = {
    "note": "What you say to the other side",
    "valid_days": "To be answered within",
    "reason": "Reason",
    "basis": "What it rests on",
}
KEEP: Final = "keep_"
"""Before a part's id: the field with the minimum to keep of its line."""
MOST_LINES: Final = 40
"""So many lines have a field for their minimum to keep; longer schedules are changed over the API."""
_OVER: Final = frozenset({"offered", "withdrawn", "closed", "terminated", "superseded"})


def can(found: AgreementDetail, actor: Actor) -> Mapping[str, bool]:
    """What the actor may do with an agreement as it stands: change, end, suspend, resume, close, hold, lift."""
    side = actor.company_id in (found.row.maker_id, found.row.holder_id) and actor.may("agreement.sign")
    possible = AGREEMENT_TRANSITIONS[AgreementState(found.row.status)] if side else frozenset()
    living = side and found.row.status not in _OVER
    mine = any(s.company_id == actor.company_id for s in found.suspensions)
    return {
        # Before both have signed other terms can be proposed as well; ended is an offer with its order.
        "change": AgreementState.SUPERSEDED in possible and (living or found.row.status == "offered"),
        "end": AgreementState.TERMINATED in possible and living,
        "suspend": AgreementState.SUSPENDED in possible or (side and found.row.status == "suspended" and not mine),
        # Where nobody is on record, either side ends it.
        "resume": side and found.row.status == "suspended" and (mine or not found.suspensions),
        # What was ended before its window did the clock closes.
        "close": AgreementState.CLOSED in possible and found.row.status != "terminated",
        "hold": living and all(h.company_id != actor.company_id or h.record is not None for h in found.holds),
        "lift": living and found.row.legal_hold and (own(found.holds, actor.company_id) is not None or not found.holds),
    }


def may_renew(found: AgreementDetail, term: Term, actor: Actor, now: datetime) -> Mapping[str, bool]:
    """Whether the actor may offer a renewal now, or give notice against one: renew, not_renew."""
    side = actor.company_id in (found.row.maker_id, found.row.holder_id) and actor.may("agreement.sign")
    living = side and found.row.status in service.RENEWABLE and not found.row.legal_hold
    in_time = term.stored.decide_by is not None and now < term.stored.decide_by
    by_itself = term.stored.goes_on
    return {"renew": living and in_time and not by_itself, "not_renew": living and in_time and by_itself}


Told = tuple[ProposalRow, str, tuple[Difference, ...]]
"""A proposal, its standing, and what it changes term by term."""


async def proposals_of(visit: Visit, agreement_id: UUID) -> list[Told]:
    """The proposals about an agreement, newest first."""
    rows = await queries.proposals(visit.session, visit.actor, agreement_id)
    if not rows:
        return []
    text = await queries.agreement_text(visit.session, agreement_id)
    return [
        (
            row, row.standing(visit.now),
            differences_of_all(text.clauses, row.clauses, minimums_of(text, row)) if row.terms else (),
        )
        for row in rows
    ]  # fmt: skip


async def _one(visit: Visit, agreement_id: UUID, proposal_id: UUID) -> tuple[AgreementDetail, Told]:
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    told = next((t for t in await proposals_of(visit, agreement_id) if t[0].id == proposal_id), None)
    if told is None:
        raise missing("proposal.not_found", "No such proposal.")
    return found, told


# -- proposing -----------------------------------------------------------------------------------------------


@router.get("/{agreement_id}/change")
async def change_page(visit: Signs, agreement_id: UUID) -> Response:
    """The terms as they are, to be changed; ``?answer=`` a proposal of the other side, whose terms are filled in."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    if not can(found, visit.actor)["change"]:
        raise conflict("agreement.state", "The terms of this agreement cannot be changed as it stands.")
    clauses, minimums = found.clauses, {}
    for row in await queries.proposals(visit.session, visit.actor, agreement_id):
        if str(row.id) == visit.asked("answer") and row.terms:
            clauses, minimums = row.clauses, row.minimums
    form = ClausesForm.of([(terms.clause, terms.version) for terms in clauses])
    values: dict[str, Value] = {
        **form.values([dump_terms(terms) for terms in clauses]),
        **{f"{KEEP}{x.part_id}": str(minimums.get(x.part_id, x.minimum_to_keep)) for x in found.lines[:MOST_LINES]},
        "valid_days": str(service.VALID_DAYS),
    }
    return _change_page(visit, found, Form(values))


def _change_page(visit: Visit, found: AgreementDetail, form: Form) -> Response:
    clauses = _clauses(found, form)
    lines = found.lines[:MOST_LINES]
    return visit.show(
        "agreements/change.html", form=form, found=found, row=found.row, lines=lines, keep=KEEP,
        more_lines=len(found.lines) - len(lines), clauses=clauses,
        labels=clauses.labels | LABELS | {f"{KEEP}{x.part_id}": f"Minimum to keep of {x.number}" for x in lines},
        most_days=service.MOST_VALID_DAYS, **_looked_at(found, form),
    )  # fmt: skip


def _clauses(found: AgreementDetail, form: Form) -> ClausesForm:
    return ClausesForm.sent(form, (found.terms.clause, found.terms.version))


def _read(form: Form, fields: Fields, found: AgreementDetail) -> tuple[tuple[Terms, ...], dict[UUID, int]]:
    """The terms of each clause of the form, and the minimum to keep of lines where it was changed. Raises ``form.invalid``,
    ``terms.invalid``."""
    minimums: dict[UUID, int] = {}
    for line in found.lines[:MOST_LINES]:
        name = f"{KEEP}{line.part_id}"
        keep = fields.whole(name, f"The minimum to keep of {line.number}", low=0, high=line.quantity_sold)
        if keep != line.minimum_to_keep:
            minimums[line.part_id] = keep
    return _clauses(found, form).read(fields, found.terms.use_class.value), minimums


def _looked_at(found: AgreementDetail, form: Form) -> dict[str, Any]:
    """What the form would change, or what does not fit yet."""
    try:
        clauses, minimums = _read(form, Fields(form.values), found)
    except DomainError as error:
        return {"changes": (), "unfit": [wrong.message for wrong in error.fields] or [error.message]}
    lines = [
        LineMinimum(
            line.number,
            line.minimum_to_keep,
            minimum_after(
                found.terms, clauses[0], quantity=line.quantity_sold, minimum=line.minimum_to_keep,
                stated=minimums.get(line.part_id),
            ),
        )
        for line in found.lines
    ]  # fmt: skip
    return {"changes": differences_of_all(found.clauses, clauses, lines), "unfit": []}


@router.post("/{agreement_id}/change/preview")
async def change_preview(visit: Signs, agreement_id: UUID, sent: SentForm) -> Response:
    """What would change, alone, for the page to put beside the form while somebody types."""
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    return visit.show("agreements/changes.html", **_looked_at(found, sent.form()))


@router.post("/{agreement_id}/change")
async def change(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shows what would change; once confirmed, proposes it and signs it for the company."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        note = fields.text("note", LABELS["note"], required=False, most=500)
        days = fields.whole("valid_days", LABELS["valid_days"], low=1, high=service.MOST_VALID_DAYS)
        found = await queries.agreement(session, actor, agreement_id)
        clauses, minimums = _read(sent.form(), fields, found)
        first = clauses[0]
        await service.propose_change(
            session, actor, agreement_id, clause=first.clause, version=first.version, terms=dump_terms(first),
            minimums=minimums, text=note, now=now, valid_days=days, further=named_clauses(clauses[1:]),
        )  # fmt: skip
        return "proposed"

    async def again(visit: Visit, form: Form) -> Response:
        return _change_page(visit, await queries.agreement(visit.session, visit.actor, agreement_id), form)

    async def confirm(visit: Visit, form: Form, _outcome: str) -> Response:
        found = await queries.agreement(visit.session, visit.actor, agreement_id)
        return visit.show(
            "agreements/change_confirm.html",
            form=form,
            row=found.row,
            **_looked_at(found, form),
        )

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=f"/agreements/{agreement_id}?done=proposed#changes",
        again=again, confirm=confirm,
    )  # fmt: skip


# -- answering -----------------------------------------------------------------------------------------------


@router.get("/{agreement_id}/proposals/{proposal_id}")
async def proposal_page(visit: ReadsAgreements, agreement_id: UUID, proposal_id: UUID) -> Response:
    """What is proposed, term by term, and the text that both sign; to sign, to answer with other terms, to decline."""
    return await _proposal_page(visit, agreement_id, proposal_id, Form())


async def _proposal_page(visit: Visit, agreement_id: UUID, proposal_id: UUID, form: Form) -> Response:
    found, (proposal, stands, changes) = await _one(visit, agreement_id, proposal_id)
    theirs = proposal.proposed_by != visit.actor.company_id
    may = stands == "open" and visit.actor.may("agreement.sign")
    return visit.show(
        "agreements/proposal.html", form=form, row=found.row, proposal=proposal, stands=stands, changes=changes, unfit=(),
        paper=html(proposal.wording), may_sign=may and theirs, may_take_back=may and not theirs,
        may_counter=may and theirs and can(found, visit.actor)["change"], labels=LABELS,
        other=found.row.holder if visit.actor.company_id == found.row.maker_id else found.row.maker,
    )  # fmt: skip


@router.post("/{agreement_id}/proposals/{proposal_id}")
async def answer(request: Request, agreement_id: UUID, proposal_id: UUID, sent: SentForm, now: Now) -> Response:
    """Signs the proposal, or declines it; whoever made it takes it back."""
    declines = sent.form().value("answer") == "decline"

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        if declines:
            reason = fields.text("reason", LABELS["reason"], required=False, most=500)
            await service.decline_proposal(session, actor, proposal_id, reason, now)
            return f"/agreements/{agreement_id}?done=declined#changes"
        text = sent.form().value("wording_sha256") or None
        if sent.form().value("kind") == "terms":
            done = await orders.sign_terms(session, actor, proposal_id, now, wording_sha256=text)
        else:
            done = await sourcing.sign_proposal(session, actor, proposal_id, now, wording_sha256=text)
        if done.agreement_id == agreement_id:
            return f"/agreements/{agreement_id}?done=renewed"
        return f"/agreements/{done.agreement_id or agreement_id}?done={'changed' if done.agreement_id else 'ended'}"

    async def again(visit: Visit, form: Form) -> Response:
        return await _proposal_page(visit, agreement_id, proposal_id, form)

    return await submit(request, sent, "agreement.sign", act, now=now, to=str, again=again)


# -- how it stands -------------------------------------------------------------------------------------------

ACTS: Final = ("renew", "not_renew", "end", "suspend", "resume", "hold", "lift", "close")


@router.get("/{agreement_id}/standing")
async def standing_page(visit: Signs, agreement_id: UUID) -> Response:
    """What can be done with the agreement as a whole, each with what it does."""
    return await _standing_page(visit, agreement_id, Form())


async def _standing_page(visit: Visit, agreement_id: UUID, form: Form) -> Response:
    found = await queries.agreement(visit.session, visit.actor, agreement_id)
    row = found.row
    term = await queries.term(visit.session, agreement_id, row.zone)
    return visit.show(
        "agreements/standing.html", form=form, row=row, labels=LABELS, term=term,
        second=found.terms.generation == 2, suspension_days=SUSPENSION_DAYS, again_days=AGAIN_DAYS,
        ends_at=deadline(row.suspension_ends_at, row.zone) if row.suspension_ends_at else None,
        can={**can(found, visit.actor), **may_renew(found, term, visit.actor, visit.now)},
        other=row.holder if visit.actor.company_id == row.maker_id else row.maker,
    )  # fmt: skip


@router.post("/{agreement_id}/standing")
async def standing(request: Request, agreement_id: UUID, sent: SentForm, now: Now) -> Response:
    """Proposes an end or a renewal, gives notice against one; suspends, resumes, holds, lifts or closes at once."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        what = fields.one_of("act", "what to do", ACTS)
        reason = fields.text(
            "reason", LABELS["reason"], required=what in {"end", "not_renew", "suspend", "hold", "lift"}, most=500
        )
        basis = fields.text("basis", LABELS["basis"], required=False, most=200)
        fields.check("agreement.reason", "Nothing was done.")
        if what == "end":
            await service.propose_end(session, actor, agreement_id, text=reason, now=now)
            return "end_proposed"
        if what == "renew":
            await service.propose_renewal(session, actor, agreement_id, text=reason, now=now)
            return "renewal_proposed"
        if what == "not_renew":
            ends_on = fields.day("ends_on", "Last day")
            await service.give_non_renewal(session, actor, agreement_id, reason, now, ends_on=ends_on)
            return what
        if what == "suspend":
            await service.suspend(session, agreement_id, actor, reason, now)
        elif what == "resume":
            await service.resume(session, agreement_id, actor, now)
        elif what == "close":
            await service.close_ended(session, actor, agreement_id, now)
        else:
            await service.set_legal_hold(session, agreement_id, actor, what == "hold", reason, now, basis=basis)
        return what

    async def again(visit: Visit, form: Form) -> Response:
        return await _standing_page(visit, agreement_id, form)

    return await submit(
        request, sent, "agreement.sign", act, now=now, to=lambda done: f"/agreements/{agreement_id}?done={done}",
        again=again,
    )  # fmt: skip
