"""An end for breach: one side ends an agreement by notice that names the other's default. The right ends at once; what is on its
way finishes, and comes free with the holder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases, queries
from marketplace.agreements.queries import Locked, Under
from marketplace.agreements.service.changing import move_units, not_held, title_settled
from marketplace.agreements.service.proposing import close_open
from marketplace.agreements.service.standing import note, reason_given, tell_both
from marketplace.agreements.service.term import let_duties_end
from marketplace.agreements.states import AgreementState, move_agreement
from marketplace.db.session import WriteSession, execute
from marketplace.kit.errors import busy, conflict
from marketplace.parties.actor import By


def at_rest(found: Locked, units: Sequence[Under]) -> list[Under]:
    """Of the units under an agreement those that the holder has: what is on its way, or with the manufacturer, finishes."""
    return [u for u in units if u.place.site is not None and u.place.holder == found.holder_id]


async def may_be_broken(session: WriteSession, found: Locked) -> None:
    """Whether an agreement, which is locked, can be ended for breach as it stands. Raises ``agreement.state``,
    ``agreement.legal_hold``, ``breach.first_library``."""
    move_agreement(AgreementState(found.status), AgreementState.TERMINATED)
    not_held(found)
    if not await queries.second_library(session, [found.id]):
        raise conflict(
            "breach.first_library",
            f"The clause of {found.reference} does not say who ends it for breach. Propose its end to the other side, or ask "
            "counsel what the law gives you.",
        )


async def end_for_breach(
    session: WriteSession, actor: By, found: Locked, before: Sequence[Under], default: str, reason: str, now: datetime
) -> int:
    """Ends an agreement, locked after the lots of ``before``, whose open orders have ended. ``default``: what the other side did,
    in words. Returns how many units are free of the right.

    Raises as ``may_be_broken``, and ``agreement.reason``, ``agreement.units_moved``, ``agreement.units_busy`` while units are
    reserved for anything else than orders back, ``agreement.units_kept`` while units are the manufacturer's still."""
    why = reason_given(reason)
    await may_be_broken(session, found)
    units = await queries.units_under(session, found.id)
    if not {u.lot_id for u in units} <= {u.lot_id for u in before}:
        raise busy("agreement.units_moved", "Units came under the agreement just now. Nothing was changed; try again.")
    mine = at_rest(found, units)
    if reserved := sum(u.held for u in mine):
        raise conflict(
            "agreement.units_busy",
            f"{phrases.count(reserved, 'unit')} under {found.reference} are reserved for a sale. Ship or cancel that first; nothing was "
            "changed.",
        )
    await title_settled(session, found, mine, None)
    await close_open(session, actor, found, now)
    await execute(
        session,
        "UPDATE agreement SET status = 'terminated', status_reason = $2, suspended_on = NULL, suspended_by = NULL, "
        "suspension_ends_at = NULL WHERE id = $1",
        found.id,
        f"{default} {why}"[:500],
    )
    await let_duties_end(session, found.id, now)
    moved = await move_units(session, actor, found, mine, None, found.id, now)
    detail: dict[str, Any] = {
        "reason": f"{default} {why}",
        "units": moved,
        "on_the_way": sum(u.quantity for u in units) - moved,
    }
    await note(session, found.id, (found.maker_id, found.holder_id), "ended_for_breach", actor, now, detail)
    await tell_both(
        session, found, "ended_for_breach", detail, f"{found.reference} was ended for breach",
        f"{default} {why} {phrases.count(moved, 'unit')} free of the right now; what is owed stays owed.",
    )  # fmt: skip
    return moved


async def free_if_ended(session: WriteSession, actor: By, agreement_id: UUID, cause: UUID, now: datetime) -> int:
    """Units that came to the holder again after their agreement had ended for breach stand under none any more. The lots are
    locked. Returns how many."""
    found = (await queries.agreements_for_update(session, [agreement_id])).get(agreement_id)
    if found is None or found.status != AgreementState.TERMINATED:
        return 0
    free = [u for u in at_rest(found, await queries.units_under(session, agreement_id)) if not u.held]
    return await move_units(session, actor, found, free, None, cause, now)
