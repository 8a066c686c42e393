"""Legal hold: law, a sanction or a court forbids performance, set on one agreement by a side, or on all with an insolvent
holder. The units stay where and as they are until who set it lifts it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.service.restarting import restart_notices
from marketplace.agreements.service.standing import party_lock, reason_given, tell_event
from marketplace.agreements.service.suspending import end_suspensions
from marketplace.agreements.service.term import go_on
from marketplace.db.session import WriteSession, execute
from marketplace.kit.canonical import plain
from marketplace.kit.errors import conflict, forbidden, invalid
from marketplace.outbox.service import emit_each
from marketplace.parties.actor import By

MOST_BASIS: Final = 200


async def set_legal_hold(
    session: WriteSession,
    agreement_id: UUID,
    actor: By,
    held: bool,
    reason: str,
    now: datetime,
    *,
    basis: str = "",
) -> None:
    """Puts an agreement under legal hold (law, sanction, court order), or lifts it. Nothing ships while it stands. Only the side
    that set it may lift it. ``basis``: the law, order or decision that it rests on; under the second library it names one, and
    its days are added to the window.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.reason``, ``agreement.basis``,
    ``agreement.held_by_other``, ``agreement.insolvency``."""
    await party_lock(session, agreement_id, actor)
    await end_suspensions(session, actor, [agreement_id], now)
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
        await go_on(session, [agreement_id], now, insolvency=record is not None)
    detail = {"reason": reason_given(reason)}
    adds = held and bool(await queries.second_library(session, [agreement_id]))
    if held and (named := _basis(basis, required=adds)):
        detail["basis"] = named
    await execute(
        session, "UPDATE agreement SET legal_hold = $2, hold_adds_days = $3 WHERE id = $1", agreement_id, held, adds
    )
    await tell_event(session, found, "legal_hold" if held else "legal_hold_lifted", actor, now, detail)
    if not held:
        await restart_notices(session, {agreement_id: now})


def _basis(basis: str, *, required: bool) -> str:
    named = " ".join(basis.split())
    if (required and not named) or len(named) > MOST_BASIS:
        raise invalid(
            "agreement.basis",
            f"Name the law, the order or the decision that the hold rests on, in at most {MOST_BASIS} characters.",
            field="basis",
        )
    return named


async def hold_all(
    session: WriteSession, actor: By, holder_id: UUID, record: UUID, reason: str, now: datetime
) -> Sequence[queries.Living]:
    """Puts every agreement of the actor's company with an insolvent holder that is not over under legal hold, naming the
    ``record`` that does so; what is under legal hold already stays so, and its event says that the record stands. As many
    statements for thousands as for one. Returns them as they were found."""
    found = await queries.living_with_for_update(session, actor.company_id, holder_id)
    await end_suspensions(session, actor, [x.id for x in found], now)
    sides = (actor.company_id, holder_id)
    detail = {"reason": reason_given(reason), "insolvency": record}
    fresh = [x for x in found if not x.held]
    # Whether an insolvency's days lengthen the window, its own term says.
    await execute(
        session,
        "UPDATE agreement SET legal_hold = true, hold_adds_days = coalesce(terms ->> 'insolvency' = 'freeze_and_add', false) "
        "WHERE id = ANY($1::uuid[])",
        [x.id for x in fresh],
    )
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
    await end_suspensions(session, actor, [x.id for x in found], now)
    sides = (actor.company_id, holder_id)
    detail = {"reason": reason_given(reason), "insolvency": record}
    own = [x for x in found if x.held and x.held_for == record]
    await go_on(session, [x.id for x in own], now, insolvency=True)
    await execute(
        session,
        "UPDATE agreement SET legal_hold = false, hold_adds_days = false WHERE id = ANY($1::uuid[])",
        [x.id for x in own],
    )
    await _tell_each(session, own, sides, "legal_hold_lifted", actor, now, detail)
    await restart_notices(session, {x.id: now for x in own})
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
