"""JSON routes of imports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile as Upload
from starlette.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.imports import queries, service
from marketplace.imports.columns import CORRECTED
from marketplace.imports.fates import refuse_unless_checked
from marketplace.imports.permissions import ReadsImports, WritesImports
from marketplace.imports.queries import FateRow, Job, catalogue
from marketplace.imports.queries.catalogue import CatalogueRowOut
from marketplace.imports.queries.words import SiteReading, site_words
from marketplace.imports.schemas import (
    ApplyIn,
    CatalogueChangeOut,
    ColumnOut,
    ConditionOut,
    Covers,
    DecideIn,
    DecisionOut,
    Difference,
    Fate,
    FateRowOut,
    FileKind,
    FixIn,
    ImportDetail,
    ImportOut,
    IssueOut,
    MappingIn,
    Mode,
    ProblemOut,
    ProposalOut,
    SiteWordOut,
    Takes,
    UndoneOut,
)
from marketplace.imports.shapes import SHAPES
from marketplace.imports.values import condition_readings
from marketplace.kit.errors import conflict
from marketplace.kit.exports import csv_chunks
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, Page, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.settings import Settings

router = APIRouter(prefix="/imports", tags=["imports"])
_CHUNK = 1 << 18


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def chunks_of(file: Upload) -> AsyncIterator[bytes]:
    """An upload in pieces."""
    while chunk := await file.read(_CHUNK):
        yield chunk


def detail_of(
    job: Job, problems: list[ProblemOut], sites: Sequence[SiteReading], *, repeated: bool = False
) -> ImportDetail:
    """A job as the wire shows it."""
    mapping, columns = job.mapping, job.columns
    return ImportDetail(
        **ImportOut.model_validate(job).model_dump(),
        header=mapping["header"],
        sample=mapping["sample"],
        sheets=mapping["sheets"],
        columns=[
            ColumnOut(
                field=f.name, label=f.label, required=f.required, column=columns.get(f.name),
                why=mapping["why"].get(f.name), order=mapping["orders"].get(f.name),
            )
            for f in job.fields.values()
        ],
        conditions=[ConditionOut(**asdict(meaning)) for meaning in condition_readings(job.condition_words, job.conditions, job.elsewhere)],
        sites=[SiteWordOut(**asdict(reading)) for reading in sites],
        without_condition=job.without_condition,
        missing=mapping["missing"],
        warnings=mapping["warnings"],
        unused=job.unused_names,
        problems=problems,
        repeated=repeated,
    )  # fmt: skip


@router.post(
    "",
    status_code=201,
    summary="Upload a file (CSV or XLSX): stock, parts, supersessions, prices, sites, other numbers, counts, use reports",
)
async def upload(
    request: Request,
    session: Writing,
    actor: WritesImports,
    now: Now,
    response: Response,
    file: Annotated[UploadFile, File(description="CSV or .xlsx with a header row.")],
    default_site_id: Annotated[UUID | None, Form(description="The site of rows that name none.")] = None,
    default_maker: Annotated[str | None, Form(max_length=80)] = None,
    snapshot_on: Annotated[date | None, Form(description="The day the file tells about; today if not given.")] = None,
    mode: Annotated[Mode, Form()] = "good_rows",
    covers: Annotated[
        Covers,
        Form(description="Whether the file tells of 'all' stock of its sites, or of 'some': then nothing is gone."),
    ] = "all",
    sheet: Annotated[str | None, Form()] = None,
    kind: Annotated[
        FileKind | None, Form(description="What the file lists; recognised by its columns if not given.")
    ] = None,
    takes: Annotated[
        Takes,
        Form(
            description="Of a catalogue file: 'update' what it names (blank cells say nothing), 'replace' (blank cells empty, links that "
            "it leaves out end) or 'add' only what is new."
        ),
    ] = "update",
) -> ImportDetail:
    """Keeps the file and reads its columns; nothing is imported yet. Parts, supersessions, prices and numbers take the right to
    change the catalogue, sites the right to change the company. Check ``columns``, then validate. The same file
    for the same site and day answers the import that it already is (status 200)."""
    settings = _settings(request)
    made = await service.upload(
        session, actor, chunks=chunks_of(file), file_name=file.filename or "upload", data_dir=settings.data_dir,
        limit_bytes=settings.upload_limit_bytes, now=now, default_site_id=default_site_id, default_maker=default_maker,
        snapshot_on=snapshot_on, mode=mode, covers=covers, sheet=sheet,
        kind=kind, takes=takes,
    )  # fmt: skip
    if made.repeated:
        response.status_code = 200
    job = await queries.job(session, made.job_id)
    return detail_of(job, [], await site_words(session, job), repeated=made.repeated)


@router.get("", summary="Your imports, newest first")
async def imports(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[ImportOut]:
    """Paged by ``after``."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.jobs(session, actor.company_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda j: [j.id], secret)
    return PageOut(items=[ImportOut.model_validate(j) for j in page.items], next=page.next)


