"""Reads of the parties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import ReadSession, Tenant, WriteSession, become, fetch, fetch_one, fetch_value
from marketplace.kit.errors import conflict, missing, unauthenticated
from marketplace.parties.actor import Actor

# Of the actor's own company and the makers it sources for, those that hide their holders.
_MASKING = "ARRAY(SELECT c.id FROM company c WHERE c.mask_holders AND (c.id = a.company_id OR c.id = ANY (a.sources))) AS masking"


def _actor(row: asyncpg.Record, **more: object) -> Actor:
    return Actor(
        user_id=row["user_id"], company_id=row["company_id"], user_name=row["user_name"],
        company_name=row["company_name"], company_code=row["company_code"], is_manufacturer=row["is_manufacturer"],
        is_partner=row["is_partner"], currency=row["currency"], roles=frozenset(row["roles"]), site_id=row["site_id"],
        order_limit=row["order_limit_amount"], sources=tuple(row["sources"]), masking=frozenset(row["masking"]),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


async def actor_of_session(session: AsyncSession, token_hash: bytes, now: datetime) -> Actor:
    """The signed-in person behind a cookie. Raises ``auth.session`` when there is none or it has ended."""
    row = await fetch_one(session, f"SELECT a.*, {_MASKING} FROM auth_session($1) a", token_hash)
    if row is None or row["revoked"] or row["expires_at"] <= now:
        raise unauthenticated("auth.session", "Your session has ended. Sign in again; what you had saved is kept.")
    return _actor(
        row,
        session_id=row["session_id"],
        session_ends=row["expires_at"],
        verified_at=row["verified_at"],
        factor_missing=row["factor_missing"],
    )


async def actor_of_key(session: AsyncSession, key_hash: bytes, now: datetime) -> Actor:
    """The program behind an API key. Raises ``auth.key`` when unknown, revoked or expired."""
    row = await fetch_one(session, f"SELECT a.*, {_MASKING} FROM auth_key($1) a", key_hash)
    if row is None or row["revoked"] or (row["expires_at"] and row["expires_at"] <= now):
        raise unauthenticated("auth.key", "This API key is unknown, revoked or expired. Make a new one under Company.")
    return _actor(row, scopes=frozenset(row["scopes"]))


async def in_force(
    session: AsyncSession, sessions: Sequence[bytes], keys: Sequence[bytes], now: datetime
) -> frozenset[bytes]:
    """Of these hashes of session tokens and API keys, those that still let their person in; one statement."""
    rows = await fetch(
        session,
        "SELECT h AS hash FROM unnest($1::bytea[]) AS h CROSS JOIN LATERAL auth_session(h) a "
        "WHERE NOT a.revoked AND a.expires_at > $3 "
        "UNION ALL SELECT h FROM unnest($2::bytea[]) AS h CROSS JOIN LATERAL auth_key(h) a "
        "WHERE NOT a.revoked AND (a.expires_at IS NULL OR a.expires_at > $3)",
        list(sessions), list(keys), now,
    )  # fmt: skip
    return frozenset(r["hash"] for r in rows)


async def actor_of_feed(session: AsyncSession, token_hash: bytes) -> Actor:
    """The person behind the address of a calendar feed, with the roles of today. Raises ``feed.not_found`` when there is
    none, or it is in force no more: which of these is not told."""
    row = await fetch_one(session, f"SELECT a.*, {_MASKING} FROM auth_feed($1) a", token_hash)
    if row is None:
        raise missing("feed.not_found", "No such calendar.")
    return _actor(row)


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site as its own company and its counterparties see it."""

    id: UUID
    company_id: UUID
    company: str
    code: str
    name: str
    place: str
    region: str
    country: str
    address: str
    lat: float | None
    lon: float | None
    approximate: bool
    timezone: str
    opens: object
    closes: object
    counter_phone: str
    after_hours_phone: str
    will_call: bool
    closed_at: datetime | None


MOST_SITES = 2_000
"""Open sites of one company: few enough to choose from, and no list of them is ever cut."""
SITE = """
SELECT s.id, s.company_id, c.name AS company, s.code, s.name, s.place, s.region, s.country, s.address, s.lat, s.lon,
       s.approximate, s.timezone, s.opens, s.closes, s.counter_phone, s.after_hours_phone, s.will_call, s.closed_at
FROM site s JOIN company c ON c.id = s.company_id
"""


