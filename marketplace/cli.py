"""The ``backstock`` command. Exit codes: 0 done, 1 a check failed, 2 wrong input, 3 not allowed, 4 not found,
5 conflict, 6 try again later."""

from __future__ import annotations

import os
import socket
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from marketplace.cli_advise import advise
from marketplace.cli_backup import backup_app, restore
from marketplace.cli_demand import demand_app
from marketplace.cli_import import import_file, undo_import
from marketplace.cli_locate import locate
from marketplace.cli_log import database_settings, log_app, verify, witness_app
from marketplace.cli_rates import rate_app
from marketplace.cli_replay import replay
from marketplace.kit.errors import DomainError, busy, invalid
from marketplace.kit.statuses import EXIT_CODE
from marketplace.settings import Settings, get_settings

T = TypeVar("T")
app = typer.Typer(
    help="Backstock: sell slow-moving parts without losing them.", no_args_is_help=True, add_completion=False
)
company_app = typer.Typer(help="Companies.", no_args_is_help=True)
user_app = typer.Typer(help="People.", no_args_is_help=True)
apikey_app = typer.Typer(help="API keys for programs.", no_args_is_help=True)
contracts_app = typer.Typer(help="Clause texts.", no_args_is_help=True)
ledger_app = typer.Typer(help="The ledger.", no_args_is_help=True)
index_app = typer.Typer(help="Published indexes that prices follow.", no_args_is_help=True)
for name, sub in (
    ("company", company_app), ("user", user_app), ("apikey", apikey_app), ("contracts", contracts_app),
    ("ledger", ledger_app), ("index", index_app), ("log", log_app), ("witness", witness_app), ("backup", backup_app), ("rate", rate_app), ("demand", demand_app),
):  # fmt: skip
    app.add_typer(sub, name=name)
app.command()(verify)
app.command()(restore)
app.command()(replay)
app.command()(locate)
app.command()(advise)

ROOT = Path(__file__).resolve().parents[1]
SITE = "web.app:create_site"


def main() -> None:
    """Runs the command line; a refusal is told in words on standard error, with its own exit code."""
    try:
        app(standalone_mode=True)
    except Exception as error:
        refusal = error if isinstance(error, DomainError) else _refusal(error)
        if refusal is None:
            raise
        typer.echo(f"{refusal.message}  [{refusal.code}]", err=True)
        for one in refusal.fields:
            typer.echo(f"  {one.field}: {one.message}", err=True)
        raise SystemExit(EXIT_CODE[refusal.kind]) from None


def _refusal(error: Exception) -> DomainError | None:
    """What went wrong outside of our rules, in words: a setting that cannot be, a database that does not answer."""
    import asyncpg
    from alembic.util import CommandError
    from pydantic import ValidationError

    from marketplace.db.session import outage

    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        wrong = "; ".join(f"BACKSTOCK_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        return invalid("settings.invalid", f"A setting cannot be: {wrong}.")
    if isinstance(error, CommandError):
        return invalid("migrate.revision", f"{error}. Known are the names in migrations/versions/, and 'head'.")
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return invalid("settings.database", f"The address of the database cannot be read: {error}.")
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError):
        return invalid("settings.database", f"The database does not let us in: {error}.")
    # asyncio tells of several addresses that refuse with a bare OSError; a missing file is not meant.
    unreachable = isinstance(error, ConnectionError | TimeoutError | socket.gaierror) or type(error) is OSError
    if unreachable or isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return outage(error)
    return None


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(work)


def _need(value: str | None, name: str) -> str:
    if value is None:
        raise busy("settings.missing", f"Set {name}.")
    return value


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port of the site (default: PORT or 8000).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the demo's data (kept between runs).")] = None,
    reset: Annotated[bool, typer.Option(help="Throw the demo's data away and start over.")] = False,
) -> None:
    """Starts everything: the embedded PostgreSQL, the schema, the demo data, the worker and the site."""
    from marketplace.demo.run import run_demo

    settings = get_settings()
    raise SystemExit(run_demo(data_dir or settings.data_dir, _port(port, settings), reset=reset))


