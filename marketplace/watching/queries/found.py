"""Reads of what the watch found: runs, rows, holders, findings, and what stands behind one part."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.watching.reckoning import Setting

_RUN = (
    "SELECT r.id, r.company_id, r.currency, r.state, r.attempt, r.error, r.setting, r.totals, r.asked_by, r.created_at, r.finished_at "
    "FROM watch_run r "
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run of the watch; ``totals`` as ``reckoning.totals``."""

    id: UUID
    company_id: UUID
    currency: str
    state: str
    attempt: int
    error: str | None
    setting: Mapping[str, Any] | None
    totals: Mapping[str, Any] | None
    asked_by: UUID | None
    created_at: datetime
    finished_at: datetime | None


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _run(r: asyncpg.Record) -> RunRow:
    return RunRow(**{**dict(r), "setting": _read(r["setting"]), "totals": _read(r["totals"])})


async def setting_of(session: AsyncSession, company_id: UUID) -> Setting:
    """What the company's watch looks for; the usual where it has said nothing."""
    r = await fetch_one(
        session,
        "SELECT horizon, ordinary_bp, important_bp, vital_bp, lapse_months, missing_times FROM watch_setting WHERE company_id = $1",
        company_id,
    )
    if r is None:
        return Setting()
    ordinary, important, vital = (
        None if r[f"{n}_bp"] is None else r[f"{n}_bp"] / 10_000 for n in ("ordinary", "important", "vital")
    )
    return Setting(r["horizon"], (ordinary, important, vital), r["lapse_months"], r["missing_times"])


async def run(session: AsyncSession, company_id: UUID, run_id: UUID) -> RunRow:
    """One run. Raises ``watch.not_found``."""
    found = await fetch_one(session, _RUN + "WHERE r.id = $1 AND r.company_id = $2", run_id, company_id)
    if found is None:
        raise missing("watch.not_found", "No such run of the watch.")
    return _run(found)


async def run_for_update(session: WriteSession, company_id: UUID, run_id: UUID) -> RunRow:
    """The same, locked."""
    await fetch(
        session, "SELECT 1 FROM watch_run WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE", run_id, company_id
    )
    return await run(session, company_id, run_id)


