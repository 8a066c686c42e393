"""What a company's people did is read newest first, over all the places where acts are recorded: an index in that order on each of them
that grows.

Undo: downgrade() drops the indexes; the list is then sorted each time.

Revision ID: 302120
Revises: 302110
"""

from __future__ import annotations

from alembic import op

revision = "302120"
down_revision = "302110"
branch_labels = None
depends_on = None

_INDEXES = (
    ("order_event", "company_id", "at"), ("agreement_event", "company_id", "at"), ("call_event", "actor_id", "at"),
    ("requisition", "company_id", "created_at"), ("security_act", "company_id", "at"),
)  # fmt: skip


def upgrade() -> None:
    for table, whose, moment in _INDEXES:
        op.create_index(f"ix_{table}_activity", table, [whose, moment])


def downgrade() -> None:
    for table, _, _ in _INDEXES:
        op.drop_index(f"ix_{table}_activity", table)
