"""Reads of shipments, differences, returns and cancellations. Both sides see the same record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.orders.delivery import MOST_RETURNS, MOST_SHIPMENTS

T = TypeVar("T")


async def _all(session: AsyncSession, row: type[T], sql: str, *values: Any) -> list[T]:
    """The rows of a statement, whose columns are named as the fields of ``row``."""
    return [row(**dict(r)) for r in await fetch(session, sql, *values)]


async def _last(session: AsyncSession, row: type[T], sql: str, *values: Any) -> T | None:
    """The one row of a statement, or None."""
    found = await fetch_one(session, sql, *values)
    return row(**dict(found)) if found else None


async def _one(session: AsyncSession, row: type[T], sql: str, key: UUID, what: str) -> T:
    """The visible row with this id. Raises ``<what>.not_found``."""
    found = await _last(session, row, sql, key)
    if found is None:
        raise missing(f"{what}.not_found", f"No such {what}.")
    return found


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
    return await _all(
        session, ShipmentRow, _SHIPMENT + "WHERE s.order_id = $1 ORDER BY s.number LIMIT $2", order_id, MOST_SHIPMENTS
    )


async def shipment(session: AsyncSession, shipment_id: UUID) -> ShipmentRow:
    """One visible shipment. Raises ``shipment.not_found``."""
    return await _one(session, ShipmentRow, _SHIPMENT + "WHERE s.id = $1", shipment_id, "shipment")


@dataclass(frozen=True, slots=True)
class ShippedRow:
    """Units that left in a shipment, as the lot that they travel as, and where that stands on its way."""

    line_no: int
    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None


async def shipped_units(session: AsyncSession, shipment_id: UUID) -> Sequence[ShippedRow]:
    """What a shipment brings, by line and lot."""
    return await _all(
        session, ShippedRow,
        "SELECT u.line_no, u.shipped_lot_id AS lot_id, u.shipped_position_id AS position_id, u.quantity, coalesce(l.serial, s.serial) AS serial "
        "FROM order_unit u LEFT JOIN lot l ON l.lot_id = u.shipped_lot_id "
        "LEFT JOIN (SELECT DISTINCT n.lot_id, n.serial FROM order_shipment h, order_serials(h.order_id) n WHERE h.id = $1) s ON s.lot_id = u.lot_id "
        "WHERE u.shipment_id = $1 AND u.shipped_lot_id IS NOT NULL AND u.quantity > 0 ORDER BY u.line_no, u.lot_id, u.hold_seq",
        shipment_id,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """What arrived otherwise than it was shipped, and how it stands. ``open``: how many nobody has settled; ``serials``: of all of them,
    ``open_serials`` of those."""

    id: UUID
    order_id: UUID
    shipment_id: UUID
    shipment: int
    line_no: int
    part_number: str
    uom: str
    kind: str
    quantity: int
    open: int
    reason_code: str
    note: str | None
    found_at: datetime
    answer_by: datetime
    status: str
    answered_at: datetime | None
    answer_code: str | None
    answer_note: str | None
    settled_as: str | None
    settled_at: datetime | None
    return_id: UUID | None
    serials: list[str]
    open_serials: list[str]


_DIFFERENCE = """
SELECT d.id, d.order_id, d.shipment_id, s.number AS shipment, d.line_no, p.number AS part_number, p.uom, d.kind, d.quantity, d.open,
       d.reason_code, d.note, d.found_at, d.answer_by, d.status, d.answered_at, d.answer_code, d.answer_note, d.settled_as, d.settled_at, d.return_id,
       t.serials, t.open_serials
FROM order_difference d JOIN order_shipment s ON s.id = d.shipment_id
JOIN order_line x ON x.order_id = d.order_id AND x.line_no = d.line_no JOIN part p ON p.id = x.part_id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(u.serial ORDER BY u.serial), '{}') AS serials,
           coalesce(array_agg(u.serial ORDER BY u.serial) FILTER (WHERE u.settled < u.quantity), '{}') AS open_serials
    FROM order_difference_unit u WHERE u.difference_id = d.id AND u.serial IS NOT NULL
) t
"""


async def differences(session: AsyncSession, order_id: UUID) -> Sequence[DifferenceRow]:
    """What differed in an order's shipments, in the order in which it was found."""
    return await _all(session, DifferenceRow, _DIFFERENCE + "WHERE d.order_id = $1 ORDER BY d.id", order_id)


async def difference(session: AsyncSession, difference_id: UUID) -> DifferenceRow:
    """One visible difference. Raises ``difference.not_found``."""
    return await _one(session, DifferenceRow, _DIFFERENCE + "WHERE d.id = $1", difference_id, "difference")


@dataclass(frozen=True, slots=True)
class PartRow:
    """So many units of a difference, settled at one time by one side."""

    difference_id: UUID
    number: int
    company: str
    settled_as: str
    quantity: int
    serials: list[str]
    note: str | None
    return_id: UUID | None
    settled_at: datetime


