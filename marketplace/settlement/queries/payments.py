"""Payments and what they pay. Only the two companies see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """What one company paid another: as one side says, or both. ``allocated``: how much of it pays lines."""

    id: UUID
    reference: str
    from_id: UUID
    payer: str
    to_id: UUID
    payee: str
    currency: str
    amount: Decimal
    allocated: Decimal
    paid_on: date
    bank_reference: str
    how: str
    company_id: UUID
    payer_at: datetime | None
    payee_at: datetime | None
    reverses_id: UUID | None
    reverses: str | None
    reversed_at: datetime | None
    note: str
    created_at: datetime

    @property
    def confirmed(self) -> bool:
        """Whether both sides say so, and nothing took it back."""
        return self.payer_at is not None and self.payee_at is not None and self.reversed_at is None

    @property
    def status(self) -> str:
        """reversed, confirmed, or whose word it waits for: payer or payee."""
        if self.reversed_at is not None:
            return "reversed"
        if self.payer_at is None:
            return "waits_for_payer"
        return "confirmed" if self.payee_at is not None else "waits_for_payee"

    @property
    def left(self) -> Decimal:
        """What of it pays nothing yet."""
        return self.amount - self.allocated if self.how != "reversal" and self.reversed_at is None else Decimal(0)

    def side_of(self, company_id: UUID) -> str | None:
        """'payer' or 'payee'; None for a company that has nothing to do with it."""
        return {self.from_id: "payer", self.to_id: "payee"}.get(company_id)

    def waits_for(self, company_id: UUID) -> bool:
        """Whether it waits for this company's word."""
        return self.status == f"waits_for_{self.side_of(company_id)}"


