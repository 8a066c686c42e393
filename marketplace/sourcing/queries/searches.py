"""Reads of the searches that a person keeps: nobody else's, of the same company neither."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.listings.queries import Wanted
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class SavedSearchRow:
    """A kept search. ``count``: lines of its numbers; in lists ``numbers`` holds the first of them."""

    id: UUID
    name: str
    kind: str
    numbers: str
    count: int
    filters: dict[str, str]
    urgency: str | None
    site_id: UUID | None
    site: str | None
    created_at: datetime
    notify: bool
    """Whether it tells what is new or cheaper."""


FIRST = 200
"""Characters of the numbers that a list shows."""
_SEARCH = """
SELECT s.id, s.name, s.kind, {numbers} AS numbers,
       CASE WHEN s.numbers = '' THEN 0 ELSE array_length(regexp_split_to_array(s.numbers, '[\\r\\n]+'), 1) END AS count,
       s.filters, s.urgency, s.site_id, t.name AS site, s.created_at, s.notify
FROM saved_search s LEFT JOIN site t ON t.id = s.site_id
WHERE s.company_id = $1 AND s.user_id = $2
"""


WANT = """
SELECT s.company_id, s.name, s.numbers, s.filters, u.email, h.lat, h.lon FROM saved_search s
JOIN user_account u ON u.id = s.user_id AND u.active
LEFT JOIN LATERAL (SELECT lat, lon FROM site WHERE company_id = s.company_id AND closed_at IS NULL
    ORDER BY (id = u.site_id) DESC NULLS LAST, id LIMIT 1) h ON true
WHERE s.id = $1
"""
"""A search with whom it tells and where distances count from."""


def filters_of(kept: Any) -> dict[str, str]:
    """The filters of a row, by name."""
    return dict(json.loads(kept) if isinstance(kept, str) else kept)


async def wants_due(session: AsyncSession, before: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """The want lists that were last looked at before then, the longest first (worker)."""
    rows = await fetch(
        session,
        "SELECT id FROM saved_search WHERE notify AND (looked_at IS NULL OR looked_at < $1) "
        "ORDER BY looked_at NULLS FIRST, id LIMIT $2",
        before, limit,
    )  # fmt: skip
    return [r["id"] for r in rows]


async def want_for_update(session: WriteSession, search_id: UUID) -> Any:
    """A want list that is still one, locked, with whom it tells; None where there is none any more (worker)."""
    await fetch(session, "SELECT id FROM saved_search WHERE id = $1 AND notify FOR NO KEY UPDATE", search_id)
    return await fetch_one(session, WANT + "AND s.notify", search_id)


def _row(r: Any) -> SavedSearchRow:
    values = dict(r)
    kept = values["filters"]
    return SavedSearchRow(**{**values, "filters": json.loads(kept) if isinstance(kept, str) else kept})


async def saved_searches(
    session: AsyncSession, actor: Actor, *, after: tuple[str, UUID] | None = None, limit: int
) -> Sequence[SavedSearchRow]:
    """The person's own by name, by keyset (``after``: the last one's name in small letters, and its id)."""
    name, last = after or (None, None)
    rows = await fetch(
        session, _SEARCH.format(numbers=f"left(s.numbers, {FIRST})")
        + "AND ($3::text IS NULL OR (lower(s.name), s.id) > ($3, $4::uuid)) ORDER BY lower(s.name), s.id LIMIT $5",
        actor.company_id, actor.user_id, name, last, limit,
    )  # fmt: skip
    return [_row(r) for r in rows]


async def saved_search(session: AsyncSession, actor: Actor, search_id: UUID) -> SavedSearchRow:
    """One of the person's own, whole. Raises ``search.not_found``."""
    row = await fetch_one(
        session, _SEARCH.format(numbers="s.numbers") + "AND s.id = $3", actor.company_id, actor.user_id, search_id
    )
    if row is None:
        raise missing("search.not_found", "You have no such saved search.")
    return _row(row)


async def search_named(session: AsyncSession, actor: Actor, name: str) -> tuple[UUID | None, int]:
    """The id of the person's search of that name, and how many the person has."""
    row = await fetch_one(
        session, "SELECT (array_agg(id) FILTER (WHERE lower(name) = lower($3)))[1] AS id, count(*) AS n FROM saved_search "
        "WHERE company_id = $1 AND user_id = $2", actor.company_id, actor.user_id, name,
    )  # fmt: skip
    return (None, 0) if row is None else (row["id"], row["n"])


def several(filters: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The values of a filter as it is kept: several stand with commas between them."""
    return tuple(dict.fromkeys(value for value in filters.get(name, "").split(",") if value))


def wanted_of(filters: Mapping[str, str], near: tuple[float, float] | None) -> Wanted:
    """The filters of a kept search, as offers are read by. What cannot be read filters nothing, as on the page."""
    return Wanted(
        classes=several(filters, "class"), conditions=several(filters, "condition"), clauses=several(filters, "clause"),
        uses=several(filters, "use"), sellers=_ids(filters, "seller"), makers=_ids(filters, "maker"),
        countries=several(filters, "country"), maximum_price=_amount(filters.get("max_price", "")),
        minimum_quantity=_whole(filters.get("min_quantity", "")), near=near,
        within_km=_whole(filters.get("within", "")) if near else None,
    )  # fmt: skip


def _ids(filters: Mapping[str, str], name: str) -> tuple[UUID, ...]:
    found = []
    for text in several(filters, name):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return tuple(found)


def _amount(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found < Decimal(10) ** 12 else None


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and 0 < len(text) < 10 else None
