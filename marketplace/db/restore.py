"""A backup becomes a server again: its files in a new data folder, everything since written anew up to a moment."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg

from marketplace.db.backup import verify
from marketplace.db.backup_store import Made, Store
from marketplace.db.embedded import SUPERUSER, Credentials, EmbeddedServer
from marketplace.db.private_files import copy_private
from marketplace.kit.errors import DomainError, conflict, missing

WAL: Final = "restore-wal"
LONGEST: Final = 6 * 3600.0
"""Seconds that writing anew may take."""
Say = Callable[[str], None]


def place(store: Store, into: Path, to: datetime | None, *, replace: bool, say: Say) -> tuple[EmbeddedServer, Made]:
    """Checks everything that is needed, then puts it into the data folder ``into``: nothing is written before all of it holds.

    Raises ``restore.running`` over a running server, ``restore.there`` over data unless ``replace`` moves it aside, and whatever the
    store says of damage, gaps and times that are not there.
    """
    if not store.base.is_dir():
        raise missing("backup.none", f"{store.folder} holds no backups.")
    server = EmbeddedServer(into)
    if any(c in str(server.data_dir) for c in "'\"$`\\%\n"):
        raise conflict(
            "restore.folder",
            f"{server.data_dir} has a sign in its name that PostgreSQL's settings cannot hold. Choose another folder.",
        )
    if server.running_pid() is not None:
        raise conflict(
            "restore.running", f"A server runs in {server.data_dir}. Stop it, or restore into another folder."
        )
    there = [n for n in ("pg", "log", "credentials.json") if (server.data_dir / n).exists()]
    if there and not replace:
        raise conflict(
            "restore.there",
            f"{server.data_dir} is not empty ({', '.join(there)}). Restore into a new folder, or say --replace: what is there is then "
            "moved aside and kept.",
        )
    made = store.before(to or datetime.max.replace(tzinfo=UTC))
    if not (store.place_of(made) / "folder" / "credentials.json").exists():
        where = store.place_of(made) / "pg"
        raise conflict(
            "restore.other",
            f"This backup is of a server that is not embedded, and goes back to where its own settings lie. Stop the server; put a copy of "
            f"{where} in place of its data folder; set restore_command = 'cp {store.wal}/%f %p || cp {store.wal}/%f.partial %p', "
            f"recovery_target_time = '{to.isoformat() if to else ''}' (none for the latest) and recovery_target_action = 'promote'; make "
            "an empty file recovery.signal in it; start the server. Then 'backstock backup compare' says whether it is what was published.",
        )
    say(f"Checking the backup {made.name} ({made.size_bytes / 1e6:,.0f} MB)")
    verify(store, made)
    segments = store.needed(made, to)
    server.prepare_folder()
    if there:
        aside = server.data_dir / f"before-restore-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
        aside.mkdir(mode=0o700)
        for name in there:
            (server.data_dir / name).rename(aside / name)
        say(f"What was there lies in {aside}")
    say(f"Copying, with {len(segments):,} segments of write-ahead log")
    shutil.copytree(store.place_of(made) / "pg", server.pgdata, symlinks=True)
    server.pgdata.chmod(0o700)
    wal = server.data_dir / WAL
    shutil.rmtree(wal, ignore_errors=True)
    wal.mkdir(mode=0o700)
    for path in segments:
        shutil.copyfile(path, wal / path.name[:24])
    for name in ("credentials.json", "uploads", "log"):
        source = store.place_of(made) / "folder" / name
        if source.exists():
            copy_private(source, server.data_dir / name)
    # What was published last and not what was when the backup was made: the log is signed only where it goes on from there.
    for name in ("published", "history"):
        if (store.log / name).exists():
            copy_private(store.log / name, server.data_dir / "log" / name)
    _recovery(server, wal, to)
    server.own(server.pgdata, wal)
    return server, made


def _recovery(server: EmbeddedServer, wal: Path, to: datetime | None) -> None:
    lines = [
        "\n# Written by 'backstock restore'; of no effect once recovery.signal is gone.",
        f'restore_command = \'cp "{wal}/%f" "%p"\'',
        "recovery_target_timeline = 'current'",
        "recovery_target_action = 'promote'",
    ]
    if to is not None:
        lines.append(f"recovery_target_time = '{to.isoformat()}'")
    with (server.pgdata / "postgresql.auto.conf").open("a") as conf:
        conf.write("\n".join(lines) + "\n")
    (server.pgdata / "recovery.signal").touch()
    (server.pgdata / "postmaster.pid").unlink(missing_ok=True)


async def recover(server: EmbeddedServer, say: Say) -> Credentials:
    """Starts it and waits until everything up to the moment is written anew. Raises ``restore.failed`` with the server's words."""
    credentials = server.credentials()
    if credentials is None:
        raise missing("restore.credentials", f"{server.data_dir} has no credentials.json.")
    before = server.log.stat().st_size if server.log.exists() else 0
    say("Writing anew what came after the backup")
    started = time.monotonic()
    try:
        credentials = server.start()
        while True:
            try:
                connection = await asyncpg.connect(credentials.dsn(SUPERUSER, "postgres"), timeout=10)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                if server.running_pid() is None:
                    raise _failed(server, before) from None
                await asyncio.sleep(0.2)
                continue
            try:
                if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                    # A slot that came with the files would keep write-ahead log for nobody.
                    await connection.execute(
                        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active"
                    )
                    break
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            finally:
                await connection.close(timeout=5)
            if time.monotonic() - started > LONGEST:
                raise _failed(server, before)
            await asyncio.sleep(0.2)
    except DomainError as error:
        if error.code == "embedded.start":
            raise _failed(server, before) from None
        raise
    say(f"That took {time.monotonic() - started:.1f} s")
    return credentials


def _failed(server: EmbeddedServer, before: int) -> DomainError:
    with server.log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode(errors="replace").splitlines()
    said = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line][:3]
    return conflict(
        "restore.failed",
        f"PostgreSQL could not come to that time: {' / '.join(said) or 'see its log'}. What was restored so far lies in "
        f"{server.data_dir} and is of no use; its log is {server.log}.",
    )


def tidy(server: EmbeddedServer) -> None:
    """Forgets how it was restored: a copy of it restored later must not go to this moment."""
    conf = server.pgdata / "postgresql.auto.conf"
    kept = conf.read_text().split("\n# Written by 'backstock restore'")[0]
    conf.write_text(kept + "\n")
    shutil.rmtree(server.data_dir / WAL, ignore_errors=True)
