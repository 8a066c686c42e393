"""A schedule tells how many of the units signed for were not accepted on receipt: short, damaged, or the wrong part.

They never became the holder's, so nobody can be held to keep them. The signed number stays. Orders that were received
before are counted from their lines.

Undo: downgrade() drops the column; the lines of the orders still say what arrived.

Revision ID: 190100
Revises: 190000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "190100"
down_revision = "190000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "agreement_line", sa.Column("not_accepted", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.execute(
        "UPDATE agreement_line l SET not_accepted = least(t.quantity, l.quantity_sold) FROM ("
        "SELECT o.agreement_id, x.part_id, sum(x.short + x.damaged + x.wrong)::int AS quantity FROM purchase_order o "
        "JOIN order_line x ON x.order_id = o.id WHERE o.status = 'received' AND o.agreement_id IS NOT NULL "
        "GROUP BY 1, 2) t WHERE t.quantity > 0 AND l.agreement_id = t.agreement_id AND l.part_id = t.part_id"
    )
    op.create_check_constraint(
        op.f("ck_agreement_line_not_accepted"), "agreement_line", "not_accepted BETWEEN 0 AND quantity_sold"
    )
    # Signed columns of a schedule cannot be changed by the application; this one is told on receipt.
    op.execute("GRANT UPDATE (not_accepted) ON agreement_line TO backstock_app")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_agreement_line_not_accepted"), "agreement_line")
    op.drop_column("agreement_line", "not_accepted")
