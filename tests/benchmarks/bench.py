"""What every benchmark shares: a figure, sizes, a private cluster with fsync on, percentiles."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

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
            credentials = server.start()
            asyncio.run(ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords))
            migrate(credentials.dsn(OWNER))
            yield credentials
        finally:
            server.stop(mode="immediate")


@contextlib.asynccontextmanager
async def owner_of(credentials: Credentials) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the schema owner."""
    connection = await asyncpg.connect(credentials.dsn(OWNER))
    try:
        yield connection
    finally:
        await connection.close()


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
    "size",
    "timed",
]
