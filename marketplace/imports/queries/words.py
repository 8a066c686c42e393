"""What the words of a company's files stand for: conditions as they are read, sites as the company said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.imports.queries import Job

MAX_SITE_WORDS = 200
"""As many words for sites are shown, and taken at once."""


async def pieces(session: AsyncSession, job_id: UUID, size: int) -> Sequence[tuple[int, int]]:
    """First and last row of pieces of a checked file, ``size`` rows each or less."""
    last: int = await fetch_value(session, "SELECT coalesce(max(row_no), 0) FROM import_row WHERE job_id = $1", job_id)
    return [(first, first + size - 1) for first in range(1, last + 1, size)]


async def condition_words(session: AsyncSession, found: Job, *, limit: int) -> Sequence[tuple[str, int]]:
    """(word, rows) of the file's condition column, the most frequent first; nothing where it has none."""
    column = found.columns.get("condition")
    if column is None:
        return []
    rows = await fetch(
        session,
        "SELECT left(cells[$2], 40) AS word, count(*)::int AS rows FROM import_stage WHERE job_id = $1 AND cells[$2] <> '' "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $3",
        found.id, column + 1, limit,
    )  # fmt: skip
    return [(r["word"], r["rows"]) for r in rows]


async def without_condition(session: AsyncSession, found: Job) -> int:
    """Good rows whose cell in the condition column is blank: all of them where there is no such column."""
    column = found.columns.get("condition")
    count: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM import_row r WHERE r.job_id = $1 AND NOT r.bad AND ($2::int IS NULL OR EXISTS ("
        "SELECT 1 FROM import_stage s WHERE s.job_id = r.job_id AND s.row_no = r.row_no AND s.cells[$2::int] = ''))",
        found.id, None if column is None else column + 1,
    )  # fmt: skip
    return count


@dataclass(frozen=True, slots=True)
class SiteReading:
    """A word of the company's files for a site. ``rows``: bad rows of this file that say it and no site is found for it;
    ``site_id`` and ``site`` where the company has said what it means."""

    word: str
    rows: int | None
    site_id: UUID | None
    site: str | None


async def site_words(session: AsyncSession, found: Job) -> Sequence[SiteReading]:
    """Words for sites that this file has and nobody knows, the most frequent first, then those that the company has said
    the meaning of; up to ``MAX_SITE_WORDS`` of each. Nothing for a file that names no sites of stock."""
    if "site" not in found.columns or found.kind == "sites":
        return []
    rows = await fetch(
        session,
        "(SELECT lower(value) AS word, min(value) AS written, count(*)::int AS rows, NULL::uuid AS site_id, NULL AS site FROM import_issue "
        " WHERE job_id = $1 AND field = 'site' AND code = 'import.site' AND value <> '' GROUP BY lower(value) ORDER BY rows DESC, word LIMIT $3) "
        "UNION ALL "
        "(SELECT w.word, w.word, NULL, w.site_id, s.name FROM site_word w JOIN site s ON s.id = w.site_id "
        " WHERE w.company_id = $2 ORDER BY w.word LIMIT $3)",
        found.id, found.company_id, MAX_SITE_WORDS,
    )  # fmt: skip
    return [SiteReading(r["written"], r["rows"], r["site_id"], r["site"]) for r in rows]
