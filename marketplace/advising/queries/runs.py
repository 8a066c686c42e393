"""Reads of advice: what a run is reckoned from, runs, and their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy.typing as npt
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.advising.copying import Unpacker
from marketplace.db.session import ReadSession, WriteSession, driver, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing

_RUN = """
SELECT r.id, r.company_id, r.policy, r.currency, r.state, r.stage, r.done, r.total, r.attempt, r.error, r.totals, r.created_at,
       r.finished_at, r.created_by, r.name, r.base_id, r.limits
FROM advice_run r
"""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run: ``policy`` and ``totals`` as ``reckoning`` keeps them."""

    id: UUID
    company_id: UUID
    policy: Mapping[str, Any]
    currency: str
    state: str
    stage: str
    done: int
    total: int
    attempt: int
    error: str | None
    totals: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    created_by: UUID
    name: str | None
    base_id: UUID | None
    limits: Mapping[str, Any] | None


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _run(row: asyncpg.Record) -> RunRow:
    return RunRow(
        **{**dict(row), "policy": _read(row["policy"]), "totals": _read(row["totals"]), "limits": _read(row["limits"])}
    )


async def run(session: AsyncSession, company_id: UUID, run_id: UUID) -> RunRow:
    """One run. Raises ``advice.not_found``."""
    row = await fetch_one(session, _RUN + "WHERE r.id = $1 AND r.company_id = $2", run_id, company_id)
    if row is None:
        raise missing("advice.not_found", "No such run of the advisor.")
    return _run(row)


async def run_for_update(session: WriteSession, company_id: UUID, run_id: UUID) -> RunRow:
    """The same, locked."""
    await fetch(
        session, "SELECT 1 FROM advice_run WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE", run_id, company_id
    )
    return await run(session, company_id, run_id)


async def runs(
    session: AsyncSession, company_id: UUID, *, base_id: UUID | None = None, after: UUID | None = None, limit: int = 51
) -> Sequence[RunRow]:
    """The company's runs, newest first; ``base_id``: only scenarios made from that run."""
    only = "AND r.base_id = $4 " if base_id else ""
    rows = await fetch(
        session,
        f"{_RUN} WHERE r.company_id = $1 AND ($2::uuid IS NULL OR r.id < $2) {only}ORDER BY r.id DESC LIMIT $3",
        company_id, after, limit, *([base_id] if base_id else []),
    )  # fmt: skip
    return [_run(r) for r in rows]


async def some_runs(session: AsyncSession, company_id: UUID, run_ids: Sequence[UUID]) -> Sequence[RunRow]:
    """These runs, in this order. Raises ``advice.not_found`` where one is not there."""
    rows = await fetch(session, _RUN + "WHERE r.company_id = $1 AND r.id = ANY($2::uuid[])", company_id, list(run_ids))
    found = {r["id"]: _run(r) for r in rows}
    if any(i not in found for i in run_ids):
        raise missing("advice.not_found", "No such run of the advisor.")
    return [found[i] for i in run_ids]


async def going_for_update(session: WriteSession, company_id: UUID, since: datetime) -> bool:
    """Whether a run is under way that began lately. Two people who press at once take turns."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"advice of {company_id}")
    return bool(
        await fetch_value(
            session,
            "SELECT EXISTS (SELECT 1 FROM advice_run WHERE company_id = $1 AND state IN ('waiting', 'running') AND created_at > $2)",
            company_id, since,
        )
    )  # fmt: skip


# -- what a run is reckoned from ---------------------------------------------------------------------------

# Own units that could be released today, as a draft would find them (listings): free, here, under no agreement, not on offer
# already. Cores are worth what is still good in them and cover no demand. Of a part's lines each speaks for as many units as it has.
_STOCK = """
WITH listed AS (
    SELECT lot_id, position_id, sum(quantity) AS units FROM listing_lot WHERE company_id = $1 GROUP BY lot_id, position_id
), free AS (
    SELECT p.part_id, sum(greatest(p.quantity - p.held - coalesce(b.units, 0), 0)) AS units
    FROM position p JOIN lot l ON l.lot_id = p.lot_id
    LEFT JOIN listed b ON b.lot_id = p.lot_id AND b.position_id = p.position_id
    WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.agreement_id IS NULL AND p.quantity > 0 AND p.site_id IS NOT NULL
      AND p.condition <> 'core' AND NOT l.frozen GROUP BY p.part_id
), said AS (
    SELECT k.part_id, sum(k.unit_cost * greatest(k.quantity, 1)) FILTER (WHERE k.unit_cost > 0)
             / sum(greatest(k.quantity, 1)) FILTER (WHERE k.unit_cost > 0) AS cost,
           max(k.list_price) AS price, bool_or(k.protected) AS protected
    FROM stock_line k WHERE k.company_id = $1 GROUP BY k.part_id
), stated AS (
    SELECT DISTINCT f.part_id FROM part_protection f
    WHERE f.company_id = $1 AND NOT EXISTS (SELECT FROM part_protection_ended e WHERE e.protection_id = f.id)
), known AS (
    SELECT part_id FROM free WHERE units > 0
    UNION SELECT h.part_id FROM demand_history h WHERE h.company_id = $1 AND h.import_id = ANY($3::uuid[])
)
SELECT n.part_id, coalesce(f.units, 0)::float8,
    coalesce(s.cost, nullif(s.price, 0), CASE WHEN x.currency = $2 THEN nullif(x.list_price, 0) END, 'NaN')::float8,
    coalesce(s.protected, false), s.cost IS NULL AND nullif(s.price, 0) IS NULL AND x.list_price > 0 AND x.currency <> $2,
    t.part_id IS NOT NULL, coalesce(c.level, 0)::int
