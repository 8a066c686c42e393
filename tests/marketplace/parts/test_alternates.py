"""Alternates: each maker says for its own parts only what may stand in for them."""

from __future__ import annotations

import asyncpg

from marketplace.db.session import Database
from tests.clients import app_for, client_for, token_for
from tests.world import World


async def test_both_ways_is_for_the_maker_of_both(world: World, db: Database, owner: asyncpg.Connection) -> None:
    another = await World.make(owner, db)
    twin = await world.make_part(f"{world.tag}-100-B")
    token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    count = "SELECT count(*) FROM alternate WHERE part_id = ANY($1) OR alternate_part_id = ANY($1)"
    parts = [world.part, another.part, twin]

    async with client_for(app_for(db), token) as client:
        new = {"part_id": str(world.part), "alternate": str(another.part), "both_ways": True}
        refused = await client.post("/api/v1/parts/alternates", json=new)
        assert (refused.status_code, refused.json()["code"]) == (403, "part.foreign")
        assert await owner.fetchval(count, parts) == 0

        one_way = await client.post("/api/v1/parts/alternates", json=new | {"both_ways": False})
        assert one_way.status_code == 201
        assert await owner.fetchval(count, parts) == 1

        own = await client.post("/api/v1/parts/alternates", json=new | {"alternate": str(twin)})
        assert own.status_code == 201
    pairs = {
        tuple(r)
        for r in await owner.fetch("SELECT part_id, alternate_part_id FROM alternate WHERE part_id = ANY($1)", parts)
    }
    assert pairs == {(world.part, another.part), (world.part, twin), (twin, world.part)}
