"""Rows of an import: what a catalogue file changes, bad rows corrected in place, a whole import undone, and what stays then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from marketplace.db.session import ReadSession, WriteSession
from marketplace.imports import queries, service
from marketplace.imports.endpoints import change_page
from marketplace.imports.fates import FATES, refuse_unless_checked
from marketplace.imports.queries import Job, catalogue
from marketplace.imports.queries.catalogue import CatalogueRowOut
from marketplace.imports.shapes import SHAPES, SHELF
from marketplace.kit.errors import conflict, missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.pages.imports import FATE_WORDS, PER_PAGE, VERB, Importing, Imports, bring_on, fate_tabs, label_of
from web.session import SentForm, Visit, submit
from web.tables import Column, TableView

router = APIRouter(prefix="/imports", include_in_schema=False)
ROWS_AT_ONCE: Final = 20
CHANGE_COLUMNS: Final = (
    Column("row", "Row", "end"),
    Column("about", "Number"),
    Column("changes", "Against the record"),
)
CHANGE_CSV: Final = ("Row", "Fate", "Number", "Other number", "What", "Description", "Changes")
KEPT_COLUMNS: Final = (Column("about", "Number"), Column("what", "What the import did"), Column("why", "Why it stays"))
KEPT_CSV: Final = ("Row", "Number", "Other number or serial", "What the import did", "Taken back", "Why it stays")
ACTS: Final = {
    "new": "made it", "changed": "changed it", "vanished": "ended it", "lot": "took the units in", "count": "counted the units",
}  # fmt: skip


@router.get("/{job_id}/changes")
async def changes(visit: Imports, job_id: UUID) -> Response:
    """What each row of a checked catalogue file changes: ``?fate=`` good, new, changed, same, vanished."""
    job = await queries.job(visit.session, job_id)
    if job.kind == "stock":
        raise missing("import.not_found", "No such page of a stock file.")
    refuse_unless_checked(job.step)
    fate = visit.choice("fate", set(FATES)) or "good"

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[CatalogueRowOut], str | None]:
        some = await change_page(session, job, fate, mark, rows, visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, f"changes-{fate}", CHANGE_CSV, page, lambda row: _line(job, row))
    found, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "imports/changes.html", job=job, shelf=SHELF, rows=found, tabs=fate_tabs(job), fate=fate, words=FATE_WORDS,
        view=TableView.of(visit.request, CHANGE_COLUMNS).with_next(following),
        told=lambda row: sorted(row.changes, key=lambda c: [*job.fields].index(c.field) if c.field in job.fields else 0), label=lambda name: label_of(job, name),
        may_land=visit.actor.may(VERB) and visit.actor.may(SHAPES[job.kind].verb),
    )  # fmt: skip


def _line(job: Job, row: CatalogueRowOut) -> list[object]:
    told = "; ".join(f"{label_of(job, c.field)}: {c.before or 'none'} -> {c.after or 'none'}" for c in row.changes)
    return [
        row.row_no if row.row_no > 0 else "",
        FATE_WORDS[row.fate],
        row.number,
        row.other,
        row.key,
        row.description,
        told,
    ]


# -- bad rows, corrected here ------------------------------------------------------------------------------


@router.get("/{job_id}/fix")
async def fix_page(visit: Importing, job_id: UUID) -> Response:
    """Bad rows with their cells to type into, some at a time."""
    return await _fix(visit, job_id, Form())


async def _fix(visit: Visit, job_id: UUID, form: Form) -> Response:
    job = await queries.job(visit.session, job_id)
    if job.step != "validated":
        raise conflict(
            "import.not_validated", "Rows are corrected here between checking and landing. Download the bad rows instead, and upload "
            "them corrected.",
        )  # fmt: skip
    key = read_bookmark(visit.asked("after") or None, visit.secret, int)
    found = await queries.bad_rows(visit.session, job_id, after=key[0] if key else 0, limit=ROWS_AT_ONCE + 1)
    some = cut(found, ROWS_AT_ONCE, lambda row: [row[0]], visit.secret)
    wrong = await queries.issues_of(visit.session, job_id, [row for row, _, _ in some.items])
    return visit.show(
        "imports/fix.html", job=job, form=form, next=some.next, here=visit.asked("after"),
        rows=[_fixable(job, row, cells, wrong.get(row, {})) for row, cells, _ in some.items],
    )  # fmt: skip


def _fixable(job: Job, row: int, cells: Sequence[str], wrong: dict[str, str]) -> dict[str, Any]:
    """A row as a form shows it: the cells with something wrong first, then the others that are read; and what is wrong with no
    cell of the file."""
    columns = job.columns
    fields = [
        {"name": f"r{row}_{name}", "label": job.fields[name].label, "value": cells[at] if at < len(cells) else "", "wrong": wrong.get(name)}
        for name, at in sorted(columns.items(), key=lambda item: (item[0] not in wrong, item[1]))
    ]  # fmt: skip
    return {
        "row": row,
        "fields": fields,
        "other": [f"{label_of(job, f)}: {words}" for f, words in wrong.items() if f not in columns],
    }


@router.post("/{job_id}/fix")
async def fix(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Keeps what was typed into bad rows and checks every row again."""
    who: list[Actor] = []

    async def act(session: WriteSession, actor: Actor) -> str:
        job = await queries.job(session, job_id)
        fixed: dict[int, dict[str, str]] = {}
        for name, value in sent.values.items():
            row, _, field = name.removeprefix("r").partition("_")
            if name.startswith("r") and row.isdecimal() and field in job.columns and isinstance(value, str):
                fixed.setdefault(int(row), {})[field] = value
        await service.fix_rows(session, actor, job_id, fixed, now)
        who.append(actor)
        return str(job_id)

    async def again(visit: Visit, form: Form) -> Response:
        return await _fix(visit, job_id, form)

    response = await submit(request, sent, VERB, act, now=now, to=f"/imports/{job_id}?done=fixed", again=again)
    if response.status_code == 303 and who:
        await bring_on(request, who[0], job_id, now, land=False)
    return response


