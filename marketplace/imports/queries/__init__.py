"""Reads of imports. Jobs, issues and proposals are scoped by row level security; staging is keyed by job, and a job's
rows are read only after the job itself was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.imports.columns import CORRECTED, is_corrected
from marketplace.imports.fates import TAKEN_OVER, Change, changes
from marketplace.imports.fields import ONE_OR_OTHER, Field
from marketplace.imports.shapes import ALL_FIELDS, fields_of
from marketplace.imports.staging import KnownMaker, Lookups, build_lookups
from marketplace.imports.values import MAX_CONDITION_WORDS, condition_word
from marketplace.kit.errors import missing

_JOB = """
SELECT j.id, j.company_id, j.kind, j.file_name, j.file_sha256, j.file_size, j.file_path, j.sheet, j.default_site_id,
       s.name AS default_site, j.default_maker, j.snapshot_on, j.mode, j.covers, j.mapping, j.step, j.rows_total, j.rows_staged,
       j.rows_good, j.rows_bad, j.lots_new, j.lots_changed, j.lots_vanished, j.lots_doubted, j.covers_said, j.takes, j.undone_at, j.error, j.created_by, j.created_at,
       j.finished_at, w.phase, w.done AS phase_done, w.total AS phase_total,
       extract(epoch FROM now() - w.began_at)::int AS phase_seconds, extract(epoch FROM now() - w.told_at)::int AS phase_silent
FROM import_job j LEFT JOIN site s ON s.id = j.default_site_id LEFT JOIN import_progress w ON w.job_id = j.id
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One file on its way in. ``mapping`` holds columns (field -> column from 0), header, sample, how to read it."""

    id: UUID
    company_id: UUID
    kind: str
    file_name: str
    file_sha256: bytes
    file_size: int
    file_path: str
    sheet: str | None
    default_site_id: UUID | None
    default_site: str | None
    default_maker: str | None
    snapshot_on: date
    mode: str
    covers: str
    mapping: dict[str, Any]
    step: str
    rows_total: int
    rows_staged: int
    rows_good: int
    rows_bad: int
    lots_new: int
    lots_changed: int
    lots_vanished: int
    lots_doubted: int
    covers_said: bool
    takes: str
    undone_at: datetime | None
    error: str | None
    created_by: UUID
    created_at: datetime
    finished_at: datetime | None
    phase: str | None
    """What the worker is at with it, rows of it, for how long, and how long ago it said so; None where it has nothing to do."""
    phase_done: int | None
    phase_total: int | None
    phase_seconds: int | None
    phase_silent: int | None

    @property
    def running(self) -> bool:
        """Whether it goes on by itself."""
        return self.step in ("staging", "staged") or (self.phase is not None and self.step not in ("done", "cancelled"))

    @property
    def as_on_record(self) -> int:
        """Good rows that say what is on record already."""
        return max(self.rows_good - self.lots_new - self.lots_changed, 0)

    @property
    def in_doubt(self) -> bool:
        """Whether somebody has to say what the file covers before it lands: it names little of what is on record."""
        return self.lots_doubted > 0 and self.covers == "all" and not self.covers_said

    @property
    def fields(self) -> Mapping[str, Field]:
        """What a file of this kind can say."""
        return fields_of(self.kind)

    @property
    def columns(self) -> dict[str, int]:
        """Field -> column, from 0."""
        return dict(self.mapping.get("columns", {}))

    @property
    def staged(self) -> dict[str, int]:
        """Field -> cell of a row as it is staged: a column of serials or batches is staged as two behind the others."""
        found, width = self.columns, len(self.mapping.get("header", ()))
        return found | {"serial": width, "batch": width + 1} if ONE_OR_OTHER in found else found

    @property
    def unused(self) -> list[int]:
        """The file's columns that no field is read from; not those that our own download of bad rows has behind."""
        header, used = self.mapping["header"], set(self.columns.values())
        own = len(header) - len(CORRECTED) if is_corrected(header) else len(header)
        return [column for column in range(own) if column not in used]

    @property
    def unused_names(self) -> list[str]:
        """What those columns are called, or where they stand (from 1) where they have no name."""
        return [self.mapping["header"][c].strip() or f"column {c + 1} without a name" for c in self.unused]

    @property
    def conditions(self) -> dict[str, str]:
        """What the company says its words for conditions mean, by ``values.condition_word``."""
        return dict(self.mapping.get("conditions", {}))

    @property
    def elsewhere(self) -> frozenset[str]:
        """Those of these words whose meaning the company said for files of another shape."""
        return frozenset(self.mapping.get("elsewhere", ()))

    @property
    def without_condition(self) -> int:
        """Good rows of the checked file that say no condition and are taken as ``staging.DEFAULT_CONDITION``."""
        return int(self.mapping.get("without_condition", 0)) if self.step in {"validated", "done"} else 0

    @property
    def condition_words(self) -> list[tuple[str, int | None]]:
        """(word, rows) of the condition column as it was last read, the most frequent first; before the file was read
        those of its first rows, without a number."""
        if "condition_words" in self.mapping:
            return [(word, rows) for word, rows in self.mapping["condition_words"]]
        column = self.columns.get("condition")
        if column is None:
            return []
        cells = (row[column].strip()[:40] for row in self.mapping["sample"] if column < len(row))
        return [(cell, None) for cell in {condition_word(cell): cell for cell in cells if cell}.values()]


