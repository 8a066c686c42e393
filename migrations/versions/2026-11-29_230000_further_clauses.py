"""A posting or an agreement may stand under several clauses: the first in its own columns as before, further ones beside it,
each with clause, version, hash (once agreed) and terms.

Undo: downgrade() drops the columns, and with them every clause but the first.

Revision ID: 292100
Revises: 290150
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "292100"
down_revision = "290150"
branch_labels = None
depends_on = None

_TABLES = ("release", "agreement", "agreement_proposal")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("further", JSONB, nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "further")
