"""The log of the ledger: movements are sequenced densely and in order, whoever dies on the way; what is signed goes on."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.embedded import OWNER, WORKER, Credentials
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log.merkle import leaf_hash, node_hash
from marketplace.ledger.log.notes import ED25519, Checkpoint, Signer, open_checkpoint, parse_note
from marketplace.ledger.log.notes import sign as notes_sign
from marketplace.ledger.queries import log as log_queries
from marketplace.ledger.service import (
    KeyRing,
    LogVerdict,
    begin_anew,
    bundle_of,
    hear_evidence,
    publish_keys,
    sequence,
    sign,
    verify_log,
)
from marketplace.ledger.tasks import Sealer, sealing
from marketplace.ledger.tasks import check as check_ledger
from tests import own_database
from tests.counting import counted
from tests.marketplace.ledger import verify_bundle
from tests.world import Party, World

ORIGIN = "log.test/ledger"
SIGNER = Signer(ORIGIN, ED25519, bytes(range(32)))


name, owner, db, worker_db = own_database.FIXTURES


async def sequenced(worker_db: Database, limit: int = 5_000) -> int | None:
    async with worker_db.write() as session:
        return await sequence(session, datetime.now(UTC), ORIGIN, limit=limit)


async def signed(worker_db: Database, last: Checkpoint | None = None) -> Checkpoint | None:
    async with worker_db.write() as session:
        return await sign(session, datetime.now(UTC), [SIGNER], last)


def tree(hashes: list[bytes]) -> bytes:
    """RFC 6962, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(tree(hashes[:k]), tree(hashes[k:]))


async def check(owner: asyncpg.Connection, size: int) -> None:
    """Every movement has one place, each lot's in order, and every entry is that of its movement."""
    rows = await owner.fetch(
        "SELECT s.position, s.lot_id, s.seq, s.salt, k.key, e.entry FROM log_salt s JOIN log_lot_key k USING (lot_id) "
        "JOIN log_entry e USING (position) ORDER BY position"
    )
    assert [r["position"] for r in rows] == list(range(size))
    assert {(r["lot_id"], r["seq"]) for r in rows} == {
        (r[0], r[1]) for r in await owner.fetch("SELECT lot_id, seq FROM movement")
    }
    last: dict[UUID, int] = {}
    for r in rows:
        assert r["seq"] == last.get(r["lot_id"], 0) + 1
        last[r["lot_id"]] = r["seq"]
        assert entries.taken_apart(r["entry"]).tag == entries.tag(r["key"], r["seq"])
    assert await owner.fetchval("SELECT size FROM log_state") == size
    point = await owner.fetchrow("SELECT size, root, note FROM log_checkpoint ORDER BY size DESC LIMIT 1")
    if point is not None and point["size"] == size:
        assert point["root"] == tree([leaf_hash(r["entry"]) for r in rows])
        assert open_checkpoint(parse_note(point["note"]), [SIGNER.key]) == Checkpoint(ORIGIN, size, point["root"])


async def test_what_was_before_the_log_comes_first_and_then_what_comes(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    lots = [await world.register(world.maker, 5) for _ in range(3)]
    for lot in reversed(lots):
        await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    # As a database has them that is older than the log.
    await owner.execute("DELETE FROM unsequenced")
    assert await sequenced(worker_db) == 6
    order = await owner.fetch(
        "SELECT s.lot_id, m.recorded_at FROM log_salt s JOIN movement m USING (lot_id, seq) ORDER BY position"
    )
    assert [r["recorded_at"] for r in order] == sorted(r["recorded_at"] for r in order)
    assert await signed(worker_db) is not None
    await check(owner, 6)
    assert await sequenced(worker_db) == 0
    await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in lots))
    assert [await sequenced(worker_db, 2), await sequenced(worker_db, 2)] == [2, 1]
    before = await owner.fetchval("SELECT note FROM log_checkpoint")
    assert await signed(worker_db) == await signed(worker_db), "nothing new, nothing to sign"
    assert await owner.fetchval("SELECT count(*) FROM log_checkpoint") == 2
    await check(owner, 9)
    assert before in [r[0] for r in await owner.fetch("SELECT note FROM log_checkpoint")]


async def test_two_sequencers_and_many_writers_leave_no_gap(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    lots = [await world.register(world.maker, 200) for _ in range(8)]
    writing = True

    async def writer(lot: UUID) -> None:
        for _ in range(30):
            await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1), Step(Kind.HOLD, lot, 1, 1))

    async def sequencer() -> int:
        done = 0
        while True:
            found = await sequenced(worker_db, 7)
            done += found or 0
            await signed(worker_db)
            if found == 0 and not writing:
                return done

    both = [asyncio.create_task(sequencer()) for _ in range(2)]
    await asyncio.gather(*(writer(lot) for lot in lots))
    writing = False
    assert sum(await asyncio.gather(*both)) == 8 + 8 * 60
    await check(owner, 8 + 8 * 60)
    sizes = [r[0] for r in await owner.fetch("SELECT size FROM log_checkpoint ORDER BY size")]
    assert len(set(sizes)) == len(sizes) > 1


