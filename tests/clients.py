"""HTTP clients for tests: the real application over ASGI, signed in as whom the test says."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.parties.service import token_hash
from marketplace.settings import Settings


def app_for(database: Database) -> FastAPI:
    """The JSON API on a test database."""
    return create_app(Settings(), database=database)


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
