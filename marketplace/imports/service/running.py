"""Bringing an import on, step by step, each in a transaction of its own: stage, validate, land.

Every step starts from what is committed, so a run that was killed goes on where it stopped, and running twice does
nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError

from marketplace.db.session import (
    Database,
    Tenant,
    WriteSession,
    be_patient,
    bulk_texts,
    execute,
    fetch_one,
    fetch_value,
    texts_done,
)
from marketplace.imports import landing, matching, queries
from marketplace.imports.catalogue_rows import is_total
from marketplace.imports.checks import issue_rows, typed_rows
from marketplace.imports.fates import all_or_nothing
from marketplace.imports.files.tables import FileRow, read_batches
from marketplace.imports.queries import Job
from marketplace.imports.queries import catalogue as catalogue_queries
from marketplace.imports.queries import words as words_read
from marketplace.imports.service import catalogue, shelf
from marketplace.imports.service.mapping import clear
from marketplace.imports.service.telling import Telling, asked, telling, told_all
from marketplace.imports.service.uploading import open_kept
from marketplace.imports.shapes import SHELF
from marketplace.imports.staging import Staged, stage_row
from marketplace.imports.values import MAX_CONDITION_WORDS, DateOrder
from marketplace.jobs.service import enqueue
from marketplace.kit.errors import DomainError, FieldError, Kind, conflict, invalid_fields
from marketplace.kit.ids import command_id

SMALL_FILE_BYTES = 512 * 1024
"""Up to here a request brings the import on itself; larger files are the worker's."""
_MANY = 1_000
"""Lines from which on the planner should hear of them at once, not when it next looks by itself."""
RUN = "imports.run"
"""The worker's job."""
_PIECE = 10_000
"""Rows landed by one statement: few enough that the next figure can be told about a second later."""
_SILENT = 15
"""Seconds after which a worker that tells nothing is taken for dead."""
_PARTS_SHARE, _LOTS_SHARE = 0.5, 0.15
"""Of the time that landing takes: parts with their numbers, lots; the rest are positions and movements (measured)."""
_TO_STAGE = ("uploaded", "staging", "failed")
"""Steps at which the file's rows are still to be read."""
_END = object()


async def run(
    database: Database,
    *,
    job_id: UUID,
    company_id: UUID,
    actor_id: UUID,
    data_dir: Path,
    land: bool,
    now: datetime,
    seen: Callable[[Telling], None] | None = None,
) -> None:
    """Brings an import as far as 'validated', or with ``land`` to 'done'.

    What is wrong with the file as a whole ends it as 'failed' with words on the job, and is raised. Refusals to land
    (``import.bad_rows``, ``import.mostly_gone``, ``import.changed``) leave it validated. ``seen`` hears how far it is.
    """
    tenant = Tenant(company_id)
    async with database.read(tenant) as session:
        job = await queries.job(session, job_id)
    async with telling(database, tenant, job_id, aloud=job.file_size > SMALL_FILE_BYTES, seen=seen) as told:
        try:
            await _advance(database, tenant, job_id, actor_id, data_dir, now, told, land=land)
        except _LostError:
            # Staging is not logged: a server that went down took the rows with it. The file is still here.
            async with database.write(tenant) as session:
                await execute(
                    session,
                    "UPDATE import_job SET step = 'uploaded', rows_staged = 0 WHERE id = $1 AND step <> 'cancelled'", job_id,
                )  # fmt: skip
            await _advance(database, tenant, job_id, actor_id, data_dir, now, told, land=land)


async def _advance(
    database: Database,
    tenant: Tenant,
    job_id: UUID,
    actor_id: UUID,
    data_dir: Path,
    now: datetime,
    told: Telling,
    *,
    land: bool,
) -> None:
    async with database.read(tenant) as session:
        job = await queries.job(session, job_id)
    if job.step in ("done", "cancelled"):
        return
    if job.step != "validated":
        try:
            if job.step in _TO_STAGE:
                await _stage(database, tenant, job, data_dir, told)
            await _validate(database, tenant, job_id, actor_id, now, told)
        except DomainError as error:
            # Busy passes, and another process that reads the same file is not a fault of the file.
            if error.kind is not Kind.BUSY and error.code != "import.running":
                await _fail(database, tenant, job_id, error)
            raise
    if land:
        await _land(database, tenant, job_id, actor_id, now, told)


