"""A log that cannot go on is ended openly: what is known of it is put on record, and the next one begins under another name.

The one case in which rows of the log go: nothing may ever be signed under a name in two ways, so what comes after a restore to a time
before what was published needs another name, and every movement a place in the new log. What the old one has proven stays provable:
bundles need no server.
"""

from __future__ import annotations

from datetime import datetime

from marketplace.db.session import WriteSession, be_patient, execute
from marketplace.kit.errors import busy, conflict, invalid
from marketplace.ledger.log.notes import Checkpoint
from marketplace.ledger.queries import log as queries
from marketplace.ledger.service.keyring import KeyRing
from marketplace.ledger.service.signing import goes_on

_TABLES = "log_cosignature, log_checkpoint, log_tile, log_entry, log_salt, log_lot_key, log_state"


async def begin_anew(session: WriteSession, ring: KeyRing, because: str, now: datetime) -> str:
    """Ends the log in this transaction, as the owner of its tables. Returns its name. Set its files aside afterwards
    (``KeyRing.set_aside``): until then nothing is signed, and doing this again does no harm.

    Raises ``log.goes_on`` where the log goes on from what it published and its keys are here, ``log.none`` where there is none,
    ``log.busy`` while a sequencer is at work, ``log.because`` without a reason.
    """
    if not because.strip() or len(because) > 500:
        raise invalid("log.because", "Say why, in at most 500 characters: everybody who reads the log is told.")
    if not await queries.sequencer_for_update(session):
        raise busy(
            "log.busy", "The worker is sealing at this moment. Nothing was changed; try again, or stop it first."
        )
    await be_patient(session)
    state = await queries.state_for_update(session)
    published = ring.published()
    if state is None and published is None:
        raise conflict("log.none", "There is no log yet: the worker begins one when it starts.")
    if state is not None and await _can_go_on(session, state, ring, published):
        raise conflict(
            "log.goes_on",
            f"The log {state.origin} goes on from what it has published, and its keys are here. A log is ended only when it cannot go "
            "on: after a restore to a time before what was published, or when its keys are lost.",
        )
    latest = await queries.latest_checkpoint(session)
    origin = state.origin if state is not None else published.origin if published is not None else ""
    await execute(
        session, "INSERT INTO log_ended (origin, size, note, published, because, ended_at) VALUES ($1, $2, $3, $4, $5, $6)",
        origin, state.size if state is not None else 0, latest.note if latest is not None else None,
        published.text if published is not None else None, because.strip(), now,
    )  # fmt: skip
    await execute(session, f"TRUNCATE {_TABLES}")
    await execute(session, "UPDATE log_key SET retired_at = $1 WHERE retired_at IS NULL", now)
    return origin


async def _can_go_on(
    session: WriteSession, state: queries.LogStateRow, ring: KeyRing, published: Checkpoint | None
) -> bool:
    if not ring.signers():
        return False
    return published is None or await goes_on(session, state.origin, state.size, published)
