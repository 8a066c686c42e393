"""Renewal: notice against it, a proposal of it, and going on for another term, by both sides or by the clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.queries import Locked, TermRow
from marketplace.agreements.service.proposing import (
    VALID_DAYS,
    Proposed,
    close_open,
    insert_proposal,
    law_of,
    tell,
    valid_until,
)
from marketplace.agreements.service.standing import note, party_lock, tell_both
from marketplace.agreements.service.term import store_terms
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.agreements.term_kinds import Renewal
from marketplace.agreements.terms import Terms, TermsV2
from marketplace.db.session import WriteSession, execute
from marketplace.kit.clock import local_day
from marketplace.kit.errors import DomainError, conflict, gone, invalid
from marketplace.parties.actor import By

LIVE: Final = frozenset({"active", "renewed", "expiring"})
_EXCLUSIVE: Final = timedelta(microseconds=1)


async def give_non_renewal(
    session: WriteSession, actor: By, agreement_id: UUID, reason: str, now: datetime, *, ends_on: date | None = None
) -> None:
    """Either side's notice that it does not want an automatic renewal: the right ends with its window. ``ends_on``: the last
    day the notice is meant for, where the sender has seen one.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.reason``, ``renewal.none`` where nothing renews by itself,
    ``renewal.noticed``, and ``renewal.late`` after the deadline, with the day until which it goes on."""
    if not reason.strip() or len(reason) > 500:
        raise invalid("agreement.reason", "Give the reason, in at most 500 characters.", field="reason")
    found = await party_lock(session, agreement_id, actor)
    if found.status not in LIVE | {"suspended"}:
        raise conflict(
            "agreement.state", f"{found.reference} is not in force; there is no renewal to give notice against."
        )
    term = await queries.term_of(session, agreement_id)
    last = last_day(term, found)
    if ends_on is not None and ends_on < last and term.renewals:
        raise gone("renewal.late", f"It has been renewed already and goes on until {phrases.day(last)}.")
    if ends_on is not None and ends_on != last:
        words = f"{found.reference} ends on {phrases.day(last)}: give that day, or none."
        raise invalid("renewal.ends_on", words, field="ends_on")
    if term.renewal != Renewal.AUTOMATIC or term.decide_by is None:
        raise conflict("renewal.none", f"{found.reference} ends by itself on {phrases.day(last)}: no notice is needed.")
    if term.non_renewal_at is not None:
        raise conflict("renewal.noticed", "Notice against the renewal was given already.")
    # While it stands still no time runs: nobody is too late.
    if now >= term.decide_by and found.status in LIVE and not found.legal_hold:
        by = phrases.deadline(term.decide_by, found.zone)
        raise gone("renewal.late", f"Notice had to be given by {by}. {found.reference} is renewed, and ends later.")
    await execute(
        session, "UPDATE agreement SET non_renewal_at = $2, non_renewal_by = $3 WHERE id = $1",
        agreement_id, now, actor.company_id,
    )  # fmt: skip
    detail = {"reason": reason.strip(), "ends_on": last}
    await note(session, agreement_id, (found.maker_id, found.holder_id), "non_renewal", actor, now, detail)
    await tell_both(
        session, found, "non_renewal", detail, f"{found.reference} is not renewed",
        f"Notice was given: the right ends on {phrases.day(last)}. Reason: {reason.strip()}",
    )  # fmt: skip


async def propose_renewal(
    session: WriteSession, actor: By, agreement_id: UUID, *, text: str, now: datetime, valid_days: int = VALID_DAYS
) -> Proposed:
    """Offers the other side to go on for another term, and signs that for the actor's company; it can be signed until the
    deadline that the terms state. Also after a notice, where both want to go on after all.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.legal_hold``, ``renewal.none``, ``renewal.automatic``,
    ``renewal.late``, ``law.blocked``, ``proposal.days``."""
    found = await party_lock(session, agreement_id, actor)
    clauses, term = await _may_renew(session, found, now)
    until = min(valid_until(now, valid_days), term.decide_by or now)
    after = await _after(session, found)
    last = last_day(term, found)
    await law_of(session, found, reached_by(clauses, term.renewals + 1), now)
    wording = (
        f"Both sides renew agreement {found.reference} (SHA-256 of its text: {found.wording_sha256.hex()}) once, as its terms "
        f"allow: the right, which ends on {phrases.day(last)}, goes on until {phrases.day(after)}. Everything else stays as it "
        f"is. It is renewed when the second of them signs this.{f' Note: {text.strip()}' if text.strip() else ''}"
    )
    digest = hashlib.sha256(wording.encode()).digest()
    answers = await close_open(session, actor, found, now)
    made = await insert_proposal(session, actor, found, "renewal", answers, wording, digest, text, now, until)
    assert made is not None  # noqa: S101 - only a reference could clash, and a renewal has none
    await tell(
        session, actor, found, made, "renewal_proposed", now, {"note": text.strip(), "to": after},
        f"{found.reference}: the other side wants to renew it",
        f"The right would go on until {phrases.day(after)}. Sign it, propose other terms, or decline.",
    )  # fmt: skip
    return Proposed(made, (), digest.hex(), until)


async def renew_agreed(session: WriteSession, actor: By, found: Locked, now: datetime) -> date:
    """Both have signed: it goes on for another term. Raises as ``propose_renewal``. Returns the new last day."""
    clauses, term = await _may_renew(session, found, now)
    await law_of(session, found, reached_by(clauses, term.renewals + 1), now)
    return await _renew(session, actor, found, term, "renewed", now)


async def renew_due(session: WriteSession, by: By, agreement_id: UUID, now: datetime) -> int:
    """The clock: an agreement that renews by itself goes on, once for each deadline that has passed without a notice. What
    the law of that day does not allow is not renewed, and both are told why. Returns how often it was renewed."""
    found = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    done = 0
    while found is not None and found.status in LIVE and not found.legal_hold:
        term = await queries.term_of(session, agreement_id)
        if (
            term.renewal != Renewal.AUTOMATIC
            or term.decide_by is None
            or term.non_renewal_at is not None
            or term.decide_by > now
        ):
            break
        clauses = (await queries.agreement_text(session, agreement_id)).clauses
        try:
            await law_of(session, found, reached_by(clauses, found.renewals + 1), term.decide_by)
        except DomainError as refusal:
            if refusal.code != "law.blocked":
                raise
            await _not_renewed(session, by, found, term, refusal.message, now)
            break
        await close_open(session, by, found, now)
        await _renew(session, by, found, term, "renewal", now)
        done += 1
        found = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    return done


def last_day(term: TermRow, found: Locked) -> date:
    """The last day of the right as it is stored."""
    return local_day(term.window_closes_at - _EXCLUSIVE, found.zone)


def reached(terms: Terms, renewals: int) -> Terms:
    """The terms as the law is asked about them: with the window that so many renewals reach, and no further one."""
    if not isinstance(terms, TermsV2):
        return terms
    months = terms.window_end_months + terms.renewal_months * renewals
    none = {"window_end_months": months, "renewal": Renewal.NONE, "renewal_months": 0, "max_renewals": 0}
    return terms.model_copy(update=none)


def reached_by(clauses: Sequence[Terms], renewals: int) -> tuple[Terms, ...]:
    """``reached``, of every clause of an agreement."""
    return tuple(reached(terms, renewals) for terms in clauses)


async def _may_renew(session: WriteSession, found: Locked, now: datetime) -> tuple[tuple[Terms, ...], TermRow]:
    if found.legal_hold:
        raise conflict("agreement.legal_hold", f"{found.reference} is under legal hold: it is not renewed meanwhile.")
    move_agreement(AgreementState(found.status), AgreementState.RENEWED)
    term = await queries.term_of(session, found.id)
    if term.renewal in (None, Renewal.NONE) or term.decide_by is None:
        raise conflict(
            "renewal.none", f"The terms of {found.reference} know no (further) renewal. Propose other terms with a longer right.",
        )  # fmt: skip
    if term.renewal == Renewal.AUTOMATIC and term.non_renewal_at is None:
        raise conflict("renewal.automatic", f"{found.reference} renews by itself; nothing has to be agreed on.")
    if now >= term.decide_by:
        by = phrases.deadline(term.decide_by, found.zone)
        raise gone("renewal.late", f"A renewal had to be agreed on by {by}. Propose other terms with a longer right.")
    return (await queries.agreement_text(session, found.id)).clauses, term


async def _after(session: WriteSession, found: Locked) -> date:
    """The last day with one more renewal."""
    end = await queries.end_of(session, found.id)
    return end.renews_until or end.last_day


async def _renew(session: WriteSession, by: By, found: Locked, term: TermRow, kind: str, now: datetime) -> date:
    move_agreement(AgreementState(found.status), AgreementState.RENEWED)
    await execute(
        session,
        "UPDATE agreement SET renewals = renewals + 1, status = 'active', non_renewal_at = NULL, non_renewal_by = NULL "
        "WHERE id = $1",
        found.id,
    )
    await store_terms(session, [found.id])
    before, stored = last_day(term, found), await queries.term_of(session, found.id)
    after = last_day(stored, found)
    words = f"The right goes on from {phrases.day(before)} until {phrases.day(after)}: renewal {stored.renewals}."
    detail: dict[str, Any] = {
        "from": before, "to": after, "renewals": stored.renewals, "decide_by": term.decide_by, "note": words,
    }  # fmt: skip
    await note(session, found.id, (found.maker_id, found.holder_id), kind, by, now, detail)
    await tell_both(session, found, kind, detail, f"{found.reference} was renewed until {phrases.day(after)}", words)
    return after


async def _not_renewed(session: WriteSession, by: By, found: Locked, term: TermRow, why: str, now: datetime) -> None:
    await execute(session, "UPDATE agreement SET decide_by = NULL WHERE id = $1", found.id)
    last = last_day(term, found)
    words = f"It is not renewed and ends on {phrases.day(last)}. {why}"
    detail = {"note": words[:1_000], "ends_on": last}
    await note(session, found.id, (found.maker_id, found.holder_id), "not_renewed", by, now, detail)
    await tell_both(
        session, found, "not_renewed", detail, f"{found.reference} cannot be renewed: the law does not allow it", words
    )
