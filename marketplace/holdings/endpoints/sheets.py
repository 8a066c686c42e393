"""JSON routes of cycle counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.holdings.permissions import ActsOnHoldings, ReadsStock
from marketplace.holdings.queries import sheets as reads
from marketplace.holdings.queries.sheets import ResultRow, SheetRow
from marketplace.holdings.schemas.sheets import (
    ConfirmedOut,
    EnteredOut,
    EntriesIn,
    EntryOut,
    MisreadIn,
    PartToCountOut,
    RecountIn,
    SheetIn,
    SheetOut,
    SheetReasonIn,
    ToleranceIn,
    ToleranceOut,
    VarianceOut,
)
from marketplace.holdings.service import sheets as service
from marketplace.holdings.sheet import Variance, read_items
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Made, PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/holdings", tags=["holdings"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
VARIANCE_COLUMNS: Final = (
    "Part number", "Description", "Round", "Counted at", "On record then", "Counted", "Difference", "Moved since", "Tolerated", "Adjusted",
    "Waiting to be found", "Put right under agreements", "What followed",
)  # fmt: skip


def variance_cells(v: Variance | ResultRow) -> tuple[object, ...]:
    """One row of the file."""
    after: tuple[object, ...] = (
        "",
        "",
        "",
        "to be counted again" if isinstance(v, Variance) and v.recount else "not confirmed yet",
    )
    if isinstance(v, ResultRow):
        after = (v.adjusted, v.withdrawn, v.put_right, v.words)
    return (
        v.number, v.description, v.round, v.counted_at.isoformat(timespec="seconds"), v.expected, v.counted, v.counted - v.expected,
        v.moved_since, v.tolerated, *after,
    )  # fmt: skip


async def report(session: AsyncSession, sheet: SheetRow) -> Sequence[Variance | ResultRow]:
    """The variances of a sheet: what came of them once it was confirmed, before that how they stand now."""
    return (
        await reads.results(session, sheet.id)
        if sheet.ended == "confirmed"
        else await reads.variances(session, sheet.id)
    )


@router.get("/sheets", summary="Your counts")
async def sheets(
    session: Reading, actor: ReadsStock, secret: PageSecret, still_open: bool | None = None, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[SheetOut]:  # fmt: skip
    """Newest first; one that is open is gone on with on any device."""
    mark = read_bookmark(after, secret, UUID)
    rows = await reads.sheets(
        session, actor.company_id, still_open=still_open, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[SheetOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/sheets", status_code=201, summary="Begin a count")
async def open_sheet(
    session: Writing, actor: ActsOnHoldings, given: SheetIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Of a site, or of one part or the parts of one agreement there. Nothing changes before it is confirmed."""

    async def act() -> Any:
        return Made(id=await service.open_sheet(session, actor, **given.model_dump(), now=now))

    answer = await once(session, actor, key, "holdings.sheet", given.model_dump(mode="json"), act)
    return Made.model_validate(answer.content)


@router.get("/sheets/{sheet_id}", summary="One count")
async def sheet(session: Reading, actor: ReadsStock, sheet_id: UUID) -> SheetOut:
    """Where, of what, and how far it is."""
    return SheetOut.model_validate(await reads.sheet(session, actor.company_id, sheet_id))


