"""Reads of accounts: sessions, second factors, mailed links, invitations, and what was done about security."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor
from marketplace.parties.acts import ACTS


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A person's own account. ``factor_since``: since when a second factor counts; ``codes``: recovery codes that are left."""

    id: UUID
    name: str
    email: str
    email_confirmed_at: datetime | None
    factor_since: datetime | None
    codes: int
    factor_required: bool


_ACCOUNT = """
SELECT u.id, u.name, u.email, u.email_confirmed_at, f.confirmed_at AS factor_since,
       (SELECT count(*) FROM recovery_code r WHERE r.user_id = u.id AND r.used_at IS NULL) AS codes,
       coalesce((SELECT second_factor FROM security_rule s WHERE s.company_id = u.company_id), false) AS factor_required
FROM user_account u LEFT JOIN second_factor f ON f.user_id = u.id
"""


async def account(session: AsyncSession, actor: Actor, user_id: UUID | None = None) -> AccountRow:
    """The actor's own account, or that of somebody of its company. Raises ``user.not_found``."""
    row = await fetch_one(
        session, _ACCOUNT + "WHERE u.id = $1 AND u.company_id = $2", user_id or actor.user_id, actor.company_id
    )
    if row is None:
        raise missing("user.not_found", "No such person in your company.")
    return AccountRow(**dict(row))


async def known_words(session: AsyncSession, user_id: UUID) -> Sequence[str]:
    """What others know of a person of the tenant's company: names and address."""
    row = await fetch_one(
        session,
        "SELECT u.name, u.email, c.name AS company, c.code FROM user_account u JOIN company c ON c.id = u.company_id WHERE u.id = $1",
        user_id,
    )
    return [] if row is None else list(row.values())


