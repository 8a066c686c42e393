"""Every column that names a part can be looked up by it.

Why: taking back an import of 12,691 parts took 77 seconds. For each part that goes, PostgreSQL looks into each table that may name
it, and 22 of them had no index for that: each was read as a whole, once a part. Undo: downgrade() drops the indexes; nothing
depends on them.

Revision ID: 303100
Revises: 303200
"""

from __future__ import annotations

from alembic import op

revision = "303100"
down_revision = "303200"
branch_labels = None
depends_on = None

NAMED_BY = (
    "advice_decision", "agreement_line", "call", "call_stand_in", "controlled_part", "count_entry", "count_recount", "count_result",
    "count_sheet", "demand_history", "listing", "order_line", "part_criticality", "part_protection", "quote", "quote_line",
    "requisition", "resale", "stock_count", "stock_line", "watch_finding",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    for table in NAMED_BY:
        op.create_index(f"ix_{table}_part_id", table, ["part_id"])
    op.create_index("ix_alternate_alternate_part_id", "alternate", ["alternate_part_id"])


def downgrade() -> None:
    op.drop_index("ix_alternate_alternate_part_id", "alternate")
    for table in reversed(NAMED_BY):
        op.drop_index(f"ix_{table}_part_id", table)
