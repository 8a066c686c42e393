"""Reads for finding what to release: own stock by rules, protected parts, approvals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.parts.numbers import after_prefix

MOST_OFFERED: Final = 1000
"""Lines that all that matches may have, to be taken into one draft."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What own stock has to be like to be a candidate; None = whatever. ``idle_since``: nothing was issued since that day (or ever, as
    far as is known); ``older_than``: its units were registered before; ``least_value``: list price (else unit cost) times what is free;
    ``least_months``: free units last at least so many months at the use of the last twelve (for ever where nothing was used)."""

    idle_since: date | None = None
    older_than: datetime | None = None
    least_value: Decimal | None = None
    least_months: int | None = None
    class_code: str | None = None
    site_id: UUID | None = None
    condition: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """Own free stock of a part at a site in a condition. ``value`` of ``left`` at the list price, else the unit cost."""

    part_id: UUID
    part_number: str
    description: str
    class_code: str | None
    uom: str
    site_id: UUID
    site: str
    condition: str
    left: int
    list_price: Decimal | None
    unit_cost: Decimal | None
    value: Decimal
    last_issue_on: date | None
    usage_12: int | None
    package_quantity: int

    @property
    def key(self) -> str:
        """As a check box says it."""
        return f"{self.part_id}|{self.site_id}|{self.condition}"

    @property
    def months(self) -> Decimal | None:
        """How long it lasts at the use of the last twelve months; None: nothing was used."""
        return Decimal(self.left * 12) / self.usage_12 if self.usage_12 else None


_PROTECTED: Final = """EXISTS (SELECT FROM part_protection f WHERE f.company_id = $1 AND f.part_id = {part}
    AND NOT EXISTS (SELECT FROM part_protection_ended e WHERE e.protection_id = f.id))"""
# What is on offer already is taken off, protected parts are never among them.
_MATCHING: Final = f"""
WITH own AS (
    SELECT p.part_id, p.site_id, p.condition, sum(p.quantity - p.held - coalesce(b.listed, 0))::bigint AS left
    FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN part t ON t.id = p.part_id
    LEFT JOIN LATERAL (
        SELECT sum(x.quantity) AS listed FROM listing_lot x WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id
    ) b ON true
    WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT l.frozen AND p.site_id IS NOT NULL
      AND ($2::text IS NULL OR t.class_code = $2) AND ($3::uuid IS NULL OR p.site_id = $3) AND ($4::text IS NULL OR p.condition = $4)
      AND ($5::text IS NULL OR (t.number_norm >= $5 COLLATE "C" AND t.number_norm < $6 COLLATE "C"))
      AND ($7::timestamptz IS NULL OR (
          SELECT m.occurred_at FROM movement m WHERE m.lot_id = p.lot_id ORDER BY m.seq LIMIT 1) < $7)
    GROUP BY p.part_id, p.site_id, p.condition
), found AS (
    SELECT o.part_id, t.number AS part_number, t.description, t.class_code, t.uom, o.site_id, s.name AS site, o.condition, o.left,
           coalesce(y.list_price, t.list_price) AS list_price, y.unit_cost,
           o.left * coalesce(y.list_price, t.list_price, y.unit_cost, 0) AS value, y.last_issue_on, y.usage_12,
           coalesce(y.package_quantity, 1)::int AS package_quantity
    FROM own o JOIN part t ON t.id = o.part_id JOIN site s ON s.id = o.site_id
    LEFT JOIN LATERAL (
        SELECT max(list_price) AS list_price, max(unit_cost) AS unit_cost, bool_or(protected) AS protected,
               max(last_issue_on) AS last_issue_on, sum(usage_12)::bigint AS usage_12, max(package_quantity) AS package_quantity
        FROM stock_line y WHERE y.company_id = $1 AND y.part_id = o.part_id AND y.site_id = o.site_id
    ) y ON true
    WHERE o.left > 0 AND NOT coalesce(y.protected, false) AND NOT {_PROTECTED.format(part="o.part_id")}
      AND ($8::date IS NULL OR y.last_issue_on IS NULL OR y.last_issue_on < $8)
      AND ($9::int IS NULL OR coalesce(y.usage_12, 0) = 0 OR o.left * 12 >= $9 * y.usage_12)
)
"""
_WHERE: Final = "WHERE ($10::numeric IS NULL OR value >= $10)"


def _given(company_id: UUID, rules: Rules) -> list[object]:
    number = rules.number or None
    return [
        company_id, rules.class_code, rules.site_id, rules.condition, number, after_prefix(number) if number else None, rules.older_than,
        rules.idle_since, rules.least_months, rules.least_value,
    ]  # fmt: skip


async def candidates(
    session: AsyncSession,
    company_id: UUID,
    rules: Rules,
    *,
    after: tuple[Decimal, UUID, UUID, str] | None = None,
    limit: int = 51,
) -> Sequence[CandidateRow]:
    """Own stock that the rules describe, the most money first; keyset: ``after`` is (value, part, site, condition) of the last row."""
    rows = await fetch(
        session,
        f"{_MATCHING} SELECT * FROM found {_WHERE} AND ($11::numeric IS NULL OR (-value, part_id, site_id, condition) > "
        "(-$11::numeric, $12::uuid, $13::uuid, $14::text)) ORDER BY -value, part_id, site_id, condition LIMIT $15",
        *_given(company_id, rules), *(after or (None,) * 4), limit,
    )  # fmt: skip
    return [CandidateRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class CandidateTotals:
    """How many lines and units the rules describe, and what they are worth."""

    lines: int
    units: int
    value: Decimal


async def candidate_totals(session: AsyncSession, company_id: UUID, rules: Rules) -> CandidateTotals:
    """One statement."""
    row = await fetch_one(
        session,
        f'{_MATCHING} SELECT count(*)::int AS lines, coalesce(sum("left"), 0)::bigint AS units, coalesce(sum(value), 0) AS value FROM found {_WHERE}',
        *_given(company_id, rules),
    )
    assert row is not None  # noqa: S101 - an aggregate
    return CandidateTotals(**dict(row))


@dataclass(frozen=True, slots=True)
class ProtectionRow:
    """A part that the company never releases."""

    id: UUID
    part_id: UUID
    part_number: str
    description: str
    reason: str
    stated_by: str | None
    stated_at: datetime


async def protections(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[ProtectionRow]:
    """Those in force, newest first."""
    rows = await fetch(
        session,
        "SELECT f.id, f.part_id, t.number AS part_number, t.description, f.reason, u.name AS stated_by, f.stated_at "
        "FROM part_protection f JOIN part t ON t.id = f.part_id LEFT JOIN user_account u ON u.id = f.stated_by "
        "WHERE f.company_id = $1 AND NOT EXISTS (SELECT FROM part_protection_ended e WHERE e.protection_id = f.id) "
        "AND ($2::uuid IS NULL OR f.id < $2) ORDER BY f.id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [ProtectionRow(**dict(r)) for r in rows]


async def release_limit(session: AsyncSession, company_id: UUID) -> Decimal | None:
    """Above which value a posting of the company needs a second person; None: it never does."""
    row = await fetch_one(
        session, "SELECT amount FROM release_limit WHERE company_id = $1 ORDER BY id DESC LIMIT 1", company_id
    )
    return row["amount"] if row else None


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """What was asked about a draft, and the answer. ``fingerprint``: of what it offered then."""

    id: UUID
    release_id: UUID
    release_reference: str
    title: str
    fingerprint: bytes
    amount: Decimal
    currency: str
    asked_by: UUID
    asked_by_name: str | None
    asked_at: datetime
    approved: bool | None
    reason: str | None
    answered_by: UUID | None
    answered_by_name: str | None
    answered_at: datetime | None


_APPROVAL: Final = """
SELECT q.id, q.release_id, r.reference AS release_reference, r.title, q.fingerprint, q.amount, r.currency, q.asked_by, u.name AS asked_by_name,
       q.asked_at, a.approved, a.reason, a.answered_by, w.name AS answered_by_name, a.answered_at
