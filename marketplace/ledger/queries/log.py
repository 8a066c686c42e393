"""Reads of the log: where it stands, what waits, tiles, entries, checkpoints; and for whoever may see a lot its key and salts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.ledger.log.entry import Place, Record, Unit
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


def _record(r: asyncpg.Record) -> Record:
    v = tuple(r)
    leaves = None if v[21] is None else Place._make(v[21:30])
    reaches = None if v[30] is None else Place._make((*v[30:38], None))
    return Record._make((*v[:21], leaves, reaches, None))


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


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many movements wait to be sequenced (counted to 10,000), and since when the oldest of these."""
    row = await fetch_one(
        session,
        "SELECT count(*) AS n, min(m.recorded_at) AS since FROM (SELECT lot_id, seq FROM unsequenced LIMIT 10000) u "
        "JOIN movement m USING (lot_id, seq)",
    )
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
