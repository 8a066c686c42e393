"""Quality holds: the maker of a part, or the owner of units, stops them wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from marketplace.db.session import WriteSession
from marketplace.holdings import queries
from marketplace.holdings.queries import FreezeTarget
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.ledger.entries import MAX_STEPS, Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update, standing_holds
from marketplace.ledger.service import carry_out
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class Selection:
    """Which units: named lots, or a part with a batch or a range of serial numbers (both ends included)."""

    lot_ids: tuple[UUID, ...] | None = None
    part_id: UUID | None = None
    batch: str | None = None
    serial_from: str | None = None
    serial_to: str | None = None


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was stopped or let go: lots, and the companies that hold them."""

    command_id: UUID
    lot_ids: tuple[UUID, ...]
    holders: tuple[UUID, ...]


async def freeze(
    session: WriteSession,
    actor: Actor,
    chosen: Selection,
    reason: str,
    *,
    now: datetime,
    command_id: UUID | None = None,
) -> Frozen:
    """Puts units on quality hold: they may be counted and moved, but not used, sold or shipped.

    Reaches units of parts the company makes in which it still has a right, and units it owns. Lots on hold already
    are left as they are. Raises ``holding.reason``, ``holding.selection``, ``ledger.not_found``.
    """
    if not reason.strip() or len(reason) > 200:
        raise invalid("holding.reason", "Give the reason, in at most 200 characters.", field="reason")
    targets = await _targets(session, actor, chosen, frozen=False)
    return await _apply(session, actor, Kind.FREEZE, targets, reason.strip(), now, command_id)


async def lift(
    session: WriteSession,
    actor: Actor,
    chosen: Selection,
    *,
    now: datetime,
    reason: str | None = None,
    command_id: UUID | None = None,
) -> Frozen:
    """Ends quality holds that the company set itself. Raises ``holding.frozen_by_other`` where all of the chosen
    units were stopped by somebody else, ``holding.under_recall`` where a maker's hold across holders covers one of them,
    ``ledger.not_found`` where none is on hold."""
    targets = await _targets(session, actor, chosen, frozen=True)
    # Asked under the lots' locks: a hold that is put in force meanwhile takes them first, or comes after.
    await held_lots_for_update(session, [t.lot_id for t in targets])
    if holds := await standing_holds(session, [t.lot_id for t in targets]):
        raise conflict(
            "holding.under_recall",
            f"{holds[0].words} covers {'this unit' if len(targets) == 1 else 'some of these units'}: lift that, or its part for them.",
            hold_id=str(holds[0].recall_id),
        )
    mine = [t for t in targets if t.frozen_by in (None, actor.company_id)]
    if not mine:
        raise forbidden("holding.frozen_by_other", "Another company put these units on hold; only it can lift that.")
    return await _apply(session, actor, Kind.LIFT, mine, reason, now, command_id)


async def _targets(session: WriteSession, actor: Actor, chosen: Selection, *, frozen: bool) -> Sequence[FreezeTarget]:
    if (chosen.lot_ids is None) == (chosen.part_id is None):
        raise invalid("holding.selection", "Name either lots or a part.", field="part_id")
    if chosen.part_id is None and (chosen.batch or chosen.serial_from or chosen.serial_to):
        raise invalid("holding.selection", "A batch or serial range needs its part.", field="part_id")
    found = await queries.freeze_targets(
        session,
        actor,
        frozen=frozen,
        lot_ids=chosen.lot_ids,
        part_id=chosen.part_id,
        batch=chosen.batch,
        serial_from=chosen.serial_from,
        serial_to=chosen.serial_to,
        limit=MAX_STEPS + 1,
    )
    if not found:
        words = "on quality hold" if frozen else "that you could put on hold"
        raise missing("ledger.not_found", f"There are no such units {words}.")
    if len(found) > MAX_STEPS:
        raise invalid(
            "holding.selection", f"That is more than {MAX_STEPS:,} lots at once. Narrow it down by batch or serials."
        )
    return found


async def _apply(
    session: WriteSession,
    actor: Actor,
    kind: Kind,
    targets: Sequence[FreezeTarget],
    reason: str | None,
    now: datetime,
    command_id: UUID | None,
) -> Frozen:
    key = command_id or uuid4()
    steps = tuple(Step(kind, t.lot_id, t.quantity, t.position_id, reason=reason) for t in targets)
    await carry_out(session, Command(key, actor.company_id, actor.user_id, steps, "quality"), now)
    holders = tuple(sorted({t.holder_id for t in targets}))
    for part_id in sorted({t.part_id for t in targets}):
        lots = [t for t in targets if t.part_id == part_id]
        await emit(
            session,
            "holding.frozen" if kind is Kind.FREEZE else "holding.lifted",
            "part",
            part_id,
            [actor.company_id, *(t.holder_id for t in lots)],
            {"lots": len(lots), "reason": reason},
        )
    return Frozen(key, tuple(t.lot_id for t in targets), holders)
