"""``backstock replay``: real requests of the records, asked again of the demo world, as a test of load and of promises."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from marketplace.kit.errors import invalid

MOST_WORKERS = 64


def replay(
    workers: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="Requests that are asked at the same time.")
    ] = 8,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that they run in (default: two, or as many as cores)."),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="'max', or how many days of the records go by in a second, such as 0.5.")
    ] = "max",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many requests, from the first on (default: all 54,078).")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Draws what the records do not say: the hour of what was shipped.")
    ] = 1,
    report: Annotated[
        Path | None,
        typer.Option(help="Writes the report to this file, and beside it with the ending .json for programs."),
    ] = None,
    into_demo: Annotated[
        bool,
        typer.Option(
            "--into-demo",
            help="Asks the demo that is set up (or runs in the data folder), whose units are then reserved, and not a throwaway copy.",
        ),
    ] = False,
) -> None:
    """Replays real requests against a demo world: locate, plan, reserve or refuse, through the services.

    The world is a fresh one on a database server of its own in a temporary folder, gone afterwards: nobody's demo is emptied.
    Ends with a report: requests per second, met and unmet with reasons, time to answer, and double promises, which the ledger is
    recomputed for. Ctrl-C ends it early, with a report of what was done. Exit code 1 where a unit was promised twice or something
    failed that is no refusal."""
    from marketplace.demo.replay.proving import prove
    from marketplace.demo.replay.running import Order, replay
    from marketplace.demo.replay.tally import Run, as_data, as_text
    from marketplace.demo.run import Bar, say

    pace = _pace(speed)
    if report is not None and not report.absolute().parent.is_dir():
        raise invalid("replay.report", f"There is no folder {report.parent} to write the report to.", field="report")
    spread = min(processes or min(2, os.cpu_count() or 1), workers)
    with _into_demo() if into_demo else _throwaway() as (app_dsn, owner_dsn):
        run = f"REPLAY-{secrets.token_hex(4)}"
        before = os.getloadavg()[0]
        done = replay(Order(app_dsn, run, seed, workers, limit, pace), spread, Bar())
        after = os.getloadavg()[0]
        say("Recomputing the ledger")
        proof = asyncio.run(prove(owner_dsn, run))
    how = Run(
        "the demo that was set up" if into_demo else "a fresh demo, thrown away afterwards", seed, speed, workers, spread,
        done.seconds, done.stopped, done.wanted, before, after,
    )  # fmt: skip
    text = as_text(how, done.tally, proof)
    typer.echo(text)
    if report is not None:
        report.write_text(text, "utf-8")
        report.with_suffix(".json").write_text(json.dumps(as_data(how, done.tally, proof), indent=1) + "\n", "utf-8")
    for words, count in done.tally.failures.most_common(5):
        typer.echo(f"failed {count:,} times: {words}", err=True)
    raise SystemExit(1 if proof.double_promises or proof.faults or done.tally.failures else 0)


def _pace(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        days = float(speed)
    except ValueError:
        days = 0.0
    if not 0 < days <= 1_000_000:
        raise invalid("replay.speed", f"'{speed}' is no speed. Say max, or days per second such as 0.5.", field="speed")
    return days


@contextlib.contextmanager
def _throwaway() -> Iterator[tuple[str, str]]:
    """A demo world on a server of its own: the addresses of the application's role and the owner's."""
    from marketplace.db.embedded import APP, OWNER, SUPERUSER, EmbeddedServer
    from marketplace.demo.run import prepare, say

    with tempfile.TemporaryDirectory(prefix="backstock-replay-") as folder:
        # The database's own user has to reach it.
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder))
        say("Making a demo world to throw away")
        try:
            credentials = server.start()
            prepare(credentials)
            asyncio.run(_settle(credentials.dsn(OWNER), credentials.dsn(SUPERUSER, "postgres")))
            yield credentials.dsn(APP), credentials.dsn(OWNER)
        finally:
            server.stop(mode="immediate")


async def _settle(owner_dsn: str, admin_dsn: str) -> None:
    """What a load leaves to be done within minutes is done now, and not in the middle of the replay."""
    import asyncpg

    for dsn, statement in ((owner_dsn, "VACUUM (ANALYZE)"), (admin_dsn, "CHECKPOINT")):
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def _into_demo() -> Iterator[tuple[str, str]]:
    from marketplace.cli_log import database_settings
    from marketplace.kit.errors import busy

    settings = database_settings()
    if settings.database_url is None or settings.owner_database_url is None:
        raise busy("settings.missing", "Set BACKSTOCK_DATABASE_URL and BACKSTOCK_OWNER_DATABASE_URL.")
    yield settings.database_url, settings.owner_database_url


__all__ = ["replay"]