FROM known n JOIN part x ON x.id = n.part_id LEFT JOIN free f ON f.part_id = n.part_id LEFT JOIN said s ON s.part_id = n.part_id
LEFT JOIN stated t ON t.part_id = n.part_id LEFT JOIN part_criticality c ON c.company_id = $1 AND c.part_id = n.part_id
"""
_STOCK_FIELDS = (
    ("part", "uuid"),
    ("units", "float8"),
    ("cost", "float8"),
    ("protected", "bool"),
    ("foreign", "bool"),
    ("stated", "bool"),
    ("level", "int4"),
)


async def copy_stock(
    session: ReadSession,
    company_id: UUID,
    currency: str,
    files: Sequence[UUID],
    use: Callable[[npt.NDArray[Any]], None],
) -> None:
    """Every part with free own units or with a history in these files: units, cost (NaN: not known), protected by a stock file, whether
    its only price is in another currency, protected by the company's own word, and criticality."""
    unpack = Unpacker(_STOCK_FIELDS, use)

    async def keep(piece: bytes) -> None:
        unpack.feed(piece)

    await (await driver(session)).copy_from_query(
        f"SELECT q.part_id, q.units, q.cost, q.protected, coalesce(q.other, false), q.stated, q.level FROM ({_STOCK}) q (part_id, units, cost, protected, other, stated, level)",
        company_id, currency, list(files), output=keep, format="binary", timeout=600,
    )  # fmt: skip
    unpack.close()


async def successors(session: AsyncSession, today: date) -> Sequence[tuple[bytes, bytes]]:
    """(part, what took its place), the latest that is in effect."""
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (from_part_id) from_part_id, to_part_id FROM supersession WHERE effective_on <= $1 "
        "ORDER BY from_part_id, effective_on DESC, to_part_id",
        today,
    )
    return [(r["from_part_id"].bytes, r["to_part_id"].bytes) for r in rows]


# -- rows --------------------------------------------------------------------------------------------------

_ROW = """
SELECT a.part_id, p.number AS part_number, p.description, p.uom, a.stock, a.cost, a.rate, a.rate_low, a.rate_high, a.decline, a.size,
       a.class AS kind, a.model, a.keep, a.release, a.scrap, a.preset, a.advice, a.advised, a.exact, a.steady, a.marks, a.stake, a.cash,
       a.worth, a.worth_kept, a.worth_scrapped, a.before, a.after, a.cautious, a.price_needed, a.hazard, a.level, a.use_from,
       a.use_units, a.use_used, a.use_years
FROM advice_row a JOIN part p ON p.id = a.part_id
"""


@dataclass(frozen=True, slots=True)
class AdviceRow:
    """What is advised for one part, with its figures; NaN where one is not known."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    stock: int
    cost: float
    rate: float
    rate_low: float
    rate_high: float
    decline: float
    size: float
    kind: int
    model: int
    keep: int
    release: int
    scrap: int
    preset: int
    advice: int
    advised: bool
    exact: bool
    steady: bool
    marks: int
    stake: float
    cash: float
    worth: float
    worth_kept: float
    worth_scrapped: float
    before: float
    after: float
    cautious: float
    price_needed: float
    hazard: float
    level: int
    use_from: int
    use_units: float
    use_used: float
    use_years: float


_DECIDED = {"advised": "IS TRUE", "otherwise": "IS FALSE", "none": "IS NULL"}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows; None is no filter. ``marks``: rows that have all of these."""

    advice: int | None = None
    kind: int | None = None
    marks: int = 0
    preset: int | None = None
    number: str | None = None
    """Normalised; what a part's own number begins with."""
    decided: str | None = None
    """advised: as advised; otherwise: with a reason; none: nobody decided yet."""


