"""An order names the notice that it answers, where the manufacturer chose one of several that run.

Undo: downgrade() drops the column; ``agreement_exercise`` still says which notice an order that was sent came off.

Revision ID: 300160
Revises: 300140
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300160"
down_revision = "300140"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("call", sa.Column("notice_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_call_notice_id_notice"), "call", "notice", ["notice_id"], ["id"])


def downgrade() -> None:
    op.drop_column("call", "notice_id")
