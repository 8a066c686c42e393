"""Commands that make backups and turn one into a server again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import asyncpg
import typer

from marketplace.kit.errors import DomainError, Kind, busy, invalid, missing
from marketplace.settings import get_settings

if TYPE_CHECKING:
    from marketplace.db.backup import Server
    from marketplace.db.backup_store import Store
    from marketplace.ledger.service import RestoreVerdict

T = TypeVar("T")
backup_app = typer.Typer(help="Backups.", invoke_without_command=True, no_args_is_help=False)
To = Annotated[
    Path | None,
    typer.Option("--to", help="Folder of the backups (default: BACKSTOCK_BACKUP_DIR). On another disk than the data."),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        help="Address of the server as a superuser (default: BACKSTOCK_ADMIN_DATABASE_URL, or the embedded server)."
    ),
]
AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a server that is stopped, starting or cut off answers with."""
PASSING: Final = frozenset({"backup.program", "backup.busy", "backup.server"})
KEYS_INSIDE = (
    "It holds the log's private keys and the database's passwords: readable by its owner alone (mode 0600), not encrypted. Whoever "
    "copies it elsewhere has to keep them."
)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _say(words: str) -> None:
    typer.echo(f"{words} ...", err=True)


def _store(to: Path | None) -> Store:
    from marketplace.db.backup_store import Store

    folder = to or get_settings().backup_dir
    if folder is None:
        raise invalid("backup.folder", "Say where backups go: --to DIR, or BACKSTOCK_BACKUP_DIR.", field="to")
    return Store(folder)


def _server(dsn: str | None) -> Server:
    from marketplace.db.backup import Server
    from marketplace.db.embedded import DATABASE, SUPERUSER, EmbeddedServer

    settings = get_settings()
    given = dsn or settings.admin_database_url
    if given is not None:
        folder = settings.data_dir.expanduser()
        ours = given if dsn else f"{given.rsplit('/', 1)[0]}/{DATABASE}"
        return Server(ours, folder if folder.is_dir() else None, embedded=False)
    embedded = EmbeddedServer(settings.data_dir)
    credentials = embedded.credentials()
    if credentials is None or embedded.running_pid() is None:
        raise busy(
            "backup.server",
            f"No server runs in {embedded.data_dir}, and no other is named. Start it, set BACKSTOCK_DATA_DIR to its folder, or say --dsn.",
        )
    return Server(credentials.dsn(SUPERUSER), embedded.data_dir, embedded=True)


@backup_app.callback()
def backup(
    context: typer.Context,
    to: To = None,
    keep: Annotated[
        int, typer.Option(min=1, help="How many backups stay; older ones go, with their write-ahead log.")
    ] = 7,
    dsn: Dsn = None,
    rate: Annotated[
        str | None, typer.Option(help="Most that is read in a second, such as 20M, to spare the disk.")
    ] = None,
    follow: Annotated[
        bool, typer.Option(help="Goes on: fetches what is written, and makes a new backup in time.")
    ] = False,
    every: Annotated[
        int, typer.Option(min=1, help="With --follow: seconds between two fetches, which is what can be lost.")
    ] = 10,
    hours: Annotated[int, typer.Option(min=1, help="With --follow: hours between two whole backups.")] = 24,
) -> None:
    """Makes a whole backup of the running server, and fetches everything written since the one before, so that any time from the
    oldest backup on can be restored.

    What is written after this command is fetched by the next one, or all the time with --follow (run it as a service beside the
    worker). Until then the server keeps it, up to 16 GB where it is ours; 'backstock backup stop' ends that. A backup that was
    broken off is none and is cleared away by the next. Works with the embedded server and with any other of the same version that
    lets this machine replicate.
    """
    if context.invoked_subcommand is not None:
        return
    from marketplace.db import backup as backups

    store, server, made = _store(to), _server(dsn), None
    while True:
        started = time.monotonic()
        try:
            made = _run(backups.make(server, store, rate=rate, show=backups.on_terminal()))
        except (*AWAY, DomainError) as error:
            # A service that has worked goes on: a server that is stopped for a minute must not end it.
            if made is None or (isinstance(error, DomainError) and error.code not in PASSING):
                raise
            typer.echo(f"no whole backup was made, tried again in {every} s: {error}", err=True)
            _follow(server, store, every, time.monotonic() + every)
            continue
        gone = store.keep(keep)
        typer.echo(
            f"{made.name}: {made.size_bytes / 1e6:,.1f} MB in {time.monotonic() - started:.1f} s. Any time from {made.ended_at[:19]} UTC on "
            f"can be restored{', and from the older ones' if len(store.backups()) > 1 else ''}."
        )
        for one in gone:
            typer.echo(f"{one}: removed, {keep} are kept.")
        typer.echo(KEYS_INSIDE, err=True)
        if not follow:
            return
        _follow(server, store, every, time.monotonic() + hours * 3600)


