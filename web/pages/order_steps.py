"""The steps of an order: accept, decline, sign, cancel, ship, receive. Each page shows what the step will do; the step
itself comes with the form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.agreements import queries as agreements
from marketplace.agreements import service as signing
from marketplace.agreements.prose import summary_of_lines
from marketplace.db.session import WriteSession
from marketplace.kit.errors import conflict
from marketplace.orders import queries, service
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
    "cancel": "order.place",
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
    return visit.show(
        f"orders/{step}.html",
        **found,
        summary=summary,
        form=form,
        reasons=list(DECLINE_REASONS.items()),
        labels={
            f"{what}_{line.line_no}": f"Line {line.line_no}, {what}"
            for line in found["lines"]
            for what in (*FATES, "note")
        }
        | {
            unit_field(unit): f"Line {number}, {unit.serial}"
            for number, own in found["units"].items()
            for unit in own
            if unit.serial
        },
        fates=list(FATES.items()),
        unit_field=unit_field,
        paper=html(agreement.wording) if agreement and step == "sign" else None,
    )


def _step(step: str, act: Callable[[WriteSession, Actor, UUID, Sent, Any], Awaitable[Any]], done: str) -> None:
    """Registers the page of a step (GET) and the step itself (POST)."""

    async def page(visit: ReadsOrders, order_id: UUID) -> Response:
        values: dict[str, Value] = {}
        if step == "receive":
            for unit in await queries.units(visit.session, order_id):
                if unit.serial is None:
                    name = f"good_{unit.line_no}"
                    values[name] = str(int(str(values.get(name, "0"))) + unit.quantity)
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


async def _cancel(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    note = fields.text("note", "Note", required=False, most=500)
    fields.check()
    await service.cancel(session, actor, order_id, note=note, now=now)


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
    fields.check()
    await service.ship(session, actor, order_id, consignment, now)


async def _shipment(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    fields.check()
    await service.correct_shipment(session, actor, order_id, consignment, now)


def unit_field(unit: queries.UnitRow) -> str:
    """The form's name for what became of a serial-numbered unit: each line's units are told one by one."""
    return f"unit_{unit.line_no}_{unit.lot_id}"


async def _receive(session: WriteSession, actor: Actor, order_id: UUID, sent: Sent, now: Any) -> None:
    fields = sent.fields()
    units = await queries.units(session, order_id)
    receipts: list[Receipt] = []
    for line in await queries.lines(session, order_id):
        number = line.line_no
        serialised = [u for u in units if u.line_no == number and u.serial]
        named: dict[str, list[str]] = {fate: [] for fate in FATES}
        for unit in serialised:
            fate = fields.one_of(unit_field(unit), f"what became of {unit.serial}", FATES)
            named.setdefault(fate, []).append(str(unit.lot_id))
        loose = line.quantity - len(serialised)
        counts = [
            fields.whole(f"{fate}_{number}", f"Line {number}, {fate}", high=1_000_000, empty=0) if loose else 0
            for fate in FATES
        ]
        note = fields.text(f"note_{number}", f"Line {number}, note", required=False, most=500)
        if sum(counts) != loose:
            without = " without a serial number" if serialised else ""
            fields.wrong(f"good_{number}", f"Good, short, damaged and wrong {lacking(sum(counts), loose, without)}")
        elif (sum(counts[1:]) or len(named["good"]) < len(serialised)) and not note:
            fields.wrong(f"note_{number}", "Say in a few words what is wrong.")
        good, short, damaged, wrong = (n + len(named[fate]) for n, fate in zip(counts, FATES, strict=True))
        receipts.append(Receipt(number, good, short, damaged, wrong, note, named))
    fields.check("order.receipt", "What arrived does not add up.")
    await service.receive(session, actor, order_id, receipts, now)


_step("accept", _accept, "accepted")
_step("decline", _decline, "declined")
_step("cancel", _cancel, "cancelled")
_step("sign", _sign, "signed")
_step("ship", _ship, "shipped")
_step("shipment", _shipment, "shipment")
_step("receive", _receive, "received")
