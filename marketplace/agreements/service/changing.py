"""Carrying out what both sides signed: a new agreement in the old one's place, or an end, and the stock transactions that
move every unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from marketplace.agreements import phrases, queries
from marketplace.agreements.changes import only_longer
from marketplace.agreements.deadlines import window
from marketplace.agreements.queries import Locked, ProposalRow, Under
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.service.booking import keep_books
from marketplace.agreements.service.frameworks import Signed, clause_texts, frameworks_of, sign_both
from marketplace.agreements.service.proposing import (
    answer,
    close_open,
    draft_of,
    facts_of,
    law_of,
    none_kept,
    still_open,
    tell,
)
from marketplace.agreements.service.renewing import renew_agreed
from marketplace.agreements.service.standing import note, party_lock
from marketplace.agreements.service.term import let_duties_end, store_terms
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.agreements.terms import AppliesTo, dump_terms
from marketplace.agreements.title import kept_by, title_of
from marketplace.agreements.together import NamedClause, dump_further
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.errors import busy, conflict, forbidden
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import MAX_STEPS, Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import add_permits, carry_out
from marketplace.parties.actor import By, OnBehalf

_LEAVE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a second signature brought about: the agreement that holds now (the same where it was renewed), None where it
    ended; how many units moved."""

    agreement_id: UUID | None
    reference: str | None
    units: int


async def accept_proposal(
    session: WriteSession, actor: By, proposal_id: UUID, now: datetime, *, wording_sha256: str | None = None
) -> Accepted:
    """The other side's signature, which carries the proposal out. Orders back are not known here: who ends an agreement has
    ended those that have not shipped (``sourcing.service.sign_proposal``).

    Raises ``proposal.not_found``, ``proposal.own``, ``proposal.closed``, ``proposal.lapsed``, ``agreement.other_text``,
    ``proposal.kind`` for terms that are signed with an order, ``agreement.state``, ``agreement.legal_hold``,
    ``agreement.units_kept`` while units are the maker's still, ``agreement.units_busy`` while units are reserved, on the way or with the manufacturer,
    ``law.blocked``, and of a renewal what ``propose_renewal`` refuses by now.
    """
    agreement_id = await queries.agreement_of_proposal(session, actor.company_id, proposal_id)
    before = await queries.units_for_update(session, agreement_id)
    found = await party_lock(session, agreement_id, actor)
    proposal = await queries.proposal_for_update(session, actor.company_id, proposal_id)
    check_answer(proposal, actor, now, wording_sha256)
    if proposal.kind == "terms":
        raise conflict(
            "proposal.kind", "Nobody is bound yet: these terms are signed with the order that they are about."
        )
    not_held(found)
    if proposal.kind == "renewal":
        until = await renew_agreed(session, actor, found, now)
        await answer(session, proposal.id, "accepted", actor, now)
        await tell(
            session, actor, found, proposal.id, "renewal_accepted", now, {"to": until},
            f"{found.reference}: renewed by both sides", f"The right goes on until {phrases.day(until)}.",
        )  # fmt: skip
        return Accepted(found.id, found.reference, 0)
    ends = proposal.kind == "end"
    target = AgreementState.TERMINATED if ends else AgreementState.SUPERSEDED
    move_agreement(AgreementState(found.status), target)
    units = await queries.units_under(session, agreement_id)
    _at_rest(found, before, units, reserved_for="a sale" if ends else "orders")
    await title_settled(session, found, units, None if ends else proposal)
    await answer(session, proposal.id, "accepted", actor, now)
    new_id: UUID | None = None
    if not ends:
        new_id = await replace_agreement(session, actor, found, proposal, now, units=_going_over(units))
    await execute(
        session, "UPDATE agreement SET status = $2, status_reason = $3, suspension_ends_at = NULL WHERE id = $1", found.id, target.value,
        proposal.note or None if ends else None,
    )  # fmt: skip
    if ends:
        await let_duties_end(session, found.id, now)
    moved = await move_units(session, actor, found, units, new_id, proposal.id, now)
    detail: dict[str, Any] = {"proposal": proposal.id, "units": moved, "note": proposal.note}
    if new_id is not None:
        detail["replaced_by"] = proposal.reference
    await tell(
        session, actor, found, proposal.id, target.value, now, detail,
        f"{found.reference}: {'ended by both sides' if ends else f'replaced by {proposal.reference}'}",
        f"{phrases.count(moved, 'unit')} {'free of the right now' if ends else 'under the new terms now'}.",
        link=new_id or found.id,
    )  # fmt: skip
    return Accepted(new_id, proposal.reference, moved)


