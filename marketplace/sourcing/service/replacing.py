"""Drawn units: the maker sends an equal one in time, or the unit is bought. What access-back says in its section 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.agreements.condition import paid_for
from marketplace.agreements.graded import place
from marketplace.agreements.pricing import parts_of
from marketplace.agreements.term_kinds import Grade
from marketplace.agreements.term_words import grade_words
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.clock import end_of_day, local_day
from marketplace.kit.consignment import Consignment
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.fates import fates_of
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import CONDITION_WORDS, Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.listings.service import drop_from_listings
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow, EqualStock, ReplacementUnitRow
from marketplace.sourcing.queries.replacements import EqualLot
from marketplace.sourcing.service.clocks import caught_up, still
from marketplace.sourcing.service.defaulting import clause_of
from marketplace.sourcing.service.shared import announce, moved, set_status, tell


async def send_replacement(
    session: WriteSession,
    actor: Actor,
    call_id: UUID,
    *,
    quantity: int,
    site_id: UUID,
    condition: str,
    consignment: Consignment,
    now: datetime,
    serials: Sequence[str] = (),
) -> UUID:
    """The maker sends ``quantity`` equal units from its free stock at a site; they go into transit. Which serial-numbered
    ones is told by ``serials``: nobody guesses what is in the box. Returns the replacement's id.

    Raises ``replacement.quantity`` (none, or more than are still to be replaced), ``replacement.bought`` after the time
    has ended, ``replacement.stock`` where so many equal units are not free
    there, ``replacement.which`` for serial numbers that are not there, or missing, ``agreement.suspended`` or
    ``agreement.legal_hold`` while the agreement stands still."""
    call = await queries.call_for_update(session, call_id)
    if actor.company_id != call.maker_id:
        raise missing("call.not_found", "No such order that you could change.")
    _require_replaceable(call, quantity, now)
    await queries.supply_for_update(session, [call.part_id], call.maker_id)
    equal = await queries.equal_stock(session, call, now)
    here = next((place for place in equal if (place.site_id, place.condition) == (site_id, condition)), None)
    if here is None or here.free < quantity:
        there = f"{here.free:,} there" if here else "none there"
        raise conflict(
            "replacement.stock",
            f"{phrases.count(quantity, 'equal unit')} (the same part number, {CONDITION_WORDS[call.condition].lower()} or "
            f"better, not kept for an open parts request) needed, and {there} can be sent. Nothing was sent.",
            field="quantity",
            available=here.free if here else 0,
        )
    replacement_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    taken = _choose(here, quantity, serials)
    at = await places(session, [(lot.lot_id, lot.position_id) for lot, _ in taken])
    steps: list[Step] = []
    sent: dict[UUID, tuple[int, str | None]] = {}
    for lot, count in taken:
        transit = moved(at[lot.lot_id, lot.position_id], site=None)
        if lot.serial is not None:
            steps.append(Step(Kind.SHIP, lot.lot_id, count, lot.position_id, to=transit))
            sent[lot.lot_id] = (count, lot.serial)
            continue
        child = command_id("replacement.child", replacement_id, lot.lot_id, lot.position_id)
        steps.append(Step(Kind.SPLIT, lot.lot_id, count, lot.position_id, child=child))
        steps.append(Step(Kind.SHIP, child, count, 1, to=transit))
        sent[child] = (count, None)
    command = Command(
        command_id("replacement.ship", replacement_id), call.maker_id, actor.user_id, tuple(steps), "call", call.id
    )
    entries = (await carry_out(session, command, now)).entries
    # After the lots: what goes into the hands of an insolvent holder is its estate's.
    if call.agreement_id and (under := await agreement_queries.in_place_of_for_share(session, call.agreement_id)):
        await agreements.require_live(session, under)
    if listed := {(lot.lot_id, lot.position_id): count for lot, count in taken if lot.listed}:
        await drop_from_listings(session, listed)
    landed = {e.lot_id: e.to_position for e in entries if e.to_position}
    await execute(
        session,
        "INSERT INTO replacement (id, call_id, maker_id, holder_id, quantity, from_site_id, carrier, tracking, shipped_at, "
        "sent_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        replacement_id, call.id, call.maker_id, call.holder_id, quantity, site_id, consignment.carrier,
        consignment.tracking, now, actor.user_id,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO replacement_unit (replacement_id, lot_id, position_id, quantity, serial, maker_id, holder_id) "
        "SELECT $1, u.*, $6, $7 FROM unnest($2::uuid[], $3::int[], $4::int[], $5::text[]) AS u",
        replacement_id, list(sent), [landed[lot] for lot in sent], [n for n, _ in sent.values()], [serial for _, serial in sent.values()],
        call.maker_id, call.holder_id,
    )  # fmt: skip
    await execute(session, "UPDATE call SET replacing = replacing + $2 WHERE id = $1", call.id, quantity)
    await tell(session, actor, call, "replacement_sent", {"quantity": quantity, **consignment.detail()}, now)
    await announce(
        session, "call.replacement", call, call.holder_id, ("buyer", "warehouse"),
        f"A replacement for {call.reference} is on its way",
        f"{call.maker} shipped {quantity} x {call.part_number}: {consignment.words()}.",
    )  # fmt: skip
    return replacement_id


def _choose(here: EqualStock, quantity: int, serials: Sequence[str]) -> list[tuple[EqualLot, int]]:
    """Which lots are sent, and how many of each: the serial-numbered units that are named, the rest without a number."""
    by_serial = {lot.serial: lot for lot in here.lots if lot.serial is not None}
    named = list(dict.fromkeys(text for serial in serials if (text := serial.strip())))
    have = f"There are {', '.join(list(by_serial)[:20])}{' and more' if len(by_serial) > 20 else ''}."
    unknown = [serial for serial in named if serial not in by_serial]
    if unknown:
        words = have if by_serial else "No unit there has a serial number."
        raise invalid("replacement.which", f"{unknown[0][:60]} cannot be sent from there. {words}", field="serials")
    if len(named) > quantity:
        raise invalid(
            "replacement.which",
            f"{len(named):,} serial numbers for {phrases.count(quantity, 'unit')}.",
            field="serials",
        )
    taken = [(by_serial[serial], 1) for serial in named]
    left = quantity - len(named)
    for lot in here.lots:
        if left and lot.serial is None:
            taken.append((lot, min(left, lot.free)))
            left -= min(left, lot.free)
    if left:
        raise invalid(
            "replacement.which", f"Say which units are sent, by serial number: {left:,} more. {have}", field="serials"
        )
    return taken


def _require_replaceable(call: CallRow, quantity: int, now: datetime) -> None:
    if call.draw_fee is None or call.inspected_good is None or call.replace_by is None:
        raise conflict("replacement.not_due", "Nothing of this order is to be replaced.")
    zone = call.zone
    open_now = call.to_replace
    if now >= call.replace_by and open_now:
        raise conflict(
            "replacement.bought",
            f"The time to replace the units ended with {phrases.deadline(call.replace_by, zone)}: they are bought. "
            "A replacement that arrives later does not undo that.",
        )
    most = open_now - call.replacing
    if quantity < 1 or quantity > most:
        way = f", {call.replacing:,} on the way" if call.replacing else ""
        stands = f"{call.replaced:,} replaced, {call.bought:,} bought{way}"
        raise invalid(
            "replacement.quantity",
            f"Send 1 to {most:,}: of {call.inspected_good:,} accepted, {stands}."
            if most > 0
            else f"Nothing is left to replace: of {call.inspected_good:,} accepted, {stands}.",
            field="quantity",
        )


async def receive_replacement(
    session: WriteSession,
    actor: Actor,
    replacement_id: UUID,
    *,
    good: int,
    missing_units: int,
    note: str,
    arrived_on: date | None,
    now: datetime,
    named: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """The holder receives a replacement: ``good`` units become its own and come under the agreement, ``missing_units``
    did not arrive, the others are not accepted and stay the maker's. ``arrived_on`` (today if left out) decides whether
    it was in time. Units that had been bought meanwhile and are accepted all the same are owed back.

    Raises ``replacement.received`` (done before), ``replacement.count``, ``replacement.note`` where something is wrong
    and no word is said, ``replacement.arrived`` for a day before it was sent or to come, ``replacement.count_unit`` and
    ``replacement.count_which`` for serial-numbered units."""
    call = await queries.call_for_update(session, await queries.call_of_replacement(session, replacement_id))
    found = next((r for r in await queries.replacements(session, call.id) if r.id == replacement_id), None)
    if found is None or actor.company_id != found.holder_id:
        raise missing("replacement.not_found", "No such replacement.")
    if found.good is not None:
        raise conflict("replacement.received", "This replacement was received already.")
    refused = found.quantity - good - missing_units
    if good < 0 or missing_units < 0 or refused < 0:
        raise invalid(
            "replacement.count", f"Accepted and missing must add up to at most {found.quantity:,}.", field="good"
        )
    if (refused or missing_units) and not note.strip():
        raise invalid("replacement.note", "Say what is wrong with the units that you do not accept.", field="note")
    zone = call.zone
    arrived, day = _arrival(found.shipped_at, arrived_on, zone, now)
    async with acting_for(session, call.maker_id):
        units = await queries.replacement_units(session, replacement_id)
        became = _fates(found.quantity, units, named, good, missing_units, refused)
        await _take_in(session, actor, call, replacement_id, became, note, now)
    in_time, undone = await _count(
        session, OnBehalf(actor.user_id, call.holder_id), call, found.quantity, good, arrived, now
    )
    await execute(
        session,
        "UPDATE replacement SET received_at = $2, arrived_on = $3, good = $4, missing = $5, note = $6 WHERE id = $1",
        replacement_id, now, day, good, missing_units, note.strip() or None,
    )  # fmt: skip
    if undone:
        async with acting_for(session, call.maker_id):
            worth = (await fetched_each(session, call))[call.replaced + in_time :][:undone]
        async with acting_for(session, call.holder_id):
            for each in dict.fromkeys(worth):
                n = worth.count(each)
                await settlement.owe(
                    session, payer_id=call.holder_id, payee_id=call.maker_id, kind="draw_undone", cause_id=call.id,
                    step_id=command_id("replacement.grade", replacement_id, each.grade) if each.grade else replacement_id,
                    cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=n,
                    unit_price=each.price,
                    words=f"{phrases.count(n, 'unit')} of {call.reference} replaced after being bought: the price is owed back{each.words}.",
                    due_on=local_day(now, zone) + timedelta(days=call.payment_days),
                )  # fmt: skip
    detail = {"good": good, "refused": refused, "missing": missing_units, "note": note.strip()}
    await tell(session, actor, call, "replacement_received", detail, now)
    await announce(
        session, "call.replacement", call, call.maker_id, ("planner", "warehouse"),
        f"The replacement for {call.reference} has arrived",
        f"{call.holder} accepted {good} of {found.quantity}" + (f": {note.strip()}" if refused or missing_units else ".")
        + (f" {undone} had been bought: the price is owed back." if undone else ""),
    )  # fmt: skip


def _arrival(shipped_at: datetime, arrived_on: date | None, zone: str, now: datetime) -> tuple[datetime, date]:
    """When it arrived, as far as deadlines care, and on which day at the holder's site."""
    today = local_day(now, zone)
    if arrived_on is None or arrived_on == today:
        return now, today
    if not local_day(shipped_at, zone) <= arrived_on < today:
        raise invalid(
            "replacement.arrived",
            f"It was sent on {phrases.day(local_day(shipped_at, zone))}: say a day from then until today.",
            field="arrived_on",
        )
    return end_of_day(arrived_on, zone) - timedelta(microseconds=1), arrived_on


