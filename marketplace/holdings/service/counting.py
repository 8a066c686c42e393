"""Counting: what was found at a place, and what follows from it without deciding who is at fault."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from marketplace.db.session import WriteSession, execute, fetch_value
from marketplace.holdings import queries
from marketplace.holdings.proposal import CountPlan, Line, is_loose, plan_count
from marketplace.holdings.queries.locked import MOST_LOTS
from marketplace.holdings.service.shortages import findings, keep
from marketplace.holdings.service.telling import tell_taken
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.ledger.entries import MAX_QUANTITY, Command, NewLot, Place, Step
from marketplace.ledger.kinds import CONDITIONS, Kind
from marketplace.ledger.service import carry_out
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import site_for_share
from marketplace.parts.queries import part

_REASON = "count"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a count found and changed. ``adjusted``: the holder's own units, up or down. ``withdrawn``: units out of
    availability until they are found or their loss is settled. ``resolved``: searches that this count ended. ``put_right``:
    units under agreements by which the record was lowered, since the clause tolerates so few; ``breaches``: what is a breach,
    in words, and ``explain_by`` when the holder says by at the earliest where they are."""

    command_id: UUID
    expected: int
    counted: int
    adjusted: int
    withdrawn: int
    resolved: int
    put_right: int = 0
    breaches: tuple[str, ...] = ()
    explain_by: datetime | None = None
    in_breach: tuple[UUID, ...] = ()
    """The agreements under which it is one."""

    @property
    def words(self) -> str:
        """What the count found and changed."""
        return _words(self, ahead=False)

    @property
    def words_ahead(self) -> str:
        """The same before it is confirmed."""
        return _words(self, ahead=True)


async def count(
    session: WriteSession,
    actor: Actor,
    site_id: UUID,
    part_id: UUID,
    counted: int,
    *,
    now: datetime,
    command_id: UUID | None = None,
    condition: str | None = None,
    note: str | None = None,
    seen: Collection[UUID] = frozenset(),
) -> Counted:
    """Records that ``counted`` units of a part are at one of the company's sites.

    Equal to the record: only the count is kept. Fewer or more: the holder's own loose units are adjusted; encumbered,
    serial-numbered or reserved units that are missing are withdrawn from availability. Under clauses that say something about
    counts, few enough put the record right, and more are a breach (``shortages``). Whatever was withdrawn here before is
    settled by this count. Units that are kept apart for their owner (received damaged or as the wrong
    part) are not counted. ``condition`` is needed only for units found where none were on record. ``seen``: lots
    whose serial numbers were read; it is the others that are missing.
    """
    if not 0 <= counted <= MAX_QUANTITY:
        raise invalid("holding.counted", f"A count is a whole number from 0 to {MAX_QUANTITY:,}.", field="counted")
    if condition is not None and condition not in CONDITIONS:
        raise invalid("holding.condition", f"A condition is one of: {', '.join(CONDITIONS)}.", field="condition")
    # A count can bring units onto a site: what is closed takes none, and is not closed while somebody counts there.
    await site_for_share(session, actor, site_id)
    catalogued = await part(session, part_id)
    await queries.shelf_for_update(session, actor.company_id, site_id, part_id)
    ids = await queries.lot_ids_at(session, actor.company_id, part_id, site_id, unreserved=False, limit=MOST_LOTS + 1)
    if len(ids) > MOST_LOTS:
        raise conflict("holding.too_many", f"There are more than {MOST_LOTS:,} lots here; count them lot by lot.")
    found = await queries.lines_for_update(session, actor.company_id, ids, now)
    # What is kept apart for its owner is no part of the shelf: counted along, it would stand in for a missing unit.
    lines = [line for line in found if line.place.site == site_id and line.part_id == part_id and not line.apart]
    plan = plan_count(lines, actor.company_id, counted, seen)
    found_short = await findings(session, actor, site_id, lines, plan.missing, now)
    right = [t for f in found_short for t in f.adjust]
    resolved = await _resolve(session, actor.company_id, site_id, part_id, now)
    key = command_id or uuid4()
    steps = [
        Step(Kind.COUNT_ADJUST, t.line.lot_id, t.quantity, t.line.position_id, reason=_REASON, note=note)
        for t in (*plan.adjust, *right)
    ]
    if plan.add:
        steps.append(_surplus(actor, plan.add, lines, site_id, part_id, catalogued.uom, condition, note))
    if steps:
        await carry_out(session, Command(key, actor.company_id, actor.user_id, tuple(steps), "count"), now)
    lowered = {(t.line.lot_id, t.line.position_id): t.quantity for t in right}
    missing_units = [
        (t.line.lot_id, t.line.position_id, left)
        for t in plan.missing
        if (left := t.quantity - lowered.get((t.line.lot_id, t.line.position_id), 0))
    ]
    if missing_units:
        await withdraw_pending_count(session, missing_units, cause_id=key, now=now)
    # Units with serial numbers stay on record, but nobody can be sold what is being looked for.
    lost = (*plan.adjust, *plan.missing)
    await tell_taken(
        session, actor, key, [(t.line.lot_id, t.line.position_id) for t in lost if t.line.place.agreement is None]
    )
    beneficiaries = sorted({line.place.beneficiary for line in lines if line.place.beneficiary})
    await _keep(session, actor, site_id, part_id, plan, counted, beneficiaries, now)
    deadlines = [by for f in found_short if (by := await keep(session, actor, site_id, f, now)) is not None]
    withdrawn = sum(quantity for _, _, quantity in missing_units)
    adjusted = plan.add - sum(t.quantity for t in plan.adjust)
    await emit(
        session,
        "holding.counted",
        "stock_count",
        part_id,
        [actor.company_id, *beneficiaries],
        {"site_id": site_id, "counted": counted, "expected": plan.expected, "withdrawn": withdrawn},
    )
    return Counted(
        key, plan.expected, counted, adjusted, withdrawn, resolved, sum(lowered.values()),
        tuple(f.words for f in found_short if f.breach), min(deadlines, default=None),
        tuple(f.covered.agreement_id for f in found_short if f.breach),
    )  # fmt: skip