async def runs(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[RunRow]:
    """The company's runs, newest first."""
    found = await fetch(
        session,
        _RUN + "WHERE r.company_id = $1 AND ($2::uuid IS NULL OR r.id < $2) ORDER BY r.id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [_run(r) for r in found]


async def latest(session: AsyncSession, company_id: UUID) -> RunRow | None:
    """The newest run that is done, whose rows are there."""
    found = await fetch_one(
        session,
        _RUN + "WHERE r.company_id = $1 AND r.state = 'done' ORDER BY r.id DESC LIMIT 1",
        company_id,
    )
    return _run(found) if found else None


async def going_for_update(session: WriteSession, company_id: UUID, since: datetime) -> bool:
    """Whether a run is under way that began lately. Two who ask at once take turns."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"watch of {company_id}")
    return bool(
        await fetch_value(
            session,
            "SELECT EXISTS (SELECT 1 FROM watch_run WHERE company_id = $1 AND state IN ('waiting', 'running') AND created_at > $2)",
            company_id, since,
        )
    )  # fmt: skip


# -- rows --------------------------------------------------------------------------------------------------

_ROW = """
SELECT w.part_id, p.number AS part_number, p.description, p.uom, w.own, w.coming, w.pool, w.firm_pool, w.floor, w.holders, w.lapsing,
       w.call_units, w.level, w.flags, w.notes, w.money, w.cost, w.call_price, w.call_cost, w.rate, w.decline, w.use_rate, w.lapses_in, w.least,
       w.sure, w.call_sure, w.unmet, w.call_unmet, w.cover_1, w.cover_5, w.cover_10, w.cover_20, w.firm_1, w.firm_5, w.firm_10, w.firm_20,
       w.alone_1, w.alone_5, w.alone_10, w.alone_20, q.id AS requisition_id, q.reference AS requisition, q.status AS requisition_status
FROM watch_row w JOIN part p ON p.id = w.part_id
LEFT JOIN watch_request x ON x.run_id = w.run_id AND x.part_id = w.part_id LEFT JOIN requisition q ON q.id = x.requisition_id
"""


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part as a run found it; figures that are not known are NaN."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    own: int
    coming: int
    pool: int
    firm_pool: int
    floor: int
    holders: int
    lapsing: int
    call_units: int
    level: int
    flags: int
    notes: int
    money: float
    cost: float
    call_price: float
    call_cost: float
    rate: float
    decline: float
    use_rate: float
    lapses_in: float
    least: float
    sure: float
    call_sure: float
    unmet: float
    call_unmet: float
    cover_1: float
    cover_5: float
    cover_10: float
    cover_20: float
    firm_1: float
    firm_5: float
    firm_10: float
    firm_20: float
    alone_1: float
    alone_5: float
    alone_10: float
    alone_20: float
    requisition_id: UUID | None
    requisition: str | None
    requisition_status: str | None


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows; None is no filter. ``found``: any of these findings; ``everything``: also parts without one."""

    found: int = 0
    level: int | None = None
    to_call: bool = False
    number: str | None = None
    everything: bool = False


async def rows(
    session: AsyncSession,
    company_id: UUID,
    run_id: UUID,
    wanted: RowFilter,
    *,
    after: tuple[float, UUID] | None = None,
    limit: int = 51,
) -> Sequence[PartRow]:
    """Rows of a run, most money at stake first; keyset: ``after`` is (money, part) of the last row."""
    where = ["w.run_id = $1", "w.company_id = $2"]
    given: list[object] = [run_id, company_id]

    def also(text: str, *values: object) -> None:
        names = [f"${len(given) + n}" for n in range(1, len(values) + 1)]
        given.extend(values)
        where.append(text.format(*names))

    if not wanted.everything:
        where.append("w.flags > 0")
    if wanted.found:
        also("w.flags & {} > 0", wanted.found)
    if wanted.level is not None:
        also("w.level = {}", wanted.level)
    if wanted.to_call:
        where.append("w.call_units > 0")
    if wanted.number:
        also('p.number_norm >= {0} COLLATE "C" AND p.number_norm < {0} || chr(1114111) COLLATE "C"', wanted.number)
    if after is not None:
        also("(w.money, w.part_id) < ({}::float8, {}::uuid)", *after)
    given.append(limit)
    found = await fetch(
        session, f"{_ROW} WHERE {' AND '.join(where)} ORDER BY w.money DESC, w.part_id DESC LIMIT ${len(given)}", *given
    )
    return [PartRow(**dict(r)) for r in found]


async def row(session: AsyncSession, company_id: UUID, run_id: UUID, part_id: UUID) -> PartRow:
    """One row. Raises ``watch.part``."""
    found = await fetch_one(
        session, _ROW + "WHERE w.run_id = $1 AND w.company_id = $2 AND w.part_id = $3", run_id, company_id, part_id
    )
    if found is None:
        raise missing(
            "watch.part", "The watch knows nothing of that part: nobody has a unit of it, and nobody asked for it."
        )
    return PartRow(**dict(found))


@dataclass(frozen=True, slots=True)
class HolderRow:
    """How fast a holder uses units up: a year, what its clauses led to expect, what the ledger says, between what and what."""

    holder_id: UUID
    holder: str
    units: int
    used: int
    unit_years: float
    assumed: float
    learnt: float
    low: float
    high: float
    fast: bool


async def holders(session: AsyncSession, company_id: UUID, run_id: UUID, *, limit: int = 200) -> Sequence[HolderRow]:
    """Holders as a run learnt them, those first that are faster than assumed."""
    found = await fetch(
        session,
        "SELECT h.holder_id, c.name AS holder, h.units, h.used, h.unit_years, h.assumed, h.learnt, h.low, h.high, h.fast "
        "FROM watch_holder h JOIN company c ON c.id = h.holder_id WHERE h.run_id = $1 AND h.company_id = $2 "
        "ORDER BY h.fast DESC, h.learnt / nullif(h.assumed, 0) DESC NULLS LAST, h.holder_id LIMIT $3",
        run_id, company_id, limit,
    )  # fmt: skip
    return [HolderRow(**dict(r)) for r in found]


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the pool of a part today: an agreement, what its holder has, until when."""

    agreement_id: UUID
    reference: str
    holder: str
    holder_id: UUID
    units: int
    held: int
    keep: int
    closes_at: datetime
    legal_hold: bool
    suspended: bool
    clause: str
    sale_price: float
    currency: str


async def behind(
    session: AsyncSession, company_id: UUID, part_id: UUID, now: datetime, *, limit: int = 100
) -> Sequence[Behind]:
    """Agreements under which holders have units of a part, the one that ends first before the others."""
    found = await fetch(
        session,
        "SELECT a.id AS agreement_id, a.reference, c.name AS holder, a.holder_id, sum(p.quantity)::int AS units, sum(p.held)::int AS held, "
        "greatest(l.minimum_to_keep - l.minimum_passed_on, 0) AS keep, a.window_closes_at AS closes_at, a.legal_hold, "
        "a.suspended_on IS NOT NULL AS suspended, v.title AS clause, l.sale_price::float8 AS sale_price, a.currency "
        "FROM position p JOIN agreement a ON a.id = p.agreement_id AND a.holder_id = p.holder_id JOIN company c ON c.id = a.holder_id "
        "JOIN agreement_line l ON l.agreement_id = a.id AND l.part_id = p.part_id JOIN clause_version v ON v.clause = a.clause AND v.version = a.version "
        "WHERE p.part_id = $2 AND p.quantity > 0 AND p.beneficiary_id = $1 AND a.maker_id = $1 AND a.window_closes_at > $3 "
        "GROUP BY a.id, c.name, l.minimum_to_keep, l.minimum_passed_on, l.sale_price, v.title ORDER BY a.window_closes_at, a.id LIMIT $4",
        company_id, part_id, now, limit,
    )  # fmt: skip
    return [Behind(**dict(r)) for r in found]


@dataclass(frozen=True, slots=True)
class Finding:
    """When something was first seen of a part, and when no longer."""

    kind: str
    found_at: datetime
    resolved_at: datetime | None


async def findings_of(session: AsyncSession, company_id: UUID, part_id: UUID, *, limit: int = 20) -> Sequence[Finding]:
    """What the watch found of a part, open ones first, then the latest."""
    found = await fetch(
        session,
        "SELECT kind, found_at, resolved_at FROM watch_finding WHERE company_id = $1 AND part_id = $2 "
        "ORDER BY resolved_at IS NOT NULL, found_at DESC, kind LIMIT $3",
        company_id, part_id, limit,
    )  # fmt: skip
    return [Finding(**dict(r)) for r in found]


async def first_site(session: AsyncSession, company_id: UUID) -> UUID | None:
    """Where units that are called back go unless somebody says otherwise: the company's first open site."""
    found: UUID | None = await fetch_value(
        session,
        "SELECT id FROM site WHERE company_id = $1 AND closed_at IS NULL ORDER BY created_at, id LIMIT 1",
        company_id,
    )
    return found
