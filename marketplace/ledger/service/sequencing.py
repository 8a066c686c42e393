"""Movements get their place in the log: one sequencer takes what is committed, numbers it densely and hashes it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from marketplace.db.session import WriteSession, be_patient, driver, execute
from marketplace.kit.errors import conflict
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.merkle import leaf_hash
from marketplace.ledger.log.tiles import Edge
from marketplace.ledger.queries import log as queries
from marketplace.ledger.queries.log import Waiting

BATCH: Final = 5_000
"""Movements in one transaction: half a second of work."""


async def sequence(session: WriteSession, now: datetime, origin: str, *, limit: int = BATCH) -> int | None:
    """Gives the next movements their places, in this transaction: all of the batch or none. Returns how many; None while another
    sequencer is at work. ``origin``: the name of the log, for its first entry. Before that first one everything that was
    recorded before there was a queue is taken in the order in which it was recorded.

    Raises ``log.gap`` where a movement of a lot is neither in the log nor waiting, though a later one is.
    """
    if not await queries.sequencer_for_update(session):
        return None
    state = await queries.state_for_update(session)
    size = state.size if state is not None else await _begin(session, now, origin)
    if state is None and size:
        return size
    taken = await queries.take_waiting(session, limit)
    if not taken:
        return 0
    edge = Edge(size, await queries.edge_tiles(session, size))
    await _seal(session, edge, taken)
    await execute(session, "UPDATE log_state SET size = $1, sequenced_at = $2", edge.size, now)
    return len(taken)


async def _begin(session: WriteSession, now: datetime, origin: str) -> int:
    """The log begins with all that was recorded before there was a queue, in one transaction: killed within, it begins anew."""
    await be_patient(session)
    connection = await driver(session)
    edge = Edge(0, {})
    chunk: list[Waiting] = []
    async for row in connection.cursor(queries.OLD_MOVEMENTS, prefetch=BATCH):
        chunk.append(queries.waiting_of(row))
        if len(chunk) == BATCH:
            await _seal(session, edge, chunk, backfill=True)
            chunk = []
    await _seal(session, edge, chunk, backfill=True)
    await execute(
        session,
        "INSERT INTO log_state (origin, size, started_at, sequenced_at) VALUES ($1, $2, $3, $3)",
        origin,
        edge.size,
        now,
    )
    return edge.size


async def _seal(session: WriteSession, edge: Edge, taken: Sequence[Waiting], *, backfill: bool = False) -> None:
    """Writes entries, salts, keys of lots that are new, and the tiles that grew. ``backfill``: the rows were read
    before this transaction wrote anything, so what they say of keys and of the movement before is not asked."""
    if not taken:
        return
    keys = await queries.lot_keys(session, {w.record.lot for w in taken}) if backfill else {}
    fresh = [w.record.lot for w in taken if w.record.seq == 1]
    for lot in fresh:
        keys[lot] = secrets.token_bytes(entries.KEY_SIZE)
    units = await queries.units_of(session, fresh, {lot: sha256(keys[lot]).digest() for lot in fresh}) if fresh else {}
    first = edge.size
    rows: list[tuple[int, bytes]] = []
    salts: list[tuple[UUID, int, int, bytes]] = []
    random = secrets.token_bytes(entries.SALT_SIZE * len(taken))
    before: tuple[UUID, int] | None = None
    for position, (record, key, follows) in enumerate(taken, start=first):
        lot, seq = record.lot, record.seq
        if seq == 1:
            record = record._replace(unit=units[lot])  # noqa: PLW2901 - the record as it is committed to
        elif not backfill and not follows and before != (lot, seq - 1):
            raise conflict(
                "log.gap",
                f"Movement {seq} of lot {lot} waits to be sequenced, and movement {seq - 1} neither waits nor is in the log.",
            )
        before = lot, seq
        at = (position - first) * entries.SALT_SIZE
        salt = random[at : at + entries.SALT_SIZE]
        committed = entries.commitment(entries.encoded(record), salt)
        data = entries.entry(entries.tag(keys.get(lot) or _key(key, lot), seq), committed)
        edge.append(leaf_hash(data))
        rows.append((position, data))
        salts.append((lot, seq, position, salt))
    connection = await driver(session)
    await connection.copy_records_to_table("log_entry", records=rows, columns=["position", "entry"])
    await _copy(session, "log_salt", salts, ("lot_id", "seq", "position", "salt"))
    if fresh:
        await _copy(session, "log_lot_key", [(lot, keys[lot]) for lot in fresh], ("lot_id", "key"))
    grown, edge.changed = edge.changed, {}
    await execute(
        session,
        'INSERT INTO log_tile (level, "index", hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) '
        'ON CONFLICT (level, "index") DO UPDATE SET hashes = excluded.hashes',
        [level for level, _ in grown], [number for _, number in grown], [bytes(h) for h in grown.values()],
    )  # fmt: skip


def _key(key: bytes | None, lot: UUID) -> bytes:
    if key is None:
        raise conflict("log.gap", f"Lot {lot} is not in the log yet, and not its first movement waits to be sequenced.")
    return key


async def _copy(session: WriteSession, table: str, rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> None:
    # COPY into a table with row security is refused, whoever does it: arrays take its place.
    kinds = {"lot_id": "uuid", "seq": "bigint", "position": "bigint", "salt": "bytea", "key": "bytea"}
    places = ", ".join(f"${n}::{kinds[c]}[]" for n, c in enumerate(columns, start=1))
    await execute(
        session,
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({places})",
        *(list(c) for c in zip(*rows, strict=True)),
    )
