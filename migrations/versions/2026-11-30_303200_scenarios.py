"""Scenarios of the advisor, and where the hazard of a row comes from.

A run may be made from another one under a name and with limits; each row then says whether something else is advised than there, and how
much more comes in at once. A row also keeps how much hangs on its part, and what partners' use its hazard was learnt from. Parts requests
are found by their part, for what was asked for since a run.

Undo: downgrade() drops the columns; scenarios then stand as runs of their own.

Revision ID: 303200
Revises: 302610
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "303200"
down_revision = "302610"
branch_labels = None
depends_on = None

_FIGURES = (
    *((name, sa.SmallInteger()) for name in ("level", "use_from")),
    *((name, sa.REAL()) for name in ("use_units", "use_used", "use_years")),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("advice_run", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("advice_run", sa.Column("base_id", sa.Uuid(), nullable=True))
    op.add_column("advice_run", sa.Column("limits", JSONB(), nullable=True))
    op.create_foreign_key(op.f("fk_advice_run_base_id"), "advice_run", "advice_run", ["base_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_advice_run_name"), "advice_run", "name = btrim(name) AND length(name) BETWEEN 1 AND 80"
    )
    op.create_index(
        "ix_advice_run_base", "advice_run", ["company_id", "base_id", sa.text("id DESC")], postgresql_where=sa.text("base_id IS NOT NULL")
    )  # fmt: skip
    for table in ("advice_row", "advice_stage"):
        for name, kind in _FIGURES:
            op.add_column(table, sa.Column(name, kind, server_default=sa.text("0"), nullable=False))
    op.add_column("advice_row", sa.Column("differs", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("advice_row", sa.Column("apart", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "ix_advice_row_differs", "advice_row", ["run_id", sa.text("abs(apart) DESC"), sa.text("part_id DESC")],
        postgresql_where=sa.text("differs"),
    )  # fmt: skip
    op.create_index("ix_requisition_part", "requisition", ["maker_id", "part_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_requisition_part", "requisition")
    op.drop_index("ix_advice_row_differs", "advice_row")
    op.drop_column("advice_row", "apart")
    op.drop_column("advice_row", "differs")
    for table in ("advice_row", "advice_stage"):
        for name, _ in _FIGURES:
            op.drop_column(table, name)
    op.drop_index("ix_advice_run_base", "advice_run")
    for name in ("limits", "base_id", "name"):
        op.drop_column("advice_run", name)
