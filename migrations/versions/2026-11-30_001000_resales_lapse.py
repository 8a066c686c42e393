"""A resale is answered, and then signed, until stored moments on which the clock acts. Those that are open already have
none: they stay open until somebody acts.

Undo: downgrade() drops the columns.

Revision ID: 300010
Revises: 300000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300010"
down_revision = "300000"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_resale_answer", "answer_by", "status = 'asked'"),
    ("ix_resale_sign", "sign_by", "status = 'consented'"),
)


def upgrade() -> None:
    op.add_column("resale", sa.Column("answer_by", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "resale", sa.Column("silence_consents", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("resale", sa.Column("sign_by", sa.DateTime(timezone=True), nullable=True))
    for name, column, where in _INDEXES:
        op.create_index(name, "resale", [column], postgresql_where=sa.text(where))
    op.execute(
        "GRANT UPDATE (status, reason, consented_by, consented_at, sign_by, ended_at) ON resale TO backstock_worker"
    )
    op.execute("GRANT INSERT ON resale_event TO backstock_worker")
    op.execute("GRANT UPDATE (sign_by) ON resale TO backstock_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE ON resale FROM backstock_worker")
    op.execute("REVOKE INSERT ON resale_event FROM backstock_worker")
    for name, _, _ in _INDEXES:
        op.drop_index(name, table_name="resale")
    for name in ("answer_by", "silence_consents", "sign_by"):
        op.drop_column("resale", name)
