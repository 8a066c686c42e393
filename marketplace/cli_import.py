"""Commands about files: imported on behalf of somebody who may, and undone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from marketplace.cli_log import database_settings
from marketplace.kit.errors import busy

if TYPE_CHECKING:
    from marketplace.imports.service.telling import Telling


def _address() -> str:
    address = database_settings().database_url
    if address is None:
        raise busy("settings.missing", "Set BACKSTOCK_DATABASE_URL.")
    return address


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            yield chunk


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX: stock, parts, supersessions, prices, sites, other numbers, counts or use reports.",
            exists=True,
            dir_okay=False,
        ),
    ],
    email: Annotated[str, typer.Option(help="On whose behalf: a person who may import.")],
    site: Annotated[str | None, typer.Option(help="Code of the site, where the file has no site column.")] = None,
    maker: Annotated[str | None, typer.Option(help="Maker code, where the file has no maker column.")] = None,
    snapshot: Annotated[datetime | None, typer.Option(help="Day the file shows (default: today).")] = None,
    all_stock: Annotated[
        bool | None,
        typer.Option(
            "--all-stock/--part-of-stock",
            help="Whether the file tells of all stock of its sites (the usual: what it does not name is proposed as gone) "
            "or of some. To be said where it leaves out more of a site than it names.",
        ),
    ] = None,
    all_or_nothing: Annotated[bool, typer.Option(help="Land nothing unless every row is right.")] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            help="stock, parts, supersessions, prices, sites, numbers, counts or uses; recognised by its columns if not said."
        ),
    ] = None,
    takes: Annotated[
        str,
        typer.Option(
            help="Of other lists than stock: update what it names, replace what is on record, or add what is new."
        ),
    ] = "update",
    errors: Annotated[Path | None, typer.Option(help="Write bad rows with their reasons to this CSV file.")] = None,
) -> None:
    """Imports a file: good rows land, bad rows come back with row, column and reason. Exit code 1 when
    there were bad rows."""
    day = (snapshot or datetime.now(UTC)).date()
    mode = "all_or_nothing" if all_or_nothing else "good_rows"
    raise SystemExit(asyncio.run(_import(file, email, site, maker, day, mode, all_stock, errors, kind, takes)))


async def _import(
    file: Path,
    email: str,
    site: str | None,
    maker: str | None,
    day: date,
    mode: str,
    all_stock: bool | None,
    errors: Path | None,
    kind: str | None,
    takes: str,
) -> int:
    from marketplace.db.session import Database, Tenant
    from marketplace.imports import queries, service
    from marketplace.imports.shapes import SHAPES
    from marketplace.imports.staging import DEFAULT_CONDITION
    from marketplace.kit.errors import missing
    from marketplace.kit.exports import csv_chunks
    from marketplace.parties import queries as parties

    settings = database_settings()
    database = Database(_address(), pool_size=2, statement_timeout_ms=600_000)
    now = datetime.now(UTC)
    try:
        async with database.write() as session:
            actor = await parties.actor_by_email(session, email)
            actor.require("stock.import")
            wanted = [s for s in await parties.sites(session, actor) if site and s.code.upper() == site.upper()]
            if site and not wanted:
                raise missing("site.not_found", f"Your company has no site with the code {site}.")
            made = await service.upload(
                session, actor, chunks=_chunks(file), file_name=file.name, data_dir=settings.data_dir,
                limit_bytes=settings.upload_limit_bytes, now=now, default_site_id=wanted[0].id if wanted else None,
                default_maker=maker, snapshot_on=day, mode=mode, covers="some" if all_stock is False else "all",
                kind=kind, takes=takes,
            )  # fmt: skip
            if all_stock is not None:
                await service.choose_landing(session, made.job_id, covers="all" if all_stock else "some")
        await service.run(
            database, job_id=made.job_id, company_id=actor.company_id, actor_id=actor.user_id,
            data_dir=settings.data_dir, land=True, now=now, seen=_shown if sys.stderr.isatty() else None,
        )  # fmt: skip
        if sys.stderr.isatty():
            typer.echo("\r\033[K", nl=False, err=True)
        async with database.read(Tenant(actor.company_id)) as session:
            job = await queries.job(session, made.job_id)
            rows = [
                (i.row_no, i.field, i.message, i.value)
                for i in await queries.issues(session, made.job_id, limit=1_000_000)
            ]
        typer.echo(
            f"{file.name}: {job.step}. {job.rows_total:,} row{'s' * (job.rows_total != 1)}, {job.rows_good:,} good, {job.rows_bad:,} bad; "
            f"{job.lots_new:,} new, {job.lots_changed:,} changed, {job.lots_vanished:,} gone"
            f"{' (the last two are proposals)' if job.kind == 'stock' else ''}. It lists {SHAPES[job.kind].label.lower()}; its number is {job.id}."
        )
        for sheet in job.mapping.get("count_sheets", []):
            typer.echo(f"A count was begun: {sheet['reference']} of {sheet['site']}. Confirm it under Counts.")
        if job.without_condition:
            typer.echo(f"{job.without_condition:,} good rows say no condition: taken as {DEFAULT_CONDITION}.", err=True)
        if job.unused_names:
            typer.echo(f"Not used, since nothing is read from them: {', '.join(job.unused_names)}.", err=True)
        if job.error:
            typer.echo(job.error, err=True)
        for row in rows[:20]:
            typer.echo(f"  row {row[0]}, {row[1]}: {row[2]}", err=True)
        if len(rows) > 20:
            typer.echo(f"  ... and {len(rows) - 20:,} more; write them to a file with --errors", err=True)
        if errors:
            text = "".join(csv_chunks(("row", "column", "reason", "value"), rows))
            await asyncio.to_thread(errors.write_text, text, encoding="utf-8")
        return 1 if job.rows_bad or job.error else 0
    finally:
        await database.close()


def _shown(told: Telling) -> None:
    """One line that says how far it is, written over the one before."""
    rows = f" {told.done:,} of {told.total:,} rows" if told.total else ""
    typer.echo(f"\r\033[K{told.phase.capitalize()}{rows} ...", nl=False, err=True)


def undo_import(
    number: Annotated[UUID, typer.Argument(help="The import's number, as importing printed it.")],
    email: Annotated[str, typer.Option(help="On whose behalf: a person who may import.")],
) -> None:
    """Undoes a whole import as far as nothing was done with it since; says what stays and why. Exit code 1 when something
    stays."""
    raise SystemExit(asyncio.run(_undo(number, email)))


async def _undo(number: UUID, email: str) -> int:
    from marketplace.db.session import Database, Tenant
    from marketplace.imports import service
    from marketplace.imports.queries import catalogue
    from marketplace.parties import queries as parties

    database = Database(_address(), pool_size=2, statement_timeout_ms=600_000)
    try:
        async with database.read() as session:
            actor = await parties.actor_by_email(session, email)
        actor.require("stock.import")
        async with database.write(Tenant(actor.company_id)) as session:
            many = await service.undo(session, actor, number, datetime.now(UTC))
        async with database.read(Tenant(actor.company_id)) as session:
            kept = await catalogue.kept(session, number, limit=20)
    finally:
        await database.close()
    stays = many.get("kept", 0) + many.get("partly", 0)
    typer.echo(f"{many.get('undone', 0):,} taken back, {stays:,} not, or not whole.")
    for row in kept:
        typer.echo(f"  {row.number} {row.other}: {row.kept_because}", err=True)
    if stays > len(kept):
        typer.echo(f"  ... and {stays - len(kept):,} more; see the import's page", err=True)
    return 1 if stays else 0
