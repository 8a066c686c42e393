"""The routes of holdings: what each company sees, paging, export, and acts over HTTP once."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from marketplace.agreements.queries import facts
from marketplace.holdings import queries
from marketplace.holdings.queries import HoldingFilter, lines
from tests.agreed import agreed, delivered, person
from tests.clients import app_for, client_for, token_for
from tests.world import Party, World

BASE = "/api/v1/holdings"


async def token(world: World, party: Party, role: str = "warehouse") -> str:
    return await token_for(world.owner, party.users[role], party.id)


async def test_every_route_needs_somebody(world: World) -> None:
    async with client_for(app_for(world.db)) as anonymous:
        for path in ("", ".csv", "/totals", "/lines", "/withdrawals"):
            assert (await anonymous.get(BASE + path)).status_code == 401, path
        for path in ("moves", "uses", "installs", "scraps", "counts", "freeze", "lift", "corrections"):
            assert (await anonymous.post(f"{BASE}/{path}", json={})).status_code in (401, 422), path


async def test_what_each_company_holds(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    await delivered(world, agreement_id, 10)
    await world.register(world.buyer, 4)
    await world.register(world.maker, 7)
    app = app_for(world.db)
    async with client_for(app, await token(world, world.buyer)) as buyer:
        items = (await buyer.get(BASE)).json()["items"]
        totals = (await buyer.get(BASE + "/totals")).json()
        exact = (await buyer.get(BASE + "/lines")).json()["items"]
        encumbered = (await buyer.get(BASE, params={"encumbered": True, "clause": "buy-back"})).json()["items"]
        other_number = (await buyer.get(BASE, params={"number": "no-such-number"})).json()["items"]
        by_number = (await buyer.get(BASE, params={"number": f"{world.tag} 100"})).json()["items"]
    loose, bound = sorted(items, key=lambda i: i["quantity"])
    assert (loose["quantity"], loose["free"], loose["badge"], loose["beneficiary"]) == (4, 4, None, None)
    assert (bound["quantity"], bound["beneficiary"], bound["value"]) == (10, world.maker.name, "1000.0000")
    assert "keep 3 of 10" in bound["sentence"]
    assert {(t["clause"], t["quantity"]) for t in totals} == {("buy-back", 10), (None, 4)}
    assert sorted(x["quantity"] for x in exact) == [4, 10]
    assert [e["agreement_id"] for e in encumbered] == [str(agreement_id)]
    assert other_number == []
    assert len(by_number) == 2
    async with client_for(app, await token(world, world.other)) as outsider:
        assert (await outsider.get(BASE)).json()["items"] == []
        assert (await outsider.get(BASE + "/lines")).json()["items"] == []
        assert (await outsider.get(BASE + "/totals")).json() == []
    async with client_for(app, await token(world, world.maker)) as maker:
        assert [i["quantity"] for i in (await maker.get(BASE)).json()["items"]] == [7], "units out are not stock"


async def test_one_lot_with_what_bears_on_it(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    lot = await delivered(world, agreement_id, 10)
    url = f"{BASE}/lots/{lot}"
    app = app_for(world.db)
    async with client_for(app) as anonymous:
        assert (await anonymous.get(url)).status_code == 401
    async with client_for(app, await token(world, world.other)) as outsider:
        assert (await outsider.get(url)).status_code == 404
    async with client_for(app, await token(world, world.buyer)) as clerk:
        body = {"part_id": str(world.part), "site_id": str(world.buyer.site), "counted": 8}
        assert (await clerk.post(BASE + "/counts", json=body)).status_code == 201
        found = (await clerk.get(url)).json()
        assert [w["quantity"] for w in (await clerk.get(BASE + "/withdrawals")).json()] == [2]
    async with client_for(app, await token(world, world.maker)) as maker:
        assert (await maker.get(url)).json() == found, "both sides of a right see the same"
    [line], [right] = found["lines"], found["rights"]
    assert (line["quantity"], line["holder"], line["beneficiary"]) == (10, world.buyer.name, world.maker.name)
    assert line["counted_at"] is not None
    assert (right["remaining"], right["callable"], right["words"]) == (10, 8, "8 callable, 2 being counted")
    assert [(w["lot_id"], w["quantity"]) for w in found["withdrawals"]] == [(str(lot), 2)]


async def test_a_page_costs_the_same_whatever_it_shows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    for module in (lines, facts):
        real = module.fetch

        async def spy(session: Any, sql: str, *arguments: object, _real: Any = real) -> Any:
            sent.append(sql)
            return await _real(session, sql, *arguments)

        monkeypatch.setattr(module, "fetch", spy)
    counts = []
    for _ in range(3):
        agreement_id = await agreed(world)
        await delivered(world, agreement_id, 2)
        await world.register(world.buyer, 1, part=await world.make_part(f"{world.tag}-{len(counts)}"))
        sent.clear()
        async with world.db.read(world.buyer.tenant) as session:
            page = await queries.what_we_hold(session, person(world.buyer), HoldingFilter(), secret="s")
        counts.append((len(page.items), len(sent)))
    assert counts == [(2, 2), (4, 2), (6, 2)]


async def every_page(client: httpx.AsyncClient, path: str, limit: int) -> list[dict[str, Any]]:
    found, after = [], None
    while True:
        page = (await client.get(path, params={"limit": limit, **({"after": after} if after else {})})).json()
        assert len(page["items"]) <= limit
        found += page["items"]
        after = page["next"]
        if after is None:
            return found


async def test_paging_and_export_show_every_row_once(world: World) -> None:
    parts = [await world.make_part(f"{world.tag}-{n:03}") for n in range(7)]
    for part in parts:
        for site in world.buyer.sites:
            await world.register(world.buyer, 2, part=part, site=site)
            await world.register(world.buyer, 1, part=part, site=site)
    evil = await world.make_part(f"{world.tag}-EVIL")
    await world.owner.execute("UPDATE part SET description = '=cmd|calc' WHERE id = $1", evil)
    await world.register(world.buyer, 1, part=evil)
    app = app_for(world.db)
    async with client_for(app, await token(world, world.buyer)) as buyer:
        whole = await every_page(buyer, BASE, 500)
        assert len(whole) == 15
        assert await every_page(buyer, BASE, 4) == whole
        assert len(await every_page(buyer, BASE + "/lines", 3)) == 29
        damaged = await buyer.get(BASE, params={"after": "AAAA"})
        assert (damaged.status_code, damaged.json()["code"]) == (422, "page.bookmark")
        export = await buyer.get(BASE + ".csv")
    assert export.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(export.content.decode("utf-8-sig"))))
    assert len(rows) == 16
    assert {len(r) for r in rows} == {len(rows[0])}
    assert [r[1] for r in rows if "EVIL" in r[0]] == ["'=cmd|calc"]


async def test_acts_over_http_once(world: World) -> None:
    lot = await world.register(world.buyer, 10)
    app = app_for(world.db)
    place = {"part_id": str(world.part), "site_id": str(world.buyer.site)}
    async with client_for(app, await token(world, world.buyer)) as clerk:
        key = {"Idempotency-Key": f"use-{world.tag}"}
        first = await clerk.post(BASE + "/uses", json={**place, "quantity": 2}, headers=key)
        again = await clerk.post(BASE + "/uses", json={**place, "quantity": 2}, headers=key)
        other = await clerk.post(BASE + "/uses", json={**place, "quantity": 3}, headers=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert first.json()["left_here"] == 8
        assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "quantity")
        exact = {"lot_id": str(lot), "position_id": 1, "quantity": 1}
        to = str(world.buyer.sites[1])
        assert (await clerk.post(BASE + "/moves", json={**exact, "to_site_id": to})).status_code == 201
        assert (await clerk.post(BASE + "/installs", json={**exact, "machine": "D6 SN 1"})).status_code == 201
        assert (await clerk.post(BASE + "/scraps", json={**exact, "reason": "rust"})).status_code == 201
        assert await world.positions(lot) == {1: (5, 0), 2: (1, 0)}
        counted = await clerk.post(BASE + "/counts", json={**place, "counted": 6})
        assert (counted.status_code, counted.json()["adjusted"]) == (201, 1)
        before = await world.snapshot(lot)
        both = (await clerk.post(BASE + "/uses", json={"quantity": 1})).json()["detail"]
        assert both == "Give either lot_id and position_id, or part_id and site_id. Nothing was changed."
        for path, body, status in (
            ("uses", {**place, "quantity": 0}, 422),
            ("uses", {**place, **exact}, 422),
            ("uses", {"quantity": 1}, 422),
            ("uses", {**place, "quantity": 99}, 409),
            ("uses", {**place, "quantity": 1, "occurred_at": "2026-01-01T00:00:00"}, 422),
            ("uses", {**place, "quantity": 1, "occurred_at": "2099-01-01T00:00:00Z"}, 422),
            ("uses", {**exact, "position_id": 7}, 404),
            ("scraps", {**exact, "reason": ""}, 422),
            ("counts", {**place, "counted": -1}, 422),
            ("freeze", {"lot_ids": [str(lot)], "reason": "x"}, 403),
            ("corrections", {"lot_id": str(lot), "seq": 2, "reason": "x"}, 403),
        ):
            answer = await clerk.post(f"{BASE}/{path}", json=body)
            assert answer.status_code == status, (path, body, answer.text)
        assert await world.snapshot(lot) == before
    async with client_for(app, await token(world, world.buyer, "admin")) as admin:
        frozen = await admin.post(BASE + "/freeze", json={"lot_ids": [str(lot)], "reason": "crack"})
        assert (frozen.status_code, frozen.json()["lot_ids"]) == (201, [str(lot)])
        lifted = await admin.post(BASE + "/lift", json={"lot_ids": [str(lot)]})
        assert lifted.status_code == 201
        undone = await admin.post(BASE + "/corrections", json={"lot_id": str(lot), "seq": 2, "reason": "typed twice"})
        assert (undone.status_code, len(undone.json()["entries"])) == (201, 1)
    async with client_for(app, await token(world, world.other)) as outsider:
        assert (await outsider.post(BASE + "/uses", json=exact)).status_code == 404
