"""What payments come to, written beside the lines they pay: the one place where a line's sums and marks change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.kit.errors import busy
from marketplace.kit.ids import short_reference
from marketplace.outbox.service import emit
from marketplace.parties.actor import By
from marketplace.settlement import queries
from marketplace.settlement.kinds import LineKind
from marketplace.settlement.queries import PaymentRow, SettlementRow

_ATTEMPTS = 5


async def write_payment(
    session: WriteSession,
    by: By,
    *,
    from_id: UUID,
    to_id: UUID,
    currency: str,
    amount: Decimal,
    paid_on: date,
    how: str,
    payer_at: datetime | None,
    payee_at: datetime | None,
    bank_reference: str = "",
    note: str = "",
    reverses_id: UUID | None = None,
    import_key: str | None = None,
) -> UUID:
    """A payment's row; ``by`` said so for whichever side has a moment."""
    for _ in range(_ATTEMPTS):
        made: UUID | None = await fetch_value(
            session,
            "INSERT INTO payment (reference, from_id, to_id, currency, amount, paid_on, how, company_id, actor_id, payer_at, "
            "payer_by, payee_at, payee_by, bank_reference, note, reverses_id, import_key, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, coalesce($10, $12, now())) "
            "ON CONFLICT (reference) DO NOTHING RETURNING id",
            short_reference("PAY"), from_id, to_id, currency, amount, paid_on, how, by.company_id, by.user_id, payer_at,
            by.user_id if payer_at else None, payee_at, by.user_id if payee_at else None, bank_reference, note, reverses_id,
            import_key,
        )  # fmt: skip
        if made is not None:
            return made
    raise busy("payment.reference", "No free reference was found. Nothing was changed; try again.")


async def write_allocations(
    session: WriteSession, by: By, payment: PaymentRow, amounts: Mapping[UUID, Decimal], now: datetime
) -> None:
    """Which lines a payment pays; one statement."""
    await execute(
        session,
        "INSERT INTO payment_allocation (payment_id, line_id, from_id, to_id, amount, actor_id, at) "
        "SELECT $1, a.line_id, $2, $3, a.amount, $4, $5 FROM unnest($6::uuid[], $7::numeric[]) AS a (line_id, amount)",
        payment.id, payment.from_id, payment.to_id, by.user_id, now, list(amounts), list(amounts.values()),
    )  # fmt: skip


_RECOUNT = """
UPDATE settlement_line l SET allocated = s.allocated, paid = s.paid, credited = s.credited,
       payer_marked_at = CASE WHEN s.by_payer = l.amount THEN coalesce(s.payer_at, l.payer_marked_at) END,
       payer_marked_by = CASE WHEN s.by_payer = l.amount THEN coalesce(s.payer_by, l.payer_marked_by) END,
       payee_marked_at = CASE WHEN s.by_payee = l.amount THEN coalesce(s.payee_at, l.payee_marked_at) END,
       payee_marked_by = CASE WHEN s.by_payee = l.amount THEN coalesce(s.payee_by, l.payee_marked_by) END
FROM (
    SELECT n.id, coalesce(sum(a.amount), 0) AS allocated,
           coalesce(sum(a.amount) FILTER (WHERE w.payer_at IS NOT NULL AND w.payee_at IS NOT NULL), 0) AS paid,
           coalesce(sum(a.amount) FILTER (WHERE y.how = 'credit'), 0) AS credited,
           coalesce(sum(a.amount) FILTER (WHERE w.payer_at IS NOT NULL), 0) AS by_payer,
           coalesce(sum(a.amount) FILTER (WHERE w.payee_at IS NOT NULL), 0) AS by_payee,
           max(w.payer_at) AS payer_at, (array_agg(w.payer_by ORDER BY w.payer_at DESC NULLS LAST))[1] AS payer_by,
           max(w.payee_at) AS payee_at, (array_agg(w.payee_by ORDER BY w.payee_at DESC NULLS LAST))[1] AS payee_by
    FROM unnest($1::uuid[]) AS n (id) JOIN settlement_line x ON x.id = n.id
    LEFT JOIN payment_allocation a ON a.line_id = n.id
    LEFT JOIN payment y ON y.id = a.payment_id
    -- A set-off pays lines of both directions: who owes the line speaks as its payer.
    LEFT JOIN LATERAL (
        SELECT CASE WHEN y.from_id = x.payer_id THEN y.payer_at ELSE y.payee_at END AS payer_at,
               CASE WHEN y.from_id = x.payer_id THEN y.payer_by ELSE y.payee_by END AS payer_by,
               CASE WHEN y.from_id = x.payer_id THEN y.payee_at ELSE y.payer_at END AS payee_at,
               CASE WHEN y.from_id = x.payer_id THEN y.payee_by ELSE y.payer_by END AS payee_by) w ON true
    GROUP BY n.id) s
WHERE l.id = s.id
"""


async def recount(
    session: WriteSession, by: By, before: Mapping[UUID, SettlementRow], now: datetime
) -> Mapping[UUID, SettlementRow]:
    """Sums and marks of lines, which are locked and stood as ``before``; who listens is told of those that are settled
    now, and title that waited for the price of a sale passes. Returns them as they stand."""
    if not before:
        return {}
    await execute(session, _RECOUNT, list(before))
    after = await queries.lines_by_id(session, list(before))
    for line_id, line in after.items():
        if line.settled and not before[line_id].settled:
            payload = {"reference": line.reference, "cause_id": line.cause_id}
            sides = (line.payer_id, line.payee_id)
            await emit(session, "settlement.settled", "settlement", line_id, sides, payload)
            if line.kind == LineKind.SALE_PRICE and line.agreement_id is not None and line.quantity is not None:
                await agreements.pass_title(
                    session, by, agreement_id=line.agreement_id, part_id=line.part_id, quantity=line.quantity,
                    cause_id=line.id, now=now, sold_by=line.cause_id,
                )  # fmt: skip
    return after


async def count_payment(session: WriteSession, payment_id: UUID) -> None:
    """How much of a payment pays lines. Of a set-off (and a credit) either side alone is its amount."""
    await execute(
        session,
        "UPDATE payment y SET allocated = (SELECT coalesce(sum(a.amount), 0) FROM payment_allocation a "
        "JOIN settlement_line l ON l.id = a.line_id WHERE a.payment_id = y.id AND l.payer_id = y.from_id) WHERE y.id = $1",
        payment_id,
    )


async def apply_counter(session: WriteSession, by: By, line_id: UUID, counter_id: UUID, now: datetime) -> SettlementRow:
    """Sets a counter line against what nobody has paid of its line yet: both are paid by that much. The line is locked;
    the counter line is new. Returns the counter line as it stands."""
    lines = await queries.lines_for_update(session, [line_id, counter_id])
    line, counter = lines[line_id], lines[counter_id]
    amount = min(line.left, counter.left)
    if amount <= 0:
        return counter
    made = await write_payment(
        session, by, from_id=line.payer_id, to_id=line.payee_id, currency=line.currency, amount=amount,
        paid_on=now.date(), how="credit", payer_at=now, payee_at=now, note=f"{counter.reference} against {line.reference}",
    )  # fmt: skip
    row = await queries.payment(session, made)
    await write_allocations(session, by, row, {line_id: amount, counter_id: amount}, now)
    await count_payment(session, made)
    return (await recount(session, by, lines, now))[counter_id]
