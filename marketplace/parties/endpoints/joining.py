"""JSON routes of invitations. What the invited person does is done on a page."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.parties import service
from marketplace.parties.permissions import IdempotencyKey, ManagesCompany, Now, ReadsKeys
from marketplace.parties.queries import accounts as queries
from marketplace.parties.schemas import InvitationOut, NewInvitation
from marketplace.parties.service import once, once_done

router = APIRouter(prefix="/invitations", tags=["company"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("", summary="Who is invited to your company")
async def invitations(
    session: Reading, secret: PageSecret, actor: ReadsKeys, now: Now, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[InvitationOut]:  # fmt: skip
    """Newest first, those accepted and withdrawn included, paged; for administrators."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.invitations(session, actor, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    items = [
        InvitationOut(
            id=r.id, email=r.email, roles=r.roles, site_id=r.site_id, inviter=r.inviter, status=r.status(now), sent_at=r.sent_at,
            expires_at=r.expires_at, times_sent=r.times_sent, accepted_at=r.accepted_at, withdrawn_at=r.withdrawn_at,
        )
        for r in page.items
    ]  # fmt: skip
    return PageOut(items=items, next=page.next)


@router.post("", status_code=201, summary="Invite a person by mail")
async def invite(
    session: Writing, actor: ManagesCompany, new: NewInvitation, now: Now, key: IdempotencyKey = None
) -> Made:
    """The link works once, for seven days. Of a signed-in administrator it needs a recent sign-in."""

    async def act() -> dict[str, Any]:
        return {"id": await service.invite(session, actor, **new.model_dump(), now=now)}

    return Made.model_validate((await once(session, actor, key, "invitations.create", new.model_dump(), act)).content)


@router.post("/{invitation_id}/send-again", summary="Send an invitation again")
async def send_again(
    session: Writing, actor: ManagesCompany, invitation_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Its seven days begin anew."""
    return await once_done(
        session, actor, key, "invitations.send-again", {"id": invitation_id},
        lambda: service.send_again(session, actor, invitation_id, now),
    )  # fmt: skip


@router.delete("/{invitation_id}", status_code=204, summary="Withdraw an invitation")
async def withdraw(
    session: Writing, actor: ManagesCompany, invitation_id: UUID, now: Now, key: IdempotencyKey = None
) -> None:
    """Its link stops working at once."""
    await once_done(
        session, actor, key, f"invitations.withdraw:{invitation_id}", {},
        lambda: service.withdraw(session, actor, invitation_id, now),
    )  # fmt: skip
