"""Reads of the searches that a person keeps: nobody else's, of the same company neither."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
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


FIRST = 200
"""Characters of the numbers that a list shows."""
_SEARCH = """
SELECT s.id, s.name, s.kind, {numbers} AS numbers,
       CASE WHEN s.numbers = '' THEN 0 ELSE array_length(regexp_split_to_array(s.numbers, '[\\r\\n]+'), 1) END AS count,
       s.filters, s.urgency, s.site_id, t.name AS site, s.created_at
FROM saved_search s LEFT JOIN site t ON t.id = s.site_id
WHERE s.company_id = $1 AND s.user_id = $2
"""


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
