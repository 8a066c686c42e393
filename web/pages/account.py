"""One's own account: password, address, second factor, where one is signed in, and what was done about its security."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import segno
from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from marketplace.db.requests import PageSecret, database
from marketplace.db.session import ReadSession, WriteSession
from marketplace.kit.errors import DomainError, missing
from marketplace.kit.pages import cut, read_bookmark
from marketplace.parties import service
from marketplace.parties.actor import Actor
from marketplace.parties.endpoints.account import COLUMNS as CSV_HEADER
from marketplace.parties.endpoints.account import cells
from marketplace.parties.passwords import HOW, objection
from marketplace.parties.permissions import From, Now, resolve
from marketplace.parties.queries import accounts as queries
from web.errors import STATUS
from web.exports import list_csv, wants_csv
from web.forms import Form
from web.pages.preferences import local_path
from web.session import Sent, SentForm, SignedIn, Visit, looking, submit
from web.tables import Column, TableView

router = APIRouter(prefix="/account", include_in_schema=False)
CRUMBS: Final = [("Your account", "/account")]
VERB: Final = "company.read"
"""Every role has it: an account is everybody's own."""
PER_PAGE: Final = 50
FIRST: Final = 5
COLUMNS: Final = (Column("at", "When"), Column("words", "What"), Column("by", "By"), Column("place", "From where"))
DONE: Final = {
    "password": "Your password was changed. Your other sessions have ended.",
    "address": "A link is on its way to the address. It counts once you have used it.",
    "factor-removed": "The second factor was removed. Signing in asks for the password alone.",
    "session": "The session was ended. The browser there is signed out at its next click.",
    "others": "All other sessions have ended.",
}


@router.get("")
async def account(visit: SignedIn) -> Response:
    """All of it on one page."""
    acts = await queries.acts(visit.session, visit.actor, everybody=False, limit=FIRST)
    return visit.show(
        "account/account.html",
        own=await queries.account(visit.session, visit.actor),
        sessions=await queries.sessions(visit.session, visit.actor, visit.now, limit=PER_PAGE),
        here=visit.actor.session_id,
        acts=acts,
        form=Form(),
        done=DONE.get(visit.asked("done")),
    )


def _page(visit: Visit, what: str, form: Form, **more: Any) -> Response:
    response = visit.show(f"account/{what}.html", form=form, crumbs=CRUMBS, **more)
    response.headers["cache-control"] = "no-store"
    return response


# -- proving once more who one is ------------------------------------------------------------------------


async def _prove_page(visit: Visit, form: Form, back: str) -> Response:
    own = await queries.account(visit.session, visit.actor)
    return _page(visit, "prove", form, back=back, own=own)


@router.get("/prove")
async def prove_form(visit: SignedIn) -> Response:
    """Asked for before an act of security, where signing in was a while ago."""
    return await _prove_page(visit, Form(), local_path(visit.asked("next") or "/account"))


@router.post("/prove")
async def prove(request: Request, sent: SentForm, source: From, now: Now, secret: PageSecret) -> Response:
    """Goes on to what the person wanted."""
    back = local_path(_text(sent, "next") or "/account")
    async with database(request).read() as session:
        actor = await resolve(request, session, now)
    try:
        await service.prove(
            database(request), actor, _text(sent, "password"), _text(sent, "code"), secret=secret, source=source,
            now=now,
        )  # fmt: skip
    except DomainError as error:
        if error.code not in {"auth.login", "auth.code"}:
            raise
        refused = error

        async def again(visit: Visit) -> Response:
            return await _prove_page(visit, Form.rejected({}, refused), back)

        response = await looking(request, now, again)
        response.status_code = STATUS[error.kind]
        return response
    return RedirectResponse(back, 303)


# -- password and address --------------------------------------------------------------------------------


@router.get("/password")
async def password_form(visit: SignedIn) -> Response:
    """The form for a new password."""
    visit.actor.require_recent(visit.now)
    return _page(visit, "password", Form(), how=HOW)


@router.post("/password")
async def change_password(request: Request, sent: SentForm, now: Now) -> Response:
    """Changes it; the other sessions end."""
    password = _text(sent, "password")

    async def act(session: WriteSession, actor: Actor) -> None:
        fields = sent.fields()
        if words := objection(password):
            fields.wrong("password", words)
        fields.check("user.invalid", "This password cannot be taken.")
        await service.change_password(session, actor, password, now)

    async def again(visit: Visit, form: Form) -> Response:
        return _page(visit, "password", form, how=HOW)

    # The key's record keeps the input's hash: a password does not belong into it, however hashed.
    kept = Sent({}, sent.key, sent.confirmed)
    return await submit(request, kept, VERB, act, now=now, to="/account?done=password", again=again)


@router.get("/address")
async def address_form(visit: SignedIn) -> Response:
    """The form for the address to confirm."""
    visit.actor.require_recent(visit.now)
    own = await queries.account(visit.session, visit.actor)
    return _page(visit, "address", Form({"email": own.email}), own=own)


