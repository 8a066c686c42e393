"""Reads of catalogue files: what their texts stand for, what would change, what did, and what could not be taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, execute, fetch, fetch_one, fetch_value
from marketplace.imports import catalogue_sql as sql
from marketplace.imports.catalogue_rows import FieldChange, Known, field_changes
from marketplace.imports.queries import Job, lookups


async def known(session: AsyncSession, found: Job) -> Known:
    """What this file's texts stand for, and what is meant where it says nothing."""
    classes = await fetch(session, "SELECT code, name FROM part_class")
    company = await fetch_one(
        session,
        "SELECT c.currency, (SELECT s.timezone FROM site s WHERE s.company_id = c.id AND s.closed_at IS NULL ORDER BY s.id LIMIT 1) "
        "AS zone FROM company c WHERE c.id = $1",
        found.company_id,
    )
    assert company is not None  # noqa: S101 - an import is of a company
    return Known(
        await lookups(session, found),
        {r["name"].casefold(): r["code"] for r in classes} | {r["code"].casefold(): r["code"] for r in classes},
        company["currency"], found.snapshot_on, frozenset(available_timezones()), company["zone"] or "UTC",
    )  # fmt: skip


async def targets_for_update(session: WriteSession, found: Job) -> None:
    """Locks what this file changes, in id order: parts or sites. Nobody changes them until this transaction ends."""
    table = "site" if found.kind == "sites" else "part"
    await fetch(
        session,
        f"SELECT id FROM {table} WHERE id IN (SELECT target_id FROM catalogue_row WHERE job_id = $1) ORDER BY id "
        "FOR NO KEY UPDATE",
        found.id,
    )


async def changed_for_update(session: WriteSession, found: Job) -> list[UUID]:
    """Locks what an import made or changed, in id order, also against whoever would refer to it; the ids of what it made."""
    table = "site" if found.kind == "sites" else "part"
    await fetch(
        session,
        f"SELECT id FROM {table} WHERE id IN (SELECT target_id FROM catalogue_change WHERE job_id = $1 AND act <> 'new') ORDER BY id "
        "FOR NO KEY UPDATE",
        found.id,
    )
    if found.kind not in ("parts", "sites"):
        return []
    rows = await fetch(
        session,
        f"SELECT id FROM {table} WHERE id IN (SELECT target_id FROM catalogue_change WHERE job_id = $1 AND act = 'new') ORDER BY id "
        "FOR UPDATE",  # plain FOR UPDATE: a foreign key to what goes must wait too
        found.id,
    )
    return [r["id"] for r in rows]


async def links(session: AsyncSession, job_id: UUID, *, fate: str = "good") -> Sequence[tuple[int, UUID, UUID]]:
    """(row, old, new) of the rows with this fate that say a supersession, in the order of the file."""
    rows = await fetch(
        session,
        "SELECT row_no, target_id, other_id FROM catalogue_row WHERE job_id = $1 AND fate = $2 AND key = 'supersession' ORDER BY row_no",
        job_id, fate,
    )  # fmt: skip
    return [(r[0], r[1], r[2]) for r in rows]


async def link_changes(session: AsyncSession, job_id: UUID, *, act: str) -> Sequence[tuple[int, UUID, UUID]]:
    """(row, old, new) of the supersessions that an import made ('new') or ended ('vanished') and that are to be undone."""
    rows = await fetch(
        session,
        "SELECT row_no, target_id, other_id FROM catalogue_change WHERE job_id = $1 AND act = $2 AND key = 'supersession' "
        "AND undone = 'undone' ORDER BY row_no",
        job_id, act,
    )  # fmt: skip
    return [(r[0], r[1], r[2]) for r in rows]


async def parts_of(session: AsyncSession, job_id: UUID) -> list[UUID]:
    """Parts that an import changed."""
    rows = await fetch(session, "SELECT DISTINCT target_id FROM catalogue_change WHERE job_id = $1", job_id)
    return [r[0] for r in rows]


async def tally(session: AsyncSession, job_id: UUID) -> dict[str, int]:
    """How many rows have each fate."""
    rows = await fetch(
        session, "SELECT fate, count(*)::int AS n FROM catalogue_row WHERE job_id = $1 GROUP BY fate", job_id
    )
    return {r["fate"]: r["n"] for r in rows}


async def referred_to(session: AsyncSession, kind: str, ids: Sequence[UUID]) -> list[UUID]:
    """Those of these parts or sites that something refers to, whoever's it is."""
    rows = await fetch(session, "SELECT DISTINCT referred_to($1, $2::uuid[]) AS id", kind, list(ids))
    return [r["id"] for r in rows]


@dataclass(frozen=True, slots=True)
class CatalogueRowOut:
    """A row of a catalogue file with what it would change; ``row_no`` is negative for what the file leaves out."""

    row_no: int
    fate: str
    number: str
    other: str
    key: str
    description: str
    changes: tuple[FieldChange, ...]
    undone: str | None = None
    kept_because: str | None = None


def _loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


