"""What a better condition than was found fetches more, as both sides agree on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession
from marketplace.kit.clock import local_day
from marketplace.kit.errors import invalid
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.settlement import queries
from marketplace.settlement.disputes import Proposal, better, fetched
from marketplace.settlement.queries import DisputeRow
from marketplace.settlement.service.owing import owe


def amount_of(row: DisputeRow, condition: str | None, amount: Decimal | None, quantity: int | None) -> Decimal:
    """How much more is owed if the units of a dispute about a condition were in this one. Raises ``dispute.condition`` for one
    that is worse than was found or better than was said, ``dispute.amount`` and ``dispute.quantity`` where one is given."""
    assert row.fetches is not None and row.found is not None and row.quantity  # noqa: S101, PT018 - its CHECK says so
    if amount is not None:
        raise invalid("dispute.amount", "Propose a condition: what it fetches follows from it.", field="amount")
    if quantity is not None:
        raise invalid("dispute.quantity", "Propose a condition for all the units of the dispute.", field="quantity")
    more = {row.found: Decimal(0)} | better(fetched(row.fetches), row.found)
    of = {c: (Money(m, row.currency) * row.quantity).rounded().amount for c, m in more.items()}
    fitting = [c for c, m in of.items() if m <= row.amount]
    if condition not in fitting:
        names = ", ".join(CONDITION_WORDS[c].lower() for c in fitting)
        raise invalid("dispute.condition", f"Propose one of these conditions: {names}.", field="condition")
    return of[condition]


async def owe_more(session: WriteSession, row: DisputeRow, agreed: Proposal, now: datetime) -> None:
    """The difference to what was paid for the condition found, as lines of its own: price and handling."""
    assert row.fetches is not None and row.found is not None and row.quantity and row.line_id  # noqa: S101, PT018
    assert agreed.condition is not None  # noqa: S101 - a proposal in such a dispute names one
    line = await queries.settlement_line(session, row.line_id)
    fetches = fetched(row.fetches)
    then, now_paid = fetches[row.found], fetches[agreed.condition]
    handling = now_paid.handling - then.handling
    price = now_paid.each - then.each - handling
    if min(price, handling) < 0:
        # Both are rounded: where they part by a cent the wrong way, all of it is the price.
        price, handling = price + handling, Decimal(0)
    due = local_day(now, row.fetches["zone"]) + timedelta(days=int(row.fetches["days"]))
    found, better_one = CONDITION_WORDS[row.found].lower(), CONDITION_WORDS[agreed.condition].lower()
    words = (
        f"{row.reference}: {count(row.quantity, 'unit')} in condition {better_one}, not {found}, as both sides agree: "
        f"{Money(now_paid.each, row.currency)} a unit in place of {Money(then.each, row.currency)}."
    )
    for kind, each in ((line.kind, price), ("handling", handling)):
        if each > 0:
            await owe(
                session, payer_id=row.payer_id, payee_id=row.payee_id, kind=kind, cause_id=row.cause_id,
                cause_reference=row.cause_reference, agreement_id=line.agreement_id, part_id=line.part_id,
                quantity=row.quantity, unit_price=Money(each, row.currency), words=words, due_on=due, step_id=row.id,
            )  # fmt: skip