@router.get("/{job_id}", summary="One import: how far it is, how its file is read, what goes wrong most")
async def get(session: Reading, actor: ReadsImports, job_id: UUID) -> ImportDetail:
    """Ask again while ``step`` is 'staging' or 'staged' to follow ``rows_staged``."""
    return await _detail(session, job_id)


async def _detail(session: Any, job_id: UUID) -> ImportDetail:
    job = await queries.job(session, job_id)
    problems = [
        ProblemOut(field=f, code=c, rows=n, example=words)
        for f, c, n, words in await queries.issue_summary(session, job_id)
    ]
    return detail_of(job, problems, await site_words(session, job))


@router.put("/{job_id}/mapping", summary="Choose the columns")
async def change_mapping(
    request: Request,
    session: Writing,
    actor: WritesImports,
    now: Now,
    job_id: UUID,
    chosen: MappingIn,
    key: IdempotencyKey = None,
) -> ImportDetail:
    """The import starts over from its file with these columns; validate it again."""

    async def act() -> ImportDetail:
        await service.change_mapping(
            session, actor, job_id, data_dir=_settings(request).data_dir, now=now, **chosen.model_dump()
        )
        return await _detail(session, job_id)

    given = {"job_id": job_id, **chosen.model_dump()}
    answer = await once(session, actor, key, "imports.mapping", given, act, status=200)
    return ImportDetail.model_validate(answer.content)


@router.post("/{job_id}/validate", summary="Read the whole file and see every row's fate")
async def validate(
    request: Request, session: Writing, actor: WritesImports, now: Now, response: Response, job_id: UUID,
    key: IdempotencyKey = None,
) -> ImportDetail:  # fmt: skip
    """Small files at once (200); large ones in the background (202): ask for the import until it is 'validated'.
    Nothing lands. Running again starts where it stopped, and does nothing twice."""
    return await _bring_on(request, session, actor, now, response, job_id, key, land=False)


@router.post("/{job_id}/apply", summary="Land the file")
async def apply(
    request: Request, session: Writing, actor: WritesImports, now: Now, response: Response, job_id: UUID,
    chosen: ApplyIn, key: IdempotencyKey = None,
) -> ImportDetail:  # fmt: skip
    """Registers what is new and proposes what differs. With 'all_or_nothing' nothing lands while a row is bad
    (``import.bad_rows``). A file that leaves out more of a site's lines than it names lands only once 'covers' is said
    here (``import.mostly_gone``)."""
    return await _bring_on(request, session, actor, now, response, job_id, key, land=True, chosen=chosen)


async def _bring_on(
    request: Request,
    session: Any,
    actor: Actor,
    now: Any,
    response: Response,
    job_id: UUID,
    key: str | None,
    *,
    land: bool,
    chosen: ApplyIn | None = None,
) -> ImportDetail:
    job = await queries.job(session, job_id)
    service.refuse_cancelled(job)
    actor.require(SHAPES[job.kind].verb)
    small = job.file_size <= service.SMALL_FILE_BYTES
    said = chosen.model_dump(exclude_none=True) if chosen else {}

    async def act() -> ImportDetail:
        if small:
            if said:
                async with database(request).write(Tenant(actor.company_id)) as own:
                    await service.choose_landing(own, job_id, **said)
            # Each step commits by itself, so that one that stops half way is gone on with.
            await service.run(
                database(request), job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id,
                data_dir=_settings(request).data_dir, land=land, now=now,
            )  # fmt: skip
        else:
            if said:
                await service.choose_landing(session, job_id, **said)
            await service.ask_worker(
                session, job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id, land=land
            )
        return await _detail(session, job_id)

    route = "imports.apply" if land else "imports.validate"
    answer = await once(session, actor, key, route, {"job_id": job_id, **said}, act, status=200 if small else 202)
    response.status_code = answer.status
    return ImportDetail.model_validate(answer.content)


