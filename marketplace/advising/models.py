"""Rows of demand histories and of advice."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Created, Currency, Id, Row


class DemandImport(Row):
    """A file of demand and what came of it. ``maker_id``: whose numbers it writes; null where they are the company's own makers'.
    ``first_month``: of every array of its history; ``odd``: how many things in it were told."""

    __tablename__ = "demand_import"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    file_name: Mapped[str]
    file_sha256: Mapped[bytes] = mapped_column(BYTEA)
    file_size: Mapped[int]
    file_path: Mapped[str]
    maker_id: Mapped[UUID | None] = mapped_column(ForeignKey("maker.id"))
    step: Mapped[str]
    error: Mapped[str | None]
    first_month: Mapped[date | None]
    months: Mapped[int] = mapped_column(server_default=text("0"))
    numbers: Mapped[int] = mapped_column(server_default=text("0"))
    parts: Mapped[int] = mapped_column(server_default=text("0"))
    odd: Mapped[int] = mapped_column(server_default=text("0"))
    created_by: Mapped[UUID]
    created_at: Mapped[Created]
    finished_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None]
    __table_args__ = (
        CheckConstraint("step IN ('waiting','done','failed')", name="step"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn"),
        Index("ix_demand_import_company", "company_id", text("id DESC")),
    )


class DemandHistory(Row):
    """What one file says of one part: ``units`` of each month from the import's first one on, NaN where it says nothing, negative
    where units came back. Never changed: a later file counts instead for the months that it names."""

    __tablename__ = "demand_history"
    import_id: Mapped[UUID] = mapped_column(ForeignKey("demand_import.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    company_id: Mapped[UUID]
    units: Mapped[list[float]] = mapped_column(ARRAY(REAL()))
    __table_args__ = (Index("ix_demand_history_part", "company_id", "part_id"),)


class DemandIssue(Row):
    """One thing that was odd in a file of demand: in which row (0: the whole file), of which number, in words."""

    __tablename__ = "demand_issue"
    import_id: Mapped[UUID] = mapped_column(ForeignKey("demand_import.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    company_id: Mapped[UUID]
    row_no: Mapped[int]
    part_number: Mapped[str]
    message: Mapped[str]


class DemandStage(Row):
    """A history on its way in. Unlogged, no policies, keyed by import."""

    __tablename__ = "demand_stage"
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(primary_key=True)
    units: Mapped[list[float]] = mapped_column(ARRAY(REAL()))
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)


class AdviceRun(Row):
    """Advice on all parts at one moment, under one policy. ``attempt``: how often a worker has begun it; whoever began it last may
    write. ``totals``: as ``reckoning.totals``, with what ``scenarios`` adds. A scenario has a ``name`` and the run that it was made from
    (``base_id``), and may have ``limits`` (``scenarios.Limits``)."""

    __tablename__ = "advice_run"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    policy: Mapped[dict[str, Any]]
    currency: Mapped[Currency]
    state: Mapped[str]
    stage: Mapped[str] = mapped_column(server_default="")
    done: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    totals: Mapped[dict[str, Any] | None]
    name: Mapped[str | None]
    base_id: Mapped[UUID | None] = mapped_column(ForeignKey("advice_run.id"))
    limits: Mapped[dict[str, Any] | None]
    created_by: Mapped[UUID]
    created_at: Mapped[Created]
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("state IN ('waiting','running','done','failed')", name="state"),
        CheckConstraint("name = btrim(name) AND length(name) BETWEEN 1 AND 80", name="name"),
        Index("ix_advice_run_company", "company_id", text("id DESC")),
        Index(
            "ix_advice_run_base", "company_id", "base_id", text("id DESC"), postgresql_where=text("base_id IS NOT NULL")
        ),
    )


def _figures() -> list[Column[Any]]:
    return [
        *(Column(n, Integer, nullable=False) for n in ("stock", "keep", "release", "scrap", "marks")),
        *(Column(n, SmallInteger, nullable=False) for n in ("class", "model", "preset", "advice")),
        *(Column(n, SmallInteger, nullable=False, server_default=text("0")) for n in ("level", "use_from")),
        *(Column(n, REAL, nullable=False, server_default=text("0")) for n in ("use_units", "use_used", "use_years")),
        *(Column(n, Double, nullable=False) for n in ("cost", "stake", "cash", "worth", "worth_kept", "worth_scrapped")),
        *(
            Column(n, REAL, nullable=False)
            for n in ("rate", "rate_low", "rate_high", "decline", "size", "hazard", "price_needed", "before", "after", "cautious")
        ),
        *(Column(n, Boolean, nullable=False) for n in ("advised", "exact", "steady")),
    ]  # fmt: skip


class AdviceRow(Row):
    """What is advised for one part, and the figures it was reckoned from (NaN: not known): shares of certainty as ``before`` (keeping
    all), ``after``, ``cautious`` (demand at the upper end); ``stake``: what it is worth more than keeping all. ``class``, ``model``,
    ``advice`` and ``marks`` are the numbers of the core's words; ``preset`` is a place in the policy's list, -1 for none. ``use_from``: where the hazard comes from
    (``using.From``), ``use_*``: what the partners that hold the part have and used. Of a scenario, ``differs``: something else than the
    run that it was made from, ``apart``: so much more cash at once."""

    __table__ = Table(
        "advice_row",
        Row.metadata,
        Column("run_id", Uuid, ForeignKey("advice_run.id"), primary_key=True),
        Column("part_id", Uuid, primary_key=True),
        Column("company_id", Uuid, nullable=False),
        *_figures(),
        Column("differs", Boolean, nullable=False, server_default=text("false")),
        Column("apart", Double, nullable=False, server_default=text("0")),
        Index(
            "ix_advice_row_differs",
            "run_id",
            text("abs(apart) DESC"),
            text("part_id DESC"),
            postgresql_where=text("differs"),
        ),
        Index("ix_advice_row_stake", "run_id", text("stake DESC"), text("part_id DESC")),
        Index("ix_advice_row_advice", "run_id", "advice", text("stake DESC"), text("part_id DESC")),
    )


class AdviceStage(Row):
    """Rows of advice on their way in. Unlogged, no policies, keyed by run."""

    __table__ = Table(
        "advice_stage",
        Row.metadata,
        Column("run_id", Uuid, primary_key=True),
        Column("part_id", Uuid, primary_key=True),
        *_figures(),
        prefixes=["UNLOGGED"],
    )


class AdviceDecision(Row):
    """What a person did with what a run advises for a part: so many units into a draft release (``release_id``) under named terms, each
    partner keeping ``floor`` of them in all. ``reason``: why it is not as advised; null where it is. The latest of a part counts."""

    __tablename__ = "advice_decision"
    id: Mapped[Id]
    run_id: Mapped[UUID] = mapped_column(ForeignKey("advice_run.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    company_id: Mapped[UUID]
    release: Mapped[int]
    preset: Mapped[str | None]
    floor: Mapped[int]
    reason: Mapped[str | None]
    release_id: Mapped[UUID | None]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("release >= 0 AND floor BETWEEN 0 AND release", name="units"),
        CheckConstraint("(release > 0) = (preset IS NOT NULL)", name="preset"),
        CheckConstraint("reason = btrim(reason) AND length(reason) BETWEEN 1 AND 500", name="reason"),
        Index("ix_advice_decision_part", "run_id", "part_id", text("id DESC")),
    )
