"""How far a long import is can be seen by others while its transactions are open."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.imports import service
from marketplace.imports.service.telling import Telling, telling
from marketplace.kit.errors import DomainError
from tests.importing import NOW, Importing
from tests.world import World

ROWS = 9_000
LONG = "L" * 60


def large(tag: str) -> str:
    """A file that a request leaves to the worker."""
    return "Part number,Description,Qty\n" + "".join(f"{tag}-P{n},{LONG},{1 + n % 9}\n" for n in range(ROWS))


async def asked(db: Database, world: World, job: UUID, *, land: bool) -> None:
    async with db.write(world.maker.tenant) as session:
        await service.ask_worker(
            session, job_id=job, company_id=world.maker.id, actor_id=world.maker.users["warehouse"], land=land
        )


async def test_others_see_each_phase_of_a_long_import(world: World, db: Database, tmp_path: Path) -> None:
    imports = Importing(world, db, tmp_path)
    job = await imports.upload(large(world.tag))
    assert (await imports.job(job)).phase is None
    await asked(db, world, job, land=True)
    waits = await imports.job(job)
    assert (waits.phase, waits.running, waits.step) == ("waiting", True, "uploaded")

    heard: list[tuple[str, int, int]] = []
    seen: set[str | None] = set()
    ended = asyncio.Event()

    async def watch() -> None:
        while not ended.is_set():
            found = await imports.job(job)
            assert found.phase_silent is None or found.phase_silent < 5
            seen.add(found.phase)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await service.run(
        db, job_id=job, company_id=world.maker.id, actor_id=world.maker.users["warehouse"], data_dir=tmp_path, land=True,
        now=NOW, seen=lambda told: heard.append((told.phase, told.done, told.total)),
    )  # fmt: skip
    ended.set()
    await watching
    # What is told goes on in the order of the work; what others saw of it is some of it, and more than that it waits.
    phases = list(dict.fromkeys(phase for phase, _, _ in heard))
    assert phases == ["reading", "checking", "comparing", "landing", "finishing"]
    assert seen & {"reading", "checking", "comparing", "landing", "finishing"}
    landing = [(done, total) for phase, done, total in heard if phase == "landing"]
    assert landing == sorted(landing)
    assert {total for _, total in landing} == {ROWS}
    done = await imports.job(job)
    assert (done.step, done.rows_good, done.phase, done.running) == ("done", ROWS, None, False)


async def test_a_refusal_and_a_cancelled_import_have_nothing_to_tell(
    world: World, db: Database, tmp_path: Path
) -> None:
    imports = Importing(world, db, tmp_path)
    job = await imports.upload(large(world.tag).replace(f"{world.tag}-P5,", ","), mode="all_or_nothing")
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert refused.value.code == "import.bad_rows"
    left = await imports.job(job)
    assert (left.step, left.phase, left.running) == ("validated", None, False)
    await asked(db, world, job, land=True)
    await service.note_refusal(db, world.maker.id, job, "One row is not right.")
    assert (await imports.job(job)).phase is None
    await asked(db, world, job, land=True)
    async with db.write(world.maker.tenant) as session:
        await service.cancel(session, job, NOW)
    ended = await imports.job(job)
    assert (ended.step, ended.phase) == ("cancelled", None)


async def test_nobodys_import_fails_because_nobody_could_be_told(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    job = await Importing(world, db, tmp_path).upload("Part number,Qty\nX,1\n")
    async with telling(db, world.maker.tenant, job, aloud=True) as told:
        # No such phase: the database refuses to keep it.
        told.at("dreaming")
    assert await owner.fetchval("SELECT count(*) FROM import_progress WHERE job_id = $1", job) == 0


def test_done_is_never_more_than_all() -> None:
    told = Telling()
    told.at("landing", 12, 10)
    assert (told.done, told.total) == (10, 10)


async def test_an_import_that_lands_right_now_is_not_cancelled_and_says_so(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    imports = Importing(world, db, tmp_path)
    job = await imports.upload(f"Part number,Qty\n{world.tag}-N,1\n")
    await imports.run(job, land=False)
    await asked(db, world, job, land=True)
    await owner.execute("UPDATE import_progress SET phase = 'landing', told_at = now() WHERE job_id = $1", job)
    with pytest.raises(DomainError) as refused:
        async with db.write(world.maker.tenant) as session:
            await service.cancel(session, job, NOW)
    assert refused.value.code == "import.landing"
    assert (await imports.job(job)).step == "validated"
    # Of a worker that died nothing is waited for.
    await owner.execute("UPDATE import_progress SET told_at = now() - interval '1 minute' WHERE job_id = $1", job)
    async with db.write(world.maker.tenant) as session:
        await service.cancel(session, job, NOW)
    assert (await imports.job(job)).step == "cancelled"