_PAYMENT = """
SELECT y.id, y.reference, y.from_id, p.name AS payer, y.to_id, q.name AS payee, y.currency, y.amount, y.allocated,
       y.paid_on, y.bank_reference, y.how, y.company_id, y.payer_at, y.payee_at, y.reverses_id, r.reference AS reverses,
       y.reversed_at, y.note, y.created_at
FROM payment y JOIN company p ON p.id = y.from_id JOIN company q ON q.id = y.to_id
LEFT JOIN payment r ON r.id = y.reverses_id
"""
_WAITS = """(y.from_id = $1 AND y.payer_at IS NULL AND y.reversed_at IS NULL
                            OR y.to_id = $1 AND y.payee_at IS NULL AND y.reversed_at IS NULL)"""


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments; None = any. ``side``: payer = we paid. ``state``: waiting (for our word), theirs (for the other
    side's), confirmed, reversed, or unallocated (something of it pays no line yet). ``kind``: payment, set_off, reversal or
    credit. ``paid_from`` and ``paid_until``: days, both included."""

    side: str | None = None
    state: str | None = None
    other_id: UUID | None = None
    reference: str | None = None
    kind: str | None = None
    paid_from: date | None = None
    paid_until: date | None = None


async def payments(
    session: AsyncSession,
    actor: Actor,
    wanted: PaymentFilter,
    *,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[PaymentRow]:
    """Payments, set-offs and reversals of the actor's company, newest first."""
    key = read_bookmark(after, secret, datetime.fromisoformat, UUID)
    rows = await fetch(
        session,
        _PAYMENT
        + f"""
        WHERE (y.from_id = $1 AND $2::text IS DISTINCT FROM 'payee' OR y.to_id = $1 AND $2 IS DISTINCT FROM 'payer')
          AND CASE $3::text
              WHEN 'waiting' THEN {_WAITS}
              WHEN 'theirs' THEN y.reversed_at IS NULL AND (y.payer_at IS NULL OR y.payee_at IS NULL) AND NOT {_WAITS}
              WHEN 'confirmed' THEN y.payer_at IS NOT NULL AND y.payee_at IS NOT NULL AND y.reversed_at IS NULL
              WHEN 'reversed' THEN y.reversed_at IS NOT NULL
              WHEN 'unallocated' THEN y.reversed_at IS NULL AND y.allocated < y.amount AND y.how <> 'reversal'
              ELSE true END
          AND ($4::uuid IS NULL OR y.from_id = $4 OR y.to_id = $4)
          AND ($5::timestamptz IS NULL OR (y.created_at, y.id) < ($5, $6::uuid))
          AND ($8::text IS NULL OR y.reference = upper($8) OR y.bank_reference = $8)
          AND ($9::text IS NULL OR $9 = CASE WHEN y.how IN ('set_off', 'reversal', 'credit') THEN y.how ELSE 'payment' END)
          AND ($10::date IS NULL OR y.paid_on >= $10) AND ($11::date IS NULL OR y.paid_on <= $11)
        ORDER BY y.created_at DESC, y.id DESC LIMIT $7
        """,
        actor.company_id,
        wanted.side,
        wanted.state,
        wanted.other_id,
        key[0] if key else None,
        key[1] if key else None,
        limit + 1,
        wanted.reference,
        wanted.kind,
        wanted.paid_from,
        wanted.paid_until,
    )
    return cut([PaymentRow(**dict(r)) for r in rows], limit, lambda r: [r.created_at, r.id], secret)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a company's word, by kind."""

    payments: int
    set_offs: int
    reversals: int
    disputes: int


async def waiting(session: AsyncSession, company_id: UUID) -> Waiting:
    """How many payments, set-offs, reversals and disputes wait for this company's word."""
    row = await fetch_one(
        session,
        "SELECT count(*) FILTER (WHERE y.how NOT IN ('set_off', 'reversal'))::int AS payments, "
        "count(*) FILTER (WHERE y.how = 'set_off')::int AS set_offs, "
        "count(*) FILTER (WHERE y.how = 'reversal')::int AS reversals, "
        f"(SELECT count(*)::int FROM dispute WHERE waits_for = $1) AS disputes FROM payment y WHERE {_WAITS}",
        company_id,
    )
    assert row is not None  # noqa: S101 - an aggregate answers one row
    return Waiting(**dict(row))


async def payment(session: AsyncSession, payment_id: UUID) -> PaymentRow:
    """One payment. Raises ``payment.not_found``."""
    row = await fetch_one(session, _PAYMENT + "WHERE y.id = $1", payment_id)
    if row is None:
        raise missing("payment.not_found", "No such payment.")
    return PaymentRow(**dict(row))


async def payment_for_update(session: WriteSession, payment_id: UUID) -> PaymentRow:
    """One payment, locked and read after that. Lines are locked before payments. Raises ``payment.not_found``."""
    await fetch(session, "SELECT id FROM payment WHERE id = $1 FOR NO KEY UPDATE", payment_id)
    return await payment(session, payment_id)


async def payments_of_line_for_update(session: WriteSession, line_id: UUID) -> Sequence[PaymentRow]:
    """The payments that pay something of a line (which is locked), locked in the order of their ids, read after that."""
    await fetch(
        session,
        "SELECT id FROM payment WHERE id IN (SELECT payment_id FROM payment_allocation WHERE line_id = $1) "
        "ORDER BY id FOR NO KEY UPDATE",
        line_id,
    )
    rows = await fetch(
        session,
        _PAYMENT + "WHERE y.id IN (SELECT payment_id FROM payment_allocation WHERE line_id = $1) ORDER BY y.id",
        line_id,
    )
    return [PaymentRow(**dict(r)) for r in rows]


async def payments_of_key(session: AsyncSession, company_id: UUID, keys: Sequence[str]) -> dict[str, str]:
    """References of payments that a company has imported before, by what tells a row of a file from another."""
    rows = await fetch(
        session,
        "SELECT import_key, reference FROM payment WHERE company_id = $1 AND import_key = ANY($2::text[])",
        company_id,
        list(keys),
    )
    return {r["import_key"]: r["reference"] for r in rows}


async def reversal_of(session: AsyncSession, payment_id: UUID) -> PaymentRow | None:
    """What takes a payment back, or asks to; None when nothing does."""
    row = await fetch_one(session, _PAYMENT + "WHERE y.reverses_id = $1 AND y.reversed_at IS NULL", payment_id)
    return PaymentRow(**dict(row)) if row else None


@dataclass(frozen=True, slots=True)
class AllocationRow:
    """How much of a payment pays a line, with both in words."""

    payment_id: UUID
    payment: str
    how: str
    paid_on: date
    status: str
    line_id: UUID
    line: str
    cause_reference: str
    payer_id: UUID
    payer: str
    amount: Decimal
    currency: str


_ALLOCATION = """
SELECT a.payment_id, y.reference AS payment, y.how, y.paid_on,
       CASE WHEN y.payer_at IS NULL THEN 'waits_for_payer' WHEN y.payee_at IS NULL THEN 'waits_for_payee'
            ELSE 'confirmed' END AS status,
       a.line_id, l.reference AS line, l.cause_reference, l.payer_id, p.name AS payer, sum(a.amount) AS amount, y.currency
FROM payment_allocation a JOIN payment y ON y.id = a.payment_id JOIN settlement_line l ON l.id = a.line_id
JOIN company p ON p.id = l.payer_id
WHERE {where}
GROUP BY a.payment_id, a.line_id, y.id, l.id, p.id HAVING sum(a.amount) <> 0 ORDER BY y.created_at, y.id, l.due_on, l.id
"""


async def allocations_of(session: AsyncSession, payment_id: UUID) -> Sequence[AllocationRow]:
    """Which lines a payment pays, and how much of each; what was taken back is not there."""
    rows = await fetch(session, _ALLOCATION.format(where="a.payment_id = $1"), payment_id)
    return [AllocationRow(**dict(r)) for r in rows]


async def line_payments(session: AsyncSession, line_id: UUID) -> Sequence[AllocationRow]:
    """What pays a line, oldest first."""
    rows = await fetch(session, _ALLOCATION.format(where="a.line_id = $1"), line_id)
    return [AllocationRow(**dict(r)) for r in rows]


async def payments_of_line(session: AsyncSession, line_id: UUID) -> Sequence[PaymentRow]:
    """Every payment, set-off and credit that was ever said to pay something of a line, those taken back too, and what took
    them back; oldest first."""
    rows = await fetch(
        session,
        _PAYMENT + "WHERE y.id IN (SELECT a.payment_id FROM payment_allocation a WHERE a.line_id = $1) "
        "OR y.reverses_id IN (SELECT a.payment_id FROM payment_allocation a WHERE a.line_id = $1) "
        "ORDER BY y.created_at, y.id",
        line_id,
    )
    return [PaymentRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Counterparty:
    """A company that one deals with."""

    id: UUID
    code: str
    name: str


async def counterparties(session: AsyncSession, company_id: UUID) -> Sequence[Counterparty]:
    """The companies that the company has agreements or orders with, by name."""
    rows = await fetch(
        session,
        "SELECT c.id, c.code, c.name FROM counterparty k JOIN company c ON c.id = k.other_id WHERE k.company_id = $1 "
        "ORDER BY c.name, c.id",
        company_id,
    )
    return [Counterparty(**dict(r)) for r in rows]
