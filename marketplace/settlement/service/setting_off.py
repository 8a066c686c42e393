"""Set-off: what two companies owe each other in one currency, netted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.db.session import WriteSession
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor
from marketplace.settlement import queries
from marketplace.settlement.netting import Open, net
from marketplace.settlement.queries import PaymentRow
from marketplace.settlement.service.counting import count_payment, recount, write_allocations, write_payment
from marketplace.settlement.service.paying import MOST_LINES, tell


async def set_off(
    session: WriteSession,
    actor: Actor,
    other_id: UUID,
    currency: str,
    now: datetime,
    *,
    line_ids: Sequence[UUID] = (),
    allowed_by_clause: bool = False,
) -> PaymentRow:
    """Nets what the two companies owe each other in one currency: of ``line_ids``, or of all lines that are open and not
    in dispute, what is due first before the rest. It counts once the other side agrees, or at once where the clause
    allows it.

    Raises ``setoff.nothing`` where one of the sides owes nothing that could be netted, ``setoff.line`` for a line that
    cannot be."""
    if other_id == actor.company_id:
        raise invalid("setoff.other", "Choose the other company.", field="other_id")
    if len(line_ids) > MOST_LINES:
        raise invalid("setoff.line", f"Name at most {MOST_LINES} lines at once.", field="line_ids")
    chosen = list(line_ids) or [
        line.id
        for pair in ((actor.company_id, other_id), (other_id, actor.company_id))
        for line in await queries.open_lines(session, *pair, currency)
    ]
    lines = await queries.lines_for_update(session, chosen) if chosen else {}
    ours: list[Open] = []
    theirs: list[Open] = []
    for line in lines.values():
        pair = {line.payer_id, line.payee_id}
        if pair != {actor.company_id, other_id} or line.currency != currency:
            raise invalid(
                "setoff.line",
                f"{line.reference} is owed by {line.payer} to {line.payee} in {line.currency}: it cannot be netted here.",
                field="line_ids",
            )
        free = min(line.left, line.left - line.disputed)
        if free > 0:
            (ours if line.payer_id == actor.company_id else theirs).append(Open(line.id, line.due_on, free))
        elif line_ids:
            raise conflict(
                "setoff.line",
                f"Nothing of {line.reference} is left that is neither paid nor in dispute.",
                field="line_ids",
            )
    amount, shares = net(ours, theirs)
    if not amount:
        raise conflict(
            "setoff.nothing",
            f"There is nothing to set off in {currency}: both sides must owe something that is neither paid nor in dispute.",
        )
    made = await write_payment(
        session, actor, from_id=actor.company_id, to_id=other_id, currency=currency, amount=amount, paid_on=now.date(), how="set_off",
        payer_at=now, payee_at=now if allowed_by_clause else None,
        note="The clause allows it." if allowed_by_clause else "",
    )  # fmt: skip
    row = await queries.payment(session, made)
    await write_allocations(session, actor, row, shares, now)
    await count_payment(session, made)
    await recount(session, actor, lines, now)
    words = (
        None if allowed_by_clause else f"{row.reference}: set-off of {Money(amount, currency).rounded()} to agree to"
    )
    await tell(session, "payment.set_off", row, other_id, words)
    return await queries.payment(session, made)
