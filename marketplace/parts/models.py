"""Rows of the catalogue. None belongs to a tenant: search meets these first, without row level security."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Id, Normalised, Row


class Maker(Row):
    """Who makes parts. The code is permanent: lot ids are computed from it."""

    __tablename__ = "maker"
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    company_id: Mapped[UUID | None] = mapped_column(ForeignKey("company.id"), index=True)


class UnitOfMeasure(Row):
    """A unit parts are counted in: EA (Each), KT (Kit), HD (Hundred)..."""

    __tablename__ = "unit_of_measure"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class PartClass(Row):
    """A supply class, e.g. 2815 Diesel Engines and Components."""

    __tablename__ = "part_class"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Part(Row):
    """An item in a maker's catalogue. ``number`` as printed; ``number_norm`` letters and digits only."""

    __tablename__ = "part"
    id: Mapped[Id]
    maker_id: Mapped[UUID] = mapped_column(ForeignKey("maker.id"))
    number: Mapped[str]
    number_norm: Mapped[Normalised]
    description: Mapped[str]
    class_code: Mapped[str | None] = mapped_column(ForeignKey("part_class.code"), index=True)
    uom: Mapped[str] = mapped_column(ForeignKey("unit_of_measure.code"))
    weight_grams: Mapped[int | None]
    list_price: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    criticality: Mapped[str | None]
    """How its maker ranks what a missing one costs, in the maker's own words (A, vital, 1)."""
    export_control: Mapped[str | None]
    """Its maker's export classification, as ECCN 9A610 or EAR99; none stated says nothing."""
    words: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('english', description)", persisted=True))
    created_at: Mapped[Created]
    __table_args__ = (
        UniqueConstraint("maker_id", "number"),
        Index("ix_part_maker_norm", "maker_id", "number_norm"),
        Index("ix_part_norm", "number_norm", "id"),
        Index("ix_part_words", "words", postgresql_using="gin"),
        CheckConstraint("number_norm <> '' AND char_length(number) <= 80", name="number"),
        CheckConstraint("weight_grams > 0", name="weight"),
        CheckConstraint("list_price >= 0 AND (list_price IS NULL) = (currency IS NULL)", name="price"),
    )


class PartNumber(Row):
    """How somebody writes a part's number: the maker's own, or another scheme's. What search looks through."""

    __tablename__ = "part_number"
    id: Mapped[Id]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    number: Mapped[str]
    number_norm: Mapped[Normalised]
    scheme: Mapped[str]
    __table_args__ = (
        Index("ix_part_number_norm", "number_norm", "part_id"),
        Index(
            "ix_part_number_trgm", "number_norm", postgresql_using="gin", postgresql_ops={"number_norm": "gin_trgm_ops"}
        ),
        Index("ix_part_number_backwards", text("reverse(number_norm)")),
        UniqueConstraint("part_id", "scheme", "number"),
        CheckConstraint("number_norm <> ''", name="number"),
    )


class Supersession(Row):
    """``from`` is replaced by ``to`` from a date on; following it never comes back to where it began."""

    __tablename__ = "supersession"
    from_part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    to_part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    effective_on: Mapped[date]
    note: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        CheckConstraint("from_part_id <> to_part_id", name="not_self"),
        Index("ix_supersession_to", "to_part_id"),
    )


class Alternate(Row):
    """``alternate`` may stand in for ``part``; the other way round only where a row says so."""

    __tablename__ = "alternate"
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    alternate_part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    note: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (CheckConstraint("part_id <> alternate_part_id", name="not_self"),)


class UomConversion(Row):
    """1 ``from_uom`` of this part = numerator / denominator of the part's base unit."""

    __tablename__ = "uom_conversion"
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    from_uom: Mapped[str] = mapped_column(ForeignKey("unit_of_measure.code"), primary_key=True)
    numerator: Mapped[int]
    denominator: Mapped[int] = mapped_column(server_default=text("1"))
    __table_args__ = (CheckConstraint("numerator > 0 AND denominator > 0", name="positive"),)


class PartPrice(Row):
    """A list price and the day from which it counts. The part's own ``list_price`` is the one that counts today."""

    __tablename__ = "part_price"
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True, index=True)
    list_price: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))
    __table_args__ = (CheckConstraint("list_price >= 0", name="price"),)
