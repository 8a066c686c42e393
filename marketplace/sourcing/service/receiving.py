"""Units that come back: received, inspected, priced; and the technician's last word on a parts request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.evaluation import draw_outcome, inspect_by
from marketplace.agreements.phrases import deadline
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.states import CallState, move_call
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.fates import fates_of
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.defaulting import clause_of, owe_for_delay
from marketplace.sourcing.service.replacing import conclude, settle_if_paid
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
        inspected, replaced = await _clocks(session, call, now)
        await set_status(session, call, "received", received_at=now, inspect_by=inspected, replace_by=replaced)
        at = await places(session, [(lot, number or 0) for lot, number, _ in lots])
        permits = {}
        if call.agreement_id:
            permits = await agreements.permits_for_return(
                session, agreement_id=call.agreement_id, maker_id=call.maker_id, holder_id=call.holder_id,
                lots=[(lot, quantity) for lot, _, quantity in lots], reason=f"Returned under {call.reference}", now=now,
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


async def _clocks(session: WriteSession, call: CallRow, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Until when units can be rejected, and drawn ones be replaced: computed once, as the clause counts its days."""
    if call.agreement_id is None:
        return None, None
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = clause_of(covered, call)
    until = inspect_by(terms, now, covered.facts.zone)
    if terms.clause != "access-back":
        return until, None
    return until, draw_outcome(terms, covered.facts, now, now).replace_by


async def _requisition_received(session: WriteSession, call: CallRow) -> None:
    found = await queries.requisition_for_update(session, call.requisition_id)
    if found.received >= found.quantity and found.status == "ordered":
        await execute(session, "UPDATE requisition SET status = 'received' WHERE id = $1", call.requisition_id)


@dataclass(frozen=True, slots=True)
class Lower:
    """So many of the accepted units are of a lower grade, and the maker would pay so much less for them in all."""

    quantity: int
    less: Decimal


async def inspect(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    *,
    good: int,
    note: str,
    now: datetime,
    named: Mapping[str, Sequence[str]] = MappingProxyType({}),
    reason: str = "other",
    lower: Lower | None = None,
) -> None:
    """The maker accepts ``good`` units: title passes, the encumbrance ends, and one line at the clause's price is
    owed; of drawn units the fee, and they are to be replaced. The rest is rejected with a note and a ``reason`` of
    ``disputes.REASONS``: it stays the holder's, and the call is in dispute. Of accepted units some can be of a ``lower``
    grade: so much of the price is in dispute until the holder agrees. Which serial-numbered units are 'good' and which 'rejected' is ``named`` by serial or lot
    id. Raises ``call.inspect``, ``call.inspect_note``, ``call.inspect_late`` for rejecting after the time for it,
    ``call.inspect_lower``, ``call.inspect_unit``, ``call.inspect_which``."""
    call = await mine(session, actor, call_id, "asker")
    if not 0 <= good <= call.quantity:
        raise invalid("call.inspect", f"Accept 0 to {call.quantity}.", field="good")
    rejected = call.quantity - good
    if rejected and not note.strip():
        raise invalid("call.inspect_note", "Say what is wrong with the rejected units.", field="note")
    if call.kind == "own_stock" or call.agreement_id is None:
        raise conflict("call.inspect", "Own stock needs no inspection.")
    if lower is not None:
        _require_lower(call, lower, good, note)
    move_call(CallState(call.status), CallState.INSPECTED)
    ended = call.inspect_by is not None and now >= call.inspect_by
    if (rejected or lower) and ended and call.inspect_by is not None:
        raise conflict(
            "call.inspect_late",
            f"The time to reject units ended with {deadline(call.inspect_by, call.zone)}: what was not "
            f"rejected by then is accepted. Accept all {call.quantity:,}.",
            field="good",
        )
    line = await _accept(
        session, actor, call, good, note, named, (call.inspect_by or now) if ended else now, now, reason=reason
    )
    if lower is not None and line is not None:
        async with acting_for(session, call.maker_id):
            priced = await owed.settlement_line(session, line)
            await settlement.dispute_line(
                session, OnBehalf(actor.user_id, call.maker_id), line, amount=lower.less, offer=Decimal(0),
                reason="lower_grade", words=note, quantity=lower.quantity, now=now,
                respond_by=await _answer_by(session, call, now),
            )  # fmt: skip
            detail = {
                "quantity": lower.quantity,
                "less": f"{Money(lower.less, priced.currency).rounded()}",
                "note": note,
            }
            await tell(session, actor, call, "lower_grade", detail, now)