def _port(given: int | None, settings: Settings) -> int:
    """The port from the option, from PORT or from the settings."""
    text = str(given if given is not None else os.environ.get("PORT") or settings.port)
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise invalid("settings.port", f"'{text}' is no port. Choose a number from 1 to 65535, such as 8000.")
    return int(text)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Port (default: BACKSTOCK_PORT or 8000).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes (default: BACKSTOCK_WORKERS or 1).")] = None,
) -> None:
    """Serves the site and the API."""
    import uvicorn

    from marketplace.telemetry import configure_logging

    settings = get_settings()
    at = _port(port, settings)
    _need(settings.database_url, "BACKSTOCK_DATABASE_URL")
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    uvicorn.run(
        SITE, factory=True, host=settings.host, port=at, workers=workers or settings.workers,
        loop="uvloop", http="httptools", log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=20, proxy_headers=True,
    )  # fmt: skip


@app.command()
def worker() -> None:
    """Runs the background worker: events, deadlines, imports."""
    from marketplace.telemetry import configure_logging
    from marketplace.worker import work

    settings = get_settings()
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    _run(work(settings))


@app.command()
def migrate(revision: Annotated[str, typer.Argument(help="Target revision.")] = "head") -> None:
    """Makes roles and database where an admin address is set, brings the schema up, publishes the clauses."""
    import asyncpg

    from marketplace.agreements.service import publish_library
    from marketplace.db import setup
    from marketplace.db.embedded import DATABASE, OWNER

    settings = database_settings()
    owner = _need(settings.owner_database_url, "BACKSTOCK_OWNER_DATABASE_URL")
    _run(setup.wait_for_server(settings.admin_database_url or owner))
    if settings.admin_database_url and settings.database_url and settings.worker_database_url:
        passwords = {
            role: setup.password_in(url)
            for role, url in (
                (OWNER, owner),
                ("backstock_app", settings.database_url),
                ("backstock_worker", settings.worker_database_url),
            )
        }
        _run(setup.ensure_database(settings.admin_database_url, passwords, setup.database_in(owner) or DATABASE))
    setup.migrate(owner, revision)

    async def publish() -> None:
        connection = await asyncpg.connect(owner)
        try:
            for clause, version, what in await publish_library(connection, ROOT / "contracts"):
                typer.echo(f"{clause}/v{version}: {what}")
        finally:
            await connection.close()

    if revision == "head":
        _run(publish())
    typer.echo(f"Schema at {revision}.")


@contracts_app.command("publish")
def contracts_publish(
    folder: Annotated[Path, typer.Option(help="The folder contracts/.")] = ROOT / "contracts",
) -> None:
    """Copies released clause versions into the database, where they never change again."""
    import asyncpg

    from marketplace.agreements.service import publish_library

    async def publish() -> None:
        connection = await asyncpg.connect(
            _need(database_settings().owner_database_url, "BACKSTOCK_OWNER_DATABASE_URL")
        )
        try:
            for clause, version, what in await publish_library(connection, folder):
                typer.echo(f"{clause}/v{version}: {what}")
        finally:
            await connection.close()

    _run(publish())


@contracts_app.command("new")
def contracts_new(
    clause: Annotated[str, typer.Argument(help="The clause, such as buy-back.")],
    folder: Annotated[Path, typer.Option(help="The folder contracts/.")] = ROOT / "contracts",
) -> None:
    """Starts the next version of a clause as a copy of its newest one, or a new clause."""
    from marketplace.agreements.service import new_version

    place = new_version(folder, clause)
    typer.echo(f"{clause}/{place.name}: made in {place}. README.md of the folder says what to write where.")


@contracts_app.command("release")
def contracts_release(
    clause: Annotated[str, typer.Argument(help="The clause, such as buy-back.")],
    version: Annotated[int, typer.Argument(min=1, help="Its version, such as 2.")],
    folder: Annotated[Path, typer.Option(help="The folder contracts/.")] = ROOT / "contracts",
) -> None:
    """Releases a version that passes every check: from then on its files never change. Publish copies it."""
    from marketplace.agreements.service import release_version

    typer.echo(f"{clause}/v{version}: released as {release_version(folder, clause, version)}")


