"""Part of a transaction that is taken back leaves nothing, also of what was written past the session."""

from __future__ import annotations

import pytest

from marketplace.db.session import Database, driver, execute, fetch_value
from tests.world import World


async def test_what_a_savepoint_wrote_goes_with_it(db: Database, world: World) -> None:
    count = "SELECT count(*) FROM outbox_event WHERE name = 'test.savepoint' AND aggregate_id = $1"
    write = "INSERT INTO outbox_event (name, aggregate, aggregate_id, company_ids, payload) VALUES ('test.savepoint', 'part', $1, ARRAY[$2::uuid], '{}')"
    async with db.write(world.maker.tenant) as session:
        # The driver is known to the session before the savepoint is set.
        await driver(session)

        async def half_done() -> None:
            async with session.begin_nested():
                await execute(session, write, world.part, world.maker.id)
                await (await driver(session)).execute(write, world.part, world.maker.id)
                raise RuntimeError("taken back")

        with pytest.raises(RuntimeError, match="taken back"):
            await half_done()
        assert await fetch_value(session, count, world.part) == 0
        async with session.begin_nested() as trial:
            await execute(session, write, world.part, world.maker.id)
            async with session.begin_nested():
                await execute(session, write, world.part, world.maker.id)
            await trial.rollback()
        async with session.begin_nested():
            await execute(session, write, world.part, world.maker.id)
        await execute(session, write, world.part, world.maker.id)
    assert await world.owner.fetchval(count, world.part) == 2
    await world.owner.execute(
        "DELETE FROM outbox_event WHERE name = 'test.savepoint' AND aggregate_id = $1", world.part
    )
