"""An order back that follows by itself for units that were rejected, where the terms have the holder send others, names the order
whose units it makes good.

Undo: downgrade() drops the column; what it named is then in the stories of both orders only.

Revision ID: 300121
Revises: 300120
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300121"
down_revision = "300120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call", sa.Column("replaces_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_call_replaces_id_call"), "call", "call", ["replaces_id"], ["id"])
    op.create_index("ix_call_replaces_id", "call", ["replaces_id"], postgresql_where=sa.text("replaces_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_call_replaces_id", table_name="call")
    op.drop_column("call", "replaces_id")
