"""JSON routes of an order's way: shipments, receipts, differences, returns, cancelling the rest."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from marketplace.db.requests import Reading, Writing
from marketplace.documents.blocks import Paper
from marketplace.documents.service import typeset
from marketplace.kit.wire import Done, Made, ShipIn
from marketplace.orders import service
from marketplace.orders.packing import Packing, label_paper, packing_list
from marketplace.orders.permissions import DecidesOrders, ReadsOrders, ReceivesOrders, ShipsOrders, WritesMessages
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
)
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.settings import get_settings

router = APIRouter(prefix="/orders", tags=["orders"])
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post("/{order_id}/ship", summary="Ship an order, or part of it")
async def ship(
    session: Writing, actor: ShipsOrders, order_id: UUID, given: ShipOrderIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Needs both signatures. With carrier and tracking number, or by own transport. Without lines all that has not left ships; answers the
    shipment's id."""
    portions = [x.portion() for x in given.lines]
    return await once_done(
        session, actor, key, f"orders.ship:{order_id}", given.model_dump(exclude_defaults=True),
        lambda: service.ship(session, actor, order_id, given.consignment(), now, portions=portions, packed=given.packed()),
    )  # fmt: skip


@router.post("/{order_id}/shipment", summary="Correct carrier and tracking number of a shipment on its way")
async def correct_shipment(
    session: Writing, actor: ShipsOrders, order_id: UUID, given: CorrectShipmentIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """What was said before stays in the story."""
    return await once_done(
        session, actor, key, f"orders.shipment:{order_id}", given.model_dump(exclude_none=True),
        lambda: service.correct_shipment(session, actor, order_id, given.consignment(), now, given.shipment_id),
    )  # fmt: skip


@router.post("/{order_id}/receive", summary="Receive a shipment, whole or line by line")
async def receive(
    session: Writing, actor: ReceivesOrders, order_id: UUID, given: ReceiveIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Good units become yours under the agreement. Of serial-numbered units, name those that are not good. What is short, damaged, wrong or
    too many stays the seller's, as a difference that it answers."""
    receipts = [x.receipt() for x in given.lines]
    return await once_done(
        session, actor, key, f"orders.receive:{order_id}", given.model_dump(exclude_defaults=True),
        lambda: service.receive(session, actor, order_id, receipts, now, given.shipment_id),
    )  # fmt: skip


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
async def answer_difference(
    session: Writing, actor: DecidesOrders, order_id: UUID, difference_id: UUID, given: DifferenceAnswerIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """The seller accepts it, and how, or disputes it with a note."""
    return await once_done(
        session, actor, key, f"orders.difference:{difference_id}", given.model_dump(),
        lambda: service.answer_difference(session, actor, order_id, difference_id, answer=given.answer, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/differences/{difference_id}/take", summary="Take the units of a difference after all")
async def take_after_all(
    session: Writing, actor: ReceivesOrders, order_id: UUID, difference_id: UUID, given: NoteIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """Missing units turned up, damaged or wrong ones are kept: they become yours and their price is owed. Too many: you counted again."""
    return await once_done(
        session, actor, key, f"orders.take:{difference_id}", given.model_dump(),
        lambda: service.take_after_all(session, actor, order_id, difference_id, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/returns", status_code=201, summary="Ask to return bought units")
async def ask_return(
    session: Writing, actor: ReceivesOrders, order_id: UUID, given: ReturnIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Of what you took of this order and still have under its agreement. The seller answers."""

    async def act() -> dict[str, Any]:
        portions = [x.portion() for x in given.lines]
        made = await service.ask_return(
            session, actor, order_id, portions, reason=given.reason, note=given.note, now=now
        )
        return {"id": made}

    return Made.model_validate(
        (await once(session, actor, key, f"orders.return:{order_id}", given.model_dump(), act)).content
    )


@router.post("/{order_id}/returns/{return_id}/answer", summary="Agree to a return, or refuse it with a reason")
async def answer_return(
    session: Writing, actor: DecidesOrders, order_id: UUID, return_id: UUID, given: ReturnAnswerIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """What is credited is said here, before anything is sent."""
    return await once_done(
        session, actor, key, f"orders.return_answer:{return_id}", given.model_dump(),
        lambda: service.answer_return(
            session, actor, order_id, return_id, agree=given.agree, credit_percent=given.credit_percent, reason=given.reason,
            note=given.note, now=now,
        ),
    )  # fmt: skip


@router.post("/{order_id}/returns/{return_id}/withdraw", summary="Keep the units after all")
async def withdraw_return(
    session: Writing, actor: ReceivesOrders, order_id: UUID, return_id: UUID, given: NoteIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """As long as they have not left."""
    return await once_done(
        session, actor, key, f"orders.return_withdraw:{return_id}", given.model_dump(),
        lambda: service.withdraw_return(session, actor, order_id, return_id, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/returns/{return_id}/ship", summary="Send the units of an agreed return")
async def ship_return(
    session: Writing, actor: ReceivesOrders, order_id: UUID, return_id: UUID, given: ShipIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """With carrier and tracking number, or by own transport."""
    return await once_done(
        session, actor, key, f"orders.return_ship:{return_id}", given.model_dump(),
        lambda: service.ship_return(session, actor, order_id, return_id, given.consignment(), now),
    )  # fmt: skip


@router.post("/{order_id}/returns/{return_id}/receive", summary="Receive units that came back")
async def receive_return(
    session: Writing, actor: ShipsOrders, order_id: UUID, return_id: UUID, given: ReturnReceiptIn, now: Now,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """They are yours at your site, free of the agreement; bought ones are credited as agreed."""
    return await once_done(
        session, actor, key, f"orders.return_receive:{return_id}", given.model_dump(mode="json"),
        lambda: service.receive_return(session, actor, order_id, return_id, now, site_id=given.site_id),
    )  # fmt: skip


@router.post("/{order_id}/cancellation", summary="Ask to cancel what has not shipped")
async def ask_to_cancel(
    session: Writing, actor: WritesMessages, order_id: UUID, given: CancelIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Either side, of an order that has shipped in part; the other side answers."""
    return await once_done(
        session, actor, key, f"orders.cancellation:{order_id}", given.model_dump(),
        lambda: service.ask_to_cancel(session, actor, order_id, reason=given.reason, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/cancellation/answer", summary="Agree to cancel the rest, refuse, or withdraw")
async def answer_cancel(
    session: Writing, actor: WritesMessages, order_id: UUID, given: CancelAnswerIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Agreed: what has not shipped is free again, and the order is for what has."""
    return await once_done(
        session, actor, key, f"orders.cancellation_answer:{order_id}", given.model_dump(),
        lambda: service.answer_cancel(session, actor, order_id, answer=given.answer, note=given.note, now=now),
    )  # fmt: skip
