"""The sign-in form as a page: the router shows it, and so does the answer to a form that came without a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from marketplace.settings import Settings
from web.forms import Form
from web.rendering import render

if TYPE_CHECKING:
    from marketplace.demo.loader import DemoLogins

WHY: Final = {
    "ended": "Your session has ended. Sign in again to go on.",
    "unsent": "Your session had ended, so what you sent was not carried out. Sign in again, then send it once more.",
    "reset": "Your new password counts from now on, and every session of yours has ended. Sign in with it.",
    "joined": "You have joined. Sign in with your address and the password you have just chosen.",
    "again": "That took longer than ten minutes. Sign in again from the beginning.",
    "kept": "Your session had ended, so what you sent was not carried out. What you typed is kept: sign in again within "
    "the hour, look it over, and send it with one press.",
}
"""Why somebody was sent here, where it is not for the first time."""


def settings_of(request: Request) -> Settings:
    """The settings the application runs with."""
    return cast("Settings", request.app.state.settings)


def _demo(request: Request) -> DemoLogins | None:
    """The logins to show: none unless this is a demo."""
    if not settings_of(request).demo:
        return None
    from marketplace.demo.loader import demo_logins

    return demo_logins(loaded=False)


def sign_in_page(
    request: Request, form: Form, back: str, *, why: str = "", kept: str = "", status_code: int = 200
) -> Response:
    """The form. ``back``: where to go on; ``why``: a key of ``WHY``; ``kept``: a form that is carried along."""
    return render(
        request, "sign_in/form.html", status_code=status_code, form=form, back=back, why=WHY.get(why), kept=kept,
        demo=_demo(request),
    )  # fmt: skip
