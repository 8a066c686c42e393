"""Every page counts the settlement lines that wait for one's own mark alone: they are few, so they have an index.

Undo: downgrade() drops the indexes.

Revision ID: 230010
Revises: 230000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "230010"
down_revision = "230000"
branch_labels = None
depends_on = None
_SIDES = (("payer", "payee"), ("payee", "payer"))


def upgrade() -> None:
    for own, other in _SIDES:
        op.create_index(
            f"ix_settlement_{own}_half", "settlement_line", [f"{own}_id"],
            postgresql_where=sa.text(f"{own}_marked_at IS NULL AND {other}_marked_at IS NOT NULL"),
        )  # fmt: skip


def downgrade() -> None:
    for own, _ in _SIDES:
        op.drop_index(f"ix_settlement_{own}_half", "settlement_line")
