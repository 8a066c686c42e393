"""Searches that a person keeps under a name."""

from __future__ import annotations

import json
from uuid import UUID

from marketplace.db.session import WriteSession, fetch_value
from marketplace.kit.errors import busy, conflict
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries
from marketplace.sourcing.searches import MOST_SAVED, Search, checked, checked_name

_ATTEMPTS = 3
# The first free slot: the database, not a count that somebody else may be making as well, says when there is none.
_KEEP = """
INSERT INTO saved_search (company_id, user_id, slot, name, kind, numbers, filters, urgency, site_id)
SELECT $1, $2, n, $3, $4, $5, $6::jsonb, $7, $8 FROM generate_series(1, $9::int) n
WHERE NOT EXISTS (SELECT FROM saved_search s WHERE s.company_id = $1 AND s.user_id = $2 AND s.slot = n)
ORDER BY n LIMIT 1
ON CONFLICT DO NOTHING RETURNING id
"""


async def save_search(session: WriteSession, actor: Actor, name: str, search: Search) -> UUID:
    """Keeps a search for the person alone; its id. Raises ``search.name``, ``search.name_taken``, ``search.too_many``,
    ``search.filter``, ``search.empty``, ``site.not_found``."""
    plain, what = checked_name(name), checked(search)
    if what.kind == "units":
        actor.require("sourcing.read")
    if what.site_id is not None:
        await parties.own_site(session, actor, what.site_id)
    for _ in range(_ATTEMPTS):
        made = await fetch_value(
            session, _KEEP, actor.company_id, actor.user_id, plain, what.kind, what.numbers, json.dumps(dict(what.filters)),
            what.urgency, what.site_id, MOST_SAVED,
        )  # fmt: skip
        if made is not None:
            return UUID(str(made))
        await _refuse(session, actor, plain)
    raise busy("search.busy", "You are saving other searches at the same time. Try again.")


async def _refuse(session: WriteSession, actor: Actor, name: str) -> None:
    known, count = await queries.search_named(session, actor, name)
    if known is not None:
        raise conflict(
            "search.name_taken", f"You have a search named '{name}' already. Choose another name, or delete that one first.",
            field="name",
        )  # fmt: skip
    if count >= MOST_SAVED:
        raise conflict(
            "search.too_many", f"You keep {MOST_SAVED} searches already. Delete one that you no longer need."
        )


async def rename_search(session: WriteSession, actor: Actor, search_id: UUID, name: str) -> None:
    """Raises ``search.not_found``, ``search.name``, ``search.name_taken``."""
    plain = checked_name(name)
    await queries.saved_search(session, actor, search_id)
    known, _ = await queries.search_named(session, actor, plain)
    if known not in (None, search_id):
        await _refuse(session, actor, plain)
    await fetch_value(
        session, "UPDATE saved_search SET name = $4 WHERE company_id = $1 AND user_id = $2 AND id = $3 RETURNING id",
        actor.company_id, actor.user_id, search_id, plain,
    )  # fmt: skip


async def delete_search(session: WriteSession, actor: Actor, search_id: UUID) -> None:
    """Raises ``search.not_found``."""
    await queries.saved_search(session, actor, search_id)
    await fetch_value(
        session, "DELETE FROM saved_search WHERE company_id = $1 AND user_id = $2 AND id = $3 RETURNING id",
        actor.company_id, actor.user_id, search_id,
    )  # fmt: skip
