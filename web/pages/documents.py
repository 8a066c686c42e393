"""Documents on the pages of parts, units, listings, orders and orders back: attached, looked at, withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from marketplace.attachments import queries, service
from marketplace.attachments.endpoints import content_of, handed_out, small_of
from marketplace.attachments.queries import DocumentRow
from marketplace.attachments.rules import (
    AUDIENCE_WORDS,
    EXTENSIONS,
    KIND_WORDS,
    MOST_BYTES,
    ON_WORDS,
    TAKEN,
    On,
    Thing,
    may_add,
)
from marketplace.db.requests import database
from marketplace.db.session import WriteSession
from marketplace.kit.errors import DomainError, Kind, missing
from marketplace.kit.statuses import STATUS
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import Now, resolve
from marketplace.parties.service import once
from web.forms import IDEMPOTENCY_FIELD, Fields, Form, Value
from web.session import SentForm, Visit, looking, submit, uuid_of, visits

router = APIRouter(prefix="/documents", include_in_schema=False)
Reads = Annotated[Visit, visits("document.read")]
Adds = Annotated[Visit, visits("document.add")]
SHOWN: Final = 50
PAGES: Final[dict[str, str]] = {
    "lot": "/units", "listing": "/listings", "order": "/orders", "call": "/calls",
}  # fmt: skip
ACCEPT: Final = ",".join(f".{ending}" for endings in EXTENSIONS.values() for ending in endings)


@dataclass(frozen=True, slots=True)
class Shown:
    """The documents of a page. ``add``: where the reader attaches one, if it may. ``more``: there are others than these."""

    rows: Sequence[DocumentRow]
    add: str | None
    own: UUID
    more: bool


async def shown(visit: Visit, on: On, on_id: UUID, *, part_id: UUID | None = None) -> Shown:
    """What hangs on a thing, and on its part where the page is about one, too; one statement."""
    things = [Thing(on, on_id)] + ([Thing("part", part_id)] if part_id else [])
    rows = await queries.documents(visit.session, visit.actor, things, limit=SHOWN + 1)
    add = f"/documents/new?on={on}&id={on_id}" + (f"&part={part_id}" if part_id else "")
    return Shown(rows[:SHOWN], add if may_add(visit.actor, on) else None, visit.actor.company_id, len(rows) > SHOWN)


@router.get("/new")
async def new(visit: Adds) -> Response:
    """The form: ``?on=`` and ``?id=`` what it hangs on, ``?part=`` the part that it may hang on instead."""
    return _form(visit, Form({name: visit.asked(name) for name in ("on", "id", "part")}))


def _form(visit: Visit, form: Form) -> Response:
    on, on_id = form.value("on"), uuid_of(form.value("id"))
    if on not in PAGES or on_id is None:
        raise missing(
            "document.thing", "Open a listing, a unit or an order first; documents are attached from its page."
        )
    part = uuid_of(form.value("part"))
    places = [("here", f"This {ON_WORDS[on]}")]
    if part is not None:
        places.append(("part", "The part, wherever it appears"))
    return visit.show(
        "documents/new.html", form=form, on=on, on_words=ON_WORDS[on], back=f"{PAGES[on]}/{on_id}", places=places, kinds=list(KIND_WORDS.items()),
        audiences=list(AUDIENCE_WORDS.items()), taken=TAKEN, most_mb=MOST_BYTES // 1024 // 1024, accept=ACCEPT,
    )  # fmt: skip


@router.post("")
async def add(request: Request, now: Now) -> Response:
    """Keeps the file with what it hangs on; back to that page."""
    values: dict[str, Value] = {}
    try:
        # The form is closed with its temporary file, whatever comes of it.
        async with request.form(max_files=1, max_fields=20) as data, database(request).write() as session:
            actor = await resolve(request, session, now)
            values = {name: text for name, text in data.items() if isinstance(text, str)}
            key = values.pop(IDEMPOTENCY_FIELD, None)
            file, fields = data.get("file"), Fields(values)
            thing, back = _thing(values)
            kind = fields.one_of("kind", "What it is", KIND_WORDS)
            audience = fields.one_of("audience", "Who may see it", AUDIENCE_WORDS)
            note = fields.text("note", "Note", required=False, most=500)
            if not isinstance(file, UploadFile) or not file.filename:
                fields.wrong("file", "Choose a file.")
            fields.check("document.invalid", "The document was not attached.")
            assert isinstance(file, UploadFile)  # noqa: S101 - check has refused everything else
            content = await content_of(file)
            given = service.Given(file.filename or "", content, kind, audience, note)

            async def act() -> dict[str, str]:
                made = await service.add(
                    session, actor, thing, given, now, quota=request.app.state.settings.document_quota_bytes
                )
                return {"id": str(made)}

            what = {**values, "content": service.digest_of(content)}
            await once(session, actor, key if isinstance(key, str) and key else None, "web:document.add", what, act)
    except DomainError as error:
        if error.kind in {Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.MISSING}:
            raise
        form = Form.rejected(values, error)

        async def again(visit: Visit) -> Response:
            return _form(visit, form)

        response = await looking(request, now, again)
        response.status_code = STATUS[error.kind]
        return response
    return RedirectResponse(f"{back}#documents", status_code=303)


def _thing(values: dict[str, Value]) -> tuple[Thing, str]:
    form = Form(values)
    on, on_id, part = form.value("on"), uuid_of(form.value("id")), uuid_of(form.value("part"))
    if on not in PAGES or on_id is None:
        raise missing(
            "document.thing", "Open a listing, a unit or an order first; documents are attached from its page."
        )
    back = f"{PAGES[on]}/{on_id}"
    if form.value("place") == "part" and part is not None:
        return Thing("part", part), back
    return Thing(on, on_id), back  # type: ignore[arg-type]  # one of PAGES


@router.get("/{document_id}/file")
async def file(visit: Reads, document_id: UUID) -> Response:
    """The file under its name: pictures to be looked at, everything else to be saved."""
    return handed_out(visit.request, visit.actor, await queries.document(visit.session, visit.actor, document_id))


@router.get("/{document_id}/small")
async def small(visit: Reads, document_id: UUID) -> Response:
    """A picture of it for lists."""
    return await small_of(visit.session, await queries.document(visit.session, visit.actor, document_id))


@router.get("/{document_id}/withdraw")
async def withdraw_page(visit: Adds, document_id: UUID) -> Response:
    """What withdrawing does, before it does it."""
    return await _withdrawing(visit, document_id, Form())


async def _withdrawing(visit: Visit, document_id: UUID, form: Form) -> Response:
    found = await queries.document(visit.session, visit.actor, document_id)
    return visit.show(
        "documents/withdraw.html",
        form=form,
        row=found,
        kind_words=KIND_WORDS,
        back=_page_of(found),
        on_words=ON_WORDS[found.on],
    )


def _page_of(found: DocumentRow) -> str:
    return f"{PAGES[found.on]}/{found.on_id}" if found.on in PAGES else f"/documents/{found.id}/withdraw"


@router.post("/{document_id}/withdraw")
async def withdraw(request: Request, document_id: UUID, sent: SentForm, now: Now) -> Response:
    """Shown to nobody else from now on."""

    async def act(session: WriteSession, actor: Actor) -> str:
        found = await queries.document(session, actor, document_id)
        await service.withdraw(session, actor, document_id, now)
        return f"{_page_of(found)}#documents" if found.on in PAGES else "/find"

    async def again(visit: Visit, form: Form) -> Response:
        return await _withdrawing(visit, document_id, form)

    return await submit(request, sent, "document.add", act, now=now, to=str, again=again)
