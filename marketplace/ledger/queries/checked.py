"""Reads of the checks that run by themselves: which lots come next, how the log stands at its ends, what runs came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, driver, execute, fetch, fetch_one, fetch_value
from marketplace.ledger.invariants import BY_KEY, Finding, Mark, Outcome, Result, Standing
from marketplace.ledger.queries.log import SEALED, SealedRow, sealed_row

CHECKER = 0x4C4F4732
"""The advisory lock under which a run is written down."""


async def checker_for_update(session: WriteSession) -> bool:
    """Whether this transaction is the one that writes a run down: the lock goes with it. Never waits."""
    return bool(await fetch_value(session, "SELECT pg_try_advisory_xact_lock($1)", CHECKER))


async def touched(session: AsyncSession, start: int, end: int) -> list[UUID]:
    """The lots of the entries from ``start`` to before ``end``."""
    rows = await fetch(
        session, "SELECT DISTINCT lot_id FROM log_salt WHERE position >= $1 AND position < $2 ORDER BY lot_id", start, end
    )  # fmt: skip
    return [r[0] for r in rows]


async def next_lots(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Lots in the order of their ids, from behind one on."""
    rows = await fetch(
        session, "SELECT lot_id FROM lot WHERE $1::uuid IS NULL OR lot_id > $1 ORDER BY lot_id LIMIT $2", after, limit
    )
    return [r[0] for r in rows]


async def families(session: AsyncSession, lots: Sequence[UUID]) -> list[tuple[UUID, Sequence[UUID], int]]:
    """The whole families of these lots: root, members, how many transactions they have together."""
    rows = await fetch(
        session,
        "SELECT root_lot_id, array_agg(lot_id ORDER BY lot_id), sum(last_seq)::bigint FROM lot WHERE root_lot_id = ANY(ARRAY("
        "SELECT DISTINCT root_lot_id FROM lot WHERE lot_id = ANY($1::uuid[]))) GROUP BY root_lot_id ORDER BY root_lot_id",
        list(lots),
    )
    return [(r[0], r[1], r[2]) for r in rows]


async def sealed_between(session: AsyncSession, start: int, end: int) -> list[SealedRow]:
    """The entries from ``start`` to before ``end``, each with the movement that it is of."""
    sql = SEALED.replace("WHERE e.position < $1", "WHERE e.position >= $2 AND e.position < $1")
    return [sealed_row(r) for r in await (await driver(session)).fetch(sql, end, start)]


async def ends(session: AsyncSession) -> tuple[int, int]:
    """How many entries there are by the last of them, and by the last salt."""
    row = await fetch_one(
        session,
        "SELECT coalesce((SELECT max(position) + 1 FROM log_entry), 0), coalesce((SELECT max(position) + 1 FROM log_salt), 0)",
    )
    assert row is not None  # noqa: S101 - two aggregates
    return row[0], row[1]


async def standing(session: AsyncSession) -> Standing | None:
    """How the log stands: two rows and the queue. None before its first entry."""
    row = await fetch_one(
        session,
        "SELECT s.size, s.sequenced_at, coalesce(c.size, 0) AS signed, c.signed_at, w.n, w.since FROM log_state s "
        "LEFT JOIN LATERAL (SELECT size, signed_at FROM log_checkpoint ORDER BY size DESC LIMIT 1) c ON true CROSS JOIN log_waiting() w",
    )
    if row is None:
        return None
    behind = row["signed"] < row["size"]
    return Standing(
        row["size"], row["signed"], row["n"], row["since"], row["sequenced_at"] if behind else None, row["signed_at"]
    )


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the checks."""

    id: UUID
    at: datetime
    milliseconds: int
    outcome: Outcome
    lots: int
    transactions: int
    entries: int
    waiting: int
    lag_seconds: int
    mark: Mark


_RUN = (
    "SELECT id, at, milliseconds, outcome, lots, transactions, entries, waiting, lag_seconds, touched_through, swept_through, "
    "entries_through, log_size, signed_size FROM check_run"
)


def _run(r: asyncpg.Record) -> RunRow:
    v = tuple(r)
    return RunRow(v[0], v[1], v[2], Outcome(v[3]), v[4], v[5], v[6], v[7], v[8], Mark(*v[9:]))


async def runs(session: AsyncSession, *, before: datetime | None = None, limit: int) -> list[RunRow]:
    """Runs, the newest first, from before a moment on."""
    rows = await fetch(
        session, f"{_RUN} WHERE $1::timestamptz IS NULL OR at < $1 ORDER BY at DESC LIMIT $2", before, limit
    )
    return [_run(r) for r in rows]


async def runs_since(session: AsyncSession, since: datetime, limit: int) -> list[RunRow]:
    """Runs since a moment, the oldest first."""
    rows = await fetch(session, f"{_RUN} WHERE at >= $1 ORDER BY at LIMIT $2", since, limit)
    return [_run(r) for r in rows]


async def results(session: AsyncSession, run_id: UUID) -> list[Result]:
    """What the checks of a run came to."""
    rows = await fetch(
        session, "SELECT key, outcome, looked, found, milliseconds, words FROM check_result WHERE run_id = $1", run_id
    )
    kept = {r[0]: Result(r[0], Outcome(r[1]), r[2], r[3], r[4] / 1000, r[5]) for r in rows}
    # In the order in which they are told; another version of the program may have had others.
    return [kept[key] for key in BY_KEY if key in kept]


async def findings(session: AsyncSession, run_id: UUID, limit: int = 1_000) -> list[Finding]:
    """What a run found and where, as far as the session's role may see it."""
    rows = await fetch(
        session,
        "SELECT key, words, lot_id, number, kept, rebuilt FROM check_finding WHERE run_id = $1 ORDER BY key, lot_id, number LIMIT $2",
        run_id,
        limit,
    )
    return [Finding(*r) for r in rows]


async def findings_for_operators(session: AsyncSession, run_id: UUID) -> list[Finding]:
    """As ``findings``, for somebody of whom is known that they operate the site: row security is told so for this transaction."""
    await execute(session, "SELECT set_config('app.operator', 'on', true)")
    return await findings(session, run_id)
