"""Leave for movements of encumbered units: what the clause allows becomes permits that the ledger demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from marketplace.agreements import queries
from marketplace.agreements.combined import holder_act
from marketplace.agreements.covered import Covered
from marketplace.agreements.notice import Notice, cleared_by
from marketplace.agreements.outcomes import Act, AfterNotice, Free
from marketplace.agreements.refusing import refusal
from marketplace.agreements.service.noticing import covered_part, note_used
from marketplace.agreements.service.standing import party_lock
from marketplace.db.session import WriteSession, execute, fetch
from marketplace.kit.errors import invalid, missing
from marketplace.ledger.kinds import PERMITTED, Kind
from marketplace.ledger.service import add_permits
from marketplace.parties.actor import By

_RETURN_KINDS = (Kind.RECEIVE, Kind.TITLE, Kind.REPOINT)
_ACT_KINDS = {Act.USE: Kind.USE_UP, Act.INSTALL: Kind.INSTALL, Act.SCRAP: Kind.SCRAP, Act.RESELL: Kind.TITLE}
# A permit for an act is used in the transaction that made it; the margin is for clocks.
_ACT_LEAVE = timedelta(hours=1)
# A return waits for its inspection, for a dispute about it, and for a clock that was stopped: what the clause decided
# must not fail because it is written late.
_RETURN_LEAVE = timedelta(days=3_650)


async def permits_for_return(
    session: WriteSession,
    *,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lots: Sequence[tuple[UUID, int]],
    reason: str,
    now: datetime,
    order_id: UUID,
    count_as: UUID | None = None,
) -> dict[UUID, dict[Kind, UUID]]:
    """Leave to receive called units, take title and lift the encumbrance: permits by lot and kind.

    Ask once, at receipt: the units count as taken back from then on, by the clause that ``order_id`` went by. A unit that goes back to the holder
    (rejected, or replaced in kind) is told by ``note_given_back``. ``count_as``: the part that they count as, where units of
    another one came in place of it. Raises ``ledger.not_found``, ``agreement.not_found``.
    """
    await _count_lots_back(session, agreement_id, lots, count_as, order_id)
    return await _leave(
        session, _RETURN_KINDS, agreement_id=agreement_id, maker_id=maker_id, holder_id=holder_id, lots=lots, reason=reason, now=now
    )  # fmt: skip


async def permits_for_kept(
    session: WriteSession,
    *,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lots: Sequence[tuple[UUID, int]],
    reason: str,
    now: datetime,
    order_id: UUID,
    count_as: UUID | None = None,
) -> dict[UUID, dict[Kind, UUID]]:
    """Leave to take title to units that were rejected (and told by ``note_given_back``) and are kept after all: they count
    as taken back again. Raises as ``permits_for_return``."""
    await _count_lots_back(session, agreement_id, lots, count_as, order_id)
    return await _leave(
        session, (Kind.TITLE, Kind.REPOINT), agreement_id=agreement_id, maker_id=maker_id, holder_id=holder_id, lots=lots,
        reason=reason, now=now,
    )  # fmt: skip


async def permits_for_way_back(
    session: WriteSession,
    *,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lots: Sequence[tuple[UUID, int]],
    reason: str,
    now: datetime,
) -> dict[UUID, UUID]:
    """Leave for the holder to receive rejected units again, by lot: custody alone changes, and they stay under the
    agreement."""
    found = await _leave(
        session, (Kind.RECEIVE,), agreement_id=agreement_id, maker_id=maker_id, holder_id=holder_id, lots=lots, reason=reason,
        now=now,
    )  # fmt: skip
    return {lot: permits[Kind.RECEIVE] for lot, permits in found.items()}


async def _leave(
    session: WriteSession,
    kinds: Sequence[Kind],
    *,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lots: Sequence[tuple[UUID, int]],
    reason: str,
    now: datetime,
) -> dict[UUID, dict[Kind, UUID]]:
    permits = {lot: {kind: uuid4() for kind in kinds} for lot, _ in lots}
    await add_permits(
        session,
        agreement_id=agreement_id,
        company_id=holder_id,
        maker_id=maker_id,
        permits=[(lot, permits[lot][kind], kind, quantity) for lot, quantity in lots for kind in kinds],
        expires_at=now + _RETURN_LEAVE,
        reason=reason,
    )
    return permits


async def _count_lots_back(
    session: WriteSession, agreement_id: UUID, lots: Sequence[tuple[UUID, int]], count_as: UUID | None, order_id: UUID
) -> None:
    if not lots or len({lot for lot, _ in lots}) != len(lots) or min(quantity for _, quantity in lots) < 1:
        raise invalid("agreement.lots", "Name each lot once, with a quantity of at least one.")
    parts = {
        r["lot_id"]: r["part_id"]
        for r in await fetch(
            session, "SELECT lot_id, part_id FROM lot WHERE lot_id = ANY($1::uuid[])", [lot for lot, _ in lots]
        )
    }
    if len(parts) != len(lots):
        raise missing("ledger.not_found", "No such unit.")
    taken: dict[UUID, int] = {}
    for lot, quantity in lots:
        part = count_as or parts[lot]
        taken[part] = taken.get(part, 0) + quantity
    await _count_back(session, agreement_id, taken, order_id)


async def _count_back(session: WriteSession, agreement_id: UUID, taken: dict[UUID, int], order_id: UUID) -> None:
    tag = await execute(
        session,
        "UPDATE agreement_line l SET taken_back = greatest(l.taken_back + t.quantity, 0), "
        "taken_above = least(greatest(l.taken_above + CASE WHEN EXISTS (SELECT FROM agreement_exercise WHERE call_id = $4 AND above) "
        "THEN t.quantity ELSE 0 END, 0), greatest(l.taken_back + t.quantity, 0)) "
        "FROM unnest($2::uuid[], $3::int[]) AS t (part_id, quantity) "
        "WHERE l.agreement_id = $1 AND l.part_id = t.part_id",
        agreement_id,
        list(taken),
        list(taken.values()),
        order_id,
    )
    if tag != f"UPDATE {len(taken)}":
        raise missing("agreement.not_found", "No such agreement, or it does not cover this part.")


async def note_taken_back(
    session: WriteSession, *, agreement_id: UUID, part_id: UUID, quantity: int, order_id: UUID
) -> None:
    """Units that an order took and that never arrived, at the manufacturer's risk: they are paid as if they had, and count so."""
    await _count_back(session, agreement_id, {part_id: quantity}, order_id)