def _job(row: asyncpg.Record) -> Job:
    mapping = row["mapping"]
    return Job(**{**dict(row), "mapping": json.loads(mapping) if isinstance(mapping, str) else mapping})


async def job(session: AsyncSession, job_id: UUID) -> Job:
    """One import. Raises ``import.not_found``."""
    row = await fetch_one(session, _JOB + "WHERE j.id = $1", job_id)
    if row is None:
        raise missing("import.not_found", "No such import.")
    return _job(row)


async def job_for_update(session: WriteSession, job_id: UUID) -> Job:
    """Locks an import, then reads it."""
    await fetch(session, "SELECT 1 FROM import_job WHERE id = $1 FOR NO KEY UPDATE", job_id)
    return await job(session, job_id)


async def imports_for_update(session: WriteSession, company_id: UUID) -> None:
    """Makes a company's landings, decisions and counts (holdings.shelf_for_update) take turns: each is compared with what
    the one before left, and what is not on record yet has no row that could be locked."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"imports of {company_id}")


async def jobs(
    session: AsyncSession, company_id: UUID, *, waiting: bool = False, after: UUID | None = None, limit: int = 51
) -> Sequence[Job]:
    """The company's imports, newest first; up to ``limit`` for kit.pages.cut. ``waiting``: with differences to decide."""
    rows = await fetch(
        session,
        _JOB + "WHERE j.company_id = $1 AND ($2::uuid IS NULL OR j.id < $2) AND (NOT $4 OR j.id IN ("
        "SELECT p.job_id FROM import_proposal p WHERE p.company_id = $1 AND p.decided IS NULL)) "
        "ORDER BY j.id DESC LIMIT $3",
        company_id, after, limit, waiting,
    )  # fmt: skip
    return [_job(r) for r in rows]


async def waiting(session: AsyncSession, company_id: UUID) -> int:
    """How many imports have differences that wait for a decision."""
    found: int = await fetch_value(
        session,
        "SELECT count(DISTINCT job_id)::int FROM import_proposal WHERE company_id = $1 AND decided IS NULL",
        company_id,
    )
    return found


async def open_by_job(session: AsyncSession, jobs: Sequence[UUID]) -> dict[UUID, int]:
    """How many differences of each of these imports wait for a decision; those without are left out."""
    rows = await fetch(
        session,
        "SELECT job_id, count(*)::int AS n FROM import_proposal WHERE job_id = ANY($1::uuid[]) AND decided IS NULL "
        "GROUP BY job_id",
        list(jobs),
    )
    return {row["job_id"]: row["n"] for row in rows}


