"""Orders under a schedule: counted, made smaller, taken back, and what they take of the notice that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.combined import above_the_minimum
from marketplace.agreements.deadlines import after_days
from marketplace.agreements.notice import Notice
from marketplace.agreements.queries.facts import clauses_of_agreements
from marketplace.agreements.service.noticing import covered_part
from marketplace.agreements.terms import Terms
from marketplace.db.session import WriteSession, execute, fetch_one, fetch_value
from marketplace.kit.errors import conflict, missing


class Exercise(NamedTuple):
    """An order under a schedule: so many of a part. ``notice_id``: the notice that it names; ``clause``: the one that it goes by."""

    call_id: UUID
    agreement_id: UUID
    part_id: UUID
    units: int
    notice_id: UUID | None = None
    clause: str | None = None


async def note_exercises(session: WriteSession, orders: Sequence[Exercise], now: datetime) -> None:
    """Counts each order under its schedule. Its units come off the notice that it names, or else off the oldest that runs for the
    part, so that they are no longer the holder's to act on. Where one clause reaches only the minimum to keep and another the units
    above it, which notices are about, only an order that names one answers it. One by a clause that reaches more than the minimum
    uses up none of it. A constant number of statements. Raises ``notice.state`` where the one that is named can no longer be
    answered, ``agreement.not_found``."""
    given: dict[UUID, int] = {}
    for order in orders:
        given[order.agreement_id] = given.get(order.agreement_id, 0) + 1
    # In id order, as everywhere: an UPDATE of many rows locks them in any.
    await queries.agreements_for_update(session, given)
    counted = await execute(
        session,
        "UPDATE agreement a SET exercises = a.exercises + g.orders FROM unnest($1::uuid[], $2::int[]) AS g (id, orders) WHERE a.id = g.id",
        list(given),
        list(given.values()),
    )
    if counted != f"UPDATE {len(given)}":
        raise missing("agreement.not_found", "No such agreement.")
    running = await queries.running_notices_for_update(
        session, dict.fromkeys((o.agreement_id, o.part_id) for o in orders), now
    )
    clauses = await clauses_of_agreements(session, given)
    wide = {agreement: above_the_minimum(terms) for agreement, terms in clauses.items()}
    taken: dict[UUID, int] = {}
    noted: list[tuple[Exercise, UUID | None, int, bool]] = []
    for order in orders:
        some = running.get((order.agreement_id, order.part_id), [])
        notice = _answered(some, order, wide=bool(wide[order.agreement_id]))
        named = min(order.units, notice.left) if notice else 0
        if notice is not None:
            some[some.index(notice)] = replace(notice, taken=notice.taken + named)
            taken[notice.id] = taken.get(notice.id, 0) + named
        above = _goes_above(wide[order.agreement_id], order.notice_id, order.clause)
        noted.append((order, notice.id if notice else None, named, above))
    if taken:
        await execute(
            session,
            "UPDATE notice n SET taken = n.taken + t.units FROM unnest($1::uuid[], $2::int[]) AS t (id, units) WHERE n.id = t.id",
            list(taken),
            list(taken.values()),
        )
    await execute(
        session,
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, notice_id, notice_units, above) "
        "SELECT o.call_id, a.id, o.part_id, a.maker_id, a.holder_id, o.units, $1, o.notice_id, o.notice_units, o.above "
        "FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::uuid[], $7::int[], $8::bool[]) "
        "AS o (call_id, agreement_id, part_id, units, notice_id, notice_units, above) JOIN agreement a ON a.id = o.agreement_id "
        "ON CONFLICT (call_id) DO UPDATE SET units = excluded.units, at = excluded.at, notice_id = excluded.notice_id, "
        "notice_units = excluded.notice_units, undone_at = NULL",
        now,
        [o.call_id for o, _, _, _ in noted], [o.agreement_id for o, _, _, _ in noted], [o.part_id for o, _, _, _ in noted],
        [o.units for o, _, _, _ in noted], [n for _, n, _, _ in noted], [u for _, _, u, _ in noted], [w for _, _, _, w in noted],
    )  # fmt: skip


def _answered(running: Sequence[Notice], order: Exercise, *, wide: bool) -> Notice | None:
    """The notice that an order answers, of those that run and of which something stands."""
    standing = [n for n in running if n.quantity > n.taken + n.used]
    if order.notice_id is not None:
        found = next((n for n in standing if n.id == order.notice_id), None)
        if found is None:
            raise conflict(
                "notice.state", "The notice that this order names can no longer be answered. Nothing was ordered."
            )
        return found
    return None if wide else next(iter(standing), None)


def _goes_above(wide: Sequence[Terms], notice_id: UUID | None, clause: str | None) -> bool:
    return bool(wide) and (notice_id is not None if clause is None else any(t.clause == clause for t in wide))


async def note_reserved(session: WriteSession, orders: Sequence[Exercise], now: datetime) -> None:
    """Units are reserved for orders that wait for an approver: they are no orders yet, and their units are none of the minimum
    meanwhile where the clause that they go by reaches more."""
    clauses = await clauses_of_agreements(session, {o.agreement_id for o in orders})
    above = [
        o for o in orders if _goes_above(above_the_minimum(clauses.get(o.agreement_id, ())), o.notice_id, o.clause)
    ]
    if not above:
        return
    await execute(
        session,
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, undone_at, above) "
        "SELECT o.call_id, a.id, o.part_id, a.maker_id, a.holder_id, o.units, $1, $1, true "
        "FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::int[]) AS o (call_id, agreement_id, part_id, units) "
        "JOIN agreement a ON a.id = o.agreement_id",
        now, [o.call_id for o in above], [o.agreement_id for o in above], [o.part_id for o in above], [o.units for o in above],
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
