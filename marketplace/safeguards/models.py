"""Rows of safeguards: the maker's own records, only added."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Id, Row


class Insolvency(Row):
    """A maker's record that a company that holds its units is insolvent. ``number`` counts the records of the pair, so that
    two people cannot record one twice; ``administrator``: the person in charge of the estate, and how to reach them."""

    __tablename__ = "insolvency"
    id: Mapped[Id]
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    number: Mapped[int]
    reason: Mapped[str]
    source: Mapped[str]
    opened_on: Mapped[date]
    administrator: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("maker_id", "company_id", "number"),
        CheckConstraint("maker_id <> company_id", name="two"),
        CheckConstraint("number > 0", name="number"),
        Index("ix_insolvency_maker", "maker_id", "id"),
    )


class InsolvencyNote(Row):
    """What became known later; ``administrator`` where that is somebody else now."""

    __tablename__ = "insolvency_note"
    id: Mapped[Id]
    insolvency_id: Mapped[UUID] = mapped_column(ForeignKey("insolvency.id"))
    maker_id: Mapped[UUID]
    note: Mapped[str]
    administrator: Mapped[str | None]
    noted_by: Mapped[UUID]
    noted_at: Mapped[datetime]
    __table_args__ = (Index("ix_insolvency_note_insolvency_id", "insolvency_id", "id"),)


class InsolvencyHold(Row):
    """An agreement that a record found in force. ``held_before``: it was under legal hold already, which the record leaves
    as it is; all others it put under legal hold."""

    __tablename__ = "insolvency_hold"
    insolvency_id: Mapped[UUID] = mapped_column(ForeignKey("insolvency.id"), primary_key=True)
    agreement_id: Mapped[UUID] = mapped_column(ForeignKey("agreement.id"), primary_key=True, index=True)
    maker_id: Mapped[UUID]
    held_before: Mapped[bool]


class InsolvencyLifted(Row):
    """That a record stands no longer, why, and how many holds ended with it."""

    __tablename__ = "insolvency_lifted"
    insolvency_id: Mapped[UUID] = mapped_column(ForeignKey("insolvency.id"), primary_key=True)
    maker_id: Mapped[UUID]
    reason: Mapped[str]
    holds: Mapped[int]
    lifted_by: Mapped[UUID]
    lifted_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("holds >= 0", name="holds"),)


class SecurityInterest(Row):
    """A right in the holder's units, or its estate, that the maker has registered or agreed on; without an agreement it is
    for all of them. ``expires_on`` is its last day; None: it does not lapse."""

    __tablename__ = "security_interest"
    id: Mapped[Id]
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"), index=True)
    continues_id: Mapped[UUID | None] = mapped_column(ForeignKey("security_interest.id"), unique=True)
    kind: Mapped[str]
    filed_with: Mapped[str]
    number: Mapped[str]
    filed_on: Mapped[date]
    expires_on: Mapped[date | None]
    note: Mapped[str]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("maker_id <> company_id", name="two"),
        CheckConstraint("expires_on >= filed_on", name="expires"),
        CheckConstraint("kind IN ('ucc1','ppsa','retention_of_title','pledge','lien','other')", name="kind"),
        Index("ix_security_interest_maker", "maker_id", "id"),
        Index("ix_security_interest_maker_expires", "maker_id", "expires_on"),
        Index("ix_security_interest_expires", "expires_on"),
    )


class SecurityInterestEnd(Row):
    """That an interest stands no longer, and why."""

    __tablename__ = "security_interest_end"
    security_interest_id: Mapped[UUID] = mapped_column(ForeignKey("security_interest.id"), primary_key=True)
    maker_id: Mapped[UUID]
    reason: Mapped[str]
    ended_by: Mapped[UUID]
    ended_at: Mapped[datetime]
