"""Every JSON route there is, taken from the application itself: what it tells nobody in particular, and what it tells
a company that has nothing to do with what it asks for."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from uuid import uuid4

import asyncpg
import pytest
from fastapi import FastAPI

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import Job
from tests.world import World

# Routes open to everybody, and why.
OPEN = {
    "POST /api/v1/ledger/cosignatures": "a witness's line says by itself who has signed it",
    "POST /api/v1/ledger/evidence": "only what this log has signed itself counts",
    "POST /api/v1/session": "signing in",
    "DELETE /api/v1/session": "signing out of no session is no fault",
}


def operations() -> list[tuple[str, str]]:
    """(method, path) of every JSON operation, from the published description."""
    described = create_app(Settings(), database=object()).openapi()["paths"]  # type: ignore[arg-type]
    return sorted(
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path.startswith("/api/v1/") and method in ("get", "post", "put", "patch", "delete")
    )


def filled(path: str) -> str:
    return re.sub(r"{[^}]+}", str(uuid4()), path)


@pytest.fixture(scope="module")
async def app(db: Database) -> FastAPI:
    return app_for(db)


@pytest.fixture(scope="module")
async def token(db: Database, owner: asyncpg.Connection) -> str:
    """A buyer's session."""
    world = await World.make(owner, db)
    return await token_for(owner, world.buyer.users["buyer"], world.buyer.id)


def test_nothing_is_hidden_from_the_description() -> None:
    assert len(operations()) > 80
    assert {m for m, _ in operations()} >= {"GET", "POST", "PUT"}


@pytest.mark.parametrize(("method", "path"), operations(), ids=str)
async def test_a_stranger_learns_nothing(app: FastAPI, method: str, path: str) -> None:
    """401 before anything is looked at: not 404, not 422, not another company's words."""
    async with client_for(app) as client:
        answer = await client.request(method, filled(path), headers={"Idempotency-Key": str(uuid4())})
    if f"{method} {path}" in OPEN:
        assert answer.status_code != 500
        return
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"].startswith("auth."), answer.text


@pytest.mark.parametrize(("method", "path"), [o for o in operations() if o[0] == "GET"], ids=str)
async def test_an_id_that_does_not_exist_is_not_found(app: FastAPI, token: str, method: str, path: str) -> None:
    """A made-up id answers 404 (or an empty list), to whoever may use the route at all; never 500."""
    async with client_for(app, token) as client:
        answer = await client.request(method, filled(path))
    if "{" in path:
        assert answer.status_code in (403, 404, 422) or _nothing(answer.json()), answer.text
    assert answer.status_code < 500, answer.text


def _nothing(body: object) -> bool:
    if isinstance(body, dict):
        return not body.get("items", True) or not any(body.values())
    return not body


async def test_an_outsider_sees_nothing_of_a_whole_job(world: World) -> None:
    """After a job from release to settlement between two companies, no list of a third one's names any of it: not the
    units, the order, the agreement, the call, nor the partner."""
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold()
        await job.called()
        secrets = {job.order, job.agreement, job.requisition, job.call, str(job.lot)}
        seen = 0
        for method, path in operations():
            if method != "GET" or "{" in path:
                continue
            answer = await job.outsider.get(path)
            assert answer.status_code < 500, f"{path}: {answer.text}"
            for secret in secrets:
                assert secret not in answer.text, f"{path} tells an outsider of {secret}"
            seen += answer.status_code == 200
        assert seen > 10
        for method, path in operations():
            found = re.findall(r"{(\w+)}", path)
            if method != "GET" or len(found) != 1:
                continue
            for secret in secrets:
                answer = await job.outsider.get(path.replace("{" + found[0] + "}", secret))
                assert answer.status_code in (403, 404, 422) or _nothing(answer.json()), (
                    f"{path} {secret}: {answer.text}"
                )
