"""Reads of the log: where it stands, what waits, tiles, entries, checkpoints; and for whoever may see a lot its key and salts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.ledger.log.bundle import Hidden, LotPart, Seen
from marketplace.ledger.log.entry import Place, Record, Unit, encoded
from marketplace.ledger.log.tiles import HEIGHT, WIDTH

SEQUENCER = 0x4C4F4731
"""The advisory lock of the one sequencer."""


@dataclass(frozen=True, slots=True)
class LogStateRow:
    """The log: its name, its size, and when it last grew."""

    origin: str
    size: int
    started_at: datetime
    sequenced_at: datetime


class Waiting(NamedTuple):
    """A movement to be sequenced: its record but for the key of its lot; ``key``: None where the lot is new to the log;
    ``follows``: whether the movement before it is in the log."""

    record: Record
    key: bytes | None
    follows: bool


async def sequencer_for_update(session: WriteSession) -> bool:
    """Whether this transaction is the one that sequences: the lock goes with it. Never waits."""
    return bool(await fetch_value(session, "SELECT pg_try_advisory_xact_lock($1)", SEQUENCER))


async def state_for_update(session: WriteSession) -> LogStateRow | None:
    """The log's row, locked; None before its first entry."""
    row = await fetch_one(session, "SELECT origin, size, started_at, sequenced_at FROM log_state FOR NO KEY UPDATE")
    return None if row is None else LogStateRow(**dict(row))


async def state(session: AsyncSession) -> LogStateRow | None:
    """The log's row."""
    row = await fetch_one(session, "SELECT origin, size, started_at, sequenced_at FROM log_state")
    return None if row is None else LogStateRow(**dict(row))


_RECORD = """
SELECT m.lot_id, m.seq, m.kind, m.purpose, m.quantity, m.agreement_id, m.occurred_at, m.recorded_at, m.company_id, m.actor_id,
       m.command_id, m.cause_kind, m.cause_id, m.reason_code, m.note_hash, m.resolves, m.continues, m.corrects, m.permit_id,
       m.counterpart_lot_id, m.machine,
       m.from_position, f.owner_id, f.holder_id, f.site_id, f.condition, f.agreement_id, f.beneficiary_id,
       m.from_quantity_after, m.from_held_after,
       m.to_position, t.owner_id, t.holder_id, t.site_id, t.condition, t.agreement_id, t.beneficiary_id, m.to_quantity_after,
       k.key, before.lot_id IS NOT NULL
"""
_JOINED = """
LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
LEFT JOIN log_lot_key k ON k.lot_id = m.lot_id
LEFT JOIN log_salt before ON before.lot_id = m.lot_id AND before.seq = m.seq - 1
"""
_UNITS = """
SELECT l.lot_id, c.code AS maker, l.part_id, p.number, l.serial, l.batch, l.uom, l.made_on, l.expires_on, l.raw_marking,
       l.registered_by, l.parent_lot_id, l.root_lot_id, l.replaces_lot_id
FROM lot l JOIN part p ON p.id = l.part_id JOIN maker c ON c.id = p.maker_id
WHERE l.lot_id = ANY($1::uuid[])
"""


def _record(r: Iterable[Any], unit: Unit | None = None) -> Record:
    """A record from columns in the order of ``_RECORD``; what follows them is not looked at."""
    v = tuple(r)
    leaves = None if v[21] is None else Place._make(v[21:30])
    reaches = None if v[30] is None else Place._make((*v[30:38], None))
    return Record._make((*v[:21], leaves, reaches, unit))


async def take_waiting(session: WriteSession, limit: int) -> list[Waiting]:
    """Takes up to ``limit`` movements out of the queue, each lot's in its order and without a gap. Only what is committed is
    seen: of a lot that is never a later movement without the earlier ones."""
    rows = await fetch(
        session,
        "WITH next AS (SELECT lot_id, seq FROM unsequenced ORDER BY lot_id, seq LIMIT $1), taken AS (DELETE FROM unsequenced u "
        "USING next n WHERE u.lot_id = n.lot_id AND u.seq = n.seq RETURNING u.lot_id, u.seq) "
        f"{_RECORD} FROM taken JOIN movement m ON m.lot_id = taken.lot_id AND m.seq = taken.seq {_JOINED} ORDER BY m.lot_id, m.seq",
        limit,
    )
    return [Waiting(_record(r), r[38], r[39]) for r in rows]


