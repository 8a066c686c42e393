"""The log over HTTP: as tlog-tiles for everybody, and witnesses, evidence and bundles. A witness and a monitor as the program that
a counterparty runs, against a server of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pymerkle import InmemoryTree
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedCheckpoint
from sigstore._internal.trust import Keyring, RekorKeyring
from sigstore._utils import KeyID
from sigstore.errors import VerificationError
from sigstore_models.common.v1 import PublicKey, PublicKeyDetails

from marketplace.app import create_app
from marketplace.db.embedded import APP, SUPERUSER, WORKER, Credentials
from marketplace.db.session import Database
from marketplace.ledger.entries import Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log import bundle as bundles
from marketplace.ledger.log.merkle import Frontier, inclusion_proof, leaf_hash
from marketplace.ledger.log.notes import Key, open_checkpoint, parse_note, parse_vkey
from marketplace.ledger.log.tiles import TILE_SIZE, reader, tile_root, unbundle
from marketplace.ledger.queries import log as log_queries
from marketplace.ledger.service import KeyRing
from marketplace.ledger.tasks import Sealer
from marketplace.settings import Settings
from tests.browser.conftest import serving
from tests.clients import client_for, token_for
from tests.conftest import clone
from tests.marketplace.ledger import verify_bundle
from tests.world import Party, World

API = "/api/v1/ledger"


class Site(NamedTuple):
    world: World
    worker: Database
    folder: Path
    address: str
    app: Any

    async def seal(self) -> None:
        await Sealer(self.worker, KeyRing(self.folder), "http://log.test").round(lambda: datetime.now(UTC))

    async def move(self, count: int) -> list[UUID]:
        lots = [await self.world.register(self.world.maker, 5) for _ in range(count)]
        await self.world.run(self.world.maker, *(Step(Kind.SCRAP, lot, 1, 1) for lot in lots))
        await self.seal()
        return lots

    @property
    def vkey(self) -> str:
        return KeyRing(self.folder).signers()[0].key.vkey

    async def as_(self, party: Party, role: str) -> httpx.AsyncClient:
        token = await token_for(self.world.owner, party.users[role], party.id)
        return httpx.AsyncClient(base_url=self.address, cookies={"backstock_session": token}, timeout=30)


@pytest.fixture
async def site(cluster: Credentials, worker_id: str, tmp_path: Path) -> AsyncIterator[Site]:
    """An installation of its own: database, keys, server."""
    name = f"test_{worker_id}_logsite"
    await clone(cluster, name)
    owner = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    db = Database(cluster.dsn(APP, name), pool_size=5)
    worker = Database(cluster.dsn(WORKER, name), pool_size=3)
    app = create_app(Settings(data_dir=tmp_path), database=db)
    async with serving(app) as address:
        yield Site(await World.make(owner, db), worker, tmp_path, address, app)
    await db.close()
    await worker.close()
    await owner.close()


def backstock(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marketplace.cli", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


async def test_everybody_reads_the_log_as_tiles(site: Site) -> None:
    async with client_for(site.app) as anybody:
        assert (await anybody.get("/log/checkpoint")).status_code == 404, "nothing is signed yet"
        await site.move(150)
        answer = await anybody.get("/log/checkpoint")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        point = open_checkpoint(parse_note(answer.text), [parse_vkey(site.vkey)])
        assert point.size == 300
        assert (await anybody.get("/log/keys")).text == f"{site.vkey}\n"
        tree = Frontier()
        for path in ("tile/entries/000", "tile/entries/001.p/44"):
            data = await anybody.get(f"/log/{path}")
            assert "immutable" in data.headers["cache-control"]
            for entry in unbundle(data.content):
                tree.append(leaf_hash(entry))
        assert (tree.size, tree.root) == (point.size, point.root)
        assert len((await anybody.get("/log/tile/0/000")).content) == 8_192
        assert len((await anybody.get("/log/tile/0/001.p/44")).content) == 44 * 32
        assert len((await anybody.get("/log/tile/1/000.p/1")).content) == 32
        for none in (
            "tile/0/001",
            "tile/0/001.p/45",
            "tile/0/002.p/1",
            "tile/1/000.p/2",
            "tile/9/000",
            "tile/0/1",
            "tile/x/000",
        ):
            assert (await anybody.get(f"/log/{none}")).status_code == 404, none


def read_by_sigstore(note: str, key: Key) -> LogCheckpoint:
    """A checkpoint as another project reads and verifies it: sigstore-python, a client of logs of this kind. Raises its error."""
    raw = ed25519.Ed25519PublicKey.from_public_bytes(key.public)
    der = raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known = PublicKey(raw_bytes=base64.b64encode(der), key_details=PublicKeyDetails.PKIX_ED25519)
    signed = SignedCheckpoint.from_text(note)
    signed.signed_note.verify(RekorKeyring(Keyring([known])), KeyID(key.id))
    return signed.checkpoint


async def test_others_read_the_log_with_their_own_software(site: Site) -> None:
    """Nothing of this project's own code between what is served and the verdict but the numbers of the tiles."""
    await site.move(150)
    key = parse_vkey(site.vkey)
    async with client_for(site.app) as anybody:
        note = (await anybody.get("/log/checkpoint")).text
        point = read_by_sigstore(note, key)
        assert (point.origin, point.log_size, point.other_content) == (key.name, 300, [])
        for changed in (note.replace("\n300\n", "\n301\n"), note.replace(key.name, "another.test/log", 1)):
            with pytest.raises(VerificationError):
                read_by_sigstore(changed, key)
        served = b"".join([(await anybody.get(f"/log/tile/entries/{at}")).content for at in ("000", "001.p/44")])
        leaves = b"".join([(await anybody.get(f"/log/tile/0/{at}")).content for at in ("000", "001.p/44")])
    theirs = InmemoryTree(algorithm="sha256")
    entries = [served[at + 2 : at + 67] for at in range(0, len(served), 67)]
    for n, entry in enumerate(entries):
        assert theirs.get_leaf(theirs.append_entry(entry)) == leaves[32 * n : 32 * n + 32]
    assert theirs.get_root().hex() == point.log_hash
    # A proof that this project made out of its tiles, verified by the other's algorithm.
    read = reader(lambda _, number: leaves[number * TILE_SIZE : (number + 1) * TILE_SIZE])
    for index in (0, 255, 256, 299):
        # Level 1 has one hash here, which is over the first tile.
        proof = inclusion_proof(
            lambda level, at: read(level, at) if level < 8 else tile_root(leaves[:TILE_SIZE]), index, 300
        )
        inclusion = SimpleNamespace(
            log_index=index, tree_size=300, hashes=proof, root_hash=bytes.fromhex(point.log_hash)
        )
        verify_merkle_inclusion(
            SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=inclusion, canonicalized_body=entries[index]))
        )
        inclusion.log_index = (index + 1) % 300
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(
                SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=inclusion, canonicalized_body=entries[index]))
            )


