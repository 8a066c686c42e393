"""The API's reference, drawn by the local copy of Swagger UI from the application's own OpenAPI document."""

from __future__ import annotations

import contextlib

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from marketplace.kit.errors import DomainError
from web.rendering import render
from web.session import recognise

router = APIRouter(include_in_schema=False)


@router.get("/api/docs")
async def api_docs(request: Request) -> Response:
    """The reference page, in the frame of whoever is signed in; the document itself is named in a data attribute, so no script is inline."""
    if request.cookies:
        with contextlib.suppress(DomainError):
            await recognise(request)
    app: FastAPI = request.app
    return render(request, "api_docs.html", openapi_url=app.openapi_url or "/openapi.json", title=app.title)
