"""Title that was retained until the price was paid passes with the payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from marketplace.agreements.queries.retained import retained_for_update, retains_title, title_passed
from marketplace.agreements.service.standing import note
from marketplace.db.session import WriteSession, acting_for
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import add_permits, carry_out
from marketplace.parties.actor import By

_LEAVE = timedelta(hours=1)


async def pass_title(
    session: WriteSession,
    by: By,
    *,
    agreement_id: UUID,
    part_id: UUID,
    quantity: int,
    cause_id: UUID,
    now: datetime,
) -> int:
    """Makes up to ``quantity`` units of a part the holder's, where the agreement's terms keep them the maker's until they are
    paid; they stay under the agreement. ``cause_id`` (the settlement line that was paid) passes title once, whatever becomes
    of the payment later: title does not go back by itself. Returns how many passed; reserved units (ordered back meanwhile)
    are left as they are. The tenant is the maker or the holder."""
    sides = await retains_title(session, agreement_id)
    if sides is None:
        return 0
    maker_id, holder_id = sides
    key = command_id("title.paid", cause_id)
    async with acting_for(session, maker_id):
        units = await retained_for_update(session, agreement_id, part_id, maker_id)
        if await title_passed(session, key):
            return 0
        left = quantity
        taken: list[tuple[UUID, int, int]] = []
        for unit in units:
            part = min(left, unit.free)
            left -= part
            if part:
                taken.append((unit.lot_id, unit.position_id, part))
        if not taken:
            return 0
        at = await places(session, [(lot, number) for lot, number, _ in taken])
        permits = {(lot, number): uuid4() for lot, number, _ in taken}
        await add_permits(
            session,
            agreement_id=agreement_id,
            company_id=holder_id,
            maker_id=maker_id,
            permits=[(lot, permits[lot, number], Kind.TITLE, part) for lot, number, part in taken],
            expires_at=now + _LEAVE,
            reason="paid",
        )
        steps = tuple(
            Step(
                Kind.TITLE, lot, part, number, to=replace(at[lot, number], owner=holder_id), permit=permits[lot, number],
            )
            for lot, number, part in taken
        )  # fmt: skip
        await carry_out(session, Command(key, maker_id, by.user_id, steps, "settlement", cause_id), now)
        passed = quantity - left
        detail = {"part_id": part_id, "quantity": passed, "cause": cause_id}
        await note(session, agreement_id, sides, "title_passed", by, now, detail)
    return passed
