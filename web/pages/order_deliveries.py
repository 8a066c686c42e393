"""An order's way: the page of a shipment with its papers and its receipt, differences, returns, and cancelling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict
from marketplace.kit.money import Money
from marketplace.orders import queries, service
from marketplace.orders.delivery import (
    ANSWER_WORDS,
    ANSWERS,
    CANCEL_ANSWERS,
    CANCEL_REASONS,
    DISPUTE_REASONS,
    REFUSE_REASONS,
    RETURN_REASONS,
    Portion,
    Share,
)
from marketplace.orders.endpoints.deliveries import pdf_of
from marketplace.orders.packing import address_of
from marketplace.orders.queries.packing import packing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.forms import Form, shipment_values
from web.pages.order_steps import FATES, WHY, fit_shipment, receive_by_form, receive_values, unit_field
from web.pages.orders import WORDING, detail
from web.pages.unit_labels import code_of
from web.session import Sent, SentForm, Visit, submit, visits

router = APIRouter(include_in_schema=False)
ReadsOrders = Annotated[Visit, visits("order.read")]
LABELS: Final = 50
"""Labels on one page."""
Act = Callable[[WriteSession, Actor], Awaitable[Any]]


Page = Callable[[Visit, Form], Awaitable[Response]]


async def _do(
    request: Request, sent: Sent, verb: str, act: Act, now: Now, to: str | Callable[[Any], str], page: Page
) -> Response:
    """Carries a form out; refused or not confirmed yet, its page is shown."""

    async def confirm(visit: Visit, form: Form, _outcome: Any) -> Response:
        return await page(visit, form)

    return await submit(request, sent, verb, act, now=now, to=to, again=page, confirm=confirm)


def _after(done: str) -> Callable[[Any], str]:
    """The page of the order that the act answers, which says what was done."""
    return lambda of: f"/orders/{of}?done={done}"


# -- a shipment ------------------------------------------------------------------------------------------


async def _shipment_page(visit: Visit, shipment_id: UUID, form: Form, template: str = "shipment_page") -> Response:
    found = await packing(visit.session, visit.actor.company_id, shipment_id)
    order = await queries.order(visit.session, found.order_id)
    selling, open_ = order.seller_id == visit.actor.company_id, found.received_at is None
    address = address_of(visit.request.app.state.settings.base_url, shipment_id)
    crumbs = [("Orders", "/orders"), (found.reference, f"/orders/{found.order_id}")]
    if template != "shipment_page":
        crumbs.append((f"Shipment {found.number}", f"/shipments/{shipment_id}"))
    return visit.show(
        f"orders/{template}.html", packing=found, form=form, crumbs=crumbs, address=address, code=code_of(address),
        most=LABELS, site=await parties.site_seen(visit.session, order.ship_to_site_id),
        may_receive=open_ and not selling and visit.actor.may("order.receive"),
        may_correct=open_ and selling and visit.actor.may("order.ship"),
    )  # fmt: skip


@router.get("/shipments/{shipment_id}")
async def shipment(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """Where the code on a label leads: what is in it, and for the buyer one press to receive it."""
    return await _shipment_page(visit, shipment_id, Form())


@router.post("/shipments/{shipment_id}/received")
async def received(request: Request, sent: SentForm, shipment_id: UUID, now: Now) -> Response:
    """Everything arrived in good order."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        of = (await queries.shipment(session, shipment_id)).order_id
        await service.receive(session, actor, of, (), now, shipment_id)
        return of

    async def page(visit: Visit, form: Form) -> Response:
        return await _shipment_page(visit, shipment_id, form)

    return await _do(request, sent, "order.receive", act, now, _after("received"), page)