async def same_file(
    session: AsyncSession,
    company_id: UUID,
    sha256: bytes,
    site_id: UUID | None,
    snapshot_on: date,
    covers: str,
    kind: str | None = None,
) -> Job | None:
    """An earlier import of the same bytes for the same site and day (as the same kind, where one is said) that is under way
    or landed whole, and was not undone."""
    row = await fetch_one(
        session,
        _JOB + "WHERE j.company_id = $1 AND j.file_sha256 = $2 AND j.default_site_id IS NOT DISTINCT FROM $3 "
        "AND j.snapshot_on = $4 AND j.covers = $5 AND j.step NOT IN ('failed', 'cancelled') AND NOT (j.step = 'done' AND j.rows_bad > 0) "
        "AND ($6::text IS NULL OR j.kind = $6) AND j.undone_at IS NULL ORDER BY j.id DESC LIMIT 1",
        company_id, sha256, site_id, snapshot_on, covers, kind,
    )  # fmt: skip
    return _job(row) if row else None


@dataclass(frozen=True, slots=True)
class Saved:
    """What a company saved: ``mapping`` field -> header and ``conditions`` word -> condition for files of this shape;
    ``elsewhere`` the same of words that it said nothing about for this shape, but for another, the last time."""

    mapping: dict[str, str]
    conditions: dict[str, str]
    elsewhere: dict[str, str]
    kind: str | None
    """What kind of file it said that files of this shape are."""


async def saved_mapping(session: AsyncSession, company_id: UUID, fingerprint: bytes) -> Saved:
    """What the company saved that helps with files of this shape; empty if nothing."""
    row = await fetch_one(
        session,
        "SELECT mapping, conditions, kind FROM import_mapping WHERE company_id = $1 AND fingerprint = $2",
        company_id,
        fingerprint,
    )
    mapping, conditions = (
        (json.loads(v) if isinstance(v, str) else v for v in (row["mapping"], row["conditions"])) if row else ({}, {})
    )
    others = await fetch(
        session,
        "SELECT word, condition FROM ("
        "  SELECT DISTINCT ON (w.key) w.key AS word, w.value AS condition, m.saved_at FROM import_mapping m "
        "  CROSS JOIN LATERAL jsonb_each_text(m.conditions) w "
        "  WHERE m.company_id = $1 AND m.fingerprint <> $2 AND w.value IS NOT NULL AND w.key <> ALL($3::text[]) "
        "  ORDER BY w.key, m.saved_at DESC"
        ") x ORDER BY saved_at DESC, word LIMIT $4",
        company_id, fingerprint, list(conditions), MAX_CONDITION_WORDS * 4,
    )  # fmt: skip
    return Saved(
        dict(mapping),
        {word: condition for word, condition in conditions.items() if condition},
        {r["word"]: r["condition"] for r in others},
        row["kind"] if row else None,
    )


async def lookups(session: AsyncSession, found: Job) -> Lookups:
    """What the texts of this import's files stand for."""
    makers = await fetch(session, "SELECT id, code, name, company_id FROM maker")
    sites = await fetch(
        session, "SELECT id, code, name FROM site WHERE company_id = $1 AND closed_at IS NULL", found.company_id
    )
    words = await fetch(
        session,
        "SELECT w.word, w.site_id FROM site_word w JOIN site s ON s.id = w.site_id AND s.closed_at IS NULL WHERE w.company_id = $1",
        found.company_id,
    )
    uoms = await fetch(session, "SELECT code, name FROM unit_of_measure")
    return build_lookups(
        company=found.company_id,
        makers=[KnownMaker(r["id"], r["code"], r["name"], r["company_id"] == found.company_id) for r in makers],
        sites=[(r["id"], r["code"], r["name"]) for r in sites],
        uoms=[(r["code"], r["name"]) for r in uoms],
        default_maker=found.default_maker,
        default_site=found.default_site_id,
        conditions=found.conditions,
        site_words={r["word"]: r["site_id"] for r in words},
    )


