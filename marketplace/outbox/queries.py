"""Reads of the outbox by position: what happened since, each once and none missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value


@dataclass(frozen=True, slots=True)
class Changed:
    """That something changed, and nothing of what: whoever may see it asks for it."""

    position: int
    aggregate: str
    aggregate_id: UUID


async def position(session: AsyncSession) -> int:
    """How far events have been placed, whosever they are; 0 before the first."""
    return int(await fetch_value(session, "SELECT outbox_position()"))


async def concerned(session: AsyncSession, behind: int, up_to: int) -> frozenset[UUID]:
    """The companies that something concerns which was placed after ``behind``."""
    rows = await fetch(session, "SELECT company_id FROM outbox_concerned($1, $2)", behind, up_to)
    return frozenset(r["company_id"] for r in rows)


async def changed(session: AsyncSession, company_id: UUID, behind: int, up_to: int, limit: int) -> Sequence[Changed]:
    """What concerns a company (the session's tenant) and was placed after ``behind``, up to ``up_to``, oldest first."""
    rows = await fetch(
        session,
        "SELECT position, aggregate, aggregate_id FROM outbox_event "
        "WHERE position > $2 AND position <= $3 AND $1 = ANY (company_ids) ORDER BY position LIMIT $4",
        company_id, behind, up_to, limit,
    )  # fmt: skip
    return [Changed(**dict(r)) for r in rows]
