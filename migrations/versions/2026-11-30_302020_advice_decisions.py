"""What people did with advice: taken into a draft release as it was, or otherwise and why.

A decision is added and never changed; the latest of a part counts. It keeps what was decided beside the run that says what was
advised, so that both can be compared later with what happened.

Undo: downgrade() drops the table; releases that came of it stay.

Revision ID: 302020
Revises: 302010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302020"
down_revision = "302010"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "advice_decision",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=True),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("release_id", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("release >= 0 AND floor BETWEEN 0 AND release", name=op.f("ck_advice_decision_units")),
        sa.CheckConstraint("(release > 0) = (preset IS NOT NULL)", name=op.f("ck_advice_decision_preset")),
        sa.CheckConstraint(
            "reason = btrim(reason) AND length(reason) BETWEEN 1 AND 500", name=op.f("ck_advice_decision_reason")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["advice_run.id"], name=op.f("fk_advice_decision_run_id")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_advice_decision_part_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_advice_decision")),
    )
    op.create_index("ix_advice_decision_part", "advice_decision", ["run_id", "part_id", sa.text("id DESC")])
    op.execute("GRANT SELECT, INSERT ON advice_decision TO backstock_app")
    op.execute("GRANT SELECT ON advice_decision TO backstock_worker")
    op.execute("ALTER TABLE advice_decision ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE advice_decision FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own_read ON advice_decision FOR SELECT TO backstock_app, backstock_worker USING ({_OWN})"
    )
    op.execute(f"CREATE POLICY own_insert ON advice_decision FOR INSERT TO backstock_app WITH CHECK ({_OWN})")


def downgrade() -> None:
    op.drop_table("advice_decision")
