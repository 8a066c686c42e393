"""Writing events and delivering them. Knows no event by name: whoever emits and whoever listens agree on it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.db.session import Database, WriteSession, execute, fetch, fetch_value
from marketplace.jobs.service import enqueue
from marketplace.kit.canonical import plain

DELIVER = "outbox.deliver"
_LEASE = timedelta(seconds=60)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: ``aggregate``/``aggregate_id`` say to what, ``company_ids`` whom it concerns."""

    id: int
    name: str
    aggregate: str
    aggregate_id: UUID
    payload: Mapping[str, Any]
    company_ids: tuple[UUID, ...]
    attempts: int


Handler = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of an event: those that listen to its name, then those that listen to every one (``always``)."""

    by_name: Mapping[str, Sequence[Handler]]
    always: Sequence[Handler] = ()

    def of(self, name: str) -> Sequence[Handler]:
        """In the order in which they are called."""
        return (*self.by_name.get(name, ()), *self.always)


async def emit(
    session: WriteSession,
    name: str,
    aggregate: str,
    aggregate_id: UUID,
    company_ids: Sequence[UUID],
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Writes an event and asks for its delivery, in the caller's transaction: both or neither happen."""
    await execute(
        session,
        "INSERT INTO outbox_event (name, aggregate, aggregate_id, company_ids, payload) VALUES ($1, $2, $3, $4, $5::jsonb)",
        name,
        aggregate,
        aggregate_id,
        sorted(set(company_ids)),
        json.dumps(plain(dict(payload or {}))),
    )
    await enqueue(session, DELIVER)


async def emit_each(
    session: WriteSession,
    name: str,
    aggregate: str,
    events: Sequence[tuple[UUID, Mapping[str, Any]]],
    company_ids: Sequence[UUID],
) -> None:
    """As ``emit``, the same for each of these (aggregate id, payload): two statements, however many there are."""
    if not events:
        return
    await execute(
        session,
        "INSERT INTO outbox_event (name, aggregate, aggregate_id, company_ids, payload) "
        "SELECT $1, $2, e.id, $3, e.payload FROM unnest($4::uuid[], $5::jsonb[]) AS e (id, payload)",
        name,
        aggregate,
        sorted(set(company_ids)),
        [aggregate_id for aggregate_id, _ in events],
        [json.dumps(plain(dict(payload))) for _, payload in events],
    )
    await enqueue(session, DELIVER)


async def emit_to_each(
    session: WriteSession, name: str, aggregate: str, events: Sequence[tuple[UUID, Sequence[UUID], Mapping[str, Any]]]
) -> None:
    """As ``emit_each``, each to companies of its own: (aggregate id, company ids, payload). Two statements."""
    if not events:
        return
    await execute(
        session,
        "INSERT INTO outbox_event (name, aggregate, aggregate_id, company_ids, payload) "
        "SELECT $1, $2, e.id, e.companies::uuid[], e.payload "
        "FROM unnest($3::uuid[], $4::text[], $5::jsonb[]) AS e (id, companies, payload)",
        name,
        aggregate,
        [aggregate_id for aggregate_id, _, _ in events],
        ["{" + ",".join(map(str, sorted(set(companies)))) + "}" for _, companies, _ in events],
        [json.dumps(plain(dict(payload))) for _, _, payload in events],
    )
    await enqueue(session, DELIVER)


_AT_ONCE = 2_000
"""Events that get their position in one transaction, while others wait to give theirs."""


async def place(database: Database) -> int:
    """Gives every event that has committed its position, in order, each once whoever else does the same. Returns how many got one."""
    placed = 0
    while True:
        async with database.write() as session:
            some = int(await fetch_value(session, "SELECT outbox_place($1)", _AT_ONCE))
        placed += some
        if some < _AT_ONCE:
            return placed


_LEASE_SQL = """
UPDATE outbox_event SET retry_at = $1::timestamptz + $2::interval, attempts = attempts + 1
WHERE id IN (
    SELECT e.id FROM outbox_event e
    WHERE e.delivered_at IS NULL AND (e.retry_at IS NULL OR e.retry_at <= $1)
      AND NOT EXISTS (
          SELECT 1 FROM outbox_event b WHERE b.aggregate = e.aggregate AND b.aggregate_id = e.aggregate_id
            AND b.delivered_at IS NULL AND b.id < e.id)
    ORDER BY e.id LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING id, name, aggregate, aggregate_id, payload, company_ids, attempts
"""


async def deliver_waiting(
    database: Database, listeners: Listeners, now: Callable[[], datetime], *, batch: int = 50
) -> int:
    """Delivers what waits, oldest first, one event per aggregate at a time, until nothing is due. Returns how many.

    An event is leased in one transaction, its handlers run outside of any (they may talk to a network), and the
    outcome is written in another: delivered at least once, so handlers are idempotent. A failure is retried with
    a growing pause and keeps later events of the same aggregate waiting. Before that events get their position, also where no browser
    waits to be told of them.
    """
    await place(database)
    delivered = 0
    while True:
        async with database.write() as session:
            rows = await fetch(session, _LEASE_SQL, now(), _LEASE, batch)
        if not rows:
            return delivered
        for row in sorted(rows, key=lambda r: r["id"]):
            event = Event(
                row["id"], row["name"], row["aggregate"], row["aggregate_id"], row["payload"],
                tuple(row["company_ids"]), row["attempts"],
            )  # fmt: skip
            error = await _handle(event, listeners.of(event.name))
            async with database.write() as session:
                if error is None:
                    delivered += 1
                    await execute(session, "UPDATE outbox_event SET delivered_at = $2 WHERE id = $1", event.id, now())
                else:
                    pause = min(timedelta(seconds=2 ** min(event.attempts, 20)), _LONGEST_WAIT)
                    await execute(
                        session,
                        "UPDATE outbox_event SET retry_at = $2, last_error = $3 WHERE id = $1",
                        event.id,
                        now() + pause,
                        error[:500],
                    )


async def _handle(event: Event, handlers: Sequence[Handler]) -> str | None:
    for handler in handlers:
        try:
            await handler(event)
        except Exception as error:  # noqa: BLE001 - any failure of a listener means: try again later
            return f"{type(error).__name__}: {error}"
    return None
