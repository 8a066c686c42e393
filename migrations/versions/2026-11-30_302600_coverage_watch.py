"""The watch over coverage: what a manufacturer asks it to look for, its runs, and what it found.

A run's rows are reckoned from the ledger by the worker and written whole, through ``watch_stage`` (COPY is refused where there are
policies). They are a picture of one day, not facts: those of older runs are taken away, their sums stay with the run. A finding begins
with the run that first saw it and ends with the one that no longer did, so that people are told of it once.

Undo: downgrade() drops the tables; rows can be reckoned anew, thresholds and criticalities are lost.

Revision ID: 302600
Revises: 302510
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "302600"
down_revision = "302510"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"
_BOTH = "backstock_app, backstock_worker"
_FIGURES = (
    *((name, sa.Integer()) for name in ("own", "coming", "pool", "firm_pool", "floor", "holders", "lapsing", "call_units")),
    *((name, sa.SmallInteger()) for name in ("level", "flags")),
    *((name, sa.Double()) for name in ("money", "cost", "call_price", "call_cost")),
    *(
        (name, sa.REAL())
        for name in (
            "rate", "decline", "use_rate", "lapses_in", "least", "sure", "call_sure", "unmet", "call_unmet", "cover_1", "cover_5", "cover_10", "cover_20",
            "firm_1", "firm_5", "firm_10", "firm_20", "alone_1", "alone_5", "alone_10", "alone_20",
        )
    ),
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "watch_setting",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("horizon", sa.SmallInteger(), nullable=False),
        sa.Column("vital_bp", sa.Integer(), nullable=True),
        sa.Column("important_bp", sa.Integer(), nullable=True),
        sa.Column("ordinary_bp", sa.Integer(), nullable=True),
        sa.Column("lapse_months", sa.SmallInteger(), nullable=False),
        sa.Column("missing_times", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("horizon IN (1, 5, 10, 20)", name=op.f("ck_watch_setting_horizon")),
        sa.CheckConstraint(
            "vital_bp BETWEEN 1 AND 9999 AND important_bp BETWEEN 1 AND 9999 AND ordinary_bp BETWEEN 1 AND 9999",
            name=op.f("ck_watch_setting_least"),
        ),
        sa.CheckConstraint("lapse_months BETWEEN 1 AND 120", name=op.f("ck_watch_setting_lapse")),
        sa.CheckConstraint("missing_times BETWEEN 0 AND 1000", name=op.f("ck_watch_setting_missing")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_watch_setting_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_watch_setting")),
    )
    op.create_table(
        "part_criticality",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("stated_by", sa.Uuid(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("level BETWEEN 0 AND 2", name=op.f("ck_part_criticality_level")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_part_criticality_part_id")),
        sa.PrimaryKeyConstraint("company_id", "part_id", name=op.f("pk_part_criticality")),
    )
    op.create_table(
        "watch_run",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("setting", JSONB(), nullable=True),
        sa.Column("totals", JSONB(), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting','running','done','failed')", name=op.f("ck_watch_run_state")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_watch_run_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_run")),
    )
    op.create_index("ix_watch_run_company", "watch_run", ["company_id", sa.text("id DESC")])
    op.create_table(
        "watch_row",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _FIGURES),
        sa.ForeignKeyConstraint(["run_id"], ["watch_run.id"], name=op.f("fk_watch_row_run_id")),
        sa.PrimaryKeyConstraint("run_id", "part_id", name=op.f("pk_watch_row")),
    )
    op.create_index("ix_watch_row_money", "watch_row", ["run_id", sa.text("money DESC"), sa.text("part_id DESC")])
    op.create_index(
        "ix_watch_row_found", "watch_row", ["run_id", sa.text("money DESC"), sa.text("part_id DESC")],
        postgresql_where=sa.text("flags > 0"),
    )  # fmt: skip
    op.create_table(
        "watch_stage",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _FIGURES),
        sa.PrimaryKeyConstraint("run_id", "part_id", name=op.f("pk_watch_stage")),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "watch_holder",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("unit_years", sa.Double(), nullable=False),
        sa.Column("assumed", sa.Double(), nullable=False),
        sa.Column("learnt", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("fast", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["watch_run.id"], name=op.f("fk_watch_holder_run_id")),
        sa.PrimaryKeyConstraint("run_id", "holder_id", name=op.f("pk_watch_holder")),
    )
    op.create_table(
        "watch_finding",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('lapse','floor','fast','coverage')", name=op.f("ck_watch_finding_kind")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_watch_finding_part_id")),
        sa.ForeignKeyConstraint(["run_id"], ["watch_run.id"], name=op.f("fk_watch_finding_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_finding")),
    )
    op.create_index(
        "uq_watch_finding_open", "watch_finding", ["company_id", "part_id", "kind"], unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "watch_request",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["watch_run.id"], name=op.f("fk_watch_request_run_id")),
        sa.ForeignKeyConstraint(["requisition_id"], ["requisition.id"], name=op.f("fk_watch_request_requisition_id")),
        sa.PrimaryKeyConstraint("run_id", "part_id", name=op.f("pk_watch_request")),
    )
    op.create_index("ix_watch_request_part", "watch_request", ["company_id", "part_id", sa.text("asked_at DESC")])
    for table in (
        "watch_setting", "part_criticality", "watch_run", "watch_row", "watch_holder", "watch_finding", "watch_request",
    ):  # fmt: skip
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {_BOTH}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_read ON {table} FOR SELECT TO {_BOTH} USING ({_OWN})")
        op.execute(f"CREATE POLICY own_insert ON {table} FOR INSERT TO {_BOTH} WITH CHECK ({_OWN})")
    for table, columns in (
        (
            "watch_setting",
            "horizon, vital_bp, important_bp, ordinary_bp, lapse_months, missing_times, changed_by, changed_at",
        ),
        ("part_criticality", "level, stated_by, stated_at"),
        ("watch_run", "state, attempt, error, setting, totals, finished_at"),
        ("watch_finding", "resolved_at"),
    ):
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO {_BOTH}")
        op.execute(f"CREATE POLICY own_update ON {table} FOR UPDATE TO {_BOTH} USING ({_OWN}) WITH CHECK ({_OWN})")
    for table in ("watch_row", "watch_holder"):
        op.execute(f"GRANT DELETE ON {table} TO backstock_worker")
        op.execute(f"CREATE POLICY own_delete ON {table} FOR DELETE TO backstock_worker USING ({_OWN})")
    op.execute("GRANT MAINTAIN ON watch_row TO backstock_worker")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON watch_stage TO {_BOTH}")


def downgrade() -> None:
    for table in (
        "watch_request", "watch_finding", "watch_holder", "watch_stage", "watch_row", "watch_run", "part_criticality", "watch_setting",
    ):  # fmt: skip
        op.drop_table(table)
