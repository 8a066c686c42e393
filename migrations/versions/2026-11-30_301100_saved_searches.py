"""Searches that people keep under a name.

A person's own, and as many as there are slots: the database counts, so that two presses at once make no hundred and first. The table
says what is looked for in columns of its own (numbers, filters, urgency, where to), so that want lists that notify can be made from it.
Undo: downgrade() drops the table with what people kept.

Revision ID: 301100
Revises: 301000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "301100"
down_revision = "301000"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "saved_search",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.Column("filters", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slot BETWEEN 1 AND 100", name=op.f("ck_saved_search_slot")),
        sa.CheckConstraint("kind IN ('units', 'offers')", name=op.f("ck_saved_search_kind")),
        sa.CheckConstraint("name = btrim(name) AND length(name) BETWEEN 1 AND 80", name=op.f("ck_saved_search_name")),
        sa.CheckConstraint("length(numbers) <= 60000", name=op.f("ck_saved_search_numbers")),
        sa.CheckConstraint(
            "urgency IN ('machine_down', 'urgent', 'stock_order')", name=op.f("ck_saved_search_urgency")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_saved_search_company_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_saved_search_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("company_id", "user_id", "slot", name=op.f("uq_saved_search_company_id_user_id_slot")),
    )
    op.create_index(
        "uq_saved_search_name", "saved_search", ["company_id", "user_id", sa.text("lower(name)")], unique=True
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON saved_search TO backstock_app")
    op.execute("GRANT UPDATE (name) ON saved_search TO backstock_app")
    op.execute("GRANT SELECT ON saved_search TO backstock_worker")
    op.execute("ALTER TABLE saved_search ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE saved_search FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON saved_search FOR SELECT TO backstock_app USING ({_OWN})")
    op.execute(f"CREATE POLICY app_insert ON saved_search FOR INSERT TO backstock_app WITH CHECK ({_OWN})")
    op.execute(
        f"CREATE POLICY app_update ON saved_search FOR UPDATE TO backstock_app USING ({_OWN}) WITH CHECK ({_OWN})"
    )
    op.execute(f"CREATE POLICY app_delete ON saved_search FOR DELETE TO backstock_app USING ({_OWN})")
    op.execute("CREATE POLICY worker_read ON saved_search FOR SELECT TO backstock_worker USING (true)")


def downgrade() -> None:
    op.drop_table("saved_search")
