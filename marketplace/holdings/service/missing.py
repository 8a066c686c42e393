"""Units under an agreement that are not there any more, in the holder's own words: used, sold or scrapped without leave, lost,
found again. The record is put right by stock transactions, what the clause has the holder pay is kept with the words, and the
manufacturer is told. Nothing here asks whether it was allowed before it is written down: it has happened.

Order of locks: shelf, lots, agreement, shortages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreements
from marketplace.agreements import service as leave
from marketplace.agreements.allowance import most_allowed, sold_with_leave
from marketplace.agreements.covered import Covered
from marketplace.agreements.missing import (
    BECAME_WORDS,
    LOSSES,
    STILL_THERE,
    Became,
    Owed,
    owed_for,
    owed_for_a_sale_with_leave,
)  # fmt: skip
from marketplace.agreements.notice import Notice
from marketplace.agreements.outcomes import Act
from marketplace.agreements.stops import moved_by, stopped_between
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.holdings import queries
from marketplace.holdings.gone import Gone, choose_gone, unnamed_serials
from marketplace.holdings.proposal import Line
from marketplace.holdings.queries import MissingRow, ShortageRow
from marketplace.holdings.queries.locked import MOST_LOTS
from marketplace.kit.clock import local_day
from marketplace.kit.errors import busy, conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.parties.queries import people_to_tell, site_for_share

_KINDS: Mapping[Became, Kind] = {
    Became.USED: Kind.USE_UP, Became.INSTALLED: Kind.INSTALL, Became.SCRAPPED: Kind.SCRAP, Became.MOVED: Kind.MOVE,
}  # fmt: skip
"""Everything else is a loss to the record: out of the holder's hands, and nobody on record has it."""
_ACTS: Mapping[Became, Act] = {Became.USED: Act.USE, Became.INSTALLED: Act.INSTALL, Became.SCRAPPED: Act.SCRAP}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatBecame:
    """So many units of a part under an agreement, kept at a site, and what became of them. ``happened_at``: None = now.
    ``serial`` names one unit; ``machine``: of fitted ones; ``to_site``: of those at another site of the holder's own."""

    agreement_id: UUID
    part_id: UUID
    site_id: UUID
    became: Became
    quantity: int
    note: str
    happened_at: datetime | None = None
    serial: str | None = None
    machine: str | None = None
    to_site: UUID | None = None


async def say_what_became(
    session: WriteSession, actor: Actor, said: WhatBecame, *, now: datetime, command: UUID | None = None
) -> MissingRow:
    """Writes down what became of units, whether or not the agreement gave leave for it, and what is owed for it.

    Raises ``missing.quantity``, ``missing.note``, ``missing.machine``, ``missing.to_site``, ``missing.when``,
    ``missing.not_enough``, ``missing.which`` where a serial number has to be named, ``missing.reserved`` for units reserved
    for a sale, or for an order and said to be elsewhere, ``missing.not_searched`` for units found that nobody missed,
    ``agreement.not_found``, and what the ledger refuses."""
    _check(said, now)
    if said.to_site:
        await site_for_share(session, actor, said.to_site)
    return await _write(session, actor, said, actor.company_id, now, command)


async def conclude_shortage(session: WriteSession, actor: Actor, shortage_id: UUID, now: datetime) -> MissingRow:
    """The manufacturer concludes, once the date for it and the time to make good have run, that units of which nobody has said
    where they are have left the holder's hands without leave. Nothing concludes that by itself; the line can be disputed.

    Raises ``shortage.not_found``, ``shortage.not_maker``, ``shortage.over``, ``shortage.in_time``, and what
    ``say_what_became`` refuses."""
    short = await queries.shortage(session, actor.company_id, shortage_id)
    if actor.company_id != short.maker_id:
        raise forbidden("shortage.not_maker", "The manufacturer concludes this; the holder says where the units are.")
    if short.status != "open" or not short.left:
        raise conflict("shortage.over", "It is known of all of these units what became of them.")
    until = short.conclude_from
    # No time of the second library runs while the agreement stands still.
    if await agreements.second_library(session, [short.stands_under]):
        stood_still = stopped_between(await agreements.stops(session, short.stands_under), short.opened_at, now)
        until = moved_by(until, stood_still, short.zone)
    if now < until:
        by = phrases.deadline(until, short.zone)
        raise conflict(
            "shortage.in_time", f"{short.holder} has until {by} to say where the units are, or to make good."
        )
    said = WhatBecame(
        agreement_id=short.stands_under, part_id=short.part_id, site_id=short.site_id, became=Became.GIVEN_AWAY,
        quantity=short.left, note=f"Concluded by {short.maker}: nobody has said where they are.",
    )  # fmt: skip
    async with acting_for(session, short.holder_id):
        return await _write(session, OnBehalf(actor.user_id, short.holder_id), said, actor.company_id, now, None, short)