async def staged_upto(session: AsyncSession, job_id: UUID) -> tuple[int, int]:
    """(rows staged, last row number): where a killed import goes on. (0, 0) also where staging was lost with the
    server, since it is not logged."""
    row = await fetch_one(
        session,
        "SELECT count(*)::int AS rows, coalesce(max(row_no), 0) AS last FROM import_stage WHERE job_id = $1",
        job_id,
    )
    return (row["rows"], row["last"]) if row else (0, 0)


async def sites_of_file(session: AsyncSession, job_id: UUID) -> list[UUID]:
    """The sites the file speaks of."""
    rows = await fetch(
        session, "SELECT DISTINCT site_id FROM import_row WHERE job_id = $1 AND site_id IS NOT NULL ORDER BY 1", job_id
    )
    return [r["site_id"] for r in rows]


async def closed_sites_for_share(session: WriteSession, company_id: UUID, sites: Sequence[UUID]) -> list[str]:
    """The names of those of these sites that are closed; none of them can be closed until this transaction ends."""
    rows = await fetch(
        session,
        "SELECT name, closed_at FROM site WHERE company_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR SHARE",
        company_id, list(sites),
    )  # fmt: skip
    return [r["name"] for r in rows if r["closed_at"] is not None]


async def newer_snapshot(
    session: AsyncSession, company_id: UUID, sites: Sequence[UUID], snapshot_on: date
) -> tuple[str, date] | None:
    """(site, day) of a newer file that has landed for one of these sites."""
    row = await fetch_one(
        session,
        "SELECT s.name, max(k.snapshot_on) AS day FROM stock_line k JOIN site s ON s.id = k.site_id "
        "WHERE k.company_id = $1 AND k.site_id = ANY($2::uuid[]) AND k.snapshot_on > $3 GROUP BY s.name ORDER BY 1 LIMIT 1",
        company_id, list(sites), snapshot_on,
    )  # fmt: skip
    return (row["name"], row["day"]) if row else None


@dataclass(frozen=True, slots=True)
class FateRow:
    """A row of a checked file, or a line on record that it does not name (``line_id`` set, no ``row_no``): what it says,
    and what is otherwise on record. ``here_already``: units of a new line that came to the site by another way."""

    row_no: int | None
    line_id: UUID | None
    fate: str
    number: str
    description: str
    quantity: int | None
    uom: str | None
    site: str | None
    bin: str | None
    condition: str | None
    serial: str | None
    batch: str | None
    here_already: int
    changes: tuple[Change, ...]


# The rows of the page first: what is looked up beside them is looked up for those only.
_FATE_ROWS = """
SELECT r.row_no, r.fate, r.number, coalesce(nullif(r.description, ''), t.description, '') AS description, r.quantity,
       coalesce(t.uom, r.uom) AS uom, s.name AS site, r.bin, r.condition, r.serial, r.batch, r.list_price, r.unit_cost,
       r.here_already, r.was_quantity, r.was_condition, k.id AS known, k.bin AS was_bin, k.list_price AS was_list_price,
       k.unit_cost AS was_unit_cost, coalesce(r.package_quantity, 1) AS package_quantity,
       k.package_quantity AS was_package_quantity, coalesce(r.protected, false) AS protected, k.protected AS was_protected
FROM (SELECT * FROM import_row WHERE {which} LIMIT $3) r
LEFT JOIN part t ON t.id = r.part_id LEFT JOIN site s ON s.id = r.site_id LEFT JOIN stock_line k ON k.id = r.line_id
ORDER BY r.row_no
"""
_GOOD_ROWS = _FATE_ROWS.format(which="job_id = $1 AND NOT bad AND row_no > $2 ORDER BY row_no")
# Bounds instead of equality: a planner that knows other files only might else walk through this one by row number for
# the few rows of a fate (170 ms for 100 among 200,000, against 3).
_ROWS_OF_FATE = _FATE_ROWS.format(
    which="(job_id, fate, row_no) > ($1, $4, $2) AND (job_id, fate) <= ($1, $4) ORDER BY job_id, fate, row_no"
)


