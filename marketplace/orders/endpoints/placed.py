"""JSON routes of orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from marketplace.agreements.permissions import SignsAgreements
from marketplace.agreements.schemas import AcceptedOut, SignIn
from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.kit.exports import csv_chunks
from marketplace.kit.money import amount_cell, price_cell
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.orders import queries, service
from marketplace.orders.delivery import cancel_rule
from marketplace.orders.permissions import DecidesOrders, PlacesOrders, ReadsOrders
from marketplace.orders.schemas import (
    AcceptIn,
    BasketIn,
    BasketOut,
    CancelIn,
    DeclineIn,
    DeliveryOut,
    LeftOutOut,
    OrderDetail,
    OrderIn,
    OrderLineOut,
    OrderOut,
    ProposedOut,
    Status,
)
from marketplace.orders.schemas.deliveries import (
    CancellationOut,
    CancelRuleOut,
    DifferenceOut,
    ReturnOut,
    ShipmentOut,
    ShippedLineOut,
)
from marketplace.orders.states import LeftOut
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.settings import get_settings

router = APIRouter(prefix="/orders", tags=["orders"])


@dataclass(frozen=True, slots=True)
class Asked:
    """Which orders: the same for the list and for its export."""

    side: str | None
    status: str | None

    @property
    def statuses(self) -> list[str] | None:
        """As ``queries.orders`` takes them."""
        return [self.status] if self.status else None


def _filter(side: Literal["buying", "selling"] | None = None, status: Status | None = None) -> Asked:
    return Asked(side, status)


Wanted = Annotated[Asked, Depends(_filter)]


@router.get("", summary="Your orders, bought and sold")
async def orders(
    session: Reading,
    secret: PageSecret,
    actor: ReadsOrders,
    wanted: Wanted,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[OrderOut]:
    """Newest first, paged."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.orders(
        session, actor.company_id, side=wanted.side, statuses=wanted.statuses,
        after=mark[0] if mark else None, limit=limit + 1,
    )  # fmt: skip
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[OrderOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/export.csv", summary="Your orders as CSV", response_class=StreamingResponse)
async def export(request: Request, actor: ReadsOrders, wanted: Wanted) -> StreamingResponse:
    """A row for each line of the whole list, with the filters of the list. Streamed in pages; opens its own session, since this one closes before the body is sent."""
    return StreamingResponse(
        export_rows(request, actor, wanted), media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="orders.csv"'},
    )  # fmt: skip


HEADER = (
    "Order", "Status", "Seller", "Buyer", "PO number", "Placed", "Needed by", "Ship to", "Line", "PO line", "Part number",
    "Description", "Condition", "Quantity", "Unit", "Price each", "Amount", "Currency", "Good", "Short", "Damaged", "Wrong",
    "Carrier", "Tracking", "Accepted", "Shipped", "Received", "Ended", "Agreement",
)  # fmt: skip


def export_line(order: queries.OrderRow, line: queries.LineRow) -> list[object]:
    """A line of an order as it stands in an export, under ``HEADER``: what was ordered, and once received what came."""
    later = (order.accepted_at, order.shipped_at, order.received_at, order.ended_at)
    return [
        order.reference, order.shown_status, order.seller, order.buyer, order.po_number,
        order.placed_at.isoformat(timespec="seconds"), order.requested_on, order.ship_to, line.line_no, line.po_line,
        line.part_number, line.description, line.condition, line.quantity, line.uom, price_cell(line.unit_price, order.currency),
        amount_cell(line.quantity * line.unit_price, order.currency), order.currency, line.good, line.short, line.damaged,
        line.wrong, order.carrier, order.tracking,
        *(moment.isoformat(timespec="seconds") if moment else None for moment in later), order.agreement_reference,
    ]  # fmt: skip


async def export_rows(request: Request, actor: Actor, wanted: Asked) -> AsyncIterator[str]:
    """CSV text of the actor's orders, a row for each line, page by page."""
    after: UUID | None = None
    first = True
    async with database(request).read(Tenant(actor.company_id, actor.sources)) as session:
        while True:
            rows = await queries.orders(
                session, actor.company_id, side=wanted.side, statuses=wanted.statuses, after=after, limit=MAX_PAGE
            )
            lines = await queries.lines_of(session, [r.id for r in rows])
            cells = (export_line(r, x) for r in rows for x in lines[r.id])
            for chunk in csv_chunks(HEADER if first else None, cells):
                yield chunk
            first = False
            if len(rows) < MAX_PAGE:
                return
            after = rows[-1].id


@router.get("/{order_id}", summary="One order with lines and story")
async def order(session: Reading, actor: ReadsOrders, order_id: UUID) -> OrderDetail:
    """The same record for both sides."""
    found = await queries.order(session, order_id)
    lines = await queries.lines(session, order_id)
    serials: dict[int, list[str]] = {}
    units = await queries.units(session, order_id)
    for unit in units:
        serials.setdefault(unit.line_no, []).extend([unit.serial] if unit.serial else [])
    events = await queries.events(session, order_id)
    site = await parties.site_seen(session, found.ship_to_site_id)
    sent = [
        ShipmentOut.model_validate(s).model_copy(
            update={"lines": _lines_of([u for u in units if u.shipment_id == s.id])}
        )
        for s in await queries.shipments(session, order_id)
    ]
    asked = await queries.cancellation(session, order_id)
    parts = await queries.difference_parts(session, order_id)
    return OrderDetail(
        **OrderOut.model_validate(found).model_dump(),
        delivery=DeliveryOut.model_validate(site) if site else None,
        proposed=ProposedOut.model_validate(found.proposed) if found.proposed else None,
        line_items=[
            OrderLineOut.model_validate(x).model_copy(update={"serials": sorted(serials.get(x.line_no, []))})
            for x in lines
        ],
        left_out=[LeftOutOut.model_validate(x) for x in await queries.left_out(session, order_id)],
        sent=sent,
        differences=[
            DifferenceOut.model_validate({**asdict(x), "parts": [asdict(p) for p in parts.get(x.id, ())]})
            for x in await queries.differences(session, order_id)
        ],
        returns=[ReturnOut.model_validate(x) for x in await queries.returns(session, order_id)],
        cancellation=CancellationOut.model_validate(asked) if asked else None,
        may_cancel=CancelRuleOut.model_validate(
            cancel_rule(
                found.status,
                side="seller" if actor.company_id == found.seller_id else "buyer",
                signed=found.agreement_status == "active",
                shipped=found.shipped,
                left=found.units - found.shipped,
            )
        ),
        events=[{"kind": e.kind, "detail": e.detail, "company": e.company, "at": e.at} for e in events],
    )


def _lines_of(units: Sequence[queries.UnitRow]) -> list[ShippedLineOut]:
    found: dict[int, ShippedLineOut] = {}
    for u in units:
        line = found.setdefault(u.line_no, ShippedLineOut(line_no=u.line_no, quantity=0, serials=[]))
        line.quantity += u.quantity
        line.serials += [u.serial] if u.serial else []
    return list(found.values())


@router.post("", status_code=201, summary="Place an order; the units are reserved at once")
async def place(session: Writing, actor: PlacesOrders, new: OrderIn, now: Now, key: IdempotencyKey = None) -> Made:
    """Answers the order's id. The seller has to answer before the reservation runs out."""

    async def act() -> dict[str, Any]:
        wanted = [service.Wanted(x.listing_id, x.quantity, x.po_line, x.unit_price) for x in new.lines]
        made = await service.place(
            session, actor, lines=wanted, po_number=new.po_number, ship_to_site_id=new.ship_to_site_id,
            requested_on=new.requested_on, hold_hours=get_settings().order_hold_hours, now=now,
            proposed=service.ProposedTerms(tuple(c.named for c in new.proposed.clauses), new.proposed.note)
            if new.proposed
            else None,
        )  # fmt: skip
        return {"id": made}

    return Made.model_validate((await once(session, actor, key, "orders.place", new.model_dump(), act)).content)


@router.post("/basket", status_code=201, summary="Place several orders together, all of them or none")
async def place_several(
    session: Writing, actor: PlacesOrders, new: BasketIn, now: Now, key: IdempotencyKey = None
) -> BasketOut:
    """One order for each posting under one purchase order number. If one line cannot be had at the price shown, nothing is ordered."""

    async def act() -> dict[str, Any]:
        wanted = [service.Wanted(x.listing_id, x.quantity, x.po_line, x.unit_price) for x in new.lines]
        made = await service.place_several(
            session, actor, lines=wanted, po_number=new.po_number, ship_to_site_id=new.ship_to_site_id,
            requested_on=new.requested_on, hold_hours=get_settings().order_hold_hours, now=now,
        )  # fmt: skip
        return {"ids": made}

    return BasketOut.model_validate((await once(session, actor, key, "orders.basket", new.model_dump(), act)).content)


@router.post("/{order_id}/accept", summary="Accept an order and sign its schedule")
async def accept(
    session: Writing, actor: DecidesOrders, order_id: UUID, now: Now, given: AcceptIn | None = None,
    key: IdempotencyKey = None,
) -> Done:  # fmt: skip
    """Answers the agreement's id; the buyer signs next. Of an order with other terms say what becomes of them."""
    how = given or AcceptIn()
    return await once_done(
        session, actor, key, f"orders.accept:{order_id}", how.model_dump(exclude_defaults=True),
        lambda: service.accept(session, actor, order_id, now, terms=how.terms, reason=how.reason, left_out=[LeftOut(**x.model_dump()) for x in how.left_out]),
    )  # fmt: skip


@router.post("/{order_id}/terms/{proposal_id}/sign", summary="Sign the terms proposed for an order's agreement")
async def sign_terms(
    session: Writing, actor: SignsAgreements, order_id: UUID, proposal_id: UUID, now: Now, given: SignIn | None = None,
    key: IdempotencyKey = None,
) -> AcceptedOut:  # fmt: skip
    """The last terms that the other side proposed before both had signed: with this both have, and the order goes on. They
    are proposed, answered with others and declined as proposals about the agreement."""
    sha256 = given.wording_sha256 if given else None

    async def act() -> Any:
        done = await service.sign_terms(session, actor, proposal_id, now, wording_sha256=sha256, order_id=order_id)
        return AcceptedOut.model_validate(done)

    inputs = {"order_id": order_id, "proposal_id": proposal_id, "wording_sha256": sha256}
    answer = await once(session, actor, key, "orders.sign_terms", inputs, act, status=200)
    return AcceptedOut.model_validate(answer.content)


@router.post("/{order_id}/decline", summary="Decline an order with a reason")
async def decline(
    session: Writing, actor: DecidesOrders, order_id: UUID, given: DeclineIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """The units are on offer again."""
    return await once_done(
        session, actor, key, f"orders.decline:{order_id}", given.model_dump(),
        lambda: service.decline(session, actor, order_id, reason=given.reason, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/cancel", summary="Cancel your order before both have signed")
async def cancel(
    session: Writing, actor: PlacesOrders, order_id: UUID, given: CancelIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """The units are on offer again. Once both have signed it needs the other side; ``may_cancel`` of the order says how."""
    return await once_done(
        session, actor, key, f"orders.cancel:{order_id}", given.model_dump(),
        lambda: service.cancel(session, actor, order_id, reason=given.reason, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{order_id}/take-back", summary="Take your acceptance back before both have signed")
async def take_back(
    session: Writing, actor: DecidesOrders, order_id: UUID, given: CancelIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """The order is cancelled, and its units are free again."""
    return await once_done(
        session, actor, key, f"orders.take_back:{order_id}", given.model_dump(),
        lambda: service.take_back(session, actor, order_id, reason=given.reason, note=given.note, now=now),
    )  # fmt: skip
