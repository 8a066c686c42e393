"""Orders back are written and sent: however many, in a constant number of statements, but for the people of each holder that is told
(a company's people are read on its behalf alone)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.service import Exercise
from marketplace.agreements.states import CallState, move_call
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.canonical import loose
from marketplace.kit.errors import conflict
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings.service import drop_from_listings
from marketplace.outbox.service import emit_to_each
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.service.shared import keep_units, tell_each

APPROVAL_MINUTES = 30


@dataclass(frozen=True, slots=True)
class Placing:
    """So many from a place for a request; with ``approval`` only reserved, until somebody agrees or half an hour is over.
    ``notice_id``: the holder's notice that the order answers."""

    request: queries.RequisitionRow
    candidate: Candidate
    quantity: int
    approval: bool = False
    notice_id: UUID | None = None


async def place(session: WriteSession, actor: Actor, orders: Sequence[Placing], now: datetime) -> list[UUID]:
    """Reserves the units and writes the orders, in their order; those without need of approval are sent at once. Of one maker, which is
    the tenant; requests and lots are locked. Raises ``ledger.not_enough``."""
    if not orders:
        return []
    made = [r["id"] for r in await fetch(session, "SELECT uuidv7() AS id FROM generate_series(1, $1)", len(orders))]
    await _reserve(session, actor, orders, made, now)
    await _write(session, actor, orders, made, now)
    await keep_units(session, *made, anew=False)
    calls = {k.id: k for k in await queries.calls_by_id(session, made)}
    await tell_each(session, actor, [(calls[i], "requested", {"quantity": calls[i].quantity}) for i in made], now)
    now_sent = [calls[i] for i, o in zip(made, orders, strict=True) if not o.approval]
    waiting = [calls[i] for i, o in zip(made, orders, strict=True) if o.approval]
    await send(session, actor, now_sent, now)
    if under := [_exercise(k, k.agreement_id) for k in waiting if k.agreement_id is not None]:
        await agreements.note_reserved(session, under, now)
    return made


def _exercise(call: queries.CallRow, agreement_id: UUID) -> Exercise:
    return Exercise(call.id, agreement_id, call.part_id, call.quantity, call.notice_id, call.clause)


async def _reserve(
    session: WriteSession, actor: Actor, orders: Sequence[Placing], made: Sequence[UUID], now: datetime
) -> None:
    """One command, each step on account of its order. What one order takes the next one does not find."""
    asked = {o.candidate.key: (o.candidate, _owner(o)) for o in orders}
    shelves = await queries.lots_at(session, list(asked.values()), now)
    until = now + timedelta(minutes=APPROVAL_MINUTES)
    steps: list[Step] = []
    own: dict[tuple[UUID, int], int] = {}
    for order, call_id in zip(orders, made, strict=True):
        shelf, left = shelves.get(order.candidate.key, []), order.quantity
        while left and shelf:
            lot, position, free = shelf.pop(0)
            count = min(free, left)
            left -= count
            steps.append(
                Step(Kind.HOLD, lot, count, position, expires_at=until if order.approval else None, cause=call_id)
            )
            if order.candidate.kind == "own_stock":
                own[lot, position] = own.get((lot, position), 0) + count
            if free > count:
                shelf.insert(0, (lot, position, free - count))
        if left:
            there = order.quantity - left
            raise conflict("ledger.not_enough", f"Only {there} are there now, not {order.quantity}. Plan again.")
    maker = orders[0].request.maker_id
    key = command_id("call", made[0]) if len(made) == 1 else command_id("calls", *made)
    await carry_out(session, Command(key, maker, actor.user_id, tuple(steps), "call", made[0]), now)
    if own:
        await drop_from_listings(session, own)


def _owner(order: Placing) -> UUID | None:
    return order.request.maker_id if order.candidate.kind == "own_stock" else None


