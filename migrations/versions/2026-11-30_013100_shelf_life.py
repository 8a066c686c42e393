"""The shelf life of units under agreements of the second library that ends before the right does: what was told of it, and the
notice that was given, once for each lot and agreement. The last day is stored as a moment where the agreement counts its days.

Undo: downgrade() drops the two tables and the index; notices that were given stay.

Revision ID: 300131
Revises: 300130
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300131"
down_revision = "300130"
branch_labels = None
depends_on = None

_SIDES = "app_company() IN (maker_id, holder_id)"


def upgrade() -> None:
    op.create_table(
        "shelf_life",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_shelf_life_quantity")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_shelf_life_agreement_id_agreement_line"),
        ),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name=op.f("fk_shelf_life_notice_id_notice")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shelf_life")),
    )
    op.create_index("ix_shelf_life_agreement", "shelf_life", ["agreement_id", "part_id"])
    op.create_index(
        "ix_shelf_life_notice_id", "shelf_life", ["notice_id"], postgresql_where=sa.text("notice_id IS NOT NULL")
    )
    for name, columns in (
        ("maker", ["maker_id", "ends_at"]),
        ("holder", ["holder_id", "ends_at"]),
        ("ends", ["ends_at"]),
    ):
        op.create_index(f"ix_shelf_life_{name}", "shelf_life", columns)
    op.create_table(
        "shelf_life_lot",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("shelf_life_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["shelf_life_id"], ["shelf_life.id"], name=op.f("fk_shelf_life_lot_shelf_life_id_shelf_life")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "lot_id", name=op.f("pk_shelf_life_lot")),
    )
    op.create_index("ix_shelf_life_lot_shelf_life_id", "shelf_life_lot", ["shelf_life_id"])
    for table in ("shelf_life", "shelf_life_lot"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app, backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_SIDES})")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_SIDES})")
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    # What the clock looks at: few lots have a last day.
    op.create_index("ix_lot_expires_on", "lot", ["expires_on"], postgresql_where=sa.text("expires_on IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_lot_expires_on", table_name="lot")
    op.drop_table("shelf_life_lot")
    op.drop_table("shelf_life")