FROM release_approval q JOIN release r ON r.id = q.release_id LEFT JOIN release_approval_answer a ON a.approval_id = q.id
LEFT JOIN user_account u ON u.id = q.asked_by LEFT JOIN user_account w ON w.id = a.answered_by
"""


def _approval(r: asyncpg.Record) -> ApprovalRow:
    return ApprovalRow(**dict(r))


async def approvals(session: AsyncSession, company_id: UUID, release_id: UUID) -> Sequence[ApprovalRow]:
    """What was asked about a posting of the company, newest first; at most the newest 20."""
    rows = await fetch(
        session,
        _APPROVAL + "WHERE q.release_id = $1 AND r.company_id = $2 ORDER BY q.id DESC LIMIT 20",
        release_id,
        company_id,
    )
    return [_approval(r) for r in rows]


async def free_of_lines(
    session: WriteSession, release_id: UUID
) -> dict[tuple[UUID, UUID, str], tuple[int, Decimal | None, Decimal | None]]:
    """By (part, site, condition) of a draft's lines: how many could be offered in all, the line's own units among them, list price, unit cost. One
    statement."""
    rows = await fetch(
        session,
        """
        SELECT l.part_id, l.site_id, l.condition, coalesce(p.free, 0)::int AS free, coalesce(y.list_price, t.list_price) AS list_price, y.unit_cost
        FROM listing l JOIN part t ON t.id = l.part_id
        LEFT JOIN LATERAL (
            SELECT sum(greatest(p.quantity - p.held - coalesce((SELECT sum(x.quantity) FROM listing_lot x
                       WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id AND x.listing_id <> l.id), 0), 0)) AS free
            FROM position p JOIN lot k ON k.lot_id = p.lot_id
            WHERE p.owner_id = l.company_id AND p.holder_id = l.company_id AND p.part_id = l.part_id AND p.site_id = l.site_id
              AND p.condition = l.condition AND p.agreement_id IS NULL AND p.quantity > 0 AND NOT k.frozen
        ) p ON true
        LEFT JOIN LATERAL (
            SELECT max(list_price) AS list_price, max(unit_cost) AS unit_cost FROM stock_line y
            WHERE y.company_id = l.company_id AND y.part_id = l.part_id AND y.site_id = l.site_id
        ) y ON true
        WHERE l.release_id = $1
        """,
        release_id,
    )
    return {(r["part_id"], r["site_id"], r["condition"]): (r["free"], r["list_price"], r["unit_cost"]) for r in rows}
