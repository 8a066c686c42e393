"""Suspension: stated by one party for a reason, resumed by it, or ended by itself at the moment stored when it was stated. One of
each side can stand, each on its own (``suspensions``); ``suspended_by`` and ``suspension_ends_at`` are of the one that stands
longest. Its days are added to the end of the window, those of two at once only once, and no time of the agreement runs
meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.queries import Locked
from marketplace.agreements.service.restarting import restart_notices
from marketplace.agreements.service.standing import party_lock, reason_given, set_status, tell_event
from marketplace.agreements.service.term import store_terms
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.agreements.stops import AGAIN_DAYS, SUSPENSION_DAYS, last_day, suspension_ends
from marketplace.agreements.suspensions import JOINED, LEFT, Suspension, longest, standing
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.canonical import plain
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, forbidden
from marketplace.outbox.service import emit
from marketplace.parties.actor import VERBS, By
from marketplace.parties.queries import people_to_tell


async def suspend(session: WriteSession, agreement_id: UUID, actor: By, reason: str, now: datetime) -> None:
    """Suspends an agreement for a stated reason: nothing is called, moved or used until it is resumed. One of the other side may
    stand already: each lifts its own. Under the second library it ends by itself after 30 days, and the same party states
    another one 90 days after its last one ended at the earliest.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.reason``, ``agreement.suspended_lately``."""
    found = await party_lock(session, agreement_id, actor)
    await end_suspensions(session, actor, [agreement_id], now)
    found = await party_lock(session, agreement_id, actor)
    beside: Sequence[Suspension] = ()
    if found.status == AgreementState.SUSPENDED:
        beside = standing(await queries.suspension_events(session, agreement_id), now)
        if any(s.company_id == actor.company_id for s in beside):
            raise conflict("agreement.state", "Your company has suspended this agreement already.")
    else:
        move_agreement(AgreementState(found.status), AgreementState.SUSPENDED)
    ends: datetime | None = None
    if await queries.second_library(session, [agreement_id]):
        await _not_lately(session, found, actor, now)
        ends = suspension_ends(now, found.zone)
    detail: dict[str, object] = {"reason": reason_given(reason)}
    if ends is not None:
        detail["ends_at"] = ends
    if found.status == AgreementState.SUSPENDED:
        await tell_event(session, found, JOINED, actor, now, detail)
        if ends is not None and all(s.ends_at is None or s.ends_at < ends for s in beside):
            await _stands_longest(session, agreement_id, actor.company_id, ends, reason)
        return
    await set_status(session, found, "suspended", actor, now, detail, status_reason=reason)
    await execute(
        session,
        "UPDATE agreement SET suspended_on = $2, suspended_by = $3, suspension_ends_at = $4 WHERE id = $1",
        agreement_id, local_day(now, found.zone), actor.company_id, ends,
    )  # fmt: skip


async def _stands_longest(
    session: WriteSession, agreement_id: UUID, company_id: UUID, ends: datetime | None, reason: str | None
) -> None:
    await execute(
        session,
        "UPDATE agreement SET suspended_by = $2, suspension_ends_at = $3, status_reason = $4 WHERE id = $1",
        agreement_id,
        company_id,
        ends,
        reason,
    )


async def _not_lately(session: WriteSession, found: Locked, actor: By, now: datetime) -> None:
    last = await queries.last_suspension(session, found.id, actor.company_id, now)
    if last is None:
        return
    ended = last_day(last, found.zone)
    free = ended + timedelta(days=AGAIN_DAYS + 1)
    if local_day(now, found.zone) < free:
        raise conflict(
            "agreement.suspended_lately",
            f"Your company's last suspension of {found.reference} ended on {phrases.day(ended)}. It can state another one from "
            f"{phrases.day(free)} on, when {AGAIN_DAYS} days have passed.",
            possible_from=free.isoformat(),
        )


async def resume(session: WriteSession, agreement_id: UUID, actor: By, now: datetime) -> None:
    """Lifts the suspension that the actor's company stated. Where the other side's stands as well, the agreement stays suspended by
    that; else it goes on, and the days are added to the end of the window. One that has ended by itself is written down as
    ended then, whoever comes first.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.suspended_by_other``.
    """
    found = await party_lock(session, agreement_id, actor)
    if found.status != AgreementState.SUSPENDED:
        raise conflict("agreement.state", "This agreement is not suspended.")
    if await end_suspensions(session, actor, [agreement_id], now):
        return
    stand = standing(await queries.suspension_events(session, agreement_id), now)
    others = [s for s in stand if s.company_id != actor.company_id]
    if others and len(others) == len(stand):
        raise forbidden(
            "agreement.suspended_by_other", "The other side suspended this agreement; only it can resume it."
        )
    if others:
        kept = longest(others)
        await _stands_longest(session, agreement_id, kept.company_id, kept.ends_at, kept.reason)
        await tell_event(session, found, LEFT, actor, now, {})
        return
    today = local_day(now, found.zone)
    days = max((today - (found.suspended_on or today)).days, 0)
    await _over(session, [(agreement_id, days)])
    await store_terms(session, [agreement_id])
    await tell_event(session, found, "resumed", actor, now, {"days": days})
    await restart_notices(session, {agreement_id: now})


async def end_suspensions(session: WriteSession, by: By, ids: Sequence[UUID], now: datetime) -> int:
    """Of these agreements, which are locked, those whose suspension has ended by itself go on, as of the stored moment however
    late this comes: its days and the time that stood still count to there. Both sides are told. Returns how many; as many
    statements for thousands as for one, but for the mails."""
    over = await queries.overdue_suspensions(session, ids, now)
    if not over:
        return 0
    days = {x.id: (last_day(x.ended_at, x.zone) - x.suspended_on).days for x in over}
    await _over(session, list(days.items()))
    await store_terms(session, list(days))
    details = {x.id: {"days": days[x.id], "note": f"{SUSPENSION_DAYS} days after it was stated."} for x in over}
    await execute(
        session,
        "INSERT INTO agreement_event (subject_id, maker_id, holder_id, kind, detail, company_id, actor_id, at) "
        "SELECT x.id, x.maker, x.holder, 'suspension_ended', x.detail::jsonb, x.by, $1, x.at FROM unnest($2::uuid[], "
        "$3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::timestamptz[]) AS x (id, maker, holder, detail, by, at)",
        by.user_id, [x.id for x in over], [x.maker_id for x in over], [x.holder_id for x in over],
        [json.dumps(plain(details[x.id])) for x in over], [x.suspended_by for x in over], [x.ended_at for x in over],
    )  # fmt: skip
    for x in over:
        await _tell_ended(session, x, days[x.id])
    await restart_notices(session, {x.id: x.ended_at for x in over})
    return len(over)


async def end_suspension_due(session: WriteSession, by: By, agreement_id: UUID, now: datetime) -> int:
    """The clock: a suspension that has ended by itself, once. Returns how many steps it went."""
    await queries.agreements_for_update(session, [agreement_id])
    return await end_suspensions(session, by, [agreement_id], now)


async def _over(session: WriteSession, days: Sequence[tuple[UUID, int]]) -> None:
    await execute(
        session,
        "UPDATE agreement a SET status = 'active', status_reason = NULL, suspended_on = NULL, suspended_by = NULL, "
        "suspension_ends_at = NULL, tolled_days = tolled_days + n.days FROM unnest($1::uuid[], $2::int[]) AS n (id, days) "
        "WHERE a.id = n.id",
        [i for i, _ in days],
        [n for _, n in days],
    )


async def _tell_ended(session: WriteSession, ended: queries.Overdue, days: int) -> None:
    sides = (ended.maker_id, ended.holder_id)
    to: list[str] = []
    for side in sides:
        async with acting_for(session, side):
            to += await people_to_tell(session, side, sorted(VERBS["agreement.sign"][0]))
    payload: dict[str, object] = {"reference": ended.reference, "days": days, "ended_at": ended.ended_at}
    if to:
        words = (
            f"It ended by itself. {phrases.count(days, 'day')} were added to the end of the right, and deadlines go on."
        )
        subject = f"{ended.reference}: the suspension has ended"
        payload["mail"] = {"to": to, "subject": subject, "text": words, "link": f"/agreements/{ended.id}"}
    await emit(session, "agreement.suspension_ended", "agreement", ended.id, sides, payload)
