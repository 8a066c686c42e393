"""Rows of settlement."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class SettlementLine(Row):
    """What one company owes another, and why. Settled once both say that all of it was paid. ``step_id``: which step of
    the cause, where the same kind of line can be owed for several. ``counters_id``: the line that it takes back part of.
    ``document``: the number of the carrier's (or another) paper; ``object_by``: until when the other side may object.
    ``condition``: the one that it pays units by, as it was found when they came back.

    What is owed as one sum (a premium, damages, a credit) counts no units: it has neither a quantity nor a price of a unit.

    ``allocated`` (said by one side at least), ``paid`` (said by both), ``credited`` (of both: by credits, which are no
    payment) and ``disputed`` are sums kept under the line's lock; so are the marks, which say since when a side says that
    all of it was paid."""

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
    quantity: Mapped[int | None]
    unit_price: Mapped[Decimal | None]
    amount: Mapped[Decimal]
    currency: Mapped[Currency]
    words: Mapped[str]
    due_on: Mapped[date]
    counters_id: Mapped[UUID | None] = mapped_column(ForeignKey("settlement_line.id"))
    document: Mapped[str | None]
    object_by: Mapped[datetime | None]
    condition: Mapped[str | None]
    allocated: Mapped[Decimal] = mapped_column(server_default=text("0"))
    paid: Mapped[Decimal] = mapped_column(server_default=text("0"))
    credited: Mapped[Decimal] = mapped_column(server_default=text("0"))
    disputed: Mapped[Decimal] = mapped_column(server_default=text("0"))
    payer_marked_at: Mapped[datetime | None]
    payer_marked_by: Mapped[UUID | None]
    payee_marked_at: Mapped[datetime | None]
    payee_marked_by: Mapped[UUID | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint(
            "quantity > 0 AND amount >= 0 AND (quantity IS NULL) = (unit_price IS NULL)", name="amount"
        ),
        CheckConstraint("credited >= 0 AND credited <= paid", name="credited"),
        CheckConstraint(
            "paid >= 0 AND paid <= allocated AND allocated <= amount AND disputed >= 0 AND disputed <= amount",
            name="balance",
        ),
        UniqueConstraint("cause_id", "kind", "step_id", postgresql_nulls_not_distinct=True),
        Index("ix_settlement_payer", "payer_id", text("created_at DESC"), "id"),
        Index("ix_settlement_payee", "payee_id", text("created_at DESC"), "id"),
        Index("ix_settlement_line_agreement_id", "agreement_id", postgresql_where=text("agreement_id IS NOT NULL")),
        # The calendar: what is not paid yet, by when; for either side and for the clock.
        Index("ix_settlement_payer_unpaid", "payer_id", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        Index("ix_settlement_payee_unpaid", "payee_id", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        Index("ix_settlement_unpaid", "due_on", postgresql_where=text("payer_marked_at IS NULL")),
        Index("ix_settlement_object", "object_by", postgresql_where=text("object_by IS NOT NULL")),
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
        Index(
            "ix_settlement_payer_open", "payer_id", "payee_id", "currency", "due_on", "id",
            postgresql_where=text("paid < amount"),
        ),
        Index(
            "ix_settlement_payee_open", "payee_id", "payer_id", "currency", "due_on", "id",
            postgresql_where=text("paid < amount"),
        ),
        Index("ix_settlement_line_counters_id", "counters_id", postgresql_where=text("counters_id IS NOT NULL")),
    )  # fmt: skip


class Payment(Row):
    """What one company paid another, as one side says (``payer_at``, ``payee_at``: when which side said so) and, once
    both do, as it is. ``allocated``: how much of it pays lines. ``company_id`` and ``actor_id``: who recorded it.

    A set-off nets lines of both directions: ``amount`` is what it takes off on either side, ``from`` has no other meaning
    then. A reversal takes back the payment ``reverses_id``; ``reversed_at``: since when it does not count any more."""

    __tablename__ = "payment"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    from_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    to_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    currency: Mapped[Currency]
    amount: Mapped[Decimal]
    allocated: Mapped[Decimal] = mapped_column(server_default=text("0"))
    paid_on: Mapped[date]
    bank_reference: Mapped[str] = mapped_column(server_default="")
    how: Mapped[str]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    payer_at: Mapped[datetime | None]
    payer_by: Mapped[UUID | None]
    payee_at: Mapped[datetime | None]
    payee_by: Mapped[UUID | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"))
    reversed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")
    import_key: Mapped[str | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint(
            "amount > 0 AND allocated >= 0 AND allocated <= amount AND from_id <> to_id",
            name="amount",
        ),
        CheckConstraint("how IN ('recorded','imported','marked','set_off','credit','reversal')", name="how"),
        CheckConstraint("(how = 'reversal') = (reverses_id IS NOT NULL)", name="reverses"),
        Index("ix_payment_from", "from_id", text("created_at DESC"), "id"),
        Index("ix_payment_to", "to_id", text("created_at DESC"), "id"),
        # What every page counts: the few that wait for one's own word.
        Index(
            "ix_payment_from_waits", "from_id", postgresql_where=text("payer_at IS NULL AND reversed_at IS NULL")
        ),
        Index("ix_payment_to_waits", "to_id", postgresql_where=text("payee_at IS NULL AND reversed_at IS NULL")),
        Index(
            "ix_payment_import_key", "company_id", "import_key", unique=True,
            postgresql_where=text("import_key IS NOT NULL"),
        ),
        Index(
            "ix_payment_reverses_id", "reverses_id", unique=True,
            postgresql_where=text("reverses_id IS NOT NULL AND reversed_at IS NULL"),
        ),
    )  # fmt: skip


class PaymentAllocation(Row):
    """How much of a payment pays which line; negative where that is taken back. Only added."""

    __tablename__ = "payment_allocation"
    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("settlement_line.id"), index=True)
    from_id: Mapped[UUID]
    to_id: Mapped[UUID]
    amount: Mapped[Decimal]
    actor_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (CheckConstraint("amount <> 0", name="amount"),)


class Dispute(Row):
    """What one side does not accept: part of a line (subject 'line'), what units of a lower grade are worth ('grade'), the
    condition that units were ``found`` in ('condition', by who is owed for them), or the rejected units of an order ('units',
    where there is no line). ``fetches``: what a unit fetches in each condition, and when more of it is due. ``amount``: how much is in dispute; of units, what they
    would cost. ``waits_for``: whose answer is awaited while it is open. ``agreed_amount``: what of the amount is owed after
    all; ``agreed_quantity``: how many of the units the manufacturer keeps."""

    __tablename__ = "dispute"
    id: Mapped[Id]
    reference: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]
    line_id: Mapped[UUID | None] = mapped_column(ForeignKey("settlement_line.id"), index=True)
    cause_id: Mapped[UUID] = mapped_column(index=True)
    cause_reference: Mapped[str]
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    payee_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    opened_by: Mapped[UUID]
    reason: Mapped[str]
    currency: Mapped[Currency]
    amount: Mapped[Decimal]
    quantity: Mapped[int | None]
    respond_by: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="open")
    waits_for: Mapped[UUID | None]
    agreed_amount: Mapped[Decimal | None]
    agreed_quantity: Mapped[int | None]
    found: Mapped[str | None]
    fetches: Mapped[dict[str, Any] | None]
    agreed_condition: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("subject IN ('line','grade','units','condition')", name="subject"),
        CheckConstraint(
            "(subject = 'units') = (line_id IS NULL) AND (subject = 'line') = (quantity IS NULL) "
            "AND (subject = 'condition') = (found IS NOT NULL) AND (found IS NULL) = (fetches IS NULL)",
            name="about",
        ),
        CheckConstraint(
            "amount >= 0 AND quantity > 0 AND agreed_amount BETWEEN 0 AND amount AND agreed_quantity BETWEEN 0 AND quantity",
            name="amount",
        ),
        CheckConstraint(
            "status IN ('open','agreed','withdrawn') AND (status = 'open') = (ended_at IS NULL) "
            "AND (status = 'open') = (waits_for IS NOT NULL)",
            name="status",
        ),
        CheckConstraint("payer_id <> payee_id AND opened_by IN (payer_id, payee_id)", name="sides"),
        Index("ix_dispute_payer", "payer_id", "id"),
        Index("ix_dispute_open", "respond_by", postgresql_where=text("status = 'open'")),
        Index("ix_dispute_payee", "payee_id", "id"),
        Index(
            "ix_dispute_line_open", "line_id", unique=True,
            postgresql_where=text("status = 'open' AND line_id IS NOT NULL"),
        ),
        Index("ix_dispute_units_once", "cause_id", unique=True, postgresql_where=text("subject = 'units'")),
        Index("ix_dispute_waits_for", "waits_for", postgresql_where=text("waits_for IS NOT NULL")),
    )  # fmt: skip


class DisputeStatement(Row):
    """What one side says in a dispute, or proposes: ``amount`` that is owed after all, ``quantity`` of the units that the
    manufacturer keeps, the ``condition`` that units were in. Only added."""

    __tablename__ = "dispute_statement"
    id: Mapped[Id]
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("dispute.id"), index=True)
    payer_id: Mapped[UUID]
    payee_id: Mapped[UUID]
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    kind: Mapped[str]
    words: Mapped[str] = mapped_column(server_default="")
    amount: Mapped[Decimal | None]
    quantity: Mapped[int | None]
    condition: Mapped[str | None]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('opened','said','proposed','agreed','withdrawn','sent_back','kept')", name="kind"),
        CheckConstraint("amount >= 0 AND quantity >= 0", name="amount"),
    )
