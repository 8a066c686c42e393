"""The holder's side of a call: accept, refuse with a code, ship; and what silence does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import service as agreements
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.states import CALL_WORDS, CallState, move_call
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.consignment import Consignment, require_change
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.refusals import REFUSALS, WITHDRAWING, Grounds, grounds
from marketplace.sourcing.service.clocks import caught_up, require_live, still
from marketplace.sourcing.service.falling_through import fall_through
from marketplace.sourcing.service.licensing import require_licence
from marketplace.sourcing.service.ordering import free_units
from marketplace.sourcing.service.selling_back import require_destination
from marketplace.sourcing.service.shared import (
    announce,
    keep_units,
    mine,
    moved,
    next_words,
    not_counted,
    set_status,
    tell,
)
from marketplace.sourcing.service.standing_in import InPlace, keep_record, leaving, take_in_place
from marketplace.sourcing.states import BINDING


async def accept(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    now: datetime,
    *,
    quantity: int | None = None,
    code: str | None = None,
    note: str = "",
) -> None:
    """The holder commits to all of it, or to ``quantity`` and refuses the rest for a reason (``code``), which the clause has to
    allow: that is sourced elsewhere, as after a refusal. Raises ``call.reason``, ``call.note`` and ``call.no_refusal`` as
    ``refuse`` does."""
    call = await mine(session, actor, call_id, "holder")
    wanted = call.quantity if quantity is None else quantity
    if not 0 < wanted <= call.quantity:
        raise invalid("call.quantity", f"Commit to 1 to {call.quantity}, or refuse.", field="quantity")
    call = await caught_up(session, actor, call, now)
    await _require_in_time(call, now)
    detail: dict[str, Any] = {"quantity": wanted}
    if wanted < call.quantity:
        found = await grounds_of(session, call)
        if code or found.section:
            require_reason(found, code or "", note)
            detail |= {"refused": call.quantity - wanted, "code": code, "note": note.strip()}
    await set_status(session, call, "accepted", accepted_at=now)
    if wanted < call.quantity:
        gone = await shrink(session, actor, call, wanted, now)
        await _withdraw(session, call, code, gone)
        if call.agreement_id is not None:
            async with acting_for(session, call.maker_id):
                await agreements.lessen_exercise(session, call.id, wanted)
    await require_live(session, call)
    await tell(session, actor, call, "accepted", detail, now)
    rest = f" The others: {REFUSALS[code].lower()}." if code and wanted < call.quantity else ""
    if wanted < call.quantity:
        short = f"{call.holder} can give {wanted} of {call.quantity} units of {call.reference}"
        following, by_itself = await fall_through(session, call, "in_part", short, now, mail=False)
        rest += " The rest is ordered elsewhere by itself." if by_itself else f" {next_words(following)}"
    await announce(
        session, "call.answered", call, call.company_id, ("technician", "planner"),
        f"{call.holder} committed to {call.reference}", f"{wanted} of {call.quantity} x {call.part_number}.{rest}",
    )  # fmt: skip


async def _require_in_time(call: queries.CallRow, now: datetime) -> None:
    # The stored deadline decides, not whether the worker has looked yet.
    if call.status == "noticed" and call.respond_by is not None and now >= call.respond_by:
        meaning = "it counts as accepted" if call.silence == "accepted" else "it counts as refused"
        raise conflict(
            "call.too_late", f"The time to answer ran out at {call.respond_by:%d %b %Y %H:%M} UTC: {meaning}."
        )


async def shrink(
    session: WriteSession, actor: By, call: queries.CallRow, keep: int, now: datetime
) -> Sequence[tuple[UUID, int, int]]:
    """Frees all but ``keep`` of the reserved units, last lots first. Returns what came free as (lot, position, quantity)."""
    units = list(await queries.call_units(session, call.id))
    drop = call.quantity - keep
    steps: list[Step] = []
    freed: list[tuple[UUID, int, int]] = []
    for unit in reversed(units):
        cut = min(drop, unit.quantity)
        if not cut:
            break
        drop -= cut
        freed.append((unit.lot_id, unit.position_id, cut))
        steps.append(Step(Kind.VOID, unit.lot_id, unit.quantity, unit.position_id, resolves=unit.hold_seq))
        if cut < unit.quantity:
            steps.append(Step(Kind.HOLD, unit.lot_id, unit.quantity - cut, unit.position_id))
    command = Command(
        command_id("call.shrink", call.id, keep), actor.company_id, actor.user_id, tuple(steps), "call", call.id
    )
    await carry_out(session, command, now)
    await keep_units(session, call.id)
    await execute(session, "UPDATE call SET quantity = $2 WHERE id = $1", call.id, keep)
    return freed


async def refuse(
    session: WriteSession, actor: Actor, call_id: UUID, *, code: str, note: str, now: datetime
) -> dict[str, object] | None:
    """The holder refuses with a code that the clause allows, for as long as nothing binds it. *Not on the shelf* and its like
    take the units out of availability until a count, without deciding fault. The next best source is planned at once; returns
    that plan (None when nothing is lacking).

    Raises ``call.reason`` for no such code, ``call.note`` where another reason is not named, ``call.no_refusal`` for a reason
    that is none under the clause, ``call.bound`` once the holder is bound: the order stays as it was."""
    call = await caught_up(session, actor, await mine(session, actor, call_id, "holder"), now)
    await _require_in_time(call, now)
    found = await grounds_of(session, call)
    require_reason(found, code, note)
    _require_unbound(found, call)
    await free_units(session, actor, call, "refuse", now)
    units = await queries.call_units(session, call.id)
    await _withdraw(session, call, code, [(u.lot_id, u.position_id, u.quantity) for u in units])
    await set_status(session, call, "refused", refusal_code=code, note=note.strip() or None, ended_at=now)
    await not_counted(session, call, now)
    await tell(session, actor, call, "refused", {"code": code, "note": note}, now)
    following, _ = await fall_through(
        session, call, "refused", f"{call.holder} refused {call.reference}: {REFUSALS[code]}", now
    )
    return following


async def grounds_of(session: AsyncSession, call: queries.CallRow) -> Grounds:
    """What the holder of this order may refuse it for."""
    clauses = await clauses_of_agreement(session, call.agreement_id) if call.agreement_id is not None else ()
    unasked = call.accepted_at is not None and call.accepted_at == call.noticed_at
    return grounds(clauses, kind=call.kind, unasked=unasked, in_place=call.replaces_id is not None)


def _require_unbound(found: Grounds, call: queries.CallRow) -> None:
    """A clause has an order accepted or refused, once: who accepted, or need not answer, ships. Otherwise a yes would be worth
    nothing to whoever has a machine standing. Units under no agreement may be found missing at any time."""
    if not found.section or call.status not in BINDING:
        return
    why = (
        "an order is accepted or refused, and this one was accepted" if found.answered
        else "this order binds its holder from its notice on"
    )  # fmt: skip
    ask = "" if call.kind == "put" else f" Or ask {call.maker} to cancel it."
    raise conflict(
        "call.bound",
        f"Under {found.section} {why}: it is not refused any more. Ship the units that are there. Of those that are not, say "
        f"under missing units what became of them: the order goes on for the others.{ask} Nothing was changed.",
    )  # fmt: skip


def require_reason(found: Grounds, code: str, note: str) -> None:
    """Raises ``call.reason``, ``call.no_refusal``, ``call.note``; nothing for a reason that counts."""
    if code not in REFUSALS:
        words = f"Choose a reason: {', '.join(found.codes)}. {found.words}".rstrip()
        raise invalid("call.reason", words, field="code")
    if code not in found.codes:
        ships = (
            "If the units are there, ship them"
            if not found.answered
            else "If the units are there, commit and ship them"
        )
        raise conflict("call.no_refusal", f"{found.words} {ships}; nothing was changed.", field="code")
    if code == "other" and not note.strip():
        raise invalid("call.note", "Say in a few words why.", field="note")


async def _withdraw(
    session: WriteSession, call: queries.CallRow, code: str | None, units: Sequence[tuple[UUID, int, int]]
) -> None:
    """Units that are said not to be there, as (lot, position, quantity), leave availability until they are counted."""
    if code not in WITHDRAWING:
        return
    await execute(
        session,
        "INSERT INTO withdrawal (lot_id, position_id, part_id, holder_id, beneficiary_id, site_id, quantity, cause_id) "
        "SELECT u.lot_id, u.position_id, $2, $3, $4, $5, u.quantity, $1 "
        "FROM unnest($6::uuid[], $7::int[], $8::int[]) AS u (lot_id, position_id, quantity)",
        call.id, call.part_id, call.holder_id, call.maker_id, call.site_id, [lot for lot, _, _ in units],
        [position for _, position, _ in units], [count for _, _, count in units],
    )  # fmt: skip


async def ship(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    consignment: Consignment,
    now: datetime,
    *,
    in_place: Sequence[InPlace] = (),
) -> None:
    """The holder ships: the units go into transit; anonymous and batch lots are split, so that the maker gets a
    lot of its own. ``in_place``: other units of the holder that go in place of as many of them, as the clause allows; raises
    as ``take_in_place``."""
    call = await mine(session, actor, call_id, "holder")
    # What is over is said before what an open order would still wait for.
    move_call(CallState(call.status), CallState.SHIPPED)
    call = await caught_up(session, actor, call, now)
    units = await queries.call_units(session, call.id)
    if not units:
        raise conflict(
            "call.nothing_left", "None of the units of this order is left to ship: they are recorded as gone."
        )
    require_destination(call, now)
    await require_licence(session, call)
    others: Mapping[tuple[UUID, int], queries.OnShelf] = {}
    if in_place:
        units, others = await take_in_place(session, actor, call, in_place, now)
    at = await places(session, [(u.lot_id, u.position_id) for u in units])
    steps: list[Step] = []
    travels: dict[tuple[UUID, int], UUID] = {}
    for u in units:
        if (other := others.get((u.lot_id, u.hold_seq))) is not None:
            left, travels[u.lot_id, u.hold_seq] = leaving(call, u, other)
            steps += left
            continue
        transit = moved(at[u.lot_id, u.position_id], site=None)
        if u.serial is not None:
            steps.append(
                Step(Kind.POST, u.lot_id, 1, u.position_id, to=transit, purpose=Kind.SHIP, resolves=u.hold_seq)
            )
            travels[u.lot_id, u.hold_seq] = u.lot_id
            continue
        child = command_id("call.child", call.id, u.lot_id, u.hold_seq)
        steps.append(
            Step(Kind.POST, u.lot_id, u.quantity, u.position_id, purpose=Kind.SPLIT, resolves=u.hold_seq, child=child)
        )
        steps.append(Step(Kind.SHIP, child, u.quantity, 1, to=transit))
        travels[u.lot_id, u.hold_seq] = child
    await set_status(
        session, call, "shipped", shipped_at=now, carrier=consignment.carrier, tracking=consignment.tracking
    )
    command = Command(command_id("call.ship", call.id), actor.company_id, actor.user_id, tuple(steps), "call", call.id)
    landed = {e.lot_id: e.to_position for e in (await carry_out(session, command, now)).entries if e.to_position}
    await require_live(session, call)
    await execute(
        session,
        "UPDATE call_unit u SET shipped_lot_id = n.child, shipped_position_id = n.number "
        "FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::int[]) AS n (lot_id, hold_seq, child, number) "
        "WHERE u.call_id = $1 AND u.lot_id = n.lot_id AND u.hold_seq = n.hold_seq",
        call.id, [u.lot_id for u in units], [u.hold_seq for u in units],
        [travels[u.lot_id, u.hold_seq] for u in units], [landed[travels[u.lot_id, u.hold_seq]] for u in units],
    )  # fmt: skip
    detail: dict[str, Any] = dict(consignment.detail())
    if others:
        detail["in_place"] = await keep_record(session, call, units, others, travels)
    await tell(session, actor, call, "shipped", detail, now)
    await announce(
        session, "call.shipped", call, call.company_id, ("technician", "planner", "warehouse"),
        f"{call.reference} is on its way", f"{call.holder} shipped {call.quantity} x {call.part_number}: {consignment.words()}."
        + "".join(f" {x['quantity']} of them are {x['number']}, in place of units of the schedule." for x in detail.get("in_place", ())),
    )  # fmt: skip


async def correct_shipment(
    session: WriteSession, actor: Actor, call_id: UUID, consignment: Consignment, now: datetime
) -> None:
    """The holder corrects carrier and tracking number while the units are on their way. What was said before stays in
    the call's story. Raises ``call.state``, ``shipment.same``."""
    call = await mine(session, actor, call_id, "holder")
    if call.status != "shipped":
        raise conflict("call.state", f"This order is {CALL_WORDS[CallState(call.status)]}; no shipment is on its way.")
    require_change(Consignment(call.carrier or "", call.tracking), consignment)
    await execute(
        session, "UPDATE call SET carrier = $2, tracking = $3 WHERE id = $1",
        call.id, consignment.carrier, consignment.tracking,
    )  # fmt: skip
    await tell(session, actor, call, "shipment_corrected", consignment.detail(), now)
    await announce(
        session, "call.shipped", call, call.company_id, ("technician", "planner", "warehouse"),
        f"{call.reference}: how it travels was corrected", f"{call.holder} now says: {consignment.words()}.",
    )  # fmt: skip


