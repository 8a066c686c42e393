"""Imports over HTTP: the whole way by a person, who may do what, and what a stranger sees."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import xlsxwriter
from fastapi import FastAPI

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.imports import service
from marketplace.kit.exports import BOM
from marketplace.settings import Settings
from tests.clients import client_for, token_for
from tests.world import World

API = "/api/v1/imports"


@pytest.fixture
def app(db: Database, tmp_path: Path) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path, upload_limit_bytes=4 << 20), database=db)


@pytest.fixture
async def keeper(world: World, app: FastAPI, owner: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """The maker's warehouse, signed in."""
    token = await token_for(owner, world.maker.users["warehouse"], world.maker.id)
    async with client_for(app, token) as client:
        yield client


async def send(client: httpx.AsyncClient, text: str, **form: Any) -> httpx.Response:
    return await client.post(API, files={"file": ("stock.csv", text.encode(), "text/csv")}, data=form)


async def test_the_whole_way(world: World, keeper: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    t = world.tag
    text = f'Item code,Pieces,Remark,Site\n{t}-1,5,ok,S1\n{t}-2,minus,"=HYPERLINK(""http://x"")",S1\n{t}-3,4,,S9\n'
    made = await send(keeper, text, snapshot_on="2026-11-20")
    assert made.status_code == 201
    job = made.json()
    assert job["step"] == "uploaded"
    assert job["missing"] == ["quantity"]
    assert job["header"] == ["Item code", "Pieces", "Remark", "Site"]
    assert {c["field"]: c["column"] for c in job["columns"]}["number"] == 0
    refused = await keeper.post(f"{API}/{job['id']}/validate")
    assert refused.status_code == 422
    assert refused.json()["code"] == "import.mapping"

    chosen = {"columns": {"number": 0, "quantity": 1, "site": 3}, "save": True}
    assert (await keeper.put(f"{API}/{job['id']}/mapping", json=chosen)).json()["missing"] == []
    checked = (await keeper.post(f"{API}/{job['id']}/validate")).json()
    assert (checked["step"], checked["rows_good"], checked["rows_bad"]) == ("validated", 1, 2)
    assert {p["field"] for p in checked["problems"]} == {"quantity", "site"}
    assert await owner.fetchval("SELECT count(*) FROM lot WHERE registered_by = $1", world.maker.id) == 0

    issues = (await keeper.get(f"{API}/{job['id']}/issues", params={"limit": 1})).json()
    assert issues["items"][0]["row_no"] == 3
    rest = (await keeper.get(f"{API}/{job['id']}/issues", params={"limit": 1, "after": issues["next"]})).json()
    assert (rest["items"][0]["row_no"], rest["items"][0]["field"], rest["next"]) == (4, "site", None)

    for key in ("one", "one"):
        landed = await keeper.post(f"{API}/{job['id']}/apply", json={}, headers={"Idempotency-Key": key + t})
        assert (landed.status_code, landed.json()["step"], landed.json()["lots_new"]) == (200, "done", 1)
    assert await owner.fetchval("SELECT sum(quantity) FROM movement WHERE company_id = $1", world.maker.id) == 5

    sheet = await keeper.get(f"{API}/{job['id']}/issues.csv")
    assert sheet.headers["content-disposition"] == 'attachment; filename="rows-to-correct.csv"'
    rows = list(csv.reader(io.StringIO(sheet.text.removeprefix(BOM))))
    assert rows[0] == ["Item code", "Pieces", "Remark", "Site", "Row", "Problems"]
    assert rows[1][:5] == [f"{t}-2", "minus", '\'=HYPERLINK("http://x")', "S1", "3"]
    assert "Quantity: 'minus' is not a whole number" in rows[1][5], "what is wrong, and in which column"
    assert rows[2][5].startswith("Site: "), rows[2]
    assert "no site 'S9'" in rows[2][5]

    # The corrected rows come back in the same shape: the saved mapping is known.
    again = (
        await send(
            keeper,
            f"Item code,Pieces,Remark,Site,Row,Problems\n{t}-1,3,ok,S1,,\n{t}-2,7,,S1,3,no\n",
            snapshot_on="2026-11-21",
        )
    ).json()
    assert {c["field"]: c["why"] for c in again["columns"] if c["column"] is not None}["quantity"] == "saved"
    assert again["covers"] == "some"
    done = (await keeper.post(f"{API}/{again['id']}/apply", json={"mode": "all_or_nothing"})).json()
    assert (done["step"], done["lots_new"], done["lots_changed"]) == ("done", 1, 1)
    found = (await keeper.get(f"{API}/{again['id']}/proposals", params={"undecided": True})).json()["items"]
    assert [(p["kind"], p["quantity_before"], p["quantity_file"], p["applicable"]) for p in found] == [
        ("less", 5, 3, 2)
    ]
    decided = await keeper.post(
        f"{API}/{again['id']}/proposals/decide", json={"accept": [found[0]["id"]], "dismiss": []}
    )
    assert decided.json() == {
        "accepted": 1, "dismissed": 0, "overtaken": 0, "counted_in": 0, "counted_away": 2, "left_as_shortage": 0,
        "open": 0,
    }  # fmt: skip
    assert (await keeper.get(f"{API}/{again['id']}/proposals", params={"undecided": True})).json()["items"] == []
    listed = (await keeper.get(API, params={"limit": 1})).json()
    assert listed["items"][0]["id"] == again["id"]
    assert (await keeper.get(API, params={"after": listed["next"]})).json()["items"][0]["id"] == job["id"]
    # The same file for the same day is the import that it was.
    repeated = await send(
        keeper,
        f"Item code,Pieces,Remark,Site,Row,Problems\n{t}-1,3,ok,S1,,\n{t}-2,7,,S1,3,no\n",
        snapshot_on="2026-11-21",
    )
    assert (repeated.status_code, repeated.json()["id"], repeated.json()["repeated"]) == (200, again["id"], True)


async def test_large_files_go_to_the_worker(world: World, keeper: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    rows = "".join(f"{world.tag}-{n},{n % 9 + 1},{'x' * 60}\n" for n in range(9_000))
    job = (await send(keeper, "Part number,Qty,Remark\n" + rows, default_site_id=str(world.maker.site))).json()
    assert job["file_size"] > service.SMALL_FILE_BYTES
    assert 8_000 < job["rows_total"] < 10_000
    waiting = await keeper.post(f"{API}/{job['id']}/validate")
    assert (waiting.status_code, waiting.json()["step"]) == (202, "uploaded")
    queued = await owner.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = $1", service.RUN)
    assert any(job["id"] in bytes(r["payload"]).decode() for r in queued)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("GET", "/{id}"), ("GET", "/{id}/issues"), ("GET", "/{id}/issues.csv"), ("GET", "/{id}/proposals"),
        ("POST", "/{id}/validate"), ("POST", "/{id}/apply"), ("POST", "/{id}/cancel"), ("PUT", "/{id}/mapping"),
        ("POST", "/{id}/proposals/decide"),
    ],
)  # fmt: skip
async def test_strangers_see_nothing(
    world: World, app: FastAPI, keeper: httpx.AsyncClient, owner: asyncpg.Connection, method: str, path: str
) -> None:
    job = (await send(keeper, f"Part number,Qty\n{world.tag}-1,5\n", default_site_id=str(world.maker.site))).json()[
        "id"
    ]
    body = {
        "/{id}/mapping": {"columns": {"number": 0, "quantity": 1}}, "/{id}/apply": {},
        "/{id}/proposals/decide": {"accept": [str(uuid4())], "dismiss": []},
    }.get(path)  # fmt: skip
    url = API + path.format(id=job)
    async with client_for(app) as nobody:
        assert (await nobody.request(method, url, json=body)).status_code == 401
    outsider = await token_for(owner, world.buyer.users["warehouse"], world.buyer.id)
    async with client_for(app, outsider) as client:
        answer = await client.request(method, url, json=body)
        if path:
            assert (answer.status_code, answer.json()["code"]) == (404, "import.not_found")
        else:
            assert answer.json()["items"] == []
    wrong_role = await token_for(owner, world.maker.users["technician"], world.maker.id)
    async with client_for(app, wrong_role) as client:
        assert (await client.request(method, url, json=body)).json()["code"] == "actor.role"
    auditor = await token_for(owner, world.maker.users["auditor"], world.maker.id)
    async with client_for(app, auditor) as client:
        answer = await client.request(method, url, json=body)
        assert answer.status_code == (200 if method == "GET" else 403), "an auditor reads, and changes nothing"
    assert (await keeper.get(f"{API}/{job}")).json()["step"] == "uploaded"


