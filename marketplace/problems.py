"""The JSON edge's map from error kinds to problem+json (RFC 9457). Web pages and the command line have their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from marketplace.kit.errors import DomainError, FieldError, Kind
from marketplace.kit.statuses import STATUS


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


# What pydantic refused, in our own stable code and a plain sentence; braces are filled from its context.
_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", "This is needed."),
    "extra_forbidden": ("unknown_field", "There is no such field here."),
    "json_invalid": ("not_json", "The body is not JSON."),
    "string_type": ("not_text", "This must be text."),
    "string_unicode": ("not_text", "This must be text."),
    "string_too_short": ("too_short", "Write at least {min_length} characters."),
    "string_too_long": ("too_long", "Write at most {max_length} characters."),
    "string_pattern_mismatch": ("wrong_form", "This does not have the right form."),
    "too_short": ("too_few", "Give at least {min_length}."),
    "too_long": ("too_many", "Give at most {max_length}."),
    "greater_than": ("too_small", "This must be more than {gt}."),
    "greater_than_equal": ("too_small", "This must be {ge} or more."),
    "less_than": ("too_big", "This must be less than {lt}."),
    "less_than_equal": ("too_big", "This must be {le} or less."),
    "decimal_max_places": ("too_precise", "Write at most {decimal_places} digits after the point."),
    "decimal_max_digits": ("too_long", "Write at most {max_digits} digits."),
    "decimal_whole_digits": ("too_big", "Write at most {whole_digits} digits before the point."),
    "finite_number": ("not_a_number", "This must be a number."),
    "int_from_float": ("not_whole", "This must be a whole number."),
    "int_parsing_size": ("too_big", "This number is too big."),
    "bool_type": ("not_yes_or_no", "This must be true or false."),
    "bool_parsing": ("not_yes_or_no", "This must be true or false."),
    "timezone_aware": ("no_time_zone", "Give a time with its zone, for example 2026-11-22T14:00:00Z."),
    "literal_error": ("not_one_of", "Choose one of {expected}."),
    "enum": ("not_one_of", "Choose one of {expected}."),
    "list_type": ("not_a_list", "This must be a list."),
    "bytes_type": ("not_a_file", "This must be a file."),
}
_FAMILIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("int_", "float_", "decimal_"), "not_a_number", "This must be a number."),
    (("datetime_",), "not_a_time", "Give a time with its zone, for example 2026-11-22T14:00:00Z."),
    (("date_",), "not_a_date", "Write the day like 2026-11-22."),
    (("time_",), "not_a_time", "Write the time of day like 07:30."),
    (("uuid_",), "not_an_id", "This is not an id."),
    (("dict_", "model_", "mapping_"), "not_an_object", "This must be a JSON object."),
)


def in_words(detail: Mapping[str, Any]) -> tuple[FieldError, ...]:
    """One thing that pydantic refused, by field, in the product's own stable codes and plain sentences."""
    kind, context = str(detail["type"]), dict(detail.get("ctx") or {})
    field = ".".join(str(p) for p in detail["loc"] if p not in ("body", "query", "path", "header")) or "body"
    if kind == "json_invalid":
        return (FieldError("body", *_WORDS[kind]),)
    if kind in ("unkeepable", "not_a_number"):
        start = "" if field == "body" else f"{field}."
        return tuple(FieldError(start + name, kind, str(detail["msg"])) for name in context["fields"])
    if kind == "string_too_short" and context.get("min_length") == 1:
        return (FieldError(field, "empty", "This must not be empty."),)
    if kind in _WORDS:
        code, words = _WORDS[kind]
        return (FieldError(field, code, words.format_map(context)),)
    for starts, code, words in _FAMILIES:
        if kind.startswith(starts):
            return (FieldError(field, code, words),)
    # Our own validators speak for themselves; pydantic only puts a prefix before a ValueError's words.
    words = str(detail["msg"]).removeprefix("Value error, ")
    code = "wrong" if kind == "value_error" else kind
    return (FieldError(field, code, words[:1].upper() + words[1:]),)


def from_validation(error: RequestValidationError) -> DomainError:
    """Every field pydantic refused, in one error."""
    details = error.errors()
    if isinstance(error.body, bytes) and any(d["loc"] == ("body",) for d in details):
        words = "This route takes JSON: send it with 'Content-Type: application/json'. Nothing was changed."
        return DomainError(Kind.INVALID, "request.not_json", words, (FieldError("body", "not_json", words),))
    fields = tuple(f for detail in details for f in in_words(detail))
    first = fields[0]
    where = "" if first.field == "body" else f"{first.field}: "
    stop = "" if first.message.endswith((".", "!", "?")) else "."
    more = len({f.field for f in fields}) - 1
    rest = f" {more} more {'field is' if more == 1 else 'fields are'} not right." if more else ""
    return DomainError(
        Kind.INVALID, "request.invalid", f"{where}{first.message}{stop}{rest} Nothing was changed.", fields
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
    words = {
        # What cannot even be taken apart; the framework names the part, in words for whoever wrote the parser.
        400: f"The request could not be read: {error.detail} Nothing was changed.",
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
    }
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
        if error.status_code == HTTPStatus.NOT_FOUND and request.url.path.endswith("/"):
            refused = replace(refused, message=f"{refused.message} Leave out the slash at its end.")
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
