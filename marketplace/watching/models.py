"""Rows of the watch: what to look for, runs, what each found of a part and of a holder, and what was made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
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
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db.base import Currency, Id, Row


class WatchSetting(Row):
    """What a company's watch looks for: coverage over ``horizon`` years of at least so many basis points by criticality (null: not
    watched), rights that end within ``lapse_months``, and what a missing unit costs in unit costs."""

    __tablename__ = "watch_setting"
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"), primary_key=True)
    horizon: Mapped[int] = mapped_column(SmallInteger)
    vital_bp: Mapped[int | None]
    important_bp: Mapped[int | None]
    ordinary_bp: Mapped[int | None]
    lapse_months: Mapped[int] = mapped_column(SmallInteger)
    missing_times: Mapped[float] = mapped_column(Double)
    changed_by: Mapped[UUID]
    changed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("horizon IN (1, 5, 10, 20)", name="horizon"),
        CheckConstraint(
            "vital_bp BETWEEN 1 AND 9999 AND important_bp BETWEEN 1 AND 9999 AND ordinary_bp BETWEEN 1 AND 9999", name="least"
        ),
        CheckConstraint("lapse_months BETWEEN 1 AND 120", name="lapse"),
        CheckConstraint("missing_times BETWEEN 0 AND 1000", name="missing"),
    )  # fmt: skip


class PartCriticality(Row):
    """How much hangs on a part, as its maker's planner says: 0 ordinary, 1 important, 2 vital. A part without a row is ordinary."""

    __tablename__ = "part_criticality"
    company_id: Mapped[UUID] = mapped_column(primary_key=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), primary_key=True, index=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    stated_by: Mapped[UUID]
    stated_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("level BETWEEN 0 AND 2", name="level"),)


class WatchRun(Row):
    """One look at everything. ``asked_by``: null where the clock did; ``setting``: what it looked for; ``attempt``: as an advice
    run's."""

    __tablename__ = "watch_run"
    id: Mapped[Id]
    company_id: Mapped[UUID] = mapped_column(ForeignKey("company.id"))
    currency: Mapped[Currency]
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    setting: Mapped[dict[str, Any] | None]
    totals: Mapped[dict[str, Any] | None]
    asked_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("state IN ('waiting','running','done','failed')", name="state"),
        Index("ix_watch_run_company", "company_id", text("id DESC")),
    )


def _figures() -> list[Column[Any]]:
    return [
        *(Column(n, Integer, nullable=False) for n in ("own", "coming", "pool", "firm_pool", "floor", "holders", "lapsing", "call_units")),
        *(Column(n, SmallInteger, nullable=False) for n in ("level", "flags")),
        Column("notes", SmallInteger, nullable=False, server_default=text("0")),
        *(Column(n, Double, nullable=False) for n in ("money", "cost", "call_price", "call_cost")),
        *(
            Column(n, REAL, nullable=False)
            for n in (
                "rate", "decline", "use_rate", "lapses_in", "least", "sure", "call_sure", "unmet", "call_unmet", "cover_1", "cover_5", "cover_10", "cover_20",
                "firm_1", "firm_5", "firm_10", "firm_20", "alone_1", "alone_5", "alone_10", "alone_20",
            )
        ),
    ]  # fmt: skip


class WatchRow(Row):
    """A part as a run found it: the columns of ``reckoning.FIELDS``, NaN where a figure is not known."""

    __table__ = Table(
        "watch_row",
        Row.metadata,
        Column("run_id", Uuid, ForeignKey("watch_run.id"), primary_key=True),
        Column("part_id", Uuid, primary_key=True),
        Column("company_id", Uuid, nullable=False),
        *_figures(),
        Index("ix_watch_row_money", "run_id", text("money DESC"), text("part_id DESC")),
        Index("ix_watch_row_found", "run_id", text("money DESC"), text("part_id DESC"), postgresql_where=text("flags > 0")),
    )  # fmt: skip


class WatchStage(Row):
    """Rows of a run on their way in. Unlogged, no policies, keyed by run."""

    __table__ = Table(
        "watch_stage",
        Row.metadata,
        Column("run_id", Uuid, primary_key=True),
        Column("part_id", Uuid, primary_key=True),
        *_figures(),
        prefixes=["UNLOGGED"],
    )


class WatchHolder(Row):
    """How fast a holder uses units up, as a run learnt it from the ledger: hazards a year, ``low`` and ``high`` its interval."""

    __tablename__ = "watch_holder"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("watch_run.id"), primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    units: Mapped[int]
    used: Mapped[int]
    unit_years: Mapped[float] = mapped_column(Double)
    assumed: Mapped[float] = mapped_column(Double)
    learnt: Mapped[float] = mapped_column(Double)
    low: Mapped[float] = mapped_column(Double)
    high: Mapped[float] = mapped_column(Double)
    fast: Mapped[bool]


class WatchFinding(Row):
    """Something that a run found of a part and nobody knew: open until a run no longer finds it."""

    __tablename__ = "watch_finding"
    id: Mapped[Id]
    company_id: Mapped[UUID]
    kind: Mapped[str]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("part.id"), index=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("watch_run.id"))
    found_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("kind IN ('lapse','floor','fast','coverage')", name="kind"),
        Index(
            "uq_watch_finding_open", "company_id", "part_id", "kind", unique=True, postgresql_where=text("resolved_at IS NULL")
        ),
    )  # fmt: skip


class WatchRequest(Row):
    """The parts request that a person made of a run's proposal for a part: one a run."""

    __tablename__ = "watch_request"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("watch_run.id"), primary_key=True)
    part_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID]
    requisition_id: Mapped[UUID] = mapped_column(ForeignKey("requisition.id"))
    units: Mapped[int]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    __table_args__ = (Index("ix_watch_request_part", "company_id", "part_id", text("asked_at DESC")),)
