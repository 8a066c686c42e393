"""A run from the database: free own stock, histories, chains and prices in, a row a part out; killed, it leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from marketplace.advising import queries, service
from marketplace.advising.reckoning import Kind, Mark, advice_of, policy_from
from marketplace.db.session import Database
from marketplace.planning import analyst
from marketplace.planning.advice import Policy
from marketplace.settings import Settings
from tests.advised import stocked
from tests.clients import app_for, client_for, token_for
from tests.world import World

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
API = "/api/v1/advice"


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    return app_for(db, Settings(data_dir=tmp_path))


@pytest.fixture
async def planner(world: World, app: FastAPI, owner: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(app, await token_for(owner, world.maker.users["planner"], world.maker.id)) as client:
        yield client


async def test_a_run_says_what_the_core_says_of_the_same_figures(
    world: World, planner: httpx.AsyncClient, worker_db: Database, db: Database
) -> None:
    parts = await stocked(world, planner)
    asked = await planner.post(API, json={"horizon": 15, "hazard": 0.2})
    assert asked.status_code == 201, asked.text
    run_id = UUID(asked.json()["id"])
    second = await planner.post(API, json={})
    assert (second.status_code, second.json()["code"]) == (409, "advice.running")
    for bad in ({"hazard": 11}, {"horizon": 101}, {"presets": ["nothing"]}):
        assert (await planner.post(API, json=bad)).status_code in (404, 422)
    await service.make_advice(worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: NOW)
    done = (await planner.get(f"{API}/{run_id}")).json()
    assert (done["state"], done["error"]) == ("done", None)
    async with db.read(world.maker.tenant) as session:
        rows = {
            r.part_id: r for r in await queries.rows(session, world.maker.id, run_id, queries.RowFilter(), limit=100)
        }
    assert set(rows) == set(parts.values())
    assert rows[parts["KEPT"]].advice == Kind.NONE
    assert rows[parts["KEPT"]].marks & Mark.PROTECTED
    assert rows[parts["FREE"]].marks & Mark.NO_PRICE
    assert rows[parts["FREE"]].marks & Mark.NO_HISTORY
    assert rows[parts["OLD"]].marks & Mark.REPLACED
    assert rows[parts["NEW"]].marks & Mark.POOLED
    assert rows[parts["OLD"]].rate < 1e-3 < rows[parts["NEW"]].rate

    # The same figures by hand, through the analyst's module.
    order = sorted(rows)
    numbers = {v: k for k, v in parts.items()}
    place = {p: n for n, p in enumerate(order)}
    demand = np.full((6, 36), np.nan)
    for part in order:
        got = (await planner.get(f"/api/v1/demand/parts/{part}")).json()["months"]
        for month in got:
            y, m = map(int, month["month"].split("-")[:2])
            if month["units"] is not None:
                demand[place[part], (y - 2023) * 12 + m - 1] = month["units"]
    cost = [{"SLOW": 120, "BUSY": 80, "OLD": 50, "NEW": 50, "FREE": np.nan, "KEPT": 10}[numbers[p]] for p in order]
    table = {"stock": [rows[p].stock for p in order], "cost": cost, "protected": [numbers[p] == "KEPT" for p in order]}
    by_hand = analyst.advise(
        table, demand, policy=Policy(horizon=15, hazard=0.2), replaced_by={place[parts["OLD"]]: place[parts["NEW"]]}
    )
    for n, part in enumerate(order):
        row = rows[part]
        assert (row.keep, row.release, row.scrap) == (
            by_hand.advice.keep[n],
            by_hand.advice.release[n],
            by_hand.advice.scrap[n],
        )
        assert row.worth == pytest.approx(by_hand.advice.worth[n], rel=1e-4)
        assert row.rate == pytest.approx(by_hand.forecast.rates.rate[n], rel=1e-5)
        columns = {f: np.array([getattr(row, f)]) for f in queries.AdviceRow.__slots__}
        assert advice_of(columns, policy_from(done["policy"])).sentence(0) == by_hand.advice.sentence(n)
    totals = done["totals"]
    for by in ("advice", "class", "preset"):
        for name in ("parts", "stock", "cash", "worth", "tied_up"):
            assert sum(g[name] for g in totals[by].values()) == pytest.approx(totals["all"][name])

    # Told again by the queue, nothing happens twice; another company sees nothing.
    await service.make_advice(worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: NOW)
    async with db.read(world.other.tenant) as session:
        assert not await queries.rows(session, world.other.id, run_id, queries.RowFilter())
    page = (await planner.get(f"{API}/{run_id}/rows", params={"limit": 4})).json()
    rest = (await planner.get(f"{API}/{run_id}/rows", params={"limit": 4, "after": page["next"]})).json()
    stakes = [r["stake"] for r in page["items"] + rest["items"]]
    assert len(stakes) == 6
    assert stakes == sorted(stakes, reverse=True)
    only = (await planner.get(f"{API}/{run_id}/rows", params={"mark": "protected"})).json()["items"]
    assert [r["part_id"] for r in only] == [str(parts["KEPT"])]


async def test_a_run_that_is_killed_leaves_nothing_and_is_done_by_the_next_worker(
    world: World,
    planner: httpx.AsyncClient,
    worker_db: Database,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await stocked(world, planner)
    run_id = UUID((await planner.post(API, json={})).json()["id"])

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(service.running._Reckoning, "_write", killed)
        with pytest.raises(asyncio.CancelledError):
            await service.make_advice(worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: NOW)
    assert await owner.fetchval("SELECT state FROM advice_run WHERE id = $1", run_id) == "running"
    assert await owner.fetchval("SELECT count(*) FROM advice_row WHERE run_id = $1", run_id) == 0
    await service.make_advice(worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: NOW)
    assert await owner.fetchrow("SELECT state, attempt FROM advice_run WHERE id = $1", run_id) == ("done", 2)
    assert await owner.fetchval("SELECT count(*) FROM advice_row WHERE run_id = $1", run_id) == 6
    assert await owner.fetchval("SELECT count(*) FROM advice_stage") == 0

    # It does not go round for ever, and an empty shelf is said in words.
    again = UUID((await planner.post(API, json={})).json()["id"])
    await owner.execute("UPDATE advice_run SET state = 'running', attempt = 3 WHERE id = $1", again)
    await service.make_advice(worker_db, run_id=again, company_id=world.maker.id, clock=lambda: NOW)
    assert "broke off 3 times" in (await planner.get(f"{API}/{again}")).json()["error"]
    await owner.execute("UPDATE position SET held = quantity WHERE owner_id = $1", world.maker.id)
    empty = UUID((await planner.post(API, json={})).json()["id"])
    await service.make_advice(worker_db, run_id=empty, company_id=world.maker.id, clock=lambda: NOW)
    assert "no free stock" in (await planner.get(f"{API}/{empty}")).json()["error"]
    # The ledger adds up for those who come after.
    await owner.execute("UPDATE position SET held = 0 WHERE owner_id = $1", world.maker.id)


async def test_totals_that_fail_leave_no_rows_though_those_were_written_beside_them(
    world: World,
    planner: httpx.AsyncClient,
    worker_db: Database,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await stocked(world, planner)
    run_id = UUID((await planner.post(API, json={})).json()["id"])

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(service.running.scenarios, "frontier", broken)
        with pytest.raises(ZeroDivisionError):
            await service.make_advice(worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: NOW)
    found = (await planner.get(f"{API}/{run_id}")).json()
    assert (found["state"], found["totals"]) == ("failed", None)
    assert await owner.fetchval("SELECT count(*) FROM advice_row WHERE run_id = $1", run_id) == 0
    assert await owner.fetchval("SELECT count(*) FROM advice_stage WHERE run_id = $1", run_id) == 0
    # A worker that no longer has the run writes nothing, however far it has come.
    second = UUID((await planner.post(API, json={})).json()["id"])
    with monkeypatch.context() as patched:
        patched.setattr(service.running.ATTEMPTS.__class__, "still_mine", _no_longer)
        await service.make_advice(worker_db, run_id=second, company_id=world.maker.id, clock=lambda: NOW)
    assert await owner.fetchval("SELECT state FROM advice_run WHERE id = $1", second) == "running"
    assert await owner.fetchval("SELECT count(*) FROM advice_row WHERE run_id = $1", second) == 0


async def _no_longer(*_: object) -> bool:
    return False
