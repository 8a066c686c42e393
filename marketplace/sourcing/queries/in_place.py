"""Orders in place of rejected units, and the units that they can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.sourcing.in_kind import Shelf
from marketplace.sourcing.queries.calls import CallRow
from marketplace.sourcing.queries.locked import free_of


@dataclass(frozen=True, slots=True)
class InPlaceRow:
    """An order that followed for rejected units of another one."""

    id: UUID
    reference: str
    quantity: int
    status: str


async def in_place_of(session: AsyncSession, call_id: UUID) -> Sequence[InPlaceRow]:
    """The orders that followed for rejected units of this one, oldest first."""
    rows = await fetch(
        session, "SELECT id, reference, quantity, status FROM call WHERE replaces_id = $1 ORDER BY id", call_id
    )
    return [InPlaceRow(**dict(r)) for r in rows]


async def orders_in_place_for_update(session: WriteSession, call_id: UUID) -> Sequence[UUID]:
    """The same, locked in their order; the order that they follow from is locked before them."""
    rows = await fetch(session, "SELECT id FROM call WHERE replaces_id = $1 ORDER BY id FOR NO KEY UPDATE", call_id)
    return [r["id"] for r in rows]


async def lots_of_orders_for_update(session: WriteSession, call_ids: Sequence[UUID]) -> None:
    """Locks every lot of these orders, as reserved and as shipped, in one order of their ids."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT u.lot_id FROM call_unit u WHERE u.call_id = ANY($1::uuid[]) "
        "UNION SELECT u.shipped_lot_id FROM call_unit u WHERE u.call_id = ANY($1::uuid[])) "
        "ORDER BY lot_id FOR NO KEY UPDATE",
        list(call_ids),
    )


async def shelves_for_update(session: WriteSession, call: CallRow, now: datetime) -> Sequence[Shelf]:
    """What the holder of an order has free under its agreement of the part, wherever it is, the oldest lot first. Locked before
    it is read, together with the lots of the order itself, so that all of them are locked in one order."""
    under = "p.part_id = $1 AND p.holder_id = $2 AND p.agreement_id = $3 AND p.quantity > 0"
    what = (call.part_id, call.holder_id, call.agreement_id)
    await fetch(
        session,
        f"SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE {under} "
        "UNION SELECT u.shipped_lot_id FROM call_unit u WHERE u.call_id = $4) ORDER BY lot_id FOR NO KEY UPDATE",
        *what,
        call.id,
    )
    rows = await fetch(
        session,
        f"SELECT p.lot_id, p.position_id, p.site_id, p.condition, {free_of('$4')} AS free FROM position p "
        f"JOIN lot l ON l.lot_id = p.lot_id WHERE {under} AND p.site_id IS NOT NULL AND NOT l.frozen "
        "ORDER BY p.lot_id, p.position_id",
        *what,
        now,
    )
    return [Shelf(**dict(r)) for r in rows if r["free"] > 0]
