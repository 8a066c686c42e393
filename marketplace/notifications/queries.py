"""Reads of notifications: each person's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.notifications.kinds import KINDS, USUAL, How
from marketplace.parties.actor import Actor

MOST_COUNTED = 100
"""A bell shows no more than this."""


class Standing(NamedTuple):
    """What every page says of a person: how many notifications are unread (to ``MOST_COUNTED``), and up to which position of the
    outbox the page knows everything."""

    unread: int
    position: int


async def standing(session: AsyncSession, actor: Actor) -> Standing:
    """Asked before the rest of a page is read, so that the page is at least as new; one statement."""
    row = await fetch_one(
        session,
        "SELECT outbox_position() AS position, (SELECT count(*) FROM (SELECT FROM notification "
        "WHERE user_id = $1 AND company_id = $2 AND unread LIMIT $3) AS n) AS unread",
        actor.user_id, actor.company_id, MOST_COUNTED,
    )  # fmt: skip
    assert row is not None  # noqa: S101 - it always answers
    return Standing(row["unread"], row["position"])


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """What a person was told."""

    id: UUID
    kind: str
    subject: str
    text: str
    link: str
    urgent: bool
    at: datetime
    read_at: datetime | None

    @property
    def about(self) -> str:
        """Its kind in words."""
        return KINDS.get(self.kind, KINDS["other"])


_ROW = "SELECT id, kind, subject, text, link, urgent, at, read_at FROM notification "


async def notifications(
    session: AsyncSession, actor: Actor, *, unread: bool = False, after: str | None, limit: int, secret: str
) -> Page[NotificationRow]:
    """What the person was told: unread before the rest, the newest first; by keyset."""
    flag, last = read_bookmark(after, secret, bool, UUID) or (None, None)
    rows = await fetch(
        session,
        _ROW + "WHERE user_id = $1 AND company_id = $2 AND (unread OR NOT $3) "
        "AND ($4::bool IS NULL OR (unread, id) < ($4, $5)) ORDER BY unread DESC, id DESC LIMIT $6",
        actor.user_id, actor.company_id, unread, flag, last, limit + 1,
    )  # fmt: skip
    found = [NotificationRow(**dict(r)) for r in rows]
    return cut(found, limit, lambda row: [row.read_at is None, row.id], secret)


async def notification(session: AsyncSession, actor: Actor, notification_id: UUID) -> NotificationRow | None:
    """One of the person's own, or None."""
    row = await fetch_one(
        session, _ROW + "WHERE id = $1 AND user_id = $2 AND company_id = $3",
        notification_id, actor.user_id, actor.company_id,
    )  # fmt: skip
    return NotificationRow(**dict(row)) if row else None


async def choices(session: AsyncSession, actor: Actor) -> Mapping[str, How]:
    """How the person is told of each kind."""
    rows = await fetch(
        session, "SELECT kind, how FROM notification_choice WHERE user_id = $1 AND company_id = $2",
        actor.user_id, actor.company_id,
    )  # fmt: skip
    chosen = {r["kind"]: How(r["how"]) for r in rows}
    return {kind: chosen.get(kind, USUAL) for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody a mail is for, who has an account. ``email``: as the mail names it."""

    email: str
    user_id: UUID
    company_id: UUID
    active: bool
    how: How


async def readers(session: AsyncSession, emails: Sequence[str], kind: str) -> Sequence[Reader]:
    """Of these addresses those by which somebody signs in, with how each wants to be told (worker)."""
    rows = await fetch(
        session,
        "SELECT t.email, u.id AS user_id, u.company_id, u.active, coalesce(c.how, $3) AS how "
        "FROM unnest($1::text[]) AS t (email) JOIN user_account u ON lower(u.email) = lower(t.email) "
        "LEFT JOIN notification_choice c ON c.user_id = u.id AND c.kind = $2",
        list(emails), kind, USUAL.value,
    )  # fmt: skip
    return [Reader(**{**dict(r), "how": How(r["how"])}) for r in rows]


class Waiting(NamedTuple):
    """Somebody for whom a mail of a day waits: where it works, and the day of the one before."""

    user_id: UUID
    company_id: UUID
    email: str
    zone: str
    last: date | None


async def waiting(session: AsyncSession) -> Sequence[Waiting]:
    """Everybody for whom something waits that stands in no mail yet and was not read (worker)."""
    rows = await fetch(
        session,
        "SELECT u.id AS user_id, u.company_id, u.email, coalesce(s.timezone, h.timezone, 'UTC') AS zone, d.day AS last "
        "FROM (SELECT DISTINCT user_id FROM notification WHERE daily AND digest_id IS NULL AND read_at IS NULL) AS n "
        "JOIN user_account u ON u.id = n.user_id AND u.active LEFT JOIN site s ON s.id = u.site_id "
        "LEFT JOIN LATERAL (SELECT timezone FROM site WHERE company_id = u.company_id AND closed_at IS NULL ORDER BY id LIMIT 1) h "
        "ON true LEFT JOIN LATERAL (SELECT max(day) AS day FROM notification_digest WHERE user_id = u.id) d ON true ORDER BY u.id",
    )
    return [Waiting(**dict(r)) for r in rows]
