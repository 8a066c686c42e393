"""A database of its own for each test, for what looks at everything that there is: ``name, owner, db, worker_db =
own_database.FIXTURES``. ``owner`` is a superuser here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from marketplace.db.embedded import APP, SUPERUSER, WORKER, Credentials
from marketplace.db.session import Database
from tests.conftest import clone


@pytest.fixture
async def name(cluster: Credentials, worker_id: str) -> str:
    made = f"test_{worker_id}_own"
    await clone(cluster, made)
    return made


@pytest.fixture
async def owner(cluster: Credentials, name: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(cluster.dsn(SUPERUSER, name))
    await connection.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
    yield connection
    await connection.close()


@pytest.fixture
async def db(cluster: Credentials, name: str) -> AsyncIterator[Database]:
    database = Database(cluster.dsn(APP, name), pool_size=20, pool_wait_seconds=60)
    yield database
    await database.close()


@pytest.fixture
async def worker_db(cluster: Credentials, name: str) -> AsyncIterator[Database]:
    database = Database(cluster.dsn(WORKER, name), pool_size=5)
    yield database
    await database.close()


FIXTURES = name, owner, db, worker_db
