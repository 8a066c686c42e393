"""Commands about rates between currencies: recorded and listed on behalf of somebody who may."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from marketplace.cli_log import database_settings
from marketplace.kit.errors import busy, invalid

if TYPE_CHECKING:
    from marketplace.db.session import Database
    from marketplace.parties.actor import Actor

rate_app = typer.Typer(help="Rates by which plans compare prices of other currencies.", no_args_is_help=True)
Email = Annotated[str, typer.Option(help="On whose behalf: somebody of the company whose rate it is.")]
_LISTED = 100


def _database() -> Database:
    from marketplace.db.session import Database

    address = database_settings().database_url
    if address is None:
        raise busy("settings.missing", "Set BACKSTOCK_DATABASE_URL.")
    return Database(address, pool_size=1)


async def _actor(database: Database, email: str) -> Actor:
    from marketplace.parties import queries as parties

    async with database.read() as session:
        return await parties.actor_by_email(session, email)


@rate_app.command("record")
def record(
    currency: Annotated[str, typer.Argument(help="One of this, as EUR.")],
    rate: Annotated[str, typer.Argument(help="Is so many, as 1.0712.")],
    into: Annotated[str, typer.Argument(help="Of this, as USD.")],
    source: Annotated[str, typer.Option(help="Whose rate it is, as 'ECB reference rate'.")],
    email: Email,
    day: Annotated[datetime | None, typer.Option(help="Of which day (default: today).", formats=["%Y-%m-%d"])] = None,
) -> None:
    """Records a rate of one day, as an administrator states it; a later one for the same day counts instead."""
    now = datetime.now(UTC)
    try:
        figure = Decimal(rate)
    except InvalidOperation:
        raise invalid("rate.rate", f"'{rate}' is no rate. Write it like 1.0712.", field="rate") from None
    if not figure.is_finite() or -int(figure.as_tuple().exponent) > 9:
        raise invalid("rate.rate", "A rate has at most nine digits after the point.", field="rate")

    async def make() -> UUID:
        from marketplace.db.session import Tenant
        from marketplace.sourcing import service

        database = _database()
        try:
            actor = await _actor(database, email)
            actor.require("company.manage")
            async with database.write(Tenant(actor.company_id)) as session:
                return await service.record_rate(
                    session, actor, currency=currency.upper(), into=into.upper(), day=(day or now).date(), rate=figure, source=source, now=now
                )  # fmt: skip
        finally:
            await database.close()

    asyncio.run(make())
    typer.echo(f"1 {currency.upper()} = {figure:f} {into.upper()} on {(day or now).date()} is recorded.")


@rate_app.command("list")
def listed(email: Email) -> None:
    """Rates that the company stated, the newest first, at most 100; those that plans go by into its own currency are marked."""

    async def read() -> list[str]:
        from marketplace.db.session import Tenant
        from marketplace.sourcing import queries

        database = _database()
        try:
            actor = await _actor(database, email)
            actor.require("sourcing.read")
            async with database.read(Tenant(actor.company_id)) as session:
                rows = await queries.rates_stated(session, actor.company_id, limit=_LISTED)
                newest = await queries.newest_rates(session, actor.company_id, actor.currency, datetime.now(UTC).date())
        finally:
            await database.close()
        seen: set[str] = set()
        lines = []
        for r in rows:
            used = newest.get(r.currency)
            counts = used is not None and r.into == used.into and r.day == used.day and r.currency not in seen
            if counts:
                seen.add(r.currency)
            lines.append(
                f"{'*' if counts else ' '} {r.day}  1 {r.currency} = {r.rate.normalize():f} {r.into}  {r.source}"
            )
        return lines

    for line in asyncio.run(read()) or ["No rate is stated."]:
        typer.echo(line)
