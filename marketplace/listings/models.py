"""Rows of releases and listings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class Release(Row):
    """A surplus posting: lots offered under one clause with its terms, to everyone or to named partners. ``payment_days``:
    so many days after the receipt the price is due."""

    __tablename__ = "release"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    title: Mapped[str]
    clause: Mapped[str]
    version: Mapped[int]
    terms: Mapped[dict[str, Any]]
    further: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    use_class: Mapped[str]
    payment_days: Mapped[int] = mapped_column(server_default=text("30"))
    currency: Mapped[Currency]
    audience: Mapped[str]
    audience_ids: Mapped[list[UUID]]
    status: Mapped[str]
    created_by: Mapped[UUID]
    created_at: Mapped[Created]
    published_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["clause", "version"], ["clause_version.clause", "clause_version.version"]),
        CheckConstraint("status IN ('draft','published','closed')", name="status"),
        CheckConstraint("audience IN ('all','named')", name="audience"),
        CheckConstraint("payment_days BETWEEN 0 AND 180", name="payment_days"),
        CheckConstraint("use_class IN ('intermediate_good','non_capital_spare')", name="use_class"),
        Index("ix_release_company", "company_id", text("id DESC")),
    )


class Listing(Row):
    """One line of a release as a partner sees it. ``place`` and coordinates are town-level copies, so that no
    partner needs to see the seller's sites. available = quantity - ordered."""

    __tablename__ = "listing"
    id: Mapped[Id]
    release_id: Mapped[UUID] = mapped_column(ForeignKey("release.id"), index=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"))
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    place: Mapped[str]
    region: Mapped[str]
    country: Mapped[str]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    condition: Mapped[str]
    quantity: Mapped[int]
    ordered: Mapped[int] = mapped_column(server_default=text("0"))
    unit_price: Mapped[Decimal]
    minimum_quantity: Mapped[int] = mapped_column(server_default=text("1"))
    package_quantity: Mapped[int] = mapped_column(server_default=text("1"))
    minimum_to_keep: Mapped[int] = mapped_column(server_default=text("0"))
    published: Mapped[bool] = mapped_column(server_default=text("false"))
    audience_ids: Mapped[list[UUID] | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("0 <= ordered AND ordered <= quantity", name="ordered"),
        CheckConstraint("minimum_quantity > 0 AND package_quantity > 0", name="packages"),
        CheckConstraint("unit_price >= 0", name="price"),
        CheckConstraint("minimum_to_keep >= 0", name="minimum"),
        Index("ix_listing_part_open", "part_id", "id", postgresql_where=text("published AND ordered < quantity")),
        Index("ix_listing_open", "id", postgresql_where=text("published AND ordered < quantity")),
        Index("ix_listing_company", "company_id", "part_id"),
    )


class ListingLot(Row):
    """Which units back a listing, and how many of each lot's position."""

    __tablename__ = "listing_lot"
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    position_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[UUID]
    quantity: Mapped[int]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_listing_lot_lot", "lot_id", "position_id"),
    )