async def close_ended(
    session: WriteSession, actor: By, agreement_id: UUID, now: datetime, *, why: str | None = None
) -> Accepted:
    """Closes an agreement whose right has ended, by either side alone or by the clock: its units stand under no agreement any
    more. ``why`` stands with the event.
    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.units_busy``, ``agreement.units_kept``."""
    before = await queries.units_for_update(session, agreement_id)
    found = await party_lock(session, agreement_id, actor)
    if found.status == AgreementState.TERMINATED and why is None:
        raise conflict(
            "agreement.state",
            f"{found.reference} has ended already: its units are free. The clock closes it once nothing is open under it.",
        )
    move_agreement(AgreementState(found.status), AgreementState.CLOSED)
    not_held(found)
    units = await queries.units_under(session, agreement_id)
    _at_rest(found, before, units)
    await title_settled(session, found, units, None)
    await close_open(session, actor, found, now)
    await execute(session, "UPDATE agreement SET status = 'closed' WHERE id = $1", found.id)
    moved = await move_units(session, actor, found, units, None, found.id, now)
    detail = {"units": moved, "note": why} if why else {"units": moved}
    await note(session, found.id, (found.maker_id, found.holder_id), "closed", actor, now, detail)
    return Accepted(None, None, moved)


def check_answer(proposal: ProposalRow, actor: By, now: datetime, wording_sha256: str | None) -> None:
    """Whether the actor's company may sign a proposal now, and exactly this text. Raises ``proposal.own``,
    ``proposal.closed``, ``proposal.lapsed``, ``agreement.other_text``."""
    if proposal.proposed_by == actor.company_id:
        raise forbidden("proposal.own", "Your company made this proposal; the other side signs it.")
    still_open(proposal, now)
    if wording_sha256 is not None and wording_sha256.lower() != proposal.wording_sha256.hex():
        raise conflict(
            "agreement.other_text",
            "The text you saw is not the text that is proposed. Read it again, then sign.",
            field="wording_sha256",
        )


def not_held(found: Locked) -> None:
    """In an insolvency nobody else than the estate decides about the units. Raises ``agreement.legal_hold``."""
    if found.legal_hold:
        raise conflict(
            "agreement.legal_hold",
            f"{found.reference} is under legal hold: it is neither changed nor ended, and its units stay under it, until "
            "each side that set a hold has lifted it.",
        )


def _at_rest(found: Locked, before: Sequence[Under], units: Sequence[Under], reserved_for: str = "orders") -> None:
    """Units that are under way somewhere finish under the terms they set out with."""
    if not {u.lot_id for u in units} <= {u.lot_id for u in before}:
        raise busy("agreement.units_moved", "Units came under the agreement just now. Nothing was changed; try again.")
    reserved = sum(u.held for u in units)
    on_the_way = sum(u.quantity for u in units if u.place.site is None)
    away = sum(u.quantity for u in units if u.place.site is not None and u.place.holder != found.holder_id)
    words = [
        f"{phrases.count(count, 'unit')} {what}"
        for count, what in (
            (reserved, f"reserved for {reserved_for}"),
            (on_the_way, "on the way"),
            (away, "with the manufacturer, not accepted yet or rejected"),
        )
        if count
    ]
    if words:
        raise conflict(
            "agreement.units_busy",
            f"Not while units under {found.reference} are under way: {phrases.listed(words, 'and')}. Finish or cancel those "
            "orders first; the proposal stays open.",
        )


