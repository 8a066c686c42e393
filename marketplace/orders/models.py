"""Rows of orders."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row

_TO_SHIP = text("status = 'accepted' AND requested_on IS NOT NULL")


class PurchaseOrder(Row):
    """A partner's purchase from one release. Both sides see this one record. ``payment_days``: those that the posting stated
    when it was placed."""

    __tablename__ = "purchase_order"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    release_id: Mapped[UUID] = mapped_column(ForeignKey("release.id"))
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    status: Mapped[str]
    currency: Mapped[Currency]
    payment_days: Mapped[int] = mapped_column(server_default=text("30"))
    po_number: Mapped[str]
    po_upper: Mapped[str | None] = mapped_column(Text, Computed("upper(po_number)", persisted=True))
    ship_to_site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    requested_on: Mapped[date | None]
    hold_expires_at: Mapped[datetime | None]
    proposed: Mapped[dict[str, Any] | None]
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))
    carrier: Mapped[str | None]
    tracking: Mapped[str | None]
    reason_code: Mapped[str | None]
    note: Mapped[str | None]
    placed_by: Mapped[UUID]
    placed_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    shipped_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "status IN ('placed','accepted','signed','shipped','received','declined','cancelled','expired')",
            name="status",
        ),
        CheckConstraint("seller_id <> buyer_id", name="not_self"),
        CheckConstraint("payment_days BETWEEN 0 AND 180", name="payment_days"),
        Index("ix_purchase_order_seller", "seller_id", text("id DESC")),
        Index("ix_purchase_order_buyer", "buyer_id", text("id DESC")),
        Index("ix_purchase_order_po_upper", "po_upper"),
        # What is to be shipped by the day on which it is needed.
        Index("ix_purchase_order_ship_seller", "seller_id", "requested_on", postgresql_where=_TO_SHIP),
        Index("ix_purchase_order_ship_buyer", "buyer_id", "requested_on", postgresql_where=_TO_SHIP),
        Index("ix_purchase_order_ship", "requested_on", postgresql_where=_TO_SHIP),
        Index("ix_purchase_order_hold", "hold_expires_at", postgresql_where=text("status = 'placed'")),
        # The calendar: what waits for an answer, by when.
        Index(
            "ix_purchase_order_placed_seller",
            "seller_id",
            "hold_expires_at",
            postgresql_where=text("status = 'placed'"),
        ),
        Index(
            "ix_purchase_order_placed_buyer", "buyer_id", "hold_expires_at", postgresql_where=text("status = 'placed'")
        ),
    )


class OrderLine(Row):
    """One listing in an order: what goes on of it, what its seller left out, and what arrived."""

    __tablename__ = "order_line"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("listing.id"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    condition: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    po_line: Mapped[str | None]
    good: Mapped[int | None]
    short: Mapped[int | None]
    damaged: Mapped[int | None]
    wrong: Mapped[int | None]
    receipt_note: Mapped[str | None]
    left_out: Mapped[int] = mapped_column(server_default=text("0"))
    left_out_reason: Mapped[str | None]
    left_out_note: Mapped[str | None]
    __table_args__ = (
        CheckConstraint(
            "quantity >= 0 AND left_out >= 0 AND quantity + left_out > 0 AND unit_price >= 0", name="positive"
        ),
        CheckConstraint("(left_out > 0) = (left_out_reason IS NOT NULL)", name="left_out"),
        CheckConstraint("good + short + damaged + wrong <= quantity", name="receipt"),
        UniqueConstraint("order_id", "listing_id"),
    )


class OrderUnit(Row):
    """Units of an order line: reserved while ``shipment_id`` is None, then as they travel in that shipment; ``shipped_lot_id`` is
    the buyer's own child lot."""

    __tablename__ = "order_unit"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    hold_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    position_id: Mapped[int]
    quantity: Mapped[int]
    shipped_lot_id: Mapped[UUID | None]
    shipped_position_id: Mapped[int | None]
    received: Mapped[int] = mapped_column(server_default=text("0"))
    shipment_id: Mapped[UUID | None] = mapped_column(ForeignKey("order_shipment.id"))
    __table_args__ = (
        CheckConstraint("quantity >= 0 AND received BETWEEN 0 AND quantity", name="quantity"),
        Index("ix_order_unit_shipment_id", "shipment_id", postgresql_where=text("shipment_id IS NOT NULL")),
    )


class OrderShipment(Row):
    """So many of an order's units on their way together: how they travel, and when they were received."""

    __tablename__ = "order_shipment"
    id: Mapped[Id]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"))
    number: Mapped[int]
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    carrier: Mapped[str]
    tracking: Mapped[str | None]
    packages: Mapped[int | None]
    weight_grams: Mapped[int | None]
    origin: Mapped[str | None]
    note: Mapped[str | None]
    shipped_by: Mapped[UUID]
    shipped_at: Mapped[datetime]
    received_by: Mapped[UUID | None]
    received_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("order_id", "number"),
        CheckConstraint("number > 0 AND packages > 0 AND weight_grams > 0", name="positive"),
        CheckConstraint("origin ~ '^[A-Z]{2}$'", name="origin"),
        CheckConstraint("(received_by IS NULL) = (received_at IS NULL)", name="received"),
        Index("ix_order_shipment_way", "buyer_id", "order_id", postgresql_where=text("received_at IS NULL")),
    )