async def fate_rows(
    session: AsyncSession, job: Job, fate: str, *, after: int = 0, limit: int = 51
) -> Sequence[FateRow]:
    """Rows of a checked file with this fate (fates.IN_FILE), in the order of the file."""
    args, said = (job.id, after, limit), frozenset(job.staged)
    if fate == "good":
        rows = await fetch(session, _GOOD_ROWS, *args)
    else:
        rows = await fetch(session, _ROWS_OF_FATE, *args, fate)
    return [_fate_row(r, said) for r in rows]


def _fate_row(r: asyncpg.Record, said: frozenset[str]) -> FateRow:
    told = [("quantity", r["was_quantity"], r["quantity"], True)] if r["was_quantity"] is not None else []
    told += [("condition", r["was_condition"], r["condition"], True)] if r["was_condition"] is not None else []
    if r["known"]:
        told += [(f, r[f"was_{f}"], r[f], False) for f in TAKEN_OVER if f in said]
    return FateRow(
        row_no=r["row_no"], line_id=None, fate=r["fate"], number=r["number"], description=r["description"],
        quantity=r["quantity"], uom=r["uom"], site=r["site"], bin=r["bin"], condition=r["condition"], serial=r["serial"],
        batch=r["batch"], here_already=r["here_already"], changes=changes(told),
    )  # fmt: skip


