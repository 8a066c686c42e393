"""What an agreement has to remember beyond its terms: days of suspension, units taken back; and what may change.

Suspension adds days to the end of the window (section 12 of both clauses), and under a right that reaches only the
minimum to keep, units taken back use it up. Signed terms and wording must never change, so the roles that serve
requests keep UPDATE only on the columns that live.

Revision ID: 160400
Revises: 153010
Undo: downgrade() drops the columns and gives the privileges back.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "160400"
down_revision = "153010"
branch_labels = None
depends_on = None

ROLES = ("backstock_app", "backstock_worker")
LIVING = {
    "agreement": (
        "status", "status_reason", "legal_hold", "exercises", "window_closes_at", "tolled_days", "suspended_on",
        "suspended_by", "maker_signed_by", "maker_signed_at", "holder_signed_by", "holder_signed_at",
    ),
    "framework": ("maker_signed_by", "maker_signed_at", "holder_signed_by", "holder_signed_at"),
    "agreement_line": ("taken_back",),
}  # fmt: skip


def upgrade() -> None:
    op.add_column("agreement", sa.Column("tolled_days", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("agreement", sa.Column("suspended_on", sa.Date(), nullable=True))
    op.add_column("agreement", sa.Column("suspended_by", sa.UUID(), nullable=True))
    op.add_column("agreement_line", sa.Column("taken_back", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_agreement_counters"), "agreement", "exercises >= 0 AND tolled_days >= 0")
    op.create_check_constraint(op.f("ck_agreement_line_taken_back"), "agreement_line", "taken_back >= 0")
    for table, columns in LIVING.items():
        for role in ROLES:
            op.execute(f"REVOKE UPDATE ON {table} FROM {role}")
            op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {role}")


def downgrade() -> None:
    for table in LIVING:
        for role in ROLES:
            op.execute(f"GRANT UPDATE ON {table} TO {role}")
    op.drop_constraint(op.f("ck_agreement_line_taken_back"), "agreement_line", type_="check")
    op.drop_constraint(op.f("ck_agreement_counters"), "agreement", type_="check")
    op.drop_column("agreement_line", "taken_back")
    op.drop_column("agreement", "suspended_by")
    op.drop_column("agreement", "suspended_on")
    op.drop_column("agreement", "tolled_days")