Became = list[tuple[str, ReplacementUnitRow, int]]
"""(good, refused or missing; unit; how many of it)."""


def _fates(
    quantity: int,
    units: Sequence[ReplacementUnitRow],
    named: Mapping[str, Sequence[str]],
    good: int,
    lost: int,
    refused: int,
) -> Became:
    serials = {u.lot_id: u.serial for u in units if u.serial is not None}
    counts = {"good": good, "refused": refused, "missing": lost}
    fate, rest = fates_of(
        named, counts, serials, of=f"The replacement of {quantity:,}", code="replacement.count", field="units"
    )
    found: Became = [(fate[u.lot_id], u, 1) for u in units if u.serial is not None]
    for u in units:
        left = 0 if u.serial is not None else u.quantity
        for outcome in rest:
            part = min(left, rest[outcome])
            if part:
                found.append((outcome, u, part))
                rest[outcome] -= part
                left -= part
    return found


async def _take_in(
    session: WriteSession, actor: Actor, call: CallRow, replacement_id: UUID, became: Became, note: str, now: datetime
) -> None:
    """Custody by the maker's leave; then title and the agreement's right for what the holder accepts."""
    at = await places(session, [(u.lot_id, u.position_id) for _, u, _ in became])
    arriving: list[Step] = []
    accepted: list[tuple[UUID, int, Place]] = []
    for outcome, u, count in became:
        words = note.strip() or None
        if outcome == "missing":
            arriving.append(Step(Kind.LOSE, u.lot_id, count, u.position_id, reason="replacement_missing", note=words))
            continue
        here = moved(at[u.lot_id, u.position_id], site=call.site_id, holder=call.holder_id)
        refused = outcome == "refused"
        arriving.append(
            Step(
                Kind.RECEIVE, u.lot_id, count, u.position_id, to=here,
                reason="replacement_refused" if refused else None, note=words if refused else None,
            )
        )  # fmt: skip
        if not refused:
            accepted.append((u.lot_id, count, here))
    first = Command(
        command_id("replacement.receive", replacement_id), call.maker_id, actor.user_id, tuple(arriving), "call", call.id
    )  # fmt: skip
    await carry_out(session, first, now)
    if not accepted:
        return
    # Under its lock, after the lots: it may have been changed by both sides, or ended, since the unit was drawn.
    agreement = await agreement_queries.in_place_of_for_share(session, call.agreement_id) if call.agreement_id else None
    if agreement:
        good = sum(count for _, count, _ in accepted)
        await agreements.note_given_back(
            session, agreement_id=agreement, part_id=call.part_id, quantity=good, order_id=call.id
        )
    keeping: list[Step] = []
    for lot, count, here in accepted:
        owned = moved(here, owner=call.holder_id)
        keeping.append(Step(Kind.TITLE, lot, count, at=here, to=owned))
        if agreement:
            bound = moved(owned, agreement=agreement, beneficiary=call.maker_id)
            keeping.append(Step(Kind.REPOINT, lot, count, at=owned, to=bound))
    async with acting_for(session, call.holder_id):
        second = Command(
            command_id("replacement.title", replacement_id), call.holder_id, actor.user_id, tuple(keeping), "call",
            call.id,
        )  # fmt: skip
        await carry_out(session, second, now)


