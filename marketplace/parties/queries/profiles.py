"""What a company says about itself to those it deals with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor
from marketplace.parties.queries import MOST_SITES, SITE, SiteRow, company


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A company as those see it that deal with it; texts are empty where it says nothing."""

    id: UUID
    code: str
    name: str
    is_manufacturer: bool
    is_partner: bool
    country: str
    about: str
    website: str
    telephone: str
    email: str


async def profile(session: AsyncSession, actor: Actor, company_id: UUID) -> ProfileRow:
    """The actor's own company, one it deals with, or a manufacturer it sources for. Raises ``company.not_found`` for any other."""
    known = (
        company_id == actor.company_id
        or company_id in actor.sources
        or await fetch_value(
            session, "SELECT 1 FROM counterparty WHERE company_id = $1 AND other_id = $2", actor.company_id, company_id
        )
    )
    if not known:
        raise missing("company.not_found", "No such company, or you do not deal with it.")
    row = await company(session, company_id)
    said = await fetch_one(
        session, "SELECT about, website, telephone, email FROM company_profile WHERE company_id = $1", company_id
    )
    texts = dict(said) if said else dict.fromkeys(("about", "website", "telephone", "email"), "")
    return ProfileRow(row.id, row.code, row.name, row.is_manufacturer, row.is_partner, row.country, **texts)


async def sites_of(session: AsyncSession, company_id: UUID) -> list[SiteRow]:
    """The open sites of a company that the tenant sees, by name."""
    rows = await fetch(
        session,
        SITE + "WHERE s.company_id = $1 AND s.closed_at IS NULL ORDER BY s.name, s.id LIMIT $2",
        company_id,
        MOST_SITES,
    )
    return [SiteRow(**dict(r)) for r in rows]
