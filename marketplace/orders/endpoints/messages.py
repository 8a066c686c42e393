"""JSON routes of what both sides of a quote or an order write to each other."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Made, PageOut
from marketplace.orders import queries, service
from marketplace.orders.permissions import ReadsOrders, WritesMessages
from marketplace.orders.schemas.quotes import MessageIn, MessageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(tags=["orders"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


async def _page(
    session: Reading, secret: PageSecret, order_id: UUID | None, quote_id: UUID | None, key: Any, limit: int
) -> PageOut[MessageOut]:
    after = key[0] if key else None
    found = await queries.messages(session, order_id=order_id, quote_id=quote_id, after=after, limit=limit + 1)
    page = cut(found, limit, lambda row: [row.id], secret)
    return PageOut(items=[MessageOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/orders/{order_id}/messages", summary="Messages on an order")
async def of_order(
    session: Reading,
    actor: ReadsOrders,
    order_id: UUID,
    secret: PageSecret,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[MessageOut]:
    """What both sides wrote, oldest first, on the order and on the quote that it came of."""
    key = read_bookmark(after, secret, UUID)
    await queries.order(session, order_id)
    quote = await queries.quote_of_order(session, order_id)
    return await _page(session, secret, order_id, quote.id if quote else None, key, limit)


@router.get("/quotes/{quote_id}/messages", summary="Messages on a quote")
async def of_quote(
    session: Reading,
    actor: ReadsOrders,
    quote_id: UUID,
    secret: PageSecret,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[MessageOut]:
    """What both sides wrote, oldest first, on the quote and on the order that was made of it."""
    key = read_bookmark(after, secret, UUID)
    quote = await queries.quote(session, quote_id)
    return await _page(session, secret, quote.order_id, quote_id, key, limit)


@router.post("/orders/{order_id}/messages", status_code=201, summary="Write to the other side of an order")
async def on_order(
    session: Writing, actor: WritesMessages, order_id: UUID, given: MessageIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Added to the order's thread for good; the other side is told."""

    async def act() -> dict[str, Any]:
        return {"id": await service.write_message(session, actor, given.text, now, order_id=order_id)}

    what = f"orders.message:{order_id}"
    return Made.model_validate((await once(session, actor, key, what, given.model_dump(), act)).content)


@router.post("/quotes/{quote_id}/messages", status_code=201, summary="Write to the other side of a quote")
async def on_quote(
    session: Writing, actor: WritesMessages, quote_id: UUID, given: MessageIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Added to the thread for good; the other side is told. Once an order was made of it, it stands on the order."""

    async def act() -> dict[str, Any]:
        return {"id": await service.write_message(session, actor, given.text, now, quote_id=quote_id)}

    what = f"quotes.message:{quote_id}"
    return Made.model_validate((await once(session, actor, key, what, given.model_dump(), act)).content)