async def test_refusals_over_http(world: World, keeper: httpx.AsyncClient, owner: asyncpg.Connection) -> None:
    for content, code, status in (
        (b"", "import.empty", 422),
        (b"Part number,Qty\n" + b"A" * (2 << 20), "import.line_too_long", 422),
        (b"Part number,Qty\n" + b"100-1,5\n" * (1 << 19), "import.too_large", 422),
        (b"Part number,Qty\n" + b"100-1,5\n" * (1 << 20), "http.413", 413),
    ):
        answer = await keeper.post(API, files={"file": ("stock.csv", content, "text/csv")})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    foreign = await send(keeper, "Part number,Qty\nx,1\n", default_site_id=str(world.buyer.site))
    assert foreign.json()["code"] == "site.not_found"
    assert await owner.fetchval("SELECT count(*) FROM import_job WHERE company_id = $1", world.maker.id) == 0


def workbook(rows: list[list[object]]) -> bytes:
    memory = io.BytesIO()
    with xlsxwriter.Workbook(memory) as book:
        sheet = book.add_worksheet("Stock")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return memory.getvalue()


async def test_a_workbook_goes_the_whole_way(
    world: World, keeper: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    t = world.tag
    content = workbook([["Part number", "Qty", "Site"], [f"{t}-X", 7, "S1"], [f"{t}-Y", "many", "S1"]])
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    made = await keeper.post(API, files={"file": ("stock.xlsx", content, kind)}, data={"snapshot_on": "2026-11-20"})
    assert made.status_code == 201, made.text
    assert made.json()["sheet"] == "Stock"
    job = f"{API}/{made.json()['id']}"
    checked = (await keeper.post(f"{job}/validate")).json()
    assert (checked["step"], checked["rows_good"], checked["rows_bad"]) == ("validated", 1, 1)
    landed = await keeper.post(f"{job}/apply", json={})
    assert (landed.status_code, landed.json()["step"], landed.json()["lots_new"]) == (200, "done", 1)
    units = "SELECT quantity FROM position p JOIN part t ON t.id = p.part_id WHERE t.number = $1"
    assert await owner.fetchval(units, f"{t}-X") == 7


async def test_an_import_that_has_ended_is_not_landed_in_another_way(world: World, keeper: httpx.AsyncClient) -> None:
    t = world.tag
    made = await send(keeper, f"Part number,Qty,Site\n{t}-1,5,S1\n", snapshot_on="2026-11-20")
    job = f"{API}/{made.json()['id']}"
    assert (await keeper.post(f"{job}/apply", json={"covers": "some"})).json()["step"] == "done"
    assert (await keeper.post(f"{job}/apply", json={"covers": "some"})).status_code == 200
    other = await keeper.post(f"{job}/apply", json={"covers": "all"})
    assert (other.status_code, other.json()["code"]) == (409, "import.landed")
    again = await send(keeper, f"Part number,Qty,Site\n{t}-2,5,S1\n", snapshot_on="2026-11-21")
    job = f"{API}/{again.json()['id']}"
    assert (await keeper.post(f"{job}/cancel")).status_code == 200
    for verb in ("validate", "apply"):
        refused = await keeper.post(f"{job}/{verb}", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "import.cancelled")
    assert (await keeper.get(job)).json()["step"] == "cancelled"


async def test_what_no_line_can_show_stays_out_of_numbers(
    world: World, keeper: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    t = world.tag
    text = f"Part number,Description,Qty,Site\n{t}-A\u2028B,PUMP\u202e\x07 LARGE,5,S1\n"
    job = f"{API}/{(await send(keeper, text, snapshot_on='2026-11-20')).json()['id']}"
    assert (await keeper.post(f"{job}/apply", json={})).json()["lots_new"] == 1
    part = await owner.fetchrow("SELECT number, description FROM part WHERE number LIKE $1", f"{t}-A%")
    assert tuple(part) == (f"{t}-A B", "PUMP LARGE")


async def test_stock_of_more_than_an_integer_is_shown(world: World, keeper: httpx.AsyncClient) -> None:
    t = world.tag
    rows = "".join(f"{t}-1,1000000000,B{n},S1\n" for n in range(3))
    made = await send(keeper, "Part number,Qty,Batch,Site\n" + rows)
    job = f"{API}/{made.json()['id']}"
    assert (await keeper.post(f"{job}/apply", json={})).json()["lots_new"] == 3
    held = await keeper.get("/api/v1/holdings", params={"number": f"{t}-1"})
    assert [line["quantity"] for line in held.json()["items"]] == [3_000_000_000]
    for path in ("/api/v1/holdings/totals", "/api/v1/holdings.csv"):
        assert (await keeper.get(path)).status_code == 200
