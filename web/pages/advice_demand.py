"""Demand histories: the files that were brought in, a new one, and what was odd in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from marketplace.advising import queries, service
from marketplace.advising.queries import DemandFile, IssueRow
from marketplace.db.requests import database
from marketplace.db.session import ReadSession, WriteSession
from marketplace.imports.endpoints import chunks_of
from marketplace.kit.errors import DomainError, Kind
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now, resolve
from web.errors import STATUS
from web.exports import list_csv, wants_csv
from web.forms import Fields, Form, Value
from web.session import SentForm, Visit, looking, submit, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/advice/demand", include_in_schema=False)
Reads = Annotated[Visit, visits("planning.read")]
VERB: Final = "planning.write"
PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("file", "File"),
    Column("months", "Months"),
    Column("parts", "Parts", "end"),
    Column("odd", "Odd lines", "end"),
    Column("step", "Step"),
    Column("when", "Brought in"),
)
CSV: Final = ("File", "First month", "Last month", "Numbers", "Parts", "Odd lines", "Step", "Brought in", "Withdrawn")
ISSUE_COLUMNS: Final = (Column("row", "Row", "end"), Column("part", "Part number"), Column("why", "What was odd"))
DONE: Final = {
    "repeated": ("info", "This file is the newest that counts already.", "Nothing was brought in twice."),
    "withdrawn": ("good", "The file counts no longer.", "Earlier files speak again for its months. Have advice made anew to see what that changes."),
}  # fmt: skip


@router.get("")
async def files(visit: Reads) -> Response:
    """The files, newest first, and the form for another one."""
    return await _list(visit, Form())


async def _list(visit: Visit, form: Form) -> Response:
    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[DemandFile], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        found = await queries.demand_files(
            session, visit.actor.company_id, after=key[0] if key else None, limit=rows + 1
        )
        some = cut(found, rows, lambda d: [d.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "demand-files", CSV, page, _csv_row)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "advice/demand.html", rows=rows, view=TableView.of(visit.request, COLUMNS).with_next(following), form=form,
        own=", ".join(await queries.own_makers(visit.session, visit.actor.company_id)),
        limit_mb=visit.request.app.state.settings.upload_limit_bytes // 1_000_000, may=visit.actor.may(VERB),
    )  # fmt: skip


def _csv_row(d: DemandFile) -> list[object]:
    return [
        d.file_name, d.first_month.isoformat() if d.first_month else "", d.last_month.isoformat() if d.last_month else "", d.numbers, d.parts,
        d.odd, d.step, d.created_at.isoformat(timespec="seconds"), d.withdrawn_at.isoformat(timespec="seconds") if d.withdrawn_at else "",
    ]  # fmt: skip


@router.post("")
async def upload(request: Request, now: Now) -> Response:
    """Keeps a file and lands it; a large one is the worker's. The newest file once more is the same import."""
    settings = request.app.state.settings
    values: dict[str, Value] = {}
    try:
        async with request.form() as data, database(request).write() as session:
            actor = await resolve(request, session, now)
            actor.require(VERB)
            values = {name: text for name, text in data.items() if isinstance(text, str)}
            file = data.get("file")
            fields = Fields(values)
            maker = fields.text("maker", "Maker of the numbers", required=False, most=80)
            if not isinstance(file, UploadFile) or not file.filename:
                fields.wrong("file", "Choose a file.")
            fields.check("demand.invalid", "The file was not taken in.")
            assert isinstance(file, UploadFile)  # noqa: S101 - check has refused everything else
            made = await service.upload_demand(
                session, actor, chunks=chunks_of(file), file_name=file.filename or "demand", data_dir=settings.data_dir,
                limit_bytes=settings.upload_limit_bytes, maker=maker or None, now=now,
            )  # fmt: skip
    except DomainError as error:
        if error.kind in {Kind.UNAUTHENTICATED, Kind.FORBIDDEN}:
            raise
        form = Form.rejected(values, error)

        async def again(visit: Visit) -> Response:
            return await _list(visit, form)

        response = await looking(request, now, again)
        response.status_code = STATUS[error.kind]
        return response
    return RedirectResponse(
        f"/advice/demand/{made.import_id}{'?done=repeated' if made.repeated else ''}", status_code=303
    )


@router.get("/{import_id}")
async def one(visit: Reads, import_id: UUID) -> Response:
    """What came of a file, and everything that was odd in it."""
    return await _one(visit, import_id, Form())


async def _one(visit: Visit, import_id: UUID, form: Form) -> Response:
    found = await queries.demand_file(visit.session, visit.actor.company_id, import_id)

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[IssueRow], str | None]:
        key = read_bookmark(mark, visit.secret, int)
        issues = await queries.demand_issues(
            session, visit.actor.company_id, import_id, after=key[0] if key else 0, limit=rows + 1
        )
        some = cut(issues, rows, lambda i: [i.no], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        header = ("Row", "Part number", "What was odd")
        return list_csv(visit, "demand-odd-lines", header, page, lambda i: [i.row_no or "", i.part_number, i.message])
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "advice/demand_file.html", file=found, rows=rows, form=form, done=DONE.get(visit.asked("done")), may=visit.actor.may(VERB),
        view=TableView.of(visit.request, ISSUE_COLUMNS).with_next(following),
    )  # fmt: skip


@router.post("/{import_id}/withdraw")
async def withdraw(request: Request, import_id: UUID, sent: SentForm, now: Now) -> Response:
    """A mistake counts no longer."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.withdraw_demand(session, actor, import_id, now)

    async def again(visit: Visit, form: Form) -> Response:
        return await _one(visit, import_id, form)

    to = f"/advice/demand/{import_id}?done=withdrawn"
    return await submit(request, sent, VERB, act, now=now, to=to, again=again)
