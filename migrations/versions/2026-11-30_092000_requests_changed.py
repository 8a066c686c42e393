"""What was changed about a parts request, by whom and when: a row for each change, with what stood before.

Undo: downgrade() drops the table; requests keep what they were changed to.

Revision ID: 300920
Revises: 300910
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "300920"
down_revision = "300910"
branch_labels = None
depends_on = None

_MINE = "(company_id = app_company() OR maker_id = app_company())"


def upgrade() -> None:
    op.create_table(
        "requisition_change", sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("requisition_id", sa.Uuid(), nullable=False), sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False), sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False), sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["requisition_id"], ["requisition.id"], name=op.f("fk_requisition_change_requisition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requisition_change")),
    )  # fmt: skip
    op.create_index("ix_requisition_change_requisition", "requisition_change", ["requisition_id", "id"])
    op.execute("GRANT SELECT, INSERT ON requisition_change TO backstock_app")
    op.execute("GRANT SELECT ON requisition_change TO backstock_worker")
    op.execute("ALTER TABLE requisition_change ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE requisition_change FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON requisition_change FOR SELECT TO backstock_app USING {_MINE}")
    op.execute(
        "CREATE POLICY app_insert ON requisition_change FOR INSERT TO backstock_app WITH CHECK (company_id = app_company() "
        "AND EXISTS (SELECT FROM requisition r WHERE r.id = requisition_id AND r.company_id = requisition_change.company_id "
        "AND r.maker_id = requisition_change.maker_id))"
    )
    op.execute("CREATE POLICY worker_read ON requisition_change FOR SELECT TO backstock_worker USING (true)")


def downgrade() -> None:
    op.drop_table("requisition_change")
