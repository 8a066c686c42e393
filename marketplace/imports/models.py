"""Rows of imports. The staging tables carry no policies (COPY refuses those) and are keyed by job."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Id, Normalised, Row


class ImportJob(Row):
    """One file on its way in. ``step`` says how far it got, so that a killed import can go on."""

    __tablename__ = "import_job"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    kind: Mapped[str]
    file_name: Mapped[str]
    file_sha256: Mapped[bytes] = mapped_column(BYTEA)
    file_size: Mapped[int]
    file_path: Mapped[str]
    sheet: Mapped[str | None]
    default_site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    default_maker: Mapped[str | None]
    snapshot_on: Mapped[date]
    mode: Mapped[str]
    covers: Mapped[str] = mapped_column(server_default="all")
    """Whether the file tells of all stock of its sites, or of some of it: then nothing is taken for gone."""
    mapping: Mapped[dict[str, Any]]
    step: Mapped[str]
    rows_total: Mapped[int] = mapped_column(server_default=text("0"))
    rows_staged: Mapped[int] = mapped_column(server_default=text("0"))
    rows_good: Mapped[int] = mapped_column(server_default=text("0"))
    rows_bad: Mapped[int] = mapped_column(server_default=text("0"))
    lots_new: Mapped[int] = mapped_column(server_default=text("0"))
    lots_changed: Mapped[int] = mapped_column(server_default=text("0"))
    lots_vanished: Mapped[int] = mapped_column(server_default=text("0"))
    lots_doubted: Mapped[int] = mapped_column(server_default=text("0"))
    """Of the vanished those at sites of which the file names so little that its covers is to be said."""
    covers_said: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a person has said what the file covers after seeing what it does not name."""
    takes: Mapped[str] = mapped_column(server_default="update")
    """How a catalogue file takes effect: 'update' what it names (blank cells say nothing), 'replace' (blank cells empty, what
    it leaves out ends), or only 'add' what is not on record."""
    error: Mapped[str | None]
    created_by: Mapped[UUID]
    created_at: Mapped[Created]
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None]
    __table_args__ = (
        CheckConstraint(
            "kind IN ('stock','parts','supersessions','prices','sites','numbers','counts','uses')", name="kind"
        ),
        CheckConstraint("takes IN ('update','replace','add')", name="takes"),
        CheckConstraint("mode IN ('good_rows','all_or_nothing')", name="mode"),
        CheckConstraint("covers IN ('all','some')", name="covers"),
        CheckConstraint("step IN ('uploaded','staging','staged','validated','done','failed','cancelled')", name="step"),
        Index("ix_import_job_company", "company_id", text("id DESC")),
    )


class ImportMapping(Row):
    """A company's saved reading of files of one shape (the hash of the header): ``mapping`` field -> header,
    ``conditions`` the file's word (values.condition_word) -> our condition, null where it is left to our reading, whatever
    the company said of it for files of other shapes."""

    __tablename__ = "import_mapping"
    company_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(BYTEA, primary_key=True)
    mapping: Mapped[dict[str, Any]]
    conditions: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    saved_at: Mapped[Created]
    kind: Mapped[str] = mapped_column(server_default="stock")


class SiteWord(Row):
    """What a company's files call one of its sites, besides the site's own code and name, which come first. ``word`` is
    casefolded."""

    __tablename__ = "site_word"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    word: Mapped[Normalised] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), index=True)
    said_by: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    said_at: Mapped[Created]
    __table_args__ = (CheckConstraint("length(word) BETWEEN 1 AND 200", name="word"),)


class ImportProgress(Row):
    """What an import is at while the worker has it: the phase, since when, and rows done of ``total`` (0 = not known). Unlogged; without
    a foreign key, since the import's row is locked while it is told of."""

    __tablename__ = "import_progress"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    phase: Mapped[str]
    done: Mapped[int]
    total: Mapped[int]
    began_at: Mapped[Created]
    told_at: Mapped[Created]
    __table_args__ = (
        CheckConstraint("phase IN ('waiting','reading','checking','comparing','landing','finishing')", name="phase"),
        {"prefixes": ["UNLOGGED"]},
    )


class ImportStage(Row):
    """One row of a file as text cells, with what was looked up for it while it streamed in (null = unknown).
    Unlogged, no policies, keyed by job."""

    __tablename__ = "import_stage"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cells: Mapped[list[str]]
    maker_id: Mapped[UUID | None]
    site_id: Mapped[UUID | None]
    uom: Mapped[str | None]
    condition: Mapped[str | None]
    number_norm: Mapped[Normalised | None]
    lot_id: Mapped[UUID | None]
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class ImportRow(Row):
    """A staged row as typed values, between validation and landing. ``line_id``: the stock line it is about;
    ``here_already``: units of it that the ledger has at the site without a stock line (bought, returned); ``was_quantity``
    and ``was_condition``: what is on record where the row differs. Unlogged, no policies, keyed by job."""

    __tablename__ = "import_row"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site_id: Mapped[UUID | None]
    maker_id: Mapped[UUID | None]
    part_id: Mapped[UUID | None]
    new_part: Mapped[bool]
    number: Mapped[str]
    number_norm: Mapped[Normalised]
    description: Mapped[str]
    uom: Mapped[str | None]
    condition: Mapped[str | None]
    serial: Mapped[str | None]
    batch: Mapped[str | None]
    bin: Mapped[str | None]
    quantity: Mapped[int | None]
    expires_on: Mapped[date | None]
    unit_cost: Mapped[Decimal | None]
    list_price: Mapped[Decimal | None]
    last_issue_on: Mapped[date | None]
    usage_12: Mapped[int | None]
    usage_24: Mapped[int | None]
    usage_36: Mapped[int | None]
    weight_grams: Mapped[int | None]
    package_quantity: Mapped[int | None]
    protected: Mapped[bool | None]
    lot_id: Mapped[UUID]
    family: Mapped[str | None]
    line_id: Mapped[UUID | None]
    here_already: Mapped[int] = mapped_column(server_default=text("0"))
    bad: Mapped[bool] = mapped_column(server_default=text("false"))
    was_quantity: Mapped[int | None]
    was_condition: Mapped[str | None]
    fate: Mapped[str] = mapped_column(
        Computed(
            "CASE WHEN bad THEN 'bad' WHEN was_quantity IS NOT NULL THEN 'changed' "
            "WHEN line_id IS NULL AND quantity > here_already THEN 'new' ELSE 'same' END",
            persisted=True,
        )
    )
    """Final once the rows are checked."""
    __table_args__ = (
        Index("ix_import_row_fate", "job_id", "fate", "row_no"),
        Index("ix_import_row_line", "line_id", postgresql_where=text("line_id IS NOT NULL")),
        {"prefixes": ["UNLOGGED"]},
    )


