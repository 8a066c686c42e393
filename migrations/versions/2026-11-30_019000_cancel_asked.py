"""When a maker asked to cancel an order that its holder is bound to: the holder agrees, or goes on.

Undo: downgrade() drops the column; the story of the order still says that it was asked.

Revision ID: 300190
Revises: 300170
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300190"
down_revision = "300170"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("call", sa.Column("cancel_asked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("call", "cancel_asked_at")
