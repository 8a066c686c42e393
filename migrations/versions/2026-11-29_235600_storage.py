"""A fee for storing the minimum to keep is owed for each year that ends: how many years of an agreement were settled, and when
the next one ends. The moment is stored when the agreement is made and whenever its window moves, so that the clock acts on it
however late it runs. Terms of the first library state no such fee: the moment stays empty.

Undo: downgrade() drops the columns; lines that were written stay.

Revision ID: 292356
Revises: 292355
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292356"
down_revision = "292355"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreement", sa.Column("storage_years", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("agreement", sa.Column("storage_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_agreement_storage"), "agreement", "storage_years >= 0")
    op.create_index(
        "ix_agreement_storage", "agreement", ["storage_due_at"], postgresql_where=sa.text("storage_due_at IS NOT NULL")
    )
    op.execute("GRANT UPDATE (storage_years, storage_due_at) ON agreement TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.drop_index("ix_agreement_storage", table_name="agreement")
    op.drop_constraint(op.f("ck_agreement_storage"), "agreement", type_="check")
    op.drop_column("agreement", "storage_due_at")
    op.drop_column("agreement", "storage_years")
