"""Rows of releases and listings."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class Release(Row):
    """A surplus posting: lots offered under one clause with its terms, to everyone or to named partners. ``payment_days``:
    so many days after the receipt the price is due. ``audience_ids`` are admitted from publishing on; groups, and whoever is
    admitted later, stand in ``ReleaseWindow``, and from ``open_from`` on it is for everyone."""

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
    open_from: Mapped[datetime | None]
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
    partner needs to see the seller's sites. available = quantity - ordered. From ``class_code`` on: copies by which searches are
    narrowed, kept by triggers (migration 302200)."""

    __tablename__ = "listing"
    id: Mapped[Id]
    release_id: Mapped[UUID] = mapped_column(ForeignKey("release.id"), index=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
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
    open_from: Mapped[datetime | None]
    controlled: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]
    class_code: Mapped[str | None]
    maker_id: Mapped[UUID | None]
    clauses: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    use_class: Mapped[str] = mapped_column(server_default=text("''"))
    currency: Mapped[str] = mapped_column(server_default=text("''"))
    clause_key: Mapped[str] = mapped_column(Text, Computed("clause_key(clauses)", persisted=True))
    """The clauses in order, joined by '+': row level security lets no comparison of lists into an index."""
    __table_args__ = (
        CheckConstraint("0 <= ordered AND ordered <= quantity", name="ordered"),
        CheckConstraint("minimum_quantity > 0 AND package_quantity > 0", name="packages"),
        CheckConstraint("unit_price >= 0", name="price"),
        CheckConstraint("minimum_to_keep >= 0", name="minimum"),
        Index("ix_listing_part_open", "part_id", "id", postgresql_where=text("published AND ordered < quantity")),
        Index("ix_listing_open", "id", postgresql_where=text("published AND ordered < quantity")),
        Index(
            "ix_listing_company_id_open", "company_id", "id", postgresql_where=text("published AND ordered < quantity")
        ),
        *(
            Index(f"ix_listing_{name}_facets", *columns, postgresql_where=text("published AND ordered < quantity"))
            for name, columns in {
                "class": ("class_code", "clause_key", "use_class", "condition", "country"),
                "seller": ("company_id", "clause_key", "use_class", "condition", "country"),
                "maker": ("maker_id", "clause_key", "use_class", "condition", "country"),
                "country": ("country", "clause_key", "use_class", "condition"),
                "seller_class": ("company_id", "class_code"),
            }.items()
        ),
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


class PartnerGroup(Row):
    """Partners that a company treats alike, under a name."""

    __tablename__ = "partner_group"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    name: Mapped[str]
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("name = btrim(name) AND length(name) BETWEEN 1 AND 80", name="name"),
        Index("uq_partner_group_name", "company_id", text("lower(name)"), unique=True),
    )


class PartnerGroupMember(Row):
    """Who is in a group now."""

    __tablename__ = "partner_group_member"
    group_id: Mapped[UUID] = mapped_column(ForeignKey("partner_group.id", ondelete="CASCADE"), primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True, index=True)
    company_id: Mapped[UUID]


class PartnerBlock(Row):
    """A partner that sees nothing of the company's postings until it is lifted."""

    __tablename__ = "partner_block"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    reason: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    lifted_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("company_id <> partner_id", name="two"),
        Index(
            "uq_partner_block_open", "partner_id", "company_id", unique=True, postgresql_where=text("lifted_at IS NULL")
        ),
        Index("ix_partner_block_company", "company_id", "id"),
    )


class ExportClearance(Row):
    """A partner that may see and buy controlled parts, by which paper and until the end of which day (UTC)."""

    __tablename__ = "export_clearance"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    reference: Mapped[str]
    valid_until: Mapped[date]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    withdrawn_by: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("company_id <> partner_id", name="two"),
        Index(
            "ix_export_clearance_partner",
            "partner_id",
            "valid_until",
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_export_clearance_company", "company_id", "id"),
    )


