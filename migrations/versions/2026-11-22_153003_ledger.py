"""Lots, positions, movements, holds, permits: tables, row level security, privileges.

Revision ID: 153003
Revises: 153002
Undo: downgrade() drops what upgrade() made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "153003"
down_revision = "153002"
branch_labels = None
depends_on = None

SECURITY = """
GRANT SELECT, INSERT ON command TO backstock_app;
GRANT SELECT, INSERT ON command TO backstock_worker;
ALTER TABLE command ENABLE ROW LEVEL SECURITY;
ALTER TABLE command FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON command FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON command FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON command TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (last_seq, last_position, last_recorded_at, last_occurred_at, parties, frozen) ON lot TO backstock_app;
GRANT SELECT, INSERT, UPDATE (last_seq, last_position, last_recorded_at, last_occurred_at, parties, frozen) ON lot TO backstock_worker;
ALTER TABLE lot ENABLE ROW LEVEL SECURITY;
ALTER TABLE lot FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON lot FOR SELECT TO backstock_app USING (app_company() = ANY (parties) OR parties && app_sources());
CREATE POLICY app_insert ON lot FOR INSERT TO backstock_app WITH CHECK (app_company() = ANY (parties));
CREATE POLICY app_update ON lot FOR UPDATE TO backstock_app USING (app_company() = ANY (parties)) WITH CHECK (app_company() = ANY (parties));
CREATE POLICY worker_all ON lot TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON permit TO backstock_app;
GRANT SELECT, INSERT ON permit TO backstock_worker;
ALTER TABLE permit ENABLE ROW LEVEL SECURITY;
ALTER TABLE permit FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON permit FOR SELECT TO backstock_app USING (company_id = app_company() OR maker_id = app_company());
CREATE POLICY app_insert ON permit FOR INSERT TO backstock_app WITH CHECK (company_id = app_company() OR maker_id = app_company());
CREATE POLICY worker_all ON permit TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (quantity, held) ON "position" TO backstock_app;
GRANT SELECT, INSERT, UPDATE (quantity, held) ON "position" TO backstock_worker;
ALTER TABLE "position" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "position" FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON "position" FOR SELECT TO backstock_app USING (owner_id = app_company() OR holder_id = app_company() OR beneficiary_id = app_company() OR beneficiary_id = ANY (app_sources()) OR owner_id = ANY (app_sources()));
CREATE POLICY app_insert ON "position" FOR INSERT TO backstock_app WITH CHECK (owner_id = app_company() OR holder_id = app_company() OR beneficiary_id = app_company());
CREATE POLICY app_update ON "position" FOR UPDATE TO backstock_app USING (owner_id = app_company() OR holder_id = app_company() OR beneficiary_id = app_company()) WITH CHECK (owner_id = app_company() OR holder_id = app_company() OR beneficiary_id = app_company());
CREATE POLICY worker_all ON "position" TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON movement TO backstock_app;
GRANT SELECT, INSERT ON movement TO backstock_worker;
ALTER TABLE movement ENABLE ROW LEVEL SECURITY;
ALTER TABLE movement FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON movement FOR SELECT TO backstock_app USING (app_company() = ANY (parties) OR parties && app_sources());
CREATE POLICY app_insert ON movement FOR INSERT TO backstock_app WITH CHECK (app_company() = ANY (parties));
CREATE POLICY worker_all ON movement TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (note) ON movement_note TO backstock_app;
GRANT SELECT, INSERT, UPDATE (note) ON movement_note TO backstock_worker;
ALTER TABLE movement_note ENABLE ROW LEVEL SECURITY;
ALTER TABLE movement_note FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON movement_note FOR SELECT TO backstock_app USING (app_company() = ANY (parties) OR parties && app_sources());
CREATE POLICY app_insert ON movement_note FOR INSERT TO backstock_app WITH CHECK (app_company() = ANY (parties));
CREATE POLICY app_update ON movement_note FOR UPDATE TO backstock_app USING (app_company() = ANY (parties)) WITH CHECK (app_company() = ANY (parties));
CREATE POLICY worker_all ON movement_note TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON open_hold TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON open_hold TO backstock_worker;
ALTER TABLE open_hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE open_hold FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON open_hold FOR SELECT TO backstock_app USING (app_company() = ANY (parties) OR parties && app_sources());
CREATE POLICY app_insert ON open_hold FOR INSERT TO backstock_app WITH CHECK (app_company() = ANY (parties));
CREATE POLICY app_update ON open_hold FOR UPDATE TO backstock_app USING (app_company() = ANY (parties)) WITH CHECK (app_company() = ANY (parties));
CREATE POLICY app_delete ON open_hold FOR DELETE TO backstock_app USING (app_company() = ANY (parties));
CREATE POLICY worker_all ON open_hold TO backstock_worker USING (true) WITH CHECK (true);
"""


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def upgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table(
        "command",
        sa.Column("command_id", sa.UUID(), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("input_hash", postgresql.BYTEA(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_command")),
    )
    op.create_table(
        "lot",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("part_id", sa.UUID(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("serialised", sa.Boolean(), nullable=False),
        sa.Column("uom", sa.Text(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column(
            "attributes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("raw_marking", sa.Text(), nullable=True),
        sa.Column("registered_by", sa.UUID(), nullable=False),
        sa.Column("parent_lot_id", sa.UUID(), nullable=True),
        sa.Column("root_lot_id", sa.UUID(), nullable=False),
        sa.Column("replaces_lot_id", sa.UUID(), nullable=True),
        sa.Column("parties", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("frozen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("serialised = (serial IS NOT NULL)", name=op.f("ck_lot_serial")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_lot_part_id")),
        sa.ForeignKeyConstraint(["registered_by"], ["company.id"], name=op.f("fk_lot_registered_by")),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_lot")),
    )
    op.create_index("ix_lot_part", "lot", ["part_id"], unique=False)
    op.create_index("ix_lot_root", "lot", ["root_lot_id"], unique=False)
    op.create_index(
        "ix_lot_serial",
        "lot",
        [sa.literal_column("upper(serial)")],
        unique=False,
        postgresql_where=sa.text("serial IS NOT NULL"),
    )
    op.create_table(
        "permit",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("permit_id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("maker_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_permit_quantity")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_permit_lot_id")),
        sa.PrimaryKeyConstraint("lot_id", "permit_id", name=op.f("pk_permit")),
        sa.UniqueConstraint(
            "lot_id", "permit_id", "agreement_id", "kind", name=op.f("uq_permit_lot_id_permit_id_agreement_id_kind")
        ),
    )
    op.create_table(
        "position",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("position_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part_id", sa.UUID(), nullable=False),
        sa.Column("serialised", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.UUID(), nullable=False),
        sa.Column("holder_id", sa.UUID(), nullable=False),
        sa.Column("site_id", sa.UUID(), nullable=True),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.UUID(), nullable=True),
        sa.Column("beneficiary_id", sa.UUID(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "condition IN ('new','new_old_stock','remanufactured','used_tested','used','core')",
            name=op.f("ck_position_condition"),
        ),
        sa.CheckConstraint("(agreement_id IS NULL) = (beneficiary_id IS NULL)", name=op.f("ck_position_beneficiary")),
        sa.CheckConstraint("0 <= held AND held <= quantity", name=op.f("ck_position_held")),
        sa.CheckConstraint("NOT serialised OR quantity <= 1", name=op.f("ck_position_one_unit")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_position_lot_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_position_site_id")),
        sa.PrimaryKeyConstraint("lot_id", "position_id", name=op.f("pk_position")),
        sa.UniqueConstraint(
            "lot_id",
            "owner_id",
            "holder_id",
            "site_id",
            "condition",
            "agreement_id",
            name="uq_position_place",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "ix_position_agreement",
        "position",
        ["agreement_id"],
        unique=False,
        postgresql_where=sa.text("agreement_id IS NOT NULL AND quantity > 0"),
    )
    op.create_index(
        "ix_position_holder",
        "position",
        ["holder_id", "part_id", "lot_id"],
        unique=False,
        postgresql_where=sa.text("quantity > 0"),
    )
    op.create_index(
        "ix_position_owner",
        "position",
        ["owner_id", "part_id", "lot_id"],
        unique=False,
        postgresql_where=sa.text("quantity > 0"),
    )
    op.create_index(
        "ix_position_part", "position", ["part_id", "lot_id"], unique=False, postgresql_where=sa.text("quantity > 0")
    )
    op.create_index(
        "ix_position_site", "position", ["site_id", "part_id"], unique=False, postgresql_where=sa.text("quantity > 0")
    )
    op.create_index(
        "uq_position_serialised",
        "position",
        ["lot_id"],
        unique=True,
        postgresql_where=sa.text("serialised AND quantity > 0"),
    )
    op.create_table(
        "movement",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("from_position", sa.Integer(), nullable=True),
        sa.Column("to_position", sa.Integer(), nullable=True),
        sa.Column("from_quantity_after", sa.Integer(), nullable=True),
        sa.Column("from_held_after", sa.Integer(), nullable=True),
        sa.Column("to_quantity_after", sa.Integer(), nullable=True),
        sa.Column("agreement_id", sa.UUID(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("actor_id", sa.UUID(), nullable=False),
        sa.Column("command_id", sa.UUID(), nullable=False),
        sa.Column("cause_kind", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.UUID(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("note_hash", postgresql.BYTEA(), nullable=True),
        sa.Column("resolves", sa.BigInteger(), nullable=True),
        sa.Column("continues", sa.BigInteger(), nullable=True),
        sa.Column("corrects", sa.BigInteger(), nullable=True),
        sa.Column("permit_id", sa.UUID(), nullable=True),
        sa.Column("counterpart_lot_id", sa.UUID(), nullable=True),
        sa.Column("machine", sa.Text(), nullable=True),
        sa.Column("parties", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.CheckConstraint(
            "(kind IN ('post','void','expire')) = (resolves IS NOT NULL) AND (kind = 'post') = (purpose IS NOT NULL)",
            name=op.f("ck_movement_resolves"),
        ),
        sa.CheckConstraint(
            "agreement_id IS NULL OR coalesce(purpose, kind) NOT IN ('receive','title','use_up','install','scrap','repoint') OR permit_id IS NOT NULL",
            name=op.f("ck_movement_permit"),
        ),
        sa.CheckConstraint(
            "kind IN ('register','split','move','ship','receive','title','hold','post','void','expire','use_up','install','remove','repair','regrade','scrap','lose','find','count_adjust','repoint','correct','freeze','lift')",
            name=op.f("ck_movement_kind"),
        ),
        sa.CheckConstraint("from_position IS NOT NULL OR to_position IS NOT NULL", name=op.f("ck_movement_somewhere")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_movement_quantity")),
        sa.ForeignKeyConstraint(
            ["lot_id", "permit_id"], ["permit.lot_id", "permit.permit_id"], name="fk_movement_permit"
        ),
        sa.ForeignKeyConstraint(
            ["lot_id", "resolves"], ["movement.lot_id", "movement.seq"], name="fk_movement_resolves"
        ),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_movement_lot_id")),
        sa.PrimaryKeyConstraint("lot_id", "seq", name=op.f("pk_movement")),
    )
    op.create_index(
        "ix_movement_cause", "movement", ["cause_id"], unique=False, postgresql_where=sa.text("cause_id IS NOT NULL")
    )
    op.create_index("ix_movement_recorded", "movement", ["company_id", "recorded_at"], unique=False)
    op.create_index(
        "uq_movement_corrects",
        "movement",
        ["lot_id", "corrects"],
        unique=True,
        postgresql_where=sa.text("corrects IS NOT NULL"),
    )
    op.create_index(
        "uq_movement_permit",
        "movement",
        ["lot_id", "permit_id"],
        unique=True,
        postgresql_where=sa.text("permit_id IS NOT NULL"),
    )
    op.create_index(
        "uq_movement_resolves",
        "movement",
        ["lot_id", "resolves"],
        unique=True,
        postgresql_where=sa.text("resolves IS NOT NULL"),
    )
    op.create_table(
        "movement_note",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("parties", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.ForeignKeyConstraint(
            ["lot_id", "seq"], ["movement.lot_id", "movement.seq"], name=op.f("fk_movement_note_lot_id_seq")
        ),
        sa.PrimaryKeyConstraint("lot_id", "seq", name=op.f("pk_movement_note")),
    )
    op.create_table(
        "open_hold",
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("hold_seq", sa.BigInteger(), nullable=False),
        sa.Column("position_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause_kind", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.UUID(), nullable=True),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("parties", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_open_hold_quantity")),
        sa.ForeignKeyConstraint(
            ["lot_id", "hold_seq"], ["movement.lot_id", "movement.seq"], name=op.f("fk_open_hold_lot_id_hold_seq")
        ),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_open_hold_lot_id")),
        sa.PrimaryKeyConstraint("lot_id", "hold_seq", name=op.f("pk_open_hold")),
    )
    op.create_index("ix_open_hold_cause", "open_hold", ["cause_id"], unique=False)
    op.create_index(
        "ix_open_hold_expiry",
        "open_hold",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    # ### end Alembic commands ###
    _run(SECURITY)


def downgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_index("ix_open_hold_expiry", table_name="open_hold", postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.drop_index("ix_open_hold_cause", table_name="open_hold")
    op.drop_table("open_hold")
    op.drop_table("movement_note")
    op.drop_index("uq_movement_resolves", table_name="movement", postgresql_where=sa.text("resolves IS NOT NULL"))
    op.drop_index("uq_movement_permit", table_name="movement", postgresql_where=sa.text("permit_id IS NOT NULL"))
    op.drop_index("uq_movement_corrects", table_name="movement", postgresql_where=sa.text("corrects IS NOT NULL"))
    op.drop_index("ix_movement_recorded", table_name="movement")
    op.drop_index("ix_movement_cause", table_name="movement", postgresql_where=sa.text("cause_id IS NOT NULL"))
    op.drop_table("movement")
    op.drop_index(
        "uq_position_serialised", table_name="position", postgresql_where=sa.text("serialised AND quantity > 0")
    )
    op.drop_index("ix_position_site", table_name="position", postgresql_where=sa.text("quantity > 0"))
    op.drop_index("ix_position_part", table_name="position", postgresql_where=sa.text("quantity > 0"))
    op.drop_index("ix_position_owner", table_name="position", postgresql_where=sa.text("quantity > 0"))
    op.drop_index("ix_position_holder", table_name="position", postgresql_where=sa.text("quantity > 0"))
    op.drop_index(
        "ix_position_agreement",
        table_name="position",
        postgresql_where=sa.text("agreement_id IS NOT NULL AND quantity > 0"),
    )
    op.drop_table("position")
    op.drop_table("permit")
    op.drop_index("ix_lot_serial", table_name="lot", postgresql_where=sa.text("serial IS NOT NULL"))
    op.drop_index("ix_lot_root", table_name="lot")
    op.drop_index("ix_lot_part", table_name="lot")
    op.drop_table("lot")
    op.drop_table("command")
    # ### end Alembic commands ###
