"""F18 and the part of F6 that is about PostgreSQL: statements that take too long, a full pool, a database killed while
it serves. Each gives a clear 503, nothing is half done, and what was acknowledged is there after the restart.

These tests have a cluster of their own, with fsync on: the shared one is about logic, not about durability."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.app import readiness
from marketplace.db.embedded import APP, OWNER, SUPERUSER, Credentials, EmbeddedServer
from marketplace.db.session import Database, execute
from marketplace.db.setup import ensure_database, migrate
from marketplace.demo.run import revive
from marketplace.kit.errors import DomainError
from marketplace.ledger import queries
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from tests.clients import app_for, client_for, token_for
from tests.faulting import report, sized
from tests.world import World


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with tempfile.TemporaryDirectory(prefix="backstock-faults-") as folder:
        Path(folder).chmod(0o755)
        made = EmbeddedServer(Path(folder), fsync=True)
        try:
            yield made
        finally:
            made.stop(mode="immediate")


@contextlib.contextmanager
def stalled(server: EmbeddedServer) -> Iterator[None]:
    """Every process of the cluster stands still."""
    pid = server.running_pid()
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    victims = [pid, *map(int, children)]
    for victim in victims:
        os.kill(victim, signal.SIGSTOP)
    try:
        yield
    finally:
        for victim in victims:
            os.kill(victim, signal.SIGCONT)


@pytest.fixture(scope="module")
async def credentials(server: EmbeddedServer) -> Credentials:
    started = await asyncio.to_thread(server.start)
    await ensure_database(started.dsn(SUPERUSER, "postgres"), started.passwords)
    await asyncio.to_thread(migrate, started.dsn(OWNER))
    return started


@pytest.fixture
async def here(credentials: Credentials, server: EmbeddedServer) -> AsyncIterator[World]:
    """A world on the private cluster, which runs when the test begins."""
    await asyncio.to_thread(server.start)
    database = Database(credentials.dsn(APP), pool_size=8, pool_wait_seconds=0.5, statement_timeout_ms=1_000)
    owner = await asyncpg.connect(credentials.dsn(OWNER))
    yield await World.make(owner, database)
    await owner.close(timeout=5)
    await database.close()


async def test_a_statement_that_takes_too_long_is_refused(here: World) -> None:
    lot = await here.register(here.maker, 5)
    before = await here.snapshot(lot)
    with pytest.raises(DomainError) as refused:  # noqa: PT012 - the whole transaction is what is refused
        async with here.db.write(here.maker.tenant) as session:
            command = Command(uuid4(), here.maker.id, here.maker.actor, (Step(Kind.SCRAP, lot, 1, 1),), "test")
            await carry_out(session, command, datetime.now(UTC))
            await execute(session, "SELECT pg_sleep(5)")
    assert (refused.value.kind.name.lower(), refused.value.code) == ("busy", "db.gone")
    assert await here.snapshot(lot) == before


async def test_a_full_pool_answers_503_and_recovers(here: World) -> None:
    """Every connection taken: the next request is told in half a second, not left waiting; then all is well."""
    token = await token_for(here.owner, here.maker.users["planner"], here.maker.id)
    taken = asyncio.Event()
    release = asyncio.Event()

    async def occupy() -> None:
        async with here.db.read() as session:
            await session.connection()
            taken.set()
            await release.wait()

    holders = [asyncio.create_task(occupy()) for _ in range(8)]
    await taken.wait()
    await asyncio.sleep(0.2)
    async with client_for(app_for(here.db), token) as client:
        began = time.perf_counter()
        answer = await client.get("/api/v1/releases")
        assert time.perf_counter() - began < 3
        assert answer.status_code == 503
        assert answer.json()["code"] == "db.pool"
        assert answer.headers["content-type"] == "application/problem+json"
        release.set()
        await asyncio.gather(*holders)
        assert (await client.get("/api/v1/releases")).status_code == 200


async def test_a_killed_database_loses_nothing_it_acknowledged(
    here: World, server: EmbeddedServer, credentials: Credentials
) -> None:
    """PostgreSQL is killed at random points while clients write. Whatever was answered is there afterwards, whatever
    was refused is not (or, where the answer itself was lost, is there once), and the ledger adds up."""
    lots = [await here.register(here.maker, 1_000_000) for _ in range(6)]
    acknowledged: list[tuple[UUID, UUID]] = []
    doubtful: dict[UUID, UUID] = {}
    refusals: set[str] = set()

    async def client(number: int, until: asyncio.Event) -> None:
        while not until.is_set():
            lot, key = lots[number], uuid4()
            doubtful[key] = lot
            try:
                await here.run(here.maker, Step(Kind.SCRAP, lot, 1, 1), command_id=key)
            except DomainError as refusal:
                refusals.add(refusal.code)
                await asyncio.sleep(0.02)
            else:
                del doubtful[key]
                acknowledged.append((lot, key))

    for round_number in range(sized(3, 100)):
        until = asyncio.Event()
        before = len(acknowledged)
        clients = [asyncio.create_task(client(n, until)) for n in range(6)]
        async with asyncio.timeout(180):
            while len(acknowledged) == before:  # noqa: ASYNC110 - whatever the machine is busy with
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1 + 0.17 * (round_number % 4))
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.1)
        until.set()
        await asyncio.gather(*clients)
        assert "database" in await readiness(here.db)
        await asyncio.to_thread(server.start)
    assert refusals <= {"db.gone", "db.retry"}, refusals
    assert refusals, "the kill was never noticed"

    owner = await asyncpg.connect(credentials.dsn(OWNER))
    try:
        rows = await owner.fetch(
            "SELECT lot_id, command_id FROM movement WHERE kind = 'scrap' AND lot_id = ANY($1::uuid[])", lots
        )
        written = [(r[0], r[1]) for r in rows]
        assert len(written) == len(set(written)), "a command had two effects"
        assert not set(acknowledged) - set(written), "acknowledged writes were lost"
        assert set(written) - set(acknowledged) <= {(lot, key) for key, lot in doubtful.items()}
    finally:
        await owner.close()
    fresh = Database(credentials.dsn(APP), pool_size=2)
    try:
        async with fresh.read(here.maker.tenant) as session:
            for check in queries.CHECKS:
                assert not await queries.verify(session, check), check
    finally:
        await fresh.close()
    report(
        "F6", "SIGKILL of PostgreSQL alone while six clients write", kills=round_number + 1, answered=len(acknowledged),
        lost=0, twice=0, unanswered_but_written=len(set(written) - set(acknowledged)),
    )  # fmt: skip


async def test_pages_say_so_while_the_database_is_away(here: World, server: EmbeddedServer) -> None:
    """503 with what to do, on reads and writes; then the same client goes on where it was."""
    token = await token_for(here.owner, here.maker.users["planner"], here.maker.id)
    async with client_for(app_for(here.db), token) as client:
        assert (await client.get("/api/v1/releases")).status_code == 200
        await asyncio.to_thread(server.kill)
        for answer in (
            await client.get("/api/v1/releases"),
            await client.post("/api/v1/releases", json={}, headers={"Idempotency-Key": str(uuid4())}),
            await client.get("/readyz"),
        ):
            assert answer.status_code == 503, answer.text
            if "problem" in answer.headers["content-type"]:
                assert "try again" in answer.json()["detail"].lower()
        assert (await client.get("/healthz")).status_code == 200
        await asyncio.to_thread(server.start)
        answers = [(await client.get("/api/v1/releases")).status_code for _ in range(10)]
        # Pooled connections to the dead server are met and thrown away; none of them may be met twice.
        assert answers[-1] == 200, answers


async def test_a_hanging_database_is_not_waited_for_for_ever(here: World, server: EmbeddedServer) -> None:
    """The server is there and takes connections but answers nothing (a stalled disk, a lost route): each request is
    told so in the end, nothing it did is kept, and all is well when the server goes on."""
    token = await token_for(here.owner, here.maker.users["admin"], here.maker.id)
    sites = "SELECT count(*) FROM site WHERE company_id = $1"
    before = await here.owner.fetchval(sites, here.maker.id)
    new = {"code": "H", "name": "H", "place": "H", "region": "AL", "country": "US", "timezone": "America/Chicago"}
    async with client_for(app_for(here.db), token) as client:
        assert (await client.get("/api/v1/releases")).status_code == 200
        with stalled(server):
            async with asyncio.timeout(60):
                answers = await asyncio.gather(
                    client.get("/api/v1/releases"), client.post("/api/v1/sites", json=new), client.get("/readyz")
                )
        assert [a.status_code for a in answers] == [503, 503, 503], [a.text for a in answers]
        assert answers[0].json()["code"] == "db.gone"
        assert (await client.get("/healthz")).status_code == 200
        assert await here.owner.fetchval(sites, here.maker.id) == before
        assert (await client.get("/api/v1/releases")).status_code == 200
        assert (await client.post("/api/v1/sites", json=new)).status_code == 201


@contextlib.contextmanager
def disk_of_its_own(server: EmbeddedServer, free: int) -> Iterator[Path]:
    """Puts the data of a stopped cluster on a file system of its own with so many bytes to spare."""
    aside = server.pgdata.with_name("pg.aside")
    server.pgdata.rename(aside)
    server.pgdata.mkdir(mode=0o700)
    used = sum(f.stat().st_blocks * 512 for f in aside.rglob("*") if f.is_file())
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={used + free},mode=0700", "tmpfs", str(server.pgdata)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        server.pgdata.rmdir()
        aside.rename(server.pgdata)
        pytest.skip("needs the right to mount a file system of its own, which only root has")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(server.pgdata)], check=True)
        yield server.pgdata
    finally:
        server.stop(mode="immediate")
        subprocess.run(["umount", str(server.pgdata)], check=True)


async def test_a_full_disk_leaves_nothing_partial_and_is_got_over() -> None:
    """The disk fills up while clients write. Each is told, what was answered is kept, and with room again it goes on."""
    with tempfile.TemporaryDirectory(prefix="backstock-full-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
        full_server = EmbeddedServer(Path(folder), fsync=True)
        credentials = await asyncio.to_thread(full_server.start)
        await ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords)
        await asyncio.to_thread(migrate, credentials.dsn(OWNER))
        await asyncio.to_thread(full_server.stop)
        with disk_of_its_own(full_server, 40 << 20) as disk:
            await asyncio.to_thread(full_server.start)
            database = Database(credentials.dsn(APP), pool_size=8)
            owner = await asyncpg.connect(credentials.dsn(OWNER))
            world = await World.make(owner, database)
            lots = [await world.register(world.maker, 1_000_000) for _ in range(6)]
            answered: list[UUID] = []
            refused: list[str] = []

            async def client(lot: UUID, until: int) -> None:
                while len(refused) < until:
                    key = uuid4()
                    try:
                        await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1),) * 40, command_id=key)
                    except DomainError as refusal:
                        refused.append(refusal.code)
                        await asyncio.sleep(0.05)
                    else:
                        answered.append(key)

            ballast = disk / "ballast"
            room = os.statvfs(disk)
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - (256 << 10))
            async with asyncio.timeout(120):
                await asyncio.gather(*(client(lot, 30) for lot in lots))
            assert set(refused) <= {"db.resources", "db.gone"}, set(refused)
            assert "db.resources" in refused
            while_full = len(answered)
            ballast.unlink()
            # A server that ran out of room for its journal has ended itself.
            await asyncio.to_thread(full_server.start)
            await database.close()
            for lot in lots:
                await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
            await owner.close(timeout=5)
            owner = await asyncpg.connect(credentials.dsn(OWNER))
            written = await owner.fetch(
                "SELECT command_id, count(*) FROM movement WHERE kind = 'scrap' AND command_id = ANY($1::uuid[]) GROUP BY 1",
                answered,
            )
            assert {r[0]: r[1] for r in written} == dict.fromkeys(answered, 40), "acknowledged and not whole"
            partial = await owner.fetch(
                "SELECT command_id, count(*) FROM movement WHERE kind = 'scrap' GROUP BY 1 HAVING count(*) NOT IN (1, 40)"
            )
            assert partial == []
            async with database.read(world.maker.tenant) as session:
                for check in queries.CHECKS:
                    assert not await queries.verify(session, check), check
            await owner.close()
            await database.close()
    report("F18", "disk full while six clients write", refused=dict(Counter(refused)), answered=while_full, partial=0)


def test_the_demo_starts_its_database_again_when_that_was_killed(server: EmbeddedServer) -> None:
    credentials = server.start()
    assert not revive(server, credentials)
    server.kill()
    assert server.running_pid() is None
    assert revive(server, credentials)
    assert server.running_pid() is not None
