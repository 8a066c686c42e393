"""Changing and ending agreements: one side proposes and signs, the other signs, counters, declines or lets it lapse.

Signed terms never change. A change is a new agreement over the same schedule that replaces the old one, and every unit
under the old one is moved to it by a stock transaction of its own; an end frees the units the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.changes import Difference, LineMinimum, differences_of_all, minimum_after
from marketplace.agreements.circumstances import lengthened
from marketplace.agreements.deadlines import window
from marketplace.agreements.facts import Facts
from marketplace.agreements.paper import ScheduleLine, check_schedule
from marketplace.agreements.queries import LineRow, Locked, ProposalRow, Under
from marketplace.agreements.service.booking import allowed
from marketplace.agreements.service.frameworks import clause_texts, frameworks_of, require_texts
from marketplace.agreements.service.offering import paper_of, particulars
from marketplace.agreements.service.standing import note, party_lock
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.agreements.terms import Terms, UseClass, dump_terms
from marketplace.agreements.together import NamedClause, dump_further, parse_clauses
from marketplace.db.session import WriteSession, acting_for, execute, fetch_one, fetch_value
from marketplace.kit.errors import busy, conflict, gone, invalid
from marketplace.kit.ids import short_reference
from marketplace.outbox.service import emit
from marketplace.parties.actor import VERBS, By
from marketplace.parties.queries import company, people_to_tell

VALID_DAYS = 30
"""How long a proposal can be answered when whoever makes it says nothing else."""
MOST_VALID_DAYS = 180
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """A change as it would be signed."""

    before: tuple[Terms, ...]
    clauses: tuple[Terms, ...]
    schedule: tuple[ScheduleLine, ...]
    lines: tuple[LineRow, ...]
    found: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal that was made: its id, what it changes (nothing where it ends the agreement), and its text's hash."""

    id: UUID
    differences: tuple[Difference, ...]
    wording_sha256: str
    valid_until: datetime


async def propose_change(
    session: WriteSession,
    actor: By,
    agreement_id: UUID,
    *,
    clause: str,
    version: int,
    terms: Mapping[str, Any],
    minimums: Mapping[UUID, int],
    text: str,
    now: datetime,
    valid_days: int = VALID_DAYS,
    further: Sequence[NamedClause] = (),
) -> Proposed:
    """Proposes other terms for an agreement in force, or for one that not both have signed yet, and signs them for the
    actor's company. ``further``: the clauses
    that are to stand beside the first, with all their terms.

    ``minimums``: by part, where a line's minimum to keep is to be another. An open proposal of the other side is
    countered by it; one of the own side is withdrawn. Raises ``agreement.not_found``, ``agreement.state``,
    ``terms.invalid``, ``terms.combination``, ``clause.not_found``, ``agreement.lines``, ``proposal.nothing``, ``proposal.premium``, ``proposal.window``, ``proposal.days``, ``law.blocked``.
    """
    found = await party_lock(session, agreement_id, actor)
    move_agreement(AgreementState(found.status), AgreementState.SUPERSEDED)
    kind = "terms" if found.status == AgreementState.OFFERED else "change"
    until = valid_until(now, valid_days)
    draft = await draft_of(session, found, clause, version, terms, minimums, further)
    await require_texts(session, further)
    if not draft.found:
        raise invalid("proposal.nothing", "These are the terms as they are. Change at least one of them.")
    if kind == "change":
        _same_premium(draft)
    span = window(draft.clauses[0], facts_of(draft.schedule[0], found, now))
    if span.closes <= now:
        raise invalid(
            "proposal.window",
            f"The right would have ended on {phrases.day(span.last_day)} already. Propose to end the agreement instead.",
            field="window_end_months",
        )
    await law_of(session, found, draft.clauses, now)
    answers = await close_open(session, actor, found, now)
    for _ in range(_ATTEMPTS):
        reference = short_reference("AGR")
        wording, digest = await _paper(session, found, draft, reference)
        made = await insert_proposal(
            session, actor, found, kind, answers, wording, digest, text, now, until,
            reference=reference, clauses=draft.clauses, minimums=minimums,
        )  # fmt: skip
        if made is not None:
            break
    else:
        raise busy("agreement.reference", "No free reference was found. Nothing was changed; try again.")
    await tell(
        session, actor, found, made, f"{kind}_proposed", now,
        {"differences": [list(d) for d in draft.found], "note": text.strip()},
        f"{found.reference}: other terms are proposed",
        "Read what would change, then sign it, propose other terms, or decline.",
    )  # fmt: skip
    return Proposed(made, draft.found, digest.hex(), until)