def _natural(text: str) -> str:
    """SQL of a text that sorts as people read it: 'Site 2' before 'Site 10', whatever the case. Figures are filled up to
    ten with zeros; the server's own build has no ICU, whose collations would do it."""
    return f"regexp_replace(regexp_replace(lower({text}), '([0-9]+)', '0000000000\\1', 'g'), '[0-9]*([0-9]{{10}})', '\\1', 'g')"


_BY_NAME = _natural("s.name")


async def sites(
    session: AsyncSession,
    actor: Actor,
    *,
    search: str | None = None,
    closed: bool | None = False,
    after: Sequence[object] | None = None,
    limit: int = MOST_SITES + 1,
) -> Sequence[SiteRow]:
    """The actor's own sites by name ('Site 2' before 'Site 10'), by keyset (``after``: name and id of the last); open ones unless ``closed`` says
    otherwise (None: both). ``search``: part of a name, code or town."""
    name, last = after or (None, None)
    rows = await fetch(
        session,
        SITE + "WHERE s.company_id = $1 AND ($2::bool IS NULL OR (s.closed_at IS NOT NULL) = $2) "
        "AND ($3::text IS NULL OR strpos(lower(concat_ws(' ', s.name, s.code, s.place)), lower($3)) > 0) "
        f"AND ($4::text IS NULL OR ({_BY_NAME}, s.id) > ({_natural('$4')}, $5)) ORDER BY {_BY_NAME}, s.id LIMIT $6",
        actor.company_id, closed, search, name, last, limit,
    )  # fmt: skip
    return [SiteRow(**dict(r)) for r in rows]


async def count_sites(session: AsyncSession, actor: Actor) -> tuple[int, int]:
    """How many open and how many closed sites the actor's company has."""
    row = await fetch_one(
        session,
        "SELECT count(*) FILTER (WHERE closed_at IS NULL) AS open, count(closed_at) AS closed FROM site "
        "WHERE company_id = $1",
        actor.company_id,
    )
    assert row is not None  # noqa: S101 - a count always answers
    return row["open"], row["closed"]


async def site_seen(session: AsyncSession, site_id: UUID) -> SiteRow | None:
    """A site, or None where the tenant sees none: another company's, once the two have nothing to do with each other."""
    row = await fetch_one(session, SITE + "WHERE s.id = $1", site_id)
    return SiteRow(**dict(row)) if row else None


async def sites_seen(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, SiteRow]:
    """Those of these sites that the tenant sees, by id; one statement."""
    rows = await fetch(session, SITE + "WHERE s.id = ANY($1::uuid[])", list(ids))
    return {r["id"]: SiteRow(**dict(r)) for r in rows}


async def sites_for_share(session: WriteSession, actor: Actor, ids: Iterable[UUID]) -> dict[UUID, SiteRow]:
    """As ``site_for_share``, of many: the actor's own open ones of these, which cannot be closed until this transaction ends."""
    locked = await fetch(
        session,
        "SELECT id FROM site WHERE id = ANY($1::uuid[]) AND company_id = $2 AND closed_at IS NULL ORDER BY id FOR SHARE",
        list(ids),
        actor.company_id,
    )
    return await sites_seen(session, [r["id"] for r in locked])


async def site(session: AsyncSession, site_id: UUID) -> SiteRow:
    """One visible site. Raises ``site.not_found``."""
    found = await site_seen(session, site_id)
    if found is None:
        raise missing("site.not_found", "No such site.")
    return found


async def home_site(session: AsyncSession, actor: Actor) -> SiteRow | None:
    """The actor's own site, else the company's first open one; None for a company without sites."""
    row = await fetch_one(
        session,
        SITE + "WHERE s.company_id = $1 AND s.closed_at IS NULL ORDER BY (s.id = $2) DESC NULLS LAST, s.id LIMIT 1",
        actor.company_id, actor.site_id,
    )  # fmt: skip
    return SiteRow(**dict(row)) if row else None


async def own_site(session: AsyncSession, actor: Actor, site_id: UUID) -> SiteRow:
    """One of the actor's own sites. Raises ``site.not_found`` also for somebody else's."""
    found = await site(session, site_id)
    if found.company_id != actor.company_id:
        raise missing("site.not_found", "No such site in your company.")
    return found


