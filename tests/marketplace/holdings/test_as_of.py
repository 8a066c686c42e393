"""The routes of the past over HTTP: pages, files and the place that a row names."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import httpx

from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from tests.clients import app_for, client_for, token_for
from tests.world import World

BASE = "/api/v1/holdings/as-of"


async def everything(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, two at a time."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        asked = {**query, "limit": 2} | ({"after": after} if after else {})
        answer = await client.get(f"{BASE}{path}", params=asked)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) <= 2
        found += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return found


async def test_the_past_over_http(world: World) -> None:
    parts = [world.part, await world.make_part(f"{world.tag}-200-B"), await world.make_part(f"{world.tag}-300-C")]
    lots = [await world.register(world.maker, 5, part=part) for part in parts]
    middle = datetime.now(UTC)
    second = world.place(world.maker, site=world.maker.sites[1])
    for lot in lots[:2]:
        await world.run(world.maker, Step(Kind.MOVE, lot, 2, 1, to=second))
    await world.run(world.maker, Step(Kind.SCRAP, lots[2], 1, 1))
    token = await token_for(world.owner, world.maker.users["auditor"], world.maker.id)
    async with client_for(app_for(world.db), token) as client:
        units = await everything(client, "")
        assert [(u["lot_id"], u["quantity"]) for u in units] == sorted(
            (str(lot), n) for lot, counts in zip(lots, ((3, 2), (3, 2), (4,)), strict=True) for n in counts
        ) or sorted(u["quantity"] for u in units) == [2, 2, 3, 3, 4]
        then = await everything(client, "", at=middle.isoformat())
        assert sorted(u["quantity"] for u in then) == [5, 5, 5]
        assert await everything(client, "", known_at=middle.isoformat()) == then
        places = await everything(client, "/places")
        numbers = [p["part_number"] for p in places]
        assert numbers == sorted(numbers)
        assert sum(p["quantity"] for p in places) == 14
        changed = await everything(client, "/difference", since=middle.isoformat())
        assert [(c["part_number"][-1], c["flow"]["before"], c["flow"]["after"]) for c in changed if c["site"][-1] == "1"] == [
            ("A", 5, 3), ("B", 5, 3), ("C", 5, 4),
        ]  # fmt: skip
        assert {c["flow"]["came"] for c in changed if c["site"][-1] == "2"} == {2}
        scrapped = next(c for c in changed if c["flow"]["scrapped"])
        named = {"place_lot_id": scrapped["lot_id"], "place_position_id": scrapped["position_id"]}
        (act,) = await everything(client, "/changes", since=middle.isoformat(), **named)
        assert (act["kind"], act["lot_id"], act["quantity"], act["counts"]) == ("scrap", str(lots[2]), 1, 1)
        assert len(await everything(client, "/changes", since=middle.isoformat())) == 3
        assert len(await everything(client, "/changes", since=middle.isoformat(), part_id=str(parts[0]))) == 1
        half = await client.get(f"{BASE}/changes", params={"place_lot_id": scrapped["lot_id"]})
        assert (half.status_code, half.json()["code"]) == (422, "as_of.place")
        assert "Send both" in half.json()["detail"]
        for path, rows in (("/as-of.csv", 5), ("/as-of/difference.csv", 5)):
            file = await client.get(
                f"/api/v1/holdings{path}", params={"since": middle.isoformat()} if rows and "diff" in path else {}
            )
            assert file.headers["content-type"] == "text/csv; charset=utf-8"
            table = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"), newline="")))
            assert len(table) == rows, path
    async with client_for(app_for(world.db)) as anonymous:
        for path in ("", ".csv", "/places", "/difference", "/difference.csv", "/changes"):
            assert (await anonymous.get(BASE + path)).status_code == 401, path
    token = await token_for(world.owner, world.other.users["auditor"], world.other.id)
    async with client_for(app_for(world.db), token) as outsider:
        assert not [
            row for path in ("", "/places", "/difference", "/changes") for row in await everything(outsider, path)
        ]
        assert (await outsider.get(f"{BASE}.csv")).text.count("\r\n") == 1
