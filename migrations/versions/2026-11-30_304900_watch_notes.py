"""What the figures of the watch rest on, part by part: prices that follow something, other currencies, renewals, declining minimums.

Undo: downgrade() drops the columns; the next look would tell them anew.

Revision ID: 304900
Revises: 303310
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "304900"
down_revision = "303310"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    for table in ("watch_row", "watch_stage"):
        op.add_column(table, sa.Column("notes", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for table in ("watch_row", "watch_stage"):
        op.drop_column(table, "notes")
