"""F6: site, worker and PostgreSQL killed with SIGKILL, in any order and often, while clients write over HTTP and repeat what was not
answered. What was answered is there, once; what was not is there at most once; the log goes on and its proofs hold."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx

from marketplace.db.embedded import APP, OWNER, SUPERUSER, WORKER, Credentials, EmbeddedServer
from marketplace.db.session import Database
from marketplace.db.setup import ensure_database, migrate
from marketplace.kit.ids import command_id
from marketplace.ledger import queries
from marketplace.ledger.service import KeyRing, verify_log
from tests.clients import token_for
from tests.faulting import report, seed_of, sized
from tests.world import World

CLIENTS = 6


class Process:
    """A process of the program that is started again whenever it was killed."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments, self._environment, self._log = arguments, environment, log
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "marketplace.cli", *self._arguments, env=self._environment, stdout=log, stderr=log
            )

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(how)
            await self._running.wait()

    @property
    def ended(self) -> bool:
        return self._running is None or self._running.returncode is not None


class Site:
    """An installation of three kinds of processes, and how to kill each."""

    def __init__(self, server: EmbeddedServer, credentials: Credentials, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.server, self.folder = f"http://127.0.0.1:{port}", server, folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")} | {
            "BACKSTOCK_DATABASE_URL": credentials.dsn(APP), "BACKSTOCK_WORKER_DATABASE_URL": credentials.dsn(WORKER),
            "BACKSTOCK_DATA_DIR": str(folder), "BACKSTOCK_LOG_LEVEL": "ERROR", "BACKSTOCK_BASE_URL": self.url,
        }  # fmt: skip
        self.site = Process(["serve", "--port", str(port), "--workers", "1"], environment, folder / "site.log")
        self.worker = Process(["worker"], environment, folder / "worker.log")

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)
        for process in (self.site, self.worker):
            if process.ended:
                await process.start()

    async def ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url) as client, asyncio.timeout(300):
            while True:
                assert not self.site.ended, (self.folder / "site.log").read_text()[-2000:]
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)


@asynccontextmanager
async def installed() -> AsyncIterator[tuple[Site, Credentials]]:
    async with AsyncExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="backstock-kills-")))
        folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
        server = EmbeddedServer(folder, fsync=True)
        ends.callback(server.stop, mode="immediate")
        credentials = await asyncio.to_thread(server.start)
        await ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords)
        await asyncio.to_thread(migrate, credentials.dsn(OWNER))
        site = Site(server, credentials, folder)
        for process in (site.site, site.worker):
            ends.push_async_callback(process.kill)
        yield site, credentials


async def scrap(client: httpx.AsyncClient, lot: UUID, key: UUID, until: asyncio.Event) -> bool:
    """Asks until it is answered, under the same key, as a client does. Whether it was."""
    body = {"lot_id": str(lot), "position_id": 1, "quantity": 1, "reason": "test"}
    while True:
        try:
            answer = await client.post("/api/v1/holdings/scraps", json=body, headers={"Idempotency-Key": str(key)})
        except httpx.TransportError:
            pass
        else:
            if answer.status_code == 201:
                return True
            # Not now, or: the first attempt of this very request is still at work.
            assert answer.status_code in {503, 409}, answer.text
        if until.is_set():
            return False
        await asyncio.sleep(0.05)


async def test_f6_what_was_acknowledged_survives_every_kill() -> None:
    seed = seed_of("F6")
    chance = random.Random(seed)
    kills: Counter[str] = Counter()
    asked: dict[UUID, UUID] = {}
    answered: set[UUID] = set()
    async with installed() as (site, credentials):
        owner = await asyncpg.connect(credentials.dsn(OWNER))
        database = Database(credentials.dsn(APP), pool_size=2)
        world = await World.make(owner, database)
        lots = [await world.register(world.maker, 1_000_000) for _ in range(CLIENTS)]
        token = await token_for(owner, world.maker.users["planner"], world.maker.id, hours=24)
        await owner.close()
        await database.close()
        await site.start()
        await site.ready()
        until = asyncio.Event()

        async def client(lot: UUID) -> None:
            async with httpx.AsyncClient(base_url=site.url, cookies={"backstock_session": token}, timeout=10) as http:
                while not until.is_set():
                    key = uuid4()
                    asked[key] = lot
                    if await scrap(http, lot, key, until):
                        answered.add(key)

        clients = [asyncio.create_task(client(lot)) for lot in lots]
        wanted = sized(9, 1_000)
        while kills.total() < wanted:
            before = len(answered)
            async with asyncio.timeout(300):
                while len(answered) < before + chance.randrange(1, 40):
                    assert not any(c.done() for c in clients), [c for c in clients if c.done()]
                    await asyncio.sleep(0.01)
            # One, two or all of them, within a moment of each other.
            for victim in chance.sample(["site", "worker", "database"], chance.choice([1, 1, 2, 3])):
                kills[victim] += 1
                if victim == "database":
                    await asyncio.to_thread(site.server.kill)
                else:
                    await {"site": site.site, "worker": site.worker}[victim].kill()
                await asyncio.sleep(chance.random() * 0.05)
            await site.start()
        await site.ready()
        until.set()
        await asyncio.gather(*clients)
        worker = Database(credentials.dsn(WORKER), pool_size=2)
        owner = await asyncpg.connect(credentials.dsn(OWNER))
        try:
            async with asyncio.timeout(300):
                while await owner.fetchval("SELECT count(*) FROM unsequenced"):  # noqa: ASYNC110 - another process empties it
                    await asyncio.sleep(0.1)
            await site.worker.kill(signal.SIGTERM)
            written = Counter(r[0] for r in await owner.fetch("SELECT command_id FROM movement WHERE kind = 'scrap'"))
            commands = {key: command_id("holdings.scrap", world.maker.id, str(key)) for key in asked}
            assert max(written.values()) == 1, "a request had two effects"
            lost = [key for key in answered if commands[key] not in written]
            assert lost == [], "acknowledged writes were lost"
            assert set(written) <= set(commands.values())
            async with worker.read(world.maker.tenant) as session:
                for check in queries.CHECKS:
                    assert not await queries.verify(session, check), check
            async with worker.read() as session:
                verdict = await verify_log(session)
            published = KeyRing(site.folder).published()
        finally:
            await owner.close()
            await worker.close()
    assert verdict.faults == []
    assert verdict.entries == len(written) + CLIENTS
    assert published is not None
    assert published.size == verdict.entries, "the last that was published is over everything"
    assert len(kills) == 3
    assert len(answered) > wanted
    report(
        "F6", "SIGKILL of site, worker and PostgreSQL while six clients write over HTTP", seed=seed, kills=dict(kills),
        answered=len(answered), lost=0, twice=0, log_entries=verdict.entries, checkpoints=verdict.checkpoints,
    )  # fmt: skip
