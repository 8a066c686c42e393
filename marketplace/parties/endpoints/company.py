"""JSON routes of the parties."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.errors import conflict
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.parties import queries, service
from marketplace.parties.actor import VERBS
from marketplace.parties.permissions import (
    IdempotencyKey,
    ManagesCompany,
    Now,
    ReadingActor,
    ReadsCompany,
    ReadsKeys,
    ReadsProfiles,
)
from marketplace.parties.queries import profiles
from marketplace.parties.schemas import (
    ChangedUser,
    CompanyOut,
    DelegationOut,
    DiscountRateIn,
    ExpectedMarketIn,
    KeyOut,
    ListedKey,
    MaskIn,
    Me,
    NewContact,
    NewDelegation,
    NewKey,
    NewSite,
    NewUser,
    OwnCompanyOut,
    ProfileIn,
    ProfileOut,
    SiteOut,
    Switched,
    UserOut,
)
from marketplace.parties.service import once, once_done

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


@router.get("/company", summary="Your own company and its settings")
async def own_company(session: Reading, actor: ReadsCompany) -> OwnCompanyOut:
    """As it stands now."""
    own = OwnCompanyOut.model_validate(await queries.company(session, actor.company_id))
    own.discount_rate_bp, own.expected_market_bp = await queries.assumptions(session, actor.company_id)
    return own


@router.put("/company/mask-holders", summary="Hide who holds your units, or show it again")
async def mask_holders(session: Writing, actor: ManagesCompany, new: MaskIn, key: IdempotencyKey = None) -> Done:
    """Hidden: your technicians and companies that source for you see a region and a band of distance, in pages, files and
    the API, until an order back is sent; agreements, orders and settlement are closed to them. An API key needs the scope
    'stock.holders' to go on seeing names. Of a manufacturer only."""
    return await once_done(
        session, actor, key, "company.mask-holders", new.model_dump(),
        lambda: service.mask_holders(session, actor, hidden=new.mask_holders),
    )  # fmt: skip


@router.put("/company/discount-rate", summary="State the discount rate that your books are reckoned with")
async def set_discount_rate(
    session: Writing, actor: ManagesCompany, new: DiscountRateIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """It decides between lease and financing where units are sold under a right to buy them back. What was classified before
    keeps the rate of its day. Of a manufacturer only; nobody else sees it."""
    return await once_done(
        session, actor, key, "company.discount-rate", new.model_dump(),
        lambda: service.set_discount_rate(session, actor, new.discount_rate_bp, now),
    )  # fmt: skip


@router.put("/company/expected-market", summary="State what units are expected to be worth when they may be sold back")
async def set_expected_market(
    session: Writing, actor: ManagesCompany, new: ExpectedMarketIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """It decides between lease, financing and a sale with a right of return where a holder may sell units back and you cannot
    order them back. Of a manufacturer only; nobody else sees it."""
    return await once_done(
        session, actor, key, "company.expected-market", new.model_dump(),
        lambda: service.set_expected_market(session, actor, new.expected_market_bp, now),
    )  # fmt: skip


Search = Annotated[str | None, Query(max_length=100, description="Part of a name or code.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/companies", summary="The directory of companies")
async def companies(
    session: Reading, secret: PageSecret, actor: ReadsCompany, partners_only: bool = False, search: Search = None,
    after: str | None = None, limit: Limit = DEFAULT_PAGE,
) -> PageOut[CompanyOut]:  # fmt: skip
    """Companies by name, paged."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await queries.companies(session, partners_only=partners_only, search=search, after=mark, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.name, row.id], secret)
    return PageOut(items=[CompanyOut.model_validate(row) for row in page.items], next=page.next)


@router.get("/companies/{company_id}/profile", summary="A company that you deal with")
async def profile(session: Reading, actor: ReadsProfiles, company_id: UUID) -> ProfileOut:
    """What it says about itself, and its open sites: your own company, one that you have an agreement or an order with, or a manufacturer
    that you source for."""
    found = await profiles.profile(session, actor, company_id)
    sites = [SiteOut.model_validate(s) for s in await profiles.sites_of(session, company_id)]
    return ProfileOut(**asdict(found), sites=sites)


