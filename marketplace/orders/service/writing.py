"""Both sides of a quote or an order write to each other on it: one thread, which goes on from the quote on its order."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, fetch_value
from marketplace.kit.errors import invalid, missing
from marketplace.orders import queries
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

MOST: Final = 2_000


async def write_message(
    session: WriteSession,
    actor: Actor,
    text: str,
    now: datetime,
    *,
    order_id: UUID | None = None,
    quote_id: UUID | None = None,
) -> UUID:
    """Adds a message; the other side is told. Returns its id. On a quote of which an order was made it stands on the order. Raises
    ``message.text``, ``order.not_found``, ``quote.not_found``."""
    written = text.strip()
    if not 0 < len(written) <= MOST:
        words = (
            f"Your message has {len(written):,} characters; at most {MOST:,} fit."
            if written
            else "Write a message first."
        )
        raise invalid("message.text", words, field="text")
    if quote_id is not None:
        quote = await queries.quote(session, quote_id)
        seller, buyer, reference, order_id = quote.seller_id, quote.buyer_id, quote.reference, quote.order_id
    if order_id is not None:
        order = await queries.order(session, order_id)
        seller, buyer, reference, quote_id = order.seller_id, order.buyer_id, order.reference, None
    if actor.company_id not in {seller, buyer}:
        raise missing("order.not_found", "No such order.")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO trade_message (quote_id, order_id, seller_id, buyer_id, from_id, author_id, text, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        quote_id, order_id, seller, buyer, actor.company_id, actor.user_id, written, now,
    )  # fmt: skip
    other, roles = (buyer, ("buyer", "warehouse")) if actor.company_id == seller else (seller, ("seller", "planner"))
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    about, link = ("order", f"/orders/{order_id}") if order_id else ("quote", f"/quotes/{quote_id}")
    mail = {"to": people, "subject": f"Message on {reference} from {actor.company_name}", "text": written, "link": link}
    payload = {"reference": reference, **({"mail": mail} if people else {})}
    subject = order_id or quote_id
    assert subject is not None  # noqa: S101 - named by the caller
    await emit(session, f"{about}.message", about, subject, (seller, buyer), payload)
    return made