def _running() -> DomainError:
    return conflict("import.running", "This import is being read by another process already.")


class _LostError(Exception):
    """The staged rows are gone."""


async def cancel(session: WriteSession, job_id: UUID, now: datetime) -> None:
    """Ends an import that has not landed. Raises ``import.landed``, ``import.landing``."""
    seen = await queries.job(session, job_id)
    if seen.phase in ("landing", "finishing") and (seen.phase_silent or 0) <= _SILENT:
        # The job is locked until it has landed: who waits for that learns nothing better. A worker that died holds nothing.
        raise conflict(
            "import.landing",
            "This import is landing now; it cannot be cancelled. Once it has landed, undo it as a whole.",
        )
    job = await queries.job_for_update(session, job_id)
    if job.step == "done":
        raise conflict(
            "import.landed",
            "This import has landed; it cannot be cancelled. Undo it as a whole, or correct single units.",
        )
    await clear(session, job_id)
    await told_all(session, job_id)
    await execute(
        session, "UPDATE import_job SET step = 'cancelled', error = NULL, finished_at = $2 WHERE id = $1", job_id, now
    )


async def ask_worker(session: WriteSession, *, job_id: UUID, company_id: UUID, actor_id: UUID, land: bool) -> None:
    """Has the worker bring an import on once this transaction has committed. Why it did not go on before is no news
    while it waits to be tried again."""
    await execute(
        session, "UPDATE import_job SET error = NULL WHERE id = $1 AND step NOT IN ('done', 'cancelled')", job_id
    )
    await asked(session, job_id, company_id)
    await enqueue(
        session, RUN, {"job_id": str(job_id), "company_id": str(company_id), "actor_id": str(actor_id), "land": land}
    )


async def note_refusal(database: Database, company_id: UUID, job_id: UUID, words: str) -> None:
    """Keeps on the import why it did not go on, for the person who looks at it later; not on one that has ended
    meanwhile."""
    async with database.write(Tenant(company_id)) as session:
        await execute(
            session,
            "UPDATE import_job SET error = $2 WHERE id = $1 AND step NOT IN ('done', 'cancelled')",
            job_id,
            words,
        )
        await told_all(session, job_id)


async def _fail(database: Database, tenant: Tenant, job_id: UUID, error: DomainError) -> None:
    async with database.write(tenant) as session:
        await execute(
            session,
            "UPDATE import_job SET step = 'failed', error = $2 WHERE id = $1 AND step NOT IN ('done', 'cancelled')",
            job_id, error.message,
        )  # fmt: skip


async def _stage(database: Database, tenant: Tenant, job: Job, data_dir: Path, told: Telling) -> None:
    """Copies the file's rows into staging, batch by batch; goes on behind the last row that was committed."""
    if job.mapping["missing"]:
        raise invalid_fields(
            "import.mapping",
            f"Choose the columns for: {', '.join(job.mapping['missing'])}.",
            tuple(FieldError(f, "import.mapping.missing", "No column holds this.") for f in job.mapping["missing"]),
        )
    path, table = await open_kept(data_dir, job, sheet=job.sheet, delimiter=job.mapping["delimiter"] or None)
    async with database.write(tenant) as session:
        locked = await queries.job_for_update(session, job.id)
        if locked.step not in _TO_STAGE:
            # Whoever was faster brought it on since this run looked: its rows are not this one's to clear.
            raise _running()
        staged, after = await queries.staged_upto(session, job.id)
        if locked.step != "staging" or staged != locked.rows_staged:
            await clear(session, job.id)
            await execute(
                session, "UPDATE import_job SET step = 'staging', rows_staged = 0, error = NULL WHERE id = $1", job.id
            )
            staged, after = 0, 0
        known = await queries.lookups(session, job)
        fixes = await queries.fixes(session, job.id)
        meant = await catalogue_queries.known(session, job) if job.kind != "stock" else None
    columns = job.staged
    batches = read_batches(path, table, after=after)

    typed: list[tuple[object, ...]] = []

    def next_batch() -> list[tuple[object, ...]] | list[tuple[UUID, int, *Staged]] | object:
        batch = next(batches, None)
        if batch is None:
            return _END
        if fixes:
            batch = [FileRow(row.number, fixes.get(row.number, row.cells)) for row in batch]
        if meant is not None:
            stage, typed[:] = catalogue.read_batch(job, batch, meant)
            return stage
        batch = [row for row in batch if row.number in fixes or not is_total(row.cells, columns.get("number"))]
        return [(job.id, row.number, *stage_row(row.cells, columns, known)) for row in batch]

    while isinstance(rows := await asyncio.to_thread(next_batch), list):
        async with database.write(tenant) as session:
            locked = await queries.job_for_update(session, job.id)
            if locked.step != "staging" or locked.rows_staged != staged:
                raise _running()
            if meant is not None:
                await catalogue.put(session, rows, typed)
            else:
                await catalogue.put_stock(session, rows)
            staged += len(rows)
            told.at("reading", staged, max(job.rows_total, staged))
            await execute(
                session,
                "UPDATE import_job SET rows_staged = $2, rows_total = greatest(rows_total, $2) WHERE id = $1",
                job.id, staged,
            )  # fmt: skip
    async with database.write(tenant) as session:
        await execute(
            session, "UPDATE import_job SET step = 'staged', rows_total = $2 WHERE id = $1 AND step = 'staging'",
            job.id, staged,
        )  # fmt: skip


