"""Rows of settlement."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class SettlementLine(Row):
    """What one company owes another, and why. Settled once both have marked it. ``step_id``: which step of the cause,
    where the same kind of line can be owed for several."""

    __tablename__ = "settlement_line"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    kind: Mapped[str]
    cause_id: Mapped[UUID]
    step_id: Mapped[UUID | None]
    cause_reference: Mapped[str]
    agreement_id: Mapped[UUID | None]
    part_id: Mapped[UUID]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    amount: Mapped[Decimal]
    currency: Mapped[Currency]
    words: Mapped[str]
    due_on: Mapped[date]
    payer_marked_at: Mapped[datetime | None]
    payer_marked_by: Mapped[UUID | None]
    payee_marked_at: Mapped[datetime | None]
    payee_marked_by: Mapped[UUID | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("quantity > 0 AND amount >= 0", name="amount"),
        UniqueConstraint("cause_id", "kind", "step_id", postgresql_nulls_not_distinct=True),
        Index("ix_settlement_payer", "payer_id", text("created_at DESC"), "id"),
        Index("ix_settlement_payee", "payee_id", text("created_at DESC"), "id"),
        # The calendar: what is not paid yet, by when; for either side and for the clock.
        Index("ix_settlement_payer_unpaid", "payer_id", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        Index("ix_settlement_payee_unpaid", "payee_id", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        Index("ix_settlement_unpaid", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        # What every page counts: the few that the other side alone has marked, however many there were.
        Index(
            "ix_settlement_payer_half",
            "payer_id",
            postgresql_where=text("payer_marked_at IS NULL AND payee_marked_at IS NOT NULL"),
        ),
        Index(
            "ix_settlement_payee_half",
            "payee_id",
            postgresql_where=text("payee_marked_at IS NULL AND payer_marked_at IS NOT NULL"),
        ),
    )