@router.post("/{job_id}/cancel", summary="End an import that has not landed")
async def cancel(session: Writing, actor: WritesImports, now: Now, job_id: UUID) -> Done:
    """Its rows are forgotten; nothing was imported."""
    await service.cancel(session, job_id, now)
    return Done(done="imports.cancel", id=job_id)


@router.get(
    "/{job_id}/issues.csv", summary="The bad rows as CSV, to correct and upload again", response_class=StreamingResponse
)
async def bad_rows(request: Request, session: Reading, actor: ReadsImports, job_id: UUID) -> StreamingResponse:
    """The original columns, then the row in the file and everything wrong with it."""
    job = await queries.job(session, job_id)
    return StreamingResponse(
        bad_row_chunks(request, actor, job), media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="rows-to-correct.csv"'},
    )  # fmt: skip


async def bad_row_chunks(request: Request, actor: Actor, job: Job) -> AsyncIterator[str]:
    """CSV text, page by page, in a session of its own."""
    header: list[str] | None = [*job.mapping["header"], *CORRECTED]
    width, after = len(job.mapping["header"]), 0
    async with database(request).read(Tenant(actor.company_id)) as session:
        while True:
            rows = await queries.bad_rows(session, job.id, after=after)
            cells = ([*c[:width], *[""] * (width - len(c)), number, words] for number, c, words in rows)
            for chunk in csv_chunks(header, cells):
                yield chunk
            if len(rows) < 500:
                return
            header, after = None, rows[-1][0]


