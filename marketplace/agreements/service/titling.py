"""Title that was retained until the price was paid passes with the payment: at once, or when what reserves the units ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from marketplace.agreements.queries import retained
from marketplace.agreements.queries.retained import Retained, Retaining, retained_for_update
from marketplace.agreements.service.standing import note
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import add_permits, carry_out
from marketplace.parties.actor import By, OnBehalf

_LEAVE = timedelta(hours=1)
BY_CLOCK = frozenset({"lay_too_long", "at_end"})
"""Why units count as taken out that the holder still has."""


async def pass_title(
    session: WriteSession,
    by: By,
    *,
    agreement_id: UUID,
    part_id: UUID,
    quantity: int,
    cause_id: UUID,
    now: datetime,
    sold_by: UUID | None = None,
) -> int:
    """Makes up to ``quantity`` units of a part the holder's, where the agreement's terms keep them the maker's until they are
    paid; they stay under the agreement, unless they were placed under title-kept. ``cause_id`` (the settlement line that was
    paid) passes title once, whatever becomes of the payment later: title does not go back by itself. ``sold_by``: what the
    line is for; units that were used when they were taken out are not there any more. Returns how many passed now; for
    reserved units (ordered back meanwhile) it passes when they are free again (``pass_title_due``). The tenant is the maker
    or the holder."""
    found = await retained.retaining(session, agreement_id)
    if found is None:
        return 0
    if found.placed:
        out = await retained.taken(session, sold_by) if sold_by else None
        if out is None or out.why not in BY_CLOCK:
            return 0
    async with acting_for(session, found.acts):
        units = await retained_for_update(session, found.agreement_id, part_id, found.maker_id)
        if await retained.title_passed(session, command_id("title.paid", cause_id)):
            return 0
        once: UUID | None = await fetch_value(
            session,
            "INSERT INTO title_due (cause_id, agreement_id, part_id, maker_id, holder_id, quantity, at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING cause_id",
            cause_id, found.agreement_id, part_id, *found.sides, quantity, now,
        )  # fmt: skip
        if once is None:
            return 0
        return await _pass(session, by, found, part_id, units, quantity, cause_id, now, "title.paid")


async def pass_title_due(session: WriteSession, actor_id: UUID, cause_id: UUID, now: datetime) -> int:
    """Passes title to units that were reserved when they were paid and are free by now (worker): to each once, however late.
    Returns how many passed."""
    waits = await retained.title_due(session, cause_id)
    found = await retained.retaining(session, waits.agreement_id) if waits else None
    if waits is None or found is None:
        return 0
    by = OnBehalf(actor_id, found.maker_id)
    async with acting_for(session, found.acts):
        units = await retained_for_update(session, found.agreement_id, waits.part_id, found.maker_id)
        left = await retained.title_due_for_update(session, cause_id)
        return await _pass(session, by, found, waits.part_id, units, left, cause_id, now, "title.freed")


async def note_title_given_up(session: WriteSession, *, agreement_id: UUID, part_id: UUID, quantity: int) -> None:
    """So many units that are the maker's still went back to it for good: title to paid ones among them waits no longer, the
    oldest first."""
    await execute(
        session,
        "UPDATE title_due t SET passed = t.passed + n.part FROM (SELECT cause_id, least(quantity - passed, "
        "greatest($3 - coalesce(sum(quantity - passed) OVER (ORDER BY at, cause_id "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0))::int AS part FROM title_due "
        "WHERE agreement_id = $1 AND part_id = $2 AND passed < quantity) n WHERE t.cause_id = n.cause_id AND n.part > 0",
        agreement_id, part_id, quantity,
    )  # fmt: skip


async def _pass(
    session: WriteSession,
    by: By,
    found: Retaining,
    part_id: UUID,
    units: Sequence[Retained],
    quantity: int,
    cause_id: UUID,
    now: datetime,
    scope: str,
) -> int:
    left = quantity
    taken: list[tuple[UUID, int, int]] = []
    for unit in units:
        part = min(left, unit.free)
        left -= part
        if part:
            taken.append((unit.lot_id, unit.position_id, part))
    passed = quantity - left
    if not taken:
        return 0
    steps = await steps_of_title(session, found.agreement_id, found.sides, taken, "paid", now, free=found.placed)
    # What waits passes in parts, each once under the lock of its row; the payment itself passes once, by its name.
    key = command_id(scope, cause_id) if scope == "title.paid" else uuid4()
    await carry_out(session, Command(key, found.acts, by.user_id, steps, "settlement", cause_id), now)
    await execute(session, "UPDATE title_due SET passed = passed + $2 WHERE cause_id = $1", cause_id, passed)
    if found.placed:
        await execute(
            session,
            "UPDATE agreement_line SET bought = greatest(bought - $3, 0) WHERE agreement_id = $1 AND part_id = $2",
            found.agreement_id, part_id, passed,
        )  # fmt: skip
    detail = {"part_id": part_id, "quantity": passed, "cause": cause_id}
    await note(session, found.agreement_id, found.sides, "title_passed", by, now, detail)
    return passed


async def steps_of_title(
    session: WriteSession,
    agreement_id: UUID,
    sides: tuple[UUID, UUID],
    taken: Sequence[tuple[UUID, int, int]],
    reason: str,
    now: datetime,
    *,
    free: bool,
) -> tuple[Step, ...]:
    """The steps that make (lot, position, quantity) of the maker's units the holder's, with leave for each; ``free``: they
    stand under no agreement any more."""
    maker_id, holder_id = sides
    at = await places(session, [(lot, number) for lot, number, _ in taken])
    kinds = (Kind.TITLE, Kind.REPOINT) if free else (Kind.TITLE,)
    permits = {(lot, number, kind): uuid4() for lot, number, _ in taken for kind in kinds}
    await add_permits(
        session, agreement_id=agreement_id, company_id=holder_id, maker_id=maker_id,
        permits=[(lot, permits[lot, number, kind], kind, part) for lot, number, part in taken for kind in kinds],
        expires_at=now + _LEAVE, reason=reason,
    )  # fmt: skip
    steps: list[Step] = []
    for lot, number, part in taken:
        owned = replace(at[lot, number], owner=holder_id)
        steps.append(Step(Kind.TITLE, lot, part, number, to=owned, permit=permits[lot, number, Kind.TITLE]))
        if free:
            none = replace(owned, agreement=None, beneficiary=None)
            steps.append(Step(Kind.REPOINT, lot, part, at=owned, to=none, permit=permits[lot, number, Kind.REPOINT]))
    return tuple(steps)
