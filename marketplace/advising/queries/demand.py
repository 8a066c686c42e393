"""Reads of demand histories, and of their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy.typing as npt
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.advising.copying import Unpacker
from marketplace.db.session import ReadSession, WriteSession, driver, fetch, fetch_one
from marketplace.kit.errors import missing

_IMPORT = """
SELECT d.id, d.company_id, d.file_name, d.file_size, d.file_path, d.maker_id, m.code AS maker, d.step, d.error, d.first_month, d.months,
       d.numbers, d.parts, d.odd, d.created_at, d.finished_at, d.withdrawn_at
FROM demand_import d LEFT JOIN maker m ON m.id = d.maker_id
"""


@dataclass(frozen=True, slots=True)
class DemandFile:
    """A file of demand and what came of it."""

    id: UUID
    company_id: UUID
    file_name: str
    file_size: int
    file_path: str
    maker_id: UUID | None
    maker: str | None
    step: str
    error: str | None
    first_month: date | None
    months: int
    numbers: int
    parts: int
    odd: int
    created_at: datetime
    finished_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def first(self) -> int:
        """The first month as year * 12 + month - 1; 0 where nothing landed."""
        return self.first_month.year * 12 + self.first_month.month - 1 if self.first_month else 0

    @property
    def last_month(self) -> date | None:
        """The last month that it tells of."""
        if self.first_month is None:
            return None
        last = self.first + self.months - 1
        return date(last // 12, last % 12 + 1, 1)


async def demand_file(session: AsyncSession, company_id: UUID, import_id: UUID) -> DemandFile:
    """One file. Raises ``demand.not_found``."""
    row = await fetch_one(session, _IMPORT + "WHERE d.id = $1 AND d.company_id = $2", import_id, company_id)
    if row is None:
        raise missing("demand.not_found", "No such demand file.")
    return DemandFile(**dict(row))


async def demand_file_for_update(session: WriteSession, company_id: UUID, import_id: UUID) -> DemandFile:
    """The same, locked."""
    await fetch(
        session,
        "SELECT 1 FROM demand_import WHERE id = $1 AND company_id = $2 FOR NO KEY UPDATE",
        import_id,
        company_id,
    )
    return await demand_file(session, company_id, import_id)


async def demand_files(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[DemandFile]:
    """The company's files, newest first."""
    rows = await fetch(
        session,
        _IMPORT + "WHERE d.company_id = $1 AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [DemandFile(**dict(r)) for r in rows]


async def counting_files(session: AsyncSession, company_id: UUID) -> Sequence[DemandFile]:
    """The files that count, oldest first: a later one speaks for the months that it names."""
    rows = await fetch(
        session,
        _IMPORT + "WHERE d.company_id = $1 AND d.step = 'done' AND d.withdrawn_at IS NULL ORDER BY d.id",
        company_id,
    )
    return [DemandFile(**dict(r)) for r in rows]


async def same_demand_file(
    session: AsyncSession, company_id: UUID, sha256: bytes, maker_id: UUID | None
) -> UUID | None:
    """An earlier import of the same bytes that counts or is under way. A later file than it may have corrected some of its months:
    then the same bytes are news again."""
    row = await fetch_one(
        session,
        "SELECT id FROM demand_import WHERE company_id = $1 AND file_sha256 = $2 AND maker_id IS NOT DISTINCT FROM $3 "
        "AND step <> 'failed' AND withdrawn_at IS NULL AND id = (SELECT id FROM demand_import WHERE company_id = $1 "
        "AND step <> 'failed' AND withdrawn_at IS NULL ORDER BY id DESC LIMIT 1)",
        company_id, sha256, maker_id,
    )  # fmt: skip
    return row["id"] if row else None


async def maker_named(session: AsyncSession, text: str) -> tuple[UUID, str] | None:
    """(id, code) of the maker of this code or name."""
    row = await fetch_one(
        session,
        "SELECT id, code FROM maker WHERE lower(code) = lower($1) OR lower(name) = lower($1) "
        "ORDER BY lower(code) = lower($1) DESC, id LIMIT 1",
        text,
    )
    return (row["id"], row["code"]) if row else None


async def own_makers(session: AsyncSession, company_id: UUID) -> Sequence[str]:
    """Codes of the company's own makers."""
    return [
        r["code"]
        for r in await fetch(session, "SELECT code FROM maker WHERE company_id = $1 ORDER BY code", company_id)
    ]


# An exact spelling before another one, a part's own number before any other that it goes by: as rows of a stock file find theirs.
_MATCH = """
WITH whose AS (SELECT id FROM maker WHERE CASE WHEN $2::uuid IS NULL THEN company_id = $1 ELSE id = $2 END)
SELECT coalesce(k.parts, o.parts, '{}') AS parts
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS a (norm, written, n)
LEFT JOIN LATERAL (
    SELECT array_agg(y.id) AS parts FROM (
        SELECT DISTINCT ON (x.maker_id) x.id FROM part x WHERE x.maker_id IN (SELECT id FROM whose)
        AND x.number_norm = a.norm COLLATE "C" ORDER BY x.maker_id, x.number = a.written DESC, x.id) y
) k ON true
LEFT JOIN LATERAL (
    SELECT array_agg(y.id) AS parts FROM (
        SELECT DISTINCT ON (x.maker_id) x.id FROM part_number pn JOIN part x ON x.id = pn.part_id
        WHERE k.parts IS NULL AND pn.number_norm = a.norm COLLATE "C" AND x.maker_id IN (SELECT id FROM whose)
        ORDER BY x.maker_id, x.id) y
) o ON true
ORDER BY a.n
"""


async def parts_numbered(
    session: AsyncSession, company_id: UUID, maker_id: UUID | None, numbers: Sequence[tuple[str, str]]
) -> Sequence[Sequence[UUID]]:
    """For each (normalised, written) number the parts it may mean: one, none, or one of each of several makers."""
    rows = await fetch(session, _MATCH, company_id, maker_id, [n for n, _ in numbers], [w for _, w in numbers])
    return [r["parts"] for r in rows]


@dataclass(frozen=True, slots=True)
class IssueRow:
    """One thing that was odd in a file."""

    no: int
    row_no: int
    part_number: str
    message: str


async def demand_issues(
    session: AsyncSession, company_id: UUID, import_id: UUID, *, after: int = 0, limit: int = 51
) -> Sequence[IssueRow]:
    """What was odd, in the order in which it was found."""
    rows = await fetch(
        session,
        "SELECT no, row_no, part_number, message FROM demand_issue WHERE import_id = $1 AND company_id = $2 AND no > $3 "
        "ORDER BY no LIMIT $4",
        import_id, company_id, after, limit,
    )  # fmt: skip
    return [IssueRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Said:
    """What one file says of a part: ``units`` from its first month on, NaN where nothing."""

    import_id: UUID
    file_name: str
    first: int
    units: Sequence[float]


async def said_of_parts(
    session: AsyncSession, company_id: UUID, part_ids: Sequence[UUID]
) -> Sequence[tuple[UUID, Said]]:
    """What every file that counts says of these parts, oldest file first."""
    rows = await fetch(
        session,
        "SELECT h.part_id, h.import_id, d.file_name, (extract(year FROM d.first_month) * 12 + extract(month FROM d.first_month) - 1)::int AS first, "
        "h.units FROM demand_history h JOIN demand_import d ON d.id = h.import_id WHERE h.company_id = $1 "
        "AND h.part_id = ANY($2::uuid[]) AND d.step = 'done' AND d.withdrawn_at IS NULL ORDER BY h.import_id",
        company_id, list(part_ids),
    )  # fmt: skip
    return [(r["part_id"], Said(r["import_id"], r["file_name"], r["first"], r["units"])) for r in rows]


async def copy_history(session: ReadSession, found: DemandFile, use: Callable[[npt.NDArray[Any]], None]) -> None:
    """All histories of one file, as arrays ``part`` and ``units`` in pieces, as they come."""
    unpack = Unpacker((("part", "uuid"), ("units", f"float4[{found.months}]")), use)

    async def keep(piece: bytes) -> None:
        unpack.feed(piece)

    await (await driver(session)).copy_from_query(
        "SELECT part_id, units FROM demand_history WHERE import_id = $1 AND company_id = $2", found.id, found.company_id,
        output=keep, format="binary", timeout=600,
    )  # fmt: skip
    unpack.close()
