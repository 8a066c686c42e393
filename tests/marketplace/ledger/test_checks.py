"""The checks that run by themselves: whatever is broken behind the ledger's back is found and named, told once, and told again when
it holds; they go on from where they were, and look at no more than they said."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from marketplace import telemetry
from marketplace.app import create_app, measure_ledger
from marketplace.db.session import Database, fetch
from marketplace.ledger import invariants
from marketplace.ledger.entries import NewLot, Step
from marketplace.ledger.invariants import Outcome
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log.notes import COSIGNATURE, Signer
from marketplace.ledger.queries import checked
from marketplace.ledger.service import KeyRing
from marketplace.ledger.tasks import Sealer, check
from marketplace.ledger.tasks import checking as checking_module
from marketplace.settings import Settings
from tests import own_database
from tests.counting import counted
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES
OPERATOR = ("operator@backstock.example",)


class Watched:
    """A database of its own with a sealed ledger, and its checks."""

    def __init__(self, world: World, worker_db: Database, owner: asyncpg.Connection, folder: Path) -> None:
        self.world, self.worker_db, self.owner = world, worker_db, owner
        self.ring = KeyRing(folder)
        self.sealer = Sealer(worker_db, self.ring, "http://log.test")
        self.now = datetime.now(UTC)

    async def seal(self) -> None:
        await self.sealer.round(lambda: datetime.now(UTC))

    async def check(self, later: timedelta = invariants.EVERY) -> dict[str, str]:
        """One run, a quarter of an hour later: what does not hold or is late, by key."""
        self.now += later
        await check(self.worker_db, self.ring, self.now, OPERATOR)
        return {
            r[0]: r[1]
            for r in await self.owner.fetch(
                "SELECT key, outcome FROM check_result WHERE run_id = (SELECT id FROM check_run ORDER BY at DESC LIMIT 1) "
                "AND outcome <> 'holds'"
            )
        }

    async def mails(self) -> list[dict[str, Any]]:
        rows = await self.owner.fetch("SELECT payload FROM outbox_event WHERE name = 'ledger.checked' ORDER BY id")
        return [r[0]["mail"] for r in rows]

    async def broken(self, *statements: str) -> None:
        """As a superuser would, with no trigger and no constraint in the way."""
        await self.owner.execute("SET session_replication_role = replica")
        try:
            for one in statements:
                await self.owner.execute(one)
        finally:
            await self.owner.execute("SET session_replication_role = origin")


@pytest.fixture
async def watched(world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path) -> Watched:
    return Watched(world, worker_db, owner, tmp_path)


BROKEN = {
    # What a superuser does: (statements, the check that names it). {lot}: ten of which two are reserved; {unit}: a serial number.
    "a stock line raised": (["UPDATE position SET quantity = 11 WHERE lot_id = '{lot}' AND position_id = 1"], {"sums", "balances", "families"}),
    "a transaction changed": (["UPDATE movement SET quantity = 12 WHERE lot_id = '{lot}' AND seq = 1"], {"sums", "families", "entries"}),
    "a reservation raised": (["UPDATE position SET held = 3 WHERE lot_id = '{lot}' AND position_id = 1"], {"reserved"}),
    "a reservation gone": (["DELETE FROM open_hold WHERE lot_id = '{lot}'"], {"reservations"}),
    "more reserved than there is": (
        ["ALTER TABLE position DROP CONSTRAINT ck_position_held", "UPDATE position SET held = 99 WHERE lot_id = '{lot}' AND position_id = 1"],
        {"reserved", "bounds"},
    ),
    "a transaction deleted": (["DELETE FROM movement WHERE lot_id = '{unit}' AND seq = 2"], {"numbering", "entries"}),
    "a number raised": (["UPDATE lot SET last_seq = last_seq + 1 WHERE lot_id = '{unit}'"], {"numbering"}),
    "a transaction dated back": (
        ["UPDATE movement SET recorded_at = recorded_at - interval '1 year' WHERE lot_id = '{unit}' AND seq = 2"], {"order", "entries"},
    ),
    "a unit in two places": (
        ["DROP INDEX uq_position_serialised", ("INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, "
         "condition, quantity) SELECT lot_id, 99, part_id, true, owner_id, holder_id, NULL, condition, 1 FROM position "
         "WHERE lot_id = '{unit}' AND quantity > 0")],
        {"one_place", "sums", "balances", "families"},
    ),
    "an entry of the log changed": (["UPDATE log_entry SET entry = set_byte(entry, 40, 255 - get_byte(entry, 40)) WHERE position = 1"], {"entries"}),
    "an entry of the log gone": (["DELETE FROM log_entry WHERE position = 1"], {"entries"}),
    "a tile changed": (["UPDATE log_tile SET hashes = set_byte(hashes, 1, 255 - get_byte(hashes, 1)) WHERE level = 0"], {"entries", "checkpoint", "published"}),
    "the root of a checkpoint changed": (["UPDATE log_checkpoint SET root = sha256('x')"], {"checkpoint"}),
    "a signature changed": (["UPDATE log_checkpoint SET note = replace(note, '/log/', '/lag/')"], {"checkpoint"}),
    "checkpoints gone": (["DELETE FROM log_checkpoint"], {"log_size", "published"}),
    "the log set back": (
        ["DELETE FROM log_checkpoint", "DELETE FROM log_entry WHERE position >= 2", "DELETE FROM log_salt WHERE position >= 2",
         "UPDATE log_state SET size = 2"],
        {"log_size", "published"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
async def test_whatever_is_broken_is_found_and_named(watched: Watched, what: str) -> None:
    world = watched.world
    lot = await world.register(world.maker, 10)
    unit = await world.register(world.maker, serial="S-1")
    await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1), Step(Kind.FREEZE, unit, 1, 1))
    await watched.seal()
    assert await watched.check() == {}
    statements, expected = BROKEN[what]
    await watched.broken(*(s.format(lot=lot, unit=unit) for s in statements))
    found = await watched.check()
    assert {key for key, outcome in found.items() if outcome == "broken"} == expected
    rows = await watched.owner.fetch("SELECT key, lot_id, words FROM check_finding ORDER BY id")
    assert {r["key"] for r in rows} == expected
    of_lots = [r for r in rows if invariants.BY_KEY[r["key"]].check]
    assert {r["lot_id"] for r in of_lots} <= {lot, unit}
    assert all(r["lot_id"] for r in of_lots)
    assert len(await watched.mails()) == 1
    alarms = await watched.owner.fetch("SELECT kind, words FROM log_alarm")
    assert [a["kind"] for a in alarms] == ["check"]
    assert str(lot) not in alarms[0]["words"], "everybody reads it"
    said = " ".join(r[0] for r in await watched.owner.fetch("SELECT words FROM check_result"))
    assert str(lot) not in said
    assert str(unit) not in said
    # Nothing was mended: it goes on being said, and nobody is told twice.
    assert await watched.check() == found
    assert len(await watched.mails()) == 1


async def test_it_goes_red_and_comes_back_and_is_told_once_each(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking_module, "MOST_SWEPT", 3)
    world = watched.world
    lots = sorted([await world.register(world.maker, 5) for _ in range(10)])
    await watched.seal()
    assert await watched.check() == {}
    await watched.broken(f"UPDATE position SET quantity = 6 WHERE lot_id = '{lots[7]}'")
    said = [set(await watched.check()) for _ in range(5)]
    assert said[0] == set(), "its turn has not come: nothing touched it"
    assert said[1] == said[2] == said[3] == said[4] == {"sums", "balances", "families"}, (
        "found in its turn, and looked at again"
    )
    assert len(await watched.mails()) == 1
    assert (await watched.mails())[0]["to"] == list(OPERATOR)
    assert "the ledger does not add up" in (await watched.mails())[0]["subject"]
    assert await check(watched.worker_db, watched.ring, watched.now + timedelta(seconds=1), OPERATOR) is Outcome.BROKEN
    await watched.broken(f"UPDATE position SET quantity = 5 WHERE lot_id = '{lots[7]}'")
    assert await watched.check() == {}
    assert [m["subject"].split(":")[0] for m in await watched.mails()] == ["ALARM", "The ledger holds again"]
    # A lot that is touched does not wait for its turn.
    await world.run(world.maker, Step(Kind.SCRAP, lots[0], 1, 1))
    await watched.seal()
    await watched.broken(f"UPDATE position SET quantity = 9 WHERE lot_id = '{lots[0]}'")
    assert set(await watched.check()) == {"sums", "balances", "families"}
    run = (await watched.owner.fetch("SELECT lots, entries, touched_through FROM check_run ORDER BY at DESC LIMIT 1"))[
        0
    ]
    assert (run["lots"] <= 2 + 3, run["entries"], run["touched_through"]) == (True, 11, 11)


async def test_however_much_is_wrong_a_run_stays_small(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking_module, "MOST_ENTRIES", 256)
    world = watched.world
    for _ in range(5):
        await world.run(
            world.maker,
            *(
                Step(Kind.REGISTER, lot, 1, to=world.place(world.maker), new_lot=NewLot(lot, world.part, "EA"))
                for lot in (uuid4() for _ in range(150))
            ),
        )
    await watched.seal()
    await watched.broken(
        "UPDATE log_entry SET entry = set_byte(entry, 40, 255 - get_byte(entry, 40))",
        "UPDATE position SET quantity = 2",
    )
    for _ in range(6):
        assert {"entries", "sums"} <= set(await watched.check())
        looked, found = await watched.owner.fetchrow(
            "SELECT r.entries, (SELECT count(*) FROM check_finding f WHERE f.run_id = r.id) FROM check_run r ORDER BY at DESC LIMIT 1"
        )
        assert looked <= 512
        assert found <= 100 * len(invariants.INVARIANTS)
    assert len(await watched.mails()) == 1


async def test_what_is_late_is_told_and_is_no_alarm(watched: Watched) -> None:
    world, owner = watched.world, watched.owner
    lot = await world.register(world.maker, 5)
    await watched.seal()
    await owner.execute(
        "INSERT INTO log_witness (company_id, name, vkey, registered_by, registered_at) VALUES ($1, 'w.test/1', $2, $1, $3)",
        world.maker.id, Signer("w.test/1", COSIGNATURE, secrets.token_bytes(32)).key.vkey, watched.now,
    )  # fmt: skip
    assert await watched.check() == {}
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    assert await watched.check() == {"queue": "late"}
    assert await watched.check(timedelta(days=2)) == {"queue": "late", "witnesses": "late"}
    await watched.seal()
    (watched.ring._folder / "published").unlink()
    await owner.execute("DELETE FROM log_checkpoint WHERE size = 2")
    found = await watched.check(timedelta(minutes=1))
    assert found == {"witnesses": "late", "published": "late", "checkpoint": "late"}
    assert await owner.fetchval("SELECT count(*) FROM log_alarm") == 0
    assert [len(m["text"].splitlines()) > 2 for m in await watched.mails()] == [True] * 3


async def test_a_run_reads_a_constant_number_of_statements_and_only_one_writes(
    watched: Watched, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = watched.world, watched.owner

    async def statements(lots: int) -> int:
        for _ in range(lots):
            await world.register(world.maker, 5)
        await watched.seal()
        with counted(watched.worker_db) as seen:
            await watched.check()
        return len(seen)

    await watched.check()
    assert await owner.fetchval("SELECT outcome FROM check_run") == "holds", "nothing there yet is no fault"
    assert await statements(2) == await statements(30)
    # Another worker writes a run down while this one looks.
    real = checking_module.look_at_log

    async def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(checking_module, "look_at_log", real)
        await check(watched.worker_db, watched.ring, watched.now + timedelta(seconds=5), OPERATOR)
        return await real(*args)

    before = await owner.fetchval("SELECT count(*) FROM check_run")
    monkeypatch.setattr(checking_module, "look_at_log", meanwhile)
    assert await check(watched.worker_db, watched.ring, watched.now + timedelta(seconds=9), OPERATOR) is None
    assert await owner.fetchval("SELECT count(*) FROM check_run") == before + 1
    # The findings are for operators, and row security says so too.
    await watched.broken("UPDATE position SET quantity = 6")
    await watched.check()
    last = await owner.fetchval("SELECT id FROM check_run ORDER BY at DESC LIMIT 1")
    async with db.read(world.maker.tenant) as session:
        assert await fetch(session, "SELECT * FROM check_finding") == []
        assert len(await checked.findings_for_operators(session, last)) > 30


async def test_old_runs_are_thinned_to_one_a_day(watched: Watched) -> None:
    owner = watched.owner
    await owner.execute(
        "INSERT INTO check_run (at, milliseconds, outcome, lots, transactions, entries, waiting, lag_seconds, entries_through, log_size, "
        "signed_size) SELECT $1::timestamptz - n * interval '1 hour', 1, CASE WHEN n = 800 THEN 'broken' ELSE 'holds' END, 0, 0, 0, 0, 0, "
        "0, 0, 0 FROM generate_series(1, 1000) n",
        datetime(2026, 11, 30, tzinfo=UTC),
    )
    watched.now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    await watched.check()
    edge = datetime(2026, 11, 16, 12, 15, tzinfo=UTC)
    old = await owner.fetch("SELECT at, outcome FROM check_run WHERE at < $1", edge)
    assert len(old) == 29 + 1, "one for each day, and the one in which something was found"
    assert sum(r["outcome"] == "broken" for r in old) == 1
    assert await owner.fetchval("SELECT count(*) FROM check_run WHERE at >= $1", edge) == 323 + 1


async def test_the_metrics_say_it(watched: Watched, db: Database) -> None:
    world = watched.world
    lot = await world.register(world.maker, 5)
    await watched.seal()
    await watched.broken(f"UPDATE position SET quantity = 6 WHERE lot_id = '{lot}'")
    await watched.check(timedelta(0))
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    transport = httpx.ASGITransport(app=create_app(Settings(), database=db))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        text = (await client.get("/metrics")).text
    assert 'backstock_ledger_check_ok{check="sums"} 0.0' in text
    assert 'backstock_ledger_check_ok{check="order"} 1.0' in text
    for line in (
        "backstock_log_queue 1.0",
        "backstock_log_unsigned_entries 0.0",
        "backstock_log_alarms 1.0",
        "backstock_ledger_read_ok 1.0",
    ):
        assert line in text
    await measure_ledger(db, watched.now + timedelta(hours=1))
    assert telemetry.LAST_CHECK._value.get() == 3600
    away = Database("postgresql://nobody:x@127.0.0.1:1/none", pool_size=1)
    await measure_ledger(away, watched.now)
    await away.close()
    assert telemetry.LEDGER_READ._value.get() == 0
