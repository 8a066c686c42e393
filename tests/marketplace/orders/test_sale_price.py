"""The price of what is sold: owed from the receipt on, once, for what was accepted, in the days that the posting states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms
from tests.agreed import rows_of
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def sales(job: Job) -> list[Any]:
    found = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
    return [x for x in found if x["kind"] == "sale_price"]


async def test_what_was_accepted_is_owed_once_and_stands_in_the_statement(job: Job) -> None:
    await job.released(10)
    await job.ordered(4)
    assert (await ok(job.buyer.get(f"{API}/orders/{job.order}")))["payment_days"] == 30
    await job.signed()
    assert await sales(job) == [], "nothing is owed before the units are there"
    await job.delivered(3, damaged=1, note="A dent.")
    (line,) = await sales(job)
    assert (Decimal(line["amount"]), line["quantity"]) == (Decimal(240), 3)
    assert (line["payer"], line["payee"]) == (job.world.buyer.name, job.world.maker.name)
    assert line["cause_reference"].startswith("ORD-")
    assert "1 of 4 ordered were not accepted" in line["words"]
    zone = await job.world.owner.fetchval("SELECT timezone FROM site WHERE id = $1", job.world.buyer.site)
    today = await job.world.owner.fetchval("SELECT (now() AT TIME ZONE $1)::date", zone)
    assert date.fromisoformat(line["due_on"]) == today + timedelta(days=30)
    before = await rows_of(job.world, "settlement_line", "movement")
    again = {"lines": [{"line_no": 1, "good": 4}]}
    await refused(job.buyer.post(f"{API}/orders/{job.order}/receive", json=again), "order.state")
    assert await rows_of(job.world, "settlement_line", "movement") == before
    month = f"{datetime.now(UTC):%Y-%m}"
    statement = await ok(job.buyer.get(f"{API}/settlement/statements/{job.world.maker.id}/{month}"))
    assert "240" in str(statement)


async def test_an_order_of_which_nothing_arrived_owes_nothing(job: Job) -> None:
    await job.released(10)
    await job.ordered(2)
    await job.signed()
    await job.delivered(0, short=2, note="Empty.")
    assert await sales(job) == []


async def test_the_posting_states_the_days_and_an_order_keeps_them(job: Job) -> None:
    terms = PRESETS["standard-buy-back"].terms()
    body = {
        "title": "Fourteen days", "clause": terms.clause, "version": terms.version, "terms": dump_terms(terms),
        "use_class": "non_capital_spare", "payment_days": 181,
    }  # fmt: skip
    before = await rows_of(job.world, "release")
    answer = await refused(job.planner.post(f"{API}/releases", json=body), "release.payment_days")
    assert answer["errors"][0]["field"] == "payment_days"
    assert await rows_of(job.world, "release") == before
    made = (await ok(job.planner.post(f"{API}/releases", json={**body, "payment_days": 14}), 201))["id"]
    assert (await ok(job.planner.get(f"{API}/releases/{made}")))["payment_days"] == 14


async def test_receiving_many_lines_takes_as_many_statements_as_one(job: Job) -> None:
    listings = await job.posted(6)

    async def arrived(*chosen: str) -> int:
        body = {
            "po_number": "PO-MANY", "ship_to_site_id": str(job.world.buyer.site),
            "lines": [{"listing_id": i, "quantity": 2} for i in chosen],
        }  # fmt: skip
        job.order = (await ok(job.buyer.post(f"{API}/orders", json=body), 201))["id"]
        await job.signed()
        await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
        receipt = {"lines": [{"line_no": n, "good": 2} for n in range(1, len(chosen) + 1)]}
        with counted(job.world.db) as sent:
            await ok(job.buyer.post(f"{API}/orders/{job.order}/receive", json=receipt))
        return len(sent)

    assert await arrived(*listings[1:]) == await arrived(listings[0])
    assert len(await sales(job)) == 6
