"""What came back is inspected: accepted at the price of its condition, or rejected as the clause has it; what nobody rejects in
time is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.graded import OTHER_REASONS, REASONS, Finding, Judged
from marketplace.agreements.phrases import count, deadline
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.states import CallState, move_call
from marketplace.agreements.term_kinds import Grade, RejectRemedy
from marketplace.agreements.term_words import grade_words
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, fetch
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid
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
from marketplace.sourcing.service.clocks import caught_up, inspection_stands_still
from marketplace.sourcing.service.defaulting import owe_for_delay
from marketplace.sourcing.service.judging import (
    Outcome,
    answer_by,
    found_of,
    handling_words,
    owed_each,
    paid_words,
    said,
    terms_of,
    told,
)
from marketplace.sourcing.service.replacing import conclude, settle_if_paid
from marketplace.sourcing.service.sending_another import asks_for_another, order_others
from marketplace.sourcing.service.shared import announce, mine, moved, set_status, tell
from marketplace.sourcing.service.standing_in import free_replaced


@dataclass(frozen=True, slots=True)
class Lower:
    """So many of the accepted units are of a lower grade, and the maker would pay so much less for them in all. Only where the
    clause does not state what a condition fetches."""

    quantity: int
    less: Decimal


async def inspect(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    *,
    good: int | None = None,
    note: str,
    now: datetime,
    named: Mapping[str, Sequence[str]] = MappingProxyType({}),
    reason: str = "other",
    lower: Lower | None = None,
    found: Sequence[Finding] = (),
) -> None:
    """The maker accepts ``good`` units: title passes, the encumbrance ends, and one line at the clause's price is
    owed; of drawn units the fee, and they are to be replaced. The rest is rejected with a note and a ``reason`` of
    ``disputes.REASONS``: it stays the holder's, and the call is in dispute. Which serial-numbered units are 'good' and which
    'rejected' is ``named`` by serial or lot id. Of accepted units some can be of a ``lower`` grade: so much of the price is in
    dispute until the holder agrees.

    Where the clause states what a condition fetches (the second library), ``found`` says instead in which condition the units
    are: each is paid by it, on a line for each condition with its handling beside it. Units whose condition nobody states are
    in the one that the ledger has for them. Rejected are only units that fail a term, or for one of ``OTHER_REASONS``.

    Raises ``call.inspect``, ``call.inspect_note``, ``call.inspect_late`` for rejecting after the time for it,
    ``call.inspect_lower``, ``call.inspect_unit``, ``call.inspect_which``, ``call.inspect_found``, ``call.inspect_meets``, ``call.side`` to the holder."""
    call = await mine(session, actor, call_id, "asker", words="You can object to the condition that was found.")
    call = await caught_up(session, actor, call, now)
    if found:
        if (said := sum(f.quantity for f in found)) > call.quantity:
            raise invalid(
                "call.inspect",
                f"{count(call.quantity, 'unit')} {'was' if call.quantity == 1 else 'were'} received; {said:,} are spoken of. "
                "Nothing was changed.",
                field="found",
            )
        good = sum(f.quantity for f in found if f.accepted)
    if good is None or not 0 <= good <= call.quantity:
        raise invalid("call.inspect", f"Accept 0 to {call.quantity}.", field="good")
    if call.kind == "own_stock" or call.agreement_id is None:
        raise conflict("call.inspect", "Own stock needs no inspection.")
    async with acting_for(session, call.maker_id):
        terms = await terms_of(session, call)
        units = await queries.call_units(session, call.id)
    _require_fitting(call, terms, found, good=good, lower=lower)
    outcome = found_of(call, terms, units, found, named, good)
    if outcome.rejected and terms is None and not note.strip():
        raise invalid("call.inspect_note", "Say what is wrong with the rejected units.", field="note")
    if terms is not None:
        _require_reason(outcome, reason, note)
    if lower is not None:
        _require_lower(call, lower, good, note)
    move_call(CallState(call.status), CallState.INSPECTED)
    ended = call.inspect_by is not None and now >= call.inspect_by
    if (outcome.rejected or lower or found) and ended and call.inspect_by is not None:
        raise conflict(
            "call.inspect_late",
            f"The time to reject units ended with {deadline(call.inspect_by, call.arrival_zone)}: what was not "
            f"rejected by then is accepted. Accept all {call.quantity:,}.",
            field="good",
        )
    # Lots before agreements: what goes in place of rejected units is locked with them.
    if asks_for_another(outcome):
        async with acting_for(session, call.maker_id):
            await queries.shelves_for_update(session, call, now)
    line = await _accept(
        session, actor, call, outcome, note, (call.inspect_by or now) if ended else now, now, reason=reason
    )
    if asks_for_another(outcome):
        async with acting_for(session, call.maker_id):
            # Read again: what others had come in place of is free to follow now.
            shelves = await queries.shelves_for_update(session, call, now)
            await order_others(session, OnBehalf(actor.user_id, call.maker_id), call, outcome, shelves, now)
    if lower is not None and line is not None:
        async with acting_for(session, call.maker_id):
            priced = await owed.settlement_line(session, line)
            await settlement.dispute_line(
                session, OnBehalf(actor.user_id, call.maker_id), line, amount=lower.less, offer=Decimal(0),
                reason="lower_grade", words=note, quantity=lower.quantity, now=now,
                respond_by=await answer_by(session, call, now),
            )  # fmt: skip
            detail = {
                "quantity": lower.quantity,
                "less": f"{Money(lower.less, priced.currency).rounded()}",
                "note": note,
            }
            await tell(session, actor, call, "lower_grade", detail, now)


def _require_fitting(
    call: CallRow, terms: TermsV2 | None, found: Sequence[Finding], *, good: int, lower: Lower | None
) -> None:
    """What is said about the units fits what the clause asks."""
    if terms is None:
        if found:
            raise conflict(
                "call.inspect_found",
                "The agreement does not state what a condition fetches: say how many you accept, and of how many of them you "
                "would pay less.",
                field="found",
            )
        return
    if lower is not None and terms.grade_adjustments:
        raise conflict(
            "call.inspect_lower",
            f"{terms.clause} version {terms.version}, section 9.5 states what is paid by condition: say in which condition the "
            "units are, and no amount.",
            field="lower",
        )
    if not found and good < call.quantity:
        raise invalid(
            "call.inspect_found",
            "Say in which condition the units are that you reject: the agreement says which may be rejected "
            f"({terms.clause} version {terms.version}, section 9.6).",
            field="found",
        )
    if found and sum(f.quantity for f in found) != call.quantity:
        raise invalid(
            "call.inspect",
            f"Say of all {count(call.quantity, 'unit')} what was found; so far of {sum(f.quantity for f in found):,}.",
            field="found",
        )


def _require_reason(outcome: Outcome, reason: str, note: str) -> None:
    """A unit that is as agreed cannot be rejected for its condition."""
    as_agreed = [j for j in outcome.judged if not j.finding.accepted and not j.failed]
    if as_agreed and reason not in OTHER_REASONS:
        assert outcome.terms is not None  # noqa: S101 - the caller saw to it
        t = outcome.terms
        raise conflict(
            "call.inspect_meets",
            f"{grade_words(as_agreed[0].finding.grade).capitalize()}, with papers and shelf life as you say, is what "
            f"{t.clause} version {t.version}, section 9.3 asks for: such a unit can be rejected as damaged or as the wrong part "
            "only. Accept it, or say what it lacks.",
            field="found",
        )
    if as_agreed and not note.strip():
        raise invalid("call.inspect_note", "Say what is wrong with the rejected units.", field="note")


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


async def accept_uninspected(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> bool:
    """What was not rejected in time is accepted, on the day the time ended (worker), in the condition that the ledger has.
    False when it was inspected meanwhile; however late it runs, the stored deadline is what counts."""
    call = await queries.call_for_update(session, call_id)
    clock = OnBehalf(actor_id, call.maker_id)
    if call.status == "received" and not await inspection_stands_still(session, call):
        call = await caught_up(session, clock, call, now)
    elif call.status == "received":
        return False
    if call.status != "received" or call.inspect_by is None or now < call.inspect_by:
        return False
    async with acting_for(session, call.maker_id):
        terms = await terms_of(session, call)
        units = await queries.call_units(session, call.id)
    outcome = found_of(call, terms, units, (), {}, call.quantity)
    await _accept(session, clock, call, outcome, "", call.inspect_by, now, kind="silent_inspected")
    await announce(
        session, "call.received", call, call.company_id, ("technician", "planner", "warehouse"),
        f"{call.reference} counts as accepted", "Nothing was rejected in time: the units are yours, and their price is owed.",
    )  # fmt: skip
    return True


async def _accept(
    session: WriteSession,
    by: By,
    call: CallRow,
    outcome: Outcome,
    note: str,
    accepted_at: datetime,
    now: datetime,
    *,
    kind: str = "inspected",
    reason: str = "other",
) -> UUID | None:
    """Writes an inspection; what is owed is due so many days after ``accepted_at``. Returns the first line, if one is owed."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    good, rejected, drawn = outcome.good, outcome.rejected, call.draw_fee is not None
    lacking = said(outcome)
    async with acting_for(session, call.maker_id):
        # All lots in one order, also those that others came in place of.
        await queries.lots_of_orders_for_update(session, [call.id])
        if good:
            await _take_title(session, by, call, outcome, now)
        taken: dict[UUID, int] = {}
        for lot, _, part, _ in outcome.lots:
            taken[lot] = taken.get(lot, 0) + part
        await free_replaced(session, by, call, taken, "inspected", now)
        due_on = local_day(accepted_at, call.zone) + timedelta(days=call.payment_days)
        # The maker takes its own units back for a fee, which can be nothing.
        own = not drawn and kept_by(await clauses_of_agreement(session, call.agreement_id)) is not None
        line = await _owe(session, call, outcome, due_on, now, own=own)
        await owe_for_delay(session, call, good, accepted_at)
        if rejected:
            await agreements.note_given_back(
                session, agreement_id=call.agreement_id, part_id=call.part_id, quantity=rejected, order_id=call.id
            )
            await set_status(session, call, "disputed", inspected_good=good, note=note.strip() or lacking, ended_at=now)
            await _dispute(session, by, call, outcome, " ".join(x for x in (lacking, note.strip()) if x), reason, now)
        elif drawn:
            await set_status(session, call, "inspected", inspected_good=good)
            await conclude(session, call.id, now)
        else:
            await set_status(session, call, "priced", by_way_of="inspected", inspected_good=good, ended_at=now)
            if own and line is None:
                await settle_if_paid(session, await queries.call(session, call.id), now)
        detail: dict[str, Any] = {"good": good, "rejected": rejected, "note": note.strip() or lacking}
        if outcome.terms is not None:
            detail["found"] = [told(j, outcome.serials.get(n, ())) for n, j in enumerate(outcome.judged)]
        await tell(session, by, call, kind, detail, now)
    price = "at a draw fee of" if drawn else "at"
    each = f" {price} {owed_each(call)} each" if len(outcome.judged) == 1 + bool(rejected) and not lacking else ""
    await announce(
        session, "call.received", call, call.holder_id, ("buyer",),
        f"{call.reference} was inspected" if kind == "inspected" else f"{call.reference} counts as accepted",
        f"{good} accepted{each}"
        + (f", {rejected} rejected: {note.strip() or lacking}" if rejected else "")
        + (f". {paid_words(outcome)}" if good and outcome.terms is not None and not drawn else "")
        + (f". To be replaced by {deadline(call.replace_by, call.zone)}, or bought at {Money(call.unit_price, call.currency)}." if drawn and good and call.replace_by else ""),
    )  # fmt: skip
    return line


