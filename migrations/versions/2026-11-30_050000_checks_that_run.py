"""What the checks of the ledger came to that the worker runs every quarter of an hour: a row for each run, one for each check of it,
one for each thing that was found. Rows are only added, and thinned when they are old.

Findings name lots, whoever they belong to: the application reads them for an operator alone, and row security holds that too.

Undo: downgrade() drops the tables; the ledger does not need them.

Revision ID: 300500
Revises: 300410
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300500"
down_revision = "300410"
branch_labels = None
depends_on = None

_OUTCOME = "outcome IN ('holds','late','broken')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "check_run",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("lag_seconds", sa.Integer(), nullable=False),
        sa.Column("touched_through", sa.BigInteger(), nullable=True),
        sa.Column("swept_through", sa.Uuid(), nullable=True),
        sa.Column("entries_through", sa.BigInteger(), nullable=False),
        sa.Column("log_size", sa.BigInteger(), nullable=False),
        sa.Column("signed_size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_OUTCOME, name=op.f("ck_check_run_outcome")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_run")),
    )
    op.create_index("ix_check_run_at", "check_run", ["at"])
    op.create_table(
        "check_result",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint(_OUTCOME, name=op.f("ck_check_result_outcome")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["check_run.id"], ondelete="CASCADE", name=op.f("fk_check_result_run_id_check_run")
        ),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f("pk_check_result")),
    )
    op.create_table(
        "check_finding",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("kept", sa.BigInteger(), nullable=True),
        sa.Column("rebuilt", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["check_run.id"], ondelete="CASCADE", name=op.f("fk_check_finding_run_id_check_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_finding")),
    )
    op.create_index("ix_check_finding_run_id", "check_finding", ["run_id"])
    for table in ("check_run", "check_result", "check_finding"):
        op.execute(f"GRANT SELECT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_worker")
    # Old runs are thinned; what hangs on them goes with them.
    op.execute("GRANT DELETE ON check_run TO backstock_worker")
    op.execute("ALTER TABLE check_finding ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE check_finding FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY operator_read ON check_finding FOR SELECT TO backstock_app "
        "USING (current_setting('app.operator', true) = 'on')"
    )
    op.execute("CREATE POLICY worker_all ON check_finding TO backstock_worker USING (true) WITH CHECK (true)")


def downgrade() -> None:
    for table in ("check_finding", "check_result", "check_run"):
        op.drop_table(table)