async def note_given_back(
    session: WriteSession, *, agreement_id: UUID, part_id: UUID, quantity: int, order_id: UUID
) -> None:
    """Units taken back by an order that came to the holder again: rejected at inspection, or replaced in kind."""
    if quantity < 1:
        raise invalid("agreement.quantity", "Give a quantity of at least one.", field="quantity")
    await _count_back(session, agreement_id, {part_id: -quantity}, order_id)


async def note_not_accepted(session: WriteSession, agreement_id: UUID, short_of: Mapping[UUID, int]) -> None:
    """On receipt so many units by part were missing, damaged or the wrong part: they do not become the holder's, and
    the minimum to keep is never more than what does. What was signed stays as it is."""
    await execute(
        session,
        "UPDATE agreement_line l SET not_accepted = l.not_accepted + t.quantity "
        "FROM unnest($2::uuid[], $3::int[]) AS t (part_id, quantity) "
        "WHERE l.agreement_id = $1 AND l.part_id = t.part_id",
        agreement_id, list(short_of), list(short_of.values()),
    )  # fmt: skip


# -- the holder's own acts -------------------------------------------------------------------------------


async def permits_for_act(
    session: WriteSession,
    *,
    agreement_id: UUID,
    part_id: UUID,
    act: Act,
    lots: Sequence[tuple[UUID, int]],
    actor: By,
    now: datetime,
) -> list[UUID | None]:
    """Leave for the holder to do ``act`` with these (lot, quantity), one permit for each, in the order given; None
    where the ledger asks for none (a move between own sites).

    The caller has locked the lots; the agreement is locked here, and what it allows is decided on facts read
    after that, so two acts at once cannot both take the last unit above the minimum. Raises what the evaluator
    says, as ``agreement.<its code>``, or ``agreement.ask_first`` where notice or consent is missing.
    """
    found = await party_lock(session, agreement_id, actor)
    if actor.company_id != found.holder_id:
        raise missing("agreement.not_found", "No such agreement.")
    quantity = sum(q for _, q in lots)
    covered = await covered_part(session, agreement_id, part_id)
    notice = await _allow(session, covered, act, quantity, now)
    kind = _ACT_KINDS.get(act)
    if kind is None:
        return [None for _ in lots]
    permits = [(lot, uuid4(), kind, q) for lot, q in lots]
    if notice is not None:
        given = [(permit, q) for _, permit, _, q in permits]
        await note_used(session, (found.maker_id, found.holder_id), agreement_id, notice.id, given, actor, now)
    await add_permits(
        session,
        agreement_id=agreement_id,
        company_id=found.holder_id,
        maker_id=found.maker_id,
        permits=permits,
        expires_at=now + _ACT_LEAVE,
        reason=act.value,
    )
    return [permit for _, permit, _, _ in permits]


async def permits_for_fact(
    session: WriteSession,
    *,
    agreement_id: UUID,
    maker_id: UUID,
    holder_id: UUID,
    lots: Sequence[tuple[UUID, Kind, int]],
    reason: str,
    now: datetime,
) -> list[UUID | None]:
    """Leave to record what has happened to units without leave, a permit for each (lot, kind, quantity) in order, None where
    the ledger asks for none. The record must be able to say what is so; what it costs is the agreement's business."""
    made = [(lot, uuid4(), kind, quantity) for lot, kind, quantity in lots]
    needed = [row for row in made if row[2] in PERMITTED]
    if needed:
        await add_permits(
            session, agreement_id=agreement_id, company_id=holder_id, maker_id=maker_id, permits=needed,
            expires_at=now + _ACT_LEAVE, reason=reason,
        )  # fmt: skip
    return [permit if kind in PERMITTED else None for _, permit, kind, _ in made]


async def _allow(session: WriteSession, covered: Covered, act: Act, quantity: int, now: datetime) -> Notice | None:
    """The notice the act rests on, None where it needs none. Raises when it may not be done now."""
    answer = holder_act(covered.clauses, covered.facts, act, quantity, now).answer
    if isinstance(answer, Free):
        return None
    if isinstance(answer, AfterNotice):
        pair = (covered.agreement_id, covered.part_id)
        given = cleared_by((await queries.standing_notices(session, [pair])).get(pair, ()), act, quantity, now)
        if given is not None:
            return given
    raise refusal(answer)
