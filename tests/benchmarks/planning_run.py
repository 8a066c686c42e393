"""planning.run: advice on every part of a company, from the database to landed rows, against the reckoning alone on the same figures.

The floor is what the same chunks take in memory, one after the other: without reading stock and histories, without writing.
"""

from __future__ import annotations

import asyncio
import io
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import numpy as np

from marketplace.advising import queries, reckoning, service
from marketplace.advising.copying import ids, packed, same
from marketplace.db.embedded import SUPERUSER, WORKER
from marketplace.db.session import Database, be_patient, execute
from marketplace.planning.advice import Policy
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of, rows
from tests.world import World

MONTHS = 60
_PIECE = 1 << 16
_NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


async def _fill(owner: asyncpg.Connection, dsn: str, world: World, count: int) -> None:
    """So many parts with a stock of 0 to 30 and five years of demand, most months without any. A database of its own is filled, so
    nothing is checked on the way and histories come by COPY: what would take most of the time is not what is measured."""
    company, site = world.maker.id, world.maker.site
    chance = np.random.default_rng(5)
    filler = await asyncpg.connect(
        dsn, server_settings={"session_replication_role": "replica", "synchronous_commit": "off"}
    )
    try:
        await filler.execute("SELECT setseed(0.5)")
        await filler.execute(
            "INSERT INTO part (id, maker_id, number, number_norm, description, uom, list_price, currency) "
            "SELECT uuidv7(), $1, 'B' || n, 'B' || n, 'BENCH', 'EA', round((exp(4 + random()))::numeric, 2), (SELECT currency FROM company WHERE id = $3) FROM generate_series(1, $2::int) n",
            world.maker_row, count, company,
        )  # fmt: skip
        await filler.execute(
            "INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position, last_recorded_at, last_occurred_at) "
            "SELECT x.id, p.id, false, 'EA', $1, x.id, ARRAY[$1::uuid], 0, 1, now(), now() FROM part p, LATERAL (SELECT uuidv7() AS id WHERE p.id IS NOT NULL) x WHERE p.maker_id = $2 AND p.description = 'BENCH'",
            company, world.maker_row,
        )  # fmt: skip
        await filler.execute(
            "INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity) "
            "SELECT l.lot_id, 1, l.part_id, false, $1, $1, $2, 'new', 1 + floor(random() * 30)::int FROM lot l WHERE l.registered_by = $1",
            company, site,
        )  # fmt: skip
        file = await filler.fetchval(
            "INSERT INTO demand_import (company_id, file_name, file_sha256, file_size, file_path, step, first_month, months, numbers, parts, created_by) "
            "VALUES ($1, 'bench.csv', '', 0, '', 'done', '2021-01-01', $2, $3, $3, $4) RETURNING id",
            company, MONTHS, count, world.maker.actor,
        )  # fmt: skip
        found = await filler.fetch(
            "SELECT id FROM part WHERE maker_id = $1 AND description = 'BENCH' ORDER BY id", world.maker_row
        )
        fields = (("import_id", "uuid"), ("part_id", "uuid"), ("company_id", "uuid"), ("units", f"float4[{MONTHS}]"))
        for start in range(0, len(found), _PIECE):
            some = ids([r["id"].bytes for r in found[start : start + _PIECE]])
            share = chance.random(some.size) ** 4 * 0.6
            asked = chance.random((some.size, MONTHS), np.float32) < share[:, None]
            units = np.where(asked, chance.integers(1, 4, asked.shape), 0)
            data = packed(
                fields,
                {
                    "import_id": same(file, some.size),
                    "part_id": some,
                    "company_id": same(company, some.size),
                    "units": units,
                },
            )
            await filler.copy_to_table(
                "demand_history", source=io.BytesIO(data), columns=[f[0] for f in fields], format="binary"
            )
        await filler.execute("ANALYZE part, lot, position, demand_history")
    finally:
        await filler.close()


