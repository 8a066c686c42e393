"""The parts requests and orders for units back behind what was called, priced by the clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.deadlines import after_days, pay_by
from marketplace.agreements.evaluation import evaluate_call
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import Entitled
from marketplace.agreements.phrases import deadline
from marketplace.agreements.terms import AccessBackV1, Terms, Urgency, parse_terms
from marketplace.demo.called import Called, Manner
from marketplace.demo.cast import Cast
from marketplace.demo.draws import Draws
from marketplace.demo.rows import (
    AgreementLine,
    Call,
    CallEvent,
    CallUnit,
    OpenHold,
    Position,
    Requisition,
    Settlement,
    TermSheet,
    Withdrawal,
)
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money

_URGENCY = {"machine_down": Urgency.MACHINE_DOWN, "urgent": Urgency.URGENT, "stock_order": Urgency.STOCK}
_NEEDED_DAYS = {"machine_down": 1, "urgent": 5, "stock_order": 21}
_CARRIERS = ("Tri-County Freight", "Meridian Motor Lines", "Blue Heron Logistics", "Switchyard Express")
_STATUS = {
    Manner.WAITING: "noticed",
    Manner.ACCEPTED: "accepted",
    Manner.ON_THE_WAY: "shipped",
    Manner.UNSETTLED: "priced",
    Manner.RETURNED: "settled",
    Manner.REFUSED: "refused",
}
_WITHDRAWING = frozenset({"not_on_shelf", "damaged", "used_unreported", "short"})
_COUNTED_AFTER = timedelta(days=12)
"""Units said not to be on the shelf were found or written off by then."""


@dataclass(slots=True)
class Requests:
    """Everything about calls but the ledger."""

    requisitions: list[Requisition] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    units: list[CallUnit] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)
    holds: list[OpenHold] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)


def build_requests(
    called: Sequence[Called],
    lines: Sequence[AgreementLine],
    positions: Sequence[Position],
    sheets: Mapping[str, TermSheet],
    cast: Cast,
    start: datetime,
    draws: Draws,
) -> Requests:
    """The rows of every call. Raises ValueError for a call that its clause would not have allowed."""
    wanted = {(c.agreement.id, c.part.id) for c in called}
    by_pair = {(row.agreement_id, row.part_id): row for row in lines if (row.agreement_id, row.part_id) in wanted}
    remaining: Counter[tuple[UUID, UUID]] = Counter()
    for place in positions:
        if place.agreement_id and place.quantity and (place.agreement_id, place.part_id) in wanted:
            remaining[place.agreement_id, place.part_id] += place.quantity
    terms = {key: parse_terms(sheets[key]["clause"], 1, sheets[key]) for key in {c.agreement.terms_key for c in called}}
    rows = Requests()
    for one in called:
        pair = one.agreement.id, one.part.id
        gone = one.quantity if one.received_at else 0
        facts = _facts(one, by_pair[pair], remaining[pair] + gone)
        _add(rows, one, terms[one.agreement.terms_key], facts, cast, start, draws)
    return rows


def _facts(one: Called, line: AgreementLine, remaining: int) -> Facts:
    return Facts(
        schedule_date=one.agreement.schedule_date,
        zone=one.agreement.zone,
        sale_price=Money(line.sale_price, "USD"),
        list_price=Money(line.list_price, "USD"),
        quantity_sold=line.quantity_sold,
        minimum_to_keep=line.minimum_to_keep,
        remaining=min(remaining, line.quantity_sold),
        requested=one.quantity,
        urgency=_URGENCY[one.urgency],
        notice_at=one.noticed_at,
    )


def _add(rows: Requests, one: Called, terms: Terms, facts: Facts, cast: Cast, start: datetime, draws: Draws) -> None:
    found = evaluate_call(terms, facts, one.noticed_at)
    if not isinstance(found, Entitled) or found.granted < one.quantity:
        raise ValueError(f"the clause does not allow the call over lot {one.lot_id}")
    # As sourcing has it: what a unit costs if it is not replaced.
    price = found.replacement.purchase_price if found.replacement else found.unit_price
    asked = one.noticed_at - timedelta(minutes=draws.between(3, 25, "asked", one.id))
    requisition_id = draws.id(asked, "requisition", one.id)
    reference = draws.reference("CALL", one.id)
    ended = one.inspected_at or (one.answered_at if one.refusal else None)
    replace_by = (
        after_days(one.received_at, terms.replace_days, facts.zone)
        if isinstance(terms, AccessBackV1) and one.received_at
        else None
    )
    holder, maker = one.agreement.holder_id, cast.maker
    fee = found.unit_price if found.replacement else None
    # Nobody sent a replacement: what is not replaced by its day is bought.
    bought = one.quantity if fee and one.inspected_at and replace_by and replace_by <= start else 0
    lines = _settlements(one, reference, terms, facts, found, replace_by if bought else None, cast, start, draws)
    status = _STATUS[one.manner]
    if fee and one.inspected_at:
        paid = all(line.payer_marked_at and line.payee_marked_at for line in lines)
        status = "inspected" if not bought else "settled" if paid else "priced"
    rows.requisitions.append(_requisition(one, requisition_id, maker, asked, start, draws))
    rows.calls.append(
        Call(
            one.id, reference, "buy_back" if terms.clause == "buy-back" else "access_draw", requisition_id,
            one.company, maker, holder, one.agreement.id, one.part.id, one.site.id, one.destination.id, one.condition,
            one.urgency, one.quantity, price.amount, status, found.no_response.value,
            tuple(r.words for r in found.reasons), found.inspection_days, found.payment_days, replace_by,
            one.noticed_at, found.respond_by, found.ship_by, found.ship_by + timedelta(days=3),
            None if one.refusal else one.answered_at, one.shipped_at, one.received_at, ended, one.refusal,
            draws.one_of(_CARRIERS, "carrier", one.id) if one.shipped_at else None,
            f"{draws.below(10**10, 'tracking', one.id):010}" if one.shipped_at else None,
            one.quantity if one.inspected_at else None, one.technician, fee.amount if fee else None, bought,
        )
    )  # fmt: skip
    shipped = one.lot_id if one.shipped_at else None
    rows.units.append(
        CallUnit(
            one.id, one.lot_id, one.hold_seq, maker, holder, one.company, one.position, one.quantity, shipped,
            one.shipped_position,
        )
    )  # fmt: skip
    if one.manner in (Manner.WAITING, Manner.ACCEPTED):
        rows.holds.append(
            OpenHold(
                one.lot_id, one.hold_seq, one.position, one.quantity, None, "call", one.id, maker, one.parties
            )
        )  # fmt: skip
    rows.events.extend(_events(one, cast, settled=status == "settled"))
    if bought and replace_by:
        rows.events.append(
            CallEvent(one.id, maker, holder, one.company, "bought", {"quantity": bought}, one.technician, replace_by)
        )
    rows.settlements.extend(lines)
    if one.refusal in _WITHDRAWING and one.answered_at:
        counted = one.answered_at + _COUNTED_AFTER
        rows.withdrawals.append(
            Withdrawal(
                draws.id(one.answered_at, "withdrawal", one.id), one.lot_id, one.position, one.part.id, holder, maker,
                one.site.id, one.quantity, one.id, one.answered_at, counted if counted < start else None,
            )
        )  # fmt: skip


def _requisition(one: Called, key: UUID, maker: UUID, asked: datetime, start: datetime, draws: Draws) -> Requisition:
    recent = one.noticed_at > start - timedelta(days=30)
    status, outcome, closed = "ordered", None, None
    if one.manner is Manner.UNSETTLED:
        status = "received"
    elif one.manner is Manner.RETURNED:
        status, outcome, closed = "closed", one.outcome, one.settled_at
    elif one.manner is Manner.REFUSED:
        # A refusal of these days still waits for the next best source.
        status, outcome, closed = ("open", None, None) if recent else ("cancelled", "cancelled", one.answered_at)
    return Requisition(
        key, draws.reference("REQ", one.id), one.company, maker, one.technician, one.part.id, one.quantity,
        one.destination.id, one.urgency, asked + timedelta(days=_NEEDED_DAYS[one.urgency]), *one.machine,
        f"J{draws.below(9_000, 'job', one.id) + 1_000}", status, outcome, asked, closed,
    )  # fmt: skip


def _events(one: Called, cast: Cast, *, settled: bool) -> list[CallEvent]:
    holder, maker = one.agreement.holder_id, cast.maker
    store, works = cast.actor[holder, "warehouse"], cast.actor[maker, "warehouse"]
    planner, buyer = cast.actor[maker, "planner"], cast.actor[holder, "buyer"]
    steps: list[tuple[datetime | None, str, dict[str, object], UUID, UUID]] = [
        (one.noticed_at, "noticed", {}, one.company, one.technician),
        (one.answered_at, "refused" if one.refusal else "accepted", {}, holder, buyer),
        (one.shipped_at, "shipped", {}, holder, store),
        (one.received_at, "received", {}, maker, works),
        (one.inspected_at, "inspected", {"good": one.quantity}, maker, works),
        (one.settled_at if settled else None, "settled", {}, maker, planner),
    ]
    if one.refusal:
        steps[1][2]["code"] = one.refusal
    return [
        CallEvent(one.id, maker, holder, one.company, kind, detail, actor, at)
        for at, kind, detail, _, actor in steps
        if at is not None
    ]


def _settlements(
    one: Called,
    reference: str,
    terms: Terms,
    facts: Facts,
    found: Entitled,
    bought_at: datetime | None,
    cast: Cast,
    start: datetime,
    draws: Draws,
) -> list[Settlement]:
    """What is owed once the units are inspected: the price; of a draw its fee, and the price of what was bought."""
    if not one.inspected_at:
        return []
    inspected = one.inspected_at
    if not found.replacement:
        words = " ".join(r.words for r in found.reasons if found.unit_price.currency in r.words)
        return [
            _line(
                one,
                reference,
                terms,
                facts,
                "call_price",
                found.unit_price,
                words,
                inspected,
                one.settled_at,
                cast,
                draws,
            )
        ]
    lines = []
    if found.unit_price.amount:
        words = f"Draw fee {found.unit_price} a unit."
        lines.append(
            _line(
                one,
                reference,
                terms,
                facts,
                "draw_fee",
                found.unit_price,
                words,
                inspected,
                one.settled_at,
                cast,
                draws,
            )
        )
    if bought_at:
        price = found.replacement.purchase_price
        words = f"Not replaced by {deadline(bought_at, facts.zone)}: bought at {price} a unit."
        paid = bought_at + timedelta(days=9, hours=4)
        when = paid if one.settled_at and paid < start else None
        lines.append(_line(one, reference, terms, facts, "draw_purchase", price, words, bought_at, when, cast, draws))
    return lines


def _line(
    one: Called,
    reference: str,
    terms: Terms,
    facts: Facts,
    kind: str,
    price: Money,
    words: str,
    at: datetime,
    paid: datetime | None,
    cast: Cast,
    draws: Draws,
) -> Settlement:
    purpose = () if kind == "call_price" else (kind,)
    due = local_day(pay_by(terms, at, facts.zone) - timedelta(seconds=1), facts.zone)
    # Of what is open, half has been marked by the holder already.
    marked = paid or (at + timedelta(hours=6) if draws.below(2, "marked", one.id, *purpose) else None)
    maker, holder = cast.maker, one.agreement.holder_id
    amount = (price * one.quantity).amount.quantize(Decimal("0.0001"))
    return Settlement(
        draws.id(at, "settlement", one.id, *purpose), draws.reference("SET", one.id, *purpose), maker, holder, kind, one.id,
        reference, one.agreement.id, one.part.id, one.quantity, price.amount, amount, words, due, paid,
        cast.actor[maker, "planner"] if paid else None, marked, cast.actor[holder, "buyer"] if marked else None, at,
    )  # fmt: skip
