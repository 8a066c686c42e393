"""Orders under a schedule: counted, made smaller, taken back, and what they take of the notice that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.combined import above_the_minimum
from marketplace.agreements.deadlines import after_days
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.service.noticing import covered_part
from marketplace.agreements.terms import Terms
from marketplace.db.session import WriteSession, execute, fetch_one, fetch_value
from marketplace.kit.errors import conflict, missing


async def note_exercise(
    session: WriteSession,
    agreement_id: UUID,
    *,
    call_id: UUID,
    part_id: UUID,
    units: int,
    now: datetime,
    notice_id: UUID | None = None,
    clause: str | None = None,
) -> int:
    """Counts one more order under the schedule. Its units come off the notice that it names (``notice_id``), or else off the
    oldest that runs for the part, so that they are no longer the holder's to act on. Where one clause reaches only the minimum to
    keep and another the units above it, which notices are about, only an order that names one answers it. ``clause``: the one
    that the order goes by; one that reaches more than the minimum uses up none of it. Returns the count of orders. Raises ``notice.state`` where the one that is named can no longer be answered."""
    count = await _count(session, agreement_id, 1)
    running = await queries.running_notice_for_update(session, agreement_id, part_id, now, notice_id)
    wide = above_the_minimum(await clauses_of_agreement(session, agreement_id))
    if notice_id is None and wide:
        running = None
    if notice_id is not None and running is None:
        raise conflict(
            "notice.state", "The notice that this order names can no longer be answered. Nothing was ordered."
        )
    named = min(units, running.left) if running else 0
    if running is not None:
        await execute(session, "UPDATE notice SET taken = taken + $2 WHERE id = $1", running.id, named)
    await execute(
        session,
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, notice_id, notice_units, above) "
        "SELECT $1, a.id, $3, a.maker_id, a.holder_id, $4, $5, $6, $7, $8 FROM agreement a WHERE a.id = $2 "
        "ON CONFLICT (call_id) DO UPDATE SET units = excluded.units, at = excluded.at, notice_id = excluded.notice_id, "
        "notice_units = excluded.notice_units, undone_at = NULL",
        call_id, agreement_id, part_id, units, now, running.id if running else None, named, _goes_above(wide, notice_id, clause),
    )  # fmt: skip
    return count


def _goes_above(wide: Sequence[Terms], notice_id: UUID | None, clause: str | None) -> bool:
    return bool(wide) and (notice_id is not None if clause is None else any(t.clause == clause for t in wide))


async def note_reserved(
    session: WriteSession,
    agreement_id: UUID,
    *,
    call_id: UUID,
    part_id: UUID,
    units: int,
    now: datetime,
    notice_id: UUID | None,
    clause: str | None,
) -> None:
    """Units are reserved for an order that waits for an approver: it is no order yet, and its units are none of the minimum
    meanwhile where the clause that it goes by reaches more."""
    if not _goes_above(above_the_minimum(await clauses_of_agreement(session, agreement_id)), notice_id, clause):
        return
    await execute(
        session,
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, undone_at, above) "
        "SELECT $1, a.id, $3, a.maker_id, a.holder_id, $4, $5, $5, true FROM agreement a WHERE a.id = $2",
        call_id, agreement_id, part_id, units, now,
    )  # fmt: skip


async def note_in_place(session: WriteSession, *, call_id: UUID, of: UUID, units: int, now: datetime) -> None:
    """An order in place of units rejected under another: it counts as no order, and goes by that one's clause."""
    await execute(
        session,
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, undone_at, above) "
        "SELECT $1, agreement_id, part_id, maker_id, holder_id, $3, $4, $4, true FROM agreement_exercise WHERE call_id = $2 AND above",
        call_id, of, units, now,
    )  # fmt: skip


async def undo_exercise(session: WriteSession, agreement_id: UUID, *, call_id: UUID, now: datetime) -> int:
    """An order that was cancelled counts for nothing, and the notice that it answered goes on as if it had not been: if its
    time to be answered has run meanwhile, the holder may act from now on. Returns the count of orders."""
    count = await _count(session, agreement_id, -1)
    undone = await fetch_one(
        session,
        "UPDATE agreement_exercise SET undone_at = $2 WHERE call_id = $1 AND undone_at IS NULL "
        "RETURNING part_id, notice_id, notice_units",
        call_id,
        now,
    )
    if undone is None or undone["notice_id"] is None:
        return count
    covered = await covered_part(session, agreement_id, undone["part_id"])
    until = after_days(now, min(t.clearance_days for t in covered.clauses), covered.facts.zone)
    await execute(
        session,
        "UPDATE notice SET taken = taken - $2, "
        "clear_from = CASE WHEN status = 'open' AND answer_by <= $3 AND clear_from IS NOT NULL THEN $3 ELSE clear_from END, "
        "clear_until = CASE WHEN status = 'open' AND answer_by <= $3 AND clear_from IS NOT NULL THEN $4 ELSE clear_until END "
        "WHERE id = $1",
        undone["notice_id"],
        undone["notice_units"],
        now,
        until,
    )
    return count


async def lessen_exercise(session: WriteSession, call_id: UUID, units: int) -> None:
    """An order is for fewer units than it was given for."""
    await execute(session, "UPDATE agreement_exercise SET units = $2 WHERE call_id = $1", call_id, units)


async def discount_exercise(session: WriteSession, agreement_id: UUID, *, call_id: UUID, now: datetime) -> None:
    """An order ended without a unit shipped: under the second library only orders that are open, or under which a unit was
    shipped, count. The notice that it answered stays answered. Under the first library it counts on, as long as nobody cancels
    it."""
    if not await queries.second_library(session, [agreement_id]):
        return
    undone = await fetch_value(
        session,
        "UPDATE agreement_exercise SET undone_at = $2 WHERE call_id = $1 AND undone_at IS NULL RETURNING call_id",
        call_id,
        now,
    )
    if undone is not None:
        await _count(session, agreement_id, -1)


async def _count(session: WriteSession, agreement_id: UUID, step: int) -> int:
    count: int | None = await fetch_value(
        session,
        "UPDATE agreement SET exercises = greatest(exercises + $2, 0) WHERE id = $1 RETURNING exercises",
        agreement_id,
        step,
    )
    if count is None:
        raise missing("agreement.not_found", "No such agreement.")
    return count
