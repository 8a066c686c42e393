"""import.*: a stock file of 200,000 rows from upload to landed, against a bare INSERT ... SELECT of the rows it made; and the same
file again as the next day's."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

from marketplace.db.session import Database
from tests.benchmarks import bench
from tests.benchmarks.bench import APP, Credentials, Figure, owner_of
from tests.importing import NOW, Importing
from tests.world import World

# Every table a landed row ends in, in the order in which their keys are needed.
LANDED = ("part", "part_number", "lot", "position", "movement")


def write_file(path: Path, count: int, *, maker: str = "BENCH", site: str = "A1") -> None:
    """A stock file with the columns of a real one: mostly new part numbers, some stock at several bins."""
    chance = random.Random(7)
    with path.open("w") as out:
        out.write(
            "maker,number,description,quantity,unit of measure,site,bin,condition,list price,last issue date,usage 12\n"
        )
        for n in range(count):
            out.write(
                f"{maker},{n % 9973:04d}-{n:07d}-{chance.randrange(100):02d},VALVE ASSEMBLY {n % 977},{1 + n % 40},EA,{site},"
                f"B-{n % 5000:04d},new,{chance.randrange(100, 90_000) / 100:.2f},2021-0{1 + n % 9}-15,{n % 7}\n"
            )


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, 1 << 16):
            yield piece


async def _import(credentials: Credentials, folder: Path, count: int) -> tuple[float, float]:
    """Seconds from upload to landed of a file, and of the same file as the next day's."""
    database = Database(credentials.dsn(APP), pool_size=2, statement_timeout_ms=0)
    async with owner_of(credentials) as owner:
        world = await World.make(owner, database)
        code = await owner.fetchval("SELECT code FROM site WHERE id = $1", world.maker.site)
        maker = await owner.fetchval("SELECT code FROM maker WHERE id = $1", world.maker_row)
    file = folder / "stock.csv"
    await asyncio.to_thread(write_file, file, count, maker=maker, site=code)
    importing = Importing(world, database, folder)
    taken: list[float] = []
    for day in (NOW.date() - timedelta(days=1), NOW.date()):
        began = time.perf_counter()
        job = await importing.run(await importing.upload(_pieces(file), snapshot_on=day, limit_bytes=1 << 30))
        taken.append(time.perf_counter() - began)
        assert job.step == "done", job
        assert (job.rows_good, job.lots_new, job.lots_changed) == (count, 0 if len(taken) > 1 else count, 0), job
    await database.close()
    return taken[0], taken[1]


def _import_process(credentials: Credentials, folder: Path, count: int) -> tuple[float, float, float]:
    """Seconds of both, and the MB that the process had at its peak."""
    first, again = asyncio.run(_import(credentials, folder, count))
    return first, again, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _floor(credentials: Credentials) -> tuple[float, dict[str, int]]:
    """Seconds to INSERT ... SELECT the landed rows into empty tables with the same columns, keys, checks and indexes."""
    counts: dict[str, int] = {}
    async with owner_of(credentials) as owner:
        for table in LANDED:
            await owner.execute(f'CREATE TABLE bare_{table} (LIKE "{table}" INCLUDING ALL)')
        generated = {
            table: {
                r[0]
                for r in await owner.fetch(
                    "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attgenerated <> ''",
                    f'"{table}"',
                )
            }
            for table in LANDED
        }
        began = time.perf_counter()
        async with owner.transaction():
            for table in LANDED:
                columns = [
                    r[0]
                    for r in await owner.fetch(
                        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 "
                        "AND NOT attisdropped ORDER BY attnum",
                        f'"{table}"',
                    )
                    if r[0] not in generated[table]
                ]
                names = ", ".join(f'"{c}"' for c in columns)
                tag = await owner.execute(f'INSERT INTO bare_{table} ({names}) SELECT {names} FROM "{table}"')
                counts[table] = int(tag.split()[-1])
        return time.perf_counter() - began, counts


def run(credentials: Credentials) -> list[Figure]:
    """import.stock, import.again and import.memory."""
    count = bench.rows(200_000, 2_000)
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="backstock-bench-file-") as folder,
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        taken, again, memory = pool.submit(_import_process, credentials, Path(folder), count).result()
    bare, counts = asyncio.run(_floor(credentials))
    rate, floor = count / taken, count / bare
    rows = ", ".join(f"{n:,} {table}" for table, n in counts.items())
    return [
        Figure(
            "import.stock", rate, "per s", floor, rate / floor, 1, f"{count:,} rows in {taken:.1f} s; floor: {rows}"
        ),
        Figure(
            "import.again",
            count / again,
            "per s",
            rate,
            taken / again,
            1,
            f"the next day, nothing new, in {again:.1f} s; floor: the first time",
        ),
        Figure("import.memory", memory, "MB", None, None, 1, "peak of the importing process"),
    ]
