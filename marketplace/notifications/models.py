"""Rows of notifications."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy import (
    text as sql,
)
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Id, Row


class NotificationDigest(Row):
    """The mail of one day to one person: ``day`` as it is where the person works. Rows are only added."""

    __tablename__ = "notification_digest"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    day: Mapped[date]
    sent_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        UniqueConstraint("user_id", "day"),
    )


class Notification(Row):
    """What a person was told of an event, once. ``daily``: it stands in a mail of a day (``digest_id``), unless it was read before."""

    __tablename__ = "notification"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    user_id: Mapped[UUID]
    event_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    link: Mapped[str]
    urgent: Mapped[bool]
    daily: Mapped[bool]
    digest_id: Mapped[UUID | None] = mapped_column(ForeignKey("notification_digest.id"))
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    unread: Mapped[bool] = mapped_column(Computed("read_at IS NULL", persisted=True))
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        UniqueConstraint("user_id", "event_id"),
        Index("ix_notification_list", "user_id", "unread", "id"),
        Index(
            "ix_notification_to_send",
            "user_id",
            postgresql_where=sql("daily AND digest_id IS NULL AND read_at IS NULL"),
        ),
    )


class NotificationChoice(Row):
    """How a person wants to be told of one kind; without a row as everybody is."""

    __tablename__ = "notification_choice"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    how: Mapped[str]
    changed_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "company_id"], ["user_account.id", "user_account.company_id"]),
        CheckConstraint("how IN ('at_once','daily','in_app','nothing')", name="how"),
    )
