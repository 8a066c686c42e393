"""Other units of the holder go back in place of those of the schedule that an order reserves: which may, how they leave, and what
becomes of those that they stand in for. These stay where they are, reserved, until the others are inspected: for what is accepted
as many come free, as if they had gone back themselves; for what is rejected they stay under the clause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.in_place import NotAllowed, lets_any, lets_other_parts, may_stand_in, offered
from marketplace.agreements.phrases import count
from marketplace.agreements.term_kinds import Grade
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By
from marketplace.parts import queries as parts
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow, OnShelf
from marketplace.sourcing.queries.calls import CallUnitRow
from marketplace.sourcing.service.defaulting import clause_of
from marketplace.sourcing.service.shared import keep_units, moved

Key = tuple[UUID, int]
"""A reservation: lot and its number there."""
_BEFORE_SHIPPING = frozenset({"accepted", "picked", "defaulted"})


@dataclass(frozen=True, slots=True)
class InPlace:
    """So many units of one of the holder's own lots, to go in place of units of the schedule."""

    lot_id: UUID
    quantity: int


class Candidate(NamedTuple):
    """Units that could go in place of those of the schedule; ``words``: why they may not, empty where they may."""

    unit: OnShelf
    words: str


class _Chosen(NamedTuple):
    unit: OnShelf
    quantity: int


async def candidates(session: AsyncSession, call: CallRow, now: datetime) -> Sequence[Candidate]:
    """What the holder has that could go back in place of units of the schedule, of the part ordered and of those that its maker
    relates to it; those that may first. Nothing where the terms allow none."""
    terms = await _terms(session, call)
    if terms is None or not lets_any(terms) or call.status not in _BEFORE_SHIPPING:
        return []
    if not await _own(session, call, await queries.call_units(session, call.id)):
        return []
    relations = await _relations(session, call, now)
    wanted = {call.part_id, *(relations if lets_other_parts(terms) else ())}
    # Of each lot the place with the most free units: what is chosen is a lot.
    lots: dict[UUID, OnShelf] = {}
    for u in await queries.candidates(session, call, wanted, now):
        if u.lot_id not in lots or u.free > lots[u.lot_id].free:
            lots[u.lot_id] = u
    found = [Candidate(u, _why_not(terms, call, relations, u)) for u in lots.values()]
    return sorted(found, key=lambda c: bool(c.words))


async def take_in_place(
    session: WriteSession, actor: Actor, call: CallRow, given: Sequence[InPlace], now: datetime
) -> tuple[Sequence[CallUnitRow], Mapping[Key, OnShelf]]:
    """The units of an order that is about to ship, and by reservation the unit that goes in its place: of the same number, so
    that each reservation travels itself or stays whole. The lots are locked, those of the order and the others in one order.

    Raises ``call.stand_in_kind`` for draws, what a holder sells back and own stock, ``call.stand_in_terms`` as the clause says,
    ``call.stand_in_lot``, ``call.stand_in_agreement``, ``call.stand_in_hold``, ``call.stand_in_place``, ``call.stand_in_few``,
    ``call.stand_in_many``, ``call.stand_in_kept`` while the units of the order are the manufacturer's."""
    terms = await _terms(session, call)
    if terms is None:
        raise conflict("call.stand_in_kind", "Only the units that are reserved can be sent for this order. Ship those.")
    if any(g.quantity < 1 for g in given) or len({g.lot_id for g in given}) != len(given):
        raise invalid("call.stand_in_lot", "Name each lot once, with at least one unit of it.", field="in_place")
    wanted = sum(g.quantity for g in given)
    await queries.order_and_lots_for_update(session, call, [g.lot_id for g in given])
    units = await queries.call_units(session, call.id)
    there = sum(u.quantity for u in units)
    if wanted > there:
        raise conflict(
            "call.stand_in_many",
            f"{count(there, 'unit')} are reserved for {call.reference}; {wanted:,} others cannot go in their place.",
            field="in_place", available=there,
        )  # fmt: skip
    if not await _own(session, call, units):
        raise conflict(
            "call.stand_in_kept",
            f"The units of {call.reference} are still {call.maker}'s own: they go back themselves.",
            field="in_place",
        )
    shelf = await queries.on_shelf(session, [g.lot_id for g in given], now)
    relations = await _relations(session, call, now)
    chosen = [_checked(terms, call, relations, shelf, g) for g in given]
    return await _by_reservation(session, actor, call, units, chosen, now)


