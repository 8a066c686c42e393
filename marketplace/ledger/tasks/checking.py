"""The checks that run by themselves, put together: what was found before, what was touched since, what comes next; written down
at the end in one transaction, so that a worker that dies in the middle has checked nothing and begins there again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from marketplace.db.session import Database
from marketplace.ledger.invariants import (
    EVERY,
    MOST_ENTRIES,
    MOST_FOUND,
    MOST_SWEPT,
    MOST_TOUCHED,
    TOO_LARGE,
    Finding,
    Mark,
    Outcome,
    Result,
    chunks,
    of_log,
    worst,
)
from marketplace.ledger.log.tiles import WIDTH
from marketplace.ledger.queries import checked
from marketplace.ledger.queries.log import ended_logs
from marketplace.ledger.service import KeyRing, look_at_entries, look_at_log, look_at_lots, of_all, write_down

LONGEST = 120.0
"""Seconds of looking at lots, after which a run leaves the rest to the next one."""


async def check(database: Database, ring: KeyRing, now: datetime, operators: Sequence[str] = ()) -> Outcome | None:
    """One run. Each statement reads in a short transaction of its own and waits for nobody. None where another worker wrote a run
    down meanwhile."""
    started = time.perf_counter()
    async with database.read() as session:
        runs = await checked.runs(session, limit=1)
        last = runs[0] if runs else None
        before = last.mark if last is not None else Mark()
        ended = await ended_logs(session)
        if last is not None and ended and ended[0].ended_at > last.at:
            # Another log: how far the looking had come, and how large the old one was, says nothing of it.
            before = Mark(swept=before.swept)
        known = await checked.findings(session, last.id) if last is not None else []
        standing, results, findings = await look_at_log(session, now, before, ring.published())
    size = standing.size if standing is not None else 0
    entries, faults, entries_through = await _entries(database, before, size, known)
    if size:
        # Everybody who signs in reads this: which lot it is stands in the findings alone.
        told = [f._replace(words=f"Wrong at entry {f.number:,} of the log.") for f in faults]
        good = "What was recomputed is that of the transactions."
        results.append(of_log("entries", entries, told, time.perf_counter() - started, good))
    lots = await _lots(database, before, size, known, started)
    signed = standing.signed if standing is not None else 0
    # What was once seen stays the measure: a log that shrank stays broken until it is as large again.
    mark = Mark(lots.touched, lots.swept, entries_through, max(size, before.log_size), max(signed, before.signed_size))
    results, findings = [*lots.results, *results], [*lots.findings, *findings, *faults]
    async with database.write() as session:
        run = await write_down(
            session, now, since=last.id if last is not None else None, took=time.perf_counter() - started,
            looked=(lots.lots, lots.transactions, entries), standing=standing, mark=mark, results=results, findings=findings, operators=operators,
        )  # fmt: skip
    if run is None:
        return None
    log = structlog.get_logger("checks")
    for one in results:
        if one.outcome is Outcome.BROKEN:
            log.error("does not hold", check=one.title, words=one.words)
        elif one.outcome is Outcome.LATE:
            log.warning("late", check=one.title, words=one.words)
    return worst(r.outcome for r in results)


async def is_due(database: Database, now: datetime) -> bool:
    """Whether the last run was a while ago: a worker that is started again and again does not look each time."""
    async with database.read() as session:
        runs = await checked.runs(session, limit=1)
    return not runs or now - runs[0].at >= EVERY


async def _entries(
    database: Database, before: Mark, size: int, known: Sequence[Finding]
) -> tuple[int, list[Finding], int]:
    """The next entries, round and round, and the tiles of those that were found before: how many, what was found, how far."""
    start = before.entries if before.entries < size else 0
    end = min(start + MOST_ENTRIES, size)
    # What was found before comes first: however much is wrong, a run keeps and looks at no more than a hundred of it again.
    again = sorted({f.number // WIDTH for f in known if f.key == "entries" and f.number is not None})
    spans = [
        (n * WIDTH, min((n + 1) * WIDTH, size)) for n in again if n * WIDTH < size and not start <= n * WIDTH < end
    ]
    spans += [(start, end)] if size else []
    faults: list[Finding] = []
    for first, last in spans:
        async with database.read() as session:
            faults += await look_at_entries(session, first, last)
    faults = faults[:MOST_FOUND]
    # A tile that is not full is looked at again from its beginning.
    return sum(last - first for first, last in spans), faults, 0 if end >= size else end


class _Looked(NamedTuple):
    """What a run made of lots: results and findings, lots and transactions looked at, and how far it got."""

    results: list[Result]
    findings: list[Finding]
    lots: int
    transactions: int
    touched: int
    swept: UUID | None


async def _lots(database: Database, before: Mark, size: int, known: Sequence[Finding], started: float) -> _Looked:
    """What was found before comes first, then what was touched, then what is next in order; a part that was not reached within
    ``LONGEST`` comes with the next run."""
    # What was there before the first run comes with the sweep.
    first = min(before.touched if before.touched is not None else size, size)
    through, swept = min(first + MOST_TOUCHED, size), before.swept
    found: list[Mapping[str, tuple[list[Finding], float]]] = []
    seen, transactions, left_out, late = 0, 0, 0, False

    async def look(lots: Sequence[UUID]) -> None:
        nonlocal seen, transactions, left_out, late
        if not lots:
            return
        async with database.read() as session:
            families = await checked.families(session, lots)
        left_out += sum(1 for _, _, count in families if count > TOO_LARGE)
        for some, count in chunks(families):
            if late := time.perf_counter() - started > LONGEST:
                return
            async with database.read() as session:
                found.append(await look_at_lots(session, some))
            seen, transactions = seen + len(some), transactions + count

    await look(sorted({f.lot_id for f in known if f.lot_id is not None}))
    async with database.read() as session:
        touched = await checked.touched(session, first, through)
    await look(touched)
    if late:
        through = first
    else:
        async with database.read() as session:
            following = await checked.next_lots(session, swept, MOST_SWEPT)
        await look(following)
        if not late:
            swept = following[-1] if len(following) == MOST_SWEPT else None
    results, findings = of_all(found, seen, left_out)
    return _Looked(results, findings, seen, transactions, through, swept)
