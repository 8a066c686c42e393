"""Ordering units back: confirming a plan reserves the units and sends the calls in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as noticed
from marketplace.agreements import service as agreements
from marketplace.agreements.notice import Standing
from marketplace.db.session import WriteSession, acting_for, execute, fetch, fetch_value, plan_once
from marketplace.kit.canonical import encode
from marketplace.kit.errors import DomainError, conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings.service import drop_from_listings
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.parts import queries as parts
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import Blocked, Candidate
from marketplace.sourcing.service.clocks import require_live
from marketplace.sourcing.service.requesting import (
    Asked,
    Planned,
    keep_plan,
    own_request,
    plan,
    raise_request,
)
from marketplace.sourcing.service.shared import announce, keep_units, set_status, tell
from marketplace.sourcing.states import BINDING, OPEN

APPROVAL_MINUTES = 30


@dataclass(frozen=True, slots=True)
class Ordered:
    """What confirming did: the calls made, and whether they wait for an approver."""

    calls: tuple[UUID, ...]
    awaiting_approval: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """So many from the candidate with this key."""

    key: str
    quantity: int


async def order_back(
    session: WriteSession, actor: Actor, asked: Asked, key: str, now: datetime, *, notice_id: UUID | None = None
) -> tuple[UUID, Ordered]:
    """A technician's one step: a parts request and the order to the place chosen on the availability page. ``notice_id``: the
    holder's notice that it answers, where several run (None: the oldest).
    Raises what ``raise_request`` and ``confirm`` raise; then there is no request either."""
    requisition_id = await raise_request(session, actor, asked, now)
    chosen = [Choice(key, asked.quantity)]
    return requisition_id, await confirm(session, actor, requisition_id, chosen, now, notice_id=notice_id)


async def confirm(
    session: WriteSession,
    actor: Actor,
    requisition_id: UUID,
    choices: Sequence[Choice] | Callable[[Planned], Sequence[Choice] | None] | None,
    now: datetime,
    *,
    notice_id: UUID | None = None,
) -> Ordered:
    """Orders what the plan (or ``choices`` from it, or what they say to it) says, in one transaction with the reservations.

    Every unit in question is locked before the plan is made anew, so nothing is promised twice. Above the
    technician's limit the units are reserved for 30 minutes and an approver is told. Raises ``requisition.closed``,
    ``requisition.enough``, ``requisition.delegation``, ``requisition.choices`` when nothing is chosen,
    ``requisition.place`` for a key that names no place, and where a place cannot give so many ``requisition.`` with
    the code of what is in the way (``requisition.held``, ``requisition.window_not_open``, ...). With ``notice_id``
    ``notice.not_found`` for one that is not to this maker, ``notice.other`` for one under another agreement than the order,
    ``notice.state`` for one that no longer runs.
    """
    await plan_once(session)
    found = await own_request(session, actor, requisition_id)
    if found.status not in ("open", "ordered"):
        raise conflict(
            "requisition.closed", f"This parts request is {found.status.replace('_', ' ')}; nothing was ordered."
        )
    if found.ordered >= found.quantity:
        raise conflict("requisition.enough", "Everything this request asks for is ordered already.")
    async with acting_for(session, found.maker_id):
        related = await parts.related(session, [found.part_id]) if found.substitutes else []
        await queries.supply_for_update(session, [found.part_id, *(r.other_id for r in related)], found.maker_id)
        planned = await plan(session, actor, found, now, notice=notice_id)
        if callable(choices):
            choices = choices(planned)
        done = await order_planned(session, actor, found, planned, choices, now, notice_id=notice_id)
        await keep_plan(session, requisition_id, planned.shown, now)
    return done


async def order_planned(
    session: WriteSession,
    actor: Actor,
    found: queries.RequisitionRow,
    planned: Planned,
    choices: Sequence[Choice] | None,
    now: datetime,
    *,
    notice_id: UUID | None = None,
) -> Ordered:
    """What a plan says (or ``choices`` from it), ordered for a request that is locked, as are all lots the plan was made from, in that
    order; the tenant is the maker. Raises as ``confirm``."""
    if notice_id is not None:
        await _require_notice(session, found.maker_id, notice_id, planned, choices, now)
    picked = _picked(planned, choices, found.quantity - found.ordered)
    _require_sizes(picked)
    # What this request has ordered already counts: a limit is for the request, not for each step of it.
    before = await queries.ordered_worth(session, found.id)
    total = before.owed + sum((c.unit_price.amount * n for c, n in picked if c.unit_price), Decimal(0))
    worth = before.worth + sum((c.worth.amount * n for c, n in picked if c.worth), Decimal(0))
    await require_delegation(session, actor, found.maker_id, worth)
    approval = wants_approval(actor, total)
    told = [(planned.explained(c), n) for c, n in picked]
    calls = await order_picked(
        session, actor, found, told, approval=approval, total=total, now=now, notice_id=notice_id
    )
    return Ordered(tuple(calls), approval)


async def order_picked(
    session: WriteSession,
    actor: Actor,
    found: queries.RequisitionRow,
    picked: Sequence[tuple[Candidate, int]],
    *,
    approval: bool,
    total: Decimal,
    now: datetime,
    notice_id: UUID | None = None,
) -> list[UUID]:
    """Reserves and orders so many from these places for a request, whose lots are locked and which acts for its maker."""
    calls = [await _call(session, actor, found, c, n, approval, now, notice_id) for c, n in picked]
    status = "awaiting_approval" if approval else "ordered"
    await execute(session, "UPDATE requisition SET status = $2 WHERE id = $1", found.id, status)
    if approval:
        await _alert(session, actor, found, total, now)
    return calls


async def _require_notice(
    session: WriteSession,
    maker_id: UUID,
    notice_id: UUID,
    planned: Planned,
    choices: Sequence[Choice] | None,
    now: datetime,
) -> None:
    """The notice that an order names is to this maker, can be answered, and is about the units that are ordered. Its time is asked
    again, under the agreement's lock, when the order is sent."""
    notice = (await noticed.one_notice(session, maker_id, notice_id)).notice
    if notice.standing(now) is not Standing.RUNNING:
        words = f"The notice that this order names is {notice.standing(now)}: it can no longer be answered. Nothing was ordered."
        raise conflict("notice.state", words, field="notice_id")
    keys = [c.source for c in planned.allocation.chosen] if choices is None else [c.key for c in choices]
    for candidate in (planned.candidates[k] for k in keys if k in planned.candidates):
        if (candidate.agreement_id, candidate.part_id) != (notice.agreement_id, notice.part_id):
            words = (
                "The notice that this order names is under another agreement, or for another part. Nothing was ordered."
            )
            raise conflict("notice.other", words, field="notice_id")


