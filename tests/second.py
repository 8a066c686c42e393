"""For test modules about the second library: they run in a database of their own, in which every clause is released.

A module says ``owner, db, worker_db = second.FIXTURES``: what is asked for by these names, and ``world``, is then there.
Everywhere else what is not released can be evaluated and not posted."""

from __future__ import annotations

import asyncpg
import pytest

from marketplace.db.session import Database


@pytest.fixture
def owner(second_db: tuple[asyncpg.Connection, Database]) -> asyncpg.Connection:
    """The schema's owner."""
    return second_db[0]


@pytest.fixture
def db(second_db: tuple[asyncpg.Connection, Database]) -> Database:
    """The app role."""
    return second_db[1]


@pytest.fixture
def worker_db(second_worker_db: Database) -> Database:
    """The worker's role."""
    return second_worker_db


FIXTURES = (owner, db, worker_db)
