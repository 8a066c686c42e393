"""Notices: a holder says that it wants to use, fit or scrap units; the maker has some days to order them instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.outcomes import Act
from marketplace.db.session import fetch, fetch_value

LONGEST = timedelta(days=800)
"""No clause lets a notice and its clearance run longer than this together: how far back a list of open ones looks."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A holder's notice of an act, and how many of its units have not been acted on yet. From ``clear_from`` until
    ``clear_until`` it may act, unless the maker orders the units before; None for notices older than these columns."""

    id: int
    act: Act
    part_id: UUID
    quantity: int
    left: int
    at: datetime
    clear_from: datetime | None
    clear_until: datetime | None

    def standing(self, now: datetime) -> str:
        """'used', 'running' (the maker may still order the units), 'cleared' (the holder may act) or 'stale'."""
        if self.left <= 0:
            return "used"
        if self.clear_from is None or self.clear_until is None or now >= self.clear_until:
            return "stale"
        return "running" if now < self.clear_from else "cleared"


_COLUMNS = """
n.id, n.detail->>'act' AS act, (n.detail->>'part_id')::uuid AS part_id, (n.detail->>'quantity')::int AS quantity, n.at,
(n.detail->>'quantity')::int - coalesce((
    SELECT sum((u.detail->>'quantity')::int) FROM agreement_event u
    WHERE u.subject_id = n.subject_id AND u.kind = 'notice_used' AND (u.detail->>'notice')::int = n.id
), 0)::int AS "left", (n.detail->>'clear_from')::timestamptz AS clear_from,
(n.detail->>'clear_until')::timestamptz AS clear_until
"""


async def notices(session: AsyncSession, agreement_id: UUID) -> Sequence[Notice]:
    """The holder's notices under an agreement, oldest first, with what is left of each."""
    rows = await fetch(
        session,
        f"SELECT {_COLUMNS} FROM agreement_event n WHERE n.subject_id = $1 AND n.kind = 'notice' ORDER BY n.id",
        agreement_id,
    )
    return [Notice(**{**dict(r), "act": Act(r["act"])}) for r in rows]


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in a list, with its agreement, part and the two sides."""

    notice: Notice
    agreement_id: UUID
    agreement: str
    part_number: str
    description: str
    uom: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    zone: str


async def open_notices(
    session: AsyncSession, company_id: UUID, now: datetime, *, after: int | None = None, limit: int = 50
) -> Sequence[NoticeRow]:
    """Notices to or from a company that are running or cleared and not used up, newest first."""
    rows = await fetch(
        session,
        f"""
        SELECT * FROM (
            SELECT {_COLUMNS}, a.id AS agreement_id, a.reference AS agreement, p.number AS part_number, p.description,
                   p.uom, a.maker_id, m.name AS maker, a.holder_id, h.name AS holder, a.zone
            FROM agreement_event n
            JOIN agreement a ON a.id = n.subject_id
            JOIN company m ON m.id = a.maker_id JOIN company h ON h.id = a.holder_id
            JOIN part p ON p.id = (n.detail->>'part_id')::uuid
            WHERE n.kind = 'notice' AND (n.maker_id = $1 OR n.holder_id = $1) AND n.at > $2
              AND (n.detail->>'clear_until')::timestamptz > $3 AND ($4::bigint IS NULL OR n.id < $4)
        ) o WHERE o.left > 0 ORDER BY o.id DESC LIMIT $5
        """,
        company_id,
        now - LONGEST,
        now,
        after,
        limit,
    )
    names = ("id", "part_id", "quantity", "left", "at", "clear_from", "clear_until")
    return [
        NoticeRow(
            Notice(act=Act(r["act"]), **{n: r[n] for n in names}), r["agreement_id"], r["agreement"], r["part_number"],
            r["description"], r["uom"], r["maker_id"], r["maker"], r["holder_id"], r["holder"], r["zone"],
        )
        for r in rows
    ]  # fmt: skip


async def notices_running(session: AsyncSession, company_id: UUID, now: datetime) -> int:
    """How many notices to this maker still run: units it may order before the holder uses or scraps them."""
    count: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM agreement_event n WHERE n.kind = 'notice' AND n.maker_id = $1 AND n.at > $2 "
        "AND (n.detail->>'clear_from')::timestamptz > $3",
        company_id,
        now - LONGEST,
        now,
    )
    return count
