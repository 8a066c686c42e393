"""The JSON edge's map from error kinds to problem+json (RFC 9457). Web pages and the command line have their own."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from marketplace.kit.errors import DomainError, FieldError, Kind

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.LIMITED: 429,
    Kind.BUSY: 503,
}
EXIT_CODE: Mapping[Kind, int] = {
    Kind.INVALID: 2,
    Kind.UNAUTHENTICATED: 3,
    Kind.FORBIDDEN: 3,
    Kind.MISSING: 4,
    Kind.CONFLICT: 5,
    Kind.GONE: 5,
    Kind.LIMITED: 6,
    Kind.BUSY: 6,
}


def problem(error: DomainError, request_id: str | None = None) -> dict[str, Any]:
    """The body of a problem: type, title, status, detail, code, and where given fields and facts."""
    status = STATUS[error.kind]
    body: dict[str, Any] = {
        "type": f"urn:backstock:problem:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if error.fields:
        body["errors"] = [{"field": f.field, "code": f.code, "message": f.message} for f in error.fields]
    if error.extra:
        body["facts"] = dict(error.extra)
    if request_id:
        body["request_id"] = request_id
    return body


def respond(request: Request, error: DomainError) -> Response:
    """The problem as a response."""
    headers = {"retry-after": "5"} if error.kind is Kind.BUSY else {}
    if error.kind is Kind.LIMITED:
        headers["retry-after"] = str(error.extra.get("retry_after", 60))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    body = problem(error, getattr(request.state, "request_id", None))
    return JSONResponse(body, body["status"], headers, media_type="application/problem+json")


def from_validation(error: RequestValidationError) -> DomainError:
    """Every field pydantic refused, in one error."""
    fields = tuple(
        FieldError(
            ".".join(str(p) for p in e["loc"] if p not in ("body", "query", "path")) or "body", e["type"], e["msg"]
        )
        for e in error.errors()
    )
    names = ", ".join(dict.fromkeys(f.field for f in fields))
    return DomainError(
        Kind.INVALID, "request.invalid", f"Something is wrong with: {names}. Nothing was changed.", fields
    )


_HTTP_KINDS = {
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.MISSING,
    405: Kind.INVALID,
    413: Kind.INVALID,
    429: Kind.LIMITED,
}


def from_http(error: HTTPException) -> DomainError:
    """Errors of the framework itself (unknown path, wrong method) in the same shape."""
    kind = _HTTP_KINDS.get(error.status_code, Kind.INVALID if error.status_code < 500 else Kind.BUSY)
    words = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    return DomainError(kind, f"http.{error.status_code}", words.get(error.status_code, str(error.detail)))


def install(app: FastAPI) -> None:
    """Registers the map on an application."""

    async def on_domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)  # noqa: S101 - registered for this type
        return respond(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return respond(request, from_validation(error))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        refused = from_http(error)
        body = problem(refused, getattr(request.state, "request_id", None)) | {"status": error.status_code}
        body["title"] = HTTPStatus(error.status_code).phrase
        return JSONResponse(body, error.status_code, error.headers, media_type="application/problem+json")

    async def on_defect(request: Request, error: Exception) -> Response:  # noqa: ARG001 - logged by the middleware
        body = {
            "type": "urn:backstock:problem:internal",
            "title": "Internal Server Error",
            "status": 500,
            "code": "internal",
            "detail": "Something went wrong on our side and nothing was changed. Tell the operator the request id.",
            "request_id": getattr(request.state, "request_id", None),
        }
        return JSONResponse(body, 500, media_type="application/problem+json")

    app.add_exception_handler(DomainError, on_domain)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_defect)
