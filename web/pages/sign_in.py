"""Signing in and out, and in a demo the logins to try it with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.requests import database
from marketplace.kit.errors import DomainError, Kind
from marketplace.parties import service
from marketplace.parties.permissions import Now, cookie_name, resolve
from marketplace.settings import Settings
from web.errors import STATUS
from web.forms import Form
from web.pages.preferences import local_path
from web.rendering import render
from web.session import Anybody, Sent, SentForm

if TYPE_CHECKING:
    from marketplace.demo.loader import DemoLogins

WHY: Final = {
    "ended": "Your session has ended. Sign in again to go on.",
    "unsent": "Your session had ended, so what you sent was not carried out. Sign in again, then send it once more.",
}
"""Why somebody was sent here, where it is not for the first time."""
router = APIRouter(include_in_schema=False)


def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


def _demo(request: Request) -> DemoLogins | None:
    """The logins to show: none unless this is a demo."""
    if not _settings(request).demo:
        return None
    from marketplace.demo.loader import demo_logins

    return demo_logins(loaded=False)


def _page(request: Request, form: Form, back: str, status_code: int = 200) -> Response:
    return render(
        request,
        "sign_in/form.html",
        status_code=status_code,
        form=form,
        back=back,
        why=WHY.get(request.query_params.get("why", "")),
        demo=_demo(request),
    )


@router.get("/sign-in")
async def form(request: Request, visit: Anybody) -> Response:
    """The form; somebody who is signed in already goes on to where they wanted."""
    back = local_path(request.query_params.get("next", "/"))
    return RedirectResponse(back, 303) if visit is not None else _page(request, Form(), back)


@router.post("/sign-in")
async def sign_in(request: Request, sent: SentForm, now: Now) -> Response:
    """Makes a session and goes to where the person wanted; a refusal shows the form with the address kept."""
    settings = _settings(request)
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
        kept = Form.rejected({"email": _text(sent, "email")}, error)
        return _page(request, kept, back, STATUS[error.kind])
    response = RedirectResponse(back, 303)
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
    response.delete_cookie(cookie_name(), path="/", secure=_settings(request).secure_cookies, httponly=True)
    return response


def _text(sent: Sent, name: str) -> str:
    return Form(sent.values).value(name)