async def _owe(
    session: WriteSession, call: CallRow, outcome: Outcome, due_on: Any, now: datetime, *, own: bool
) -> UUID | None:
    """One line for each condition, and its handling beside it. ``own``: units that stayed the maker's, which come back for a
    fee."""
    assert call.agreement_id is not None  # noqa: S101 - the caller saw to it
    paid: dict[Grade, tuple[int, Judged, list[str]]] = {}
    for n, j in enumerate(outcome.judged):
        if j.finding.accepted and j.finding.quantity:
            before, first, serials = paid.get(j.finding.grade, (0, j, []))
            paid[j.finding.grade] = before + j.finding.quantity, first, [*serials, *outcome.serials.get(n, ())]
    drawn, line = call.draw_fee is not None, None
    for quantity, j, serials in paid.values():
        fee, terms = j.each - j.handling, outcome.terms
        words = f"Draw fee {fee} a unit." if drawn else _price_words(call)
        if terms is not None and not drawn and (len(paid) > 1 or j.percent_bp != 10_000):
            words = f"{count(quantity, 'unit')}: {j.words}"
            words += f" Serial {', '.join(sorted(serials)[:20])}." if serials else ""
        if j.handling.amount:
            words += f" {j.handling} a unit of it is for handling, on a line of its own."
        what: dict[str, Any] = {
            "payer_id": call.maker_id, "payee_id": call.holder_id, "cause_id": call.id, "cause_reference": call.reference,
            "agreement_id": call.agreement_id, "part_id": call.part_id, "quantity": quantity, "due_on": due_on, "at": now,
            "step_id": command_id("call.grade", call.id, j.finding.grade.value) if len(paid) > 1 else None,
        }  # fmt: skip
        if fee.amount or not (drawn or own):
            kind = "draw_fee" if drawn else "handling" if own else "call_price"
            by_condition = None if terms is None or drawn else j.finding.grade.value
            made = await settlement.owe(session, kind=kind, unit_price=fee, words=words, condition=by_condition, **what)
            line = line or made
        if j.handling.amount and terms is not None:
            await settlement.owe(
                session, kind="handling", unit_price=j.handling, words=handling_words(terms, fee), **what
            )
    return line


