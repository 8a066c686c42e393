"""Many parts requests at once: complete only, kits, and plans over many of them with what came of each.

A plan is what somebody was shown and decides by, so it is kept as it was; that it was confirmed is a row of its own. Undo:
downgrade() drops plans and the two columns; orders that plans made stay.

Revision ID: 300900
Revises: 300700
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300900"
down_revision = "300700"
branch_labels = None
depends_on = None

_TABLES = ("sourcing_plan", "sourcing_plan_confirmed")


def _uuid(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column(
        "requisition", sa.Column("complete_only", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("requisition", sa.Column("kit", sa.Text(), server_default="", nullable=False))
    # What a plan of everything looks for: the few that are not finished, of the maker too.
    op.create_index(
        "ix_requisition_live_maker",
        "requisition",
        ["maker_id"],
        postgresql_where=sa.text("status IN ('open', 'ordered')"),
    )
    op.create_table(
        "sourcing_plan", sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False), _uuid("company_id"), _uuid("made_by"), _at("made_at"),
        sa.Column("requests", sa.ARRAY(sa.Uuid()), nullable=False), sa.Column("rules", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("shown", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False), sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False), sa.Column("unmet", sa.Integer(), nullable=False),
        sa.CheckConstraint("cardinality(requests) BETWEEN 1 AND 1000", name=op.f("ck_sourcing_plan_requests")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_sourcing_plan_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sourcing_plan")),
        sa.UniqueConstraint("reference", name=op.f("uq_sourcing_plan_reference")),
    )  # fmt: skip
    op.create_index("ix_sourcing_plan_company", "sourcing_plan", ["company_id", sa.text("id DESC")])
    op.create_table(
        "sourcing_plan_confirmed", _uuid("plan_id"), _uuid("company_id"), _uuid("confirmed_by"), _at("confirmed_at"),
        sa.Column("calls", sa.ARRAY(sa.Uuid()), nullable=False), sa.Column("waiting", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["sourcing_plan.id"], name=op.f("fk_sourcing_plan_confirmed_plan_id")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_sourcing_plan_confirmed")),
    )  # fmt: skip
    for table in _TABLES:
        within = (
            ""
            if table == "sourcing_plan"
            else f" AND EXISTS (SELECT FROM sourcing_plan p WHERE p.id = {table}.plan_id AND p.company_id = {table}.company_id)"
        )
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING (company_id = app_company())")
        op.execute(
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK (company_id = app_company(){within})"
        )
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("ix_requisition_live_maker", table_name="requisition")
    op.drop_column("requisition", "kit")
    op.drop_column("requisition", "complete_only")
