"""The framework agreements of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch

# The clauses of an agreement $1, in their order.
CLAUSES_OF = (
    "SELECT 0 AS n, clause, version FROM agreement WHERE id = $1 UNION ALL "
    "SELECT x.n::int, x.one ->> 'clause', (x.one ->> 'version')::int FROM agreement a, "
    "jsonb_array_elements(a.further) WITH ORDINALITY AS x (one, n) WHERE a.id = $1"
)


class FrameworkRow(NamedTuple):
    """A framework agreement and whose signature it has."""

    id: UUID
    clause_sha256: bytes
    maker_signed: bool
    holder_signed: bool


async def frameworks_of_agreement(session: AsyncSession, agreement_id: UUID) -> Sequence[UUID]:
    """The frameworks of an agreement's clauses, in their order."""
    rows = await fetch(
        session,
        "SELECT f.id FROM agreement a JOIN framework f ON f.maker_id = a.maker_id AND f.holder_id = a.holder_id "
        f"JOIN ({CLAUSES_OF}) c ON f.clause = c.clause AND f.version = c.version WHERE a.id = $1 ORDER BY c.n",
        agreement_id,
    )
    return [r["id"] for r in rows]


class FrameworkPaper(NamedTuple):
    """A framework agreement that a schedule stands under: for which clause, and since when it has whose signature."""

    reference: str
    clause: str
    version: int
    maker_signed_at: datetime | None
    holder_signed_at: datetime | None


async def framework_papers(session: AsyncSession, agreement_id: UUID) -> tuple[FrameworkPaper, ...]:
    """The frameworks of an agreement's clauses, in their order."""
    rows = await fetch(
        session,
        "SELECT f.reference, f.clause, f.version, f.maker_signed_at, f.holder_signed_at "
        "FROM agreement a JOIN framework f ON f.maker_id = a.maker_id AND f.holder_id = a.holder_id "
        f"JOIN ({CLAUSES_OF}) c ON f.clause = c.clause AND f.version = c.version WHERE a.id = $1 ORDER BY c.n",
        agreement_id,
    )
    return tuple(FrameworkPaper(**dict(r)) for r in rows)


async def frameworks_for_update(session: WriteSession, ids: Sequence[UUID]) -> Sequence[FrameworkRow]:
    """Locks frameworks in their order, after the agreement, then reads them in the order asked."""
    await fetch(session, "SELECT id FROM framework WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", list(ids))
    rows = await fetch(
        session,
        "SELECT id, clause_sha256, maker_signed_at IS NOT NULL AS maker_signed, "
        "holder_signed_at IS NOT NULL AS holder_signed FROM framework WHERE id = ANY($1::uuid[])",
        list(ids),
    )
    found = {r["id"]: FrameworkRow(**dict(r)) for r in rows}
    return [found[i] for i in ids]
