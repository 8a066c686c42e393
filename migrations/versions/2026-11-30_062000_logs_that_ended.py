"""A log that cannot go on is ended openly, and another one begins.

After a restore to a time before what was published, or once its keys are lost, nothing may be signed under the log's name any more.
What is known of it stays on record here for everybody. Undo: downgrade; it forgets that there were other logs.

Revision ID: 300620
Revises: 300610
"""

import sqlalchemy as sa
from alembic import op

revision = "300620"
down_revision = "300610"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "log_ended",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("published", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("because <> ''", name=op.f("ck_log_ended_because")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_ended")),
    )
    op.execute("GRANT SELECT ON log_ended TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.drop_table("log_ended")
