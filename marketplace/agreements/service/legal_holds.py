"""Legal hold: law, a sanction or a court forbids performance, set on one agreement by a side, or on all with an insolvent
holder. The units stay where and as they are until every hold is lifted by who set it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.holds import JOINED, LEFT, LIFTED, SET, Hold, own, standing
from marketplace.agreements.queries import Locked
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
    """Puts an agreement under a legal hold of the actor's company (law, sanction, court order), or lifts that. Each side's hold
    stands on its own: nothing ships while either stands, and a side lifts its own. ``basis``: the law, order or decision that it
    rests on; under the second library it names one, and its days are added to the window.

    Raises ``agreement.not_found``, ``agreement.state``, ``agreement.reason``, ``agreement.basis``,
    ``agreement.held_by_other``, ``agreement.insolvency``."""
    await party_lock(session, agreement_id, actor)
    await end_suspensions(session, actor, [agreement_id], now)
    found = await party_lock(session, agreement_id, actor)
    holds = standing((await queries.hold_events(session, [agreement_id])).get(agreement_id, ()))
    if held:
        await _set(session, found, actor, holds, reason, basis, now)
    else:
        await _lift(session, found, actor, holds, reason, now)


async def _set(
    session: WriteSession, found: Locked, actor: By, holds: Sequence[Hold], reason: str, basis: str, now: datetime
) -> None:
    if any(h.company_id == actor.company_id and h.record is None for h in holds):
        raise conflict("agreement.state", "Your company has it under legal hold already.")
    detail = {"reason": reason_given(reason)}
    adds = bool(await queries.second_library(session, [found.id]))
    if named := _basis(basis, required=adds):
        detail["basis"] = named
    await execute(
        session,
        "UPDATE agreement SET legal_hold = true, hold_adds_days = hold_adds_days OR $2 WHERE id = $1",
        found.id, adds,
    )  # fmt: skip
    await tell_event(session, found, JOINED if found.legal_hold else SET, actor, now, detail)


async def _lift(
    session: WriteSession, found: Locked, actor: By, holds: Sequence[Hold], reason: str, now: datetime
) -> None:
    if not found.legal_hold:
        raise conflict("agreement.state", "It is not under legal hold.")
    lifted = own(holds, actor.company_id)
    if holds and lifted is None:
        raise forbidden("agreement.held_by_other", "The other side put it under legal hold; only it can lift it.")
    if (lifted is None or lifted.record is None) and await queries.insolvency_over_hold(session, found.id):
        raise conflict(
            "agreement.insolvency",
            "The manufacturer has recorded that the holder is insolvent. This hold stood before; it can be lifted once "
            "that record is lifted.",
        )
    detail: dict[str, Any] = {"reason": reason_given(reason)}
    if lifted is not None and lifted.record is not None:
        detail["insolvency"] = lifted.record
    if len(holds) > 1:
        await tell_event(session, found, LEFT, actor, now, detail)
        return
    await go_on(session, [found.id], now)
    await execute(session, "UPDATE agreement SET legal_hold = false, hold_adds_days = false WHERE id = $1", found.id)
    await tell_event(session, found, LIFTED, actor, now, detail)
    await restart_notices(session, {found.id: now})


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
    await _tell_each(session, fresh, sides, SET, actor, now, detail)
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
    had been held before. What a side holds beside it stays held. Returns how many agreements are free."""
    found = await queries.living_for_update(session, list(agreements))
    await end_suspensions(session, actor, [x.id for x in found], now)
    sides = (actor.company_id, holder_id)
    detail = {"reason": reason_given(reason), "insolvency": record}
    events = await queries.hold_events(session, [x.id for x in found])
    holds = {x.id: standing(events.get(x.id, ())) for x in found}
    its = [x for x in found if x.held and any(h.record == record for h in holds[x.id])]
    free = [x for x in its if len(holds[x.id]) == 1]
    await go_on(session, [x.id for x in free], now)
    await execute(
        session,
        "UPDATE agreement SET legal_hold = false, hold_adds_days = false WHERE id = ANY($1::uuid[])",
        [x.id for x in free],
    )
    await _tell_each(session, free, sides, LIFTED, actor, now, detail)
    await _tell_each(session, [x for x in its if len(holds[x.id]) > 1], sides, LEFT, actor, now, detail)
    await restart_notices(session, {x.id: now for x in free})
    before = [x for x in found if agreements[x.id]]
    await _tell_each(session, before, sides, "insolvency_lifted", actor, now, detail)
    return len(free)


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
