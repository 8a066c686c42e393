"""Bundles are put together for whoever may see their lots: everything that is needed to check them without the operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.db.session import ReadSession
from marketplace.kit.canonical import instant
from marketplace.kit.errors import conflict, invalid
from marketplace.ledger.log import bundle, notes
from marketplace.ledger.log.merkle import HASH_SIZE
from marketplace.ledger.log.notes import Signer
from marketplace.ledger.log.tiles import reader, tiles_for
from marketplace.ledger.queries import log as queries

MOST_LOTS: Final = 20_000
MOST_MOVEMENTS: Final = 200_000


async def bundle_of(
    session: ReadSession, signers: Sequence[Signer], scope: bundle.JSON, lots: Sequence[UUID], now: datetime
) -> bytes:
    """A bundle of these lots at the latest checkpoint, as far as the session's tenant may see them.

    Raises ``log.not_sealed`` where nothing of them is in the log yet, ``log.too_many`` above 20,000 lots or 200,000 movements,
    ``log.key`` where no key of the log is here to sign which movement of each lot is the last.
    """
    if len(lots) > MOST_LOTS:
        raise invalid("log.too_many", f"More than {MOST_LOTS:,} lots: ask for a shorter time or for one agreement.")
    if not signers:
        raise conflict("log.key", "The log's key is not here: start the application with the worker's data folder.")
    point = await queries.latest_checkpoint(session)
    sealed = await queries.sealed_history(session, lots, point.size) if point is not None else None
    if point is None or sealed is None or not sealed.lots:
        raise conflict(
            "log.not_sealed", "None of these movements is in the log yet. That takes a few seconds: try again."
        )
    positions = [m.position for lot in sealed.lots for m in lot.movements]
    if len(positions) > MOST_MOVEMENTS:
        raise invalid(
            "log.too_many", f"More than {MOST_MOVEMENTS:,} movements: ask for a shorter time or for one agreement."
        )
    # Which tiles are needed is found by walking once without them.
    wanted: set[tuple[int, int]] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add(tiles_for(level, index))
        return bytes(HASH_SIZE)

    bundle.covering(positions, point.size, note)
    tiles = await queries.tiles(session, sorted(wanted))
    origin = notes.parse_checkpoint(notes.parse_note(point.note).text).origin
    return bundle.write(
        scope=scope,
        made_at=instant(now),
        checkpoint=point.text,
        tails=notes.sign(bundle.tails_text(origin, point.size, sealed.lots), signers),
        keys=await queries.public_keys(session),
        witnesses=[w.vkey for w in await queries.witnesses(session)],
        lots=sealed.lots,
        size=point.size,
        read=reader(lambda level, number: tiles[level, number]),
        labels=sealed.labels,
    )
