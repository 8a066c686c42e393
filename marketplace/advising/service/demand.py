"""Bringing in files of demand: kept, read, matched with parts, landed in one transaction; and withdrawing one.

Demand is what the field asked for. What is shipped to a partner under a release is no demand and never gets here: only a file says
what was asked for. A run that is killed leaves the file waiting, and nothing of it landed; the queue hands it out again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from marketplace.advising import queries
from marketplace.advising.copying import packed, same
from marketplace.advising.queries import DemandFile
from marketplace.advising.told import Histories, nothing_found
from marketplace.db.session import Database, ReadSession, Tenant, WriteSession, be_patient, driver, execute, fetch_value
from marketplace.imports.demand_lines import DemandTable, Told, is_month, read_demand
from marketplace.imports.files.tables import open_table, read_batches
from marketplace.imports.service import SMALL_FILE_BYTES, arriving
from marketplace.jobs.service import enqueue
from marketplace.kit.errors import DomainError, Kind, conflict, invalid
from marketplace.parties.actor import Actor

READ_DEMAND = "advising.demand"
"""The worker's job."""
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class UploadedDemand:
    """The import a file became. ``repeated``: the newest file that counts is the same one, and that import is meant; ``large``: the
    worker's to read."""

    import_id: UUID
    repeated: bool
    large: bool


async def upload_demand(
    session: WriteSession,
    actor: Actor,
    *,
    chunks: AsyncIterator[bytes],
    file_name: str,
    data_dir: Path,
    limit_bytes: int,
    now: datetime,
    maker: str | None = None,
    later: bool = True,
) -> UploadedDemand:
    """Keeps a file and lands it whole; a large one waits for the worker to do that. ``maker``: code or name of whose numbers it writes; otherwise the company's own makers'.
    ``later``: False where the caller reads a large file itself (``land_demand``).

    Raises ``import.too_large``, ``import.disk_full``, ``demand.maker``, ``demand.empty``, ``demand.unknown``,
    ``advise.demand``, and what reading a file raises. Nothing is kept of a refused file."""
    whose = await _maker(session, actor, maker)
    folder = data_dir / "uploads" / str(actor.company_id)
    async with arriving(chunks, folder, limit_bytes) as file:
        table = await asyncio.to_thread(open_table, file.path, named=file_name, also_name=is_month)
        read_demand(table.header, [], Told())
        known = await queries.same_demand_file(session, actor.company_id, file.digest, whose)
        await file.keep()
    large = file.size > SMALL_FILE_BYTES
    if known:
        return UploadedDemand(known, True, large)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO demand_import (company_id, file_name, file_sha256, file_size, file_path, maker_id, step, created_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7) RETURNING id",
        actor.company_id, Path(file_name).name[:200] or "demand", file.digest, file.size,
        f"{actor.company_id}/{file.kept.name}", whose, actor.user_id,
    )  # fmt: skip
    if large and later:
        await enqueue(session, READ_DEMAND, {"import_id": str(made), "company_id": str(actor.company_id)})
    elif not large:
        read = await asyncio.to_thread(_read, file.kept)
        found = await queries.demand_file(session, actor.company_id, made)
        await _land(session, found, *read, await _makers(session, found), now)
    return UploadedDemand(made, False, large)


async def _maker(session: WriteSession, actor: Actor, text: str | None) -> UUID | None:
    if text and text.strip():
        found = await queries.maker_named(session, text.strip())
        if found is None:
            raise invalid(
                "demand.maker", f"There is no maker '{text.strip()[:40]}'. Write its code or its name.", field="maker"
            )
        return found[0]
    if not await queries.own_makers(session, actor.company_id):
        raise invalid(
            "demand.maker", "Your company is no maker itself: say whose part numbers the file writes.", field="maker"
        )
    return None


async def land_demand(database: Database, *, import_id: UUID, company_id: UUID, data_dir: Path, now: datetime) -> None:
    """Reads a waiting file and lands it whole. What is wrong with the file ends it as 'failed' with the words, which are raised;
    done twice, it does nothing twice."""
    tenant = Tenant(company_id)
    async with database.read(tenant) as session:
        found = await queries.demand_file(session, company_id, import_id)
        makers = await _makers(session, found)
    if found.step != "waiting":
        return
    try:
        table, told = await asyncio.to_thread(_read, data_dir / "uploads" / found.file_path)
        async with database.write(tenant) as session:
            await be_patient(session)
            locked = await queries.demand_file_for_update(session, company_id, import_id)
            if locked.step == "waiting":
                await _land(session, locked, table, told, makers, now)
    except DomainError as error:
        if error.kind is Kind.BUSY:
            raise
        async with database.write(tenant) as session:
            await execute(
                session,
                "UPDATE demand_import SET step = 'failed', error = $3, finished_at = $4 "
                "WHERE id = $1 AND company_id = $2 AND step = 'waiting'",
                import_id, company_id, error.message, now,
            )  # fmt: skip
        raise