async def withdraw_pending_count(
    session: WriteSession, units: Sequence[tuple[UUID, int, int]], *, cause_id: UUID, now: datetime
) -> int:
    """Takes (lot, stock line, quantity) out of availability until somebody counts: said not to be on the shelf.

    Says nothing about fault. Asking again for the same cause changes nothing. Returns how many rows were written.
    Raises ``ledger.not_found``.
    """
    tag = await execute(
        session,
        """
        INSERT INTO withdrawal (lot_id, position_id, part_id, holder_id, beneficiary_id, site_id, quantity, cause_id,
            opened_at)
        SELECT p.lot_id, p.position_id, p.part_id, p.holder_id, p.beneficiary_id, p.site_id,
               least(u.quantity, p.quantity), $4, $5
        FROM unnest($1::uuid[], $2::int[], $3::int[]) AS u (lot_id, position_id, quantity)
        JOIN position p ON p.lot_id = u.lot_id AND p.position_id = u.position_id
        WHERE p.site_id IS NOT NULL AND p.quantity > 0 AND u.quantity > 0 AND NOT EXISTS (
            SELECT 1 FROM withdrawal w WHERE w.lot_id = p.lot_id AND w.position_id = p.position_id AND w.cause_id = $4)
        """,
        [lot for lot, _, _ in units],
        [number for _, number, _ in units],
        [quantity for _, _, quantity in units],
        cause_id,
        now,
    )
    written = int(tag.rsplit(" ", 1)[1])
    if not written:
        known = await fetch_value(
            session,
            "SELECT count(*) FROM withdrawal WHERE cause_id = $1 AND lot_id = ANY($2::uuid[])",
            cause_id,
            [lot for lot, _, _ in units],
        )
        if not known:
            raise missing("ledger.not_found", "No such stock line.")
    return written


async def _resolve(session: WriteSession, holder_id: UUID, site_id: UUID, part_id: UUID, now: datetime) -> int:
    tag = await execute(
        session,
        "UPDATE withdrawal SET resolved_at = $4 WHERE holder_id = $1 AND site_id = $2 AND part_id = $3 "
        "AND resolved_at IS NULL",
        holder_id,
        site_id,
        part_id,
        now,
    )
    return int(tag.rsplit(" ", 1)[1])


def _surplus(
    actor: Actor,
    quantity: int,
    lines: Sequence[Line],
    site_id: UUID,
    part_id: UUID,
    uom: str,
    condition: str | None,
    note: str | None,
) -> Step:
    """Units found beyond the record: added to a loose lot of the holder's own, or a new one."""
    for line in lines:
        if is_loose(line, actor.company_id) and condition in (None, line.place.condition) and not line.frozen:
            return Step(Kind.COUNT_ADJUST, line.lot_id, quantity, to=line.place, reason=_REASON, note=note)
    known = {line.place.condition for line in lines}
    stated = condition or (known.pop() if len(known) == 1 else None)
    if stated is None:
        raise invalid("holding.condition", "Say in what condition the units are that you found.", field="condition")
    lot = uuid4()
    place = Place(actor.company_id, actor.company_id, site_id, stated)
    return Step(Kind.REGISTER, lot, quantity, to=place, new_lot=NewLot(lot, part_id, uom), reason=_REASON, note=note)


async def _keep(
    session: WriteSession,
    actor: Actor,
    site_id: UUID,
    part_id: UUID,
    plan: CountPlan,
    counted: int,
    beneficiaries: Sequence[UUID],
    now: datetime,
) -> None:
    await execute(
        session,
        "INSERT INTO stock_count (holder_id, site_id, part_id, counted_at, counted, expected, counted_by, beneficiaries) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (holder_id, site_id, part_id) DO UPDATE SET "
        "counted_at = excluded.counted_at, counted = excluded.counted, expected = excluded.expected, "
        "counted_by = excluded.counted_by, beneficiaries = excluded.beneficiaries",
        actor.company_id,
        site_id,
        part_id,
        now,
        counted,
        plan.expected,
        actor.user_id,
        list(beneficiaries),
    )


def _words(count: Counted, *, ahead: bool) -> str:
    """What the count did or, looking ``ahead``, what it will do once it is confirmed."""
    expected, counted, adjusted, withdrawn = count.expected, count.counted, count.adjusted, count.withdrawn
    if counted == expected:
        return f"Counted {counted:,}, as on record."
    said = "says" if ahead else "said"
    parts = [f"Counted {counted:,}; the record {said} {expected:,}."]
    will = "will be" if ahead else "was"
    if adjusted:
        parts.append(f"Your own stock {will} {'raised' if adjusted > 0 else 'lowered'} by {abs(adjusted):,}.")
    if count.put_right:
        parts.append(
            f"The record of units under agreements {will} put right by {count.put_right:,}: the clause tolerates that."
        )
    if withdrawn:
        be = "will be" if ahead else "are"
        parts.append(
            f"{withdrawn:,} that others have a right in, or that have serial numbers, are not found: they {be} out of "
            "availability until a count finds them."
        )
    parts += count.breaches
    return " ".join(parts)
