"""Proposals, objections and answers in disputes stand in the calendar: the few that are open are found by their deadline.

Undo: downgrade() drops the indexes.

Revision ID: 300000
Revises: 292357
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300000"
down_revision = "292357"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_agreement_proposal_due", "agreement_proposal", "valid_until", "status = 'open'"),
    ("ix_settlement_object", "settlement_line", "object_by", "object_by IS NOT NULL"),
    (
        "ix_agreement_return_by",
        "agreement",
        "return_by",
        "status IN ('active','expiring','run_off') AND return_by IS NOT NULL",
    ),
    ("ix_dispute_open", "dispute", "respond_by", "status = 'open'"),
)


def upgrade() -> None:
    for name, table, column, where in _INDEXES:
        op.create_index(name, table, [column], postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table_name=table)
