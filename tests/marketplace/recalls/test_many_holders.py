"""A hold on what five hundred companies have, in a database of its own: theirs would be in everybody's lists."""

from __future__ import annotations

import asyncpg

from marketplace.db.session import Database
from marketplace.recalls import queries, service, tasks
from tests import own_database
from tests.agreed import clock, person
from tests.counting import counted
from tests.marketplace.recalls.test_recalls import ended, put
from tests.world import World

name, owner, db, worker_db = own_database.FIXTURES


async def test_as_many_statements_for_many_as_for_one(
    world: World, owner: asyncpg.Connection, worker_db: Database
) -> None:
    """Five hundred holders and ten thousand lots."""

    async def measured() -> tuple[list[int], service.InForce]:
        counts = []
        await tasks.tell(worker_db, clock())
        with counted(world.db) as sent:
            made = await put(world)
        counts.append(len(sent))
        async with world.db.read(world.maker.tenant) as session:
            with counted(world.db) as sent:
                await queries.holders(session, person(world.maker), made.id, secret="s", limit=501)
                await queries.recalls(session, person(world.maker), clock())
        counts.append(len(sent))
        with counted(worker_db) as sent:
            await tasks.tell(worker_db, clock())
        counts.append(len(sent))
        with counted(world.db) as sent:
            await ended(world, made.id)
        counts.append(len(sent))
        return counts, made

    await world.register(world.buyer, 1)
    few, _ = await measured()
    await owner.execute(
        """
        WITH c AS (INSERT INTO company (code, name, is_manufacturer, is_partner, currency, country)
            SELECT $3 || n, 'Holder ' || n, false, true, 'USD', 'US' FROM generate_series(1, 500) n RETURNING id, code),
        s AS (INSERT INTO site (company_id, code, name, place, region, country, lat, lon, timezone)
            SELECT id, 'S1', code || ' S1', 'A', 'AL', 'US', 33, -86, 'UTC' FROM c RETURNING id, company_id),
        l AS (SELECT gen_random_uuid() AS lot_id, s.id AS site, s.company_id FROM s CROSS JOIN generate_series(1, 20)),
        i AS (INSERT INTO lot (lot_id, part_id, serialised, uom, registered_by, root_lot_id, parties, last_seq, last_position,
                last_recorded_at, last_occurred_at)
            SELECT lot_id, $1, false, 'EA', company_id, lot_id, ARRAY[company_id], 1, 1, now(), now() FROM l RETURNING lot_id),
        p AS (INSERT INTO position (lot_id, position_id, part_id, serialised, owner_id, holder_id, site_id, condition, quantity)
            SELECT lot_id, 1, $1, false, company_id, company_id, site, 'new', 3 FROM l)
        INSERT INTO movement (lot_id, seq, kind, quantity, to_position, to_quantity_after, occurred_at, recorded_at, company_id,
            actor_id, command_id, cause_kind, parties)
        SELECT lot_id, 1, 'register', 3, 1, 3, now(), now(), company_id, $2, gen_random_uuid(), 'test', ARRAY[company_id] FROM l
        """,
        world.part, world.maker.actor, f"H{world.tag}-",
    )  # fmt: skip
    many, made = await measured()
    assert (made.holders, made.reach.lots, made.reach.units) == (501, 10_001, 30_001)
    assert many == few
    assert await owner.fetchval("SELECT count(*) FROM movement WHERE cause_id = $1", made.id) == 2 * 10_001
