"""Rows of orders."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


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
    """One listing in an order, and what arrived of it."""

    __tablename__ = "order_line"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_order.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seller_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("listing.id"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"))
    condition: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    po_line: Mapped[str | None]
    good: Mapped[int | None]
    short: Mapped[int | None]
    damaged: Mapped[int | None]
    wrong: Mapped[int | None]
    receipt_note: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND unit_price >= 0", name="positive"),
        CheckConstraint("good + short + damaged + wrong = quantity", name="receipt"),
        UniqueConstraint("order_id", "listing_id"),
    )


class OrderUnit(Row):
    """The units reserved for an order line; ``shipped_lot_id`` is the buyer's own child lot after shipping."""

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
    __table_args__ = (CheckConstraint("quantity > 0 AND received BETWEEN 0 AND quantity", name="quantity"),)


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