OLD_MOVEMENTS = f"""
{_RECORD} FROM movement m {_JOINED}
WHERE NOT EXISTS (SELECT FROM unsequenced u WHERE u.lot_id = m.lot_id AND u.seq = m.seq)
ORDER BY m.recorded_at, m.lot_id, m.seq
"""
"""Movements from before there was a queue, as ``waiting_of`` reads them."""


def waiting_of(r: asyncpg.Record) -> Waiting:
    """A row of ``OLD_MOVEMENTS``."""
    return Waiting(_record(r), r[38], r[39])


async def units_of(session: AsyncSession, lots: Sequence[UUID], keys: dict[UUID, bytes]) -> dict[UUID, Unit]:
    """What these lots are, for the record of their first movement; ``keys``: the hash of the key of each."""
    rows = await fetch(session, _UNITS, list(lots))
    return {r[0]: Unit._make((*tuple(r)[1:], keys[r[0]])) for r in rows}


async def lot_keys(session: AsyncSession, lots: Iterable[UUID]) -> dict[UUID, bytes]:
    """The keys of these lots, of those that are in the log and that the session's role may see."""
    rows = await fetch(session, "SELECT lot_id, key FROM log_lot_key WHERE lot_id = ANY($1::uuid[])", list(lots))
    return {r[0]: r[1] for r in rows}


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many movements wait to be sequenced (counted to 10,000), and since when the oldest of these."""
    row = await fetch_one(session, "SELECT n, since FROM log_waiting()")
    assert row is not None  # noqa: S101 - an aggregate has one row
    return row["n"], row["since"]


async def edge_tiles(session: AsyncSession, size: int) -> dict[int, tuple[int, bytes]]:
    """The last tile of each level of a tree of ``size``: level -> (number, hashes)."""
    wanted: list[tuple[int, int]] = []
    level = 0
    while whole := size >> (HEIGHT * level):
        wanted.append((level, (whole - 1) // WIDTH))
        level += 1
    found = await tiles(session, wanted)
    return {at: (number, found[at, number]) for at, number in wanted if (at, number) in found}


async def tiles(session: AsyncSession, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The hashes of these tiles (level, number), as far as there are."""
    rows = await fetch(
        session,
        'SELECT t.level, t."index", t.hashes FROM unnest($1::int[], $2::bigint[]) AS w (level, number) '
        'JOIN log_tile t ON t.level = w.level AND t."index" = w.number',
        [level for level, _ in wanted],
        [number for _, number in wanted],
    )
    return {(r[0], r[1]): r[2] for r in rows}


async def entries(session: AsyncSession, start: int, count: int) -> list[bytes]:
    """Entries from position ``start`` on."""
    rows = await fetch(
        session,
        "SELECT entry FROM log_entry WHERE position >= $1 AND position < $2 ORDER BY position",
        start,
        start + count,
    )
    return [r[0] for r in rows]


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A signed size of the log; ``lines``: what witnesses have put under it since."""

    size: int
    root: bytes
    note: str
    signed_at: datetime
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The note with all its lines."""
        return self.note + "".join(self.lines)


_CHECKPOINT = """
SELECT c.size, c.root, c.note, c.signed_at,
       coalesce((SELECT array_agg(s.line ORDER BY s.said_at, s.witness_id) FROM log_cosignature s WHERE s.size = c.size), '{}') AS lines
FROM log_checkpoint c
"""


async def latest_checkpoint(session: AsyncSession) -> CheckpointRow | None:
    """The checkpoint of the largest size."""
    row = await fetch_one(session, f"{_CHECKPOINT} ORDER BY c.size DESC LIMIT 1")
    return None if row is None else CheckpointRow(row[0], row[1], row[2], row[3], tuple(row[4]))


