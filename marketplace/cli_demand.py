"""Commands about demand: a file brought in on behalf of somebody who may, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketplace.cli_log import database_settings
from marketplace.kit.errors import busy, invalid

if TYPE_CHECKING:
    from marketplace.advising.queries import DemandFile, IssueRow

demand_app = typer.Typer(
    help="What the field asked for, month by month: the history that advice rests on.", no_args_is_help=True
)
_PIECE = 1 << 20
_TOLD = 20


@demand_app.command("import")
def bring_in(
    file: Annotated[Path, typer.Argument(help="Months as columns, or a line a demand (CSV or XLSX).")],
    email: Annotated[str, typer.Option(help="On whose behalf: a planner or administrator of the company.")],
    maker: Annotated[
        str | None, typer.Option(help="Whose part numbers it writes, by code or name (default: your own).")
    ] = None,
) -> None:
    """Brings in a demand file, whole, and tells what was odd in it. A later file counts instead for the months that it names."""

    async def chunks() -> AsyncIterator[bytes]:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                yield piece

    async def run() -> tuple[DemandFile, list[IssueRow], bool]:
        # Asked for its help alone, the command does not wait for all of this.
        from marketplace.advising import queries, service
        from marketplace.db.session import Database, Tenant
        from marketplace.parties import queries as parties

        settings = database_settings()
        if settings.database_url is None:
            raise busy("settings.missing", "Set BACKSTOCK_DATABASE_URL.")
        database = Database(settings.database_url, pool_size=1)
        now = datetime.now(UTC)
        try:
            async with database.read() as session:
                actor = await parties.actor_by_email(session, email)
            actor.require("planning.write")
            tenant = Tenant(actor.company_id)
            async with database.write(tenant) as session:
                made = await service.upload_demand(
                    session, actor, chunks=chunks(), file_name=file.name, data_dir=settings.data_dir,
                    limit_bytes=settings.upload_limit_bytes, maker=maker, now=now, later=False,
                )  # fmt: skip
            await service.land_demand(
                database, import_id=made.import_id, company_id=actor.company_id, data_dir=settings.data_dir, now=now
            )
            async with database.read(tenant) as session:
                found = await queries.demand_file(session, actor.company_id, made.import_id)
                odd = await queries.demand_issues(session, actor.company_id, made.import_id, limit=_TOLD)
            return found, list(odd), made.repeated
        finally:
            await database.close()

    if not file.is_file():
        raise invalid("demand.file", f"There is no file {file}.", field="file")
    found, odd, repeated = asyncio.run(run())
    if repeated:
        typer.echo("This file is the newest that counts already; nothing was brought in twice.")
    typer.echo(
        f"{found.parts:,} of {found.numbers:,} numbers have a history of {found.months:,} months from {found.first_month:%Y-%m} on."
    )
    for issue in odd:
        typer.echo(f"{f'row {issue.row_no}: ' if issue.row_no else ''}{issue.part_number} {issue.message}".strip())
    if found.odd > len(odd):
        typer.echo(f"{found.odd - len(odd):,} more; see them all under Advice, Demand.")
