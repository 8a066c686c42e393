"""Scenarios: other assumptions and limits, the frontier, runs side by side, and what came of advice; over the API and as pages."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from marketplace.advising import scenarios, service, using
from marketplace.advising.reckoning import Kind, _columns
from marketplace.advising.rights import Call, Right
from marketplace.advising.scenarios import Held, Limits
from marketplace.advising.using import From, Use
from marketplace.db.session import Database
from marketplace.kit.errors import DomainError
from marketplace.planning.advice import Parts, Policy, advise
from marketplace.settings import Settings
from tests.advised import stocked
from tests.counting import counted
from tests.marketplace.main_job import ok
from tests.web.job import Site, open_site, send
from tests.web.test_advice_pages import POLICY
from tests.world import World

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
API = "/api/v1/advice"


def _many(count: int = 400) -> dict[str, Any]:
    chance = np.random.default_rng(3)
    parts = Parts.of(
        chance.integers(1, 20, count), chance.gamma(0.5, 0.8, count), np.exp(4 + chance.random(count)), protected=np.arange(count) == 0,
        criticality=chance.integers(0, 3, count),
    )  # fmt: skip
    columns = _columns(advise(parts, Policy(exact_parts=0)))
    chance.shuffle(ids := [n.to_bytes(16, "big") for n in range(count)])
    return {**columns, "part_id": np.array(ids, dtype="S16"), "marks": np.where(parts.protected, 1, 0)}


def test_limits_are_kept_and_the_frontier_bounds_them() -> None:
    policy = Policy(exact_parts=0)
    free = _many()
    points = scenarios.frontier(free, policy)
    assert [p["cash"] for p in points] == sorted(p["cash"] for p in points)
    assert [p["sure"] for p in points] == sorted((p["sure"] for p in points), reverse=True)
    for point in points:
        assert point["keep"] + point["release"] + point["scrap"] == pytest.approx(free["stock"].sum())
    total = float(free["cash"].sum())
    more = _many()
    target = (total + points[-1]["cash"]) / 2
    assert scenarios.limit(more, policy, Limits(cash=target)) == []
    assert more["cash"].sum() >= target * 0.999
    assert more["worth"][more["advised"]].sum() <= free["worth"][free["advised"]].sum() + 1e-6
    # A point of the frontier comes out as it was told.
    there = _many()
    scenarios.limit(there, policy, Limits(share=points[5]["share"]))
    assert there["cash"].sum() == pytest.approx(points[5]["cash"], rel=1e-6)
    assert scenarios.in_short(there, {})["sure"]["after"] == pytest.approx(points[5]["sure"], abs=1e-6)
    # Room, and coverage by criticality; what cannot be reached is said.
    tight = _many()
    room = int(free["keep"].sum() / 2)
    assert scenarios.limit(tight, policy, Limits(kept=room)) == []
    assert tight["keep"].sum() <= room
    stays = int(tight["stock"][~tight["advised"]].sum())
    assert scenarios.limit(_many(), policy, Limits(kept=stays - 1)) == [
        f"{stays:,} units of parts without advice stay: more than the {stays - 1:,} that there is room for."
    ]
    covered = _many()
    told = scenarios.limit(covered, policy, Limits(least={2: 0.9}))
    vital = covered["advised"] & (covered["level"] == 2)
    reachable = vital & (covered["before"] >= 0.9)
    assert (covered["after"][reachable] >= 0.9 - 1e-6).all()
    assert bool(told) == bool((vital & (covered["before"] < 0.9)).any())
    assert all("vital part" in words for words in told)
    # Nothing is ever done with what is protected; units always add up.
    for columns in (more, there, tight, covered):
        assert (columns["advice"][0], columns["keep"][0]) == (Kind.NONE, columns["stock"][0])
        assert (columns["keep"] + columns["release"] + columns["scrap"] == columns["stock"]).all()
    for wrong in (
        Limits(cash=-1),
        Limits(kept=float("nan")),
        Limits(least={1: 1.5}),
        Limits(share=2),
        Limits(share=0.5, cash=1),
    ):
        with pytest.raises(DomainError):
            wrong.check()


def test_one_partner_less_is_never_better() -> None:
    policy, columns = Policy(exact_parts=0), _many()
    chance = np.random.default_rng(4)
    lines = 300
    units = chance.integers(1, 6, lines).astype(float)
    held = Held(
        chance.integers(0, 400, lines), chance.integers(0, 4, lines), units, np.minimum(units, 1.0), chance.uniform(1, 20, lines), np.full(lines, 0.1)
    )  # fmt: skip
    found = scenarios.stress(columns, policy, held, ["a", "b", "c", "d"])
    assert found["count"] == 4
    assert found["taker"] <= found["sure"]
    assert all(h["sure"] <= found["sure"] for h in found["holders"])
    assert found["holders"][0]["sure"] == min(h["sure"] for h in found["holders"])
    nobody = scenarios.stress(columns, policy, held.rows(np.zeros(lines, np.bool_)), [])
    assert (nobody["holders"], nobody["sure"]) == (
        [],
        pytest.approx(scenarios.in_short(columns, {})["sure"]["after"], abs=1e-3),
    )


def test_use_is_learnt_by_terms_by_partner_and_by_part() -> None:
    one, two = UUID(int=1), UUID(int=2)
    price = Call(0.9, "buy-back", 2, {}, date(2026, 1, 1))
    right = Right(UUID(int=9), one, "all", 5.0, 5.0, 0.0, True, "none", (), price, -np.log(0.8), "USD")
    uses = [Use(UUID(int=9), one, "buy-back", 40.0, 20.0), Use(UUID(int=8), two, "buy-back", 0.5, 0.0)]
    known = using.habits([one, two], {right.id: right}, uses, np.array([10.0, 3.0]), 0.1)
    assert known.assumed[0] == pytest.approx(-np.log(0.8))
    assert known.learnt[0] == pytest.approx((10 * known.assumed[0] + 20) / 50)
    by_terms = using.of_terms(["standard-buy-back", "revenue-now"], uses, 0.1)
    assert set(by_terms) == {"standard-buy-back"}
    assert by_terms["standard-buy-back"]["years"] == 40.5
    of_part = using.of_parts(3, np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([4.0, 3.0, 3.0]), known)
    # The second partner had units for half a year: too short to tell.
    assert of_part.hazard[0] == pytest.approx(known.learnt[0])
    assert np.isnan(of_part.hazard[1:]).all()
    said = using.words(From.PARTNERS, 0.45, 4, 20, 40, None)
    assert "4 units of this part, who used 20 in 40.0 unit-years" in said
    assert "2 partners under such terms" in using.words(From.TERMS, 0.4, 0, 0, 0, by_terms["standard-buy-back"])


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def test_from_a_run_to_scenarios_and_to_what_came(world: World, site: Site, worker_db: Database) -> None:
    planner = await site.browser(world.maker, "planner")
    api: httpx.AsyncClient = site.job.planner
    parts = await stocked(world, planner)
    owner, maker = world.owner, world.maker.id

    async def reckoned(run_id: str) -> dict[str, Any]:
        await service.make_advice(worker_db, run_id=UUID(run_id), company_id=maker, clock=lambda: NOW)
        done: dict[str, Any] = await ok(api.get(f"{API}/{run_id}"))
        assert (done["state"], done["error"]) == ("done", None)
        return done

    # Stated as protected: never released nor scrapped, and its line says whose word it is.
    await owner.execute(
        "INSERT INTO part_protection (company_id, part_id, reason, stated_by, stated_at) VALUES ($1, $2, 'Ours alone.', $3, now())",
        maker, parts["BUSY"], world.maker.actor,
    )  # fmt: skip
    base = (await ok(api.post(API, json={"horizon": 15, "hazard": 0.2}), 201))["id"]
    early = await api.get(f"{API}/{base}/frontier")
    assert (early.status_code, early.json()["code"]) == (409, "advice.not_done")
    first = await reckoned(base)
    rows = {r["part_id"]: r for r in (await ok(api.get(f"{API}/{base}/rows")))["items"]}
    busy = rows[str(parts["BUSY"])]
    assert (busy["advice"], busy["keep"]) == ("none", busy["stock"])
    assert "stated" in busy["marks"]
    page = (await planner.get(f"/advice/{base}")).text
    for words in ("Protected by your company", "Protected in the stock file", "If one partner fails"):
        assert words in page, words
    assert {c["class"] for c in first["totals"]["calibration"]} <= set(range(7))
    assert "How well demand was foreseen" in (await planner.get(f"/advice/{base}/totals")).text

    # The frontier, and a scenario at one of its points: what cannot be is said, and nothing begins.
    front = await ok(api.get(f"{API}/{base}/frontier"))
    assert len(front["points"]) >= 2
    most = front["points"][-1]
    drawn = await planner.get(f"/advice/{base}/frontier")
    where = f"/advice/{base}/scenario?share={most['share']!r}"
    assert where in drawn.text.replace("&amp;", "&")
    form = await planner.get(where)
    for bad, words in (
        ({"name": ""}, "Name is missing"),
        ({"name": "X", "horizon": "500"}, "at most 100"),
        ({"name": "X", "share": "zz"}, "no point of the frontier"),
    ):
        refused = await send(planner, f"/advice/{base}/scenario", form, **{**POLICY, "presets": "access-first", **bad})
        assert refused.status_code == 422
        assert words in refused.text
    for body, code in (
        ({"base_id": base}, "advice.name"), ({"name": "X", "base_id": base, "limits": {"share": 0.5, "cash": 1}}, "advice.limits"),
        ({"name": "X", "base_id": str(UUID(int=5))}, "advice.not_found"),
    ):  # fmt: skip
        assert (await api.post(API, json=body)).json()["code"] == code
    assert await owner.fetchval("SELECT count(*) FROM advice_run WHERE company_id = $1", maker) == 1
    same = {
        **POLICY,
        "horizon": "15",
        "hazard": "20",
        "presets": ["access-first", "standard-buy-back", "revenue-now"],
        "learn": "yes",
    }
    sent = await send(planner, f"/advice/{base}/scenario", form, **same)
    assert sent.status_code == 303, sent.text
    cash = sent.headers["location"].rsplit("/", 1)[1]
    at_once = await reckoned(cash)
    assert (at_once["base_id"], at_once["name"]) == (base, f"{most['cash']:,.0f} USD at once")
    assert at_once["totals"]["all"]["cash"] == pytest.approx(most["cash"], rel=1e-6)
    fast = (
        await ok(
            api.post(
                API,
                json={
                    "horizon": 15,
                    "hazard": 5,
                    "name": "Fast partners",
                    "base_id": base,
                    "limits": {"least": {"ordinary": 0.99}},
                },
            ),
            201,
        )
    )["id"]
    other = await reckoned(fast)
    assert [r["id"] for r in (await ok(api.get(API, params={"base_id": base})))["items"]] == [fast, cash]

    # Side by side, and where they differ.
    seen = await ok(api.get(f"{API}/compare", params={"run": [base, cash, fast]}))
    assert [r["run_id"] for r in seen["runs"]] == [base, cash, fast]
    assert seen["runs"][0]["differ"] is None
    differ = (await ok(api.get(f"{API}/{cash}/differences")))["items"]
    assert len(differ) == seen["runs"][1]["differ"] > 0
    assert sum(d["apart"] for d in differ) == pytest.approx(seen["runs"][1]["apart"])
    assert [abs(d["apart"]) for d in differ] == sorted((abs(d["apart"]) for d in differ), reverse=True)
    assert str(parts["BUSY"]) not in {d["part_id"] for d in differ}
    assert (await api.get(f"{API}/compare", params={"run": [base]})).status_code == 422
    assert (await planner.get(f"/advice/compare?run={base}")).status_code == 422
    both = (await planner.get(f"/advice/compare?run={base}&run={cash}&run={fast}")).text
    for words in (
        "Parts that differ",
        "Fast partners",
        "Partners use up a year",
        "Ordinary parts covered at least",
    ):
        assert words in both, words
    assert "1 more" not in both
    page = (await planner.get(f"/advice/{cash}")).text
    assert "A scenario of" in page
    assert "Its scenarios" in (await planner.get(f"/advice/{base}")).text
    with counted(world.db) as said:
        listed = await planner.get(f"/advice/{cash}/differences")
    assert "release" in listed.text
    many = len(said)
    csv_rows = list(
        csv.reader(io.StringIO((await planner.get(f"/advice/{cash}/differences?format=csv")).text.lstrip("\ufeff")))
    )
    assert len(csv_rows) == len(differ) + 1
    with counted(world.db) as said:
        assert "No part differs" in (await planner.get(f"/advice/{base}/differences")).text
    assert len(said) <= many
    assert other["limits"]["least"] == {"0": 0.99}

    # What came: decided otherwise, taken, sold, and asked for.
    chosen = next(r for r in rows.values() if r["advice"] == "release")
    draft = (await ok(api.post(f"{API}/{base}/accept", json={"part_ids": [chosen["part_id"]]}), 201))["releases"][0]
    await ok(api.post(f"/api/v1/releases/{draft}/publish"))
    await ok(
        api.post(f"{API}/{base}/parts/{parts['FREE']}/decide", json={"release": 0, "reason": "No price yet."}), 201
    )
    need = site.job.need(2) | {"part_id": chosen["part_id"]}
    await owner.execute("UPDATE advice_run SET created_at = $2 WHERE id = $1", UUID(base), NOW - timedelta(days=365))
    await ok(api.post("/api/v1/sourcing/requests", json=need), 201)
    came = {o["part_id"]: o for o in (await ok(api.get(f"{API}/{base}/outcomes")))["items"]}
    took = came[chosen["part_id"]]
    assert (took["decided"], took["released"], took["sold"], took["called"]) == ("advised", chosen["release"], 0, 0)
    assert (took["asked"], took["unmet"] >= 0) == (2, True)
    assert took["demand"] is not None
    assert took["expected_demand"] > 0
    assert (came[str(parts["FREE"])]["decided"], came[str(parts["FREE"])]["reason"]) == ("otherwise", "No price yet.")
    for word, count in (("advised", 1), ("otherwise", 1), ("none", 4)):
        assert len((await ok(api.get(f"{API}/{base}/outcomes", params={"decided": word})))["items"]) == count
    page = (await planner.get(f"/advice/{base}/outcomes?decided=otherwise")).text
    assert "No price yet." in page
    assert f"{world.tag}-SLOW" not in page
    told = list(
        csv.reader(io.StringIO((await planner.get(f"/advice/{base}/outcomes?format=csv")).text.lstrip("\ufeff")))
    )
    assert len(told) == 7

    # Protected after the run: left out of what is taken all at once, and told on its page.
    slow = next(r for r in rows.values() if r["advice"] == "release" and r["part_id"] != chosen["part_id"])
    await owner.execute(
        "INSERT INTO part_protection (company_id, part_id, reason, stated_by, stated_at) VALUES ($1, $2, 'Later.', $3, now())",
        maker, UUID(slow["part_id"]), world.maker.actor,
    )  # fmt: skip
    assert "Protected since this run" in (await planner.get(f"/advice/{base}/parts/{slow['part_id']}")).text
    await api.post(f"{API}/{base}/accept", json={})
    assert not await owner.fetchval("SELECT count(*) FROM listing WHERE part_id = $1", UUID(slow["part_id"]))
    stranger = await site.browser(world.maker, "warehouse")
    for path in (f"{base}/frontier", f"{base}/outcomes", f"{cash}/differences", f"compare?run={base}&run={cash}"):
        assert (await stranger.get(f"/advice/{path}")).status_code == 403
    outsider = await site.browser(world.other, "admin")
    assert (await outsider.get(f"/advice/{base}/outcomes")).status_code in (403, 404)


async def test_the_hazard_of_a_run_comes_from_the_ledger(world: World, site: Site, worker_db: Database) -> None:
    job = site.job
    await job.sold(4, offered=6)
    await world.register(world.maker, 5)
    # They lay there for three years.
    await world.owner.execute("UPDATE agreement SET created_at = created_at WHERE id = $1", UUID(job.agreement))
    later = datetime.now(UTC) + timedelta(days=3 * 365)
    run = (await ok(job.planner.post(API, json={"hazard": 0.3}), 201))["id"]
    await service.make_advice(worker_db, run_id=UUID(run), company_id=world.maker.id, clock=lambda: later)
    done = await ok(job.planner.get(f"{API}/{run}"))
    assert done["error"] is None
    (partner,) = done["totals"]["use"]["partners"]
    assert partner["holder"] == str(world.buyer.id)
    assert partner["years"] == pytest.approx(12, rel=0.01)
    row = await ok(job.planner.get(f"{API}/{run}/parts/{world.part}"))
    assert row["hazard_from"] == "partners"
    assert row["hazard"] == pytest.approx(partner["hazard"], rel=1e-5)
    assert partner["hazard"] < partner["expected"]
    planner = await site.browser(world.maker, "planner")
    said = (await planner.get(f"/advice/{run}/parts/{world.part}")).text
    if row["advice"] != "none":
        assert "learnt from the partners that hold 4 units of this part" in said
    assert world.buyer.name in (await planner.get(f"/advice/{run}/totals")).text
    stress = done["totals"]["stress"]
    assert [h["holder"] for h in stress["holders"]] in ([], [str(world.buyer.id)])
    assumed = (await ok(job.planner.post(API, json={"hazard": 0.3, "learn": False}), 201))["id"]
    await service.make_advice(worker_db, run_id=UUID(assumed), company_id=world.maker.id, clock=lambda: later)
    row = await ok(job.planner.get(f"{API}/{assumed}/parts/{world.part}"))
    assert row["hazard_from"] in ("assumed", "clause")