@contracts_app.command("check")
def contracts_check(
    folder: Annotated[Path, typer.Option(help="The folder contracts/.")] = ROOT / "contracts",
) -> None:
    """Checks every clause: blanks and terms, schema, examples, and that what is released is as it was."""
    from marketplace.agreements.library import CLAUSE_FILES, check_clause, digest_clause, read_released

    places = sorted(p for p in folder.glob("*/v[1-9]*") if p.name[1:].isdecimal())
    if not places:
        raise invalid(
            "contracts.folder", f"There are no clauses in {folder}: name the folder that holds <clause>/v<n>/."
        )
    known = folder / "released.toml"
    try:
        released = read_released(known.read_bytes()) if known.exists() else {}
    except ValueError as error:
        raise invalid("clause.released", f"{known} cannot be read: {error}.") from None
    wrong = 0
    for clause, version in sorted(released):
        if folder / clause / f"v{version}" not in places:
            typer.echo(f"{clause}/v{version}: released, but its folder is missing")
            wrong += 1
    for place in places:
        files = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file() and not p.name.startswith(".")}
        clause, version = place.parent.name, int(place.name[1:])
        found = check_clause(clause, version, files)
        problems = [f"{problem.file}: {problem.message}" for problem in found]
        whole = set(CLAUSE_FILES) <= set(files)
        if (clause, version) in released and not (whole and digest_clause(files) == released[clause, version]):
            problems.append("This version is released and was changed. Put it back, and make a new version instead.")
        draft = "" if (clause, version) in released else " (not released)"
        typer.echo(f"{clause}/{place.name}: {'ok' if not problems else f'{len(problems)} problems'}{draft}")
        for problem in problems:
            typer.echo(f"  {problem}")
        wrong += len(problems)
    raise SystemExit(1 if wrong else 0)


