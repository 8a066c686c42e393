"""Backups and restoring them: root of T is the root that was published at T (F15), and nothing that is half or damaged is taken."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from marketplace import cli_backup
from marketplace.db import backup as backups
from marketplace.db.backup_store import Store, next_segment
from marketplace.db.embedded import APP, DATABASE, OWNER, SUPERUSER, WORKER, Credentials, EmbeddedServer
from marketplace.db.session import Database
from marketplace.db.setup import ensure_database, migrate
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.log.notes import Checkpoint
from marketplace.ledger.service import KeyRing, verify_log
from marketplace.ledger.service.keyring import thinned
from marketplace.ledger.tasks import Sealer, check
from tests.faulting import report
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Site:
    """A server of its own with fsync, and the folder of its backups; ``published``: what the log had published when."""

    folder: Path
    server: EmbeddedServer
    credentials: Credentials
    published: list[tuple[datetime, Checkpoint]] = field(default_factory=list)

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def command(self, *arguments: str, data: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "marketplace.cli", *arguments],
            cwd=ROOT, env=self.environment(data), capture_output=True, text=True, timeout=120, check=False, **more,
        )  # fmt: skip

    def environment(self, data: Path | None = None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")}
        return kept | {
            "BACKSTOCK_DATA_DIR": str(data or self.server.data_dir),
            "BACKSTOCK_BACKUP_DIR": str(self.backups),
        }

    @asynccontextmanager
    async def open(self) -> Any:
        owner = await asyncpg.connect(self.credentials.dsn(OWNER))
        db = Database(self.credentials.dsn(APP), pool_size=4)
        worker = Database(self.credentials.dsn(WORKER), pool_size=2)
        try:
            yield owner, db, Sealer(worker, KeyRing(self.server.data_dir), "http://log.test")
        finally:
            await db.close()
            await worker.close()
            await owner.close()

    async def live(self, *, moves: int = 3) -> datetime:
        """Some movements, sealed and published. Returns a moment at which all of it was there and nothing else."""
        async with self.open() as (owner, db, sealer):
            world = await World.make(owner, db)
            lot = await world.register(world.maker, 50)
            await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1))
            for _ in range(moves):
                await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
            await sealer.round(lambda: datetime.now(UTC))
        self.published = KeyRing(self.server.data_dir).history()
        await asyncio.sleep(0.05)
        moment = datetime.now(UTC)
        await asyncio.sleep(0.05)
        return moment

    def half_a_backup(self) -> subprocess.Popen[bytes]:
        """A slow backup in the middle of its work."""
        slow = subprocess.Popen(
            [sys.executable, "-m", "marketplace.cli", "backup", "--rate", "1M"],
            cwd=ROOT, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 30
        while not list(self.backups.glob("base/.making-*/pg/base")) and time.monotonic() < until:
            time.sleep(0.05)
        return slow

    def followed(self, before: list[str]) -> subprocess.Popen[bytes]:
        """A service that makes backups, once it has made its first."""
        service = subprocess.Popen(
            [sys.executable, "-m", "marketplace.cli", "backup", "--keep", "2", "--follow", "--every", "1"],
            cwd=ROOT, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while [b.name for b in Store(self.backups).backups()][-1:] == before[-1:] and time.monotonic() < until:
            time.sleep(0.1)
        return service

    def fetched(self, moment: datetime) -> None:
        """Waits until the service has fetched what was written up to a moment."""
        until = time.monotonic() + 60
        while (Store(self.backups).reaches() or moment - timedelta(1)) < moment and time.monotonic() < until:
            time.sleep(0.1)

    def restore(self, to: str, name: str, *more: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        into = self.folder / name
        return self.command("restore", "--from", str(self.backups), "--to", to, "--into", str(into), *more), into


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="backstock-backups-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "data")
    credentials = server.start()
    try:
        asyncio.run(ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords))
        migrate(credentials.dsn(OWNER))
        yield Site(folder, server, credentials)
    finally:
        server.stop(mode="immediate")
        shutil.rmtree(folder, ignore_errors=True)


async def log_of(data: Path) -> tuple[int, bytes, list[str]]:
    """Size and newest signed root of the log of a restored folder, and what recomputing finds wrong."""
    server = EmbeddedServer(data)
    credentials = server.start()
    database = Database(credentials.dsn(WORKER), pool_size=1)
    try:
        async with database.read() as session:
            faults = (await verify_log(session)).faults
        connection = await asyncpg.connect(credentials.dsn(OWNER))
        row = await connection.fetchrow("SELECT size, root FROM log_checkpoint ORDER BY size DESC LIMIT 1")
        await connection.close()
        return row["size"], row["root"], faults
    finally:
        await database.close()
        server.stop()


async def test_a_time_is_restored_with_the_root_that_was_published_then(site: Site) -> None:
    await site.live()
    made = await asyncio.to_thread(site.command, "backup", "--keep", "2")
    assert made.returncode == 0, made.stderr
    assert "not encrypted" in made.stderr
    for path in site.backups.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert len(list(site.backups.glob("base/*/folder/log/keys"))) == 1
    then = await site.live(moves=4)
    _, at_then = site.published[-1]
    later = await site.live(moves=5)
    assert (await asyncio.to_thread(site.command, "backup", "--keep", "2")).returncode == 0

    # To a time between the two.
    done, into = await asyncio.to_thread(site.restore, then.isoformat(), "then")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "HOLDS"), done.stdout + done.stderr
    assert f"The root at size {at_then.size:,} is the one that was published" in done.stdout
    assert f"Published since was size {site.published[-1][1].size:,}" in done.stdout
    assert "Every stock line equals the sum of its transactions." in done.stdout
    assert await log_of(into) == (at_then.size, at_then.root, [])
    assert (into / "credentials.json").stat().st_mode & 0o077 == 0
    assert {p.stat().st_mode & 0o077 for p in (into / "log").iterdir()} == {0}
    assert not (into / "restore-wal").exists()
    # The worker signs nothing that does not go on from what was published, and says so again and again.
    server = EmbeddedServer(into)
    restored = Site(site.folder, server, server.start())
    try:
        async with restored.open() as (owner, db, sealer):
            world = await World.make(owner, db)
            await world.register(world.maker, 3)
            with pytest.raises(DomainError, match="nothing is signed until it is restored") as refused:
                await sealer.round(lambda: datetime.now(UTC))
            assert refused.value.code == "log.shrank"
            assert await owner.fetchval("SELECT max(size) FROM log_checkpoint") == at_then.size
            assert await owner.fetchval("SELECT kind FROM log_alarm ORDER BY id DESC LIMIT 1") == "smaller"
            worker = Database(restored.credentials.dsn(WORKER), pool_size=1)
            assert await check(worker, KeyRing(into), datetime.now(UTC)) == "broken"
            await worker.close()
            # Where that time is to be the last word, the log is ended openly, and another one begins.
            refused = await asyncio.to_thread(site.command, "log", "begin-anew", "--because", " ", data=into)
            assert (refused.returncode, "Say why" in refused.stderr) == (2, True), refused.stderr
            ended = await asyncio.to_thread(
                site.command, "log", "begin-anew", "--because", "Restored for good", data=into
            )
            assert (ended.returncode, f"The log {at_then.origin} is ended" in ended.stdout) == (0, True), ended.stderr
            await sealer.round(lambda: datetime.now(UTC))
            assert await owner.fetchval("SELECT max(size) FROM log_checkpoint") == await owner.fetchval(
                "SELECT count(*) FROM movement"
            )
            again = await asyncio.to_thread(site.command, "log", "begin-anew", "--because", "Once more", data=into)
            assert "goes on from what it has published" in again.stderr
    finally:
        server.stop()
    # Nothing is written over what is there, or over what runs.
    again, _ = await asyncio.to_thread(site.restore, "latest", "then")
    assert (again.returncode, "is not empty" in again.stderr) == (5, True)
    over = await asyncio.to_thread(
        site.command, "restore", "--from", str(site.backups), "--to", "latest", "--into", str(site.server.data_dir), "--replace"
    )  # fmt: skip
    assert (over.returncode, "A server runs in" in over.stderr) == (5, True)

    # To the latest: nothing is lost, and the log goes on. What was there is kept aside.
    done, into = await asyncio.to_thread(site.restore, "latest", "then", "--replace")
    assert (done.returncode, "Published since" in done.stdout) == (0, False), done.stdout + done.stderr
    assert await log_of(into) == (site.published[-1][1].size, site.published[-1][1].root, [])
    assert len(list(into.glob("before-restore-*/pg/PG_VERSION"))) == 1
    server = EmbeddedServer(into)
    restored = Site(site.folder, server, server.start())
    try:
        await restored.live(moves=1)
        assert restored.published[-1][1].size == site.published[-1][1].size + 3
        other = await asyncio.to_thread(site.command, "backup", data=into)
        assert (other.returncode, "Give another folder" in other.stderr) == (5, True), other.stderr
    finally:
        server.stop()

    # Times that are not there.
    for to, words in (
        ((later + timedelta(hours=1)).isoformat(), "reaches to"),
        ("2020-01-01T00:00:00Z", "an earlier time cannot be restored"),
        ("yesterday", "is no time"),
        ("0001-01-01T00:00:00+14:00", "is no time"),
    ):
        done, into = await asyncio.to_thread(site.restore, to, "never")
        assert done.returncode in {2, 4, 5}
        assert words in done.stderr
        assert not into.exists()
    report(
        "F15",
        "base backup and journal, restored to a time between two backups and to the latest",
        root_as_published=2,
        positions_different=0,
    )


async def test_what_is_damaged_is_refused_by_name_and_nothing_is_written(site: Site) -> None:
    store = Store(site.backups)
    newest = store.place_of(store.backups()[-1])
    keys, table = newest / "folder" / "log" / "keys", next((newest / "pg" / "base").glob("*/1259"))
    whole = await asyncio.to_thread(site.command, "backup", "list", "--check")
    assert (whole.returncode, whole.stdout.count("whole")) == (0, len(store.backups()))
    for path, words in (
        (keys, "log/keys is not what was written"),
        (table, "1259"),
        (newest / "pg" / "backup_manifest", "backup_manifest"),
    ):
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        done, into = await asyncio.to_thread(site.restore, "latest", "damaged")
        assert (done.returncode, "is damaged" in done.stderr, words in done.stderr) == (5, True, True), done.stderr
        assert not into.exists()
        path.write_bytes(kept)
    table.rename(table.with_suffix(".away"))
    listed = await asyncio.to_thread(site.command, "backup", "list", "--check")
    assert (listed.returncode, listed.stdout.count("DAMAGED")) == (1, 1)
    table.with_suffix(".away").rename(table)
    # A gap in the write-ahead log, and a segment that is not what it was.
    segment = store.wal / store.needed(store.backups()[-1], None)[0].name
    kept = segment.read_bytes()
    segment.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    done, into = await asyncio.to_thread(site.restore, "latest", "damaged")
    assert (done.returncode, "The write-ahead log is damaged" in done.stderr) == (5, True), done.stderr
    segment.unlink()
    done, into = await asyncio.to_thread(site.restore, "latest", "damaged")
    assert (done.returncode, f"{segment.name} is missing" in done.stderr) == (5, True), done.stderr
    assert not into.exists()
    segment.write_bytes(kept)


async def test_under_load_and_killed_in_the_middle(site: Site) -> None:
    stop = asyncio.Event()
    store = Store(site.backups)
    while len(store.backups()) < 2:
        assert (await asyncio.to_thread(site.command, "backup")).returncode == 0

    async def load() -> int:
        done = 0
        async with site.open() as (owner, db, sealer):
            world = await World.make(owner, db)
            lot = await world.register(world.maker, 100_000)
            while not stop.is_set():
                await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1))
                done += 1
                if done % 20 == 0:
                    await sealer.round(lambda: datetime.now(UTC))
            await sealer.round(lambda: datetime.now(UTC))
        return done

    writing = asyncio.create_task(load())
    before = [b.name for b in store.backups()]
    # Killed in the middle: no half backup counts, and none is left running.
    slow = await asyncio.to_thread(site.half_a_backup)
    refused = await asyncio.to_thread(site.command, "backup")
    assert (refused.returncode, "Another backup writes" in refused.stderr) == (5, True)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert [b.name for b in store.backups()] == before
    assert list(store.base.glob(".making-*"))
    # A service that goes on: a backup, and then everything as it is written.
    service = await asyncio.to_thread(site.followed, before)
    stop.set()
    assert await writing > 20
    await asyncio.to_thread(site.fetched, datetime.now(UTC))
    service.terminate()
    service.wait()
    assert list(store.base.glob(".*")) == []
    assert len(store.backups()) == 2, "older ones went"
    assert store.segments()[0] >= store.backups()[0].first_segment, "and their write-ahead log"
    done, into = await asyncio.to_thread(site.restore, "latest", "loaded")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "HOLDS"), done.stdout + done.stderr
    newest, root, faults = await log_of(into)
    history = {p.size: p.root for _, p in KeyRing(site.server.data_dir).history()}
    assert (history.get(newest), faults) == (root, [])
    assert newest == max(history), "what was written last as well"
    compared = await asyncio.to_thread(site.command, "backup", "compare")
    assert (compared.returncode, compared.stdout.splitlines()[0]) == (0, "HOLDS"), compared.stdout
    mistyped = await asyncio.to_thread(site.command, "backup", "compare", "--to", str(site.folder / "backup"))
    assert (mistyped.returncode, "nothing to compare with" in mistyped.stderr) == (4, True), mistyped.stdout
    # A history that tells another root: what was restored would not be what was published.
    kept = (store.log / "history").read_text().splitlines()
    at, size, _, origin = kept[-1].split(" ", 3)
    (store.log / "history").write_text("\n".join([*kept[:-1], f"{at} {size} {'0' * 64} {origin}"]))
    compared = await asyncio.to_thread(site.command, "backup", "compare")
    assert (compared.returncode, "is not the one that was published" in compared.stdout) == (1, True), compared.stdout
    stopped = await asyncio.to_thread(site.command, "backup", "stop")
    assert "keeps nothing" in stopped.stdout
    superuser = await asyncpg.connect(site.credentials.dsn(SUPERUSER))
    assert await superuser.fetchval("SELECT count(*) FROM pg_replication_slots") == 0
    await superuser.close()


async def test_a_dump_is_the_same_log(site: Site) -> None:
    file, dsn = site.folder / "all.dump", site.credentials.dsn(SUPERUSER)
    admin = await asyncpg.connect(site.credentials.dsn(SUPERUSER, "postgres"))
    await admin.execute("CREATE DATABASE again TEMPLATE template0")
    await admin.close()
    for program, *arguments in (
        ("pg_dump", "-Fc", "-f", str(file), dsn), ("pg_restore", "--exit-on-error", "-d", dsn.replace(f"/{DATABASE}", "/again"), str(file)),
    ):  # fmt: skip
        await asyncio.to_thread(subprocess.run, [str(site.server.binary(program)), *arguments], check=True)
    roots = []
    for name in (DATABASE, "again"):
        database = Database(site.credentials.dsn(WORKER, name), pool_size=1)
        async with database.read() as session:
            verdict = await verify_log(session)
        await database.close()
        assert verdict.faults == []
        connection = await asyncpg.connect(site.credentials.dsn(OWNER, name))
        roots.append(await connection.fetch("SELECT size, root, note FROM log_checkpoint ORDER BY size"))
        await connection.close()
    assert roots[0] == roots[1] != []
    report("F15", "dump and restore", checkpoints=len(roots[0]), different=0)


async def test_a_server_that_cannot_is_told_what_it_needs(site: Site) -> None:
    done = await asyncio.to_thread(
        site.command, "backup", "--to", str(site.folder / "app"), "--dsn", site.credentials.dsn(APP)
    )
    assert done.returncode == 5
    assert "this role may not replicate" in done.stderr
    assert "wal_level = replica" in done.stderr
    assert "pg_hba.conf" in done.stderr
    # What is not embedded goes back by its own means, and that is said before anything is written.
    place = Store(site.backups).place_of(Store(site.backups).backups()[-1])
    (place / "folder" / "credentials.json").rename(place / "away.json")
    foreign, into = await asyncio.to_thread(site.restore, "latest", "foreign")
    assert (foreign.returncode, "recovery_target_action" in foreign.stderr, into.exists()) == (5, True, False)
    nowhere = await asyncio.to_thread(site.command, "backup", data=site.folder / "none")
    assert (nowhere.returncode, "No server runs" in nowhere.stderr) == (6, True)


def test_what_was_published_is_thinned_and_its_cut_off_end_is_none(tmp_path: Path) -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    ages = [timedelta(seconds=n) for n in range(0, 1_200, 10)] + [
        timedelta(minutes=20 + n) for n in range(0, 60 * 24 * 50, 30)
    ]
    history = sorted(
        (now - age, Checkpoint("log.test/x", 10_000_000 - int(age.total_seconds()), bytes(32))) for age in ages
    )
    kept = thinned(history, now)
    assert kept[-61:] == history[-61:]
    by_age = [sum(low < now - at <= high for at, _ in kept) for low, high in (
        (timedelta(minutes=10), timedelta(minutes=20)), (timedelta(days=2), timedelta(days=3)), (timedelta(days=40), timedelta(days=45)),
    )]  # fmt: skip
    assert by_age[0] in {10, 11}
    assert by_age[1] in {24, 25}
    assert by_age[2] in {5, 6}
    ring = KeyRing(tmp_path)
    ring.keep_published("log.test/x\n5\n" + "A" * 43 + "=\n\n\u2014 log.test/x AAAAAAAA\n", now)
    with (tmp_path / "log" / "history").open("a") as file:
        file.write("2026-11-30T12:0")
    assert ring.history() == [(now, Checkpoint("log.test/x", 5, bytes(32)))]


def test_a_backup_that_was_broken_off_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "b")
    store.prepare()
    place = store.begin(datetime(2026, 11, 30, tzinfo=UTC))
    with pytest.raises(DomainError, match="begun at 2026-11-30T00-00-00Z is not finished"):
        store.before(datetime.now(UTC))
    place.rename(store.base / "2026-11-30T00-00-00Z")
    with pytest.raises(DomainError, match="this backup is damaged"):
        store.before(datetime.now(UTC))


def test_a_service_goes_on_when_its_server_is_stopped_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a server answers with an error of its own, that is none of the network."""
    stopped = asyncpg.CannotConnectNowError("the database system is shutting down")
    made = SimpleNamespace(name="whole", size_bytes=1, ended_at="2026-11-30T00:00:00")
    turns: dict[str, list[Any]] = {"make": [made, stopped, made], "receive": [stopped] * 12}

    def turn(what: str) -> Any:
        async def act(*_: Any, **__: Any) -> Any:
            if not turns[what]:
                raise KeyboardInterrupt
            following = turns[what].pop(0)
            if isinstance(following, Exception):
                raise following
            return following

        return act

    for name in turns:
        monkeypatch.setattr(backups, name, turn(name))
    monkeypatch.setattr(cli_backup, "_server", lambda _dsn: None)
    clock = itertools.count(step=400)
    monkeypatch.setattr(cli_backup, "time", SimpleNamespace(sleep=lambda _seconds: None, monotonic=lambda: next(clock)))
    Store(tmp_path).prepare()
    with pytest.raises(KeyboardInterrupt):
        cli_backup.backup(
            SimpleNamespace(invoked_subcommand=None), tmp_path, 7, None, None, follow=True, every=1_000, hours=1
        )
    said = capsys.readouterr().err
    assert said.count("not fetched, tried again") > 1
    assert "no whole backup was made, tried again" in said
    assert turns["make"] == []


def test_segments_follow_one_another() -> None:
    assert next_segment("0000000100000000000000FF") == "000000010000000100000000"
    assert next_segment("00000002000000000000000A") == "00000002000000000000000B"
    assert re.fullmatch("[0-9A-F]{24}", next_segment("0000000100000000000000FE"))