async def _run(credentials: Credentials, count: int) -> tuple[float, float, float, float, dict[str, float]]:
    app = Database(credentials.dsn(APP), pool_size=2, statement_timeout_ms=0)
    worker = Database(credentials.dsn(WORKER), pool_size=4)
    stages: dict[str, float] = {}
    async with owner_of(credentials) as owner:
        world = await World.make(owner, app)
        await _fill(owner, credentials.dsn(SUPERUSER), world, count)
        company = world.maker.id
        run_id: UUID = await owner.fetchval(
            "INSERT INTO advice_run (company_id, policy, currency, state, created_by) VALUES ($1, $2::jsonb, (SELECT currency FROM company WHERE id = $1), 'waiting', $3) RETURNING id",
            company, json.dumps(reckoning.kept_policy(Policy())), world.maker.actor,
        )  # fmt: skip
        # The worker is a process of its own, so that its memory is its own.
        began = time.perf_counter()
        watching = asyncio.create_task(_watch(owner, run_id, stages, began))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.benchmarks.planning_run", credentials.dsn(WORKER), str(run_id), str(company), stdout=subprocess.PIPE
        )  # fmt: skip
        told, _ = await process.communicate()
        taken = time.perf_counter() - began
        assert process.returncode == 0
        megabytes, processor = json.loads(told)
        print(
            f"{taken:.1f} s, {processor:.1f} s of the worker's processor, {megabytes:,.0f} MB",
            file=sys.stderr,
            flush=True,
        )
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        state, error = await owner.fetchrow("SELECT state, error FROM advice_run WHERE id = $1", run_id)
        assert state == "done", error
        assert await owner.fetchval("SELECT count(*) FROM advice_row WHERE run_id = $1", run_id) == count
    floor = await _floor(worker, world)
    await app.close()
    await worker.close()
    return taken, processor, megabytes, floor, stages


async def _watch(owner: asyncpg.Connection, run_id: UUID, stages: dict[str, float], began: float) -> None:
    """When each stage was first seen, from the outside, as the page sees it."""
    while True:
        stage = await owner.fetchval("SELECT stage FROM advice_run WHERE id = $1", run_id)
        if stage:
            stages.setdefault(stage, time.perf_counter() - began)
        await asyncio.sleep(0.25)


async def _floor(worker: Database, world: World) -> float:
    """The same figures reckoned in memory."""
    found: list[np.ndarray] = []
    raws: list[np.ndarray] = []
    async with worker.write(world.maker.tenant) as session:
        await be_patient(session)
        await execute(session, "SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)")
        files = await queries.counting_files(session, world.maker.id)
        await queries.copy_stock(session, world.maker.id, "USD", [f.id for f in files], found.append)
        await queries.copy_history(
            session, files[0], lambda piece: raws.append(piece["units"]["value"].astype(np.float32))
        )
    stock = service.running._stock(found)
    raw = np.concatenate(raws)
    began = time.perf_counter()
    slices = [slice(s, s + reckoning.CHUNK) for s in range(0, len(stock.parts), reckoning.CHUNK)]
    tidied = [reckoning.tidy(raw[at]) for at in slices]
    marks = np.concatenate([t[1] for t in tidied])
    catalogue, choice = reckoning.study(raw, [t[0] for t in tidied])
    old = np.zeros(len(raw), np.bool_)
    chunks = [reckoning.reckon(stock, at, raw, old, marks, catalogue, choice, Policy()) for at in slices]
    columns = reckoning.together(chunks)
    for at in reckoning.most_money(columns, Policy(), 1):
        reckoning.exactly(columns, at, Policy())
    return time.perf_counter() - began


def run(credentials: Credentials) -> list[Figure]:
    """planning.run, planning.run.processor, planning.run.memory."""
    count = rows(1_000_000, 2_000)
    taken, processor, megabytes, floor, stages = asyncio.run(_run(credentials, count))
    told = ", ".join(f"{stage.lower()} from {at:.1f} s" for stage, at in stages.items())
    return [
        Figure(
            "planning.run", taken, "s", floor, taken / floor, 1,
            f"{count:,} parts with {MONTHS} months each, database to landed rows ({count / taken:,.0f} a second), the worker's start included; {told}. Floor: reckoned in memory, a chunk after the other",
        ),
        Figure("planning.run.processor", processor, "s", None, None, 1, "processor time of the worker's process, PostgreSQL's beside it"),
        Figure("planning.run.memory", megabytes, "MB", None, None, 1, "highest of the worker's process"),
    ]  # fmt: skip


async def _work(dsn: str, run_id: UUID, company: UUID) -> None:
    worker = Database(dsn, pool_size=4)
    await service.make_advice(worker, run_id=run_id, company_id=company, clock=lambda: _NOW)
    await worker.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], UUID(sys.argv[2]), UUID(sys.argv[3])))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps([most, time.process_time()]))
