"""Refusals and failures as pages: what happened, what was kept, what to do.

The map from kinds to status codes for HTML stands here and nowhere else. Requests for the JSON API keep the
handlers that were registered before ``install``.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from marketplace.kit.errors import DomainError, Kind, forbidden
from marketplace.parties.permissions import cookie_name, request_time
from marketplace.problems import in_words, respond
from web.forms import Form
from web.headers import secure
from web.kept import keep
from web.rendering import render
from web.sign_in_page import sign_in_page

STATUS: Final = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.LIMITED: 429,
    Kind.BUSY: 503,
}
SIGN_IN: Final = "/sign-in"
API_PREFIX: Final = "/api"
Handler = Callable[[Request, Any], Response | Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The words of an error page for one status."""

    title: str
    happened: str
    kept: str
    todo: str


NOTHING_CHANGED: Final = "Nothing was changed."
EXPLANATIONS: Final = {
    400: Explanation(
        "This request could not be read",
        "The address or the form that reached us is incomplete or damaged.",
        NOTHING_CHANGED,
        "Go back, reload the page and try again. If you followed a link, open the page from the navigation.",
    ),
    403: Explanation(
        "You may not do this",
        "Your roles in this company do not include this step.",
        NOTHING_CHANGED,
        "Ask an administrator of your company for the role, or ask a colleague who has it.",
    ),
    404: Explanation(
        "We found nothing here",
        "There is no such page or record, or it belongs to a company that does not share it with you.",
        NOTHING_CHANGED,
        "Check the address, or search for the part number, serial or reference at the top of this page.",
    ),
    405: Explanation(
        "This page cannot be used that way",
        "The address exists, but not for this kind of request.",
        NOTHING_CHANGED,
        "Open the page again from the navigation.",
    ),
    409: Explanation(
        "Something changed in the meantime",
        "Somebody else was faster, or this has already been done.",
        "Nothing of your request was carried out; what was there before stands.",
        "Open the record again to see how it stands now, then decide.",
    ),
    410: Explanation(
        "This is no longer available",
        "It existed, but it has expired or was withdrawn.",
        NOTHING_CHANGED,
        "Search for the part again: there may be other units.",
    ),
    413: Explanation(
        "That is too large",
        "The file or form is larger than we accept.",
        NOTHING_CHANGED,
        "Save a picture smaller; split a list and send it in parts.",
    ),
    422: Explanation(
        "This cannot be right",
        "Something you entered does not fit.",
        "Nothing was changed. Your browser still has what you typed: go back to find it.",
        "Correct what is named below and send it again.",
    ),
    429: Explanation(
        "Too many requests",
        "More requests came from you than we answer in a minute.",
        NOTHING_CHANGED,
        "Wait a minute, then try again.",
    ),
    500: Explanation(
        "Something broke on our side",
        "An error we did not foresee. It was recorded with the reference below.",
        "The step you were taking was undone as a whole: nothing is half done.",
        "Try once more. If it happens again, tell your administrator the reference.",
    ),
    503: Explanation(
        "Not available right now",
        "The service is starting, being looked after, or has lost its database for a moment.",
        "What was saved before is safe; this step was not carried out.",
        "Wait a few seconds and reload the page.",
    ),
}


def error_page(
    request: Request,
    status_code: int,
    *,
    message: str | None = None,
    code: str | None = None,
    fields: tuple[tuple[str, str], ...] = (),
    retry_after: int | None = None,
    what_to_do: str | None = None,
) -> Response:
    """The page for a status. ``message`` replaces the general words on what happened; ``fields`` are (name, words)."""
    words = EXPLANATIONS.get(status_code) or EXPLANATIONS[400 if status_code < 500 else 500]
    if what_to_do:
        words = replace(words, todo=what_to_do)
    return render(
        request,
        "errors/error.html",
        status_code=status_code,
        headers={"retry-after": str(retry_after)} if retry_after else None,
        status=status_code,
        words=words,
        message=message,
        code=code,
        fields=fields,
        reference=getattr(request.state, "request_id", None),
    )


def _to_sign_in(request: Request) -> str:
    """Where to sign in, why (a key of the page's own words), and the page to come back to."""
    back = _come_back(request)
    query = {"next": back} if back != "/" else {}
    if request.method not in {"GET", "HEAD"}:
        query["why"] = "unsent"
    elif cookie_name() in request.cookies:
        query["why"] = "ended"
    return f"{SIGN_IN}?{urlencode(query, safe='/')}" if query else SIGN_IN


def _come_back(request: Request) -> str:
    """The page that was asked for; of a form that was sent, which cannot be asked for, the page it stood on."""
    page = request.url if request.method in {"GET", "HEAD"} else _page_before(request)
    return page.path + (f"?{page.query}" if page.query else "") if page else "/"


