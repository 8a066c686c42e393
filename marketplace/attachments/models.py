"""Rows of documents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Id, Row


class DocumentContent(Row):
    """What a file holds, once for a company. ``small``: a picture of it for lists."""

    __tablename__ = "document_content"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    size: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    small: Mapped[bytes | None] = mapped_column(LargeBinary)
    __table_args__ = (
        CheckConstraint("length(sha256) = 32", name="sha256"),
        CheckConstraint("size BETWEEN 1 AND 15728640", name="size"),
    )


class DocumentUsage(Row):
    """How much a company keeps: the row that is locked while something is added."""

    __tablename__ = "document_usage"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (CheckConstraint("bytes >= 0", name="bytes"),)


class Document(Row):
    """A file on one thing, and who may see it: whoever may see that thing ('same'), or the company that added it ('own')."""

    __tablename__ = "document"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    part_id: Mapped[UUID | None] = mapped_column(ForeignKey("part.id"))
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("lot.lot_id"))
    listing_id: Mapped[UUID | None] = mapped_column(ForeignKey("listing.id", ondelete="CASCADE"))
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchase_order.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("call.id"))
    kind: Mapped[str]
    name: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    width: Mapped[int | None]
    height: Mapped[int | None]
    audience: Mapped[str]
    note: Mapped[str]
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["company_id", "sha256"], ["document_content.company_id", "document_content.sha256"]),
        CheckConstraint("num_nonnulls(part_id, lot_id, listing_id, order_id, call_id) = 1", name="on"),
        CheckConstraint("audience IN ('same', 'own')", name="audience"),
        CheckConstraint(
            "kind IN ('certificate', 'photo', 'drawing', 'data_sheet', 'packing_list', 'other')", name="kind"
        ),
        CheckConstraint("length(name) BETWEEN 1 AND 120", name="name"),
        CheckConstraint("length(note) <= 500", name="note"),
        *(
            Index(f"ix_document_{name}", f"{name}_id", "id", postgresql_where=text(f"{name}_id IS NOT NULL"))
            for name in ("part", "lot", "listing", "order", "call")
        ),
        Index("ix_document_company", "company_id", "id"),
        Index("ix_document_content", "company_id", "sha256"),
    )


class DocumentWithdrawn(Row):
    """That a document is shown to nobody else any more."""

    __tablename__ = "document_withdrawn"
    document_id: Mapped[UUID] = mapped_column(ForeignKey("document.id", ondelete="CASCADE"), primary_key=True)
    company_id: Mapped[UUID]
    withdrawn_by: Mapped[UUID]
    withdrawn_at: Mapped[datetime]
