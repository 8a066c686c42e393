"""Reads of shipments, differences, returns and cancellations. Both sides see the same record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.orders.delivery import MOST_RETURNS, MOST_SHIPMENTS


@dataclass(frozen=True, slots=True)
class ShipmentRow:
    """Units that travel together. ``units``: how many in all."""

    id: UUID
    order_id: UUID
    number: int
    carrier: str
    tracking: str | None
    packages: int | None
    weight_grams: int | None
    origin: str | None
    note: str | None
    shipped_at: datetime
    received_at: datetime | None
    units: int


_SHIPMENT = """
SELECT s.id, s.order_id, s.number, s.carrier, s.tracking, s.packages, s.weight_grams, s.origin, s.note, s.shipped_at, s.received_at,
       (SELECT coalesce(sum(u.quantity), 0)::int FROM order_unit u WHERE u.shipment_id = s.id) AS units
FROM order_shipment s
"""


async def shipments(session: AsyncSession, order_id: UUID) -> Sequence[ShipmentRow]:
    """An order's shipments by number."""
    rows = await fetch(
        session, _SHIPMENT + "WHERE s.order_id = $1 ORDER BY s.number LIMIT $2", order_id, MOST_SHIPMENTS
    )
    return [ShipmentRow(**dict(r)) for r in rows]


async def shipment(session: AsyncSession, shipment_id: UUID) -> ShipmentRow:
    """One visible shipment. Raises ``shipment.not_found``."""
    row = await fetch_one(session, _SHIPMENT + "WHERE s.id = $1", shipment_id)
    if row is None:
        raise missing("shipment.not_found", "No such shipment.")
    return ShipmentRow(**dict(row))


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """What arrived otherwise than it was shipped, and how it stands."""

    id: UUID
    order_id: UUID
    shipment_id: UUID
    shipment: int
    line_no: int
    part_number: str
    uom: str
    kind: str
    quantity: int
    reason_code: str
    note: str | None
    found_at: datetime
    status: str
    answered_at: datetime | None
    answer_note: str | None
    settled_as: str | None
    settled_at: datetime | None
    return_id: UUID | None
    serials: list[str]


_DIFFERENCE = """
SELECT d.id, d.order_id, d.shipment_id, s.number AS shipment, d.line_no, p.number AS part_number, p.uom, d.kind, d.quantity,
       d.reason_code, d.note, d.found_at, d.status, d.answered_at, d.answer_note, d.settled_as, d.settled_at, d.return_id,
       (SELECT coalesce(array_agg(u.serial ORDER BY u.serial), '{}') FROM order_difference_unit u
        WHERE u.difference_id = d.id AND u.serial IS NOT NULL) AS serials
FROM order_difference d JOIN order_shipment s ON s.id = d.shipment_id
JOIN order_line x ON x.order_id = d.order_id AND x.line_no = d.line_no JOIN part p ON p.id = x.part_id
"""


async def differences(session: AsyncSession, order_id: UUID) -> Sequence[DifferenceRow]:
    """What differed in an order's shipments, in the order in which it was found."""
    rows = await fetch(session, _DIFFERENCE + "WHERE d.order_id = $1 ORDER BY d.id", order_id)
    return [DifferenceRow(**dict(r)) for r in rows]


async def difference(session: AsyncSession, difference_id: UUID) -> DifferenceRow:
    """One visible difference. Raises ``difference.not_found``."""
    row = await fetch_one(session, _DIFFERENCE + "WHERE d.id = $1", difference_id)
    if row is None:
        raise missing("difference.not_found", "No such difference.")
    return DifferenceRow(**dict(row))


@dataclass(frozen=True, slots=True)
class WhereRow:
    """So many units of a lot at a place in the ledger."""

    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None