_OPEN_RETURN = text("status IN ('asked','agreed','shipped')")


class OrderReturn(Row):
    """Units on their way back to the seller: bought ones that it agreed to take, or ones that were not accepted."""

    __tablename__ = "order_return"
    id: Mapped[Id]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"))
    number: Mapped[int]
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    of_units: Mapped[str]
    reason_code: Mapped[str]
    note: Mapped[str | None]
    status: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    answer_by: Mapped[datetime | None]
    send_by: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    answer_code: Mapped[str | None]
    answer_note: Mapped[str | None]
    credit_percent: Mapped[int | None]
    to_site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    carrier: Mapped[str | None]
    tracking: Mapped[str | None]
    shipped_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    credited: Mapped[Decimal | None]
    __table_args__ = (
        UniqueConstraint("order_id", "number"),
        CheckConstraint("of_units IN ('bought','not_accepted')", name="of_units"),
        CheckConstraint("status IN ('asked','agreed','refused','withdrawn','shipped','received')", name="status"),
        CheckConstraint("credit_percent BETWEEN 0 AND 100 AND credited >= 0", name="credit"),
        Index("ix_order_return_open_seller", "seller_id", "order_id", postgresql_where=_OPEN_RETURN),
        Index("ix_order_return_open_buyer", "buyer_id", "order_id", postgresql_where=_OPEN_RETURN),
        Index("ix_order_return_asked", "answer_by", postgresql_where=text("status = 'asked'")),
        Index("ix_order_return_agreed", "send_by", postgresql_where=text("status = 'agreed'")),
    )  # fmt: skip


class OrderReturnUnit(Row):
    """A lot of a return, and how many of it. ``agreed``: how many of them the seller takes, once it has answered; ``travels_as``: the lot
    that it was split into when it left."""

    __tablename__ = "order_return_unit"
    return_id: Mapped[UUID] = mapped_column(ForeignKey("order_return.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    quantity: Mapped[int]
    serial: Mapped[str | None]
    agreed: Mapped[int | None]
    travels_as: Mapped[UUID | None]
    position_id: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("agreed BETWEEN 0 AND quantity", name="agreed"),
    )


class OrderDifference(Row):
    """What arrived otherwise than it was shipped, until the two sides have settled what becomes of it. ``open``: how many are not."""

    __tablename__ = "order_difference"
    id: Mapped[Id]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), index=True)
    shipment_id: Mapped[UUID] = mapped_column(ForeignKey("order_shipment.id"))
    line_no: Mapped[int]
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    kind: Mapped[str]
    quantity: Mapped[int]
    open: Mapped[int]
    reason_code: Mapped[str]
    note: Mapped[str | None]
    found_by: Mapped[UUID]
    found_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    status: Mapped[str]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    answer_code: Mapped[str | None]
    answer_note: Mapped[str | None]
    settled_as: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    return_id: Mapped[UUID | None] = mapped_column(ForeignKey("order_return.id"))
    __table_args__ = (
        UniqueConstraint("shipment_id", "line_no", "kind"),
        CheckConstraint("kind IN ('short','damaged','wrong','over')", name="kind"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("status IN ('open','disputed','settled')", name="status"),
        CheckConstraint("(status = 'settled') = (settled_as IS NOT NULL)", name="settled"),
        CheckConstraint("open BETWEEN 0 AND quantity AND (open = 0) = (status = 'settled')", name="open"),
        Index("ix_order_difference_open", "seller_id", "order_id", postgresql_where=text("status <> 'settled'")),
        Index("ix_order_difference_open_buyer", "buyer_id", "order_id", postgresql_where=text("status <> 'settled'")),
        Index("ix_order_difference_answer", "answer_by", postgresql_where=text("status = 'open'")),
    )


class OrderDifferenceUnit(Row):
    """Where in the ledger the units of a difference stand: on their way, or in the buyer's custody. ``settled``: how many of them are."""

    __tablename__ = "order_difference_unit"
    difference_id: Mapped[UUID] = mapped_column(ForeignKey("order_difference.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    position_id: Mapped[int]
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    quantity: Mapped[int]
    settled: Mapped[int] = mapped_column(server_default=text("0"))
    serial: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("settled BETWEEN 0 AND quantity", name="settled"),
    )


class OrderDifferencePart(Row):
    """So many units of a difference, settled at one time by one side. Rows are only added."""

    __tablename__ = "order_difference_part"
    difference_id: Mapped[UUID] = mapped_column(ForeignKey("order_difference.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    company_id: Mapped[UUID]
    settled_as: Mapped[str]
    quantity: Mapped[int]
    serials: Mapped[list[str]]
    note: Mapped[str | None]
    return_id: Mapped[UUID | None] = mapped_column(ForeignKey("order_return.id"))
    settled_by: Mapped[UUID]
    settled_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("number > 0 AND quantity > 0", name="quantity"),
        CheckConstraint("company_id IN (seller_id, buyer_id)", name="party"),
    )


class OrderCancellation(Row):
    """One side asks to leave the rest of an order unshipped, and the other answers."""

    __tablename__ = "order_cancellation"
    id: Mapped[Id]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), index=True)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    company_id: Mapped[UUID]
    reason_code: Mapped[str]
    note: Mapped[str | None]
    status: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    answer_note: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("company_id IN (seller_id, buyer_id)", name="party"),
        CheckConstraint("status IN ('asked','agreed','refused','withdrawn')", name="status"),
        Index("uq_order_cancellation_asked", "order_id", unique=True, postgresql_where=text("status = 'asked'")),
    )