def _picked(planned: Planned, choices: Sequence[Choice] | None, lacking: int) -> list[tuple[Candidate, int]]:
    """The candidates to call with quantities: the plan's, or the choices, each still to be had as chosen."""
    if choices is None:
        if not planned.allocation.chosen:
            raise conflict(
                "requisition.nothing_to_order",
                "No unit can be ordered back right now; nothing was ordered. The plan says why for each place.",
            )
        return [(planned.candidates[c.source], c.quantity) for c in planned.allocation.chosen]
    wanted: dict[str, int] = {}
    for choice in choices:
        if choice.quantity < 1:
            raise invalid("requisition.quantity", "Order 1 or more from each place.", field="quantity")
        wanted[choice.key] = wanted.get(choice.key, 0) + choice.quantity
    if not wanted:
        raise invalid("requisition.choices", "Choose at least one place to order from.", field="choices")
    picked: list[tuple[Candidate, int]] = []
    by_group: dict[str, int] = {}
    for key, quantity in wanted.items():
        candidate = planned.candidates.get(key)
        if candidate is None:
            raise missing(
                "requisition.place",
                "No units of this part are at this place any more, or it never was one. Nothing was ordered; "
                "look up where units are now.",
            )
        taken = by_group.get(candidate.group, 0)
        by_group[candidate.group] = taken + quantity
        can = min(candidate.callable, candidate.group_cap - taken)
        if quantity > can:
            raise _cannot(candidate, quantity, max(can, 0))
        picked.append((candidate, quantity))
    total = sum(wanted.values())
    if total > lacking:
        raise conflict(
            "requisition.too_many",
            f"This request lacks {lacking} more, not {total}. Nothing was ordered.",
            field="quantity",
            available=lacking,
        )
    return picked


