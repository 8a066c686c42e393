"""Rows of recalls, only added. Functions of the database write which lots and holders a hold reaches: a maker may not see them
all, and none may be left out (see the migration)."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from marketplace.db.base import Id, Row

_OF_HOLDER = (["recall_id", "holder_id"], ["recall_holder.recall_id", "recall_holder.holder_id"])


class Recall(Row):
    """What the maker of a part ordered: which units (all of the part where nothing narrows it down), why, what holders are to
    do, and by when they say what they found. ``kind``: 'quality_hold' (stop using and shipping, wait) or 'recall' (send back or
    scrap as instructed)."""

    __tablename__ = "recall"
    id: Mapped[Id]
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    reference: Mapped[str] = mapped_column(unique=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"))
    kind: Mapped[str]
    batch: Mapped[str | None]
    serial_from: Mapped[str | None]
    serial_to: Mapped[str | None]
    serials: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    reason: Mapped[str]
    instruction: Mapped[str]
    document: Mapped[str]
    answer_by: Mapped[datetime]
    put_by: Mapped[UUID]
    put_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('quality_hold','recall')", name="kind"),
        CheckConstraint("answer_by > put_at", name="answer_by"),
        Index("ix_recall_part", "part_id"),
        Index("ix_recall_maker", "maker_id", "id"),
    )


class RecallHolder(Row):
    """A company that has or had such units, since when it is concerned and until when it answers. ``named``: the maker knows it
    already, by an agreement or a right in units that it holds; any other names itself by answering."""

    __tablename__ = "recall_holder"
    recall_id: Mapped[UUID] = mapped_column(ForeignKey("recall.id"), primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    maker_id: Mapped[UUID]
    named: Mapped[bool]
    since: Mapped[datetime]
    answer_by: Mapped[datetime]
    __table_args__ = (
        Index("ix_recall_holder_holder", "holder_id", "recall_id"),
        Index("ix_recall_holder_answer_by", "answer_by"),
    )


class RecallRead(Row):
    """That somebody of the holder has opened it, who first, and when."""

    __tablename__ = "recall_read"
    recall_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    maker_id: Mapped[UUID]
    read_by: Mapped[UUID]
    read_at: Mapped[datetime]
    __table_args__ = (ForeignKeyConstraint(*_OF_HOLDER),)


class RecallAnswer(Row):
    """What a holder found of ``asked`` units: the newest answer counts, none is changed."""

    __tablename__ = "recall_answer"
    id: Mapped[Id]
    recall_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    asked: Mapped[int]
    found: Mapped[int]
    set_aside: Mapped[int]
    used_before: Mapped[int]
    used_on: Mapped[date | None]
    not_here: Mapped[int]
    note: Mapped[str]
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint(
            "asked >= 0 AND found >= 0 AND set_aside BETWEEN 0 AND found AND used_before >= 0 AND not_here >= 0",
            name="units",
        ),
        ForeignKeyConstraint(*_OF_HOLDER),
        Index("ix_recall_answer_recall", "recall_id", "holder_id", "id"),
    )


class RecallLift(Row):
    """That the hold ended, for all units (``whole``) or those that it names, and what is to become of them."""

    __tablename__ = "recall_lift"
    id: Mapped[Id]
    recall_id: Mapped[UUID] = mapped_column(ForeignKey("recall.id"))
    maker_id: Mapped[UUID]
    batch: Mapped[str | None]
    serial_from: Mapped[str | None]
    serial_to: Mapped[str | None]
    serials: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    whole: Mapped[bool]
    disposition: Mapped[str]
    reason: Mapped[str]
    lifted_by: Mapped[UUID]
    lifted_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("disposition IN ('released','returned','scrapped','replaced')", name="disposition"),
        CheckConstraint(
            "whole = (batch IS NULL AND serial_from IS NULL AND serial_to IS NULL AND serials IS NULL)", name="whole"
        ),
        Index("ix_recall_lift_recall", "recall_id", "id"),
        Index("uq_recall_lift_whole", "recall_id", unique=True, postgresql_where=text("whole")),
    )


class RecallTold(Row):
    """That a holder was told of the hold, or of one of its ends (``lift_id``): once each."""

    __tablename__ = "recall_told"
    id: Mapped[Id]
    recall_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    lift_id: Mapped[UUID | None] = mapped_column(ForeignKey("recall_lift.id"))
    told_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(*_OF_HOLDER),
        UniqueConstraint(
            "recall_id", "holder_id", "lift_id", name="uq_recall_told", postgresql_nulls_not_distinct=True
        ),
    )


class RecallLot(Row):
    """A lot that the hold reached, when it was put in force or later."""

    __tablename__ = "recall_lot"
    recall_id: Mapped[UUID] = mapped_column(ForeignKey("recall.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"), primary_key=True)
    maker_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_recall_lot_lot", "lot_id"),)


class RecallLiftLot(Row):
    """A lot that the hold let go, and by which of its ends."""

    __tablename__ = "recall_lift_lot"
    recall_id: Mapped[UUID] = mapped_column(primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    lift_id: Mapped[UUID] = mapped_column(ForeignKey("recall_lift.id"))
    maker_id: Mapped[UUID]
    __table_args__ = (
        ForeignKeyConstraint(["recall_id", "lot_id"], ["recall_lot.recall_id", "recall_lot.lot_id"]),
        Index("ix_recall_lift_lot_lift", "lift_id"),
    )
