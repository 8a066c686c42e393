"""The import wizard: upload a file, say what it lists, match its columns, see every row's fate, land it, decide on differences."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response, StreamingResponse

from marketplace.db.requests import database
from marketplace.db.session import ReadSession, Tenant, WriteSession
from marketplace.imports import queries, service
from marketplace.imports.endpoints import bad_row_chunks, fate_page
from marketplace.imports.fates import COMPARED, FATES, refuse_unless_checked
from marketplace.imports.fields import FIELDS
from marketplace.imports.queries import FateRow, Job, catalogue
from marketplace.imports.queries.words import MAX_SITE_WORDS, site_words
from marketplace.imports.shapes import ALL_FIELDS, SHAPES, SHELF, fields_of
from marketplace.imports.staging import DEFAULT_CONDITION
from marketplace.imports.values import MAX_CONDITION_WORDS, condition_readings
from marketplace.kit.errors import DomainError, Kind
from marketplace.kit.money import Money, price_cell
from marketplace.kit.pages import cut, read_bookmark
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now, resolve
from web.errors import STATUS
from web.exports import list_csv, wants_csv
from web.formats import money, qty
from web.forms import Fields, Form, Value
from web.session import Sent, SentForm, Visit, looking, submit, uuid_of, visits
from web.tables import Column, TableView

router = APIRouter(prefix="/imports", include_in_schema=False)
Imports = Annotated[Visit, visits("import.read")]
Importing = Annotated[Visit, visits("stock.import")]
VERB: Final = "stock.import"

PER_PAGE: Final = 50
COLUMNS: Final = (
    Column("file", "File"),
    Column("lists", "Lists"),
    Column("site", "Site and day"),
    Column("rows", "Rows", "end"),
    Column("fate", "Good and bad", "end"),
    Column("step", "Step"),
    Column("when", "Uploaded"),
)
CSV_HEADER: Final = (
    "File", "Lists", "Site", "Day", "Step", "Rows", "Good", "Bad", "New", "Changed", "Vanished", "Uploaded",
)  # fmt: skip
ISSUE_COLUMNS: Final = (
    Column("row", "Row", "end"), Column("field", "Column"), Column("value", "Value"), Column("why", "What is wrong"),
)  # fmt: skip
ROW_COLUMNS: Final = (
    Column("row", "Row", "end"), Column("part", "Part"), Column("quantity", "Quantity", "end"), Column("site", "Site"),
    Column("bin", "Bin"), Column("condition", "Condition"), Column("changes", "Against the record"),
)  # fmt: skip
VANISHED_COLUMNS: Final = (
    Column("part", "Part"), Column("quantity", "On record", "end"), Column("site", "Site"), Column("bin", "Bin"),
    Column("condition", "Condition"),
)  # fmt: skip
ROW_CSV: Final = (
    "Row", "Fate", "Part number", "Description", "Serial", "Batch", "Quantity", "Unit", "Site", "Bin", "Condition",
    *(f"{FIELDS[name].label} on record" for name in COMPARED),
)  # fmt: skip
FATE_WORDS: Final = {
    "good": "Good rows", "new": "New", "changed": "Changed", "same": "As on record", "vanished": "Not in the file",
}  # fmt: skip
PROPOSAL_COLUMNS: Final = (
    Column("pick", "Choose", hidden_label=True), Column("part", "Part"), Column("site", "Site"),
    Column("ledger", "On record", "end"), Column("file", "In the file", "end"), Column("change", "Change", "end"),
    Column("state", "Decision"),
)  # fmt: skip
STEPS: Final = ("Upload", "Match columns", "Check rows", "Land")
AT: Final = {
    "uploaded": 2,
    "failed": 2,
    "staging": 3,
    "staged": 3,
    "validated": 4,
    "done": 5,
    "cancelled": 5,
}
KINDS: Final = {
    "more": "More in the file", "less": "Fewer in the file", "vanished": "Not in the file any more", "shortage": "Shortage",
    "condition": "In another condition",
}  # fmt: skip
DECIDED: Final = {"changed": tuple(kind for kind in KINDS if kind != "vanished"), "gone": ("vanished",)}
"""Views of differences whether decided or not, as the figures of an import count them."""
DECIDED_WORDS: Final = {"changed": "All that are in the file", "gone": "All that are not in the file"}
MODES: Final = (
    ("good_rows", "Land the good rows", "Bad rows stay out; download them, correct them, upload them again."),
    ("all_or_nothing", "All or nothing", "Nothing lands while a single row is bad."),
)
SAID: Final = (
    ("some", "Only some of the stock", "Lines that it does not name stay as they are."),
    ("all", "All stock of its sites", "Lines that it does not name become proposals to count them away."),
)
TAKES: Final = (
    ("update", "Update what it names"),
    ("replace", "Replace what is on record"),
    ("add", "Add only what is new"),
)
LISTED: Final = tuple((shape.name, shape.label) for shape in SHAPES.values())
COVERS: Final = (("all", "All stock of its sites"), ("some", "Only some of the stock"))
PHASES: Final = {
    "waiting": "Waiting for its turn",
    "reading": "Reading rows",
    "checking": "Checking every row",
    "comparing": "Comparing with what is on record",
    "landing": "Landing rows",
    "finishing": "Writing down lines and differences",
}
MAPPED: Final = frozenset({"uploaded", "failed", "validated"})
"""Steps at which a person may still say how the file is read."""


@router.get("")
async def imports(visit: Imports) -> Response:
    """The company's imports, newest first, and the form to upload a file. ``?waiting=differences``: those with
    differences to decide."""
    return await _list(visit, Form())


async def _list(visit: Visit, form: Form) -> Response:
    waiting = visit.choice("waiting", {"differences"})

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[Job], str | None]:
        key = read_bookmark(mark, visit.secret, UUID)
        after = key[0] if key else None
        found = await queries.jobs(
            session, visit.actor.company_id, waiting=waiting == "differences", after=after, limit=rows + 1
        )
        some = cut(found, rows, lambda job: [job.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "imports", CSV_HEADER, page, _csv_row)
    jobs, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    return visit.show(
        "imports/list.html", rows=jobs, view=TableView.of(visit.request, COLUMNS).with_next(following), form=form,
        covers=COVERS, waiting=waiting, open=await queries.open_by_job(visit.session, [j.id for j in jobs]),
        sites=await parties.sites(visit.session, visit.actor), shapes=list(SHAPES.values()), listed=LISTED, takes=TAKES,
        limit_mb=visit.request.app.state.settings.upload_limit_bytes // 1_000_000,
    )  # fmt: skip


def _csv_row(job: Job) -> list[object]:
    return [
        job.file_name, SHAPES[job.kind].label, job.default_site or "", job.snapshot_on.isoformat(), job.step, job.rows_total, job.rows_good,
        job.rows_bad, job.lots_new, job.lots_changed, job.lots_vanished, job.created_at.isoformat(timespec="seconds"),
    ]  # fmt: skip


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(1 << 18):
        yield chunk


@router.post("")
async def upload(request: Request, now: Now) -> Response:
    """Keeps the file and reads its columns; nothing is imported yet. The same file again is the same import."""
    settings = request.app.state.settings
    values: dict[str, Value] = {}
    try:
        # The form is closed with its temporary file, whatever comes of it.
        async with request.form() as data, database(request).write() as session:
            actor = await resolve(request, session, now)
            actor.require(VERB)
            values = {name: text for name, text in data.items() if isinstance(text, str)}
            file = data.get("file")
            fields = Fields(values)
            day = fields.day("snapshot_on", "Day of the stock in the file")
            site = uuid_of(values.get("site", "")) if isinstance(values.get("site"), str) else None  # type: ignore[arg-type]
            maker = fields.text("maker", "Maker of rows that name none", required=False, most=80)
            if not isinstance(file, UploadFile) or not file.filename:
                fields.wrong("file", "Choose a file.")
            fields.check("import.invalid", "The file was not taken in.")
            assert isinstance(file, UploadFile)  # noqa: S101 - check has refused everything else
            made = await service.upload(
                session, actor, chunks=_chunks(file), file_name=file.filename or "upload", data_dir=settings.data_dir,
                limit_bytes=settings.upload_limit_bytes, now=now, default_site_id=site, default_maker=maker or None,
                snapshot_on=day, covers=str(values.get("covers") or "all"),
                kind=str(values.get("kind") or "") or None, takes=str(values.get("takes") or "update"),
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
    return RedirectResponse(f"/imports/{made.job_id}{'?done=repeated' if made.repeated else ''}", status_code=303)


# -- one import ------------------------------------------------------------------------------------------


def _column_rows(job: Job) -> list[dict[str, Any]]:
    """One row for each field: the column it is read from, why, and what the first rows say there."""
    chosen, sample = job.columns, job.mapping["sample"]
    rows = []
    for field in job.fields.values():
        at = chosen.get(field.name)
        values = [r[at] for r in sample if at is not None and at < len(r)][:3]
        rows.append(
            {"name": field.name, "label": field.label, "required": field.required, "column": at,
             "why": job.mapping["why"].get(field.name), "sample": ", ".join(v for v in values if v)[:80]}
        )  # fmt: skip
    return rows


async def _detail(visit: Visit, job_id: UUID, form: Form) -> dict[str, Any]:
    job = await queries.job(visit.session, job_id)
    problems = await queries.issue_summary(visit.session, job_id) if job.rows_bad else []
    header = job.mapping["header"]
    undecided = await queries.proposals(visit.session, job_id, undecided=True, limit=1) if job.step == "done" else []
    return {
        "job": job,
        "form": form,
        "steps": [(words, None) for words in STEPS],
        # What the worker has is past its columns, whether its first row is read yet or not.
        "at": max(AT[job.step], 3) if job.running else AT[job.step],
        "columns": _column_rows(job),
        "options": [(str(i), f"{name or 'column'} ({_letter(i)})") for i, name in enumerate(header)],
        "conditions": condition_readings(job.condition_words, job.conditions, job.elsewhere),
        "site_words": await site_words(visit.session, job) if job.step in MAPPED else [],
        "default_condition": CONDITION_WORDS[DEFAULT_CONDITION],
        "known_conditions": list(CONDITION_WORDS.items()),
        "unused": [f"{(header[c].strip() or 'a column without a name')} ({_letter(c)})" for c in job.unused],
        "problems": [(label_of(job, f), n, example) for f, _, n, example in problems],
        "modes": MODES,
        "said": SAID,
        "shape": SHAPES[job.kind],
        "listed": LISTED,
        "shelf": SHELF,
        "takes": TAKES,
        "undone": await catalogue.undone(visit.session, job_id) if job.undone_at else {},
        "running": job.running,
        "phases": PHASES,
        "mapped": MAPPED,
        "undecided": bool(undecided),
        "sites": await parties.sites(visit.session, visit.actor),
        "covers": COVERS,
    }


def label_of(job: Job, name: str) -> str:
    """What pages call a field of this import's file."""
    found = job.fields.get(name) or ALL_FIELDS.get(name)
    return found.label if found else name


