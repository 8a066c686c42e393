"""Commands about the log: verify a bundle, run a witness, monitor known lots, the log's keys. None needs the database but the
last, and ``verify`` needs no network either."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketplace.kit.errors import busy, conflict, invalid, missing

if TYPE_CHECKING:
    import httpx

    from marketplace.ledger.log.merkle import Read
    from marketplace.ledger.log.notes import Checkpoint, Key, Signer
    from marketplace.settings import Settings

log_app = typer.Typer(help="The log that commits to every movement.", no_args_is_help=True)
witness_app = typer.Typer(help="A witness: your own record that the log only grows.", no_args_is_help=True)
LogAddress = Annotated[str, typer.Option("--log", help="Address of the site, such as https://parts.example.")]
LogKeys = Annotated[
    list[str], typer.Option("--log-key", help="Verifier key of the log, got from the operator in person or on paper.")
]
UNREADABLE = 2


def database_settings() -> Settings:
    """The settings, with the embedded server's addresses where none are set and one runs in the data folder."""
    from marketplace.db.embedded import APP, OWNER, SUPERUSER, WORKER, EmbeddedServer
    from marketplace.settings import get_settings

    settings = get_settings()
    if settings.database_url or settings.owner_database_url or settings.admin_database_url:
        return settings
    server = EmbeddedServer(settings.data_dir)
    credentials = server.credentials()
    if credentials is None or server.running_pid() is None:
        raise busy(
            "settings.database",
            "No database: set BACKSTOCK_DATABASE_URL (and the worker's and owner's), or start 'backstock demo' first.",
        )
    return settings.model_copy(
        update={
            "database_url": credentials.dsn(APP),
            "worker_database_url": credentials.dsn(WORKER),
            "owner_database_url": credentials.dsn(OWNER),
            "admin_database_url": credentials.dsn(SUPERUSER, "postgres"),
        }
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise missing("file.not_found", f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise invalid("file.text", f"{path} is no text.") from None


def verify(
    file: Annotated[Path, typer.Argument(help="A bundle that was downloaded.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint of the log that you trust, such as a witness keeps.")
    ] = None,
    witness_policy: Annotated[
        Path | None, typer.Option(help="Trusted keys of logs and witnesses and how many are needed (C2SP tlog-policy).")
    ] = None,
) -> None:
    """Checks a bundle, without server or database. Exit codes: 0 it holds, 1 it does not, 2 it cannot be read."""
    from marketplace.ledger.log import bundle as bundles
    from marketplace.ledger.log.policy import PolicyError, parse_policy

    try:
        data = file.read_bytes()
    except OSError as error:
        typer.echo(f"{file} cannot be read: {error.strerror}.", err=True)
        raise SystemExit(UNREADABLE) from None
    try:
        policy = parse_policy(_text(witness_policy)) if witness_policy else None
        known = bundles.read_checkpoint(_text(checkpoint)) if checkpoint else None
        bundle = bundles.load(data)
    except (bundles.UnreadableError, PolicyError) as error:
        typer.echo(str(error), err=True)
        raise SystemExit(UNREADABLE) from None
    verdict = bundles.verify(bundle, policy, known)
    typer.echo("HOLDS" if verdict.holds else "DOES NOT HOLD")
    for title, words in (("Wrong", verdict.faults), ("Proven", verdict.proven), ("Not proven", verdict.not_proven)):
        if words:
            typer.echo(f"\n{title}:")
            for one in words:
                typer.echo(f"  - {one}")
    raise SystemExit(0 if verdict.holds else 1)


# -- a witness -----------------------------------------------------------------------------------------------


@witness_app.command("key")
def witness_key(
    name: Annotated[str, typer.Argument(help="What your witness is called, such as witness.northfield.example/1.")],
    file: Annotated[Path, typer.Argument(help="Where its private key goes. Keep it to yourself.")],
) -> None:
    """Makes the key of a witness and prints its public half, for registering under Company."""
    from marketplace.ledger.log.notes import COSIGNATURE, NoteError, Signer, named, written_key

    try:
        signer = Signer(named(name), COSIGNATURE, secrets.token_bytes(32))
    except NoteError as error:
        raise invalid("witness.name", str(error), field="name") from None
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise conflict("file.exists", f"{file} exists already. A key is not written over another.") from None
    except OSError as error:
        raise missing("file.not_found", f"{file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as kept:
        kept.write(written_key(signer) + "\n")
    typer.echo(signer.key.vkey)


@witness_app.command("run")
def witness_run(
    log: LogAddress,
    key: Annotated[Path, typer.Option(help="The witness's private key.")],
    state: Annotated[Path, typer.Option(help="Where it keeps the last checkpoint that it has seen.")],
    log_key: LogKeys,
    every: Annotated[int, typer.Option(help="Seconds between looks; 0 = look once.")] = 60,
) -> None:
    """Watches the log: cosigns what goes on from what it saw last, and refuses, with exit code 1, a log that is smaller or has
    forked."""
    import httpx

    from marketplace.ledger.log.notes import COSIGNATURE, NoteError, parse_private, parse_vkey
    from marketplace.ledger.log.watching import LogError

    try:
        signer, trusted = parse_private(_text(key)), [parse_vkey(k) for k in log_key]
    except NoteError as error:
        raise invalid("witness.key", str(error)) from None
    if signer.kind != COSIGNATURE:
        raise invalid("witness.key", f"{key} is no key of a witness. Make one with 'backstock witness key'.")
    with httpx.Client(base_url=log, timeout=30) as client:
        while True:
            try:
                typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {_look(client, signer, trusted, state)}")
            except LogError as error:
                typer.echo(f"ALARM: {error}", err=True)
                _report(client, state)
                raise SystemExit(1) from None
            except (httpx.HTTPError, NoteError) as error:
                if not every:
                    raise conflict("log.away", f"The log could not be read: {error}") from None
                typer.echo(f"not read, tried again in {every} s: {error}", err=True)
            if not every:
                return
            time.sleep(every)


def _look(client: httpx.Client, signer: Signer, trusted: list[Key], state: Path) -> str:
    """One look: what is new is checked, kept, and then cosigned."""
    from marketplace.ledger.log.merkle import consistency_proof
    from marketplace.ledger.log.notes import cosign, open_checkpoint, parse_note
    from marketplace.ledger.log.watching import goes_on

    note = parse_note(_get(client, "/log/checkpoint").decode())
    shown = open_checkpoint(note, trusted)
    known = _remembered(state, trusted)
    proof: list[bytes] = []
    if known is not None and 0 < known.size < shown.size:
        proof = consistency_proof(_tiles(client, shown.size), known.size, shown.size)
    goes_on(known, shown, proof)
    if known is None or known.size < shown.size:
        _keep(state, str(note))
    answer = client.post(
        "/api/v1/ledger/cosignatures", json={"size": shown.size, "line": cosign(note.text, signer, int(time.time()))}
    )
    if answer.status_code != 201:
        detail = (
            answer.json().get("detail", answer.text[:200])
            if answer.headers.get("content-type", "").endswith("json")
            else answer.text[:200]
        )
        return f"size {shown.size:,} goes on; the site did not take the cosignature: {detail}"
    return f"size {shown.size:,} cosigned"


def _remembered(state: Path, trusted: list[Key]) -> Checkpoint | None:
    """What it saw last. Raises ``witness.state``: a file that is damaged is no fault of the log's, and never a first look."""
    from marketplace.ledger.log.notes import NoteError, open_checkpoint, parse_note

    if not state.exists():
        return None
    try:
        return open_checkpoint(parse_note(_text(state)), trusted)
    except NoteError as error:
        raise conflict(
            "witness.state",
            f"{state}, in which this witness keeps what it saw last, cannot be read: {error} Put back a copy of it, or name the key of "
            "the log that signed it as well. Without it nobody knows whether the log has shrunk since.",
        ) from None


def _report(client: httpx.Client, state: Path) -> None:
    """Shows the site what it had signed: it puts an alarm on record, if it is honest."""
    import httpx

    try:
        client.post("/api/v1/ledger/evidence", json={"note": _text(state)})
    except httpx.HTTPError:
        typer.echo(f"The site does not answer. {state} is the proof: keep it.", err=True)
    else:
        typer.echo(f"The site was shown what it had signed. {state} is the proof: keep it.", err=True)


def _keep(state: Path, text: str) -> None:
    from marketplace.db.private_files import write_private

    try:
        write_private(state, text)
    except OSError as error:
        raise missing("file.not_found", f"{state} cannot be written: {error.strerror}. Nothing was cosigned.") from None


def _get(client: httpx.Client, path: str) -> bytes:
    answer = client.get(path)
    answer.raise_for_status()
    return answer.content


def _tiles(client: httpx.Client, size: int) -> Read:
    from marketplace.ledger.log.tiles import Tile, reader, width_at

    known: dict[tuple[int, int], bytes] = {}

    def tile(level: int, number: int) -> bytes:
        if (level, number) not in known:
            known[level, number] = _get(client, f"/log/{Tile(level, number, width_at(level, number, size)).path}")
        return known[level, number]

    return reader(tile)


# -- a monitor and the keys ----------------------------------------------------------------------------------


@log_app.command("monitor")
def monitor(
    log: LogAddress,
    bundle: Annotated[list[Path], typer.Option(help="A bundle with the lots to look for; may be given several times.")],
    log_key: LogKeys,
) -> None:
    """Reads the whole log and looks for the lots of your bundles: a movement that stands there twice, one that was shown and is
    not there, one that is there and was not shown. Exit code 1 where something is found."""
    import httpx

    from marketplace.ledger.log import bundle as bundles
    from marketplace.ledger.log.notes import NoteError, open_checkpoint, parse_note, parse_vkey
    from marketplace.ledger.log.watching import LogError, watch

    lots: dict[str, tuple[bytes, int]] = {}
    try:
        trusted = [parse_vkey(k) for k in log_key]
        for path in bundle:
            for lot in bundles.load(_text(path).encode())["lots"]:
                lots[lot["lot"]] = (bytes.fromhex(lot["key"]), len(lot["movements"]))
    except (bundles.UnreadableError, NoteError, KeyError, ValueError) as error:
        raise invalid("bundle.unreadable", f"A bundle or key cannot be read: {error}") from None
    with httpx.Client(base_url=log, timeout=60) as client:
        try:
            point = open_checkpoint(parse_note(_get(client, "/log/checkpoint").decode()), trusted)
            watched = watch(point, _entries(client, point), lots)
        except (httpx.HTTPError, NoteError) as error:
            raise conflict("log.away", f"The log could not be read: {error}") from None
        except LogError as error:
            typer.echo(f"ALARM: {error}", err=True)
            raise SystemExit(1) from None
    faults = watched.faults({lot: last for lot, (_, last) in lots.items()})
    for words in faults:
        typer.echo(f"FOUND: {words}")
    typer.echo(f"{watched.size:,} entries read, {len(lots):,} lots looked for, {len(faults):,} things found.")
    raise SystemExit(1 if faults else 0)


def _entries(client: httpx.Client, point: Checkpoint) -> Iterator[bytes]:
    from marketplace.ledger.log.tiles import WIDTH, Tile, unbundle, width_at

    for number in range(-(-point.size // WIDTH)):
        yield from unbundle(_get(client, f"/log/{Tile(-1, number, width_at(-1, number, point.size)).path}"))


@log_app.command("keys")
def keys() -> None:
    """Prints the verifier keys by which this installation's log is signed: give them to your counterparties."""
    from marketplace.ledger.service import KeyRing
    from marketplace.settings import get_settings

    signers = KeyRing(get_settings().data_dir).signers()
    if not signers:
        raise missing("log.key", "There is no key yet: the worker makes one when it starts.")
    for signer in signers:
        typer.echo(signer.key.vkey)


@log_app.command("add-key")
def add_key() -> None:
    """Adds a second key: from the next checkpoint on both sign, so that counterparties can change to it."""
    from marketplace.ledger.log.notes import Signer
    from marketplace.ledger.service import KeyRing
    from marketplace.settings import get_settings

    ring = KeyRing(get_settings().data_dir)
    signers = ring.signers()
    if not signers:
        raise missing("log.key", "There is no key yet: the worker makes one when it starts.")
    new = Signer(signers[0].name, signers[0].kind, secrets.token_bytes(32))
    ring.keep_signers([*signers, new])
    typer.echo(new.key.vkey)


@log_app.command("begin-anew")
def begin_anew(
    because: Annotated[str, typer.Option(help="Why: everybody who reads the log is told.")],
) -> None:
    """Ends a log that cannot go on, after a restore to a time before what was published or once its keys are lost, and lets the
    worker begin another one, under another name and with another key, with every movement on record.

    What the ended log proved stays provable: bundles, checkpoints and witnesses' lines need no server. Tell your counterparties the
    new key ('backstock log keys'), in person or on paper, and their witnesses and monitors with it: they were told the old one, and
    rightly refuse another log. The ended one stays on the page of the log, with the reason.
    """
    import asyncio

    from marketplace.db.session import Database
    from marketplace.ledger import service

    settings = database_settings()
    if settings.owner_database_url is None:
        raise busy("settings.missing", "Set BACKSTOCK_OWNER_DATABASE_URL.")
    ring, now = service.KeyRing(settings.data_dir), datetime.now(UTC)

    async def end(dsn: str) -> str:
        database = Database(dsn, pool_size=1)
        try:
            async with database.write() as session:
                return await service.begin_anew(session, ring, because, now)
        finally:
            await database.close()

    origin = asyncio.run(end(settings.owner_database_url))
    moved = ring.set_aside(now)
    typer.echo(f"The log {origin} is ended. Its files: {', '.join(str(p) for p in moved) or 'none were here'}.")
    typer.echo("The worker begins another one within a second of running. Then: backstock log keys")


@log_app.command("retire-key")
def retire_key(
    key_id: Annotated[str, typer.Argument(help="The eight letters between the plus signs of the verifier key.")],
) -> None:
    """Takes a key out of service: checkpoints from then on are signed by the others. What it has signed stays signed."""
    from marketplace.ledger.service import KeyRing
    from marketplace.settings import get_settings

    ring = KeyRing(get_settings().data_dir)
    signers = ring.signers()
    left = [s for s in signers if s.key.id.hex() != key_id.lower()]
    if len(left) == len(signers):
        raise missing(
            "log.key", f"There is no key {key_id} here: {', '.join(s.key.id.hex() for s in signers) or 'none at all'}."
        )
    if not left:
        raise conflict(
            "log.key", "This is the only key. Add another one first, and give your counterparties time to know it."
        )
    ring.keep_signers(left)
    typer.echo(f"{key_id} is retired; {len(left)} sign.")
