"""Taking a file in: kept on disk by company under its hash, looked through once, its columns read as well as can be."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from marketplace.db.session import WriteSession, fetch_value
from marketplace.imports import queries
from marketplace.imports.columns import ColumnPlan, fingerprint, is_corrected, match_columns
from marketplace.imports.fields import Field, Kind
from marketplace.imports.files.letters import WORDS
from marketplace.imports.files.tables import Table, open_table
from marketplace.imports.queries import Job
from marketplace.imports.shapes import SHAPES, check_kind, fields_of, recognise
from marketplace.imports.values import DateOrder, date_order, decimal_comma
from marketplace.kit.clock import local_day
from marketplace.kit.errors import busy, conflict, invalid
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

MODES = ("good_rows", "all_or_nothing")
COVERS = ("all", "some")
"""Whether a file tells of all stock of its sites, or of some of it."""
TAKES = ("update", "replace", "add")
"""Of a catalogue file: changes what it names, replaces what is on record, or only adds what is new."""
_SHOWN_ROWS = 5
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The import a file became. ``repeated``: the same file for the same site and day was here before, and that
    import is meant."""

    job_id: UUID
    repeated: bool


async def upload(
    session: WriteSession,
    actor: Actor,
    *,
    chunks: AsyncIterator[bytes],
    file_name: str,
    data_dir: Path,
    limit_bytes: int,
    now: datetime,
    default_site_id: UUID | None = None,
    default_maker: str | None = None,
    snapshot_on: date | None = None,
    mode: str = "good_rows",
    covers: str = "all",
    sheet: str | None = None,
    delimiter: str | None = None,
    kind: str | None = None,
    takes: str = "update",
) -> Uploaded:
    """Keeps the file, finds header and columns, and opens an import in step 'uploaded'. ``kind``: of shapes.SHAPES; recognised
    by its columns where none is said. ``takes``: update, replace or add.

    ``snapshot_on``: the day the file tells about; today if not given. Corrected bad rows that come back tell of 'some'
    stock, whatever ``covers`` says. Raises ``import.too_large``,
    ``import.disk_full``, ``import.mode``, ``import.snapshot``, ``site.not_found``, and what reading a file raises
    (``import.empty``, ``import.kind``, ``import.bomb``, ``import.no_header``, ...). Nothing is kept of a refused file.
    """
    if mode not in MODES:
        raise invalid("import.mode", f"'{mode}' is not a mode. Use {' or '.join(MODES)}.", field="mode")
    if covers not in COVERS:
        raise invalid("import.covers", f"'{covers}' is unknown. Use {' or '.join(COVERS)}.", field="covers")
    check_kind(kind)
    if takes not in TAKES:
        raise invalid("import.takes", f"'{takes}' is unknown. Use {', '.join(TAKES)}.", field="takes")
    if default_site_id is not None:
        await parties.site_for_share(session, actor, default_site_id)
    day = await check_day(session, actor, default_site_id, snapshot_on, now)
    folder = data_dir / "uploads" / str(actor.company_id)
    async with arriving(chunks, folder, limit_bytes) as file:
        # Looked through before it is kept: a refused one never stands where another import's file may be.
        digest = file.digest
        if known := await queries.same_file(session, actor.company_id, digest, default_site_id, day, covers, kind):
            await file.keep()
            return Uploaded(known.id, True)
        table = await asyncio.to_thread(open_table, file.path, sheet=sheet, delimiter=delimiter, named=file_name)
        await file.keep()
    if is_corrected(table.header) and covers != "some":
        covers = "some"
        if known := await queries.same_file(session, actor.company_id, digest, default_site_id, day, covers, kind):
            return Uploaded(known.id, True)
    saved = await queries.saved_mapping(session, actor.company_id, fingerprint(table.header))
    sample = [r.cells for r in table.sample]
    kind = kind or saved.kind or recognise(table.header, sample)
    actor.require(SHAPES[kind].verb)
    plan = match_columns(table.header, sample, saved.mapping, fields_of(kind))
    read = mapping_of(table, plan, fields=fields_of(kind), conditions=saved.conditions, elsewhere=saved.elsewhere)
    job_id: UUID = await fetch_value(
        session,
        "INSERT INTO import_job (company_id, file_name, file_sha256, file_size, file_path, sheet, default_site_id, "
        "default_maker, snapshot_on, mode, mapping, step, rows_total, created_by, covers, kind, takes) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, 'uploaded', $12, $13, $14, $15, $16) RETURNING id",
        actor.company_id, Path(file_name).name[:200] or "upload", digest, file.size, f"{actor.company_id}/{file.kept.name}", table.sheet or None,
        default_site_id, (default_maker or "").strip() or None, day, mode, json.dumps(read),
        _estimate(table, file.size), actor.user_id, covers, kind, takes,
    )  # fmt: skip
    return Uploaded(job_id, False)


_COMMA = "Figures are read with a comma before decimals, as in most of them: 1.250,50 is 1250.50, and 12,000 is twelve."


