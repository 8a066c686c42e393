"""The log for everybody (C2SP tlog-tiles below /log), and JSON routes about it: checkpoints, witnesses, evidence, bundles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.db.session import ReadSession
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, PageOut
from marketplace.ledger import service
from marketplace.ledger.log.merkle import HASH_SIZE
from marketplace.ledger.log.notes import parse_note
from marketplace.ledger.log.tiles import WIDTH, bundle_entries, parse, stands_in
from marketplace.ledger.permissions import ProvesUnits, ReadsLog, RegistersWitness
from marketplace.ledger.queries import log as queries
from marketplace.ledger.queries.labels import scanned
from marketplace.ledger.queries.log import CheckpointRow
from marketplace.ledger.schemas import (
    CheckpointOut,
    CosignatureIn,
    CosignatureOut,
    EvidenceIn,
    EvidenceOut,
    FedOut,
    FeedOut,
    LogStatusOut,
    ScannedOut,
    UnitHit,
    WitnessIn,
    WitnessOut,
)
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.parts.labels import MOST, read
from marketplace.parts.permissions import ReadsParts
from marketplace.parts.schemas import PartOut

public = APIRouter(prefix="/log", include_in_schema=False)
router = APIRouter(prefix="/ledger", tags=["ledger"])
FOREVER: Final = "public, max-age=31536000, immutable"
BINARY: Final = "application/octet-stream"
LONGEST_DAYS: Final = 400


# -- for everybody, as tlog-tiles has it ---------------------------------------------------------------------


@public.get("/checkpoint")
async def checkpoint(session: Reading) -> Response:
    """The latest checkpoint with its cosignatures."""
    point = await queries.latest_checkpoint(session)
    if point is None:
        raise missing("checkpoint.not_found", "The log has no checkpoint yet. Try again in a few seconds.")
    return Response(point.text, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})


@public.get("/keys")
async def keys(session: Reading) -> Response:
    """The verifier keys of the log, a line each; those that do not sign any more as well."""
    lines = "".join(f"{vkey}\n" for vkey in await queries.public_keys(session))
    return Response(lines, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})


@public.get("/tile/{level}/{rest:path}")
async def tile(session: Reading, level: str, rest: str) -> Response:
    """A tile of hashes, or a bundle of entries, as far as a checkpoint has been signed over it."""
    wanted = parse(level, rest)
    point = await queries.latest_checkpoint(session) if wanted is not None else None
    if wanted is None or point is None or not stands_in(wanted, point.size):
        raise missing("tile.not_found", "The log has no such tile.")
    if wanted.level < 0:
        data = bundle_entries(await queries.entries(session, wanted.number * WIDTH, wanted.width))
    else:
        found = await queries.tiles(session, [(wanted.level, wanted.number)])
        data = found[wanted.level, wanted.number][: wanted.width * HASH_SIZE]
    return Response(data, media_type=BINARY, headers={"cache-control": FOREVER})


# -- JSON ----------------------------------------------------------------------------------------------------


def _checkpoint_out(row: CheckpointRow) -> CheckpointOut:
    cosigned = [line.name for line in parse_note(row.text).lines[len(parse_note(row.note).lines) :]]
    return CheckpointOut(size=row.size, root=row.root.hex(), signed_at=row.signed_at, cosigned=cosigned, note=row.text)


@router.get("/log", summary="How the log stands")
async def status(session: Reading, actor: ReadsLog) -> LogStatusOut:
    """Its size, what is signed, what waits, and how many alarms are on record."""
    state = await queries.state(session)
    latest = await queries.latest_checkpoint(session)
    count, since = await queries.waiting(session)
    return LogStatusOut(
        origin=state.origin if state else None, size=state.size if state else 0, signed=latest.size if latest else 0,
        waiting=count, waiting_since=since, alarms=await queries.count_alarms(session),
    )  # fmt: skip


@router.get("/checkpoints", summary="Signed sizes of the log")
async def checkpoints(
    session: Reading, actor: ReadsLog, secret: PageSecret, after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[CheckpointOut]:  # fmt: skip
    """The largest first, each with its note."""
    mark = read_bookmark(after, secret, int)
    rows = await queries.checkpoints(session, below=mark[0] if mark else None, limit=limit + 1)
    page = cut(rows, limit, lambda r: [r.size], secret)
    return PageOut(items=[_checkpoint_out(r) for r in page.items], next=page.next)


@router.get("/movements", summary="What has happened, by position in the log")
async def movements(
    session: Reading, actor: ProvesUnits, after: Annotated[int, Query(ge=-1, le=2**62)] = -1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = DEFAULT_PAGE,
) -> FeedOut:  # fmt: skip
    """For other systems that follow along: the movements that your company may see, in the one order in which the log has them. Keep
    ``next`` and ask again with ``after``: nothing is missed and nothing comes twice, whenever you ask and however long you were
    away. A page may be empty before you have caught up: others' movements stand in between. A position that the log does not have is
    refused: it was restored to an earlier time since."""
    _unmasked(actor)
    found = await queries.feed(session, after, limit)
    if after >= max(found.size, 0):
        raise conflict(
            "log.beyond",
            f"The log has {found.size:,} entries, so nothing has been read up to position {after:,} of it: it was restored to an earlier "
            "time, or you followed another one. Compare what you have with it, and go on from a position that it has.",
            size=found.size,
        )
    items = [FedOut(position=position, movement=json.loads(record)) for position, record in found.found]
    return FeedOut(items=items, next=found.reached, size=found.size, caught_up=found.reached >= found.size - 1)


@router.get("/witnesses", summary="Who watches the log")
async def witnesses(session: Reading, actor: ReadsLog) -> list[WitnessOut]:
    """Registered witnesses, with the largest size that each has cosigned."""
    return [WitnessOut.model_validate(w) for w in await queries.witnesses(session, in_force=False)]


@router.post("/witnesses", status_code=201, summary="Register a witness of your company")
async def register(
    session: Writing, actor: RegistersWitness, new: WitnessIn, now: Now, key: IdempotencyKey = None
) -> WitnessOut:
    """From now on its cosignatures are taken. It runs where you want: 'backstock witness run'."""

    async def act() -> Any:
        made = await service.register_witness(session, actor, new.vkey, now)
        found = next(w for w in await queries.witnesses(session) if w.id == made)
        return WitnessOut.model_validate(found).model_dump(mode="json")

    answer = await once(session, actor, key, "witnesses.register", new.model_dump(mode="json"), act)
    return WitnessOut.model_validate(answer.content)


@router.post("/witnesses/{witness_id}/retire", summary="Retire a witness of your company")
async def retire(
    session: Writing, actor: RegistersWitness, witness_id: UUID, now: Now, key: IdempotencyKey = None
) -> Done:
    """No more of its cosignatures are taken; what it has cosigned stays."""

    async def act() -> None:
        await service.retire_witness(session, actor, witness_id, now)

    return await once_done(session, actor, key, "witnesses.retire", {"witness_id": witness_id}, act)


@router.post("/cosignatures", status_code=201, summary="Put a witness's line under a checkpoint")
async def cosign(session: Writing, given: CosignatureIn, now: Now) -> CosignatureOut:
    """Nobody need sign in: the line says who has signed it. Sending it twice changes nothing."""
    return CosignatureOut(**(await service.take_cosignature(session, given.size, given.line, now))._asdict())


@router.post("/evidence", summary="Show a checkpoint that you were shown")
async def evidence(session: Writing, given: EvidenceIn, now: Now) -> EvidenceOut:
    """Where the log is not what it has signed, that is put on record. Nobody need sign in: only what this log has signed counts."""
    fits, words = await service.hear_evidence(session, given.note, now)
    return EvidenceOut(fits=fits, words=words)


@router.get("/scan", summary="What a scanned label leads to")
async def scan(
    session: Reading, actor: ReadsParts, code: Annotated[str, Query(min_length=1, max_length=MOST, examples=["(01)09521234543213(21)A7"])]
) -> ScannedOut:  # fmt: skip
    """GS1 element strings and Digital Links, plates by ISO 15434, NATO stock numbers, links of our own labels, or a serial or number as
    it is written. Nothing similar is looked for: what was scanned was not mistyped. A code that was misread is refused (422)."""
    found = await scanned(session, read(code, field="code"), units=actor.may("stock.read"))
    label = found.label
    return ScannedOut(
        kind=label.kind, numbers=list(label.numbers), serial=label.serial, batch=label.batch, words=label.words,
        units=[UnitHit.model_validate(u) for u in found.units], parts=[PartOut.model_validate(p) for p in found.parts],
        elsewhere=[UnitHit.model_validate(u) for u in found.elsewhere],
    )  # fmt: skip


def _unmasked(actor: Actor) -> None:
    if actor.masked:
        raise forbidden(
            "log.masked",
            "The record names who holds each unit, and your company does not show you that. Ask a planner for it.",
        )


# -- bundles -------------------------------------------------------------------------------------------------


async def bundle(
    request: Request,
    session: ReadSession,
    actor: Actor,
    scope: dict[str, Any],
    lots: Sequence[UUID],
    now: datetime,
    name: str,
) -> Response:
    """A bundle as a file."""
    _unmasked(actor)
    ring = service.KeyRing(request.app.state.settings.data_dir)
    data = await service.bundle_of(session, ring.signers(), scope, lots, now)
    headers = {"content-disposition": f'attachment; filename="{name}.backstock.json"', "cache-control": "no-store"}
    return Response(data, media_type="application/json", headers=headers)


@router.get("/units/{lot_id}/bundle", summary="Evidence of a unit", response_class=Response)
async def unit_bundle(request: Request, session: Reading, actor: ProvesUnits, lot_id: UUID, now: Now) -> Response:
    """The unit's movements and those of the lots that it was split from, as far as you may see them, with the proof that they
    are in the log: for 'backstock verify', or any verifier written from the description of the format."""
    lots = await queries.lot_and_ancestors(session, lot_id)
    if not lots:
        raise missing("ledger.not_found", "No such unit.")
    return await bundle(request, session, actor, {"kind": "unit", "id": str(lot_id)}, lots, now, f"unit-{lot_id}")


@router.get("/agreements/{agreement_id}/bundle", summary="Evidence of an agreement's units", response_class=Response)
async def agreement_bundle(
    request: Request, session: Reading, actor: ProvesUnits, agreement_id: UUID, now: Now
) -> Response:
    """Every lot of which units are or were under the agreement, as far as you may see them."""
    lots = await queries.lots_under(session, agreement_id, service.MOST_LOTS + 1)
    if not lots:
        raise missing("ledger.not_found", "There are no units of such an agreement that you may see.")
    scope = {"kind": "agreement", "id": str(agreement_id)}
    return await bundle(request, session, actor, scope, lots, now, f"agreement-{agreement_id}")


@router.get("/bundle", summary="Evidence of what your company recorded in a time", response_class=Response)
async def company_bundle(
    request: Request, session: Reading, actor: ProvesUnits, since: datetime, until: datetime, now: Now
) -> Response:
    """Every lot of which your company recorded a movement from ``since`` on and before ``until``, each with its whole history."""
    if since.tzinfo is None or until.tzinfo is None or not since < until or (until - since).days > LONGEST_DAYS:
        raise invalid(
            "log.period", f"Give since and until with their zones, such as 2026-11-01T00:00:00Z, at most {LONGEST_DAYS} days apart.",
            field="since",
        )  # fmt: skip
    lots = await queries.lots_moved(session, actor.company_id, since, until, service.MOST_LOTS + 1)
    if not lots:
        raise missing("log.nothing", "Your company recorded nothing in that time.")
    scope = {"kind": "company", "id": str(actor.company_id), "since": since.isoformat(), "until": until.isoformat()}
    return await bundle(request, session, actor, scope, lots, now, f"company-{since:%Y-%m-%d}-{until:%Y-%m-%d}")
