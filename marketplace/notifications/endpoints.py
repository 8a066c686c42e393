"""JSON routes of notifications."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import Done, PageOut
from marketplace.notifications import queries, service
from marketplace.notifications.permissions import KeepsNotifications, ReadsNotifications
from marketplace.notifications.schemas import ChoicesIn, ChoicesOut, NotificationOut, ReadIn
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done

router = APIRouter(prefix="/notifications", tags=["notifications"])


@router.get("", summary="What you were told")
async def notifications(
    session: Reading,
    actor: ReadsNotifications,
    secret: PageSecret,
    unread: Annotated[bool, Query(description="Only what is unread.")] = False,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[NotificationOut]:
    """Your own: unread before the rest, the newest first."""
    page = await queries.notifications(session, actor, unread=unread, after=after, limit=limit, secret=secret)
    return PageOut(items=[NotificationOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/read", summary="Mark all notifications as read")
async def read_all(
    session: Writing, actor: KeepsNotifications, given: ReadIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Up to the newest that you have seen, or all of them."""

    async def act() -> None:
        await service.read_all(session, actor, given.until, now)

    return await once_done(session, actor, key, "notifications.read", given.model_dump(), act)


@router.post("/{notification_id}/read", summary="Mark a notification as read")
async def read(
    session: Writing, actor: KeepsNotifications, notification_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """One of your own; what was read already stays so."""

    async def act() -> None:
        await service.read(session, actor, notification_id, now)

    return await once_done(session, actor, key, f"notifications.read:{notification_id}", {}, act)


@router.get("/choices", summary="How you are told")
async def choices(session: Reading, actor: ReadsNotifications) -> ChoicesOut:
    """By kind of what happens: by mail at once, by one mail a day, in the app alone, or not at all."""
    return ChoicesOut(how=dict(await queries.choices(session, actor)))


@router.put("/choices", summary="Choose how you are told")
async def choose(
    session: Writing, actor: KeepsNotifications, new: ChoicesIn, now: Now, key: IdempotencyKey = None
) -> ChoicesOut:
    """Counts from now on. Machine-down orders are told at once whatever you choose."""

    async def act() -> Any:
        return ChoicesOut(how=dict(await service.choose(session, actor, new.how, now)))

    answer = await once(session, actor, key, "notifications.choices", new.model_dump(), act, status=200)
    return ChoicesOut.model_validate(answer.content)