def _require_sizes(picked: Sequence[tuple[Candidate, int]]) -> None:
    """Raises ``requisition.order_size`` where an order is for fewer than its agreement lets one be for, or between its steps."""
    for candidate, quantity in picked:
        if not candidate.takes(quantity):
            raise conflict(
                "requisition.order_size",
                f"{candidate.holder}: {candidate.size_words} {quantity:,} were asked for; nothing was ordered.",
                field="quantity",
                available=candidate.group_cap,
            )


_PHYSICAL = ("held", "quality_hold", "withdrawn", "in_transit")


def _cannot(candidate: Candidate, quantity: int, can: int) -> DomainError:
    """Why so many cannot be had there: what the person could change comes first (its own delegation), then the
    clause, then where the units are."""

    def rank(blocked: Blocked) -> int:
        if blocked.code == "delegation_limit":
            return 0
        return 2 + _PHYSICAL.index(blocked.code) if blocked.code in _PHYSICAL else 1

    causes = sorted(candidate.blocked, key=rank)
    first = causes[0].code if causes else "not_enough"
    give = f"can give {can} now, not {quantity}" if can else "can give none now"
    words = (f"{candidate.holder} {give}.", *(b.words for b in causes), "Nothing was ordered.")
    return conflict(
        f"requisition.{first}",
        " ".join(words),
        field="quantity",
        available=can,
    )


def wants_approval(actor: Actor, total: Decimal) -> bool:
    """Whether orders of this amount for one request wait for an approver."""
    return actor.order_limit is not None and total > actor.order_limit and not actor.may("sourcing.approve")


async def require_delegation(session: WriteSession, actor: Actor, maker: UUID, total: Decimal) -> None:
    """Raises ``requisition.delegation`` where a request comes to more than the actor's company may order back of this maker's."""
    if actor.company_id == maker:
        return
    limit = (await queries.scope(session, actor)).limits.get(maker)
    if limit is None:
        raise forbidden(
            "requisition.delegation", "This maker's delegation to your company has ended. Nothing was ordered."
        )
    if total > limit.value:
        raise conflict(
            "requisition.delegation",
            f"This comes to {total:,.2f} {limit.currency}; your delegation allows {limit.value:,.2f} {limit.currency} a "
            "request. Nothing was ordered. Ask the maker's planner.",
            available=str(limit.value),
        )


async def _call(
    session: WriteSession,
    actor: Actor,
    requisition: queries.RequisitionRow,
    candidate: Candidate,
    quantity: int,
    approval: bool,
    now: datetime,
    notice_id: UUID | None,
) -> UUID:
    """Reserves the units and writes the call; without need of approval it is sent at once."""
    call_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    until = now + timedelta(minutes=APPROVAL_MINUTES) if approval else None
    owner = requisition.maker_id if candidate.kind == "own_stock" else None
    steps: list[Step] = []
    left = quantity
    for lot_id, position, free in await queries.lots_at(session, candidate, owner, now):
        if left:
            steps.append(Step(Kind.HOLD, lot_id, min(free, left), position, expires_at=until))
            left -= min(free, left)
    if left:
        raise conflict("ledger.not_enough", f"Only {quantity - left} are there now, not {quantity}. Plan again.")
    command = Command(command_id("call", call_id), requisition.maker_id, actor.user_id, tuple(steps), "call", call_id)
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    if candidate.kind == "own_stock":
        for hold in holds:
            await drop_from_listings(session, hold.lot_id, hold.from_position or 0, hold.quantity)
    assert candidate.unit_price is not None  # noqa: S101 - callable ones have a price
    await execute(
        session,
        "INSERT INTO call (id, reference, kind, requisition_id, company_id, maker_id, holder_id, agreement_id, part_id, "
        "site_id, destination_site_id, condition, urgency, quantity, unit_price, currency, status, silence, reasons, "
        "inspection_days, payment_days, requested_by, respond_by, ship_by, expected_at, draw_fee, acknowledge_by, deliver_by, "
        "default_from, notice_id, created_at, clause) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,'allocated',$17,$18::jsonb,$19,$20,$21,"
        "$22,$23,$24,$25,$26,$27,$28,$29,$30,$31)",
        call_id, short_reference("CALL"), candidate.kind, requisition.id, requisition.company_id, requisition.maker_id,
        candidate.holder_id, candidate.agreement_id, candidate.part_id, candidate.site_id,
        requisition.destination_site_id, candidate.condition, requisition.urgency, quantity,
        candidate.unit_price.amount, candidate.unit_price.currency, candidate.silence,
        encode(list(candidate.reasons)).decode(), candidate.inspection_days, candidate.payment_days, actor.user_id,
        candidate.respond_by, candidate.ship_by, candidate.arrives,
        candidate.draw_fee.amount if candidate.draw_fee else None, candidate.acknowledge_by, candidate.deliver_by,
        candidate.default_from, notice_id or candidate.answers, now,
        candidate.clause,
    )  # fmt: skip
    await keep_units(session, call_id, anew=False)
    await _keep_places(session, requisition, call_id)
    call = await queries.call(session, call_id)
    await tell(session, actor, call, "requested", {"quantity": quantity}, now)
    if not approval:
        await _send(session, actor, call, now)
    elif call.agreement_id:
        await agreements.note_reserved(
            session, call.agreement_id, call_id=call.id, part_id=call.part_id, units=call.quantity, now=now,
            notice_id=call.notice_id, clause=call.clause,
        )  # fmt: skip
    return call_id


