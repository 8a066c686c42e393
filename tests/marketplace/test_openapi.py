"""The API says what it takes and gives, refuses what it does not know, and never breaks on a strange value."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import jsonschema_rs
import pytest

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.clients import app_for, client_for, token_for
from tests.world import World

SPEC: dict[str, Any] = create_app(Settings()).openapi()
OPERATIONS = [(method, path, operation) for path, item in SPEC["paths"].items() for method, operation in item.items()]
STREAM = "/live"
"""Its answer does not end; what it refuses is asked in test_live.py."""
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema behind its reference; of 'this or nothing', this."""
    if "anyOf" in schema:
        schema = next(s for s in schema["anyOf"] if s.get("type") != "null")
    return SPEC["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def body_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    return resolved(content["application/json"]["schema"]) if "application/json" in content else None


def example_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    """The first example of an operation's JSON body."""
    body = body_of(operation)
    if body is None:
        return None
    found = body["examples"][0] if "examples" in body else body["example"]
    return dict(found)


def objects(schema: dict[str, Any], seen: set[int] | None = None) -> Iterator[dict[str, Any]]:
    """Every object inside a body."""
    seen = set() if seen is None else seen
    schema = resolved(schema)
    if id(schema) in seen:
        return
    seen.add(id(schema))
    if "properties" in schema:
        yield schema
    for inner in [*schema.get("properties", {}).values(), schema.get("items", {})]:
        if inner:
            yield from objects(inner, seen)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_every_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"], (method, path)
    assert operation["description"], (method, path)
    body = body_of(operation)
    if body is not None:
        for part in objects(body):
            assert part["additionalProperties"] is False, f"{part['title']} takes fields nobody reads"
        jsonschema_rs.validate({**body, "components": SPEC["components"]}, example_of(operation))
    for code, response in operation["responses"].items():
        if not code.startswith("2") or code == "204":
            continue
        for kind, content in response.get("content", {}).items():
            schema = content["schema"]
            named = schema.get("items", schema) if schema.get("type") == "array" else schema
            assert kind != "application/json" or "$ref" in named, f"{method} {path} answers {schema}"


@pytest.fixture(scope="module")
async def everyone(db: Database, owner: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may do everything that a manufacturer may: the same for all, since nothing that they ask succeeds."""
    world = await World.make(owner, db)
    user = world.maker.users["admin"]
    await owner.execute(
        "UPDATE user_account SET roles = ARRAY['admin','planner','warehouse','technician'] WHERE id = $1", user
    )
    token = await token_for(owner, user, world.maker.id)
    async with client_for(app_for(db), token) as client:
        yield client


STRANGE: list[Any] = [
    None, "", "\x00", "\ud800", "a" * 70_000, "not-an-id", str(uuid4()), True, -1, 2**70, 1e300, 0.5, [], {}, ["\x00"], "9" * 400,
    "2026-13-45", "0001-01-01T00:00:00Z", "2026-12-12",
]  # fmt: skip


def filled(path: str) -> str:
    """A path with ids in it: nobody's, in the right form."""
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + str(uuid4()) + path[end + 1 :]
    return path


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [o for o in OPERATIONS if body_of(o[2]) is not None],
    ids=[n for n, o in zip(NAMES, OPERATIONS, strict=True) if body_of(o[2]) is not None],
)
async def test_strange_values_are_refused_in_words(
    method: str, path: str, operation: dict[str, Any], everyone: httpx.AsyncClient
) -> None:
    """Each field of each body in turn; whatever comes back is an answer, never a defect or 'try again'."""
    example = example_of(operation)
    assert example is not None
    schema = body_of(operation)
    assert schema is not None
    bodies: list[Any] = [*STRANGE, {**example, "no_such_field": 1}]
    # Every other value for each field, by turns: all of them for each took two minutes, and found nothing that this does not.
    bodies += [{**example, name: value} for n, name in enumerate(schema["properties"]) for value in STRANGE[n % 2 :: 2]]
    for body in bodies:
        answer = await everyone.request(
            method, filled(path), content=json.dumps(body),
            headers={"content-type": "application/json", "idempotency-key": str(uuid4())},
        )  # fmt: skip
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", (body, answer.text)
            assert answer.json()["detail"], body
    unknown = await everyone.request(method, filled(path), json={**example, "no_such_field": 1})
    assert unknown.status_code == 422
    assert "no_such_field" in unknown.text


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [o for o in OPERATIONS if o[0] == "get" and o[1] != STREAM],
    ids=[n for n in NAMES if n.startswith("get ") and n != f"get {STREAM}"],
)
async def test_strange_questions_are_refused_in_words(
    method: str, path: str, operation: dict[str, Any], everyone: httpx.AsyncClient
) -> None:
    """Each parameter of each reading route in turn."""
    values = [v if isinstance(v, str) else json.dumps(v) for v in STRANGE if v != "\ud800"]
    needed = [p for p in operation.get("parameters", []) if p["in"] == "query" and p.get("required")]
    bare = await everyone.request(method, filled(path))
    assert bare.status_code == 422 if needed else bare.status_code in {200, 404, 409, 410}
    for parameter in operation.get("parameters", []):
        for value in values:
            if parameter["in"] == "query":
                answer = await everyone.request(method, filled(path), params={parameter["name"]: value[:2_000]})
            elif parameter["in"] == "path":
                sent = quote(value[:200], safe="") or "x"
                answer = await everyone.request(method, path.replace("{" + parameter["name"] + "}", sent))
            else:
                continue
            assert answer.status_code < 500, (parameter["name"], value, answer.text)


