"""The open notices of a maker and of a holder are found by an index of their own.

Undo: downgrade() drops both; the lists then read every event of the company.

Revision ID: 074200
Revises: 074100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "074200"
down_revision = "074100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for side in ("maker", "holder"):
        op.create_index(
            f"ix_agreement_event_notice_{side}",
            "agreement_event",
            [f"{side}_id", "at"],
            unique=False,
            postgresql_where=sa.text("kind = 'notice'"),
        )


def downgrade() -> None:
    for side in ("maker", "holder"):
        op.drop_index(f"ix_agreement_event_notice_{side}", table_name="agreement_event")
