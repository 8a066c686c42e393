"""JSON routes of accounts: one's own, for a signed-in person; what a company asks of its people; and what was done about security."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from marketplace.db.requests import PageSecret, Reading, Writing, database
from marketplace.db.session import Tenant
from marketplace.kit.exports import csv_rows, csv_start
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.parties import service
from marketplace.parties.permissions import (
    From,
    IdempotencyKey,
    KnownActor,
    ManagesCompany,
    Now,
    ReadingActor,
    ReadsKeys,
    WritingActor,
)
from marketplace.parties.queries import accounts as queries
from marketplace.parties.schemas import (
    AccountOut,
    ActOut,
    Address,
    BegunOut,
    Code,
    CodesOut,
    EndedOut,
    NewPassword,
    Proof,
    SecurityIn,
    SecurityOut,
    SessionOut,
)
from marketplace.parties.service import once, once_done

router = APIRouter(tags=["account"])
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/account", summary="Your own account")
async def account(session: Reading, actor: ReadingActor) -> AccountOut:
    """Address, second factor and what your company asks for."""
    actor.require_person()
    return AccountOut.model_validate(await queries.account(session, actor))


@router.post("/account/prove", summary="Say once more who you are")
async def prove(request: Request, actor: KnownActor, given: Proof, source: From, now: Now, secret: PageSecret) -> Done:
    """For a quarter of an hour you may then do what asks for a recent sign-in: change your password or second factor, make an API key,
    invite or add people, set what the company asks for."""
    await service.prove(database(request), actor, given.password, given.code, secret=secret, source=source, now=now)
    return Done(done="account.prove")


@router.put("/account/password", summary="Change your password")
async def change_password(
    session: Writing, actor: WritingActor, new: NewPassword, now: Now, key: IdempotencyKey = None
) -> Done:
    """Your other sessions end. Needs a recent sign-in."""
    # No password in the key's record, however hashed.
    return await once_done(
        session, actor, key, "account.password", {},
        lambda: service.change_password(session, actor, new.password, now),
    )  # fmt: skip


@router.post("/account/address", summary="Confirm your e-mail address, or sign in by another")
async def ask_address(
    session: Writing, actor: WritingActor, new: Address, now: Now, key: IdempotencyKey = None
) -> Done:
    """A link is mailed to the address; it counts once the link was used. Needs a recent sign-in."""
    return await once_done(
        session, actor, key, "account.address", new.model_dump(),
        lambda: service.ask_address(session, actor, new.email, now),
    )  # fmt: skip


@router.post("/account/second-factor", summary="Begin to set up a second factor")
async def begin_factor(session: Writing, actor: WritingActor, now: Now, secret: PageSecret) -> BegunOut:
    """Shows the secret for an authenticator app until a code confirms it; asked again before that, it is the same one. Needs a recent
    sign-in."""
    return BegunOut(**(await service.begin_factor(session, actor, secret=secret, now=now))._asdict())


@router.post("/account/second-factor/confirm", summary="Confirm the second factor by a code")
async def confirm_factor(session: Writing, actor: WritingActor, given: Code, now: Now, secret: PageSecret) -> CodesOut:
    """From now on signing in asks for a code; your other sessions end. Answers ten recovery codes, shown this once: asked again, it is
    refused with ``factor.set``."""
    return CodesOut(codes=list(await service.confirm_factor(session, actor, given.code, secret=secret, now=now)))


@router.post("/account/second-factor/remove", summary="Remove your second factor")
async def remove_factor(session: Writing, actor: WritingActor, now: Now, key: IdempotencyKey = None) -> Done:
    """Signing in asks for the password alone. Not where your company asks for a second factor. Needs a recent sign-in."""
    return await once_done(
        session, actor, key, "account.remove-factor", {}, lambda: service.remove_factor(session, actor, now)
    )


@router.post("/account/recovery-codes", summary="Make new recovery codes")
async def new_codes(session: Writing, actor: WritingActor, now: Now) -> CodesOut:
    """In place of those of before, shown this once. Needs a recent sign-in."""
    return CodesOut(codes=list(await service.new_codes(session, actor, now)))


@router.get("/account/sessions", summary="Where you are signed in")
async def sessions(
    session: Reading, secret: PageSecret, actor: ReadingActor, now: Now, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[SessionOut]:  # fmt: skip
    """Newest first, paged; ended ones are not among them."""
    actor.require_person()
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.sessions(session, actor, now, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    return PageOut(items=[SessionOut.model_validate(row) for row in page.items], next=page.next)


@router.delete("/account/sessions/{session_id}", status_code=204, summary="End one of your sessions")
async def end_session(
    session: Writing, actor: WritingActor, session_id: UUID, now: Now, key: IdempotencyKey = None
) -> None:
    """The browser there is signed out at its next click."""
    await once_done(
        session, actor, key, f"sessions.end:{session_id}", {},
        lambda: service.end_session(session, actor, session_id, now),
    )  # fmt: skip


@router.post("/account/sessions/end-others", summary="End all of your other sessions")
async def end_others(session: Writing, actor: WritingActor, now: Now, key: IdempotencyKey = None) -> EndedOut:
    """All but the one that asks."""

    async def act() -> dict[str, Any]:
        return {"ended": await service.end_other_sessions(session, actor, now)}

    answer = await once(session, actor, key, "sessions.end-others", {}, act, status=200)
    return EndedOut.model_validate(answer.content)


@router.get("/account/security-acts", summary="What was done about the security of your account")
async def own_acts(
    session: Reading, secret: PageSecret, actor: ReadingActor, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ActOut]:
    """Newest first, paged. Nothing of it is ever changed."""
    actor.require_person()
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.acts(session, actor, everybody=False, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    return PageOut(items=[ActOut.model_validate(row) for row in page.items], next=page.next)


@router.get("/company/security-acts", summary="What was done about security in your company")
async def acts(
    session: Reading, secret: PageSecret, actor: ReadsKeys, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ActOut]:
    """Newest first, paged; for administrators."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.acts(session, actor, everybody=True, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    return PageOut(items=[ActOut.model_validate(row) for row in page.items], next=page.next)


