"""What every benchmark shares: a figure, sizes, a private cluster with fsync on, percentiles."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import httpx

from marketplace.db.embedded import APP, OWNER, SUPERUSER, Credentials, EmbeddedServer
from marketplace.db.setup import ensure_database, migrate


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. ``floor``: what the bare minimum reached in the same run, ``ratio``: value / floor."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    clients: int = 1
    note: str = ""

    def line(self) -> str:
        """The JSON line."""
        return json.dumps(asdict(self))


def size(full: int, smoke: int) -> int:
    """``full``, or ``smoke`` when BACKSTOCK_BENCH=smoke (CI runs every group small, so that none can rot)."""
    return smoke if os.environ.get("BACKSTOCK_BENCH") == "smoke" else full


def rows(full: int, smoke: int) -> int:
    """As ``size``, for tables: BACKSTOCK_BENCH_SCALE=0.3 makes 30 % of the rows, where time or disk is short."""
    return size(int(full * float(os.environ.get("BACKSTOCK_BENCH_SCALE", "1"))), smoke)


def seconds(full: float = 6.0) -> float:
    """How long a rate is measured."""
    return 0.4 if os.environ.get("BACKSTOCK_BENCH") == "smoke" else full


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the sorted values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextlib.contextmanager
def cluster() -> Iterator[Credentials]:
    """A migrated database on a server of its own, with fsync on, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="backstock-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder), fsync=True)
        try:
            yield _migrated(server)
        finally:
            server.stop(mode="immediate")


def _migrated(server: EmbeddedServer) -> Credentials:
    """The server with every migration. ``BACKSTOCK_BENCH_BASE`` names a folder in which the first of several groups leaves what it has
    migrated for the others (the tests run a dozen of them)."""
    kept = os.environ.get("BACKSTOCK_BENCH_BASE")
    if kept and Path(kept).exists():
        # With owners: the database runs as another user where one is root.
        subprocess.run(["cp", "-a", f"{kept}/.", str(server.data_dir)], check=True)
        return server.start()
    credentials = server.start()
    asyncio.run(ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords))
    migrate(credentials.dsn(OWNER))
    if kept:
        server.stop()
        subprocess.run(["cp", "-a", str(server.data_dir), kept], check=True)
        credentials = server.start()
    return credentials


@contextlib.asynccontextmanager
async def owner_of(credentials: Credentials) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the schema owner."""
    connection = await asyncpg.connect(credentials.dsn(OWNER))
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def serving(credentials: Credentials) -> AsyncIterator[str]:
    """``backstock serve`` with one process, as it comes: the address of the site."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="backstock-bench-site-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")} | {
            "BACKSTOCK_DATABASE_URL": credentials.dsn(APP), "BACKSTOCK_DATA_DIR": folder, "BACKSTOCK_LOG_LEVEL": "ERROR",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "marketplace.cli", "serve", "--port", str(port), "--workers", "1", env=environment
        )
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):
                while not await _ready(client):
                    assert process.returncode is None, "the site did not start"
                    await asyncio.sleep(0.1)
            yield url
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def timed(clients: int, rounds: int, act: Callable[[int, int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each ``act(client, round)``, ``clients`` at once."""
    taken: list[float] = []

    async def client(number: int) -> None:
        for turn in range(rounds):
            began = time.perf_counter()
            await act(number, turn)
            taken.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client(n) for n in range(clients)))
    return taken


__all__ = [
    "APP",
    "OWNER",
    "Credentials",
    "Figure",
    "cluster",
    "owner_of",
    "percentile",
    "rows",
    "seconds",
    "serving",
    "size",
    "timed",
]
