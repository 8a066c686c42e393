"""A person has the last word on what the columns are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from marketplace.db.session import WriteSession, execute
from marketplace.imports import queries
from marketplace.imports.columns import choose_columns, fingerprint, match_columns
from marketplace.imports.queries import Job
from marketplace.imports.queries.words import MAX_SITE_WORDS
from marketplace.imports.service.uploading import COVERS, MODES, TAKES, check_day, mapping_of, open_kept
from marketplace.imports.shapes import SHAPES, check_kind, fields_of
from marketplace.imports.values import DateOrder, choose_conditions
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

_WORD = 200


async def change_mapping(
    session: WriteSession,
    actor: Actor,
    job_id: UUID,
    *,
    columns: Mapping[str, int | None],
    data_dir: Path,
    now: datetime,
    save: bool = True,
    orders: Mapping[str, str] | None = None,
    conditions: Mapping[str, str | None] | None = None,
    sites: Mapping[str, UUID | None] | None = None,
    default_site_id: UUID | None = None,
    default_maker: str | None = None,
    snapshot_on: date | None = None,
    mode: str | None = None,
    covers: str | None = None,
    sheet: str | None = None,
    delimiter: str | None = None,
    kind: str | None = None,
    takes: str | None = None,
) -> None:
    """Sets the columns and what is meant where the file says nothing; the import starts over from its file.

    ``orders``: how a date column writes 03/04/2025 (month_first, day_first). ``conditions``: what the file's words for
    conditions mean, where they mean something else than we read or nothing we know; a word that means None is left to our
    reading, and what was said of words for files of another shape stays where they are not named. None keeps what is set. ``sites``: which of the
    company's sites its files mean by a word, in this file and in all to come; None forgets what was said of a word. ``save``: the next file of this shape
    starts with this mapping. ``kind``: what kind of file it is; another than before has its columns read anew. ``takes``:
    update, replace or add. Raises ``site.not_found``, ``import.shape``, ``import.takes``, ``import.mapping`` naming every field, ``import.landed`` once it has landed.
    """
    job = await queries.job_for_update(session, job_id)
    if job.step in ("done", "cancelled"):
        raise conflict("import.landed", "This import has ended. Upload the file again to read it in another way.")
    wrong = sorted(set((orders or {}).values()) - {o.value for o in DateOrder})
    if wrong or (mode is not None and mode not in MODES):
        raise invalid(
            "import.mapping", f"Unknown choice: {', '.join(wrong) or mode}.", field="orders" if wrong else "mode"
        )
    check_kind(kind)
    kind = kind or job.kind
    actor.require(SHAPES[kind].verb)
    if takes is not None and takes not in TAKES:
        raise invalid("import.takes", f"'{takes}' is unknown. Use {', '.join(TAKES)}.", field="takes")
    if covers is not None and covers not in COVERS:
        raise invalid("import.covers", f"'{covers}' is unknown. Use {' or '.join(COVERS)}.", field="covers")
    given = None if conditions is None else choose_conditions(conditions)
    own, elsewhere = _words(job, given)
    if default_site_id is not None:
        await parties.own_site(session, actor, default_site_id)
    if sites:
        await _say_sites(session, actor, sites)
    if snapshot_on is not None:
        await check_day(session, actor, default_site_id or job.default_site_id, snapshot_on, now)
    _, table = await open_kept(
        data_dir, job, sheet=sheet or job.sheet, delimiter=delimiter or job.mapping["delimiter"] or None
    )
    if kind != job.kind:
        # The columns that were shown are those of another kind of file: they are read anew.
        plan = match_columns(table.header, [r.cells for r in table.sample], fields=fields_of(kind))
        columns = {m.field: m.column for m in plan.matches}
    shown = {field: (at, job.mapping["why"][field]) for field, at in job.columns.items()}
    plan = (
        choose_columns(
            table.header, columns, shown if list(table.header) == job.mapping["header"] else None, fields_of(kind)
        )
        if kind == job.kind
        else plan
    )
    if save:
        await execute(
            session,
            "INSERT INTO import_mapping (company_id, fingerprint, mapping, conditions, kind) "
            "VALUES ($1, $2, $3::jsonb, $4::jsonb, $6) ON CONFLICT (company_id, fingerprint) "
            "DO UPDATE SET mapping = excluded.mapping, saved_at = now(), kind = excluded.kind, "
            "conditions = CASE WHEN $5 THEN import_mapping.conditions ELSE '{}' END || excluded.conditions",
            actor.company_id, fingerprint(table.header), json.dumps(plan.saved()),
            json.dumps({**own, **{word: None for word, name in (given or {}).items() if name is None}}), given is None, kind,
        )  # fmt: skip
    await clear(session, job_id)
    if (table.sheet or None) != job.sheet or list(table.header) != job.mapping["header"]:
        # Corrected rows were rows of another table.
        await execute(session, "DELETE FROM import_fix WHERE job_id = $1", job_id)
    await execute(
        session,
        "UPDATE import_job SET mapping = $2::jsonb, default_site_id = $3, default_maker = $4, snapshot_on = $5, mode = $6, "
        "sheet = $7, step = 'uploaded', rows_staged = 0, rows_good = 0, rows_bad = 0, lots_new = 0, lots_changed = 0, "
        "lots_vanished = 0, lots_doubted = 0, covers_said = false, error = NULL, covers = $8, kind = $9, takes = $10 WHERE id = $1",
        job_id, json.dumps(mapping_of(table, plan, dict(orders or {}), fields=fields_of(kind), conditions=own, elsewhere=elsewhere)), default_site_id or job.default_site_id,
        (default_maker or "").strip() or job.default_maker, snapshot_on or job.snapshot_on, mode or job.mode,
        table.sheet or None, covers or job.covers, kind, takes or job.takes,
    )  # fmt: skip


def _words(job: Job, given: Mapping[str, str | None] | None) -> tuple[dict[str, str], dict[str, str]]:
    """(what is said of words for files of this shape, what stays from others). Whoever leaves a word as it was proposed
    from another shape says nothing of its own: it goes on following that one."""
    others = {word: name for word, name in job.conditions.items() if word in job.elsewhere}
    if given is None:
        return {word: name for word, name in job.conditions.items() if word not in others}, others
    own = {word: name for word, name in given.items() if name and others.get(word) != name}
    return own, {word: name for word, name in others.items() if given.get(word, name) == name}


async def _say_sites(session: WriteSession, actor: Actor, sites: Mapping[str, UUID | None]) -> None:
    """Keeps what words mean; they are read from now on in files of every shape."""
    given = {word.strip().casefold(): site for word, site in sites.items()}
    wrong = [word for word in given if not 0 < len(word) <= _WORD]
    if wrong or len(given) > MAX_SITE_WORDS * 2:
        raise invalid(
            "import.mapping",
            f"A word for a site has 1 to {_WORD} characters, and at most {MAX_SITE_WORDS * 2} are taken at once.",
            field="sites",
        )
    meant = {word: site for word, site in given.items() if site is not None}
    own = await parties.sites_for_share(session, actor, set(meant.values()))
    if missing_sites := set(meant.values()) - own.keys():
        raise missing("site.not_found", f"{len(missing_sites)} of these are no open sites of your company.")
    await execute(
        session, "DELETE FROM site_word WHERE company_id = $1 AND word = ANY($2::text[])", actor.company_id,
        [word for word in given if word not in meant],
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO site_word (company_id, word, site_id, said_by) SELECT $1, w.word, w.site, $4 FROM unnest($2::text[], $3::uuid[]) AS w (word, site) "
        "ON CONFLICT (company_id, word) DO UPDATE SET site_id = excluded.site_id, said_by = excluded.said_by, said_at = now() "
        "WHERE site_word.site_id <> excluded.site_id",
        actor.company_id, list(meant), list(meant.values()), actor.user_id,
    )  # fmt: skip


async def clear(session: WriteSession, job_id: UUID) -> None:
    """Forgets what was read of an import's file; the file itself is kept."""
    for table in ("import_issue", "import_row", "import_vanished", "catalogue_row", "import_stage"):
        await execute(session, f"DELETE FROM {table} WHERE job_id = $1", job_id)


def refuse_cancelled(job: Job) -> None:
    """Raises ``import.cancelled``."""
    if job.step == "cancelled":
        raise conflict("import.cancelled", "This import was cancelled. Upload the file again to import it.")


async def choose_landing(
    session: WriteSession, job_id: UUID, *, mode: str | None = None, covers: str | None = None
) -> None:
    """How a file lands: its good rows, or nothing unless all are good; and whether it tells of all stock of its sites,
    said by somebody who knows what it does not name. None leaves what is set. Raises ``import.landed`` where it landed in
    another way, ``import.cancelled``."""
    job = await queries.job_for_update(session, job_id)
    refuse_cancelled(job)
    if job.step == "done":
        if (mode or job.mode) != job.mode or (covers or job.covers) != job.covers:
            raise conflict("import.landed", "This import has landed already, in another way. Look at what it did.")
        return
    await execute(
        session,
        "UPDATE import_job SET mode = coalesce($2, mode), covers = coalesce($3, covers), "
        "covers_said = covers_said OR $3::text IS NOT NULL WHERE id = $1",
        job_id, mode, covers,
    )  # fmt: skip
