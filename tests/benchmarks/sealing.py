"""log.*: how fast movements are sealed, how far the log lags behind writers, what a proof costs in a large tree, how fast the whole
log is recomputed, and how many bytes it adds to a movement."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import secrets
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop

from marketplace.db.embedded import SUPERUSER, WORKER
from marketplace.db.session import Database
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log.merkle import Frontier, leaf_hash
from marketplace.ledger.log.notes import ED25519, Signer
from marketplace.ledger.log.tiles import TILE_SIZE, Edge
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service import KeyRing, bundle_of, publish_keys, sequence, sign, verify_log
from marketplace.ledger.tasks import Sealer
from tests.benchmarks.bench import APP, Credentials, Figure, percentile, rows, seconds, size
from tests.benchmarks.moves import CLIENTS, PROCESSES, _service_process, _spread, register
from tests.world import World

ORIGIN = "log.bench/1"
SIGNER = Signer(ORIGIN, ED25519, bytes(32))
EACH = 5
"""Movements of each lot that is made for sealing."""
BATCH = 5_000

HISTORY = """
INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position,
    last_recorded_at, last_occurred_at)
  SELECT u.id, $1, false, 'EA', $2, u.id, ARRAY[$2::uuid], $4, 1, now(), now()
  FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $3::int)) u"""
LINES = """
INSERT INTO "position" (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity, held)
  SELECT l.lot_id, 1, l.part_id, false, $1, $1, $2, 'new', 101 - $3::int, 0 FROM lot l
  WHERE NOT EXISTS (SELECT FROM "position" p WHERE p.lot_id = l.lot_id)"""
MOVEMENTS = """
INSERT INTO movement (lot_id, seq, kind, quantity, from_position, to_position, from_quantity_after, from_held_after,
    to_quantity_after, occurred_at, recorded_at, company_id, actor_id, command_id, cause_kind, parties)
  SELECT lot_id, s, CASE WHEN s = 1 THEN 'register' ELSE 'scrap' END, CASE WHEN s = 1 THEN 100 ELSE 1 END,
    CASE WHEN s > 1 THEN 1 END, CASE WHEN s = 1 THEN 1 END, CASE WHEN s > 1 THEN 101 - s END, CASE WHEN s > 1 THEN 0 END,
    CASE WHEN s = 1 THEN 100 END, at, at, $1, $1, gen_random_uuid(), 'bench', parties
  FROM lot, generate_series(1, $2::int) s, LATERAL (SELECT now() + s * interval '1 microsecond' AS at) t
  WHERE NOT EXISTS (SELECT FROM movement m WHERE m.lot_id = lot.lot_id)"""
QUEUED = """
INSERT INTO unsequenced SELECT lot_id, seq FROM movement m
  WHERE NOT EXISTS (SELECT FROM log_salt s WHERE s.lot_id = m.lot_id AND s.seq = m.seq) ON CONFLICT DO NOTHING"""
SIZE = """
SELECT sum(pg_total_relation_size(c))::bigint
  FROM unnest(ARRAY['log_entry', 'log_salt', 'log_lot_key', 'log_tile', 'log_checkpoint']::regclass[]) c"""


async def history(owner: asyncpg.Connection, world: World, movements: int) -> None:
    """So many movements of lots of their own, committed and waiting to be sequenced. By the superuser, without references."""
    await owner.execute("SET session_replication_role = replica")
    lots = movements // EACH
    await owner.execute(HISTORY, world.part, world.maker.id, lots, EACH)
    await owner.execute(LINES, world.maker.id, world.maker.sites[0], EACH)
    await owner.execute(MOVEMENTS, world.maker.id, EACH)
    await owner.execute(QUEUED)
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("ANALYZE")


async def seal_all(worker: Database) -> int:
    """Sequences and signs everything that waits, batch by batch, as the worker does."""
    done = 0
    while True:
        async with worker.write() as session:
            found = await sequence(session, datetime.now(UTC), ORIGIN, limit=BATCH)
        if not found:
            return done
        done += found
        async with worker.write() as session:
            await sign(session, datetime.now(UTC), [SIGNER])


async def bare(owner: asyncpg.Connection, count: int) -> float:
    """The least that any such log does: hashes of random entries into a tree, and the entries copied into a table, per second."""
    await owner.execute("CREATE TABLE bare_entry (position bigint PRIMARY KEY, entry bytea NOT NULL)")
    tree = Frontier()
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        batch = [(n, secrets.token_bytes(65)) for n in range(start, min(start + BATCH, count))]
        for _, entry in batch:
            tree.append(leaf_hash(entry))
        async with owner.transaction():
            await owner.copy_records_to_table("bare_entry", records=batch)
    rate = count / (time.perf_counter() - began)
    await owner.execute("DROP TABLE bare_entry")
    return rate


async def _sealing(credentials: Credentials, worker: Database, world: World) -> list[Figure]:
    count = rows(200_000, 1_000)
    owner = await asyncpg.connect(credentials.dsn(SUPERUSER))
    try:
        # The log is begun and the caches are warm before anything is measured.
        await register(world, world.maker, 20)
        await seal_all(worker)
        await history(owner, world, count)
        floor = await bare(owner, count)
        before = await owner.fetchval(SIZE)
        began = time.perf_counter()
        assert await seal_all(worker) == count
        rate = count / (time.perf_counter() - began)
        bytes_each = (await owner.fetchval(SIZE) - before) / count
        async with worker.write() as session:
            await publish_keys(session, [SIGNER], datetime.now(UTC))
        began = time.perf_counter()
        async with worker.read() as session:
            verdict = await verify_log(session)
        recomputed = verdict.entries / (time.perf_counter() - began)
        assert verdict.faults == []
    finally:
        await owner.close()
    note = f"{count:,} movements"
    return [
        Figure("log.seal", rate, "per s", floor, rate / floor, 1, f"{note}; floor: hash and COPY bare entries"),
        Figure("log.recompute", recomputed, "per s", None, None, 1, f"verify of {verdict.entries:,} from the database"),
        Figure("log.bytes", bytes_each, "bytes", None, None, 1, "added to a movement by the log, indexes included"),
    ]


async def _grown(owner: asyncpg.Connection, to: int) -> None:
    """The log as if it had ``to`` entries: the tree goes on from what is sealed with leaves that nobody knows."""
    size_now = await owner.fetchval("SELECT size FROM log_state")
    kept = await owner.fetch(
        'SELECT DISTINCT ON (level) level, "index", hashes FROM log_tile ORDER BY level, "index" DESC'
    )
    edge = Edge(size_now, {r[0]: (r[1], r[2]) for r in kept})
    chance = random.Random(3)

    async def flush() -> None:
        grown, edge.changed = edge.changed, {}
        # The tiles that are not full yet are changed again later.
        await owner.execute(
            'INSERT INTO log_tile (level, "index", hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) '
            'ON CONFLICT (level, "index") DO UPDATE SET hashes = excluded.hashes',
            [level for level, _ in grown], [number for _, number in grown], [bytes(h) for h in grown.values()],
        )  # fmt: skip

    while edge.size < to:
        edge.append(chance.randbytes(32))
        if len(edge.changed) > 2_000:
            await flush()
    await flush()
    await owner.execute("UPDATE log_state SET size = $1", edge.size)
    assert await owner.fetchval("SELECT max(length(hashes)) FROM log_tile") <= TILE_SIZE


async def _proving(credentials: Credentials, worker: Database, db: Database, world: World) -> list[Figure]:
    leaves = rows(10_000_000, 5_000)
    units = await register(world, world.maker, size(100, 10), quantity=2)
    await seal_all(worker)
    owner = await asyncpg.connect(credentials.dsn(SUPERUSER))
    try:
        await _grown(owner, leaves)
        # Each unit has one movement at the left end of the tree and one at the right.
        await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in units))
        await seal_all(worker)
        await owner.execute("ANALYZE")
        large = await owner.fetchval("SELECT size FROM log_state")
    finally:
        await owner.close()
    proving: list[float] = []
    verifying: list[float] = []
    for lot in units * 2:
        began = time.perf_counter()
        async with db.read(world.maker.tenant) as session:
            data = await bundle_of(session, [SIGNER], {"kind": "unit"}, [lot], datetime.now(UTC))
        proving.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        verdict = bundles.verify(bundles.load(data))
        verifying.append((time.perf_counter() - began) * 1000)
        assert verdict.holds, verdict.faults
    note = f"p95, one unit in a log of {large:,}"
    half = len(proving) // 2
    return [
        Figure("log.prove", percentile(proving[half:], 0.95), "ms", None, None, 1, f"{note}; the bundle of {len(data):,} bytes"),
        Figure("log.verify", percentile(verifying[half:], 0.95), "ms", None, None, 1, f"{note}; offline"),
    ]  # fmt: skip


async def _sealer(dsn: str, folder: str, span: float) -> None:
    worker = Database(dsn, pool_size=3)
    stop = asyncio.Event()
    ring = KeyRing(Path(folder))
    ring.keep_signers([SIGNER])
    sealing = asyncio.create_task(Sealer(worker, ring, "http://log.bench").run(lambda: datetime.now(UTC), stop))
    await asyncio.sleep(span)
    stop.set()
    await sealing
    await worker.close()


def _sealer_process(dsn: str, folder: str, span: float) -> None:
    uvloop.run(_sealer(dsn, folder, span))


async def _lags(credentials: Credentials, since: int) -> list[float]:
    """Milliseconds from when a movement was recorded to when the first checkpoint over it was signed, of those from ``since`` on."""
    owner = await asyncpg.connect(credentials.dsn(SUPERUSER))
    try:
        found = await owner.fetch(
            "SELECT (SELECT c.signed_at FROM log_checkpoint c WHERE c.size > s.position ORDER BY c.size LIMIT 1) - m.recorded_at "
            "FROM log_salt s JOIN movement m USING (lot_id, seq) WHERE s.position >= $1",
            since,
        )
        assert await owner.fetchval("SELECT count(*) FROM unsequenced") == 0, "all of it was sequenced"
        return [r[0].total_seconds() * 1000 for r in found]
    finally:
        await owner.close()


def _lagging(credentials: Credentials, world: World, lots: list[UUID], since: int) -> Figure:
    """Eight clients in two processes write what they can, the sealer in a third: how long each movement waits for its checkpoint."""
    span = seconds(10.0)
    app, worker = credentials.dsn(APP), credentials.dsn(WORKER)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES + 1, mp_context=context) as pool:
        sealing = pool.submit(_sealer_process, worker, folder, span + 4)
        moved = [
            pool.submit(_service_process, app, world.maker.id, world.maker.actor, world.maker.sites, p, span, 1)
            for p in _spread(lots, CLIENTS)
        ]
        rate = sum(f.result() for f in moved) / span
        sealing.result()
    lags = asyncio.run(_lags(credentials, since))
    return Figure(
        "log.lag", percentile(lags, 0.99), "ms", None, None, CLIENTS,
        f"p99 from recorded to signed, of {len(lags):,} movements at {rate:,.0f} per s",
    )  # fmt: skip


async def _state(credentials: Credentials) -> tuple[World, list[Figure], list[UUID], int]:
    worker = Database(credentials.dsn(WORKER), pool_size=3)
    db = Database(credentials.dsn(APP), pool_size=3)
    owner = await asyncpg.connect(credentials.dsn(SUPERUSER))
    try:
        world = await World.make(owner, db)
        figures = await _sealing(credentials, worker, world)
        lots = await register(world, world.maker, size(4_000, 160))
        await seal_all(worker)
        async with worker.read() as session:
            state = await queries.state(session)
        assert state is not None
        return world, figures, lots, state.size
    finally:
        await owner.close()
        await db.close()
        await worker.close()


async def _proof(credentials: Credentials, world: World) -> list[Figure]:
    worker = Database(credentials.dsn(WORKER), pool_size=3)
    db = Database(credentials.dsn(APP), pool_size=3)
    try:
        return await _proving(credentials, worker, db, replace(world, db=db))
    finally:
        await db.close()
        await worker.close()


def run(credentials: Credentials) -> list[Figure]:
    """log.seal, log.recompute, log.bytes, log.lag, log.prove, log.verify."""
    world, figures, lots, since = asyncio.run(_state(credentials))
    figures.append(_lagging(credentials, world, lots, since))
    return figures + asyncio.run(_proof(credentials, world))