def _require_lower(call: CallRow, lower: Lower, good: int, note: str) -> None:
    if call.draw_fee is not None:
        raise conflict(
            "call.inspect_lower", "Drawn units are replaced, not priced by their grade: accept or reject them.",
            field="lower",
        )  # fmt: skip
    if not 1 <= lower.quantity <= good:
        raise invalid("call.inspect_lower", f"Of a lower grade are 1 to {good:,} of the accepted units.", field="lower")
    most = Money(call.unit_price * lower.quantity, call.currency).rounded()
    less = Money(lower.less, call.currency)
    if less != less.rounded() or not 0 < lower.less <= most.amount:
        raise invalid(
            "call.inspect_lower", f"Propose to pay less by an amount above zero and at most {most}.", field="less"
        )
    if not note.strip():
        raise invalid("call.inspect_note", "Say what is wrong with the units of a lower grade.", field="note")


async def _answer_by(session: WriteSession, call: CallRow, now: datetime) -> datetime:
    """Until when the holder agrees or objects: as many days as the maker has to inspect, counted as the clause does."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    return inspect_by(covered.terms, now, covered.facts.zone)


async def accept_uninspected(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> bool:
    """What was not rejected in time is accepted, on the day the time ended (worker). False when it was inspected
    meanwhile; however late it runs, the stored deadline is what counts."""
    call = await queries.call_for_update(session, call_id)
    if call.status != "received" or call.inspect_by is None or now < call.inspect_by:
        return False
    clock = OnBehalf(actor_id, call.maker_id)
    await _accept(session, clock, call, call.quantity, "", {}, call.inspect_by, now, kind="silent_inspected")
    await announce(
        session, "call.received", call, call.company_id, ("technician", "planner", "warehouse"),
        f"{call.reference} counts as accepted", "Nothing was rejected in time: the units are yours, and their price is owed.",
    )  # fmt: skip
    return True


async def _accept(
    session: WriteSession,
    by: By,
    call: CallRow,
    good: int,
    note: str,
    named: Mapping[str, Sequence[str]],
    accepted_at: datetime,
    now: datetime,
    *,
    kind: str = "inspected",
    reason: str = "other",
) -> UUID | None:
    """Writes an inspection; what is owed is due so many days after ``accepted_at``. Returns the line, if one is owed."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    rejected = call.quantity - good
    drawn = call.draw_fee is not None
    fee = Money(call.unit_price if call.draw_fee is None else call.draw_fee, call.currency)
    async with acting_for(session, call.maker_id):
        accepted = _accepted(call, await queries.call_units(session, call.id), named, good)
        if good:
            await _take_title(session, by, call, accepted, now)
        line: UUID | None = None
        # The maker takes its own units back for a fee, which can be nothing.
        own = not drawn and kept_by(await clauses_of_agreement(session, call.agreement_id)) is not None
        kind_owed = "draw_fee" if drawn else "handling" if own else "call_price"
        if good and (fee.amount or not (drawn or own)):
            line = await settlement.owe(
                session, payer_id=call.maker_id, payee_id=call.holder_id, kind=kind_owed,
                cause_id=call.id, cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id,
                quantity=good, unit_price=fee, words=f"Draw fee {fee} a unit." if drawn else _price_words(call),
                due_on=local_day(accepted_at, call.zone) + timedelta(days=call.payment_days),
            )  # fmt: skip
        await owe_for_delay(session, call, good, accepted_at)
        if rejected:
            await agreements.note_given_back(
                session, agreement_id=call.agreement_id, part_id=call.part_id, quantity=rejected
            )
            await set_status(session, call, "disputed", inspected_good=good, note=note.strip(), ended_at=now)
            await settlement.dispute_units(
                session, OnBehalf(by.user_id, call.maker_id), cause_id=call.id, cause_reference=call.reference,
                maker_id=call.maker_id, holder_id=call.holder_id, quantity=rejected,
                value=Money(call.unit_price * rejected, call.currency), reason=reason, words=note,
                respond_by=await _answer_by(session, call, now), now=now,
            )  # fmt: skip
        elif drawn:
            await set_status(session, call, "inspected", inspected_good=good)
            await conclude(session, call.id, now)
        else:
            await _priced(session, call, good, now)
            if own and line is None:
                await settle_if_paid(session, await queries.call(session, call.id), now)
        await tell(session, by, call, kind, {"good": good, "rejected": rejected, "note": note}, now)
    price = "at a draw fee of" if drawn else "at"
    await announce(
        session, "call.received", call, call.holder_id, ("buyer",),
        f"{call.reference} was inspected" if kind == "inspected" else f"{call.reference} counts as accepted",
        f"{good} accepted {price} {fee} each"
        + (f", {rejected} rejected: {note}" if rejected else "")
        + (f". To be replaced by {deadline(call.replace_by, call.zone)}, or bought at {Money(call.unit_price, call.currency)}." if drawn and good and call.replace_by else ""),
    )  # fmt: skip
    return line


