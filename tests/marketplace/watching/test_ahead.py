"""The watch reckons with what agreements say of the future: prices that move, other currencies, renewals, minimums that decline; and it
says what its figures rest on. Prices are asked of the clause as well, and have to be the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.agreements import queries as agreements
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.evaluation import evaluate_call
from marketplace.agreements.index_file import read_index_file
from marketplace.agreements.outcomes import Entitled
from marketplace.agreements.service import keep_index_values
from marketplace.db.session import Database
from marketplace.watching.queries import PartRow
from marketplace.watching.reckoning import Note
from marketplace.watching.telling import notes
from tests import second
from tests.agreed import agreed_on, clock, delivered
from tests.marketplace.watching.test_watch import _asked, _look, _rows
from tests.world import World

owner, db, worker_db = second.FIXTURES
NOW = datetime.now(UTC)
USUAL: dict[str, Any] = {**BUY_BACK, "handling_bp": 0, "price": {"kind": "percent_of_sale", "percent_bp": 9_000}}


async def _under(world: World, terms: dict[str, Any], quantity: int = 10) -> UUID:
    agreement = await agreed_on(world, [("buy-back", 2, {**USUAL, **terms})], quantity=quantity)
    await delivered(world, agreement, quantity)
    await _asked(world, world.part, 300)
    await _asked(world, world.part, 100)
    return agreement


async def _seen(world: World, worker: Database) -> PartRow:
    run = await _look(world, worker)
    return (await _rows(world, run, everything=True))[world.part]


async def test_a_price_that_follows_an_index_is_the_clauses_own(world: World, worker_db: Database) -> None:
    name, month, current = (
        f"PPI {uuid4()}",
        (NOW.replace(day=1) - timedelta(days=3)).strftime("%Y-%m"),
        NOW.strftime("%Y-%m"),
    )
    price = {
        "kind": "indexed", "percent_bp": 9_000, "series": name, "base_period": month, "lag_months": 0, "index_floor_bp": 5_000,
        "index_cap_bp": 20_000, "no_value": "last_known", "discontinued": "unchanged",
    }  # fmt: skip
    agreement = await _under(world, {"price": price, "handling_bp": 500})
    assert (await _seen(world, worker_db)).call_price == pytest.approx(94.5)
    head = "series,month,value,published_at,source\n"
    text = f"{head}{name},{month},100,{NOW.date()},BLS\n{name},{current},140,{NOW.date()},BLS\n"
    await keep_index_values(world.owner, read_index_file(text))
    row = await _seen(world, worker_db)
    async with world.db.read(world.maker.tenant) as session:
        covered = (await agreements.terms_and_facts(session, [(agreement, world.part)]))[agreement, world.part]
    answer = evaluate_call(covered.terms, replace(covered.facts, requested=1), clock())
    assert isinstance(answer, Entitled)
    assert row.call_price == pytest.approx(float(answer.unit_price.amount)) == pytest.approx(132.3)
    assert row.notes & Note.FOLLOWS
    assert "of today, and move" in " ".join(notes(row.notes))


async def test_another_currency_takes_the_own_rate_or_is_said_not_to_be_known(
    world: World, worker_db: Database
) -> None:
    agreement = await _under(world, {})
    await world.owner.execute("UPDATE company SET currency = 'EUR' WHERE id = $1", world.maker.id)
    run = await _look(world, worker_db)
    row = (await _rows(world, run, everything=True))[world.part]
    assert row.notes & Note.UNPRICED
    assert row.call_price != row.call_price
    # Nothing is worth calling as far as anybody can know; and never for nothing.
    assert row.call_units == 0 or row.call_cost != row.call_cost
    for day, rate in ((NOW.date() - timedelta(days=40), "0.5"), (NOW.date() - timedelta(days=2), "0.8")):
        await world.owner.execute(
            'INSERT INTO currency_rate (company_id, currency, "into", day, rate, source, recorded_by, recorded_at) '
            "VALUES ($1, 'USD', 'EUR', $2, $3, 'ECB', $4, now())",
            world.maker.id, day, Decimal(rate), world.maker.actor,
        )  # fmt: skip
    run = await _look(world, worker_db)
    row = (await _rows(world, run, everything=True))[world.part]
    assert (run.currency, row.call_price) == ("EUR", pytest.approx(100 * 0.9 * 0.8))
    assert row.notes & Note.CONVERTED
    assert run.totals["rates"][0].startswith("1 USD = 0.8 EUR")
    assert agreement


async def test_renewals_count_as_covered_and_not_as_firm(world: World, worker_db: Database) -> None:
    term = {"window_end_months": 6, "renewal_months": 24, "max_renewals": 5, "non_renewal_days": 30}
    agreement = await _under(world, {**term, "renewal": "automatic"})
    row = await _seen(world, worker_db)
    assert row.notes & Note.RENEWS
    assert row.lapsing == 0, "it goes on by itself"
    assert row.lapses_in == pytest.approx(10.5, abs=0.1)
    assert row.firm_10 < row.cover_10
    assert row.firm_pool == row.pool == 10
    await world.owner.execute(
        "UPDATE agreement SET non_renewal_at = now(), non_renewal_by = $2 WHERE id = $1", agreement, world.buyer.id
    )
    row = await _seen(world, worker_db)
    assert (row.lapsing, row.notes & Note.RENEWS) == (10, 0)
    assert row.firm_10 == row.cover_10


async def test_a_minimum_that_declines_counts_as_what_is_left(world: World, worker_db: Database) -> None:
    steps = {
        "minimum_to_keep": 8,
        "minimum_steps": [{"after_months": 6, "percent_bp": 5_000}, {"after_months": 12, "percent_bp": 2_500}],
    }
    await _under(world, {**steps, "window_end_months": 120})
    row = await _seen(world, worker_db)
    assert (row.pool, row.floor) == (10, 2)
    assert "declines" in " ".join(notes(row.notes))
    # Where the right reaches only the minimum, what leaves it is out of reach: it lapses.
    await world.owner.execute(
        "UPDATE agreement SET terms = jsonb_set(terms::jsonb, '{applies_to}', '\"floor\"')::json WHERE maker_id = $1",
        world.maker.id,
    )
    row = await _seen(world, worker_db)
    assert (row.pool, row.floor, row.lapsing) == (8, 8, 6)
    assert row.lapses_in == pytest.approx(0.5, abs=0.02)
    assert row.cover_10 < row.cover_1