async def test_a_bundle_is_for_whoever_may_see_its_lots(site: Site, tmp_path: Path) -> None:
    lots = await site.move(3)
    maker, buyer = await site.as_(site.world.maker, "planner"), await site.as_(site.world.buyer, "buyer")
    async with maker, buyer:
        answer = await maker.get(f"{API}/units/{lots[0]}/bundle")
        assert answer.status_code == 200, answer.text
        assert "attachment" in answer.headers["content-disposition"]
        assert bundles.verify(bundles.load(answer.content)).faults == []
        assert verify_bundle.check(answer.json(), [site.vkey]).startswith("2 movements of 1 lots")
        assert (await buyer.get(f"{API}/units/{lots[0]}/bundle")).status_code == 404
        day = {"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"}
        assert (await maker.get(f"{API}/bundle", params=day)).json()["code"] == "log.nothing"
        now = {"since": datetime.now(UTC).date().isoformat() + "T00:00:00Z", "until": "2020-02-01T00:00:00Z"}
        assert (await maker.get(f"{API}/bundle", params=now)).json()["code"] == "log.period"
        whole = await maker.get(f"{API}/bundle", params={**now, "until": "2100-01-01T00:00:00Z"})
        assert whole.json()["code"] == "log.period", "at most 400 days"
    file = tmp_path / "unit.backstock.json"
    file.write_bytes(answer.content)
    policy = tmp_path / "policy"
    policy.write_text(f"log {site.vkey}\nquorum none\n")
    held = backstock("verify", str(file), "--witness-policy", str(policy))
    assert (held.returncode, held.stdout.splitlines()[0]) == (0, "HOLDS")
    file.write_bytes(answer.content.replace(b'"quantity":5', b'"quantity":6'))
    broken = backstock("verify", str(file))
    assert (broken.returncode, broken.stdout.splitlines()[0]) == (1, "DOES NOT HOLD")
    file.write_bytes(answer.content[:100])
    assert backstock("verify", str(file)).returncode == 2


