"""Reads of orders. Both sides see the same record; row level security keeps everybody else out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.listings.queries import approvals_waiting
from marketplace.orders.delivery import Progress
from marketplace.orders.queries.quotes import waits


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order with its sum. ``agreement_status`` 'active' means that both have signed."""

    id: UUID
    reference: str
    release_id: UUID
    seller_id: UUID
    seller: str
    buyer_id: UUID
    buyer: str
    status: str
    currency: str
    payment_days: int
    """The price is due so many days after the receipt."""
    po_number: str
    ship_to_site_id: UUID
    ship_to: str | None
    """The site's name, for both sides while they trade."""
    requested_on: date | None
    hold_expires_at: datetime | None
    agreement_id: UUID | None
    agreement_reference: str | None
    agreement_status: str | None
    proposed: dict[str, Any] | None
    """Other terms that the buyer proposed with it: ``clauses`` (clause, version, terms), ``note``."""
    carrier: str | None
    tracking: str | None
    reason_code: str | None
    note: str | None
    placed_by: UUID
    placed_at: datetime
    accepted_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    lines: int
    units: int
    total: Decimal
    first_part: str | None
    shipped: int
    """Units that have left, in ``shipments``."""
    shipments: int
    arrived: int
    missing: int

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.units, self.shipped, self.shipments, self.arrived, self.missing)

    @property
    def shown_status(self) -> str:
        """The status as people see it: accepted becomes signed once both have signed."""
        return "signed" if self.status == "accepted" and self.agreement_status == "active" else self.status


_COLUMNS = """
SELECT o.id, o.reference, o.release_id, o.seller_id, s.name AS seller, o.buyer_id, b.name AS buyer, o.status,
       o.currency, o.payment_days, o.po_number, o.ship_to_site_id, h.name AS ship_to, o.requested_on, o.hold_expires_at, o.agreement_id,
       a.reference AS agreement_reference, a.status AS agreement_status, o.proposed, o.carrier, o.tracking, o.reason_code, o.note,
       o.placed_by, o.placed_at, o.accepted_at, o.shipped_at, o.received_at, o.ended_at, t.lines, t.units, t.total, t.first_part,
       w.shipped, w.shipments, t.arrived, t.missing
"""
_JOINS = """
JOIN company s ON s.id = o.seller_id JOIN company b ON b.id = o.buyer_id
LEFT JOIN agreement a ON a.id = o.agreement_id LEFT JOIN site h ON h.id = o.ship_to_site_id
CROSS JOIN LATERAL (
    SELECT count(*)::int AS lines, coalesce(sum(x.quantity), 0)::bigint AS units,
           coalesce(sum(x.quantity * x.unit_price), 0) AS total, min(p.number) AS first_part,
           coalesce(sum(x.good + x.damaged + x.wrong), 0)::bigint AS arrived, coalesce(sum(x.short), 0)::bigint AS missing
    FROM order_line x JOIN part p ON p.id = x.part_id WHERE x.order_id = o.id AND x.quantity > 0
) t
CROSS JOIN LATERAL (
    SELECT coalesce(sum(u.quantity), 0)::bigint AS shipped, count(DISTINCT u.shipment_id)::int AS shipments
    FROM order_unit u WHERE u.order_id = o.id AND u.shipment_id IS NOT NULL
) w
"""
_ORDER = _COLUMNS + "FROM purchase_order o" + _JOINS
# Orders of which the company $1 has something to settle: a difference that waits for its answer or that the other side disputes, a return
# that it is to answer, send or receive, a wish to cancel the rest.
_UNSETTLED = """
    SELECT d.order_id FROM order_difference d WHERE d.seller_id = $1 AND d.status = 'open'
    UNION SELECT d.order_id FROM order_difference d WHERE d.buyer_id = $1 AND d.status = 'disputed'
    UNION SELECT r.order_id FROM order_return r WHERE r.seller_id = $1 AND r.status IN ('asked', 'shipped')
    UNION SELECT r.order_id FROM order_return r WHERE r.buyer_id = $1 AND r.status = 'agreed'
    UNION SELECT c.order_id FROM order_cancellation c WHERE (c.seller_id = $1 OR c.buyer_id = $1) AND c.company_id <> $1 AND c.status = 'asked'
"""
# The page is chosen before anything is added up: a company may have a hundred thousand orders.
_PAGE = (
    f"""
WITH unsettled AS (
    {_UNSETTLED}
), page AS MATERIALIZED (
    SELECT o.* FROM purchase_order o
    WHERE (o.seller_id = $1 OR o.buyer_id = $1)
      AND ($2::text IS NULL OR ($2 = 'buying' AND o.buyer_id = $1) OR ($2 = 'selling' AND o.seller_id = $1))
      AND ($3::text[] IS NULL OR o.status = ANY($3)) AND ($4::uuid IS NULL OR o.id < $4)
      AND ($5::text IS NULL OR starts_with(o.reference, upper($5)) OR starts_with(upper(o.po_number), upper($5))
           OR EXISTS (SELECT 1 FROM company c WHERE c.id = CASE WHEN o.seller_id = $1 THEN o.buyer_id ELSE o.seller_id END
                      AND strpos(upper(c.name), upper($5)) > 0))
      AND ($7::text IS NULL OR $7 = 'receive' AND o.buyer_id = $1 AND o.status IN ('accepted', 'shipped') AND EXISTS (
          SELECT 1 FROM order_shipment g WHERE g.order_id = o.id AND g.received_at IS NULL)
        OR $7 = 'settle' AND o.id IN (SELECT v.order_id FROM unsettled v)
        OR o.status = 'accepted' AND EXISTS (
          SELECT 1 FROM agreement w WHERE w.id = o.agreement_id AND CASE $7
              WHEN 'sign' THEN w.status = 'offered' AND (o.seller_id = $1 AND w.maker_signed_at IS NULL
                                                         OR o.buyer_id = $1 AND w.holder_signed_at IS NULL)
              WHEN 'ship' THEN w.status = 'active' AND o.seller_id = $1 END))
    ORDER BY o.id DESC LIMIT $6
)
"""
    + _COLUMNS
    + "FROM page o"
    + _JOINS
    + "ORDER BY o.id DESC"
)