def mapping_of(
    table: Table,
    plan: ColumnPlan,
    orders: dict[str, str] | None = None,
    *,
    fields: Mapping[str, Field],
    conditions: dict[str, str],
    elsewhere: dict[str, str],
) -> dict[str, Any]:
    """What an import keeps about how its file is read. ``elsewhere``: what words mean in the company's other files."""
    columns = {m.field: m.column for m in plan.matches}
    told = {
        field: date_order(r.cells[column] for r in table.sample if column < len(r.cells))
        for field, column in columns.items()
        if fields[field].kind is Kind.DATE
    }
    # A file writes its dates in one way: a column that does not tell is read as those that do.
    known = {order for order in told.values() if order}
    usual = known.pop() if len(known) == 1 else DateOrder.MONTH_FIRST
    found = {field: (order or usual).value for field, order in told.items()}
    figures = [c for field, c in columns.items() if fields[field].kind in (Kind.QUANTITY, Kind.AMOUNT)]
    comma = decimal_comma(r.cells[c] for r in table.sample for c in figures if c < len(r.cells))
    return {
        "comma": comma,
        "columns": columns,
        "why": {m.field: m.why.value for m in plan.matches},
        "missing": list(plan.missing),
        "warnings": [*plan.warnings, *_assumed(table), *([_COMMA] if comma else [])],
        "orders": {**found, **{f: o for f, o in (orders or {}).items() if f in found}},
        "header": list(table.header),
        "sample": [[cell[:80] for cell in r.cells] for r in table.sample[:_SHOWN_ROWS]],
        "sheets": list(table.sheets),
        "delimiter": table.delimiter,
        "conditions": {**elsewhere, **conditions},
        "elsewhere": [word for word in elsewhere if word not in conditions],
    }


def _assumed(table: Table) -> list[str]:
    """What was guessed of a text that does not say it itself."""
    if not table.encoding or table.encoding.startswith("utf"):
        return []
    said = (
        f"The file does not say how its letters are written; it was read as {WORDS.get(table.encoding, table.encoding)}. If letters look "
        "wrong below, save it as UTF-8 and upload it again."
    )
    return [said]


def _estimate(table: Table, size: int) -> int:
    """How many rows there will be, for a progress bar; 0 where nothing can be said before reading (workbooks)."""
    if not table.delimiter:
        return 0
    sampled = sum(len(cell.encode()) + 1 for row in table.sample for cell in row.cells)
    return max(size * len(table.sample) // max(sampled, 1), len(table.sample))


async def check_day(
    session: WriteSession, actor: Actor, site_id: UUID | None, stated: date | None, now: datetime
) -> date:
    """The day a file tells about; today at its site, or else at the actor's own, where none is stated. A file of
    tomorrow would shut out today's. Raises ``import.snapshot``."""
    site = await parties.site(session, site_id) if site_id else await parties.home_site(session, actor)
    today = local_day(now, site.timezone if site else "UTC")
    if stated is not None and stated > today:
        raise invalid(
            "import.snapshot", f"The file would tell of a day to come: where it is from it is {today:%d %b %Y}.",
            field="snapshot_on",
        )  # fmt: skip
    return stated or today


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that has come in whole, under a name of its own until it is kept under its SHA-256."""

    path: Path
    digest: bytes
    size: int

    @property
    def kept(self) -> Path:
        """Where it stands once it is kept."""
        return self.path.parent / self.digest.hex()

    async def keep(self) -> None:
        """Keeps it; the same bytes that were there before are replaced by themselves."""
        await asyncio.to_thread(self.path.replace, self.kept)


@contextlib.asynccontextmanager
async def arriving(chunks: AsyncIterator[bytes], folder: Path, limit_bytes: int) -> AsyncIterator[Arrived]:
    """Writes a file down. What is not kept when the block ends leaves nothing behind."""
    partial = folder / f".{secrets.token_hex(8)}.partial"
    hasher, size = hashlib.sha256(), 0
    try:
        with await asyncio.to_thread(_open_new, partial) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit_bytes:
                    raise invalid(
                        "import.too_large",
                        f"The file is larger than {limit_bytes // (1024 * 1024):,} MB. Split it, or ask the operator "
                        "for a higher limit.",
                        field="file",
                    )
                hasher.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(_flush, file)
        yield Arrived(partial, hasher.digest(), size)
    except OSError as error:
        if error.errno in _FULL:
            raise busy(
                "import.disk_full",
                "The server's disk is full: nothing was imported. Tell the operator, then try again.",
            ) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(partial.unlink, missing_ok=True)


async def open_kept(data_dir: Path, job: Job, *, sheet: str | None, delimiter: str | None) -> tuple[Path, Table]:
    """The file of an import, found again. Raises ``import.file_gone``, and what reading it raises."""
    path = data_dir / "uploads" / job.file_path
    try:
        return path, await asyncio.to_thread(open_table, path, sheet=sheet, delimiter=delimiter)
    except FileNotFoundError:
        raise conflict(
            "import.file_gone",
            "The file of this import is no longer on the server. Nothing was changed; upload it again.",
        ) from None


def _open_new(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
