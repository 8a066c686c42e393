"""The JSON API as an ASGI application. The web pages are put on top of it by web/app.py."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from marketplace import problems, telemetry
from marketplace.api import api_router
from marketplace.bodies import BodyLimit
from marketplace.db.session import Database, fetch_one
from marketplace.db.setup import head_revision
from marketplace.kit.errors import DomainError, busy
from marketplace.ledger.endpoints import public as log
from marketplace.ledger.invariants import Outcome
from marketplace.ledger.queries import checked
from marketplace.ledger.queries import log as log_queries
from marketplace.live import Hub
from marketplace.live import router as live
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
        if hasattr(app.state, "db"):  # given
            yield
            await app.state.live.close()
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
        app.state.live.heed_signals()
        try:
            yield
        finally:
            await app.state.live.close()
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
    app.state.live = Hub(lambda: app.state.db)
    problems.install(app)
    app.add_middleware(BodyLimit, settings=wanted)
    app.include_router(api_router())
    app.include_router(log)
    app.include_router(live)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        checks = await readiness(request.app.state.db)
        ready = all(c == "ok" for c in checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        await measure_ledger(request.app.state.db, datetime.now(UTC))
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


async def measure_ledger(database: Database, now: datetime) -> None:
    """Sets the gauges of the ledger and its log from the rows of this moment: six statements that an index answers. A database that
    does not answer is told by a gauge of its own, and the others keep what they were."""
    try:
        async with database.read() as session:
            runs = await checked.runs(session, limit=1)
            results = await checked.results(session, runs[0].id) if runs else []
            standing = await checked.standing(session)
            witnesses = await log_queries.witnesses(session)
            alarms = await log_queries.count_alarms(session)
    except DomainError:
        telemetry.LEDGER_READ.set(0)
        return
    telemetry.LEDGER_READ.set(1)
    telemetry.LAST_CHECK.set(telemetry.seconds_since(runs[0].at if runs else None, now))
    telemetry.CHECK_HOLDS.clear()
    for one in results:
        telemetry.CHECK_HOLDS.labels(one.key).set(one.outcome is Outcome.HOLDS)
    telemetry.QUEUE.set(standing.waiting if standing else 0)
    telemetry.LAG.set(max(telemetry.seconds_since(standing.waiting_since if standing else None, now), 0))
    telemetry.CHECKPOINT_AGE.set(telemetry.seconds_since(standing.signed_at if standing else None, now))
    telemetry.UNSIGNED.set(standing.size - standing.signed if standing else 0)
    telemetry.WITNESS_LAG.clear()
    for witness in witnesses:
        signed = standing.signed if standing else 0
        telemetry.WITNESS_LAG.labels(witness.name).set(max(signed - (witness.size or 0), 0))
    telemetry.ALARMS.set(alarms)


def finish(app: FastAPI) -> FastAPI:
    """Adds the outermost layer, the request log, after everything else has been put on."""
    app.add_middleware(telemetry.RequestLog)
    return app
