"""import.*: a stock file of 200,000 rows from upload to landed, against a bare INSERT ... SELECT of the rows it made."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import asyncpg

from marketplace.db.session import Database
from tests.benchmarks import bench
from tests.benchmarks.bench import APP, OWNER, Credentials, Figure, owner_of
from tests.importing import Importing
from tests.world import World

# Every table a landed row ends in, in the order in which their keys are needed.
LANDED = ("part", "part_number", "lot", "position", "movement")


def write_file(path: Path, count: int) -> None:
    """A stock file with the columns of a real one: mostly new part numbers, some stock at several bins."""
    chance = random.Random(7)
    with path.open("w") as out:
        out.write(
            "maker,number,description,quantity,unit of measure,site,bin,condition,list price,last issue date,usage 12\n"
        )
        for n in range(count):
            out.write(
                f"BENCH,{n % 9973:04d}-{n:07d}-{chance.randrange(100):02d},VALVE ASSEMBLY {n % 977},{1 + n % 40},EA,A1,"
                f"B-{n % 5000:04d},new,{chance.randrange(100, 90_000) / 100:.2f},2021-0{1 + n % 9}-15,{n % 7}\n"
            )


async def _import(credentials: Credentials, file: Path, folder: Path) -> tuple[float, int]:
    database = Database(credentials.dsn(APP), pool_size=2, statement_timeout_ms=0)
    owner = await asyncpg.connect(credentials.dsn(OWNER))
    world = await World.make(owner, database)
    code = await owner.fetchval("SELECT code FROM site WHERE id = $1", world.maker.site)
    maker = await owner.fetchval("SELECT code FROM maker WHERE id = $1", world.maker_row)
    content = (
        (await asyncio.to_thread(file.read_text)).replace("BENCH,", f"{maker},").replace(",A1,", f",{code},").encode()
    )
    await owner.close()
    importing = Importing(world, database, folder)
    began = time.perf_counter()
    job = await importing.landed(content, limit_bytes=1 << 30)
    taken = time.perf_counter() - began
    await database.close()
    assert job.step == "done", job
    return taken, len(content)


def _import_process(credentials: Credentials, file: Path, folder: Path) -> tuple[float, float]:
    """Seconds from upload to landed, and by how many MB the process grew at its peak beyond the file it was given."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, _ = asyncio.run(_import(credentials, file, folder))
    return taken, max(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


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
    """import.stock and import.memory."""
    count = bench.rows(200_000, 2_000)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="backstock-bench-file-") as folder:
        file = Path(folder) / "stock.csv"
        write_file(file, count)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            taken, memory = pool.submit(_import_process, credentials, file, Path(folder)).result()
    bare, counts = asyncio.run(_floor(credentials))
    rate, floor = count / taken, count / bare
    rows = ", ".join(f"{n:,} {table}" for table, n in counts.items())
    return [
        Figure(
            "import.stock", rate, "per s", floor, rate / floor, 1, f"{count:,} rows in {taken:.1f} s; floor: {rows}"
        ),
        Figure(
            "import.memory", memory, "MB", None, None, 1, "peak of the importing process, the uploaded file included"
        ),
    ]
