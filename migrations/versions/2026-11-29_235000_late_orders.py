"""Terms of the second library say until when an order is acknowledged, until when its units arrive, and from when a missed
deadline is a default: kept with the order, as its other deadlines are.

Undo: downgrade() drops the columns; damages and covers that were written stay.

Revision ID: 292350
Revises: 292340
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292350"
down_revision = "292340"
branch_labels = None
depends_on = None

_COLUMNS = ("acknowledge_by", "acknowledged_at", "deliver_by", "default_from")
_OPEN = "status IN ('accepted','picked') AND default_from IS NOT NULL"


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("call", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_call_default", "call", ["default_from"], postgresql_where=sa.text(_OPEN))


def downgrade() -> None:
    op.drop_index("ix_call_default", table_name="call")
    for name in _COLUMNS:
        op.drop_column("call", name)
