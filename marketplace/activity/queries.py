"""Reads of the activity log: one statement over the places where acts were recorded, each by an index of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.activity.kinds import page as page_of
from marketplace.activity.kinds import words as words_of
from marketplace.db.session import fetch
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """Something that one of the company's people did."""

    at: datetime
    key: str
    source: str
    kind: str
    user_id: UUID
    person: str
    subject_id: str | None
    reference: str

    @property
    def words(self) -> str:
        """What was done."""
        return words_of(self.source, self.kind)

    @property
    def link(self) -> str:
        """The page of the record; empty where there is none."""
        return page_of(self.source, self.subject_id)


# What the clock did for the company was done by nobody.
_CLOCK = "'00000000-0000-0000-0000-000000000000'"
# source -> (columns after the key, tables, who, when, key)
_BRANCHES = {
    "order": (
        "e.kind, e.order_id::text, o.reference", "order_event e JOIN purchase_order o ON o.id = e.order_id", "e.actor_id", "e.at",
        "lpad(e.id::text, 20, '0')",
    ),
    "agreement": (
        "e.kind, a.id::text, coalesce(a.reference, '')", "agreement_event e LEFT JOIN agreement a ON a.id = e.subject_id", "e.actor_id",
        "e.at", "lpad(e.id::text, 20, '0')",
    ),
    "order_back": (
        "e.kind, e.call_id::text, c.reference", "call_event e JOIN call c ON c.id = e.call_id", "e.actor_id", "e.at",
        "lpad(e.id::text, 20, '0')",
    ),
    "request": ("'raised', e.id::text, e.reference", "requisition e", "e.requested_by", "e.created_at", "e.id::text"),
    "posting": ("'prepared', e.id::text, e.reference", "release e", "e.created_by", "e.created_at", "e.id::text"),
    "import": ("e.kind, e.id::text, e.file_name", "import_job e", "e.created_by", "e.created_at", "e.id::text"),
    "security": ("e.act, NULL, e.detail", "security_act e", "e.by_user_id", "e.at", "e.id::text"),
}  # fmt: skip


def _branch(source: str) -> str:
    columns, tables, who, when, key = _BRANCHES[source]
    # The company of an order back's event is the one that asked for the units, whoever acted: there one goes by person.
    by_person = source == "order_back"
    whose = f"{who} = p.id" if by_person else f"e.company_id = $1 AND {who} <> {_CLOCK}"
    found = (
        f"SELECT {when} AS at, '{source}:' || {key} AS key, '{source}' AS source, {who} AS user_id, {columns} FROM {tables} "
        f"WHERE {whose} AND ($4::text IS NULL OR $4 = '{source}') AND ($5::uuid IS NULL OR {who} = $5) "
        f"AND ($2::timestamptz IS NULL OR ({when} <= $2 AND ({when} < $2 OR '{source}:' || {key} < $3))) "
        "ORDER BY 1 DESC, 2 DESC LIMIT $6"
    )
    if by_person:
        return f"(SELECT f.* FROM user_account p CROSS JOIN LATERAL ({found}) AS f WHERE p.company_id = $1)"
    return f"({found})"


_ACTIVITY = (
    "SELECT x.at, x.key, x.source, x.kind, x.user_id, coalesce(u.name, '') AS person, x.subject_id, x.reference FROM (SELECT * FROM ("
    + " UNION ALL ".join(_branch(source) for source in _BRANCHES)
    + ") AS all_of_it (at, key, source, user_id, kind, subject_id, reference) ORDER BY at DESC, key DESC LIMIT $6) AS x "
    "LEFT JOIN user_account u ON u.id = x.user_id ORDER BY x.at DESC, x.key DESC"
)


async def activity(
    session: AsyncSession,
    actor: Actor,
    *,
    source: str | None = None,
    person: UUID | None = None,
    after: str | None,
    limit: int,
    secret: str,
) -> Page[ActivityRow]:
    """What the people of the actor's company did, newest first, by keyset: of all places, or of one ``source``; by everybody, or by
    one ``person``."""
    at, key = read_bookmark(after, secret, datetime.fromisoformat, str) or (None, None)
    rows = await fetch(session, _ACTIVITY, actor.company_id, at, key, source, person, limit + 1)
    return cut([ActivityRow(**dict(r)) for r in rows], limit, lambda row: [row.at, row.key], secret)
