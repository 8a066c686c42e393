"""What a visitor sets for this browser alone: light, dark, or as the device says."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from web.shell import THEME_COOKIE, Theme, theme_from

router = APIRouter(include_in_schema=False)
_ONE_YEAR = 365 * 24 * 3600


def local_path(target: str, otherwise: str = "/") -> str:
    """``target`` when it is a path on this site, else ``otherwise``: a redirect must never leave the site.

    Browsers read a backslash as a slash and ``//host`` as another site; both are refused, as are control characters.
    """
    if not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return otherwise
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else otherwise


@router.post("/theme")
async def set_theme(
    request: Request, theme: Annotated[str, Form()], back: Annotated[str, Form(alias="next")] = "/"
) -> Response:
    """Keeps the theme in a cookie and returns to the page; with script the page does the same without a reload."""
    response = RedirectResponse(local_path(back), status_code=303)
    chosen = theme_from(theme)
    if chosen is Theme.AUTO:
        response.delete_cookie(THEME_COOKIE, path="/")
    else:
        secure = request.url.scheme == "https"
        response.set_cookie(THEME_COOKIE, chosen.value, max_age=_ONE_YEAR, path="/", samesite="lax", secure=secure)
    return response
