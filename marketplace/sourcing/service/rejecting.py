"""Units that were rejected: kept after all as both sides agree, or sent back to their holder, under whose agreement they
stay. An order leaves its dispute when none of them is left where the maker has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.graded import Finding, judge
from marketplace.agreements.phrases import count
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.term_kinds import Grade, RejectRemedy
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.clock import local_day
from marketplace.kit.consignment import Consignment
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.settlement.queries import DisputeRow
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow, RejectedUnit
from marketplace.sourcing.service.defaulting import clause_of
from marketplace.sourcing.service.judging import handled, handling_words, owed_each, terms_of
from marketplace.sourcing.service.replacing import conclude
from marketplace.sourcing.service.sending_another import call_off_others
from marketplace.sourcing.service.shared import announce, mine, moved, tell
from marketplace.sourcing.service.standing_in import free_for_kept


async def agree_units(session: WriteSession, actor: Actor, dispute_id: UUID, now: datetime) -> None:
    """Agrees to the other side's last proposal about rejected units: those that the maker keeps become its own, at the
    agreed amount; the others go back. Raises as ``settlement.service.end_units``, ``call.keep_which``."""
    await _end(session, actor, dispute_id, "agreed", now)


async def accept_rejected(session: WriteSession, actor: Actor, dispute_id: UUID, now: datetime) -> None:
    """The maker withdraws its rejection: the units are accepted after all, at the clause's price (of drawn ones the fee, and
    they are to be replaced). Raises as ``agree_units``."""
    await _end(session, actor, dispute_id, "withdrawn", now)


async def keep_rejected(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """Where the terms let the maker keep rejected units and pay nothing: once the holder has not objected in time, they are the
    maker's. Raises ``call.not_found``, ``call.nothing_to_keep``, ``call.remedy`` where the terms have them go back,
    ``dispute.open``, ``call.keep_gone``."""
    call = await mine(session, actor, call_id, "asker")
    if call.status != "disputed" or call.agreement_id is None:
        raise conflict("call.nothing_to_keep", "No unit of this order was rejected and is still with you.")
    async with acting_for(session, call.maker_id):
        by = OnBehalf(actor.user_id, call.maker_id)
        terms = await _credits(session, call)
        if terms is None:
            raise conflict(
                "call.remedy",
                "The agreement has rejected units go back to the holder: they are kept only as both sides agree.",
            )
        await queries.lots_of_orders_for_update(session, [call.id])
        units = await queries.rejected_units_for_update(session, call)
        dispute = await _dispute_of(session, call)
        if dispute is None or dispute.status != "open":
            raise conflict("call.nothing_to_keep", "Both sides have agreed on the rejected units already.")
        ended, kept, amount = await settlement.end_units(session, by, dispute.id, "kept", now, zone=call.zone)
        taken = await _keep(session, by, call, ended, units, kept, amount, "agreed", now)
        await free_for_kept(session, by, call, taken, now)
        await tell(session, by, call, "rejected_kept", {"quantity": kept}, now)
        await conclude(session, call.id, now)


async def _credits(session: WriteSession, call: CallRow) -> TermsV2 | None:
    """The terms, where they let the maker keep rejected units for nothing. The tenant is the maker."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    pair = (call.agreement_id, call.part_id)
    terms = clause_of((await agreed.terms_and_facts(session, [pair]))[pair], call)
    return terms if terms.generation == 2 and terms.reject_remedy is RejectRemedy.CREDIT else None


