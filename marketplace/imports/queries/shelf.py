"""Reads of files about a company's shelves: which parts their numbers mean, what is on record there, what was told before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, execute, fetch, fetch_value
from marketplace.imports.shelf_rows import Part, ShelfRow


async def good_rows(session: AsyncSession, job_id: UUID) -> list[ShelfRow]:
    """Rows with which nothing is wrong by themselves, in the order of the file."""
    rows = await fetch(
        session,
        "SELECT row_no, maker_id, number, number_norm, other, other_norm, key, says FROM catalogue_row "
        "WHERE job_id = $1 AND row_no > 0 AND issues = '[]' ORDER BY row_no",
        job_id,
    )
    found = []
    for r in rows:
        says = json.loads(r["says"]) if isinstance(r["says"], str) else r["says"]
        found.append(
            ShelfRow(
                r["row_no"], r["maker_id"], r["number"], r["number_norm"], r["other"], r["other_norm"], r["key"],
                UUID(says["site_id"]), says["quantity"], date.fromisoformat(says.get("used_on") or says["counted_on"]),
                says.get("what", ""), says.get("machine", ""), says.get("reference", ""), says.get("note", ""),
            )
        )  # fmt: skip
    return found


async def parts_of_numbers(session: AsyncSession, company_id: UUID, norms: Sequence[str]) -> dict[str, list[Part]]:
    """Parts by each of these numbers, whoever makes them, and whether the company holds units of them."""
    rows = await fetch(
        session,
        "SELECT DISTINCT n.number_norm AS norm, p.id, p.maker_id, m.code AS maker, EXISTS (SELECT 1 FROM position q "
        "WHERE q.holder_id = $1 AND q.part_id = p.id AND q.quantity > 0) AS held "
        "FROM part_number n JOIN part p ON p.id = n.part_id JOIN maker m ON m.id = p.maker_id "
        "WHERE n.number_norm = ANY($2::text[]) ORDER BY 1, 2",
        company_id, list(norms),
    )  # fmt: skip
    found: dict[str, list[Part]] = defaultdict(list)
    for r in rows:
        found[r["norm"]].append(Part(r["id"], r["maker_id"], r["maker"], r["held"]))
    return found


async def on_record(
    session: AsyncSession, company_id: UUID, sites: Sequence[UUID], parts: Sequence[UUID] | None
) -> dict[tuple[UUID, UUID], int]:
    """(site, part) -> how many stand there by the record, of what the company holds for itself or under an agreement; of all parts
    with ``parts`` None."""
    rows = await fetch(
        session,
        "SELECT site_id, part_id, sum(quantity)::bigint AS many FROM position WHERE holder_id = $1 AND site_id = ANY($2::uuid[]) "
        "AND quantity > 0 AND (agreement_id IS NOT NULL OR owner_id = holder_id) "
        "AND ($3::uuid[] IS NULL OR part_id = ANY($3::uuid[])) GROUP BY 1, 2",
        company_id, list(sites), list(parts) if parts is not None else None,
    )  # fmt: skip
    return {(r["site_id"], r["part_id"]): r["many"] for r in rows}


async def told_before(session: AsyncSession, company_id: UUID, keys: Sequence[str]) -> dict[str, int]:
    """How often each of these uses was told by reports that landed and were not undone."""
    rows = await fetch(
        session,
        "SELECT key, count(*)::int AS n FROM catalogue_change WHERE company_id = $1 AND key LIKE 'use:%' AND key = ANY($2::text[]) "
        "AND undone IS DISTINCT FROM 'undone' GROUP BY key",
        company_id, list(keys),
    )  # fmt: skip
    return {r["key"]: r["n"] for r in rows}


async def shelf_for_update(
    session: WriteSession, company_id: UUID, sites: Sequence[UUID], parts: Sequence[UUID]
) -> list[UUID]:
    """Locks the lots that a company has at these sites of these parts, in id order; the agreements that they stand under."""
    await fetch(
        session,
        "SELECT l.lot_id FROM lot l WHERE l.lot_id IN (SELECT p.lot_id FROM position p WHERE p.holder_id = $1 AND p.site_id = ANY($2::uuid[]) "
        "AND p.part_id = ANY($3::uuid[]) AND p.quantity > 0) ORDER BY l.lot_id FOR NO KEY UPDATE",
        company_id, list(sites), list(parts),
    )  # fmt: skip
    rows = await fetch(
        session,
        "SELECT DISTINCT agreement_id FROM position WHERE holder_id = $1 AND site_id = ANY($2::uuid[]) AND part_id = ANY($3::uuid[]) "
        "AND quantity > 0 AND agreement_id IS NOT NULL",
        company_id, list(sites), list(parts),
    )  # fmt: skip
    return [r["agreement_id"] for r in rows]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row: its fate, and what the record says before and after."""

    row_no: int
    fate: str
    part_id: UUID | None
    lot_id: UUID | None
    key: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