async def orders(
    session: AsyncSession,
    company_id: UUID,
    *,
    side: str | None = None,
    statuses: Sequence[str] | None = None,
    search: str | None = None,
    waits_to: str | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[OrderRow]:
    """The company's orders, newest first; ``side`` 'buying' or 'selling'. ``search``: the beginning of a reference or
    of a purchase order number, or part of the other company's name. ``waits_to``: only accepted orders that wait for
    this company to 'sign' or to 'ship' them, those of which a shipment is to be 'receive'd, or of which something is to be
    'settle'd (a difference, a return, a cancellation): the ones that ``waiting_by`` counts."""
    rows = await fetch(
        session, _PAGE, company_id, side, list(statuses) if statuses else None, after, search or None, limit, waits_to
    )
    return [OrderRow(**dict(r)) for r in rows]


async def order(session: AsyncSession, order_id: UUID) -> OrderRow:
    """One visible order. Raises ``order.not_found``."""
    row = await fetch_one(session, _ORDER + "WHERE o.id = $1", order_id)
    if row is None:
        raise missing("order.not_found", "No such order.")
    return OrderRow(**dict(row))


async def order_of_agreement(session: AsyncSession, agreement_id: UUID) -> UUID | None:
    """The order that has this agreement now."""
    found: UUID | None = await fetch_value(session, "SELECT order_id FROM agreement WHERE id = $1", agreement_id)
    return found


async def order_for_update(session: WriteSession, order_id: UUID) -> OrderRow:
    """The same, locked first and read after. Raises ``order.not_found``."""
    await fetch_one(session, "SELECT id FROM purchase_order WHERE id = $1 FOR NO KEY UPDATE", order_id)
    return await order(session, order_id)


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line of an order with its part and, once received, what arrived."""

    line_no: int
    listing_id: UUID
    part_id: UUID
    part_number: str
    description: str
    maker: str
    uom: str
    condition: str
    quantity: int
    unit_price: Decimal
    list_price: Decimal | None
    po_line: str | None
    good: int | None
    short: int | None
    damaged: int | None
    wrong: int | None
    receipt_note: str | None


async def lines(session: AsyncSession, order_id: UUID) -> Sequence[LineRow]:
    """An order's lines by number."""
    return (await lines_of(session, [order_id])).get(order_id, [])


async def lines_of(session: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, list[LineRow]]:
    """Order -> its lines by number as far as they go on, in one statement."""
    rows = await fetch(
        session,
        "SELECT x.order_id, x.line_no, x.listing_id, x.part_id, p.number AS part_number, p.description, m.name AS maker, p.uom, "
        "x.condition, x.quantity, x.unit_price, p.list_price, x.po_line, x.good, x.short, x.damaged, x.wrong, "
        "x.receipt_note FROM order_line x JOIN part p ON p.id = x.part_id JOIN maker m ON m.id = p.maker_id "
        "WHERE x.order_id = ANY($1::uuid[]) AND x.quantity > 0 ORDER BY x.order_id, x.line_no",
        list(order_ids),
    )
    found: dict[UUID, list[LineRow]] = {}
    for row in rows:
        columns = dict(row)
        found.setdefault(columns.pop("order_id"), []).append(LineRow(**columns))
    return found


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """What the seller did not accept of a line."""

    line_no: int
    part_number: str
    uom: str
    left_out: int
    left_out_reason: str
    left_out_note: str | None


async def left_out(session: AsyncSession, order_id: UUID) -> Sequence[LeftOutRow]:
    """What the seller left out as it accepted, by line."""
    rows = await fetch(
        session,
        "SELECT x.line_no, p.number AS part_number, p.uom, x.left_out, x.left_out_reason, x.left_out_note "
        "FROM order_line x JOIN part p ON p.id = x.part_id WHERE x.order_id = $1 AND x.left_out > 0 ORDER BY x.line_no",
        order_id,
    )
    return [LeftOutRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Units reserved for a line (``shipment_id`` None), or on their way in a shipment as the buyer's own lot."""

    line_no: int
    lot_id: UUID
    hold_seq: int
    position_id: int
    quantity: int
    serial: str | None
    shipped_lot_id: UUID | None
    shipped_position_id: int | None
    shipment_id: UUID | None
    open_to_us: bool
    """Whether the lot itself may be looked at; a buyer knows only the serial until it is received."""


async def units(session: AsyncSession, order_id: UUID) -> Sequence[UnitRow]:
    """An order's units by line, lot and reservation."""
    rows = await fetch(
        session,
        "SELECT u.line_no, u.lot_id, u.hold_seq, u.position_id, u.quantity, coalesce(l.serial, s.serial) AS serial, "
        "u.shipped_lot_id, u.shipped_position_id, u.shipment_id, l.lot_id IS NOT NULL AS open_to_us FROM order_unit u "
        "LEFT JOIN lot l ON l.lot_id = coalesce(u.shipped_lot_id, u.lot_id) "
        "LEFT JOIN (SELECT DISTINCT lot_id, serial FROM order_serials($1)) s ON s.lot_id = u.lot_id "
        "WHERE u.order_id = $1 AND u.quantity > 0 ORDER BY u.line_no, u.lot_id, u.hold_seq",
        order_id,
    )
    return [UnitRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to an order."""

    kind: str
    detail: dict[str, Any]
    company: str
    at: datetime


async def events(session: AsyncSession, order_id: UUID) -> Sequence[EventRow]:
    """What happened to an order, oldest first."""
    rows = await fetch(
        session,
        "SELECT e.kind, e.detail, c.name AS company, e.at FROM order_event e JOIN company c ON c.id = e.company_id "
        "WHERE e.order_id = $1 ORDER BY e.id",
        order_id,
    )
    return [EventRow(**dict(r)) for r in rows]


async def unanswered(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Orders whose reservation has run out without an answer (worker)."""
    rows = await fetch(
        session,
        "SELECT id FROM purchase_order WHERE status = 'placed' AND hold_expires_at <= $1 ORDER BY hold_expires_at LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many orders wait for a company, by what it has to do."""

    answer: int
    """Placed with us: accept or decline before the reservation runs out."""
    sign_selling: int
    ship: int
    sign_buying: int
    receive: int
    settle: int
    """With a difference to answer, a return to answer, send or receive, or a cancellation to answer."""
    quotes: int
    """As many as ``quotes`` with 'waits' lists."""
    approvals: int
    """Postings that the person is to approve: what is sold begins there."""


async def waiting_by(session: AsyncSession, company_id: UUID, user_id: UUID, now: datetime) -> Waiting:
    """What waits for this company (``approvals``: for this person) to do something, by what it is; one statement."""
    row = await fetch_one(
        session,
        f"""
        SELECT count(*) FILTER (WHERE o.seller_id = $1 AND o.status = 'placed')::int AS answer,
               count(*) FILTER (WHERE o.seller_id = $1 AND a.status = 'offered' AND a.maker_signed_at IS NULL)::int
                   AS sign_selling,
               count(*) FILTER (WHERE o.seller_id = $1 AND o.status = 'accepted' AND a.status = 'active')::int AS ship,
               count(*) FILTER (WHERE o.buyer_id = $1 AND a.status = 'offered' AND a.holder_signed_at IS NULL)::int
                   AS sign_buying,
               count(*) FILTER (WHERE o.buyer_id = $1 AND o.status IN ('accepted', 'shipped') AND EXISTS (
                   SELECT 1 FROM order_shipment g WHERE g.order_id = o.id AND g.received_at IS NULL))::int AS receive,
               (SELECT count(*)::int FROM ({_UNSETTLED}) x) AS settle,
               (SELECT count(*)::int FROM quote q WHERE (q.seller_id = $1 OR q.buyer_id = $1) AND {waits("$2")}) AS quotes,
               (SELECT count(*)::int FROM ({approvals_waiting("$1", "$3")}) y) AS approvals
        FROM purchase_order o LEFT JOIN agreement a ON a.id = o.agreement_id AND o.status = 'accepted'
        WHERE (o.seller_id = $1 OR o.buyer_id = $1) AND o.status IN ('placed', 'accepted', 'shipped')
        """,
        company_id,
        now,
        user_id,
    )
    return Waiting(**dict(row)) if row else Waiting(0, 0, 0, 0, 0, 0, 0, 0)


async def open_to(session: AsyncSession, buyer_id: UUID, site_id: UUID) -> int:
    """How many of a buyer's orders are still to be delivered to a site."""
    count: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM purchase_order WHERE buyer_id = $1 AND ship_to_site_id = $2 "
        "AND status IN ('placed', 'accepted', 'shipped')",
        buyer_id,
        site_id,
    )
    return count