@router.post("/address")
async def ask_address(request: Request, sent: SentForm, now: Now) -> Response:
    """Mails the link."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.ask_address(session, actor, _text(sent, "email"), now)

    async def again(visit: Visit, form: Form) -> Response:
        return _page(visit, "address", form, own=await queries.account(visit.session, visit.actor))

    return await submit(request, sent, VERB, act, now=now, to="/account?done=address", again=again)


# -- second factor ---------------------------------------------------------------------------------------


@router.get("/second-factor")
async def factor_page(visit: SignedIn) -> Response:
    """What it is and the button that begins; or, where there is one, how it stands."""
    own = await queries.account(visit.session, visit.actor)
    back = local_path(visit.asked("next") or "/account")
    return _page(visit, "second_factor", Form(), own=own, begun=None, code=None, back=back)


async def _begun_page(request: Request, now: datetime, form: Form, begun: service.Begun, back: str) -> Response:
    async def page(visit: Visit) -> Response:
        own = await queries.account(visit.session, visit.actor)
        code = Markup(segno.make_qr(begun.address, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff"))  # noqa: S704 - made here
        return _page(visit, "second_factor", form, own=own, begun=begun, code=code, back=back)

    return await looking(request, now, page)


@router.post("/second-factor")
async def begin_factor(request: Request, sent: SentForm, now: Now, secret: PageSecret) -> Response:
    """Shows the secret, which is shown until a code confirms it and never again."""
    async with database(request).write() as session:
        begun = await service.begin_factor(session, await resolve(request, session, now), secret=secret, now=now)
    return await _begun_page(request, now, Form(), begun, local_path(_text(sent, "next") or "/account"))


@router.post("/second-factor/confirm")
async def confirm_factor(request: Request, sent: SentForm, now: Now, secret: PageSecret) -> Response:
    """Counts from now on; shows the recovery codes this once."""
    back = local_path(_text(sent, "next") or "/account")
    try:
        async with database(request).write() as session:
            actor = await resolve(request, session, now)
            codes = await service.confirm_factor(session, actor, _text(sent, "code"), secret=secret, now=now)
    except DomainError as error:
        if error.code != "factor.code":
            raise
        async with database(request).write() as session:
            begun = await service.begin_factor(session, await resolve(request, session, now), secret=secret, now=now)
        response = await _begun_page(request, now, Form.rejected({}, error), begun, back)
        response.status_code = 422
        return response
    return await _codes_page(request, now, codes, back)


async def _codes_page(request: Request, now: datetime, codes: Sequence[str], back: str) -> Response:
    async def page(visit: Visit) -> Response:
        return _page(visit, "recovery_codes", Form(), codes=codes, back=back)

    response = await looking(request, now, page)
    response.status_code = 201
    return response


@router.post("/recovery-codes")
async def new_codes(request: Request, now: Now) -> Response:
    """New ones in place of those of before."""
    async with database(request).write() as session:
        codes = await service.new_codes(session, await resolve(request, session, now), now)
    return await _codes_page(request, now, codes, "/account")


@router.get("/second-factor/remove")
async def remove_page(visit: SignedIn) -> Response:
    """What removing it does."""
    visit.actor.require_recent(visit.now)
    if (await queries.account(visit.session, visit.actor)).factor_since is None:
        raise missing("factor.none", "You have no second factor.")
    return _page(visit, "remove_factor", Form())


@router.post("/second-factor/remove")
async def remove_factor(request: Request, sent: SentForm, now: Now) -> Response:
    """Signing in asks for the password alone."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.remove_factor(session, actor, now)

    async def page(visit: Visit, form: Form, _outcome: object = None) -> Response:
        return _page(visit, "remove_factor", form)

    to = "/account?done=factor-removed"
    return await submit(request, sent, VERB, act, now=now, to=to, again=page, confirm=page)


# -- sessions and acts -----------------------------------------------------------------------------------


@router.post("/sessions/{session_id}/end")
async def end_session(request: Request, session_id: UUID, sent: SentForm, now: Now) -> Response:
    """Ends one; one's own is ended by signing out."""

    async def act(session: WriteSession, actor: Actor) -> None:
        await service.end_session(session, actor, session_id, now)

    return await submit(request, sent, VERB, act, now=now, to="/account?done=session")


@router.post("/sessions/end-others")
async def end_others(request: Request, sent: SentForm, now: Now) -> Response:
    """Ends all but this one."""

    async def act(session: WriteSession, actor: Actor) -> int:
        return await service.end_other_sessions(session, actor, now)

    return await submit(request, sent, VERB, act, now=now, to="/account?done=others")


async def acts_page(visit: Visit, *, everybody: bool) -> Response:
    """What was done about security, of one account or of the company; as CSV where the address asks for it."""

    async def page(session: ReadSession, mark: str | None, rows: int) -> tuple[Sequence[queries.ActRow], str | None]:
        after = read_bookmark(mark, visit.secret, UUID)
        found = await queries.acts(
            session, visit.actor, everybody=everybody, after=after[0] if after else None, limit=rows + 1
        )
        some = cut(found, rows, lambda row: [row.id], visit.secret)
        return some.items, some.next

    if wants_csv(visit):
        return list_csv(visit, "security", CSV_HEADER, page, cells)
    rows, following = await page(visit.session, visit.asked("after") or None, PER_PAGE)
    columns = (*COLUMNS[:2], Column("person", "Whose"), *COLUMNS[2:]) if everybody else COLUMNS
    return visit.show(
        "account/acts.html",
        rows=rows,
        view=TableView.of(visit.request, columns).with_next(following),
        everybody=everybody,
        crumbs=[("Company", "/company"), ("Security", "/company/security")] if everybody else CRUMBS,
    )


@router.get("/acts")
async def acts(visit: SignedIn) -> Response:
    """Of one's own account, newest first."""
    return await acts_page(visit, everybody=False)


def _text(sent: Sent, name: str) -> str:
    return Form(sent.values).value(name)
