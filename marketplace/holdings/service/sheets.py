"""Cycle counts: begin one, enter what is there as it goes, count again what is far off, confirm it all at once or drop it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.holdings import queries
from marketplace.holdings.queries import sheets as reads
from marketplace.holdings.queries.sheets import SheetRow
from marketplace.holdings.service.counting import Counted, count
from marketplace.holdings.sheet import Item, Variance, ask_recount
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id, serial_lot_id, short_reference
from marketplace.ledger.entries import Command, NewLot, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.outbox.service import emit
from marketplace.parties.actor import Actor
from marketplace.parties.queries import own_site
from marketplace.parts.numbers import Match, normalise, parse_list
from marketplace.parts.queries import find, part

MOST_PARTS: Final = 500
"""So many parts that differ are confirmed in one go."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of what was entered: how many lines were kept, and in words those that were not, or need a look."""

    kept: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a sheet changed: parts counted, those that differed, and what follows for each in words."""

    parts: int
    differing: int
    words: tuple[tuple[str, str], ...]
    in_breach: tuple[UUID, ...]


async def open_sheet(
    session: WriteSession,
    actor: Actor,
    site_id: UUID,
    *,
    part_id: UUID | None,
    agreement_id: UUID | None,
    blind: bool,
    now: datetime,
) -> UUID:
    """Begins a count of a site, or of a part or an agreement's parts there. Raises ``site.not_found``, ``part.not_found``,
    ``agreement.not_found``, ``count.scope``."""
    site = await own_site(session, actor, site_id)
    if part_id is not None and agreement_id is not None:
        raise invalid("count.scope", "Count a part or an agreement's parts, not both.", field="agreement_id")
    if part_id is not None:
        await part(session, part_id)
    if agreement_id is not None:
        found = await agreements.agreement(session, actor, agreement_id)
        if found.row.holder_id != actor.company_id:
            raise invalid("count.scope", "Your company holds no units under this agreement.", field="agreement_id")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO count_sheet (holder_id, reference, site_id, part_id, agreement_id, blind, opened_by, opened_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        actor.company_id, short_reference("CT"), site.id, part_id, agreement_id, blind, actor.user_id, now,
    )  # fmt: skip
    return made


async def _open(session: WriteSession, actor: Actor, sheet_id: UUID) -> SheetRow:
    found = await reads.sheet_for_update(session, actor.company_id, sheet_id)
    if not found.open:
        raise conflict(
            "count.ended", f"{found.reference} was {found.ended}: nothing more can be entered. Begin another count."
        )
    return found


async def enter(
    session: WriteSession, actor: Actor, sheet_id: UUID, items: Sequence[Item], *, how: str, now: datetime
) -> Entered:
    """Keeps what was scanned or typed. A line without a quantity is a serial number, or else one unit of a part by its number; a serial
    number that nobody knows is kept as such. A number read twice counts once. A constant number of statements.

    Raises ``count.not_found``, ``count.ended``, ``count.part`` for a quantity of no part, or of a part with serial numbers."""
    sheet = await _open(session, actor, sheet_id)
    codes = [i.whole or i.code for i in items if i.quantity is None or i.whole]
    lots: dict[str, reads.Candidate] = {}
    for candidate in await reads.by_serials(session, actor.company_id, sheet.site_id, codes):
        lots.setdefault(candidate.serial.upper(), candidate)
    numbers = [i.code for i in items if i.quantity is not None or i.code.upper() not in lots]
    numbers += [i.whole for i in items if i.whole and i.whole.upper() not in lots]
    asked = [a for n in dict.fromkeys(numbers) for a in parse_list(n)[:1]]
    hits = (await find(session, asked)).hits if asked else {}
    by_number = {a: h[0].part_id for a, h in hits.items() if h and h[0].step is Match.EXACT}
    items = [_as_meant(i, lots, by_number, scanned=how == "scan") for i in items]
    rounds, read = await reads.rounds(session, sheet_id), await reads.serials_read(session, sheet_id)
    rows: list[tuple[UUID | None, UUID | None, str | None, int, int]] = []
    words: list[str] = []
    for item in items:
        lot = lots.get(item.code.upper()) if item.quantity is None else None
        part_id = lot.part_id if lot else by_number.get(normalise(item.code))
        if part_id is None and item.quantity is not None:
            raise invalid(
                "count.part",
                f"No part has the number {item.code} exactly. Nothing was entered."
                + (f' If {item.whole} is one number, write it in quotes: "{item.whole}".' if item.whole else ""),
                field="items",
            )
        turn = rounds.get(part_id, 1) if part_id else 1
        if lot is None and part_id is not None:
            rows.append((part_id, None, None, 1 if item.quantity is None else item.quantity, turn))
            continue
        key = (item.code.upper(), turn)
        if key in read:
            words.append(f"{item.code} was read already; it counts once.")
            continue
        read.add(key)
        rows.append((part_id, lot.lot_id if lot else None, lot.serial if lot else item.code, 1, turn))
        if lot is None:
            words.append(
                f"{item.code} is no part number and no serial number that you have on record. It is kept on the sheet."
            )
        elif not lot.here:
            words.append(f"{item.code} is not on record here; the sheet says where it should be.")
    await execute(
        session,
        "INSERT INTO count_entry (sheet_id, holder_id, part_id, lot_id, serial, quantity, round, how, by, at) "
        "SELECT $1, $2, t.part_id, t.lot_id, t.serial, t.quantity, t.round, $3, $4, $5 "
        "FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::int[], $10::int[]) AS t (part_id, lot_id, serial, quantity, round)",
        sheet_id, actor.company_id, how, actor.user_id, now, *([row[n] for row in rows] for n in range(5)),
    )  # fmt: skip
    return Entered(len(rows), tuple(words))


@dataclass(frozen=True, slots=True)
class Found:
    """So many of a part, or one unit (``lot_id``; None for a serial number that nobody knows), counted at a moment."""

    part_id: UUID | None
    lot_id: UUID | None
    serial: str | None
    quantity: int
    at: datetime


async def enter_found(
    session: WriteSession, actor: Actor, sheet_id: UUID, found: Sequence[Found], *, now: datetime
) -> None:
    """Keeps what a file says was found, on a sheet that was just begun: parts and units are known already. Raises ``count.not_found``,
    ``count.ended``."""
    await _open(session, actor, sheet_id)
    await execute(
        session,
        "INSERT INTO count_entry (sheet_id, holder_id, part_id, lot_id, serial, quantity, round, how, by, at) "
        "SELECT $1, $2, t.part_id, t.lot_id, t.serial, t.quantity, 1, 'list', $3, t.at "
        "FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::int[], $8::timestamptz[]) AS t (part_id, lot_id, serial, quantity, at)",
        sheet_id, actor.company_id, actor.user_id, [f.part_id for f in found], [f.lot_id for f in found], [f.serial for f in found],
        [f.quantity for f in found], [min(f.at, now) for f in found],
    )  # fmt: skip


def _as_meant(item: Item, lots: Mapping[str, object], parts: Mapping[str, UUID], *, scanned: bool) -> Item:
    """'5305 00 068 0508' is a number, and no 508 of '5305 00 068', where the one is known and the other is not; what a scanner read
    is always one. Raises ``count.list`` where both are known: nothing is guessed about how much is there."""
    if item.whole is None:
        return item
    known = item.whole.upper() in lots or normalise(item.whole) in parts
    if known and normalise(item.code) in parts and not scanned:
        raise invalid(
            "count.list",
            f'{item.whole} can be read in two ways. Write "{item.whole}" for that number, or {item.code}, {item.quantity} for so many.',
            field="items",
        )
    return Item(item.whole, None) if known or (scanned and normalise(item.code) not in parts) else item


async def take_back(session: WriteSession, actor: Actor, sheet_id: UUID, entry_id: UUID, *, now: datetime) -> None:
    """An entry was wrong: it does not count any more. Raises ``count.entry``."""
    await _open(session, actor, sheet_id)
    done = await execute(
        session,
        "INSERT INTO count_entry (sheet_id, holder_id, part_id, lot_id, serial, quantity, round, how, takes_back, by, at) "
        "SELECT e.sheet_id, e.holder_id, e.part_id, e.lot_id, e.serial, e.quantity, e.round, e.how, e.id, $3, $4 FROM count_entry e "
        "WHERE e.id = $1 AND e.sheet_id = $2 AND e.takes_back IS NULL ON CONFLICT (takes_back) DO NOTHING",
        entry_id, sheet_id, actor.user_id, now,
    )  # fmt: skip
    if done.endswith(" 0"):
        raise missing("count.entry", "No such entry, or it was taken back already.")


async def recount(session: WriteSession, actor: Actor, sheet_id: UUID, part_id: UUID, *, now: datetime) -> None:
    """A part is counted once more from nothing. Raises ``count.nothing`` where it was not counted yet."""
    await _open(session, actor, sheet_id)
    found = {v.part_id: v for v in await reads.variances(session, sheet_id)}
    if part_id not in found:
        raise missing("count.nothing", "This part was not counted yet: there is nothing to count again.")
    await execute(
        session,
        "INSERT INTO count_recount (sheet_id, part_id, round, holder_id, by, at) VALUES ($1, $2, $3, $4, $5, $6)",
        sheet_id, part_id, found[part_id].round + 1, actor.company_id, actor.user_id, now,
    )  # fmt: skip


async def confirm(session: WriteSession, actor: Actor, sheet_id: UUID, *, reason: str, now: datetime) -> Confirmed:
    """Ends a count: the record follows it. Own units are adjusted; what others have a right in, or what has serial numbers, goes
    the way of missing units (``count``). Parts that nobody counted stay as they are.

    As many statements as it takes for those parts that differ or are being looked for; the others are written together. Raises
    ``count.nothing``, ``count.recount`` naming the parts that are first to be counted again, ``count.too_many``."""
    sheet = await _open(session, actor, sheet_id)
    found = await reads.variances(session, sheet_id)
    if not found:
        raise conflict("count.nothing", "Nothing has been counted yet. Count something, or drop the count.")
    if again := ask_recount(found):
        some = ", ".join(again[:5]) + (f" and {len(again) - 5:,} more" if len(again) > 5 else "")
        raise conflict(
            "count.recount",
            f"Count once more: {some}. What was found is further from the record than your tolerance.",
            parts=list(again),
        )
    looked_for = await _looked_for(session, actor.company_id, sheet.site_id, [v.part_id for v in found])
    differing = [v for v in found if v.counted_now != v.expected + v.moved_since or v.part_id in looked_for]
    if len(differing) > MOST_PARTS:
        raise conflict("count.too_many", f"More than {MOST_PARTS:,} parts differ: count the site in parts.")
    done: dict[UUID, Counted] = {}
    for v in sorted(differing, key=lambda x: x.part_id):
        done[v.part_id] = await count(
            session, actor, sheet.site_id, v.part_id, v.counted_now, now=now, seen=v.seen, note=reason.strip()[:500] or None,
            command_id=command_id("count.sheet", sheet_id, v.part_id),
        )  # fmt: skip
    await _agree(session, actor, sheet, [v for v in found if v.part_id not in done], now)
    await _keep(session, actor, sheet_id, found, done)
    await _end(session, actor, sheet_id, "confirmed", reason, now)
    await emit(
        session, "holding.sheet_confirmed", "count_sheet", sheet_id, [actor.company_id],
        {"reference": sheet.reference, "parts": len(found), "differing": len(differing)},
    )  # fmt: skip
    return Confirmed(
        len(found), len([v for v in found if v.difference]),
        tuple((v.number, done[v.part_id].words_ahead) for v in found if v.part_id in done),
        tuple(dict.fromkeys(a for c in done.values() for a in c.in_breach)),
    )  # fmt: skip


async def _looked_for(session: WriteSession, holder: UUID, site: UUID, parts: Sequence[UUID]) -> set[UUID]:
    """Parts of which something was said not to be there, or was found missing: a count settles that, whatever it finds."""
    rows = await fetch(
        session,
        "SELECT part_id FROM withdrawal WHERE holder_id = $1 AND site_id = $2 AND part_id = ANY($3::uuid[]) AND resolved_at IS NULL "
        "UNION SELECT part_id FROM shortage WHERE holder_id = $1 AND site_id = $2 AND part_id = ANY($3::uuid[]) AND status = 'open'",
        holder, site, list(parts),
    )  # fmt: skip
    return {r["part_id"] for r in rows}


async def _agree(session: WriteSession, actor: Actor, sheet: SheetRow, same: Sequence[Variance], now: datetime) -> None:
    """Counted as on record: only that it was counted is kept, at the moment at which it was; a newer count stays."""
    await execute(
        session,
        "INSERT INTO stock_count (holder_id, site_id, part_id, counted_at, counted, expected, counted_by, beneficiaries) "
        "SELECT $1, $2, t.part_id, t.counted_at, t.counted, t.expected, $3, coalesce((SELECT array_agg(DISTINCT p.beneficiary_id) "
        "FROM position p WHERE p.holder_id = $1 AND p.site_id = $2 AND p.part_id = t.part_id AND p.quantity > 0 "
        "AND p.beneficiary_id IS NOT NULL), '{}') "
        "FROM unnest($4::uuid[], $5::timestamptz[], $6::int[], $7::int[]) AS t (part_id, counted_at, counted, expected) "
        "ON CONFLICT (holder_id, site_id, part_id) DO UPDATE SET counted_at = excluded.counted_at, counted = excluded.counted, "
        "expected = excluded.expected, counted_by = excluded.counted_by, beneficiaries = excluded.beneficiaries "
        "WHERE stock_count.counted_at < excluded.counted_at",
        actor.company_id, sheet.site_id, actor.user_id, [v.part_id for v in same], [min(v.counted_at, now) for v in same],
        [v.counted for v in same], [v.expected for v in same],
    )  # fmt: skip


async def _keep(
    session: WriteSession, actor: Actor, sheet_id: UUID, found: Sequence[Variance], done: dict[UUID, Counted]
) -> None:
    def of(v: Variance, name: str) -> int:
        return int(getattr(done[v.part_id], name)) if v.part_id in done else 0

    await execute(
        session,
        "INSERT INTO count_result (sheet_id, holder_id, part_id, round, counted_at, expected, counted, moved_since, tolerated, "
        "adjusted, withdrawn, put_right, words) SELECT $1, $2, t.* FROM unnest($3::uuid[], $4::int[], $5::timestamptz[], $6::int[], "
        "$7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[], $13::text[]) AS t",
        sheet_id, actor.company_id, [v.part_id for v in found], [v.round for v in found], [v.counted_at for v in found],
        [v.expected for v in found], [v.counted for v in found], [v.moved_since for v in found], [v.tolerated for v in found],
        [of(v, "adjusted") for v in found], [of(v, "withdrawn") for v in found], [of(v, "put_right") for v in found],
        [done[v.part_id].words if v.part_id in done else "As on record." for v in found],
    )  # fmt: skip


async def drop(session: WriteSession, actor: Actor, sheet_id: UUID, *, reason: str, now: datetime) -> None:
    """A count is given up: it changes nothing. What was entered stays on the sheet."""
    await _open(session, actor, sheet_id)
    await _end(session, actor, sheet_id, "dropped", reason, now)


async def _end(session: WriteSession, actor: Actor, sheet_id: UUID, how: str, reason: str, now: datetime) -> None:
    await execute(
        session,
        "INSERT INTO count_end (sheet_id, holder_id, how, reason, by, at) VALUES ($1, $2, $3, $4, $5, $6)",
        sheet_id, actor.company_id, how, reason.strip()[:500], actor.user_id, now,
    )  # fmt: skip


async def misread(
    session: WriteSession, actor: Actor, sheet_id: UUID, entry_id: UUID, lot_id: UUID, *, now: datetime
) -> UUID:
    """A serial number that nobody knows is the right one of a unit that is on record here under a wrong one: the unit goes on under
    it, at the same place and under the same agreement, and the record says which lot it replaces. Answers the new lot.

    Raises ``count.entry``, ``count.misread`` for a unit that was read itself, is reserved or on quality hold, or is not here."""
    sheet = await _open(session, actor, sheet_id)
    entry = next(
        (e for e in await reads.entries(session, sheet_id, foreign=True, limit=10_000) if e.id == entry_id), None
    )
    if entry is None or entry.known != "unknown" or entry.serial is None:
        raise missing("count.entry", "This entry is no serial number that nobody knows.")
    lines = await queries.lines_for_update(session, actor.company_id, [lot_id], now)
    line = next((x for x in lines if x.place.site == sheet.site_id and x.serial is not None), None)
    if line is None or line.free < 1 or line.frozen:
        raise conflict(
            "count.misread",
            "The unit that it is to replace is not on record here with a serial number, is reserved, or is on quality hold.",
        )
    if await reads.was_read(session, sheet_id, lot_id):
        raise conflict(
            "count.misread", f"Serial number {line.serial} was read on this sheet: that unit is here itself."
        )
    catalogued = await part(session, line.part_id)
    new = serial_lot_id(catalogued.maker_code, normalise(catalogued.number), entry.serial)
    steps = (
        Step(Kind.COUNT_ADJUST, lot_id, 1, line.position_id, reason="misread"),
        Step(
            Kind.REGISTER, new, 1, to=line.place, reason="misread",
            new_lot=NewLot(new, line.part_id, catalogued.uom, serial=entry.serial, expires_on=line.expires_on, replaces=lot_id),
        ),
    )  # fmt: skip
    key = command_id("count.misread", sheet_id, entry_id)
    await carry_out(session, Command(key, actor.company_id, actor.user_id, steps, "count", sheet_id), now)
    await take_back(session, actor, sheet_id, entry_id, now=now)
    await enter(session, actor, sheet_id, [Item(entry.serial, None)], how=entry.how, now=now)
    return new


async def set_tolerance(
    session: WriteSession, actor: Actor, class_code: str, basis_points: int, *, now: datetime
) -> None:
    """How far counts of a class of parts ('' = all without one of their own) may be off before they are repeated. Raises
    ``count.tolerance``."""
    if not 0 <= basis_points <= 10_000:
        raise invalid("count.tolerance", "A tolerance is from 0 to 100 percent.", field="basis_points")
    if class_code and not await fetch_value(
        session, "SELECT EXISTS (SELECT FROM part_class WHERE code = $1)", class_code
    ):
        raise invalid("count.tolerance", f"There is no class {class_code[:40]}.", field="class_code")
    await execute(
        session,
        "INSERT INTO count_tolerance (company_id, class_code, basis_points, set_by, set_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (company_id, class_code) DO UPDATE SET basis_points = $3, set_by = $4, set_at = $5",
        actor.company_id, class_code, basis_points, actor.user_id, now,
    )  # fmt: skip
