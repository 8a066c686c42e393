"""Changes of an agreement's standing: withdrawn before it was signed, suspended, resumed, under legal hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.queries import Locked
from marketplace.agreements.service.restarting import restart_notices
from marketplace.agreements.service.term import go_on, store_terms
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import plain
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.outbox.service import emit, emit_each
from marketplace.parties.actor import VERBS, By
from marketplace.parties.queries import people_to_tell


async def note(
    session: WriteSession,
    subject: UUID,
    sides: tuple[UUID, UUID],
    kind: str,
    by: By,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> int:
    """Writes one event of an agreement or framework; ``sides`` are (maker, holder). Returns its number."""
    made: int = await fetch_value(
        session,
        "INSERT INTO agreement_event (subject_id, maker_id, holder_id, kind, detail, company_id, actor_id, at) "
        "VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8) RETURNING id",
        subject,
        *sides,
        kind,
        json.dumps(plain(detail or {}), ensure_ascii=False),
        by.company_id,
        by.user_id,
        now,
    )
    return made


async def party_lock(session: WriteSession, agreement_id: UUID, by: By) -> Locked:
    """The agreement, locked. Raises ``agreement.not_found`` also for companies that are no party to it."""
    found = await queries.agreement_for_update(session, agreement_id)
    if by.company_id not in (found.maker_id, found.holder_id):
        raise missing("agreement.not_found", "No such agreement.")
    return found


async def require_live(session: WriteSession, agreement_id: UUID) -> None:
    """Raises ``agreement.suspended`` or ``agreement.legal_hold`` while the agreement stands still; it does not begin to
    until this transaction ends. Asked after the lots are locked."""
    still = await queries.stands_still_for_share(session, agreement_id)
    if still is None:
        return
    who = still.by or "the side that did so"
    if still.why == "legal_hold":
        words = f"{still.reference} is under legal hold: the units stay where they are until {who} lifts it."
    else:
        words = f"{still.reference} is suspended: nothing under it is answered or shipped until {who} resumes it."
    raise conflict(f"agreement.{still.why}", f"{words} No time runs meanwhile; an order back can still be refused.")


async def withdraw(session: WriteSession, agreement_id: UUID, actor: By, reason: str, now: datetime) -> None:
    """Takes an offer back that not both have signed: its order was declined, cancelled or ran out of time.

    Raises ``agreement.not_found``, ``agreement.state`` when it is signed by both or withdrawn already.
    """
    found = await party_lock(session, agreement_id, actor)
    move_agreement(AgreementState(found.status), AgreementState.WITHDRAWN)
    # Terms that were proposed for it lapse with the order.
    await execute(
        session,
        "UPDATE agreement_proposal SET status = 'lapsed', answered_at = $2 WHERE agreement_id = $1 AND status = 'open'",
        agreement_id,
        now,
    )
    await _set(session, found, "withdrawn", actor, now, {"reason": _reason(reason)}, status_reason=reason)


async def suspend(session: WriteSession, agreement_id: UUID, actor: By, reason: str, now: datetime) -> None:
    """Suspends an agreement for a stated reason: nothing is called, moved or used until it is resumed."""
    found = await party_lock(session, agreement_id, actor)
    move_agreement(AgreementState(found.status), AgreementState.SUSPENDED)
    await execute(
        session,
        "UPDATE agreement SET suspended_on = $2, suspended_by = $3 WHERE id = $1",
        agreement_id,
        local_day(now, found.zone),
        actor.company_id,
    )
    await _set(session, found, "suspended", actor, now, {"reason": _reason(reason)}, status_reason=reason)


async def resume(session: WriteSession, agreement_id: UUID, actor: By, now: datetime) -> None:
    """Ends a suspension. Its days are added to the end of the window. Only who suspended may resume.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.suspended_by_other``.
    """
    found = await party_lock(session, agreement_id, actor)
    if found.status != AgreementState.SUSPENDED:
        raise conflict("agreement.state", "This agreement is not suspended.")
    if found.suspended_by is not None and found.suspended_by != actor.company_id:
        raise forbidden(
            "agreement.suspended_by_other", "The other side suspended this agreement; only it can resume it."
        )
    today = local_day(now, found.zone)
    days = (today - (found.suspended_on or today)).days
    await execute(
        session,
        "UPDATE agreement SET suspended_on = NULL, suspended_by = NULL, tolled_days = $2 WHERE id = $1",
        agreement_id,
        found.tolled_days + max(days, 0),
    )
    await store_terms(session, [agreement_id])
    await _set(session, found, "active", actor, now, {"days": days}, event="resumed")
    await restart_notices(session, [agreement_id], now)


async def set_legal_hold(
    session: WriteSession, agreement_id: UUID, actor: By, held: bool, reason: str, now: datetime
) -> None:
    """Puts an agreement under legal hold (insolvency, court order), or lifts it. Nothing ships while it stands.
    Only the side that set it may lift it."""
    found = await party_lock(session, agreement_id, actor)
    if found.legal_hold == held:
        raise conflict("agreement.state", "It is under legal hold already." if held else "It is not under legal hold.")
    if not held:
        setter, record, stands = await queries.hold_of(session, agreement_id)
        if setter is not None and setter != actor.company_id:
            raise forbidden("agreement.held_by_other", "The other side put it under legal hold; only it can lift it.")
        if stands and record is None:
            raise conflict(
                "agreement.insolvency",
                "The manufacturer has recorded that the holder is insolvent. This hold stood before; it can be lifted once "
                "that record is lifted.",
            )
        await go_on(session, [agreement_id], now)
    await execute(session, "UPDATE agreement SET legal_hold = $2 WHERE id = $1", agreement_id, held)
    await _tell(session, found, "legal_hold" if held else "legal_hold_lifted", actor, now, {"reason": _reason(reason)})
    if not held:
        await restart_notices(session, [agreement_id], now)


async def hold_all(
    session: WriteSession, actor: By, holder_id: UUID, record: UUID, reason: str, now: datetime
) -> Sequence[queries.Living]:
    """Puts every agreement of the actor's company with an insolvent holder that is not over under legal hold, naming the
    ``record`` that does so; what is under legal hold already stays so, and its event says that the record stands. As many
    statements for thousands as for one. Returns them as they were found."""
    found = await queries.living_with_for_update(session, actor.company_id, holder_id)
    sides = (actor.company_id, holder_id)
    detail = {"reason": _reason(reason), "insolvency": record}
    fresh = [x for x in found if not x.held]
    await execute(session, "UPDATE agreement SET legal_hold = true WHERE id = ANY($1::uuid[])", [x.id for x in fresh])
    await _tell_each(session, fresh, sides, "legal_hold", actor, now, detail)
    await _tell_each(session, [x for x in found if x.held], sides, "insolvency", actor, now, detail)
    return found


async def lift_all(
    session: WriteSession,
    actor: By,
    holder_id: UUID,
    record: UUID,
    agreements: Mapping[UUID, bool],
    reason: str,
    now: datetime,
) -> int:
    """Lifts the legal holds that a record set and that still are its own; ``agreements``: those it found, and whether they
    had been held before. Returns how many are lifted."""
    found = await queries.living_for_update(session, list(agreements))
    sides = (actor.company_id, holder_id)
    detail = {"reason": _reason(reason), "insolvency": record}
    own = [x for x in found if x.held and x.held_for == record]
    await go_on(session, [x.id for x in own], now)
    await execute(session, "UPDATE agreement SET legal_hold = false WHERE id = ANY($1::uuid[])", [x.id for x in own])
    await _tell_each(session, own, sides, "legal_hold_lifted", actor, now, detail)
    await restart_notices(session, [x.id for x in own], now)
    before = [x for x in found if agreements[x.id]]
    await _tell_each(session, before, sides, "insolvency_lifted", actor, now, detail)
    return len(own)


async def _tell_each(
    session: WriteSession,
    found: Sequence[queries.Living],
    sides: tuple[UUID, UUID],
    kind: str,
    actor: By,
    now: datetime,
    detail: dict[str, Any],
) -> None:
    if not found:
        return
    await execute(
        session,
        "INSERT INTO agreement_event (subject_id, maker_id, holder_id, kind, detail, company_id, actor_id, at) "
        "SELECT x, $2, $3, $4, $5::jsonb, $6, $7, $8 FROM unnest($1::uuid[]) AS x",
        [x.id for x in found],
        *sides,
        kind,
        json.dumps(plain(detail), ensure_ascii=False),
        actor.company_id,
        actor.user_id,
        now,
    )
    events = [(x.id, {"reference": x.reference, **detail}) for x in found]
    await emit_each(session, f"agreement.{kind}", "agreement", events, sides)


def _reason(reason: str) -> str:
    if not reason.strip() or len(reason) > 500:
        raise invalid("agreement.reason", "Give the reason, in at most 500 characters.", field="reason")
    return reason.strip()


async def _set(
    session: WriteSession,
    found: Locked,
    status: str,
    actor: By,
    now: datetime,
    detail: dict[str, Any],
    *,
    status_reason: str | None = None,
    event: str | None = None,
) -> None:
    await execute(
        session,
        "UPDATE agreement SET status = $2, status_reason = $3 WHERE id = $1",
        found.id,
        status,
        status_reason,
    )
    await _tell(session, found, event or status, actor, now, detail)


async def _tell(
    session: WriteSession, found: Locked, kind: str, actor: By, now: datetime, detail: dict[str, Any]
) -> None:
    sides = (found.maker_id, found.holder_id)
    await note(session, found.id, sides, kind, actor, now, detail)
    await emit(session, f"agreement.{kind}", "agreement", found.id, sides, {"reference": found.reference, **detail})


async def tell_both(
    session: WriteSession, found: Locked, kind: str, detail: dict[str, Any], subject: str, text: str
) -> None:
    """The event, and a mail to who may sign at both sides: what the clock does, or what both have to know of."""
    sides = (found.maker_id, found.holder_id)
    to: list[str] = []
    for side in sides:
        async with acting_for(session, side):
            to += await people_to_tell(session, side, sorted(VERBS["agreement.sign"][0]))
    payload: dict[str, Any] = {"reference": found.reference, **detail}
    if to:
        payload["mail"] = {"to": to, "subject": subject, "text": text, "link": f"/agreements/{found.id}"}
    await emit(session, f"agreement.{kind}", "agreement", found.id, sides, payload)


async def note_endings(session: WriteSession, actor: By, agreement_id: UUID, now: datetime, soon: datetime) -> int:
    """What the clock says of one agreement: that its right ends soon, or has ended. Returns how many steps it went."""
    locked = await queries.agreements_for_update(session, [agreement_id])
    found = locked.get(agreement_id)
    closes: datetime | None = await fetch_value(
        session, "SELECT window_closes_at FROM agreement WHERE id = $1", agreement_id
    )
    steps = 0
    if found is None or closes is None or (await queries.term_of(session, agreement_id)).goes_on:
        return steps
    sides = (found.maker_id, found.holder_id)
    state = AgreementState(found.status)
    for reached, target in ((closes <= soon, AgreementState.EXPIRING), (closes <= now, AgreementState.RUN_OFF)):
        if reached and state in {AgreementState.ACTIVE, AgreementState.EXPIRING} and state is not target:
            state = move_agreement(state, target)
            await note(session, agreement_id, sides, state.value, actor, now, {"closes_at": closes})
            steps += 1
    if steps:
        await execute(session, "UPDATE agreement SET status = $2 WHERE id = $1", agreement_id, state.value)
        payload = {"reference": found.reference, "closes_at": closes}
        await emit(session, f"agreement.{state.value}", "agreement", agreement_id, sides, payload)
    return steps