async def _write(
    session: WriteSession,
    actor: By,
    said: WhatBecame,
    told_by: UUID,
    now: datetime,
    command: UUID | None,
    concluded: ShortageRow | None = None,
) -> MissingRow:
    """On behalf of the holder, in the words of ``told_by``; ``concluded``: the shortage that is ended for want of an answer."""
    await queries.shelf_for_update(session, actor.company_id, said.site_id, said.part_id)
    ids = (
        await queries.lot_ids_of_serial(session, actor.company_id, said.part_id, said.serial)
        if said.serial
        else await queries.lot_ids_at(
            session, actor.company_id, said.part_id, said.site_id, unreserved=False, limit=MOST_LOTS
        )
    )
    lines = [
        line
        for line in await queries.lines_for_update(session, actor.company_id, ids, now)
        if line.place.site == said.site_id and line.place.agreement == said.agreement_id
    ]
    await agreements.agreements_for_update(session, [said.agreement_id])
    pair = (said.agreement_id, said.part_id)
    covered = (await agreements.terms_and_facts(session, [pair])).get(pair)
    if covered is None or covered.holder_id != actor.company_id:
        raise missing("agreement.not_found", "No such agreement under which your company holds units of this part.")
    before = await queries.with_those_before(session, said.agreement_id)
    on_shelf = await queries.shortages_for_update(
        session, holder_id=actor.company_id, site_id=said.site_id, part_id=said.part_id
    )
    short = next((s for s in on_shelf if s.agreement_id in before), None)
    searched = await queries.searched_on(session, [(x.lot_id, x.position_id) for x in lines])
    if concluded is not None and (short is None or short.id != concluded.id or short.left != concluded.left):
        raise busy("shortage.moved", "It was answered or counted just now. Nothing was changed; look again.")
    gone = await _gone(session, said, lines, searched, now, named=concluded is None)
    happened = said.happened_at or now
    owed, without, out, cleared = await _reckon(session, covered, said, happened, now)
    key = command or uuid4()
    if said.became is not Became.FOUND:
        await _record(session, actor, covered, said, gone, happened, key, now)
    if cleared is not None:
        # What was offered first and let go is sold with leave: the notice has so many fewer left.
        sides = (covered.maker_id, covered.holder_id)
        sold = [(key, min(said.quantity, covered.facts.remaining) - without)]
        await leave.note_used(session, sides, covered.agreement_id, cleared.id, sold, actor, now)
    if out:
        # Units that stayed the maker's count as taken out on the day on which that happened, and their price is owed.
        await leave.note_taken_without_leave(
            session, actor, agreement_id=covered.agreement_id, part_id=said.part_id, quantity=out, act_id=key,
            taken_at=happened, now=now,
        )  # fmt: skip
    await no_longer_searched(session, searched, gone, now)
    if short is not None:
        await _answered(session, short, said.quantity, now)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO missing_units (shortage_id, agreement_id, part_id, maker_id, holder_id, site_id, became, quantity, "
        "without_leave, below_minimum, line_kind, amount, currency, due_on, words, note, happened_at, command_id, company_id, "
        "actor_id, at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21) RETURNING id",
        short.id if short else None, covered.agreement_id, said.part_id, covered.maker_id, covered.holder_id, said.site_id,
        said.became.value, said.quantity, without, owed.below, owed.kind, owed.amount.rounded().amount,
        owed.amount.currency, local_day(now, covered.facts.zone) + timedelta(days=owed.terms.payment_days), owed.words,
        said.note.strip(), happened, key, told_by, actor.user_id, now,
    )  # fmt: skip
    row = await queries.one_missing(session, made)
    assert row is not None  # noqa: S101 - it was written just now
    await _tell(
        session,
        OnBehalf(actor.user_id, told_by),
        covered,
        row,
        {g.held.cause_id for g in gone if g.held is not None},
        now,
    )
    return row


def _check(said: WhatBecame, now: datetime) -> None:
    if said.quantity < 1:
        raise invalid("missing.quantity", "Give a quantity of at least one unit.", field="quantity")
    if len(said.note) > 1_000 or (not said.note.strip() and said.became not in STILL_THERE):
        words = "Say what happened and how you know, in at most 1,000 characters: the manufacturer reads it."
        raise invalid("missing.note", words, field="note")
    if (said.became is Became.INSTALLED) != bool(said.machine and said.machine.strip()):
        raise invalid("missing.machine", "Name the machine of fitted units, and of these alone.", field="machine")
    if (said.became is Became.MOVED) != (said.to_site is not None) or said.to_site == said.site_id:
        words = "Name the other site of units that are at another of your sites, and of these alone."
        raise invalid("missing.to_site", words, field="to_site_id")
    if said.happened_at is not None and said.happened_at > now:
        raise invalid("missing.when", "What happened cannot lie in the future. Check the date.", field="happened_at")