def _page_before(request: Request) -> URL | None:
    """The page of this site that the browser says the form was sent from."""
    with contextlib.suppress(ValueError):
        page = URL(request.headers.get("referer", ""))
        if page.netloc == request.url.netloc:
            return page
    return None


_FIRST: Final = {"auth.recent": "/account/prove", "auth.second_factor_missing": "/account/second-factor"}
"""What has to be done first, before what was asked for: the page for it, which goes on to where the person was."""


def domain_error_page(request: Request, error: DomainError) -> Response:
    """A refusal as a page; somebody who is not signed in is sent to do so and comes back to the page they wanted, or is
    shown the form to sign in at once, where what they sent can be carried along."""
    if error.kind is Kind.UNAUTHENTICATED:
        if kept := keep(request, request_time()):
            return sign_in_page(request, Form(), _come_back(request), why="kept", kept=kept, status_code=401)
        return RedirectResponse(_to_sign_in(request), status_code=303)
    if (asked := _FIRST.get(error.code)) is not None:
        return RedirectResponse(f"{asked}?{urlencode({'next': _come_back(request)}, safe='/')}", status_code=303)
    retry = error.extra.get("retry_after_seconds")
    return error_page(
        request,
        STATUS[error.kind],
        message=error.message,
        code=error.code,
        fields=tuple((wrong.field, wrong.message) for wrong in error.fields),
        retry_after=math.ceil(retry) if isinstance(retry, int) else None,
    )


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asked, not a program: never under /api, and HTML must be acceptable by name."""
    path = request.url.path
    in_api = path == API_PREFIX or path.startswith(API_PREFIX + "/")
    return not in_api and "text/html" in request.headers.get("accept", "")


async def deny_cross_origin(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to what was sent from a foreign page (Fetch Metadata said so)."""
    request, words = Request(scope, receive), "This was sent from another site, so it was not accepted."
    if request.url.path.startswith(API_PREFIX + "/"):
        refused = respond(
            request, forbidden("request.cross_origin", words + " Send it from a program, with an API key.")
        )
        await refused(scope, receive, send)
        return
    page = error_page(
        request,
        403,
        message=words,
        code="request.cross_origin",
        what_to_do="If it was you who wanted this, open the page here and fill the form in again.",
    )
    await page(scope, receive, send)


def _http_page(request: Request, error: HTTPException) -> Response:
    path = request.scope["path"]
    if error.status_code == HTTPStatus.NOT_FOUND and path.endswith("/") and request.method in {"GET", "HEAD"}:
        # A slash too many, as people type it. Quoted, and with one slash in front, it cannot lead to another site.
        there = "/" + quote(path.strip("/"))
        return RedirectResponse(there + (f"?{request.url.query}" if request.url.query else ""), status_code=307)
    # Starlette's own detail is the bare status phrase, which says less than our words do.
    return error_page(request, error.status_code)


def _input_page(request: Request, error: RequestValidationError) -> Response:
    if any(e["loc"][0] == "path" for e in error.errors()):
        return error_page(request, 404)  # an address with something in it that is no id leads nowhere
    fields = tuple((f.field, f.message) for e in error.errors() for f in in_words(e))
    return error_page(request, 422, code="request.invalid", fields=fields)


def _broken_page(request: Request, _error: Exception) -> Response:
    return error_page(request, 500, code="server.error")


Recognise = Callable[[Request], Awaitable[None]]


def install(app: FastAPI, recognise: Recognise | None = None) -> None:
    """Registers the pages, in front of whatever handlers the application has for programs.

    Call it after those are registered. ``recognise`` puts the shell of whoever is signed in onto a request that no
    page has taken, so that the page of an unknown address keeps its navigation.
    """
    pages: dict[type[Exception], Callable[[Request, Any], Response]] = {
        DomainError: domain_error_page,
        HTTPException: _http_page,
        RequestValidationError: _input_page,
        Exception: _broken_page,
    }
    for kind, page in pages.items():
        app.add_exception_handler(kind, _choose(page, app.exception_handlers.get(kind), recognise))


async def _with_shell(request: Request, error: Exception, recognise: Recognise | None) -> None:
    """Only for an unknown address: after any other error the page has been there already, or may not ask again."""
    unknown = isinstance(error, HTTPException) and error.status_code in {404, 405}
    if recognise is not None and unknown and not hasattr(request.state, "shell") and request.cookies:
        with contextlib.suppress(DomainError):
            await recognise(request)


def _choose(
    page: Callable[[Request, Any], Response], otherwise: Handler | None, recognise: Recognise | None
) -> Handler:
    async def handle(request: Request, error: Any) -> Response:
        if otherwise is None or wants_page(request):
            await _with_shell(request, error, recognise)
            answer = page(request, error)
        else:
            given = otherwise(request, error)
            answer = await given if inspect.isawaitable(given) else given
        # The answer to an unforeseen error leaves from outside the middleware that would add these.
        secure(answer.headers, request.url.scheme)
        return answer

    return handle
