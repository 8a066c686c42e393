"""The migrations are the only source of the schema: models say the same, each can be undone, and every table is
either behind row level security or on the list of those that need none."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from marketplace.db.embedded import OWNER, Credentials
from marketplace.db.registry import all_tables
from marketplace.db.setup import _config, migrate
from tests.conftest import clone

# Tables that carry no policy, and why each may not need one.
WITHOUT_POLICY = {
    "log_state": "how many entries the log has: told to everybody",
    "log_entry": "what the log commits to: served to everybody, and says nothing without a lot's key",
    "log_tile": "hashes of the log's tree: served to everybody",
    "log_checkpoint": "what the log has signed: served to everybody",
    "log_key": "the log's public keys",
    "log_witness": "names and public keys of witnesses: everybody may know who watches",
    "log_cosignature": "lines under checkpoints: served to everybody",
    "log_ended": "logs that could not go on, and why: told to everybody",
    "log_alarm": "what must not be: told to everybody who is signed in",
    "check_run": "what the checks of the ledger came to, in numbers: told to everybody who is signed in",
    "check_result": "as check_run, by check; what was found where stands in check_finding, which has a policy",
    "unsequenced": "the sequencer's queue: the app role may only add to it",

    "maker": "catalogue, for all who sign in", "part": "catalogue", "part_number": "catalogue", "part_class": "catalogue",
    "supersession": "catalogue", "alternate": "catalogue", "unit_of_measure": "catalogue",
    "uom_conversion": "catalogue",
    "clause_version": "the published texts of the clauses",
    "attempt_bucket": "counts failed sign-ins, before anybody is known",
    "index_value": "published by others, the same for both sides of every agreement; only the operator adds",
    "import_stage": "COPY is refused where there are policies; keyed by job, and jobs have policies",
    "import_row": "as import_stage",
    "import_vanished": "as import_stage",
    "demand_stage": "as import_stage; keyed by import",
    "advice_stage": "as import_stage; keyed by run",
    "catalogue_row": "as import_stage",
    "part_price": "catalogue",
    "watch_stage": "as import_stage; keyed by run",
}  # fmt: skip


def _ours(name: str) -> bool:
    return not name.startswith("pgqueuer") and name != "alembic_version"


async def test_every_table_has_a_policy_or_a_reason(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, "
        "(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    open_tables = {r["name"] for r in rows if not (r["enabled"] and r["forced"] and r["policies"])}
    open_tables = {n for n in open_tables if _ours(n)}
    expected = set(WITHOUT_POLICY)
    assert open_tables == set(expected), (open_tables - set(expected), set(expected) - open_tables)


async def test_whatever_names_a_part_is_found_by_it(owner: asyncpg.Connection) -> None:
    """A part that goes is looked for in each of these tables: one that has no index for it is read as a whole, once a part."""
    rows = await owner.fetch(
        "SELECT c.conrelid::regclass::text AS tab, a.attname AS col FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        "WHERE c.contype = 'f' AND c.confrelid = 'part'::regclass AND NOT EXISTS (SELECT FROM pg_index i "
        "WHERE i.indrelid = c.conrelid AND i.indkey[0] = a.attnum "
        "AND coalesce(pg_get_expr(i.indpred, i.indrelid), '') IN ('', format('(%I IS NOT NULL)', a.attname)))"
    )
    assert not rows, [tuple(r) for r in rows]


async def test_models_say_what_the_migrations_made(cluster: Credentials, database_name: str) -> None:
    engine = create_async_engine(cluster.dsn(OWNER, database_name).replace("postgresql://", "postgresql+asyncpg://", 1))

    def compare(connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda o, name, kind, reflected, to: (
                    _ours(name if kind == "table" else o.table.name) if name else True
                ),
            },
        )
        return list(compare_metadata(context, all_tables()))

    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(compare)
    finally:
        await engine.dispose()
    assert not differences, "\n".join(map(str, differences))


def test_every_migration_can_be_undone_and_done_again(cluster: Credentials) -> None:
    """Down to nothing and up again gives the same schema."""
    import asyncio

    name = "scratch_migrations"
    dsn = cluster.dsn(OWNER, name)
    asyncio.run(clone(cluster, name))
    before = asyncio.run(_shape(dsn))
    command.downgrade(_config(dsn), "base")
    emptied = asyncio.run(_shape(dsn))
    assert {row[1] for row in emptied if row[0] == "table"} <= {"alembic_version"}, "something was left behind"
    migrate(dsn)
    assert asyncio.run(_shape(dsn)) == before


async def _shape(dsn: str) -> set[tuple[str, ...]]:
    """Tables, columns, constraints, indexes, policies, functions and privileges, in words."""
    connection = await asyncpg.connect(dsn)
    try:
        rows: set[tuple[str, ...]] = set()
        for kind, sql in {
            "table": "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
            "column": "SELECT table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '') "
            "FROM information_schema.columns WHERE table_schema = 'public'",
            "constraint": "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
            "index": "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "policy": "SELECT tablename || '.' || policyname, cmd || coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies",
            "privilege": "SELECT table_name || grantee || privilege_type FROM information_schema.role_table_grants "
            "WHERE table_schema = 'public'",
        }.items():
            rows |= {(kind, *map(str, r)) for r in await connection.fetch(sql)}
        return rows
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).resolve().parents[3] / "migrations" / "versions").glob("*.py")), ids=lambda p: p.stem
)
def test_a_migration_says_why_and_how_to_undo(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "a migration begins by saying why"
    assert "Undo" in text.split('"""')[1] or "downgrade" in text.split('"""')[1]
