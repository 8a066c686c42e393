"""Rows of holdings."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class StockCount(Row):
    """The last time a holder counted a part at a site, and what was found."""

    __tablename__ = "stock_count"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    counted_at: Mapped[datetime]
    counted: Mapped[int]
    expected: Mapped[int]
    counted_by: Mapped[UUID]
    beneficiaries: Mapped[list[UUID]]
    __table_args__ = (Index("ix_stock_count_counted", "holder_id", "counted_at"),)


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


class Shortage(Row):
    """Units under an agreement that a count of one shelf did not find, where the clause calls that a breach. ``answered``: of
    how many the holder has said where they are; ``explain_by``: until when it counts again and says so; ``conclude_from``: from
    when the maker may conclude that they are gone without leave; ``at_stake``: what
    would be owed if it took them out of the minimum to keep. Open while ``answered`` is less than ``missing``."""

    __tablename__ = "shortage"
    id: Mapped[Id]
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), index=True)
    recorded: Mapped[int]
    missing: Mapped[int]
    answered: Mapped[int] = mapped_column(server_default=text("0"))
    tolerated: Mapped[int]
    below_minimum: Mapped[int]
    at_stake: Mapped[Decimal]
    currency: Mapped[Currency]
    words: Mapped[str]
    opened_at: Mapped[datetime]
    counted_at: Mapped[datetime]
    explain_by: Mapped[datetime]
    conclude_from: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default="open")
    ended_at: Mapped[datetime | None]
    counted_by: Mapped[UUID]
    __table_args__ = (
        CheckConstraint(
            "recorded > 0 AND missing > 0 AND answered >= 0 AND tolerated >= 0 AND below_minimum >= 0 AND at_stake >= 0",
            name="units",
        ),
        CheckConstraint("status IN ('open','found','explained')", name="status"),
        CheckConstraint("(status = 'open') = (ended_at IS NULL)", name="ended"),
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        Index("ix_shortage_agreement", "agreement_id", "part_id", "id"),
        Index(
            "uq_shortage_open", "holder_id", "site_id", "part_id", "agreement_id", unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        Index("ix_shortage_explain_by", "explain_by", postgresql_where=text("status = 'open'")),
        Index("ix_shortage_maker", "maker_id", "id"),
        Index("ix_shortage_holder", "holder_id", "id"),
        Index("ix_shortage_maker_open", "maker_id", "explain_by", postgresql_where=text("status = 'open'")),
        Index("ix_shortage_holder_open", "holder_id", "explain_by", postgresql_where=text("status = 'open'")),
    )  # fmt: skip


class MissingUnits(Row):
    """What became of units under an agreement that left without leave or were lost, or were found: in whose words
    (``company_id``), how many the agreement gave no leave for, how many are missing from the minimum to keep, and what is owed
    for these (``line_kind`` of the settlement line, None where nothing is). Only added."""

    __tablename__ = "missing_units"
    id: Mapped[Id]
    shortage_id: Mapped[UUID | None] = mapped_column(ForeignKey("shortage.id"))
    agreement_id: Mapped[UUID]
    part_id: Mapped[UUID]
    maker_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), index=True)
    became: Mapped[str]
    quantity: Mapped[int]
    without_leave: Mapped[int]
    below_minimum: Mapped[int]
    line_kind: Mapped[str | None]
    amount: Mapped[Decimal]
    currency: Mapped[Currency]
    due_on: Mapped[date]
    words: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    happened_at: Mapped[datetime]
    command_id: Mapped[UUID] = mapped_column(index=True)
    company_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint(
            "became IN ('used','installed','scrapped','sold','given_away','lost','destroyed','found','moved')",
            name="became",
        ),
        CheckConstraint(
            "quantity > 0 AND without_leave BETWEEN 0 AND quantity AND below_minimum BETWEEN 0 AND quantity AND amount >= 0",
            name="units",
        ),
        CheckConstraint("line_kind IN ('breach','loss_compensation')", name="line_kind"),
        CheckConstraint("(line_kind IS NULL) = (amount = 0)", name="owed"),
        ForeignKeyConstraint(["agreement_id", "part_id"], ["agreement_line.agreement_id", "agreement_line.part_id"]),
        Index("ix_missing_units_agreement", "agreement_id", "part_id", "id"),
        Index("ix_missing_units_shortage_id", "shortage_id", postgresql_where=text("shortage_id IS NOT NULL")),
        Index("ix_missing_units_maker", "maker_id", "id"),
        Index("ix_missing_units_holder", "holder_id", "id"),
    )


class CountSheet(Row):
    """A count of a site that was begun: of everything there, of one part, or of the parts of one agreement. ``blind``: what the
    record says is not shown before a part was counted."""

    __tablename__ = "count_sheet"
    id: Mapped[Id]
    holder_id: Mapped[UUID]
    reference: Mapped[str] = mapped_column(unique=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), index=True)
    part_id: Mapped[UUID | None] = mapped_column(ForeignKey("part.id"), index=True)
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))
    blind: Mapped[bool]
    opened_by: Mapped[UUID]
    opened_at: Mapped[datetime]
    __table_args__ = (Index("ix_count_sheet_holder", "holder_id", "id"),)


class CountEntry(Row):
    """Something that was counted: so many of a part, or one unit by its serial number (``lot_id`` where it is on record for the
    holder). Only added; ``takes_back`` names the row that this one undoes."""

    __tablename__ = "count_entry"
    id: Mapped[Id]
    sheet_id: Mapped[UUID] = mapped_column(ForeignKey("count_sheet.id"))
    holder_id: Mapped[UUID]
    part_id: Mapped[UUID | None] = mapped_column(ForeignKey("part.id"), index=True)
    lot_id: Mapped[UUID | None]
    serial: Mapped[str | None]
    quantity: Mapped[int]
    round: Mapped[int]
    how: Mapped[str]
    takes_back: Mapped[UUID | None] = mapped_column(ForeignKey("count_entry.id"), unique=True)
    by: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("quantity >= 0 AND round > 0", name="quantity"),
        CheckConstraint("part_id IS NOT NULL OR serial IS NOT NULL", name="what"),
        CheckConstraint("how IN ('scan','typed','list')", name="how"),
        Index("ix_count_entry_sheet", "sheet_id", "id"),
        Index("ix_count_entry_lot", "lot_id", "at", postgresql_where=text("lot_id IS NOT NULL")),
    )


class CountRecount(Row):
    """That a part is counted once more from nothing: entries of earlier rounds do not count any more."""

    __tablename__ = "count_recount"
    sheet_id: Mapped[UUID] = mapped_column(ForeignKey("count_sheet.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder_id: Mapped[UUID]
    by: Mapped[UUID]
    at: Mapped[datetime]


class CountResult(Row):
    """What came of a part when its sheet was confirmed. ``expected``: on record when it was counted; ``moved_since``: how many
    came or went between then and the confirmation."""

    __tablename__ = "count_result"
    sheet_id: Mapped[UUID] = mapped_column(ForeignKey("count_sheet.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    holder_id: Mapped[UUID]
    round: Mapped[int]
    counted_at: Mapped[datetime]
    expected: Mapped[int]
    counted: Mapped[int]
    moved_since: Mapped[int]
    tolerated: Mapped[int]
    adjusted: Mapped[int]
    withdrawn: Mapped[int]
    put_right: Mapped[int]
    words: Mapped[str]
    __table_args__ = (CheckConstraint("expected >= 0 AND counted >= 0 AND tolerated >= 0", name="units"),)


class CountEnd(Row):
    """That a sheet is confirmed, or dropped without any effect."""

    __tablename__ = "count_end"
    sheet_id: Mapped[UUID] = mapped_column(ForeignKey("count_sheet.id"), primary_key=True)
    holder_id: Mapped[UUID]
    how: Mapped[str]
    reason: Mapped[str]
    by: Mapped[UUID]
    at: Mapped[datetime]
    __table_args__ = (CheckConstraint("how IN ('confirmed','dropped')", name="how"),)


class CountTolerance(Row):
    """How far a count of a class of parts may be from the record before it is to be repeated; the class '' stands for all."""

    __tablename__ = "count_tolerance"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    class_code: Mapped[str] = mapped_column(primary_key=True)
    basis_points: Mapped[int]
    set_by: Mapped[UUID]
    set_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("basis_points BETWEEN 0 AND 10000", name="share"),)