@router.get(
    "/company/security-acts.csv", summary="What was done about security, as CSV", response_class=StreamingResponse
)
async def acts_csv(request: Request, actor: ReadsKeys) -> StreamingResponse:
    """The whole list, streamed; cells that a spreadsheet would run as formulas are written as text."""

    async def pages() -> AsyncIterator[str]:
        yield csv_start(COLUMNS)
        after: UUID | None = None
        # The request's own session is closed before the body is sent.
        async with database(request).read(Tenant(actor.company_id)) as session:
            while True:
                rows = await queries.acts(session, actor, everybody=True, after=after, limit=MAX_PAGE)
                yield csv_rows(cells(r) for r in rows)
                if len(rows) < MAX_PAGE:
                    return
                after = rows[-1].id

    headers = {"content-disposition": 'attachment; filename="security-acts.csv"'}
    return StreamingResponse(pages(), media_type="text/csv; charset=utf-8", headers=headers)


COLUMNS = ("At", "Act", "What", "Person", "By", "Detail", "Network address", "Device")


def cells(row: queries.ActRow) -> tuple[object, ...]:
    """One row of the file."""
    return (row.at.isoformat(), row.act, row.words, row.person, row.by, row.detail, row.place, row.device)


@router.get("/company/security", summary="What your company asks of its people")
async def security(session: Reading, actor: ReadsKeys) -> SecurityOut:
    """Whether everybody needs a second factor, and how many have none."""
    return SecurityOut(
        second_factor=await queries.factor_required(session, actor.company_id),
        without=await queries.without_factor(session, actor.company_id),
    )


@router.put("/company/security", summary="Ask everybody for a second factor, or no longer")
async def set_security(
    session: Writing, actor: ManagesCompany, new: SecurityIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Whoever has none can do nothing else, from the next request on, before it is set up. API keys go on as before. Of a signed-in
    administrator with a second factor and a recent sign-in."""
    return await once_done(
        session, actor, key, "company.security", new.model_dump(),
        lambda: service.require_factor(session, actor, required=new.second_factor, now=now),
    )  # fmt: skip


@router.post("/users/{user_id}/second-factor/reset", summary="Remove the second factor of somebody who has lost it")
async def reset_factor(
    session: Writing, actor: ManagesCompany, user_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """Their sessions end and they are told by mail; it is recorded. Of a signed-in administrator with a recent sign-in."""
    return await once_done(
        session, actor, key, "users.reset-factor", {"user_id": user_id},
        lambda: service.reset_factor(session, actor, user_id, now),
    )  # fmt: skip
