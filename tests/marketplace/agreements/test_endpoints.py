"""The routes of agreements: anonymous, outsider, member; signing over HTTP once."""

from __future__ import annotations

from uuid import uuid4

from tests.agreed import agreed, delivered, offered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.world import World


async def test_who_sees_agreements(world: World) -> None:
    agreement_id = await agreed(world, quantity=10, minimum=3, preset="access-first")
    await delivered(world, agreement_id, 10)
    app = app_for(world.db)
    one = f"/api/v1/agreements/{agreement_id}"
    async with client_for(app) as anonymous:
        assert (await anonymous.get("/api/v1/agreements")).status_code == 401
        assert (await anonymous.get(one)).status_code == 401
        assert (await anonymous.post(one + "/sign")).status_code == 401
    async with client_for(app, await token_for(world.owner, world.other.users["buyer"], world.other.id)) as outsider:
        assert (await outsider.get("/api/v1/agreements")).json() == {"items": [], "next": None}
        assert (await outsider.get(one)).status_code == 404
        assert (await outsider.get(f"/api/v1/agreements/{uuid4()}")).json()["code"] == "agreement.not_found"
        assert (await outsider.post(one + "/sign")).status_code == 404
    async with client_for(app, await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)) as member:
        page = (await member.get("/api/v1/agreements", params={"status": "active"})).json()
        assert [i["id"] for i in page["items"]] == [str(agreement_id)]
        found = (await member.get(one)).json()
    assert found["wording"].startswith("- **Manufacturer:**")
    assert found["terms"]["clause"] == "buy-back"
    [line] = found["schedule"]
    assert (line["remaining"], line["callable"], line["minimum_to_keep"]) == (10, 10, 3)
    assert line["words"] == "10 callable"
    assert line["badge"].startswith("Buy-back · until ")
    async with client_for(app, await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)) as clerk:
        assert (await clerk.get(one)).json()["wording"] == found["wording"], "what its units are under"
        refused = await clerk.post(one + "/sign")
        assert (refused.status_code, refused.json()["code"]) == (403, "actor.role")
        assert (await clerk.get(one)).json()["status"] == found["status"]


async def test_signing_over_http_once(world: World) -> None:
    agreement_id = await offered(world)
    app = app_for(world.db)
    one = f"/api/v1/agreements/{agreement_id}"
    key = {"Idempotency-Key": "sign-1"}
    async with client_for(app, await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)) as buyer:
        waiting = (await buyer.get("/api/v1/agreements", params={"waiting": True})).json()["items"]
        assert [w["waiting_for"] for w in waiting] == [["maker", "holder"]]
        text = (await buyer.get(one)).json()["wording_sha256"]
        before = await rows_of(world, "agreement", "agreement_event", "framework")
        other = await buyer.post(one + "/sign", json={"wording_sha256": "ab" * 32})
        malformed = await buyer.post(one + "/sign", json={"wording_sha256": "nonsense"})
        assert (other.status_code, other.json()["code"]) == (409, "agreement.other_text")
        assert malformed.status_code == 422
        assert await rows_of(world, "agreement", "agreement_event", "framework") == before
        first = await buyer.post(one + "/sign", json={"wording_sha256": text}, headers=key)
        again = await buyer.post(one + "/sign", json={"wording_sha256": text}, headers=key)
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        assert first.json()["waiting_for"] == str(world.maker.id)
        changed = await buyer.post(one + "/sign", headers=key)
        assert (changed.status_code, changed.json()["errors"][0]["field"]) == (409, "wording_sha256")
        assert (await buyer.post(one + "/sign")).json()["code"] == "agreement.signed_already"
    async with client_for(app, await token_for(world.owner, world.maker.users["planner"], world.maker.id)) as planner:
        assert (await planner.post(one + "/sign")).json()["status"] == "active"


async def test_notice_over_http(world: World) -> None:
    agreement_id = await agreed(world)
    await delivered(world, agreement_id, 4)
    app = app_for(world.db)
    url = f"/api/v1/agreements/{agreement_id}/notices"
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 2}
    async with client_for(app, await token_for(world.owner, world.buyer.users["warehouse"], world.buyer.id)) as clerk:
        assert (await clerk.post(url, json={**body, "quantity": 0})).status_code == 422
        assert (await clerk.post(url, json={**body, "quantity": 5})).json()["code"] == "agreement.nothing_left"
        given = await clerk.post(url, json=body)
        assert given.status_code == 201
        assert given.json()["needs"] == "offer"
        assert given.json()["clear_from"] < given.json()["clear_until"]
    async with client_for(app, await token_for(world.owner, world.maker.users["warehouse"], world.maker.id)) as maker:
        assert (await maker.post(url, json=body)).status_code == 404
