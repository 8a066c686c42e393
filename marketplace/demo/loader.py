"""Puts the demo world into a database: one transaction of COPYs as the owner of the schema."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from marketplace.agreements.service import publish_library
from marketplace.demo.cast import DEMO_PASSWORD, FOUNDED, MANUFACTURER, PARTNERS, SERVICE
from marketplace.demo.data.read import load_sources
from marketplace.demo.draws import Draws
from marketplace.demo.papers import PublishedClause
from marketplace.demo.tables import Mapper, Table
from marketplace.demo.world import World, build_world
from marketplace.kit.errors import conflict
from marketplace.parties.service import hash_password

SEED = 1
SHOWN_PARTNER = "TX"
"""The partner whose people the printed logins are of: one of the largest, with nothing suspended."""
CLAUSES = Path(__file__).resolve().parents[2] / "contracts"
_BATCH = 20_000
_LOCK = 0x6261636B73746F63
_ANALYZED = (
    "company", "site", "part", "part_number", "agreement", "agreement_line", "lot", '"position"', "movement",
    "listing", "purchase_order", "order_line", "order_unit", "stock_count", "stock_line",
)  # fmt: skip

_TEXT_INDEXES = ("ix_part_number_trgm", "ix_part_words")

Progress = Callable[[str, int, int], None]
"""(what is being loaded, rows done, rows in all)."""


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """One person to sign in as: the role, who that is, the mail address, and what to try with it."""

    role: str
    company: str
    email: str
    tries: str


@dataclass(frozen=True, slots=True)
class DemoLogins:
    """One login per role, all with the same password. ``loaded``: False where the demo was there already."""

    password: str
    logins: tuple[DemoLogin, ...]
    loaded: bool

    def email(self, role: str) -> str:
        """The mail address of a role."""
        return next(login.email for login in self.logins if login.role == role)


def demo_logins(*, loaded: bool) -> DemoLogins:
    """The logins to print; the same for every start."""
    name, trade = PARTNERS[SHOWN_PARTNER][1], PARTNERS[SHOWN_PARTNER][2]
    partner = f"{name} {trade} ({PARTNERS[SHOWN_PARTNER][0]})"
    at_partner = f"{name.lower().replace(' ', '-')}.example"
    return DemoLogins(
        DEMO_PASSWORD,
        (
            DemoLogin("planner", MANUFACTURER[1], f"planner@{MANUFACTURER[2]}", "post surplus, see what is out there"),
            DemoLogin("buyer", partner, f"buyer@{at_partner}", "find and order, see what you hold, answer calls"),
            DemoLogin("technician", MANUFACTURER[1], f"technician@{MANUFACTURER[2]}", "order a unit back"),
            DemoLogin("auditor", MANUFACTURER[1], f"auditor@{MANUFACTURER[2]}", "read any unit's history"),
            DemoLogin("warehouse", partner, f"warehouse@{at_partner}", "receive, ship, use, count"),
            DemoLogin("delegate", SERVICE[1], f"technician@{SERVICE[2]}", "source within a delegation's limits"),
            DemoLogin("admin", MANUFACTURER[1], f"admin@{MANUFACTURER[2]}", "people, sites, keys, delegations"),
        ),
        loaded,
    )


_PLACES = """
UPDATE call k SET ship_from = site_card(k.site_id), ship_to = site_card(k.destination_site_id) || jsonb_build_object(
    'asked_by', jsonb_build_object('name', u.name, 'company', c.name, 'telephone', coalesce(s.counter_phone, '')))
FROM user_account u JOIN company c ON c.id = u.company_id LEFT JOIN site s ON s.id = u.site_id
WHERE u.id = k.requested_by AND k.ship_to IS NULL
"""


async def load_demo(owner_dsn: str, *, start: datetime, progress: Progress) -> DemoLogins:
    """Loads the demo world as of ``start``, all of it or nothing; where it is loaded already, nothing happens.

    ``owner_dsn``: the role that owns the schema (it bypasses row level security, and COPY needs that). Raises
    ``demo.occupied`` where companies of the demo's codes exist that are not the demo's.
    """
    connection = await asyncpg.connect(owner_dsn)
    try:
        async with connection.transaction():
            # Two starts at once: the second waits, then finds everything there.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await _is_loaded(connection):
                # What was loaded by an older version may lack clauses that were released since.
                await publish_library(connection, CLAUSES)
                return demo_logins(loaded=False)
            await _load(connection, start, progress)
            await connection.execute(_PLACES)
        for table in _ANALYZED:
            await connection.execute(f"ANALYZE {table}")
        for index in _TEXT_INDEXES:
            # What the load left to be worked in later would be read by every search until then.
            await connection.execute("SELECT gin_clean_pending_list($1::regclass)", index)
    finally:
        await connection.close()
    return demo_logins(loaded=True)


async def is_loaded(owner_dsn: str) -> bool:
    """Whether the demo world is there. Raises ``demo.occupied`` as ``load_demo`` does."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        return await _is_loaded(connection)
    finally:
        await connection.close()


async def _is_loaded(connection: asyncpg.Connection) -> bool:
    known = await connection.fetchval("SELECT id FROM company WHERE code = $1", MANUFACTURER[0])
    if known is None:
        return False
    if known != Draws(SEED).id(FOUNDED, "company", MANUFACTURER[0]):
        raise conflict(
            "demo.occupied",
            f"There is a company {MANUFACTURER[0]} that is not the demo's. Load the demo into a database of its own.",
        )
    return True


async def _load(connection: asyncpg.Connection, start: datetime, progress: Progress) -> None:
    progress("reading the records", 0, 1)
    password = asyncio.create_task(hash_password(DEMO_PASSWORD))
    with _no_collection():
        world = await asyncio.to_thread(_build, start)
        clauses = await _publish(connection)
        await _references(connection, world)
        job = Draws(SEED).id(start, "import job")
        tables = list(Mapper(world, clauses, await password, job).tables())
        total, done = sum(t.count for t in tables), 0
        for table in tables:
            for batch in _batches(table):
                progress(table.words, done, total)
                await connection.copy_records_to_table(table.name, records=batch, columns=table.columns)
                done += len(batch)
        progress("checking and indexing", total, total)


def _build(start: datetime) -> World:
    return build_world(load_sources(), start, SEED)


@contextmanager
def _no_collection() -> Iterator[None]:
    """A million small tuples that all live to the end: looking for cycles among them takes seconds and finds none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _batches(table: Table) -> Iterator[Sequence[Any]]:
    rows = iter(table.rows)
    while batch := list(islice(rows, _BATCH)):
        yield batch


async def _publish(connection: asyncpg.Connection) -> dict[tuple[str, int], PublishedClause]:
    await publish_library(connection, CLAUSES)
    rows = await connection.fetch("SELECT clause, version, sha256, wording FROM clause_version")
    return {(r["clause"], r["version"]): PublishedClause(*r) for r in rows}


async def _references(connection: asyncpg.Connection, world: World) -> None:
    """Units and classes, which others may have brought in before."""
    for table, rows in (("unit_of_measure", world.units), ("part_class", world.classes)):
        await connection.execute(
            f"INSERT INTO {table} (code, name) SELECT key, value FROM jsonb_each_text($1::text::jsonb) "
            "ON CONFLICT DO NOTHING",
            json.dumps(dict(rows)),
        )