def _same_premium(draft: Draft) -> None:
    """The premium is paid once, for the schedule: a change adds none, and takes none back. Raises ``proposal.premium``."""
    beside = {terms.clause: terms for terms in draft.before[1:]}
    for index, terms in enumerate(draft.clauses):
        was = draft.before[0] if index == 0 else beside.get(terms.clause)
        before, after = (getattr(t, "option_premium_bp", 0) for t in (was, terms))
        if before != after:
            raise invalid(
                "proposal.premium",
                f"The premium for the right is paid once, with the schedule: a change adds none. Leave it at {phrases.percent(before)} "
                "(section 2.1), and agree on another price or on another window instead.",
                field="option_premium_bp" if index == 0 else f"{terms.clause}.option_premium_bp",
            )


async def propose_end(
    session: WriteSession, actor: By, agreement_id: UUID, *, text: str, now: datetime, valid_days: int = VALID_DAYS
) -> Proposed:
    """Proposes to end an agreement, and signs that for the actor's company. What is owed stays owed; the units become
    the holder's free of the right. Raises as ``propose_change``, ``agreement.reason`` without a word why, and
    ``agreement.units_kept`` while the holder has units that are the maker's still: nobody could sign it."""
    found = await party_lock(session, agreement_id, actor)
    move_agreement(AgreementState(found.status), AgreementState.TERMINATED)
    if not text.strip():
        raise invalid("agreement.reason", "Say why it should end: the other side reads it.", field="note")
    none_kept(found, [u for u in await queries.units_under(session, agreement_id) if u.place.holder == found.holder_id])
    until = valid_until(now, valid_days)
    wording = (
        f"Both sides end agreement {found.reference} (SHA-256 of its text: {found.wording_sha256.hex()}) by agreement, "
        "on the day on which the second of them signs this. From then on the manufacturer has no right in the units that "
        "the holder has. Orders whose units are not with a carrier by then end, in either direction, and so do notices and "
        "requests to sell units on; what was delivered or is owed by then is not touched. "
        f"Reason: {text.strip()}"
    )
    digest = hashlib.sha256(wording.encode()).digest()
    answers = await close_open(session, actor, found, now)
    made = await insert_proposal(session, actor, found, "end", answers, wording, digest, text, now, until)
    assert made is not None  # noqa: S101 - only a reference could clash, and an end has none
    await tell(
        session, actor, found, made, "end_proposed", now, {"note": text.strip()},
        f"{found.reference}: the other side wants to end it", "Sign it, propose other terms, or decline.",
    )  # fmt: skip
    return Proposed(made, (), digest.hex(), until)


async def decline_proposal(session: WriteSession, actor: By, proposal_id: UUID, reason: str, now: datetime) -> None:
    """The other side says no; whoever made it takes it back. Everything stays as it is. Raises ``proposal.not_found``,
    ``proposal.closed``, ``proposal.lapsed``, and ``agreement.reason`` where the other side gives none."""
    agreement_id = await queries.agreement_of_proposal(session, actor.company_id, proposal_id)
    found = await party_lock(session, agreement_id, actor)
    proposal = await queries.proposal_for_update(session, actor.company_id, proposal_id)
    still_open(proposal, now)
    own = proposal.proposed_by == actor.company_id
    if (not own and not reason.strip()) or len(reason) > 500:
        raise invalid("agreement.reason", "Give the reason, in at most 500 characters.", field="reason")
    status = "withdrawn" if own else "declined"
    await answer(session, proposal.id, status, actor, now, reason)
    await tell(
        session, actor, found, proposal.id, f"proposal_{status}", now, {"reason": reason.strip()},
        f"{found.reference}: the proposal was {status}", reason.strip() or "The agreement stays as it is.",
    )  # fmt: skip


def none_kept(found: Locked, units: Sequence[Under]) -> None:
    """Units that are the maker's still stay under terms that say how they become the holder's or go back. Raises
    ``agreement.units_kept``."""
    kept = sum(u.quantity for u in units if u.place.owner == found.maker_id)
    if kept:
        are = "unit is" if kept == 1 else "units are"
        raise conflict(
            "agreement.units_kept",
            f"{kept:,} {are} still the manufacturer's. Order them back, or have them paid, before {found.reference} is ended or its "
            "title changed; nothing was changed.",
        )