async def vanished_lines(
    session: AsyncSession, job_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[FateRow]:
    """Lines on record that a checked file does not name, the oldest first."""
    rows = await fetch(
        session,
        "SELECT v.line_id, t.number, t.description, v.quantity, t.uom, s.name AS site, k.bin, k.condition, k.serial, k.batch "
        "FROM (SELECT line_id, quantity FROM import_vanished WHERE job_id = $1 AND ($2::uuid IS NULL OR line_id > $2) "
        "ORDER BY line_id LIMIT $3) v JOIN stock_line k ON k.id = v.line_id JOIN part t ON t.id = k.part_id "
        "JOIN site s ON s.id = k.site_id ORDER BY v.line_id",
        job_id, after, limit,
    )  # fmt: skip
    return [FateRow(row_no=None, fate="vanished", here_already=0, changes=(), **dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class IssueRow:
    """One thing wrong with one row."""

    row_no: int
    field: str
    code: str
    message: str
    value: str


async def issues(
    session: AsyncSession, job_id: UUID, *, after: tuple[int, str] | None = None, limit: int = 51
) -> Sequence[IssueRow]:
    """Issues in the order of the file."""
    rows = await fetch(
        session,
        "SELECT row_no, field, code, message, value FROM import_issue WHERE job_id = $1 "
        "AND ($2::int IS NULL OR (row_no, field) > ($2, $3)) ORDER BY row_no, field LIMIT $4",
        job_id, after[0] if after else None, after[1] if after else None, limit,
    )  # fmt: skip
    return [IssueRow(**dict(r)) for r in rows]


async def issue_summary(session: AsyncSession, job_id: UUID, *, limit: int = 20) -> Sequence[tuple[str, str, int, str]]:
    """(field, code, rows, an example): what goes wrong most."""
    rows = await fetch(
        session,
        "SELECT field, code, count(*)::int AS rows, min(message) AS example FROM import_issue WHERE job_id = $1 "
        "GROUP BY field, code ORDER BY 3 DESC, 1, 2 LIMIT $2",
        job_id, limit,
    )  # fmt: skip
    return [(r["field"], r["code"], r["rows"], r["example"]) for r in rows]


async def bad_rows(
    session: AsyncSession, job_id: UUID, *, after: int = 0, limit: int = 500, rows: Sequence[int] | None = None
) -> Sequence[tuple[int, list[str], str]]:
    """(row, its cells as they were, all its problems in words with their columns), in the order of the file; with ``rows``
    only those."""
    found = await fetch(
        session,
        "SELECT i.row_no, s.cells, i.fields, i.messages FROM ("
        "  SELECT row_no, array_agg(field ORDER BY field) AS fields, array_agg(message ORDER BY field) AS messages "
        "  FROM import_issue "
        "  WHERE job_id = $1 AND row_no > $2 AND ($4::int[] IS NULL OR row_no = ANY($4)) "
        "  GROUP BY row_no ORDER BY row_no LIMIT $3"
        ") i LEFT JOIN import_stage s ON s.job_id = $1 AND s.row_no = i.row_no ORDER BY i.row_no",
        job_id, after, limit, list(rows) if rows is not None else None,
    )  # fmt: skip
    return [(r["row_no"], list(r["cells"] or ()), " ".join(map(_in_column, r["fields"], r["messages"]))) for r in found]


async def issues_of(session: AsyncSession, job_id: UUID, rows: Sequence[int]) -> dict[int, dict[str, str]]:
    """Row -> field -> what is wrong with it, of these rows."""
    found: dict[int, dict[str, str]] = {}
    for r in await fetch(
        session, "SELECT row_no, field, message FROM import_issue WHERE job_id = $1 AND row_no = ANY($2::int[]) ORDER BY row_no, field",
        job_id, list(rows),
    ):  # fmt: skip
        found.setdefault(r["row_no"], {})[r["field"]] = r["message"]
    return found


async def fixes(session: AsyncSession, job_id: UUID) -> dict[int, list[str]]:
    """Row -> its cells, of the rows that were corrected on the page."""
    rows = await fetch(session, "SELECT row_no, cells FROM import_fix WHERE job_id = $1", job_id)
    return {r["row_no"]: list(r["cells"]) for r in rows}


def _in_column(field: str, message: str) -> str:
    """A problem with the column it is about, as whoever mends the file needs it."""
    known = ALL_FIELDS.get(field)
    return f"{known.label}: {message}" if known else message


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A difference between a file and the ledger. ``applicable``: by how much accepting changes the ledger;
    ``shortage``: what is listed, reserved or under agreement and so is only shown."""

    id: UUID
    job_id: UUID
    stock_line_id: UUID | None
    lot_id: UUID | None
    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    site: str
    kind: str
    quantity_before: int
    quantity_file: int
    applicable: int
    shortage: int
    detail: dict[str, Any]
    decided: str | None
    decided_at: datetime | None


async def proposals(
    session: AsyncSession,
    job_id: UUID,
    *,
    undecided: bool = False,
    kinds: Sequence[str] | None = None,
    after: UUID | None = None,
    limit: int = 51,
    ids: Sequence[UUID] | None = None,
) -> Sequence[ProposalRow]:
    """Proposals of an import in the order of the file; with ``ids`` only those."""
    rows = await fetch(
        session,
        "SELECT p.id, p.job_id, p.stock_line_id, p.lot_id, p.part_id, t.number AS part_number, t.description, t.uom, "
        "p.site_id, s.name AS site, p.kind, p.quantity_before, p.quantity_file, p.applicable, p.shortage, p.detail, "
        "p.decided, p.decided_at "
        "FROM import_proposal p JOIN part t ON t.id = p.part_id JOIN site s ON s.id = p.site_id "
        "WHERE p.job_id = $1 AND (NOT $2 OR p.decided IS NULL) AND ($3::uuid IS NULL OR p.id > $3) "
        "AND ($4::uuid[] IS NULL OR p.id = ANY($4)) AND ($6::text[] IS NULL OR p.kind = ANY($6)) ORDER BY p.id LIMIT $5",
        job_id, undecided, after, list(ids) if ids is not None else None, limit, list(kinds) if kinds is not None else None,
    )  # fmt: skip
    return [
        ProposalRow(**{**dict(r), "detail": json.loads(r["detail"]) if isinstance(r["detail"], str) else r["detail"]})
        for r in rows
    ]


async def open_proposals(
    session: AsyncSession, job_id: UUID, kinds: Sequence[str], *, besides: Sequence[UUID], limit: int
) -> list[UUID]:
    """Undecided proposals of these kinds, in the order of the file, without those in ``besides``."""
    if not kinds:
        return []
    rows = await fetch(
        session,
        "SELECT id FROM import_proposal WHERE job_id = $1 AND decided IS NULL AND kind = ANY($2::text[]) "
        "AND id <> ALL($3::uuid[]) ORDER BY id LIMIT $4",
        job_id, list(kinds), list(besides), limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def count_open(session: AsyncSession, job_id: UUID) -> dict[str, int]:
    """How many proposals of each kind are undecided."""
    rows = await fetch(
        session,
        "SELECT kind, count(*)::int AS n FROM import_proposal WHERE job_id = $1 AND decided IS NULL GROUP BY kind",
        job_id,
    )
    return {row["kind"]: row["n"] for row in rows}


async def proposals_for_update(session: WriteSession, job_id: UUID, ids: Sequence[UUID]) -> Sequence[ProposalRow]:
    """Locks proposals in id order, then reads them."""
    await fetch(
        session,
        "SELECT id FROM import_proposal WHERE job_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE",
        job_id, sorted(ids),
    )  # fmt: skip
    return await proposals(session, job_id, ids=ids, limit=len(ids))


async def lots_for_update(session: WriteSession, lots: Sequence[UUID]) -> None:
    """Locks lots in id order, so that what stands on them can be read and stays so."""
    await fetch(
        session, "SELECT lot_id FROM lot WHERE lot_id = ANY($1::uuid[]) ORDER BY lot_id FOR NO KEY UPDATE",
        sorted(set(lots)),
    )  # fmt: skip


async def counted_since(session: WriteSession, found: Job, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these proposals whose place was counted after what the file tells: the end of its day, or when it landed
    if that was before."""
    rows = await fetch(
        session,
        "SELECT p.id FROM import_proposal p JOIN stock_count c ON c.holder_id = p.company_id AND c.site_id = p.site_id "
        "AND c.part_id = p.part_id WHERE p.id = ANY($1::uuid[]) AND c.counted_at > least($2::timestamptz, $3::timestamptz)",
        list(ids), found.finished_at, datetime.combine(found.snapshot_on + timedelta(days=1), time(), UTC),
    )  # fmt: skip
    return {row["id"] for row in rows}


async def moved_since(session: WriteSession, found: Job, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Those of these proposals of whose line units have left the place since the file landed (sold, used, moved), and how
    many are still there, promised or not. The lots are locked."""
    rows = await fetch(
        session,
        """
        SELECT p.id, coalesce((
            SELECT sum(h.quantity) FROM position h
            WHERE h.lot_id = p.lot_id AND h.site_id = p.site_id AND h.holder_id = p.company_id), 0)::int AS there
        FROM import_proposal p
        WHERE p.id = ANY($1::uuid[]) AND p.kind <> 'more' AND EXISTS (
            SELECT 1 FROM movement m JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
            LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
            WHERE m.lot_id = p.lot_id AND m.recorded_at > $2 AND f.site_id = p.site_id AND f.holder_id = p.company_id
              AND (t.site_id, t.holder_id) IS DISTINCT FROM (f.site_id, f.holder_id)
              AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift'))
        """,
        list(ids), found.finished_at,
    )  # fmt: skip
    return {row["id"]: row["there"] for row in rows}


@dataclass(frozen=True, slots=True)
class Shelf:
    """A position of a lot at a site in the company's own hands: how many may be counted away."""

    lot_id: UUID
    position_id: int
    site_id: UUID
    condition: str
    quantity: int
    loose: int


async def shelves(session: AsyncSession, company_id: UUID, lots: Sequence[UUID]) -> Sequence[Shelf]:
    """Own, unencumbered positions of these lots; ``loose`` is neither reserved nor listed. The lots are locked."""
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.site_id, p.condition, p.quantity, greatest(p.quantity - p.held - coalesce(("
        "  SELECT sum(b.quantity) FROM listing_lot b WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id), 0), "
        "0)::int AS loose FROM position p WHERE p.lot_id = ANY($2::uuid[]) AND p.owner_id = $1 AND p.holder_id = $1 "
        "AND p.agreement_id IS NULL AND p.site_id IS NOT NULL ORDER BY p.lot_id, p.position_id",
        company_id, list(lots),
    )  # fmt: skip
    return [Shelf(**dict(r)) for r in rows]