async def _makers(session: ReadSession, found: DemandFile) -> str:
    return found.maker or ", ".join(await queries.own_makers(session, found.company_id))


def _read(path: Path) -> tuple[DemandTable, Told]:
    try:
        table = open_table(path, also_name=is_month)
    except FileNotFoundError:
        raise conflict(
            "demand.file_gone", "The file is no longer on the server. Nothing was changed; upload it again."
        ) from None
    told = Told()

    def rows() -> Iterator[tuple[int, Sequence[str]]]:
        for batch in read_batches(path, table):
            for row in batch:
                yield row.number, row.cells

    return read_demand(table.header, rows(), told), told


async def _land(
    session: WriteSession, found: DemandFile, table: DemandTable, told: Told, makers: str, now: datetime
) -> None:
    numbers = list(zip(table.keys, table.numbers, strict=True))
    parts = await queries.parts_numbered(session, found.company_id, found.maker_id, numbers)
    histories = await asyncio.to_thread(Histories, table, parts, told, makers)
    refusal = nothing_found(table, histories, makers)
    if refusal is not None:
        raise refusal
    months = table.units.shape[1]
    fields = (("import", "uuid"), ("part", "uuid"), ("units", f"float4[{months}]"))
    raw = await driver(session)
    for start in range(0, len(histories.parts), _PIECE):
        some = histories.parts[start : start + _PIECE]
        rows = {"import": same(found.id, len(some)), "part": some, "units": histories.units[start : start + _PIECE]}
        await raw.copy_to_table(
            "demand_stage", source=_pieces(packed(fields, rows)), columns=("import_id", "part_id", "units"), format="binary", timeout=600
        )  # fmt: skip
    await execute(
        session,
        "INSERT INTO demand_history (import_id, part_id, company_id, units) "
        "SELECT import_id, part_id, $2, units FROM demand_stage WHERE import_id = $1 ORDER BY part_id",
        found.id, found.company_id,
    )  # fmt: skip
    await execute(session, "DELETE FROM demand_stage WHERE import_id = $1", found.id)
    issues = histories.issues
    await execute(
        session,
        "INSERT INTO demand_issue (import_id, no, company_id, row_no, part_number, message) SELECT $1, x.no, $2, x.row_no, x.part, x.words "
        "FROM unnest($3::int[], $4::text[], $5::text[]) WITH ORDINALITY AS x (row_no, part, words, no)",
        found.id, found.company_id, [i[0] for i in issues], [i[1][:80] for i in issues], [i[2] for i in issues],
    )  # fmt: skip
    first = date(table.first_month // 12, table.first_month % 12 + 1, 1)
    await execute(
        session,
        "UPDATE demand_import SET step = 'done', first_month = $2, months = $3, numbers = $4, parts = $5, odd = $6, finished_at = $7 "
        "WHERE id = $1 AND company_id = $8",
        found.id, first, months, len(table.keys), len(histories.parts), histories.odd, now, found.company_id,
    )  # fmt: skip
    if len(histories.parts) > _PIECE:
        await execute(session, "ANALYZE demand_history")


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


async def withdraw_demand(session: WriteSession, actor: Actor, import_id: UUID, now: datetime) -> None:
    """A file that was a mistake counts no longer; what it said stays on record, and earlier files speak again for its months.
    Raises ``demand.not_found``, ``demand.withdrawn``."""
    found = await queries.demand_file_for_update(session, actor.company_id, import_id)
    if found.withdrawn_at is not None:
        raise conflict("demand.withdrawn", "This file is withdrawn already.")
    if found.step != "done":
        raise conflict("demand.not_landed", "This file has not landed: there is nothing to withdraw.")
    await execute(
        session, "UPDATE demand_import SET withdrawn_at = $2, withdrawn_by = $3 WHERE id = $1 AND company_id = $4",
        import_id, now, actor.user_id, actor.company_id,
    )  # fmt: skip
