"""A use dated before the notice of an order that is not over: it counts against that order, so the holder shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import service as agreements
from marketplace.agreements.covered import Covered
from marketplace.db.session import WriteSession
from marketplace.holdings import queries
from marketplace.holdings.proposal import Take
from marketplace.kit.errors import invalid
from marketplace.parties.actor import Actor

SECTION = "5.2"
"""Of every clause with orders: units that were used before notice, as it allows, and not yet reported need not be given."""


async def prove_earlier(
    session: WriteSession,
    actor: Actor,
    covered: Mapping[UUID, Covered],
    takes: Sequence[Take],
    happened: datetime,
    note: str | None,
    now: datetime,
) -> None:
    """Asks for the evidence of a use that is reported with a date before the notice of an order, and puts it on record with the
    agreement, where the other side reads it. Lots and agreements are locked. Raises ``holding.evidence``."""
    pairs = dict.fromkeys((t.line.place.agreement, t.line.part_id) for t in takes if t.line.place.agreement is not None)
    for order in await queries.orders_noticed_after(session, pairs, happened) if pairs else ():
        about = covered[order.agreement_id]
        noticed = phrases.moment(order.noticed_at, order.zone)
        if not (note or "").strip():
            raise invalid(
                "holding.evidence",
                f"{about.reference}: an order of {phrases.count(order.units, 'unit')} was noticed on {noticed}, after the day that "
                f"you give. Section {SECTION}: say in the note by which record it shows that they were used before, such as a job "
                "card or a work order with its number. Nothing was recorded.",
                field="note",
            )
        used = sum(
            t.quantity for t in takes if (t.line.place.agreement, t.line.part_id) == (order.agreement_id, order.part_id)
        )
        told = f"{phrases.count(used, 'unit')}, dated {phrases.moment(happened, order.zone)}; the order was noticed on {noticed}. Shown by: {(note or '').strip()}"
        detail = {"part_id": order.part_id, "quantity": used, "note": told}
        sides = (about.maker_id, about.holder_id)
        await agreements.note(session, order.agreement_id, sides, "used_before", actor, now, detail)
