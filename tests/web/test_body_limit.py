"""Bodies that are too large, and files from strangers, are refused without being read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from marketplace.db.session import Database
from tests.clients import client_for, token_for
from tests.web.trade import HTML, site_for
from tests.world import World

MEGABYTE = (b"a=" + b"x" * 1021 + b"&") * 1024  # 1,024 fields of a form
JSON = {"content-type": "application/json"}


class Pouring:
    """A body without a stated length that tells how much of it was taken."""

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.megabytes):
            self.taken += 1
            yield MEGABYTE


@pytest.mark.parametrize("path", ["/api/v1/parts/find", "/api/v1/nowhere", "/api/v1/imports/validate"])
async def test_a_stated_length_over_the_limit_is_refused_at_once(db: Database, path: str) -> None:
    body = Pouring(40)
    async with client_for(site_for(db)) as client:
        answer = await client.post(path, content=body, headers=JSON | {"content-length": str(40 * 1024 * 1024)})
    assert (answer.status_code, answer.json()["code"]) == (413, "http.413")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "2.0 MB" in answer.json()["detail"]
    assert body.taken == 0


async def test_a_body_without_a_length_is_cut_off_at_the_limit(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    before = await owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1", world.maker.id)
    body, form = Pouring(40), Pouring(40)
    async with client_for(site_for(db), token) as client:
        answer = await client.post("/api/v1/sites", content=body, headers=JSON)
        page = await client.post(
            "/company/sites/new", content=form, headers=HTML | {"content-type": "application/x-www-form-urlencoded"}
        )
    assert (answer.status_code, answer.json()["code"]) == (413, "http.413")
    assert body.taken <= 4
    assert page.status_code == 413
    assert "That is too large" in page.text
    assert form.taken <= 4
    assert await owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1", world.maker.id) == before


async def test_a_file_from_a_stranger_is_not_read(db: Database) -> None:
    frame = {"content-type": "multipart/form-data; boundary=x"}
    body, page = Pouring(10), Pouring(10)
    async with client_for(site_for(db)) as client:
        answer = await client.post("/api/v1/imports", content=body, headers=frame)
        sent = await client.post("/imports", content=page, headers=HTML | frame)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.missing")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?why=unsent"
    assert body.taken == page.taken == 0


async def test_files_long_lists_and_long_forms_still_pass(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    async with client_for(site_for(db), token) as client:
        rows = "".join(f"{world.maker.code},{world.tag}-{n},{'D' * 80},1,EA,S1,new,1.00\n" for n in range(30_000))
        head = "maker,number,description,quantity,unit of measure,site,condition,list price\n"
        assert len(rows) > 3 * len(MEGABYTE)
        file = {"file": ("stock.csv", head + rows, "text/csv")}
        assert (await client.post("/api/v1/imports", files=file)).status_code == 201
        pasted = "\n".join(f"{world.tag}-{n}-{'9' * 60}" for n in range(500))
        assert (await client.post("/api/v1/parts/find", json={"numbers": pasted})).status_code == 200
        form = {f"field-{n}": "v" * 100 for n in range(8_000)}
        answer = await client.post("/releases/new/terms", data=form, headers=HTML)
        assert answer.status_code != 413


async def test_a_file_over_its_own_limit_is_refused(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    body = Pouring(300)
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(300 * 1024 * 1024)}
    async with client_for(site_for(db), token) as client:
        answer = await client.post("/imports", content=body, headers=HTML | headers)
    assert answer.status_code == 413
    assert "That is too large" in answer.text
    assert body.taken == 0
    assert await owner.fetchval("SELECT count(*) FROM import_job WHERE company_id = $1", world.maker.id) == 0