@router.put("/company/profile", summary="State what others see of your company")
async def state_profile(
    session: Writing, actor: ManagesCompany, new: ProfileIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """All of it at once. Companies that you deal with see it."""
    return await once_done(
        session, actor, key, "company.profile", new.model_dump(),
        lambda: service.state_profile(session, actor, **new.model_dump(), now=now),
    )  # fmt: skip


@router.get("/sites", summary="Your sites")
async def sites(
    session: Reading, secret: PageSecret, actor: ReadsCompany, closed: bool = False, search: Search = None,
    after: str | None = None, limit: Limit = DEFAULT_PAGE,
) -> PageOut[SiteOut]:  # fmt: skip
    """Your own open (or closed) sites by name, paged."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await queries.sites(session, actor, search=search, closed=closed, after=mark, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.name, row.id], secret)
    return PageOut(items=[SiteOut.model_validate(row) for row in page.items], next=page.next)


@router.post("/sites", status_code=201, summary="Add a site")
async def create_site(session: Writing, actor: ManagesCompany, new: NewSite, key: IdempotencyKey = None) -> Made:
    """Answers the new site's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.create_site(session, actor, **new.model_dump())}

    return Made.model_validate((await once(session, actor, key, "sites.create", new.model_dump(), act)).content)


@router.put("/sites/{site_id}", summary="Change a site")
async def change_site(
    session: Writing, actor: ManagesCompany, site_id: UUID, new: NewSite, key: IdempotencyKey = None
) -> Done:
    """All of its details at once. What happened at the site stays as it was."""
    given = {"site_id": site_id, **new.model_dump()}
    return await once_done(
        session, actor, key, "sites.change", given,
        lambda: service.change_site(session, actor, site_id, **new.model_dump()),
    )  # fmt: skip


@router.post("/sites/{site_id}/reopen", summary="Open a closed site again")
async def reopen_site(session: Writing, actor: ManagesCompany, site_id: UUID, key: IdempotencyKey = None) -> Done:
    """It can be chosen again for orders and moves."""
    given = {"site_id": site_id}
    return await once_done(
        session, actor, key, "sites.reopen", given, lambda: service.reopen_site(session, actor, site_id)
    )


@router.post("/sites/{site_id}/contacts", status_code=201, summary="Add a contact to a site")
async def add_contact(
    session: Writing, actor: ManagesCompany, site_id: UUID, new: NewContact, key: IdempotencyKey = None
) -> Made:
    """Answers the new contact's id. Companies that you deal with see the contact."""

    async def act() -> dict[str, Any]:
        await queries.own_site(session, actor, site_id)
        return {"id": await service.add_contact(session, actor, site_id, **new.model_dump())}

    given = {"site_id": site_id, **new.model_dump()}
    return Made.model_validate((await once(session, actor, key, "contacts.create", given, act)).content)


@router.delete("/contacts/{contact_id}", status_code=204, summary="Remove a contact")
async def remove_contact(session: Writing, actor: ManagesCompany, contact_id: UUID, key: IdempotencyKey = None) -> None:
    """They are no longer shown to anybody."""
    await once_done(
        session, actor, key, f"contacts.remove:{contact_id}", {},
        lambda: service.remove_contact(session, actor, contact_id),
    )  # fmt: skip


@router.get("/users", summary="The people of your company")
async def users(
    session: Reading, secret: PageSecret, actor: ReadsCompany, search: Search = None, after: str | None = None,
    limit: Limit = DEFAULT_PAGE,
) -> PageOut[UserOut]:  # fmt: skip
    """By name, those switched off included, paged."""
    mark = read_bookmark(after, secret, str, UUID)
    rows = await queries.users(session, actor, search=search, after=mark, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.name, row.id], secret)
    return PageOut(items=[UserOut.model_validate(row) for row in page.items], next=page.next)


@router.put("/users/{user_id}", summary="Change a person")
async def change_user(
    session: Writing, actor: ManagesCompany, user_id: UUID, new: ChangedUser, now: Now, key: IdempotencyKey = None
) -> Done:
    """Roles count from the next request; a new password ends the person's sessions."""

    async def act() -> None:
        if new.site_id is not None:
            await queries.own_site(session, actor, new.site_id)
        await service.change_user(session, actor, user_id, **new.model_dump(), now=now)

    # The key's record keeps the input's hash: a password does not belong into it, however hashed.
    given = {"user_id": user_id, **new.model_dump(exclude={"password"})}
    return await once_done(session, actor, key, "users.change", given, act)


