"""Advice on every part: runs, and a row a part.

A row keeps the figures that the advice was reckoned from and what came of them, so that a page can say why without reckoning
everything again; its sentence is made from them. Rows are written by the worker, through ``advice_stage`` (COPY is refused where there
are policies), once, whole and never changed.

Undo: downgrade() drops the tables; advice can be made anew from the histories.

Revision ID: 302010
Revises: 302000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "302010"
down_revision = "302000"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"
_BOTH = "backstock_app, backstock_worker"
_FIGURES = (
    *((name, sa.Integer()) for name in ("stock", "keep", "release", "scrap", "marks")),
    *((name, sa.SmallInteger()) for name in ("class", "model", "preset", "advice")),
    *((name, sa.Double()) for name in ("cost", "stake", "cash", "worth", "worth_kept", "worth_scrapped")),
    *(
        (name, sa.REAL())
        for name in (
            "rate", "rate_low", "rate_high", "decline", "size", "hazard", "price_needed", "before", "after", "cautious",
        )
    ),
    *((name, sa.Boolean()) for name in ("advised", "exact", "steady")),
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "advice_run",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("policy", JSONB(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("totals", JSONB(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting','running','done','failed')", name=op.f("ck_advice_run_state")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_advice_run_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_advice_run")),
    )
    op.create_index("ix_advice_run_company", "advice_run", ["company_id", sa.text("id DESC")])
    op.create_table(
        "advice_row",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _FIGURES),
        sa.ForeignKeyConstraint(["run_id"], ["advice_run.id"], name=op.f("fk_advice_row_run_id")),
        sa.PrimaryKeyConstraint("run_id", "part_id", name=op.f("pk_advice_row")),
    )
    op.create_index("ix_advice_row_stake", "advice_row", ["run_id", sa.text("stake DESC"), sa.text("part_id DESC")])
    op.create_index(
        "ix_advice_row_advice", "advice_row", ["run_id", "advice", sa.text("stake DESC"), sa.text("part_id DESC")]
    )
    op.create_table(
        "advice_stage",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in _FIGURES),
        sa.PrimaryKeyConstraint("run_id", "part_id", name=op.f("pk_advice_stage")),
        prefixes=["UNLOGGED"],
    )
    for table in ("advice_run", "advice_row"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {_BOTH}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_read ON {table} FOR SELECT TO {_BOTH} USING ({_OWN})")
        op.execute(f"CREATE POLICY own_insert ON {table} FOR INSERT TO {_BOTH} WITH CHECK ({_OWN})")
    op.execute(
        f"GRANT UPDATE (state, stage, done, total, attempt, error, totals, finished_at) ON advice_run TO {_BOTH}"
    )
    op.execute(f"CREATE POLICY own_update ON advice_run FOR UPDATE TO {_BOTH} USING ({_OWN}) WITH CHECK ({_OWN})")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON advice_stage TO {_BOTH}")
    op.execute(f"GRANT MAINTAIN ON advice_row TO {_BOTH}")


def downgrade() -> None:
    op.drop_table("advice_stage")
    op.drop_table("advice_row")
    op.drop_table("advice_run")