# -- what a proposal is made of ----------------------------------------------------------------------------


def valid_until(now: datetime, days: int) -> datetime:
    """Until when a proposal of so many days can be answered. Raises ``proposal.days``."""
    if not 1 <= days <= MOST_VALID_DAYS:
        raise invalid("proposal.days", f"A proposal stands for 1 to {MOST_VALID_DAYS} days.", field="valid_days")
    return now + timedelta(days=days)


async def draft_of(
    session: WriteSession,
    found: Locked,
    clause: str,
    version: int,
    raw: Mapping[str, Any],
    minimums: Mapping[UUID, int],
    further: Sequence[NamedClause] = (),
) -> Draft:
    """The change as it would be signed; of lines whose minimum nobody names it is the terms' where it was the terms' before,
    else the line's own."""
    clauses = parse_clauses(clause, version, raw, further)
    terms = clauses[0]
    detail = await queries.agreement_text(session, found.id)
    if terms.use_class is not UseClass.EITHER and terms.use_class.value != detail.use_class:
        raise invalid(
            "agreement.use_class", "What the units were sold for cannot change: other rules hold for what was done since.",
            field="use_class",
        )  # fmt: skip
    strange = set(minimums) - {line.part_id for line in detail.lines}
    if strange:
        raise invalid("agreement.lines", "The agreement has no line of one of these parts.", field="minimums")
    schedule: list[ScheduleLine] = []
    changed: list[LineMinimum] = []
    for line in detail.lines:
        keep = minimum_after(
            detail.terms, terms, quantity=line.quantity_sold, minimum=line.minimum_to_keep,
            stated=minimums.get(line.part_id),
        )  # fmt: skip
        schedule.append(replace(line.signed(detail.currency), minimum_to_keep=keep))
        changed.append(LineMinimum(line.number, line.minimum_to_keep, keep))
    for each in clauses:
        check_schedule(each, schedule)
    found_changes = differences_of_all(detail.clauses, clauses, changed)
    return Draft(detail.clauses, clauses, tuple(schedule), detail.lines, found_changes)


def facts_of(line: ScheduleLine, found: Locked, now: datetime) -> Facts:
    """What windows are counted from: a line as it was signed, or as it would be were it signed now."""
    return Facts(
        schedule_date=found.dated(now), zone=found.zone, sale_price=line.sale_price, quantity_sold=line.quantity,
        remaining=0, tolled_days=found.tolled_days, circumstances=lengthened(found.renewals, found.frozen_days),
    )  # fmt: skip


async def law_of(session: WriteSession, found: Locked, clauses: Sequence[Terms], now: datetime) -> list[dict[str, Any]]:
    """What the law of today says about these clauses between the two sides, where the units went and where they are now, in JSON
    types: what a move would be refused for is not signed after it either. Raises ``law.blocked``."""
    maker, holder = await company(session, found.maker_id), await company(session, found.holder_id)
    units_at = await queries.where_units_went(session, found.id)
    kept_at = await queries.where_units_are(session, found.id)
    return [finding.plain() for finding in allowed(clauses, maker, holder, units_at, now.date(), kept_at)]


async def _paper(session: WriteSession, found: Locked, draft: Draft, reference: str) -> tuple[str, bytes]:
    maker, holder = await company(session, found.maker_id), await company(session, found.holder_id)
    published = await clause_texts(session, draft.clauses)
    detail = await queries.agreement_text(session, found.id)
    framework = await frameworks_of(session, found.maker_id, found.holder_id, published)
    head = particulars(
        maker, holder, published, reference, framework.named, "as before", detail.use_class, detail.currency, found.zone,
        None if found.status == AgreementState.OFFERED and found.dated_by_signature else found.schedule_date,
    )  # fmt: skip
    head["Order"] = f"the one under which {found.reference} was signed"
    if found.status == AgreementState.OFFERED:
        # Nobody is bound by what was on offer: nothing counts under it, and its order is this one's.
        head["Order"] = detail.order_named
        head["Instead of"] = (
            f"{found.reference} as it was offered (SHA-256 {found.wording_sha256.hex()}), not signed by both"
        )
        return paper_of(published, draft.clauses, head, draft.schedule)
    head["Replaces"] = (
        f"{found.reference} (SHA-256 {found.wording_sha256.hex()}) from the second signature on. Units received, used, "
        "taken back or counted before then count as they did under it; orders made before then are finished under it"
    )
    return paper_of(published, draft.clauses, head, draft.schedule)


