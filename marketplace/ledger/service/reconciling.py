"""The checks that run by themselves: some lots added up, some entries recomputed, the ends of the log compared; and what they came
to written down, told and thinned. Nothing here waits for a lock or holds one that others wait for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from marketplace.db.session import ReadSession, WriteSession, execute, fetch_value
from marketplace.ledger import invariants
from marketplace.ledger.invariants import OF_LOTS, Finding, Mark, Outcome, Result, Standing
from marketplace.ledger.log import notes
from marketplace.ledger.log.merkle import HASH_SIZE, leaf_hash
from marketplace.ledger.log.notes import Checkpoint, NoteError
from marketplace.ledger.log.tiles import HEIGHT, TILE_SIZE, WIDTH, tile_root
from marketplace.ledger.queries import checked, no_row_by_row, verify_lots
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service.signing import raise_alarm, root_at
from marketplace.ledger.service.verifying import LogVerdict, entry_holds
from marketplace.outbox.service import emit


async def look_at_lots(session: ReadSession, lots: Sequence[UUID]) -> dict[str, tuple[list[Finding], float]]:
    """Every check of lots over these, whole families: what was found and how long it took, by key. One statement each."""
    await no_row_by_row(session)
    found: dict[str, tuple[list[Finding], float]] = {}
    for one in OF_LOTS:
        started = time.perf_counter()
        rows = await verify_lots(session, one.check or "", lots, limit=invariants.MOST_FOUND)
        words = f"{one.title}: this does not hold."
        findings = [Finding(one.key, words, r.lot_id, r.number, r.kept, r.rebuilt) for r in rows]
        found[one.key] = findings, time.perf_counter() - started
    return found


async def look_at_entries(session: ReadSession, start: int, end: int) -> list[Finding]:
    """Recomputes the entries from ``start`` (where a tile begins) to before ``end`` from their movements, and compares them with
    the tree above them. Three statements."""
    rows = await checked.sealed_between(session, start, end)
    findings: list[Finding] = []
    hashes: dict[int, bytearray] = {}
    expected = start
    for row in rows:
        while expected < row.position:
            findings.append(Finding("entries", f"Entry {expected} is missing.", number=expected))
            expected += 1
        expected += 1
        verdict = LogVerdict()
        entry_holds(row, verdict)
        lot = row.record.lot if row.record is not None else None
        findings += [Finding("entries", words, lot, row.position) for words in verdict.faults]
        hashes.setdefault(row.position // WIDTH, bytearray()).extend(leaf_hash(row.entry))
    findings += [Finding("entries", f"Entry {n} is missing.", number=n) for n in range(expected, end)]
    numbers = sorted(hashes)
    level = await queries.tiles(session, [(0, n) for n in numbers])
    parents = await queries.tiles(session, sorted({(1, n >> HEIGHT) for n in numbers}))
    for n in numbers:
        kept = level.get((0, n), b"")
        if kept[: len(hashes[n])] != hashes[n]:
            findings.append(
                Finding("entries", f"Tile 0/{n}: its hashes are not those of the entries.", number=n * WIDTH)
            )
        at = (n % WIDTH) * HASH_SIZE
        if len(kept) == TILE_SIZE and parents.get((1, n >> HEIGHT), b"")[at : at + HASH_SIZE] != tile_root(kept):
            findings.append(
                Finding("entries", f"Tile 1/{n >> HEIGHT}: it does not have the hash of tile 0/{n}.", number=n * WIDTH)
            )
    return findings[: invariants.MOST_FOUND]


async def look_at_log(
    session: ReadSession, now: datetime, before: Mark, published: Checkpoint | None
) -> tuple[Standing | None, list[Result], list[Finding]]:
    """The ends of the log: whether it grew, is signed, goes on from what was ``published``, and is watched. A dozen statements that
    an index answers, whatever its size."""
    standing = await checked.standing(session)
    results: list[Result] = []
    found: list[Finding] = []

    def keep(key: str, faults: Sequence[str], good: str, looked: int, started: float) -> None:
        some = [Finding(key, words) for words in faults]
        found.extend(some)
        results.append(invariants.of_log(key, looked, some, time.perf_counter() - started, good))

    started = time.perf_counter()
    if standing is None:
        faults = [f"The log is gone: it had {before.log_size:,} entries."] if before.log_size else []
        keep("log_size", faults, "There is no log yet: the worker begins it.", 0, started)
        return None, results, found
    entries, salts = await checked.ends(session)
    faults = _sizes(standing, before, entries, salts)
    keep("log_size", faults, f"Entries: {standing.size:,}.", 2, started)

    started = time.perf_counter()
    latest = await queries.latest_checkpoint(session)
    if latest is not None:
        keys = [notes.parse_vkey(v) for v in await queries.public_keys(session)]
        faults = await _signed(session, standing, latest, keys)
        keep("checkpoint", faults, f"Entries that are signed: {latest.size:,}.", 1, started)
    if invariants.unsigned_too_long(standing, now) and (latest is None or not faults):
        results = [r for r in results if r.key != "checkpoint"]
        words = f"Entries that wait to be signed: {standing.size - standing.signed:,}. Is the worker running, and does it say why it does not sign?"
        results.append(invariants.late("checkpoint", 1, time.perf_counter() - started, words))

    started = time.perf_counter()
    if published is None and latest is not None:
        words = "The worker keeps no published checkpoint outside of the database: its data folder was changed. The next one is kept."
        results.append(invariants.late("published", 0, time.perf_counter() - started, words))
    elif published is not None:
        faults = await _published(session, standing, published)
        keep(
            "published",
            faults,
            f"Size {published.size:,}, kept outside of the database, stands in the log.",
            1,
            started,
        )

    results.append(invariants.of_queue(standing, now, 0.0))
    results.append(await _watched(session, standing, now))
    return standing, results, found


def _sizes(standing: Standing, before: Mark, entries: int, salts: int) -> list[str]:
    faults = []
    if not standing.size == entries == salts:
        faults.append(f"The log says {standing.size:,} entries; there are {entries:,}, of {salts:,} transactions.")
    if standing.size < before.log_size:
        faults.append(f"The log has {standing.size:,} entries; it had {before.log_size:,}.")
    if standing.signed < before.signed_size:
        faults.append(
            f"The largest checkpoint is of {standing.signed:,} entries; there was one of {before.signed_size:,}."
        )
    if standing.signed > standing.size:
        faults.append(f"Signed are {standing.signed:,} entries; the log has {standing.size:,}.")
    return faults


async def _signed(
    session: ReadSession, standing: Standing, latest: queries.CheckpointRow, keys: list[notes.Key]
) -> list[str]:
    if latest.size > standing.size:
        return []  # said of the sizes
    if await root_at(session, latest.size) != latest.root:
        return [f"The checkpoint of size {latest.size:,} has another root than the tree."]
    try:
        signed = notes.open_checkpoint(notes.parse_note(latest.note), keys)
    except NoteError as error:
        return [f"The checkpoint of size {latest.size:,}: {error}"]
    if (signed.size, signed.root) != (latest.size, latest.root):
        return [f"The checkpoint of size {latest.size:,}: what is signed is not what is kept."]
    return []


async def _published(session: ReadSession, standing: Standing, published: Checkpoint) -> list[str]:
    if published.size > standing.size or published.size > standing.signed:
        there = f"the log has {standing.size:,} entries, {standing.signed:,} of them signed"
        return [f"Published was size {published.size:,}; {there}. The database is older than what was published."]
    if await root_at(session, published.size) != published.root:
        return [f"At size {published.size:,} the log has another root than the one that was published."]
    return []


async def _watched(session: ReadSession, standing: Standing, now: datetime) -> Result:
    started = time.perf_counter()
    rows = await queries.witnesses(session)
    behind = [
        w
        for w in rows
        if (w.size or 0) < standing.signed and now - (w.said_at or w.registered_at) > invariants.WITNESS_LAG
    ]
    seconds = time.perf_counter() - started
    if behind:
        names = ", ".join(f"{w.name} of {w.company} (at {w.size or 0:,} of {standing.signed:,})" for w in behind[:5])
        return invariants.late("witnesses", len(rows), seconds, f"Behind for more than a day: {names}.")
    words = f"Keeping up: {len(rows):,}." if rows else "No company runs a witness."
    return Result("witnesses", Outcome.HOLDS, len(rows), 0, seconds, words)


async def write_down(
    session: WriteSession,
    now: datetime,
    *,
    since: UUID | None,
    took: float,
    looked: tuple[int, int, int],
    standing: Standing | None,
    mark: Mark,
    results: Sequence[Result],
    findings: Sequence[Finding],
    operators: Sequence[str],
) -> UUID | None:
    """A run as rows, an alarm on record for what has begun not to hold, and one mail to ``operators`` about what changed.
    ``looked``: lots, transactions, entries; ``since``: the run that this one goes on from. None, and nothing written, where another
    worker wrote one down meanwhile."""
    if not await checked.checker_for_update(session):
        return None
    last = await checked.runs(session, limit=1)
    if (last[0].id if last else None) != since:
        return None
    before = {r.key: r.outcome for r in await checked.results(session, since)} if since is not None else {}
    lag = standing.waiting_since if standing is not None else None
    run: UUID = await fetch_value(
        session,
        "INSERT INTO check_run (at, milliseconds, outcome, lots, transactions, entries, waiting, lag_seconds, touched_through, "
        "swept_through, entries_through, log_size, signed_size) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
        "RETURNING id",
        now, round(took * 1000), str(invariants.worst(r.outcome for r in results)), *looked,
        standing.waiting if standing is not None else 0, max(int((now - lag).total_seconds()), 0) if lag is not None else 0,
        mark.touched, mark.swept, mark.entries, mark.log_size, mark.signed_size,
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO check_result (run_id, key, outcome, looked, found, milliseconds, words) SELECT $1, * FROM "
        "unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::int[], $7::text[])",
        run, [r.key for r in results], [str(r.outcome) for r in results], [r.looked for r in results],
        [r.found for r in results], [round(r.seconds * 1000) for r in results], [r.words for r in results],
    )  # fmt: skip
    if findings:
        await execute(
            session,
            "INSERT INTO check_finding (run_id, key, words, lot_id, number, kept, rebuilt) SELECT $1, * FROM "
            "unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])",
            run, *(list(column) for column in zip(*findings, strict=True)),
        )  # fmt: skip
    changed = invariants.changes(before, results)
    broken = [c.result.title for c in changed if c.result.outcome is Outcome.BROKEN]
    if broken:
        # Alarms are told to everybody who signs in: what does not hold, and not whose units it is about.
        await raise_alarm(
            session, now, "check", f"Does not hold: {'; '.join(broken)}. Operators see on the status page where."
        )
    if changed and operators:
        subject, text = invariants.told(changed)
        mail = {"to": list(operators), "subject": subject, "text": text, "link": "/status"}
        await emit(session, "ledger.checked", "check_run", run, (), {"mail": mail})
    await _thin(session, now)
    return run


async def _thin(session: WriteSession, now: datetime) -> None:
    """Old runs go but for the first of each day and those in which something was found; after two years all do."""
    await execute(
        session,
        "DELETE FROM check_run WHERE id IN (SELECT id FROM check_run r WHERE at < $1 AND (at < $2 OR (outcome = 'holds' AND EXISTS "
        "(SELECT FROM check_run f WHERE f.at < r.at AND f.at >= date_trunc('day', r.at, 'UTC')))) ORDER BY at LIMIT 1000)",
        now - invariants.KEPT_WHOLE,
        now - invariants.KEPT_DAILY,
    )


def of_all(
    found: Iterable[Mapping[str, tuple[list[Finding], float]]], looked: int, left_out: int
) -> tuple[list[Result], list[Finding]]:
    """The checks of all lots of a run put together, by key."""
    sums: dict[str, tuple[list[Finding], float]] = {one.key: ([], 0.0) for one in OF_LOTS}
    for some in found:
        for key, (findings, seconds) in some.items():
            # A lot may be looked at twice in a run: touched, and its turn in the sweep.
            known = {(f.lot_id, f.number) for f in sums[key][0]}
            new = [f for f in findings if (f.lot_id, f.number) not in known]
            sums[key] = sums[key][0] + new, sums[key][1] + seconds
    results = [invariants.of_lots(key, looked, len(f), seconds, left_out) for key, (f, seconds) in sums.items()]
    return results, [f for findings, _ in sums.values() for f in findings[: invariants.MOST_FOUND]]