WRONG: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("post", "/api/v1/sourcing/order-back", {"needed_by": "2026-12-12"}, "needed_by", "no_time_zone"),
    ("post", "/api/v1/sourcing/order-back", {"needed_by": "2026-12-12T00:00:00"}, "needed_by", "no_time_zone"),
    ("post", "/api/v1/sourcing/requests", {"needed_by": "2999-12-12T00:00:00Z"}, "needed_by", "out_of_range"),
    ("post", "/api/v1/sourcing/requests", {"needed_by": "soon"}, "needed_by", "not_a_time"),
    ("post", "/api/v1/sites", {"lat": 999}, "lat", "too_big"),
    ("post", "/api/v1/sites", {"lon": -999}, "lon", "too_small"),
    ("post", "/api/v1/sites", {"opens": "18:00", "closes": "07:00"}, "closes", "site.hours"),
    ("post", "/api/v1/sites", {"lat": None}, "lat", "site.coordinates"),
    ("post", "/api/v1/sites", {"code": ""}, "code", "empty"),
    ("post", "/api/v1/holdings/uses", {"occurred_at": "2026-11-01T10:00:00"}, "occurred_at", "no_time_zone"),
    ("post", "/api/v1/holdings/uses", {"quantity": 1.5}, "quantity", "not_whole"),
    ("post", "/api/v1/holdings/uses", {"quantity": True}, "quantity", "not_a_number"),
    ("post", "/api/v1/holdings/uses", {"quantity": 0}, "quantity", "too_small"),
    ("post", "/api/v1/orders", {"po_number": "a\x00b"}, "po_number", "unkeepable"),
    ("post", "/api/v1/orders", {"requested_on": "2026-13-45"}, "requested_on", "not_a_date"),
    ("post", "/api/v1/orders", {"ship_to_site_id": "x"}, "ship_to_site_id", "not_an_id"),
]


@pytest.mark.parametrize(
    ("method", "path", "change", "field", "code"), WRONG, ids=[f"{p} {c}"[:60] for _, p, c, _, _ in WRONG]
)
async def test_what_is_wrong_has_a_code_and_a_sentence(
    method: str, path: str, change: dict[str, Any], field: str, code: str, everyone: httpx.AsyncClient, world: World,
    owner: asyncpg.Connection,
) -> None:  # fmt: skip
    sample = example_of(SPEC["paths"][path][method])
    assert sample is not None
    count = "SELECT (SELECT count(*) FROM site WHERE company_id = $1) + (SELECT count(*) FROM requisition WHERE maker_id = $1)"
    before = await owner.fetchval(count, world.maker.id)
    for headers in ({}, {"idempotency-key": str(uuid4())}):
        answer = await everyone.request(method, path, json={**sample, **change}, headers=headers)
        assert answer.status_code == 422, answer.text
        assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]
        assert answer.json()["errors"][0]["message"].endswith("."), answer.text
    assert await owner.fetchval(count, world.maker.id) == before


async def test_a_site_with_coordinates_is_made_once(everyone: httpx.AsyncClient, world: World) -> None:
    sample = {**(example_of(SPEC["paths"]["/api/v1/sites"]["post"]) or {}), "code": f"K{uuid4().hex[:8]}"}
    headers = {"idempotency-key": str(uuid4())}
    first, again = [await everyone.post("/api/v1/sites", json=sample, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert first.json() == again.json()
    other = await everyone.post("/api/v1/sites", json={**sample, "lat": 10.25}, headers=headers)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "lat")


@pytest.mark.parametrize("body", ['{"a": ', "just words", '"text"', "[]", "1"])
async def test_a_body_that_is_no_object(body: str, everyone: httpx.AsyncClient) -> None:
    answer = await everyone.post("/api/v1/sites", content=body, headers={"content-type": "application/json"})
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["field"]) == (422, "body")
    assert error["code"] in {"not_json", "not_an_object"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("text/plain", 422), (None, 422), ("multipart/form-data", 400), ("multipart/form-data; boundary=x", 400)],
)
async def test_a_body_of_another_kind_says_what_to_send(
    kind: str | None, status: int, everyone: httpx.AsyncClient
) -> None:
    headers = {"content-type": kind} if kind else {}
    path = "/api/v1/sites" if status == 422 else "/api/v1/imports"
    answer = await everyone.post(path, content=b'{"code": "A1"}', headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith("Nothing was changed."), answer.text
    if status == 422:
        assert "Content-Type: application/json" in answer.json()["detail"]


async def test_a_slash_too_many_is_told(everyone: httpx.AsyncClient) -> None:
    answer = await everyone.get("/api/v1/sites/")
    assert (answer.status_code, answer.json()["code"]) == (404, "http.404")
    assert "slash" in answer.json()["detail"]
