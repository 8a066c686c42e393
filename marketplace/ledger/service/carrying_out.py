"""The ledger's one verb: carry out a command. Gather under locks, decide, write, in the caller's transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import groupby
from uuid import UUID

import asyncpg

from marketplace.db.session import WriteSession, driver, execute, fetch, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import DomainError, busy, conflict, missing
from marketplace.kit.ids import command_id
from marketplace.ledger import queries
from marketplace.ledger.decide import decide
from marketplace.ledger.entries import (
    Applied,
    Command,
    Entry,
    LotState,
    Movement,
    NewLot,
    Outcome,
    Place,
    Step,
    in_first_order,
)
from marketplace.ledger.kinds import Kind

# Lots moved on, and positions that lose quantity or change what is held.
_CLOSING = """
changed AS (
    SELECT * FROM unnest($41::uuid[], $42::bigint[], $43::int[], $44::timestamptz[], $45::timestamptz[], $46::text[])
        AS c (lot_id, last_seq, last_position, last_recorded_at, last_occurred_at, parties)
), lots AS (
    UPDATE lot l SET last_seq = c.last_seq, last_position = c.last_position, last_recorded_at = c.last_recorded_at,
        last_occurred_at = c.last_occurred_at, parties = c.parties::uuid[]
    FROM changed c WHERE l.lot_id = c.lot_id RETURNING 1
), closing AS (
    UPDATE position p SET quantity = c.quantity, held = c.held
    FROM unnest($47::uuid[], $48::int[], $49::int[], $50::int[]) AS c (lot_id, position_id, quantity, held)
    WHERE p.lot_id = c.lot_id AND p.position_id = c.position_id RETURNING 1
)
"""
_CLOSED = ", (SELECT count(*) FROM lots), (SELECT count(*) FROM closing)"

_NEW_LOTS = """
INSERT INTO lot (lot_id, part_id, serial, batch, serialised, uom, made_on, expires_on, attributes, raw_marking,
    registered_by, parent_lot_id, root_lot_id, replaces_lot_id, parties, last_seq, last_position, last_recorded_at,
    last_occurred_at)
-- What a split makes is as old, and lasts as long, as what it was split from.
SELECT n.lot_id, n.part_id, n.serial, n.batch, n.serial IS NOT NULL, n.uom, coalesce(n.made_on, o.made_on),
    coalesce(n.expires_on, o.expires_on), CASE WHEN o.lot_id IS NULL THEN n.attributes::jsonb ELSE o.attributes END,
    n.raw_marking, $11, n.parent, n.root, n.replaces, n.parties::uuid[], n.last_seq, n.last_position,
    n.last_recorded_at, n.last_occurred_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[], $8::text[],
    $9::text[], $10::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::bigint[], $16::int[], $17::timestamptz[],
    $18::timestamptz[])
    AS n (lot_id, part_id, serial, batch, uom, made_on, expires_on, attributes, raw_marking, parent, root, replaces,
          parties, last_seq, last_position, last_recorded_at, last_occurred_at)
