"""Files of parts, supersessions, prices, sites and other numbers: staged beside their cells, compared, landed.

Each works on all rows at once in a constant number of statements. Checking again is the same as checking: landing does it under
the locks of what the file changes, so that what lands is what the record then lacks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.db.session import WriteSession, driver, execute, fetch_value, texts_done
from marketplace.imports import catalogue_sql as sql
from marketplace.imports import shelf_rows
from marketplace.imports.catalogue_rows import CLEARED, READERS, Chains, Known, is_total, read_row
from marketplace.imports.fates import all_or_nothing
from marketplace.imports.files.tables import FileRow
from marketplace.imports.queries import Job
from marketplace.imports.queries import catalogue as queries
from marketplace.imports.values import DateOrder
from marketplace.parts import queries as parts

_COLUMNS = ("job_id", "row_no", "maker_id", "number", "number_norm", "other", "other_norm", "key", "says", "issues")
_STAGE_COLUMNS = (
    "job_id", "row_no", "cells", "maker_id", "site_id", "uom", "condition", "number_norm", "lot_id",
)  # fmt: skip
_MANY = 1_000


async def put_stock(session: WriteSession, rows: Sequence[tuple[object, ...]]) -> None:
    """Copies rows of a stock file into staging."""
    await (await driver(session)).copy_records_to_table("import_stage", records=rows, columns=_STAGE_COLUMNS)


def read_batch(
    job: Job, rows: Sequence[FileRow], known: Known, *, all_rows: bool = False
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """(rows of import_stage, rows of catalogue_row) of a piece of the file; totals below the rows are no rows, but of
    ``all_rows``."""
    columns, width = job.columns, len(job.mapping["header"])
    orders = {field: DateOrder(order) for field, order in job.mapping.get("orders", {}).items()}
    comma = job.mapping.get("comma", False)
    number = columns.get("code" if job.kind == "sites" else "number")
    reader = shelf_rows.READERS.get(job.kind) or READERS[job.kind]
    stage: list[tuple[object, ...]] = []
    typed: list[tuple[object, ...]] = []
    for row in rows:
        if not all_rows and is_total(row.cells, number):
            continue
        cells, read = read_row(reader, row.cells, columns, orders, known, width, comma=comma)
        stage.append((job.id, row.number, cells))
        typed.append((job.id, row.number, *read))
    return stage, typed


async def put(session: WriteSession, stage: Sequence[tuple[object, ...]], typed: Sequence[tuple[object, ...]]) -> None:
    """Copies a piece of the file into staging."""
    raw = await driver(session)
    await raw.copy_records_to_table("import_stage", records=stage, columns=("job_id", "row_no", "cells"))
    await raw.copy_records_to_table("catalogue_row", records=typed, columns=_COLUMNS)


async def begin_check(session: WriteSession, job: Job) -> None:
    """Forgets what an earlier check found; what is wrong with rows by themselves stands."""
    await execute(session, "DELETE FROM import_issue WHERE job_id = $1", job.id)
    await execute(session, sql.FORGET_VANISHED, job.id)
    await execute(session, "ANALYZE catalogue_row")
    await execute(session, sql.ISSUES, job.id, job.company_id)


async def check(session: WriteSession, job: Job) -> None:
    """What becomes of each row: bad with reasons, new, changed, as on record; and what the file leaves out. After
    ``begin_check``."""
    key, company = job.id, job.company_id
    await execute(session, sql.resolve(job.kind), key, company)
    for statement in sql.issues(job.kind):
        await execute(session, statement, key, company)
    await execute(session, sql.MARK_BAD, key)
    await execute(session, sql.TWICE, key, company)
    await execute(session, sql.MARK_BAD, key)
    await execute(session, sql.REPEATED, key)
    if job.kind == "supersessions":
        if job.takes == "replace":
            await execute(session, sql.VANISHED_LINKS, key, company)
        await _refuse_circles(session, job)
    cleared = {f: empty for f, empty in CLEARED[job.kind].items() if f in job.columns} if job.takes == "replace" else {}
    if "weight_kg" in job.columns and job.takes == "replace":
        cleared["weight_grams"] = None
    await execute(session, sql.fates(job.kind), key, json.dumps(cleared), job.takes == "add")


async def _refuse_circles(session: WriteSession, job: Job) -> None:
    """Rows whose link would lead back to where it began, over the file's own links and those on record, are bad: the first of
    a circle stands, the one that closes it does not."""
    ended = set()
    if job.takes == "replace":
        ended = {(old, new) for _, old, new in await queries.links(session, job.id, fate="vanished")}
    chains = Chains(
        (old, new) for old, new, _ in await parts.supersessions_for_update(session) if (old, new) not in ended
    )
    circles = [row for row, old, new in await queries.links(session, job.id) if not chains.add(old, new)]
    if circles:
        await execute(
            session,
            "INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value) "
            "SELECT $1::uuid, r.row_no, 'other', $2::uuid, 'supersession.circle', "
            "format('That would lead in a circle: %s is itself replaced, step by step, by %s.', left(r.other, 40), left(r.number, 40)), "
            "left(r.other, 200) FROM catalogue_row r WHERE r.job_id = $1 AND r.row_no = ANY($3::int[]) "
            "ON CONFLICT (job_id, row_no, field) DO NOTHING",
            job.id, job.company_id, circles,
        )  # fmt: skip
        await execute(session, sql.MARK_BAD, job.id)


async def count(session: WriteSession, job: Job) -> tuple[int, int, int, int]:
    """(bad, new, changed, vanished) rows of a checked file."""
    many = await queries.tally(session, job.id)
    return many.get("bad", 0), many.get("new", 0), many.get("changed", 0), many.get("vanished", 0)


async def land(session: WriteSession, job: Job, now: datetime) -> None:
    """Brings the record to the good rows, and keeps what was there before. Raises ``import.bad_rows``."""
    key, company = job.id, job.company_id
    await execute(session, sql.resolve(job.kind), key, company)
    await queries.targets_for_update(session, job)
    await begin_check(session, job)
    await check(session, job)
    bad, new, changed, gone = await count(session, job)
    if bad and job.mode == "all_or_nothing":
        raise all_or_nothing(bad)
    if job.kind in ("parts", "sites"):
        await execute(session, sql.MAKE_IDS, key)
    if job.kind == "supersessions":
        await execute(session, sql.EFFECTIVE, key, job.snapshot_on)
    await queries.keep_changes(session, job)
    about = await queries.parts_of(session, key) if job.kind in ("parts", "prices") else []
    if job.kind == "prices":
        await execute(session, sql.FIRST_PRICES, about)
    zone = (await queries.known(session, job)).zone if job.kind == "sites" else ""
    for statement in sql.write(job.kind):
        more = (company, zone) if "$3" in statement else ()
        await execute(session, statement, key, *more)
    await texts_done(session)
    if job.kind == "prices":
        await execute(session, sql.PRICES_OF_THE_DAY, about, now.date())
    if job.kind == "parts":
        await execute(session, sql.PRICES_AS_SAID, about, job.snapshot_on)
    if new > _MANY and job.kind == "parts":
        await execute(session, "ANALYZE part (maker_id, number_norm)")
    await queries.end_landing(session, job, bad=bad, new=new, changed=changed, gone=gone, now=now)


async def bring_prices_up_to_date(session: WriteSession, now: datetime) -> None:
    """Prices whose day has come become their parts' own."""
    await execute(session, sql.PRICES_DUE, now.date())


async def staged(session: WriteSession, job_id: UUID) -> bool:
    """Whether a file's rows are still there to land: staging is lost with a server that goes down."""
    there: bool = await fetch_value(session, "SELECT EXISTS (SELECT 1 FROM catalogue_row WHERE job_id = $1)", job_id)
    return there