class ImportVanished(Row):
    """A stock line on record that a checked file does not name, and its units, until the file has landed.
    Unlogged, no policies, keyed by job."""

    __tablename__ = "import_vanished"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class ImportIssue(Row):
    """One thing wrong with one row of a file: which column, why, in words."""

    __tablename__ = "import_issue"
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    field: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    code: Mapped[str]
    message: Mapped[str]
    value: Mapped[str]


class ImportFix(Row):
    """A row whose cells were corrected on the page, as it now reads: the file itself is never changed."""

    __tablename__ = "import_fix"
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[UUID]
    cells: Mapped[list[str]]
    fixed_by: Mapped[UUID]
    fixed_at: Mapped[datetime]


class StockLine(Row):
    """What the last file said of one stock line: the key that makes tomorrow's file comparable. The quantity
    that counts is the ledger's."""

    __tablename__ = "stock_line"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    line_key: Mapped[str]
    lot_id: Mapped[UUID]
    condition: Mapped[str]
    serial: Mapped[str | None]
    batch: Mapped[str | None]
    bin: Mapped[str | None]
    quantity: Mapped[int]
    unit_cost: Mapped[Decimal | None]
    list_price: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    last_issue_on: Mapped[date | None]
    usage_12: Mapped[int | None]
    usage_24: Mapped[int | None]
    usage_36: Mapped[int | None]
    package_quantity: Mapped[int] = mapped_column(server_default=text("1"))
    protected: Mapped[bool] = mapped_column(server_default=text("false"))
    snapshot_on: Mapped[date]
    job_id: Mapped[UUID]
    vanished_on: Mapped[date | None]
    __table_args__ = (
        UniqueConstraint("company_id", "site_id", "line_key"),
        Index("ix_stock_line_lot", "lot_id"),
        Index("ix_stock_line_part", "company_id", "part_id"),
    )


class ImportProposal(Row):
    """A difference between tomorrow's file and the ledger, to be accepted or dismissed by a person."""

    __tablename__ = "import_proposal"
    id: Mapped[Id]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"))
    company_id: Mapped[UUID]
    stock_line_id: Mapped[UUID | None]
    lot_id: Mapped[UUID | None]
    part_id: Mapped[UUID]
    site_id: Mapped[UUID]
    kind: Mapped[str]
    quantity_before: Mapped[int]
    quantity_file: Mapped[int]
    applicable: Mapped[int]
    shortage: Mapped[int]
    detail: Mapped[dict[str, Any]]
    decided: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    __table_args__ = (
        CheckConstraint("kind IN ('more','less','vanished','shortage','condition')", name="kind"),
        CheckConstraint("decided IN ('accepted','dismissed')", name="decided"),
        Index("ix_import_proposal_job", "job_id", "id"),
        Index("ix_import_proposal_open", "company_id", "job_id", postgresql_where=text("decided IS NULL")),
    )


class CatalogueRow(Row):
    """A staged row of a catalogue file: what it is about (``number`` of a part or site, ``other`` number, ``key``: a
    relation, a day, a scheme), what it ``says`` and what is wrong with it; once checked also what that is on record
    (``target_id``, ``other_id``) and what would change, field by field. What a file leaves out has negative rows.
    Unlogged, no policies, keyed by job."""

    __tablename__ = "catalogue_row"
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    maker_id: Mapped[UUID | None]
    number: Mapped[str]
    number_norm: Mapped[Normalised]
    other: Mapped[str]
    other_norm: Mapped[Normalised]
    key: Mapped[str]
    says: Mapped[dict[str, Any]] = mapped_column(JSONB)
    issues: Mapped[list[Any]] = mapped_column(JSONB)
    target_id: Mapped[UUID | None]
    other_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    fate: Mapped[str] = mapped_column(server_default="bad")
    __table_args__ = (Index("ix_catalogue_row_fate", "job_id", "fate", "row_no"), {"prefixes": ["UNLOGGED"]})


class CatalogueChange(Row):
    """What an import changed, with the values before; and what became of it when the import was undone. Of stock (acts lot
    and count) only the rows that could not be taken back are here: its history is the ledger's."""

    __tablename__ = "catalogue_change"
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), index=True)
    number: Mapped[str]
    other: Mapped[str]
    key: Mapped[str]
    target_id: Mapped[UUID | None]
    other_id: Mapped[UUID | None]
    act: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    undone: Mapped[str | None]
    kept_because: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("act IN ('new','changed','vanished','lot','count')", name="act"),
        CheckConstraint("undone IN ('undone','partly','kept')", name="undone"),
        # Uses that earlier reports told.
        Index("ix_catalogue_change_use", "company_id", "key", postgresql_where=text("key LIKE 'use:%'")),
    )
