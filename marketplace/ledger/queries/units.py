"""One lot as it stands, its history, and lots by serial number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one


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
