"""What happens by itself when an order back comes to nothing: a maker's rules by urgency, each such order as a fact, and what came
of it.

Rules are stated, never changed: of one urgency the newest counts. An order that came to nothing is a row of ``cascade``, what was
done about it at most one of ``cascade_outcome``: its primary key is what makes it happen once. Undo: downgrade() drops the tables;
the next best source is then only proposed, and orders that were given stay.

Revision ID: 301200
Revises: 301100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "301200"
down_revision = "301100"
branch_labels = None
depends_on = None

_MINE = "(company_id = app_company() OR maker_id = app_company())"
_URGENCY = "urgency IN ('machine_down','urgent','stock_order')"
_CAUSE = "cause IN ('refused','silent','in_part','defaulted','lost','gone','gave_way','unlicensed')"
_OUTCOME = "outcome IN ('ordered','reserved','proposed','nothing','enough')"


def upgrade() -> None:
    op.create_table(
        "cascade_rule", sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("at_once", sa.Boolean(), nullable=False), sa.Column("most_more_bp", sa.Integer(), nullable=False),
        sa.Column("most_later_days", sa.Integer(), nullable=False), sa.Column("stated_by", sa.Uuid(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_URGENCY, name=op.f("ck_cascade_rule_urgency")),
        sa.CheckConstraint("most_more_bp BETWEEN 0 AND 1000000 AND most_later_days BETWEEN 0 AND 3650", name=op.f("ck_cascade_rule_limits")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_cascade_rule_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cascade_rule")),
    )  # fmt: skip
    op.create_index("ix_cascade_rule_company", "cascade_rule", ["company_id", "urgency", sa.text("id DESC")])
    op.create_table(
        "cascade", sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("requisition_id", sa.Uuid(), nullable=False), sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False), sa.Column("lacking", sa.Integer(), nullable=False),
        sa.Column("rule", JSONB(), nullable=True), sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_CAUSE, name=op.f("ck_cascade_cause")),
        sa.CheckConstraint("lacking > 0", name=op.f("ck_cascade_lacking")),
        sa.ForeignKeyConstraint(["requisition_id"], ["requisition.id"], name=op.f("fk_cascade_requisition_id")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_cascade_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cascade")),
    )  # fmt: skip
    op.create_index("ix_cascade_requisition", "cascade", ["requisition_id", "id"])
    op.create_index(op.f("ix_cascade_call_id"), "cascade", ["call_id"])
    op.create_table(
        "cascade_outcome", sa.Column("cascade_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False), sa.Column("calls", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("words", sa.Text(), nullable=False), sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_OUTCOME, name=op.f("ck_cascade_outcome_outcome")),
        sa.ForeignKeyConstraint(["cascade_id"], ["cascade.id"], name=op.f("fk_cascade_outcome_cascade_id")),
        sa.PrimaryKeyConstraint("cascade_id", name=op.f("pk_cascade_outcome")),
    )  # fmt: skip
    of_a_request = (
        "AND EXISTS (SELECT FROM requisition r WHERE r.id = requisition_id AND r.company_id = cascade.company_id "
        "AND r.maker_id = cascade.maker_id)"
    )
    of_a_cascade = (
        "AND EXISTS (SELECT FROM cascade c WHERE c.id = cascade_id AND c.company_id = cascade_outcome.company_id "
        "AND c.maker_id = cascade_outcome.maker_id)"
    )
    for table, mine, whole in (
        ("cascade_rule", "company_id = app_company()", ""),
        ("cascade", _MINE, of_a_request),
        ("cascade_outcome", _MINE, of_a_cascade),
    ):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        worker = "SELECT" if table == "cascade_rule" else "SELECT, INSERT"
        op.execute(f"GRANT {worker} ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({mine})")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({mine} {whole})")
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")
        if table != "cascade_rule":
            op.execute(f"CREATE POLICY worker_insert ON {table} FOR INSERT TO backstock_worker WITH CHECK (true)")


def downgrade() -> None:
    for table in ("cascade_outcome", "cascade", "cascade_rule"):
        op.drop_table(table)
