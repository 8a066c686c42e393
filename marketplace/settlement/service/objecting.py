"""Who is owed for units by their condition objects to the condition that was found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.db.session import WriteSession
from marketplace.kit.clock import end_of_day
from marketplace.kit.errors import conflict, forbidden, invalid
from marketplace.kit.money import Money
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.parties.actor import By
from marketplace.settlement import queries
from marketplace.settlement.disputes import better, fetched
from marketplace.settlement.queries import DisputeRow
from marketplace.settlement.service.disputing import open_dispute


async def dispute_condition(
    session: WriteSession,
    by: By,
    line_id: UUID,
    *,
    condition: str,
    quantity: int | None,
    fetches: Mapping[str, Any],
    words: str,
    respond_by: datetime,
    now: datetime,
) -> DisputeRow:
    """The payee says that ``quantity`` of the units of a line (None: all of which no condition was agreed on yet) came back in a
    better ``condition`` than was found. Nothing changes of the line, and it stays due. ``fetches``: what the order keeps of what
    each condition fetches (``conditions``), and by when more is due (``days`` after the agreement, in ``zone``).

    Raises ``settlement.not_found`` to others, ``dispute.side`` to the payer, ``dispute.no_condition``, ``dispute.late`` after the time to pay (section 9.5), ``dispute.open``,
    ``dispute.agreed``, ``dispute.quantity``, ``dispute.condition``, ``dispute.words``."""
    line = await queries.settlement_line_for_update(session, line_id)
    if by.company_id != line.payee_id:
        raise forbidden(
            "dispute.side",
            f"{line.payee} is owed {line.reference} and can object to the condition; you can dispute the line.",
        )
    if line.condition is None:
        raise conflict(
            "dispute.no_condition",
            f"{line.reference} is not what a condition fetches. Object to the line of the price: handling follows it.",
        )
    if now >= end_of_day(line.due_on, fetches["zone"]):
        raise conflict(
            "dispute.late",
            f"The time to object to the condition was the time to pay, which ended with {phrases.day(line.due_on)}.",
        )
    before = await queries.disputes_of_line(session, line_id)
    if any(d.status == "open" for d in before):
        raise conflict("dispute.open", f"{line.reference} is in dispute already.")
    left = (line.quantity or 0) - sum(
        d.quantity or 0 for d in before if d.subject == "condition" and d.status == "agreed"
    )
    if not left:
        raise conflict("dispute.agreed", f"Both sides have agreed on the condition of the units of {line.reference}.")
    units = left if quantity is None else quantity
    if not 1 <= units <= left:
        raise invalid("dispute.quantity", f"Object to the condition of 1 to {left:,} units.", field="quantity")
    more = better(fetched(fetches), line.condition)
    if condition not in more:
        best = ", ".join(CONDITION_WORDS[c].lower() for c in more) or "there is none"
        raise invalid(
            "dispute.condition", f"Name a condition that fetches more than was found: {best}.", field="condition"
        )
    amount = (Money(more[condition], line.currency) * units).rounded()
    return await open_dispute(
        session, by, subject="condition", line_id=line_id, cause_id=line.cause_id, cause_reference=line.cause_reference,
        payer_id=line.payer_id, payee_id=line.payee_id, reason="condition", amount=amount, quantity=units,
        respond_by=respond_by, words=words, offer=amount.amount, now=now, found=line.condition, fetches=fetches,
        condition=condition,
    )  # fmt: skip
