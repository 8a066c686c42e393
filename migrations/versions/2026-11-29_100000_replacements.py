"""Drawn units are replaced in kind or bought, and silence at inspection accepts: what both clauses say, with its dates
stored at receipt.

Until now a draw was billed at its purchase price when it was inspected; those lines stay as they are. Draws that have
not been inspected get the fee of their agreement. A cause can be owed for more than once: the fee of a draw, and its
purchase.

Undo: downgrade() drops the table and the columns; it fails where a call has two settlement lines already.

Revision ID: 290100
Revises: 230010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "290100"
down_revision = "230010"
branch_labels = None
depends_on = None

_SIDES = "maker_id = app_company() OR holder_id = app_company()"
_TO_REPLACE = "draw_fee IS NOT NULL AND inspected_good > replaced + bought + replacing"
_REPLACE_DAYS = "(a.terms ->> 'replace_days')::int"
_END = "((k.received_at AT TIME ZONE a.zone)::date + {days} + 1)::timestamp AT TIME ZONE a.zone"


def upgrade() -> None:
    op.add_column("call", sa.Column("draw_fee", sa.Numeric(16, 4), nullable=True))
    op.add_column("call", sa.Column("inspect_by", sa.DateTime(timezone=True), nullable=True))
    for name in ("replacing", "replaced", "bought"):
        op.add_column("call", sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(
        op.f("ck_call_replaced"),
        "call",
        "replacing >= 0 AND replaced >= 0 AND bought >= 0 AND replaced + bought <= coalesce(inspected_good, 0)",
    )
    op.execute(
        "UPDATE call k SET draw_fee = round(l.sale_price * (a.terms ->> 'draw_fee_bp')::int / 10000, CASE "
        "WHEN k.currency IN ('JPY','KRW','CLP','ISK') THEN 0 WHEN k.currency IN ('BHD','KWD','TND','OMR','JOD') THEN 3 "
        "ELSE 2 END) FROM agreement a, agreement_line l WHERE a.id = k.agreement_id AND l.agreement_id = a.id "
        "AND l.part_id = k.part_id AND k.kind = 'access_draw' AND k.inspected_good IS NULL"
    )
    op.execute(
        f"UPDATE call k SET inspect_by = {_END.format(days='k.inspection_days')} FROM agreement a "
        "WHERE a.id = k.agreement_id AND k.status = 'received'"
    )
    op.execute(
        f"UPDATE call k SET replace_by = {_END.format(days=_REPLACE_DAYS)} FROM agreement a "
        "WHERE a.id = k.agreement_id AND k.status = 'received' AND k.kind = 'access_draw'"
    )
    op.create_index(
        "ix_call_inspect", "call", ["inspect_by"], postgresql_where=sa.text("status = 'received' AND inspect_by IS NOT NULL")
    )  # fmt: skip
    op.create_index(
        "ix_call_replace", "call", ["replace_by"],
        postgresql_where=sa.text("draw_fee IS NOT NULL AND inspected_good > replaced + bought"),
    )  # fmt: skip
    op.create_index("ix_call_to_replace", "call", ["maker_id", "replace_by"], postgresql_where=sa.text(_TO_REPLACE))
    op.create_index("ix_call_replacing", "call", ["holder_id"], postgresql_where=sa.text("replacing > 0"))
    op.create_table(
        "replacement",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("from_site_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=True),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_on", sa.Date(), nullable=True),
        sa.Column("good", sa.Integer(), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("sent_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_replacement_quantity")),
        sa.CheckConstraint(
            "(received_at IS NULL) = (good IS NULL) AND (good IS NULL) = (missing IS NULL) "
            "AND good >= 0 AND missing >= 0 AND good + missing <= quantity",
            name=op.f("ck_replacement_received"),
        ),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_replacement_call_id_call")),
        sa.ForeignKeyConstraint(["from_site_id"], ["site.id"], name=op.f("fk_replacement_from_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replacement")),
    )
    op.create_index("ix_replacement_call_id", "replacement", ["call_id"])
    op.create_table(
        "replacement_unit",
        sa.Column("replacement_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("position_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_replacement_unit_quantity")),
        sa.ForeignKeyConstraint(
            ["replacement_id"], ["replacement.id"], name=op.f("fk_replacement_unit_replacement_id_replacement")
        ),
        sa.PrimaryKeyConstraint("replacement_id", "lot_id", name=op.f("pk_replacement_unit")),
    )
    for table in ("replacement", "replacement_unit"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_SIDES})")
        op.execute(
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK (maker_id = app_company())"
        )
        op.execute(
            f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({_SIDES}) WITH CHECK ({_SIDES})"
        )
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    op.drop_constraint(op.f("uq_settlement_line_cause_id"), "settlement_line", type_="unique")
    op.add_column("settlement_line", sa.Column("step_id", sa.Uuid(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_settlement_line_cause_id_kind_step_id"), "settlement_line", ["cause_id", "kind", "step_id"],
        postgresql_nulls_not_distinct=True,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_constraint(op.f("uq_settlement_line_cause_id_kind_step_id"), "settlement_line", type_="unique")
    op.drop_column("settlement_line", "step_id")
    op.create_unique_constraint(op.f("uq_settlement_line_cause_id"), "settlement_line", ["cause_id"])
    op.drop_table("replacement_unit")
    op.drop_table("replacement")
    for name in ("ix_call_replacing", "ix_call_to_replace", "ix_call_replace", "ix_call_inspect"):
        op.drop_index(name, "call")
    op.drop_constraint(op.f("ck_call_replaced"), "call")
    for name in ("bought", "replaced", "replacing", "inspect_by", "draw_fee"):
        op.drop_column("call", name)
