"""A suspension under the second library ends by itself, at a moment stored when it is stated. Days of a legal hold lengthen the
window unless it is an insolvency's and the terms say otherwise: decided when it is set, so that a right does not end meanwhile.

Undo: downgrade() drops both columns; a suspension then ends only when who stated it resumes.

Revision ID: 300110
Revises: 300105
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300110"
down_revision = "300105"
branch_labels = None
depends_on = None

_STANDS = sa.text("suspension_ends_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("agreement", sa.Column("suspension_ends_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "agreement", sa.Column("hold_adds_days", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(
        "UPDATE agreement SET hold_adds_days = true WHERE legal_hold AND terms ->> 'insolvency' = 'freeze_and_add'"
    )
    op.execute("GRANT UPDATE (suspension_ends_at, hold_adds_days) ON agreement TO backstock_app, backstock_worker")
    op.create_check_constraint(
        op.f("ck_agreement_suspension"), "agreement", "suspension_ends_at IS NULL OR status = 'suspended'"
    )
    op.create_check_constraint(op.f("ck_agreement_hold_adds"), "agreement", "legal_hold OR NOT hold_adds_days")
    op.create_index("ix_agreement_suspension", "agreement", ["suspension_ends_at"], postgresql_where=_STANDS)
    for side in ("maker", "holder"):
        op.create_index(
            f"ix_agreement_{side}_suspension",
            "agreement",
            [f"{side}_id", "suspension_ends_at"],
            postgresql_where=_STANDS,
        )


def downgrade() -> None:
    for side in ("holder", "maker"):
        op.drop_index(f"ix_agreement_{side}_suspension", table_name="agreement")
    op.drop_index("ix_agreement_suspension", table_name="agreement")
    op.drop_constraint(op.f("ck_agreement_hold_adds"), "agreement", type_="check")
    op.drop_constraint(op.f("ck_agreement_suspension"), "agreement", type_="check")
    op.drop_column("agreement", "hold_adds_days")
    op.drop_column("agreement", "suspension_ends_at")