async def public_keys(session: AsyncSession, *, in_force: bool = False) -> list[str]:
    """The log's verifier keys, oldest first."""
    rows = await fetch(
        session, "SELECT vkey FROM log_key WHERE NOT $1 OR retired_at IS NULL ORDER BY added_at, vkey", in_force
    )
    return [r[0] for r in rows]


class Sealed(NamedTuple):
    """Lots as a bundle has them, and what the companies and sites in their records are called."""

    lots: list[LotPart]
    labels: dict[str, str]


async def sealed_history(session: AsyncSession, lots: Sequence[UUID], below: int) -> Sealed:
    """These lots as far as the session's tenant may see them, with every movement that is in the log below a position: its own
    with record and salt, others' as commitments. Five statements, for any number of lots."""
    rows = await fetch(session, "SELECT * FROM log_history($1::uuid[], $2)", list(lots), below)
    keys = await lot_keys(session, lots)
    # One company may see a lot by a later movement and not its first one: then nobody asks what the lot is.
    first = [r["lot_id"] for r in rows if r["seq"] == 1 and r["salt"] is not None]
    units = await units_of(session, first, {lot: sha256(keys[lot]).digest() for lot in first})
    found: dict[UUID, list[Seen | Hidden]] = {}
    companies: set[UUID] = set()
    sites: set[UUID] = set()
    for row in rows:
        v = tuple(row)
        lot, seq, place, commitment, salt = v[:5]
        movements = found.setdefault(lot, [])
        if salt is None:
            movements.append(Hidden(place, commitment))
            continue
        record = _record((lot, seq, *v[5:]), units[lot] if seq == 1 else None)
        movements.append(Seen(place, salt, encoded(record)))
        companies.add(record.company)
        for end in (record.leaves, record.reaches):
            if end is not None:
                companies |= {end.owner, end.holder}
                if end.site is not None:
                    sites.add(end.site)
    named = await fetch(
        session,
        "SELECT id, name FROM company WHERE id = ANY($1::uuid[]) UNION ALL SELECT id, name FROM site WHERE id = ANY($2::uuid[])",
        list(companies), list(sites),
    )  # fmt: skip
    labels = {str(r[0]): r[1] for r in named}
    return Sealed([LotPart(str(lot), keys[lot], movements) for lot, movements in found.items()], labels)


async def lots_under(session: AsyncSession, agreement_id: UUID, limit: int) -> list[UUID]:
    """Lots of which units are or were under an agreement, as far as the tenant may see them."""
    rows = await fetch(
        session,
        "SELECT DISTINCT lot_id FROM position WHERE agreement_id = $1 ORDER BY lot_id LIMIT $2",
        agreement_id,
        limit,
    )
    return [r[0] for r in rows]


async def lots_moved(
    session: AsyncSession, company_id: UUID, since: datetime, until: datetime, limit: int
) -> list[UUID]:
    """Lots with a movement that a company recorded within a time."""
    rows = await fetch(
        session,
        "SELECT DISTINCT lot_id FROM movement WHERE company_id = $1 AND recorded_at >= $2 AND recorded_at < $3 ORDER BY lot_id LIMIT $4",
        company_id, since, until, limit,
    )  # fmt: skip
    return [r[0] for r in rows]