async def site_for_share(session: WriteSession, actor: Actor, site_id: UUID) -> SiteRow:
    """One of the actor's own sites for something that comes to it; it cannot be closed until this transaction ends.
    Raises ``site.not_found``, ``site.closed``."""
    locked = await fetch_one(
        session,
        "SELECT closed_at FROM site WHERE id = $1 AND company_id = $2 FOR SHARE",
        site_id,
        actor.company_id,
    )
    if locked is None:
        raise missing("site.not_found", "No such site in your company.")
    if locked["closed_at"] is not None:
        raise conflict("site.closed", "This site is closed. Choose another, or open it again under Company.")
    return await site(session, site_id)


async def site_for_update(session: WriteSession, actor: Actor, site_id: UUID) -> SiteRow:
    """One of the actor's own open sites, locked against everything that would come to it. Raises ``site.not_found``."""
    locked = await fetch_one(
        session,
        "SELECT 1 FROM site WHERE id = $1 AND company_id = $2 AND closed_at IS NULL FOR NO KEY UPDATE",
        site_id,
        actor.company_id,
    )
    if locked is None:
        raise missing("site.not_found", "No such open site in your company.")
    return await site(session, site_id)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A person to ring at a site."""

    id: UUID
    site_id: UUID
    name: str
    role: str
    telephone: str
    email: str


async def contacts(session: AsyncSession, site_ids: Iterable[UUID]) -> Sequence[ContactRow]:
    """The contacts of visible sites by name; one statement."""
    rows = await fetch(
        session,
        "SELECT id, site_id, name, role, telephone, email FROM site_contact WHERE site_id = ANY($1::uuid[]) "
        "ORDER BY site_id, name, id LIMIT 1000",
        list(site_ids),
    )
    return [ContactRow(**dict(r)) for r in rows]


async def people_to_ring(session: AsyncSession, user_ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """By person the name and the telephone of the site where they work ('' if there is none); only those that are visible."""
    rows = await fetch(
        session,
        "SELECT u.id, u.name, coalesce(s.counter_phone, '') AS telephone FROM user_account u "
        "LEFT JOIN site s ON s.id = u.site_id WHERE u.id = ANY($1::uuid[])",
        list(user_ids),
    )
    return {r["id"]: (r["name"], r["telephone"]) for r in rows}


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person of the actor's company."""

    id: UUID
    name: str
    email: str
    roles: list[str]
    active: bool
    site_id: UUID | None
    site: str | None
    order_limit_amount: Decimal | None


_USER = """
SELECT u.id, u.name, u.email, u.roles, u.active, u.site_id, s.name AS site, u.order_limit_amount
FROM user_account u LEFT JOIN site s ON s.id = u.site_id
"""


async def user(session: AsyncSession, actor: Actor, user_id: UUID) -> UserRow:
    """One person of the actor's company. Raises ``user.not_found``."""
    row = await fetch_one(
        session,
        _USER + "WHERE u.id = $1 AND u.company_id = $2",
        user_id,
        actor.company_id,
    )
    if row is None:
        raise missing("user.not_found", "No such person in your company.")
    return UserRow(**dict(row))


async def users(
    session: AsyncSession,
    actor: Actor,
    *,
    search: str | None = None,
    after: Sequence[object] | None = None,
    limit: int = 51,
) -> Sequence[UserRow]:
    """The people of the actor's company by name, by keyset (``after``: name and id of the last). ``search``: part of a
    name or e-mail address."""
    name, last = after or (None, None)
    rows = await fetch(
        session,
        _USER + "WHERE u.company_id = $1 "
        "AND ($2::text IS NULL OR strpos(lower(concat_ws(' ', u.name, u.email)), lower($2)) > 0) "
        "AND ($3::text IS NULL OR (u.name, u.id) > ($3, $4)) ORDER BY u.name, u.id LIMIT $5",
        actor.company_id, search, name, last, limit,
    )  # fmt: skip
    return [UserRow(**dict(r)) for r in rows]


