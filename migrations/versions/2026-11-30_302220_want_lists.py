"""Saved searches that tell: of an offer that is new to them, or cheaper than it was told, once.

``told_offer`` holds what a search has told, so that nothing is told twice; ``looked_at`` says which search waits longest. The worker
looks by the clock, since offers appear by the clock as well: a window that opens, a clearance, a price. Undo: downgrade() drops both.

Revision ID: 302220
Revises: 302210
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302220"
down_revision = "302210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("saved_search", sa.Column("notify", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("saved_search", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_saved_search_notify"), "saved_search", "NOT notify OR kind = 'offers'")
    op.create_index(
        "ix_saved_search_looked_at",
        "saved_search",
        [sa.text("looked_at NULLS FIRST"), "id"],
        postgresql_where=sa.text("notify"),
    )
    op.create_table(
        "told_offer", sa.Column("search_id", sa.Uuid(), nullable=False), sa.Column("listing_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("unit_price", sa.Numeric(16, 4), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["saved_search.id"], name=op.f("fk_told_offer_search_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_told_offer_listing_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("search_id", "listing_id", name=op.f("pk_told_offer")),
    )  # fmt: skip
    op.create_index("ix_told_offer_listing_id", "told_offer", ["listing_id"])
    op.execute("GRANT UPDATE (notify, looked_at) ON saved_search TO backstock_app")
    op.execute("GRANT UPDATE (looked_at) ON saved_search TO backstock_worker")
    op.execute(
        "CREATE POLICY worker_update ON saved_search FOR UPDATE TO backstock_worker USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON told_offer TO backstock_app, backstock_worker")
    op.execute("ALTER TABLE told_offer ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE told_offer FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY app_all ON told_offer TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company())"
    )
    op.execute("CREATE POLICY worker_all ON told_offer TO backstock_worker USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.drop_table("told_offer")
    op.execute("DROP POLICY worker_update ON saved_search")
    op.execute("REVOKE UPDATE (looked_at) ON saved_search FROM backstock_worker")
    op.execute("REVOKE UPDATE (notify, looked_at) ON saved_search FROM backstock_app")
    op.drop_index("ix_saved_search_looked_at", "saved_search")
    op.drop_constraint(op.f("ck_saved_search_notify"), "saved_search")
    op.drop_column("saved_search", "looked_at")
    op.drop_column("saved_search", "notify")