async def password_hash(session: AsyncSession, user_id: UUID) -> str:
    """What is kept of a person's password."""
    found: str = await fetch_value(session, "SELECT password_hash FROM user_account WHERE id = $1", user_id)
    return found


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A browser in which the person is signed in. ``place``: the network address it signed in from."""

    id: UUID
    device: str
    place: str
    created_at: datetime
    expires_at: datetime


async def sessions(
    session: AsyncSession, actor: Actor, now: datetime, *, after: UUID | None = None, limit: int = 101
) -> Sequence[SessionRow]:
    """Where the person is signed in now, newest first, by keyset."""
    rows = await fetch(
        session,
        "SELECT id, device, place, created_at, expires_at FROM user_session WHERE user_id = $1 AND company_id = $2 "
        "AND revoked_at IS NULL AND expires_at > $3 AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
        actor.user_id, actor.company_id, now, after, limit,
    )  # fmt: skip
    return [SessionRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ActRow:
    """An act of security. ``person``: whose account; ``by``: who did it ('' for the person who could not prove who they are)."""

    id: UUID
    at: datetime
    act: str
    user_id: UUID | None
    person: str
    by: str
    detail: str
    place: str
    device: str

    @property
    def words(self) -> str:
        """What was done."""
        return ACTS.get(self.act, self.act)


async def acts(
    session: AsyncSession, actor: Actor, *, everybody: bool, after: UUID | None = None, limit: int = 51
) -> Sequence[ActRow]:
    """What was done about the security of the person's own account, or of the whole company; newest first, by keyset."""
    # Two statements, since each has an index of its own.
    whose = "a.company_id = $1 AND $2::uuid IS NOT NULL" if everybody else "a.company_id = $1 AND a.user_id = $2"
    rows = await fetch(
        session,
        "SELECT a.id, a.at, a.act, a.user_id, coalesce(u.name, '') AS person, coalesce(b.name, '') AS by, a.detail, a.place, a.device "
        "FROM security_act a LEFT JOIN user_account u ON u.id = a.user_id LEFT JOIN user_account b ON b.id = a.by_user_id "
        f"WHERE {whose} AND ($3::uuid IS NULL OR a.id < $3) ORDER BY a.id DESC LIMIT $4",
        actor.company_id, actor.user_id, after, limit,
    )  # fmt: skip
    return [ActRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A second factor, its secret still sealed."""

    sealed: bytes
    confirmed_at: datetime | None
    last_step: int | None


_FACTOR = "SELECT sealed, confirmed_at, last_step FROM second_factor WHERE user_id = $1"


async def factor(session: AsyncSession, user_id: UUID) -> FactorRow | None:
    """A person's second factor, also one that is not confirmed yet."""
    row = await fetch_one(session, _FACTOR, user_id)
    return FactorRow(**dict(row)) if row else None


async def factor_for_update(session: WriteSession, user_id: UUID) -> FactorRow | None:
    """As ``factor``, locked: of two that type the same code one comes second."""
    row = await fetch_one(session, _FACTOR + " FOR NO KEY UPDATE", user_id)
    return FactorRow(**dict(row)) if row else None


async def factor_required(session: AsyncSession, company_id: UUID) -> bool:
    """Whether the company asks everybody for a second factor."""
    found = await fetch_value(session, "SELECT second_factor FROM security_rule WHERE company_id = $1", company_id)
    return bool(found)


async def without_factor(session: AsyncSession, company_id: UUID) -> int:
    """How many active people of the company have none."""
    found: int = await fetch_value(
        session,
        "SELECT count(*) FROM user_account u WHERE u.company_id = $1 AND u.active AND NOT EXISTS "
        "(SELECT FROM second_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)",
        company_id,
    )
    return found


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A mailed link. ``active``: whether its person may sign in."""

    id: UUID
    user_id: UUID
    kind: str
    email: str
    expires_at: datetime
    used_at: datetime | None
    withdrawn_at: datetime | None
    active: bool


_LINK = """
SELECT l.id, l.user_id, l.kind, l.email, l.expires_at, l.used_at, l.withdrawn_at, u.active
FROM mail_link l JOIN user_account u ON u.id = l.user_id WHERE l.id = $1 AND l.company_id = $2 AND l.kind = $3
"""


async def link(session: AsyncSession, link_id: UUID, company_id: UUID, kind: str) -> LinkRow | None:
    """A mailed link of the tenant's company."""
    row = await fetch_one(session, _LINK, link_id, company_id, kind)
    return LinkRow(**dict(row)) if row else None


async def link_for_update(session: WriteSession, link_id: UUID, company_id: UUID, kind: str) -> LinkRow | None:
    """As ``link``, locked, and before it the account: links of one person are used one after the other."""
    await fetch(
        session,
        "SELECT 1 FROM user_account WHERE id = (SELECT user_id FROM mail_link WHERE id = $1 AND company_id = $2) FOR NO KEY UPDATE",
        link_id, company_id,
    )  # fmt: skip
    row = await fetch_one(session, _LINK + " FOR NO KEY UPDATE OF l", link_id, company_id, kind)
    return LinkRow(**dict(row)) if row else None


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation as its company sees it."""

    id: UUID
    company_id: UUID
    company: str
    email: str
    roles: list[str]
    site_id: UUID | None
    order_limit_amount: Decimal | None
    invited_by: UUID
    inviter: str
    sent_at: datetime
    expires_at: datetime
    times_sent: int
    accepted_at: datetime | None
    withdrawn_at: datetime | None

    def status(self, now: datetime) -> str:
        """accepted, withdrawn, lapsed or open."""
        if self.accepted_at is not None:
            return "accepted"
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "open" if self.expires_at > now else "lapsed"


_INVITATION = """
SELECT i.id, i.company_id, c.name AS company, i.email, i.roles, i.site_id, i.order_limit_amount, i.invited_by,
       coalesce(u.name, '') AS inviter, i.sent_at, i.expires_at, i.times_sent, i.accepted_at, i.withdrawn_at
FROM invitation i JOIN company c ON c.id = i.company_id LEFT JOIN user_account u ON u.id = i.invited_by
"""


async def invitation(session: AsyncSession, invitation_id: UUID, company_id: UUID) -> InvitationRow:
    """One invitation of the company. Raises ``invitation.not_found``."""
    row = await fetch_one(session, _INVITATION + "WHERE i.id = $1 AND i.company_id = $2", invitation_id, company_id)
    if row is None:
        raise missing("invitation.not_found", "No such invitation in your company.")
    return InvitationRow(**dict(row))


async def invitation_for_update(session: WriteSession, invitation_id: UUID, company_id: UUID) -> InvitationRow:
    """As ``invitation``, locked."""
    await fetch(
        session,
        "SELECT 1 FROM invitation WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE",
        invitation_id,
        company_id,
    )
    return await invitation(session, invitation_id, company_id)


async def invitations(
    session: AsyncSession, actor: Actor, *, open_only: bool = False, after: UUID | None = None, limit: int = 51
) -> Sequence[InvitationRow]:
    """The company's invitations, newest first, by keyset. ``open_only``: neither accepted nor withdrawn."""
    rows = await fetch(
        session,
        _INVITATION + "WHERE i.company_id = $1 AND (NOT $2 OR (i.accepted_at IS NULL AND i.withdrawn_at IS NULL)) "
        "AND ($3::uuid IS NULL OR i.id < $3) ORDER BY i.id DESC LIMIT $4",
        actor.company_id, open_only, after, limit,
    )  # fmt: skip
    return [InvitationRow(**dict(r)) for r in rows]


async def whose_address(session: AsyncSession, email: str) -> tuple[UUID, UUID, str] | None:
    """Person, company and address of an active account (worker)."""
    row = await fetch_one(
        session, "SELECT id, company_id, email FROM user_account WHERE lower(email) = lower($1) AND active", email
    )
    return (row["id"], row["company_id"], row["email"]) if row else None
