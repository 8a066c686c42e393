"""Disputes about what is owed and about rejected units, with what each side says and proposes; and the way back of rejected
units, which so far stayed where they were for good.

What is said is only added. A line has at most one open dispute, and so have the rejected units of an order.

Undo: downgrade() drops the tables; what was in dispute is due again once ``settlement_line.disputed`` is set to 0.

Revision ID: 292340
Revises: 292330
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292340"
down_revision = "292330"
branch_labels = None
depends_on = None

_SIDES = "app_company() IN (payer_id, payee_id)"
_PARTIES = "app_company() IN (maker_id, holder_id, company_id)"


def _protect(table: str, who: str, *, updates: str = "") -> None:
    op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app, backstock_worker")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({who})")
    op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({who})")
    op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    if updates:
        op.execute(f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({who}) WITH CHECK ({who})")
        op.execute(f"GRANT UPDATE ({updates}) ON {table} TO backstock_app, backstock_worker")


def upgrade() -> None:
    op.create_table(
        "dispute",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=True),
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("cause_reference", sa.Text(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("respond_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("waits_for", sa.Uuid(), nullable=True),
        sa.Column("agreed_amount", sa.Numeric(16, 4), nullable=True),
        sa.Column("agreed_quantity", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("subject IN ('line','grade','units')", name=op.f("ck_dispute_subject")),
        sa.CheckConstraint(
            "(subject = 'units') = (line_id IS NULL) AND (subject = 'line') = (quantity IS NULL)",
            name=op.f("ck_dispute_about"),
        ),
        sa.CheckConstraint(
            "amount >= 0 AND quantity > 0 AND agreed_amount BETWEEN 0 AND amount AND agreed_quantity BETWEEN 0 AND quantity",
            name=op.f("ck_dispute_amount"),
        ),
        sa.CheckConstraint(
            "status IN ('open','agreed','withdrawn') AND (status = 'open') = (ended_at IS NULL) "
            "AND (status = 'open') = (waits_for IS NOT NULL)",
            name=op.f("ck_dispute_status"),
        ),
        sa.CheckConstraint("payer_id <> payee_id AND opened_by IN (payer_id, payee_id)", name=op.f("ck_dispute_sides")),
        sa.ForeignKeyConstraint(["line_id"], ["settlement_line.id"], name=op.f("fk_dispute_line_id")),
        sa.ForeignKeyConstraint(["payer_id"], ["company.id"], name=op.f("fk_dispute_payer_id")),
        sa.ForeignKeyConstraint(["payee_id"], ["company.id"], name=op.f("fk_dispute_payee_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("reference", name=op.f("uq_dispute_reference")),
    )
    op.create_index("ix_dispute_line_id", "dispute", ["line_id"])
    op.create_index("ix_dispute_cause_id", "dispute", ["cause_id"])
    for side in ("payer", "payee"):
        op.create_index(f"ix_dispute_{side}", "dispute", [f"{side}_id", "id"])
    op.create_index(
        "ix_dispute_line_open", "dispute", ["line_id"], unique=True,
        postgresql_where=sa.text("status = 'open' AND line_id IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_dispute_units_once", "dispute", ["cause_id"], unique=True, postgresql_where=sa.text("subject = 'units'")
    )
    op.create_index("ix_dispute_waits_for", "dispute", ["waits_for"], postgresql_where=sa.text("waits_for IS NOT NULL"))
    _protect("dispute", _SIDES, updates="status, waits_for, agreed_amount, agreed_quantity, ended_at")
    op.create_table(
        "dispute_statement",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('opened','said','proposed','agreed','withdrawn','sent_back')",
            name=op.f("ck_dispute_statement_kind"),
        ),
        sa.CheckConstraint("amount >= 0 AND quantity >= 0", name=op.f("ck_dispute_statement_amount")),
        sa.ForeignKeyConstraint(["dispute_id"], ["dispute.id"], name=op.f("fk_dispute_statement_dispute_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_statement")),
    )
    op.create_index("ix_dispute_statement_dispute_id", "dispute_statement", ["dispute_id"])
    _protect("dispute_statement", _SIDES)
    op.create_table(
        "way_back",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=True),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("quantity > 0 AND missing BETWEEN 0 AND quantity", name=op.f("ck_way_back_quantity")),
        sa.CheckConstraint("(received_at IS NULL) = (missing IS NULL)", name=op.f("ck_way_back_received")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_way_back_call_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_way_back")),
    )
    op.create_index("ix_way_back_open", "way_back", ["holder_id"], postgresql_where=sa.text("received_at IS NULL"))
    _protect("way_back", _PARTIES, updates="received_at, missing, note")
    op.create_table(
        "way_back_unit",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_way_back_unit_quantity")),
        sa.ForeignKeyConstraint(["call_id"], ["way_back.call_id"], name=op.f("fk_way_back_unit_call_id")),
        sa.PrimaryKeyConstraint("call_id", "lot_id", name=op.f("pk_way_back_unit")),
    )
    _protect("way_back_unit", _PARTIES)


def downgrade() -> None:
    for table in ("way_back_unit", "way_back", "dispute_statement", "dispute"):
        op.drop_table(table)
