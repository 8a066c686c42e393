"""How much of a request's body is read, before anybody knows who sends it: a plain ASGI middleware."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketplace.attachments.rules import MOST_BYTES
from marketplace.kit.errors import DomainError
from marketplace.parties.permissions import cookie_name, unknown_caller
from marketplace.settings import Settings

UPLOADS: Final = frozenset({"/api/v1/imports", "/imports"})
DOCUMENTS: Final = frozenset({"/api/v1/documents", "/documents"})
# What a multipart form puts around its file: boundaries, file name, the other fields.
FRAME_BYTES: Final = 64 * 1024


class BodyLimit:
    """Refuses a body over the limit: at once by its stated length, otherwise as soon as more than that has come. A
    stock file may be as big as the operator allows, but nothing of it is read from somebody who shows no sign-in."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._usual = settings.body_limit_bytes
        self._upload = max(settings.upload_limit_bytes, settings.body_limit_bytes) + FRAME_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        document = scope["method"] == "POST" and scope["path"] in DOCUMENTS
        upload = document or (scope["method"] == "POST" and scope["path"] in UPLOADS)
        limit = self._usual if not upload else MOST_BYTES + FRAME_BYTES if document else self._upload
        if upload and "authorization" not in headers and cookie_name() not in Request(scope).cookies:
            await _answer(unknown_caller(), scope, receive, send)
            return
        stated = headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > limit):
            await _answer(_too_large(limit), scope, receive, send)
            return
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, counted, send)


def _too_large(limit: int) -> HTTPException:
    size = f"{limit / 1024 / 1024:.1f} MB" if limit >= 1024 * 1024 else f"{limit // 1024} KB"
    return HTTPException(
        413, f"This is larger than the {size} accepted here. Save it smaller, or send it in parts. Nothing was changed."
    )


async def _answer(refused: DomainError | HTTPException, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers as the application does for what its routes raise: a problem for a program, a page for a browser."""
    answer = await scope["app"].exception_handlers[type(refused)](Request(scope, receive), refused)
    await answer(scope, receive, send)
