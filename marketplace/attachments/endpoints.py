"""JSON routes of documents."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from starlette.datastructures import UploadFile as AnyFile
from starlette.responses import StreamingResponse

from marketplace.attachments import queries, service
from marketplace.attachments.permissions import AddsDocuments, ReadsDocuments
from marketplace.attachments.queries import DocumentRow
from marketplace.attachments.rules import (
    LONGEST_NOTE,
    MOST_BYTES,
    PICTURES,
    TAKEN,
    Audience,
    Kind,
    On,
    Thing,
    too_large,
)
from marketplace.attachments.schemas import DocumentOut
from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.kit.errors import invalid, missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once

router = APIRouter(prefix="/documents", tags=["documents"])
# Whatever is in a file: nothing of it runs, and nothing of it is taken for a page of this site.
HARMLESS: Final = {"content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


async def content_of(file: AnyFile) -> bytes:
    """What was sent, at most as much as is taken. Raises ``document.too_large``."""
    content = await file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise too_large()
    return content


def handed_out(request: Request, actor: Actor, found: DocumentRow) -> Response:
    """The file under its name: pictures to be looked at, everything else to be saved."""
    how = "inline" if found.media_type in PICTURES else "attachment"
    plain = "".join(c if c.isascii() and c not in '"\\' else "_" for c in found.name)
    return StreamingResponse(
        queries.pieces(database(request), Tenant(actor.company_id, actor.sources), found),
        media_type=found.media_type,
        headers={
            **HARMLESS, "content-length": str(found.size), "etag": f'"{found.sha256.hex()}"',
            "content-disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(found.name)}",
        },
    )  # fmt: skip


@router.post("", status_code=201, summary="Attach a certificate, photo or drawing")
async def add(
    request: Request,
    session: Writing,
    actor: AddsDocuments,
    now: Now,
    file: Annotated[UploadFile, File(description=f"{TAKEN}, up to {MOST_BYTES // 1024 // 1024} MB.")],
    on: Annotated[On, Form(description="What it hangs on.")],
    on_id: Annotated[UUID, Form()],
    kind: Annotated[Kind, Form()],
    audience: Annotated[Audience, Form()] = "same",
    note: Annotated[str, Form(max_length=LONGEST_NOTE)] = "",
    key: IdempotencyKey = None,
) -> Made:
    """Seen by whoever may see what it hangs on, or by your company alone. What the file is, is told from its content; pictures are kept
    without what the camera wrote beside them, such as where it was."""
    content = await content_of(file)
    given = service.Given(file.filename or "", content, kind, audience, note)

    async def act() -> dict[str, Any]:
        made = await service.add(
            session, actor, Thing(on, on_id), given, now, quota=request.app.state.settings.document_quota_bytes
        )
        return {"id": made}

    what = {
        "on": on,
        "on_id": on_id,
        "kind": kind,
        "audience": audience,
        "note": note,
        "content": service.digest_of(content),
    }
    return Made.model_validate((await once(session, actor, key, "documents.add", what, act)).content)


@router.get("", summary="The documents on one thing, or all that your company added, newest first")
async def documents(
    session: Reading,
    actor: ReadsDocuments,
    secret: PageSecret,
    on: On | None = None,
    on_id: UUID | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[DocumentOut]:
    """Those on the thing that ``on`` and ``on_id`` name, as far as you may see them; none where you may not see the thing. Without them
    what your own company added, whatever it hangs on."""
    if (on is None) != (on_id is None):
        raise invalid(
            "document.thing", "Name both what it hangs on and its id, or neither.", field="on_id" if on else "on"
        )
    key = read_bookmark(after, secret, UUID)
    things = [Thing(on, on_id)] if on and on_id else None
    rows = await queries.documents(session, actor, things, after=key[0] if key else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[DocumentOut.of(r) for r in page.items], next=page.next)


@router.get("/{document_id}", summary="One document")
async def document(session: Reading, actor: ReadsDocuments, document_id: UUID) -> DocumentOut:
    """What it is and who added it."""
    return DocumentOut.of(await queries.document(session, actor, document_id))


@router.get("/{document_id}/content", summary="The file", response_class=Response, responses=_FILE)
async def content(request: Request, session: Reading, actor: ReadsDocuments, document_id: UUID) -> Response:
    """As it is kept, under its name."""
    return handed_out(request, actor, await queries.document(session, actor, document_id))


@router.get("/{document_id}/small", summary="A picture of it for lists", response_class=Response, responses=_PICTURE)
async def small(session: Reading, actor: ReadsDocuments, document_id: UUID) -> Response:
    """At most 320 by 320 pixels, as WebP; of pictures only."""
    return await small_of(session, await queries.document(session, actor, document_id))


async def small_of(session: Reading, found: DocumentRow) -> Response:
    """Raises ``document.no_picture``."""
    picture = await queries.small(session, found)
    if picture is None:
        raise missing("document.no_picture", "There is no small picture of this file.")
    return Response(picture, media_type="image/webp", headers=HARMLESS)


@router.post("/{document_id}/withdraw", summary="Withdraw a document")
async def withdraw(
    session: Writing, actor: AddsDocuments, document_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Shown to nobody else from now on. Your company still sees that it was there."""

    async def act() -> Done:
        await service.withdraw(session, actor, document_id, now)
        return Done(done="documents.withdraw")

    answer = await once(session, actor, key, f"documents.withdraw:{document_id}", {}, act, status=200)
    return Done.model_validate(answer.content)