async def difference_parts(session: AsyncSession, order_id: UUID) -> Mapping[UUID, Sequence[PartRow]]:
    """What was settled of an order's differences, by difference, in its order; those of which nothing was are left out."""
    rows = await _all(
        session, PartRow,
        "SELECT p.difference_id, p.number, k.name AS company, p.settled_as, p.quantity, p.serials, p.note, p.return_id, p.settled_at "
        "FROM order_difference d JOIN order_difference_part p ON p.difference_id = d.id JOIN company k ON k.id = p.company_id "
        "WHERE d.order_id = $1 ORDER BY d.id, p.number",
        order_id,
    )  # fmt: skip
    found: dict[UUID, list[PartRow]] = {}
    for row in rows:
        found.setdefault(row.difference_id, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class WhereRow:
    """So many units of a lot at a place in the ledger."""

    lot_id: UUID
    position_id: int
    quantity: int
    serial: str | None


async def difference_units(session: AsyncSession, difference_id: UUID) -> Sequence[WhereRow]:
    """Where the units of a difference stand that are not settled."""
    return await _all(
        session, WhereRow,
        "SELECT lot_id, position_id, quantity - settled AS quantity, serial FROM order_difference_unit "
        "WHERE difference_id = $1 AND settled < quantity ORDER BY lot_id",
        difference_id,
    )  # fmt: skip


async def stock_like(
    session: AsyncSession, seller_id: UUID, part_id: UUID, condition: str, site_id: UUID | None
) -> Sequence[WhereRow]:
    """The seller's own free units of a part without serial number, those at ``site_id`` first."""
    return await _all(
        session, WhereRow,
        "SELECT p.lot_id, p.position_id, p.quantity - p.held AS quantity, NULL::text AS serial FROM position p "
        "WHERE p.part_id = $2 AND p.owner_id = $1 AND p.holder_id = $1 AND p.condition = $3 AND p.agreement_id IS NULL "
        "AND p.site_id IS NOT NULL AND NOT p.serialised AND p.quantity > p.held "
        "ORDER BY p.site_id = $4 DESC NULLS LAST, p.lot_id, p.position_id LIMIT 100",
        seller_id, part_id, condition, site_id,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """Units that go back to the seller, and how far they are. ``units`` / ``what``: those that the seller takes, until it has answered those
    that are asked for; ``asked``: how many were asked for; ``left_here``: those that the seller does not take, where it takes others."""

    id: UUID
    order_id: UUID
    number: int
    of_units: str
    reason_code: str
    note: str | None
    status: str
    asked_at: datetime
    answer_by: datetime | None
    send_by: datetime | None
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
    asked: int
    left_here: str | None


_RETURN = """
SELECT r.id, r.order_id, r.number, r.of_units, r.reason_code, r.note, r.status, r.asked_at, r.answer_by, r.send_by, r.answered_at, r.answer_code, r.answer_note,
       r.credit_percent, r.to_site_id, site_card(r.to_site_id) ->> 'name' AS to_site, r.carrier, r.tracking, r.shipped_at,
       r.received_at, r.credited, coalesce(t.units, 0)::int AS units, coalesce(t.what, '') AS what, coalesce(t.asked, 0)::int AS asked, t.left_here
FROM order_return r
CROSS JOIN LATERAL (
    SELECT sum(g.n) AS units, sum(g.n + g.out) AS asked,
           string_agg(g.n || ' of ' || g.number || coalesce(' (' || g.serials || ')', ''), ', ') FILTER (WHERE g.n > 0) AS what,
           string_agg(g.out || ' of ' || g.number || coalesce(' (' || g.others || ')', ''), ', ') FILTER (WHERE g.out > 0) AS left_here
    FROM (SELECT p.number, sum(coalesce(u.agreed, u.quantity)) AS n, sum(u.quantity - coalesce(u.agreed, u.quantity)) AS out,
                 string_agg(u.serial, ', ' ORDER BY u.serial) FILTER (WHERE coalesce(u.agreed, 1) > 0) AS serials,
                 string_agg(u.serial, ', ' ORDER BY u.serial) FILTER (WHERE u.agreed = 0) AS others
          FROM order_return_unit u JOIN order_line x ON x.order_id = r.order_id AND x.line_no = u.line_no JOIN part p ON p.id = x.part_id
          WHERE u.return_id = r.id GROUP BY x.line_no, p.number ORDER BY x.line_no) g
) t
"""


async def returns(session: AsyncSession, order_id: UUID) -> Sequence[ReturnRow]:
    """An order's returns by number."""
    return await _all(
        session, ReturnRow, _RETURN + "WHERE r.order_id = $1 ORDER BY r.number LIMIT $2", order_id, MOST_RETURNS
    )


async def goods_return(session: AsyncSession, return_id: UUID) -> ReturnRow:
    """One visible return. Raises ``return.not_found``."""
    return await _one(session, ReturnRow, _RETURN + "WHERE r.id = $1", return_id, "return")


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
    """The units of a return by line and lot; once the seller has answered, those that it takes."""
    return await _all(
        session, ReturnUnitRow,
        "SELECT u.line_no, x.part_id, x.unit_price, u.lot_id, coalesce(u.agreed, u.quantity) AS quantity, u.serial, u.travels_as, u.position_id "
        "FROM order_return_unit u JOIN order_return r ON r.id = u.return_id "
        "JOIN order_line x ON x.order_id = r.order_id AND x.line_no = u.line_no "
        "WHERE u.return_id = $1 AND coalesce(u.agreed, u.quantity) > 0 ORDER BY u.line_no, u.lot_id",
        return_id,
    )  # fmt: skip


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
                   SELECT sum(coalesce(w.agreed, w.quantity)) FROM order_return_unit w JOIN order_return r ON r.id = w.return_id
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
    return await _last(
        session, CancellationRow,
        "SELECT c.id, c.order_id, c.company_id, k.name AS company, c.reason_code, c.note, c.status, c.asked_at, c.answered_at, "
        "c.answer_note FROM order_cancellation c JOIN company k ON k.id = c.company_id WHERE c.order_id = $1 ORDER BY c.id DESC LIMIT 1",
        order_id,
    )  # fmt: skip


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
