"""Reads of runs that a worker carries out."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from marketplace.db.session import WriteSession, fetch_one


async def run_for_update(
    session: WriteSession, table: str, company_id: UUID | None, run_id: UUID
) -> asyncpg.Record | None:
    """State and attempt of a run in ``table``, locked; None where it is not there."""
    return await fetch_one(
        session,
        f"SELECT state, attempt FROM {table} WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE",
        run_id,
        company_id,
    )