@router.get("/sheets/{sheet_id}/parts", summary="What is to be counted")
async def parts_to_count(
    session: Reading,
    actor: ReadsStock,
    sheet_id: UUID,
    secret: PageSecret,
    after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[PartToCountOut]:
    """Parts on record there, by number. On a blind sheet what is on record is told once the part was counted."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await reads.to_count(session, sheet_id, after=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    found = await reads.sheet(session, actor.company_id, sheet_id)
    page = cut(rows, limit, lambda r: [r.norm, r.part_id], secret)
    return PageOut(
        items=[
            PartToCountOut(
                part_id=r.part_id, number=r.number, description=r.description, serialised=r.serialised, counted=r.counted,
                expected=None if found.blind and r.counted is None else r.expected,
            )
            for r in page.items
        ],
        next=page.next,
    )  # fmt: skip


@router.get("/sheets/{sheet_id}/entries", summary="What was entered")
async def entries(
    session: Reading, actor: ReadsStock, sheet_id: UUID, secret: PageSecret, foreign: bool = False, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[EntryOut]:  # fmt: skip
    """Newest first. ``foreign``: only serial numbers that are not on record here."""
    mark = read_bookmark(after, secret, UUID)
    rows = await reads.entries(session, sheet_id, foreign=foreign, after=mark[0] if mark else None, limit=limit + 1)
    await reads.sheet(session, actor.company_id, sheet_id)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[EntryOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/sheets/{sheet_id}/entries", status_code=201, summary="Enter what was counted")
async def enter(
    session: Writing, actor: ActsOnHoldings, sheet_id: UUID, given: EntriesIn, now: Now, key: IdempotencyKey = None
) -> EnteredOut:
    """One scan or a whole list. Quantities of a part add up, a serial number counts once."""

    async def act() -> Any:
        return EnteredOut.model_validate(
            await service.enter(session, actor, sheet_id, read_items(given.items), how=given.how, now=now)
        )

    inputs = {"sheet_id": sheet_id, **given.model_dump()}
    return EnteredOut.model_validate((await once(session, actor, key, "holdings.sheet.enter", inputs, act)).content)


@router.delete("/sheets/{sheet_id}/entries/{entry_id}", status_code=204, summary="Take an entry back")
async def take_back(session: Writing, actor: ActsOnHoldings, sheet_id: UUID, entry_id: UUID, now: Now) -> None:
    """It does not count any more; that it was entered stays on the sheet."""
    await service.take_back(session, actor, sheet_id, entry_id, now=now)


@router.post(
    "/sheets/{sheet_id}/entries/{entry_id}/misread",
    status_code=201,
    summary="An unknown serial number is a misread one",
)
async def misread(
    session: Writing,
    actor: ActsOnHoldings,
    sheet_id: UUID,
    entry_id: UUID,
    given: MisreadIn,
    now: Now,
    key: IdempotencyKey = None,
) -> Made:
    """The unit goes on under the number that was read, at the same place and under the same agreement; the record says which it
    replaces."""

    async def act() -> Any:
        return Made(id=await service.misread(session, actor, sheet_id, entry_id, given.lot_id, now=now))

    inputs = {"sheet_id": sheet_id, "entry_id": entry_id, **given.model_dump()}
    return Made.model_validate((await once(session, actor, key, "holdings.sheet.misread", inputs, act)).content)


@router.post("/sheets/{sheet_id}/recounts", status_code=201, summary="Count a part again")
async def recount(session: Writing, actor: ActsOnHoldings, sheet_id: UUID, given: RecountIn, now: Now) -> SheetOut:
    """From nothing: what was entered of it before counts no more."""
    await service.recount(session, actor, sheet_id, given.part_id, now=now)
    return SheetOut.model_validate(await reads.sheet(session, actor.company_id, sheet_id))


@router.get("/sheets/{sheet_id}/variances", summary="What was counted against the record")
async def variances(session: Reading, actor: ReadsStock, sheet_id: UUID) -> list[VarianceOut]:
    """Every part that was counted, against what was on record at that moment; what moved since is told apart."""
    await reads.sheet(session, actor.company_id, sheet_id)
    return [VarianceOut.model_validate(v) for v in await reads.variances(session, sheet_id)]


@router.get(
    "/sheets/{sheet_id}/variances.csv", summary="The variances of a count, as CSV", response_class=StreamingResponse
)
async def variances_csv(session: Reading, actor: ReadsStock, sheet_id: UUID) -> StreamingResponse:
    """Once it is confirmed also what followed."""
    found = await reads.sheet(session, actor.company_id, sheet_id)
    rows = await report(session, found)

    async def pages() -> AsyncIterator[str]:
        yield csv_start(VARIANCE_COLUMNS)
        yield csv_rows(variance_cells(v) for v in rows)

    headers = {"content-disposition": f'attachment; filename="{found.reference}-variances.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/sheets/{sheet_id}/confirm", summary="Confirm a count")
async def confirm(
    session: Writing, actor: ActsOnHoldings, sheet_id: UUID, given: SheetReasonIn, now: Now, key: IdempotencyKey = None
) -> ConfirmedOut:
    """Own units are adjusted; what others have a right in, or what has serial numbers and was not read, waits to be found. Refused
    while a part is to be counted again."""

    async def act() -> Any:
        done = await service.confirm(session, actor, sheet_id, reason=given.reason, now=now)
        return ConfirmedOut(
            parts=done.parts,
            differing=done.differing,
            words=[f"{n}: {w}" for n, w in done.words],
            in_breach=list(done.in_breach),
        )

    inputs = {"sheet_id": sheet_id, **given.model_dump()}
    answer = await once(session, actor, key, "holdings.sheet.confirm", inputs, act, status=200)
    return ConfirmedOut.model_validate(answer.content)


@router.post("/sheets/{sheet_id}/drop", summary="Drop a count")
async def drop(session: Writing, actor: ActsOnHoldings, sheet_id: UUID, given: SheetReasonIn, now: Now) -> SheetOut:
    """It changes nothing."""
    await service.drop(session, actor, sheet_id, reason=given.reason, now=now)
    return SheetOut.model_validate(await reads.sheet(session, actor.company_id, sheet_id))


async def _tolerances(session: AsyncSession, actor: Actor) -> list[ToleranceOut]:
    found = await reads.tolerances(session, actor.company_id)
    return [ToleranceOut(class_code=c, basis_points=b) for c, b in found.items()]


@router.get("/count-tolerances", summary="How far counts may be off")
async def tolerances(session: Reading, actor: ReadsStock) -> list[ToleranceOut]:
    """By class of parts; the empty class stands for all others. None: any difference is counted again."""
    return await _tolerances(session, actor)


@router.put("/count-tolerances", summary="Set how far counts may be off")
async def set_tolerance(session: Writing, actor: ActsOnHoldings, given: ToleranceIn, now: Now) -> list[ToleranceOut]:
    """From now on, for this class."""
    await service.set_tolerance(session, actor, given.class_code, given.basis_points, now=now)
    return await _tolerances(session, actor)
