"""F12: whoever has all rights in the database changes, deletes or swaps something that was sealed, at random: ``ledger verify`` finds
it each time, and says what and where. What is consistent in itself, a database that was set back, is for witnesses and for the
worker's own memory: tests/marketplace/ledger/test_log_over_http.py."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from marketplace.db.session import Database
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log.notes import ED25519, Signer
from marketplace.ledger.service import publish_keys, sequence, sign, verify_log
from tests import own_database
from tests.faulting import report, seed_of, sized
from tests.world import World

SIGNER = Signer("log.test/tampering", ED25519, bytes(range(32)))
MOVEMENT = (
    "kind", "purpose", "quantity", "from_quantity_after", "from_held_after", "to_quantity_after", "agreement_id", "occurred_at",
    "recorded_at", "company_id", "actor_id", "command_id", "cause_kind", "cause_id", "reason_code", "note_hash", "resolves",
    "continues", "corrects", "permit_id", "counterpart_lot_id", "machine",
)  # fmt: skip
LOT = (
    "part_id", "serial", "batch", "uom", "made_on", "expires_on", "raw_marking", "registered_by", "parent_lot_id", "root_lot_id",
    "replaces_lot_id",
)  # fmt: skip
POSITION = ("owner_id", "holder_id", "site_id", "condition", "agreement_id", "beneficiary_id")
OTHER = {
    "uuid": "gen_random_uuid()", "text": "coalesce({c}, '') || 'x'", "integer": "coalesce({c}, 0) + 1",
    "bigint": "coalesce({c}, 0) + 1", "timestamp with time zone": "{c} + interval '1 microsecond'",
    "date": "coalesce({c}, current_date) + 1", "bytea": "coalesce({c} || '\\x00'::bytea, '\\x00'::bytea)",
}  # fmt: skip
Found = tuple[str, str]
"""What was done, and what a fault has to say (a pattern)."""
Tamper = Callable[[], Awaitable[Found]]


class Tampering:
    """Changes to the tables of one log, and how each is taken back."""

    def __init__(self, owner: asyncpg.Connection, chance: random.Random) -> None:
        self.owner, self.chance = owner, chance
        self.touched: set[str] = set()
        self.columns: dict[str, dict[str, str]] = {}
        self.places: dict[tuple[UUID, int], int] = {}

    async def prepare(self) -> None:
        """Keeps everything as it is."""
        tables = ("movement", "lot", "position", "log_entry", "log_salt", "log_lot_key", "log_tile", "log_checkpoint")
        for table in tables:
            await self.owner.execute(f'CREATE TABLE kept_{table} AS TABLE "{table}"')
            self.columns[table] = dict(
                await self.owner.fetch(
                    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER'",
                    table,
                )
            )
        # Somebody with all rights takes the checks away first.
        for table, check in await self.owner.fetch(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conrelid = ANY($1::regclass[])",
            [f'"{table}"' for table in tables],
        ):
            await self.owner.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{check}"')
        rows = await self.owner.fetch("SELECT lot_id, seq, position FROM log_salt ORDER BY position")
        self.places = {(r[0], r[1]): r[2] for r in rows}

    async def restore(self) -> None:
        """Takes back what was touched."""
        for table in self.touched:
            names = ", ".join(f'"{c}"' for c in self.columns[table])
            await self.owner.execute(f'DELETE FROM "{table}"')
            await self.owner.execute(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM kept_{table}')
        self.touched.clear()

    def some(self) -> tuple[UUID, int, int]:
        """A movement: lot, seq, position in the log."""
        (lot, seq), position = self.chance.choice(list(self.places.items()))
        return lot, seq, position

    async def change(self, table: str, names: Sequence[str], where: str, *values: Any) -> str:
        """Another value in a random column; the column."""
        name = self.chance.choice(names)
        value = OTHER[self.columns[table][name]].format(c=f'"{name}"')
        await self.do(table, f'UPDATE "{table}" SET "{name}" = {value} WHERE {where}', *values)
        return f"{table}.{name} changed"

    async def do(self, table: str, statement: str, *values: Any) -> None:
        self.touched.add(table)
        tag = await self.owner.execute(statement, *values)
        assert not tag.endswith(" 0"), statement

    async def movement(self) -> Found:
        lot, seq, position = self.some()
        what = await self.change("movement", MOVEMENT, "lot_id = $1 AND seq = $2", lot, seq)
        return what, rf"Entry {position} \(movement {seq} of lot {lot}\)"

    async def deleted(self) -> Found:
        lot, seq, position = self.some()
        await self.do("movement", "DELETE FROM movement WHERE lot_id = $1 AND seq = $2", lot, seq)
        return "movement deleted", f"Entry {position}: the movement that it commits to is gone"

    async def swapped(self) -> Found:
        lot = self.chance.choice([lot for lot, seq in self.places if seq == 2])
        await self.do("movement", "UPDATE movement SET seq = -seq WHERE lot_id = $1 AND seq IN (1, 2)", lot)
        await self.do("movement", "UPDATE movement SET seq = 3 + seq WHERE lot_id = $1 AND seq < 0", lot)
        return "movements swapped", rf"Entry {self.places[lot, 2]} \(movement 2 of lot {lot}\)"

    async def lot(self) -> Found:
        lot = self.some()[0]
        what = await self.change("lot", LOT, "lot_id = $1", lot)
        return what, f"Entry {self.places[lot, 1]} "

    async def position(self) -> Found:
        lot = self.some()[0]
        return await self.change("position", POSITION, "lot_id = $1 AND position_id = 1", lot), f"of lot {lot}"

    async def entry(self) -> Found:
        position = self.some()[2]
        if self.chance.random() < 0.3:
            await self.do("log_entry", "DELETE FROM log_entry WHERE position = $1", position)
            return "entry deleted", f"Entry {position} is missing|entries; {position} are there"
        bit = self.chance.randrange(65 * 8)
        await self.do(
            "log_entry",
            "UPDATE log_entry SET entry = set_bit(entry, $2, 1 - get_bit(entry, $2)) WHERE position = $1",
            position,
            bit,
        )
        return "entry changed", f"Entry {position} "

    async def salt(self) -> Found:
        lot, seq, position = self.some()
        if self.chance.random() < 0.3:
            await self.do("log_salt", "DELETE FROM log_salt WHERE position = $1", position)
            return "salt deleted", f"Entry {position}: .*gone"
        bit = self.chance.randrange(16 * 8)
        await self.do(
            "log_salt",
            "UPDATE log_salt SET salt = set_bit(salt, $2, 1 - get_bit(salt, $2)) WHERE position = $1",
            position,
            bit,
        )
        return "salt changed", rf"Entry {position} \(movement {seq} of lot {lot}\)"

    async def key(self) -> Found:
        lot = self.some()[0]
        if self.chance.random() < 0.3:
            await self.do("log_lot_key", "DELETE FROM log_lot_key WHERE lot_id = $1", lot)
            return "lot key deleted", f"of lot {lot}.*gone"
        bit = self.chance.randrange(32 * 8)
        await self.do(
            "log_lot_key",
            "UPDATE log_lot_key SET key = set_bit(key, $2, 1 - get_bit(key, $2)) WHERE lot_id = $1",
            lot,
            bit,
        )
        return "lot key changed", f"of lot {lot}"

    async def tile(self) -> Found:
        tile = self.chance.choice(await self.owner.fetch('SELECT level, "index", length(hashes) AS n FROM log_tile'))
        at = (tile["level"], tile["index"])
        if self.chance.random() < 0.3:
            await self.do("log_tile", 'DELETE FROM log_tile WHERE level = $1 AND "index" = $2', *at)
            return "tile deleted", f"Tile {at[0]}/{at[1]}"
        bit = self.chance.randrange(tile["n"] * 8)
        await self.do(
            "log_tile", 'UPDATE log_tile SET hashes = set_bit(hashes, $3, 1 - get_bit(hashes, $3)) WHERE level = $1 AND "index" = $2',
            *at, bit,
        )  # fmt: skip
        return "tile changed", f"Tile {at[0]}/{at[1]}"

    async def checkpoint(self) -> Found:
        point = self.chance.choice(await self.owner.fetch("SELECT size, note FROM log_checkpoint"))
        words = f"checkpoint of size {point['size']:,}"
        if self.chance.random() < 0.5:
            bit = self.chance.randrange(256)
            await self.do(
                "log_checkpoint", "UPDATE log_checkpoint SET root = set_bit(root, $2, 1 - get_bit(root, $2)) WHERE size = $1",
                point["size"], bit,
            )  # fmt: skip
            return "root changed", words
        at = self.chance.randrange(len(point["note"]))
        other = self.chance.choice([c for c in "AB+9\n \u2014" if c != point["note"][at]])
        note = point["note"][:at] + other + point["note"][at + 1 :]
        await self.do("log_checkpoint", "UPDATE log_checkpoint SET note = $2 WHERE size = $1", point["size"], note)
        return "signed note changed", words


name, owner, db, worker_db = own_database.FIXTURES


async def test_f12_every_change_by_somebody_with_all_rights_is_found(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    seed = seed_of("F12")
    lots = [await world.register(world.maker, 9, serial=None) for _ in range(70)]
    there = world.place(world.maker, site=world.maker.sites[1])
    for some in (lots[:40], lots[20:]):
        for kind in (
            Step(Kind.MOVE, lots[0], 1, 1, to=there),
            Step(Kind.SCRAP, lots[0], 1, 1),
            Step(Kind.HOLD, lots[0], 1, 1),
        ):
            await world.run(world.maker, *(Step(kind.kind, lot, 1, 1, to=kind.to) for lot in some))
        async with worker_db.write() as session:
            await sequence(session, datetime.now(UTC), SIGNER.name)
            await sign(session, datetime.now(UTC), [SIGNER])
    async with worker_db.write() as session:
        await publish_keys(session, [SIGNER], datetime.now(UTC))

    async def faults() -> list[str]:
        async with worker_db.read() as session:
            return (await verify_log(session)).faults

    assert await faults() == []
    await owner.execute("SET session_replication_role = replica")
    tampering = Tampering(owner, random.Random(seed))
    await tampering.prepare()
    ways: list[Tamper] = [
        tampering.movement, tampering.movement, tampering.movement, tampering.deleted, tampering.swapped, tampering.lot,
        tampering.position, tampering.entry, tampering.salt, tampering.key, tampering.tile, tampering.checkpoint,
    ]  # fmt: skip
    done: Counter[str] = Counter()
    for turn in range(sized(96, 1_000)):
        what, words = await ways[turn % len(ways)]()
        found = await faults()
        assert any(re.search(words, fault) for fault in found), (what, words, found[:5])
        done[what] += 1
        await tampering.restore()
    assert await faults() == [], "what was taken back is not found"
    report("F12", "changes by a superuser to what is sealed, each found and named by the offline verifier", seed=seed,
           changes=done.total(), kinds=len(done), found=done.total())  # fmt: skip