# -- undone as a whole ---------------------------------------------------------------------------------------


@router.get("/{job_id}/undo")
async def undo_page(visit: Importing, job_id: UUID) -> Response:
    """What undoing takes back, before it does."""
    return await _undo(visit, job_id, Form())


async def _undo(visit: Visit, job_id: UUID, form: Form) -> Response:
    job = await queries.job(visit.session, job_id)
    return visit.show("imports/undo.html", job=job, form=form, shape=SHAPES[job.kind])


@router.post("/{job_id}/undo")
async def undo(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Takes a whole import back as far as nothing was done with it since."""

    async def act(session: WriteSession, actor: Actor) -> str:
        await service.undo(session, actor, job_id, now)
        return str(job_id)

    async def again(visit: Visit, form: Form) -> Response:
        return await _undo(visit, job_id, form)

    return await submit(request, sent, VERB, act, now=now, to=f"/imports/{job_id}", again=again)


@router.get("/{job_id}/kept")
async def kept(visit: Imports, job_id: UUID) -> Response:
    """What an undone import leaves behind, and why."""
    job = await queries.job(visit.session, job_id)

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[CatalogueRowOut], str | None]:
        key = read_bookmark(mark, visit.secret, int)
        found = await catalogue.kept(session, job_id, after=key[0] if key else None, limit=rows + 1)
        some = cut(found, rows, lambda row: [row.row_no], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(
            visit,
            "not-undone",
            KEPT_CSV,
            page,
            lambda r: [r.row_no, r.number, r.other, ACTS[r.fate], r.undone, r.kept_because],
        )
    found, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    return visit.show(
        "imports/kept.html",
        job=job,
        rows=found,
        acts=ACTS,
        view=TableView.of(visit.request, KEPT_COLUMNS).with_next(following),
    )
