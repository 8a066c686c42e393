"""A company keeps what its files' words for conditions mean, next to the columns of files of that shape.

Undo: downgrade() drops the column; files are then read by our own words only.

Revision ID: 151500
Revises: 074200
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "151500"
down_revision = "074200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_mapping", sa.Column("conditions", JSONB(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    op.drop_column("import_mapping", "conditions")
