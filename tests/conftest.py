"""Fixtures for every test: a real PostgreSQL built by the migrations, one database per worker cloned from a
template, and a small world of companies made for each test."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from marketplace.db.embedded import APP, OWNER, SUPERUSER, WORKER, Credentials, EmbeddedServer
from marketplace.db.session import Database
from marketplace.db.setup import ensure_database, migrate
from tests import demo_site
from tests.agreed import publish_whole_library
from tests.world import World

_KEEP = "BACKSTOCK_TEST_DATA"
TEMPLATE = "template_migrated"
# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process makes the cluster's folder; workers inherit it through the environment."""
    if not os.environ.get(_KEEP):
        folder = tempfile.mkdtemp(prefix="backstock-tests-")
        Path(folder).chmod(0o755)
        os.environ[_KEEP] = folder
        config.stash[_MADE] = folder


_MADE = pytest.StashKey[str]()


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_MADE, None)
    if folder and not hasattr(config, "workerinput"):
        demo_site.stop(Path(folder) / "demo")
        EmbeddedServer(Path(folder)).stop(mode="immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    return getattr(request.config, "workerinput", {}).get("workerid", "solo")


@pytest.fixture(scope="session")
def cluster() -> Credentials:
    """The test cluster (no fsync: these tests are about logic; faults/ runs its own with fsync on)."""
    server = EmbeddedServer(Path(os.environ[_KEEP]), fsync=False)
    credentials = server.start()
    ready = server.data_dir / "template.ready"
    import fcntl

    with (server.data_dir / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            asyncio.run(ensure_database(credentials.dsn(SUPERUSER, "postgres"), credentials.passwords, TEMPLATE))
            migrate(credentials.dsn(OWNER, TEMPLATE))
            ready.write_text(json.dumps({}))
    return credentials


async def clone(cluster: Credentials, name: str) -> None:
    """A fresh database from the migrated template."""
    admin = await asyncpg.connect(cluster.dsn(SUPERUSER, "postgres"))
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for attempt in range(50):
            try:
                await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} OWNER {OWNER}')
                break
            except asyncpg.ObjectInUseError:  # another worker clones the template this instant
                if attempt == 49:
                    raise
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


@pytest.fixture(scope="session")
async def database_name(cluster: Credentials, worker_id: str) -> str:
    name = f"test_{worker_id}"
    await clone(cluster, name)
    return name


@pytest.fixture(scope="session")
async def db(cluster: Credentials, database_name: str) -> AsyncIterator[Database]:
    """The app role: row level security applies."""
    database = Database(cluster.dsn(APP, database_name), pool_size=20)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def worker_db(cluster: Credentials, database_name: str) -> AsyncIterator[Database]:
    database = Database(cluster.dsn(WORKER, database_name), pool_size=5)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def owner(cluster: Credentials, database_name: str) -> AsyncIterator[asyncpg.Connection]:
    """The schema owner, who sees everything: for arranging and for asserting that nothing changed."""
    connection = await asyncpg.connect(cluster.dsn(OWNER, database_name))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def second_db(cluster: Credentials, worker_id: str) -> AsyncIterator[tuple[asyncpg.Connection, Database]]:
    """A database of its own in which every clause of the library is released: the owner's connection, and the app role.
    Everywhere else what is not released can be evaluated and not posted."""
    name = f"test_{worker_id}_second"
    await clone(cluster, name)
    connection = await asyncpg.connect(cluster.dsn(OWNER, name))
    database = Database(cluster.dsn(APP, name), pool_size=20)
    await publish_whole_library(connection)
    yield connection, database
    await database.close()
    await connection.close()


@pytest.fixture(scope="session")
async def second_worker_db(
    cluster: Credentials,
    worker_id: str,
    second_db: tuple[asyncpg.Connection, Database],
) -> AsyncIterator[Database]:
    """As ``worker_db``, in that database."""
    database = Database(cluster.dsn(WORKER, f"test_{worker_id}_second"), pool_size=5)
    yield database
    await database.close()


@pytest.fixture
async def second_world(second_db: tuple[asyncpg.Connection, Database]) -> World:
    """As ``world``, where every clause of the library is released."""
    return await World.make(*second_db)


@pytest.fixture
async def world(owner: asyncpg.Connection, db: Database) -> World:
    """A manufacturer, two partners, sites, people and parts that only this test knows."""
    return await World.make(owner, db)


@pytest.fixture(scope="session")
def demo(cluster: Credentials) -> demo_site.DemoSite:
    """The demo on fresh data, running for the whole test run."""
    return demo_site.start_once(Path(os.environ[_KEEP]) / "demo")
