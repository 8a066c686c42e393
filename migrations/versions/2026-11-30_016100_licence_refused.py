"""When an export licence was refused: from then on either side may end the order.

Undo: downgrade() drops the column; the story of the order still says that it was refused.

Revision ID: 300161
Revises: 300160
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300161"
down_revision = "300160"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("call", sa.Column("licence_refused_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("call", "licence_refused_at")
