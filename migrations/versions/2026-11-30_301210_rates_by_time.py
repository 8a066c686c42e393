"""The rates that a company has stated are listed, newest first: an index in that order.

Undo: downgrade() drops the index; the list is then sorted each time.

Revision ID: 301210
Revises: 301200
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "301210"
down_revision = "301200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_currency_rate_company", "currency_rate", ["company_id", sa.text("id DESC")])


def downgrade() -> None:
    op.drop_index("ix_currency_rate_company", "currency_rate")
