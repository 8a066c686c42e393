"""The actor of a request, and verbs as dependencies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant

from marketplace.db.requests import Reading, Writing, database
from marketplace.db.session import ReadSession, Tenant, become
from marketplace.kit.errors import DomainError, FieldError, forbidden, invalid_fields, unauthenticated
from marketplace.parties import queries
from marketplace.parties.actor import VERBS, Actor
from marketplace.parties.devices import device_of
from marketplace.parties.service import Source, token_hash
from marketplace.settings import get_settings


def request_time() -> datetime:
    """The one moment a request happens at; tests replace it."""
    return datetime.now(UTC)


Now = Annotated[datetime, Depends(request_time)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any string of up to 200 characters. Repeating a request with the same key does it once.",
        max_length=200,
    ),
]


def cookie_name() -> str:
    """The session cookie: ``__Host-`` where the site is served over HTTPS."""
    return "__Host-backstock" if get_settings().secure_cookies else "backstock_session"


def unknown_caller() -> DomainError:
    """Nothing was sent that could say who asks."""
    return unauthenticated("auth.missing", "Sign in, or send an API key as 'Authorization: Bearer ...'.")


def credential_of(request: Request) -> tuple[bytes, bool]:
    """The hash of what the request says who asks by, and whether it is an API key. Raises ``auth.missing``."""
    header = request.headers.get("authorization", "")
    scheme, _, credential = header.partition(" ")
    cookie = request.cookies.get(cookie_name())
    if scheme.lower() == "bearer" and credential:
        return token_hash(credential.strip()), True
    if cookie:
        return token_hash(cookie), False
    raise unknown_caller()


async def resolve(request: Request, session: ReadSession, now: datetime) -> Actor:
    """Who makes this request; from here on the transaction runs on behalf of the actor's company."""
    hashed, is_key = credential_of(request)
    asked = queries.actor_of_key if is_key else queries.actor_of_session
    actor = await asked(session, hashed, now)
    await become(session, Tenant(actor.company_id, actor.sources))
    request.state.actor = actor
    if actor.factor_missing and not request.url.path.startswith(_WITHOUT_FACTOR):
        raise forbidden(
            "auth.second_factor_missing",
            "Your company asks everybody for a second factor. Set yours up under Your account; then all goes on as before.",
        )
    return actor


# Where somebody sets up the second factor that the company asks for, and comes and goes.
_WITHOUT_FACTOR = ("/account", "/api/v1/account", "/sign-in", "/sign-out")


def source_of(request: Request) -> Source:
    """Where a request comes from."""
    return Source(request.client.host if request.client else "", device_of(request.headers.get("user-agent", "")))


From = Annotated[Source, Depends(source_of)]


def _query_names(dependant: Dependant) -> set[str]:
    return {f.alias for f in dependant.query_params}.union(*map(_query_names, dependant.dependencies))


def only_known_names(request: Request) -> None:
    """Refuses a query parameter that the route does not have: a misspelt filter would answer with everything. Asked
    once it is known who asks, so that strangers learn nothing. Raises ``request.invalid``."""
    given = request.query_params.keys()
    if not given:
        return
    known = sorted(_query_names(request.scope["route"].dependant))
    unknown = [name for name in given if name not in known]
    if unknown:
        takes = f"Possible are {', '.join(known)}." if known else "It takes none."
        words = f"There is no filter of this name here. {takes}"
        raise invalid_fields(
            "request.invalid",
            f"{unknown[0][:40]}: {words} Nothing was changed.",
            tuple(FieldError(name[:80], "unknown_field", words) for name in unknown),
        )


async def reading_actor(request: Request, session: Reading, now: Now) -> Actor:
    """The actor of a request that only reads."""
    actor = await resolve(request, session, now)
    only_known_names(request)
    return actor


async def writing_actor(request: Request, session: Writing, now: Now) -> Actor:
    """The actor of a request that writes."""
    actor = await resolve(request, session, now)
    only_known_names(request)
    return actor


async def known_actor(request: Request, now: Now) -> Actor:
    """The actor of a request that works in transactions of its own: the one that asked who it is has ended."""
    async with database(request).read() as session:
        actor = await resolve(request, session, now)
    only_known_names(request)
    return actor


KnownActor = Annotated[Actor, Depends(known_actor, scope="function")]
ReadingActor = Annotated[Actor, Depends(reading_actor, scope="function")]
WritingActor = Annotated[Actor, Depends(writing_actor, scope="function")]


def may_read(verb: str) -> Callable[..., Awaitable[Actor]]:
    """A dependency: the actor of a reading request, who holds ``verb``."""
    if verb not in VERBS:
        raise ValueError(verb)

    async def check(actor: ReadingActor) -> Actor:
        actor.require(verb)
        return actor

    return check


def may_write(verb: str) -> Callable[..., Awaitable[Actor]]:
    """A dependency: the actor of a writing request, who holds ``verb``."""
    if verb not in VERBS:
        raise ValueError(verb)

    async def check(actor: WritingActor) -> Actor:
        actor.require(verb)
        return actor

    return check


def reader(verb: str) -> Any:
    """``Depends`` for a reading verb, in the function's scope."""
    return Depends(may_read(verb), scope="function")


def writer(verb: str) -> Any:
    """``Depends`` for a writing verb, in the function's scope."""
    return Depends(may_write(verb), scope="function")


ManagesCompany = Annotated[Actor, writer("company.manage")]
ReadsCompany = Annotated[Actor, reader("company.read")]
ReadsKeys = Annotated[Actor, reader("company.manage")]
ReadsProfiles = Annotated[Actor, reader("agreement.read")]
"""Of companies by name: closed to those to whom their company does not name its holders."""
