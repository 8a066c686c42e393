"""Roles, the database itself, and migrations: what stands before the first session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from marketplace.db.embedded import APP, DATABASE, OWNER, WORKER
from marketplace.kit.errors import busy

ROOT = Path(__file__).resolve().parents[2]


async def wait_for_server(dsn: str, seconds: float = 60.0) -> None:
    """Returns once the server answers: containers start together, and the database takes its time. Raises
    ``db.gone`` after ``seconds``."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await (await asyncpg.connect(dsn, timeout=5)).close()
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError, TimeoutError):
            if asyncio.get_running_loop().time() > until:
                raise busy(
                    "db.gone", "The database server does not answer. Is it running, and is the address right?"
                ) from None
            await asyncio.sleep(0.5)
        else:
            return


async def ensure_database(admin_dsn: str, passwords: Mapping[str, str], database: str = DATABASE) -> None:
    """Makes the three roles and the database, each only where missing. Roles: the app may not bypass row level
    security; the worker neither (it has policies of its own); the owner runs migrations and bypasses."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        for role, attributes in (
            (OWNER, "LOGIN BYPASSRLS"),
            (APP, "LOGIN NOBYPASSRLS NOINHERIT"),
            (WORKER, "LOGIN NOBYPASSRLS NOINHERIT"),
        ):
            known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            quoted = await connection.fetchval("SELECT quote_literal($1::text)", passwords[role])
            verb = "ALTER" if known else "CREATE"
            await connection.execute(f"{verb} ROLE {role} {attributes} PASSWORD {quoted}")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(
                f'CREATE DATABASE "{database}" OWNER {OWNER} TEMPLATE template0 ENCODING UTF8 '
                "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
            )
    finally:
        await connection.close()
    inside = await asyncpg.connect(admin_dsn.rsplit("/", 1)[0] + "/" + database)
    try:
        # Trusted extensions could be made by the owner; pg_stat_statements could not, and one place is enough.
        for extension in ("pg_trgm", "btree_gin", "btree_gist"):
            await inside.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        await inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        await inside.execute(f"GRANT ALL ON SCHEMA public TO {OWNER}")
    finally:
        await inside.close()


def _config(owner_dsn: str | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")
    if owner_dsn:
        config.attributes["dsn"] = owner_dsn
    return config


def migrate(owner_dsn: str, revision: str = "head") -> None:
    """Brings the schema to ``revision``."""
    command.upgrade(_config(owner_dsn), revision)


def head_revision() -> str:
    """The newest revision in the migrations folder."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:
        raise busy("db.no_migrations", "There are no migrations in this installation.")
    return head


def password_in(dsn: str) -> str:
    """The password in a DSN."""
    return unquote(urlsplit(dsn).password or "")


def database_in(dsn: str) -> str:
    """The database name in a DSN."""
    return urlsplit(dsn).path.lstrip("/")
