"""Replacements: equal units on their way back to a holder, and the maker's stock that they can be sent from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.kit.errors import missing
from marketplace.ledger.kinds import CONDITIONS
from marketplace.sourcing.queries.calls import CallRow
from marketplace.sourcing.queries.locked import OFFERED, free_of


@dataclass(frozen=True, slots=True)
class ReplacementRow:
    """One consignment of equal units. Until it is received ``good`` and ``missing`` are None."""

    id: UUID
    call_id: UUID
    maker_id: UUID
    holder_id: UUID
    quantity: int
    from_site_id: UUID
    carrier: str
    tracking: str | None
    shipped_at: datetime
    received_at: datetime | None
    arrived_on: date | None
    good: int | None
    missing: int | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ReplacementUnitRow:
    """Units of a replacement, as the lot that they travel as."""

    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None


_COLUMNS = (
    "r.id, r.call_id, r.maker_id, r.holder_id, r.quantity, r.from_site_id, r.carrier, r.tracking, r.shipped_at, "
    "r.received_at, r.arrived_on, r.good, r.missing, r.note"
)


async def replacements(session: AsyncSession, call_id: UUID) -> Sequence[ReplacementRow]:
    """What was sent for the units of a call, oldest first; seen by the two sides of the agreement."""
    rows = await fetch(
        session, f"SELECT {_COLUMNS} FROM replacement r WHERE r.call_id = $1 ORDER BY r.shipped_at, r.id", call_id
    )
    return [ReplacementRow(**dict(r)) for r in rows]


async def call_of_replacement(session: AsyncSession, replacement_id: UUID) -> UUID:
    """The call that it was sent for. Raises ``replacement.not_found``."""
    found: UUID | None = await fetch_value(session, "SELECT call_id FROM replacement WHERE id = $1", replacement_id)
    if found is None:
        raise missing("replacement.not_found", "No such replacement.")
    return found


async def replacement_units(session: AsyncSession, replacement_id: UUID) -> Sequence[ReplacementUnitRow]:
    """Its units by serial, then lot."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, quantity, serial FROM replacement_unit WHERE replacement_id = $1 "
        "ORDER BY serial, lot_id",
        replacement_id,
    )
    return [ReplacementUnitRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class EqualLot:
    """Free units of one lot that can be sent."""

    lot_id: UUID
    position_id: int
    free: int
    serial: str | None
    listed: bool
    """Whether units of it stand behind a posting."""


@dataclass(frozen=True, slots=True)
class EqualStock:
    """The maker's free units at one place that can replace drawn ones; lots in the order in which they are taken: what
    nobody offers for sale first, then the oldest."""

    site_id: UUID
    site: str
    condition: str
    lots: tuple[EqualLot, ...]

    @property
    def free(self) -> int:
        """How many in all."""
        return sum(lot.free for lot in self.lots)

    @property
    def serials(self) -> tuple[str, ...]:
        """Serial numbers of those that have one."""
        return tuple(lot.serial for lot in self.lots if lot.serial is not None)


async def equal_stock(session: AsyncSession, call: CallRow, now: datetime) -> list[EqualStock]:
    """Places of the maker with free units that can replace those drawn: the same part number, in no worse condition; the
    most first. Units that came back for a parts request that has not been closed are for that, and are left out."""
    rows = await fetch(
        session,
        f"""
        SELECT f.* FROM (
            SELECT p.site_id, s.name AS site, p.condition, p.lot_id, p.position_id, l.serial,
                   {OFFERED} AS listed, {free_of("$4")} AS free
            FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN site s ON s.id = p.site_id
            WHERE p.part_id = $1 AND p.owner_id = $2 AND p.holder_id = $2 AND p.agreement_id IS NULL
              AND p.condition = ANY($3::text[]) AND p.quantity > 0 AND NOT l.frozen
              AND NOT EXISTS (
                  SELECT FROM call_unit u JOIN call k ON k.id = u.call_id JOIN requisition r ON r.id = k.requisition_id
                  WHERE u.shipped_lot_id = p.lot_id AND r.status NOT IN ('closed', 'cancelled'))
        ) f WHERE f.free > 0 ORDER BY f.site, f.site_id, f.condition, f.listed, f.lot_id, f.position_id
        """,
        call.part_id,
        call.maker_id,
        list(CONDITIONS[: CONDITIONS.index(call.condition) + 1]),
        now,
    )
    found: list[EqualStock] = []
    for (site_id, site, condition), lots in groupby(rows, key=lambda r: (r["site_id"], r["site"], r["condition"])):
        units = tuple(EqualLot(r["lot_id"], r["position_id"], r["free"], r["serial"], r["listed"]) for r in lots)
        found.append(EqualStock(site_id, site, condition, units))
    return sorted(found, key=lambda place: -place.free)