async def send_back(
    session: WriteSession, actor: Actor, call_id: UUID, consignment: Consignment, now: datetime
) -> None:
    """All rejected units that the maker does not keep go into transit to their holder, at its cost; they stay its own and
    under the agreement. Once both sides agree, or once the holder has not objected in time.

    Raises ``call.nothing_to_send``, ``call.sent_back``, ``dispute.open``, ``call.remedy`` where the terms let the maker keep
    them for nothing and the holder has not agreed to have them back."""
    call = await mine(session, actor, call_id, "asker")
    if await queries.way_back(session, call.id) is not None:
        raise conflict("call.sent_back", "The rejected units of this order were sent back already.")
    if call.status != "disputed":
        raise conflict("call.nothing_to_send", "No unit of this order was rejected and is still with you.")
    async with acting_for(session, call.maker_id):
        units = await queries.rejected_units_for_update(session, call)
        dispute = await _dispute_of(session, call)
        if dispute is not None and dispute.status == "open":
            terms = await _credits(session, call) if call.agreement_id else None
            if terms is not None:
                raise conflict(
                    "call.remedy",
                    f"{terms.clause} version {terms.version}, section 9.6: rejected units are kept, and nothing is paid for "
                    "them. They go back only as both sides agree.",
                )
            by = OnBehalf(actor.user_id, call.maker_id)
            await settlement.end_units(session, by, dispute.id, "sent_back", now, zone=call.zone)
        if not units:
            raise conflict("call.nothing_to_send", "No rejected unit is free where it was received.")
        at = await places(session, [(u.lot_id, u.position_id) for u in units])
        steps: list[Step] = []
        travels: dict[UUID, RejectedUnit] = {}
        for u in units:
            transit = moved(at[u.lot_id, u.position_id], site=None)
            if u.alone or u.serial is not None:
                steps.append(Step(Kind.SHIP, u.lot_id, u.quantity, u.position_id, to=transit))
                travels[u.lot_id] = u
                continue
            # What the maker keeps of the lot stays a lot of its own.
            child = command_id("call.back.child", call.id, u.lot_id, u.position_id)
            steps.append(Step(Kind.SPLIT, u.lot_id, u.quantity, u.position_id, child=child))
            steps.append(Step(Kind.SHIP, child, u.quantity, 1, to=transit))
            travels[child] = u
        command = Command(command_id("call.back", call.id), call.maker_id, actor.user_id, tuple(steps), "call", call.id)
        entries = (await carry_out(session, command, now)).entries
        landed = {e.lot_id: e.to_position for e in entries if e.to_position}
        quantity = sum(u.quantity for u in units)
        await execute(
            session,
            "INSERT INTO way_back (call_id, maker_id, holder_id, company_id, quantity, carrier, tracking, shipped_at, sent_by) "
            "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
            call.id, call.maker_id, call.holder_id, call.company_id, quantity, consignment.carrier, consignment.tracking,
            now, actor.user_id,
        )  # fmt: skip
        await execute(
            session,
            "INSERT INTO way_back_unit (call_id, lot_id, position_id, quantity, serial, maker_id, holder_id, company_id) "
            "SELECT $1, u.*, $6, $7, $8 FROM unnest($2::uuid[], $3::int[], $4::int[], $5::text[]) AS u",
            call.id, list(travels), [landed[lot] for lot in travels], [u.quantity for u in travels.values()],
            [u.serial for u in travels.values()], call.maker_id, call.holder_id, call.company_id,
        )  # fmt: skip
        await tell(session, actor, call, "sent_back", {"quantity": quantity, **consignment.detail()}, now)
    await announce(
        session, "call.sent_back", call, call.holder_id, ("buyer", "warehouse"),
        f"Rejected units of {call.reference} are on their way back to you",
        f"{call.company} sent {quantity} x {call.part_number} back: {consignment.words()}. The freight is yours.",
    )  # fmt: skip


async def receive_back(
    session: WriteSession, actor: Actor, call_id: UUID, *, missing_units: int, note: str, now: datetime
) -> None:
    """The holder has the rejected units again, where they came from; ``missing_units`` did not arrive and are lost. With them
    the dispute is over.

    Raises ``call.not_found`` to others, ``call.nothing_to_receive``, ``call.back_missing``, ``call.back_note``,
    ``call.back_which`` where it is not clear which serial-numbered units are missing."""
    call = await mine(session, actor, call_id, "holder")
    back = await queries.way_back(session, call.id)
    if back is None or back.received_at is not None or call.agreement_id is None:
        raise conflict("call.nothing_to_receive", "No rejected units of this order are on their way back to you.")
    if not 0 <= missing_units <= back.quantity:
        raise invalid("call.back_missing", f"Missing are 0 to {back.quantity:,}.", field="missing")
    if missing_units and not note.strip():
        raise invalid("call.back_note", "Say what is missing, and how you know.", field="note")
    units = await queries.way_back_units(session, call.id)
    if missing_units not in (0, back.quantity) and any(u.serial for u in units):
        raise conflict(
            "call.back_which",
            "Units with serial numbers are received together: say that none is missing, or all, and count the shelf.",
            field="missing",
        )
    at = await places(session, [(u.lot_id, u.position_id) for u in units])
    arriving: list[tuple[UUID, int, int]] = []
    steps: list[Step] = []
    left = missing_units
    for u in units:
        lost = min(left, u.quantity)
        left -= lost
        if lost:
            steps.append(
                Step(Kind.LOSE, u.lot_id, lost, u.position_id, reason="missing_on_way_back", note=note.strip() or None)
            )
        if u.quantity > lost:
            arriving.append((u.lot_id, u.position_id, u.quantity - lost))
    permits = {}
    if arriving:
        permits = await agreements.permits_for_way_back(
            session, agreement_id=at[arriving[0][0], arriving[0][1]].agreement or call.agreement_id, maker_id=call.maker_id,
            holder_id=call.holder_id, lots=[(lot, quantity) for lot, _, quantity in arriving],
            reason=f"Rejected units of {call.reference} come back", now=now,
        )  # fmt: skip
    steps += [
        Step(
            Kind.RECEIVE, lot, quantity, number, to=moved(at[lot, number], site=call.site_id, holder=call.holder_id),
            permit=permits[lot],
        )
        for lot, number, quantity in arriving
    ]  # fmt: skip
    steps += await _out_again(session, call, [u.lot_id for u in units if u.stand_in], arriving, at, now)
    command = Command(
        command_id("call.back.receive", call.id), call.holder_id, actor.user_id, tuple(steps), "call", call.id
    )
    await carry_out(session, command, now)
    # Their agreement was ended for breach meanwhile: they come free.
    under = at[arriving[0][0], arriving[0][1]].agreement if arriving else None
    if under is not None:
        await agreements.free_if_ended(session, actor, under, call.id, now)
    await execute(
        session, "UPDATE way_back SET received_at = $2, missing = $3, note = $4 WHERE call_id = $1",
        call.id, now, missing_units, note.strip(),
    )  # fmt: skip
    detail = {"quantity": back.quantity, "missing": missing_units, "note": note.strip()}
    await tell(session, actor, call, "received_back", detail, now)
    async with acting_for(session, call.maker_id):
        await conclude(session, call.id, now)
    await announce(
        session, "call.received_back", call, call.company_id, ("planner", "warehouse"),
        f"Rejected units of {call.reference} have arrived",
        f"{call.holder} has {back.quantity - missing_units} of {count(back.quantity, 'unit')} again."
        + (f" {missing_units} missing: {note.strip()}" if missing_units else ""),
    )  # fmt: skip


