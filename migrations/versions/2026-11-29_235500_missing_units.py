"""Units that are missing from under an agreement: what a count finds short (a shortage, with the date by which the holder counts
again and says where they are), what became of them, and what is owed for it.

What became of units is only added. A shelf has at most one open shortage for an agreement and a part.

Undo: downgrade() drops the tables; the stock transactions and the settlement lines that came of them stay.

Revision ID: 292355
Revises: 292350
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292355"
down_revision = "292350"
branch_labels = None
depends_on = None

_SIDES = "maker_id = app_company() OR holder_id = app_company()"
_OPEN = "status = 'open'"


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


def upgrade() -> None:
    op.create_table(
        "shortage",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tolerated", sa.Integer(), nullable=False),
        sa.Column("below_minimum", sa.Integer(), nullable=False),
        sa.Column("at_stake", sa.Numeric(16, 4), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("explain_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counted_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "recorded > 0 AND missing > 0 AND answered >= 0 AND tolerated >= 0 AND below_minimum >= 0 AND at_stake >= 0",
            name=op.f("ck_shortage_units"),
        ),
        sa.CheckConstraint("status IN ('open','found','explained')", name=op.f("ck_shortage_status")),
        sa.CheckConstraint("(status = 'open') = (ended_at IS NULL)", name=op.f("ck_shortage_ended")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_shortage_agreement_id_agreement_line"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_shortage_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shortage")),
    )
    op.create_index("ix_shortage_agreement", "shortage", ["agreement_id", "part_id", "id"])
    op.create_index("ix_shortage_site_id", "shortage", ["site_id"])
    op.create_index(
        "uq_shortage_open", "shortage", ["holder_id", "site_id", "part_id", "agreement_id"], unique=True,
        postgresql_where=sa.text(_OPEN),
    )  # fmt: skip
    op.create_index("ix_shortage_explain_by", "shortage", ["explain_by"], postgresql_where=sa.text(_OPEN))
    for side in ("maker", "holder"):
        op.create_index(f"ix_shortage_{side}", "shortage", [f"{side}_id", "id"])
        op.create_index(
            f"ix_shortage_{side}_open", "shortage", [f"{side}_id", "explain_by"], postgresql_where=sa.text(_OPEN)
        )
    _protect(
        "shortage",
        updates="recorded, missing, answered, tolerated, below_minimum, at_stake, words, counted_at, counted_by, status, ended_at",
    )
    op.create_table(
        "missing_units",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("shortage_id", sa.Uuid(), nullable=True),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("without_leave", sa.Integer(), nullable=False),
        sa.Column("below_minimum", sa.Integer(), nullable=False),
        sa.Column("line_kind", sa.Text(), nullable=True),
        sa.Column("amount", sa.Numeric(16, 4), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "became IN ('used','installed','scrapped','sold','given_away','lost','destroyed','found','moved')",
            name=op.f("ck_missing_units_became"),
        ),
        sa.CheckConstraint(
            "quantity > 0 AND without_leave BETWEEN 0 AND quantity AND below_minimum BETWEEN 0 AND quantity AND amount >= 0",
            name=op.f("ck_missing_units_units"),
        ),
        sa.CheckConstraint("line_kind IN ('breach','loss_compensation')", name=op.f("ck_missing_units_line_kind")),
        sa.CheckConstraint("(line_kind IS NULL) = (amount = 0)", name=op.f("ck_missing_units_owed")),
        sa.ForeignKeyConstraint(["shortage_id"], ["shortage.id"], name=op.f("fk_missing_units_shortage_id_shortage")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_missing_units_agreement_id_agreement_line"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_missing_units_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missing_units")),
    )
    op.create_index("ix_missing_units_agreement", "missing_units", ["agreement_id", "part_id", "id"])
    op.create_index("ix_missing_units_site_id", "missing_units", ["site_id"])
    op.create_index(
        "ix_missing_units_shortage_id",
        "missing_units",
        ["shortage_id"],
        postgresql_where=sa.text("shortage_id IS NOT NULL"),
    )
    op.create_index("ix_missing_units_command_id", "missing_units", ["command_id"])
    for side in ("maker", "holder"):
        op.create_index(f"ix_missing_units_{side}", "missing_units", [f"{side}_id", "id"])
    _protect("missing_units")


def downgrade() -> None:
    op.drop_table("missing_units")
    op.drop_table("shortage")