_COLUMNS = (
    ("id", "uuid"), ("reference", "text"), ("kind", "text"), ("requisition_id", "uuid"), ("company_id", "uuid"), ("maker_id", "uuid"),
    ("holder_id", "uuid"), ("agreement_id", "uuid"), ("part_id", "uuid"), ("site_id", "uuid"), ("destination_site_id", "uuid"),
    ("condition", "text"), ("urgency", "text"), ("quantity", "int"), ("unit_price", "numeric"), ("currency", "text"), ("silence", "text"),
    ("reasons", "jsonb"), ("inspection_days", "int"), ("payment_days", "int"), ("requested_by", "uuid"), ("respond_by", "timestamptz"),
    ("ship_by", "timestamptz"), ("expected_at", "timestamptz"), ("draw_fee", "numeric"), ("acknowledge_by", "timestamptz"),
    ("deliver_by", "timestamptz"), ("default_from", "timestamptz"), ("notice_id", "uuid"), ("clause", "text"),
    ("created_at", "timestamptz"),
)  # fmt: skip
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS)
# Where to ship, and who asks, is copied onto the order: its parties must see it whether or not they may see the site, and it must
# still say the same after the site has changed.
_INSERT = (
    f"INSERT INTO call ({_NAMES}, status, ship_from, ship_to) SELECT {_NAMES}, 'allocated', site_card(site_id), "
    f"site_card(destination_site_id) || card FROM jsonb_to_recordset($1::jsonb) AS x ({_TYPED}, card jsonb)"
)


async def _write(
    session: WriteSession, actor: Actor, orders: Sequence[Placing], made: Sequence[UUID], now: datetime
) -> None:
    cards = await _cards(session, orders)
    rows = [
        {**_row(actor, order, call_id, now), "card": card}
        for order, call_id, card in zip(orders, made, cards, strict=True)
    ]
    await execute(session, _INSERT, loose(rows))


def _row(actor: Actor, order: Placing, call_id: UUID, now: datetime) -> dict[str, Any]:
    c, r = order.candidate, order.request
    assert c.unit_price is not None  # noqa: S101 - callable ones have a price
    return {
        "id": call_id, "reference": short_reference("CALL"), "kind": c.kind, "requisition_id": r.id, "company_id": r.company_id,
        "maker_id": r.maker_id, "holder_id": c.holder_id, "agreement_id": c.agreement_id, "part_id": c.part_id, "site_id": c.site_id,
        "destination_site_id": r.destination_site_id, "condition": c.condition, "urgency": r.urgency, "quantity": order.quantity,
        "unit_price": c.unit_price.amount, "currency": c.unit_price.currency, "silence": c.silence, "reasons": list(c.reasons),
        "inspection_days": c.inspection_days, "payment_days": c.payment_days, "requested_by": actor.user_id, "respond_by": c.respond_by,
        "ship_by": c.ship_by, "expected_at": c.arrives, "draw_fee": c.draw_fee.amount if c.draw_fee else None,
        "acknowledge_by": c.acknowledge_by, "deliver_by": c.deliver_by, "default_from": c.default_from,
        "notice_id": order.notice_id or c.answers, "clause": c.clause, "created_at": now,
    }  # fmt: skip


async def _cards(session: WriteSession, orders: Sequence[Placing]) -> list[dict[str, Any]]:
    """Who asks for each order, and how to ring them."""
    asking: dict[UUID, set[UUID]] = {}
    for order in orders:
        asking.setdefault(order.request.company_id, set()).add(order.request.requested_by)
    people: dict[UUID, tuple[str, str]] = {}
    for company, persons in asking.items():
        async with acting_for(session, company):
            people |= await parties.people_to_ring(session, persons)
    cards = []
    for order in orders:
        name, telephone = people.get(order.request.requested_by, ("", ""))
        cards.append({"asked_by": {"name": name, "telephone": telephone, "company": order.request.company}})
    return cards


_WORDS: Mapping[str, str] = {
    "own_stock": "Pick request",
    "access_draw": "Access draw",
    "buy_back": "Buy-back order",
}


