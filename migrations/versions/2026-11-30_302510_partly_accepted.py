"""A seller accepts an order in part: what is left out of a line, and why, stands beside what goes on.

``quantity`` of a line is what goes on; with ``left_out`` it is what was ordered. A line that is left out whole goes on with none.
Undo: downgrade() drops the columns; it is refused where a line goes on with none, since nothing could say what was ordered then.

Revision ID: 302510
Revises: 302500
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302510"
down_revision = "302500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("order_line", sa.Column("left_out", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("order_line", sa.Column("left_out_reason", sa.Text(), nullable=True))
    op.add_column("order_line", sa.Column("left_out_note", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_order_line_positive"), "order_line")
    op.create_check_constraint(
        op.f("ck_order_line_positive"), "order_line",
        "quantity >= 0 AND left_out >= 0 AND quantity + left_out > 0 AND unit_price >= 0",
    )  # fmt: skip
    op.create_check_constraint(
        op.f("ck_order_line_left_out"), "order_line", "(left_out > 0) = (left_out_reason IS NOT NULL)"
    )
    op.drop_constraint(op.f("ck_order_unit_quantity"), "order_unit")
    op.create_check_constraint(
        op.f("ck_order_unit_quantity"), "order_unit", "quantity >= 0 AND received BETWEEN 0 AND quantity"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_order_unit_quantity"), "order_unit")
    op.create_check_constraint(
        op.f("ck_order_unit_quantity"), "order_unit", "quantity > 0 AND received BETWEEN 0 AND quantity"
    )
    op.drop_constraint(op.f("ck_order_line_left_out"), "order_line")
    op.drop_constraint(op.f("ck_order_line_positive"), "order_line")
    op.create_check_constraint(op.f("ck_order_line_positive"), "order_line", "quantity > 0 AND unit_price >= 0")
    for column in ("left_out_note", "left_out_reason", "left_out"):
        op.drop_column("order_line", column)
