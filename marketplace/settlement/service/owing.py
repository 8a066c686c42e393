"""What one company owes another: written once, and taken back by a counter line."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from marketplace.db.session import WriteSession, fetch_one, fetch_value
from marketplace.kit.errors import busy, conflict, invalid, missing
from marketplace.kit.ids import short_reference
from marketplace.kit.money import Money
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor, By
from marketplace.settlement import queries
from marketplace.settlement.kinds import COUNTERS, KINDS, LineKind
from marketplace.settlement.queries import SettlementRow
from marketplace.settlement.service.counting import apply_counter

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
    quantity: int | None,
    unit_price: Money,
    words: str,
    due_on: date,
    step_id: UUID | None = None,
    document: str | None = None,
    object_by: datetime | None = None,
    counters_id: UUID | None = None,
    condition: str | None = None,
    at: datetime | None = None,
) -> UUID:
    """Writes what ``payer`` owes ``payee`` for one cause (a call) and returns the line's id. ``kind`` is one of
    ``kinds.KINDS``. ``document``: the number of the paper that it goes by; ``object_by``: until when the payer may object;
    ``condition``: the one that units came back in, which the payee may object to; ``at``: the moment of the act that it is
    owed for, where that writes the line itself (otherwise it is known from now on).

    The same kind of line for the same cause (and step of it) again answers the line that is there, if it says the same; otherwise ``settlement.other_terms``.
    The tenant must be one of the two. The amount is price times quantity, rounded to what can be paid; without a quantity
    (a premium, damages: nothing is counted by the unit) ``unit_price`` is the sum, and the line has neither.
    """
    if quantity is not None and quantity < 1:
        raise invalid("settlement.quantity", "Give a quantity of at least one.", field="quantity")
    if kind not in KINDS or (kind in COUNTERS) != (counters_id is not None):
        raise invalid("settlement.kind", f"There is no kind of settlement line called '{kind[:40]}'.", field="kind")
    if payer_id == payee_id or unit_price.amount < 0:
        raise invalid("settlement.line", "A company cannot owe itself, and prices are not negative.")
    amount = (unit_price * (1 if quantity is None else quantity)).rounded()
    for _ in range(_ATTEMPTS):
        reference = short_reference("SET")
        made: UUID | None = await fetch_value(
            session,
            "INSERT INTO settlement_line (reference, payer_id, payee_id, kind, cause_id, cause_reference, agreement_id, "
            "part_id, quantity, unit_price, amount, currency, words, due_on, step_id, document, object_by, counters_id, "
            "condition, payer_marked_at, payee_marked_at, created_at) "
            # Over nothing, nobody has to say that it was paid.
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "
            "CASE WHEN $11::numeric = 0 THEN now() END, CASE WHEN $11::numeric = 0 THEN now() END, coalesce($20, now())) ON CONFLICT DO NOTHING RETURNING id",
            reference, payer_id, payee_id, kind, cause_id, cause_reference, agreement_id, part_id, quantity,
            None if quantity is None else unit_price.amount, amount.amount, amount.currency, words, due_on, step_id, document, object_by, counters_id,
            condition, at,
        )  # fmt: skip
        if made is not None:
            payload = {"reference": reference, "amount": amount.amount, "currency": amount.currency, "due_on": due_on}
            sides = (payer_id, payee_id)
            await emit(session, "settlement.owed", "settlement", made, sides, payload)
            if not amount.amount:
                settled = {"reference": reference, "cause_id": cause_id}
                await emit(session, "settlement.settled", "settlement", made, sides, settled)
            return made
        known = await fetch_one(
            session,
            "SELECT id, payer_id = $2 AND payee_id = $3 AND quantity IS NOT DISTINCT FROM $4 AND amount = $5 AND currency = $6 AS same "
            "FROM settlement_line WHERE cause_id = $1 AND kind = $7 AND step_id IS NOT DISTINCT FROM $8",
            cause_id, payer_id, payee_id, quantity, amount.amount, amount.currency, kind, step_id,
        )  # fmt: skip
        if known is not None:
            if not known["same"]:
                raise conflict("settlement.other_terms", f"{cause_reference} was settled on other terms already.")
            same: UUID = known["id"]
            return same
    raise busy("settlement.reference", "No free reference was found. Nothing was changed; try again.")


async def credit(
    session: WriteSession,
    by: By,
    line_id: UUID,
    amount: Money,
    *,
    words: str,
    now: datetime,
    kind: LineKind = LineKind.CREDIT,
    step_id: UUID,
) -> SettlementRow:
    """Takes back ``amount`` of a line by a counter line, the other way round, which is set at once against what nobody has
    paid yet; what was paid already is owed back. Returns the counter line.

    Raises ``settlement.not_found``, ``settlement.credit`` for more than is left of the line after earlier credits.
    """
    line = (await queries.lines_for_update(session, [line_id]))[line_id]
    if line.kind in COUNTERS:
        raise conflict("settlement.credit", f"{line.reference} takes back part of {line.counters} itself.")
    known = await queries.counters_of(session, line_id)
    left = Money(line.amount - sum(c.amount for c in known), line.currency)
    if amount.currency != line.currency or amount != amount.rounded() or not 0 < amount.amount <= left.amount:
        raise invalid(
            "settlement.credit",
            f"Of {line.reference} at most {left.rounded()} can be taken back, in whole {line.currency} cents."
            if left.amount
            else f"All of {line.reference} was taken back already.",
            field="amount",
        )
    made = await owe(
        session, payer_id=line.payee_id, payee_id=line.payer_id, kind=kind.value, cause_id=line.cause_id,
        cause_reference=line.cause_reference, agreement_id=line.agreement_id, part_id=line.part_id, quantity=None,
        unit_price=amount, words=words, due_on=max(line.due_on, now.date()), step_id=step_id,
        counters_id=line_id,
    )  # fmt: skip
    return await apply_counter(session, by, line_id, made, now)


async def give_credit(
    session: WriteSession, actor: Actor, line_id: UUID, amount: Decimal, *, words: str, now: datetime
) -> SettlementRow:
    """Who is owed a line takes back part of it. Raises as ``credit``, and ``settlement.not_found`` for the payer."""
    line = await queries.settlement_line_for_update(session, line_id)
    if actor.company_id != line.payee_id:
        raise missing("settlement.not_found", "No such settlement line that your company is owed.")
    step: UUID = await fetch_value(session, "SELECT uuidv7()")
    return await credit(
        session, actor, line_id, Money(amount, line.currency), words=words.strip(), now=now, step_id=step
    )
