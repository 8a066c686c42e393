"""The advisor's pages: demand brought in, advice asked for, read by part and in all, and what cannot be asked for said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from marketplace.advising import service
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.advised import stocked
from tests.counting import counted
from tests.web.job import Site, open_site, send
from tests.world import World

POLICY = {"horizon": "15", "interest": "8", "hazard": "20", "value_times": "3", "price_share": "60", "scrap_share": "5", "holding_share": "12", "call_share": "5", "obsolescence": "2"}  # fmt: skip


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def test_from_a_demand_file_to_what_each_part_is_told(world: World, site: Site, worker_db: Database) -> None:
    planner = await site.browser(world.maker, "planner")
    empty = await planner.get("/advice")
    assert "every rate would be an assumption" in empty.text
    parts = await stocked(world, planner)
    files = await planner.get("/advice/demand")
    assert "demand.csv" in files.text
    page = await planner.get("/advice")
    assert "up to Dec 2025" in page.text
    # What cannot be is said at its field, and no run begins.
    refused = await send(planner, "/advice", page, **{**POLICY, "horizon": "101", "hazard": "1100", "presets": ""})
    assert refused.status_code == 422
    for words in ("Years to cover is at most 100", "at most 1000", "at least one set of terms"):
        assert words in refused.text
    assert await world.owner.fetchval("SELECT count(*) FROM advice_run WHERE company_id = $1", world.maker.id) == 0
    sent = await send(planner, "/advice", page, **POLICY, presets=["access-first", "standard-buy-back"])
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    assert "Waiting for the worker" in (await planner.get(address)).text
    run_id = UUID(address.rsplit("/", 1)[1].split("?")[0])
    await service.make_advice(
        worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: datetime(2026, 1, 5, tzinfo=UTC)
    )
    assert (await planner.get(f"{address}/progress")).headers["hx-refresh"] == "true"
    with counted(world.db) as said:
        table = await planner.get(address)
    many = len(said)
    assert "Protected: no advice, every unit is kept." in table.text
    assert "No price: no advice." in table.text
    with counted(world.db) as said:
        kept = await planner.get(f"{address}?mark=protected&advice=none")
    assert len(said) == many
    assert f"{world.tag}-KEPT" in kept.text
    assert f"{world.tag}-SLOW" not in kept.text
    rows = list(csv.reader(io.StringIO((await planner.get(f"{address}?format=csv")).text.lstrip("\ufeff"))))
    assert len(rows) >= 7
    assert rows[0][-1] == "Why"
    totals = (await planner.get(f"{address}/totals")).text
    assert "at once" in totals
    assert "Partners tend to fail" in totals
    # Each line of the split by terms leads to its rows, and all rows together are the sums of the run, to the cent.
    head = {name: n for n, name in enumerate(rows[0])}
    behind = {}
    for terms in ("none", "access-first", "standard-buy-back"):
        text = (await planner.get(f"{address}?terms={terms}&format=csv")).text.lstrip("\ufeff")
        behind[terms] = [r[0] for r in csv.reader(io.StringIO(text))][1:]
        if behind[terms]:
            assert f"{address}?terms={terms}" in totals
    assert sorted(n for some in behind.values() for n in some) == sorted(r[0] for r in rows[1:])
    assert f"{world.tag}-KEPT" in behind["none"]
    sums = json.loads(await world.owner.fetchval("SELECT totals::text FROM advice_run WHERE id = $1", run_id))["all"]
    for column, name in (("Cash at once", "cash"), ("Worth", "worth"), ("Worth of keeping all", "worth_kept")):
        added = sum(Decimal(r[head[column]]) for r in rows[1:])
        assert added == Decimal(str(round(sums[name], 2))), column
    gains = sum(Decimal(r[head["More than keeping all"]]) for r in rows[1:])
    assert gains == Decimal(str(round(sums["worth"] - sums["worth_kept"], 2)))
    slow = (await planner.get(f"{address}/parts/{parts['SLOW']}")).text
    for words in (
        "sure to cover 15 years",
        "Units a month",
        "Covered as advised, %",
        "What other terms would change",
        "Worth of each unit",
    ):
        assert words in slow, words
    bare = await planner.get(f"{address}/parts/{parts['FREE']}")
    assert "No history of this part is on record" in bare.text
    refused = await send(planner, f"{address}/accept", table, which="chosen")
    assert "Choose at least one line" in refused.text
    assert not await world.owner.fetchval("SELECT count(*) FROM advice_decision WHERE run_id = $1", run_id)
    taken = await send(planner, f"{address}/accept", table, which="chosen", part=str(parts["SLOW"]))
    assert taken.status_code == 303, taken.text
    draft = await planner.get(taken.headers["location"], follow_redirects=True)
    assert f"{world.tag}-SLOW" in draft.text
    where = f"{address}/parts/{parts['BUSY']}"
    unsaid = await send(planner, f"{where}/decide", await planner.get(where), release="0", reason="")
    assert unsaid.status_code == 422
    assert await world.owner.fetchval("SELECT count(*) FROM advice_decision WHERE run_id = $1", run_id) == 1
    kept = await send(
        planner, f"{where}/decide", await planner.get(where), release="0", reason="A customer asked for them."
    )
    assert kept.status_code == 303, kept.text
    assert "A customer asked for them." in (await planner.get(where)).text
    assert "all kept (A customer asked for them.)" in (await planner.get(address)).text
    stranger = await site.browser(world.maker, "warehouse")
    assert (await stranger.get(address)).status_code == 403
