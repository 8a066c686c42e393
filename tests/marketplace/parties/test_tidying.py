"""What the clock forgets, and what it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from marketplace.db.session import Database
from marketplace.parties import tasks
from tests.world import World


async def test_only_what_has_long_ended_is_forgotten(
    world: World, worker_db: Database, owner: asyncpg.Connection
) -> None:
    now, person = datetime.now(UTC), world.maker.users["planner"]
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(hours=1))):
        await owner.execute(
            "INSERT INTO attempt_bucket (key, window_start, count) VALUES ($1, $2, 3)",
            f"account:{name}{world.tag}",
            now - age,
        )
    for name, ends, revoked in (
        ("ended", -31, None), ("taken back", 5, -31), ("just ended", -29, None), ("open", 5, None),
    ):  # fmt: skip
        await owner.execute(
            "INSERT INTO user_session (token_hash, user_id, company_id, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5)",
            f"{name}{world.tag}".encode(), person, world.maker.id, now + timedelta(days=ends),
            None if revoked is None else now + timedelta(days=revoked),
        )  # fmt: skip
    assert await tasks.tidy(worker_db, now) >= 3
    kept = await owner.fetch(
        "SELECT convert_from(token_hash, 'UTF8') AS t FROM user_session WHERE user_id = $1", person
    )
    assert {r["t"].removesuffix(world.tag) for r in kept} >= {"just ended", "open"}
    assert not {r["t"].removesuffix(world.tag) for r in kept} & {"ended", "taken back"}
    keys = await owner.fetch("SELECT key FROM attempt_bucket WHERE key LIKE $1", f"%{world.tag}")
    assert [r["key"] for r in keys] == [f"account:new{world.tag}"]
