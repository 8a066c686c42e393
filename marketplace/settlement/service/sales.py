"""The price of units that were sold: owed from their receipt on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from marketplace.agreements.missing import TAKEN_OUT, TAKEN_WORDS
from marketplace.agreements.phrases import count
from marketplace.agreements.queries import retained
from marketplace.db.session import WriteSession, fetch, fetch_value
from marketplace.holdings import queries as holdings
from marketplace.kit.errors import busy
from marketplace.kit.ids import short_reference
from marketplace.kit.money import Money
from marketplace.outbox.service import emit_each
from marketplace.parties.actor import OnBehalf
from marketplace.settlement.kinds import LineKind
from marketplace.settlement.service.owing import credit, owe

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Sold:
    """So many units of a part at a price each. ``step_id`` tells lines of one order apart."""

    step_id: UUID
    part_id: UUID
    quantity: int
    unit_price: Decimal
    words: str


async def owe_sales(
    session: WriteSession,
    *,
    payer_id: UUID,
    payee_id: UUID,
    cause_id: UUID,
    cause_reference: str,
    agreement_id: UUID | None,
    currency: str,
    due_on: date,
    at: datetime,
    sold: Sequence[Sold],
) -> int:
    """A line for each of ``sold`` as of the moment it was received, once: what is owed already for the same step of the cause is left as it is, and over
    nothing there is no line. The tenant must be one of the two. As many statements for a thousand as for one. Returns how many lines were written."""
    amounts = {x.step_id: Money(x.unit_price * x.quantity, currency).rounded().amount for x in sold}
    left = {x.step_id: x for x in sold if amounts[x.step_id]}
    made: list[tuple[UUID, dict[str, object]]] = []
    for _ in range(_ATTEMPTS):
        if not left:
            break
        steps = list(left.values())
        rows = await fetch(
            session,
            "WITH made AS (INSERT INTO settlement_line (reference, payer_id, payee_id, kind, cause_id, cause_reference, "
            "agreement_id, part_id, quantity, unit_price, amount, currency, words, due_on, step_id, created_at) "
            "SELECT n.reference, $1, $2, $3, $4, $5, $6, n.part_id, n.quantity, n.unit_price, n.amount, $7, n.words, $8, n.step_id, $16 "
            "FROM unnest($9::text[], $10::uuid[], $11::int[], $12::numeric[], $13::numeric[], $14::text[], $15::uuid[]) "
            "AS n (reference, part_id, quantity, unit_price, amount, words, step_id) ON CONFLICT DO NOTHING "
            "RETURNING id, reference, step_id) SELECT id, reference, step_id FROM made UNION ALL "
            "SELECT NULL, NULL, step_id FROM settlement_line WHERE cause_id = $4 AND kind = $3 AND step_id = ANY($15::uuid[])",
            payer_id, payee_id, LineKind.SALE_PRICE.value, cause_id, cause_reference, agreement_id, currency, due_on,
            [short_reference("SET") for _ in steps], [x.part_id for x in steps], [x.quantity for x in steps],
            [x.unit_price for x in steps], [amounts[x.step_id] for x in steps], [x.words for x in steps],
            [x.step_id for x in steps], at,
        )  # fmt: skip
        for r in rows:
            left.pop(r["step_id"], None)
            if r["id"] is not None:
                payload = {
                    "reference": r["reference"], "amount": amounts[r["step_id"]], "currency": currency, "due_on": due_on,
                }  # fmt: skip
                made.append((r["id"], payload))
    if left:
        raise busy("settlement.reference", "No free reference was found. Nothing was changed; try again.")
    await emit_each(session, "settlement.owed", "settlement", made, (payer_id, payee_id))
    return len(made)


WHY = {
    "use": "Taken out: issued to production",
    "install": "Taken out: fitted",
    "resell": "Taken out: sold on",
    "scrap": "Taken out: scrapped",
    "without_leave": "Counts as taken out",
    "lay_too_long": "Counts as taken out: lay too long",
    "at_end": "Bought at the end of the window",
}


async def owe_taken_out(session: WriteSession, taking_id: UUID, at: datetime | None = None) -> UUID | None:
    """What the holder owes for units that it took out, from the record of it: once, however often it is asked. ``at`` as in
    ``owe``. Returns the line; None where nothing is owed."""
    out = await retained.taken(session, taking_id)
    if out is None or not out.unit_price:
        return None
    each = Money(out.unit_price, out.currency)
    why = WHY[out.why]
    if out.why == "without_leave" and out.command_id is not None:
        became = await holdings.became_by(session, out.command_id)
        why = f"{why} (section {TAKEN_OUT}): {TAKEN_WORDS[became]}" if became else why
    return await owe(
        session, payer_id=out.holder_id, payee_id=out.maker_id, kind=LineKind.SALE_PRICE.value, cause_id=out.id,
        cause_reference=out.agreement, agreement_id=out.agreement_id, part_id=out.part_id, quantity=out.quantity,
        unit_price=each, words=f"{why}: {count(out.quantity, 'unit')} at {each}.", due_on=out.due_on, at=at,
    )  # fmt: skip


async def credit_put_back(session: WriteSession, taking_id: UUID, now: datetime) -> None:
    """What was recorded as taken out wrongly is not owed: the record ``taking_id`` takes another one back, and its line is
    credited by so many units. Once."""
    back = await retained.taken(session, taking_id)
    if back is None or back.undoes_id is None:
        return
    line = await owe_taken_out(session, back.undoes_id)
    known = await fetch_value(
        session, "SELECT true FROM settlement_line WHERE counters_id = $1 AND step_id = $2", line, back.id
    )
    if line is None or known:
        return
    amount = Money(back.unit_price * back.quantity, back.currency).rounded()
    words = f"Not taken out: {count(back.quantity, 'unit')} recorded wrongly."
    by = OnBehalf(UUID(int=0), back.maker_id)
    await credit(session, by, line, amount, words=words, now=now, step_id=back.id)