def leaving(call: CallRow, unit: CallUnitRow, chosen: OnShelf) -> tuple[list[Step], UUID]:
    """The steps by which a unit leaves in place of another one, and the lot that it travels as: under the agreement, so that both
    sides see it and it comes free again only as the clause says."""
    under = moved(chosen.place, agreement=call.agreement_id, beneficiary=call.maker_id)
    transit = moved(under, site=None)
    lot, position = chosen.lot_id, chosen.position_id
    if chosen.serial is not None:
        return [Step(Kind.REPOINT, lot, 1, position, to=under), Step(Kind.SHIP, lot, 1, at=under, to=transit)], lot
    child = command_id("call.stand_in.child", call.id, unit.lot_id, unit.hold_seq)
    return [
        Step(Kind.SPLIT, lot, unit.quantity, position, child=child),
        Step(Kind.REPOINT, child, unit.quantity, 1, to=under),
        Step(Kind.SHIP, child, unit.quantity, at=under, to=transit),
    ], child


async def keep_record(
    session: WriteSession,
    call: CallRow,
    units: Sequence[CallUnitRow],
    chosen: Mapping[Key, OnShelf],
    travels: Mapping[Key, UUID],
) -> list[dict[str, Any]]:
    """Writes what travels in place of what. Returns it for the story, by part number."""
    made = [(u, chosen[u.lot_id, u.hold_seq]) for u in units if (u.lot_id, u.hold_seq) in chosen]
    await execute(
        session,
        "INSERT INTO call_stand_in (call_id, for_lot_id, for_hold_seq, lot_id, position_id, part_id, condition, quantity, "
        "shipped_lot_id, maker_id, holder_id, company_id) SELECT $1, n.*, $10, $11, $12 FROM unnest($2::uuid[], $3::bigint[], "
        "$4::uuid[], $5::int[], $6::uuid[], $7::text[], $8::int[], $9::uuid[]) AS n",
        call.id, [u.lot_id for u, _ in made], [u.hold_seq for u, _ in made], [c.lot_id for _, c in made],
        [c.position_id for _, c in made], [c.part_id for _, c in made], [c.place.condition for _, c in made],
        [u.quantity for u, _ in made], [travels[u.lot_id, u.hold_seq] for u, _ in made], call.maker_id, call.holder_id,
        call.company_id,
    )  # fmt: skip
    by_number: dict[str, int] = {}
    for u, c in made:
        by_number[c.number] = by_number.get(c.number, 0) + u.quantity
    return [{"number": number, "quantity": quantity} for number, quantity in by_number.items()]


async def free_replaced(
    session: WriteSession, by: By, call: CallRow, accepted: Mapping[UUID, int], step: str, now: datetime
) -> None:
    """What others travelled in place of comes free for what is ``accepted`` of these, by the lot that they travelled as; for the
    rest it stays under the clause, no longer reserved. What was recorded as gone meanwhile is left alone. The lots are locked."""
    async with acting_for(session, call.holder_id):
        found = [s for s in await queries.stand_ins(session, call.id) if s.held]
        await _free(session, by, call, [(s, min(accepted.get(s.shipped_lot_id, 0), s.held)) for s in found], step, now)


async def free_for_kept(session: WriteSession, by: By, call: CallRow, kept: Mapping[UUID, int], now: datetime) -> None:
    """Rejected units that came in place of others are kept after all: as many of those come free as are still there."""
    if not kept:
        return
    async with acting_for(session, call.holder_id):
        left: dict[Key, int] = {}
        taken = []
        for s in await queries.stand_ins(session, call.id):
            free = left.setdefault((s.for_lot_id, s.position_id), s.free)
            part = 0 if s.held else min(kept.get(s.shipped_lot_id, 0), free)
            left[s.for_lot_id, s.position_id] = free - part
            if part:
                taken.append((s, part))
        await _free(session, by, call, taken, "kept", now)


