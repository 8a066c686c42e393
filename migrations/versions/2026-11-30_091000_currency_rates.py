"""Rates by which prices of other currencies are compared in a plan: facts with their day and source.

A company states its own, as its treasury does; a corrected one is a newer row for the same day. Undo: downgrade() drops the
table; plans then compare prices of one currency only.

Revision ID: 300910
Revises: 300900
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300910"
down_revision = "300900"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "currency_rate", sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("into", sa.Text(), nullable=False), sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(18, 9), nullable=False), sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False), sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rate > 0", name=op.f("ck_currency_rate_rate")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$' AND \"into\" ~ '^[A-Z]{3}$' AND currency <> \"into\"", name=op.f("ck_currency_rate_currency")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_currency_rate_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_currency_rate")),
    )  # fmt: skip
    op.create_index(
        "ix_currency_rate_day",
        "currency_rate",
        ["company_id", "into", "currency", sa.text("day DESC"), sa.text("id DESC")],
    )
    op.execute("GRANT SELECT, INSERT ON currency_rate TO backstock_app")
    op.execute("GRANT SELECT ON currency_rate TO backstock_worker")
    op.execute("ALTER TABLE currency_rate ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE currency_rate FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY app_read ON currency_rate FOR SELECT TO backstock_app USING (company_id = app_company())")
    op.execute(
        "CREATE POLICY app_insert ON currency_rate FOR INSERT TO backstock_app WITH CHECK (company_id = app_company())"
    )
    op.execute("CREATE POLICY worker_read ON currency_rate FOR SELECT TO backstock_worker USING (true)")


def downgrade() -> None:
    op.drop_table("currency_rate")
