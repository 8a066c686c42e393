"""Lines: what one company owes another. Only payer and payee see one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.kit.money import Money
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.settlement.states import LineState, due_amount, is_overdue, line_state


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """What one company owes another, and why. What is owed as one sum (a premium, damages) has no quantity, unit or price of
    a unit. ``allocated`` and ``paid`` are money; ``credited`` is what credits took off beside it."""

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
    uom: str | None
    quantity: int | None
    unit_price: Decimal | None
    amount: Decimal
    currency: str
    words: str
    due_on: date
    counters_id: UUID | None
    counters: str | None
    document: str | None
    object_by: datetime | None
    condition: str | None
    allocated: Decimal
    paid: Decimal
    credited: Decimal
    disputed: Decimal
    payer_marked_at: datetime | None
    payee_marked_at: datetime | None
    created_at: datetime

    @property
    def state(self) -> LineState:
        """Due, part paid, paid, part credited, credited or disputed."""
        return line_state(self.amount, self.paid, self.disputed, self.credited)

    @property
    def left(self) -> Decimal:
        """What no payment says yet to have paid, and no credit took off."""
        return self.amount - self.allocated - self.credited

    @property
    def open_amount(self) -> Decimal:
        """What both sides do not say yet to be paid, and no credit took off; disputed or not."""
        return self.amount - self.paid - self.credited

    @property
    def due_amount(self) -> Decimal:
        """What is left to be paid and not disputed."""
        return due_amount(self.amount, self.paid, self.disputed, self.credited)

    def overdue(self, today: date) -> bool:
        """Whether some of it was due before today."""
        return is_overdue(self.amount, self.paid, self.disputed, self.due_on, today, self.credited)

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
       l.agreement_id, a.reference AS agreement, l.part_id, t.number, t.description,
       CASE WHEN l.quantity IS NOT NULL THEN t.uom END AS uom, l.quantity, l.unit_price,
       l.amount, l.currency, l.words, l.due_on, l.counters_id, o.reference AS counters, l.document, l.object_by, l.condition,
       l.allocated - l.credited AS allocated, l.paid - l.credited AS paid, l.credited, l.disputed, l.payer_marked_at, l.payee_marked_at, l.created_at
FROM settlement_line l JOIN company p ON p.id = l.payer_id JOIN company q ON q.id = l.payee_id
JOIN part t ON t.id = l.part_id LEFT JOIN agreement a ON a.id = l.agreement_id
LEFT JOIN settlement_line o ON o.id = l.counters_id
"""


@dataclass(frozen=True, slots=True)
class SettlementFilter:
    """Which lines; None = any. ``side``: payer = we owe, payee = we are owed. ``state``: open, waiting (for our
    mark), half (for our mark alone: the other side has marked it) or settled; or as it stands: due, part_paid, paid,
    credited (in whole or in part), disputed, and overdue on ``today``. ``due_before``: due earlier than that day and still open; ``due_until``: due by that
    day, open or not."""

    side: str | None = None
    state: str | None = None
    other_id: UUID | None = None
    due_before: date | None = None
    reference: str | None = None
    kind: str | None = None
    today: date | None = None
    due_until: date | None = None


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
              WHEN 'paid' THEN l.paid >= l.amount AND (l.paid > l.credited OR l.amount = 0)
              WHEN 'due' THEN l.paid < l.amount AND l.amount - l.paid > l.disputed
              WHEN 'part_paid' THEN l.paid > l.credited AND l.paid < l.amount AND l.amount - l.paid > l.disputed
              WHEN 'credited' THEN l.credited > 0
              WHEN 'disputed' THEN l.disputed > 0
              WHEN 'overdue' THEN l.paid < l.amount AND l.amount - l.paid > l.disputed AND l.due_on < $10::date
              ELSE true END
          AND ($4::uuid IS NULL OR l.payer_id = $4 OR l.payee_id = $4)
          AND ($5::date IS NULL OR l.due_on < $5 AND (l.payer_marked_at IS NULL OR l.payee_marked_at IS NULL))
          AND ($6::timestamptz IS NULL OR (l.created_at, l.id) < ($6, $7::uuid))
          AND ($9::text IS NULL OR l.reference = upper($9))
          AND ($11::text IS NULL OR l.kind = $11)
          AND ($12::date IS NULL OR l.due_on <= $12)
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
        wanted.today,
        wanted.kind,
        wanted.due_until,
    )
    return cut([SettlementRow(**dict(r)) for r in rows], limit, lambda r: [r.created_at, r.id], secret)


async def settlement_line(session: AsyncSession, line_id: UUID) -> SettlementRow:
    """One line. Raises ``settlement.not_found``."""
    row = await fetch_one(session, _LINE + "WHERE l.id = $1", line_id)
    if row is None:
        raise missing("settlement.not_found", "No such settlement line.")
    return SettlementRow(**dict(row))


async def lines_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, SettlementRow]:
    """Lines by id; those that are not visible are not there."""
    rows = await fetch(session, _LINE + "WHERE l.id = ANY($1::uuid[])", list(ids))
    return {r["id"]: SettlementRow(**dict(r)) for r in rows}


async def lines_for_update(session: WriteSession, ids: Sequence[UUID]) -> Mapping[UUID, SettlementRow]:
    """Lines by id, locked in the order of their ids and read after that. Raises ``settlement.not_found`` for one that is
    not visible."""
    await fetch(
        session, "SELECT id FROM settlement_line WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", list(ids)
    )
    found = await lines_by_id(session, ids)
    if len(found) < len(set(ids)):
        raise missing("settlement.not_found", "No such settlement line.")
    return found


