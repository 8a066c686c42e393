"""``backstock demo``: everything a stranger needs, started by one command and stopped by Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from types import FrameType

from marketplace.db.embedded import APP, OWNER, SUPERUSER, WORKER, Credentials, EmbeddedServer
from marketplace.db.session import Database
from marketplace.db.setup import ensure_database, head_revision, migrate
from marketplace.demo.loader import SEED, DemoLogins, Progress, demo_logins, is_loaded, load_demo
from marketplace.demo.recent import is_lived, live_recent
from marketplace.kit.errors import DomainError, conflict
from marketplace.watching.tasks import look_everywhere

_PATIENCE = 240
"""Seconds for the site to answer. On an idle machine it takes four; one that is busy with other work needed more than sixty."""


def run_demo(data_dir: Path, port: int, *, reset: bool) -> int:
    """Starts the demo and waits until it is stopped. Returns the exit code.

    Raises ``demo.port`` when the port is taken and ``embedded.folder`` when the folder cannot be written, before
    anything is started.
    """
    _require_port(port)
    server = EmbeddedServer(data_dir)
    if reset:
        _forget(server)
    started = time.monotonic()
    if server.data_dir != data_dir.expanduser().absolute():
        say(f"Keeping the data in {server.data_dir}, since PostgreSQL may not run as root nor enter {data_dir}")
    say("Starting PostgreSQL")
    credentials = server.start()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        logins = prepare(credentials)
        environment = _environment(server, credentials, port)
        processes.extend(_start(command, environment) for command in ("worker", "serve"))
        _wait_until_up(port, processes)
        _welcome(port, logins, time.monotonic() - started)
        return _wait(processes, server, credentials)
    finally:
        _stop(processes)
        server.stop(only_if_started_here=True)


def _start(command: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "marketplace.cli", command],
        env=environment,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads run yet, and only one system call is made
    )


def _die_with_parent() -> None:
    """Asks the kernel to end this process when the demo is killed: a kill -9 must leave no server behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG


def _require_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise conflict(
                "demo.port",
                f"Port {port} is taken by another program. Stop it, or choose another: make demo PORT={port + 1}",
            ) from None


def _forget(server: EmbeddedServer) -> None:
    say("Throwing the demo's data away")
    server.stop()
    # A new log has a name and keys of its own: under the old ones it would be the old log, set back.
    for name in ("pg", "mail", "uploads", "log"):
        shutil.rmtree(server.data_dir / name, ignore_errors=True)


def prepare(credentials: Credentials) -> DemoLogins:
    """Makes the database and its schema on a server that runs, and the demo world in it, where they are not there yet."""
    if not asyncio.run(_at_head(credentials)):
        say("Making the database and its schema")
        asyncio.run(ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords))
        migrate(credentials.dsn(OWNER))
    if asyncio.run(_is_there(credentials.dsn(OWNER))):
        return demo_logins(loaded=False)
    # In a process of its own: building the world takes some hundred MB, which this one would keep while it waits.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_die_with_parent) as pool:
        return pool.submit(_load, credentials).result()


async def _is_there(owner_dsn: str) -> bool:
    return await is_loaded(owner_dsn) and await is_lived(owner_dsn, SEED)


def _load(credentials: Credentials) -> DemoLogins:
    return asyncio.run(_fill(credentials, datetime.now(UTC), Bar()))


async def _fill(credentials: Credentials, start: datetime, progress: Progress) -> DemoLogins:
    """The world, and then what was lived in it. A world that was there before may have changed so much since that its people are
    refused: then it goes on as it is."""
    logins = await load_demo(credentials.dsn(OWNER), start=start, progress=progress)
    app, clock = Database(credentials.dsn(APP), pool_size=1), Database(credentials.dsn(WORKER), pool_size=1)
    try:
        await live_recent(app, clock, start, SEED, progress)
        # The worker looks as soon as it starts, and every night from then on.
        await look_everywhere(clock, start)
    except DomainError as refused:
        if logins.loaded:
            raise
        say(f"The newest agreements are left out of the demo that is there ({refused.message})")
    finally:
        await app.close()
        await clock.close()
    return logins


async def _at_head(credentials: Credentials) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(credentials.dsn(OWNER))
    except asyncpg.PostgresError:
        return False
    try:
        return bool(await connection.fetchval("SELECT version_num FROM alembic_version") == head_revision())
    except asyncpg.PostgresError:
        return False
    finally:
        await connection.close()


def _environment(server: EmbeddedServer, credentials: Credentials, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "BACKSTOCK_DATA_DIR": str(server.data_dir),
        "BACKSTOCK_DATABASE_URL": credentials.dsn(APP),
        "BACKSTOCK_WORKER_DATABASE_URL": credentials.dsn(WORKER),
        "BACKSTOCK_SECRET_KEY": credentials.secret_key,
        "BACKSTOCK_PORT": str(port),
        "BACKSTOCK_BASE_URL": f"http://127.0.0.1:{port}",
        "BACKSTOCK_DEMO": "true",
        # Somebody must see what an operator sees.
        "BACKSTOCK_OPERATORS": os.environ.get("BACKSTOCK_OPERATORS", "admin@northfield.example"),
        "BACKSTOCK_LOG_JSON": "false",
        "BACKSTOCK_LOG_LEVEL": os.environ.get("BACKSTOCK_LOG_LEVEL", "WARNING"),
    }


def _wait_until_up(port: int, processes: list[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if any(p.poll() is not None for p in processes):
            raise conflict("demo.start", "The site did not start; its message stands above.")
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise conflict(
        "demo.start", f"The site did not answer within {_PATIENCE} seconds. Start the demo again; its data is kept."
    )


def _welcome(port: int, logins: DemoLogins, seconds: float) -> None:
    print(f"\nBackstock is up after {seconds:.1f} s:  http://127.0.0.1:{port}\n")
    print(f"Sign in with the password  {logins.password}  as")
    for login in logins.logins:
        print(f"  {login.email:<34} {login.role:<12} {login.company} - {login.tries}")
    print("\nAPI: /api/docs   About this demo: /about-demo   Stop: Ctrl-C   Start over: make demo-reset\n", flush=True)


def _wait(processes: list[subprocess.Popen[bytes]], server: EmbeddedServer, credentials: Credentials) -> int:
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping:
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(0.25)
                return code or 1
        if not stopping:
            revive(server, credentials)
    return 0


def revive(server: EmbeddedServer, credentials: Credentials) -> bool:
    """Starts the database again where it has ended by itself (killed, out of memory); the site and the worker go on
    with it. Returns whether it had. Raises ``demo.database`` when its port was taken meanwhile."""
    if server.running_pid() is not None:
        return False
    say("PostgreSQL has ended; starting it again. What was committed is kept")
    if server.start().port != credentials.port:
        raise conflict("demo.database", "PostgreSQL had to take another port. Start the demo again.")
    return True


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            process.kill()


def say(words: str) -> None:
    """Tells on standard error what is being done."""
    print(f"{words} ...", file=sys.stderr, flush=True)


class Bar:
    """A progress bar on a terminal, a line per stage elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.terminal:
            filled = int(30 * done / total) if total else 30
            end = "\n" if done >= total else ""
            print(
                f"\r  [{'#' * filled}{'.' * (30 - filled)}] {stage:<44} {done:>9,}/{total:,}",
                end=end,
                file=sys.stderr,
                flush=True,
            )
        elif stage != self.stage:
            print(f"  {stage} ({total:,})", file=sys.stderr, flush=True)
        self.stage = stage