async def _dispute(
    session: WriteSession, by: By, call: CallRow, outcome: Outcome, words: str, reason: str, now: datetime
) -> None:
    """Rejected units are in dispute: the holder agrees to what the clause has done with them, or objects."""
    failed = [j.failed for j in outcome.judged if not j.finding.accepted and j.failed]
    terms = outcome.terms
    kept = terms is not None and terms.reject_remedy is RejectRemedy.CREDIT
    await settlement.dispute_units(
        session, OnBehalf(by.user_id, call.maker_id), cause_id=call.id, cause_reference=call.reference,
        maker_id=call.maker_id, holder_id=call.holder_id, quantity=outcome.rejected,
        value=Money(call.unit_price * outcome.rejected, call.currency),
        reason=reason if not failed or reason in OTHER_REASONS else REASONS[failed[0]], words=words,
        respond_by=await answer_by(session, call, now), now=now, kept=outcome.rejected if kept else 0,
    )  # fmt: skip


def _price_words(call: CallRow) -> str:
    """Which of the call's reasons say how the price came about."""
    said = [str(r) for r in call.reasons if call.currency in str(r)]
    return " ".join(said) or f"{call.reference} at the clause's price."


async def _take_title(session: WriteSession, by: By, call: CallRow, outcome: Outcome, now: datetime) -> None:
    """Title and the end of the encumbrance for the accepted units, which are then in the condition that was found."""
    lots = outcome.lots
    at = await places(session, list(dict.fromkeys((lot, number or 0) for lot, number, _, _ in lots)))
    permits = {
        (r["lot_id"], r["kind"]): r["permit_id"]
        for r in await fetch(
            session,
            "SELECT p.lot_id, p.kind, p.permit_id FROM permit p WHERE p.lot_id = ANY($1::uuid[]) AND p.agreement_id = $2 "
            "AND NOT EXISTS (SELECT 1 FROM movement m WHERE m.lot_id = p.lot_id AND m.permit_id = p.permit_id)",
            [lot for lot, _, _, _ in lots],
            call.agreement_id,
        )
    }
    # A permit is used once: units of one lot become the maker's together, whatever condition each is in.
    together: dict[tuple[UUID, int], int] = {}
    for lot, number, part, _ in lots:
        together[lot, number or 0] = together.get((lot, number or 0), 0) + part
    steps: list[Step] = []
    free, kept = {}, 0
    for (lot, number), part in together.items():
        owned = moved(at[lot, number], owner=call.maker_id)
        # What stayed the maker's changes no title.
        if at[lot, number].owner == call.maker_id:
            kept += part
        else:
            steps.append(Step(Kind.TITLE, lot, part, number, to=owned, permit=permits.get((lot, "title"))))
        free[lot, number] = moved(owned, agreement=None, beneficiary=None)
        steps.append(
            Step(Kind.REPOINT, lot, part, at=owned, to=free[lot, number], permit=permits.get((lot, "repoint")))
        )
    if outcome.terms is not None:
        for lot, number, part, n in lots:
            here, grade = free[lot, number or 0], outcome.judged[n].finding.grade.value
            if grade != here.condition:
                steps.append(
                    Step(
                        Kind.REGRADE, lot, part, at=here, to=moved(here, condition=grade), reason="inspected_on_return"
                    )
                )
    command = Command(command_id("call.title", call.id), call.maker_id, by.user_id, tuple(steps), "call", call.id)
    await carry_out(session, command, now)
    if kept and call.agreement_id is not None:
        await agreements.note_title_given_up(
            session, agreement_id=call.agreement_id, part_id=call.part_id, quantity=kept
        )