async def _keep_places(session: WriteSession, requisition: queries.RequisitionRow, call_id: UUID) -> None:
    """Copies where to ship, and who asks, onto the call: its parties must see it whether or not they may see the
    site, and it must still say the same after the site has changed."""
    async with acting_for(session, requisition.company_id):
        person = await parties.person_to_ring(session, requisition.requested_by)
    asked_by = {"name": person[0], "telephone": person[1]} if person else {"name": "", "telephone": ""}
    await execute(
        session,
        "UPDATE call SET ship_from = site_card(site_id), ship_to = site_card(destination_site_id) || $2::jsonb WHERE id = $1",
        call_id,
        encode({"asked_by": {**asked_by, "company": requisition.company}}).decode(),
    )


async def _send(session: WriteSession, by: By, call: queries.CallRow, now: datetime) -> None:
    """Gives notice: from here the holder's clock runs, on deadlines computed once."""
    await set_status(session, call, "noticed", noticed_at=now)
    if call.agreement_id:
        await agreements.note_exercise(
            session,
            call.agreement_id,
            call_id=call.id,
            part_id=call.part_id,
            units=call.quantity,
            now=now,
            notice_id=call.notice_id,
            clause=call.clause,
        )
    await tell(session, by, call, "noticed", {"respond_by": call.respond_by}, now)
    # Units that are the maker's, or that the holder offered, are shipped without an answer.
    unasked = (
        bool(call.agreement_id)
        and call.silence == "accepted"
        and call.respond_by is not None
        and call.respond_by <= now
    )
    if unasked:
        call = await queries.call(session, call.id)
        await set_status(session, call, "accepted", accepted_at=now)
        await tell(session, by, call, "needs_no_answer", {}, now)
    word = {"own_stock": "Pick request", "access_draw": "Access draw", "buy_back": "Buy-back order"}[call.kind]
    due = f"{call.respond_by:%d %b %Y %H:%M} UTC" if call.respond_by else "soon"
    meaning = "counts as accepted" if call.silence == "accepted" else "counts as refused"
    await announce(
        session, "call.noticed", call, call.holder_id, ("buyer", "warehouse", "planner"),
        f"{word} {call.reference}: {call.quantity} x {call.part_number}",
        f"{call.maker} orders {call.quantity} {call.uom} of {call.part_number} ({call.description}) from {call.site}. "
        + ("It needs no answer: please ship the units." if unasked else f"Please answer by {due}; no response by then {meaning}."),
    )  # fmt: skip