async def lot_and_ancestors(session: AsyncSession, lot_id: UUID) -> list[UUID]:
    """A lot and what it was split from, as far as the tenant may see them."""
    rows = await fetch(
        session,
        "WITH RECURSIVE up AS (SELECT lot_id, parent_lot_id FROM lot WHERE lot_id = $1 UNION ALL "
        "SELECT l.lot_id, l.parent_lot_id FROM up JOIN lot l ON l.lot_id = up.parent_lot_id) SELECT lot_id FROM up",
        lot_id,
    )
    return [r[0] for r in rows]


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A registered witness, with the largest size that it has cosigned."""

    id: UUID
    company_id: UUID
    company: str
    name: str
    vkey: str
    registered_at: datetime
    retired_at: datetime | None
    size: int | None
    said_at: datetime | None


async def witnesses(session: AsyncSession, *, in_force: bool = True) -> list[WitnessRow]:
    """The witnesses, oldest first."""
    rows = await fetch(
        session,
        "SELECT w.id, w.company_id, c.name AS company, w.name, w.vkey, w.registered_at, w.retired_at, s.size, s.said_at "
        "FROM log_witness w JOIN company c ON c.id = w.company_id LEFT JOIN LATERAL (SELECT size, said_at FROM log_cosignature "
        "WHERE witness_id = w.id ORDER BY size DESC LIMIT 1) s ON true WHERE NOT $1 OR w.retired_at IS NULL ORDER BY w.id LIMIT 500",
        in_force,
    )
    return [WitnessRow(*r) for r in rows]


async def checkpoint_at(session: AsyncSession, size: int) -> CheckpointRow | None:
    """The checkpoint of a size."""
    row = await fetch_one(session, f"{_CHECKPOINT} WHERE c.size = $1", size)
    return None if row is None else CheckpointRow(row[0], row[1], row[2], row[3], tuple(row[4]))


async def checkpoints(session: AsyncSession, *, below: int | None, limit: int) -> list[CheckpointRow]:
    """Checkpoints, the largest first."""
    rows = await fetch(
        session, f"{_CHECKPOINT} WHERE $1::bigint IS NULL OR c.size < $1 ORDER BY c.size DESC LIMIT $2", below, limit
    )
    return [CheckpointRow(r[0], r[1], r[2], r[3], tuple(r[4])) for r in rows]


async def count_alarms(session: AsyncSession) -> int:
    """How many alarms are on record."""
    found: int = await fetch_value(session, "SELECT count(*) FROM log_alarm")
    return found


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """Something that must not be, with what shows it."""

    at: datetime
    kind: str
    words: str
    evidence: str | None


class EndedLog(NamedTuple):
    """A log that could not go on; ``published``: the text of its newest checkpoint that had been published."""

    origin: str
    size: int
    published: str | None
    because: str
    ended_at: datetime


async def ended_logs(session: AsyncSession) -> list[EndedLog]:
    """Logs before the present one, the newest first."""
    rows = await fetch(
        session, "SELECT origin, size, published, because, ended_at FROM log_ended ORDER BY id DESC LIMIT 100"
    )
    return [EndedLog(*r) for r in rows]


async def alarms(session: AsyncSession, limit: int) -> list[AlarmRow]:
    """The newest alarms."""
    rows = await fetch(session, "SELECT at, kind, words, evidence FROM log_alarm ORDER BY id DESC LIMIT $1", limit)
    return [AlarmRow(*r) for r in rows]


class Proof(NamedTuple):
    """How far a lot is in the log: movements of it, those under a signed checkpoint (``size``, ``signed_at``), and whether a
    witness has cosigned a checkpoint over all of them."""

    movements: int
    sealed: int
    size: int
    signed_at: datetime | None
    witnesses: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether everything that has happened to it is sealed."""
        return self.sealed == self.movements


async def proof_of(session: AsyncSession, lot_id: UUID) -> Proof:
    """How far a lot that the tenant may see is in the log."""
    row = await fetch_one(
        session,
        "WITH point AS (SELECT size, signed_at FROM log_checkpoint ORDER BY size DESC LIMIT 1), mine AS (SELECT count(*) AS sealed, "
        "max(h.place) AS last FROM point, log_history(ARRAY[$1::uuid], point.size) h) "
        "SELECT l.last_seq, m.sealed, p.size, p.signed_at, coalesce((SELECT array_agg(DISTINCT w.name ORDER BY w.name) FROM "
        "log_cosignature c JOIN log_witness w ON w.id = c.witness_id WHERE c.size > m.last), '{}') AS names "
        "FROM lot l CROSS JOIN mine m LEFT JOIN point p ON true WHERE l.lot_id = $1",
        lot_id,
    )
    if row is None:
        return Proof(0, 0, 0, None, ())
    return Proof(row["last_seq"], row["sealed"], row["size"] or 0, row["signed_at"], tuple(row["names"]))


