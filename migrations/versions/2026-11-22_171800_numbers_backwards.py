"""Part numbers read backwards: a mistyped number is found by whichever half of it is right.

Undo: downgrade() drops the index; searches for mistyped numbers then scan, but answer the same.

Revision ID: 171800
Revises: 171500
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "171800"
down_revision = "171500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_part_number_backwards", "part_number", [sa.literal_column("reverse(number_norm)")], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_part_number_backwards", table_name="part_number")
