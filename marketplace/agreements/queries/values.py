"""Published index values, and what sides of an agreement have stated of its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch


@dataclass(frozen=True, slots=True)
class IndexSeries:
    """An index: how many months are known, the newest of them with its value, who publishes it; ``ended``: no longer."""

    series: str
    months: int
    month: str
    value: Decimal | None
    source: str
    published_at: datetime
    ended: bool


async def index_series(session: AsyncSession, *, after: str = "", limit: int = 50) -> Sequence[IndexSeries]:
    """The indexes that are on record, by name."""
    rows = await fetch(
        session,
        """
        WITH RECURSIVE named AS (
            (SELECT series FROM index_value WHERE series > $1 ORDER BY series LIMIT 1)
            UNION ALL
            SELECT (SELECT v.series FROM index_value v WHERE v.series > n.series ORDER BY v.series LIMIT 1)
            FROM named n WHERE n.series IS NOT NULL
        )
        SELECT n.series, c.months, c.ended, l.month, l.value, l.source, l.published_at
        FROM (SELECT series FROM named WHERE series IS NOT NULL LIMIT $2) n
        CROSS JOIN LATERAL (SELECT count(DISTINCT month)::int AS months, bool_or(value IS NULL) AS ended
                            FROM index_value v WHERE v.series = n.series) c
        CROSS JOIN LATERAL (SELECT month, value, source, published_at FROM index_value v WHERE v.series = n.series
                            ORDER BY month DESC, published_at DESC LIMIT 1) l
        """,
        after,
        limit,
    )
    return [IndexSeries(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class IndexValue:
    """A published value of a month (such as 2026-11), or that the index is no longer published (None). A correction is another
    row of the same month, published later."""

    month: str
    value: Decimal | None
    published_at: datetime
    source: str


async def index_values(
    session: AsyncSession, series: str, *, before: tuple[str, str] | None = None, limit: int = 60
) -> Sequence[IndexValue]:
    """The values of an index, newest month first, of a month the newest publication first; ``before``: month and moment of
    the last row of the page before."""
    month, at = before or (None, None)
    rows = await fetch(
        session,
        "SELECT month, value, published_at, source FROM index_value WHERE series = $1 "
        "AND ($2::text IS NULL OR (month, published_at) < ($2, $3::timestamptz)) "
        "ORDER BY month DESC, published_at DESC LIMIT $4",
        series,
        month,
        datetime.fromisoformat(at) if at else None,
        limit,
    )
    return [IndexValue(**dict(r)) for r in rows]


async def index_line(session: AsyncSession, series: str, *, months: int = 240) -> Sequence[tuple[date, Decimal | None]]:
    """The newest ``months`` of an index as they count now, oldest first, by the first day of the month."""
    rows = await fetch(
        session,
        "SELECT * FROM (SELECT DISTINCT ON (month) to_date(month, 'YYYY-MM') AS day, value FROM index_value WHERE series = $1 "
        "AND published_at <= now() ORDER BY month DESC, published_at DESC LIMIT $2) n ORDER BY day",
        series,
        months,
    )
    return [(r["day"], r["value"]) for r in rows]


@dataclass(frozen=True, slots=True)
class StatedValue:
    """What a side stated of a unit under an agreement."""

    id: UUID
    part_id: UUID
    kind: str
    amount: Decimal
    source: str
    valued_on: date
    company: str
    at: datetime


async def stated_values(session: AsyncSession, agreement_id: UUID) -> Sequence[StatedValue]:
    """The newest fifty statements under an agreement, newest first."""
    rows = await fetch(
        session,
        "SELECT v.id, v.part_id, v.kind, v.amount, v.source, v.valued_on, c.name AS company, v.at "
        "FROM unit_value v JOIN company c ON c.id = v.company_id WHERE v.agreement_id = $1 ORDER BY v.id DESC LIMIT 50",
        agreement_id,
    )
    return [StatedValue(**dict(r)) for r in rows]
