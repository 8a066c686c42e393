"""Rows of resales."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Id, Row


class Resale(Row):
    """Units under an agreement that their holder sells on. Its three parties see it: maker, holder (the seller), buyer.
    ``wording`` is what the buyer signs, where the right stays on the units. ``answer_by``: until when the maker consents or
    refuses (what no answer means, ``silence_consents`` says); ``sign_by``: until when the buyer signs. The clock acts on both."""

    __tablename__ = "resale"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), index=True)
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    quantity: Mapped[int]
    minimum_passed_on: Mapped[int]
    runs: Mapped[bool]
    child_reference: Mapped[str | None] = mapped_column(unique=True)
    child_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"), unique=True)
    wording: Mapped[str | None]
    wording_sha256: Mapped[bytes | None] = mapped_column(BYTEA)
    note: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    consented_by: Mapped[UUID | None]
    consented_at: Mapped[datetime | None]
    acceded_by: Mapped[UUID | None]
    acceded_at: Mapped[datetime | None]
    carrier: Mapped[str | None]
    tracking: Mapped[str | None]
    shipped_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    good: Mapped[int | None]
    ended_at: Mapped[datetime | None]
    answer_by: Mapped[datetime | None]
    silence_consents: Mapped[bool] = mapped_column(server_default=text("false"))
    sign_by: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND minimum_passed_on BETWEEN 0 AND quantity", name="quantity"),
        CheckConstraint("good BETWEEN 0 AND quantity", name="good"),
        CheckConstraint("maker_id <> holder_id AND buyer_id <> holder_id AND buyer_id <> maker_id", name="three"),
        CheckConstraint("runs = (wording IS NOT NULL) AND runs = (child_reference IS NOT NULL)", name="wording"),
        CheckConstraint(
            "status IN ('asked','consented','acceded','shipped','received','refused','cancelled')", name="status"
        ),
        Index("ix_resale_maker", "maker_id", "id"),
        Index("ix_resale_holder", "holder_id", "id"),
        Index("ix_resale_buyer", "buyer_id", "id"),
        Index("ix_resale_answer", "answer_by", postgresql_where=text("status = 'asked'")),
        Index("ix_resale_sign", "sign_by", postgresql_where=text("status = 'consented'")),
        Index("ix_resale_open", "status", postgresql_where=text("status IN ('asked','consented','acceded','shipped')")),
    )


class ResaleUnit(Row):
    """Units reserved for a resale, and where they went."""

    __tablename__ = "resale_unit"
    resale_id: Mapped[UUID] = mapped_column(ForeignKey("resale.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    position_id: Mapped[int] = mapped_column(primary_key=True)
    hold_seq: Mapped[int]
    quantity: Mapped[int]
    serial: Mapped[str | None]
    shipped_lot_id: Mapped[UUID | None]
    shipped_position_id: Mapped[int | None]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)


class ResaleEvent(Row):
    """What happened to a resale, in order, for its three parties."""

    __tablename__ = "resale_event"
    id: Mapped[Id]
    resale_id: Mapped[UUID] = mapped_column(ForeignKey("resale.id"), index=True)
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    buyer_id: Mapped[UUID]
    kind: Mapped[str]
    note: Mapped[str | None]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    at: Mapped[datetime]
