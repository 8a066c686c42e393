"""Replaying real requests: the stream is the records', what comes of it is counted once, and the command tells it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from marketplace.db.embedded import APP, OWNER, WORKER, Credentials
from marketplace.demo.data.read import load_requests, load_stations
from marketplace.demo.loader import load_demo
from marketplace.demo.replay.stream import Spot, destinations, in_order
from marketplace.demo.replay.tally import MET, PARTLY, UNMET
from tests.conftest import clone

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_the_stream_is_the_records_in_order_of_time() -> None:
    records = load_requests()
    assert len(records) == 54_078
    assert sum(r.outcome == "shipped" for r in records) == 19_264
    whole = in_order(records, 1)
    assert [a.number for a in whole] == list(range(54_078))
    assert all(a.at <= b.at for a, b in itertools.pairwise(whole))
    assert in_order(records, 1, 500) == whole[:500]
    assert in_order(records, 2) != whole, "the seed draws the hour of what was shipped"
    assert {(a.urgency, a.record.quantity > 1, a.record.quantity > 9) for a in whole} == {
        ("machine_down", False, False), ("urgent", True, False), ("stock_order", True, True),
    }  # fmt: skip
    # Days on which nobody asked take no time: the first of the stream were asked in three years, and come within as many days.
    assert whole[3].at < 4


def test_units_come_to_the_nearest_own_site() -> None:
    west, east = Spot(uuid4(), 39.5, -119.8), Spot(uuid4(), 35.0, -85.3)
    to = destinations(load_stations(), [west, east])
    assert (to["CA"], to["GA"]) == (west.id, east.id), "a station that is not known goes by its state"
    assert {r.place for r in load_requests()} <= to.keys()
    assert all(
        to[s.key] == (west.id if s.lon < -115 else to[s.key]) for s in load_stations() if s.state in {"CA", "NV"}
    )


@pytest.fixture(scope="module")
async def demo_world(cluster: Credentials, worker_id: str) -> dict[str, str]:
    """The settings of a demo world of these tests' own."""
    name = f"replay_{worker_id}"
    await clone(cluster, name)
    await load_demo(cluster.dsn(OWNER, name), start=START, progress=lambda *_: None)
    return {
        "BACKSTOCK_DATABASE_URL": cluster.dsn(APP, name), "BACKSTOCK_WORKER_DATABASE_URL": cluster.dsn(WORKER, name),
        "BACKSTOCK_OWNER_DATABASE_URL": cluster.dsn(OWNER, name),
    }  # fmt: skip


def replay(world: dict[str, str], *options: str) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BACKSTOCK_")}
    return subprocess.Popen(
        [sys.executable, "-m", "marketplace.cli", "replay", "--into-demo", *options], cwd=ROOT, env={**clean, **world},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def orders(world: dict[str, str]) -> int:
    connection = await asyncpg.connect(world["BACKSTOCK_OWNER_DATABASE_URL"])
    try:
        return int(await connection.fetchval("SELECT count(*) FROM requisition WHERE job_number LIKE 'REPLAY-%'"))
    finally:
        await connection.close()


async def test_two_hundred_requests_are_replayed_and_told(demo_world: dict[str, str], tmp_path: Path) -> None:
    done = replay(demo_world, "--limit", "200", "--workers", "8", "--report", str(tmp_path / "replay.md"))
    text, errors = done.communicate(timeout=240)
    assert done.returncode == 0, errors
    told = json.loads((tmp_path / "replay.json").read_text())
    assert (tmp_path / "replay.md").read_text() in text
    assert "requests (200)" in errors, "how far it is"
    assert (told["requests"], told["stopped_early"], told["double_promises"]) == (200, False, 0)
    assert told["failures"] == {}
    assert told["proof"]["faults"] == []
    assert set(told["outcomes"]) == {MET, PARTLY, UNMET}
    assert sum(told["outcomes"].values()) == 200
    assert sum(told["unmet_why"].values()) == told["outcomes"][UNMET]
    assert told["unmet_why"]["not in the catalogue"] > 0
    assert sum(one["requests"] for one in told["recorded"]["there_and_here"]) == 200
    made = told["outcomes"][MET] + told["outcomes"][PARTLY]
    assert made > 50, "most of what was asked for is in the demo"
    assert told["orders"] == told["proof"]["orders"] >= made
    assert await orders(demo_world) == made, "a parts request for each that was met, and none for the others"
    assert told["requests_per_second"] > 0
    assert told["milliseconds"]["plan and reserve"]["p95"] > 0
    assert told["statements_per_request"]["counted_on"] >= 4


async def test_ctrl_c_ends_it_with_a_report_of_what_was_done(demo_world: dict[str, str], tmp_path: Path) -> None:
    before = await orders(demo_world)
    running = replay(demo_world, "--speed", "1", "--workers", "2", "--report", str(tmp_path / "replay.md"))
    until = time.monotonic() + 120
    while await orders(demo_world) == before and time.monotonic() < until and running.poll() is None:
        pass
    running.send_signal(signal.SIGINT)
    text, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    told = json.loads((tmp_path / "replay.json").read_text())
    assert told["stopped_early"]
    assert 0 < told["requests"] < told["requests_wanted"] == 54_078
    assert f"Stopped early: {told['requests']:,} of 54,078" in text
    assert told["outcomes"][MET] + told["outcomes"][PARTLY] == await orders(demo_world) - before
    assert told["double_promises"] == 0


async def test_a_speed_that_is_none_is_refused_before_anything_is_started(
    demo_world: dict[str, str], tmp_path: Path
) -> None:
    before = await orders(demo_world)
    for options, code in (
        (("--speed", "fast"), "replay.speed"),
        (("--report", str(tmp_path / "no" / "r.md")), "replay.report"),
    ):
        done = replay(demo_world, *options)
        _, errors = done.communicate(timeout=60)
        assert (done.returncode, code in errors) == (2, True), errors
    assert await orders(demo_world) == before