async def write_verdicts(session: WriteSession, job_id: UUID, verdicts: Sequence[Verdict]) -> None:
    """Puts down what becomes of the rows; those not named are bad."""
    await execute(
        session,
        "UPDATE catalogue_row SET fate = 'bad', target_id = NULL, other_id = NULL, before = NULL, after = NULL WHERE job_id = $1",
        job_id,
    )
    await execute(
        session,
        "UPDATE catalogue_row r SET fate = v.fate, target_id = v.part, other_id = v.lot, key = v.key, before = v.before::jsonb, "
        "after = v.after::jsonb FROM unnest($2::int[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[]) "
        "AS v (row_no, fate, part, lot, key, before, after) WHERE r.job_id = $1 AND r.row_no = v.row_no",
        job_id, [v.row_no for v in verdicts], [v.fate for v in verdicts], [v.part_id for v in verdicts], [v.lot_id for v in verdicts],
        [v.key for v in verdicts], [json.dumps(v.before) if v.before is not None else None for v in verdicts],
        [json.dumps(v.after) if v.after is not None else None for v in verdicts],
    )  # fmt: skip


async def write_issues(
    session: WriteSession, job_id: UUID, company_id: UUID, issues: Sequence[tuple[int, str, str, str, str]]
) -> None:
    """(row, field, code, words, value) each."""
    await execute(
        session,
        "INSERT INTO import_issue (job_id, row_no, field, company_id, code, message, value) "
        "SELECT $1::uuid, t.row_no, t.field, $2::uuid, t.code, t.words, t.value "
        "FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::text[]) AS t (row_no, field, code, words, value) "
        "ON CONFLICT (job_id, row_no, field) DO NOTHING",
        job_id, company_id, *([i[n] for i in issues] for n in range(5)),
    )  # fmt: skip


async def note_left_out(session: WriteSession, job_id: UUID, left: Sequence[tuple[UUID, UUID, int]]) -> None:
    """Parts on record at the file's sites that it does not name: (site, part, how many)."""
    await execute(
        session,
        "INSERT INTO catalogue_row (job_id, row_no, maker_id, number, number_norm, other, other_norm, key, says, issues, target_id, before, after, fate) "
        "SELECT $1::uuid, -t.no::int, p.maker_id, p.number, p.number_norm, '', '', '', jsonb_build_object('site_id', t.site), '[]', p.id, "
        "jsonb_build_object('quantity', t.many), jsonb_build_object('quantity', 0), 'vanished' "
        "FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) WITH ORDINALITY AS t (site, part, many, no) JOIN part p ON p.id = t.part",
        job_id, [x[0] for x in left], [x[1] for x in left], [x[2] for x in left],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wrote:
    """A use that an import wrote: the row, and the stock transactions of it that were not taken back yet, newest first."""

    row_no: int
    number: str
    movements: tuple[tuple[UUID, int], ...]


async def uses_of(session: AsyncSession, job_id: UUID, commands: Mapping[int, UUID]) -> list[Wrote]:
    """What each row of a use report wrote, the last row first. ``commands``: by row."""
    rows = await fetch(
        session,
        "SELECT c.row_no, c.number, m.lot_id, m.seq FROM catalogue_change c "
        "JOIN unnest($2::int[], $3::uuid[]) AS k (row_no, command) ON k.row_no = c.row_no "
        "CROSS JOIN LATERAL jsonb_array_elements_text(c.before->'lots') AS t (lot) "
        "JOIN movement m ON m.lot_id = t.lot::uuid AND m.command_id = k.command AND m.kind IN ('use_up','install','scrap') "
        "WHERE c.job_id = $1 AND NOT EXISTS (SELECT 1 FROM movement x WHERE x.lot_id = m.lot_id AND x.corrects = m.seq) "
        "ORDER BY c.row_no DESC, m.lot_id, m.seq DESC",
        job_id, list(commands), list(commands.values()),
    )  # fmt: skip
    found: dict[int, list[tuple[UUID, int]]] = defaultdict(list)
    numbers: dict[int, str] = {}
    for r in rows:
        found[r["row_no"]].append((r["lot_id"], r["seq"]))
        numbers[r["row_no"]] = r["number"]
    return [Wrote(row, numbers[row], tuple(many)) for row, many in found.items()]


async def rows_landed(session: AsyncSession, job_id: UUID) -> list[int]:
    """The rows of an import that changed something, newest first."""
    rows = await fetch(session, "SELECT row_no FROM catalogue_change WHERE job_id = $1 ORDER BY row_no DESC", job_id)
    return [r["row_no"] for r in rows]


async def note_undone(session: WriteSession, job_id: UUID, kept: Mapping[int, str]) -> None:
    """Marks the changes of an import as undone, but those ``kept`` for a reason."""
    await execute(session, "UPDATE catalogue_change SET undone = 'undone' WHERE job_id = $1", job_id)
    await execute(
        session,
        "UPDATE catalogue_change c SET undone = 'kept', kept_because = k.why FROM unnest($2::int[], $3::text[]) AS k (row_no, why) "
        "WHERE c.job_id = $1 AND c.row_no = k.row_no",
        job_id, list(kept), list(kept.values()),
    )  # fmt: skip


async def bad_rows(session: AsyncSession, job_id: UUID) -> int:
    """How many rows of the file do not land."""
    found: int = await fetch_value(
        session, "SELECT count(*)::int FROM catalogue_row WHERE job_id = $1 AND row_no > 0 AND fate = 'bad'", job_id
    )
    return found


async def keep_sheets(session: WriteSession, job_id: UUID, sheets: Sequence[Mapping[str, str]]) -> None:
    """The counts that an import began: id, reference and site of each."""
    await execute(
        session, "UPDATE import_job SET mapping = mapping || jsonb_build_object('count_sheets', $2::jsonb) WHERE id = $1",
        job_id, json.dumps(list(sheets)),
    )  # fmt: skip