async def _alert(
    session: WriteSession, actor: Actor, requisition: queries.RequisitionRow, total: Decimal, now: datetime
) -> None:
    people = await parties.people_to_tell(session, requisition.maker_id, ("planner", "admin"))
    until = now + timedelta(minutes=APPROVAL_MINUTES)
    payload: dict[str, Any] = {
        "reference": requisition.reference,
        "urgent": requisition.urgency == "machine_down",
    }
    if people:
        payload["mail"] = {
            "to": people,
            "subject": f"Approve {requisition.reference}: {requisition.quantity} x {requisition.part_number}",
            "text": f"{actor.user_name} needs {requisition.quantity} {requisition.uom} for {requisition.machine_model or 'a machine'} "
            f"({total:,.2f}), above their limit. The units are reserved until {until:%H:%M} UTC.",
            "link": f"/requests/{requisition.id}",
        }
    await emit(
        session,
        "requisition.approval",
        "requisition",
        requisition.id,
        [requisition.maker_id, requisition.company_id],
        payload,
    )


async def approve(session: WriteSession, actor: Actor, requisition_id: UUID, now: datetime) -> None:
    """An approver of the maker lets an order above the technician's limit go out. Raises ``requisition.state``
    when nothing waits, ``ledger.hold_expired`` when the 30 minutes ran out, ``agreement.suspended`` or ``agreement.legal_hold``
    where nothing is ordered any more, ``notice.state`` where the notice can no longer be answered."""
    found = await own_request(session, actor, requisition_id)
    if actor.company_id != found.maker_id:
        raise missing("requisition.not_found", "No such parts request that you could approve.")
    if found.status != "awaiting_approval":
        raise conflict("requisition.state", "Nothing waits for approval here.")
    waiting = await queries.calls(
        session, actor.company_id, requisition_id=requisition_id, statuses=["allocated"], limit=500
    )
    for call in waiting:
        units = await queries.call_units(session, call.id)
        steps: list[Step] = []
        for u in units:
            steps.append(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq))
            steps.append(Step(Kind.HOLD, u.lot_id, u.quantity, u.position_id))
        command = Command(
            command_id("call.approve", call.id), found.maker_id, actor.user_id, tuple(steps), "call", call.id
        )
        await carry_out(session, command, now)
        await keep_units(session, call.id)
    await noticed.agreements_for_update(session, [c.agreement_id for c in waiting if c.agreement_id])
    for call in waiting:
        # What was reserved before the agreement stood still is not ordered while it does.
        await require_live(session, call)
        shift = now - call.created_at
        # The clock starts at notice: what was computed when the units were reserved moves by the wait.
        moved = replace(
            call,
            respond_by=call.respond_by + shift if call.respond_by else None,
            ship_by=call.ship_by + shift if call.ship_by else None,
            expected_at=call.expected_at + shift if call.expected_at else None,
        )
        await execute(
            session,
            "UPDATE call SET respond_by = $2, ship_by = $3, expected_at = $4, acknowledge_by = acknowledge_by + $5, "
            "deliver_by = deliver_by + $5, default_from = default_from + $5 WHERE id = $1",
            call.id,
            moved.respond_by,
            moved.ship_by,
            moved.expected_at,
            shift,
        )
        await _send(session, actor, moved, now)
    await execute(session, "UPDATE requisition SET status = 'ordered' WHERE id = $1", requisition_id)


async def lapse(session: WriteSession, by: By, requisition_id: UUID, now: datetime) -> bool:
    """Nobody approved in time (worker): the units are free again and the request is open. False when it was
    approved meanwhile."""
    found = await queries.requisition_for_update(session, requisition_id)
    if found.status != "awaiting_approval":
        return False
    await _end_calls(session, by, found, ("allocated",), "not_approved", now)
    await execute(session, "UPDATE requisition SET status = 'open' WHERE id = $1", requisition_id)
    return True


