"""Reads that a run of the watch is reckoned from: a fixed number of statements, however many parts there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.covered import IN_FORCE
from marketplace.db.session import fetch

_STATES = ", ".join(f"'{s}'" for s in sorted(IN_FORCE))


async def asked_by_month(session: AsyncSession, company_id: UUID, since: datetime) -> Sequence[tuple[UUID, int, float]]:
    """(part, month as year * 12 + month - 1, units) of parts requests for the company's parts, which stand for demand where no file
    tells it. What was called off was not asked for."""
    rows = await fetch(
        session,
        "SELECT r.part_id, (extract(year FROM r.created_at) * 12 + extract(month FROM r.created_at) - 1)::int AS month, "
        "sum(r.quantity)::float8 AS units FROM requisition r WHERE r.maker_id = $1 AND r.created_at >= $2 AND r.status <> 'cancelled' "
        # A request that the watch proposed brings units home; the field did not ask for them.
        "AND NOT EXISTS (SELECT FROM watch_request w WHERE w.requisition_id = r.id) GROUP BY 1, 2",
        company_id, since,
    )  # fmt: skip
    return [(r["part_id"], r["month"], r["units"]) for r in rows]


async def levels(session: AsyncSession, company_id: UUID) -> Mapping[UUID, int]:
    """Criticality of the parts that one is stated of."""
    rows = await fetch(session, "SELECT part_id, level FROM part_criticality WHERE company_id = $1", company_id)
    return {r["part_id"]: r["level"] for r in rows}


async def companies_to_watch(session: AsyncSession, since: datetime) -> Sequence[UUID]:
    """Manufacturers with a right in force that the clock has to look at (worker): no run of theirs is younger than ``since``."""
    rows = await fetch(
        session,
        f"SELECT DISTINCT a.maker_id FROM agreement a WHERE a.status IN ({_STATES}) AND a.window_closes_at > $1 ORDER BY a.maker_id",
        since,
    )
    return [r["maker_id"] for r in rows]
