"""HTTP clients for tests: the real application over ASGI, signed in as whom the test says."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI
from starlette.datastructures import State

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.live import Hub
from marketplace.parties.service import token_hash
from marketplace.settings import Settings
from web.app import create_web


@cache
def _routes(*, pages: bool) -> FastAPI:
    """The application without a database: to build its routes takes a second, and they are the same for every test."""
    app = create_app(Settings(secret_key="for tests"))
    if pages:
        create_web(app)
    return app


def app_for(database: Database, settings: Settings | None = None, *, pages: bool = False) -> FastAPI:
    """The JSON API (with ``pages`` the whole site) on a test database: its routes are shared with other tests', its state is its own.
    What bodies may weigh is read when the routes are built: a test that limits it makes an application of its own."""
    app = copy(_routes(pages=pages))
    app.middleware_stack = None
    app.state = State({"db": database, "settings": settings or Settings()})
    app.state.live = Hub(lambda: app.state.db)
    return app


async def token_for(owner: asyncpg.Connection, user: UUID, company: UUID, *, hours: int = 1) -> str:
    """A session token of a user, made without a password."""
    token = secrets.token_urlsafe(16)
    await owner.execute(
        "INSERT INTO user_session (token_hash, user_id, company_id, expires_at) VALUES ($1, $2, $3, $4)",
        token_hash(token),
        user,
        company,
        datetime.now(UTC) + timedelta(hours=hours),
    )
    return token


@asynccontextmanager
async def client_for(app: FastAPI, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client with (or without) a session cookie."""
    cookies = {"backstock_session": token} if token else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", cookies=cookies) as client:
        yield client
