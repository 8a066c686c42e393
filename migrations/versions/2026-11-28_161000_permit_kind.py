"""A movement is tied to its permit in full: by lot, agreement and what it is for. Before, a permit to use a unit up could
by the constraint alone have covered its scrapping; only the service saw to it.

Undo: downgrade() ties it by lot and permit again.

Revision ID: 161000
Revises: 160000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "161000"
down_revision = "160000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "movement",
        sa.Column(
            "permit_kind",
            sa.Text(),
            sa.Computed("CASE WHEN permit_id IS NOT NULL THEN coalesce(purpose, kind) END", persisted=True),
            nullable=True,
        ),
    )
    op.drop_constraint("fk_movement_permit", "movement", type_="foreignkey")
    op.create_foreign_key(
        "fk_movement_permit", "movement", "permit", ["lot_id", "permit_id", "agreement_id", "permit_kind"],
        ["lot_id", "permit_id", "agreement_id", "kind"],
    )  # fmt: skip
    op.create_check_constraint(
        op.f("ck_movement_permit_agreement"), "movement", "permit_id IS NULL OR agreement_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_movement_permit_agreement"), "movement", type_="check")
    op.drop_constraint("fk_movement_permit", "movement", type_="foreignkey")
    op.create_foreign_key("fk_movement_permit", "movement", "permit", ["lot_id", "permit_id"], ["lot_id", "permit_id"])
    op.drop_column("movement", "permit_kind")
