"""Units that go back in place of those of the schedule: what the holder has, and what travels for what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.ledger.entries import Place
from marketplace.sourcing.queries.calls import CallRow
from marketplace.sourcing.queries.locked import free_of

MOST = 200


@dataclass(frozen=True, slots=True)
class OnShelf:
    """Units of a lot at one place, ``free`` of which are not reserved."""

    lot_id: UUID
    position_id: int
    part_id: UUID
    number: str
    serial: str | None
    frozen: bool
    free: int
    site: str
    place: Place


@dataclass(frozen=True, slots=True)
class StandIn:
    """``quantity`` units that travel as ``shipped_lot_id`` in place of as many at a stock line of the schedule, of which ``held``
    are still reserved for it, and ``free`` are free there."""

    shipped_lot_id: UUID
    quantity: int
    for_lot_id: UUID
    for_hold_seq: int
    position_id: int
    held: int
    free: int
    part_id: UUID
    number: str


_ON_SHELF = """
SELECT p.lot_id, p.position_id, p.part_id, t.number, l.serial, l.frozen, {free} AS free, coalesce(s.name, '') AS site,
       p.owner_id, p.holder_id, p.site_id, p.condition, p.agreement_id, p.beneficiary_id
FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN part t ON t.id = p.part_id LEFT JOIN site s ON s.id = p.site_id
WHERE p.quantity > 0 AND {where}
"""


def _on_shelf(row: dict[str, object]) -> OnShelf:
    names = ("owner_id", "holder_id", "site_id", "condition", "agreement_id", "beneficiary_id")
    place = Place(*(row.pop(name) for name in names))  # type: ignore[arg-type]
    return OnShelf(**row, place=place)  # type: ignore[arg-type]


async def order_and_lots_for_update(session: WriteSession, call: CallRow, lot_ids: Collection[UUID]) -> None:
    """Locks every lot that the order reserves and those named, in one order of their ids."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT u.lot_id FROM call_unit u WHERE u.call_id = $1 "
        "UNION SELECT unnest($2::uuid[])) ORDER BY lot_id FOR NO KEY UPDATE",
        call.id,
        sorted(lot_ids),
    )


async def on_shelf(session: AsyncSession, lot_ids: Collection[UUID], now: datetime) -> Sequence[OnShelf]:
    """Where these lots stand, as far as they can be seen, those with the most free units first."""
    rows = await fetch(
        session,
        _ON_SHELF.format(free=free_of("$2"), where="p.lot_id = ANY($1::uuid[])")
        + "ORDER BY p.lot_id, free DESC, p.position_id",
        list(lot_ids),
        now,
    )
    return [_on_shelf(dict(r)) for r in rows]


async def candidates(
    session: AsyncSession, call: CallRow, part_ids: Collection[UUID], now: datetime
) -> Sequence[OnShelf]:
    """What the holder of an order has of these parts that is its own, free and under no agreement; at most ``MOST``."""
    rows = await fetch(
        session,
        f"SELECT * FROM ({_ON_SHELF.format(free=free_of('$3'), where=_OWN)}) c WHERE c.free > 0 "
        "ORDER BY c.number, c.serial NULLS FIRST, c.lot_id, c.position_id LIMIT $4",
        list(part_ids), call.holder_id, now, MOST,
    )  # fmt: skip
    return [_on_shelf(dict(r)) for r in rows]


_OWN = """p.part_id = ANY($1::uuid[]) AND p.holder_id = $2 AND p.owner_id = $2 AND p.agreement_id IS NULL
    AND p.site_id IS NOT NULL AND NOT l.frozen"""


async def stand_ins(session: AsyncSession, call_id: UUID) -> Sequence[StandIn]:
    """What travels, or travelled, in place of what an order reserves. Decided from by who has locked the lots of the order."""
    rows = await fetch(
        session,
        "SELECT s.shipped_lot_id, s.quantity, s.for_lot_id, s.for_hold_seq, u.position_id, s.part_id, t.number, "
        "coalesce(h.quantity, 0)::int AS held, coalesce(CASE WHEN p.agreement_id IS NOT NULL THEN p.quantity - p.held END, 0)::int "
        "AS free FROM call_stand_in s JOIN part t ON t.id = s.part_id "
        "JOIN call_unit u ON u.call_id = s.call_id AND u.lot_id = s.for_lot_id AND u.hold_seq = s.for_hold_seq "
        "LEFT JOIN open_hold h ON h.lot_id = s.for_lot_id AND h.hold_seq = s.for_hold_seq "
        "LEFT JOIN position p ON p.lot_id = s.for_lot_id AND p.position_id = u.position_id "
        "WHERE s.call_id = $1 ORDER BY s.for_lot_id, s.for_hold_seq",
        call_id,
    )
    return [StandIn(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Kept:
    """Units of the schedule that stay reserved while others travel in their place."""

    call_id: UUID
    lot_id: UUID
    hold_seq: int
    position_id: int
    quantity: int


async def kept_under(session: AsyncSession, agreement_id: UUID) -> Sequence[Kept]:
    """All of an agreement, by lot."""
    rows = await fetch(
        session,
        "SELECT s.call_id, h.lot_id, h.hold_seq, h.position_id, h.quantity FROM call k JOIN call_stand_in s ON s.call_id = k.id "
        "JOIN open_hold h ON h.lot_id = s.for_lot_id AND h.hold_seq = s.for_hold_seq WHERE k.agreement_id = $1 "
        "ORDER BY h.lot_id, h.hold_seq",
        agreement_id,
    )
    return [Kept(**dict(r)) for r in rows]
