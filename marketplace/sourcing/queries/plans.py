"""Plans over many requests, and the rates by which they compare prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.sourcing.rates import Rate


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A kept plan. ``shown`` is None in lists."""

    id: UUID
    reference: str
    company_id: UUID
    made_by: UUID
    made_at: datetime
    requests: tuple[UUID, ...]
    rules: dict[str, Any]
    shown: dict[str, Any] | None
    total_minor: int
    currency: str
    units: int
    unmet: int
    confirmed_at: datetime | None
    calls: tuple[UUID, ...]
    waiting: int


def _plan(shown: str) -> str:
    return f"""
SELECT p.id, p.reference, p.company_id, p.made_by, p.made_at, p.requests, p.rules, {shown} AS shown,
       p.total_minor, p.currency, p.units, p.unmet,
       c.confirmed_at, coalesce(c.calls, '{{}}') AS calls, coalesce(c.waiting, 0) AS waiting
FROM sourcing_plan p LEFT JOIN sourcing_plan_confirmed c ON c.plan_id = p.id
"""


def _row(r: Any) -> PlanRow:
    return PlanRow(**{**dict(r), "requests": tuple(r["requests"]), "calls": tuple(r["calls"])})


async def plans(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[PlanRow]:
    """The company's plans, newest first, without what they say."""
    rows = await fetch(
        session,
        _plan("NULL::jsonb")
        + "WHERE p.company_id = $1 AND ($2::uuid IS NULL OR p.id < $2) ORDER BY p.id DESC LIMIT $3",
        company_id,
        after,
        limit,
    )
    return [_row(r) for r in rows]


async def kept_plan(session: AsyncSession, plan_id: UUID) -> PlanRow:
    """One plan of the tenant's company. Raises ``plan.not_found``."""
    row = await fetch_one(session, _plan("p.shown") + "WHERE p.id = $1", plan_id)
    if row is None:
        raise missing("plan.not_found", "No such plan.")
    return _row(row)


async def newest_rates(session: AsyncSession, company_id: UUID, into: str, day: date) -> dict[str, Rate]:
    """By currency the company's newest rate into ``into`` that is not of a day after ``day``."""
    rows = await fetch(
        session,
        'SELECT DISTINCT ON (currency) currency, "into", day, rate, source FROM currency_rate '
        'WHERE company_id = $1 AND "into" = $2 AND day <= $3 ORDER BY currency, day DESC, id DESC',
        company_id, into, day,
    )  # fmt: skip
    return {r["currency"]: Rate(**dict(r)) for r in rows}


@dataclass(frozen=True, slots=True)
class StatedRate:
    """A rate as it was stated, and when."""

    id: UUID
    currency: str
    into: str
    day: date
    rate: Decimal
    source: str
    recorded_at: datetime


async def rates_stated(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[StatedRate]:
    """Everything that the company stated, newest first."""
    rows = await fetch(
        session,
        'SELECT id, currency, "into", day, rate, source, recorded_at FROM currency_rate '
        "WHERE company_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [StatedRate(**dict(r)) for r in rows]
