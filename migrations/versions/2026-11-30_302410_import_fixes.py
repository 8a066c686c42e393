"""Rows of a file that were corrected on the page, before the file landed.

Kept beside the file, since the staged rows may have to be read from it again.
Undo: downgrade() drops the table; the corrections of files that have not landed are lost.

Revision ID: 302410
Revises: 302400
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302410"
down_revision = "302400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "import_fix",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("cells", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("fixed_by", sa.Uuid(), nullable=False),
        sa.Column("fixed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["import_job.id"], name=op.f("fk_import_fix_job_id")),
        sa.PrimaryKeyConstraint("job_id", "row_no", name=op.f("pk_import_fix")),
    )
    op.execute("ALTER TABLE import_fix ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE import_fix FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY own ON import_fix TO backstock_app, backstock_worker USING (company_id = app_company()) "
        "WITH CHECK (company_id = app_company())"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON import_fix TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.drop_table("import_fix")