async def end_reservations(session: WriteSession, by: By, agreement_id: UUID, holder_id: UUID, now: datetime) -> None:
    """The agreement is ended for breach: nothing that others travel in place of stays reserved. The lots are locked."""
    async with acting_for(session, holder_id):
        kept = await queries.kept_under(session, agreement_id)
        steps = tuple(Step(Kind.VOID, k.lot_id, k.quantity, k.position_id, resolves=k.hold_seq) for k in kept)
        if steps:
            key = command_id("call.stand_in.breach", agreement_id, now)
            await carry_out(session, Command(key, holder_id, by.user_id, steps, "agreement", agreement_id), now)


# -- inside ----------------------------------------------------------------------------------------------


async def _terms(session: AsyncSession, call: CallRow) -> TermsV2 | None:
    if call.kind != "buy_back" or call.agreement_id is None:
        return None
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair])).get(pair)
    terms = clause_of(covered, call) if covered else None
    return None if terms is None or terms.generation == 1 else terms


async def _own(session: AsyncSession, call: CallRow, units: Sequence[CallUnitRow]) -> bool:
    """Whether the units of an order are the holder's, and not the manufacturer's until they are paid."""
    at = await places(session, [(u.lot_id, u.position_id) for u in units])
    return all(place.owner == call.holder_id for place in at.values())


async def _relations(session: AsyncSession, call: CallRow, now: datetime) -> dict[UUID, set[str]]:
    """What other parts are to the one ordered, by what its maker has said and what is in force."""
    today = local_day(now, call.zone)
    found: dict[UUID, set[str]] = {}
    for r in await parts.related(session, [call.part_id]):
        if r.since is None or r.since <= today:
            found.setdefault(r.other_id, set()).add(r.relation)
    return found


def _why_not(terms: TermsV2, call: CallRow, relations: Mapping[UUID, set[str]], unit: OnShelf) -> str:
    said = may_stand_in(
        terms,
        offered(
            Grade(unit.place.condition), relations.get(unit.part_id, set()), same_part=unit.part_id == call.part_id
        ),
    )
    return said.words if isinstance(said, NotAllowed) else ""


def _checked(
    terms: TermsV2, call: CallRow, relations: Mapping[UUID, set[str]], shelf: Sequence[OnShelf], given: InPlace
) -> _Chosen:
    here = [u for u in shelf if u.lot_id == given.lot_id]
    own = [u for u in here if u.place.owner == u.place.holder == call.holder_id and u.place.site is not None]
    where = f"{here[0].number}{f', serial {here[0].serial}' if here[0].serial else ''}" if here else ""
    lot = {"field": "in_place", "lot_id": str(given.lot_id)}
    if not here:
        raise missing("call.stand_in_lot", "No such units of yours. Choose from your own stock.", **lot)
    if not own:
        raise conflict(
            "call.stand_in_place", f"{where}: these units are not your own on one of your sites. Choose others.", **lot
        )
    loose = [u for u in own if u.place.agreement is None]
    if not loose:
        raise conflict(
            "call.stand_in_agreement",
            f"{where}: these units are under an agreement themselves. Choose units that are free of any.",
            **lot,
        )
    unit = loose[0]
    if unit.frozen:
        raise conflict("call.stand_in_hold", f"{where}: these units are on quality hold. Choose others.", **lot)
    if words := _why_not(terms, call, relations, unit):
        raise conflict("call.stand_in_terms", f"{where}: {words} Ship the units that are reserved.", **lot)
    if unit.free < given.quantity:
        raise conflict(
            "call.stand_in_few", f"{where}: {unit.free:,} of these units are free at {unit.site}, not {given.quantity:,}.",
            available=unit.free, **lot,
        )  # fmt: skip
    return _Chosen(unit, given.quantity)


