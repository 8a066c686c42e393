"""Replacements: equal units on their way back to a holder, and the maker's stock that they can be sent from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.kit.errors import missing
from marketplace.ledger.kinds import CONDITIONS
from marketplace.sourcing.candidates import StockRow
from marketplace.sourcing.queries.availability import stock
from marketplace.sourcing.queries.calls import CallRow


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


async def serials_of(session: AsyncSession, lots: Sequence[UUID]) -> dict[UUID, str]:
    """The serial numbers of those lots that have one."""
    rows = await fetch(
        session, "SELECT lot_id, serial FROM lot WHERE lot_id = ANY($1::uuid[]) AND serial IS NOT NULL", list(lots)
    )
    return {r["lot_id"]: r["serial"] for r in rows}


async def equal_stock(session: AsyncSession, call: CallRow, now: datetime) -> list[StockRow]:
    """Places of the maker with free units that can replace those drawn: the same part number, in no worse condition;
    the most first."""
    worst = CONDITIONS.index(call.condition)
    rows = await stock(session, [call.part_id], [call.maker_id], now)
    equal = [
        row
        for row in rows
        if row.agreement_id is None
        and row.holder_id == call.maker_id
        and row.free
        and CONDITIONS.index(row.condition) <= worst
    ]
    return sorted(equal, key=lambda row: (-row.free, row.site or "", row.condition))
