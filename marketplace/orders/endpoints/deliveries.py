"""JSON routes of an order's way: shipments, receipts, differences, returns, cancelling the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Concatenate, ParamSpec
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from marketplace.db.requests import Reading, Writing
from marketplace.db.session import WriteSession
from marketplace.documents.blocks import Paper
from marketplace.documents.service import typeset
from marketplace.kit.wire import Done, Made, ShipIn
from marketplace.orders import service
from marketplace.orders.packing import Packing, label_paper, packing_list
from marketplace.orders.permissions import ReadsOrders
from marketplace.orders.queries.packing import packing
from marketplace.orders.schemas import CancelIn, NoteIn, ReceiveIn
from marketplace.orders.schemas.deliveries import (
    CancelAnswerIn,
    CorrectShipmentIn,
    DifferenceAnswerIn,
    ReturnAnswerIn,
    ReturnIn,
    ReturnReceiptIn,
    ShipOrderIn,
    TakeIn,
)
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now, writer
from marketplace.parties.service import once, once_done
from marketplace.settings import get_settings

router = APIRouter(prefix="/orders", tags=["orders"])
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Step:
    """Who does a step of an order's way, when, in which transaction; done once for a key."""

    session: WriteSession
    actor: Actor
    now: datetime
    key: str | None

    async def once(
        self,
        what: str,
        of: UUID,
        given: BaseModel,
        verb: Callable[Concatenate[WriteSession, Actor, P], Awaitable[Any]],
        *args: P.args,
        **named: P.kwargs,
    ) -> Done:
        """Carries the verb of the service out for what was given, and answers what was done (``what``)."""
        return await once_done(
            self.session, self.actor, self.key, f"{what}:{of}", given.model_dump(mode="json", exclude_defaults=True),
            lambda: verb(self.session, self.actor, *args, **named),
        )  # fmt: skip


def _step(verb: str) -> Any:
    """``Depends`` for a step that whoever holds ``verb`` may do."""
    writes = writer(verb)

    async def step(session: Writing, now: Now, actor: Actor = writes, key: IdempotencyKey = None) -> Step:
        return Step(session, actor, now, key)

    return Depends(step, scope="function")


Ships = Annotated[Step, _step("order.ship")]
Receives = Annotated[Step, _step("order.receive")]
Decides = Annotated[Step, _step("order.decide")]
EitherSide = Annotated[Step, _step("order.message")]
"""The service asks for the verb of the side."""


@router.post("/{order_id}/ship", summary="Ship an order, or part of it")
async def ship(step: Ships, order_id: UUID, given: ShipOrderIn) -> Done:
    """Needs both signatures. With carrier and tracking number, or by own transport. Without lines all that has not left ships; answers the
    shipment's id."""
    portions = [x.portion() for x in given.lines]
    return await step.once(
        "orders.ship", order_id, given, service.ship, order_id, given.consignment(), step.now, portions=portions, packed=given.packed()
    )  # fmt: skip


@router.post("/{order_id}/shipment", summary="Correct carrier and tracking number of a shipment on its way")
async def correct_shipment(step: Ships, order_id: UUID, given: CorrectShipmentIn) -> Done:
    """What was said before stays in the story."""
    return await step.once(
        "orders.shipment", order_id, given, service.correct_shipment, order_id, given.consignment(), step.now, given.shipment_id
    )  # fmt: skip


@router.post("/{order_id}/receive", summary="Receive a shipment, whole or line by line")
async def receive(step: Receives, order_id: UUID, given: ReceiveIn) -> Done:
    """Good units become yours under the agreement. Of serial-numbered units, name those that are not good. What is short, damaged, wrong or
    too many stays the seller's, as a difference that it answers."""
    receipts = [x.receipt() for x in given.lines]
    return await step.once(
        "orders.receive", order_id, given, service.receive, order_id, receipts, step.now, given.shipment_id
    )


async def pdf_of(session: Reading, actor: Actor, shipment_id: UUID, *, label: bool) -> Response:
    """A shipment's packing list or label as an answer. ``session`` is closed: nobody's connection waits for the typesetter."""
    found: Packing = await packing(session, actor.company_id, shipment_id)
    await session.close()
    base = get_settings().base_url

    def draw() -> Paper:
        return label_paper(found, base) if label else packing_list(found, base)

    name = f"{found.reference}-{found.number}{'-label' if label else ''}.pdf"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(await typeset(draw), media_type="application/pdf", headers=headers)


@router.get(
    "/shipments/{shipment_id}/packing-list.pdf", summary="A shipment's packing list as PDF", response_class=Response,
    responses=_PDF,
)  # fmt: skip
async def packing_list_pdf(session: Reading, actor: ReadsOrders, shipment_id: UUID) -> Response:
    """Order and line numbers, parts, serials, quantities, weight and origin where they are known, and the clause."""
    return await pdf_of(session, actor, shipment_id, label=False)


