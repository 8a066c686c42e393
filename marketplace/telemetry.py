"""Structured logs with request ids, and metrics."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from datetime import datetime

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("backstock_requests_total", "Requests by route and status.", ["method", "route", "status"])
SECONDS = Histogram(
    "backstock_request_seconds",
    "Seconds from the first byte in to the last byte out, by route.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CHECK_HOLDS = Gauge(
    "backstock_ledger_check_ok",
    "1 where the last look at a check of the ledger found it to hold, 0 where not.",
    ["check"],
)
LAST_CHECK = Gauge(
    "backstock_ledger_check_age_seconds", "Seconds since the last run of the checks; -1 before the first."
)
QUEUE = Gauge("backstock_log_queue", "Movements that wait to be sequenced (counted to 10,000).")
LAG = Gauge("backstock_log_lag_seconds", "Seconds for which the oldest of these has waited.")
CHECKPOINT_AGE = Gauge(
    "backstock_log_checkpoint_age_seconds", "Seconds since the newest checkpoint; -1 before the first."
)
UNSIGNED = Gauge("backstock_log_unsigned_entries", "Entries of the log that no checkpoint covers.")
WITNESS_LAG = Gauge("backstock_log_witness_lag_entries", "Signed entries that a witness has not cosigned.", ["witness"])
ALARMS = Gauge("backstock_log_alarms", "Alarms on record.")
LIVE = Gauge("backstock_live_clients", "Browsers and programs that are told what changes as it does.")
LIVE_DROPPED = Counter("backstock_live_dropped_total", "Of these, those that took what they were told too slowly.")
LEDGER_READ = Gauge(
    "backstock_ledger_read_ok",
    "1 where the values of the ledger and its log are of this moment, 0 where they could not be read.",
)
_SECRET_PATH = re.compile(r"^/calendar/[^/]+\.ics$")
"""The address of a calendar feed opens it, so it stands in no log."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def configure_logging(*, as_json: bool, level: str) -> None:
    """One line a log entry on standard error: JSON for machines, or aligned words for people."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class RequestLog:
    """Gives every request an id (or keeps a well-formed one that came in), logs its end, and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500
        started_answer = streamed = False

        async def watch(message: Message) -> None:
            nonlocal status, started_answer, streamed
            if message["type"] == "http.response.start":
                started_answer = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                streamed = headers.get("content-type", "").startswith("text/event-stream")
                headers["x-request-id"] = request_id
                headers["server-timing"] = f"app;dur={(time.perf_counter() - started) * 1000:.1f}"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            self.log.exception("defect", method=scope["method"], path=_told(scope["path"]))
            # Raised further, the server would answer and then drop the connection, and the next request on it would
            # fail too. Only an answer that broke off half-way must be seen as broken.
            answer = scope["app"].exception_handlers.get(Exception) if "app" in scope else None
            if started_answer or answer is None:
                raise
            await (await answer(Request(scope, receive), error))(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(scope["method"], route, status).inc()
            # How long somebody stayed says nothing about how fast an answer was.
            if not streamed:
                SECONDS.labels(scope["method"], route).observe(seconds)
            actor = scope["state"].get("actor")
            self.log.info(
                "request",
                method=scope["method"],
                path=_told(scope["path"]),
                status=status,
                ms=round(seconds * 1000, 1),
                company=actor.company_code if actor else None,
            )
            structlog.contextvars.unbind_contextvars("request_id")


def _told(path: str) -> str:
    """A path as it may stand in a log."""
    return _SECRET_PATH.sub("/calendar/(secret).ics", path)


def seconds_since(moment: datetime | None, now: datetime) -> float:
    """Seconds from a moment to now, never below zero; -1 where there is no moment."""
    return -1.0 if moment is None else max((now - moment).total_seconds(), 0.0)


def metrics() -> tuple[bytes, str]:
    """The metrics of this process in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
