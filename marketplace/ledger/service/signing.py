"""The log signs what it is: a checkpoint for each size that is published, never of a smaller or another log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.db.session import ReadSession, WriteSession, execute
from marketplace.kit.errors import DomainError, conflict
from marketplace.ledger.log import notes
from marketplace.ledger.log.merkle import root_of, subtrees
from marketplace.ledger.log.notes import Checkpoint, Signer
from marketplace.ledger.log.tiles import reader, tiles_for
from marketplace.ledger.queries import log as queries


async def sign(
    session: WriteSession, now: datetime, signers: Sequence[Signer], last: Checkpoint | None = None
) -> Checkpoint | None:
    """Signs the log as it stands, if it has grown since the last checkpoint. ``last``: the last one that was published, kept
    outside of the database: a log that does not go on from it is not signed. Returns the checkpoint over all of it, signed now or
    before; None for an empty log, or while another sequencer is at work.

    Raises ``log.shrank`` where the log is smaller than what was published, ``log.forked`` where it is another one.
    """
    if not await queries.sequencer_for_update(session):
        return None
    state = await queries.state_for_update(session)
    if state is None or not state.size:
        if last is not None:
            raise conflict("log.shrank", f"The log has no entries; published was size {last.size:,}.")
        return None
    before = await queries.latest_checkpoint(session)
    known = before.size if before is not None else 0
    if last is not None:
        await _goes_on(session, state.origin, state.size, last)
    root = await root_at(session, state.size)
    if root is None:
        raise conflict(
            "log.forked",
            f"The tree of the log lacks a hash at size {state.size:,}: a tile is gone. Nothing is signed; 'backstock ledger verify' says "
            "what is missing.",
        )
    point = Checkpoint(state.origin, state.size, root)
    if known == state.size:
        return point
    await execute(
        session, "INSERT INTO log_checkpoint (size, root, note, signed_at) VALUES ($1, $2, $3, $4)",
        point.size, root, notes.sign(point.text, signers), now,
    )  # fmt: skip
    return point


async def _goes_on(session: WriteSession, origin: str, size: int, last: Checkpoint) -> None:
    if origin != last.origin:
        raise conflict("log.forked", f"This is the log {origin}; published was {last.origin}.")
    if size < last.size:
        raise conflict(
            "log.shrank",
            f"The log has {size:,} entries; published was size {last.size:,}. The database is older than what was published: "
            "nothing is signed until it is restored.",
        )
    if await root_at(session, last.size) != last.root:
        raise conflict(
            "log.forked", f"The log's root at size {last.size:,} is not the one that was published. Nothing is signed."
        )


async def goes_on(session: WriteSession, origin: str, size: int, last: Checkpoint) -> bool:
    """Whether the log goes on from what it has published."""
    try:
        await _goes_on(session, origin, size, last)
    except DomainError:
        return False
    return True


async def root_at(session: ReadSession, size: int) -> bytes | None:
    """The root of the log's tree at a size that it has; None where a tile of it is gone."""
    wanted = sorted({tiles_for(level, index) for level, index in subtrees(0, size)})
    found = await queries.tiles(session, wanted)
    try:
        return root_of(reader(lambda level, number: found[level, number]), 0, size)
    except LookupError:
        return None


async def raise_alarm(
    session: WriteSession,
    now: datetime,
    kind: str,
    words: str,
    *,
    evidence: str | None = None,
    witness_id: UUID | None = None,
) -> bool:
    """Puts something on record that must not be; once as long as it is the last thing that was. Returns whether it was new."""
    tag = await execute(
        session,
        "INSERT INTO log_alarm (at, kind, words, evidence, witness_id) SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM "
        "(SELECT kind, words, witness_id FROM log_alarm ORDER BY id DESC LIMIT 1) last WHERE last.kind = $2 AND last.words = $3 "
        "AND last.witness_id IS NOT DISTINCT FROM $5)",
        now, kind, words, evidence, witness_id,
    )  # fmt: skip
    return tag.endswith("1")


async def publish_keys(session: WriteSession, signers: Sequence[Signer], now: datetime) -> None:
    """Makes known by which keys checkpoints are signed from now on; keys that do not sign any more are retired, and stay known."""
    vkeys = [s.key.vkey for s in signers]
    await execute(
        session,
        "INSERT INTO log_key (vkey, added_at) SELECT v, $2 FROM unnest($1::text[]) AS v ON CONFLICT DO NOTHING",
        vkeys,
        now,
    )
    await execute(
        session,
        "UPDATE log_key SET retired_at = $2 WHERE retired_at IS NULL AND NOT vkey = ANY($1::text[])",
        vkeys,
        now,
    )
