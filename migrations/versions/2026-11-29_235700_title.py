"""The price of the sale is owed from the receipt on, within the days that the posting states; and units that stay the
manufacturer's: what was taken out of them, what counts as taken out and is not paid yet, and when the rest counts as taken out
or has to be back. Title to units that were reserved when they were paid waits in a row, and passes when they are free again.

Orders and postings that are there get the usual 30 days. Of orders that were received before nothing is written: they were
paid outside of this program.

Undo: downgrade() drops the columns and the table; lines that were written stay.

Revision ID: 292357
Revises: 292356
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292357"
down_revision = "292356"
branch_labels = None
depends_on = None

_SIDES = "app_company() IN (maker_id, holder_id)"
_DAYS = "payment_days BETWEEN 0 AND 180"


def upgrade() -> None:
    for table in ("release", "purchase_order"):
        op.add_column(table, sa.Column("payment_days", sa.Integer(), server_default="30", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_payment_days"), table, _DAYS)
    op.add_column("agreement", sa.Column("counts_out_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("agreement", sa.Column("return_by", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_agreement_counts_out", "agreement", ["counts_out_at"],
        postgresql_where=sa.text("status IN ('active','expiring','run_off') AND counts_out_at IS NOT NULL"),
    )  # fmt: skip
    op.add_column("agreement_line", sa.Column("bought", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_agreement_line_bought"), "agreement_line", "bought BETWEEN 0 AND quantity_sold")
    op.execute("GRANT UPDATE (counts_out_at, return_by) ON agreement TO backstock_app, backstock_worker")
    op.execute("GRANT UPDATE (bought) ON agreement_line TO backstock_app, backstock_worker")
    op.create_table(
        "taking_out",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(16, 4), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("on_payment", sa.Boolean(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("undoes_id", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0 AND unit_price >= 0", name=op.f("ck_taking_out_positive")),
        sa.CheckConstraint(
            "why IN ('use','install','resell','scrap','without_leave','lay_too_long','at_end')",
            name=op.f("ck_taking_out_why"),
        ),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_taking_out_agreement_id")),
        sa.ForeignKeyConstraint(["undoes_id"], ["taking_out.id"], name=op.f("fk_taking_out_undoes_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taking_out")),
    )
    op.create_index("ix_taking_out_agreement_id", "taking_out", ["agreement_id", "id"])
    op.create_index(
        "ix_taking_out_command_id", "taking_out", ["command_id"], postgresql_where=sa.text("command_id IS NOT NULL")
    )
    op.create_index(
        "ix_taking_out_undoes_id", "taking_out", ["undoes_id"], postgresql_where=sa.text("undoes_id IS NOT NULL")
    )
    _protect("taking_out")
    op.create_table(
        "title_due",
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0 AND passed BETWEEN 0 AND quantity", name=op.f("ck_title_due_passed")),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_title_due_agreement_id")),
        sa.PrimaryKeyConstraint("cause_id", name=op.f("pk_title_due")),
    )
    op.create_index("ix_title_due_agreement_id", "title_due", ["agreement_id", "part_id"])
    op.create_index("ix_title_due_waits", "title_due", ["cause_id"], postgresql_where=sa.text("passed < quantity"))
    _protect("title_due", updates="passed")


def _protect(table: str, *, updates: str = "") -> None:
    op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app, backstock_worker")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_SIDES})")
    op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_SIDES})")
    op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    if updates:
        op.execute(
            f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({_SIDES}) WITH CHECK ({_SIDES})"
        )
        op.execute(f"GRANT UPDATE ({updates}) ON {table} TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.drop_table("title_due")
    op.drop_table("taking_out")
    op.drop_column("agreement_line", "bought")
    op.drop_index("ix_agreement_counts_out", table_name="agreement")
    for name in ("return_by", "counts_out_at"):
        op.drop_column("agreement", name)
    for table in ("purchase_order", "release"):
        op.drop_column(table, "payment_days")
