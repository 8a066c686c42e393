"""Selling units on with accession: the maker consents, the buyer joins the agreement by its signature, the right stays on the
units. How many of a line's minimum to keep were passed on to buyers is kept on the line.

Undo: downgrade() drops the tables and the column; agreements that buyers have joined stay as they are.

Revision ID: 290181
Revises: 290180
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "290181"
down_revision = "290180"
branch_labels = None
depends_on = None

_PARTIES = "app_company() IN (maker_id, holder_id, buyer_id)"


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.add_column(
        "agreement_line", sa.Column("minimum_passed_on", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_agreement_line_passed_on"), "agreement_line", "minimum_passed_on BETWEEN 0 AND minimum_to_keep"
    )
    op.execute("GRANT UPDATE (minimum_passed_on) ON agreement_line TO backstock_app")
    op.create_table(
        "resale",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("minimum_passed_on", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Boolean(), nullable=False),
        sa.Column("child_reference", sa.Text(), nullable=True),
        sa.Column("child_id", sa.Uuid(), nullable=True),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("wording_sha256", postgresql.BYTEA(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consented_by", sa.Uuid(), nullable=True),
        _moment("consented_at"),
        sa.Column("acceded_by", sa.Uuid(), nullable=True),
        _moment("acceded_at"),
        sa.Column("carrier", sa.Text(), nullable=True),
        sa.Column("tracking", sa.Text(), nullable=True),
        _moment("shipped_at"),
        _moment("received_at"),
        sa.Column("good", sa.Integer(), nullable=True),
        _moment("ended_at"),
        sa.CheckConstraint(
            "quantity > 0 AND minimum_passed_on BETWEEN 0 AND quantity", name=op.f("ck_resale_quantity")
        ),
        sa.CheckConstraint("good BETWEEN 0 AND quantity", name=op.f("ck_resale_good")),
        sa.CheckConstraint(
            "maker_id <> holder_id AND buyer_id <> holder_id AND buyer_id <> maker_id", name=op.f("ck_resale_three")
        ),
        sa.CheckConstraint(
            "runs = (wording IS NOT NULL) AND runs = (child_reference IS NOT NULL)", name=op.f("ck_resale_wording")
        ),
        sa.CheckConstraint(
            "status IN ('asked','consented','acceded','shipped','received','refused','cancelled')",
            name=op.f("ck_resale_status"),
        ),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_resale_{column}_{table}"))
            for column, table in (
                ("agreement_id", "agreement"), ("maker_id", "company"), ("holder_id", "company"), ("buyer_id", "company"),
                ("part_id", "part"), ("site_id", "site"), ("child_id", "agreement"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resale")),
        sa.UniqueConstraint("reference", name=op.f("uq_resale_reference")),
        sa.UniqueConstraint("child_reference", name=op.f("uq_resale_child_reference")),
        sa.UniqueConstraint("child_id", name=op.f("uq_resale_child_id")),
    )  # fmt: skip
    op.create_index("ix_resale_agreement_id", "resale", ["agreement_id"])
    for side in ("maker", "holder", "buyer"):
        op.create_index(f"ix_resale_{side}", "resale", [f"{side}_id", "id"])
    op.create_index(
        "ix_resale_open", "resale", ["status"],
        postgresql_where=sa.text("status IN ('asked','consented','acceded','shipped')"),
    )  # fmt: skip
    op.create_table(
        "resale_unit",
        sa.Column("resale_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Integer(), nullable=False),
        sa.Column("hold_seq", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("shipped_lot_id", sa.Uuid(), nullable=True),
        sa.Column("shipped_position_id", sa.Integer(), nullable=True),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_resale_unit_quantity")),
        sa.ForeignKeyConstraint(["resale_id"], ["resale.id"], name=op.f("fk_resale_unit_resale_id_resale")),
        sa.PrimaryKeyConstraint("resale_id", "lot_id", "position_id", name=op.f("pk_resale_unit")),
    )
    op.create_table(
        "resale_event",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("resale_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["resale_id"], ["resale.id"], name=op.f("fk_resale_event_resale_id_resale")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resale_event")),
    )
    op.create_index("ix_resale_event_resale_id", "resale_event", ["resale_id"])
    for table, verbs in (("resale", "INSERT, UPDATE"), ("resale_unit", "INSERT, UPDATE"), ("resale_event", "INSERT")):
        op.execute(f"GRANT SELECT, {verbs} ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_PARTIES})")
        who = "holder_id = app_company()" if table == "resale" else _PARTIES
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({who})")
        if "UPDATE" in verbs:
            op.execute(
                f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({_PARTIES}) "
                f"WITH CHECK ({_PARTIES})"
            )
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")


def downgrade() -> None:
    for table in ("resale_event", "resale_unit", "resale"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_agreement_line_passed_on"), "agreement_line", type_="check")
    op.drop_column("agreement_line", "minimum_passed_on")
