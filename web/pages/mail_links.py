"""Where mailed links lead: a new password, an address confirmed, an invitation. Nobody is signed in here.

A link is looked at by GET, which changes nothing, since programs open the links of mails to check them; it is used by the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from marketplace.db.requests import PageSecret, database
from marketplace.kit.errors import DomainError, Kind
from marketplace.kit.links import read_link
from marketplace.parties import service
from marketplace.parties.passwords import HOW
from marketplace.parties.permissions import From, Now
from web.errors import STATUS
from web.forms import Form
from web.rendering import render
from web.session import Sent, SentForm

router = APIRouter(include_in_schema=False)
TITLES: Final[Mapping[str, str]] = {
    "reset": "Set a new password", "address": "Confirm your e-mail address", "join": "Join your company",
}  # fmt: skip
REFUSED: Final = frozenset({Kind.GONE, Kind.MISSING})


def _page(request: Request, kind: str, form: Form | None = None, *, status_code: int = 200, **more: Any) -> Response:
    shown = {"lead": "", "email": "", "refused": "", "done": "", "action": request.url.path, **more}
    response = render(
        request,
        "sign_in/link.html",
        status_code=status_code,
        title=TITLES[kind],
        kind=kind,
        form=form or Form(),
        how=HOW,
        **shown,
    )
    # The address is the proof: it goes to no other site, and no browser keeps the page.
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["cache-control"] = "no-store"
    return response


def _refused(request: Request, kind: str, error: DomainError) -> Response:
    if error.kind not in REFUSED:
        raise error
    return _page(request, kind, refused=error.message, status_code=STATUS[error.kind])


@router.get("/reset-password")
async def forgot(request: Request) -> Response:
    """The form that asks for a link."""
    return render(request, "sign_in/forgot.html", form=Form(), asked=False)


@router.post("/reset-password")
async def ask(request: Request, sent: SentForm, source: From, now: Now) -> Response:
    """Answers the same whether somebody signs in by the address or not."""
    await service.ask_reset(database(request), _text(sent, "email"), source=source, now=now)
    return render(request, "sign_in/forgot.html", form=Form(), asked=True)


@router.get("/reset-password/{token}")
async def reset_form(request: Request, token: str, now: Now, secret: PageSecret) -> Response:
    """The form for the new password."""
    try:
        email = await service.look_at_link(database(request), read_link("/reset-password", token, secret), "reset", now)
    except DomainError as error:
        return _refused(request, "reset", error)
    return _page(request, "reset", email=email, lead=f"For {email}. Every session of yours ends.")


@router.post("/reset-password/{token}")
async def reset(request: Request, token: str, sent: SentForm, source: From, now: Now, secret: PageSecret) -> Response:
    """Sets it, once."""
    try:
        link = read_link("/reset-password", token, secret)
        await service.reset_password(database(request), link, _text(sent, "password"), source=source, now=now)
    except DomainError as error:
        if error.kind is not Kind.INVALID:
            return _refused(request, "reset", error)
        return _page(request, "reset", Form.rejected({}, error), email=_text(sent, "email"), status_code=422)
    return RedirectResponse("/sign-in?why=reset", 303)


@router.get("/confirm-address/{token}")
async def address_form(request: Request, token: str, now: Now, secret: PageSecret) -> Response:
    """One button."""
    try:
        email = await service.look_at_link(
            database(request), read_link("/confirm-address", token, secret), "address", now
        )
    except DomainError as error:
        return _refused(request, "address", error)
    return _page(request, "address", lead=f"You sign in by {email} from then on.")


@router.post("/confirm-address/{token}")
async def confirm_address(request: Request, token: str, source: From, now: Now, secret: PageSecret) -> Response:
    """The address counts."""
    try:
        link = read_link("/confirm-address", token, secret)
        email = await service.confirm_address(database(request), link, source=source, now=now)
    except DomainError as error:
        if error.kind is Kind.CONFLICT:
            return _page(request, "address", refused=error.message, status_code=409)
        return _refused(request, "address", error)
    return _page(request, "address", done=f"{email} is confirmed: you sign in by it.")


@router.get("/join/{token}")
async def join_form(request: Request, token: str, now: Now, secret: PageSecret) -> Response:
    """Who invites, to what, and the form for name and password."""
    return await _join_page(request, token, now, secret, Form())


async def _join_page(
    request: Request, token: str, now: datetime, secret: str, form: Form, status_code: int = 200
) -> Response:
    try:
        found = await service.look_at(database(request), read_link("/join", token, secret), now)
    except DomainError as error:
        return _refused(request, "join", error)
    by = f"{found.inviter} invites you" if found.inviter else "You are invited"
    lead = f"{by} to work for {found.company} as {', '.join(found.roles)}. You sign in by {found.email}."
    return _page(request, "join", form, email=found.email, lead=lead, status_code=status_code)


@router.post("/join/{token}")
async def join(request: Request, token: str, sent: SentForm, source: From, now: Now, secret: PageSecret) -> Response:
    """Makes the account, once."""
    name = _text(sent, "name")
    try:
        link = read_link("/join", token, secret)
        await service.join(
            database(request), link, name=name[:120], password=_text(sent, "password"), source=source, now=now
        )
    except DomainError as error:
        if error.kind in {Kind.INVALID, Kind.CONFLICT}:
            again = Form.rejected({"name": name}, error)
            return await _join_page(request, token, now, secret, again, STATUS[error.kind])
        return _refused(request, "join", error)
    return RedirectResponse("/sign-in?why=joined", 303)


def _text(sent: Sent, name: str) -> str:
    return Form(sent.values).value(name)
