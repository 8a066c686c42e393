"""A stock file tells of all stock of its sites, or of some of it.

Only from a file that tells of all can anybody conclude that what it does not name is gone.

Undo: downgrade() drops the column; every file then tells of all stock.

Revision ID: 220000
Revises: 151500
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "220000"
down_revision = "151500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_job", sa.Column("covers", sa.Text(), server_default="all", nullable=False))
    op.create_check_constraint(op.f("ck_import_job_covers"), "import_job", "covers IN ('all','some')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_import_job_covers"), "import_job")
    op.drop_column("import_job", "covers")
