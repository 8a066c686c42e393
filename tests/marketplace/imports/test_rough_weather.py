"""Imports in rough weather: hostile files, a full disk, a process killed in the middle, rows lost with the server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from marketplace.db.embedded import APP, Credentials
from marketplace.db.session import Database, fetch_value
from marketplace.imports import service
from marketplace.imports.service import running
from marketplace.imports.tasks import jobs
from marketplace.kit.errors import DomainError
from tests.importing import NOW, Importing, day
from tests.world import World

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (64 << 20))
    return packed.getvalue()


HOSTILE = {
    "empty": (b"", "import.empty"),
    "zero bytes": (b"Part number,Qty\nA\x00B,1\n", "import.nul"),
    "one long line": (b"Part number,Qty\n" + b"A" * (10 << 20), "import.line_too_long"),
    "bomb": (bomb(), "import.bomb"),
    "no header": (b"100-1,5\n200-2,7\n", "import.no_header"),
    "one column": (b"Part number\n100-1\n200-1\n", "import.one_column"),
    "header only": (b"Part number,Qty\n", "import.no_rows"),
    "a web page": (b"<!doctype html><html><body>Sign in</body></html>", "import.kind"),
    "old workbook": (b"\xd0\xcf\x11\xe0" + b"\x00" * 600, "import.kind"),
    "utf-16 cut off": ("\ufeffPart number,Qty\n100-1,5\n".encode("utf-16-le") + b"\x41", "import.encoding"),
}


async def test_a_refused_file_takes_nobody_elses_away(imports: Importing, world: World) -> None:
    content = f"Part number,Qty\n{world.tag}-A,5\n"
    job = await imports.upload(content)
    for who in (world.maker, world.buyer):
        with pytest.raises(DomainError) as refused:
            await imports.upload(content, who, named="stock.xlsx", snapshot_on=day(19))
        assert refused.value.code == "import.kind"
    assert (await imports.run(job)).step == "done"


async def test_a_file_that_is_gone_is_said_to_be(imports: Importing, world: World) -> None:
    content = f"Part number,Qty\n{world.tag}-A,5\n"
    job = await imports.upload(content)
    for path in (imports.folder / "uploads").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert refused.value.code == "import.file_gone"
    assert (await imports.job(job)).step == "failed"
    assert await imports.stock() == {}
    # The same bytes uploaded again are another import, since this one failed.
    again = await imports.landed(content)
    assert (again.id != job, again.step) == (True, "done")


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_files_leave_nothing(
    imports: Importing, world: World, owner: asyncpg.Connection, name: str
) -> None:
    content, code = HOSTILE[name]
    with pytest.raises(DomainError) as refused:
        await imports.upload(content)
    assert refused.value.code == code
    assert await owner.fetchval("SELECT count(*) FROM import_job WHERE company_id = $1", world.maker.id) == 0
    assert [p for p in (imports.folder / "uploads").rglob("*") if p.is_file()] == []


async def test_columns_that_are_missing_are_asked_for(imports: Importing, world: World) -> None:
    job = await imports.upload("Colour,Part number\nred,100-1\nblue,100-2\n")
    assert (await imports.job(job)).mapping["missing"] == ["quantity"]
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert (refused.value.code, refused.value.fields[0].field) == ("import.mapping", "quantity")
    assert (await imports.job(job)).step == "failed"


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("cp1252", ";"), ("utf-8", "|")]
)
async def test_encodings_and_delimiters(
    imports: Importing, world: World, owner: asyncpg.Connection, encoding: str, delimiter: str
) -> None:
    rows = [["Part number", "Description", "Qty"], [f"{world.tag}-K", "Größe Ø 12, grün", "3"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    job = await imports.landed(text.encode(encoding))
    assert job.rows_good == 1
    assert await owner.fetchval(
        "SELECT description FROM part WHERE maker_id = $1 AND number = $2", world.maker_row, f"{world.tag}-K"
    ) == "Größe Ø 12, grün"  # fmt: skip


async def test_a_file_over_the_limit(imports: Importing) -> None:
    with pytest.raises(DomainError) as refused:
        await imports.upload(b"Part number,Qty\n" + b"100-1,5\n" * (9 << 20))
    assert refused.value.code == "import.too_large"
    assert [p for p in (imports.folder / "uploads").rglob("*") if p.is_file()] == []


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond ``limit`` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


async def test_a_full_disk_says_so_and_keeps_nothing(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    with full_disk(100_000), pytest.raises(DomainError) as refused:
        await imports.upload(b"Part number,Qty\n" + b"100-1,5\n" * 50_000)
    assert (refused.value.code, refused.value.kind.value) == ("import.disk_full", "busy")
    assert "nothing was imported" in refused.value.message
    assert [p for p in (imports.folder / "uploads").rglob("*") if p.is_file()] == []
    assert await owner.fetchval("SELECT count(*) FROM import_job WHERE company_id = $1", world.maker.id) == 0


# -- killed ----------------------------------------------------------------------------------------------


def many(world: World, rows: int) -> str:
    lines = [f"{world.tag}-{n},PUMP {n},{n % 9 + 1},{'S' + str(n) if n % 9 == 0 else ''}" for n in range(rows)]
    return "Part number,Description,Qty,Serial\n" + "\n".join(lines) + "\n"


CHILD = """
import asyncio, json, sys
from datetime import datetime
from pathlib import Path
from uuid import UUID
from marketplace.db.session import Database, fetch_value
from marketplace.imports import service
from marketplace.imports.service import running
given = json.loads(sys.stdin.read())
async def main():
    database = Database(given["dsn"], pool_size=2)
    await service.run(database, job_id=UUID(given["job"]), company_id=UUID(given["company"]),
        actor_id=UUID(given["actor"]), data_dir=Path(given["folder"]), land=given["land"],
        now=datetime.fromisoformat(given["now"]))
    await database.close()
