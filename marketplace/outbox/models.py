"""Rows of the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Row


class OutboxEvent(Row):
    """Something that happened, for others to react to. ``company_ids`` are those it concerns."""

    __tablename__ = "outbox_event"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    aggregate: Mapped[str]
    aggregate_id: Mapped[UUID]
    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    company_ids: Mapped[list[UUID]]
    created_at: Mapped[Created]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    retry_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    position: Mapped[int | None] = mapped_column(BigInteger)
    """Given after its transaction committed, by one at a time: whoever reads on by it misses nothing. None: not yet."""
    __table_args__ = (
        Index(
            "ix_outbox_event_waiting", "aggregate", "aggregate_id", "id", postgresql_where=text("delivered_at IS NULL")
        ),
        Index("uq_outbox_event_position", "position", unique=True),
        Index("ix_outbox_event_unplaced", "id", postgresql_where=text("position IS NULL")),
    )