async def difference_units(session: AsyncSession, difference_id: UUID) -> Sequence[WhereRow]:
    """Where the units of a difference stand."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, quantity, serial FROM order_difference_unit WHERE difference_id = $1 ORDER BY lot_id",
        difference_id,
    )
    return [WhereRow(**dict(r)) for r in rows]


async def stock_like(
    session: AsyncSession, seller_id: UUID, part_id: UUID, condition: str, site_id: UUID | None
) -> Sequence[WhereRow]:
    """The seller's own free units of a part without serial number, those at ``site_id`` first."""
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.quantity - p.held AS quantity, NULL::text AS serial FROM position p "
        "WHERE p.part_id = $2 AND p.owner_id = $1 AND p.holder_id = $1 AND p.condition = $3 AND p.agreement_id IS NULL "
        "AND p.site_id IS NOT NULL AND NOT p.serialised AND p.quantity > p.held "
        "ORDER BY p.site_id = $4 DESC NULLS LAST, p.lot_id, p.position_id LIMIT 100",
        seller_id, part_id, condition, site_id,
    )  # fmt: skip
    return [WhereRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """Units that go back to the seller, and how far they are. ``units``: how many."""

    id: UUID
    order_id: UUID
    number: int
    of_units: str
    reason_code: str
    note: str | None
    status: str
    asked_at: datetime
    answered_at: datetime | None
    answer_code: str | None
    answer_note: str | None
    credit_percent: int | None
    to_site_id: UUID | None
    to_site: str | None
    carrier: str | None
    tracking: str | None
    shipped_at: datetime | None
    received_at: datetime | None
    credited: Decimal | None
    units: int
    what: str


_RETURN = """
SELECT r.id, r.order_id, r.number, r.of_units, r.reason_code, r.note, r.status, r.asked_at, r.answered_at, r.answer_code, r.answer_note,
       r.credit_percent, r.to_site_id, site_card(r.to_site_id) ->> 'name' AS to_site, r.carrier, r.tracking, r.shipped_at,
       r.received_at, r.credited, t.units, t.what
FROM order_return r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.n), 0)::int AS units, coalesce(string_agg(g.n || ' of ' || g.number || coalesce(' (' || g.serials || ')', ''), ', '), '') AS what
    FROM (SELECT p.number, sum(u.quantity) AS n, string_agg(u.serial, ', ' ORDER BY u.serial) AS serials
          FROM order_return_unit u JOIN order_line x ON x.order_id = r.order_id AND x.line_no = u.line_no JOIN part p ON p.id = x.part_id
          WHERE u.return_id = r.id GROUP BY x.line_no, p.number ORDER BY x.line_no) g
) t
"""


async def returns(session: AsyncSession, order_id: UUID) -> Sequence[ReturnRow]:
    """An order's returns by number."""
    rows = await fetch(session, _RETURN + "WHERE r.order_id = $1 ORDER BY r.number LIMIT $2", order_id, MOST_RETURNS)
    return [ReturnRow(**dict(r)) for r in rows]


async def goods_return(session: AsyncSession, return_id: UUID) -> ReturnRow:
    """One visible return. Raises ``return.not_found``."""
    row = await fetch_one(session, _RETURN + "WHERE r.id = $1", return_id)
    if row is None:
        raise missing("return.not_found", "No such return.")
    return ReturnRow(**dict(row))


@dataclass(frozen=True, slots=True)
class ReturnUnitRow:
    """A lot of a return. ``travels_as`` / ``position_id``: once it is on its way."""

    line_no: int
    part_id: UUID
    unit_price: Decimal
    lot_id: UUID
    quantity: int
    serial: str | None
    travels_as: UUID | None
    position_id: int | None


async def return_units(session: AsyncSession, return_id: UUID) -> Sequence[ReturnUnitRow]:
    """The units of a return by line and lot."""
    rows = await fetch(
        session,
        "SELECT u.line_no, x.part_id, x.unit_price, u.lot_id, u.quantity, u.serial, u.travels_as, u.position_id "
        "FROM order_return_unit u JOIN order_return r ON r.id = u.return_id "
        "JOIN order_line x ON x.order_id = r.order_id AND x.line_no = u.line_no WHERE u.return_id = $1 ORDER BY u.line_no, u.lot_id",
        return_id,
    )
    return [ReturnUnitRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class OwnRow:
    """Units of an order that its buyer has and may send back. ``free``: neither used nor ordered back nor in another return."""

    line_no: int
    lot_id: UUID
    position_id: int
    agreement_id: UUID | None
    free: int
    serial: str | None


async def returnable(session: AsyncSession, order_id: UUID, *, besides: UUID | None = None) -> Sequence[OwnRow]:
    """What of an order's units could go back, by line and lot: the buyer's own, at its sites, not reserved, less what other
    returns (than ``besides``) that wait have named."""
    rows = await fetch(
        session,
        """
        SELECT n.line_no, p.lot_id, p.position_id, p.agreement_id, l.serial,
               (p.quantity - p.held - coalesce((
                   SELECT sum(w.quantity) FROM order_return_unit w JOIN order_return r ON r.id = w.return_id
                   WHERE r.order_id = $1 AND r.status IN ('asked', 'agreed') AND r.of_units = 'bought' AND w.lot_id = p.lot_id
                     AND w.line_no = n.line_no AND r.id IS DISTINCT FROM $2::uuid), 0))::int AS free
        FROM (SELECT DISTINCT u.line_no, u.shipped_lot_id AS lot_id, u.buyer_id FROM order_unit u
              WHERE u.order_id = $1 AND u.shipment_id IS NOT NULL AND u.quantity > 0) n
        JOIN position p ON p.lot_id = n.lot_id AND p.owner_id = n.buyer_id AND p.holder_id = n.buyer_id
            AND p.site_id IS NOT NULL AND p.quantity > p.held
        JOIN lot l ON l.lot_id = p.lot_id
        ORDER BY n.line_no, p.lot_id, p.quantity DESC, p.position_id
        """,
        order_id,
        besides,
    )
    return [OwnRow(**dict(r)) for r in rows if r["free"] > 0]


@dataclass(frozen=True, slots=True)
class CancellationRow:
    """One side asks to leave the rest unshipped."""

    id: UUID
    order_id: UUID
    company_id: UUID
    company: str
    reason_code: str
    note: str | None
    status: str
    asked_at: datetime
    answered_at: datetime | None
    answer_note: str | None


async def cancellation(session: AsyncSession, order_id: UUID) -> CancellationRow | None:
    """The last time that one side asked to leave the rest of an order unshipped."""
    row = await fetch_one(
        session,
        "SELECT c.id, c.order_id, c.company_id, k.name AS company, c.reason_code, c.note, c.status, c.asked_at, c.answered_at, "
        "c.answer_note FROM order_cancellation c JOIN company k ON k.id = c.company_id WHERE c.order_id = $1 ORDER BY c.id DESC LIMIT 1",
        order_id,
    )
    return CancellationRow(**dict(row)) if row else None


async def sale_lines(session: AsyncSession, order_id: UUID, part_id: UUID) -> Sequence[tuple[UUID, Decimal]]:
    """The settlement lines of a part's price in an order, and what is left of each after credits."""
    rows = await fetch(
        session,
        "SELECT l.id, l.amount - coalesce((SELECT sum(c.amount) FROM settlement_line c WHERE c.counters_id = l.id), 0) AS left "
        "FROM settlement_line l WHERE l.cause_id = $1 AND l.kind = 'sale_price' AND l.part_id = $2 ORDER BY l.id",
        order_id,
        part_id,
    )
    return [(r["id"], r["left"]) for r in rows if r["left"] > 0]


async def weights(session: AsyncSession, part_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Net weight in grams of one unit, by part, where the catalogue has it."""
    rows = await fetch(
        session,
        "SELECT id, weight_grams FROM part WHERE id = ANY($1::uuid[]) AND weight_grams IS NOT NULL",
        list(part_ids),
    )
    return {r["id"]: r["weight_grams"] for r in rows}
