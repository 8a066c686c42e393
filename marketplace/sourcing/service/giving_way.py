"""A stopped machine goes first: units that a less urgent order has reserved, and that its holder has not accepted yet, are
ordered for it instead (section 4.6 of the clauses that can be ordered under)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.service.answering import shrink
from marketplace.sourcing.service.falling_through import fall_through
from marketplace.sourcing.service.ordering import Choice, Ordered, confirm, free_units
from marketplace.sourcing.service.requesting import Planned, own_request
from marketplace.sourcing.service.shared import announce, mine, reopen, set_status, tell

WORDS = {"stock_order": "a stock order", "urgent": "an urgent order", "machine_down": "an order for a stopped machine"}


async def take_over(
    session: WriteSession, actor: Actor, requisition_id: UUID, call_id: UUID, quantity: int | None, now: datetime
) -> Ordered:
    """Takes ``quantity`` units (None: as many as the request lacks and the order has) from a less urgent order and orders them
    for this request, in one transaction. What the order loses is planned anew for whoever asked for it.

    Raises ``requisition.not_machine_down``, ``call.not_found``, ``call.other_part``, ``call.as_urgent``,
    ``call.accepted`` (the holder has answered), ``requisition.quantity``, and what ``confirm`` raises; nothing is changed
    then.
    """
    found = await own_request(session, actor, requisition_id)
    if found.urgency != "machine_down":
        raise conflict(
            "requisition.not_machine_down",
            "Only a request for a stopped machine goes before others. This one waits its turn; nothing was changed.",
        )
    lacking = found.quantity - found.ordered
    if found.status not in ("open", "ordered") or lacking < 1:
        raise conflict("requisition.enough", "This request lacks nothing, or has ended; nothing was changed.")
    call = await mine(session, actor, call_id, "asker")
    _may_give_way(found, call)
    most = min(lacking, call.quantity)
    taken = most if quantity is None else quantity
    if not 0 < taken <= most:
        raise invalid("requisition.quantity", f"Take 1 to {most} of the units of {call.reference}.", field="quantity")
    async with acting_for(session, found.maker_id):
        by = OnBehalf(actor.user_id, found.maker_id)
        await queries.supply_for_update(session, [call.part_id], found.maker_id)
        if taken < call.quantity:
            await shrink(session, by, call, call.quantity - taken, now)
            if call.agreement_id and call.noticed_at:
                await agreements.lessen_exercise(session, call.id, call.quantity - taken)
        else:
            await free_units(session, by, call, "gave_way", now)
            if call.agreement_id and call.noticed_at:
                await agreements.undo_exercise(session, call.agreement_id, call_id=call.id, now=now)
            await set_status(session, call, "cancelled", ended_at=now, note="gave_way")
            await reopen(session, call)
        await tell(session, actor, call, "gave_way", {"to": found.reference, "quantity": taken}, now)
    done = await confirm(session, actor, requisition_id, lambda planned: [_same_place(planned, call, taken)], now)
    lost = f"{taken} of {call.quantity} units of {call.reference} went to a stopped machine ({found.reference})."
    await fall_through(
        session, call, "gave_way", f"{call.reference} gave way to a stopped machine", now, before=lost, same_holder=True
    )
    if call.noticed_at:
        rest = "was cancelled" if taken == call.quantity else f"is for {call.quantity - taken} now"
        await announce(
            session, "call.gave_way", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} {rest}",
            f"{call.maker} needs {taken} x {call.part_number} for a stopped machine: a new order for them was sent.",
        )  # fmt: skip
    return done


def _may_give_way(found: queries.RequisitionRow, call: queries.CallRow) -> None:
    if call.maker_id != found.maker_id or call.requisition_id == found.id or call.kind == "put":
        raise missing("call.not_found", "No such order that could give way to this request.")
    if call.part_id != found.part_id:
        raise conflict(
            "call.other_part", f"{call.reference} is for {call.part_number}, not for what this request needs."
        )
    if call.urgency == "machine_down":
        raise conflict("call.as_urgent", f"{call.reference} is for a stopped machine too: the earlier one goes first.")
    if call.status not in queries.UNANSWERED:
        raise conflict(
            "call.accepted",
            f"{call.reference} is {call.status}: {call.holder} has answered it, so its units cannot be taken from it any more. "
            "Nothing was changed.",
        )


def _same_place(planned: Planned, call: queries.CallRow, taken: int) -> Choice:
    """So many from the place that the order took its units from, as the request sees it now."""
    here = (call.part_id, call.holder_id, call.site_id, call.condition, call.agreement_id)
    for c in planned.candidates.values():
        if (c.part_id, c.holder_id, c.site_id, c.condition, c.agreement_id) == here and c.kind == call.kind:
            return Choice(c.key, taken)
    raise conflict("requisition.place", "These units cannot be ordered for this request. Nothing was changed.")
