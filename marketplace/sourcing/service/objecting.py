"""The holder objects to the condition that its units were found in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for
from marketplace.kit.errors import conflict, missing
from marketplace.parties.actor import Actor
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.judging import answer_by
from marketplace.sourcing.service.shared import mine, tell


async def object_to_condition(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    line_id: UUID,
    *,
    condition: str,
    quantity: int | None = None,
    words: str,
    now: datetime,
) -> UUID:
    """The holder says that units which a line of this order pays by their condition came back in a better one. What was found
    stays, and is paid and due, until both agree. Answers the dispute's id.

    Raises ``call.not_found`` to others, ``call.side`` to who inspected, ``settlement.not_found`` for a line of another order,
    ``call.not_graded`` where no condition was found, and as ``settlement.service.dispute_condition``."""
    call = await mine(
        session,
        actor,
        call_id,
        "holder",
        words="You say what you found when you inspect, and can dispute what you owe.",
    )
    fetches = fetches_of(call)
    if fetches is None:
        raise conflict(
            "call.not_graded", "The agreement does not state what a condition fetches: nothing was found by it."
        )
    line = await owed.settlement_line(session, line_id)
    if line.cause_id != call.id:
        raise missing("settlement.not_found", f"No such settlement line of {call.reference}.")
    async with acting_for(session, call.maker_id):
        respond_by = await answer_by(session, call, now)
    made = await settlement.dispute_condition(
        session, actor, line_id, condition=condition, quantity=quantity, fetches=fetches, words=words,
        respond_by=respond_by, now=now,
    )  # fmt: skip
    detail = {"quantity": made.quantity, "found": made.found, "condition": condition}
    await tell(session, actor, call, "condition_disputed", detail, now)
    return made.id


def fetches_of(call: CallRow) -> Mapping[str, Any] | None:
    """What each condition fetches, as the order keeps it since its receipt, in the form that a dispute keeps; None where none
    is stated."""
    if not call.grades or call.draw_fee is not None:
        return None
    return {
        "conditions": [
            {"condition": p["grade"], "each": p["each"], "handling": p["handling"]} for p in call.grades["pays"]
        ],
        "days": call.payment_days, "zone": call.zone,
    }  # fmt: skip
