"""Reads of settlement. Only payer and payee see a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """What one company owes another, and why."""

    id: UUID
    reference: str
    payer_id: UUID
    payer: str
    payee_id: UUID
    payee: str
    kind: str
    cause_id: UUID
    cause_reference: str
    agreement_id: UUID | None
    agreement: str | None
    part_id: UUID
    number: str
    description: str
    uom: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    currency: str
    words: str
    due_on: date
    payer_marked_at: datetime | None
    payee_marked_at: datetime | None
    created_at: datetime

    @property
    def settled(self) -> bool:
        """Whether both sides have marked it."""
        return self.payer_marked_at is not None and self.payee_marked_at is not None

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Sides that have not marked it."""
        marks = (("payer", self.payer_marked_at), ("payee", self.payee_marked_at))
        return tuple(side for side, at in marks if at is None)


_LINE = """
SELECT l.id, l.reference, l.payer_id, p.name AS payer, l.payee_id, q.name AS payee, l.kind, l.cause_id, l.cause_reference,
       l.agreement_id, a.reference AS agreement, l.part_id, t.number, t.description, t.uom, l.quantity, l.unit_price,
       l.amount, l.currency, l.words, l.due_on, l.payer_marked_at, l.payee_marked_at, l.created_at
FROM settlement_line l JOIN company p ON p.id = l.payer_id JOIN company q ON q.id = l.payee_id
JOIN part t ON t.id = l.part_id LEFT JOIN agreement a ON a.id = l.agreement_id
"""


@dataclass(frozen=True, slots=True)
class SettlementFilter:
    """Which lines; None = any. ``side``: payer = we owe, payee = we are owed. ``state``: open, waiting (for our
    mark), half (for our mark alone: the other side has marked it) or settled. ``due_before``: due earlier than that day and still open."""

    side: str | None = None
    state: str | None = None
    other_id: UUID | None = None
    due_before: date | None = None
    reference: str | None = None


# Marked by the other side alone; said as the two partial indexes say it.
_HALF = """(l.payer_id = $1 AND l.payer_marked_at IS NULL AND l.payee_marked_at IS NOT NULL
                            OR l.payee_id = $1 AND l.payee_marked_at IS NULL AND l.payer_marked_at IS NOT NULL)"""


async def half_marked(session: AsyncSession, company_id: UUID) -> int:
    """How many lines the other side has marked as settled and this company has not."""
    count: int = await fetch_value(session, f"SELECT count(*)::int FROM settlement_line l WHERE {_HALF}", company_id)
    return count


async def settlement_lines(
    session: AsyncSession,
    actor: Actor,
    wanted: SettlementFilter,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[SettlementRow]:
    """What the actor's company owes and is owed, newest first."""
    key = read_bookmark(after, secret, datetime.fromisoformat, UUID)
    rows = await fetch(
        session,
        _LINE
        + f"""
        WHERE (l.payer_id = $1 AND $2::text IS DISTINCT FROM 'payee' OR l.payee_id = $1 AND $2 IS DISTINCT FROM 'payer')
          AND CASE $3::text
              WHEN 'settled' THEN l.payer_marked_at IS NOT NULL AND l.payee_marked_at IS NOT NULL
              WHEN 'open' THEN l.payer_marked_at IS NULL OR l.payee_marked_at IS NULL
              WHEN 'half' THEN {_HALF}
              WHEN 'waiting' THEN l.payer_id = $1 AND l.payer_marked_at IS NULL
                               OR l.payee_id = $1 AND l.payee_marked_at IS NULL
              ELSE true END
          AND ($4::uuid IS NULL OR l.payer_id = $4 OR l.payee_id = $4)
          AND ($5::date IS NULL OR l.due_on < $5 AND (l.payer_marked_at IS NULL OR l.payee_marked_at IS NULL))
          AND ($6::timestamptz IS NULL OR (l.created_at, l.id) < ($6, $7::uuid))
          AND ($9::text IS NULL OR l.reference = upper($9))
        ORDER BY l.created_at DESC, l.id DESC LIMIT $8
        """,
        actor.company_id,
        wanted.side,
        wanted.state,
        wanted.other_id,
        wanted.due_before,
        key[0] if key else None,
        key[1] if key else None,
        limit + 1,
        wanted.reference,
    )
    return cut([SettlementRow(**dict(r)) for r in rows], limit, lambda r: [r.created_at, r.id], secret)


async def settlement_line(session: AsyncSession, line_id: UUID) -> SettlementRow:
    """One line. Raises ``settlement.not_found``."""
    row = await fetch_one(session, _LINE + "WHERE l.id = $1", line_id)
    if row is None:
        raise missing("settlement.not_found", "No such settlement line.")
    return SettlementRow(**dict(row))


async def settlement_line_for_update(session: WriteSession, line_id: UUID) -> SettlementRow:
    """One line, locked and read after that. Raises ``settlement.not_found``."""
    await fetch(session, "SELECT id FROM settlement_line WHERE id = $1 FOR NO KEY UPDATE", line_id)
    return await settlement_line(session, line_id)


async def lines_of_cause(session: AsyncSession, cause_id: UUID) -> Sequence[SettlementRow]:
    """What is owed for one cause (a call), oldest first."""
    rows = await fetch(session, _LINE + "WHERE l.cause_id = $1 ORDER BY l.created_at, l.id", cause_id)
    return [SettlementRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class SettlementTotal:
    """How much is owed or due in one currency. ``waiting``: lines that wait for the company's own mark."""

    side: str
    currency: str
    open_lines: int
    open_amount: Decimal
    overdue_amount: Decimal
    settled_amount: Decimal
    waiting: int


async def settlement_totals(session: AsyncSession, actor: Actor, today: date) -> Sequence[SettlementTotal]:
    """Sums by side (payer: we owe) and currency."""
    rows = await fetch(
        session,
        """
        SELECT CASE WHEN l.payer_id = $1 THEN 'payer' ELSE 'payee' END AS side, l.currency,
               count(*) FILTER (WHERE NOT m.both)::int AS open_lines,
               coalesce(sum(l.amount) FILTER (WHERE NOT m.both), 0) AS open_amount,
               coalesce(sum(l.amount) FILTER (WHERE NOT m.both AND l.due_on < $2), 0) AS overdue_amount,
               coalesce(sum(l.amount) FILTER (WHERE m.both), 0) AS settled_amount,
               count(*) FILTER (WHERE CASE WHEN l.payer_id = $1 THEN l.payer_marked_at ELSE l.payee_marked_at END IS NULL)
                   ::int AS waiting
        FROM settlement_line l
        CROSS JOIN LATERAL (SELECT l.payer_marked_at IS NOT NULL AND l.payee_marked_at IS NOT NULL AS both) m
        WHERE l.payer_id = $1 OR l.payee_id = $1 GROUP BY 1, 2 ORDER BY 1, 2
        """,
        actor.company_id,
        today,
    )
    return [SettlementTotal(**dict(r)) for r in rows]