@index_app.command("import")
def index_import(
    file: Annotated[
        Path, typer.Argument(help="CSV with series, month, value ('ended': no longer published), published_at, source.")
    ],
) -> None:
    """Keep published index values that prices follow: all of the file or nothing; the same file again changes nothing."""
    import asyncpg

    from marketplace.agreements.index_file import read_index_file
    from marketplace.agreements.service import keep_index_values

    try:
        rows = read_index_file(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise invalid("index.file", f"{file} cannot be read: {error}.") from None

    async def keep() -> int:
        owner = await asyncpg.connect(_need(database_settings().owner_database_url, "BACKSTOCK_OWNER_DATABASE_URL"))
        try:
            return await keep_index_values(owner, rows)
        finally:
            await owner.close()

    new = _run(keep())
    typer.echo(f"{new:,} new of {len(rows):,} values." if new else "All of them were on record already.")


@ledger_app.command("verify")
def ledger_verify() -> None:
    """Recomputes every stock line and reservation from the transactions, and the whole log, and checks the ledger's invariants."""
    import sys
    import time

    from marketplace.db.session import Database
    from marketplace.ledger.queries import CHECKS, verify
    from marketplace.ledger.service import verify_log

    settings = database_settings()

    async def check() -> int:
        database = Database(
            _need(settings.worker_database_url, "BACKSTOCK_WORKER_DATABASE_URL"),
            pool_size=1,
            statement_timeout_ms=3_600_000,
        )
        wrong = 0
        try:
            for name in CHECKS:
                started = time.perf_counter()
                async with database.read() as session:
                    found = await verify(session, name)
                seconds = time.perf_counter() - started
                typer.echo(f"{'ok  ' if not found else 'FAIL'} {name} ({seconds:.1f} s)")
                for one in found[:10]:
                    typer.echo(f"     lot {one.lot_id} #{one.number}: kept {one.kept}, rebuilt {one.rebuilt}")
                wrong += len(found)
            started = time.perf_counter()
            async with database.read() as session:
                # Into a file or a pipe goes what came out, and not every step on the way.
                seen = sys.stdout.isatty()
                log = await verify_log(
                    session, (lambda n: typer.echo(f"\r     {n:,} entries of the log", nl=False)) if seen else None
                )
            seconds = time.perf_counter() - started
            typer.echo(
                f"{chr(13) if seen else ''}{'ok  ' if not log.faults else 'FAIL'} the log is that of the transactions, its tiles and "
                f"checkpoints with it: {log.entries:,} entries, {log.checkpoints:,} signed sizes ({seconds:.1f} s)"
            )
            for words in log.faults[:10]:
                typer.echo(f"     {words}")
            wrong += len(log.faults)
        finally:
            await database.close()
        return wrong

    raise SystemExit(1 if _run(check()) else 0)


async def _as_owner(action: Any) -> Any:
    from marketplace.db.session import Database

    database = Database(_need(database_settings().owner_database_url, "BACKSTOCK_OWNER_DATABASE_URL"), pool_size=1)
    try:
        async with database.write() as session:
            return await action(session)
    finally:
        await database.close()


async def _company_id(session: Any, code: str) -> UUID:
    from marketplace.db.session import fetch_value
    from marketplace.kit.errors import missing

    found: UUID | None = await fetch_value(session, "SELECT id FROM company WHERE code = $1", code.upper())
    if found is None:
        raise missing("company.not_found", f"There is no company with the code {code.upper()}.")
    return found


@company_app.command("create")
def company_create(
    code: Annotated[str, typer.Argument(help="Permanent short code.")],
    name: Annotated[str, typer.Argument(help="Name.")],
    manufacturer: Annotated[bool, typer.Option(help="It makes parts.")] = False,
    partner: Annotated[bool, typer.Option(help="It buys and holds parts.")] = False,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    country: Annotated[str, typer.Option(help="ISO 3166, two letters.")] = "US",
) -> None:
    """Makes a company (and, for a manufacturer, its maker in the catalogue)."""
    from marketplace.parties.service import create_company
    from marketplace.parts.service import create_maker

    async def make(session: Any) -> UUID:
        made = await create_company(
            session,
            code=code,
            name=name,
            manufacturer=manufacturer,
            partner=partner,
            currency=currency,
            country=country,
        )
        if manufacturer:
            await create_maker(session, code=code.upper(), name=name, company_id=made)
        return made

    typer.echo(_run(_as_owner(make)))


@user_app.command("create")
def user_create(
    company: Annotated[str, typer.Argument(help="Code of the company.")],
    email: Annotated[str, typer.Argument(help="E-mail address, used to sign in.")],
    name: Annotated[str, typer.Argument(help="Name.")],
    role: Annotated[list[str], typer.Option(help="Role; may be given several times.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="At least 15 characters; a short sentence is easiest.")
    ],
) -> None:
    """Makes a person who can sign in."""
    from marketplace.parties.service import create_user

    async def make(session: Any) -> UUID:
        company_id = await _company_id(session, company)
        return await create_user(
            session,
            None,
            company_id=company_id,
            email=email,
            name=name,
            password=password,
            roles=role,
            now=datetime.now(UTC),
        )

    typer.echo(_run(_as_owner(make)))


@apikey_app.command("create")
def apikey_create(
    email: Annotated[str, typer.Argument(help="The person on whose behalf the program works.")],
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="Scope such as sourcing.read or sourcing.*; several times.")],
) -> None:
    """Makes an API key and prints its secret, this once."""
    from marketplace.db.session import fetch_one
    from marketplace.kit.errors import missing
    from marketplace.parties.actor import Actor
    from marketplace.parties.service import create_api_key

    async def make(session: Any) -> str:
        row = await fetch_one(session, "SELECT * FROM auth_login($1)", email)
        if row is None:
            raise missing("user.not_found", f"Nobody signs in as {email}.")
        actor = Actor(row["user_id"], row["company_id"], "", "", "", False, False, "USD", frozenset({"admin"}))
        _, secret = await create_api_key(
            session, actor, name=name, scopes=frozenset(scope), expires_at=None, now=datetime.now(UTC)
        )
        return secret

    typer.echo(_run(_as_owner(make)))


app.command("import")(import_file)
app.command("undo-import")(undo_import)


if __name__ == "__main__":
    main()
