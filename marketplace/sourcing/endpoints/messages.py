"""JSON routes of sourcing: what both sides of an order back write to each other."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Made, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import ReadsCalls, WritesMessages
from marketplace.sourcing.schemas.messages import MessageIn, MessageOut

sourcing = APIRouter(prefix="/sourcing", tags=["sourcing"])


@sourcing.get("/calls/{call_id}/messages", summary="Messages on an order back")
async def messages(
    session: Reading,
    actor: ReadsCalls,
    call_id: UUID,
    secret: PageSecret,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[MessageOut]:
    """What both sides wrote, oldest first; one thread, which both see."""
    key = read_bookmark(after, secret, UUID)
    await queries.call(session, call_id)
    found = await queries.messages(session, call_id, after=key[0] if key else None, limit=limit + 1)
    page = cut(found, limit, lambda row: [row.id], secret)
    return PageOut(items=[MessageOut.model_validate(r) for r in page.items], next=page.next)


@sourcing.post("/calls/{call_id}/messages", status_code=201, summary="Write to the other side of an order back")
async def write(
    session: Writing, actor: WritesMessages, call_id: UUID, given: MessageIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Added to the order's thread for good; the other side is told. Once the order is sent, by whoever is a party of it."""

    async def act() -> dict[str, Any]:
        return {"id": await service.write_message(session, actor, call_id, given.text, now)}

    what = f"calls.message:{call_id}"
    return Made.model_validate((await once(session, actor, key, what, given.model_dump(), act)).content)
