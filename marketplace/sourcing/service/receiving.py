"""Units that come back are received; when their order is settled; and the technician's last word on a parts request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.evaluation import draw_outcome, inspect_by
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.defaulting import clause_of
from marketplace.sourcing.service.judging import on_return
from marketplace.sourcing.service.replacing import settle_if_paid
from marketplace.sourcing.service.requesting import own_request
from marketplace.sourcing.service.shared import announce, mine, moved, set_status, tell

OUTCOMES = {
    "received": "Received, kept in stock",
    "fitted": "Fitted in the machine",
    "returned_unused": "Returned unused",
}


async def receive(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """The units arrive at the destination: custody passes; title only after inspection. Own stock is done here."""
    call = await mine(session, actor, call_id, "asker")
    async with acting_for(session, call.maker_id):
        units = await queries.call_units(session, call.id)
        lots = [(u.shipped_lot_id, u.shipped_position_id, u.quantity) for u in units if u.shipped_lot_id]
        inspected, replaced, grades = await _clocks(session, call, now)
        await set_status(session, call, "received", received_at=now, inspect_by=inspected, replace_by=replaced)
        if grades is not None:
            await execute(session, "UPDATE call SET grades = $2::jsonb WHERE id = $1", call.id, encode(grades).decode())
        at = await places(session, [(lot, number or 0) for lot, number, _ in lots])
        permits = {}
        if call.agreement_id:
            permits = await agreements.permits_for_return(
                session, agreement_id=call.agreement_id, maker_id=call.maker_id, holder_id=call.holder_id,
                lots=[(lot, quantity) for lot, _, quantity in lots], reason=f"Returned under {call.reference}", now=now,
                order_id=call.id, count_as=call.part_id,
            )  # fmt: skip
        steps = tuple(
            Step(
                Kind.RECEIVE, lot, quantity, number, to=moved(at[lot, number or 0], site=call.destination_site_id, holder=call.company_id),
                permit=permits[lot][Kind.RECEIVE] if permits else None,
            )
            for lot, number, quantity in lots
        )  # fmt: skip
        command = Command(command_id("call.receive", call.id), call.maker_id, actor.user_id, steps, "call", call.id)
        landed = {e.lot_id: e.to_position for e in (await carry_out(session, command, now)).entries}
        await execute(
            session,
            "UPDATE call_unit u SET shipped_position_id = n.number FROM unnest($2::uuid[], $3::int[]) AS n (lot_id, number) "
            "WHERE u.call_id = $1 AND u.shipped_lot_id = n.lot_id",
            call.id, list(landed), [landed[x] for x in landed],
        )  # fmt: skip
        await tell(session, actor, call, "received", {"quantity": call.quantity}, now)
        if call.kind == "own_stock":
            # Nothing is owed and nothing changes hands: what was received is what there is.
            again = await queries.call(session, call.id)
            await execute(
                session, "UPDATE call SET status = 'closed', inspected_good = $2, ended_at = $3 WHERE id = $1",
                again.id, again.quantity, now,
            )  # fmt: skip
    await _requisition_received(session, call)
    await announce(
        session, "call.received", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} was received",
        f"{call.company} received {call.quantity} x {call.part_number}."
        + (f" Inspection within {call.inspection_days} days." if call.kind != "own_stock" else ""),
    )  # fmt: skip


async def _clocks(
    session: WriteSession, call: CallRow, now: datetime
) -> tuple[datetime | None, datetime | None, dict[str, Any] | None]:
    """Until when units can be rejected, and drawn ones be replaced: computed once, as the clause counts its days; and what
    each condition fetches, where the clause states it."""
    if call.agreement_id is None:
        return None, None, None
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = clause_of(covered, call)
    # Days end where the units are, and those that were received are at the site that received them.
    until = inspect_by(terms, now, call.arrival_zone)
    grades = None if terms.generation == 1 else on_return(terms, call)
    if terms.clause != "access-back":
        return until, None, grades
    return until, draw_outcome(terms, covered.facts, now, now).replace_by, grades


async def _requisition_received(session: WriteSession, call: CallRow) -> None:
    if call.requisition_id is None:
        return
    found = await queries.requisition_for_update(session, call.requisition_id)
    if found.received >= found.quantity and found.status == "ordered":
        await execute(session, "UPDATE requisition SET status = 'received' WHERE id = $1", call.requisition_id)


async def settle(session: WriteSession, call_id: UUID, now: datetime) -> bool:
    """Both sides have marked a line of this call (worker): it is settled once that is so of every line. False when it
    is not, or is settled already, or in dispute."""
    return await settle_if_paid(session, await queries.call_for_update(session, call_id), now)


async def finish(
    session: WriteSession, actor: Actor, requisition_id: UUID, *, outcome: str, now: datetime, machine: str = ""
) -> None:
    """The technician's last word: received, fitted in the machine (the units are installed), or returned unused."""
    if outcome not in OUTCOMES:
        raise invalid("requisition.outcome", f"Choose: {', '.join(OUTCOMES)}.", field="outcome")
    found = await own_request(session, actor, requisition_id)
    if found.status in ("closed", "cancelled"):
        raise conflict("requisition.closed", "This parts request has ended already.")
    if not found.received:
        raise conflict(
            "requisition.not_received", "Nothing has been received yet: receive the units first, or cancel the request."
        )
    async with acting_for(session, found.maker_id):
        calls = await queries.calls(session, found.maker_id, requisition_id=found.id, limit=500)
        waiting = [
            c.reference for c in calls if c.status in ("allocated", "noticed", "accepted", "shipped", "received")
        ]
        if waiting:
            raise conflict(
                "requisition.waiting", f"Still open: {', '.join(waiting)}. Receive and inspect or cancel them first."
            )
        if outcome == "fitted":
            machine = machine.strip() or " ".join(x for x in (found.machine_model, found.machine_serial) if x)
            if not machine:
                raise invalid("requisition.machine", "Say which machine the units were fitted in.", field="machine")
            await _install(session, actor, found.id, calls, machine, now)
    await execute(
        session,
        "UPDATE requisition SET status = 'closed', outcome = $2, closed_at = $3 WHERE id = $1",
        found.id,
        outcome,
        now,
    )


