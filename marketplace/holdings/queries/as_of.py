"""Pages of where units sat and of what changed between two dates: the ledger's answers with bookmarks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.ledger import queries as ledger
from marketplace.ledger.queries import AsOf, Scope
from marketplace.parties.actor import Actor

BEGINNING = "1900-01-01T00:00:00+00:00"
"""Before anything was on record."""


async def units_then(
    session: AsyncSession, reader: Actor, then: AsOf, scope: Scope, *, after: str | None, limit: int, secret: str
) -> Page[ledger.AsOfRow]:
    """Line by line."""
    key = read_bookmark(after, secret, UUID, int)
    rows = await ledger.as_of(session, reader, then, scope, limit=limit + 1, after=(key[0], key[1]) if key else None)
    return cut(rows, limit, lambda r: [r.lot_id, r.position_id], secret)


async def places_then(
    session: AsyncSession, reader: Actor, then: AsOf, scope: Scope, *, after: str | None, limit: int, secret: str
) -> Page[ledger.PlaceSum]:
    """By part and place."""
    key = read_bookmark(after, secret, UUID, str, UUID, str)
    last = (key[0], key[1], key[2], key[3]) if key else None
    rows = await ledger.sums(session, reader, then, scope, limit=limit + 1, after=last)
    return cut(rows, limit, lambda r: r.key, secret)


async def places_changed(
    session: AsyncSession,
    reader: Actor,
    since: AsOf,
    until: AsOf,
    scope: Scope,
    *,
    after: str | None,
    limit: int,
    secret: str,
) -> Page[ledger.PlaceChange]:
    """Where anything came or went, by part and place."""
    key = read_bookmark(after, secret, UUID, str, UUID, str)
    last = (key[0], key[1], key[2], key[3]) if key else None
    rows = await ledger.differences(session, reader, since, until, scope, limit=limit + 1, after=last)
    return cut(rows, limit, lambda r: r.key, secret)


async def what_changed(
    session: AsyncSession,
    reader: Actor,
    since: AsOf,
    until: AsOf,
    scope: Scope,
    *,
    place: tuple[UUID, int] | None,
    after: str | None,
    limit: int,
    secret: str,
) -> Page[ledger.ChangeRow]:
    """The stock transactions behind a difference, as they happened."""
    key = read_bookmark(after, secret, datetime.fromisoformat, UUID, int)
    last = (key[0], key[1], key[2]) if key else None
    rows = await ledger.changes(session, reader, since, until, scope, place=place, limit=limit + 1, after=last)
    return cut(rows, limit, lambda r: [r.key[0].isoformat(), *r.key[1:]], secret)
