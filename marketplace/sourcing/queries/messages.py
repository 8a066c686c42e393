"""Reads of what both sides of an order back wrote to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message on an order. ``author``: the person's name for its own company, which alone sees it; None for the other side."""

    id: UUID
    company_id: UUID
    company: str
    author: str | None
    text: str
    at: datetime


_MESSAGE = """
SELECT m.id, m.from_id AS company_id, c.name AS company, u.name AS author, m.text, m.at FROM call_message m
JOIN company c ON c.id = m.from_id LEFT JOIN user_account u ON u.id = m.author_id
"""


async def messages(session: AsyncSession, call_id: UUID, *, after: UUID | None, limit: int) -> Sequence[MessageRow]:
    """The messages on a visible order, oldest first, by keyset (``after``: the last one's id)."""
    rows = await fetch(
        session, _MESSAGE + "WHERE m.call_id = $1 AND ($2::uuid IS NULL OR m.id > $2) ORDER BY m.id LIMIT $3",
        call_id, after, limit,
    )  # fmt: skip
    return [MessageRow(**dict(r)) for r in rows]


async def latest_messages(
    session: AsyncSession, call_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[MessageRow]:
    """The newest of them (before ``before``), oldest first."""
    rows = await fetch(
        session, _MESSAGE + "WHERE m.call_id = $1 AND ($2::uuid IS NULL OR m.id < $2) ORDER BY m.id DESC LIMIT $3",
        call_id, before, limit,
    )  # fmt: skip
    return [MessageRow(**dict(r)) for r in reversed(rows)]
