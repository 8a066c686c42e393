"""The JSON API as an ASGI application. The web pages are put on top of it by web/app.py."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from marketplace import problems, telemetry
from marketplace.api import api_router
from marketplace.bodies import BodyLimit
from marketplace.db.session import Database, fetch_one
from marketplace.db.setup import head_revision
from marketplace.kit.errors import DomainError, busy
from marketplace.ledger.endpoints import public as log
from marketplace.settings import Settings, get_settings

DESCRIPTION = """
Backstock is a partner marketplace with a shared-access ledger: manufacturers release slow-moving parts to partners
under buy-back or access-back clauses, and can still order a unit back when a machine has stopped.

Send an API key as `Authorization: Bearer bs_...`. A writing route that is given an `Idempotency-Key` does its work
once, however often the request is sent; send one whenever you would repeat a request whose answer was lost. Errors are
`application/problem+json` with a stable `code`. Lists are paged by `after`: pass the `next` of the page before.
"""


def create_app(settings: Settings | None = None, *, database: Database | None = None) -> FastAPI:
    """The application. ``database`` is given by tests; otherwise it is opened when the application starts."""
    wanted = settings or get_settings()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if database is not None:
            app.state.db = database
            yield
            return
        if wanted.database_url is None:
            raise busy("settings.database", "Set BACKSTOCK_DATABASE_URL, or start with 'backstock demo'.")
        app.state.db = Database(
            wanted.database_url,
            pool_size=wanted.pool_size,
            pool_wait_seconds=wanted.pool_wait_seconds,
            statement_timeout_ms=wanted.statement_timeout_ms,
            application="backstock-app",
        )
        spare_the_collector()
        try:
            yield
        finally:
            await app.state.db.close()

    app = FastAPI(
        title="Backstock",
        version="0.1.0",
        description=DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        # The framework's redirect is made of the Host header, which whoever asks can set; pages have their own.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    if database is not None:
        app.state.db = database
    app.state.settings = wanted
    problems.install(app)
    app.add_middleware(BodyLimit, settings=wanted)
    app.include_router(api_router())
    app.include_router(log)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        checks = await readiness(request.app.state.db)
        ready = all(c == "ok" for c in checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        body, kind = telemetry.metrics()
        return Response(body, media_type=kind)

    return app


def spare_the_collector() -> None:
    """What is loaded at the start stays for good, so the garbage collector need not walk it again: a long list cost
    several pauses of a tenth of a second. What the longest answer holds while it is made goes with it, so the collector
    is not asked before there is more than that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def readiness(database: Database) -> dict[str, str]:
    """What must be so before traffic is sent here: the database answers, and its schema is this version's."""
    try:
        async with database.read() as session:
            row = await fetch_one(session, "SELECT version_num FROM alembic_version")
    except DomainError as error:
        return {"database": error.message}
    at = row["version_num"] if row else "nothing"
    head = head_revision()
    return {
        "database": "ok",
        "schema": "ok" if at == head else f"at {at}, this version needs {head}: run 'backstock migrate'",
    }


def finish(app: FastAPI) -> FastAPI:
    """Adds the outermost layer, the request log, after everything else has been put on."""
    app.add_middleware(telemetry.RequestLog)
    return app