def _letter(index: int) -> str:
    """A column as spreadsheets name it: A, B, ... AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


@router.get("/{job_id}")
async def one(visit: Imports, job_id: UUID) -> Response:
    """How far it is: the columns, the rows' fate, or what landed."""
    return visit.show("imports/import.html", **await _detail(visit, job_id, Form()), done=visit.asked("done"))


@router.get("/{job_id}/progress")
async def progress(visit: Imports, job_id: UUID) -> Response:
    """The progress alone, for the page to replace every second; once it has ended, the whole page is loaded."""
    job = await queries.job(visit.session, job_id)
    response = visit.show("imports/progress.html", job=job, phases=PHASES)
    if not job.running:
        response.headers["HX-Refresh"] = "true"
    return response


async def bring_on(request: Request, actor: Actor, job_id: UUID, now: datetime, *, land: bool) -> None:
    """Checks or lands a file: small ones at once, large ones by the worker. What is wrong stays on the import."""
    tenant, settings = Tenant(actor.company_id), request.app.state.settings
    async with database(request).read(tenant) as session:
        job = await queries.job(session, job_id)
    if job.file_size > service.SMALL_FILE_BYTES:
        async with database(request).write(tenant) as write:
            await service.ask_worker(
                write, job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id, land=land
            )
        return
    try:
        await service.run(
            database(request), job_id=job_id, company_id=actor.company_id, actor_id=actor.user_id,
            data_dir=settings.data_dir, land=land, now=now,
        )  # fmt: skip
    except DomainError as error:
        if error.kind is Kind.BUSY:
            raise
        await service.note_refusal(database(request), actor.company_id, job_id, error.message)