@router.get("/{job_id}/issues", summary="Everything wrong with every row")
async def issues(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    job_id: UUID,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[IssueOut]:
    """In the order of the file, paged."""
    await queries.job(session, job_id)
    mark = read_bookmark(after, secret, int, str)
    rows = await queries.issues(session, job_id, after=(mark[0], mark[1]) if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.row_no, r.field], secret)
    return PageOut(items=[IssueOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/{job_id}/rows", summary="What becomes of each row, before the file lands")
async def rows(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    job_id: UUID,
    fate: Annotated[
        Fate,
        Query(
            description="'good' rows are 'new', 'changed' or the 'same' as on record, in the order of the file; 'vanished' "
            "are lines on record that it does not name. Bad rows: see issues."
        ),
    ] = "good",
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[FateRowOut]:
    """Of a checked file, paged by ``after``. Before it was checked ``import.not_validated``; once it has landed
    ``import.rows_gone``: then see proposals."""
    job = await queries.job(session, job_id)
    if job.kind != "stock":
        raise conflict("import.shape", "This is no stock file: see 'changes'.")
    refuse_unless_checked(job.step)
    page = await fate_page(session, job, fate, after, limit, secret)
    return PageOut(items=[FateRowOut.model_validate(r) for r in page.items], next=page.next)


async def fate_page(
    session: AsyncSession, job: Job, fate: str, after: str | None, limit: int, secret: str
) -> Page[FateRow]:
    """Rows of a checked file with this fate, behind a bookmark."""
    if fate == "vanished":
        line = read_bookmark(after, secret, UUID)
        lines = await queries.vanished_lines(session, job.id, after=line[0] if line else None, limit=limit + 1)
        return cut(lines, limit, lambda r: [r.line_id], secret)
    row = read_bookmark(after, secret, int)
    found = await queries.fate_rows(session, job, fate, after=row[0] if row else 0, limit=limit + 1)
    return cut(found, limit, lambda r: [r.row_no], secret)


@router.get("/{job_id}/changes", summary="What each row of a catalogue file changes, before it lands")
async def changes(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    job_id: UUID,
    fate: Fate = "good",
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[CatalogueChangeOut]:
    """Of a checked file of any kind but stock, in the order of the file, paged."""
    job = await queries.job(session, job_id)
    if job.kind == "stock":
        raise conflict("import.shape", "This is a stock file: see 'rows'.")
    refuse_unless_checked(job.step)
    page = await change_page(session, job, fate, after, limit, secret)
    return PageOut(items=[CatalogueChangeOut.model_validate(r) for r in page.items], next=page.next)


async def change_page(
    session: AsyncSession, job: Job, fate: str, after: str | None, limit: int, secret: str
) -> Page[CatalogueRowOut]:
    """Rows of a checked catalogue file with this fate, behind a bookmark."""
    mark = read_bookmark(after, secret, int)
    found = await catalogue.catalogue_rows(session, job.id, fate, after=mark[0] if mark else None, limit=limit + 1)
    return cut(found, limit, lambda r: [r.row_no], secret)


@router.post("/{job_id}/fix", summary="Correct cells of bad rows and check again")
async def fix(
    request: Request, session: Writing, actor: WritesImports, now: Now, response: Response, job_id: UUID, chosen: FixIn,
    key: IdempotencyKey = None,
) -> ImportDetail:  # fmt: skip
    """Of a checked file that has not landed. The corrections are kept beside the file; every row is checked again, a large
    file's in the background (202)."""
    job = await queries.job(session, job_id)
    small = job.file_size <= service.SMALL_FILE_BYTES
    fixed = {row.row_no: row.cells for row in chosen.rows}

    async def act() -> ImportDetail:
        if not small:
            await service.fix_rows(session, actor, job_id, fixed, now)
            await service.ask_worker(
                session, job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id, land=False
            )
            return await _detail(session, job_id)
        async with database(request).write(Tenant(actor.company_id)) as own:
            await service.fix_rows(own, actor, job_id, fixed, now)
        await service.run(
            database(request), job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id,
            data_dir=_settings(request).data_dir, land=False, now=now,
        )  # fmt: skip
        return await _detail(session, job_id)

    given = {"job_id": job_id, **chosen.model_dump()}
    answer = await once(session, actor, key, "imports.fix", given, act, status=200 if small else 202)
    response.status_code = answer.status
    return ImportDetail.model_validate(answer.content)


@router.post("/{job_id}/undo", summary="Undo a whole import that has landed")
async def undo(session: Writing, actor: WritesImports, now: Now, job_id: UUID, key: IdempotencyKey = None) -> UndoneOut:
    """Stock is taken out again by compensating transactions where nothing has happened to it since; of the catalogue the values
    before come back where nobody changed them since. What stays is listed under 'kept', with reasons."""

    async def act() -> UndoneOut:
        return UndoneOut(**await service.undo(session, actor, job_id, now))

    answer = await once(session, actor, key, "imports.undo", {"job_id": job_id}, act, status=200)
    return UndoneOut.model_validate(answer.content)


@router.get("/{job_id}/kept", summary="What an undone import leaves behind, and why")
async def kept(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    job_id: UUID,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[CatalogueChangeOut]:
    """In the order of the file, paged."""
    await queries.job(session, job_id)
    mark = read_bookmark(after, secret, int)
    found = await catalogue.kept(session, job_id, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(found, limit, lambda r: [r.row_no], secret)
    return PageOut(items=[CatalogueChangeOut.model_validate(r) for r in page.items], next=page.next)


@router.get("/{job_id}/proposals", summary="Where the file and the ledger differ")
async def proposals(
    session: Reading,
    actor: ReadsImports,
    secret: PageSecret,
    job_id: UUID,
    undecided: bool = False,
    kind: Difference | None = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[ProposalOut]:
    """In the order of the file, paged."""
    await queries.job(session, job_id)
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.proposals(
        session, job_id, undecided=undecided, kinds=[kind] if kind else None, after=mark[0] if mark else None,
        limit=limit + 1,
    )  # fmt: skip
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[ProposalOut.model_validate(r) for r in page.items], next=page.next)


@router.post("/{job_id}/proposals/decide", summary="Accept or dismiss differences")
async def decide(
    session: Writing, actor: WritesImports, now: Now, job_id: UUID, chosen: DecideIn, key: IdempotencyKey = None
) -> DecisionOut:
    """An accepted difference becomes a count in the ledger, of free units only. ``accept_all`` and ``dismiss_all`` take
    up to 2,000 at a time: go on while ``open`` says that there are more."""

    async def act() -> DecisionOut:
        made = await service.decide(session, actor, job_id, now=now, **chosen.model_dump())
        return DecisionOut.model_validate(made)

    given = {"job_id": job_id, **chosen.model_dump()}
    answer = await once(session, actor, key, "imports.decide", given, act, status=200)
    return DecisionOut.model_validate(answer.content)
