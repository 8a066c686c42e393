"""From when the manufacturer may conclude a shortage that nobody explains is stored with it, as its other date is: the lists and
Home ask for it. No shortage was ever found outside of tests (the library that knows them is not released): those of tests have
the date by which they were to be explained.

Undo: downgrade() drops the column.

Revision ID: 300130
Revises: 300121
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300130"
down_revision = "300121"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shortage", sa.Column("conclude_from", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE shortage SET conclude_from = explain_by")
    op.alter_column("shortage", "conclude_from", nullable=False)


def downgrade() -> None:
    op.drop_column("shortage", "conclude_from")
