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
