"""Files of demand over HTTP: landed whole and matched as stock files are, odd lines told, a later file counting for its months."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.clients import client_for, token_for
from tests.counting import counted
from tests.world import World

API = "/api/v1/demand"


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path, upload_limit_bytes=4 << 20), database=db)


@pytest.fixture
async def planner(world: World, app: FastAPI, owner: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    async with client_for(app, token) as client:
        yield client


async def send(client: httpx.AsyncClient, text: str, **form: Any) -> httpx.Response:
    return await client.post(API, files={"file": ("demand.csv", text.encode(), "text/csv")}, data=form)


async def months(client: httpx.AsyncClient, part: object) -> dict[str, float | None]:
    return {m["month"][:7]: m["units"] for m in (await client.get(f"{API}/parts/{part}")).json()["months"]}


async def test_a_file_lands_and_a_later_one_counts_for_the_months_it_names(
    world: World, planner: httpx.AsyncClient, app: FastAPI, owner: asyncpg.Connection
) -> None:
    t = world.tag
    pump, seal = await world.make_part(f"{t}-PU/1"), await world.make_part(f"{t}-SEAL")
    text = f"Part number,2025-01,2025-02,2025-03\n{t}pu1,4,,-1\n{t} Seal,0,0,0\n{t}-NONE,5,5,5\n{t}-SEAL,1,x,2\n"
    made = await send(planner, text)
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["step"], first["months"], first["numbers"], first["parts"]) == ("done", 3, 3, 2)
    assert (first["first_month"], first["last_month"]) == ("2025-01-01", "2025-03-01")
    assert await months(planner, pump) == {"2025-01": 4, "2025-02": None, "2025-03": -1}
    assert await months(planner, seal) == {"2025-01": 1, "2025-02": 0, "2025-03": 2}
    told = " ".join(
        i["part_number"] + " " + i["message"]
        for i in (await planner.get(f"{API}/{first['id']}/issues")).json()["items"]
    )
    for words in (
        f"{t}-NONE No part of MK{t}",
        "'x' is no number",
        "1 month without a record",
        "Returns of 1 were",
        "more than one row",
    ):
        assert words in told, told
    assert first["odd"] == len((await planner.get(f"{API}/{first['id']}/issues")).json()["items"])

    again = (await send(planner, text)).json()
    assert (again["id"], again["repeated"]) == (first["id"], True)
    # A list of demands, later: it says something of two months only.
    second = (await send(planner, f"Part number;Month;Quantity\n{t}-PU1;Feb 2025;7\n{t}-PU1;2025-04-30;2\n")).json()
    assert await months(planner, pump) == {"2025-01": 4, "2025-02": 7, "2025-03": 0, "2025-04": 2}
    # The first file again is news now, and what it says counts once more.
    assert not (await send(planner, text)).json()["repeated"]
    assert (await months(planner, pump))["2025-03"] == -1
    assert (await planner.post(f"{API}/{second['id']}/withdraw")).json()["done"] == "demand.withdraw"
    assert await months(planner, pump) == {"2025-01": 4, "2025-02": None, "2025-03": -1}
    twice = await planner.post(f"{API}/{second['id']}/withdraw")
    assert (twice.status_code, twice.json()["code"]) == (409, "demand.withdrawn")
    assert len((await planner.get(API)).json()["items"]) == 3

    # What is refused leaves nothing: no file, no history.
    before = await owner.fetchval("SELECT count(*) FROM demand_import")
    for bad, code, form in (
        ("Part number,Colour\nA,red\n", "advise.demand", {}),
        (f"Part number,2025-01\n{t}-X,1\n{t}-Y,2\n", "demand.unknown", {}),
        (f"Part number,2025-01\n{t}-SEAL,1\n", "demand.maker", {"maker": "nobody"}),
    ):
        refused = await send(planner, bad, **form)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert await owner.fetchval("SELECT count(*) FROM demand_import") == before
    async with client_for(
        app,
        await token_for(owner, world.other.users.get("planner", world.other.actor), world.other.id),
    ) as stranger:
        assert (await stranger.get(f"{API}/{first['id']}")).status_code in (403, 404)
        assert (await stranger.get(f"{API}/parts/{pump}")).json().get("months", []) == []


async def test_as_many_statements_for_many_parts_as_for_one(
    world: World, planner: httpx.AsyncClient, db: Database
) -> None:
    numbers = [f"{world.tag}-N{n}" for n in range(40)]
    for number in numbers:
        await world.make_part(number)
    counts = []
    for some in (numbers[:1], numbers):
        with counted(db) as said:
            made = await send(planner, "Part number,2025-01,2025-02\n" + "".join(f"{n},1,-5\n" for n in some))
        assert made.json()["parts"] == len(some)
        counts.append(len(said))
    assert counts[0] == counts[1]
