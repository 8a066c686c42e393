"""Orders that are taken back before they ship: by the maker alone until the holder is bound, by both afterwards."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import service as agreements
from marketplace.agreements.states import CallState, move_call
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.errors import conflict
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.clocks import caught_up
from marketplace.sourcing.service.ordering import bound_both, free_units
from marketplace.sourcing.service.shared import announce, mine, reopen, set_status, tell


async def cancels_by_both(session: AsyncSession, call: CallRow, now: datetime) -> bool:
    """Whether the holder is bound under a clause that gives nobody a right to cancel: what it takes is sold (first-refusal
    section 4.4), an order that is accepted stands. The first library counts cancelled orders and leaves the maker free."""
    return bool(await bound_both(session, [call], now))


async def cancel_call(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> bool:
    """The asker takes back an order that has not shipped; the holder's units are free again. Once the holder is bound under the
    second library it only asks for it: the holder agrees (``release``) or goes on. Returns whether the order has ended.

    Raises ``put.binding`` for what a holder sells back, ``call.cancel_asked`` when that was asked already, ``call.state``."""
    call = await mine(session, actor, call_id, "asker")
    if call.kind == "put" and call.replaces_id is None:
        raise conflict(
            "put.binding",
            f"{call.holder} sells these units back as of right: that cannot be refused. Reject at inspection what is not as "
            "agreed.",
        )
    call = await caught_up(session, actor, call, now)
    async with acting_for(session, call.maker_id):
        by_both = await cancels_by_both(session, call, now)
    if by_both:
        await _ask(session, actor, call, now)
        return False
    async with acting_for(session, call.maker_id):
        await free_units(session, OnBehalf(actor.user_id, call.maker_id), call, "cancel", now)
        await _not_ordered(session, call, now)
    await set_status(session, call, "cancelled", ended_at=now)
    await reopen(session, call)
    await tell(session, actor, call, "cancelled", {}, now)
    await announce(
        session, "call.answered", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} was cancelled",
        f"{call.maker} no longer needs {call.quantity} x {call.part_number}.",
    )  # fmt: skip
    return True


async def _ask(session: WriteSession, actor: Actor, call: CallRow, now: datetime) -> None:
    move_call(CallState(call.status), CallState.CANCELLED)
    if call.cancel_asked_at is not None:
        raise conflict(
            "call.cancel_asked",
            f"{call.holder} was asked already and has not agreed. It is bound to this order and so are you: ring it, or receive "
            "the units.",
        )
    await execute(session, "UPDATE call SET cancel_asked_at = $2 WHERE id = $1", call.id, now)
    await tell(session, actor, call, "cancel_asked", {}, now)
    await announce(
        session, "call.cancel_asked", call, call.holder_id, ("buyer", "warehouse"),
        f"{call.maker} asks to cancel {call.reference}",
        f"It no longer needs {call.quantity} x {call.part_number}. You are bound to this order and need not agree: agree on its "
        "page, and the units are free and nothing is owed for it; or ship them.",
    )  # fmt: skip


async def release(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """The holder agrees that an order that binds it ends, as its asker asked: its units are free, nothing is owed, and it counts as
    no order. Raises ``call.not_asked``, ``call.state`` for one that has shipped or is over."""
    call = await mine(session, actor, call_id, "holder")
    move_call(CallState(call.status), CallState.CANCELLED)
    if call.cancel_asked_at is None:
        raise conflict(
            "call.not_asked", f"{call.company} has not asked to cancel this order: ship the units. Nothing was changed."
        )
    await free_units(session, actor, call, "cancel", now)
    async with acting_for(session, call.maker_id):
        await _not_ordered(session, call, now)
    await set_status(session, call, "cancelled", ended_at=now)
    await tell(session, actor, call, "released", {}, now)
    await announce(
        session, "call.answered", call, call.company_id, ("technician", "planner"),
        f"{call.holder} agreed that {call.reference} ends",
        f"{call.quantity} x {call.part_number} stay with it, and nothing is owed for the order.",
    )  # fmt: skip


async def _not_ordered(session: WriteSession, call: CallRow, now: datetime) -> None:
    """On behalf of the maker. An order in place of rejected units never counted as one."""
    if call.agreement_id and call.noticed_at and call.replaces_id is None:
        await agreements.undo_exercise(session, call.agreement_id, call_id=call.id, now=now)