def _follow(server: Server, store: Store, every: int, until: float) -> None:
    from marketplace.db import backup as backups

    while time.monotonic() < until:
        time.sleep(every)
        try:
            with store.locked():
                moment = _run(backups.receive(server, store))
        except (*AWAY, DomainError) as error:
            # The server is away, or too busy: it keeps what was not fetched.
            typer.echo(f"not fetched, tried again in {every} s: {error}", err=True)
            continue
        if sys.stdout.isatty():
            typer.echo(f"\rfetched up to {moment:%Y-%m-%d %H:%M:%S} UTC", nl=False)


@backup_app.command("list")
def backup_list(
    to: To = None,
    check: Annotated[bool, typer.Option(help="Compare every file with its checksum.")] = False,
) -> None:
    """Lists the backups that are whole, and up to when can be restored. Exit code 1 where a check finds damage."""
    from marketplace.db import backup as backups

    store = _store(to)
    made = store.backups()
    wrong = 0
    for one in made:
        words = f"{one.name}  {one.size_bytes / 1e6:>10,.1f} MB  schema {one.schema}  log of {one.log_size:,} entries"
        if check:
            try:
                backups.verify(store, one)
                words += "  whole"
            except DomainError as error:
                if error.kind is not Kind.CONFLICT:
                    raise
                words += f"  DAMAGED: {error.message}"
                wrong += 1
        typer.echo(words)
    if not made:
        typer.echo(f"There is no whole backup in {store.folder}.")
    elif reach := store.reaches():
        typer.echo(f"Any time from {made[0].ended_at[:19]} to {reach.isoformat()[:19]} UTC can be restored.")
    raise SystemExit(1 if wrong else 0)


@backup_app.command("compare")
def backup_compare(
    to: To = None,
    at: Annotated[str, typer.Option(help="The time that was restored, or 'latest'.")] = "latest",
) -> None:
    """Compares the running site's log with what it had published by a time, as it is kept with the backups, and recomputes log, stock
    lines and reservations: for a server that was restored by its own means. Exit codes: 0 all of it holds, 1 something does not."""
    from marketplace.db.backup_store import utc
    from marketplace.db.embedded import WORKER, EmbeddedServer
    from marketplace.ledger.service import KeyRing

    settings, store = get_settings(), _store(to)
    if not KeyRing(store.folder).history():
        # A folder that was mistyped must not be an all-clear.
        raise missing(
            "backup.none",
            f"{store.folder} holds nothing of what the log has published: there is nothing to compare with. Name a folder of backups.",
        )
    worker = settings.worker_database_url
    if worker is None:
        credentials = EmbeddedServer(settings.data_dir).credentials()
        if credentials is None:
            raise busy("settings.missing", "Set BACKSTOCK_WORKER_DATABASE_URL.")
        worker = credentials.dsn(WORKER)
    verdict = _run(_judge(worker, store.folder, None if at == "latest" else utc(at)))
    _tell(verdict, f"Compared with what is kept in {store.folder}, up to {at}.")
    raise SystemExit(1 if verdict.faults else 0)