async def _gone(
    session: WriteSession,
    said: WhatBecame,
    lines: Sequence[Line],
    searched: Sequence[queries.Searched],
    now: datetime,
    *,
    named: bool,
) -> list[Gone]:
    """Which units it is about. ``named``: whether serial-numbered ones have to be."""
    looked: dict[tuple[UUID, int], int] = {}
    for s in searched:
        looked[s.lot_id, s.position_id] = looked.get((s.lot_id, s.position_id), 0) + s.quantity
    if said.became is Became.FOUND:
        if said.quantity > sum(looked.values()):
            raise conflict(
                "missing.not_searched",
                f"Of these units {sum(looked.values()):,} are being looked for; {said.quantity:,} cannot be found again.",
                field="quantity", available=sum(looked.values()),
            )  # fmt: skip
        left, found = said.quantity, []
        for line in lines:
            count = min(looked.get((line.lot_id, line.position_id), 0), left)
            left -= count
            if count:
                found.append(Gone(line, count))
        return found
    holds = await queries.reserved_on(session, [x.lot_id for x in lines], now)
    gone, short = choose_gone(lines, holds, looked, said.quantity)
    if short:
        there = sum(line.quantity for line in lines)
        raise conflict(
            "missing.not_enough",
            f"On record under this agreement {'is' if there == 1 else 'are'} {there:,} here; {said.quantity:,} were given. "
            "Nothing was changed.",
            field="quantity", available=there,
        )  # fmt: skip
    if named and not said.serial and unnamed_serials(lines, gone):
        words = "Name the serial number: these units are told apart by it. Nothing was changed."
        raise conflict("missing.which", words, field="serial")
    if any(g.held is not None and g.held.cause_kind != "call" for g in gone):
        words = "Some of these units are reserved for a sale: cancel it first. Nothing was changed."
        raise conflict("missing.reserved", words, field="quantity")
    if said.became is Became.MOVED and any(g.held for g in gone):
        words = (
            "Units that are reserved for an order stay where it is shipped from: bring them back, or refuse the order."
        )
        raise conflict("missing.reserved", words, field="quantity")
    return gone


async def _reckon(
    session: WriteSession, covered: Covered, said: WhatBecame, happened: datetime, now: datetime
) -> tuple[Owed, int, int, Notice | None]:
    """What is owed, for how many units the agreement gave no leave, how many are taken out where they stay the maker's until
    then (nothing is scrapped freely there), and the notice that cleared those sold with leave."""
    facts = covered.facts
    # Units found beyond what the schedule sold are the holder's own.
    quantity = min(said.quantity, facts.remaining)
    charged = Money(await queries.charged(session, covered.agreement_id, said.part_id), facts.sale_price.currency)
    if not quantity:
        return owed_for(covered.clauses, facts, Became.FOUND, 1, local_day(happened, facts.zone)), 0, 0, None
    owed = owed_for(covered.clauses, facts, said.became, quantity, local_day(happened, facts.zone), charged)
    if said.became in LOSSES or said.became in STILL_THERE:
        return owed, 0, 0, None
    if said.became is Became.SOLD:
        sold, cleared = sold_with_leave(covered.clauses, facts, quantity, happened)
        if sold == quantity:
            owed = owed_for_a_sale_with_leave(covered.clauses, facts)
        return owed, quantity - sold, quantity - sold, cleared
    act = _ACTS.get(said.became)
    if act is None:
        return owed, quantity, quantity, None
    allowed, _ = most_allowed(covered.clauses, facts, act, quantity, now)
    return owed, quantity - allowed, quantity, None


async def _record(
    session: WriteSession,
    actor: By,
    covered: Covered,
    said: WhatBecame,
    gone: Sequence[Gone],
    happened: datetime,
    key: UUID,
    now: datetime,
) -> None:
    """The stock transactions. What is on quality hold cannot be used in the ledger, and was used all the same: it is lost to
    the record."""
    kinds = [Kind.LOSE if g.line.frozen and said.became in _ACTS else _KINDS.get(said.became, Kind.LOSE) for g in gone]
    permits = await leave.permits_for_fact(
        session, agreement_id=covered.agreement_id, maker_id=covered.maker_id, holder_id=covered.holder_id,
        lots=[(g.line.lot_id, kind, g.quantity) for g, kind in zip(gone, kinds, strict=True)],
        reason=f"What became of missing units: {said.became.value}", now=now,
    )  # fmt: skip
    for g in gone:
        if g.held is not None:
            await _give_up(session, actor, g, key, now)
    steps = tuple(
        Step(
            kind, g.line.lot_id, g.quantity, g.line.position_id,
            to=replace(g.line.place, site=said.to_site) if kind is Kind.MOVE else None, permit=permit,
            machine=said.machine if kind is Kind.INSTALL else None, reason=said.became.value, note=said.note.strip() or None,
            occurred_at=happened if said.happened_at is not None else None,
        )
        for g, kind, permit in zip(gone, kinds, permits, strict=True)
    )  # fmt: skip
    await carry_out(session, Command(key, actor.company_id, actor.user_id, steps, "missing"), now)


