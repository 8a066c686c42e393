"""The fee for storing the minimum to keep: a line for every year that is over, for the units that were there all the time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.agreements import queries
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.storage import storage_due, year_end
from marketplace.agreements.terms import parse_terms
from marketplace.db.session import Database
from marketplace.kit.clock import add_months, end_of_day
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.settlement.service import owe_storage
from tests import second
from tests.agreed import agreed_on, rows_of, under
from tests.marketplace.agreements.builders import facts
from tests.world import World

owner, db, worker_db = second.FIXTURES

ZONE = "America/Chicago"
TERMS = {**BUY_BACK, "minimum_to_keep": 4, "storage_fee_bp": 300, "payment_days": 30, "window_end_months": 60}
SINCE = date(2022, 3, 1)


@given(date_=st.dates(date(2000, 1, 1), date(2060, 12, 31)), years=st.integers(0, 40), months=st.integers(1, 400))
@settings(max_examples=80)
def test_years_follow_each_other_without_gap_and_end_within_the_window(date_: date, years: int, months: int) -> None:
    terms, at = parse_terms("buy-back", 2, TERMS), facts(schedule_date=date_)
    closes = end_of_day(add_months(date_, months), at.zone)
    due = storage_due([terms], at, closes, years)
    assert (due is not None) == ((years + 1) * 12 <= months)
    if due is not None:
        assert due == year_end(at, years + 1) > year_end(at, years)
    assert storage_due([parse_terms("buy-back", 2, {**TERMS, "storage_fee_bp": 0})], at, closes, years) is None


def day(year: int, month: int, number: int = 1) -> datetime:
    return datetime(year, month, number, 12, tzinfo=UTC)


async def lines(world: World) -> list[tuple[Any, ...]]:
    rows = await world.owner.fetch(
        "SELECT quantity, amount::numeric(16,2), due_on, payer_id = $1, words FROM settlement_line "
        "WHERE kind = 'storage' AND payee_id = $2 ORDER BY due_on",
        world.maker.id, world.buyer.id,
    )  # fmt: skip
    return [tuple(r) for r in rows]


async def tick(worker: Database, agreement_id: UUID, now: datetime) -> int:
    async with worker.write() as session:
        return await owe_storage(session, agreement_id, now)


async def listed(worker: Database, agreement_id: UUID, now: datetime) -> bool:
    async with worker.read() as session:
        return agreement_id in await queries.storage_to_settle(session, now, limit=100_000)


async def test_each_year_is_owed_once_for_what_was_there_all_the_time(world: World, worker_db: Database) -> None:
    """Ten units delivered a month late; seven leave in the second year, so that three were kept; two come back in the third,
    reported late: they leave the fourth as it was, five, so that four count."""
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)], schedule_date=SINCE, now=day(2022, 3))
    lot = await world.register(world.buyer, 10, place=under(world, agreement_id), occurred_at=day(2022, 4))
    assert not await listed(worker_db, agreement_id, day(2023, 3))
    assert await tick(worker_db, agreement_id, day(2023, 3)) == 0
    moment = end_of_day(date(2023, 3, 1), ZONE)
    assert await listed(worker_db, agreement_id, moment)
    assert await asyncio.gather(*(tick(worker_db, agreement_id, moment) for _ in range(3))) in (
        [1, 0, 0], [0, 1, 0], [0, 0, 1],
    )  # fmt: skip
    ((units, amount, due, by_maker, words),) = await lines(world)
    assert (units, amount, due, by_maker) == (4, Decimal(12), date(2023, 3, 31), True)
    assert "Year 1" in words
    assert "4 units for a year" in words
    assert not await listed(worker_db, agreement_id, moment)
    await world.run(world.buyer, Step(Kind.LOSE, lot, 7, 1, occurred_at=day(2023, 9)))
    await world.run(world.buyer, Step(Kind.FIND, lot, 2, to=under(world, agreement_id), occurred_at=day(2024, 6)))
    # Three years at once, however late.
    assert await tick(worker_db, agreement_id, day(2026, 3, 3)) == 3
    kept = [(units, amount) for units, amount, *_ in await lines(world)]
    assert kept == [(4, 12), (3, 9), (3, 9), (4, 12)]
    before = await rows_of(world, "settlement_line", "agreement")
    assert await tick(worker_db, agreement_id, day(2026, 3, 3)) == 0
    assert await rows_of(world, "settlement_line", "agreement") == before
    # The window ends with the fifth year: after it there is no minimum to keep.
    assert await tick(worker_db, agreement_id, day(2040, 1)) == 1
    assert await world.owner.fetchval("SELECT storage_due_at FROM agreement WHERE id = $1", agreement_id) is None


async def test_what_was_shipped_before_the_year_ended_was_not_kept_through_it(
    world: World, worker_db: Database
) -> None:
    """Seven of ten were with a carrier to the manufacturer on the last day."""
    agreement_id = await agreed_on(world, [("buy-back", 2, TERMS)], schedule_date=SINCE, now=day(2022, 3))
    there = under(world, agreement_id)
    lot = await world.register(world.buyer, 10, place=there, occurred_at=day(2022, 4))
    await world.run(world.buyer, Step(Kind.SHIP, lot, 7, 1, to=replace(there, site=None), occurred_at=day(2023, 2, 27)))
    assert await tick(worker_db, agreement_id, day(2023, 3, 3)) == 1
    assert [(units, amount) for units, amount, *_ in await lines(world)] == [(3, 9)]


@pytest.mark.parametrize(("kept", "fee", "owed"), [(10, 0, 0), (0, 300, 0)])
async def test_nothing_is_owed_without_a_fee_or_without_units(
    world: World, worker_db: Database, kept: int, fee: int, owed: int
) -> None:
    agreement_id = await agreed_on(
        world, [("buy-back", 2, {**TERMS, "storage_fee_bp": fee})], schedule_date=SINCE, now=day(2022, 3)
    )
    if kept:
        await world.register(world.buyer, kept, place=under(world, agreement_id), occurred_at=day(2022, 4))
    assert await listed(worker_db, agreement_id, day(2023, 4)) == bool(fee)
    assert await tick(worker_db, agreement_id, day(2023, 4) + timedelta(days=1)) == owed
    assert await lines(world) == []