async def admins_for_update(session: WriteSession, company_id: UUID, user_id: UUID) -> dict[UUID, bool]:
    """Locks a company's active administrators and one more person: user id -> is an active administrator."""
    rows = await fetch(
        session,
        "SELECT id, active AND 'admin' = ANY (roles) AS admin FROM user_account WHERE company_id = $1 "
        "AND (id = $2 OR (active AND 'admin' = ANY (roles))) ORDER BY id FOR NO KEY UPDATE",
        company_id,
        user_id,
    )
    return {r["id"]: r["admin"] for r in rows}


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A company as anybody signed in may see it."""

    id: UUID
    code: str
    name: str
    is_manufacturer: bool
    is_partner: bool
    currency: str
    country: str
    mask_holders: bool


async def company(session: AsyncSession, company_id: UUID) -> CompanyRow:
    """One company. Raises ``company.not_found``."""
    row = await fetch_one(
        session,
        "SELECT id, code, name, is_manufacturer, is_partner, currency, country, mask_holders FROM company WHERE id = $1",
        company_id,
    )
    if row is None:
        raise missing("company.not_found", "No such company.")
    return CompanyRow(**dict(row))


async def kept_in(session: AsyncSession, company_id: UUID) -> Sequence[tuple[str, str]]:
    """The (country, region) pairs in which a company has open sites; a region that is not known is empty. For a session that
    sees them all: its own, or one that acts for it."""
    rows = await fetch(
        session,
        "SELECT DISTINCT country::text AS country, region FROM site WHERE company_id = $1 AND closed_at IS NULL ORDER BY 1, 2",
        company_id,
    )
    return [(r["country"], r["region"]) for r in rows]


async def companies(
    session: AsyncSession,
    *,
    partners_only: bool = False,
    search: str | None = None,
    ids: Sequence[UUID] | None = None,
    after: Sequence[object] | None = None,
    limit: int = 51,
) -> Sequence[CompanyRow]:
    """Companies by name, by keyset (``after``: name and id of the last): the directory that audiences are chosen from.
    ``search``: part of a name, or the beginning of a code; ``ids``: only these."""
    name, last = after or (None, None)
    rows = await fetch(
        session,
        "SELECT id, code, name, is_manufacturer, is_partner, currency, country, mask_holders FROM company "
        "WHERE (is_partner OR NOT $1) "
        "AND ($2::text IS NULL OR strpos(lower(name), lower($2)) > 0 OR starts_with(code, upper($2))) "
        "AND ($3::uuid[] IS NULL OR id = ANY($3)) "
        "AND ($4::text IS NULL OR (name, id) > ($4, $5)) ORDER BY name, id LIMIT $6",
        partners_only, search, None if ids is None else list(ids), name, last, limit,
    )  # fmt: skip
    return [CompanyRow(**dict(r)) for r in rows]


class Assumptions(NamedTuple):
    """What a company's books are reckoned with, in basis points; None where it has stated none."""

    rate_bp: int | None
    market_bp: int | None
    """What a unit is expected to be worth when its holder may sell it back, of the price it was sold at."""


async def assumptions(session: AsyncSession, company_id: UUID) -> Assumptions:
    """The company's discount rate and expected market value; none of them to anybody but itself."""
    row = await fetch_one(
        session, "SELECT discount_rate_bp, expected_market_bp FROM company_books WHERE company_id = $1", company_id
    )
    return Assumptions(row["discount_rate_bp"], row["expected_market_bp"]) if row else Assumptions(None, None)


async def countries(
    session: AsyncSession, company_id: UUID, partners: Sequence[UUID] | None
) -> tuple[str, tuple[str, ...]]:
    """The country of a company, and the countries of these partners (None: of all there are) without double."""
    rows = await fetch(
        session,
        "SELECT DISTINCT id = $1 AS own, country FROM company WHERE id = $1 OR (is_partner AND ($2::uuid[] IS NULL "
        "OR id = ANY ($2))) ORDER BY country",
        company_id,
        None if partners is None else list(partners),
    )
    return next(r["country"] for r in rows if r["own"]), tuple(r["country"] for r in rows if not r["own"])


@dataclass(frozen=True, slots=True)
class DelegationRow:
    """A delegation with its limits, as both sides see it."""

    id: UUID
    maker_id: UUID
    maker: str
    company_id: UUID
    company: str
    max_quantity: int
    max_value_amount: object
    currency: str
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None

    def ended(self, now: datetime) -> bool:
        """Whether it was ended, or its time is over."""
        return self.revoked_at is not None or (self.valid_until is not None and self.valid_until <= now)


