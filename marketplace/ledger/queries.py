"""Reads of the ledger. Row level security scopes every one of them to the session's tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
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


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One stock line of a lot as it stands now."""

    position_id: int
    owner_id: UUID
    owner: str
    holder_id: UUID
    holder: str
    site_id: UUID | None
    site: str | None
    condition: str
    agreement_id: UUID | None
    beneficiary_id: UUID | None
    beneficiary: str | None
    quantity: int
    held: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A lot with what the tenant may know of it."""

    lot_id: UUID
    part_id: UUID
    part_number: str
    description: str
    maker_id: UUID
    maker: str
    serial: str | None
    batch: str | None
    uom: str
    frozen: bool
    made_on: object
    expires_on: object
    registered_by: str
    parent_lot_id: UUID | None
    replaces_lot_id: UUID | None
    lines: tuple[UnitLine, ...]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One movement of a lot, with names in place of ids. ``*_site`` None with a holder = in transit."""

    seq: int
    kind: str
    purpose: str | None
    quantity: int
    occurred_at: datetime
    recorded_at: datetime
    company: str
    cause_kind: str
    cause_id: UUID | None
    reason: str | None
    note: str | None
    from_position: int | None
    from_owner: str | None
    from_holder: str | None
    from_site: str | None
    to_position: int | None
    to_owner: str | None
    to_holder: str | None
    to_site: str | None
    from_condition: str | None
    to_condition: str | None
    agreement_id: UUID | None
    to_agreement_id: UUID | None
    resolves: int | None
    corrects: int | None
    counterpart_lot_id: UUID | None
    machine: str | None