async def _install(
    session: WriteSession, actor: Actor, requisition_id: UUID, calls: Sequence[CallRow], machine: str, now: datetime
) -> None:
    steps: list[Step] = []
    received = 0
    for call in calls:
        # Also of a call in dispute: what was accepted of it is the maker's, and only that is found below.
        if call.status not in ("inspected", "priced", "settled", "closed", "disputed"):
            continue
        received += call.inspected_good or 0
        rows = await fetch(
            session,
            "SELECT p.lot_id, p.position_id, p.quantity - p.held AS free FROM call_unit u "
            "JOIN position p ON p.lot_id = u.shipped_lot_id WHERE u.call_id = $1 AND p.owner_id = $2 "
            "AND p.agreement_id IS NULL AND p.quantity > p.held AND p.site_id IS NOT NULL",
            call.id,
            call.maker_id,
        )
        steps.extend(Step(Kind.INSTALL, r["lot_id"], r["free"], r["position_id"], machine=machine) for r in rows)
    there = sum(step.quantity for step in steps)
    if there < received:
        raise conflict(
            "requisition.gone",
            f"Of {received:,} received {there:,} can be fitted: the others have been used, sent on or reserved since. Say "
            "that the units were received, and record what was fitted where they are.",
        )
    if steps:
        maker = calls[0].maker_id
        command = Command(
            command_id("requisition.fit", requisition_id),
            maker,
            actor.user_id,
            tuple(steps),
            "requisition",
            requisition_id,
        )
        await carry_out(session, command, now)
