"""Imports: find the row of a stock line quickly, and let an import refresh the statistics of what it wrote.

Tomorrow's file is compared with all lines of today's; without statistics of the lines that have just landed the
planner takes them for a handful and walks through them once for each row.

Revision ID: 171500
Revises: 164000
Undo: downgrade() drops the index and takes the privilege back.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "171500"
down_revision = "164000"
branch_labels = None
depends_on = None

ROLES = "backstock_app, backstock_worker"


def upgrade() -> None:
    op.create_index(
        "ix_import_row_line",
        "import_row",
        ["line_id"],
        unique=False,
        postgresql_where=sa.text("line_id IS NOT NULL"),
    )
    op.execute(f"GRANT MAINTAIN ON stock_line TO {ROLES}")


def downgrade() -> None:
    op.execute(f"REVOKE MAINTAIN ON stock_line FROM {ROLES}")
    op.drop_index("ix_import_row_line", table_name="import_row", postgresql_where=sa.text("line_id IS NOT NULL"))
