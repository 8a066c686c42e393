"""Other units that go back in place of those of the schedule that an order reserves: which, how many, in which condition they
left, and as which lot they travel.

Undo: downgrade() drops the table; the ledger keeps what was shipped.

Revision ID: 300140
Revises: 300131
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300140"
down_revision = "300131"
branch_labels = None
depends_on = None

_PARTIES = "app_company() IN (maker_id, holder_id, company_id)"


def upgrade() -> None:
    op.create_table(
        "call_stand_in",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("for_lot_id", sa.Uuid(), nullable=False),
        sa.Column("for_hold_seq", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Integer(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("shipped_lot_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_call_stand_in_quantity")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_call_stand_in_call_id_call")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_call_stand_in_part_id_part")),
        sa.PrimaryKeyConstraint("call_id", "for_lot_id", "for_hold_seq", name=op.f("pk_call_stand_in")),
    )
    op.execute("GRANT SELECT, INSERT ON call_stand_in TO backstock_app, backstock_worker")
    op.execute("ALTER TABLE call_stand_in ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE call_stand_in FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON call_stand_in FOR SELECT TO backstock_app USING ({_PARTIES})")
    op.execute(f"CREATE POLICY app_insert ON call_stand_in FOR INSERT TO backstock_app WITH CHECK ({_PARTIES})")
    op.execute("CREATE POLICY worker_all ON call_stand_in TO backstock_worker USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.drop_table("call_stand_in")
