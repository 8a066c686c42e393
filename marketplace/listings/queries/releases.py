"""Releases: lists, one, and how far a company has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release with how much of it is offered and ordered. ``further``: clauses beside the first, as they are kept."""

    id: UUID
    reference: str
    company_id: UUID
    title: str
    clause: str
    version: int
    terms: dict[str, Any]
    further: list[dict[str, Any]]
    use_class: str
    payment_days: int
    """The price is due so many days after the receipt."""
    currency: str
    audience: str
    audience_ids: list[UUID]
    open_from: datetime | None
    """From then on it is for everyone, where it is not from the beginning."""
    status: str
    created_at: datetime
    published_at: datetime | None
    lines: int
    quantity: int
    ordered: int
    value: Decimal


_RELEASE = """
SELECT r.id, r.reference, r.company_id, r.title, r.clause, r.version, r.terms, r.further, r.use_class, r.payment_days, r.currency, r.audience,
       r.audience_ids, r.open_from, r.status, r.created_at, r.published_at, t.lines, t.quantity, t.ordered, t.value
FROM (SELECT * FROM release_seen r {where}) r CROSS JOIN LATERAL (
    SELECT count(l.id)::int AS lines, coalesce(sum(l.quantity), 0)::bigint AS quantity,
           coalesce(sum(l.ordered), 0)::bigint AS ordered, coalesce(sum(l.quantity * l.unit_price), 0) AS value
    FROM listing_seen l WHERE l.release_id = r.id
) t ORDER BY r.id DESC
"""


def approvals_waiting(company: str, user: str) -> str:
    """SQL: the ids of a company's drafts that wait for a person to approve them. Who asked does not approve; of several times that was
    asked the last counts."""
    return (
        f"SELECT d.id FROM release d JOIN LATERAL (SELECT q.id, q.asked_by FROM release_approval q WHERE q.release_id = d.id "
        f"ORDER BY q.id DESC LIMIT 1) q ON true WHERE d.company_id = {company} AND d.status = 'draft' AND q.asked_by <> {user} "
        "AND NOT EXISTS (SELECT 1 FROM release_approval_answer w WHERE w.approval_id = q.id)"
    )


async def releases(
    session: AsyncSession,
    company_id: UUID,
    *,
    status: str | None = None,
    waits_for: UUID | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[ReleaseRow]:
    """The company's releases, newest first; up to ``limit`` for kit.pages.cut. ``waits_for``: those that this person is to approve."""
    rows = await fetch(
        session,
        _RELEASE.format(
            where="WHERE r.company_id = $1 AND ($2::text IS NULL OR r.status = $2) AND ($3::uuid IS NULL OR r.id < $3) "
            f"AND ($5::uuid IS NULL OR r.id IN ({approvals_waiting('$1', '$5')})) ORDER BY r.id DESC LIMIT $4"
        ),
        company_id, status, after, limit, waits_for,
    )  # fmt: skip
    return [ReleaseRow(**dict(r)) for r in rows]


async def release(session: AsyncSession, release_id: UUID) -> ReleaseRow:
    """One visible release. Raises ``release.not_found``."""
    row = await fetch_one(session, _RELEASE.format(where="WHERE r.id = $1"), release_id)
    if row is None:
        raise missing("release.not_found", "No such surplus posting.")
    return ReleaseRow(**dict(row))


async def own_release(session: AsyncSession, company_id: UUID, release_id: UUID) -> ReleaseRow:
    """One of the company's own. Raises ``release.not_found`` also for somebody else's."""
    found = await release(session, release_id)
    if found.company_id != company_id:
        raise missing("release.not_found", "No such surplus posting of yours.")
    return found


async def release_for_update(session: WriteSession, release_id: UUID, company_id: UUID) -> ReleaseRow:
    """The same, locked, and the company's own. Raises ``release.not_found``."""
    known = await fetch_value(
        session, "SELECT 1 FROM release WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE", release_id, company_id
    )
    if known is None:
        raise missing("release.not_found", "No such surplus posting of yours.")
    return await release(session, release_id)


@dataclass(frozen=True, slots=True)
class Begun:
    """Whether a company has done the first steps: what its home page says next depends on it."""

    stock: bool
    releases: bool
    sites: bool


async def begun(session: AsyncSession, company_id: UUID) -> Begun:
    """Which first steps a company has done; one statement."""
    row = await fetch_one(
        session,
        "SELECT EXISTS (SELECT 1 FROM position WHERE owner_id = $1 AND quantity > 0) AS stock, "
        "EXISTS (SELECT 1 FROM release WHERE company_id = $1) AS releases, "
        "EXISTS (SELECT 1 FROM site WHERE company_id = $1 AND closed_at IS NULL) AS sites",
        company_id,
    )
    return Begun(**dict(row)) if row else Begun(stock=False, releases=False, sites=False)


async def clause_versions(session: AsyncSession) -> Sequence[tuple[str, int, str, str]]:
    """(clause, version, title, hash of its text) of every published clause version."""
    rows = await fetch(session, "SELECT clause, version, title, sha256 FROM clause_version ORDER BY clause, version")
    return [(r["clause"], r["version"], r["title"], r["sha256"].hex()) for r in rows]