async def withdraw_request(session: WriteSession, actor: Actor, requisition_id: UUID, now: datetime) -> None:
    """Cancels a parts request with every order of it that has not shipped. Raises ``requisition.on_the_way``."""
    found = await own_request(session, actor, requisition_id)
    if found.status in ("closed", "cancelled"):
        raise conflict("requisition.closed", "This parts request has ended already.")
    if found.on_the_way or found.received:
        raise conflict(
            "requisition.on_the_way",
            "Units are on the way or here already: receive them, then close it as returned unused.",
        )
    # The units are the maker's affair, also where its delegate asked for them.
    async with acting_for(session, found.maker_id):
        calls = await queries.calls(session, found.maker_id, requisition_id=found.id, statuses=OPEN, limit=500)
        if bound := await bound_both(session, calls, now):
            first = bound[0]
            raise conflict(
                "requisition.bound",
                f"{first.holder} is bound to {first.reference}, and so are you: ask to cancel that order first. Once the holder has "
                "agreed the request can be cancelled. Nothing was changed.",
            )
        by = OnBehalf(actor.user_id, found.maker_id)
        ended = await _end_calls(session, by, found, OPEN, "cancelled", now)
    await execute(
        session,
        "UPDATE requisition SET status = 'cancelled', outcome = 'cancelled', closed_at = $2 WHERE id = $1",
        requisition_id,
        now,
    )
    for call in ended:
        await tell_cancelled(session, call)


async def _end_calls(
    session: WriteSession, by: By, found: queries.RequisitionRow, statuses: Sequence[str], why: str, now: datetime
) -> Sequence[queries.CallRow]:
    """Ends the request's orders in these states; answers them as they were."""
    calls = await queries.calls(session, found.maker_id, requisition_id=found.id, statuses=statuses, limit=500)
    return await end_these(session, by, calls, why, now)


async def end_these(
    session: WriteSession, by: By, calls: Sequence[queries.CallRow], why: str, now: datetime
) -> Sequence[queries.CallRow]:
    """Ends these orders, which bind nobody; answers them as they were."""
    for call in calls:
        await free_units(session, by, call, "end", now)
        if call.agreement_id and call.noticed_at and call.replaces_id is None:
            await agreements.undo_exercise(session, call.agreement_id, call_id=call.id, now=now)
        await set_status(session, call, "cancelled", ended_at=now, note=why)
        await tell(session, by, call, "cancelled", {"why": why}, now)
    return calls


async def tell_cancelled(session: WriteSession, call: queries.CallRow) -> None:
    """Tells the holder of an order that it had notice of that it is not needed any more."""
    if call.noticed_at and call.kind != "own_stock":
        await announce(
            session, "call.answered", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} was cancelled",
            f"{call.maker} no longer needs {call.quantity} x {call.part_number}.",
        )  # fmt: skip


async def bound_both(
    session: AsyncSession, calls: Sequence[queries.CallRow], now: datetime
) -> Sequence[queries.CallRow]:
    """Those of these orders that bind holder and maker under the second library, whose texts have no right to cancel: accepted,
    bound from their notice, or unanswered past the time after which silence stands for a yes. One statement."""
    bound = [
        c
        for c in calls
        if c.agreement_id is not None
        and (
            c.status in BINDING
            or (c.status == "noticed" and c.silence == "accepted" and c.respond_by is not None and now >= c.respond_by)
        )
    ]
    second = await noticed.second_library(session, [c.agreement_id for c in bound if c.agreement_id]) if bound else {}
    return [c for c in bound if c.agreement_id in second]


async def free_units(session: WriteSession, by: By, call: queries.CallRow, step: str, now: datetime) -> None:
    """Ends the reservations of a call: voids what still stands; what has run out, the ledger expires itself."""
    units = await queries.call_units(session, call.id)
    standing = {(r["lot_id"], r["hold_seq"]): r["expires_at"] for r in await _open_holds(session, call.id)}
    steps = tuple(
        Step(
            Kind.EXPIRE if (ends := standing[u.lot_id, u.hold_seq]) is not None and ends <= now else Kind.VOID,
            u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq,
        )
        for u in units
        if (u.lot_id, u.hold_seq) in standing
    )  # fmt: skip
    if steps:
        command = Command(command_id("call", step, call.id), by.company_id, by.user_id, steps, "call", call.id)
        await carry_out(session, command, now)


async def _open_holds(session: WriteSession, call_id: UUID) -> Sequence[Any]:
    return await fetch(session, "SELECT lot_id, hold_seq, expires_at FROM open_hold WHERE cause_id = $1", call_id)
