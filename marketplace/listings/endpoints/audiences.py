"""JSON routes: whom a company lets see what, and at which price."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.db.session import WriteSession
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.listings import queries, service
from marketplace.listings.permissions import ReadsReleases, WritesReleases
from marketplace.listings.schemas.audiences import (
    AudienceIn,
    BlockIn,
    BlockOut,
    ClearanceIn,
    ClearanceOut,
    ControlledIn,
    ControlledOut,
    GroupIn,
    GroupOut,
    PreviewOut,
    PriceIn,
    PriceOut,
    RepriceIn,
    WindowOut,
)
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done

router = APIRouter(prefix="/audiences", tags=["listings"])
of_postings = APIRouter(tags=["listings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


async def _made(
    session: WriteSession, actor: Actor, key: str | None, route: str, given: dict[str, Any],
    act: Callable[[], Awaitable[UUID]],
) -> Made:  # fmt: skip
    async def run() -> dict[str, Any]:
        return {"id": await act()}

    return Made.model_validate((await once(session, actor, key, route, given, run)).content)


@router.get("/groups", summary="Your groups of partners")
async def groups(
    session: Reading, secret: PageSecret, actor: ReadsReleases, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[GroupOut]:
    """By name, with who is in them."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await queries.groups(session, actor.company_id, after=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.name.lower(), r.id], secret)
    return PageOut(items=[GroupOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/groups", status_code=201, summary="Make a group of partners")
async def make_group(
    session: Writing, actor: WritesReleases, new: GroupIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Answers its id; postings and prices name it."""
    return await _made(
        session, actor, key, "groups.make", new.model_dump(),
        lambda: service.make_group(session, actor, new.name, new.partner_ids, now),
    )  # fmt: skip


@router.put("/groups/{group_id}", summary="Change a group")
async def change_group(
    session: Writing, actor: WritesReleases, group_id: UUID, new: GroupIn, key: IdempotencyKey = None
) -> Done:
    """Its name and everybody in it. It counts from this moment on, for postings that are out too."""
    return await once_done(
        session, actor, key, f"groups.change:{group_id}", new.model_dump(),
        lambda: service.change_group(session, actor, group_id, new.name, new.partner_ids),
    )  # fmt: skip


@router.delete("/groups/{group_id}", status_code=204, summary="Delete a group that nothing names")
async def delete_group(session: Writing, actor: WritesReleases, group_id: UUID, key: IdempotencyKey = None) -> None:
    """Refused while a posting or a price names it: take its partners out instead."""
    await once_done(
        session, actor, key, f"groups.delete:{group_id}", {}, lambda: service.delete_group(session, actor, group_id)
    )


@router.get("/blocks", summary="Partners that see nothing of your postings")
async def blocks(
    session: Reading, secret: PageSecret, actor: ReadsReleases, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[BlockOut]:
    """In force, newest first."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.blocks(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[BlockOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/blocks", status_code=201, summary="Block a partner")
async def block(session: Writing, actor: WritesReleases, new: BlockIn, now: Now, key: IdempotencyKey = None) -> Made:
    """It sees nothing of your postings from this moment on, also of those for everyone. Orders that exist go on."""
    return await _made(
        session, actor, key, "blocks.make", new.model_dump(),
        lambda: service.block(session, actor, new.partner_id, new.reason, now),
    )  # fmt: skip


@router.post("/blocks/{block_id}/lift", summary="Lift a block")
async def lift_block(
    session: Writing, actor: WritesReleases, block_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """The partner sees again what you offer to it."""
    return await once_done(
        session, actor, key, f"blocks.lift:{block_id}", {}, lambda: service.lift_block(session, actor, block_id, now)
    )


@router.get("/clearances", summary="Partners cleared for controlled parts")
async def clearances(
    session: Reading, secret: PageSecret, actor: ReadsReleases, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ClearanceOut]:
    """Newest first; those whose last day is over too."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.clearances(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[ClearanceOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/clearances", status_code=201, summary="Record that a partner is cleared")
async def clear(
    session: Writing, actor: WritesReleases, new: ClearanceIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Until the end of its last day in UTC the partner sees and buys your controlled parts."""
    return await _made(
        session, actor, key, "clearances.make", new.model_dump(),
        lambda: service.clear(session, actor, new.partner_id, new.reference, new.valid_until, now),
    )  # fmt: skip


@router.post("/clearances/{clearance_id}/withdraw", summary="Withdraw a clearance")
async def withdraw_clearance(
    session: Writing, actor: WritesReleases, clearance_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """From this moment on; orders that exist go on."""
    return await once_done(
        session, actor, key, f"clearances.withdraw:{clearance_id}", {},
        lambda: service.withdraw_clearance(session, actor, clearance_id, now),
    )  # fmt: skip


@router.get("/controlled-parts", summary="Parts that only cleared partners see")
async def controlled_parts(
    session: Reading, secret: PageSecret, actor: ReadsReleases, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ControlledOut]:
    """Beside lines whose posting states a classification in its terms."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.controlled_parts(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.part_id], secret)
    return PageOut(items=[ControlledOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/controlled-parts", status_code=201, summary="Put a part on your list of controlled parts")
async def control_part(
    session: Writing, actor: WritesReleases, new: ControlledIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Lines of it that are out are hidden from everybody who is not cleared, at once."""
    return await once_done(
        session, actor, key, "controlled.add", new.model_dump(),
        lambda: service.control_part(session, actor, new.part_id, new.classification, now),
    )  # fmt: skip


@router.delete("/controlled-parts/{part_id}", status_code=204, summary="Take a part off that list")
async def free_part(session: Writing, actor: WritesReleases, part_id: UUID, key: IdempotencyKey = None) -> None:
    """Lines whose terms state a classification stay hidden."""
    await once_done(
        session, actor, key, f"controlled.free:{part_id}", {}, lambda: service.free_part(session, actor, part_id)
    )


@router.get("/prices", summary="Prices of partners and groups")
async def prices(
    session: Reading,
    secret: PageSecret,
    actor: ReadsReleases,
    release_id: UUID | None = None,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[PriceOut]:
    """In force, newest first; ``release_id``: of one posting and its lines."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.prices(
        session, actor.company_id, release_id=release_id, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[PriceOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/prices", status_code=201, summary="Grant a partner or a group a price")
async def set_price(
    session: Writing, actor: WritesReleases, new: PriceIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """It counts from this moment on. Of all that apply to a buyer the lowest counts, and never more than the posted price."""
    return await _made(
        session, actor, key, "prices.make", new.model_dump(),
        lambda: service.set_price(session, actor, service.NewPrice(**new.model_dump()), now),
    )  # fmt: skip


@router.post("/prices/{price_id}/end", summary="End a price")
async def end_price(
    session: Writing, actor: WritesReleases, price_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Orders keep what they were placed at."""
    return await once_done(
        session, actor, key, f"prices.end:{price_id}", {}, lambda: service.end_price(session, actor, price_id, now)
    )


@of_postings.get("/releases/{release_id}/audience", summary="Who sees a posting from when on")
async def audience(session: Reading, actor: ReadsReleases, release_id: UUID) -> list[WindowOut]:
    """Of your own posting: everyone, partners and groups with the moment from which it is open to them."""
    found = await queries.own_release(session, actor.company_id, release_id)
    return [WindowOut.model_validate(w) for w in await queries.whole_audience(session, found)]


@of_postings.get("/releases/{release_id}/seen-by/{partner_id}", summary="A posting as one partner sees it")
async def seen_by(
    session: Reading,
    actor: ReadsReleases,
    secret: PageSecret,
    now: Now,
    release_id: UUID,
    partner_id: UUID,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[PreviewOut]:
    """The lines of your own posting with what that partner pays, and what keeps it from seeing them: also of a draft, as if it were
    published now."""
    mark = read_bookmark(after, secret, UUID)
    await queries.own_release(session, actor.company_id, release_id)
    rows = await queries.preview(
        session, actor.company_id, release_id, partner_id, now, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[PreviewOut.of(r) for r in page.items], next=page.next)


@of_postings.put("/releases/{release_id}/audience", summary="Say who sees a posting from when on")
async def set_audience(
    session: Writing, actor: WritesReleases, release_id: UUID, new: AudienceIn, key: IdempotencyKey = None
) -> Done:
    """In place of what was said before, also while it is out. A window opens by the clock, to the second."""
    return await once_done(
        session, actor, key, f"releases.audience:{release_id}", new.model_dump(),
        lambda: service.set_audience(session, actor, release_id, [w.window for w in new.windows]),
    )  # fmt: skip


@of_postings.post("/listings/{listing_id}/reprice", summary="Change the price of a line")
async def reprice(
    session: Writing, actor: WritesReleases, listing_id: UUID, new: RepriceIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Of what is not ordered yet. Who is just ordering at the old price is refused and told the new one."""
    return await once_done(
        session, actor, key, f"listings.reprice:{listing_id}", new.model_dump(),
        lambda: service.reprice(session, actor, listing_id, new.unit_price, now),
    )  # fmt: skip