# -- inside ----------------------------------------------------------------------------------------------


async def _out_again(
    session: WriteSession,
    call: CallRow,
    others: Sequence[UUID],
    arriving: Sequence[tuple[UUID, int, int]],
    at: Mapping[tuple[UUID, int], Place],
    now: datetime,
) -> list[Step]:
    """What had gone in place of units of the schedule is the holder's own again, and under no agreement."""
    free = [(lot, number, n) for lot, number, n in arriving if lot in others and at[lot, number].agreement is not None]
    if not free:
        return []
    under = at[free[0][0], free[0][1]].agreement
    assert under is not None  # noqa: S101 - filtered above
    permits = await agreements.permits_for_fact(
        session, agreement_id=under, maker_id=call.maker_id, holder_id=call.holder_id,
        lots=[(lot, Kind.REPOINT, n) for lot, _, n in free], reason=f"Not accepted under {call.reference}", now=now,
    )  # fmt: skip
    steps = []
    for (lot, number, n), permit in zip(free, permits, strict=True):
        here = moved(at[lot, number], site=call.site_id, holder=call.holder_id)
        steps.append(
            Step(Kind.REPOINT, lot, n, at=here, to=moved(here, agreement=None, beneficiary=None), permit=permit)
        )
    return steps


async def _owe_by_condition(session: WriteSession, call: CallRow, dispute: DisputeRow, due: date) -> bool:
    """Where the terms state what a condition fetches: what is owed for rejected units that are accepted after all, each by the
    condition that was found. False where they state none."""
    terms = await terms_of(session, call)
    found = next((e.detail["found"] for e in await queries.call_events(session, call.id) if "found" in e.detail), None)
    if terms is None or found is None:
        return False
    by_grade: dict[Grade, int] = {}
    for f in found:
        if not f["accepted"]:
            by_grade[Grade(f["grade"])] = by_grade.get(Grade(f["grade"]), 0) + int(f["quantity"])
    for grade, quantity in by_grade.items():
        said = judge(terms, Finding(grade=grade, quantity=quantity), owed_each(call), handled=handled(call))
        price, drawn = said.each - said.handling, call.draw_fee is not None
        what: dict[str, Any] = {
            "payer_id": call.maker_id, "payee_id": call.holder_id, "cause_id": call.id, "cause_reference": call.reference,
            "agreement_id": call.agreement_id, "part_id": call.part_id, "quantity": quantity, "due_on": due,
            "step_id": dispute.id if len(by_grade) == 1 else command_id("call.keep.grade", dispute.id, grade.value),
        }  # fmt: skip
        if price.amount or not drawn:
            words = f"Accepted after all ({dispute.reference}). {count(quantity, 'unit')}: {said.words}"
            kind = "draw_fee" if drawn else "call_price"
            condition = None if drawn else grade.value
            await settlement.owe(session, kind=kind, unit_price=price, words=words, condition=condition, **what)
        if said.handling.amount:
            await settlement.owe(
                session, kind="handling", unit_price=said.handling, words=handling_words(terms, price), **what
            )
    return True


async def _dispute_of(session: WriteSession, call: CallRow) -> DisputeRow | None:
    return next((d for d in await owed.disputes_of_cause(session, call.id) if d.subject == "units"), None)