async def test_other_systems_follow_along_by_position(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each company reads what it may see, in the log's order, while it grows: nothing is missed, nothing comes twice."""
    world = site.world
    monkeypatch.setattr(log_queries, "FEED_WINDOW", 7)
    lots = [await world.register(world.maker, 20) for _ in range(4)]
    other = await world.register(world.other, 20, part=world.part)
    taken: list[tuple[int, dict[str, Any]]] = []

    async def follow(client: httpx.AsyncClient, after: int) -> int:
        while True:
            page = (await client.get(f"{API}/movements", params={"after": after, "limit": 3})).json()
            taken.extend((i["position"], i["movement"]) for i in page["items"])
            after = page["next"]
            if page["caught_up"]:
                assert after == page["size"] - 1
                return after

    async with await site.as_(world.maker, "planner") as planner:
        assert (await planner.get(f"{API}/movements")).json() == {"items": [], "next": -1, "size": 0, "caught_up": True}
        at = -1
        for _ in range(3):
            for lot in lots:
                await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
                await world.run(world.other, Step(Kind.SCRAP, other, 1, 1))
            await site.seal()
            at = await follow(planner, at)
        assert [p for p, _ in taken] == sorted({p for p, _ in taken})
        mine = await world.owner.fetch("SELECT lot_id, seq FROM movement WHERE lot_id = ANY($1::uuid[])", lots)
        assert {(m["lot"], int(m["seq"])) for _, m in taken} == {(str(r[0]), r[1]) for r in mine}
        first = next(m for _, m in taken if m["lot"] == str(lots[0]))
        assert (first["kind"], first["unit"]["part"], first["to"]["quantity_after"]) == (
            "register",
            str(world.part),
            20,
        )
        before = len(taken)
        assert await follow(planner, at) == at
        assert len(taken) == before
        # A log that was restored to an earlier time lacks what was read: "caught up" would leave out all until it has grown past.
        beyond = await planner.get(f"{API}/movements", params={"after": at + 1})
        assert (beyond.status_code, beyond.json()["code"]) == (409, "log.beyond")
        for wrong in ({"after": -2}, {"limit": 0}, {"limit": 1_001}, {"after": "x"}):
            assert (await planner.get(f"{API}/movements", params=wrong)).status_code == 422
    # What was sold: each side sees the other's end of it, and the record is the one that a bundle proves.
    unit = await world.register(world.maker, serial=f"SOLD-{world.tag}")
    transit = Place(world.maker.id, world.maker.id, None, "new")
    arrived = Place(world.maker.id, world.buyer.id, world.buyer.site, "new")
    await world.run(world.maker, Step(Kind.SHIP, unit, 1, 1, to=transit))
    await world.run(world.maker, Step(Kind.RECEIVE, unit, 1, 2, to=arrived))
    await site.seal()
    taken.clear()
    async with await site.as_(world.buyer, "buyer") as buyer:
        await follow(buyer, -1)
        bought = {m["lot"] for _, m in taken}
        assert bought
        assert any(m["from"] and m["from"]["owner"] == str(world.maker.id) for _, m in taken)
        for lot in bought:
            proven = (await buyer.get(f"{API}/units/{lot}/bundle")).json()
            records = [
                m["movement"]
                for part in proven["lots"]
                for m in part["movements"]
                if part["lot"] == lot and "movement" in m
            ]
            assert records == [m for _, m in taken if m["lot"] == lot]
    taken.clear()
    async with await site.as_(world.other, "buyer") as partner:
        await follow(partner, -1)
        assert {m["lot"] for _, m in taken} == {str(other)}
        assert len(taken) == 13
    async with await site.as_(world.other, "technician") as nobody:
        assert (await nobody.get(f"{API}/movements")).status_code == 403


async def test_a_witness_cosigns_what_goes_on_and_catches_a_log_that_was_set_back(
    site: Site, cluster: Credentials, tmp_path: Path
) -> None:
    lots = await site.move(20)
    key, state = tmp_path / "w.key", tmp_path / "w.state"
    made = backstock("witness", "key", "w.test/1", str(key))
    assert made.returncode == 0, made.stderr
    again = backstock("witness", "key", "w.test/1", str(key))
    assert (again.returncode, "not written over" in again.stderr) == (5, True)
    run = [
        "witness",
        "run",
        "--log",
        site.address,
        "--key",
        str(key),
        "--state",
        str(state),
        "--log-key",
        site.vkey,
        "--every",
        "0",
    ]

    async def look() -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(backstock, *run)

    assert "did not take the cosignature" in (await look()).stdout, "it is not registered yet"
    admin = await site.as_(site.world.maker, "admin")
    async with admin:
        body = {"vkey": made.stdout.strip()}
        assert (await admin.post(f"{API}/witnesses", json=body)).status_code == 201
        assert (await admin.post(f"{API}/witnesses", json=body)).json()["code"] == "witness.exists"
        assert (await admin.post(f"{API}/witnesses", json={"vkey": site.vkey})).json()["code"] == "witness.key"
        planner = await site.as_(site.world.maker, "planner")
        async with planner:
            assert (await planner.post(f"{API}/witnesses", json=body)).status_code == 403
        assert (await look()).stdout.rstrip().endswith("size 40 cosigned")
        assert "w.test/1" in (await admin.get("/log/checkpoint")).text
        yesterday = await site.world.owner.fetch("SELECT position, entry FROM log_entry ORDER BY position")
        await site.move(300)
        assert (await look()).stdout.rstrip().endswith("size 640 cosigned")
        listed = (await admin.get(f"{API}/witnesses")).json()
        assert [(w["name"], w["size"]) for w in listed] == [("w.test/1", 640)]
        # Its own memory is damaged, or cannot be kept: neither is told as a fault of the log, nor taken for a first look.
        kept = state.read_text()
        state.write_text("not a note")
        damaged = await look()
        assert (damaged.returncode, f"{state}, in which this witness keeps" in damaged.stderr) == (5, True)
        assert state.read_text() == "not a note"
        state.write_text(kept)
        run[run.index(str(state))] = str(tmp_path / "none" / "w.state")
        nowhere = await look()
        assert (nowhere.returncode, "Nothing was cosigned" in nowhere.stderr) == (4, True), nowhere.stderr
        run[run.index(str(tmp_path / "none" / "w.state"))] = str(state)
        # The operator sets the database back to yesterday, and signs that again with the log's own key.
        owner = site.world.owner
        await owner.execute("SET session_replication_role = replica")
        await owner.execute("DELETE FROM log_cosignature WHERE size > 40")
        await owner.execute("DELETE FROM log_checkpoint WHERE size > 40")
        await owner.execute("SET session_replication_role = origin")
        alarm = await look()
        assert (alarm.returncode, "has shrunk" in alarm.stderr) == (1, True)
        assert len(yesterday) == 40
        status = (await admin.get(f"{API}/log")).json()
        assert status["alarms"] == 0, "the entries are there still: what was signed fits them"
        await owner.execute("DELETE FROM log_entry WHERE position >= 40")
        await owner.execute("UPDATE log_state SET size = 40")
        assert (await look()).returncode == 1
        status = (await admin.get(f"{API}/log")).json()
        assert status["alarms"] == 1
    assert lots


async def test_lines_and_evidence_of_strangers_are_refused_and_change_nothing(site: Site) -> None:
    await site.move(2)
    owner = site.world.owner
    async with client_for(site.app) as anybody:
        note = (await anybody.get("/log/checkpoint")).text
        line = note.splitlines()[-1]
        for body, code in (
            ({"size": 4, "line": line}, "witness.unknown"),
            ({"size": 5, "line": line}, "checkpoint.not_found"),
            ({"size": 4, "line": "\u2014 w.test/1 AAAA"}, "witness.signature"),
            ({"size": 4, "line": line + "\n" + line}, "witness.unknown"),
        ):
            assert (await anybody.post(f"{API}/cosignatures", json=body)).json()["code"] == code
        assert (await anybody.post(f"{API}/evidence", json={"note": note.replace("4\n", "9\n", 1)})).json()[
            "code"
        ] == "evidence.note"
        fits = (await anybody.post(f"{API}/evidence", json={"note": note})).json()
        assert fits["fits"] is True
    assert await owner.fetchval("SELECT (SELECT count(*) FROM log_alarm) + (SELECT count(*) FROM log_cosignature)") == 0


async def test_a_monitor_reads_everything_and_names_what_was_withheld(site: Site, tmp_path: Path) -> None:
    lots = await site.move(150)
    maker = await site.as_(site.world.maker, "planner")
    async with maker:
        data = (await maker.get(f"{API}/units/{lots[0]}/bundle")).content
    file = tmp_path / "b.json"
    file.write_bytes(data)
    watch = ["log", "monitor", "--log", site.address, "--bundle", str(file), "--log-key", site.vkey]
    quiet = await asyncio.to_thread(backstock, *watch)
    assert (quiet.returncode, "0 things found" in quiet.stdout) == (0, True)
    # Somebody was shown a history without its last movement.
    short = json.loads(data)
    short["lots"][0]["movements"].pop()
    file.write_text(json.dumps(short))
    found = await asyncio.to_thread(backstock, *watch)
    assert found.returncode == 1
    assert f"Movement 2 of lot {lots[0]} is in the log" in found.stdout
    assert "a withheld end" in found.stdout


async def test_keys_change_by_a_time_in_which_both_sign(site: Site) -> None:
    await site.move(2)
    ring = KeyRing(site.folder)
    old = ring.signers()[0]
    new = old._replace(seed=bytes(32))
    ring.keep_signers([old, new])
    await site.move(2)
    async with client_for(site.app) as anybody:
        both = parse_note((await anybody.get("/log/checkpoint")).text)
        assert open_checkpoint(both, [old.key]) == open_checkpoint(both, [new.key])
        ring.keep_signers([new])
        await site.move(2)
        last = parse_note((await anybody.get("/log/checkpoint")).text)
        assert [line.key_id for line in last.lines] == [new.key.id]
        assert (await anybody.get("/log/keys")).text.splitlines() == [old.key.vkey, new.key.vkey]
    ring.keep_signers([])
    with pytest.raises(Exception, match="its keys are gone"):
        await site.seal()
    assert await site.world.owner.fetchval("SELECT kind FROM log_alarm") == "key"