async def delegations(session: AsyncSession, *, after: UUID | None = None, limit: int = 500) -> Sequence[DelegationRow]:
    """Delegations given or taken by the tenant, newest first, by keyset (``after``: the last one's id)."""
    rows = await fetch(
        session,
        "SELECT d.id, d.maker_id, m.name AS maker, d.company_id, c.name AS company, d.max_quantity, "
        "d.max_value_amount, d.currency, d.valid_from, d.valid_until, d.revoked_at FROM delegation d "
        "JOIN company m ON m.id = d.maker_id JOIN company c ON c.id = d.company_id "
        "WHERE ($1::uuid IS NULL OR d.id < $1) ORDER BY d.id DESC LIMIT $2",
        after, limit,
    )  # fmt: skip
    return [DelegationRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key without its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def api_keys(
    session: AsyncSession, actor: Actor, *, after: UUID | None = None, limit: int = 200
) -> Sequence[KeyRow]:
    """The company's API keys, newest first, by keyset (``after``: the last one's id)."""
    rows = await fetch(
        session,
        "SELECT id, name, prefix, scopes, created_at, expires_at, revoked_at FROM api_key WHERE company_id = $1 "
        "AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        actor.company_id, after, limit,
    )  # fmt: skip
    return [KeyRow(**dict(r)) for r in rows]


async def feed_since(session: AsyncSession, actor: Actor) -> datetime | None:
    """Since when the person's calendar feed is in force; None when there is none."""
    since: datetime | None = await fetch_value(
        session,
        "SELECT created_at FROM calendar_feed WHERE user_id = $1 AND company_id = $2 AND revoked_at IS NULL",
        actor.user_id,
        actor.company_id,
    )
    return since


async def person_acting(session: AsyncSession, user_id: UUID) -> Actor | None:
    """Somebody of the tenant's company as who would sign in now, for what follows from what that person asked for; None where
    they are switched off."""
    row = await fetch_one(
        session,
        "SELECT a.*, "
        + _MASKING
        + " FROM (SELECT u.id AS user_id, u.company_id, u.name AS user_name, c.name AS company_name, "
        "c.code AS company_code, c.is_manufacturer, c.is_partner, c.currency, u.roles, u.site_id, u.order_limit_amount, "
        "ARRAY(SELECT DISTINCT d.maker_id FROM delegation d WHERE d.company_id = u.company_id AND d.revoked_at IS NULL "
        "AND (d.valid_until IS NULL OR d.valid_until > now())) AS sources "
        "FROM user_account u JOIN company c ON c.id = u.company_id WHERE u.id = $1 AND u.active) a",
        user_id,
    )
    return _actor(row) if row else None


async def email_of(session: AsyncSession, actor: Actor) -> str:
    """The address by which a person signs in."""
    found: str = await fetch_value(session, "SELECT email FROM user_account WHERE id = $1", actor.user_id)
    return found


async def people_to_tell(session: AsyncSession, company_id: UUID, roles: Sequence[str]) -> list[str]:
    """Mail addresses of a company's active people with one of these roles; the session acts for that company."""
    rows = await fetch(
        session,
        "SELECT email FROM user_account WHERE company_id = $1 AND active AND roles && $2::text[] ORDER BY email LIMIT 50",
        company_id,
        list(roles),
    )
    return [r["email"] for r in rows]


async def actor_by_email(session: ReadSession, email: str) -> Actor:
    """The actor somebody on the operator's command line works as; the transaction then runs for its company.
    Raises ``user.not_found``."""
    known = await fetch_one(session, "SELECT * FROM auth_login($1)", email)
    if known is None or not known["active"]:
        raise missing("user.not_found", f"Nobody signs in as {email}.")
    await become(session, Tenant(known["company_id"]))
    return await actor_of_user(session, known["user_id"])


async def actor_of_user(session: AsyncSession, user_id: UUID) -> Actor:
    """The actor that a person of the session's company is, for work that goes on without them, with the roles of today. Raises
    ``user.not_found`` also where they are active no more."""
    row = await fetch_one(
        session,
        "SELECT u.id AS user_id, u.company_id, u.name AS user_name, c.name AS company_name, c.code AS company_code, "
        "c.is_manufacturer, c.is_partner, c.currency, u.roles, u.site_id, u.order_limit_amount, '{}'::uuid[] AS sources, "
        "CASE WHEN c.mask_holders THEN ARRAY[c.id] ELSE '{}' END AS masking "
        "FROM user_account u JOIN company c ON c.id = u.company_id WHERE u.id = $1 AND u.active",
        user_id,
    )
    if row is None:
        raise missing("user.not_found", "Nobody of your company who is active asked for this.")
    return _actor(row)
