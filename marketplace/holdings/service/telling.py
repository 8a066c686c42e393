"""Saying that own units left their place, for whoever promised them to others."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from marketplace.db.session import WriteSession
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor


async def tell_taken(session: WriteSession, actor: Actor, command_id: UUID, units: Iterable[tuple[UUID, int]]) -> None:
    """One event for the (lot, position) of own units under no agreement that were used, moved, scrapped, counted away or
    corrected. Only manufacturers offer their own stock, so only their units are told of."""
    gone = sorted(set(units))
    if not gone or not actor.is_manufacturer:
        return
    # Each command by itself: what became of one does not wait for another.
    await emit(
        session, "holding.taken", "command", command_id, [actor.company_id],
        {"company_id": actor.company_id, "units": gone},
    )  # fmt: skip