asyncio.run(main())
# Not getrusage: it would count the parent that this process was forked from.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


class Child:
    """Another process that brings an import on."""

    def __init__(self, imports: Importing, cluster: Credentials, database: str, job: object, *, land: bool) -> None:
        maker = imports.world.maker
        given = {
            "dsn": cluster.dsn(APP, database), "job": str(job), "company": str(maker.id), "folder": str(imports.folder),
            "actor": str(maker.users["warehouse"]), "now": NOW.isoformat(), "land": land,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(given))
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    async def megabytes(self) -> int:
        """Waits for the end; the most memory it ever had."""
        assert self.process.stdout is not None
        said = await asyncio.to_thread(self.process.stdout.read)
        self.process.stdout.close()
        assert await asyncio.to_thread(self.process.wait) == 0
        return int(said)


async def test_a_killed_import_goes_on_where_it_stopped(
    imports: Importing, world: World, owner: asyncpg.Connection, cluster: Credentials, database_name: str
) -> None:
    rows = 40_000
    job = await imports.upload(many(world, rows))
    child = Child(imports, cluster, database_name, job, land=True)
    while (await imports.job(job)).rows_staged == 0:
        assert child.process.poll() is None
        await asyncio.sleep(0.01)
    child.kill()
    stopped = await imports.job(job)
    assert stopped.step == "staging"
    assert 0 < stopped.rows_staged < rows
    first = await owner.fetchval("SELECT min(xmin::text::bigint) FROM import_stage WHERE job_id = $1", job)
    validated = await imports.run(job, land=False)
    assert (validated.rows_staged, validated.rows_good, validated.lots_new) == (rows, rows, rows)
    # The rows of the killed process are still the same rows: it went on, it did not begin again.
    assert await owner.fetchval("SELECT min(xmin::text::bigint) FROM import_stage WHERE job_id = $1", job) == first
    # Killed once more while it lands: all of it or nothing.
    child = Child(imports, cluster, database_name, job, land=True)
    await asyncio.sleep(1.2)
    child.kill()
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) in (0, rows)
    done = await imports.run(job)
    assert (done.step, done.lots_new) == ("done", rows)
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == rows
    assert await owner.fetchval("SELECT count(*) FROM movement WHERE company_id = $1", world.maker.id) == rows
    assert await owner.fetchval("SELECT count(*) FROM import_stage WHERE job_id = $1", job) == 0