@router.get("/shipments/{shipment_id}/packing-list")
async def packing_page(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """The packing list, made for print."""
    return await _shipment_page(visit, shipment_id, Form(), "packing_list")


@router.get("/shipments/{shipment_id}/label")
async def label_page(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """The shipping label, one for each package."""
    return await _shipment_page(visit, shipment_id, Form(), "shipping_label")


@router.get("/shipments/{shipment_id}/packing-list.pdf")
async def packing_pdf(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """The packing list as PDF."""
    return await pdf_of(visit.session, visit.actor, shipment_id, label=False)


@router.get("/shipments/{shipment_id}/label.pdf")
async def label_pdf(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """The label as PDF."""
    return await pdf_of(visit.session, visit.actor, shipment_id, label=True)


async def _one_shipment(visit: Visit, shipment_id: UUID, step: str, form: Form | None) -> Response:
    """The page of a step about one shipment; without a form it is filled in with what is known."""
    row = await queries.shipment(visit.session, shipment_id)
    visit.actor.require({"receive": "order.receive", "shipment": "order.ship"}[step])
    found = await detail(visit, row.order_id)
    if found["selling"] != (step == "shipment") or (row.received_at is not None and not (form and form.bad)):
        raise conflict("shipment.received", f"Shipment {row.number} was received already, or is not yours to {step}.")
    await fit_shipment(visit, found, step, shipment_id)
    if form is None:
        units = [u for own in found["units"].values() for u in own]
        form = Form(receive_values(units) if step == "receive" else shipment_values(row.carrier, row.tracking))
    labels = {
        f"{what}_{x.line_no}": f"Line {x.line_no}, {what}"
        for x in found["lines"]
        for what in (*FATES, "over", "note", "reason")
    }
    return visit.show(
        f"orders/{step}.html",
        **found,
        form=form,
        labels=labels,
        fates=list(FATES.items()),
        why=WHY,
        unit_field=unit_field,
    )


@router.get("/shipments/{shipment_id}/receive")
async def receive(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """What arrived of it, line by line."""
    return await _one_shipment(visit, shipment_id, "receive", None)


@router.post("/shipments/{shipment_id}/receive")
async def receive_done(request: Request, sent: SentForm, shipment_id: UUID, now: Now) -> Response:
    """Records it."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        of = (await queries.shipment(session, shipment_id)).order_id
        await receive_by_form(session, actor, of, sent, now, shipment_id)
        return of

    return await _about_one(request, sent, now, shipment_id, "receive", "order.receive", act)


@router.get("/shipments/{shipment_id}/shipment")
async def correct(visit: ReadsOrders, shipment_id: UUID) -> Response:
    """Carrier and tracking number, to be corrected."""
    return await _one_shipment(visit, shipment_id, "shipment", None)


@router.post("/shipments/{shipment_id}/shipment")
async def correct_done(request: Request, sent: SentForm, shipment_id: UUID, now: Now) -> Response:
    """Corrects it."""

    async def act(session: WriteSession, actor: Actor) -> UUID:
        of = (await queries.shipment(session, shipment_id)).order_id
        fields = sent.fields()
        consignment = fields.consignment()
        fields.check()
        await service.correct_shipment(session, actor, of, consignment, now, shipment_id)
        return of

    return await _about_one(request, sent, now, shipment_id, "shipment", "order.ship", act)


async def _about_one(
    request: Request, sent: Sent, now: Now, shipment_id: UUID, step: str, verb: str, act: Act
) -> Response:
    async def page(visit: Visit, form: Form) -> Response:
        return await _one_shipment(visit, shipment_id, step, form)

    return await _do(request, sent, verb, act, now, _after("received" if step == "receive" else "shipment"), page)


# -- differences -----------------------------------------------------------------------------------------

_WHERE: Final = {
    "short": "On their way, as the seller's", "damaged": "In the buyer's custody, as the seller's",
    "wrong": "In the buyer's custody, as the seller's", "over": "In the buyer's custody; on record on the seller's shelf",
}  # fmt: skip
_ABOUT: Final = {
    "lost": "They are recorded as lost; nothing is owed for them.", "never_left": "They stand on your shelf again, free.",
    "ship_again": "They stand on your shelf again, reserved for this order.",
    "send_back": "The buyer sends them to you; nothing is owed for them.", "scrap": "The buyer scraps them; nothing is owed for them.",
    "dispute": "Nothing changes until you accept it, or the buyer takes them.",
}  # fmt: skip
_TAKE: Final = {
    "short": ("They turned up", "Receive the missing units", "They are here"),
    "damaged": ("Keep them after all", "Keep the units as they are", "Keep them"),
    "wrong": ("Keep them after all", "Keep the units as they are", "Keep them"),
    "over": ("Counted again: there were none", "Take back what was said", "There were none"),
}


async def _difference_page(visit: Visit, order_id: UUID, difference_id: UUID, form: Form) -> Response:
    order = await queries.order(visit.session, order_id)
    row = await queries.difference(visit.session, difference_id)
    if row.order_id != order.id:
        row = await queries.difference(visit.session, order.id)
    selling, open_ = order.seller_id == visit.actor.company_id, row.status != "settled"
    answers = [
        (a, ANSWER_WORDS[a], _ABOUT[a]) for a in ANSWERS[row.kind] if not (a == "dispute" and row.status == "disputed")
    ]
    title, effect, label = _TAKE[row.kind]
    many = "1 becomes" if row.open == 1 else "as many as you say become"
    effects = (
        [f"{effect}: nothing was too many."] if row.kind == "over"
        else [f"{effect}: {many} yours, under the agreement.", "Owe their price.", f"Tell {order.seller}."]
    )  # fmt: skip
    parts = (await queries.difference_parts(visit.session, order_id)).get(row.id, ())
    made = {p.return_id for p in parts if p.return_id}
    return visit.show(
        "orders/difference.html", order=order, row=row, form=form, words=WORDING, where=_WHERE[row.kind], parts=parts,
        answer_by=local_day(row.answer_by, visit.zone),
        returns=[r for r in await queries.returns(visit.session, order_id) if r.id in made] if made else (),
        reasons=list(DISPUTE_REASONS[row.kind].items()),
        answers=answers if selling and open_ and visit.actor.may("order.decide") else (),
        may_take=not selling and open_ and visit.actor.may("order.receive"), take_title=title, take_effects=effects, take_label=label,
        crumbs=[("Orders", "/orders"), (order.reference, f"/orders/{order_id}")],
    )  # fmt: skip


@router.get("/orders/{order_id}/differences/{difference_id}")
async def difference(visit: ReadsOrders, order_id: UUID, difference_id: UUID) -> Response:
    """What differed, and what this side can do about it."""
    return await _difference_page(visit, order_id, difference_id, Form())


@router.post("/orders/{order_id}/differences/{difference_id}")
async def difference_done(request: Request, sent: SentForm, order_id: UUID, difference_id: UUID, now: Now) -> Response:
    """The seller answers, or the buyer takes the units after all."""

    async def act(session: WriteSession, actor: Actor) -> None:
        order = await queries.order(session, order_id)
        form, fields, note = sent.form(), sent.fields(), sent.form().value("note")
        seen = fields.whole("open", "How many were open", empty=0) or None
        quantity = fields.whole("quantity", "How many", empty=0) if form.value("quantity") else None
        share = Share(quantity, _named(form, "serials"), seen)
        if order.seller_id == actor.company_id:
            actor.require("order.decide")
            answer = fields.one_of("answer", "what becomes of it", ANSWER_WORDS)
            fields.check()
            await service.answer_difference(
                session, actor, order_id, difference_id, answer=answer, note=note, now=now, share=share, reason=form.value("reason")
            )  # fmt: skip
        else:
            actor.require("order.receive")
            fields.check()
            await service.take_after_all(session, actor, order_id, difference_id, note=note, now=now, share=share)

    async def page(visit: Visit, form: Form) -> Response:
        return await _difference_page(visit, order_id, difference_id, form)

    return await _do(request, sent, "order.read", act, now, f"/orders/{order_id}?done=difference", page)


def _named(form: Form, name: str) -> tuple[str, ...]:
    """Serial numbers, written between commas."""
    return tuple(s.strip() for s in form.value(name).split(",") if s.strip())


# -- returns ---------------------------------------------------------------------------------------------


async def _ask_page(visit: Visit, order_id: UUID, form: Form) -> Response:
    found = await detail(visit, order_id)
    visit.actor.require("order.receive")
    own = [] if found["selling"] else await queries.returnable(visit.session, order_id)
    can = []
    for line in found["lines"]:
        here = [o for o in own if o.line_no == line.line_no and o.agreement_id is not None]
        if here:
            serials = sorted(o.serial for o in here if o.serial)
            can.append((line, {"count": sum(o.free for o in here), "serials": serials}))
    labels = {f"{what}_{x.line_no}": f"Line {x.line_no}" for x, _ in can for what in ("back", "serials")}
    return visit.show(
        "orders/return_ask.html", **found, form=form, can=can, labels=labels, reasons=list(RETURN_REASONS.items())
    )


@router.get("/orders/{order_id}/return")
async def ask(visit: ReadsOrders, order_id: UUID) -> Response:
    """What of an order could go back, to be asked for."""
    return await _ask_page(visit, order_id, Form())


@router.post("/orders/{order_id}/return")
async def ask_done(request: Request, sent: SentForm, order_id: UUID, now: Now) -> Response:
    """Asks the seller."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields, form = sent.fields(), sent.form()
        portions = []
        for line in await queries.lines(session, order_id):
            count = fields.whole(f"back_{line.line_no}", f"Line {line.line_no}", high=1_000_000, empty=0)
            if count:
                portions.append(Portion(line.line_no, count, _named(form, f"serials_{line.line_no}")))
        reason = fields.one_of("reason", "why", RETURN_REASONS)
        fields.check()
        await service.ask_return(session, actor, order_id, portions, reason=reason, note=form.value("note"), now=now)

    async def page(visit: Visit, form: Form) -> Response:
        return await _ask_page(visit, order_id, form)

    return await _do(request, sent, "order.receive", act, now, f"/orders/{order_id}?done=return_asked", page)


_TURN: Final[dict[bool, dict[str, tuple[str, str]]]] = {
    True: {"asked": ("answer", "order.decide"), "shipped": ("receive", "order.ship")},
    False: {"asked": ("withdraw", "order.receive"), "agreed": ("send", "order.receive")},
}
"""Selling or not: state of a return -> (the step that comes next, who may do it)."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """So many of a line that the buyer would send back."""

    line_no: int
    part: str
    count: int
    serials: list[str]


async def _asked_for(session: ReadSession | WriteSession, order_id: UUID, return_id: UUID) -> list[_Asked]:
    parts = {x.line_no: x.part_number for x in await queries.lines(session, order_id)}
    found: dict[int, _Asked] = {}
    for u in await queries.return_units(session, return_id):
        before = found.get(u.line_no, _Asked(u.line_no, parts[u.line_no], 0, []))
        serials = [*before.serials, *([u.serial] if u.serial else [])]
        found[u.line_no] = replace(before, count=before.count + u.quantity, serials=serials)
    return list(found.values())


def _due(row: queries.ReturnRow, zone: str) -> date | None:
    """By which day the next step of a return is to be done; None where nobody was given one."""
    by = {"asked": row.answer_by, "agreed": row.send_by}.get(row.status)
    return local_day(by, zone) if by else None


async def _return_page(visit: Visit, order_id: UUID, return_id: UUID, form: Form) -> Response:
    order = await queries.order(visit.session, order_id)
    row = await queries.goods_return(visit.session, return_id)
    if row.order_id != order.id:
        row = await queries.goods_return(visit.session, order.id)
    selling, may = order.seller_id == visit.actor.company_id, visit.actor.may
    turn, verb = _TURN[selling].get(row.status, (None, "order.read"))
    step = turn if may(verb) else None
    sites = await parties.sites(visit.session, visit.actor) if step == "receive" else ()
    asked = await _asked_for(visit.session, order_id, return_id) if step == "answer" else ()
    return visit.show(
        "orders/return.html", order=order, row=row, form=form, step=step, words=WORDING, here=f"/orders/{order_id}/returns/{return_id}",
        back=f"/orders/{order_id}", asked=asked, due=_due(row, visit.zone), refuse_reasons=list(REFUSE_REASONS.items()), sites=[(str(s.id), s.name) for s in sites],
        credited=Money(row.credited, order.currency) if row.credited is not None else None,
        crumbs=[("Orders", "/orders"), (order.reference, f"/orders/{order_id}")],
    )  # fmt: skip


@router.get("/orders/{order_id}/returns/{return_id}")
async def goods_return(visit: ReadsOrders, order_id: UUID, return_id: UUID) -> Response:
    """A return, and what this side does next."""
    return await _return_page(visit, order_id, return_id, Form())


async def _withdraw(
    session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, _sent: Sent, now: Now
) -> None:
    await service.withdraw_return(session, actor, order_id, return_id, note="", now=now)


async def _send(session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, sent: Sent, now: Now) -> None:
    fields = sent.fields()
    consignment = fields.consignment()
    fields.check()
    await service.ship_return(session, actor, order_id, return_id, consignment, now)


async def _back(session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, sent: Sent, now: Now) -> None:
    fields = sent.fields()
    site = fields.id("site", "the site")
    fields.check()
    await service.receive_return(session, actor, order_id, return_id, now, site_id=site)


async def _answer(session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, sent: Sent, now: Now) -> None:
    fields, form = sent.fields(), sent.form()
    agree = fields.one_of("answer", "agree or refuse", ("agree", "refuse")) == "agree"
    percent = fields.whole("credit_percent", "Credit", high=100, empty=100)
    reason = form.value("reason")
    portions: list[Portion] = []
    asked = await _asked_for(session, order_id, return_id) if agree else []
    for x in asked:
        count = fields.whole(f"take_{x.line_no}", f"Line {x.line_no}", high=x.count, empty=x.count)
        if count:
            portions.append(Portion(x.line_no, count, _named(form, f"serials_{x.line_no}")))
    fewer = sum(p.quantity for p in portions) < sum(x.count for x in asked)
    if agree and not portions:
        fields.wrong("answer", "You take none of them: choose Refuse, with a reason.")
    elif fewer or not agree:
        reason = fields.one_of(
            "reason", "why you refuse them" if not agree else "why you do not take the others", REFUSE_REASONS
        )
    fields.check()
    await service.answer_return(
        session, actor, order_id, return_id, agree=agree, credit_percent=percent, reason=reason, note=form.value("note"), now=now,
        portions=portions if fewer else (),
    )  # fmt: skip


_STEPS: Final = {"answer": _answer, "withdraw": _withdraw, "send": _send, "receive": _back}


@router.post("/orders/{order_id}/returns/{return_id}")
async def return_done(request: Request, sent: SentForm, order_id: UUID, return_id: UUID, now: Now) -> Response:
    """The next step of a return, by whose turn it is."""

    async def act(session: WriteSession, actor: Actor) -> None:
        order = await queries.order(session, order_id)
        row = await queries.goods_return(session, return_id)
        selling = order.seller_id == actor.company_id
        step, verb = _TURN[selling].get(row.status, ("answer" if selling else "send", "order.read"))
        if not selling and sent.form().value("act") == "withdraw":
            step = "withdraw"
        actor.require(verb)
        await _STEPS[step](session, actor, order_id, return_id, sent, now)

    async def page(visit: Visit, form: Form) -> Response:
        return await _return_page(visit, order_id, return_id, form)

    return await _do(request, sent, "order.read", act, now, f"/orders/{order_id}?done=return", page)


# -- cancelling ------------------------------------------------------------------------------------------


async def _cancel_page(visit: Visit, order_id: UUID, form: Form) -> Response:
    found = await detail(visit, order_id)
    rule = found["cancelling"]
    visit.actor.require("order.decide" if found["selling"] else "order.place")
    if rule.how not in {"alone", "ask"} and not form.bad:
        raise conflict("order.state", f"{rule.words} This step is not possible now.")
    return visit.show("orders/cancel.html", **found, rule=rule, form=form, reasons=list(CANCEL_REASONS.items()))


@router.get("/orders/{order_id}/cancel")
async def cancel(visit: ReadsOrders, order_id: UUID) -> Response:
    """Who may cancel what now, and the form where this side may."""
    return await _cancel_page(visit, order_id, Form())


@router.post("/orders/{order_id}/cancel")
async def cancel_done(request: Request, sent: SentForm, order_id: UUID, now: Now) -> Response:
    """Cancels alone, or asks the other side, as the rule has it."""

    async def act(session: WriteSession, actor: Actor) -> str:
        order = await queries.order(session, order_id)
        selling = order.seller_id == actor.company_id
        actor.require("order.decide" if selling else "order.place")
        fields, form = sent.fields(), sent.form()
        reason = fields.one_of("reason", "why", CANCEL_REASONS) if form.value("reason") else "not_needed"
        note = fields.text("note", "Note", required=False, most=500)
        fields.check()
        if order.shipments:
            await service.ask_to_cancel(session, actor, order_id, reason=reason, note=note, now=now)
            return "cancel_asked"
        if selling:
            await service.take_back(session, actor, order_id, reason=reason, note=note, now=now)
        else:
            await service.cancel(session, actor, order_id, reason=reason, note=note, now=now)
        return "cancelled"

    async def page(visit: Visit, form: Form) -> Response:
        return await _cancel_page(visit, order_id, form)

    return await _do(request, sent, "order.read", act, now, lambda done: f"/orders/{order_id}?done={done}", page)


async def _cancellation_page(visit: Visit, order_id: UUID, form: Form) -> Response:
    found = await detail(visit, order_id)
    visit.actor.require("order.decide" if found["selling"] else "order.place")
    asked = await queries.cancellation(visit.session, order_id)
    if asked is None or (asked.status != "asked" and not form.bad):
        raise conflict("order.cancel_not_asked", "Nobody asks to cancel anything of this order at the moment.")
    return visit.show(
        "orders/cancellation.html",
        **found,
        asked=asked,
        form=form,
        words=WORDING,
        ours=asked.company_id == visit.actor.company_id,
    )


@router.get("/orders/{order_id}/cancellation")
async def cancellation(visit: ReadsOrders, order_id: UUID) -> Response:
    """A wish to cancel the rest, to be answered or withdrawn."""
    return await _cancellation_page(visit, order_id, Form())


@router.post("/orders/{order_id}/cancellation")
async def cancellation_done(request: Request, sent: SentForm, order_id: UUID, now: Now) -> Response:
    """Answers it."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        answer = fields.one_of("answer", "your answer", CANCEL_ANSWERS)
        note = fields.text("note", "Note", required=False, most=500)
        fields.check()
        await service.answer_cancel(session, actor, order_id, answer=answer, note=note, now=now)

    async def page(visit: Visit, form: Form) -> Response:
        return await _cancellation_page(visit, order_id, form)

    return await _do(request, sent, "order.read", act, now, f"/orders/{order_id}?done=cancel_answered", page)
