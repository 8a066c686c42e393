"""From advice to a draft: terms, minimum, price and units as advised, all or nothing; and what is decided otherwise keeps its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from marketplace.advising import service
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.advised import stocked
from tests.clients import app_for, client_for, token_for
from tests.world import World

API = "/api/v1/advice"


@pytest.fixture
async def planner(
    second_world: World, second_db: tuple[asyncpg.Connection, Database], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    owner, db = second_db
    token = await token_for(owner, second_world.maker.users["planner"], second_world.maker.id)
    async with client_for(app_for(db, Settings(data_dir=tmp_path)), token) as client:
        yield client


async def test_lines_become_drafts_with_the_advised_terms_and_minimum(
    second_world: World, planner: httpx.AsyncClient, second_worker_db: Database
) -> None:
    world, owner = second_world, second_world.owner
    parts = await stocked(world, planner)
    run_id = UUID(
        (await planner.post(API, json={"hazard": 0.5, "presets": ["access-first", "standard-buy-back"]})).json()["id"]
    )
    assert (await planner.post(f"{API}/{run_id}/accept", json={})).json()["code"] == "advice.not_done"
    await service.make_advice(
        second_worker_db, run_id=run_id, company_id=world.maker.id, clock=lambda: datetime(2026, 1, 5, tzinfo=UTC)
    )
    rows: dict[str, dict[str, Any]] = {
        r["part_id"]: r for r in (await planner.get(f"{API}/{run_id}/rows")).json()["items"]
    }
    advised = [r for r in rows.values() if r["release"] > 0]
    assert len(advised) >= 3, rows
    first, second = advised[0], advised[1]

    async def nothing_made() -> None:
        assert await owner.fetchval("SELECT count(*) FROM release WHERE company_id = $1", world.maker.id) == drafts
        assert await owner.fetchval("SELECT count(*) FROM advice_decision WHERE run_id = $1", run_id) == decided

    drafts, decided = 0, 0
    # Part of the stock was promised meanwhile: all or nothing.
    await owner.execute("UPDATE position SET held = quantity WHERE part_id = $1", UUID(second["part_id"]))
    refused = await planner.post(f"{API}/{run_id}/accept", json={"part_ids": [first["part_id"], second["part_id"]]})
    assert (refused.status_code, refused.json()["code"]) == (409, "advice.stock_changed")
    assert second["part_number"] in refused.json()["detail"]
    await nothing_made()
    await owner.execute("UPDATE position SET held = 0 WHERE part_id = $1", UUID(second["part_id"]))
    for given, code in (({"part_ids": [str(parts["KEPT"])]}, "advice.nothing"), ({"part_ids": []}, "request.invalid")):
        assert (await planner.post(f"{API}/{run_id}/accept", json=given)).json()["code"] == code
    await nothing_made()

    made = await planner.post(
        f"{API}/{run_id}/accept", json={"part_ids": [first["part_id"]]}, headers={"Idempotency-Key": world.tag}
    )
    assert made.status_code == 201, made.text
    again = await planner.post(
        f"{API}/{run_id}/accept", json={"part_ids": [first["part_id"]]}, headers={"Idempotency-Key": world.tag}
    )
    assert again.json() == made.json()
    line = await owner.fetchrow("SELECT l.quantity, l.minimum_to_keep, l.unit_price, r.status, r.clause FROM listing l JOIN release r ON r.id = l.release_id WHERE r.id = $1", UUID(made.json()["releases"][0]))  # fmt: skip
    assert (line["quantity"], line["minimum_to_keep"], line["status"], line["clause"]) == (
        first["release"],
        first["floor"],
        "draft",
        "buy-back",
    )
    assert float(line["unit_price"]) * line["quantity"] == pytest.approx(
        first["cash"] - first["scrap"] * 0.05 * first["cost"], rel=1e-3
    )
    drafts, decided = 1, 1
    taken = await planner.post(f"{API}/{run_id}/accept", json={"part_ids": [first["part_id"]]})
    assert (taken.status_code, taken.json()["code"]) == (409, "advice.taken")
    await nothing_made()

    # Decided otherwise, with a reason; then all that is left.
    where = f"{API}/{run_id}/parts/{second['part_id']}/decide"
    for given, code in (
        ({"release": 1, "preset": "standard-buy-back", "reason": " "}, "advice.reason"), ({"release": 99, "preset": "standard-buy-back", "reason": "x"}, "advice.units"),
        ({"release": 1, "preset": None, "reason": "x"}, "advice.terms"), ({"release": 1, "preset": "standard-buy-back", "floor": 2, "reason": "x"}, "advice.units"),
    ):  # fmt: skip
        assert (await planner.post(where, json=given)).json()["code"] == code
    await nothing_made()
    kept = await planner.post(where, json={"release": 0, "reason": "Two machines more next year."})
    assert kept.json() == {"releases": []}
    rest = await planner.post(f"{API}/{run_id}/accept", json={})
    assert rest.status_code == 201, rest.text
    left = {UUID(r["part_id"]) for r in advised} - {UUID(first["part_id"]), UUID(second["part_id"])}
    found = await owner.fetch(
        "SELECT DISTINCT part_id FROM listing WHERE release_id = ANY($1::uuid[])",
        [UUID(r) for r in rest.json()["releases"]],
    )
    assert {r["part_id"] for r in found} == left
    assert (
        await owner.fetchval(
            "SELECT reason FROM advice_decision WHERE run_id = $1 AND part_id = $2", run_id, UUID(second["part_id"])
        )
        == "Two machines more next year."
    )
    assert (await planner.post(f"{API}/{run_id}/accept", json={})).json()["code"] == "advice.nothing"
