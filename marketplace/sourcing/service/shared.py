"""What every verb of sourcing needs: writing the call's story, telling people, whose call it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.states import CallState, move_call
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.canonical import encode
from marketplace.kit.errors import forbidden, missing
from marketplace.ledger.entries import Place
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow


async def tell(
    session: WriteSession, by: By, call: CallRow, kind: str, detail: Mapping[str, Any], now: datetime
) -> None:
    """Adds to the call's story."""
    await execute(
        session,
        "INSERT INTO call_event (call_id, maker_id, holder_id, company_id, kind, detail, actor_id, at) "
        "VALUES ($1,$2,$3,$4,$5,$6::jsonb,$7,$8)",
        call.id, call.maker_id, call.holder_id, call.company_id, kind,
        encode({**detail, "by": by.company_id}).decode(), by.user_id, now,
    )  # fmt: skip


async def tell_each(
    session: WriteSession, by: By, told: Sequence[tuple[CallRow, str, Mapping[str, Any]]], now: datetime
) -> None:
    """As ``tell``, for each of these (order, kind, detail): one statement."""
    await execute(
        session,
        "INSERT INTO call_event (call_id, maker_id, holder_id, company_id, kind, detail, actor_id, at) "
        "SELECT e.call_id, e.maker_id, e.holder_id, e.company_id, e.kind, e.detail::jsonb, $1, $2 "
        "FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[]) WITH ORDINALITY "
        "AS e (call_id, maker_id, holder_id, company_id, kind, detail, n) ORDER BY e.n",
        by.user_id, now, [k.id for k, _, _ in told], [k.maker_id for k, _, _ in told], [k.holder_id for k, _, _ in told],
        [k.company_id for k, _, _ in told], [kind for _, kind, _ in told],
        [encode({**detail, "by": by.company_id}).decode() for _, _, detail in told],
    )  # fmt: skip


async def announce(
    session: WriteSession, event: str, call: CallRow, to: UUID, roles: Sequence[str], subject: str, text: str
) -> None:
    """Emits an event of a call, with a mail to ``to``'s people in these roles."""
    async with acting_for(session, to):
        people = await parties.people_to_tell(session, to, roles)
    # Of a stopped machine everybody is told at once, whatever they have chosen.
    payload: dict[str, Any] = {"reference": call.reference, "urgent": call.urgency == "machine_down"}
    if people:
        payload["mail"] = {"to": people, "subject": subject, "text": text, "link": f"/calls/{call.id}"}
    await emit(session, event, "call", call.id, [call.maker_id, call.holder_id, call.company_id], payload)


async def tell_next(
    session: WriteSession,
    call: queries.CallRow,
    subject: str,
    following: dict[str, object] | None,
    *,
    event: str = "call.answered",
    before: str = "",
) -> None:
    """Tells whoever asked what came of an order, and where else the units could come from."""
    text = next_words(following)
    words = f"{before} {text}" if before else text
    await announce(session, event, call, call.company_id, ("technician", "planner"), subject, words)


def next_words(following: dict[str, object] | None) -> str:
    """Where else the units could come from, as a plan for what is lacking says it."""
    if following is None:
        return "Nothing else is lacking."
    chosen = following.get("chosen")
    first = chosen[0] if isinstance(chosen, list) and chosen else None
    if first:
        return f"Next best: {first['quantity']} from {first['holder']}, arriving {first['arrives']:%d %b %Y}. Open the request to order it."
    if following.get("substitutes", True):
        return "No other unit can be ordered back right now. The request says why for each place."
    return (
        "No other unit of this number can be ordered back right now, and the request allows no substitutes. Open the request to see why for "
        "each place, or change it to allow them."
    )


