"""Alembic's entry: runs migrations as the schema owner over asyncpg."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import MetaData, pool
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

config = context.config


def _metadata() -> MetaData | None:
    # Only autogenerate and the comparison test need the models; a migration itself never imports them.
    return config.attributes.get("metadata")


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=_metadata(),
        compare_type=True,
        compare_server_default=False,
        include_object=config.attributes.get("include_object"),
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        connection.exec_driver_sql("SET lock_timeout = '10s'")
        context.run_migrations()


async def _online(dsn: str) -> None:
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


given = config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    dsn = config.attributes.get("dsn") or os.environ.get("BACKSTOCK_OWNER_DATABASE_URL")
    if not dsn:
        raise SystemExit("Set BACKSTOCK_OWNER_DATABASE_URL, or use 'backstock migrate'.")
    asyncio.run(_online(dsn))
