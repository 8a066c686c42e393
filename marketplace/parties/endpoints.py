"""JSON routes of the parties."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from marketplace.db.requests import Reading, Writing
from marketplace.parties import queries, service
from marketplace.parties.actor import VERBS
from marketplace.parties.permissions import IdempotencyKey, ManagesCompany, Now, ReadingActor, ReadsCompany
from marketplace.parties.schemas import (
    CompanyOut,
    KeyOut,
    Me,
    NewDelegation,
    NewKey,
    NewSite,
    NewUser,
    SiteOut,
)
from marketplace.parties.service import once

router = APIRouter(tags=["company"])


@router.get("/me", summary="Who am I, and what may I do")
async def me(actor: ReadingActor) -> Me:
    """The actor of this request with its verbs."""
    return Me(
        user=actor.user_name,
        company=actor.company_name,
        company_id=actor.company_id,
        company_code=actor.company_code,
        roles=sorted(actor.roles),
        verbs=[v for v in VERBS if actor.may(v)],
        sources_for=list(actor.sources),
    )


@router.get("/companies", summary="The directory of companies")
async def companies(session: Reading, actor: ReadsCompany, partners_only: bool = False) -> list[CompanyOut]:
    """Companies by name, at most 500."""
    found = await queries.companies(session, partners_only=partners_only)
    return [CompanyOut.model_validate(c) for c in found]


@router.get("/sites", summary="Your sites")
async def sites(session: Reading, actor: ReadsCompany) -> list[SiteOut]:
    """Your own open sites by name."""
    return [SiteOut.model_validate(s) for s in await queries.sites(session, actor)]


@router.post("/sites", status_code=201, summary="Add a site")
async def create_site(
    session: Writing, actor: ManagesCompany, new: NewSite, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Answers the new site's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.create_site(session, actor, **new.model_dump())}

    return dict((await once(session, actor, key, "sites.create", new.model_dump(), act)).content)


@router.post("/users", status_code=201, summary="Add a person")
async def create_user(
    session: Writing, actor: ManagesCompany, new: NewUser, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Answers the new person's id."""

    async def act() -> dict[str, Any]:
        made = await service.create_user(session, company_id=actor.company_id, **new.model_dump())
        return {"id": made}

    return dict((await once(session, actor, key, "users.create", new.model_dump(), act)).content)


@router.post("/api-keys", status_code=201, summary="Make an API key")
async def create_key(session: Writing, actor: ManagesCompany, new: NewKey) -> KeyOut:
    """The secret is shown this once and never kept; so this route takes no idempotency key."""
    made, secret = await service.create_api_key(
        session, actor, name=new.name, scopes=frozenset(new.scopes), expires_at=new.expires_at
    )
    return KeyOut(id=made, secret=secret)


@router.delete("/api-keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_key(session: Writing, actor: ManagesCompany, key_id: UUID, now: Now) -> None:
    """It stops working at once."""
    await service.revoke_api_key(session, key_id, now)


@router.post("/delegations", status_code=201, summary="Let another company source your parts")
async def delegate(
    session: Writing, actor: ManagesCompany, new: NewDelegation, now: Now, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Answers the new delegation's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.delegate(session, actor, now=now, **new.model_dump())}

    return dict((await once(session, actor, key, "delegations.create", new.model_dump(), act)).content)


@router.delete("/delegations/{delegation_id}", status_code=204, summary="End a delegation")
async def revoke(session: Writing, actor: ManagesCompany, delegation_id: UUID, now: Now) -> None:
    """It ends at once; what was ordered before goes on."""
    await service.revoke_delegation(session, delegation_id, now)
