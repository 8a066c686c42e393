"""JSON routes of demand histories."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, UploadFile

from marketplace.advising import queries, service
from marketplace.advising.overlay import months_of
from marketplace.advising.permissions import ReadsPlanning, WritesPlanning
from marketplace.advising.schemas import (
    DemandFileOut,
    DemandIssueOut,
    DemandUploadedOut,
    HistoryOut,
    MonthOut,
)
from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.imports.endpoints import chunks_of
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once_done
from marketplace.settings import Settings

router = APIRouter()
demand = APIRouter(prefix="/demand", tags=["advice"])


@demand.post("", status_code=201, summary="Bring in a demand file (CSV or XLSX)")
async def upload(
    request: Request,
    session: Writing,
    actor: WritesPlanning,
    now: Now,
    file: Annotated[UploadFile, File(description="CSV or .xlsx with a header row.")],
    maker: Annotated[
        str | None,
        Form(max_length=80, description="Whose numbers it writes, by code or name; otherwise your own makers'."),
    ] = None,
) -> DemandUploadedOut:
    """Months as columns (2024-01, Jan 2024, ...) beside Part number, or a line a demand with Part number, Month and Quantity.
    Negative units are returns; an empty cell is not recorded, and 0 is none. A later file counts instead for the months that it
    names. Units that went to partners are no demand: leave them out. A file of more than 512 kB is read by the worker: ask again
    until ``step`` is no longer 'waiting'."""
    settings: Settings = request.app.state.settings
    made = await service.upload_demand(
        session, actor, chunks=chunks_of(file), file_name=file.filename or "demand", data_dir=settings.data_dir,
        limit_bytes=settings.upload_limit_bytes, maker=maker, now=now,
    )  # fmt: skip
    found = await queries.demand_file(session, actor.company_id, made.import_id)
    return DemandUploadedOut(**DemandFileOut.model_validate(found).model_dump(), repeated=made.repeated)


@demand.get("", summary="Your demand files, newest first")
async def files(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[DemandFileOut]:
    """Paged by ``after``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.demand_files(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda d: [d.id], secret)
    return PageOut(items=[DemandFileOut.model_validate(d) for d in page.items], next=page.next)


@demand.get("/parts/{part_id}", summary="What was asked for of one part, month by month")
async def history(session: Reading, actor: ReadsPlanning, part_id: UUID) -> HistoryOut:
    """Of each month what the latest file says that says something. Empty for a part without any."""
    said = [s for _, s in await queries.said_of_parts(session, actor.company_id, [part_id])]
    months = months_of([(s.first, s.units) for s in said])
    return HistoryOut(
        part_id=part_id,
        months=[
            MonthOut(
                month=date(m // 12, m % 12 + 1, 1), units=u, import_id=said[p].import_id if p is not None else None
            )
            for m, u, p in months
        ],
    )


@demand.get("/{import_id}", summary="One demand file: what came of it")
async def one_file(session: Reading, actor: ReadsPlanning, import_id: UUID) -> DemandFileOut:
    """Ask again while ``step`` is 'waiting'."""
    return DemandFileOut.model_validate(await queries.demand_file(session, actor.company_id, import_id))


@demand.get("/{import_id}/issues", summary="What was odd in a demand file")
async def issues(
    session: Reading,
    actor: ReadsPlanning,
    secret: PageSecret,
    import_id: UUID,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[DemandIssueOut]:
    """Numbers that are no part, cells that are no number, gaps, returns, outliers: nothing of it was guessed. Paged by ``after``."""
    await queries.demand_file(session, actor.company_id, import_id)
    mark = read_bookmark(after, secret, int)
    rows = await queries.demand_issues(
        session, actor.company_id, import_id, after=mark[0] if mark else 0, limit=limit + 1
    )
    page = cut(rows, limit, lambda i: [i.no], secret)
    return PageOut(items=[DemandIssueOut.model_validate(i) for i in page.items], next=page.next)


@demand.post("/{import_id}/withdraw", summary="Withdraw a demand file that was a mistake")
async def withdraw(
    session: Writing, actor: WritesPlanning, now: Now, import_id: UUID, key: IdempotencyKey = None
) -> Done:
    """What it said counts no longer, and stays on record; earlier files speak again for its months."""
    return await once_done(
        session, actor, key, f"demand.withdraw:{import_id}", {},
        lambda: service.withdraw_demand(session, actor, import_id, now),
    )  # fmt: skip


router.include_router(demand)
