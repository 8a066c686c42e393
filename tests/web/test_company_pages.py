"""The company page: sites, people, keys whose secret is shown once, delegations."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.trade import HTML, Market, key_of, open_market
from tests.world import World


@pytest.fixture
async def market(world: World) -> Market:
    return await open_market(world)


@pytest.fixture
async def admin(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    async with market.client(market.world.maker, "admin") as client:
        yield client


SITE = {
    "code": "S9",
    "name": "Bessemer, AL - annex",
    "place": "Bessemer",
    "region": "AL",
    "country": "us",
    "timezone": "America/Chicago",
    "lat": "33.4",
    "lon": "-86.95",
    "opens": "07:00",
    "closes": "17:30",
    "will_call": "yes",
}


async def test_everybody_reads_only_admins_change(market: Market) -> None:
    world = market.world
    async with market.client(world.maker, "planner") as client:
        page = (await client.get("/company")).text
        assert "You can look, not change." in page
        assert "Make a key" not in page
        for path in ("sites/new", "people/new", "keys/new", "delegations/new"):
            assert (await client.get(f"/company/{path}")).status_code == 403, path
            assert (await client.post(f"/company/{path}", data=SITE)).status_code == 403, path
    assert await world.owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1", world.maker.id) == 2


async def test_a_site_is_added_once(market: Market, admin: httpx.AsyncClient) -> None:
    page = await admin.get("/company/sites/new")
    data = {**SITE, "idempotency_key": key_of(page.text)}
    for _ in range(2):
        done = await admin.post("/company/sites/new", data=data)
        assert done.headers["location"] == "/company?done=site"
    row = await market.world.owner.fetchrow(
        "SELECT country, lat, opens, will_call FROM site WHERE company_id = $1 AND code = 'S9'", market.world.maker.id
    )
    assert (row["country"], row["lat"], str(row["opens"]), row["will_call"]) == ("US", 33.4, "07:00:00", True)
    assert "Bessemer, AL - annex" in (await admin.get("/company")).text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"code": "S1"}, "a site with the code S1 already"),
        ({"timezone": "Mars/Olympus"}, "is not a time zone"),
        ({"lat": "north"}, "is not a number of degrees"),
        ({"lon": ""}, "latitude (-90 to 90) and longitude (-180 to 180) together"),
        ({"lat": "91"}, "latitude (-90 to 90)"),
        ({"country": "USA"}, "two letters"),
        ({"name": ""}, "Name is missing"),
        ({"opens": "late"}, "is not a time"),
    ],
)
async def test_a_wrong_site_is_not_added(
    market: Market, admin: httpx.AsyncClient, changed: dict[str, str], words: str
) -> None:
    page = await admin.post("/company/sites/new", data={**SITE, **changed})
    assert page.status_code in (409, 422)
    assert words in page.text.replace("&#39;", "'")
    count = await market.world.owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1", market.world.maker.id)
    assert count == 2


async def test_a_new_person_can_sign_in_and_the_password_is_never_shown(
    market: Market, admin: httpx.AsyncClient
) -> None:
    who = {
        "name": "<b>Ida</b>",
        "email": f"ida-{market.world.tag}@maker.example",
        "password": "correct horse battery",
        "roles": ["planner", "technician"],
        "order_limit": "500",
        "site_id": str(market.world.maker.site),
    }
    short = await admin.post("/company/people/new", data={**who, "password": "short"})
    assert short.status_code == 422
    assert "at least 10 characters" in short.text
    assert "<b>Ida" not in short.text
    foreign = await admin.post("/company/people/new", data={**who, "site_id": str(market.world.buyer.site)})
    assert foreign.status_code == 404
    clash = await admin.post("/company/people/new", data={**who, "email": f"planner@{market.world.maker.code}.example"})
    assert clash.status_code == 409
    assert who["password"] not in clash.text
    done = await admin.post("/company/people/new", data={**who, "idempotency_key": "person-1"})
    assert done.headers["location"] == "/company?done=person"
    kept = await market.world.owner.fetchval(
        "SELECT fields::text FROM idempotency_key WHERE company_id = $1 AND key = 'person-1'", market.world.maker.id
    )
    assert "password" not in kept
    async with market.client() as client:
        signed = await client.post("/sign-in", data={"email": who["email"], "password": who["password"]})
        assert signed.status_code == 303


async def test_a_secret_is_shown_once_and_kept_nowhere(market: Market, admin: httpx.AsyncClient) -> None:
    page = await admin.get("/company/keys/new")
    data = {
        "idempotency_key": key_of(page.text),
        "name": "ERP",
        "days": "90",
        "scopes": ["company.read", "order.read"],
    }
    nothing = await admin.post("/company/keys/new", data={**data, "scopes": []})
    assert nothing.status_code == 422
    made = await admin.post("/company/keys/new", data=data)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    found = re.search(r"bs_[\w-]{43}", made.text)
    assert found
    secret = found[0]
    again = await admin.post("/company/keys/new", data=data)
    assert again.headers["location"] == "/company?done=key-made"
    assert secret not in (await admin.get("/company")).text
    kept = await market.world.owner.fetch(
        "SELECT answer::text FROM idempotency_key WHERE company_id = $1", market.world.maker.id
    )
    assert not any(secret in (row["answer"] or "") for row in kept)
    async with market.client() as program:
        allowed = {"authorization": f"Bearer {secret}", "accept": "application/json"}
        assert (await program.get("/api/v1/sites", headers=allowed)).status_code == 200
        key_id = await market.world.owner.fetchval(
            "SELECT id FROM api_key WHERE company_id = $1", market.world.maker.id
        )
        look = await admin.get(f"/company/keys/{key_id}/revoke")
        assert "Stop the key" in look.text
        await admin.post(
            f"/company/keys/{key_id}/revoke", data={"confirmed": "yes", "idempotency_key": key_of(look.text)}
        )
        assert (await program.get("/api/v1/sites", headers=allowed)).status_code == 401
    assert (await admin.get(f"/company/keys/{key_id}/revoke")).status_code == 404
    async with market.client(market.world.buyer, "admin") as outsider:
        assert (await outsider.get(f"/company/keys/{key_id}/revoke")).status_code == 404
        assert (await outsider.post(f"/company/keys/{key_id}/revoke", data={"confirmed": "yes"})).status_code == 404


async def test_a_delegation_is_looked_at_given_and_ended(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    data = {"company_id": str(world.other.id), "max_quantity": "5", "max_value": "2,500.00", "valid_until": ""}
    look = await admin.post("/company/delegations/new", data=data)
    assert f"Delegate to {world.other.name}" in look.text
    assert await world.owner.fetchval("SELECT count(*) FROM delegation WHERE maker_id = $1", world.maker.id) == 0
    sent = {**data, "confirmed": "yes", "idempotency_key": key_of(look.text)}
    assert (await admin.post("/company/delegations/new", data=sent)).status_code == 303
    made = await world.owner.fetchval("SELECT id FROM delegation WHERE maker_id = $1", world.maker.id)
    for changed, words in (
        ({"max_quantity": "0"}, "is from 1"),
        ({"max_value": "0"}, "above zero"),
        ({"company_id": str(world.maker.id)}, "need no delegation"),
        ({"valid_until": "2020-01-01"}, "a day after today"),
    ):
        refused = await admin.post("/company/delegations/new", data={**data, **changed})
        assert refused.status_code == 422, changed
        assert words in refused.text
    async with market.client(world.other, "admin") as taker:
        assert f"We may source parts of {world.maker.name}" in (await taker.get("/company")).text
        assert (await taker.get(f"/company/delegations/{made}/end")).status_code == 404
        assert (await taker.post(f"/company/delegations/{made}/end", data={"confirmed": "yes"})).status_code == 404
    done = await admin.post(f"/company/delegations/{made}/end", data={"confirmed": "yes"})
    assert done.headers["location"] == "/company?done=delegation-ended"
    assert await world.owner.fetchval("SELECT revoked_at FROM delegation WHERE id = $1", made) is not None


async def test_a_program_reads_pages_only_by_its_scopes(market: Market, admin: httpx.AsyncClient) -> None:
    made = await admin.post(
        "/company/keys/new", data={"name": "x", "days": "30", "scopes": ["company.read"], "idempotency_key": "k"}
    )
    found = re.search(r"bs_[\w-]{43}", made.text)
    assert found
    async with market.client() as program:
        headers = {**HTML, "authorization": f"Bearer {found[0]}"}
        assert (await program.get("/company", headers=headers)).status_code == 200
        assert (await program.get("/orders", headers=headers)).status_code == 403
