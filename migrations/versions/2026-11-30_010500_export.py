"""Controlled units cross a border under a licence: when it was asked for, when it came, its number. And the day on which the units
of an agreement left the manufacturer's country, from which the relief for returned goods runs.

Undo: downgrade() drops the columns.

Revision ID: 300105
Revises: 300100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300105"
down_revision = "300100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call", sa.Column("licence_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("call", sa.Column("licence_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("call", sa.Column("licence", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_call_licence"), "call", "(licence IS NULL) = (licence_at IS NULL)")
    op.add_column("agreement", sa.Column("exported_on", sa.Date(), nullable=True))
    op.execute("GRANT UPDATE (exported_on) ON agreement TO backstock_app")


def downgrade() -> None:
    op.drop_column("agreement", "exported_on")
    op.drop_constraint(op.f("ck_call_licence"), "call", type_="check")
    op.drop_column("call", "licence")
    op.drop_column("call", "licence_at")
    op.drop_column("call", "licence_asked_at")
