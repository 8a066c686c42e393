"""A parts request whose last reserved order was cancelled said for ever that it waited for an approver: such requests are
open again. And whether a lot came back for a call is asked by its lot.

Undo: downgrade() drops the index; the requests stay open.

Revision ID: 290120
Revises: 290110
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "290120"
down_revision = "290110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE requisition r SET status = 'open' WHERE r.status = 'awaiting_approval' "
        "AND NOT EXISTS (SELECT FROM call k WHERE k.requisition_id = r.id AND k.status = 'allocated')"
    )
    op.create_index(
        "ix_call_unit_shipped_lot_id", "call_unit", ["shipped_lot_id"],
        postgresql_where=sa.text("shipped_lot_id IS NOT NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_call_unit_shipped_lot_id", "call_unit")
