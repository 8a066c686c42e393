"""The watch's pages and the dashboards on Home: from a look to a parts request, thresholds, and figures that agree with their tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from marketplace.agreements.service import OfferLine
from marketplace.db.session import Database
from marketplace.settings import Settings
from marketplace.sourcing import service as sourcing
from marketplace.sourcing.service import Asked
from marketplace.watching import service
from tests.agreed import agreed, person, under
from tests.counting import counted
from tests.web.job import Site, open_site, send
from tests.world import World
from web.charts import columns, flow

NOW = datetime.now(UTC)


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def _to_watch(world: World) -> UUID:
    """A part of which six units lie with the buyer under a right that ends in five months, and that was asked for lately."""
    part = await world.make_part(f"{world.tag}-ENDING")
    began = NOW - timedelta(days=200)
    agreement = await agreed(
        world, lines=[OfferLine(part, 6, Decimal(100), Decimal(120), 0)], window_end_months=12, schedule_date=began.date(), now=began
    )  # fmt: skip
    await world.register(world.buyer, 6, part=part, place=under(world, agreement), occurred_at=began + timedelta(days=1))  # fmt: skip
    async with world.db.write(world.maker.tenant) as session:
        for days in (700, 400, 100):
            at = NOW - timedelta(days=days)
            asked = Asked(part, 1, world.maker.site, at + timedelta(days=9), "urgent")
            await sourcing.raise_request(session, person(world.maker, "planner"), asked, at)
    return part


async def test_from_a_look_to_a_parts_request_and_home_tells_where_everything_stands(
    world: World, site: Site, worker_db: Database
) -> None:
    part = await _to_watch(world)
    planner = await site.browser(world.maker, "planner")
    before = await planner.get("/watch")
    assert "has not looked yet" in before.text
    assert (await planner.get(f"/watch/parts/{part}")).status_code == 409
    sent = await send(planner, "/watch", before)
    assert (sent.status_code, sent.headers["location"]) == (303, "/watch?done=looking")
    assert "Waiting for the worker" in (await planner.get("/watch")).text
    run = await world.owner.fetchval("SELECT id FROM watch_run WHERE company_id = $1", world.maker.id)
    await service.make_watch(worker_db, run_id=run, company_id=world.maker.id, clock=lambda: NOW)
    assert (await planner.get("/watch/progress")).headers["hx-refresh"] == "true"
    with counted(world.db) as few:
        found = await planner.get("/watch")
    for words in (f"{world.tag}-ENDING", "Rights end soon", "Covered too little", "Order back 6 of 6 now", "As assumed or slower"):  # fmt: skip
        assert words in found.text
    assert f"{world.tag}-ENDING" not in (await planner.get("/watch?found=floor")).text
    assert f"{world.tag}-ENDING" in (await planner.get("/watch?show=call&level=ordinary")).text
    rows = list(csv.DictReader(io.StringIO((await planner.get("/watch?format=csv")).text.lstrip("\ufeff"))))
    assert [(r["Part number"], r["With partners"], r["Order back"]) for r in rows] == [
        (f"{world.tag}-ENDING", "6", "6")
    ]

    # Thresholds and criticality: what cannot be is told at its field and changes nothing.
    settings = await planner.get("/watch/settings")
    wrong = await send(planner, "/watch/settings", settings, horizon="10", vital="120", important="", ordinary="", lapse_months="12", missing_times="3")  # fmt: skip
    assert wrong.status_code == 422
    assert await world.owner.fetchval("SELECT count(*) FROM watch_setting WHERE company_id = $1", world.maker.id) == 0
    kept = await send(planner, "/watch/settings", settings, horizon="5", vital="97.5", important="80", ordinary="", lapse_months="6", missing_times="4")  # fmt: skip
    assert kept.status_code == 303, kept.text
    settings = await planner.get("/watch/settings")
    assert 'value="97.5"' in settings.text
    unknown = await send(planner, "/watch/levels", settings, numbers=f"{world.tag}-ENDING\nNOBODYS-1", level="vital")
    assert "NOBODYS-1" in unknown.text
    assert await world.owner.fetchval("SELECT count(*) FROM part_criticality WHERE part_id = $1", part) == 0
    settings = await planner.get("/watch/settings")
    named = await send(planner, "/watch/levels", settings, numbers=f"{world.tag}-ending", level="vital")
    assert named.status_code == 303
    assert await world.owner.fetchval("SELECT level FROM part_criticality WHERE part_id = $1", part) == 2

    page = await planner.get(f"/watch/parts/{part}")
    for words in ("If one holder fails", "Right ends", "Make a parts request", "Rights end soon: since"):
        assert words in page.text
    made = await send(planner, f"/watch/parts/{part}/request", page, units="4")
    assert made.status_code == 303, made.text
    assert made.headers["location"].startswith("/requests/")
    asked = await world.owner.fetchrow(
        "SELECT quantity, urgency, job_number FROM requisition WHERE id = $1", UUID(made.headers["location"].rsplit("/", 1)[1])
    )  # fmt: skip
    assert tuple(asked) == (4, "stock_order", "Coverage watch")
    again = await send(planner, f"/watch/parts/{part}/request", page, units="5")
    assert again.status_code == 409
    assert await world.owner.fetchval("SELECT count(*) FROM watch_request WHERE part_id = $1", part) == 1

    # Home: the same sums in charts and tables, in as many statements for many units as for few.
    home = (await planner.get("/")).text
    assert re.search(r"Cash released</span><span class=\"stat-value\">.*600", home)
    for words in ("Flow of units", "In reach", "Units by quarter", world.buyer.name):
        assert words in home
    buyer = await site.browser(world.buyer, "buyer")
    held = (await buyer.get("/")).text
    for words in ("Under which clause", "/holdings?clause=buy-back", "Agreements by quarter"):
        assert words in held
    assert "Cash released" not in held
    assert (await buyer.get("/watch")).status_code == 403
    await _to_watch_more(world)
    with counted(world.db) as many:
        await planner.get("/watch")
    assert len(many) == len(few)


async def _to_watch_more(world: World) -> None:
    for n in range(4):
        await world.owner.execute(
            "INSERT INTO watch_row SELECT (jsonb_populate_record(w, jsonb_build_object('part_id', $2::uuid))).* FROM watch_row w WHERE company_id = $1 LIMIT 1",
            world.maker.id, await world.make_part(f"{world.tag}-MORE-{n}"),
        )  # fmt: skip


def test_a_flow_is_as_wide_as_what_flows_and_columns_as_tall() -> None:
    parts = [("a", "Access", "In reach", "good", 60), ("a", "Access", "Used", "warn", 20), ("b", "Buy-back", "In reach", "good", 120), ("b", "Buy-back", "Used", "warn", 0)]  # fmt: skip
    drawn = flow("Sold", parts, ["In reach", "Used", "Lost"])
    assert drawn is not None
    heights = {n.words: n.height for n in drawn.nodes}
    assert list(heights) == ["Sold: 200", "Access: 80", "Buy-back: 120", "In reach: 180", "Used: 20"]
    assert heights["Buy-back: 120"] / heights["Access: 80"] == pytest.approx(1.5, rel=0.01)
    assert len(drawn.ribbons) == 2 + 3
    assert all(n.y >= 0 and n.y + n.height <= drawn.height for n in drawn.nodes)
    assert flow("Sold", [("a", "Access", "Used", "warn", 0)], ["Used"]) is None
    bars = columns([("2027-Q1", Decimal(40)), ("2027-Q2", Decimal(10))])
    assert bars is not None
    assert bars.bars[0].height == pytest.approx(4 * bars.bars[1].height, rel=0.02)
    assert columns([("2027-Q1", Decimal(0))]) is None
