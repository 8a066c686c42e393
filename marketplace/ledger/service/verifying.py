"""The whole log recomputed from the rows: every record, commitment, entry, tile, root and signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from marketplace.db.session import ReadSession, driver
from marketplace.ledger.log import entry as entries
from marketplace.ledger.log import notes
from marketplace.ledger.log.merkle import leaf_hash
from marketplace.ledger.log.notes import Checkpoint, NoteError
from marketplace.ledger.log.tiles import TILE_SIZE, Edge
from marketplace.ledger.queries import log as queries

CHUNK: Final = 5_000
MOST_FAULTS: Final = 100


@dataclass(slots=True)
class LogVerdict:
    """What was recomputed, and what does not hold: each names what and where."""

    entries: int = 0
    checkpoints: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, words: str) -> None:
        """Notes one, up to a hundred."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(words)


async def verify_log(session: ReadSession, progress: Callable[[int], None] | None = None) -> LogVerdict:
    """Recomputes the log as the session's role sees it (the worker's: everything), in one pass over the entries up to the
    size that it has when this begins: it may grow meanwhile. Memory is bounded by a chunk and a tile a level."""
    verdict = LogVerdict()
    # In this order: what is signed is never larger than the log that is asked for after it.
    points = await queries.every_checkpoint(session)
    state = await queries.state(session)
    if state is None:
        return verdict
    keys = [notes.parse_vkey(v) for v in await queries.public_keys(session)]
    edge = Edge(0, {})
    connection = await driver(session)
    async for row in connection.cursor(queries.SEALED, state.size, prefetch=CHUNK):
        sealed = queries.sealed_row(row)
        if sealed.position != edge.size:
            verdict.fault(f"Entry {edge.size} is missing: the next one is {sealed.position}.")
            break
        entry_holds(sealed, verdict)
        edge.append(leaf_hash(sealed.entry))
        verdict.entries += 1
        while points and points[0].size == edge.size:
            _checkpoint(points.pop(0), state.origin, edge.root, keys, verdict)
        if verdict.entries % CHUNK == 0:
            await _tiles(session, edge, verdict)
            if progress is not None:
                progress(verdict.entries)
    await _tiles(session, edge, verdict, everything=True)
    if edge.size != state.size:
        verdict.fault(f"The log says that it has {state.size:,} entries; {edge.size:,} are there.")
    for point in points:
        verdict.fault(f"The checkpoint of size {point.size:,} is larger than the log, which has {edge.size:,} entries.")
    for lot, seq in await queries.unsealed_gaps(session):
        verdict.fault(f"Movement {seq} of lot {lot} is neither in the log nor waits to be.")
    return verdict


def entry_holds(sealed: queries.SealedRow, verdict: LogVerdict) -> None:
    """Recomputes one entry from its movement, and notes what does not hold."""
    record = sealed.record
    if record is None:
        verdict.fault(f"Entry {sealed.position}: the movement that it commits to is gone.")
        return
    where = f"Entry {sealed.position} (movement {record.seq} of lot {record.lot})"
    if sealed.key is None or sealed.salt is None:
        verdict.fault(f"{where}: its salt or the key of its lot is gone.")
        return
    try:
        committed = entries.commitment(entries.encoded(record), sealed.salt)
    except (AttributeError, TypeError, ValueError):
        # What no movement lacks: the part of the lot is gone, say.
        committed = b""
    # A quantity left at no place is not part of what is committed to.
    if sealed.stray or entries.entry(entries.tag(sealed.key, record.seq), committed) != sealed.entry:
        verdict.fault(f"{where}: the movement is not the one that was committed to.")


def _checkpoint(
    point: queries.CheckpointRow, origin: str, root: bytes, keys: list[notes.Key], verdict: LogVerdict
) -> None:
    verdict.checkpoints += 1
    where = f"The checkpoint of size {point.size:,}"
    if point.root != root:
        verdict.fault(f"{where}: its root is not that of the entries.")
    try:
        signed = notes.open_checkpoint(notes.parse_note(point.note), keys)
    except NoteError as error:
        verdict.fault(f"{where}: {error}")
        return
    if signed != Checkpoint(origin, point.size, point.root):
        verdict.fault(f"{where}: what is signed is not what is kept.")


async def _tiles(session: ReadSession, edge: Edge, verdict: LogVerdict, *, everything: bool = False) -> None:
    """Compares the tiles that are full (or all that there are) with those that are kept, and forgets them."""
    ready = {at: bytes(h) for at, h in edge.changed.items() if everything or len(h) == TILE_SIZE}
    for at in ready:
        del edge.changed[at]
    kept = await queries.tiles(session, sorted(ready))
    for (level, number), hashes in ready.items():
        # The last tile of a level may have grown since.
        if kept.get((level, number), b"")[: len(hashes)] != hashes:
            verdict.fault(f"Tile {level}/{number}: its hashes are not those of the entries.")