async def _begin_long(session: WriteSession, company_id: UUID) -> None:
    """A transaction over a whole file may take longer than a page; one at a time for a company, since each is
    compared with what the one before left."""
    await be_patient(session)
    await execute(session, "SET LOCAL work_mem = '48MB'")
    await bulk_texts(session)
    await queries.imports_for_update(session, company_id)


async def _validate(
    database: Database, tenant: Tenant, job_id: UUID, actor_id: UUID, now: datetime, told: Telling
) -> None:
    async with database.write(tenant) as session:
        job = await queries.job_for_update(session, job_id)
        if job.step != "staged":
            return
        await _begin_long(session, job.company_id)
        told.at("checking")
        rows, _ = await queries.staged_upto(session, job_id)
        if rows < job.rows_staged:
            raise _LostError
        if job.kind != "stock":
            await _check_catalogue(session, job, rows, actor_id, now)
            return
        await execute(session, "DELETE FROM import_issue WHERE job_id = $1", job_id)
        await execute(session, "DELETE FROM import_row WHERE job_id = $1", job_id)
        await execute(session, "DELETE FROM import_vanished WHERE job_id = $1", job_id)
        orders = {field: DateOrder(order) for field, order in job.mapping.get("orders", {}).items()}
        comma = job.mapping.get("comma", False)
        known = await queries.lookups(session, job)
        # Without statistics of rows this young the planner would walk through them in a loop for each other.
        await execute(session, "ANALYZE import_stage (job_id, row_no)")
        await execute(session, typed_rows(job.staged, orders, comma=comma), job_id, job.company_id)
        await execute(session, "ANALYZE import_row (job_id, row_no, site_id, part_id, family, serial)")
        await execute(
            session, issue_rows(job.staged, len(job.mapping["header"]), job.mapping["delimiter"], comma=comma), job_id, job.company_id, now.date(),
            known.maker_words, known.site_words,
        )  # fmt: skip
        told.at("comparing")
        sites = await _compare(session, job)
        await _refuse_older(session, job, sites)
        bad = await fetch_value(session, "SELECT count(*)::int FROM import_row WHERE job_id = $1 AND bad", job_id)
        new = await fetch_value(session, landing.COUNT_NEW, job_id, job.company_id)
        found = await _differences(session, job, sites, matching.NOTE_DIFFERENCES)
        words = await words_read.condition_words(session, job, limit=MAX_CONDITION_WORDS)
        await execute(
            session,
            "UPDATE import_job SET step = 'validated', rows_good = $2, rows_bad = $3, lots_new = $4, lots_changed = $5, "
            "lots_vanished = $6, lots_doubted = $8, error = NULL, "
            "mapping = mapping || jsonb_build_object('condition_words', $7::jsonb, 'without_condition', $9::int) WHERE id = $1",
            job_id, rows - bad, bad, new, found.changed, found.vanished, json.dumps(words), found.doubted,
            await words_read.without_condition(session, job),
        )  # fmt: skip


