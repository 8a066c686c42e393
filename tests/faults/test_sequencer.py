"""F7: a sequencer that dies at each of its steps, a clock that jumps back. F8: what commits out of order is neither missed nor
misordered, by the log and by whoever reads it by position."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from marketplace.db.embedded import SUPERUSER, WORKER, Credentials
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.merkle import Frontier, leaf_hash
from marketplace.ledger.service import KeyRing, carry_out, root_at, verify_log
from marketplace.ledger.tasks import Sealer
from tests import own_database
from tests.faulting import report, seed_of, sized
from tests.world import World

BASE = "http://log.test"


def now() -> datetime:
    return datetime.now(UTC)


name, owner, db, worker_db = own_database.FIXTURES


class Dying:
    """A database whose connection is cut after so many statements, the beginning and the end of transactions among them."""

    def __init__(self, database: Database, after: int) -> None:
        self.database, self.left, self.died = database, after, False

    @contextmanager
    def watched(self) -> Iterator[None]:
        engine = self.database.engine.sync_engine

        def count(connection: Any, record: LoggedQuery) -> None:
            if re.search(r"pg_type|set_config\('jit'", record.query):
                return
            self.left -= 1
            if self.left == 0:
                self.died = True
                connection.terminate()

        def out(connection: Any, _record: object, _proxy: object) -> None:
            driver = connection.driver_connection
            driver.add_query_logger(lambda record: count(driver, record))

        event.listen(engine, "checkout", out)
        try:
            yield
        finally:
            event.remove(engine, "checkout", out)


async def consistent(worker_db: Database, owner: asyncpg.Connection, ring: KeyRing) -> int:
    """Nothing waits, every movement is in the log once and each lot's in order, every signature and root holds, and each root that was
    signed is still that of its size. The size."""
    assert await owner.fetchval("SELECT count(*) FROM unsequenced") == 0
    size: int = await owner.fetchval("SELECT size FROM log_state")
    assert await owner.fetchval("SELECT count(*) FROM movement") == size
    disorder = (
        "SELECT count(*) FROM (SELECT seq, row_number() OVER (PARTITION BY lot_id ORDER BY position) AS place FROM log_salt) x "
        "WHERE seq <> place"
    )
    assert await owner.fetchval(disorder) == 0
    async with worker_db.read() as session:
        verdict = await verify_log(session)
    assert (verdict.entries, verdict.faults) == (size, [])
    published = ring.published()
    assert published is not None
    assert published.size == size
    async with worker_db.write() as session:
        for point in await owner.fetch("SELECT size, root FROM log_checkpoint"):
            assert await root_at(session, point["size"]) == point["root"]
    return size


@pytest.mark.parametrize("begun", [False, True], ids=["at-its-beginning", "later"])
async def test_f7_a_sequencer_that_dies_at_any_step_leaves_no_gap(
    world: World,
    worker_db: Database,
    owner: asyncpg.Connection,
    cluster: Credentials,
    name: str,
    tmp_path: Path,
    *,
    begun: bool,
) -> None:
    lots = [await world.register(world.maker, 10_000) for _ in range(3)]
    steps, deaths = 0, 0
    while True:
        steps += 1
        # What is older than the queue, and what waits in it.
        if not begun:
            await owner.execute(
                "TRUNCATE log_state, log_entry, log_salt, log_lot_key, log_tile, log_checkpoint, log_cosignature, log_key, unsequenced"
            )
        ring = KeyRing(tmp_path if begun else tmp_path / str(steps))
        if begun:
            await Sealer(worker_db, ring, BASE).round(now)
        await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in lots))
        mortal = Database(cluster.dsn(WORKER, name), pool_size=1)
        dying = Dying(mortal, steps)
        with dying.watched(), suppress(DomainError):
            await Sealer(mortal, ring, BASE).round(now)
        await mortal.close()
        deaths += dying.died
        # The server may not have noticed yet that the other one is gone, and keep its lock.
        async with asyncio.timeout(30):
            while (point := ring.published()) is None or point.size < await owner.fetchval(
                "SELECT count(*) FROM movement"
            ):
                await Sealer(worker_db, ring, BASE).round(now)
        await consistent(worker_db, owner, ring)
        if not dying.died:
            break
    assert deaths > 15
    report("F7", f"sequencer cut off after each of its statements, {'later' if begun else 'at the beginning of the log'}",
           steps=deaths, gaps=0, roots_that_changed=0)  # fmt: skip


async def test_f7_died_before_it_could_keep_what_it_published(
    world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.register(world.maker, 5)
    ring = KeyRing(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ring, "keep_published", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(OSError, match="no space"):
            await Sealer(worker_db, ring, BASE).round(now)
    assert ring.published() is None
    await world.register(world.maker, 5)
    await Sealer(worker_db, ring, BASE).round(now)
    assert await consistent(worker_db, owner, ring) == 2


async def test_f7_a_clock_that_jumps_back_reorders_nothing(
    world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    """The sequencer's own clock runs backwards, and that of the database was ahead by a day when the lots were last written."""
    ring, began = KeyRing(tmp_path), now()
    lots = [await world.register(world.maker, 50) for _ in range(3)]
    await owner.execute("UPDATE lot SET last_recorded_at = last_recorded_at + interval '1 day'")
    sealer = Sealer(worker_db, ring, BASE)
    for turn in range(6):
        await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in lots))
        earlier = began - timedelta(hours=7 * turn)
        await sealer.round(lambda at=earlier: at)  # type: ignore[misc]
    assert await consistent(worker_db, owner, ring) == 21
    recorded = "SELECT count(*) FROM movement m JOIN movement n USING (lot_id) WHERE n.seq = m.seq + 1 AND n.recorded_at <= m.recorded_at"
    assert await owner.fetchval(recorded) == 0
    signed = await owner.fetch("SELECT size, signed_at FROM log_checkpoint ORDER BY size")
    assert [r["signed_at"] for r in signed] == sorted((r["signed_at"] for r in signed), reverse=True)
    report(
        "F7",
        "clock set back seven hours before each of six checkpoints, database a day behind its last rows",
        reordered=0,
    )


