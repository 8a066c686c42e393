"""Notices in the calendar, in reminders and on Home: the units that are left of each, and none of which nothing is."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketplace.agreements import queries as agreements
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.outcomes import Act
from marketplace.db.session import Database
from marketplace.holdings.service import AtSite, install
from marketplace.obligations import queries
from marketplace.obligations.kinds import ObligationKind
from marketplace.obligations.queries import ObligationFilter
from marketplace.obligations.queries.notices_left import OF_NOTICES
from tests import second
from tests.agreed import agreed_on, clock, delivered, person
from tests.counting import counted
from tests.marketplace.agreements.test_noticing import gives
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES


async def test_of_a_notice_what_is_left_of_it_is_due_told_and_counted(world: World, worker_db: Database) -> None:
    """Ten sold, three to keep, seven named. Five of them are fitted, then the last two: nothing is left to be asked for."""
    made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "minimum_to_keep": 3})])
    await delivered(world, made, 10)
    await gives(world, made, Act.SCRAP, 7, clock())
    here = AtSite(world.part, world.buyer.site)

    async def stands(party: Party) -> tuple[list[tuple[ObligationKind, int | None]], int, int]:
        now = clock()
        wanted = ObligationFilter(kinds=OF_NOTICES, due_after=now, due_until=now + timedelta(days=400))
        async with world.db.read(party.tenant) as session:
            found = await queries.obligations(session, person(party), wanted, now, secret="s")
            coming = await queries.coming(session, person(party), wanted, now, 10)
            days = await queries.by_day(session, person(party), wanted, now, "UTC")
            running = await agreements.notices_running(session, party.id, now)
        assert list(coming) == list(found.items)
        return [(o.kind, o.quantity) for o in found.items], sum(d.mine + d.theirs for d in days), running

    async def reminded(at: datetime) -> list[int | None]:
        async with worker_db.read() as session:
            return [
                o.row.quantity
                for o in await queries.to_remind(session, at, company_id=world.maker.id)
                if o.row.kind in OF_NOTICES
            ]

    async def fits(quantity: int) -> None:
        async with world.db.write(world.buyer.tenant) as session:
            await install(session, person(world.buyer), here, quantity, machine="M1", now=clock())

    asked, act = ObligationKind.ORDER_NOTICED, ObligationKind.ACT_ON_NOTICE
    due = await world.owner.fetchval("SELECT answer_by FROM notice WHERE agreement_id = $1", made)
    for fitted, left in ((0, 7), (5, 2)):
        if fitted:
            await fits(fitted)
        assert await stands(world.maker) == ([(asked, left), (act, left)], 2, 1)
        assert await stands(world.buyer) == ([(asked, left), (act, left)], 2, 0)
        assert await reminded(due - timedelta(hours=1)) == [left]
    await fits(2)
    assert await stands(world.maker) == ([], 0, 0)
    assert await stands(world.buyer) == ([], 0, 0)
    assert await reminded(due - timedelta(hours=1)) == []


async def test_as_many_statements_for_several_notices_as_for_one(world: World) -> None:
    made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "minimum_to_keep": 3})])
    await delivered(world, made, 10)

    async def statements() -> int:
        with counted(world.db) as sent:
            async with world.db.read(world.maker.tenant) as session:
                wanted = ObligationFilter(kinds=OF_NOTICES)
                assert (await queries.obligations(session, person(world.maker), wanted, clock(), secret="s")).items
        return len(sent)

    await gives(world, made, Act.SCRAP, 1, clock())
    before = await statements()
    for _ in range(4):
        await gives(world, made, Act.SCRAP, 1, clock())
    assert await statements() == before
