"""How far a long import is can be seen while it is checked and while it lands, which are one transaction each.

Unlogged: what it says is a second old at most, and a server that went down has ended what it was about.

Undo: downgrade() drops the table; pages then tell of rows read only.

Revision ID: 304200
Revises: 304100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "304200"
down_revision = "304100"
branch_labels = None
depends_on = None

POLICIES = """
GRANT SELECT, INSERT, UPDATE, DELETE ON import_progress TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_progress TO backstock_worker;
ALTER TABLE import_progress ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_progress FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON import_progress FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON import_progress FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON import_progress FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY app_delete ON import_progress FOR DELETE TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON import_progress TO backstock_worker USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.create_table(
        "import_progress",
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_import_progress")),
        sa.CheckConstraint(
            "phase IN ('waiting','reading','checking','comparing','landing','finishing')",
            name=op.f("ck_import_progress_phase"),
        ),
        prefixes=["UNLOGGED"],
    )
    for statement in filter(str.strip, POLICIES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("import_progress")