async def _give_up(session: WriteSession, actor: By, gone: Gone, key: UUID, now: datetime) -> None:
    """So many of a reservation are gone: it goes on for the rest, for the same order."""
    held = gone.held
    assert held is not None  # noqa: S101 - asked of reserved units
    steps = [Step(Kind.VOID, held.lot_id, held.quantity, held.position_id, resolves=held.hold_seq)]
    rest = held.quantity - gone.quantity
    # What is on quality hold can be reserved by nobody: the order looks for others.
    if rest and not gone.line.frozen:
        steps.append(Step(Kind.HOLD, held.lot_id, rest, held.position_id, expires_at=held.expires_at))
    freed = command_id("missing.reserved", key, held.lot_id, held.hold_seq)
    await carry_out(
        session, Command(freed, actor.company_id, actor.user_id, tuple(steps), held.cause_kind, held.cause_id), now
    )


async def no_longer_searched(
    session: WriteSession, searched: Sequence[queries.Searched], gone: Sequence[Gone], now: datetime
) -> None:
    """Ends the search for units of which it is known now what became of them; what is left of a search goes on as a new one."""
    left: dict[tuple[UUID, int], int] = {}
    for g in gone:
        line = (g.line.lot_id, g.line.position_id)
        left[line] = left.get(line, 0) + g.quantity
    for s in searched:
        known = min(left.get((s.lot_id, s.position_id), 0), s.quantity)
        if not known:
            continue
        left[s.lot_id, s.position_id] -= known
        await execute(session, "UPDATE withdrawal SET resolved_at = $2 WHERE id = $1", s.id, now)
        if s.quantity > known:
            await execute(
                session,
                "INSERT INTO withdrawal (lot_id, position_id, part_id, holder_id, beneficiary_id, site_id, quantity, cause_id, "
                "opened_at) SELECT lot_id, position_id, part_id, holder_id, beneficiary_id, site_id, $2, cause_id, opened_at "
                "FROM withdrawal WHERE id = $1",
                s.id, s.quantity - known,
            )  # fmt: skip


async def _answered(session: WriteSession, short: ShortageRow, quantity: int, now: datetime) -> None:
    answered = min(short.answered + quantity, short.missing)
    over = answered >= short.missing
    await execute(
        session,
        "UPDATE shortage SET answered = $2, status = CASE WHEN $3 THEN 'explained' ELSE status END, "
        "ended_at = CASE WHEN $3 THEN $4::timestamptz END WHERE id = $1",
        short.id, answered, over, now,
    )  # fmt: skip


async def _tell(
    session: WriteSession, actor: By, covered: Covered, row: MissingRow, orders: set[UUID | None], now: datetime
) -> None:
    """The other side reads it in its mail; whoever listens writes the line, and mends orders whose units are gone."""
    sides = (covered.maker_id, covered.holder_id)
    what = f"{phrases.count(row.quantity, 'unit')} of {row.number} {BECAME_WORDS[Became(row.became)]}"
    detail: dict[str, Any] = {
        "missing_units": row.id, "part_id": row.part_id, "quantity": row.quantity, "became": row.became,
        "note": f"{what}. {row.told}",
    }  # fmt: skip
    await leave.note(session, covered.agreement_id, sides, "units_missing", actor, now, detail)
    payload: dict[str, Any] = {"reference": covered.reference, **detail, "calls": [c for c in orders if c is not None]}
    by_holder = actor.company_id == covered.holder_id
    other, roles = (covered.maker_id, ("planner", "admin")) if by_holder else (covered.holder_id, ("buyer", "admin"))
    async with acting_for(session, other):
        to = await people_to_tell(session, other, roles)
    if to:
        payload["mail"] = {
            "to": to, "subject": f"{covered.reference}: {what}", "link": f"/agreements/{covered.agreement_id}",
            "text": f"{covered.holder if by_holder else covered.maker} says: {what}. {row.note} {row.told}",
        }  # fmt: skip
    await emit(session, "holding.missing", "missing_units", row.id, sides, payload)
