"""JSON routes of sourcing: the searches that a person keeps."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.sourcing import queries, service
from marketplace.sourcing.permissions import KeepsSearches, ReadsSearches
from marketplace.sourcing.schemas.searches import NotifyIn, RenameIn, SearchIn, SearchOut

searches = APIRouter(prefix="/searches", tags=["sourcing"])


@searches.get("", summary="Your saved searches")
async def listed(
    session: Reading,
    secret: PageSecret,
    actor: ReadsSearches,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[SearchOut]:
    """Your own alone, by name."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await queries.saved_searches(session, actor, after=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.name.lower(), r.id], secret)
    return PageOut(items=[SearchOut.of(r) for r in page.items], next=page.next)


@searches.get("/{search_id}", summary="One saved search")
async def one(session: Reading, actor: ReadsSearches, search_id: UUID) -> SearchOut:
    """With all its numbers: they go into ``locate`` as they are."""
    return SearchOut.of(await queries.saved_search(session, actor, search_id))


@searches.post("", status_code=201, summary="Save a search")
async def save(session: Writing, actor: KeepsSearches, given: SearchIn, key: IdempotencyKey = None) -> Made:
    """For yourself, up to a hundred. Answers its id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.save_search(session, actor, given.name, given.search())}

    return Made.model_validate((await once(session, actor, key, "searches.save", given.model_dump(), act)).content)


@searches.put("/{search_id}/name", summary="Rename a saved search")
async def rename(
    session: Writing, actor: KeepsSearches, search_id: UUID, given: RenameIn, key: IdempotencyKey = None
) -> Done:
    """To a name that none of your others has."""
    return await once_done(
        session, actor, key, f"searches.rename:{search_id}", given.model_dump(),
        lambda: service.rename_search(session, actor, search_id, given.name),
    )  # fmt: skip


@searches.put("/{search_id}/notify", summary="Let a saved search tell you what is new or cheaper")
async def notify(
    session: Writing, actor: KeepsSearches, search_id: UUID, given: NotifyIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Of searches for offers, also for numbers that nobody offers yet. Each offer that you may see is told once, and once more when it
    is cheaper; what is on offer already when it begins is not told."""
    return await once_done(
        session, actor, key, f"searches.notify:{search_id}", given.model_dump(),
        lambda: service.set_notify(session, actor, search_id, on=given.notify, now=now),
    )  # fmt: skip


@searches.delete("/{search_id}", status_code=204, summary="Delete a saved search")
async def delete(session: Writing, actor: KeepsSearches, search_id: UUID, key: IdempotencyKey = None) -> None:
    """It is gone; what it found stays where it is."""
    await once_done(
        session, actor, key, f"searches.delete:{search_id}", {},
        lambda: service.delete_search(session, actor, search_id),
    )  # fmt: skip