@backup_app.command("stop")
def backup_stop(to: To = None, dsn: Dsn = None) -> None:
    """Tells the server that nobody fetches into this folder any more: it then keeps nothing for it. The backups stay."""
    from marketplace.db import backup as backups

    found = _run(backups.stop(_server(dsn), _store(to)))
    typer.echo("The server keeps nothing for this folder any more." if found else "It kept nothing for this folder.")


def restore(
    source: Annotated[Path, typer.Option("--from", help="Folder of the backups.")],
    to: Annotated[
        str,
        typer.Option(
            help="The time to come to, such as 2026-11-30T14:05:00Z (UTC unless it says otherwise), or 'latest'."
        ),
    ],
    into: Annotated[Path | None, typer.Option(help="New data folder (default: BACKSTOCK_DATA_DIR).")] = None,
    replace: Annotated[
        bool, typer.Option(help="Where the data folder is not empty: move what is there aside.")
    ] = False,
    keep_running: Annotated[bool, typer.Option(help="Leave the server running.")] = False,
) -> None:
    """Restores a backup and everything written since, up to a time, into a new data folder; then compares the log with what had been
    published by then, and recomputes log, stock lines and reservations. Exit codes: 0 all of it holds, 1 something does not; 4 and 5
    where the backup, or the time in it, is not there or is damaged: then nothing was written.

    What an operator does where less was restored than had been published: the worker signs only what goes on from what was published
    last, and says 'log.shrank' until it does; witnesses refuse the same. So restore to 'latest' first: what was published comes
    back with it, and the log goes on. An older time is for looking (keep it apart from the site), or the site's last resort: then
    it works, transactions wait to be sealed, and the status page says so. Under the old name such a log is never signed: it would be
    a second history. Tell your counterparties from which size on entries are gone; their bundles, and witnesses, still prove them.
    When it is certain that what came after that time is lost: 'backstock log begin-anew --because ...' ends the log openly, and
    the worker begins another one under another name.
    """
    from marketplace.db import restore as restoring
    from marketplace.db.backup_store import Store, utc

    moment = None if to == "latest" else utc(to)
    store = Store(source)
    server, made = restoring.place(store, into or get_settings().data_dir, moment, replace=replace, say=_say)
    try:
        credentials = _run(restoring.recover(server, _say))
        restoring.tidy(server)
        _say("Recomputing log, stock lines and reservations")
        from marketplace.db.embedded import WORKER

        verdict = _run(_judge(credentials.dsn(WORKER), server.data_dir, moment))
    finally:
        if not keep_running:
            server.stop()
    _tell(verdict, f"Restored to {to}, from the backup {made.name}, into {server.data_dir}.")
    typer.echo("\nMake a new backup of it, into a folder of its own, as soon as it is in use.")
    raise SystemExit(1 if verdict.faults else 0)


def _tell(verdict: RestoreVerdict, what: str) -> None:
    typer.echo("HOLDS" if not verdict.faults else "DOES NOT HOLD")
    typer.echo(what)
    for title, words in (("Wrong", verdict.faults), ("Holds", verdict.holds)):
        if words:
            typer.echo(f"\n{title}:")
            for one in words:
                typer.echo(f"  - {one}")
    if verdict.beyond is not None:
        typer.echo(
            f"\nPublished since was size {verdict.beyond.size:,}: the worker will not sign what was restored, since it does not go on "
            "from there. See 'backstock restore --help'."
        )


async def _judge(dsn: str, folder: Path, moment: datetime | None) -> RestoreVerdict:
    from marketplace.db.session import Database
    from marketplace.ledger.service import KeyRing, judge_restored

    database = Database(dsn, pool_size=1, statement_timeout_ms=3_600_000)
    try:
        async with database.read() as session:
            return await judge_restored(session, KeyRing(folder).history(), moment)
    finally:
        await database.close()
