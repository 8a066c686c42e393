"""Signing in and out, and in a demo the logins to try it with."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.requests import database, page_secret
from marketplace.db.session import Tenant
from marketplace.kit.errors import DomainError, Kind
from marketplace.kit.pages import read_bookmark, sign_bookmark
from marketplace.parties import service
from marketplace.parties.acts import CHALLENGE
from marketplace.parties.permissions import From, Now, cookie_name, resolve
from web.errors import STATUS
from web.forms import IDEMPOTENCY_FIELD, Form
from web.kept import KEPT, forget, read, remember
from web.pages.preferences import local_path
from web.rendering import render
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
async def sign_in(request: Request, sent: SentForm, source: From, now: Now) -> Response:
    """Makes a session and goes to where the person wanted, or shows what they had typed before, to send it; who has a second factor is
    asked for its code first. A refusal shows the form with the address kept."""
    carried = _text(sent, KEPT)
    back = local_path(_text(sent, "next") or "/")
    try:
        known = await service.check_password(
            database(request), _text(sent, "email"), _text(sent, "password"), source=source, now=now
        )
    except DomainError as error:
        if error.kind not in {Kind.UNAUTHENTICATED, Kind.BUSY} or not error.code.startswith("auth."):
            raise
        again = Form.rejected({"email": _text(sent, "email")}, error)
        return sign_in_page(request, again, back, kept=carried, status_code=STATUS[error.kind])
    if known.factor:
        proof = sign_bookmark([known.user_id, known.company_id, now + CHALLENGE], _secret(request))
        return _code_page(request, Form(), proof, back, carried)
    hours = settings_of(request).session_hours
    async with database(request).write(Tenant(known.company_id)) as session:
        token = await service.open_session(session, known, source=source, hours=hours, now=now)
    return await _signed_in(request, token, back, carried, now)


def _secret(request: Request) -> str:
    """A key of its own: what proves that the password was right is good for nothing else."""
    return f"{page_secret(request)}:second factor"


def _code_page(
    request: Request, form: Form, proof: str, back: str, carried: str, *, status_code: int = 200
) -> Response:
    return render(
        request, "sign_in/code.html", status_code=status_code, form=form, proof=proof, back=back, kept=carried
    )


@router.post("/sign-in/code")
async def sign_in_by_code(request: Request, sent: SentForm, source: From, now: Now) -> Response:
    """The second step: the code of the app, or a recovery code, within ten minutes of the password."""
    proof, carried = _text(sent, "proof"), _text(sent, KEPT)
    back = local_path(_text(sent, "next") or "/")
    try:
        proved = read_bookmark(proof, _secret(request), UUID, UUID, datetime.fromisoformat)
    except DomainError:
        proved = None
    if proved is None or proved[2] <= now:
        return sign_in_page(request, Form(), back, why="again", kept=carried, status_code=401)
    known = service.Known(proved[0], proved[1], factor=True)
    try:
        token = await service.check_code(
            database(request), known, _text(sent, "code"), secret=page_secret(request), source=source, now=now,
            hours=settings_of(request).session_hours,
        )  # fmt: skip
    except DomainError as error:
        if error.code != "auth.code":
            raise
        return _code_page(request, Form.rejected({}, error), proof, back, carried, status_code=401)
    return await _signed_in(request, token, back, carried, now)


async def _signed_in(request: Request, token: str, back: str, carried: str, now: datetime) -> Response:
    settings = settings_of(request)
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
