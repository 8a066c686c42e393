"""JSON route of the activity log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.activity import queries
from marketplace.activity.kinds import Source
from marketplace.activity.permissions import ReadsActivity
from marketplace.activity.schemas import ActivityOut
from marketplace.db.requests import PageSecret, Reading
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import PageOut

router = APIRouter(tags=["company"])


@router.get("/company/activity", summary="What your people did")
async def activity(
    session: Reading, secret: PageSecret, actor: ReadsActivity,
    source: Annotated[Source | None, Query(description="Only what was done there.")] = None,
    person: Annotated[UUID | None, Query(description="Only what this person did.")] = None,
    after: str | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[ActivityOut]:  # fmt: skip
    """Newest first, paged, from the facts as they were recorded; what the clock did is not in it. For administrators and auditors."""
    page = await queries.activity(session, actor, source=source, person=person, after=after, limit=limit, secret=secret)
    return PageOut(items=[ActivityOut.model_validate(r) for r in page.items], next=page.next)