async def test_what_is_not_in_the_queue_stops_the_log_instead_of_being_passed_over(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    lot = await world.register(world.maker, 5)
    await sequenced(worker_db)
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    await owner.execute("DELETE FROM unsequenced")
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    before = await owner.fetchrow("SELECT * FROM log_state")
    with pytest.raises(DomainError, match="Movement 3 of lot") as refused:
        await sequenced(worker_db)
    assert refused.value.code == "log.gap"
    assert await owner.fetchrow("SELECT * FROM log_state") == before
    assert await owner.fetchval("SELECT count(*) FROM unsequenced") == 1


async def test_a_log_that_shrank_or_forked_is_not_signed(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    lot = await world.register(world.maker, 5)
    await sequenced(worker_db)
    last = await signed(worker_db)
    assert last is not None
    async with worker_db.write() as session:
        await publish_keys(session, [SIGNER], datetime.now(UTC))
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    await sequenced(worker_db)
    larger = Checkpoint(ORIGIN, 7, bytes(32))
    other = last._replace(root=sha256(b"other").digest())
    foreign = last._replace(origin="other.test/log")
    for known, code in ((larger, "log.shrank"), (other, "log.forked"), (foreign, "log.forked")):
        with pytest.raises(DomainError) as refused:
            await signed(worker_db, known)
        assert refused.value.code == code
    # What cannot be compared any more does not go on either.
    tiles = await owner.fetch("DELETE FROM log_tile RETURNING level, index, hashes")
    for known in (last, None):
        with pytest.raises(DomainError) as refused:
            await signed(worker_db, known)
        assert refused.value.code == "log.forked"
    async with worker_db.write() as session:
        fits, words = await hear_evidence(session, notes_sign(last.text, [SIGNER]), datetime.now(UTC))
    assert (fits, "it has forked" in words) == (False, True)
    await owner.executemany("INSERT INTO log_tile VALUES ($1, $2, $3)", tiles)
    assert await owner.fetchval("SELECT count(*) FROM log_checkpoint") == 1
    assert (await signed(worker_db, last)) is not None


async def test_who_may_not_see_a_movement_sees_neither_salt_nor_key(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    await world.register(world.maker, 5)
    await sequenced(worker_db)
    for table in ("log_salt", "log_lot_key"):
        assert len(await world.visible(world.maker, f"SELECT * FROM {table}")) == 1
        assert await world.visible(world.buyer, f"SELECT * FROM {table}") == []
    for statement in (
        "UPDATE log_entry SET entry = entry",
        "DELETE FROM log_checkpoint",
        "UPDATE log_salt SET salt = salt",
        "TRUNCATE log_tile",
    ):
        for role in (world.db, worker_db):
            with pytest.raises((DomainError, Exception), match="permission denied"):
                async with role.write(world.maker.tenant) as session:
                    await (await session.connection()).exec_driver_sql(statement)


async def test_a_bundle_of_what_each_side_may_see_holds_for_two_verifiers(
    world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    lots = [await world.register(world.maker, 5, serial=None) for _ in range(40)]
    for n, lot in enumerate(lots):
        await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1), Step(Kind.HOLD, lot, 1, 1))
        if n % 9 == 0:
            ring = KeyRing(tmp_path)
            await Sealer(worker_db, ring, "http://log.test").round(lambda: datetime.now(UTC))
    await Sealer(worker_db, ring, "http://log.test").round(lambda: datetime.now(UTC))
    signers = ring.signers()
    assert ring.published() is not None

    async def made(party: Party, *wanted: UUID) -> bytes:
        async with world.db.read(party.tenant) as session:
            return await bundle_of(session, signers, {"kind": "unit"}, wanted, datetime.now(UTC))

    data = await made(world.maker, *lots[3:6])
    verdict = bundles.verify(bundles.load(data))
    assert verdict.faults == []
    assert (verdict.movements, verdict.lots, verdict.whole) == (9, 3, 3)
    assert verify_bundle.check(json.loads(data), [signers[0].key.vkey]).startswith(
        "9 movements of 3 lots are in log.test/log/"
    )
    with pytest.raises(DomainError, match="None of these movements"):
        await made(world.buyer, lots[3])


CHANGED = [
    (
        "UPDATE movement SET quantity = quantity + 1 WHERE lot_id = $1 AND seq = 2",
        "the movement is not the one that was committed to",
    ),
    ("UPDATE movement SET actor_id = lot_id WHERE lot_id = $1 AND seq = 1", "the movement is not the one"),
    (
        "UPDATE movement SET occurred_at = occurred_at - interval '1 day' WHERE lot_id = $1 AND seq = 2",
        "the movement is not the one",
    ),
    ("UPDATE lot SET batch = 'other' WHERE lot_id = $1", "the movement is not the one"),
    ("UPDATE position SET condition = 'used' WHERE lot_id = $1", "the movement is not the one"),
    ("DELETE FROM movement WHERE lot_id = $1 AND seq = 3", "the movement that it commits to is gone"),
    (
        "UPDATE log_salt SET salt = decode(repeat('00', 16), 'hex') WHERE lot_id = $1 AND seq = 2",
        "the movement is not the one",
    ),
    ("DELETE FROM log_salt WHERE lot_id = $1 AND seq = 3", "is gone|is neither in the log nor waits"),
    ("UPDATE log_lot_key SET key = decode(repeat('00', 32), 'hex') WHERE lot_id = $1", "the movement is not the one"),
    ("DELETE FROM log_entry WHERE position = 4 AND $1::uuid IS NOT NULL", "Entry 4 is missing"),
    (
        "UPDATE log_entry SET entry = set_byte(entry, 40, get_byte(entry, 40) # 1) WHERE position = 4 AND $1::uuid IS NOT NULL",
        "its root is not that of the entries",
    ),
    (
        "UPDATE log_tile SET hashes = set_byte(hashes, 7, get_byte(hashes, 7) # 1) WHERE $1::uuid IS NOT NULL",
        "Tile 0/0: its hashes are not those of the entries",
    ),
    (
        "UPDATE log_checkpoint SET root = decode(repeat('00', 32), 'hex') WHERE $1::uuid IS NOT NULL",
        "its root is not that",
    ),
    ("UPDATE log_checkpoint SET note = replace(note, '9', '8') WHERE $1::uuid IS NOT NULL", "The checkpoint of size"),
    ("UPDATE log_state SET size = size - 1 WHERE $1::uuid IS NOT NULL", "larger than the log, which has 8 entries"),
    (
        "UPDATE log_salt SET position = CASE position WHEN 0 THEN 1000 ELSE 1001 END WHERE position IN (0, 1) AND $1::uuid IS NOT NULL",
        "is gone",
    ),
]


@pytest.mark.parametrize(("statement", "words"), CHANGED, ids=range(len(CHANGED)))
async def test_what_somebody_with_all_rights_changes_is_found_and_named(
    world: World, worker_db: Database, owner: asyncpg.Connection, statement: str, words: str
) -> None:
    lots = [await world.register(world.maker, 5) for _ in range(3)]
    for lot in lots:
        await world.run(world.maker, Step(Kind.HOLD, lot, 1, 1), Step(Kind.SCRAP, lot, 1, 1))
    await sequenced(worker_db)
    await signed(worker_db)
    async with worker_db.write() as session:
        await publish_keys(session, [SIGNER], datetime.now(UTC))

    async def verdict() -> LogVerdict:
        async with worker_db.read() as session:
            return await verify_log(session)

    before = await verdict()
    assert (before.entries, before.checkpoints, before.faults) == (9, 1, [])
    # As a superuser does it: no key, no check and no trigger is in the way.
    await owner.execute("SET session_replication_role = replica")
    try:
        assert not (await owner.execute(statement, lots[1])).endswith(" 0")
    finally:
        await owner.execute("SET session_replication_role = origin")
    found = (await verdict()).faults
    assert any(re.search(words, fault) for fault in found), found


async def test_what_was_sequenced_is_signed_though_somebody_writes_without_a_break(
    world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = Sealer(worker_db, KeyRing(tmp_path), "http://log.test")
    looks = 0

    async def and_more_has_come(*given: Any, **how: Any) -> int | None:
        nonlocal looks
        looks += 1
        assert looks < 10, "the round goes on as long as something comes"
        found = await sequence(*given, **how)
        await world.register(world.maker, 1)
        return found

    monkeypatch.setattr(sealing, "sequence", and_more_has_come)
    await world.register(world.maker, 1)
    for _ in range(3):
        assert await sealer.round(lambda: datetime.now(UTC))
    size = await owner.fetchval("SELECT size FROM log_state")
    assert await owner.fetchval("SELECT max(size) FROM log_checkpoint") == size >= 3


async def test_a_sealer_with_nothing_to_do_only_looks_whether_something_waits(
    world: World, worker_db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    sealer = Sealer(worker_db, KeyRing(tmp_path), "http://log.test")

    async def sealed() -> list[int]:
        await sealer.round(lambda: datetime.now(UTC))
        return [r[0] for r in await owner.fetch("SELECT size FROM log_checkpoint ORDER BY size")]

    lot = await world.register(world.maker, 5)
    assert await sealed() == [1]
    with counted(worker_db) as statements:
        assert await sealed() == [1]
    assert not [s for s in statements if "log_tile" in s or "log_checkpoint" in s], statements
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
    assert await sealed() == [1, 2]
    ring = KeyRing(tmp_path)
    ring.keep_signers([*ring.signers(), SIGNER._replace(name=ring.signers()[0].name)])
    await sealed()
    assert await owner.fetchval("SELECT count(*) FROM log_key") == 2, "a new key is made known without a movement"


async def test_a_log_that_grows_while_it_is_recomputed_is_no_fault(
    world: World, worker_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = [await world.register(world.maker, 5) for _ in range(3)]
    await sequenced(worker_db)
    await signed(worker_db)
    async with worker_db.write() as session:
        await publish_keys(session, [SIGNER], datetime.now(UTC))
    keys_of = log_queries.public_keys

    async def meanwhile(session: Any, **how: Any) -> list[str]:
        found = await keys_of(session, **how)
        await world.run(world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in lots))
        await sequenced(worker_db)
        await signed(worker_db)
        return found

    monkeypatch.setattr(log_queries, "public_keys", meanwhile)
    async with worker_db.read() as session:
        verdict = await verify_log(session)
    assert (verdict.entries, verdict.checkpoints, verdict.faults) == (3, 1, [])


async def test_a_log_that_cannot_go_on_is_ended_openly_and_another_one_begins(
    world: World, worker_db: Database, owner: asyncpg.Connection, cluster: Credentials, name: str, tmp_path: Path
) -> None:
    """The database is older than what was published, as after a restore; or the keys are lost."""
    tables = Database(cluster.dsn(OWNER, name), pool_size=1)
    now, ring = datetime.now(UTC), KeyRing(tmp_path)
    operators: tuple[str, ...] = ()

    async def sealed() -> None:
        await Sealer(worker_db, ring, "http://log.test").round(lambda: datetime.now(UTC))

    async def anew(because: str = "Restored to yesterday after the disk failed") -> str:
        async with tables.write() as session:
            return await begin_anew(session, ring, because, datetime.now(UTC))

    with pytest.raises(DomainError, match="There is no log yet"):
        await anew()
    lots = [await world.register(world.maker, 5) for _ in range(3)]
    await sealed()
    assert await check_ledger(worker_db, ring, now, operators) == "holds"
    old = ring.published()
    assert old is not None
    rows = "SELECT (SELECT count(*) FROM log_entry), (SELECT count(*) FROM log_ended), (SELECT size FROM log_state)"
    before = await owner.fetchrow(rows)
    for because, code in (("  ", "log.because"), ("x" * 501, "log.because"), ("Because", "log.goes_on")):
        with pytest.raises(DomainError) as refused:
            await anew(because)
        assert refused.value.code == code
    assert await owner.fetchrow(rows) == before
    # Published was more than there is now.
    ring.keep_published(notes_sign(old._replace(size=9, root=bytes(32)).text, ring.signers()), datetime.now(UTC))
    await world.run(world.maker, Step(Kind.SCRAP, lots[0], 1, 1))
    with pytest.raises(DomainError, match="nothing is signed until it is restored"):
        await sealed()
    holding = await asyncpg.connect(cluster.dsn(WORKER, name))
    await holding.execute("SELECT pg_advisory_lock($1)", log_queries.SEQUENCER)
    with pytest.raises(DomainError, match="The worker is sealing"):
        await anew()
    await holding.close()
    assert await anew() == old.origin
    # Cut off before the files were set aside: nothing is signed, and it is done again.
    with pytest.raises(DomainError):
        await sealed()
    assert await anew() == old.origin
    ring.set_aside(now)
    await sealed()
    new = ring.published()
    assert new is not None
    assert new.origin != old.origin
    assert new.size == await owner.fetchval("SELECT count(*) FROM movement") == 4
    async with worker_db.read() as session:
        assert (await verify_log(session)).faults == []
        ended = await log_queries.ended_logs(session)
    assert [(e.origin, e.because) for e in ended] == [(old.origin, "Restored to yesterday after the disk failed")] * 2
    assert ended[-1].published is not None
    assert ended[-1].published.split("\n")[1] == "9"
    assert await check_ledger(worker_db, ring, datetime.now(UTC), operators) == "holds", (
        "a smaller log is no fault of the new one"
    )
    # The keys are lost.
    ring.keep_signers([])
    with pytest.raises(DomainError, match="its keys are gone"):
        await sealed()
    assert await anew("The keys were lost with the disk") == new.origin
    ring.set_aside(datetime.now(UTC))
    await sealed()
    third = ring.published()
    assert third is not None
    assert (third.size, third.origin not in {old.origin, new.origin}) == (4, True)
    await tables.close()
