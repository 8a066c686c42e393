"""The company page: sites, people, keys whose secret is shown once, delegations."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from marketplace.parties import queries
from tests.web.trade import HTML, Market, key_of, open_market
from tests.world import World
from web.pages import company


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
    assert "at least 15 characters" in short.text
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
    # Kept on a device, and somebody else has signed in there since: nothing is done in the wrong name.
    other = await admin.post("/company/delegations/new", data=sent, headers={"x-backstock-person": "0123456789abcdef"})
    assert other.headers.get("location", "/sign-in").startswith("/sign-in")
    assert await world.owner.fetchval("SELECT count(*) FROM delegation WHERE maker_id = $1", world.maker.id) == 0
    own = {"x-backstock-person": look.headers["x-backstock-person"]}
    assert (await admin.post("/company/delegations/new", data=sent, headers=own)).status_code == 303
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
        assert "Active" in (await taker.get("/company")).text
        # Its time is over: nobody ended it, and it is in force no longer.
        over = "UPDATE delegation SET valid_from = now() - interval '2 days', valid_until = now() - interval '1 day' WHERE id = $1"
        await world.owner.execute(over, made)
        page = (await taker.get("/company")).text
        assert "Ended" in page
        assert f"/company/delegations/{made}/end" not in (await admin.get("/company")).text
    done = await admin.post(f"/company/delegations/{made}/end", data={"confirmed": "yes"})
    assert done.headers["location"] == "/company?done=delegation-ended"
    assert await world.owner.fetchval("SELECT revoked_at FROM delegation WHERE id = $1", made) is not None


async def test_a_company_beyond_the_list_is_named_in_a_delegation(
    market: Market, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "MOST_CHOICES", 1)
    data = {"company_id": str(market.world.other.id), "max_quantity": "5", "max_value": "2500", "valid_until": ""}
    look = await admin.post("/company/delegations/new", data=data)
    assert f"Delegate to {market.world.other.name}" in look.text
    again = await admin.post("/company/delegations/new", data={**data, "max_quantity": ""})
    assert re.search(rf'<option value="{market.world.other.id}" selected', again.text)


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


async def test_a_site_is_changed_closed_when_empty_and_opened_again(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    made = await admin.post("/company/sites/new", data={**SITE, "idempotency_key": "site"})
    assert made.status_code == 303
    site = await world.owner.fetchval("SELECT id FROM site WHERE company_id = $1 AND code = 'S9'", world.maker.id)
    address = f"/company/sites/{site}"
    page = (await admin.get(address)).text
    assert 'value="Bessemer, AL - annex"' in page
    assert 'value="17:30"' in page
    wrong = await admin.post(address, data={**SITE, "lat": "95", "idempotency_key": "k1"})
    assert wrong.status_code == 422
    assert "latitude (-90 to 90)" in wrong.text
    taken = await admin.post(address, data={**SITE, "code": "S1", "idempotency_key": "k2"})
    assert "a site with the code S1 already" in taken.text
    changed = await admin.post(address, data={**SITE, "name": "Bessemer, AL - yard", "idempotency_key": "k3"})
    assert changed.headers["location"] == "/company?done=site-changed"
    assert await world.owner.fetchval("SELECT name FROM site WHERE id = $1", site) == "Bessemer, AL - yard"

    # Units lie there: it says so and stays open.
    lot = await world.register(world.maker, 3, site=site)
    refused = await admin.post(f"{address}/close", data={"idempotency_key": "k4"})
    assert refused.status_code == 409
    assert "3 units on record there" in refused.text
    assert await world.owner.fetchval("SELECT closed_at FROM site WHERE id = $1", site) is None
    await world.owner.execute("UPDATE position SET site_id = $2 WHERE lot_id = $1", lot, world.maker.site)
    shown = await admin.post(f"{address}/close", data={"idempotency_key": "k5"})
    assert "This will:" in shown.text
    assert await world.owner.fetchval("SELECT closed_at FROM site WHERE id = $1", site) is None
    done = await admin.post(f"{address}/close", data={"idempotency_key": "k5", "confirmed": "yes"})
    assert done.headers["location"] == "/company?done=site-closed"
    assert "1 closed site" in (await admin.get("/company")).text

    # Nothing comes to a closed site, over the API neither.
    need = {
        "part_id": str(world.part), "quantity": 1, "destination_site_id": str(site), "needed_by": "2030-01-01T00:00:00Z",
        "urgency": "urgent", "machine_model": "EX-200",
    }  # fmt: skip
    barred = await admin.post("/api/v1/sourcing/requests", json=need)
    assert (barred.status_code, barred.json()["code"]) == (409, "site.closed")
    again = await admin.post(f"{address}/reopen", data={"idempotency_key": "k6"})
    assert again.headers["location"] == "/company?done=site-open"
    assert (await admin.post("/api/v1/sourcing/requests", json=need)).status_code == 201
    waits = await admin.post(f"/api/v1/sites/{site}/close")
    assert (waits.status_code, waits.json()["code"]) == (409, "site.in_use")
    assert "1 parts request for it" in waits.json()["detail"]
    async with market.client(world.buyer, "admin") as foreign:
        assert (await foreign.get(address)).status_code == 404
        assert (await foreign.post(f"/api/v1/sites/{site}/close")).status_code == 404
        assert (await foreign.put(f"/api/v1/sites/{site}", json={**SITE, "country": "US"})).status_code == 404


async def test_contacts_of_a_site(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    address = f"/company/sites/{world.maker.site}"
    nobody = await admin.post(f"{address}/contacts", data={"contact_name": "Sam", "idempotency_key": "c1"})
    assert nobody.status_code == 422
    assert "Give a telephone number or an e-mail address." in nobody.text
    given = {"contact_name": "<b>Sam</b> Ortiz", "telephone": "+1 205 555 0134", "idempotency_key": "c2"}
    assert (await admin.post(f"{address}/contacts", data=given)).status_code == 303
    page = (await admin.get(f"{address}?done=contact")).text
    assert "&lt;b&gt;Sam&lt;/b&gt; Ortiz" in page
    assert "The contact was added." in page
    api = f"/api/v1/sites/{world.maker.site}/contacts"
    (contact,) = (await admin.get(api)).json()
    assert contact["telephone"] == "+1 205 555 0134"
    async with market.client(world.buyer, "admin") as foreign:
        assert (await foreign.delete(f"/api/v1/contacts/{contact['id']}")).status_code == 404
        assert (await foreign.post(api, json={"name": "X", "telephone": "1"})).status_code == 404
    assert len((await admin.get(api)).json()) == 1
    removed = await admin.post(f"{address}/contacts/{contact['id']}/remove", data={"idempotency_key": "c3"})
    assert removed.status_code == 303
    assert (await admin.get(api)).json() == []


async def test_a_person_is_changed_and_switched_off_at_once(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    planner = world.maker.users["planner"]
    address = f"/company/people/{planner}"
    async with market.client(world.maker, "planner") as theirs:
        key = await theirs.get("/api/v1/me")
        assert key.status_code == 200
        page = (await admin.get(address)).text
        assert "Switch off" in page
        none = await admin.post(address, data={"name": "P", "idempotency_key": "p1"})
        assert none.status_code == 422
        assert "Choose at least one role." in none.text
        data = {"name": "Pat Planner", "roles": ["technician"], "order_limit": "500", "idempotency_key": "p2"}
        assert (await admin.post(address, data=data)).headers["location"] == "/company?done=person-changed"
        assert (await theirs.get("/api/v1/me")).json()["roles"] == ["technician"]
        short = await admin.post(address, data={**data, "password": "qq-77", "idempotency_key": "p3"})
        assert "at least 15 characters" in short.text
        assert "qq-77" not in short.text
        assert (await theirs.get("/api/v1/me")).status_code == 200
        asked = await admin.post(f"{address}/switch", data={"active": "no", "idempotency_key": "p4"})
        assert "End their sessions at once." in asked.text
        assert (await theirs.get("/api/v1/me")).status_code == 200
        off = await admin.post(f"{address}/switch", data={"active": "no", "idempotency_key": "p4", "confirmed": "yes"})
        assert off.headers["location"] == "/company?done=person-off"
        assert (await theirs.get("/api/v1/me")).status_code == 401
        on = await admin.put(f"/api/v1/users/{planner}/active", json={"active": True})
        assert on.status_code == 200
        assert (await theirs.get("/api/v1/me")).status_code == 401, "the old session does not come back"


async def test_the_last_administrator_stays_one(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    me = world.maker.users["admin"]
    lost = await admin.put(f"/api/v1/users/{me}", json={"name": "A", "roles": ["planner"]})
    assert (lost.status_code, lost.json()["code"]) == (409, "user.last_admin")
    own = await admin.put(f"/api/v1/users/{me}/active", json={"active": False})
    assert (own.status_code, own.json()["code"]) == (409, "user.self")
    row = await world.owner.fetchrow("SELECT roles, active FROM user_account WHERE id = $1", me)
    assert "admin" in row["roles"]
    assert row["active"]
    async with market.client(world.buyer, "admin") as foreign:
        other = await foreign.put(f"/api/v1/users/{me}", json={"name": "Mallory", "roles": ["auditor"]})
        assert other.status_code == 404
    people = (await admin.get("/api/v1/users")).json()["items"]
    assert str(me) in {p["id"] for p in people}


async def test_two_administrators_do_not_remove_each_other(market: Market, admin: httpx.AsyncClient) -> None:
    world = market.world
    one, two = world.maker.users["admin"], world.maker.users["planner"]
    assert (await admin.put(f"/api/v1/users/{two}", json={"name": "B", "roles": ["admin"]})).status_code == 200
    async with market.client(world.maker, "planner") as second:
        answers = await asyncio.gather(
            admin.put(f"/api/v1/users/{two}", json={"name": "B", "roles": ["auditor"]}),
            second.put(f"/api/v1/users/{one}", json={"name": "A", "roles": ["auditor"]}),
        )
    assert min(a.status_code for a in answers) == 200
    left = await world.owner.fetchval(
        "SELECT count(*) FROM user_account WHERE company_id = $1 AND active AND 'admin' = ANY (roles)", world.maker.id
    )
    assert left >= 1


async def test_a_key_that_has_ended_already_is_not_made(market: Market, admin: httpx.AsyncClient) -> None:
    given = {"name": "old", "scopes": ["stock.read"], "expires_at": "2020-01-01T00:00:00Z"}
    refused = await admin.post("/api/v1/api-keys", json=given)
    assert (refused.status_code, refused.json()["code"]) == (422, "apikey.expiry")
    made = await market.world.owner.fetchval(
        "SELECT count(*) FROM api_key WHERE company_id = $1", market.world.maker.id
    )
    assert made == 0


async def test_many_sites_and_people_are_searched_and_paged_and_none_is_lost(
    market: Market, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, company = market.world, market.world.maker.id
    await world.owner.execute(
        "INSERT INTO site (company_id, code, name, place, region, country, timezone, closed_at) SELECT $1, 'N' || i, "
        "'Depot ' || lpad(i::text, 3, '0'), CASE WHEN i = 77 THEN 'Tuscaloosa' ELSE 'Mobile' END, 'AL', 'US', "
        "'America/Chicago', CASE WHEN i > 120 THEN now() END FROM generate_series(1, 123) i",
        company,
    )
    await world.owner.execute(
        "INSERT INTO user_account (company_id, email, name, password_hash, roles) SELECT $1, $2 || i || '@x.example', "
        "'Ann ' || lpad(i::text, 3, '0'), 'x', '{technician}' FROM generate_series(1, 60) i",
        company, world.tag,
    )  # fmt: skip
    page = (await admin.get("/company")).text
    opened = 120 + await world.owner.fetchval(
        "SELECT count(*) FROM site WHERE company_id = $1 AND closed_at IS NULL AND name NOT LIKE 'Depot%'", company
    )
    assert f"All {opened} sites" in page
    assert "3 closed sites" in page
    assert page.count('href="/company/sites/') == 21, "twenty, and the button for another"

    def names(text: str) -> list[str]:
        return re.findall(r">(Depot \d+|Ann \d+)</a>", text)

    async def all_of(address: str) -> list[str]:
        found: list[str] = []
        following: str | None = address
        while following:
            text = (await admin.get(following)).text
            found += names(text)
            match = re.search(r'href="([^"]+after=[^"]+)"', text)
            following = html.unescape(match[1]) if match else None
        return found

    assert await all_of("/company/sites") == [f"Depot {i:03}" for i in range(1, 121)]
    assert await all_of("/company/sites?closed=yes") == ["Depot 121", "Depot 122", "Depot 123"]
    assert await all_of("/company/sites?search=tuscal") == ["Depot 077"]
    assert await all_of("/company/people?search=ann") == [f"Ann {i:03}" for i in range(1, 61)]
    assert "No site has this" in (await admin.get("/company/sites?search=100%25")).text
    export = (await admin.get("/company/sites?format=csv")).text
    assert export.count("Depot ") == 120
    chooser = (await admin.get("/stock")).text
    assert chooser.count("Depot ") == 120, "a list to choose from is never cut"
    found, mark = [], ""
    while mark is not None:
        body = (await admin.get("/api/v1/sites", params={"limit": 50, **({"after": mark} if mark else {})})).json()
        found += [site["name"] for site in body["items"] if site["name"].startswith("Depot")]
        mark = body["next"]
    assert found == [f"Depot {i:03}" for i in range(1, 121)]
    here = {"partners_only": "true", "search": world.buyer.name}
    assert [c["id"] for c in (await admin.get("/api/v1/companies", params=here)).json()["items"]] == [
        str(world.buyer.id)
    ]

    monkeypatch.setattr(queries, "MOST_SITES", opened)
    full = await admin.post("/company/sites/new", data=SITE | {"code": "FULL", "idempotency_key": "many"})
    assert full.status_code == 409
    assert "Close one that is no longer used" in full.text
    closed = await world.owner.fetchval("SELECT id FROM site WHERE company_id = $1 AND code = 'N123'", company)
    again = await admin.post(f"/api/v1/sites/{closed}/reopen")
    assert (again.status_code, again.json()["code"]) == (409, "site.too_many")
    assert (
        await world.owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1 AND closed_at IS NULL", company)
        == opened
    )
