"""Freight: the side that paid it and does not bear it under the clause is owed it, once for each document; the other side can
object in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace.agreements.presets import PRESETS
from tests.agreed import rows_of
from tests.marketplace.main_job import API, ok, refused
from tests.marketplace.sourcing.test_rejecting import CALLS, UPS, dispute_of, inspected
from tests.web.job import Site, open_site, send
from tests.world import World

TABLES = ("settlement_line", "call_event", "outbox_event")
PAID: dict[str, Any] = {"trip": "there", "amount": "84.20", "currency": "USD", "document": " 1Z  999 "}


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as found:
        yield found


async def test_the_holder_paid_what_the_maker_bears(world: World, site: Site) -> None:
    assert PRESETS["standard-buy-back"].terms().freight_payer == "manufacturer"
    job = site.job
    await job.sold(4, offered=4)
    await job.called()
    at = f"{CALLS}/{job.call}/freight"
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(at, json=PAID), "freight.not_shipped")
    assert await rows_of(world, *TABLES) == before
    await job.came_back()
    before = await rows_of(world, *TABLES)
    await refused(job.planner.post(at, json=PAID), "freight.own")
    await refused(job.outsider.post(at, json=PAID), "call.not_found")
    await refused(job.buyer.post(at, json={**PAID, "document": "  "}), "freight.document")
    await refused(job.buyer.post(at, json={**PAID, "amount": "0.001"}), "freight.amount")
    await refused(job.buyer.post(at, json={**PAID, "trip": "back"}), "freight.not_shipped")
    assert await rows_of(world, *TABLES) == before
    made = await ok(job.buyer.post(at, json=PAID))
    await refused(job.buyer.post(at, json={**PAID, "document": "1z 999", "amount": "5"}), "freight.known")
    line = await ok(job.planner.get(f"{API}/settlement/{made['id']}"))
    assert (line["kind"], line["payer_id"], line["amount"], line["document"]) == (
        "freight", str(world.maker.id), "84.2000", "1Z 999",
    )  # fmt: skip
    assert line["object_by"] > datetime.now(UTC).isoformat()
    body = {"amount": "84.20", "offer": "50", "reason": "price", "words": "The contract rate is 50."}
    found = await ok(job.planner.post(f"{API}/settlement/{line['id']}/dispute", json=body), 201)
    await ok(job.buyer.post(f"{API}/settlement/disputes/{found['id']}/agree"))
    assert (await ok(job.planner.get(f"{API}/settlement/{line['id']}")))["due_amount"] == "50.0000"
    second = await ok(job.buyer.post(at, json={**PAID, "document": "1Z 1000"}))
    await world.owner.execute(
        "UPDATE settlement_line SET object_by = $2 WHERE id = $1::uuid",
        second["id"],
        datetime.now(UTC) - timedelta(days=1),
    )
    await refused(job.planner.post(f"{API}/settlement/{second['id']}/dispute", json=body), "dispute.late")


async def test_the_way_back_is_the_holders(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await inspected(job, 2, 1)
    found = await dispute_of(job)
    await ok(job.buyer.post(f"{API}/settlement/disputes/{found['id']}/propose", json={"amount": "0", "quantity": 0}))
    await ok(job.planner.post(f"{API}/sourcing/disputes/{found['id']}/agree"))
    await ok(job.technician.post(f"{CALLS}/{job.call}/send-back", json=UPS))
    back = {**PAID, "trip": "back"}
    await refused(job.buyer.post(f"{CALLS}/{job.call}/freight", json=back), "freight.own")
    made = await ok(job.planner.post(f"{CALLS}/{job.call}/freight", json=back))
    line = await ok(job.buyer.get(f"{API}/settlement/{made['id']}"))
    assert line["payer_id"] == str(world.buyer.id)
    assert "go back at the holder's cost" in line["words"]


async def test_freight_is_recorded_on_a_page(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called()
    await job.came_back()
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    at = f"/calls/{job.call}"
    assert f"{at}/freight" in (await buyer.get(at)).text
    form = await buyer.get(f"{at}/freight")
    before = await rows_of(world, *TABLES)
    assert (await send(buyer, f"{at}/freight", form, amount="84.20", document="")).status_code == 422
    own = await send(planner, f"{at}/freight", await planner.get(f"{at}/freight"), amount="84.20", document="CMR 1")
    assert own.status_code == 409
    assert "Your company bears this freight" in own.text
    assert await rows_of(world, *TABLES) == before
    done = await send(buyer, f"{at}/freight", form, amount="84.20", document="CMR 1")
    assert done.status_code == 303, done.text
    told = (await planner.get(at)).text
    assert "paid the carrier" in told
    line = await world.owner.fetchval(
        "SELECT id FROM settlement_line WHERE kind = 'freight' AND payer_id = $1", world.maker.id
    )
    page = (await planner.get(f"/settlement/{line}")).text
    assert "CMR 1" in page
    assert f"/settlement/{line}/dispute" in page