@router.put("/users/{user_id}/active", summary="Switch a person off or on")
async def switch_user(
    session: Writing, actor: ManagesCompany, user_id: UUID, new: Switched, now: Now, key: IdempotencyKey = None
) -> Done:
    """Off: sessions and API keys end at once and for good. On: they may sign in again."""
    given = {"user_id": user_id, "active": new.active}
    return await once_done(
        session, actor, key, "users.switch", given,
        lambda: service.switch_user(session, actor, user_id, active=new.active, now=now),
    )  # fmt: skip


@router.post("/users", status_code=201, summary="Add a person")
async def create_user(
    session: Writing, actor: ManagesCompany, new: NewUser, now: Now, key: IdempotencyKey = None
) -> Made:
    """Answers the new person's id."""

    async def act() -> dict[str, Any]:
        if new.site_id is not None:
            await queries.own_site(session, actor, new.site_id)
        return {
            "id": await service.create_user(session, actor, company_id=actor.company_id, **new.model_dump(), now=now)
        }

    # As in change_user: no password in the key's record.
    given = new.model_dump(exclude={"password"})
    return Made.model_validate((await once(session, actor, key, "users.create", given, act)).content)


@router.get("/api-keys", summary="The API keys of your company")
async def api_keys(
    session: Reading, secret: PageSecret, actor: ReadsKeys, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[ListedKey]:
    """Newest first, those revoked included, paged; never a secret."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.api_keys(session, actor, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    return PageOut(items=[ListedKey.model_validate(row) for row in page.items], next=page.next)


@router.post("/api-keys", status_code=201, summary="Make an API key")
async def create_key(
    session: Writing, actor: ManagesCompany, new: NewKey, now: Now, key: IdempotencyKey = None
) -> KeyOut:
    """The secret is shown this once and never kept: a repeated request makes no second key, and is refused with
    ``apikey.made`` and the first one's id, to be revoked if its answer was lost."""
    secrets: list[str] = []

    async def act() -> dict[str, Any]:
        made, secret = await service.create_api_key(
            session, actor, name=new.name, scopes=frozenset(new.scopes), expires_at=new.expires_at, now=now
        )
        secrets.append(secret)
        return {"id": made}

    answer = await once(session, actor, key, "api-keys.create", new.model_dump(), act)
    if answer.repeated:
        raise conflict(
            "apikey.made",
            "This request made a key already, and its secret was shown once. If that answer was lost, revoke the key and "
            "make another with a new Idempotency-Key.",
            id=answer.content["id"],
        )
    return KeyOut(id=answer.content["id"], secret=secrets[0])


@router.delete("/api-keys/{key_id}", status_code=204, summary="Revoke an API key")
async def revoke_key(
    session: Writing, actor: ManagesCompany, key_id: UUID, now: Now, key: IdempotencyKey = None
) -> None:
    """It stops working at once."""
    await once_done(
        session,
        actor,
        key,
        f"api-keys.revoke:{key_id}",
        {},
        lambda: service.revoke_api_key(session, actor, key_id, now),
    )


@router.get("/delegations", summary="Delegations that your company gave or was given")
async def delegations(
    session: Reading, secret: PageSecret, actor: ReadsCompany, after: str | None = None, limit: Limit = DEFAULT_PAGE
) -> PageOut[DelegationOut]:
    """Newest first, those that ended included, paged."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.delegations(session, after=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda row: [row.id], secret)
    return PageOut(items=[DelegationOut.model_validate(row) for row in page.items], next=page.next)


@router.post("/delegations", status_code=201, summary="Let another company source your parts")
async def delegate(
    session: Writing, actor: ManagesCompany, new: NewDelegation, now: Now, key: IdempotencyKey = None
) -> Made:
    """Answers the new delegation's id."""

    async def act() -> dict[str, Any]:
        return {"id": await service.delegate(session, actor, now=now, **new.model_dump())}

    return Made.model_validate((await once(session, actor, key, "delegations.create", new.model_dump(), act)).content)


@router.delete("/delegations/{delegation_id}", status_code=204, summary="End a delegation")
async def revoke(
    session: Writing, actor: ManagesCompany, delegation_id: UUID, now: Now, key: IdempotencyKey = None
) -> None:
    """It ends at once; what was ordered before goes on."""
    await once_done(
        session, actor, key, f"delegations.end:{delegation_id}", {},
        lambda: service.revoke_delegation(session, delegation_id, now),
    )  # fmt: skip
