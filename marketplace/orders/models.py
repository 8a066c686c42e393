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
    __table_args__ = (CheckConstraint("quantity >= 0 AND received BETWEEN 0 AND quantity", name="quantity"),)


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
