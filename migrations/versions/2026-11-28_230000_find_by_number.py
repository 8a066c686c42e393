"""Orders are found by the buyer's own purchase order number, parts requests by their job number, however it is typed.

The number in capitals stands in a column of its own: under row level security an index on an expression is not used,
since ``upper`` is not leakproof, while the equality of texts is.

Undo: downgrade() drops the columns and with them their indexes; the numbers as written stay.

Revision ID: 230000
Revises: 220100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "230000"
down_revision = "220100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("purchase_order", sa.Column("po_upper", sa.Text(), sa.Computed("upper(po_number)", persisted=True)))
    op.create_index("ix_purchase_order_po_upper", "purchase_order", ["po_upper"])
    op.add_column("requisition", sa.Column("job_upper", sa.Text(), sa.Computed("upper(job_number)", persisted=True)))
    op.create_index(
        "ix_requisition_job_upper", "requisition", ["job_upper"], postgresql_where=sa.text("job_upper <> ''")
    )


def downgrade() -> None:
    op.drop_column("requisition", "job_upper")
    op.drop_column("purchase_order", "po_upper")
