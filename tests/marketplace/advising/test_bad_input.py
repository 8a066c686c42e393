"""Input as it comes: returns, gaps, one month, years of zeros, packs taken for pieces, prices of zero, horizons of 0 and 100 years, hazards
that cannot be. Over the API and on the page every number that comes of it is a number, and what is odd is said beside it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from marketplace.advising import service
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.marketplace.main_job import ok
from tests.web.job import Site, open_site, send
from tests.web.test_advice_pages import POLICY
from tests.world import World

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
API = "/api/v1/advice"
MONTHS = [f"{y}-{m:02}" for y in range(2016, 2026) for m in range(1, 13)]
ODD: dict[str, tuple[list[str], str | None]] = {
    # What the field asked for, and what has to be said of it.
    "BACK": (["1", "0", "-2", "4"] * 30, "returns"),
    "GAPS": (["1" if n % 9 == 0 else "" if n % 5 == 0 else "0" for n in range(120)], "gaps"),
    "ONCE": ([""] * 119 + ["2"], "short"),
    "ZERO": (["0"] * 120, "silent"),
    "PACK": (["100" if n % 7 == 0 else "0" for n in range(120)], "packs"),
    "SLIP": (["1" if n % 6 == 0 else "0" for n in range(119)] + ["5000"], "outliers"),
    "FREE": (["1" if n % 8 == 0 else "0" for n in range(120)], "no_price"),
}
NUMBERS = (
    "rate",
    "rate_low",
    "rate_high",
    "decline",
    "cash",
    "worth",
    "worth_scrapped",
    "worth_kept",
    "stake",
    "coverage_before",
    "coverage_after",
    "coverage_cautious",
)


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def _landed(world: World, api: Any) -> dict[str, UUID]:
    parts = {n: await world.make_part(f"{world.tag}-{n}", list_price="0" if n == "FREE" else "90.00") for n in ODD}
    stock = "Item,Qty,Site\n" + "".join(f"{world.tag}-{n},9,S1\n" for n in ODD)
    made = (
        await api.post(
            "/api/v1/imports", files={"file": ("s.csv", stock.encode(), "text/csv")}, data={"snapshot_on": "2026-01-04"}
        )
    ).json()
    assert (await api.post(f"/api/v1/imports/{made['id']}/apply", json={})).json()["lots_new"] == len(ODD)
    asked = (
        "Part number,"
        + ",".join(MONTHS)
        + "\n"
        + "".join(f"{world.tag}-{n},{','.join(u)}\n" for n, (u, _) in ODD.items())
    )
    sent = await api.post("/api/v1/demand", files={"file": ("d.csv", asked.encode(), "text/csv")})
    assert sent.status_code == 201, sent.text
    return parts


async def test_what_is_odd_is_said_and_no_number_is_none(world: World, site: Site, worker_db: Database) -> None:
    api = site.job.planner
    planner = await site.browser(world.maker, "planner")
    parts = await _landed(world, api)
    for horizon in (0, 100):
        run = (await ok(api.post(API, json={"horizon": horizon, "hazard": 10 if horizon == 100 else 0.1}), 201))["id"]
        await service.make_advice(worker_db, run_id=UUID(run), company_id=world.maker.id, clock=lambda: NOW)
        done = await ok(api.get(f"{API}/{run}"))
        assert (done["state"], done["error"]) == ("done", None)
        rows = {r["part_id"]: r for r in (await ok(api.get(f"{API}/{run}/rows")))["items"]}
        for name, (_, mark) in ODD.items():
            row = rows[str(parts[name])]
            assert mark in row["marks"], (name, row["marks"])
            assert row["keep"] + row["release"] + row["scrap"] == row["stock"] == 9
            assert all(math.isfinite(row[n]) for n in NUMBERS), (name, row)
            assert row["rate"] > 0, "never asked for is not never"
            if name == "FREE":
                assert (row["advice"], row["cost"]) == ("none", None)
                assert row["why"].startswith("No price")
            elif horizon == 0:
                # Nothing can be asked for any more: what brings most at once is done.
                assert (row["keep"], row["coverage_after"]) == (0, 1.0)
        for page in ("", "/totals", "/frontier", "/outcomes", f"/parts/{parts['ZERO']}", f"/parts/{parts['FREE']}"):
            seen = await planner.get(f"/advice/{run}{page}")
            assert seen.status_code == 200, page
            words = seen.text
            assert not any(f">{bad}" in words or f" {bad} " in words for bad in ("nan", "inf", "-inf")), page
    assert all(math.isfinite(v) for v in done["totals"]["all"].values())


async def test_what_cannot_be_is_refused_with_its_field_and_nothing_begins(world: World, site: Site) -> None:
    planner = await site.browser(world.maker, "planner")
    form = await planner.get("/advice")
    for field, value, words in (
        ("hazard", "1100", "at most 10"), ("horizon", "101", "at most 100"), ("horizon", "-1", ""), ("hazard", "-5", ""),
        ("horizon", "ten", ""), ("value_times", "nan", ""), ("interest", "inf", ""),
    ):  # fmt: skip
        refused = await send(planner, "/advice", form, **{**POLICY, "presets": "access-first", field: value})
        assert refused.status_code == 422, (field, value)
        assert words in refused.text, (field, value)
        assert f'value="{value}"' in refused.text, "what was typed is still there"
    for body in (
        {"hazard": 10.5}, {"hazard": -0.1}, {"horizon": 100.5}, {"horizon": -1}, {"interest": "nan"}, {"value_times": -1}, {"price_share": -0.2},
        {"presets": []}, {"presets": ["for-ever"]}, {"limits": {"least": {"vital": 1.2}}},
    ):  # fmt: skip
        answer = await site.job.planner.post(API, json=body)
        assert answer.status_code in (404, 422), body
        assert answer.json()["code"], body
    assert await world.owner.fetchval("SELECT count(*) FROM advice_run WHERE company_id = $1", world.maker.id) == 0
