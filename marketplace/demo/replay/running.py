"""Many requests at once: workers in one or several processes, each with its connections, at a chosen speed, until they are told to
stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from types import FrameType
from uuid import UUID

from marketplace.app import spare_the_collector
from marketplace.db.session import Database, Tenant
from marketplace.demo.cast import MANUFACTURER
from marketplace.demo.data.read import load_requests, load_stations
from marketplace.demo.loader import Progress
from marketplace.demo.replay.asking import Counted, Desk, answer
from marketplace.demo.replay.stream import Asking, Spot, destinations, in_order
from marketplace.demo.replay.tally import Tally
from marketplace.parties import queries as parties
from marketplace.sourcing.freight import Point

COUNT_EVERY = 25
"""Of so many requests the statements of one are counted."""
_TOLD = 10
_LOOK = 0.2
_START = 120
"""Seconds in which every process has read the records and opened its connections; the stream begins in all of them at once."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be replayed. ``days_per_second``: None for as fast as it goes. ``share`` of ``of``: which part of the stream a
    process takes."""

    app_dsn: str
    run: str
    seed: int
    workers: int
    limit: int | None = None
    days_per_second: float | None = None
    share: int = 0
    of: int = 1


def stream(order: Order) -> list[Asking]:
    """The requests of this process's share, in order of time."""
    return in_order(load_requests(), order.seed, order.limit)[order.share :: order.of]


async def desk_of(database: Database, run: str) -> Desk:
    """The people who ask, and the sites that units come to. Raises ``user.not_found`` where this is no demo world."""
    at = MANUFACTURER[2]
    async with database.read() as session:
        planner = await parties.actor_by_email(session, f"planner@{at}")
    async with database.read() as session:
        technician = await parties.actor_by_email(session, f"technician@{at}")
    async with database.read(Tenant(technician.company_id)) as session:
        sites = [
            s for s in await parties.sites(session, technician, limit=50) if s.lat is not None and s.closed_at is None
        ]
    own = [Spot(s.id, s.lat, s.lon) for s in sites if s.lat is not None and s.lon is not None]
    points: dict[UUID, Point] = {s.id: Point(s.lat, s.lon, s.country) for s in sites}
    return Desk(run, technician, planner, destinations(load_stations(), own), points)


async def work(
    order: Order,
    stop: asyncio.Event,
    told: Callable[[int], None],
    askings: Sequence[Asking] | None = None,
    together: Callable[[], object] | None = None,
) -> Tally:
    """Asks this process's share of the stream (or ``askings``) with ``order.workers`` tasks, until it ends or ``stop`` is set; what was begun is
    finished. ``told`` hears how many were answered since it heard last."""
    database = Database(order.app_dsn, pool_size=order.workers, application="backstock replay")
    counted = Counted(Database(order.app_dsn, pool_size=1, application="backstock replay, counted"))
    tally = Tally()
    try:
        desk = await desk_of(database, order.run)
        await counted.listen()
        rest = iter(stream(order) if askings is None else askings)
        # As the application does when it starts: what is loaded by now stays.
        spare_the_collector()
        if together is not None:
            await asyncio.to_thread(together)
        tally.began = time.time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(order.workers):
                tasks.create_task(_worker(database, counted, desk, order, rest, tally, stop, told))
        tally.ended = time.time()
    finally:
        await database.close()
        await counted.database.close()
    return tally


async def _worker(
    database: Database,
    counted: Counted,
    desk: Desk,
    order: Order,
    rest: Iterator[Asking],
    tally: Tally,
    stop: asyncio.Event,
    told: Callable[[int], None],
) -> None:
    for asking in rest:
        if order.days_per_second and not await _its_time(tally.began, order.days_per_second, asking, stop):
            return
        if stop.is_set():
            return
        try:
            await _one(database, counted, desk, asking, tally, count=asking.number % COUNT_EVERY == 0)
        except Exception as defect:  # noqa: BLE001 - one defect is counted and told, and does not hide what the others came to
            tally.failures[f"{type(defect).__name__}: {str(defect).splitlines()[0] if str(defect) else ''}"] += 1
        told(1)


async def _one(database: Database, counted: Counted, desk: Desk, asking: Asking, tally: Tally, *, count: bool) -> None:
    now = datetime.now(UTC)
    if not count or counted.lock.locked():
        await answer(database, desk, asking, now, tally)
        return
    async with counted.lock:
        counted.taken()
        await answer(counted.database, desk, asking, now, tally)
        tally.statements.append(counted.taken())


async def _its_time(began: float, days_per_second: float, asking: Asking, stop: asyncio.Event) -> bool:
    """Waits until the request comes; False when the replay is stopped before."""
    left = began + asking.at / days_per_second - time.time()
    if left <= 0:
        return not stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), left)
    except TimeoutError:
        return True
    return False


# -- several processes ---------------------------------------------------------------------------------------


def _process(order: Order, pipe: Connection, ready: Barrier) -> None:
    import uvloop

    pipe.send(uvloop.run(_told_by_pipe(order, pipe, ready)))
    pipe.close()


async def _told_by_pipe(order: Order, pipe: Connection, ready: Barrier) -> Tally:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    waiting = 0

    def told(count: int) -> None:
        nonlocal waiting
        waiting += count
        if waiting >= _TOLD:
            pipe.send(waiting)
            waiting = 0

    return await work(order, stop, told, together=lambda: ready.wait(_START))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it, how long it took, and whether it was stopped before its end."""

    tally: Tally
    seconds: float
    stopped: bool
    wanted: int


def replay(order: Order, processes: int, progress: Progress) -> Replayed:
    """Asks the stream with ``order.workers`` workers spread over so many processes. Ctrl-C and SIGTERM end it: what was begun is
    finished and counted. Raises RuntimeError where a process ended without a count."""
    wanted = len(in_order(load_requests(), order.seed, order.limit))
    context = get_context("spawn")
    children: list[tuple[SpawnProcess, Connection]] = []
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        for child, _ in children:
            if child.pid is not None and child.is_alive():
                os.kill(child.pid, signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    tally, done, ready = Tally(), 0, context.Barrier(processes)
    try:
        for share in range(processes):
            workers = (order.workers - share + processes - 1) // processes
            reading, writing = context.Pipe(duplex=False)
            mine = replace(order, workers=workers, share=share, of=processes)
            child = context.Process(target=_process, args=(mine, writing, ready), daemon=True)
            child.start()
            writing.close()
            children.append((child, reading))
        open_pipes = [pipe for _, pipe in children]
        progress("requests", 0, wanted)
        while open_pipes:
            for pipe in wait(open_pipes, _LOOK):
                assert isinstance(pipe, Connection)  # noqa: S101 - pipes are all that is waited for
                try:
                    said = pipe.recv()
                except EOFError:
                    open_pipes.remove(pipe)
                    continue
                if isinstance(said, Tally):
                    tally.add(said)
                else:
                    done += said
                    progress("requests", min(done, wanted - 1), wanted)
        for child, _ in children:
            child.join()
        if any(child.exitcode for child, _ in children):
            raise RuntimeError("a process of the replay ended early; its message stands above")
        progress("requests", wanted if not stopped else min(tally.asked, wanted), wanted)
    finally:
        for child, _ in children:
            child.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    return Replayed(tally, max(tally.ended - tally.began, 0.0), stopped, wanted)
