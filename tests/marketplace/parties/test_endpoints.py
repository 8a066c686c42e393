"""The parties over HTTP: who am I, keys, sites, delegations, idempotency, and committing before the response."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.kit.canonical import digest
from tests.clients import app_for, client_for, token_for
from tests.world import World


async def test_anonymous_gets_a_problem(db: Database) -> None:
    async with client_for(app_for(db)) as client:
        answer = await client.get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "auth.missing"


async def test_me_and_an_expired_session(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["planner"], world.maker.id)
    async with client_for(app_for(db), token) as client:
        me = (await client.get("/api/v1/me")).json()
        assert me["company_code"] == world.maker.code
        assert "release.write" in me["verbs"]
        assert "company.manage" not in me["verbs"]
        await owner.execute(
            "UPDATE user_session SET expires_at = now() WHERE user_id = $1", world.maker.users["planner"]
        )
        assert (await client.get("/api/v1/me")).json()["code"] == "auth.session"


async def test_api_key_with_scopes(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    app = app_for(db)
    async with client_for(app, token) as client:
        made = await client.post("/api/v1/api-keys", json={"name": "erp", "scopes": ["company.read"]})
        assert made.status_code == 201
        bad = await client.post("/api/v1/api-keys", json={"name": "erp", "scopes": ["everything"]})
        assert bad.json()["code"] == "apikey.scope"
    headers = {"authorization": f"Bearer {made.json()['secret']}"}
    async with client_for(app) as client:
        assert (await client.get("/api/v1/sites", headers=headers)).status_code == 200
        refused = await client.post("/api/v1/sites", headers=headers, json={})
        assert refused.status_code in (403, 422)
        site = {"code": "X", "name": "X", "place": "X", "region": "AL", "country": "US", "timezone": "America/Chicago"}
        refused = await client.post("/api/v1/sites", headers=headers, json=site)
        assert refused.json()["code"] == "actor.scope"


async def test_a_repeated_request_makes_no_second_api_key_and_ends_one_once(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    new = {"name": "erp", "scopes": ["company.read"]}
    count = "SELECT count(*) FROM api_key WHERE company_id = $1"
    async with client_for(app_for(db), token) as client:
        made = await client.post("/api/v1/api-keys", json=new, headers={"Idempotency-Key": "k1"})
        again = await client.post("/api/v1/api-keys", json=new, headers={"Idempotency-Key": "k1"})
        assert (made.status_code, again.status_code) == (201, 409)
        assert again.json()["code"] == "apikey.made"
        assert again.json()["facts"]["id"] == made.json()["id"]
        assert made.json()["secret"] not in again.text
        assert await owner.fetchval(count, world.maker.id) == 1
        kept = await owner.fetchval(
            "SELECT answer::text FROM idempotency_key WHERE key = 'k1' AND company_id = $1", world.maker.id
        )
        assert made.json()["secret"] not in kept
        path = f"/api/v1/api-keys/{made.json()['id']}"
        for _ in range(2):
            assert (await client.delete(path, headers={"Idempotency-Key": "k2"})).status_code == 204
        assert (await client.delete(path, headers={"Idempotency-Key": "k1"})).json()["code"] == "idempotency.reused"


async def test_role_is_needed(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["technician"], world.maker.id)
    async with client_for(app_for(db), token) as client:
        refused = await client.post("/api/v1/api-keys", json={"name": "erp", "scopes": ["company.read"]})
    assert refused.status_code == 403
    assert refused.json()["code"] == "actor.role"
    assert await owner.fetchval("SELECT count(*) FROM api_key WHERE company_id = $1", world.maker.id) == 0


async def test_idempotency_key(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    site = {"code": "N1", "name": "N", "place": "N", "region": "AL", "country": "US", "timezone": "America/Chicago"}
    key = {"Idempotency-Key": str(uuid4())}
    async with client_for(app_for(db), token) as client:
        first = await client.post("/api/v1/sites", json=site, headers=key)
        again = await client.post("/api/v1/sites", json=site, headers=key)
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        other = await client.post("/api/v1/sites", json=site | {"code": "N2"}, headers=key)
        assert other.status_code == 409
        assert other.json()["errors"][0]["field"] == "code"
        taken = await client.post("/api/v1/sites", json=site)
        assert taken.json()["code"] == "site.code"
    assert (
        await owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1 AND code LIKE 'N%'", world.maker.id) == 1
    )


async def test_foreign_sites_are_not_listed(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.buyer.users["buyer"], world.buyer.id)
    async with client_for(app_for(db), token) as client:
        listed = {s["id"] for s in (await client.get("/api/v1/sites")).json()["items"]}
    assert listed == {str(s) for s in world.buyer.sites}
    assert not await world.visible(world.buyer, "SELECT 1 FROM site WHERE company_id = $1", world.maker.id)


async def test_a_failed_commit_is_never_a_success(world: World, db: Database, owner: asyncpg.Connection) -> None:
    """A deferred constraint fails at COMMIT, after the endpoint returned: the client must not see a 2xx."""
    await owner.execute(
        "CREATE OR REPLACE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.code = 'BOOM' THEN RAISE EXCEPTION 'no commit for you'; END IF; RETURN NULL; END $$"
    )
    await owner.execute(
        "CREATE CONSTRAINT TRIGGER test_refuse AFTER INSERT ON site DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION test_refuse()"
    )
    try:
        token = await token_for(owner, world.maker.users["admin"], world.maker.id)
        site = {
            "code": "BOOM",
            "name": "N",
            "place": "N",
            "region": "AL",
            "country": "US",
            "timezone": "America/Chicago",
        }
        async with client_for(app_for(db), token) as client:
            answer = await client.post("/api/v1/sites", json=site)
        assert answer.status_code == 500
        assert (
            await owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1 AND code = 'BOOM'", world.maker.id)
            == 0
        )
    finally:
        await owner.execute("DROP TRIGGER test_refuse ON site")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/openapi.json"])
async def test_operators_paths(db: Database, path: str) -> None:
    async with client_for(app_for(db)) as client:
        assert (await client.get(path)).status_code == 200


NEW_PERSON = {"name": "Sam Ortiz", "password": "a long pass phrase", "roles": ["warehouse"]}


async def test_a_new_persons_password_leaves_no_trace(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    new = NEW_PERSON | {"email": f"sam@{world.tag}.example"}
    key = {"Idempotency-Key": "person"}
    async with client_for(app_for(db), token) as client:
        made = await client.post("/api/v1/users", json=new, headers=key)
        again = await client.post("/api/v1/users", json=new, headers=key)
    assert made.status_code == again.status_code == 201
    assert made.json() == again.json()
    kept = await owner.fetchval(
        "SELECT row_to_json(k)::text FROM idempotency_key k WHERE key = 'person' AND company_id = $1", world.maker.id
    )
    assert "email" in kept
    assert "password" not in kept
    assert digest(new["password"]).hex()[:16] not in kept


async def test_a_new_persons_site_is_one_of_the_companys_own(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    async with client_for(app_for(db), token) as client:
        for site in (uuid4(), world.buyer.site):
            new = NEW_PERSON | {"email": f"sam@{world.tag}.example", "site_id": str(site)}
            refused = await client.post("/api/v1/users", json=new)
            assert (refused.status_code, refused.json()["code"]) == (404, "site.not_found")
        assert not await owner.fetchval("SELECT count(*) FROM user_account WHERE email = $1", new["email"])
        made = await client.post("/api/v1/users", json=new | {"site_id": str(world.maker.site)})
    assert made.status_code == 201


async def test_a_narrow_key_makes_no_wider_one(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    app = app_for(db)
    held = ["company.manage", "company.read", "stock.*"]
    async with client_for(app, token) as client:
        made = await client.post("/api/v1/api-keys", json={"name": "narrow", "scopes": held})
    count = "SELECT count(*) FROM api_key WHERE company_id = $1"
    async with client_for(app) as client:
        client.headers["authorization"] = f"Bearer {made.json()['secret']}"
        for scopes in (["order.place"], ["company.*"], ["company.read", "parts.*"]):
            refused = await client.post("/api/v1/api-keys", json={"name": "wider", "scopes": scopes})
            assert (refused.status_code, refused.json()["code"]) == (403, "apikey.wider"), scopes
        assert await owner.fetchval(count, world.maker.id) == 1
        for scopes in (["company.read"], ["stock.*"], ["stock.read", "company.manage"]):
            within = await client.post("/api/v1/api-keys", json={"name": "within", "scopes": scopes})
            assert within.status_code == 201, scopes


async def test_a_key_makes_nobody_who_may_do_more(world: World, db: Database, owner: asyncpg.Connection) -> None:
    app = app_for(db)
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    async with client_for(app, token) as client:
        made = await client.post("/api/v1/api-keys", json={"name": "people", "scopes": ["company.*", "stock.*"]})
        people = (await client.get("/api/v1/users", params={"limit": 50})).json()["items"]
    everybody = (
        "SELECT array_agg((id, roles, password_hash, active)::text ORDER BY id) FROM user_account WHERE company_id = $1"
    )
    before = await owner.fetchval(everybody, world.maker.id)
    async with client_for(app) as client:
        client.headers["authorization"] = f"Bearer {made.json()['secret']}"
        new = NEW_PERSON | {"email": f"wide@{world.tag}.example", "roles": ["admin"]}
        planner = next(p for p in people if p["roles"] == ["planner"])
        taken = {"name": "Mine", "roles": ["planner"], "password": "a new password of mine"}
        for call in (
            client.post("/api/v1/users", json=new),
            client.put(f"/api/v1/users/{planner['id']}", json=taken),
            client.put(f"/api/v1/users/{planner['id']}/active", json={"active": False}),
        ):
            refused = await call
            assert (refused.status_code, refused.json()["code"]) == (403, "user.wider"), refused.text
    assert await owner.fetchval(everybody, world.maker.id) == before


async def test_a_delegation_has_limits_that_can_be_kept_and_time_to_run(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    new = {"company_id": str(world.other.id), "max_quantity": 5, "max_value": "100.00"}
    async with client_for(app_for(db), token) as client:
        for wrong, code in (
            ({"max_value": "0.00001"}, "request.invalid"),
            ({"valid_until": "2000-01-01T00:00:00Z"}, "delegation.expiry"),
        ):
            refused = await client.post("/api/v1/delegations", json=new | wrong)
            assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert not await owner.fetchval("SELECT count(*) FROM delegation WHERE maker_id = $1", world.maker.id)


async def test_keys_and_delegations_are_listed_in_pages(world: World, db: Database, owner: asyncpg.Connection) -> None:
    app = app_for(db)
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    async with client_for(app, token) as client:
        new = {"name": "erp", "scopes": ["company.read"]}
        keys = [(await client.post("/api/v1/api-keys", json=new)).json() for _ in range(2)]
        limits = {"max_quantity": 5, "max_value": "100.00"}
        given = [
            (await client.post("/api/v1/delegations", json=limits | {"company_id": str(to.id)})).json()["id"]
            for to in (world.buyer, world.other)
        ]
        for path, ids in (("/api/v1/api-keys", [k["id"] for k in keys]), ("/api/v1/delegations", given)):
            first = await client.get(path, params={"limit": 1})
            second = await client.get(path, params={"limit": 1, "after": first.json()["next"]})
            assert [i["id"] for page in (first, second) for i in page.json()["items"]] == ids[::-1]
            assert second.json()["next"] is None
            for key in keys:
                assert key["secret"] not in first.text + second.text
            assert "key_hash" not in first.text
    async with client_for(app, await token_for(owner, world.maker.users["planner"], world.maker.id)) as client:
        assert (await client.get("/api/v1/api-keys")).json()["code"] == "actor.role"
    async with client_for(app, await token_for(owner, world.buyer.users["admin"], world.buyer.id)) as client:
        assert (await client.get("/api/v1/api-keys")).json()["items"] == []
        assert [d["id"] for d in (await client.get("/api/v1/delegations")).json()["items"]] == given[:1]


async def test_sites_are_listed_as_people_read_their_names(
    world: World, db: Database, owner: asyncpg.Connection
) -> None:
    names = [
        "Depot 10",
        "depot 2",
        "Depot 2 east",
        "Depot 02",
        "Depot 1",
        "Annex",
        "zone 1-10",
        "Zone 1-9",
        "Depot 12345678901",
    ]
    await owner.executemany(
        "INSERT INTO site (company_id, code, name, place, region, country, timezone) VALUES ($1, $2, $3, 'N', 'AL', 'US', 'UTC')",
        [(world.maker.id, f"NAT-{n}", name) for n, name in enumerate(names)],
    )
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    wanted = [
        "Annex",
        "Depot 1",
        "depot 2",
        "Depot 02",
        "Depot 2 east",
        "Depot 10",
        "Depot 12345678901",
        "Zone 1-9",
        "zone 1-10",
    ]
    async with client_for(app_for(db), token) as client:
        whole = [s["name"] for s in (await client.get("/api/v1/sites")).json()["items"]]
        listed = [name for name in whole if name in names]
        assert sorted(listed[2:4]) == ["Depot 02", "depot 2"], "equal as people read them: told apart by their ids"
        assert [*listed[:2], "depot 2", "Depot 02", *listed[4:]] == wanted
        paged: list[str] = []
        after = None
        while True:
            answer = (
                await client.get("/api/v1/sites", params={"limit": 1, **({"after": after} if after else {})})
            ).json()
            paged += [s["name"] for s in answer["items"]]
            after = answer["next"]
            if after is None:
                break
    assert paged == whole


NO_ADDRESS = (
    "<b>@x.example", "Sam <sam@x.example>", "sam@x", "sam@@x.example", "@x.example", "sam@", "sam ortiz@x.example",
    ".sam@x.example", "sam..o@x.example", "sam@-x.example", "sam@x..example", "sam@127.0.0.1", "s\u00e4m@x.example",
    "sam@x.example, pat@x.example", "sam@x.example\nbcc: pat@x.example", "x" * 65 + "@x.example", "sam@" + "x" * 64 + ".example",
)  # fmt: skip


async def test_only_addresses_that_mail_can_be_sent_to(world: World, db: Database, owner: asyncpg.Connection) -> None:
    token = await token_for(owner, world.maker.users["admin"], world.maker.id)
    person = {"name": "Sam", "roles": ["buyer"], "password": "long enough, and odd"}
    contacts = f"/api/v1/sites/{world.maker.site}/contacts"
    people = "SELECT (SELECT count(*) FROM user_account) + (SELECT count(*) FROM site_contact)"
    had = await owner.fetchval(people)
    async with client_for(app_for(db), token) as client:
        for wrong in NO_ADDRESS:
            for path, body, code in (
                ("/api/v1/users", person, "user.email"), (contacts, {"name": "Sam", "role": "stores"}, "contact.email"),
            ):  # fmt: skip
                answer = await client.post(path, json=body | {"email": wrong})
                assert (answer.status_code, answer.json()["code"]) == (422, code), (wrong, answer.text)
                assert [e["field"] for e in answer.json()["errors"]] == ["email"]
                assert "Write it like sam@example.com" in answer.json()["detail"]
        assert await owner.fetchval(people) == had
        for n, right in enumerate(("sam.o+stores@{t}.example", "o'neil_7@sub.{t}-x.example", " SAM@{t}.XN--P1AI ")):
            address = right.format(t=world.tag)
            made = await client.post("/api/v1/users", json=person | {"email": address})
            assert made.status_code == 201, made.text
            told = await client.post(contacts, json={"name": f"Sam {n}", "role": "stores", "email": address})
            assert told.status_code == 201, told.text
    kept = await owner.fetch("SELECT email FROM user_account WHERE name = 'Sam' AND company_id = $1", world.maker.id)
    assert len(kept) == 3
    assert all(r["email"] == r["email"].strip() for r in kept)
