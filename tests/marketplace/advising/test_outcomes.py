"""What came of advice, with real rows: units of a taken line sold, ordered back and used by their holder, counted once, and only those of
the run, the part and the company that are asked about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from marketplace.advising import service
from marketplace.db.session import Database
from marketplace.holdings import service as holdings
from marketplace.holdings.service import AtSite
from marketplace.settings import Settings
from tests.advised import stocked
from tests.agreed import clock, person
from tests.marketplace.main_job import ok
from tests.web.job import Site, open_site
from tests.world import World

API = "/api/v1/advice"


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def test_sold_called_back_and_used_units_are_set_beside_the_advice(
    world: World, site: Site, worker_db: Database
) -> None:
    job, now = site.job, datetime.now(UTC)
    planner = await site.browser(world.maker, "planner")
    await stocked(world, planner)

    async def reckoned() -> str:
        made = (await ok(job.planner.post(API, json={"presets": ["standard-buy-back"]}), 201))["id"]
        await service.make_advice(worker_db, run_id=UUID(made), company_id=world.maker.id, clock=lambda: now)
        return str(made)

    async def came(run: str, part: str) -> dict[str, Any]:
        return {o["part_id"]: o for o in (await ok(job.planner.get(f"{API}/{run}/outcomes")))["items"]}[part]

    other, run = await reckoned(), await reckoned()
    rows = (await ok(job.planner.get(f"{API}/{run}/rows")))["items"]
    line = next(r for r in rows if r["advice"] == "release" and r["release"] >= 6)
    draft = (
        await ok(
            job.planner.post(
                f"{API}/{run}/accept", json={"part_ids": [line["part_id"]], "use_class": "intermediate_good"}
            ),
            201,
        )
    )["releases"][0]
    await ok(job.planner.post(f"/api/v1/releases/{draft}/publish"))
    job.listing = str(await world.owner.fetchval("SELECT id FROM listing WHERE release_id = $1", UUID(draft)))
    price = await world.owner.fetchval("SELECT unit_price FROM listing WHERE id = $1", UUID(job.listing))
    posted = await came(run, line["part_id"])
    assert (posted["released"], posted["sold"], posted["called"], posted["used"], posted["cash"]) == (
        line["release"],
        0,
        0,
        0,
        0,
    )

    await job.ordered(6)
    assert (await came(run, line["part_id"]))["sold"] == 0, "an order that nobody has signed is no sale"
    # One of six is left out, and one of the five that go arrives damaged, so that it is not sold.
    left_out = [{"line_no": 1, "quantity": 1, "reason": "needed_ourselves"}]
    job.agreement = (await ok(job.planner.post(f"/api/v1/orders/{job.order}/accept", json={"left_out": left_out})))[
        "id"
    ]
    await ok(job.buyer.post(f"/api/v1/agreements/{job.agreement}/sign"))
    assert (await came(run, line["part_id"]))["sold"] == 5
    await job.delivered(4, damaged=1, note="Bent.")
    sold = await came(run, line["part_id"])
    assert (sold["sold"], sold["cash"]) == (4, pytest.approx(4 * float(price)))
    async with world.db.write(world.buyer.tenant) as session:
        await holdings.use_up(
            session, person(world.buyer), AtSite(UUID(line["part_id"]), world.buyer.site), 1, now=clock()
        )
    need = {**job.need(2), "part_id": line["part_id"]}
    number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", UUID(line["part_id"]))
    found = await ok(job.technician.post("/api/v1/sourcing/locate", json={"numbers": number, "urgency": "urgent"}))
    key = next(c["key"] for c in found[0]["parts"][0]["candidates"] if c["kind"] != "own_stock")
    done = await ok(job.technician.post("/api/v1/sourcing/order-back", json={**need, "key": key}), 201)
    job.requisition, job.call = done["requisition_id"], done["calls"][0]
    ordered = await came(run, line["part_id"])
    assert (ordered["used"], ordered["called"]) == (1, 0), "what is ordered is not back yet"
    assert (ordered["asked"], ordered["unmet"]) == (2, 0)
    await job.came_back(2)
    back = await came(run, line["part_id"])
    assert (back["sold"], back["used"], back["called"]) == (sold["sold"], 1, 2)
    unit = await world.owner.fetchval("SELECT unit_price FROM call WHERE id = $1", UUID(job.call))
    assert back["paid"] == pytest.approx(2 * float(unit))
    assert back["cash"] == pytest.approx(4 * float(price)), "earned; what was paid stands beside it"
    assert back["expected_cash"] == pytest.approx(line["cash"])

    # Another run of the same day has none of it, nor has another company.
    page = (await planner.get(f"/advice/{run}/outcomes?decided=advised")).text
    for words in (number, "expected at once"):
        assert words in page
    untouched = await came(other, line["part_id"])
    assert (untouched["decided"], untouched["sold"], untouched["called"], untouched["used"]) == ("none", 0, 0, 0)
    outsider = await site.browser(world.other, "admin")
    assert (await outsider.get(f"/advice/{run}/outcomes")).status_code in (403, 404)