@router.get(
    "/shipments/{shipment_id}/label.pdf", summary="A shipment's label as PDF", response_class=Response, responses=_PDF
)
async def label_pdf(session: Reading, actor: ReadsOrders, shipment_id: UUID) -> Response:
    """From, to, and a code that leads to the shipment: scanned on arrival, it offers to receive it."""
    return await pdf_of(session, actor, shipment_id, label=True)


@router.post("/{order_id}/differences/{difference_id}/answer", summary="Say what becomes of a difference")
async def answer_difference(step: Decides, order_id: UUID, difference_id: UUID, given: DifferenceAnswerIn) -> Done:
    """The seller accepts it, and how, or disputes it with a note; or accepts so many of its units and disputes the rest with a reason."""
    return await step.once(
        "orders.difference", difference_id, given, service.answer_difference, order_id, difference_id,
        answer=given.answer, note=given.note, now=step.now, share=given.share(), reason=given.reason,
    )  # fmt: skip


@router.post("/{order_id}/differences/{difference_id}/take", summary="Take the units of a difference after all")
async def take_after_all(step: Receives, order_id: UUID, difference_id: UUID, given: TakeIn) -> Done:
    """Missing units turned up, damaged or wrong ones are kept, all or so many: they become yours and their price is owed. Too many: you
    counted again."""
    return await step.once(
        "orders.take", difference_id, given, service.take_after_all, order_id, difference_id,
        note=given.note, now=step.now, share=given.share(),
    )  # fmt: skip


@router.post("/{order_id}/returns", status_code=201, summary="Ask to return bought units")
async def ask_return(step: Receives, order_id: UUID, given: ReturnIn) -> Made:
    """Of what you took of this order and still have under its agreement. The seller answers."""

    async def act() -> dict[str, Any]:
        portions = [x.portion() for x in given.lines]
        made = await service.ask_return(
            step.session, step.actor, order_id, portions, reason=given.reason, note=given.note, now=step.now
        )
        return {"id": made}

    answer = await once(step.session, step.actor, step.key, f"orders.return:{order_id}", given.model_dump(), act)
    return Made.model_validate(answer.content)


@router.post("/{order_id}/returns/{return_id}/answer", summary="Agree to a return, or refuse it with a reason")
async def answer_return(step: Decides, order_id: UUID, return_id: UUID, given: ReturnAnswerIn) -> Done:
    """What is credited is said here, before anything is sent. You may take some of what was asked for, and refuse the rest."""
    return await step.once(
        "orders.return_answer", return_id, given, service.answer_return, order_id, return_id, agree=given.agree,
        credit_percent=given.credit_percent, reason=given.reason, note=given.note, now=step.now,
        portions=[x.portion() for x in given.lines],
    )  # fmt: skip


@router.post("/{order_id}/returns/{return_id}/withdraw", summary="Keep the units after all")
async def withdraw_return(step: Receives, order_id: UUID, return_id: UUID, given: NoteIn) -> Done:
    """As long as they have not left."""
    return await step.once(
        "orders.return_withdraw", return_id, given, service.withdraw_return, order_id, return_id, note=given.note, now=step.now
    )  # fmt: skip


@router.post("/{order_id}/returns/{return_id}/ship", summary="Send the units of an agreed return")
async def ship_return(step: Receives, order_id: UUID, return_id: UUID, given: ShipIn) -> Done:
    """With carrier and tracking number, or by own transport."""
    return await step.once(
        "orders.return_ship", return_id, given, service.ship_return, order_id, return_id, given.consignment(), step.now
    )


@router.post("/{order_id}/returns/{return_id}/receive", summary="Receive units that came back")
async def receive_return(step: Ships, order_id: UUID, return_id: UUID, given: ReturnReceiptIn) -> Done:
    """They are yours at your site, free of the agreement; bought ones are credited as agreed."""
    return await step.once(
        "orders.return_receive", return_id, given, service.receive_return, order_id, return_id, step.now, site_id=given.site_id
    )  # fmt: skip


@router.post("/{order_id}/cancellation", summary="Ask to cancel what has not shipped")
async def ask_to_cancel(step: EitherSide, order_id: UUID, given: CancelIn) -> Done:
    """Either side, of an order that has shipped in part; the other side answers."""
    return await step.once(
        "orders.cancellation", order_id, given, service.ask_to_cancel, order_id, reason=given.reason, note=given.note, now=step.now
    )  # fmt: skip


@router.post("/{order_id}/cancellation/answer", summary="Agree to cancel the rest, refuse, or withdraw")
async def answer_cancel(step: EitherSide, order_id: UUID, given: CancelAnswerIn) -> Done:
    """Agreed: what has not shipped is free again, and the order is for what has."""
    return await step.once(
        "orders.cancellation_answer", order_id, given, service.answer_cancel, order_id, answer=given.answer, note=given.note, now=step.now
    )  # fmt: skip
