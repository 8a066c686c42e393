"""Ordering units back: confirming a plan reserves the units and sends the calls in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as noticed
from marketplace.agreements import service as agreements
from marketplace.agreements.notice import Standing
from marketplace.db.session import WriteSession, acting_for, execute, fetch, plan_once
from marketplace.kit.errors import DomainError, conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.parts import queries as parts
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import Blocked, Candidate
from marketplace.sourcing.rates import in_minor, usable
from marketplace.sourcing.service.clocks import require_live
from marketplace.sourcing.service.placing import APPROVAL_MINUTES, Placing, ask_approval, place, send
from marketplace.sourcing.service.requesting import (
    Asked,
    Planned,
    keep_plan,
    own_request,
    plan,
    raise_request,
)
from marketplace.sourcing.service.shared import announce, keep_units, set_status, tell, tell_asker
from marketplace.sourcing.states import BINDING, OPEN


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
        # Who names places is told why one of them can give nothing.
        named = choices is not None and not callable(choices)
        planned = await plan(session, actor, found, now, notice=notice_id, everywhere=named)
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
    before = (await queries.ordered_worth(session, [found.id]))[found.id]
    total = before.owed + sum((c.unit_price.amount * n for c, n in picked if c.unit_price), Decimal(0))
    worth = before.worth + sum((c.worth.amount * n for c, n in picked if c.worth), Decimal(0))
    await require_delegation(session, actor, found.maker_id, worth)
    approval = await wants_approval(session, actor, total, picked, now)
    told = [(planned.explained(c), n) for c, n in picked]
    calls = await order_picked(session, actor, [Picked(found, told, approval, total)], now, notice_id=notice_id)
    return Ordered(tuple(calls), approval)


@dataclass(frozen=True, slots=True)
class Picked:
    """So many from these places for a request; with ``approval`` an approver is asked first. ``total``: what the request comes to with
    what it has ordered before."""

    request: queries.RequisitionRow
    places: Sequence[tuple[Candidate, int]]
    approval: bool
    total: Decimal


async def order_picked(
    session: WriteSession, actor: Actor, picked: Sequence[Picked], now: datetime, *, notice_id: UUID | None = None
) -> list[UUID]:
    """Reserves and orders what was picked for requests of one maker, which is the tenant; requests and lots are locked. In their
    order; a constant number of statements, as ``place``."""
    orders = [Placing(p.request, c, n, p.approval, notice_id) for p in picked for c, n in p.places]
    calls = await place(session, actor, orders, now)
    await execute(
        session,
        "UPDATE requisition r SET status = CASE WHEN p.waits THEN 'awaiting_approval' ELSE 'ordered' END "
        "FROM unnest($1::uuid[], $2::bool[]) AS p (id, waits) WHERE r.id = p.id",
        [p.request.id for p in picked], [p.approval for p in picked],
    )  # fmt: skip
    waiting = {p.request.id: (p.request, p.total) for p in picked if p.approval}
    await ask_approval(session, actor, waiting, now)
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


async def wants_approval(
    session: WriteSession, actor: Actor, total: Decimal, picked: Sequence[tuple[Candidate, int]], now: datetime
) -> bool:
    """Whether orders for one request that come to ``total``, in the currency of what was picked, wait for an approver: above the
    person's limit, which is in the currency of its company, or where no rate of the last days tells."""
    if actor.order_limit is None or actor.may("sourcing.approve"):
        return False
    currency = next((c.unit_price.currency for c, _ in picked if c.unit_price), actor.currency)
    if currency == actor.currency or not total:
        return total > actor.order_limit
    async with acting_for(session, actor.company_id):
        rates = await queries.newest_rates(session, actor.company_id, actor.currency, now.date())
    worth = in_minor(Money(total, currency), actor.currency, usable(rates, now.date()))
    most = in_minor(Money(actor.order_limit, actor.currency), actor.currency, {})
    return worth is None or most is None or worth > most


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
    sent = []
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
        sent.append(moved)
    await send(session, actor, sent, now)
    await execute(session, "UPDATE requisition SET status = 'ordered' WHERE id = $1", requisition_id)


async def lapse(session: WriteSession, by: By, requisition_id: UUID, now: datetime) -> bool:
    """Nobody approved in time (worker): the units are free again, the request is open, and whoever asked is told. False when it was
    approved meanwhile."""
    found = await queries.requisition_for_update(session, requisition_id)
    if found.status != "awaiting_approval":
        return False
    await _end_calls(session, by, found, ("allocated",), "not_approved", now)
    await execute(session, "UPDATE requisition SET status = 'open' WHERE id = $1", requisition_id)
    words = f"Nobody approved within {APPROVAL_MINUTES} minutes, so the units are free again. Ask an approver, then order again."
    await tell_asker(session, found, "requisition.not_approved", f"{found.reference} was not approved in time", words)
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
