"""Rejected units of an order: where they are, and on their way back to their holder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.sourcing.queries.calls import CallRow


@dataclass(frozen=True, slots=True)
class RejectedUnit:
    """So many units of a lot at a place where the maker has them, still the holder's. ``alone``: nothing else of the lot is
    left anywhere."""

    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None
    alone: bool


@dataclass(frozen=True, slots=True)
class WayBackRow:
    """Rejected units on their way back; ``missing`` once they were received."""

    call_id: UUID
    quantity: int
    carrier: str
    tracking: str | None
    shipped_at: datetime
    received_at: datetime | None
    missing: int | None
    note: str


@dataclass(frozen=True, slots=True)
class WayBackUnit:
    """A lot that travels back."""

    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None
    stand_in: bool
    """It came in place of a unit of the schedule."""


async def rejected_units_for_update(session: WriteSession, call: CallRow) -> Sequence[RejectedUnit]:
    """What of an order was received and is still the holder's, under its agreement, where nothing reserves it; its lots are
    locked, in their order, before they are read."""
    await fetch(
        session,
        "SELECT l.lot_id FROM lot l WHERE l.lot_id IN (SELECT u.shipped_lot_id FROM call_unit u WHERE u.call_id = $1) "
        "ORDER BY l.lot_id FOR NO KEY UPDATE",
        call.id,
    )
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.quantity - p.held AS quantity, l.serial, "
        "NOT EXISTS (SELECT 1 FROM position o WHERE o.lot_id = p.lot_id AND o.position_id <> p.position_id AND o.quantity > 0) "
        "AND p.held = 0 AS alone "
        "FROM position p JOIN lot l ON l.lot_id = p.lot_id "
        "WHERE p.lot_id IN (SELECT u.shipped_lot_id FROM call_unit u WHERE u.call_id = $1) AND p.owner_id IN ($2, $4) "
        "AND p.holder_id = $3 AND p.agreement_id IS NOT NULL AND p.site_id IS NOT NULL AND p.quantity > p.held "
        "ORDER BY p.lot_id, p.position_id",
        call.id, call.holder_id, call.company_id, call.maker_id,
    )  # fmt: skip
    return [RejectedUnit(**dict(r)) for r in rows]


async def way_back(session: AsyncSession, call_id: UUID) -> WayBackRow | None:
    """The way back of an order's rejected units; None while nothing was sent. Its order is locked by who writes."""
    row = await fetch_one(
        session,
        "SELECT w.call_id, w.quantity, w.carrier, w.tracking, w.shipped_at, w.received_at, w.missing, w.note "
        "FROM way_back w WHERE w.call_id = $1",
        call_id,
    )
    return WayBackRow(**dict(row)) if row else None


async def way_back_units(session: AsyncSession, call_id: UUID) -> Sequence[WayBackUnit]:
    """The lots of a way back."""
    rows = await fetch(
        session,
        "SELECT u.lot_id, u.position_id, u.quantity, u.serial, EXISTS (SELECT FROM call_stand_in s WHERE s.call_id = u.call_id "
        "AND s.shipped_lot_id IN (l.lot_id, l.parent_lot_id)) AS stand_in FROM way_back_unit u JOIN lot l ON l.lot_id = u.lot_id "
        "WHERE u.call_id = $1 ORDER BY u.lot_id",
        call_id,
    )
    return [WayBackUnit(**dict(r)) for r in rows]