LEFT JOIN lot o ON o.lot_id = n.parent
ON CONFLICT (lot_id) DO NOTHING
"""

# What arrives, and the movements.
_OPENING = """
arriving AS (
    INSERT INTO position AS p (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition,
        agreement_id, beneficiary_id, quantity, held)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::bool[], $5::uuid[], $6::uuid[], $7::uuid[],
        $8::text[], $9::uuid[], $10::uuid[], $11::int[], $12::int[])
    ON CONFLICT (lot_id, position_id) DO UPDATE SET quantity = excluded.quantity, held = excluded.held
    RETURNING 1
), written AS (
    INSERT INTO movement (lot_id, seq, kind, purpose, quantity, from_position, to_position, from_quantity_after,
        from_held_after, to_quantity_after, agreement_id, occurred_at, recorded_at, reason_code, note_hash, resolves,
        continues, corrects, permit_id, counterpart_lot_id, machine, parties, company_id, actor_id, command_id,
        cause_kind, cause_id)
    SELECT m.lot_id, m.seq, m.kind, m.purpose, m.quantity, m.from_position, m.to_position, m.from_quantity_after,
        m.from_held_after, m.to_quantity_after, m.agreement_id, m.occurred_at, m.recorded_at, m.reason, m.note_hash,
        m.resolves, m.continues, m.corrects, m.permit_id, m.counterpart, m.machine, m.parties::uuid[], $36, $37, $38,
        $39, coalesce(m.cause, $40)
    FROM unnest($13::uuid[], $14::bigint[], $15::text[], $16::text[], $17::int[], $18::int[], $19::int[], $20::int[],
        $21::int[], $22::int[], $23::uuid[], $24::timestamptz[], $25::timestamptz[], $26::text[], $27::bytea[],
        $28::bigint[], $29::bigint[], $30::bigint[], $31::uuid[], $32::uuid[], $33::text[], $34::text[], $35::uuid[])
        AS m (lot_id, seq, kind, purpose, quantity, from_position, to_position, from_quantity_after, from_held_after,
              to_quantity_after, agreement_id, occurred_at, recorded_at, reason, note_hash, resolves, continues,
              corrects, permit_id, counterpart, machine, parties, cause)
    RETURNING lot_id, seq
), queued AS (
    INSERT INTO unsequenced (lot_id, seq) SELECT lot_id, seq FROM written
)
"""
_OPENED = "(SELECT count(*) FROM arriving), (SELECT count(*) FROM written)"


def _renumbered(sql: str, first: int) -> str:
    """The same statement with its parameters counted from 1 instead of from ``first``."""
    return re.sub(r"\$(\d+)", lambda m: f"${int(m[1]) - first + 1}", sql)


# One statement where it may be. A serial's unit must leave its line before it stands on the next, or it would count
# twice in its unique index and the statement fail or not by the order of rows on disk: then two statements.
_OPEN = f"WITH {_OPENING} SELECT {_OPENED}"
_CLOSE = _renumbered(f"WITH {_CLOSING} SELECT 0, 0 {_CLOSED}", 41)
_BOTH = f"WITH {_OPENING}, {_CLOSING} SELECT {_OPENED}{_CLOSED}"
# The commonest command writes one row of each: the same statement with values in place of arrays, which cost the
# driver and the server several times as much to pack and unpack.
_ONE_EACH = re.sub(r"unnest\(([^)]*)\)", lambda m: f"(VALUES ({m[1].replace('[]', '')}))", _BOTH)

_HOLDS = """
WITH gone AS (
    DELETE FROM open_hold o USING unnest($1::uuid[], $2::bigint[]) AS c (lot_id, hold_seq)
    WHERE o.lot_id = c.lot_id AND o.hold_seq = c.hold_seq RETURNING 1
), come AS (
    INSERT INTO open_hold (lot_id, hold_seq, position_id, quantity, expires_at, parties, cause_kind, cause_id,
        company_id)
    SELECT h.lot_id, h.hold_seq, h.position_id, h.quantity, h.expires_at, h.parties::uuid[], h.cause_kind, h.cause_id,
        h.company_id
    FROM unnest($3::uuid[], $4::bigint[], $5::int[], $6::int[], $7::timestamptz[], $8::text[], $9::text[],
        $10::uuid[], $11::uuid[])
        AS h (lot_id, hold_seq, position_id, quantity, expires_at, parties, cause_kind, cause_id, company_id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM come)
"""


async def carry_out(session: WriteSession, command: Command, now: datetime) -> Applied:
    """Carries out ``command`` in the session's transaction: all of it or nothing.

    The same command id with the same input gives the same answer and no second effect; with another input a
    conflict that names the field. Raises what ``decide`` raises. A constant number of statements (nine at most),
    however many lots it touches.
    """
    fingerprint = _fingerprint(command)
    lots = await queries.lots_for_update(session, command, fingerprint)
    if lots is None:
        return await _replay(session, command, fingerprint)
    try:
        outcome = decide(command, lots, now)
    except DomainError as refused:
        if refused.code == "ledger.frozen":
            raise await _by_which_hold(session, refused) from None
        raise
    await _write(session, command, outcome)
    await _caught(session, outcome, now)
    return Applied(command.command_id, False, tuple(_entry(m) for m in outcome.movements))


async def _caught(session: WriteSession, outcome: Outcome, now: datetime) -> None:
    """Units that come on record, or to another holder, while their maker has stopped all such units are stopped with them.
    Looked for in a statement of its own: what was registered waited for the part's row, and sees the hold it waited for."""
    lots = [lot.lot_id for lot in outcome.lots if lot.is_new or lot.frozen]
    if lots:
        await execute(session, "SELECT recall_catch($1::uuid[], $2)", lots, now)


async def _by_which_hold(session: WriteSession, refused: DomainError) -> DomainError:
    """The refusal of units on quality hold, naming the hold where it is one across holders."""
    found = await queries.standing_holds(session, [UUID(str(refused.extra["lot_id"]))])
    if not found:
        return refused
    hold = found[0]
    return conflict(
        "ledger.frozen",
        f"{hold.words} stops this unit: it may be counted and moved, but not used, sold or shipped until that is lifted. "
        f"{hold.maker} says: {hold.instruction}",
        lot_id=str(hold.lot_id), hold=hold.reference, hold_id=str(hold.recall_id),
    )  # fmt: skip


async def expire_overdue(session: WriteSession, *, actor: UUID, now: datetime, limit: int = 500) -> int:
    """Writes the expiry of reservations whose time is up (worker). Returns how many it found."""
    rows = await fetch(
        session,
        "SELECT lot_id, hold_seq, position_id, quantity, company_id FROM open_hold WHERE expires_at <= $1 "
        "ORDER BY company_id, lot_id, hold_seq LIMIT $2",
        now,
        limit,
    )
    for company, group in groupby(rows, key=lambda r: r["company_id"]):
        steps = tuple(
            Step(Kind.EXPIRE, r["lot_id"], r["quantity"], r["position_id"], resolves=r["hold_seq"]) for r in group
        )
        key = command_id("expire", *((s.lot_id, s.resolves) for s in steps))
        await carry_out(session, Command(key, company, actor, steps, "clock"), now)
    return len(rows)


async def add_permits(
    session: WriteSession,
    *,
    agreement_id: UUID,
    company_id: UUID,
    maker_id: UUID,
    permits: Sequence[tuple[UUID, UUID, Kind, int]],
    expires_at: datetime,
    reason: str,
) -> None:
    """Writes leave for movements: rows of (lot, permit id, kind, quantity). Called by agreements/ only."""
    await execute(
        session,
        "INSERT INTO permit (lot_id, permit_id, kind, quantity, agreement_id, company_id, maker_id, expires_at, reason) "
        "SELECT p.*, $5, $6, $7, $8, $9 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) AS p",
        [p[0] for p in permits],
        [p[1] for p in permits],
        [p[2].value for p in permits],
        [p[3] for p in permits],
        agreement_id,
        company_id,
        maker_id,
        expires_at,
        reason,
    )


def _fingerprint(command: Command) -> bytes:
    """The hash that tells a repeated command from another one under the same id. Unset fields are left out, so
    that a field added later changes no old fingerprint."""
    words = [str(command.company), command.cause_kind, str(command.cause_id)]
    words.extend(_words(step) for step in command.steps)
    return hashlib.sha256("\n".join(words).encode()).digest()


_FIELDS = {kind: tuple(f.name for f in fields(kind)) for kind in (Step, Place, NewLot)}


def _words(value: Step | Place | NewLot) -> str:
    parts = []
    for name in _FIELDS[type(value)]:
        item = getattr(value, name)
        if item is None or item is False:
            continue
        if isinstance(item, Place | NewLot):
            item = _words(item)
        elif isinstance(item, dict):
            item = encode(item).decode()
        text = str(item)
        parts.append(f"{name}:{len(text)}:{text}")
    return ";".join(parts)


async def _replay(session: WriteSession, command: Command, fingerprint: bytes) -> Applied:
    known = await fetch_value(session, "SELECT input_hash FROM command WHERE command_id = $1", command.command_id)
    if known is None:
        raise missing("ledger.not_found", "No such command.")
    if known != fingerprint:
        raise conflict(
            "ledger.command_reused",
            "This command was carried out before with other content. Use a new idempotency key for a new command.",
            field="steps",
        )
    return Applied(command.command_id, True, in_first_order(command, await queries.entries_of(session, command)))


def _entry(m: Movement) -> Entry:
    return Entry(m.lot_id, m.seq, m.kind, m.quantity, m.from_position, m.to_position, m.counterpart)


def _array(ids: Iterable[UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


async def _write(session: WriteSession, command: Command, outcome: Outcome) -> None:
    connection = await driver(session)
    old = [lot for lot in outcome.lots if not lot.is_new]
    new = [lot for lot in outcome.lots if lot.is_new]
    by_id = {lot.lot_id: lot for lot in outcome.lots}
    shrinking, growing = _sort_positions(outcome, by_id)
    if new:
        await _insert_lots(connection, command, new)
    marked = {m.lot_id for m in outcome.movements if m.kind in (Kind.FREEZE, Kind.LIFT)}
    frozen = [lot for lot in old if lot.lot_id in marked]
    if frozen:
        await connection.execute(
            "UPDATE lot l SET frozen = c.frozen FROM unnest($1::uuid[], $2::bool[]) AS c (lot_id, frozen) "
            "WHERE l.lot_id = c.lot_id",
            [lot.lot_id for lot in frozen],
            [lot.frozen for lot in frozen],
        )
    states = [(lot_id, number, by_id[lot_id].positions[number]) for lot_id, number in growing]
    ms = outcome.movements
    closing = (
        [x.lot_id for x in old],
        [x.last_seq for x in old],
        [x.last_position for x in old],
        [x.last_recorded_at for x in old],
        [x.last_occurred_at for x in old],
        [_array(sorted(x.parties)) for x in old],
        [lot_id for lot_id, _ in shrinking],
        [number for _, number in shrinking],
        [by_id[lot_id].positions[number].quantity for lot_id, number in shrinking],
        [by_id[lot_id].positions[number].held for lot_id, number in shrinking],
    )
    opening = (
        [lot_id for lot_id, _, _ in states],
        [number for _, number, _ in states],
        [by_id[lot_id].part_id for lot_id, _, _ in states],
        [by_id[lot_id].serialised for lot_id, _, _ in states],
        [s.place.owner for _, _, s in states],
        [s.place.holder for _, _, s in states],
        [s.place.site for _, _, s in states],
        [s.place.condition for _, _, s in states],
        [s.place.agreement for _, _, s in states],
        [s.place.beneficiary for _, _, s in states],
        [s.quantity for _, _, s in states],
        [s.held for _, _, s in states],
        [m.lot_id for m in ms],
        [m.seq for m in ms],
        [m.kind.value for m in ms],
        [m.purpose.value if m.purpose else None for m in ms],
        [m.quantity for m in ms],
        [m.from_position for m in ms],
        [m.to_position for m in ms],
        [m.from_quantity_after for m in ms],
        [m.from_held_after for m in ms],
        [m.to_quantity_after for m in ms],
        [m.agreement for m in ms],
        [m.occurred_at for m in ms],
        [m.recorded_at for m in ms],
        [m.reason for m in ms],
        [hashlib.sha256(m.note.encode()).digest() if m.note else None for m in ms],
        [m.resolves for m in ms],
        [m.continues for m in ms],
        [m.corrects for m in ms],
        [m.permit for m in ms],
        [m.counterpart for m in ms],
        [m.machine for m in ms],
        [_array(m.parties) for m in ms],
        [m.cause for m in ms],
        command.company,
        command.actor,
        command.command_id,
        command.cause_kind,
        command.cause_id,
    )
    expected = (len(states), len(ms), len(old), len(shrinking))
    serial_moves = any(lot.serialised for lot in old)
    if expected == (1, 1, 1, 1) and not serial_moves:
        values = (a[0] if isinstance(a, list) else a for a in (*opening, *closing))
        _expect(await connection.fetchrow(_ONE_EACH, *values), expected)
    elif not old:
        _expect(await connection.fetchrow(_OPEN, *opening), expected[:2])
    elif serial_moves:
        _expect(await connection.fetchrow(_CLOSE, *closing), (0, 0, *expected[2:]))
        _expect(await connection.fetchrow(_OPEN, *opening), expected[:2])
    else:
        _expect(await connection.fetchrow(_BOTH, *opening, *closing), expected)
    if outcome.opened or outcome.closed:
        await _write_holds(connection, outcome)
    noted = [m for m in ms if m.note]
    if noted:
        await connection.execute(
            "INSERT INTO movement_note (lot_id, seq, note, parties) SELECT n.lot_id, n.seq, n.note, n.parties::uuid[] "
            "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS n (lot_id, seq, note, parties)",
            [m.lot_id for m in noted],
            [m.seq for m in noted],
            [m.note for m in noted],
            [_array(m.parties) for m in noted],
        )


def _sort_positions(
    outcome: Outcome, by_id: dict[UUID, LotState]
) -> tuple[list[tuple[UUID, int]], list[tuple[UUID, int]]]:
    """Positions written first (existing, and either emptied or with the serial's unit gone) and those after."""
    shrinking: list[tuple[UUID, int]] = []
    growing: list[tuple[UUID, int]] = []
    for key in sorted(outcome.touched):
        state = by_id[key[0]].positions[key[1]]
        arrives = not state.existed or (by_id[key[0]].serialised and state.quantity > 0)
        (growing if arrives else shrinking).append(key)
    return shrinking, growing


def _expect(counts: asyncpg.Record, wanted: tuple[int, ...]) -> None:
    # Row level security hides rows from an UPDATE without a word: fewer rows than decided means that this tenant
    # may not write here, and the transaction must end.
    if tuple(counts) != wanted:
        raise missing("ledger.not_found", "No such unit.")


async def _insert_lots(connection: asyncpg.Connection, command: Command, new: list[LotState]) -> None:
    news = [(x, x.new_lot) for x in new if x.new_lot is not None]
    tag = await connection.execute(
        _NEW_LOTS,
        [x.lot_id for x, _ in news],
        [x.part_id for x, _ in news],
        [n.serial for _, n in news],
        [n.batch for _, n in news],
        [n.uom for _, n in news],
        [n.made_on for _, n in news],
        [n.expires_on for _, n in news],
        [encode(dict(n.attributes)).decode() for _, n in news],
        [n.raw_marking for _, n in news],
        [x.parent for x, _ in news],
        command.company,
        [x.root for x, _ in news],
        [n.replaces for _, n in news],
        [_array(sorted(x.parties)) for x, _ in news],
        [x.last_seq for x, _ in news],
        [x.last_position for x, _ in news],
        [x.last_recorded_at for x, _ in news],
        [x.last_occurred_at for x, _ in news],
    )
    if tag != f"INSERT 0 {len(news)}":
        # Another company registered it, or did so a moment ago: what is not visible answers as not found.
        raise missing(
            "ledger.not_found", "One of these units cannot be registered here. Check maker, number and serial."
        )


async def _write_holds(connection: asyncpg.Connection, outcome: Outcome) -> None:
    counts = await connection.fetchrow(
        _HOLDS,
        [lot_id for lot_id, _ in outcome.closed],
        [seq for _, seq in outcome.closed],
        [lot_id for lot_id, _, _ in outcome.opened],
        [h.seq for _, h, _ in outcome.opened],
        [h.position for _, h, _ in outcome.opened],
        [h.quantity for _, h, _ in outcome.opened],
        [h.expires_at for _, h, _ in outcome.opened],
        [_array(parties) for _, _, parties in outcome.opened],
        [h.cause_kind for _, h, _ in outcome.opened],
        [h.cause_id for _, h, _ in outcome.opened],
        [h.company for _, h, _ in outcome.opened],
    )
    if tuple(counts) != (len(outcome.closed), len(outcome.opened)):
        raise busy("ledger.holds", "The reservations changed meanwhile. Nothing was changed; try again.")