async def act_on_silence(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> str | None:
    """No response by the deadline acts as the clause says (worker). Returns what it came to, or None when it was
    answered meanwhile, or its agreement stands still. However late it runs, the stored deadline is what counts."""
    call = await queries.call_for_update(session, call_id)
    clock: By = OnBehalf(actor_id, call.maker_id)
    if call.status != "noticed" or await still(session, call):
        return None
    call = await caught_up(session, clock, call, now)
    if call.respond_by is None or call.respond_by > now:
        return None
    if call.silence == "accepted":
        await set_status(session, call, "accepted", by_way_of="silent", accepted_at=call.respond_by)
        await tell(session, clock, call, "silent_accepted", {}, now)
        await announce(
            session, "call.answered", call, call.holder_id, ("buyer", "warehouse"),
            f"{call.reference} counts as accepted", "There was no response by the deadline. Please ship the units.",
        )  # fmt: skip
        return "accepted"
    await free_units(session, clock, call, "silence", now)
    await set_status(session, call, "refused", by_way_of="silent", refusal_code="no_response", ended_at=now)
    await not_counted(session, call, now)
    await tell(session, clock, call, "silent_refused", {}, now)
    await fall_through(session, call, "silent", f"{call.holder} did not answer {call.reference} in time", now)
    return "refused"