async def _check_catalogue(session: WriteSession, job: Job, rows: int, actor_id: UUID, now: datetime) -> None:
    await catalogue.begin_check(session, job)
    if job.kind in SHELF:
        await shelf.check(session, job, actor_id, now)
    else:
        await catalogue.check(session, job)
    bad, new, changed, gone = await catalogue.count(session, job)
    await execute(
        session,
        "UPDATE import_job SET step = 'validated', rows_good = $2, rows_bad = $3, lots_new = $4, lots_changed = $5, lots_vanished = $6, "
        "error = NULL WHERE id = $1",
        job.id, rows - bad, bad, new, changed, gone,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _whole_sides(session: WriteSession) -> AsyncIterator[None]:
    """Statements in here join one whole side with another. Rows this young have no statistics, and a planner that
    takes them for a handful loops through one side for each row of the other: hours for a large file."""
    await execute(session, "SET LOCAL enable_nestloop = off")
    yield
    await execute(session, "SET LOCAL enable_nestloop = on")


class _Differences(NamedTuple):
    """Lines that differ, lines that vanished, and of these the ones at sites of which the file names little."""

    changed: int
    vanished: int
    doubted: int


async def _differences(session: WriteSession, job: Job, sites: list[UUID], statement: str) -> _Differences:
    async with _whole_sides(session):
        row = await fetch_one(session, statement, job.id, job.company_id, sites)
    assert row is not None  # noqa: S101 - a count always has a row
    return _Differences(**dict(row))


async def _compare(session: WriteSession, job: Job) -> list[UUID]:
    """Pairs the rows with stock lines and with what the ledger has, and marks the bad ones. Returns the sites."""
    sites = await queries.sites_of_file(session, job.id)
    await execute(session, matching.FORGET_HERE, job.id)
    await execute(session, matching.MARK_BAD, job.id)
    async with _whole_sides(session):
        await execute(session, matching.MATCH, job.id, job.company_id, sites)
        await execute(session, matching.HERE_ALREADY, job.id, job.company_id, sites)
    await execute(session, matching.SERIAL_HERE_ALREADY, job.id, job.company_id)
    await execute(session, matching.LATE_ISSUES, job.id, job.company_id)
    await execute(session, matching.MARK_BAD, job.id)
    return sites


async def _refuse_older(session: WriteSession, job: Job, sites: list[UUID]) -> None:
    newer = await queries.newer_snapshot(session, job.company_id, sites, job.snapshot_on)
    if newer:
        raise conflict(
            "import.older",
            f"The last file for {newer[0]} was of {newer[1]:%d %b %Y}; this one is of {job.snapshot_on:%d %b %Y}. "
            "An older file changes nothing. If the date is wrong, correct it and check the rows again.",
            field="snapshot_on",
        )


async def _land(database: Database, tenant: Tenant, job_id: UUID, actor_id: UUID, now: datetime, told: Telling) -> None:
    try:
        async with database.write(tenant) as session:
            job = await queries.job_for_update(session, job_id)
            if job.step == "done":
                return
            if job.step != "validated":
                raise conflict("import.not_validated", "Validate the file first.")
            told.at("comparing")
            await _begin_long(session, job.company_id)
            if job.rows_bad and job.mode == "all_or_nothing":
                raise all_or_nothing(job.rows_bad)
            if job.kind != "stock":
                if not await catalogue.staged(session, job_id):
                    raise _LostError
                told.at("finishing")
                if job.kind in SHELF:
                    await catalogue.begin_check(session, job)
                    await shelf.land(session, job, actor_id, now)
                else:
                    await catalogue.land(session, job, now)
                return
            if not await fetch_value(session, "SELECT EXISTS (SELECT 1 FROM import_row WHERE job_id = $1)", job_id):
                raise _LostError
            await _write_rows(session, job, actor_id, now, told)
    except UniqueViolationError as error:
        raise conflict(
            "import.changed",
            "The catalogue or the stock changed while this file landed. Nothing was changed; check the rows again.",
        ) from error


def _in_doubt(lines: int) -> DomainError:
    return conflict(
        "import.mostly_gone",
        f"{lines:,} lines on record are not in this file, more than it names at their sites. Say whether it tells of "
        "all stock of its sites (they become proposals to count away) or only of some of it (they stay). Nothing landed.",
        field="covers", gone=lines,
    )  # fmt: skip


async def _write_rows(session: WriteSession, job: Job, actor_id: UUID, now: datetime, told: Telling) -> None:
    key, company = job.id, job.company_id
    # Others may have landed files, bought and sold since this one was validated.
    sites = await _compare(session, job)
    closed = await queries.closed_sites_for_share(session, company, sites)
    if closed:
        raise conflict(
            "import.site_closed",
            f"{', '.join(closed)} {'was' if len(closed) == 1 else 'were'} closed since this file was read. Nothing was "
            "changed. Open the site again under Company, or take its rows out of the file.",
        )
    await _refuse_older(session, job, sites)
    currency = await fetch_value(session, "SELECT currency FROM company WHERE id = $1", company)
    # The file tells about the end of its day; it cannot tell about what has not happened yet.
    happened = min(now, datetime.combine(job.snapshot_on + timedelta(days=1), time(), UTC))
    command = command_id("import.land", key)
    pieces = await words_read.pieces(session, key, _PIECE)
    for done, piece in enumerate(pieces):
        told.at("landing", int(job.rows_good * _PARTS_SHARE * done / len(pieces)), job.rows_good)
        await execute(session, landing.PARTS, key, *piece, currency)
        await execute(session, landing.PART_NUMBERS, key, *piece)
    await texts_done(session)
    new = await fetch_value(session, landing.COUNT_NEW, key, company)
    landed = 0
    for done, piece in enumerate(pieces):
        share = _PARTS_SHARE + _LOTS_SHARE * done / len(pieces)
        told.at("landing", int(job.rows_good * share), job.rows_good)
        tag = await execute(session, landing.LOTS, key, *piece, company, now, happened)
        landed += int(tag.split()[-1])
    if landed != new:
        await execute(session, landing.NOT_LANDED, key, company)
        await execute(session, matching.MARK_BAD, key)
        new = await fetch_value(session, landing.COUNT_NEW, key, company)
    bad = await fetch_value(session, "SELECT count(*)::int FROM import_row WHERE job_id = $1 AND bad", key)
    if bad and job.mode == "all_or_nothing":
        raise all_or_nothing(bad)
    found = await _differences(session, job, sites, matching.PROPOSE)
    if replace(job, lots_doubted=found.doubted).in_doubt:
        raise _in_doubt(found.doubted)
    if new:
        await execute(
            session,
            "INSERT INTO command (command_id, company_id, input_hash, recorded_at) VALUES ($1, $2, $3, clock_timestamp())",
            command, company, hashlib.sha256(job.file_sha256 + key.bytes).digest(),
        )  # fmt: skip
        for done, piece in enumerate(pieces):
            share = _PARTS_SHARE + _LOTS_SHARE + (1 - _PARTS_SHARE - _LOTS_SHARE) * done / len(pieces)
            told.at("landing", int(job.rows_good * share), job.rows_good)
            await execute(session, landing.POSITIONS, key, *piece, company)
            await execute(session, landing.MOVEMENTS, key, *piece, company, now, happened, actor_id, command)
        await execute(session, landing.STOPPED, key, now)
    told.at("finishing")
    async with _whole_sides(session):
        await execute(session, matching.SUPERSEDE, key, company, sites, now, actor_id)
        await execute(session, matching.MARK_VANISHED, key, company, sites, job.snapshot_on)
        await execute(session, matching.update_lines(job.staged), key, company, currency, job.snapshot_on)
        if new:
            await execute(session, landing.LINES, key, company, currency, job.snapshot_on, sites)
    if new > _MANY:
        await execute(session, "ANALYZE stock_line (company_id, site_id, part_id, lot_id, vanished_on)")
    # What the bad rows said stays to be downloaded and corrected; the rest has done its work.
    await execute(
        session,
        "DELETE FROM import_stage s WHERE s.job_id = $1 AND NOT EXISTS "
        "(SELECT 1 FROM import_issue i WHERE i.job_id = $1 AND i.row_no = s.row_no)",
        key,
    )
    await execute(session, "DELETE FROM import_row WHERE job_id = $1", key)
    await execute(session, "DELETE FROM import_vanished WHERE job_id = $1", key)
    await execute(
        session,
        "UPDATE import_job SET step = 'done', rows_good = rows_staged - $2, rows_bad = $2, lots_new = $3, "
        "lots_changed = $4, lots_vanished = $5, lots_doubted = $7, error = NULL, finished_at = $6 WHERE id = $1",
        key, bad, new, found.changed, found.vanished, now, found.doubted,
    )  # fmt: skip
