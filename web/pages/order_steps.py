"""The steps of an order: accept, decline, sign, ship, receive. Each page shows what the step will do; the step
itself comes with the form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as signing
from marketplace.agreements.prose import summary_of_lines
from marketplace.db.session import WriteSession
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.money import Money
from marketplace.orders import queries, service
from marketplace.orders.delivery import DIFFERENCE_REASONS, Packed, Portion
from marketplace.orders.states import DECLINE_REASONS, WORDS, LeftOut, Receipt, lacking
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.clauses import html
from web.forms import Form, Value, shipment_values
from web.pages.orders import detail
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(prefix="/orders/{order_id}", include_in_schema=False)
ReadsOrders = Annotated[Visit, visits("order.read")]
VERBS = {
    "accept": "order.decide",
    "decline": "order.decide",
    "sign": "agreement.sign",
    "ship": "order.ship",
    "shipment": "order.ship",
    "receive": "order.receive",
}
FATES = {"good": "Good", "short": "Missing", "damaged": "Damaged", "wrong": "Wrong part"}
"""What may have become of a unit, in the words of the page."""


async def _page(visit: Visit, order_id: UUID, step: str, form: Form) -> Response:
    """The page of a step, where the step is possible now. Raises ``order.state``, ``actor.role``."""
    found = await detail(visit, order_id)
    visit.actor.require(VERBS[step])
    if step not in {action.key for action in found["actions"]} and not form.bad:
        order = found["order"]
        raise conflict("order.state", f"This order is {WORDS[order.shown_status]}; this step is not possible now.")
    agreement = found["agreement"]
    summary: tuple[str, ...] = ()
    if agreement and step == "sign":
        known = await agreements.terms_and_facts(
            visit.session, [(agreement.row.id, line.part_id) for line in agreement.lines]
        )
        told = [
            (line.number, known[pair].facts)
            for line in agreement.lines
            if (pair := (agreement.row.id, line.part_id)) in known
        ]
        summary = summary_of_lines(agreement.terms, told, agreement.further)
    await fit_shipment(visit, found, step)
    return visit.show(
        f"orders/{step}.html",
        **found,
        summary=summary,
        form=form,
        reasons=list(DECLINE_REASONS.items()),
        labels={
            f"{what}_{line.line_no}": f"Line {line.line_no}, {what}"
            for line in found["lines"]
            for what in (*FATES, "over", "note", "reason")
        }
        | {
            unit_field(unit): f"Line {number}, {unit.serial}"
            for number, own in found["units"].items()
            for unit in own
            if unit.serial
        },
        fates=list(FATES.items()),
        why=WHY,
        unit_field=unit_field,
        paper=html(agreement.wording) if agreement and step == "sign" else None,
    )


async def fit_shipment(visit: Visit, found: dict[str, Any], step: str, shipment_id: UUID | None = None) -> None:
    """Of a step about one shipment (the last one on its way, unless it is named) only that one's lines and units are shown; of shipping
    only what is left. Where the form is sent to and where it leads back."""
    order = found["order"]
    on_way = [s for s in found["on_way"] if shipment_id in (None, s.id)]
    which = on_way[-1].id if on_way and step in {"receive", "shipment"} else None
    found["shipment"] = next((s for s in on_way if s.id == which), None)
    found["post_to"] = f"/shipments/{which}/{step}" if shipment_id else f"/orders/{order.id}/{step}"
    found["crumbs"] = [("Orders", "/orders"), (order.reference, f"/orders/{order.id}")]
    if step not in {"receive", "ship"} or (step == "receive" and which is None):
        return
    units = {n: [u for u in own if u.shipment_id == which] for n, own in found["units"].items()}
    quantities = {n: sum(u.quantity for u in own) for n, own in units.items()}
    found["units"] = units
    found["lines"] = [replace(x, quantity=quantities[x.line_no]) for x in found["lines"] if quantities.get(x.line_no)]
    found["total"] = Money(sum((x.quantity * x.unit_price for x in found["lines"]), Decimal(0)), order.currency)


def receive_values(units: Sequence[queries.UnitRow]) -> dict[str, Value]:
    """What the form of a receipt shows first: everything without a serial number arrived well."""
    values: dict[str, Value] = {}
    for unit in units:
        if unit.serial is None:
            name = f"good_{unit.line_no}"
            values[name] = str(int(str(values.get(name, "0"))) + unit.quantity)
    return values


def _step(step: str, act: Callable[[WriteSession, Actor, UUID, Sent, Any], Awaitable[Any]], done: str) -> None:
    """Registers the page of a step (GET) and the step itself (POST)."""

    async def page(visit: ReadsOrders, order_id: UUID) -> Response:
        values: dict[str, Value] = {}
        if step == "receive":
            on_way = [s.id for s in await queries.shipments(visit.session, order_id) if s.received_at is None]
            values = receive_values(
                [u for u in await queries.units(visit.session, order_id) if u.shipment_id in on_way[-1:]]
            )
        if step == "shipment":
            order = await queries.order(visit.session, order_id)
            values = shipment_values(order.carrier, order.tracking)
        return await _page(visit, order_id, step, Form(values))

    async def carry_out(request: Request, order_id: UUID, sent: SentForm, now: Now) -> Response:
        async def again(visit: Visit, form: Form) -> Response:
            return await _page(visit, order_id, step, form)

        async def confirm(visit: Visit, form: Form, _outcome: Any) -> Response:
            return await _page(visit, order_id, step, form)

        async def run(session: WriteSession, actor: Actor) -> Any:
            return await act(session, actor, order_id, sent, now)

        return await submit(
            request,
            sent,
            VERBS[step],
            run,
            now=now,
            to=f"/orders/{order_id}?done={done}",
            again=again,
            confirm=confirm,
        )

    router.add_api_route(f"/{step}", page, methods=["GET"], name=f"order-{step}")
    router.add_api_route(f"/{step}", carry_out, methods=["POST"], name=f"order-{step}-done")


async def _accept(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> Any:
    actor.require("agreement.sign")
    form, fields = sent.form(), sent.fields()
    left: list[LeftOut] = []
    for line in await queries.lines(session, order_id):
        name = f"accept_{line.line_no}"
        label = f"Line {line.line_no}, accepted"
        kept = fields.whole(name, label, high=line.quantity, empty=line.quantity)
        if kept < line.quantity:
            reason = fields.one_of("left_out_reason", "why not all is accepted", DECLINE_REASONS)
            left.append(LeftOut(line.line_no, line.quantity - kept, reason, form.value("left_out_note").strip()))
    fields.check()
    return await service.accept(
        session, actor, order_id, now, terms=form.value("terms") or None, reason=form.value("reason"), left_out=left
    )


async def _decline(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    reason = fields.one_of("reason", "a reason", DECLINE_REASONS)
    note = fields.text("note", "Note", required=False, most=500)
    fields.check()
    await service.decline(session, actor, order_id, reason=reason, note=note, now=now)


async def _sign(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> str:
    order = await queries.order(session, order_id)
    agreement_id = await agreements.agreement_of_order(session, order.id)
    if agreement_id is None:
        raise conflict("order.state", "There is nothing to sign yet: the seller has not accepted.")
    text = sent.form().value("wording_sha256") or None
    state = await signing.sign(session, actor, agreement_id, now, wording_sha256=text)
    return state.reference


async def _ship(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    portions: list[Portion] = []
    left: dict[int, list[queries.UnitRow]] = {}
    for unit in await queries.units(session, order_id):
        if unit.shipment_id is None:
            left.setdefault(unit.line_no, []).append(unit)
    for number, own in left.items():
        loose = sum(u.quantity for u in own if u.serial is None)
        serials = tuple(u.serial for u in own if u.serial and not fields.yes(f"later_{number}_{u.lot_id}"))
        # Somebody else may have shipped some meanwhile: the service says how many are left.
        count = fields.whole(f"ship_{number}", f"Line {number}, shipped now", empty=loose) if loose else 0
        if count + len(serials):
            portions.append(Portion(number, count + len(serials), serials))
    packages = fields.whole("packages", "Packages", low=0, high=10_000, empty=0)
    weight = fields.amount("weight_kg", "Gross weight", empty=Decimal(0))
    origin = fields.text("origin", "Country of origin", required=False, most=2).upper()
    note = fields.text("note", "Note", required=False, most=500)
    fields.check()
    if left and not portions:
        raise invalid("shipment.empty", "Ship at least one unit.", field="lines")
    packed = Packed(packages or None, int(weight * 1000) or None, origin or None, note)
    await service.ship(session, actor, order_id, consignment, now, portions=portions, packed=packed)


async def _shipment(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    fields.check()
    await service.correct_shipment(session, actor, order_id, consignment, now)


def unit_field(unit: queries.UnitRow) -> str:
    """The form's name for what became of a serial-numbered unit: each line's units are told one by one."""
    return f"unit_{unit.line_no}_{unit.lot_id}"


async def _receive(
    session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any, shipment_id: UUID | None = None
) -> None:
    fields = sent.fields()
    on_way = [s.id for s in await queries.shipments(session, order_id) if s.received_at is None]
    which = shipment_id or (on_way[-1] if on_way else None)
    units = [u for u in await queries.units(session, order_id) if u.shipment_id == which and which is not None]
    receipts: list[Receipt] = []
    for line in await queries.lines(session, order_id):
        number = line.line_no
        here = [u for u in units if u.line_no == number]
        if not here:
            continue
        serialised = [u for u in here if u.serial]
        named: dict[str, list[str]] = {fate: [] for fate in FATES}
        for unit in serialised:
            fate = fields.one_of(unit_field(unit), f"what became of {unit.serial}", FATES)
            named.setdefault(fate, []).append(str(unit.lot_id))
        loose = sum(u.quantity for u in here) - len(serialised)
        over = fields.whole(f"over_{number}", f"Line {number}, too many", high=1_000_000, empty=0)
        reason = sent.form().value(f"reason_{number}") or "other"
        counts = [
            fields.whole(f"{fate}_{number}", f"Line {number}, {fate}", high=1_000_000, empty=0) if loose else 0
            for fate in FATES
        ]
        note = fields.text(f"note_{number}", f"Line {number}, note", required=False, most=500)
        if sum(counts) != loose:
            without = " without a serial number" if serialised else ""
            fields.wrong(f"good_{number}", f"Good, short, damaged and wrong {lacking(sum(counts), loose, without)}")
        elif (over or sum(counts[1:]) or len(named["good"]) < len(serialised)) and not note:
            fields.wrong(f"note_{number}", "Say in a few words what is wrong.")
        good, short, damaged, wrong = (n + len(named[fate]) for n, fate in zip(counts, FATES, strict=True))
        # One reason is chosen for a line; of a kind that does not know it, the note says why.
        reasons = {kind: reason for kind, codes in DIFFERENCE_REASONS.items() if reason in codes}
        receipts.append(Receipt(number, good, short, damaged, wrong, note, named, over, reasons))
    fields.check("order.receipt", "What arrived does not add up.")
    await service.receive(session, actor, order_id, receipts, now, which)


receive_by_form = _receive
WHY = list(
    {code: words for codes in DIFFERENCE_REASONS.values() for code, words in codes.items() if code != "other"}.items()
)
"""Why something is not as it was shipped: codes and words of every kind."""


_step("accept", _accept, "accepted")
_step("decline", _decline, "declined")
_step("sign", _sign, "signed")
_step("ship", _ship, "shipped")
_step("shipment", _shipment, "shipment")
_step("receive", _receive, "received")
