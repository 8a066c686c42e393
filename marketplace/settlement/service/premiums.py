"""What the manufacturer owes once for the right, from the signing of the agreement on."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.agreements.phrases import count, percent
from marketplace.agreements.terms import Terms
from marketplace.db.session import WriteSession
from marketplace.kit.clock import local_day
from marketplace.settlement.service.owing import owe


async def owe_premiums(session: WriteSession, agreement_id: UUID) -> int:
    """Writes what the clauses of an agreement that both have signed have the manufacturer pay for the right: a line for each
    part, due the clause's payment days after the signing. Once, however often it is asked. Returns how many lines are owed."""
    signed_at, pairs = await agreements.signed_lines(session, agreement_id)
    if signed_at is None:
        return 0
    covered = await agreements.terms_and_facts(session, pairs)
    owed = 0
    for (_, part_id), known in covered.items():
        priced = [t for t in known.clauses if _premium(t)]
        if not priced:
            continue
        share = sum(_premium(t) for t in priced)
        # Of the price paid for all units, rounded once: a share of a cheap unit's price alone rounds to nothing.
        sold, price = known.facts.quantity_sold, known.facts.sale_price
        premium = (price * sold).share(share, priced[0].rounding)
        await owe(
            session, payer_id=known.maker_id, payee_id=known.holder_id, kind="premium", cause_id=agreement_id,
            cause_reference=known.reference, agreement_id=agreement_id, part_id=part_id, step_id=part_id,
            quantity=None, unit_price=premium,
            words=f"Paid once for the right: {percent(share)} of the price paid for {count(sold, 'unit')}, {price} each.",
            due_on=local_day(signed_at, known.facts.zone) + timedelta(days=min(t.payment_days for t in priced)),
        )  # fmt: skip
        owed += 1
    return owed


def _premium(terms: Terms) -> int:
    if terms.generation == 1 or terms.clause == "title-kept":
        return 0
    return terms.option_premium_bp