class ControlledPart(Row):
    """A part that a seller holds to be export-controlled, whatever the terms of a posting say."""

    __tablename__ = "controlled_part"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    classification: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class ReleaseWindow(Row):
    """From when on a posting is open to a partner or a group; NULL = from publishing on."""

    __tablename__ = "release_window"
    id: Mapped[Id]
    release_id: Mapped[UUID] = mapped_column(ForeignKey("release.id", ondelete="CASCADE"), index=True)
    company_id: Mapped[UUID]
    opens_at: Mapped[datetime | None]
    partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("company.id"))
    group_id: Mapped[UUID | None] = mapped_column(ForeignKey("partner_group.id"))
    __table_args__ = (
        CheckConstraint("num_nonnulls(partner_id, group_id) = 1", name="who"),
        Index("ix_release_window_partner_id", "partner_id", postgresql_where=text("partner_id IS NOT NULL")),
        Index("ix_release_window_group_id", "group_id", postgresql_where=text("group_id IS NOT NULL")),
    )


class PartnerPrice(Row):
    """A price for a partner or a group: so much off everything, a posting or a line, or an amount for a line. Of several
    the lowest applies; an ended one stays on record."""

    __tablename__ = "partner_price"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    release_id: Mapped[UUID | None] = mapped_column(ForeignKey("release.id", ondelete="CASCADE"))
    listing_id: Mapped[UUID | None] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    partner_id: Mapped[UUID | None] = mapped_column(ForeignKey("company.id"))
    group_id: Mapped[UUID | None] = mapped_column(ForeignKey("partner_group.id"))
    off_bp: Mapped[int | None]
    unit_price: Mapped[Decimal | None]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("num_nonnulls(partner_id, group_id) = 1", name="who"),
        CheckConstraint("num_nonnulls(off_bp, unit_price) = 1", name="what"),
        CheckConstraint("off_bp BETWEEN 1 AND 10000", name="off"),
        CheckConstraint("unit_price IS NULL OR (unit_price >= 0 AND listing_id IS NOT NULL)", name="amount"),
        CheckConstraint("listing_id IS NULL OR release_id IS NOT NULL", name="line"),
        Index("ix_partner_price_company", "company_id", "id"),
        Index("ix_partner_price_partner_id", "partner_id", postgresql_where=text("partner_id IS NOT NULL")),
        Index("ix_partner_price_group_id", "group_id", postgresql_where=text("group_id IS NOT NULL")),
        Index("ix_partner_price_release_id", "release_id", postgresql_where=text("release_id IS NOT NULL")),
        Index("ix_partner_price_listing_id", "listing_id", postgresql_where=text("listing_id IS NOT NULL")),
    )


class PartProtection(Row):
    """A part that the company never releases, and why."""

    __tablename__ = "part_protection"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    reason: Mapped[str]
    stated_by: Mapped[UUID]
    stated_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("length(reason) BETWEEN 1 AND 300", name="reason"),
        Index("ix_part_protection_part", "company_id", "part_id"),
    )


class PartProtectionEnded(Row):
    """That it may be released again."""

    __tablename__ = "part_protection_ended"
    protection_id: Mapped[UUID] = mapped_column(ForeignKey("part_protection.id"), primary_key=True)
    company_id: Mapped[UUID]
    ended_by: Mapped[UUID]
    ended_at: Mapped[datetime]


class ReleaseLimit(Row):
    """Above which value a second person approves a posting; the newest counts, None = none is asked."""

    __tablename__ = "release_limit"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    amount: Mapped[Decimal | None]
    stated_by: Mapped[UUID]
    stated_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        Index("ix_release_limit_company", "company_id", text("id DESC")),
    )


class ReleaseApproval(Row):
    """That somebody asked for approval of just this: ``fingerprint`` of what is offered, to whom, under which terms."""

    __tablename__ = "release_approval"
    id: Mapped[Id]
    release_id: Mapped[UUID] = mapped_column(ForeignKey("release.id", ondelete="CASCADE"))
    company_id: Mapped[UUID]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    amount: Mapped[Decimal]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    __table_args__ = (
        Index("ix_release_approval_release", "release_id", text("id DESC")),
        Index("ix_release_approval_company", "company_id", "id"),
    )


class ReleaseApprovalAnswer(Row):
    """What another person said to it, once."""

    __tablename__ = "release_approval_answer"
    approval_id: Mapped[UUID] = mapped_column(ForeignKey("release_approval.id", ondelete="CASCADE"), primary_key=True)
    company_id: Mapped[UUID]
    approved: Mapped[bool]
    reason: Mapped[str]
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("length(reason) <= 300 AND (approved OR reason <> '')", name="reason"),)