class Feed:
    """Whoever reads the log by position: takes what is behind the last that it has, and nothing twice."""

    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner
        self.taken: list[tuple[UUID, int]] = []
        self.tree = Frontier()

    async def read(self) -> None:
        rows = await self._owner.fetch(
            "SELECT s.lot_id, s.seq, e.position, e.entry FROM log_entry e JOIN log_salt s USING (position) WHERE e.position >= $1 "
            "ORDER BY e.position",
            self.tree.size,
        )
        for row in rows:
            assert row["position"] == self.tree.size, "a position was passed over"
            assert len(row["entry"]) == entries.ENTRY_SIZE
            self.tree.append(leaf_hash(row["entry"]))
            self.taken.append((row["lot_id"], row["seq"]))


async def test_f8_what_commits_out_of_order_is_neither_missed_nor_misordered(
    world: World, worker_db: Database, owner: asyncpg.Connection, cluster: Credentials, name: str, tmp_path: Path
) -> None:
    seed, writers, wanted = seed_of("F8"), sized(12, 20), sized(1_000, 100_000)
    lots = [await world.register(world.maker, 10_000_000) for _ in range(24)]
    ring, done, given_up = KeyRing(tmp_path), 0, 0

    async def writer(chance: random.Random) -> None:
        nonlocal done, given_up
        while done < wanted:
            chosen = chance.sample(lots, chance.randint(1, 5))
            command = Command(
                uuid4(), world.maker.id, world.maker.actor, tuple(Step(Kind.SCRAP, lot, 1, 1) for lot in chosen), "test"
            )
            try:
                async with world.db.write(world.maker.tenant) as session:
                    await carry_out(session, command, now())
                    # The locks of these lots are held meanwhile: others, begun later, commit before.
                    await asyncio.sleep(chance.random() ** 4 * 0.03)
                    if chance.random() < 0.1:
                        raise LookupError  # changed its mind: none of it may be seen
            except LookupError:
                given_up += 1
            else:
                done += len(chosen)

    async def sealing() -> None:
        sealer = Sealer(worker_db, ring, BASE)
        while not ended.is_set():
            await sealer.round(now)
            await asyncio.sleep(0.005)

    async def following() -> Feed:
        connection = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
        feed = Feed(connection)
        while not ended.is_set():
            await feed.read()
            await asyncio.sleep(0.02)
        await feed.read()
        await connection.close()
        return feed

    ended = asyncio.Event()
    feed = asyncio.create_task(following())
    both = [asyncio.create_task(sealing()) for _ in range(2)]
    await asyncio.gather(*(writer(random.Random(f"{seed}-{n}")) for n in range(writers)))
    async with asyncio.timeout(60):
        while (point := ring.published()) is None or point.size < done + len(lots):  # noqa: ASYNC110 - a file wakes nobody
            await asyncio.sleep(0.02)
    ended.set()
    await asyncio.gather(*both)
    read = await feed
    assert await consistent(worker_db, owner, ring) == done + len(lots)
    assert len(read.taken) == len(set(read.taken)) == done + len(lots), "missed or read twice"
    last: Counter[UUID] = Counter()
    for lot, seq in read.taken:
        assert seq == last[lot] + 1, "out of a lot's order"
        last[lot] = seq
    assert read.tree.root == (ring.published() or pytest.fail("nothing was published")).root
    late = await owner.fetchval(
        "SELECT count(*) FROM (SELECT m.recorded_at, max(m.recorded_at) OVER (ORDER BY s.position ROWS UNBOUNDED PRECEDING) AS newest "
        "FROM log_salt s JOIN movement m USING (lot_id, seq)) x WHERE recorded_at < newest"
    )
    assert late > done / 100, "hardly anything committed out of order"
    assert given_up
    report("F8", f"{writers} writers whose transactions stay open at random, two sequencers, a reader by position", seed=seed,
           events=done, recorded_before_one_that_stands_before_it=late, taken_back=given_up, missed=0, misordered=0)  # fmt: skip
