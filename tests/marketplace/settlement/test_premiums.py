"""What the manufacturer pays once for the right: owed from the signing on, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.agreements.combinations import BUY_BACK, FIRST_REFUSAL
from marketplace.db.session import Database
from marketplace.kit.clock import local_day
from marketplace.outbox.service import Event
from marketplace.settlement.tasks import listeners
from marketplace.sourcing import tasks as sourcing
from tests import second
from tests.agreed import NOW, agreed, agreed_on
from tests.world import World

owner, db, worker_db = second.FIXTURES


def told(agreement_id: UUID, status: str) -> Event:
    return Event(1, "agreement.signed", "agreement", agreement_id, {"status": status}, (), 0)


async def lines(world: World, agreement_id: UUID) -> list[tuple[Any, ...]]:
    rows = await world.owner.fetch(
        "SELECT payer_id, payee_id, kind, amount, due_on, words FROM settlement_line WHERE cause_id = $1", agreement_id
    )
    return [tuple(r) for r in rows]


async def test_a_premium_is_owed_once_however_often_the_signing_is_told(world: World, worker_db: Database) -> None:
    """Ten units of 100: five percent under the call and two under the first refusal beside it."""
    call = {**BUY_BACK, "option_premium_bp": 500, "applies_to": "floor", "minimum_to_keep": 3, "payment_days": 30}
    first = {**FIRST_REFUSAL, "option_premium_bp": 200, "applies_to": "free", "minimum_to_keep": 3, "payment_days": 45}
    agreement_id = await agreed_on(world, [("buy-back", 2, call), ("first-refusal", 1, first)])
    signed = listeners(worker_db)["agreement.signed"]
    await signed(told(agreement_id, "offered"))
    assert await lines(world, agreement_id) == [], "one side alone has signed"
    await asyncio.gather(*(signed(told(agreement_id, "active")) for _ in range(3)))
    ((payer, payee, kind, amount, due, words),) = await lines(world, agreement_id)
    assert (payer, payee, kind, amount) == (world.maker.id, world.buyer.id, "premium", Decimal(70))
    assert due == local_day(NOW, "America/Chicago") + timedelta(days=30)
    assert "7 %" in words


async def test_a_premium_is_a_share_of_the_whole_price_rounded_once(world: World, worker_db: Database) -> None:
    """One percent of 0.40 is less than half a cent for each unit, and four cents for ten."""
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "option_premium_bp": 1, "payment_days": 30})])
    await world.owner.execute("UPDATE agreement_line SET sale_price = 0.40 WHERE agreement_id = $1", agreement_id)
    await listeners(worker_db)["agreement.signed"](told(agreement_id, "active"))
    ((_, _, _, amount, _, _),) = await lines(world, agreement_id)
    assert amount == Decimal("0.00"), "ten units at 0.40, one basis point: less than half a cent in all"
    other = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "option_premium_bp": 100, "payment_days": 30})])
    await world.owner.execute("UPDATE agreement_line SET sale_price = 0.40 WHERE agreement_id = $1", other)
    await listeners(worker_db)["agreement.signed"](told(other, "active"))
    ((_, _, _, amount, _, _),) = await lines(world, other)
    assert amount == Decimal("0.04"), "not nothing"


@pytest.mark.parametrize("premium", [0, None])
async def test_nothing_is_owed_where_no_clause_says_so(world: World, worker_db: Database, premium: int | None) -> None:
    if premium is None:
        agreement_id = await agreed(world)
    else:
        agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "option_premium_bp": premium})])
    await listeners(worker_db)["agreement.signed"](told(agreement_id, "active"))
    assert await lines(world, agreement_id) == []


async def test_a_line_of_an_agreement_ends_no_order_when_it_is_settled(worker_db: Database) -> None:
    event = Event(1, "settlement.settled", "settlement", uuid4(), {"cause_id": str(uuid4())}, (), 0)
    await sourcing.listeners(worker_db)["settlement.settled"](event)