async def catalogue_rows(
    session: AsyncSession, job_id: UUID, fate: str, *, after: int | None = None, limit: int = 51
) -> Sequence[CatalogueRowOut]:
    """Rows of a checked catalogue file with this fate, in the order of the file; 'good' is new, changed and same."""
    which = ("new", "changed", "same") if fate == "good" else (fate,)
    rows = await fetch(
        session,
        "SELECT r.row_no, r.fate, r.number, r.other, r.key, r.before, r.after, coalesce(p.description, r.says->>'description', r.says->>'name', '') "
        "AS description FROM (SELECT * FROM catalogue_row WHERE job_id = $1 AND fate = ANY($2::text[]) AND ($3::int IS NULL OR row_no > $3) "
        "ORDER BY row_no LIMIT $4) r LEFT JOIN part p ON p.id = r.target_id ORDER BY r.row_no",
        job_id, list(which), after, limit,
    )  # fmt: skip
    return [_row(r, r["fate"], r["description"]) for r in rows]


def _row(r: Any, fate: str, description: str, undone: str | None = None, why: str | None = None) -> CatalogueRowOut:
    return CatalogueRowOut(
        r["row_no"], fate, r["number"], r["other"], r["key"], description,
        field_changes(_loaded(r["before"]), _loaded(r["after"])), undone, why,
    )  # fmt: skip


async def kept(
    session: AsyncSession, job_id: UUID, *, after: int | None = None, limit: int = 51
) -> Sequence[CatalogueRowOut]:
    """What could not be taken back of an import that was undone, and why, in the order of the file."""
    rows = await fetch(
        session,
        "SELECT row_no, act, number, other, key, before, after, undone, kept_because FROM catalogue_change "
        "WHERE job_id = $1 AND undone IN ('partly', 'kept') AND ($2::int IS NULL OR row_no > $2) ORDER BY row_no LIMIT $3",
        job_id, after, limit,
    )  # fmt: skip
    return [_row(r, r["act"], "", r["undone"], r["kept_because"]) for r in rows]


async def undone(session: AsyncSession, job_id: UUID) -> dict[str, int]:
    """How many changes of an import were undone, partly, or kept."""
    rows = await fetch(
        session,
        "SELECT undone, count(*)::int AS n FROM catalogue_change WHERE job_id = $1 AND undone IS NOT NULL GROUP BY 1",
        job_id,
    )
    return {r["undone"]: r["n"] for r in rows}


@dataclass(frozen=True, slots=True)
class StockChange:
    """What an import wrote to the ledger of one lot: ``seq`` of the movement, what happened to the lot ``since``."""

    lot_id: UUID
    seq: int
    kind: str
    quantity: int
    last_seq: int
    number: str
    serial: str | None
    since: str | None
    listed: int | None


async def stock_for_update(session: WriteSession, job_id: UUID, company_id: UUID) -> Sequence[StockChange]:
    """Locks the lots that an import registered or counted, in id order, then reads what it wrote last to each of them, newest
    first, without what was corrected already."""
    await fetch(
        session,
        "SELECT l.lot_id FROM lot l WHERE l.lot_id IN (SELECT m.lot_id FROM movement m WHERE m.company_id = $2 AND m.cause_kind = 'import' "
        "AND m.cause_id = $1) ORDER BY l.lot_id FOR NO KEY UPDATE",
        job_id, company_id,
    )  # fmt: skip
    rows = await fetch(
        session,
        """
        SELECT m.lot_id, m.seq, m.kind, m.quantity, l.last_seq, t.number, l.serial, (
            SELECT n.kind FROM movement n WHERE n.lot_id = m.lot_id AND n.seq > m.seq
            AND n.cause_id IS DISTINCT FROM $1 ORDER BY n.seq LIMIT 1) AS since,
            (SELECT sum(b.quantity)::int FROM listing_lot b WHERE b.lot_id = m.lot_id) AS listed
        FROM movement m JOIN lot l ON l.lot_id = m.lot_id JOIN part t ON t.id = l.part_id
        WHERE m.company_id = $2 AND m.cause_kind = 'import' AND m.cause_id = $1 AND m.kind <> 'correct'
        AND NOT EXISTS (SELECT 1 FROM movement c WHERE c.lot_id = m.lot_id AND c.corrects = m.seq)
        ORDER BY m.lot_id, m.seq DESC
        """,
        job_id, company_id,
    )  # fmt: skip
    return [StockChange(**dict(r)) for r in rows]


async def keep_changes(session: WriteSession, found: Job) -> None:
    """Keeps what the rows of a file change, with the values before: by it the import is undone."""
    await execute(session, sql.KEEP_CHANGES, found.id, found.company_id)


async def end_landing(
    session: WriteSession, found: Job, *, bad: int, new: int, changed: int, gone: int, now: datetime
) -> None:
    """Ends an import that has landed: what its bad rows said stays to be corrected, the other rows have done their work."""
    await execute(
        session,
        "DELETE FROM import_stage s WHERE s.job_id = $1 AND NOT EXISTS "
        "(SELECT 1 FROM import_issue i WHERE i.job_id = $1 AND i.row_no = s.row_no)",
        found.id,
    )
    await execute(session, "DELETE FROM catalogue_row WHERE job_id = $1", found.id)
    await execute(
        session,
        "UPDATE import_job SET step = 'done', rows_good = rows_staged - $2, rows_bad = $2, lots_new = $3, lots_changed = $4, "
        "lots_vanished = $5, error = NULL, finished_at = $6 WHERE id = $1",
        found.id, bad, new, changed, gone, now,
    )  # fmt: skip


async def due_day(session: AsyncSession) -> date:
    """Today, as the database has it."""
    day: date = await fetch_value(session, "SELECT (now() AT TIME ZONE 'UTC')::date")
    return day