def _price_words(call: CallRow) -> str:
    """Which of the call's reasons say how the price came about."""
    said = [str(r) for r in call.reasons if call.currency in str(r)]
    return " ".join(said) or f"{call.reference} at the clause's price."


async def _priced(session: WriteSession, call: CallRow, good: int, now: datetime) -> None:
    await set_status(session, call, "priced", by_way_of="inspected", inspected_good=good, ended_at=now)


async def settle(session: WriteSession, call_id: UUID, now: datetime) -> bool:
    """Both sides have marked a line of this call (worker): it is settled once that is so of every line. False when it
    is not, or is settled already, or in dispute."""
    return await settle_if_paid(session, await queries.call_for_update(session, call_id), now)


Accepted = list[tuple[UUID, int | None, int]]
"""(lot, position, how many of it)."""


def _accepted(
    call: CallRow, units: Sequence[queries.CallUnitRow], named: Mapping[str, Sequence[str]], good: int
) -> Accepted:
    """Which units the maker accepts: serial-numbered ones as named, the others in the order in which they were
    shipped."""
    serials = {u.lot_id: u.serial for u in units if u.serial is not None}
    counts = {"good": good, "rejected": call.quantity - good}
    fate, rest = fates_of(named, counts, serials, of=call.reference, code="call.inspect", field="units")
    left = rest["good"]
    found: Accepted = []
    for u in units:
        count = min(left, u.quantity) if u.serial is None else int(fate[u.lot_id] == "good")
        left -= count if u.serial is None else 0
        if count and u.shipped_lot_id:
            found.append((u.shipped_lot_id, u.shipped_position_id, count))
    return found


async def _take_title(session: WriteSession, by: By, call: CallRow, lots: Accepted, now: datetime) -> None:
    """Title and the end of the encumbrance for the accepted units."""
    at = await places(session, [(lot, number or 0) for lot, number, _ in lots])
    permits = {
        (r["lot_id"], r["kind"]): r["permit_id"]
        for r in await fetch(
            session,
            "SELECT p.lot_id, p.kind, p.permit_id FROM permit p WHERE p.lot_id = ANY($1::uuid[]) AND p.agreement_id = $2 "
            "AND NOT EXISTS (SELECT 1 FROM movement m WHERE m.lot_id = p.lot_id AND m.permit_id = p.permit_id)",
            [lot for lot, _, _ in lots],
            call.agreement_id,
        )
    }
    steps: list[Step] = []
    kept = 0
    for lot, number, count in lots:
        here = at[lot, number or 0]
        owned = moved(here, owner=call.maker_id)
        # What stayed the maker's changes no title.
        if here.owner == call.maker_id:
            kept += count
        else:
            steps.append(Step(Kind.TITLE, lot, count, number, to=owned, permit=permits.get((lot, "title"))))
        free = moved(owned, agreement=None, beneficiary=None)
        steps.append(Step(Kind.REPOINT, lot, count, at=owned, to=free, permit=permits.get((lot, "repoint"))))
    command = Command(command_id("call.title", call.id), call.maker_id, by.user_id, tuple(steps), "call", call.id)
    await carry_out(session, command, now)
    if kept and call.agreement_id is not None:
        await agreements.note_title_given_up(
            session, agreement_id=call.agreement_id, part_id=call.part_id, quantity=kept
        )


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
