"""Shelf life that ends before the window: notice of scrapping in the holder's name, once, in time for the manufacturer to ask for
the units or to let them go.

Ten units of which four are to be kept; the manufacturer has 20 days to answer about scrapping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.tasks import tell_shelf_lives
from marketplace.db.session import Database
from marketplace.kit.clock import add_months
from tests import second
from tests.agreed import agreed, agreed_on, delivered, rows_of
from tests.counting import counted
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site
from tests.world import World

owner, db, worker_db = second.FIXTURES

CLOCK = UUID(int=0)
ZONE = ZoneInfo("America/Chicago")
TABLES = ("shelf_life", "shelf_life_lot", "notice", "agreement_event", "outbox_event")
TERMS = {**BUY_BACK, "minimum_to_keep": 4, "scrap_rule": "offer_first", "scrap_notice_days": 20}
LAST = datetime.now(UTC).date() + timedelta(days=200)
FIRST = datetime.combine(LAST - timedelta(days=50), datetime.min.time(), ZONE)
"""The first moment at which the clock says something: 20 + 30 days before, where the agreement counts its days."""


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def lot_of(world: World, agreement_id: UUID, quantity: int, last: date = LAST) -> UUID:
    lot = await delivered(world, agreement_id, quantity)
    await world.owner.execute("UPDATE lot SET expires_on = $2 WHERE lot_id = $1", lot, last)
    return lot


async def notices(world: World, agreement_id: UUID) -> list[tuple[Any, ...]]:
    rows = await world.owner.fetch(
        "SELECT act, quantity, given_by, holder_id, note FROM notice WHERE agreement_id = $1 ORDER BY id", agreement_id
    )
    return [tuple(r) for r in rows]


async def test_shelf_life_that_ends_before_the_window_gives_notice_of_scrapping_once(
    site: Site, worker_db: Database
) -> None:
    world = site.world
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)])
    for quantity in (5, 3):
        await lot_of(world, agreement_id, quantity)
    await delivered(world, agreement_id, 2)
    before = await rows_of(world, *TABLES)
    assert await tell_shelf_lives(worker_db, CLOCK, FIRST - timedelta(seconds=1)) == 0
    assert await rows_of(world, *TABLES) == before
    # Two clocks at once, and both late: one notice, of what may be scrapped beside the minimum to keep.
    late = FIRST + timedelta(days=9)
    assert sum(await asyncio.gather(*(tell_shelf_lives(worker_db, CLOCK, late) for _ in range(2)))) == 1
    day = f"{LAST.day} {LAST:%b %Y}"
    assert await notices(world, agreement_id) == [
        ("scrap", 6, CLOCK, world.buyer.id, f"Shelf life ends on {day}: given by the clock.")
    ]
    told = await world.owner.fetchval("SELECT words FROM shelf_life WHERE agreement_id = $1", agreement_id)
    assert "8 units of" in told
    assert "The other 2 belong to the minimum to keep" in told
    mail = await world.owner.fetchval(
        "SELECT payload->'mail' FROM outbox_event WHERE aggregate_id = $1 AND name = 'agreement.shelf_life'",
        agreement_id,
    )
    assert day in mail
    before = await rows_of(world, *TABLES)
    assert await tell_shelf_lives(worker_db, CLOCK, late + timedelta(days=60)) == 0
    assert await rows_of(world, *TABLES) == before
    for who, mine in ((site.job.buyer, True), (site.job.planner, False)):
        query = {"kind": "shelf_life_ends"}
        (row,) = (await ok(who.get(f"{API}/obligations", params=query)))["items"]
        assert (row["quantity"], row["mine"]) == (8, mine)
        assert datetime.fromisoformat(row["due"]) == datetime.combine(
            LAST + timedelta(days=1), datetime.min.time(), ZONE
        )
    assert (await ok(site.job.outsider.get(f"{API}/obligations", params=query)))["items"] == []
    page = (await (await site.browser(world.maker, "planner")).get(f"/agreements/{agreement_id}")).text
    assert "The shelf life of units ends" in page

    # What comes later of another lot is told by itself; more lots take no more statements.
    async def statements() -> int:
        with counted(worker_db) as sent:
            assert await tell_shelf_lives(worker_db, CLOCK, late) == 1
        return len(sent)

    await world.owner.execute("UPDATE agreement_line SET quantity_sold = 100 WHERE agreement_id = $1", agreement_id)
    await lot_of(world, agreement_id, 1)
    few = await statements()
    for _ in range(5):
        await lot_of(world, agreement_id, 1)
    assert await statements() == few
    assert [n[1] for n in await notices(world, agreement_id)] == [6, 1, 5]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"scrap_rule": "free"}, "May be scrapped without asking"),
        ({"minimum_to_keep": 10}, "belong to the minimum to keep"),
    ],
)
async def test_where_no_notice_is_needed_or_possible_both_sides_are_told(
    world: World, worker_db: Database, changed: dict[str, Any], words: str
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, {**TERMS, **changed})])
    await lot_of(world, agreement_id, 5)
    assert await tell_shelf_lives(worker_db, CLOCK, FIRST) == 1
    assert await tell_shelf_lives(worker_db, CLOCK, FIRST) == 0
    assert await notices(world, agreement_id) == []
    (row,) = await world.owner.fetch("SELECT words, notice_id FROM shelf_life WHERE agreement_id = $1", agreement_id)
    assert row["notice_id"] is None
    assert words in row["words"]


async def test_nothing_is_said_where_the_right_ends_first_or_the_agreement_stands_still(
    site: Site, worker_db: Database
) -> None:
    world = site.world
    first_library = await agreed(world, quantity=10)
    await lot_of(world, first_library, 5)
    soon = await agreed_on(world, [("buy-back", 2, TERMS)], schedule_date=add_months(LAST - timedelta(days=1), -60))
    await lot_of(world, soon, 5)
    still = await agreed_on(world, [("buy-back", 2, TERMS)])
    await lot_of(world, still, 5)
    site.job.agreement = str(still)
    hold = {"held": True, "reason": "A court order.", "basis": "Order 12 CV 340"}
    await ok(site.job.planner.post(f"{API}/agreements/{still}/legal-hold", json=hold))
    before = await rows_of(world, *TABLES)
    assert await tell_shelf_lives(worker_db, CLOCK, FIRST) == 0
    assert await rows_of(world, *TABLES) == before
    await ok(site.job.planner.post(f"{API}/agreements/{still}/legal-hold", json={**hold, "held": False}))
    assert await tell_shelf_lives(worker_db, CLOCK, FIRST) == 1
    assert [len(await notices(world, a)) for a in (first_library, soon, still)] == [0, 0, 1]