async def unit(session: AsyncSession, lot_id: UUID) -> Unit | None:
    """A lot and its present stock lines, or None where the tenant sees none."""
    lot = await fetch_one(
        session,
        "SELECT l.*, p.number, p.description, m.name AS maker_name, m.id AS maker_id, c.name AS registered_name "
        "FROM lot l JOIN part p ON p.id = l.part_id JOIN maker m ON m.id = p.maker_id "
        "JOIN company c ON c.id = l.registered_by WHERE l.lot_id = $1",
        lot_id,
    )
    if lot is None:
        return None
    rows = await fetch(
        session,
        "SELECT p.*, o.name AS owner_name, h.name AS holder_name, b.name AS beneficiary_name, s.name AS site_name "
        "FROM position p JOIN company o ON o.id = p.owner_id JOIN company h ON h.id = p.holder_id "
        "LEFT JOIN company b ON b.id = p.beneficiary_id LEFT JOIN site s ON s.id = p.site_id "
        "WHERE p.lot_id = $1 AND p.quantity > 0 ORDER BY p.position_id",
        lot_id,
    )
    return Unit(
        lot_id=lot["lot_id"], part_id=lot["part_id"], part_number=lot["number"], description=lot["description"],
        maker_id=lot["maker_id"], maker=lot["maker_name"], serial=lot["serial"], batch=lot["batch"], uom=lot["uom"],
        frozen=lot["frozen"], made_on=lot["made_on"], expires_on=lot["expires_on"],
        registered_by=lot["registered_name"], parent_lot_id=lot["parent_lot_id"],
        replaces_lot_id=lot["replaces_lot_id"],
        lines=tuple(
            UnitLine(
                r["position_id"], r["owner_id"], r["owner_name"], r["holder_id"], r["holder_name"], r["site_id"],
                r["site_name"], r["condition"], r["agreement_id"], r["beneficiary_id"], r["beneficiary_name"],
                r["quantity"], r["held"],
            )
            for r in rows
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SerialHit:
    """A visible lot with the serial asked for."""

    lot_id: UUID
    serial: str
    part_number: str
    description: str


async def by_serial(session: AsyncSession, serial: str, *, limit: int = 20) -> Sequence[SerialHit]:
    """Visible lots with this serial, whatever its case; the same serial may stand on parts of several makers."""
    rows = await fetch(
        session,
        "SELECT l.lot_id, l.serial, p.number AS part_number, p.description FROM lot l JOIN part p ON p.id = l.part_id "
        "WHERE upper(l.serial) = upper($1) AND l.serial IS NOT NULL ORDER BY p.number_norm, l.lot_id LIMIT $2",
        serial,
        limit,
    )
    return [SerialHit(**dict(r)) for r in rows]


async def history(
    session: AsyncSession, lot_id: UUID, *, at: datetime | None = None, known_at: datetime | None = None
) -> Sequence[HistoryRow]:
    """The movements of a lot the tenant may see, as they happened: oldest first by occurrence. ``at`` leaves out
    what happened later, ``known_at`` what was recorded later."""
    rows = await fetch(
        session,
        """
        SELECT m.seq, m.kind, m.purpose, m.quantity, m.occurred_at, m.recorded_at, c.name AS company, m.cause_kind,
               m.cause_id, m.reason_code AS reason, n.note, m.from_position, fo.name AS from_owner,
               fh.name AS from_holder, fs.name AS from_site, m.to_position, xo.name AS to_owner, xh.name AS to_holder,
               xs.name AS to_site, f.condition AS from_condition, t.condition AS to_condition, m.agreement_id,
               t.agreement_id AS to_agreement_id, m.resolves, m.corrects, m.counterpart_lot_id, m.machine
        FROM movement m
        JOIN company c ON c.id = m.company_id
        LEFT JOIN movement_note n ON n.lot_id = m.lot_id AND n.seq = m.seq
        LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
        LEFT JOIN company fo ON fo.id = f.owner_id LEFT JOIN company fh ON fh.id = f.holder_id
        LEFT JOIN site fs ON fs.id = f.site_id
        LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
        LEFT JOIN company xo ON xo.id = t.owner_id LEFT JOIN company xh ON xh.id = t.holder_id
        LEFT JOIN site xs ON xs.id = t.site_id
        WHERE m.lot_id = $1 AND ($2::timestamptz IS NULL OR m.occurred_at <= $2)
          AND ($3::timestamptz IS NULL OR m.recorded_at <= $3)
        ORDER BY m.occurred_at, m.seq
        """,
        lot_id,
        at,
        known_at,
    )
    return [HistoryRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class AsOfRow:
    """How many of a lot were where at a time."""

    lot_id: UUID
    part_id: UUID
    part_number: str
    serial: str | None
    owner: str
    holder: str
    site: str | None
    condition: str
    agreement_id: UUID | None
    quantity: int


async def as_of(
    session: AsyncSession,
    *,
    at: datetime,
    known_at: datetime,
    lot_id: UUID | None = None,
    part_id: UUID | None = None,
    holder_id: UUID | None = None,
    limit: int = 500,
    after: tuple[UUID, int] | None = None,
) -> Sequence[AsOfRow]:
    """Where every unit sat at ``at``, as known at ``known_at``: for a lot, a part, a holder, or all that the
    tenant may see. One statement: sums of deltas, never the balances kept on rows. Ordered by (lot, position)."""
    rows = await fetch(
        session,
        """
        WITH wanted AS (
            SELECT p.* FROM position p
            WHERE ($3::uuid IS NULL OR p.lot_id = $3) AND ($4::uuid IS NULL OR p.part_id = $4)
              AND ($5::uuid IS NULL OR p.holder_id = $5)
              AND ($7::uuid IS NULL OR (p.lot_id, p.position_id) > ($7, $8::int))
        )
        SELECT w.lot_id, w.part_id, pt.number AS part_number, l.serial, o.name AS owner, h.name AS holder,
               s.name AS site, w.condition, w.agreement_id, d.quantity::int AS quantity
        FROM wanted w
        CROSS JOIN LATERAL (
            SELECT sum(CASE WHEN m.to_position = w.position_id THEN m.quantity ELSE 0 END
                     - CASE WHEN m.from_position = w.position_id THEN m.quantity ELSE 0 END) AS quantity
            FROM movement m
            WHERE m.lot_id = w.lot_id AND (m.to_position = w.position_id OR m.from_position = w.position_id)
              AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
              AND m.occurred_at <= $1 AND m.recorded_at <= $2
        ) d
        JOIN lot l ON l.lot_id = w.lot_id
        JOIN part pt ON pt.id = w.part_id
        JOIN company o ON o.id = w.owner_id JOIN company h ON h.id = w.holder_id
        LEFT JOIN site s ON s.id = w.site_id
        WHERE d.quantity <> 0 ORDER BY w.lot_id, w.position_id LIMIT $6
        """,
        at,
        known_at,
        lot_id,
        part_id,
        holder_id,
        limit,
        after[0] if after else None,
        after[1] if after else None,
    )
    return [AsOfRow(**dict(r)) for r in rows]


_REBUILT = """
WITH deltas AS (
    SELECT lot_id, to_position AS position_id, quantity FROM movement
    WHERE to_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    UNION ALL
    SELECT lot_id, from_position, -quantity FROM movement
    WHERE from_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
), rebuilt AS (
    SELECT lot_id, position_id, sum(quantity)::bigint AS quantity FROM deltas GROUP BY lot_id, position_id
), holds AS (
    SELECT m.lot_id, m.from_position AS position_id, m.seq, m.quantity FROM movement m
    LEFT JOIN movement r ON r.lot_id = m.lot_id AND r.resolves = m.seq
    WHERE m.kind = 'hold' AND r.seq IS NULL
), held AS (
    SELECT lot_id, position_id, sum(quantity)::bigint AS held FROM holds GROUP BY lot_id, position_id
)
"""

CHECKS: dict[str, str] = {
    "every stock line equals the sum of its transactions": _REBUILT
    + """
    SELECT coalesce(p.lot_id, r.lot_id) AS lot_id, coalesce(p.position_id, r.position_id) AS number,
           p.quantity AS kept, r.quantity AS rebuilt
    FROM position p FULL JOIN rebuilt r ON r.lot_id = p.lot_id AND r.position_id = p.position_id
    WHERE coalesce(p.quantity, 0) <> coalesce(r.quantity, 0)
    """,
    "reserved quantities equal the open reservations": _REBUILT
    + """
    SELECT p.lot_id, p.position_id AS number, p.held AS kept, coalesce(h.held, 0) AS rebuilt
    FROM position p LEFT JOIN held h ON h.lot_id = p.lot_id AND h.position_id = p.position_id
    WHERE p.held <> coalesce(h.held, 0)
    """,
    "open reservations equal those in the transactions": _REBUILT
    + """
    SELECT coalesce(o.lot_id, h.lot_id) AS lot_id, coalesce(o.hold_seq, h.seq) AS number, o.quantity AS kept,
           h.quantity AS rebuilt
    FROM open_hold o FULL JOIN holds h ON h.lot_id = o.lot_id AND h.seq = o.hold_seq
    WHERE o.quantity IS DISTINCT FROM h.quantity OR o.position_id IS DISTINCT FROM h.position_id
    """,
    "transactions are numbered without gaps": """
    SELECT l.lot_id, 0 AS number, l.last_seq AS kept, count(m.seq) AS rebuilt
    FROM lot l LEFT JOIN movement m ON m.lot_id = l.lot_id GROUP BY l.lot_id, l.last_seq
    HAVING count(m.seq) <> l.last_seq OR coalesce(max(m.seq), 0) <> l.last_seq
    """,
    "registered and found equal present and gone, per family of lots": """
    WITH flows AS (
        SELECT l.root_lot_id,
               sum(CASE WHEN m.from_position IS NULL AND m.kind <> 'split' AND m.kind <> 'correct' THEN m.quantity
                        ELSE 0 END) AS came,
               sum(CASE WHEN m.to_position IS NULL
                         AND coalesce(m.purpose, m.kind) NOT IN ('hold', 'void', 'expire', 'freeze', 'lift', 'split')
                         AND m.kind <> 'correct' THEN m.quantity ELSE 0 END) AS went,
               sum(CASE WHEN m.kind = 'correct' AND m.from_position IS NULL THEN m.quantity
                        WHEN m.kind = 'correct' AND m.to_position IS NULL THEN -m.quantity ELSE 0 END) AS corrected
        FROM movement m JOIN lot l ON l.lot_id = m.lot_id GROUP BY l.root_lot_id
    ), present AS (
        SELECT l.root_lot_id, sum(p.quantity) AS quantity
        FROM position p JOIN lot l ON l.lot_id = p.lot_id GROUP BY l.root_lot_id
    )
    SELECT f.root_lot_id AS lot_id, 0 AS number, p.quantity AS kept, f.came - f.went + f.corrected AS rebuilt
    FROM flows f LEFT JOIN present p ON p.root_lot_id = f.root_lot_id
    WHERE coalesce(p.quantity, 0) <> f.came - f.went + f.corrected
    """,
    "no stock line was ever negative, in the order things happened": """
    WITH deltas AS (
        SELECT lot_id, to_position AS position_id, quantity, occurred_at, seq FROM movement
        WHERE to_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
        UNION ALL
        SELECT lot_id, from_position, -quantity, occurred_at, seq FROM movement
        WHERE from_position IS NOT NULL AND kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    ), running AS (
        SELECT lot_id, position_id, sum(quantity) OVER (PARTITION BY lot_id, position_id ORDER BY occurred_at, seq) AS q
        FROM deltas
    )
    SELECT lot_id, position_id AS number, 0 AS kept, min(q) AS rebuilt FROM running WHERE q < 0
    GROUP BY lot_id, position_id
    """,
    "transactions of a lot are recorded in order": """
    SELECT lot_id, seq AS number, 0 AS kept, 0 AS rebuilt FROM (
        SELECT lot_id, seq, recorded_at, lag(recorded_at) OVER (PARTITION BY lot_id ORDER BY seq) AS before FROM movement
    ) o WHERE recorded_at <= before
    """,
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A place where the ledger does not add up: which check, which lot, and the two numbers."""

    check: str
    lot_id: UUID
    number: int
    kept: int | None
    rebuilt: int | None


async def verify(session: AsyncSession, check: str, *, limit: int = 100) -> Sequence[Mismatch]:
    """The first mismatches of one named check in CHECKS, over everything the session's role may see."""
    rows = await fetch(session, f"SELECT * FROM ({CHECKS[check]}) x LIMIT {int(limit)}")
    return [Mismatch(check, r["lot_id"], r["number"], r["kept"], r["rebuilt"]) for r in rows]