async def rows(
    session: AsyncSession,
    company_id: UUID,
    run_id: UUID,
    wanted: RowFilter,
    *,
    after: tuple[float, UUID] | None = None,
    limit: int = 51,
) -> Sequence[AdviceRow]:
    """Rows of a run, most money at stake first; keyset: ``after`` is (stake, part) of the last row."""
    where = ["a.run_id = $1", "a.company_id = $2"]
    given: list[object] = [run_id, company_id]

    def also(text: str, *values: object) -> None:
        names = [f"${len(given) + n}" for n in range(1, len(values) + 1)]
        given.extend(values)
        where.append(text.format(*names))

    if wanted.advice is not None:
        also("a.advice = {}", wanted.advice)
    if wanted.kind is not None:
        also("a.class = {}", wanted.kind)
    if wanted.marks:
        also("a.marks & {0} = {0}", wanted.marks)
    if wanted.preset is not None:
        also("a.preset = {}", wanted.preset)
    if wanted.decided:
        latest = "(SELECT d.reason IS NULL FROM advice_decision d WHERE d.run_id = a.run_id AND d.part_id = a.part_id ORDER BY d.id DESC LIMIT 1)"
        where.append(f"{latest} {_DECIDED[wanted.decided]}")
    if wanted.number:
        also('p.number_norm >= {0} COLLATE "C" AND p.number_norm < {0} || chr(1114111) COLLATE "C"', wanted.number)
    if after is not None:
        also("(a.stake, a.part_id) < ({}::float8, {}::uuid)", *after)
    given.append(limit)
    found = await fetch(
        session,
        f"{_ROW} WHERE {' AND '.join(where)} ORDER BY a.stake DESC, a.part_id DESC LIMIT ${len(given)}",
        *given,
    )
    return [AdviceRow(**dict(r)) for r in found]


async def advice_rows(
    session: AsyncSession, company_id: UUID, run_id: UUID, part_ids: Sequence[UUID]
) -> Sequence[AdviceRow]:
    """Rows of these parts, most money at stake first; those that the run has not are left out."""
    found = await fetch(
        session,
        _ROW + "WHERE a.run_id = $1 AND a.company_id = $2 AND a.part_id = ANY($3::uuid[]) ORDER BY a.stake DESC, a.part_id DESC",
        run_id, company_id, list(part_ids),
    )  # fmt: skip
    return [AdviceRow(**dict(r)) for r in found]


async def advice_row(session: AsyncSession, company_id: UUID, run_id: UUID, part_id: UUID) -> AdviceRow:
    """One row. Raises ``advice.part``."""
    found = await advice_rows(session, company_id, run_id, [part_id])
    if not found:
        raise missing("advice.part", "This run says nothing of that part: it had no free units of your own then.")
    return found[0]


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of which a scenario advises something else than the run that it was made from: units here and there (``was_*``; None: that
    run said nothing of it), the place of the terms in either policy's list, cash at once and coverage of both. ``apart``: so much more cash
    than there."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    keep: int
    release: int
    scrap: int
    preset: int
    cash: float
    after: float
    was_keep: int | None
    was_release: int | None
    was_scrap: int | None
    was_preset: int | None
    was_cash: float | None
    was_after: float | None
    apart: float


async def differences(
    session: AsyncSession, run: RunRow, *, after: tuple[float, UUID] | None = None, limit: int = 51
) -> Sequence[Difference]:
    """What a scenario advises otherwise, most money between them first; keyset: ``after`` is (size of ``apart``, part) of the last row."""
    found = await fetch(
        session,
        "SELECT a.part_id, p.number AS part_number, p.description, p.uom, a.keep, a.release, a.scrap, a.preset, a.cash, a.after, b.keep AS was_keep, "
        "b.release AS was_release, b.scrap AS was_scrap, b.preset AS was_preset, b.cash AS was_cash, b.after AS was_after, a.apart "
        "FROM advice_row a JOIN part p ON p.id = a.part_id LEFT JOIN advice_row b ON b.run_id = $3 AND b.part_id = a.part_id "
        "WHERE a.run_id = $1 AND a.company_id = $2 AND a.differs AND ($4::float8 IS NULL OR (abs(a.apart), a.part_id) < ($4, $5::uuid)) "
        "ORDER BY abs(a.apart) DESC, a.part_id DESC LIMIT $6",
        run.id, run.company_id, run.base_id, after[0] if after else None, after[1] if after else None, limit,
    )  # fmt: skip
    return [Difference(**dict(r)) for r in found]


async def least_coverage(session: AsyncSession, company_id: UUID) -> Mapping[int, float] | None:
    """By criticality, the coverage that the company asks for (those that it does not watch are left out); None where it says nothing."""
    row = await fetch_one(
        session, "SELECT ordinary_bp, important_bp, vital_bp FROM watch_setting WHERE company_id = $1", company_id
    )
    return None if row is None else {level: bp / 10_000 for level, bp in enumerate(row) if bp is not None}