@pytest.mark.parametrize("lost", ["import_stage", "import_row"])
async def test_rows_lost_with_the_server_are_read_again(
    imports: Importing, world: World, owner: asyncpg.Connection, lost: str
) -> None:
    """Unlogged tables are empty after a crash; the file is not."""
    job = await imports.upload(many(world, 30))
    await imports.run(job, land=False)
    if lost == "import_stage":
        await owner.execute("UPDATE import_job SET step = 'staged' WHERE id = $1", job)
    await owner.execute(f"DELETE FROM {lost} WHERE job_id = $1", job)
    done = await imports.run(job)
    assert (done.step, done.lots_new) == ("done", 30)


async def test_two_processes_on_one_import_land_it_once(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    job = await imports.upload(many(world, 500))
    results = await asyncio.gather(*(imports.run(job) for _ in range(4)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, BaseException)]
    assert all(isinstance(r, DomainError) and r.code == "import.running" for r in refused)
    assert (await imports.run(job)).step == "done"
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == 500


async def test_a_slow_process_does_not_clear_what_a_fast_one_has_staged(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    """It looked while the file was unread, and gets the row only when another process is past reading."""
    job = await imports.upload(many(world, 30))
    async with owner.transaction():
        await owner.execute("SELECT FROM import_job WHERE id = $1 FOR UPDATE", job)
        slow = asyncio.create_task(imports.run(job))
        while not await owner.fetchval(  # noqa: ASYNC110 - only the server knows who waits for whom
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        ):
            await asyncio.sleep(0.01)
        await owner.execute("UPDATE import_job SET step = 'staged', rows_staged = 30 WHERE id = $1", job)
    with pytest.raises(DomainError) as refused:
        await slow
    assert refused.value.code == "import.running"
    assert (await imports.job(job)).step == "staged"
    # The rows that the other process was said to have staged are not there: they are read again, and land once.
    assert (await imports.run(job)).lots_new == 30


async def test_memory_does_not_grow_with_the_file(
    imports: Importing, world: World, cluster: Credentials, database_name: str
) -> None:
    used = []
    for rows in (2_000, 60_000):
        job = await imports.upload(many(world, rows))
        used.append(await Child(imports, cluster, database_name, job, land=False).megabytes())
    assert used[1] < 150
    assert used[1] - used[0] < 40


async def rows_read(db: Database, owner: asyncpg.Connection, *, written: int) -> int:
    """Staged rows that statements have read so far, once the server has heard of ``written`` that were made."""
    for _ in range(200):
        async with db.write() as session:
            await fetch_value(session, "SELECT pg_stat_force_next_flush()")
        counts = await owner.fetchrow(
            "SELECT n_tup_ins, seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables WHERE relname = 'import_row'"
        )
        if counts["n_tup_ins"] >= written:
            return counts["read"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the server's counters never told of {written} rows: {dict(counts)}")


async def test_tomorrows_file_changes_nothing_and_is_read_a_few_times_not_once_for_each_row(
    imports: Importing, world: World, db: Database, owner: asyncpg.Connection
) -> None:
    """Compared with stock that the planner has not heard of yet: its last news are of before the first landing."""
    rows = 15_000
    text = many(world, rows)
    await owner.execute("ANALYZE lot, position, stock_line")
    made = await owner.fetchval("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'import_row'")
    await imports.landed(text, snapshot_on=day(20))
    before = await rows_read(db, owner, written=made + rows)
    job = await imports.landed(text, snapshot_on=day(21))
    assert (job.lots_new, job.lots_changed, job.lots_vanished) == (0, 0, 0)
    read = await rows_read(db, owner, written=made + 2 * rows) - before
    assert read < 60 * rows, f"{read:,} rows read for a file of {rows:,}"


async def test_nothing_lands_at_a_site_that_was_closed_meanwhile(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    job = await imports.upload(many(world, 3))
    await imports.run(job, land=False)
    await owner.execute("UPDATE site SET closed_at = now() WHERE id = $1", world.maker.site)
    with pytest.raises(DomainError, match="closed since this file was read") as caught:
        await imports.run(job)
    assert caught.value.code == "import.site_closed"
    assert await owner.fetchval("SELECT count(*) FROM movement WHERE company_id = $1", world.maker.id) == 0
    assert (await imports.job(job)).step == "validated"
    await owner.execute("UPDATE site SET closed_at = NULL WHERE id = $1", world.maker.site)
    assert (await imports.run(job)).step == "done"


# -- the worker ------------------------------------------------------------------------------------------


async def test_the_worker_brings_large_files_on(
    imports: Importing, world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    handler = jobs(worker_db, imports.folder)[service.RUN]
    job = await imports.upload(many(world, 50) + "x-1,,many,\n")
    payload = {
        "job_id": str(job), "company_id": str(world.maker.id), "actor_id": str(world.maker.users["warehouse"]),
        "land": True,
    }  # fmt: skip
    await handler(payload)
    await handler(payload)  # delivered twice
    done = await imports.job(job)
    assert (done.step, done.rows_good, done.rows_bad) == ("done", 50, 1)
    assert await owner.fetchval("SELECT count(*) FROM movement WHERE company_id = $1", world.maker.id) == 50


async def test_a_refusal_in_the_worker_is_kept_on_the_import(
    imports: Importing, world: World, worker_db: Database
) -> None:
    handler = jobs(worker_db, imports.folder)[service.RUN]
    job = await imports.upload("Part number,Qty\nx-1,many\n", mode="all_or_nothing")
    payload = {
        "job_id": str(job), "company_id": str(world.maker.id), "actor_id": str(world.maker.users["warehouse"]),
        "land": True,
    }  # fmt: skip
    await handler(payload)
    refused = await imports.job(job)
    assert refused.step == "validated"
    assert refused.error is not None
    assert "1 row is not right" in refused.error


async def test_a_cancelled_import_is_forgotten(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    job = await imports.upload(many(world, 5))
    await imports.run(job, land=False)
    async with imports.db.write(world.maker.tenant) as session:
        await service.cancel(session, job, NOW)
    assert (await imports.run(job)).step == "cancelled"
    assert await owner.fetchval("SELECT count(*) FROM import_stage WHERE job_id = $1", job) == 0
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == 0
    done = await imports.landed(many(world, 5))
    async with imports.db.write(world.maker.tenant) as session:
        with pytest.raises(DomainError) as refused:
            await service.cancel(session, done.id, NOW)
    assert refused.value.code == "import.landed"


async def test_what_was_refused_is_not_told_of_an_import_that_was_cancelled_meanwhile(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    job = await imports.upload("Part number,Qty\nx-1,many\n", mode="all_or_nothing")
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert refused.value.code == "import.bad_rows"
    await service.note_refusal(imports.db, world.maker.id, job, refused.value.message)
    assert (await imports.job(job)).error == refused.value.message
    async with imports.db.write(world.maker.tenant) as session:
        await service.cancel(session, job, NOW)
    before = await imports.job(job)
    assert (before.step, before.error) == ("cancelled", None)
    await service.note_refusal(imports.db, world.maker.id, job, "too late")
    # Nor does a file that cannot be read turn a cancelled import into a failed one.
    await running._fail(imports.db, world.maker.tenant, job, refused.value)
    assert await imports.job(job) == before
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == 0


async def test_what_was_refused_before_is_no_news_while_the_worker_is_asked_again(
    imports: Importing, world: World
) -> None:
    job = await imports.upload("Part number,Qty\nx-1,many\n", mode="all_or_nothing")
    with pytest.raises(DomainError):
        await imports.run(job)
    await service.note_refusal(imports.db, world.maker.id, job, "1 row is not right")
    async with imports.db.write(world.maker.tenant) as session:
        await service.ask_worker(
            session, job_id=job, company_id=world.maker.id, actor_id=world.maker.users["warehouse"], land=True
        )
    waiting = await imports.job(job)
    assert (waiting.step, waiting.rows_bad, waiting.error) == ("validated", 1, None)


async def test_rows_lost_with_the_server_do_not_wake_a_cancelled_import(
    imports: Importing, world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await imports.upload(many(world, 5))
    await imports.run(job, land=False)

    async def lost(*_args: object, **_more: object) -> None:
        async with imports.db.write(world.maker.tenant) as session:
            await service.cancel(session, job, NOW)
        raise running._LostError

    monkeypatch.setattr(running, "_land", lost)
    assert (await imports.run(job)).step == "cancelled"
    assert await owner.fetchval("SELECT count(*) FROM import_stage WHERE job_id = $1", job) == 0