async def _step(request: Request, job_id: UUID, sent: Sent, now: datetime, act: Any, *, land: bool) -> Response:
    """Carries out a form once, then brings the import on in transactions of its own."""
    who: list[Actor] = []

    async def run(session: WriteSession, actor: Actor) -> str:
        await act(session, actor)
        who.append(actor)
        return str(job_id)

    async def again(visit: Visit, form: Form) -> Response:
        template = "imports/apply.html" if land else "imports/import.html"
        return visit.show(template, **await _detail(visit, job_id, form), done="")

    response = await submit(request, sent, VERB, run, now=now, to=f"/imports/{job_id}", again=again)
    if response.status_code == 303 and who:
        await bring_on(request, who[0], job_id, now, land=land)
    return response


@router.post("/{job_id}/mapping")
async def mapping(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Keeps the columns (also for the next file of this shape) and checks every row. Nothing lands."""

    async def act(session: WriteSession, actor: Actor) -> None:
        form, fields = sent.form(), sent.fields()
        job = await queries.job(session, job_id)
        chosen = {
            name: int(form.value(f"c_{name}")) if form.value(f"c_{name}").isdecimal() else None
            for name in fields_of(job.kind)
        }
        meant = {
            form.value(f"word_{i}"): form.value(f"means_{i}") or None
            for i in range(MAX_CONDITION_WORDS * 2)
            if form.value(f"word_{i}")
        }
        places = {
            form.value(f"place_{i}"): uuid_of(form.value(f"site_{i}"))
            for i in range(MAX_SITE_WORDS * 2)
            if form.value(f"place_{i}") and (form.value(f"site_{i}") or form.value(f"known_{i}"))
        }
        day = fields.day("snapshot_on", "Day of the stock in the file")
        maker = fields.text("maker", "Maker of rows that name none", required=False, most=80)
        fields.check("import.mapping", "The columns were not kept.")
        await service.change_mapping(
            session, actor, job_id, columns=chosen, data_dir=request.app.state.settings.data_dir, now=now,
            save=fields.yes("save"), covers=form.value("covers") or None, default_site_id=uuid_of(form.value("site")), default_maker=maker or None,
            snapshot_on=day, conditions=meant if job.kind == "stock" else None, sites=places, kind=form.value("kind") or None,
            takes=form.value("takes") or None,
        )  # fmt: skip

    return await _step(request, job_id, sent, now, act, land=False)


@router.get("/{job_id}/apply")
async def apply_page(visit: Importing, job_id: UUID) -> Response:
    """What landing does, before it does it."""
    return visit.show("imports/apply.html", **await _detail(visit, job_id, Form()))


@router.post("/{job_id}/apply")
async def apply(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Lands the good rows, or all of them or nothing, as chosen."""

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        mode = fields.one_of("mode", "what to land", [m[0] for m in MODES])
        job = await queries.job(session, job_id)
        actor.require(SHAPES[job.kind].verb)
        covers = sent.form().value("covers")
        if covers or job.in_doubt:
            covers = fields.one_of("covers", "what the file tells of", [c[0] for c in SAID])
        fields.check("import.mode", "Nothing landed.")
        await service.choose_landing(session, job_id, mode=mode, covers=covers or None)

    return await _step(request, job_id, sent, now, act, land=True)


@router.post("/{job_id}/cancel")
async def cancel(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends an import that has not landed; its rows are forgotten."""

    async def act(session: WriteSession, actor: Actor) -> str:
        await queries.job(session, job_id)
        await service.cancel(session, job_id, now)
        return str(job_id)

    return await submit(request, sent, VERB, act, now=now, to="/imports")


@router.get("/{job_id}/issues")
async def issues(visit: Imports, job_id: UUID) -> Response:
    """Everything wrong with every row, in the order of the file. ``?format=csv``: the bad rows to correct."""
    job = await queries.job(visit.session, job_id)
    if wants_csv(visit):
        return StreamingResponse(
            bad_row_chunks(visit.request, visit.actor, job), media_type="text/csv; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="rows-to-correct.csv"'},
        )  # fmt: skip
    key = read_bookmark(visit.request.query_params.get("after"), visit.secret, int, str)
    found = await queries.issues(visit.session, job_id, after=(key[0], key[1]) if key else None, limit=PER_PAGE + 1)
    some = cut(found, PER_PAGE, lambda row: [row.row_no, row.field], visit.secret)
    view = TableView.of(visit.request, ISSUE_COLUMNS).with_next(some.next)
    return visit.show(
        "imports/issues.html", job=job, rows=some.items, view=view, tabs=fate_tabs(job),
        label=lambda name: label_of(job, name),
    )  # fmt: skip


def fate_tabs(job: Job) -> list[tuple[str, str, str, int | None]]:
    """A tab for each fate that a row of a checked file can have; once it has landed only the bad rows are kept."""
    bad = ("bad", "Bad rows", f"/imports/{job.id}/issues", job.rows_bad)
    if job.step != "validated":
        return [bad]
    many = {
        "good": job.rows_good, "new": job.lots_new, "changed": job.lots_changed, "same": job.as_on_record,
        "vanished": job.lots_vanished,
    }  # fmt: skip
    page = "rows" if job.kind == "stock" else "changes"
    return [*((fate, FATE_WORDS[fate], f"/imports/{job.id}/{page}?fate={fate}", many[fate]) for fate in FATES), bad]


@router.get("/{job_id}/rows")
async def fates(visit: Imports, job_id: UUID) -> Response:
    """What becomes of each row of a checked file: ``?fate=`` good, new, changed, same (as on record), vanished."""
    job = await queries.job(visit.session, job_id)
    refuse_unless_checked(job.step)
    fate = visit.choice("fate", set(FATES)) or "good"

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[FateRow], str | None]:
        some = await fate_page(session, job, fate, mark, rows, visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, f"rows-{fate}", ROW_CSV, page, lambda row: _fate_line(row, visit.actor.currency))
    found, following = await page(visit.session, visit.request.query_params.get("after"), PER_PAGE)
    view = TableView.of(visit.request, VANISHED_COLUMNS if fate == "vanished" else ROW_COLUMNS).with_next(following)
    return visit.show(
        "imports/rows.html", job=job, rows=found, view=view, tabs=fate_tabs(job), fate=fate, words=FATE_WORDS,
        said=lambda row, field, value: _said(row, field, value, visit.actor.currency), label=lambda name: FIELDS[name].label,
    )  # fmt: skip


def _said(row: FateRow, field: str, value: object, currency: str) -> str:
    """One side of a change as pages write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return qty(value, row.uom or "EA")
    if isinstance(value, Decimal):
        return money(Money(value, currency))
    return CONDITION_WORDS.get(str(value), str(value)) if field == "condition" else str(value)


def _fate_line(row: FateRow, currency: str) -> list[object]:
    """What is on record stands only where it differs."""
    was = {
        change.field: price_cell(change.before, currency) if isinstance(change.before, Decimal) else change.before
        for change in row.changes
    }
    return [
        row.row_no, FATE_WORDS[row.fate], row.number, row.description, row.serial, row.batch, row.quantity, row.uom,
        row.site, row.bin, row.condition, *(was.get(f) for f in COMPARED),
    ]  # fmt: skip


@router.get("/{job_id}/proposals")
async def proposals(visit: Imports, job_id: UUID) -> Response:
    """Where the file and the ledger differ: accept or dismiss."""
    return await _proposals(visit, job_id, Form())


async def _proposals(visit: Visit, job_id: UUID, form: Form) -> Response:
    job = await queries.job(visit.session, job_id)
    show = visit.choice("show", {"all", *DECIDED, *KINDS})
    undecided, kind = show not in {"all", *DECIDED}, show if show in KINDS else None
    key = read_bookmark(visit.request.query_params.get("after"), visit.secret, UUID)
    found = await queries.proposals(
        visit.session, job_id, undecided=undecided, kinds=[kind] if kind else DECIDED.get(show), after=key[0] if key else None,
        limit=PER_PAGE + 1,
    )  # fmt: skip
    waiting = await queries.count_open(visit.session, job_id)
    some = cut(found, PER_PAGE, lambda row: [row.id], visit.secret)
    view = TableView.of(visit.request, PROPOSAL_COLUMNS).with_next(some.next)
    here = f"/imports/{job_id}/proposals"
    tabs = [
        ("", "To decide", here, sum(waiting.values())),
        *((name, KINDS[name], f"{here}?show={name}", n) for name, n in waiting.items() if n and len(waiting) > 1),
        ("all", "All", f"{here}?show=all", None),
        *((name, words, f"{here}?show={name}", None) for name, words in DECIDED_WORDS.items() if name == show),
    ]
    tab = show if not undecided else (kind or "")
    open_here = waiting.get(kind, 0) if kind else sum(waiting.values())
    return visit.show(
        "imports/proposals.html", job=job, rows=some.items, view=view, form=form, kinds=KINDS, tabs=tabs, conditions=CONDITION_WORDS,
        tab=tab, done=visit.asked("done"), open_here=open_here, at_once=service.MAX_AT_ONCE,
    )  # fmt: skip


@router.get("/{job_id}/proposals/all")
async def decide_all(visit: Imports, job_id: UUID) -> Response:
    """What deciding on all differences of a kind does, before it does it."""
    job = await queries.job(visit.session, job_id)
    waiting = await queries.count_open(visit.session, job_id)
    kind = visit.asked("kind") if visit.asked("kind") in KINDS else ""
    verdict = "accept_all" if visit.asked("verdict") == "accept_all" else "dismiss_all"
    many = min(waiting.get(kind, 0) if kind else sum(waiting.values()), service.MAX_AT_ONCE)
    return visit.show(
        "imports/proposals_all.html", job=job, kind=kind, kinds=KINDS, verdict=verdict, n=many, form=Form()
    )


@router.post("/{job_id}/proposals")
async def decide(request: Request, job_id: UUID, sent: SentForm, now: Now) -> Response:
    """Accepts or dismisses the chosen differences; an accepted one becomes a count of free units in the ledger."""

    async def act(session: WriteSession, actor: Actor) -> str:
        fields = sent.fields()
        chosen = [found for text in fields.many("pick") if (found := uuid_of(text))]
        verdict = fields.one_of("verdict", "accept or dismiss", ("accept", "dismiss", "accept_all", "dismiss_all"))
        if verdict.endswith("_all"):
            kind = sent.form().value("kind")
            kinds = [kind] if kind in KINDS else list(KINDS)
            accept, dismiss = (kinds, []) if verdict == "accept_all" else ([], kinds)
            done = await service.decide(session, actor, job_id, accept_all=accept, dismiss_all=dismiss, now=now)
            return "counted" if done.overtaken else "decided"
        if not chosen:
            fields.wrong("pick", "Choose at least one difference.")
        fields.check("import.decide", "Nothing was decided.")
        accepted = chosen if verdict == "accept" else []
        dismissed = [] if accepted else chosen
        done = await service.decide(session, actor, job_id, accept=accepted, dismiss=dismissed, now=now)
        return "counted" if done.overtaken else "decided"

    async def again(visit: Visit, form: Form) -> Response:
        return await _proposals(visit, job_id, form)

    return await submit(
        request, sent, VERB, act, now=now, to=lambda done: f"/imports/{job_id}/proposals?done={done}", again=again
    )
