"""Signing in and out, and in a demo the logins to try it with."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.requests import database
from marketplace.kit.errors import DomainError, Kind
from marketplace.parties import service
from marketplace.parties.permissions import Now, cookie_name, resolve
from web.errors import STATUS
from web.forms import IDEMPOTENCY_FIELD, Form
from web.kept import KEPT, forget, read, remember
from web.pages.preferences import local_path
from web.session import Anybody, Sent, SentForm, Visit, looking, uuid_of
from web.sign_in_page import settings_of, sign_in_page

router = APIRouter(include_in_schema=False)
MOST_TOLD: Final = 300
"""Characters of a field that are shown before it is sent again; all of it is sent."""


@router.get("/sign-in")
async def form(request: Request, visit: Anybody) -> Response:
    """The form; somebody who is signed in already goes on to where they wanted."""
    back = local_path(request.query_params.get("next", "/"))
    if visit is not None:
        return RedirectResponse(back, 303)
    return sign_in_page(request, Form(), back, why=request.query_params.get("why", ""))


@router.post("/sign-in")
async def sign_in(request: Request, sent: SentForm, now: Now) -> Response:
    """Makes a session and goes to where the person wanted, or shows what they had typed before, to send it; a refusal
    shows the form with the address kept."""
    settings = settings_of(request)
    carried = _text(sent, KEPT)
    back = local_path(_text(sent, "next") or "/")
    try:
        token = await service.sign_in(
            database(request),
            _text(sent, "email"),
            _text(sent, "password"),
            source=request.client.host if request.client else "",
            hours=settings.session_hours,
            now=now,
        )
    except DomainError as error:
        if error.kind not in {Kind.UNAUTHENTICATED, Kind.BUSY} or not error.code.startswith("auth."):
            raise
        again = Form.rejected({"email": _text(sent, "email")}, error)
        return sign_in_page(request, again, back, kept=carried, status_code=STATUS[error.kind])
    # From here on the request is that of the person who has just signed in.
    request.cookies[cookie_name()] = token

    async def go_on(visit: Visit) -> Response:
        answer = _typed_before(visit, carried, back) if carried else RedirectResponse(back, 303)
        remember(request, answer, visit.actor, secure=settings.secure_cookies)
        return answer

    response = await looking(request, now, go_on)
    response.set_cookie(
        cookie_name(),
        token,
        max_age=settings.session_hours * 3600,
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


def _typed_before(visit: Visit, carried: str, back: str) -> Response:
    kept = read(visit.request, carried, visit.now)
    if kept is not None and not kept.is_of(visit.actor):
        kept = None
    told = []
    for name, value in kept.values.items() if kept else ():
        text = value if isinstance(value, str) else ", ".join(value)
        # Ids say nothing to a person, and neither does the key against sending twice.
        if text and name != IDEMPOTENCY_FIELD and uuid_of(text.partition("|")[0]) is None:
            told.append(
                (name.replace("_", " ").capitalize(), text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}…")
            )
    return visit.show("sign_in/kept.html", kept=kept, told=told, back=back)


@router.post("/sign-out")
async def sign_out(request: Request, now: Now) -> Response:
    """Ends the session here and in the database; without one it only clears the cookie."""
    try:
        async with database(request).write() as session:
            actor = await resolve(request, session, now)
            await service.sign_out(session, actor, now)
    except DomainError as error:
        if error.kind is not Kind.UNAUTHENTICATED:
            raise
    response = RedirectResponse("/", 303)
    response.delete_cookie(cookie_name(), path="/", secure=settings_of(request).secure_cookies, httponly=True)
    forget(response, secure=settings_of(request).secure_cookies)
    return response


def _text(sent: Sent, name: str) -> str:
    return Form(sent.values).value(name)