async def tell_asker(
    session: WriteSession, request: queries.RequisitionRow, event: str, subject: str, words: str
) -> None:
    """Emits an event of a parts request, with a mail to the people of the company that asked."""
    async with acting_for(session, request.company_id):
        people = await parties.people_to_tell(session, request.company_id, ("technician", "planner"))
    payload: dict[str, Any] = {"reference": request.reference, "urgent": request.urgency == "machine_down"}
    if people:
        payload["mail"] = {
            "to": people, "subject": subject, "text": f"{request.reference}: {words}", "link": f"/requests/{request.id}",
        }  # fmt: skip
    await emit(session, event, "requisition", request.id, [request.maker_id, request.company_id], payload)


async def set_status(
    session: WriteSession, call: CallRow, status: str, *, by_way_of: str | None = None, **columns: Any
) -> None:
    """Moves a call along the state table and sets columns with it."""
    current = CallState(call.status)
    if by_way_of:
        current = move_call(current, CallState(by_way_of))
    move_call(current, CallState(status))
    names = list(columns)
    assignments = "".join(f", {name} = ${i}" for i, name in enumerate(names, 3))
    await execute(
        session,
        f"UPDATE call SET status = $2{assignments} WHERE id = $1",
        call.id,
        status,
        *(columns[n] for n in names),
    )


async def keep_units(session: WriteSession, *call_ids: UUID, anew: bool = True) -> None:
    """Writes which units orders that have not shipped reserve, as the ledger has it now: what they reserved before is forgotten.
    ``anew=False``: of orders that reserved nothing before."""
    if anew:
        await execute(session, "DELETE FROM call_unit WHERE call_id = ANY($1::uuid[])", list(call_ids))
    await execute(
        session,
        "INSERT INTO call_unit (call_id, lot_id, hold_seq, maker_id, holder_id, company_id, position_id, quantity) "
        "SELECT k.id, h.lot_id, h.hold_seq, k.maker_id, k.holder_id, k.company_id, h.position_id, h.quantity "
        "FROM call k JOIN open_hold h ON h.cause_id = k.id WHERE k.id = ANY($1::uuid[])",
        list(call_ids),
    )


async def not_counted(session: WriteSession, call: CallRow, now: datetime) -> None:
    """A call that ended without a unit shipped; on behalf of its maker, whose orders are counted. Its lots are locked."""
    if call.agreement_id is not None and call.noticed_at is not None:
        async with acting_for(session, call.maker_id):
            await agreements.discount_exercise(session, call.agreement_id, call_id=call.id, now=now)


async def reopen(session: WriteSession, call: CallRow) -> None:
    """The call has ended. Where it was the last of what waited for an approver, nothing waits any more, and the request can be
    planned again."""
    await execute(
        session,
        "UPDATE requisition SET status = 'open' WHERE id = $1 AND status = 'awaiting_approval' "
        "AND NOT EXISTS (SELECT FROM call WHERE requisition_id = $1 AND status = 'allocated')",
        call.requisition_id,
    )


async def mine(session: WriteSession, actor: Actor, call_id: UUID, side: str, *, words: str = "") -> CallRow:
    """The call locked, if the actor is on that side of it ('holder' or 'asker'); else not found. With ``words`` the other side,
    which sees the call, is told so (``call.side``) and what it can do instead."""
    call = await queries.call_for_update(session, call_id)
    askers = {call.maker_id, call.company_id}
    if words and actor.company_id == call.holder_id and side == "asker" and call.holder_id not in askers:
        raise forbidden("call.side", f"This is for {call.company}. {words}")
    if words and actor.company_id in askers and side == "holder" and call.holder_id not in askers:
        raise forbidden("call.side", f"This is for {call.holder if call.named_to(actor) else 'the holder'}. {words}")
    if (side == "holder" and actor.company_id != call.holder_id) or (
        side == "asker" and actor.company_id not in askers
    ):
        raise missing("call.not_found", f"No such order that you could {'answer' if side == 'holder' else 'change'}.")
    return call


def moved(place: Place, **changes: Any) -> Place:
    """The same place with some columns changed."""
    return replace(place, **changes)