async def title_settled(
    session: WriteSession, found: Locked, units: Sequence[Under], proposal: ProposalRow | None
) -> None:
    """Units that are the maker's still stay under terms that say how they become the holder's or go back: what keeps title
    is not ended, nor changed to what keeps it otherwise, while there are such. Raises ``agreement.units_kept``."""
    if proposal is not None and proposal.terms is not None:
        before = await clauses_of_agreement(session, found.id)
        after = (proposal.terms, *proposal.further)
        if title_of(before) is title_of(after) and (kept_by(before) is None) is (kept_by(after) is None):
            return
    none_kept(found, units)


async def replace_agreement(
    session: WriteSession,
    actor: By,
    found: Locked,
    proposal: ProposalRow,
    now: datetime,
    *,
    order_id: UUID | None = None,
    units: Mapping[UUID, int] | None = None,
) -> UUID:
    """The new agreement with both signatures; lines and counters go on from where the old one's stood. ``order_id``: the
    order that goes over to it; ``units``: by part those that go over, about which its books are (None: none was delivered
    yet, so all of the schedule)."""
    assert proposal.terms is not None  # noqa: S101 - a change has terms, by a check of the table
    terms = proposal.terms
    draft = await draft_of(
        session, found, terms.clause, terms.version, dump_terms(terms), proposal.minimums,
        [NamedClause(more.clause, more.version, dump_terms(more)) for more in proposal.further],
    )  # fmt: skip
    law = await law_of(session, found, draft.clauses, now)
    published = await clause_texts(session, draft.clauses)
    frameworks = await frameworks_of(session, found.maker_id, found.holder_id, published)
    day = found.dated(now)
    span = window(terms, facts_of(draft.schedule[0], found, now))
    proposer = "maker" if proposal.proposed_by == found.maker_id else "holder"
    other = "holder" if proposer == "maker" else "maker"
    new_id: UUID = await fetch_value(
        session,
        f"INSERT INTO agreement (reference, framework_id, maker_id, holder_id, order_id, parent_id, replaces_id, clause, "
        f"version, terms, currency, use_class, zone, schedule_date, status, wording, wording_sha256, exercises, "
        f"tolled_days, exported_on, window_opens_at, window_closes_at, {proposer}_signed_by, {proposer}_signed_at, {other}_signed_by, "
        f"{other}_signed_at, created_at, further, frozen_days, renewals, non_renewal_at, non_renewal_by, storage_years, dated_by_signature) "
        "SELECT $2, $3, maker_id, holder_id, $16, parent_id, id, $4, $5, $6::jsonb, currency, use_class, zone, "
        "$17, 'active', $7, $8, exercises, tolled_days, exported_on, $9, $10, $11, $12, $13, $14, $14, $15::jsonb, frozen_days, renewals, "
        "non_renewal_at, non_renewal_by, storage_years, $18 "
        "FROM agreement WHERE id = $1 RETURNING id",
        found.id, proposal.reference, frameworks.first, terms.clause, terms.version, json.dumps(dump_terms(terms)),
        proposal.wording, proposal.wording_sha256, span.opens, span.closes, proposal.proposed_by_user,
        proposal.proposed_at, actor.user_id, now,
        dump_further(draft.clauses[1:], [text.sha256 for text in published[1:]]), order_id,
        day, found.status == AgreementState.OFFERED and found.dated_by_signature,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO agreement_line (agreement_id, part_id, maker_id, holder_id, quantity_sold, sale_price, list_price, "
        "minimum_to_keep, taken_back, taken_above, not_accepted, minimum_passed_on, bought) SELECT $2, l.part_id, l.maker_id, l.holder_id, l.quantity_sold, "
        "l.sale_price, l.list_price, k.keep, l.taken_back, CASE WHEN $5 THEN l.taken_above ELSE l.taken_back END, l.not_accepted, "
        "least(l.minimum_passed_on, k.keep), l.bought FROM agreement_line l "
        "JOIN unnest($3::uuid[], $4::int[]) AS k (part_id, keep) USING (part_id) WHERE l.agreement_id = $1",
        found.id, new_id, [line.part_id for line in draft.lines], [line.minimum_to_keep for line in draft.schedule],
        # What was taken back under a right that did not reach the minimum alone has used up none of it, also from now on.
        any(t.applies_to is AppliesTo.FLOOR for t in draft.before),
    )  # fmt: skip
    await store_terms(session, [new_id])
    # A notice that was given stands: it runs, or clears, under what holds now.
    await execute(
        session,
        "UPDATE notice n SET agreement_id = $2 FROM agreement_line l WHERE n.agreement_id = $1 AND l.agreement_id = $2 "
        "AND l.part_id = n.part_id AND n.status IN ('open', 'agreed') AND n.quantity > n.taken + n.used",
        found.id,
        new_id,
    )
    sides = (found.maker_id, found.holder_id)
    # The proposer's signature under the framework was given with its proposal, the other's is given now.
    given = {
        proposer: Signed(proposal.proposed_by_user, proposal.proposed_at), other: Signed(actor.user_id, now)
    }  # fmt: skip
    await sign_both(session, frameworks, given["maker"], given["holder"])
    booked = [
        (line.part_id, replace(sold, quantity=left, minimum_to_keep=min(sold.minimum_to_keep, left)))
        for line, sold in zip(draft.lines, draft.schedule, strict=True)
        if (left := sold.quantity if units is None else min(units.get(line.part_id, 0), sold.quantity))
    ]
    await keep_books(
        session, new_id, found.maker_id, draft.clauses, [part for part, _ in booked], [sold for _, sold in booked],
        day, now,
    )  # fmt: skip
    detail: dict[str, Any] = {"wording_sha256": proposal.wording_sha256.hex(), "law": law, "replaces": found.reference}
    units_at = await queries.where_units_went(session, found.id)
    if units_at is not None:
        detail["units_at"] = {"country": units_at.country, "subdivision": units_at.subdivision}
    await note(
        session, new_id, sides, "offered", OnBehalf(proposal.proposed_by_user, proposal.proposed_by), now, detail
    )
    renewed = proposal.kind == "change" and only_longer(draft.before[0], terms, draft.found)
    await note(
        session, new_id, sides, "renewed" if renewed else "active", actor, now,
        {"replaces": found.reference, "differences": [list(d) for d in draft.found], "schedule_date": day},
    )  # fmt: skip
    return new_id


def _going_over(units: Sequence[Under]) -> Mapping[UUID, int] | None:
    """How many units of each part stand under an agreement that is changed; None where none does, since its order has not come
    yet."""
    going: dict[UUID, int] = {}
    for u in units:
        going[u.part_id] = going.get(u.part_id, 0) + u.quantity
    return going or None


async def move_units(
    session: WriteSession,
    actor: By,
    found: Locked,
    units: Sequence[Under],
    to: UUID | None,
    cause: UUID,
    now: datetime,
) -> int:
    """Moves units from one agreement to another, or to none, by the holder's leave: they are its own. Returns how many."""
    permits = {(u.lot_id, u.position_id): uuid4() for u in units}
    if not permits:
        return 0
    async with acting_for(session, found.holder_id):
        await add_permits(
            session,
            agreement_id=found.id,
            company_id=found.holder_id,
            maker_id=found.maker_id,
            permits=[(u.lot_id, permits[u.lot_id, u.position_id], Kind.REPOINT, u.quantity) for u in units],
            expires_at=now + _LEAVE,
            reason="replaced" if to else "ended",
        )
        steps = [
            Step(
                Kind.REPOINT, u.lot_id, u.quantity, u.position_id,
                to=replace(u.place, agreement=to, beneficiary=u.place.beneficiary if to else None),
                permit=permits[u.lot_id, u.position_id],
            )
            for u in units
        ]  # fmt: skip
        for first in range(0, len(steps), MAX_STEPS):
            key = command_id("agreement.repoint", cause, first)
            chunk = tuple(steps[first : first + MAX_STEPS])
            await carry_out(session, Command(key, found.holder_id, actor.user_id, chunk, "agreement", found.id), now)
    return sum(u.quantity for u in units)
