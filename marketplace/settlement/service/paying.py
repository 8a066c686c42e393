"""Payments: recorded by one side, confirmed by the other, allocated to lines, taken back by a row of their own.

Lines are locked before payments, each in the order of their ids; nothing is decided from what was read before that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.clock import ELSEWHERE
from marketplace.kit.errors import busy, conflict, invalid, missing
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By
from marketplace.settlement import queries
from marketplace.settlement.queries import PaymentRow, SettlementRow
from marketplace.settlement.service.counting import count_payment, recount, write_allocations, write_payment

MOST_LINES = 500
"""Lines that one payment can be allocated to in one step."""
Wanted = Mapping[UUID, Decimal | None]
"""How much of a payment is for which line; None: all that is left of it."""


async def record(
    session: WriteSession,
    actor: By,
    *,
    from_id: UUID,
    to_id: UUID,
    amount: Money,
    paid_on: date,
    wanted: Wanted,
    now: datetime,
    bank_reference: str = "",
    how: str = "recorded",
    import_key: str | None = None,
) -> PaymentRow:
    """Records what ``from`` paid ``to``, as the actor's company says, which is one of the two; it counts once the other
    has confirmed it. What no line is named for stays unallocated.

    Raises ``payment.sides``, ``payment.other`` for a company that one does not deal with, ``payment.amount``, ``payment.paid_on``, ``payment.line`` for a line of other companies or in
    another currency, ``payment.over`` for more than is left of a line, ``payment.more_than_paid`` for more than was paid.
    """
    if actor.company_id not in (from_id, to_id) or from_id == to_id:
        raise invalid("payment.sides", "A payment is between your company and another one.", field="other_id")
    if amount.amount <= 0 or amount != amount.rounded():
        raise invalid(
            "payment.amount", f"Give an amount above zero that can be paid in {amount.currency}.", field="amount"
        )
    # Where people are it may be tomorrow already.
    if paid_on > now.date() + ELSEWHERE:
        raise invalid("payment.paid_on", "Give the day it was paid on, not one to come.", field="paid_on")
    lines = await _lines(session, wanted, from_id, to_id, amount.currency)
    paying = actor.company_id == from_id
    if not lines:
        # Lines say that the two deal with each other; without one it is asked, so that nobody tells strangers of payments.
        other = to_id if paying else from_id
        if other not in {c.id for c in await queries.counterparties(session, actor.company_id)}:
            raise missing("payment.other", "No such company that yours deals with.")
    made = await write_payment(
        session, actor, from_id=from_id, to_id=to_id, currency=amount.currency, amount=amount.amount, paid_on=paid_on, how=how,
        payer_at=now if paying else None, payee_at=None if paying else now, bank_reference=bank_reference.strip(),
        import_key=import_key,
    )  # fmt: skip
    row = await queries.payment(session, made)
    await _allocate(session, actor, row, lines, wanted, now)
    await tell(session, "payment.recorded", row, _other(row, actor), f"{row.reference}: {amount} to confirm")
    return await queries.payment(session, made)


async def allocate(session: WriteSession, actor: Actor, payment_id: UUID, wanted: Wanted, now: datetime) -> PaymentRow:
    """Says which lines the rest of a payment is for. The payer says so; of a payment that the payee recorded, the payee
    may as well. Raises as ``record`` and ``payment.state``."""
    seen = await queries.payment(session, payment_id)
    lines = await _lines(session, wanted, seen.from_id, seen.to_id, seen.currency)
    row = await queries.payment_for_update(session, payment_id)
    _mine(row, actor)
    if row.how == "reversal" or row.reversed_at is not None:
        raise conflict("payment.state", f"{row.reference} {_stands(row)}; there is nothing to allocate.")
    if actor.company_id not in (row.from_id, row.company_id):
        raise conflict("payment.state", f"{row.payer} says what its payment {row.reference} is for.")
    if not wanted:
        raise invalid("payment.line", "Name at least one line.", field="lines")
    await _allocate(session, actor, row, lines, wanted, now)
    return await queries.payment(session, payment_id)


async def confirm(session: WriteSession, actor: Actor, payment_id: UUID, now: datetime) -> PaymentRow:
    """The other side's word that it was paid (of a set-off: that it agrees; of a reversal: that it is taken back).

    Raises ``payment.not_found``, ``payment.confirmed`` where nothing waits for this side, ``payment.changed`` where lines
    were added to it this instant."""
    seen = await queries.payment(session, payment_id)
    of = seen.reverses_id or payment_id
    lines = await queries.lines_for_update(session, [a.line_id for a in await queries.allocations_of(session, of)])
    original = await queries.payment_for_update(session, of)
    row = await queries.payment_for_update(session, payment_id) if seen.reverses_id else original
    _mine(row, actor)
    if not row.waits_for(actor.company_id):
        raise conflict("payment.confirmed", f"{row.reference} {_stands(row)}: nothing waits for your company.")
    await require_same_lines(session, of, lines)
    await _say(session, row, actor, now)
    if row.reverses_id:
        await _take_back(session, actor, original, lines, now)
    else:
        await recount(session, actor, lines, now)
    after = await queries.payment(session, payment_id)
    await tell(session, "payment.confirmed", after, _other(after, actor), None)
    return after


async def reverse(session: WriteSession, actor: Actor, payment_id: UUID, reason: str, now: datetime) -> PaymentRow:
    """Takes a payment back. One that the other side has not confirmed yet is taken back (or not accepted) at once; one
    that both have confirmed once the other side agrees. A reversal that waits is withdrawn, or refused. Returns the
    reversal; of a reversal, itself.

    Raises ``payment.reason``, ``payment.state``."""
    if not reason.strip():
        raise invalid("payment.reason", "Say why.", field="reason")
    lines = await queries.lines_for_update(
        session, [a.line_id for a in await queries.allocations_of(session, payment_id)]
    )
    row = await queries.payment_for_update(session, payment_id)
    _mine(row, actor)
    await require_same_lines(session, payment_id, lines)
    if row.reversed_at is not None or row.how == "credit":
        raise conflict("payment.state", f"{row.reference} {_stands(row)}; it cannot be taken back.")
    if row.how == "reversal":
        if row.confirmed:
            raise conflict("payment.state", f"{row.reference} has taken back {row.reverses}; record it anew instead.")
        await execute(session, "UPDATE payment SET reversed_at = $2 WHERE id = $1", row.id, now)
        await tell(session, "payment.reversal_dropped", row, _other(row, actor), None)
        return await queries.payment(session, row.id)
    if await queries.reversal_of(session, row.id) is not None:
        raise conflict("payment.state", f"{row.reference} is being taken back already: confirm or refuse that.")
    paying = actor.company_id == row.from_id
    both = not row.confirmed
    made = await write_payment(
        session, actor, from_id=row.from_id, to_id=row.to_id, currency=row.currency, amount=row.amount, paid_on=now.date(), how="reversal",
        payer_at=now if paying or both else None, payee_at=now if both or not paying else None, note=reason.strip(),
        reverses_id=row.id,
    )  # fmt: skip
    if both:
        await _take_back(session, actor, row, lines, now)
    after = await queries.payment(session, made)
    words = f"{row.reference} was taken back" if both else f"{row.reference}: the other side wants to take it back"
    await tell(session, "payment.reversed", after, _other(after, actor), words)
    return after


async def mark(session: WriteSession, actor: Actor, line_id: UUID, now: datetime) -> SettlementRow:
    """Says for the actor's side that all of a line was paid: confirms what the other side says was paid of it, and records
    the rest as a payment of today. Settled once both sides have. Returns the line as it stands.

    Raises ``settlement.not_found``, ``settlement.marked`` when this side has said so already, ``settlement.disputed``,
    ``settlement.confirm`` where a payment of the other side is for other lines as well."""
    before = await queries.lines_for_update(session, [line_id])
    line = before[line_id]
    if actor.company_id not in (line.payer_id, line.payee_id):
        raise missing("settlement.not_found", "No such settlement line.")
    paying = actor.company_id == line.payer_id
    if ("payer" if paying else "payee") not in line.waiting_for:
        raise conflict("settlement.marked", f"Your company has marked {line.reference} as settled already.")
    if line.disputed:
        raise conflict(
            "settlement.disputed",
            f"{Money(line.disputed, line.currency).rounded()} of {line.reference} is in dispute: end the dispute first, or "
            "record a payment of the rest.",
        )
    for row in await queries.payments_of_line_for_update(session, line_id):
        if not row.waits_for(actor.company_id):
            continue
        covers = await queries.allocations_of(session, row.id)
        if row.left or {a.line_id for a in covers} != {line_id}:
            raise conflict(
                "settlement.confirm",
                f"{row.reference} over {Money(row.amount, row.currency).rounded()} pays other lines too: confirm that "
                "payment as a whole.",
                payment_id=str(row.id),
            )
        await _say(session, row, actor, now)
    if line.left > 0:
        made = await write_payment(
            session, actor, from_id=line.payer_id, to_id=line.payee_id, currency=line.currency, amount=line.left, paid_on=now.date(),
            how="marked", payer_at=now if paying else None, payee_at=None if paying else now,
        )  # fmt: skip
        await write_allocations(session, actor, await queries.payment(session, made), {line_id: line.left}, now)
        await count_payment(session, made)
    after = (await recount(session, actor, before, now))[line_id]
    if not after.settled:
        payload = {"reference": line.reference, "side": "payer" if paying else "payee", "cause_id": line.cause_id}
        await emit(session, "settlement.marked", "settlement", line_id, (line.payer_id, line.payee_id), payload)
    return after


# -- inside ----------------------------------------------------------------------------------------------


async def _lines(
    session: WriteSession, wanted: Wanted, from_id: UUID, to_id: UUID, currency: str
) -> Mapping[UUID, SettlementRow]:
    """The lines that a payment is for, locked."""
    if len(wanted) > MOST_LINES:
        raise invalid("payment.line", f"Name at most {MOST_LINES} lines at once.", field="lines")
    lines = await queries.lines_for_update(session, list(wanted)) if wanted else {}
    for line in lines.values():
        if (line.payer_id, line.payee_id) != (from_id, to_id) or line.currency != currency:
            raise invalid(
                "payment.line",
                f"{line.reference} is owed by {line.payer} to {line.payee} in {line.currency}: this payment cannot be for it.",
                field="lines",
            )
    return lines


async def _allocate(
    session: WriteSession,
    by: By,
    row: PaymentRow,
    lines: Mapping[UUID, SettlementRow],
    wanted: Wanted,
    now: datetime,
) -> None:
    if not lines:
        return
    left = row.left
    amounts: dict[UUID, Decimal] = {}
    # What is due first is paid first where amounts are not named.
    for line in sorted(lines.values(), key=lambda x: (wanted[x.id] is None, x.due_on, x.id)):
        asked = wanted[line.id]
        share = min(line.left, left) if asked is None else asked
        there = Money(line.left, line.currency).rounded()
        if line.left <= 0 or share > line.left:
            raise conflict(
                "payment.over",
                f"{there} of {line.reference} is left to be paid; nothing was recorded."
                if line.left > 0
                else f"All of {line.reference} is paid, or said to be, already; nothing was recorded.",
                field="lines",
                line_id=str(line.id),
                left=f"{line.left:f}",
            )
        if share > left or share <= 0 or Money(share, row.currency) != Money(share, row.currency).rounded():
            raise invalid(
                "payment.more_than_paid",
                f"{Money(left, row.currency).rounded()} of the payment is left for {line.reference}: give amounts above "
                "zero that add up to at most what was paid.",
                field="lines",
            )
        amounts[line.id] = share
        left -= share
    await write_allocations(session, by, row, amounts, now)
    await count_payment(session, row.id)
    await recount(session, by, lines, now)


async def _say(session: WriteSession, row: PaymentRow, actor: By, now: datetime) -> None:
    side = row.side_of(actor.company_id)
    await execute(
        session, f"UPDATE payment SET {side}_at = $2, {side}_by = $3 WHERE id = $1", row.id, now, actor.user_id
    )


async def _take_back(
    session: WriteSession, by: By, row: PaymentRow, lines: Mapping[UUID, SettlementRow], now: datetime
) -> None:
    amounts = {a.line_id: -a.amount for a in await queries.allocations_of(session, row.id)}
    if amounts:
        await write_allocations(session, by, row, amounts, now)
    await execute(session, "UPDATE payment SET reversed_at = $2 WHERE id = $1", row.id, now)
    await count_payment(session, row.id)
    await recount(session, by, lines, now)


async def require_same_lines(session: WriteSession, payment_id: UUID, lines: Mapping[UUID, SettlementRow]) -> None:
    """That the lines locked before a payment are still all that it pays. Raises ``payment.changed``."""
    now_there = {a.line_id for a in await queries.allocations_of(session, payment_id)}
    if not now_there <= lines.keys():
        raise busy("payment.changed", "Lines were added to this payment this instant. Nothing was changed; try again.")


def _mine(row: PaymentRow, actor: By) -> None:
    if row.side_of(actor.company_id) is None:
        raise missing("payment.not_found", "No such payment.")


def _other(row: PaymentRow, actor: By) -> UUID:
    return row.to_id if actor.company_id == row.from_id else row.from_id


def _stands(row: PaymentRow) -> str:
    return {
        "reversed": "was taken back",
        "confirmed": "was confirmed by both sides",
        "waits_for_payer": f"waits for {row.payer}",
        "waits_for_payee": f"waits for {row.payee}",
    }[row.status]


async def tell(session: WriteSession, event: str, row: PaymentRow, to: UUID, subject: str | None) -> None:
    payload: dict[str, object] = {"reference": row.reference, "how": row.how, "amount": row.amount}
    if subject:
        async with acting_for(session, to):
            people: Sequence[str] = await parties.people_to_tell(session, to, ("planner", "buyer"))
        if people:
            text = f"{row.payer} to {row.payee}: {Money(row.amount, row.currency).rounded()}. {row.note}".strip()
            payload["mail"] = {
                "to": people, "subject": subject, "text": text, "link": f"/settlement/payments/{row.id}",
            }  # fmt: skip
    await emit(session, event, "payment", row.id, (row.from_id, row.to_id), payload)