async def send(session: WriteSession, by: By, calls: Sequence[queries.CallRow], now: datetime) -> None:
    """Gives notice of orders that are only reserved: from here their holders' clocks run, on deadlines computed once."""
    if not calls:
        return
    for call in calls:
        move_call(CallState(call.status), CallState.NOTICED)
    ids = [k.id for k in calls]
    await execute(session, "UPDATE call SET status = 'noticed', noticed_at = $2 WHERE id = ANY($1::uuid[])", ids, now)
    if under := [_exercise(k, k.agreement_id) for k in calls if k.agreement_id is not None]:
        await agreements.note_exercises(session, under, now)
    told: list[tuple[queries.CallRow, str, Mapping[str, Any]]] = [
        (k, "noticed", {"respond_by": k.respond_by}) for k in calls
    ]
    # Units that are the maker's, or that the holder offered, are shipped without an answer.
    unasked = [k for k in calls if _needs_no_answer(k, now)]
    if unasked:
        await execute(
            session, "UPDATE call SET status = 'accepted', accepted_at = $2 WHERE id = ANY($1::uuid[])", [k.id for k in unasked], now
        )  # fmt: skip
        told += [(k, "needs_no_answer", {}) for k in unasked]
    await tell_each(session, by, told, now)
    people: dict[UUID, list[str]] = {}
    for holder in dict.fromkeys(k.holder_id for k in calls):
        async with acting_for(session, holder):
            people[holder] = await parties.people_to_tell(session, holder, ("buyer", "warehouse", "planner"))
    await emit_to_each(
        session, "call.noticed", "call",
        [(k.id, [k.maker_id, k.holder_id, k.company_id], _notice(k, people[k.holder_id], now)) for k in calls],
    )  # fmt: skip


def _needs_no_answer(call: queries.CallRow, now: datetime) -> bool:
    by = call.respond_by
    return call.agreement_id is not None and call.silence == "accepted" and by is not None and by <= now


def _notice(call: queries.CallRow, people: Sequence[str], now: datetime) -> dict[str, Any]:
    """What an event of an order that is sent carries: of a stopped machine everybody is told at once, whatever they have chosen."""
    payload: dict[str, Any] = {"reference": call.reference, "urgent": call.urgency == "machine_down"}
    if not people:
        return payload
    due = f"{call.respond_by:%d %b %Y %H:%M} UTC" if call.respond_by else "soon"
    meaning = "counts as accepted" if call.silence == "accepted" else "counts as refused"
    answer = (
        "It needs no answer: please ship the units." if _needs_no_answer(call, now)
        else f"Please answer by {due}; no response by then {meaning}."
    )  # fmt: skip
    payload["mail"] = {
        "to": list(people), "subject": f"{_WORDS[call.kind]} {call.reference}: {call.quantity} x {call.part_number}",
        "text": f"{call.maker} orders {call.quantity} {call.uom} of {call.part_number} ({call.description}) from {call.site}. {answer}",
        "link": f"/calls/{call.id}",
    }  # fmt: skip
    return payload


async def ask_approval(
    session: WriteSession, actor: Actor, totals: Mapping[UUID, tuple[queries.RequisitionRow, Decimal]], now: datetime
) -> None:
    """Tells the maker's approvers of requests whose units are reserved until somebody agrees, each with what it comes to."""
    if not totals:
        return
    maker = next(iter(totals.values()))[0].maker_id
    people = await parties.people_to_tell(session, maker, ("planner", "admin"))
    until = now + timedelta(minutes=APPROVAL_MINUTES)
    events = []
    for request, total in totals.values():
        payload: dict[str, Any] = {"reference": request.reference, "urgent": request.urgency == "machine_down"}
        if people:
            payload["mail"] = {
                "to": people,
                "subject": f"Approve {request.reference}: {request.quantity} x {request.part_number}",
                "text": f"{actor.user_name} needs {request.quantity} {request.uom} for {request.machine_model or 'a machine'} "
                f"({total:,.2f}), above their limit. The units are reserved until {until:%H:%M} UTC.",
                "link": f"/requests/{request.id}",
            }
        events.append((request.id, [request.maker_id, request.company_id], payload))
    await emit_to_each(session, "requisition.approval", "requisition", events)