async def _count(
    session: WriteSession, by: By, call: CallRow, quantity: int, good: int, arrived: datetime, now: datetime
) -> tuple[int, int]:
    """Counts what was replaced, and buys first what the clock has decided. Returns how many were replaced in time, and how many
    had been bought and are replaced after all."""
    assert call.replace_by is not None  # noqa: S101 - nothing is sent without it
    in_time = min(good, call.to_replace) if arrived < call.replace_by else 0
    await execute(
        session,
        "UPDATE call SET replacing = replacing - $2, replaced = replaced + $3 WHERE id = $1",
        call.id,
        quantity,
        in_time,
    )
    after = await queries.call(session, call.id)
    if now >= call.replace_by and after.to_replace:
        await _buy(session, by, after, now)
    # What is accepted beyond what was open had been bought; or, late, what the holder takes all the same.
    undone = good - in_time
    if undone:
        await execute(
            session, "UPDATE call SET replaced = replaced + $2, bought = bought - $2 WHERE id = $1", call.id, undone
        )
    await conclude(session, call.id, now)
    return in_time, undone


async def buy_unreplaced(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> int:
    """Drawn units that were not replaced in time are bought (worker). Returns how many; 0 when that was done before.
    However late it runs: the stored deadline is what counts."""
    call = await queries.call_for_update(session, call_id)
    if call.replace_by is None or not call.to_replace or await still(session, call):
        return 0
    call = await caught_up(session, OnBehalf(actor_id, call.maker_id), call, now)
    if call.replace_by is None or now < call.replace_by:
        return 0
    count = call.to_replace
    await _buy(session, OnBehalf(actor_id, call.maker_id), call, now)
    await conclude(session, call_id, now)
    return count


async def _buy(session: WriteSession, by: By, call: CallRow, now: datetime) -> None:
    count, zone = call.to_replace, call.zone
    assert call.replace_by is not None  # noqa: S101 - the caller saw to it
    by_when = phrases.deadline(call.replace_by, zone)
    async with acting_for(session, call.maker_id):
        worth = (await fetched_each(session, call))[call.replaced + call.bought :][:count]
        for each in dict.fromkeys(worth):
            what: dict[str, Any] = {
                "payer_id": call.maker_id, "payee_id": call.holder_id, "cause_id": call.id, "cause_reference": call.reference,
                "agreement_id": call.agreement_id, "part_id": call.part_id, "quantity": worth.count(each),
                "due_on": local_day(call.replace_by - timedelta(microseconds=1), zone) + timedelta(days=call.payment_days),
                "step_id": command_id("call.bought.grade", call.id, each.grade) if each.grade else None,
            }  # fmt: skip
            words = f"Not replaced by {by_when}: bought at {each.price} a unit{each.words}."
            if each.handling.amount:
                words += f" {each.handling} of it is for handling, on a line of its own."
                said = f"Handling of units that were bought: {each.handling} a unit."
                await settlement.owe(session, kind="handling", unit_price=each.handling, words=said, **what)
            price = each.price - each.handling
            await settlement.owe(session, kind="draw_purchase", unit_price=price, words=words, **what)
        await execute(session, "UPDATE call SET bought = bought + $2 WHERE id = $1", call.id, count)
        await tell(session, by, call, "bought", {"quantity": count}, now)
    for side, roles in ((call.maker_id, ("planner",)), (call.holder_id, ("buyer",))):
        await announce(
            session, "call.bought", call, side, roles, f"{call.reference}: {phrases.count(count, 'unit')} bought",
            f"Not replaced by {by_when}: {sum_of(worth)} is owed to {call.holder}.",
        )  # fmt: skip


class Fetched(NamedTuple):
    """What a drawn unit is bought at, handling included: by the condition that it was found in, where the terms state what that
    fetches (``grade``, empty elsewhere)."""

    price: Money
    handling: Money
    grade: str
    words: str


def sum_of(worth: Sequence[Fetched]) -> Money:
    """What these units are bought at together."""
    return sum((each.price for each in worth[1:]), worth[0].price)


async def fetched_each(session: WriteSession, call: CallRow) -> list[Fetched]:
    """Each accepted unit of a draw with what it is bought at, those in the best condition first: they count as replaced first
    (section 9.5). The tenant is the maker."""
    full, count = Money(call.unit_price, call.currency), call.inspected_good or 0
    plain = Fetched(full, Money(full.amount * 0, full.currency), "", "")
    if call.agreement_id is None:
        return [plain] * count
    pair = (call.agreement_id, call.part_id)
    terms = clause_of((await agreement_queries.terms_and_facts(session, [pair]))[pair], call)
    if terms.generation == 1:
        return [plain] * count
    plain = plain._replace(handling=parts_of(terms, full).handling)
    told = next((e.detail["found"] for e in await queries.call_events(session, call.id) if "found" in e.detail), ())
    if not terms.grade_adjustments or not told:
        return [plain] * count
    grades: list[Grade] = []
    for found in told:
        grades += [Grade(found["grade"])] * int(found["quantity"]) if found["accepted"] else []
    # What was accepted after all is in the condition that it was rejected for.
    for found in told:
        grades += [Grade(found["grade"])] * int(found["quantity"]) if not found["accepted"] else []
    known = list(Grade)
    made: list[Fetched] = []
    for grade in sorted(grades[:count], key=known.index):
        paid = paid_for(terms, grade, full)
        where = f" as {grade_words(grade)} ({place(paid.reasons[0])})"
        made.append(Fetched(paid.price, parts_of(terms, paid.price).handling, grade.value, where))
    return made + [plain] * (count - len(made))


async def conclude(session: WriteSession, call_id: UUID, now: datetime) -> None:
    """An inspected draw of which nothing is left to replace is priced, and settled where nothing is (or stays) owed; so is
    an order in dispute once every rejected unit is kept or back at its holder."""
    call = await queries.call(session, call_id)
    if call.status == "disputed":
        back = await queries.way_back(session, call_id)
        returned = back.quantity if back and back.received_at else 0
        over = (call.inspected_good or 0) + returned >= call.quantity
    else:
        over = call.status == "inspected"
    if over and not call.to_replace:
        await set_status(session, call, "priced", ended_at=now)
        await settle_if_paid(session, await queries.call(session, call_id), now)


async def settle_if_paid(session: WriteSession, call: CallRow, now: datetime) -> bool:
    """Ends a priced call once every line that is owed for it has both marks; whether it did."""
    if call.status != "priced":
        return False
    if not all(line.settled for line in await owed.lines_of_cause(session, call.id)):
        return False
    await set_status(session, call, "settled", ended_at=now)
    return True
