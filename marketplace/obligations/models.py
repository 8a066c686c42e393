"""Rows of obligations. What is due is stored where it arose; here is what was told of it, and to whom."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Row


class Reminder(Row):
    """A company was reminded of an obligation, once for each step. A deadline that moved is another one. Rows are only
    added."""

    __tablename__ = "reminder"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    sent_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("step IN ('ahead','overdue')", name="step"),)


class ReminderSetting(Row):
    """How long before its deadlines a company is reminded, and whether."""

    __tablename__ = "reminder_setting"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    hours_before: Mapped[int]
    days_before: Mapped[int]
    mails: Mapped[bool]
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("hours_before BETWEEN 1 AND 168 AND days_before BETWEEN 1 AND 60", name="before"),
    )