async def _end(session: WriteSession, actor: Actor, dispute_id: UUID, how: str, now: datetime) -> None:
    seen = await owed.dispute(session, dispute_id)
    if seen.subject != "units":
        raise missing("dispute.not_found", "No such dispute about units of an order.")
    call = await queries.call_for_update(session, seen.cause_id)
    async with acting_for(session, call.maker_id):
        others = await queries.orders_in_place_for_update(session, call.id)
        await queries.lots_of_orders_for_update(session, [call.id, *others])
        units = await queries.rejected_units_for_update(session, call)
        dispute, kept, amount = await settlement.end_units(session, actor, dispute_id, how, now)
        if kept:
            taken = await _keep(session, actor, call, dispute, units, kept, amount, how, now)
        if kept == dispute.quantity:
            await call_off_others(session, actor, others, now)
        if kept:
            await free_for_kept(session, actor, call, taken, now)
        await tell(
            session, actor, call, "dispute_withdrawn" if how == "withdrawn" else "dispute_agreed",
            {"quantity": kept, "amount": f"{Money(amount, call.currency).rounded()}", "back": (dispute.quantity or 0) - kept},
            now,
        )  # fmt: skip
        await conclude(session, call.id, now)


async def _keep(
    session: WriteSession,
    by: By,
    call: CallRow,
    dispute: DisputeRow,
    there: Sequence[RejectedUnit],
    kept: int,
    amount: Decimal,
    how: str,
    now: datetime,
) -> dict[UUID, int]:
    """Title to so many rejected units, and what is owed for them. Returns how many of each lot."""
    assert call.agreement_id is not None  # noqa: S101 - own stock is never rejected
    free = sum(u.quantity for u in there)
    if free < kept:
        raise conflict(
            "call.keep_gone", f"{free:,} rejected units are free where they were received; {kept:,} were to be kept."
        )
    if kept < free and any(u.serial for u in there):
        raise conflict(
            "call.keep_which",
            "Units with serial numbers are kept all together or none: which of them is not said by a number of units.",
        )
    taken: list[tuple[RejectedUnit, int]] = []
    left = kept
    for u in there:
        part = min(left, u.quantity)
        left -= part
        if part:
            taken.append((u, part))
    at = await places(session, [(u.lot_id, u.position_id) for u, _ in taken])
    lots: dict[UUID, int] = {}
    for u, part in taken:
        lots[u.lot_id] = lots.get(u.lot_id, 0) + part
    permits = await agreements.permits_for_kept(
        session, agreement_id=call.agreement_id, maker_id=call.maker_id, holder_id=call.holder_id, lots=list(lots.items()),
        reason=f"Kept under {dispute.reference}", now=now, order_id=call.id,
        count_as=call.part_id,
    )  # fmt: skip
    steps: list[Step] = []
    for u, part in taken:
        here = at[u.lot_id, u.position_id]
        owned = moved(here, owner=call.maker_id)
        # What stayed the maker's changes no title.
        if here.owner != call.maker_id:
            steps.append(
                Step(Kind.TITLE, u.lot_id, part, u.position_id, to=owned, permit=permits[u.lot_id][Kind.TITLE])
            )
        released = moved(owned, agreement=None, beneficiary=None)
        steps.append(Step(Kind.REPOINT, u.lot_id, part, at=owned, to=released, permit=permits[u.lot_id][Kind.REPOINT]))
    command = Command(command_id("call.keep", dispute.id), call.maker_id, by.user_id, tuple(steps), "call", call.id)
    await carry_out(session, command, now)
    drawn = call.draw_fee is not None
    # A drawn unit that is kept at an agreed amount is bought; one that was rejected wrongly is a draw like the others.
    bought = kept if drawn and how == "agreed" else 0
    await execute(
        session, "UPDATE call SET inspected_good = inspected_good + $2, bought = bought + $3 WHERE id = $1",
        call.id, kept, bought,
    )  # fmt: skip
    due = local_day(now, call.zone) + timedelta(days=call.payment_days)
    if how == "withdrawn" and await _owe_by_condition(session, call, dispute, due):
        return lots
    if how == "withdrawn":
        each = owed_each(call)
        own = kept_by(await clauses_of_agreement(session, call.agreement_id)) is not None
        kind, quantity = ("draw_fee" if drawn else "handling" if own else "call_price"), kept
        words = f"Accepted after all ({dispute.reference}), at {each} a unit."
    else:
        each, kind, quantity = Money(amount, call.currency), ("draw_purchase" if drawn else "call_price"), None
        words = f"{count(kept, 'rejected unit')} kept for {each} in all, as both sides agreed ({dispute.reference})."
    if each.amount or not drawn:
        await settlement.owe(
            session, payer_id=call.maker_id, payee_id=call.holder_id, kind=kind, cause_id=call.id, step_id=dispute.id,
            cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=quantity,
            unit_price=each, words=words, due_on=due,
        )  # fmt: skip
    return lots
