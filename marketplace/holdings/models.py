"""Rows of holdings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Id, Row


class StockCount(Row):
    """The last time a holder counted a part at a site, and what was found."""

    __tablename__ = "stock_count"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    counted_at: Mapped[datetime]
    counted: Mapped[int]
    expected: Mapped[int]
    counted_by: Mapped[UUID]
    beneficiaries: Mapped[list[UUID]]


class Withdrawal(Row):
    """A quantity taken out of availability until somebody counts: said not to be on the shelf."""

    __tablename__ = "withdrawal"
    id: Mapped[Id]
    lot_id: Mapped[UUID]
    position_id: Mapped[int]
    part_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    beneficiary_id: Mapped[UUID | None]
    site_id: Mapped[UUID]
    quantity: Mapped[int]
    cause_id: Mapped[UUID]
    opened_at: Mapped[Created]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_withdrawal_open", "lot_id", "position_id", postgresql_where=text("resolved_at IS NULL")),
        Index("ix_withdrawal_holder", "holder_id", postgresql_where=text("resolved_at IS NULL")),
    )