async def settlement_line_for_update(session: WriteSession, line_id: UUID) -> SettlementRow:
    """One line, locked and read after that. Raises ``settlement.not_found``."""
    return (await lines_for_update(session, [line_id]))[line_id]


async def lines_by_reference(session: AsyncSession, references: Sequence[str]) -> Mapping[str, SettlementRow]:
    """Visible lines by their reference."""
    rows = await fetch(session, _LINE + "WHERE l.reference = ANY($1::text[])", list(references))
    return {r["reference"]: SettlementRow(**dict(r)) for r in rows}


async def open_lines(
    session: AsyncSession, payer_id: UUID, payee_id: UUID, currency: str | None = None, *, limit: int = 200
) -> Sequence[SettlementRow]:
    """What one company owes another and no payment says to have paid, what is due first before the rest."""
    rows = await fetch(
        session,
        _LINE + "WHERE l.payer_id = $1 AND l.payee_id = $2 AND l.paid < l.amount AND l.allocated < l.amount "
        "AND ($3::text IS NULL OR l.currency = $3) ORDER BY l.due_on, l.id LIMIT $4",
        payer_id, payee_id, currency, limit,
    )  # fmt: skip
    return [SettlementRow(**dict(r)) for r in rows]


async def due_under(
    session: AsyncSession, agreement_ids: Sequence[UUID], payer_id: UUID, before: date, *, limit: int = 100
) -> Sequence[SettlementRow]:
    """What a company owes under these agreements that was due before a day, is not paid and not disputed; the longest due
    first."""
    rows = await fetch(
        session,
        _LINE + "WHERE l.agreement_id = ANY($1::uuid[]) AND l.payer_id = $2 AND l.due_on < $3 AND l.paid < l.amount "
        "AND l.amount - l.paid > l.disputed ORDER BY l.due_on, l.id LIMIT $4",
        list(agreement_ids), payer_id, before, limit,
    )  # fmt: skip
    return [SettlementRow(**dict(r)) for r in rows]


async def open_under(session: AsyncSession, agreement_ids: Sequence[UUID]) -> Sequence[tuple[UUID, Money]]:
    """(who owes, how much) of what is not paid under these agreements, as far as the reader may see it."""
    rows = await fetch(
        session,
        "SELECT payer_id, currency::text AS currency, sum(amount - paid) AS amount FROM settlement_line "
        "WHERE agreement_id = ANY($1::uuid[]) AND paid < amount GROUP BY 1, 2 ORDER BY 1, 2",
        list(agreement_ids),
    )
    return [(r["payer_id"], Money(r["amount"], r["currency"])) for r in rows]


async def counters_of(session: AsyncSession, line_id: UUID) -> Sequence[SettlementRow]:
    """Lines that take back part of this one, oldest first."""
    rows = await fetch(session, _LINE + "WHERE l.counters_id = $1 ORDER BY l.created_at, l.id", line_id)
    return [SettlementRow(**dict(r)) for r in rows]


async def lines_of_cause(session: AsyncSession, cause_id: UUID) -> Sequence[SettlementRow]:
    """What is owed for one cause (a call), oldest first."""
    rows = await fetch(session, _LINE + "WHERE l.cause_id = $1 ORDER BY l.created_at, l.id", cause_id)
    return [SettlementRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class SettlementTotal:
    """How much is owed or due in one currency. ``open_amount``: what is neither paid nor credited, of which
    ``overdue_amount`` was due before today and ``disputed_amount`` is not due while it is disputed; ``settled_amount``: what
    was paid; ``credited_amount``: what credits took off. ``waiting``: lines that wait for the company's own mark."""

    side: str
    currency: str
    open_lines: int
    open_amount: Decimal
    overdue_amount: Decimal
    disputed_amount: Decimal
    settled_amount: Decimal
    credited_amount: Decimal
    waiting: int


async def settlement_totals(session: AsyncSession, actor: Actor, today: date) -> Sequence[SettlementTotal]:
    """Sums by side (payer: we owe) and currency."""
    rows = await fetch(
        session,
        """
        SELECT CASE WHEN l.payer_id = $1 THEN 'payer' ELSE 'payee' END AS side, l.currency,
               count(*) FILTER (WHERE l.paid < l.amount) AS open_lines,
               coalesce(sum(l.amount - l.paid), 0) AS open_amount,
               coalesce(sum(greatest(l.amount - l.paid - l.disputed, 0)) FILTER (WHERE l.due_on < $2), 0) AS overdue_amount,
               coalesce(sum(least(l.disputed, l.amount - l.paid)), 0) AS disputed_amount,
               coalesce(sum(l.paid - l.credited), 0) AS settled_amount, coalesce(sum(l.credited), 0) AS credited_amount,
               count(*) FILTER (WHERE CASE WHEN l.payer_id = $1 THEN l.payer_marked_at ELSE l.payee_marked_at END IS NULL)
                   AS waiting
        FROM settlement_line l
        WHERE l.payer_id = $1 OR l.payee_id = $1 GROUP BY 1, 2 ORDER BY 1, 2
        """,
        actor.company_id,
        today,
    )
    return [SettlementTotal(**dict(r)) for r in rows]
