"""What a command needs to decide: its lots under their locks, and what it wrote when it was carried out before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.ledger.entries import (
    Command,
    Entry,
    HoldState,
    LotState,
    PastMovement,
    PermitState,
    Place,
    PositionState,
    Step,
    Written,
)
from marketplace.ledger.kinds import RETURNS, Kind

# The command's row first (whoever sends the same command at the same time waits here for the first to end), then the
# lots, then what their locks protect: each a statement of its own in the function, with a snapshot of its own. Read in
# the locking statement itself, balances were stale after a wait.
_LOCK = "SELECT * FROM ledger_lock($1, $2, $3, $4)"

_PERMITS = """
SELECT p.lot_id, p.permit_id, p.agreement_id, p.kind, p.quantity, p.expires_at,
       EXISTS (SELECT 1 FROM movement m WHERE m.lot_id = p.lot_id AND m.permit_id = p.permit_id) AS used
FROM permit p WHERE p.lot_id = ANY($1::uuid[]) AND p.permit_id = ANY($2::uuid[])
"""

_HISTORY = """
SELECT m.lot_id, m.seq, m.kind, m.purpose, m.quantity, m.from_position, m.to_position, m.occurred_at, m.corrects,
       m.resolves, c.seq IS NOT NULL AS corrected
FROM movement m LEFT JOIN movement c ON c.lot_id = m.lot_id AND c.corrects = m.seq
WHERE m.lot_id = ANY($1::uuid[]) ORDER BY m.lot_id, m.seq
"""


async def lots_for_update(session: WriteSession, command: Command, fingerprint: bytes) -> dict[UUID, LotState] | None:
    """Writes the command's row and locks the lots it names in id order; returns them with positions, holds, permits
    and (where the command looks into the past) their history. Three statements at most, however many lots.
    None when the command was carried out before: then nothing is locked."""
    ids = sorted({s.lot_id for s in command.steps})
    rows = await fetch(session, _LOCK, command.command_id, command.company, fingerprint, ids)
    if not rows:
        return None
    lots = _states(rows)
    if not lots:
        return lots
    found = list(lots)
    permits = [s.permit for s in command.steps if s.permit]
    if permits:
        for r in await fetch(session, _PERMITS, found, permits):
            lots[r["lot_id"]].permits[r["permit_id"]] = PermitState(
                r["permit_id"], r["agreement_id"], Kind(r["kind"]), r["quantity"], r["expires_at"], r["used"]
            )
    looks_back = _looking_back(command, lots)
    if looks_back:
        for lot_id in looks_back:
            lots[lot_id].history = []
        for r in await fetch(session, _HISTORY, looks_back):
            history = lots[r["lot_id"]].history
            assert history is not None  # noqa: S101 - set just above
            history.append(
                PastMovement(
                    r["seq"], Kind(r["kind"]), Kind(r["purpose"]) if r["purpose"] else None, r["quantity"],
                    r["from_position"], r["to_position"], r["occurred_at"], r["corrects"], r["corrected"],
                    r["resolves"],
                )
            )  # fmt: skip
    return lots


async def held_lots_for_update(session: WriteSession, lot_ids: Iterable[UUID]) -> dict[UUID, LotState]:
    """Locks lots in id order for somebody who decides from them which command to give, and reads their positions and
    holds after that. The command that follows in the same transaction takes the same locks again."""
    return _states(await fetch(session, _LOCK, None, None, None, sorted(set(lot_ids))))


def _states(rows: Iterable[asyncpg.Record]) -> dict[UUID, LotState]:
    """Locked lots with positions and holds, without permits and history: the rows of ``ledger_lock``."""
    lots: dict[UUID, LotState] = {}
    for r in rows:
        (
            shape, lot_id, number, quantity, held, owner, holder, site, condition, agreement, beneficiary, expires_at,
            cause_kind, cause_id, part, serialised, uom, serial, batch, root, frozen, recorded, occurred, parties,
        ) = r  # fmt: skip
        if shape == "l":
            lots[lot_id] = LotState(
                lot_id, part, serialised, uom, serial, batch, root, frozen, number, quantity, recorded, occurred,
                set(parties),
            )  # fmt: skip
        elif shape == "p":
            # A line whose lot this tenant may not lock is none of its business.
            if lot_id in lots:
                place = Place(owner, holder, site, condition, agreement, beneficiary)
                lots[lot_id].positions[number] = PositionState(place, quantity, held)
        elif shape == "h" and lot_id in lots:
            lots[lot_id].holds[number] = HoldState(number, held, quantity, expires_at, cause_kind, cause_id, owner)
    return lots


def _looking_back(command: Command, lots: Mapping[UUID, LotState]) -> list[UUID]:
    """The lots whose history the decision needs: something is corrected or returned, or a step may turn out to be a
    late report (dated before what the lot saw last, before an earlier step, or before an expiry written now)."""
    steps: dict[UUID, list[Step]] = {}
    for step in command.steps:
        if step.lot_id in lots:
            steps.setdefault(step.lot_id, []).append(step)
    return sorted(
        lot_id
        for lot_id, own in steps.items()
        if any(s.kind is Kind.CORRECT or (s.purpose or s.kind) in RETURNS for s in own)
        or (
            any(s.occurred_at is not None for s in own)
            and (
                len(own) > 1
                or bool(lots[lot_id].holds)
                or any(s.occurred_at is not None and s.occurred_at < lots[lot_id].last_occurred_at for s in own)
            )
        )
    )


async def entries_of(session: AsyncSession, command: Command) -> Sequence[Written]:
    """What a command wrote when it was first carried out, by lot and seq."""
    ids = sorted({s.lot_id for s in command.steps} | {s.child for s in command.steps if s.child})
    rows = await fetch(
        session,
        "SELECT lot_id, seq, kind, quantity, from_position, to_position, counterpart_lot_id, continues FROM movement "
        "WHERE lot_id = ANY($1::uuid[]) AND command_id = $2 ORDER BY lot_id, seq",
        ids,
        command.command_id,
    )
    return [
        Written(
            Entry(r["lot_id"], r["seq"], Kind(r["kind"]), r["quantity"], r["from_position"], r["to_position"],
                  r["counterpart_lot_id"]),
            r["continues"] is not None,
        )
        for r in rows
    ]  # fmt: skip
