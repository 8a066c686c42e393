"""Correcting bad rows on the page: their cells are changed, kept beside the file, and every row is checked again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from marketplace.db.session import WriteSession, execute
from marketplace.imports import queries
from marketplace.imports.files.tables import FileRow
from marketplace.imports.queries import catalogue as catalogue_queries
from marketplace.imports.service import catalogue
from marketplace.imports.shapes import SHAPES
from marketplace.imports.staging import stage_row
from marketplace.kit.errors import conflict, invalid
from marketplace.parties.actor import Actor

MOST_ROWS = 100
_MOST_CHARACTERS = 2_000


async def fix_rows(
    session: WriteSession, actor: Actor, job_id: UUID, fixed: Mapping[int, Mapping[str, str]], now: datetime
) -> int:
    """Changes cells of bad rows: row -> field -> text. How many rows were changed; the caller brings the import on, which checks
    every row again. Raises ``import.not_validated``, ``import.fix`` (not a bad row, a field that no column holds, too much)."""
    job = await queries.job_for_update(session, job_id)
    actor.require(SHAPES[job.kind].verb)
    if job.step != "validated":
        raise conflict(
            "import.not_validated", "Rows are corrected here between checking and landing. Check the file first."
        )
    if not 0 < len(fixed) <= MOST_ROWS:
        raise invalid("import.fix", f"Correct 1 to {MOST_ROWS} rows at a time.", field="rows")
    bad = {row: cells for row, cells, _ in await queries.bad_rows(session, job_id, rows=list(fixed))}
    width, columns = len(job.mapping["header"]), job.columns
    changed: dict[int, list[str]] = {}
    for row, said in fixed.items():
        if row not in bad:
            raise invalid("import.fix", f"Row {row:,} is not a bad row of this file.", field="rows")
        cells = [*bad[row][:width], *[""] * (width - len(bad[row]))]
        for field, text in said.items():
            if field not in columns:
                raise invalid("import.fix", f"No column of this file is the {field}.", field="rows")
            if len(text) > _MOST_CHARACTERS:
                raise invalid("import.fix", f"At most {_MOST_CHARACTERS:,} characters fit into a cell.", field="rows")
            cells[columns[field]] = text.replace("\0", "")
        if cells != bad[row]:
            changed[row] = cells
    if not changed:
        raise invalid("import.fix", "No cell was changed.", field="rows")
    await execute(
        session,
        "INSERT INTO import_fix (job_id, row_no, company_id, cells, fixed_by, fixed_at) SELECT $1::uuid, x.row_no, $2::uuid, "
        "string_to_array(x.cells, chr(31)), $5, $6 FROM unnest($3::int[], $4::text[]) AS x (row_no, cells) "
        "ON CONFLICT (job_id, row_no) DO UPDATE SET cells = excluded.cells, fixed_by = excluded.fixed_by, fixed_at = excluded.fixed_at",
        job_id, actor.company_id, list(changed), ["\x1f".join(c.replace("\x1f", " ") for c in cells) for cells in changed.values()],
        actor.user_id, now,
    )  # fmt: skip
    await execute(
        session, "DELETE FROM import_stage WHERE job_id = $1 AND row_no = ANY($2::int[])", job_id, list(changed)
    )
    rows = [FileRow(row, cells) for row, cells in changed.items()]
    if job.kind == "stock":
        known = await queries.lookups(session, job)
        staged = [(job.id, r.number, *stage_row(r.cells, job.staged, known)) for r in rows]
        await catalogue.put_stock(session, staged)
    else:
        await execute(
            session, "DELETE FROM catalogue_row WHERE job_id = $1 AND row_no = ANY($2::int[])", job_id, list(changed)
        )
        await catalogue.put(
            session, *catalogue.read_batch(job, rows, await catalogue_queries.known(session, job), all_rows=True)
        )
    await execute(session, "UPDATE import_job SET step = 'staged', error = NULL WHERE id = $1", job_id)
    return len(changed)