class OrderEvent(Row):
    """What happened to an order, in order, seen by both sides."""

    __tablename__ = "order_event"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), index=True)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    at: Mapped[Created]
    __table_args__ = (Index("ix_order_event_activity", "company_id", "at"),)


class Quote(Row):
    """What a buyer asked a seller to offer, and how it stands: the last version of the offer, whose it is, until when it holds."""

    __tablename__ = "quote"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    listing_id: Mapped[UUID | None] = mapped_column(ForeignKey("listing.id", ondelete="SET NULL"))
    quantity: Mapped[int]
    needed_by: Mapped[date | None]
    ship_to_site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    po_number: Mapped[str]
    note: Mapped[str]
    status: Mapped[str]
    last_version: Mapped[int] = mapped_column(server_default=text("0"))
    last_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchase_order.id"))
    reason_code: Mapped[str | None]
    reason_text: Mapped[str | None]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("status IN ('asked','offered','accepted','declined','withdrawn')", name="status"),
        CheckConstraint("seller_id <> buyer_id", name="not_self"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("(status = 'asked') = (last_version = 0) OR ended_at IS NOT NULL", name="version"),
        CheckConstraint("(status = 'accepted') = (order_id IS NOT NULL)", name="order"),
        Index("ix_quote_seller", "seller_id", text("id DESC")),
        Index("ix_quote_buyer", "buyer_id", text("id DESC")),
        Index("ix_quote_listing_id", "listing_id", postgresql_where=text("listing_id IS NOT NULL")),
        Index("uq_quote_order_id", "order_id", unique=True, postgresql_where=text("order_id IS NOT NULL")),
        # What waits, by when.
        Index("ix_quote_open_seller", "seller_id", "expires_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_quote_open_buyer", "buyer_id", "expires_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_quote_open", "expires_at", postgresql_where=text("ended_at IS NULL")),
    )


class QuoteVersion(Row):
    """One version of an offer, whole, with who made it. ``clauses``: NULL = those of the posting. ``sha256``: of all that it says,
    so that whoever answers it answers just this."""

    __tablename__ = "quote_version"
    quote_id: Mapped[UUID] = mapped_column(ForeignKey("quote.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    by_company: Mapped[UUID]
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    reserved: Mapped[bool]
    currency: Mapped[Currency]
    clauses: Mapped[list[Any] | None]
    note: Mapped[str]
    sha256: Mapped[bytes]
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("by_company IN (seller_id, buyer_id)", name="party"),
        CheckConstraint("length(sha256) = 32", name="sha256"),
    )


class QuoteLine(Row):
    """So many of a listing in a version of an offer. ``relation``: to the part that was asked for."""

    __tablename__ = "quote_line"
    quote_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    listing_id: Mapped[UUID | None] = mapped_column(ForeignKey("listing.id", ondelete="SET NULL"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    condition: Mapped[str]
    relation: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    __table_args__ = (
        ForeignKeyConstraint(["quote_id", "number"], ["quote_version.quote_id", "quote_version.number"]),
        CheckConstraint("relation IN ('asked','superseded_by','alternate')", name="relation"),
        CheckConstraint("quantity > 0 AND unit_price >= 0", name="positive"),
    )


_ON_A_QUOTE, _ON_AN_ORDER = text("quote_id IS NOT NULL"), text("order_id IS NOT NULL")


class TradeMessage(Row):
    """What one side wrote to the other on a quote or an order. Rows are only added."""

    __tablename__ = "trade_message"
    id: Mapped[Id]
    quote_id: Mapped[UUID | None] = mapped_column(ForeignKey("quote.id"))
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchase_order.id"))
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    from_id: Mapped[UUID]
    author_id: Mapped[UUID]
    text: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("num_nonnulls(quote_id, order_id) = 1", name="on"),
        CheckConstraint("length(text) BETWEEN 1 AND 2000", name="text"),
        CheckConstraint("from_id IN (seller_id, buyer_id)", name="party"),
        Index("ix_trade_message_quote", "quote_id", "id", postgresql_where=_ON_A_QUOTE),
        Index("ix_trade_message_order", "order_id", "id", postgresql_where=_ON_AN_ORDER),
    )
