"""An order back has come to nothing: that is kept, what is lacking is planned anew, and whoever asked is told. Where the maker has the
next best ordered at once, the worker does that a moment later, in a transaction of its own (``cascading``): here the order, and maybe
its agreement, are locked already, and a plan locks the request and every lot of the part before them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import encode
from marketplace.outbox.service import emit
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.requesting import next_best
from marketplace.sourcing.service.shared import announce, next_words, tell_next


async def fall_through(
    session: WriteSession,
    call: CallRow,
    cause: str,
    subject: str,
    now: datetime,
    *,
    event: str = "call.answered",
    before: str = "",
    mail: bool = True,
    same_holder: bool = False,
) -> tuple[dict[str, Any] | None, bool]:
    """What is lacking now, planned without the holder (``same_holder``: with it) and kept with the request; None when nothing is.
    Besides whether the next best is ordered by itself: then it is the worker that tells what came of it. ``mail``: whoever asked is
    told here of what is only proposed; ``before`` stands before that."""
    following = await next_best(
        session, call.requisition_id, call.maker_id, [] if same_holder else [(call.holder_id, call.site_id)], now
    )
    by_itself = False
    if following is not None and call.requisition_id is not None:
        async with acting_for(session, call.maker_id):
            by_itself = await _keep(session, call, call.requisition_id, cause, subject, following, now)
    if by_itself:
        await announce(session, event, call, call.company_id, (), subject, before)
    elif mail:
        await tell_next(session, call, subject, following, event=event, before=before)
    return following, by_itself


async def _keep(
    session: WriteSession,
    call: CallRow,
    requisition_id: UUID,
    cause: str,
    subject: str,
    following: dict[str, Any],
    now: datetime,
) -> bool:
    standing = await queries.cascade_standing(session, requisition_id)
    by_itself = standing.rule.at_once and standing.status in ("open", "ordered")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO cascade (requisition_id, call_id, company_id, maker_id, cause, lacking, rule, subject, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9) RETURNING id",
        requisition_id, call.id, standing.company_id, call.maker_id, cause, following["lacking"],
        encode(standing.rule.kept()).decode() if by_itself else None, subject, now,
    )  # fmt: skip
    if by_itself:
        await emit(
            session, "requisition.fell_short", "requisition", requisition_id, [standing.company_id, call.maker_id], {"cascade_id": made}
        )  # fmt: skip
        return True
    outcome = "proposed" if following["chosen"] else "nothing"
    await keep_outcome(session, made, standing.company_id, call.maker_id, outcome, (), next_words(following), now)
    return False


async def keep_outcome(
    session: WriteSession,
    cascade_id: UUID,
    company_id: UUID,
    maker_id: UUID,
    outcome: str,
    calls: tuple[UUID, ...],
    words: str,
    now: datetime,
) -> None:
    """What was done about an order that came to nothing: once."""
    await execute(
        session,
        "INSERT INTO cascade_outcome (cascade_id, company_id, maker_id, outcome, calls, words, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        cascade_id, company_id, maker_id, outcome, list(calls), words, now,
    )  # fmt: skip