def _shared_out(
    units: Sequence[CallUnitRow], chosen: Sequence[_Chosen]
) -> list[tuple[CallUnitRow, list[tuple[OnShelf | None, int]]]]:
    """Of each reservation, the last first, how many units of which lot go in its place; None: how many go themselves."""
    left = [c.quantity for c in chosen]
    made = []
    for u in reversed(units):
        pieces: list[tuple[OnShelf | None, int]] = []
        rest = u.quantity
        for n, c in enumerate(chosen):
            if part := min(rest, left[n]):
                pieces.append((c.unit, part))
                left[n] -= part
                rest -= part
        if rest:
            pieces.append((None, rest))
        made.append((u, pieces))
    return made


async def _by_reservation(
    session: WriteSession,
    actor: Actor,
    call: CallRow,
    units: Sequence[CallUnitRow],
    chosen: Sequence[_Chosen],
    now: datetime,
) -> tuple[Sequence[CallUnitRow], Mapping[Key, OnShelf]]:
    """One reservation that is for several lots, or of which a part travels itself, becomes several."""
    kept: dict[Key, OnShelf] = {}
    steps: list[Step] = []
    anew: list[OnShelf | None] = []
    for u, pieces in _shared_out(units, chosen):
        if len(pieces) == 1:
            if (unit := pieces[0][0]) is not None:
                kept[u.lot_id, u.hold_seq] = unit
            continue
        steps.append(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq))
        for unit, part in pieces:
            steps.append(Step(Kind.HOLD, u.lot_id, part, u.position_id))
            anew.append(unit)
    if not steps:
        return units, kept
    key = command_id("call.stand_in", call.id)
    command = Command(key, actor.company_id, actor.user_id, tuple(steps), "call", call.id)
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    await keep_units(session, call.id)
    kept |= {(h.lot_id, h.seq): unit for h, unit in zip(holds, anew, strict=True) if unit is not None}
    return await queries.call_units(session, call.id), kept


async def _free(
    session: WriteSession,
    by: By,
    call: CallRow,
    units: Sequence[tuple[queries.StandIn, int]],
    step: str,
    now: datetime,
) -> None:
    """So many of each come free of the clause; what else is reserved of it is not any more. The tenant is the holder, whose own
    they are."""
    if not units:
        return
    at = await places(session, [(s.for_lot_id, s.position_id) for s, _ in units])
    freed = [s for s, part in units if part and at[s.for_lot_id, s.position_id].agreement is not None]
    permits: Mapping[Key, UUID | None] = {}
    if freed:
        parts_of = {(s.for_lot_id, s.for_hold_seq): part for s, part in units}
        agreement = at[freed[0].for_lot_id, freed[0].position_id].agreement
        assert agreement is not None  # noqa: S101 - filtered above
        keys = [(s.for_lot_id, s.for_hold_seq) for s in freed]
        given = await agreements.permits_for_fact(
            session, agreement_id=agreement, maker_id=call.maker_id, holder_id=call.holder_id,
            lots=[(key[0], Kind.REPOINT, parts_of[key]) for key in keys],
            reason=f"Others went back in their place under {call.reference}", now=now,
        )  # fmt: skip
        permits = dict(zip(keys, given, strict=True))
    steps: list[Step] = []
    for s, part in units:
        permit = permits.get((s.for_lot_id, s.for_hold_seq))
        if permit is None:
            steps.append(Step(Kind.VOID, s.for_lot_id, s.held, s.position_id, resolves=s.for_hold_seq))
            continue
        free = moved(at[s.for_lot_id, s.position_id], agreement=None, beneficiary=None)
        if s.held:
            steps.append(
                Step(
                    Kind.POST, s.for_lot_id, part, s.position_id, to=free, purpose=Kind.REPOINT, resolves=s.for_hold_seq,
                    permit=permit,
                )
            )  # fmt: skip
        else:
            steps.append(Step(Kind.REPOINT, s.for_lot_id, part, s.position_id, to=free, permit=permit))
    command = Command(
        command_id("call.stand_in", step, call.id), call.holder_id, by.user_id, tuple(steps), "call", call.id
    )
    await carry_out(session, command, now)
