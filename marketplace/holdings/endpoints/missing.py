"""JSON routes of units that are missing: what counts did not find, and what became of units."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.holdings import queries, service
from marketplace.holdings.permissions import Concludes, ReadsAgreements
from marketplace.holdings.schemas import MissingOut, ShortageOut
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/holdings", tags=["holdings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/missing-units", summary="What became of missing units")
async def missing_units(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[MissingOut]:
    """Units under agreements that left without leave, were lost or found, newest first."""
    page = await queries.missing_units(
        session, actor, secret=secret, agreement_id=agreement_id, after=after, limit=limit
    )
    return PageOut(items=[MissingOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/shortages", summary="Units that counts did not find")
async def shortages(
    session: Reading,
    actor: ReadsAgreements,
    secret: PageSecret,
    still_open: Annotated[bool | None, Query(description="Whether it is still to be said where units are.")] = None,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[ShortageOut]:
    """Shortages that the clause calls a breach, with the date by which the holder counts again, newest first."""
    page = await queries.shortages(
        session, actor, secret=secret, still_open=still_open, agreement_id=agreement_id, after=after, limit=limit
    )
    return PageOut(items=[ShortageOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/shortages/{shortage_id}/conclude", status_code=201, summary="Conclude that units are gone without leave")
async def conclude(
    session: Writing, actor: Concludes, shortage_id: UUID, now: Now, key: IdempotencyKey = None
) -> MissingOut:
    """For the manufacturer, once the holder's time to say where they are, and to make good, has run."""

    async def act() -> Any:
        return MissingOut.model_validate(await service.conclude_shortage(session, actor, shortage_id, now))

    answer = await once(session, actor, key, f"holdings.conclude:{shortage_id}", {}, act)
    return MissingOut.model_validate(answer.content)
