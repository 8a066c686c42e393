"""Both sides of an order back write to each other on it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.db.session import WriteSession, fetch_value
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.parties.actor import Actor
from marketplace.sourcing import queries
from marketplace.sourcing.service.shared import announce

MOST: Final = 2_000
_HOLDERS: Final = ("buyer", "warehouse")
_ASKERS: Final = ("technician", "planner")


async def write_message(session: WriteSession, actor: Actor, call_id: UUID, text: str, now: datetime) -> UUID:
    """Adds a message to the order's thread; the other side is told. Returns its id.

    Only once the order is sent: before, its holder knows nothing of it, and who the holder is may not be told. Raises
    ``message.text``, ``call.not_found``, ``call.not_sent``."""
    written = text.strip()
    if not 0 < len(written) <= MOST:
        words = (
            f"Your message has {len(written):,} characters; at most {MOST:,} fit."
            if written
            else "Write a message first."
        )
        raise invalid("message.text", words, field="text")
    call = await queries.call_for_update(session, call_id)
    askers = {call.maker_id, call.company_id}
    if actor.company_id not in {*askers, call.holder_id}:
        raise missing("call.not_found", "No such order.")
    if call.noticed_at is None:
        if actor.company_id not in askers:
            raise missing("call.not_found", "No such order.")
        raise conflict(
            "call.not_sent",
            "The order has not been sent yet, so nobody could read this. Nothing was changed; write once it is.",
        )
    made: UUID = await fetch_value(
        session,
        "INSERT INTO call_message (call_id, maker_id, holder_id, company_id, from_id, author_id, text, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        call.id, call.maker_id, call.holder_id, call.company_id, actor.company_id, actor.user_id, written, now,
    )  # fmt: skip
    for other in sorted({*askers, call.holder_id} - {actor.company_id}):
        await announce(
            session, "call.message", call, other, _HOLDERS if other == call.holder_id else _ASKERS,
            f"Message on {call.reference} from {actor.company_name}", written,
        )  # fmt: skip
    return made
