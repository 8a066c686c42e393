"""The verbs of settlement: owe, and mark as settled."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from marketplace.db.session import WriteSession, execute, fetch_one, fetch_value
from marketplace.kit.errors import busy, conflict, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.settlement import queries
from marketplace.settlement.queries import SettlementRow

_ATTEMPTS = 5


async def owe(
    session: WriteSession,
    *,
    payer_id: UUID,
    payee_id: UUID,
    kind: str,
    cause_id: UUID,
    cause_reference: str,
    agreement_id: UUID | None,
    part_id: UUID,
    quantity: int,
    unit_price: Money,
    words: str,
    due_on: date,
    step_id: UUID | None = None,
) -> UUID:
    """Writes what ``payer`` owes ``payee`` for one cause (a call) and returns the line's id.

    The same kind of line for the same cause (and step of it) again answers the line that is there, if it says the same; otherwise ``settlement.other_terms``.
    The tenant must be one of the two. The amount is price times quantity, rounded to what can be paid.
    """
    if quantity < 1:
        raise invalid("settlement.quantity", "Give a quantity of at least one.", field="quantity")
    if payer_id == payee_id or unit_price.amount < 0:
        raise invalid("settlement.line", "A company cannot owe itself, and prices are not negative.")
    amount = (unit_price * quantity).rounded()
    for _ in range(_ATTEMPTS):
        reference = short_reference("SET")
        made: UUID | None = await fetch_value(
            session,
            "INSERT INTO settlement_line (reference, payer_id, payee_id, kind, cause_id, cause_reference, agreement_id, "
            "part_id, quantity, unit_price, amount, currency, words, due_on, step_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING RETURNING id",
            reference, payer_id, payee_id, kind, cause_id, cause_reference, agreement_id, part_id, quantity,
            unit_price.amount, amount.amount, amount.currency, words, due_on, step_id,
        )  # fmt: skip
        if made is not None:
            payload = {"reference": reference, "amount": amount.amount, "currency": amount.currency, "due_on": due_on}
            await emit(session, "settlement.owed", "settlement", made, (payer_id, payee_id), payload)
            return made
        known = await fetch_one(
            session,
            "SELECT id, payer_id = $2 AND payee_id = $3 AND quantity = $4 AND amount = $5 AND currency = $6 AS same "
            "FROM settlement_line WHERE cause_id = $1 AND kind = $7 AND step_id IS NOT DISTINCT FROM $8",
            cause_id, payer_id, payee_id, quantity, amount.amount, amount.currency, kind, step_id,
        )  # fmt: skip
        if known is not None:
            if not known["same"]:
                raise conflict("settlement.other_terms", f"{cause_reference} was settled on other terms already.")
            same: UUID = known["id"]
            return same
    raise busy("settlement.reference", "No free reference was found. Nothing was changed; try again.")


async def mark(session: WriteSession, actor: Actor, line_id: UUID, now: datetime) -> SettlementRow:
    """Marks a line as settled from the actor's side; it is settled when both sides have. Returns it as it stands.

    Raises ``settlement.not_found``, ``settlement.marked`` when this side has marked it already.
    """
    line = await queries.settlement_line_for_update(session, line_id)
    if actor.company_id not in (line.payer_id, line.payee_id):
        raise missing("settlement.not_found", "No such settlement line.")
    side = "payer" if actor.company_id == line.payer_id else "payee"
    if side not in line.waiting_for:
        raise conflict("settlement.marked", f"Your company has marked {line.reference} as settled already.")
    await execute(
        session,
        f"UPDATE settlement_line SET {side}_marked_at = $2, {side}_marked_by = $3 WHERE id = $1",
        line_id,
        now,
        actor.user_id,
    )
    after = await queries.settlement_line(session, line_id)
    name = "settlement.settled" if after.settled else "settlement.marked"
    payload = {"reference": line.reference, "side": side, "cause_id": line.cause_id}
    await emit(session, name, "settlement", line_id, (line.payer_id, line.payee_id), payload)
    return after
