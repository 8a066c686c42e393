"""What prices follow: index values from a file, costs and market values that a side states."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.agreements import queries
from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.evaluation import Entitled, evaluate_call
from marketplace.agreements.index_file import read_index_file
from marketplace.agreements.service import keep_index_values, state_value
from marketplace.kit.clock import local_day
from marketplace.kit.errors import DomainError
from tests import second
from tests.agreed import agreed_on, clock, delivered, person, rows_of
from tests.world import Party, World

owner, db, worker_db = second.FIXTURES

HEAD = "series,month,value,published_at,source\n"


def indexed(series: str) -> dict[str, Any]:
    return {
        "kind": "indexed", "percent_bp": 10_000, "series": series, "base_period": "2026-01", "lag_months": 1,
        "index_floor_bp": 5_000, "index_cap_bp": 20_000, "no_value": "last_known", "discontinued": "unchanged",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("PPI,2026-13,101.2,2026-02-15,BLS", "is no month"),
        ("PPI,2026-01,0,2026-02-15,BLS", "above zero"),
        ("PPI,2026-01,nan,2026-02-15,BLS", "above zero"),
        ("PPI,2026-01,a lot,2026-02-15,BLS", "is no number"),
        ("PPI,2026-01,101.2,soon,BLS", "no date or moment"),
        ("PPI,2026-01,101.2,2026-02-15,", "source"),
        (",2026-01,101.2,2026-02-15,BLS", "name the index"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: str, said: str) -> None:
    with pytest.raises(DomainError) as no:
        read_index_file(f"{HEAD}PPI,2026-01,100,2026-02-15,BLS\n{row}\n")
    assert no.value.code == "index.file"
    assert [f.field for f in no.value.fields] == ["line 3"]
    assert said in no.value.fields[0].message


def test_a_file_without_its_columns_or_values_is_none() -> None:
    for text in ("", "series,month\n", HEAD, f"{HEAD}A,2026-01,1,2026-02-15,X\nA,2026-01,2,2026-02-15,X\n"):
        with pytest.raises(DomainError) as no:
            read_index_file(text)
        assert no.value.code == "index.file"


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(DomainError):
        read_index_file(f"{HEAD}{text}")


async def test_values_are_kept_once_and_a_correction_is_another_row(world: World) -> None:
    name = f"PPI {uuid4()}"
    rows = read_index_file(f"{HEAD}{name},2026-01,100,2026-02-15,BLS\n{name},2026-02,104,2026-03-15,BLS\n")
    assert await keep_index_values(world.owner, rows) == 2
    assert await keep_index_values(world.owner, rows) == 0
    other = read_index_file(f"{HEAD}{name},2026-03,105,2026-04-15,BLS\n{name},2026-02,103,2026-03-15,BLS\n")
    with pytest.raises(DomainError) as no:
        await keep_index_values(world.owner, other)
    assert no.value.code == "index.other_value"
    assert await world.owner.fetchval("SELECT count(*) FROM index_value WHERE series = $1", name) == 2, (
        "none of the file"
    )
    corrected = read_index_file(f"{HEAD}{name},2026-02,103,2026-04-15,BLS\n{name},2026-03,ended,2026-04-15,BLS\n")
    assert await keep_index_values(world.owner, corrected) == 2
    async with world.db.read(world.maker.tenant) as session:
        (found,) = [s for s in await queries.index_series(session, after=name[:-1], limit=5) if s.series == name]
    assert (found.months, found.month, found.value, found.ended) == (3, "2026-03", None, True)


async def price(world: World, agreement_id: Any) -> str:
    """The price of a unit ordered now."""
    async with world.db.read(world.maker.tenant) as session:
        covered = (await queries.terms_and_facts(session, [(agreement_id, world.part)]))[agreement_id, world.part]
    answer = evaluate_call(covered.terms, replace(covered.facts, requested=1), clock())
    assert isinstance(answer, Entitled)
    return str(answer.unit_price)


async def test_a_price_follows_the_index_on_record(world: World) -> None:
    name, now = f"PPI {uuid4()}", clock()
    month = (now.replace(day=1) - timedelta(days=3)).strftime("%Y-%m")
    base = {**indexed(name), "base_period": month, "lag_months": 0}
    current = now.strftime("%Y-%m")
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "price": base, "handling_bp": 0})])
    await delivered(world, agreement_id, 10)
    text = f"{HEAD}{name},{month},100,{now.date()},BLS\n{name},{current},110,{now.date()},BLS\n"
    assert await price(world, agreement_id) == "100.00 USD", "no value yet: unmoved"
    await keep_index_values(world.owner, read_index_file(text))
    assert await price(world, agreement_id) == "110.00 USD"
    correction = f"{HEAD}{name},{current},112,{now.isoformat()},BLS\n"
    await keep_index_values(world.owner, read_index_file(correction))
    assert await price(world, agreement_id) == "112.00 USD"


async def states(world: World, party: Party, agreement_id: Any, kind: str, amount: str, **more: Any) -> None:
    usual = {"source": "Broker quotation", "valued_on": clock().date(), **more}
    async with world.db.write(party.tenant) as session:
        await state_value(
            session, person(party), agreement_id, world.part, kind=kind, amount=Decimal(amount), now=clock(), **usual
        )


async def test_a_price_follows_what_was_stated(world: World) -> None:
    market = {
        "kind": "market_minus",
        "source": "Broker quotation",
        "discount_bp": 1_000,
        "max_age_days": 30,
        "fallback_bp": 5_000,
    }
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "price": market, "handling_bp": 0})])
    await delivered(world, agreement_id, 10)
    assert await price(world, agreement_id) == "50.00 USD", "nothing stated: the share agreed on"
    await states(world, world.buyer, agreement_id, "market", "200", source="A neighbour")
    assert await price(world, agreement_id) == "50.00 USD", "not the source that the terms name"
    # East of the agreement's clock tomorrow has begun.
    tomorrow = local_day(clock(), "America/Chicago") + timedelta(days=1)
    await states(world, world.buyer, agreement_id, "market", "80", valued_on=tomorrow)
    assert await price(world, agreement_id) == "72.00 USD"


@pytest.mark.parametrize(
    ("side", "kind", "more", "code"),
    [
        ("maker", "cost", {}, "value.not_holder"),
        # Who pays by a value does not set it.
        ("maker", "market", {}, "value.not_holder"),
        ("buyer", "rent", {}, "value.kind"),
        ("buyer", "cost", {"source": " "}, "value.source"),
        ("buyer", "cost", {"valued_on": clock().date() + timedelta(days=2)}, "value.day"),
        ("other", "market", {}, "agreement.not_found"),
    ],
)
async def test_a_statement_that_cannot_be_is_refused(
    world: World, side: str, kind: str, more: dict[str, Any], code: str
) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, dict(BUY_BACK))])
    before = await rows_of(world, "unit_value", "agreement_event")
    with pytest.raises(DomainError) as no:
        await states(world, getattr(world, side), agreement_id, kind, "10", **more)
    assert no.value.code == code
    assert await rows_of(world, "unit_value", "agreement_event") == before
