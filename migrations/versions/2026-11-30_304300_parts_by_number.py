"""Parts in the order of their numbers, whoever makes them: pages of what is held and of own stock begin where they are asked to.

Among a million parts and five million positions the first page of a company with 160,000 lines took 0.5 s, as all of them were sorted; in
this order it takes 28 ms, and 2 ms where there are three million.

Undo: downgrade() drops the index.

Revision ID: 304300
Revises: 304200
"""

from __future__ import annotations

from alembic import op

revision = "304300"
down_revision = "304200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_part_norm", "part", ["number_norm", "id"])


def downgrade() -> None:
    op.drop_index("ix_part_norm", "part")