_WHOLE = _RECORD.replace(
    "k.key, before.lot_id IS NOT NULL",
    "k.key, s.salt, e.position, e.entry, c.code, l.part_id, p.number, l.serial, l.batch, l.uom, l.made_on, l.expires_on, "
    "l.raw_marking, l.registered_by, l.parent_lot_id, l.root_lot_id, l.replaces_lot_id",
)
SEALED = f"""
{_WHOLE}
FROM log_entry e LEFT JOIN log_salt s ON s.position = e.position
LEFT JOIN movement m ON m.lot_id = s.lot_id AND m.seq = s.seq
LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
LEFT JOIN log_lot_key k ON k.lot_id = m.lot_id
LEFT JOIN lot l ON l.lot_id = m.lot_id AND m.seq = 1 LEFT JOIN part p ON p.id = l.part_id LEFT JOIN maker c ON c.id = p.maker_id
WHERE e.position < $1 ORDER BY e.position
"""
"""Every entry of the log below a position with the movement that it is of, as ``sealed_row`` reads them."""


class SealedRow(NamedTuple):
    """An entry of the log, and what it should be of: ``record`` None where no movement stands behind it any more."""

    position: int
    entry: bytes
    salt: bytes | None
    key: bytes | None
    record: Record | None
    stray: bool = False
    """Whether the movement has a quantity left at a place that it does not name: no movement has."""


def sealed_row(r: asyncpg.Record) -> SealedRow:
    """A row of ``SEALED``."""
    v = tuple(r)
    key, salt, position, entry = v[38:42]
    if v[0] is None:
        return SealedRow(position, entry, salt, key, None)
    record = _record(r)
    if record.seq == 1 and key is not None:
        record = record._replace(unit=Unit._make((*v[42:], sha256(key).digest())))
    stray = (v[21] is None and (v[28] is not None or v[29] is not None)) or (v[30] is None and v[37] is not None)
    return SealedRow(position, entry, salt, key, record, stray)


FEED_WINDOW = 20_000
"""Positions that one look at the feed goes through: what it costs does not depend on how few of them are the reader's."""


class Fed(NamedTuple):
    """What a look at the feed has found: positions with their records; ``reached``: where the next look begins; the log's size."""

    found: list[tuple[int, bytes]]
    reached: int
    size: int


async def feed(session: AsyncSession, after: int, limit: int) -> Fed:
    """The movements that the tenant may see behind a position, as they are committed to, at most ``limit`` of the next 20,000
    positions. Positions are given once and without a gap: who goes on from ``reached`` misses nothing and reads nothing twice."""
    row = await fetch_one(session, "SELECT size FROM log_state")
    size = row[0] if row is not None else 0
    end = min(after + 1 + FEED_WINDOW, size)
    rows = [tuple(r) for r in await fetch(session, "SELECT * FROM log_feed($1, $2, $3)", after, end, limit)]
    first = [r[1] for r in rows if r[2] == 1]
    keys = await lot_keys(session, first) if first else {}
    units = await units_of(session, first, {lot: sha256(keys[lot]).digest() for lot in first}) if first else {}
    found = [(place, encoded(_record(v, units[v[0]] if v[1] == 1 else None))) for place, *v in rows]
    reached = found[-1][0] if len(found) == limit else max(end - 1, after)
    return Fed(found, reached, size)


async def every_checkpoint(session: AsyncSession) -> list[CheckpointRow]:
    """All checkpoints, the smallest first, without their cosignatures."""
    rows = await fetch(session, "SELECT size, root, note, signed_at FROM log_checkpoint ORDER BY size")
    return [CheckpointRow(r[0], r[1], r[2], r[3], ()) for r in rows]


async def unsealed_gaps(session: AsyncSession, limit: int = 100) -> list[tuple[UUID, int]]:
    """Movements that are neither in the log nor wait to be."""
    rows = await fetch(
        session,
        "SELECT m.lot_id, m.seq FROM movement m WHERE NOT EXISTS (SELECT FROM log_salt s WHERE s.lot_id = m.lot_id AND s.seq = m.seq) "
        "AND NOT EXISTS (SELECT FROM unsequenced u WHERE u.lot_id = m.lot_id AND u.seq = m.seq) LIMIT $1",
        limit,
    )
    return [(r[0], r[1]) for r in rows]