async def insert_proposal(
    session: WriteSession,
    actor: By,
    found: Locked,
    kind: str,
    answers: UUID | None,
    wording: str,
    digest: bytes,
    text: str,
    now: datetime,
    until: datetime,
    *,
    reference: str | None = None,
    clauses: Sequence[Terms] = (),
    minimums: Mapping[UUID, int] | None = None,
) -> UUID | None:
    """The proposal's id; None where the reference is taken."""
    if len(text) > 500:
        raise invalid("agreement.reason", "Say it in at most 500 characters.", field="note")
    if reference is not None and await fetch_value(session, "SELECT id FROM agreement WHERE reference = $1", reference):
        return None
    terms = clauses[0] if clauses else None
    made: UUID | None = await fetch_value(
        session,
        "INSERT INTO agreement_proposal (agreement_id, maker_id, holder_id, kind, answers_id, reference, clause, version, "
        "terms, minimums, wording, wording_sha256, note, proposed_by, proposed_by_user, proposed_at, valid_until, status, "
        "further) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb, $11, $12, $13, $14, $15, $16, $17, 'open', "
        "$18::jsonb) "
        "ON CONFLICT (reference) DO NOTHING RETURNING id",
        found.id, found.maker_id, found.holder_id, kind, answers, reference, terms.clause if terms else None,
        terms.version if terms else None, json.dumps(dump_terms(terms)) if terms else None,
        None if minimums is None else json.dumps({str(part): keep for part, keep in minimums.items()}),
        wording, digest, text.strip(), actor.company_id, actor.user_id, now, until, dump_further(clauses[1:]),
    )  # fmt: skip
    return made


async def close_open(session: WriteSession, actor: By, found: Locked, now: datetime) -> UUID | None:
    """Ends the proposal that is open: lapsed, withdrawn by its own side, or countered. Returns what is countered. Under
    the agreement's lock, which every proposal of it takes first."""
    row = await fetch_one(
        session,
        "SELECT id, proposed_by, valid_until FROM agreement_proposal WHERE agreement_id = $1 AND status = 'open'",
        found.id,
    )
    if row is None:
        return None
    status = (
        "lapsed"
        if now >= row["valid_until"]
        else "withdrawn"
        if row["proposed_by"] == actor.company_id
        else "countered"
    )
    await answer(session, row["id"], status, actor, now)
    return row["id"] if status == "countered" else None


async def answer(
    session: WriteSession, proposal_id: UUID, status: str, actor: By, now: datetime, reason: str = ""
) -> None:
    """Ends a proposal; the caller holds the agreement's lock."""
    await execute(
        session,
        "UPDATE agreement_proposal SET status = $2, answered_by_user = $3, answered_at = $4, reason = $5 WHERE id = $1",
        proposal_id, status, actor.user_id, now, reason.strip() or None,
    )  # fmt: skip


def still_open(proposal: ProposalRow, now: datetime) -> None:
    """Raises ``proposal.closed`` or ``proposal.lapsed``."""
    standing = proposal.standing(now)
    if standing == "lapsed":
        raise gone("proposal.lapsed", "Nobody answered this proposal in time. Make a new one.")
    if standing != "open":
        raise conflict("proposal.closed", f"This proposal was {standing} already.", status=standing)


async def tell(
    session: WriteSession,
    actor: By,
    found: Locked,
    proposal_id: UUID,
    kind: str,
    now: datetime,
    detail: dict[str, Any],
    subject: str,
    text: str,
    *,
    link: UUID | None = None,
) -> None:
    """The event for both, and a mail to who may sign on the other side."""
    sides = (found.maker_id, found.holder_id)
    await note(session, found.id, sides, kind, actor, now, {"proposal": proposal_id, **detail})
    other = found.holder_id if actor.company_id == found.maker_id else found.maker_id
    async with acting_for(session, other):
        to = await people_to_tell(session, other, sorted(VERBS["agreement.sign"][0]))
    payload: dict[str, Any] = {"reference": found.reference, "proposal": proposal_id, **detail}
    if to:
        payload["mail"] = {"to": to, "subject": subject, "text": text, "link": f"/agreements/{link or found.id}"}
    await emit(session, f"agreement.{kind}", "agreement", found.id, sides, payload)
