"""Changes of an agreement's standing and what they need: its lock, its events; withdrawn before it was signed; what the clock
says of its end. Suspensions and legal holds have modules of their own."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.queries import Locked
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import instant, plain
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.outbox.service import emit
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
        lift = "have lifted theirs" if still.sides > 1 else "lifts it"
        words = f"{still.reference} is under legal hold: the units stay where they are until {who} {lift}."
    else:
        lift = "have lifted theirs" if still.sides > 1 else "resumes it"
        by_itself = f", at the latest by {phrases.deadline(still.ends_at, still.zone)}" if still.ends_at else ""
        words = (
            f"{still.reference} is suspended: nothing under it is answered or shipped until {who} {lift}{by_itself}."
        )
    ends = still.ends_at if still.why == "suspended" else None
    raise conflict(
        f"agreement.{still.why}",
        f"{words} No time runs meanwhile; an order back can still be refused.",
        possible_from=None if ends is None else instant(ends),
    )


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
    await set_status(session, found, "withdrawn", actor, now, {"reason": reason_given(reason)}, status_reason=reason)


def reason_given(reason: str) -> str:
    """A reason that the other side reads. Raises ``agreement.reason``."""
    if not reason.strip() or len(reason) > 500:
        raise invalid("agreement.reason", "Give the reason, in at most 500 characters.", field="reason")
    return reason.strip()


async def set_status(
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
    """Sets the status of an agreement, which is locked, with the event of it for both."""
    await execute(
        session,
        "UPDATE agreement SET status = $2, status_reason = $3 WHERE id = $1",
        found.id,
        status,
        status_reason,
    )
    await tell_event(session, found, event or status, actor, now, detail)


async def tell_event(
    session: WriteSession, found: Locked, kind: str, actor: By, now: datetime, detail: dict[str, Any]
) -> None:
    """One event of an agreement, in its history and for both sides."""
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
    # Each day of a hold that adds its days makes the right longer: it does not end meanwhile.
    if found is None or closes is None or found.hold_adds_days:
        return steps
    if (await queries.term_of(session, agreement_id)).goes_on:
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
