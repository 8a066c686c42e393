"""What credits took off a settlement line is kept apart from what was paid of it; and what is owed as one sum (a premium,
damages, a credit) has no quantity and no price of a unit, where it said one unit at that price.

Undo: downgrade() drops the column and says one unit again.

Revision ID: 300220
Revises: 300210
"""

from __future__ import annotations

from alembic import op

revision = "300220"
down_revision = "300210"
branch_labels = None
depends_on = None

_SUMS = (
    "premium", "breach", "loss_compensation", "freight", "late_damages", "cover_purchase", "credit", "grade_adjustment",
)  # fmt: skip
# Rejected units that were kept for one sum were written as one unit at it, with these words and no others.
_KEPT = "% kept for % in all, as both sides agreed (%).%"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE settlement_line ADD COLUMN credited numeric(16, 4) NOT NULL DEFAULT 0")
    op.execute("GRANT UPDATE (credited) ON settlement_line TO backstock_app, backstock_worker")
    op.execute(
        "UPDATE settlement_line l SET credited = s.amount FROM (SELECT a.line_id, sum(a.amount) AS amount "
        "FROM payment_allocation a JOIN payment y ON y.id = a.payment_id WHERE y.how = 'credit' GROUP BY 1) s "
        "WHERE l.id = s.line_id"
    )
    op.execute(
        "ALTER TABLE settlement_line ADD CONSTRAINT ck_settlement_line_credited CHECK (credited >= 0 AND credited <= paid)"
    )
    op.execute("ALTER TABLE settlement_line ALTER COLUMN quantity DROP NOT NULL, ALTER COLUMN unit_price DROP NOT NULL")
    kinds = ", ".join(f"'{kind}'" for kind in _SUMS)
    op.execute(
        f"UPDATE settlement_line SET quantity = NULL, unit_price = NULL WHERE quantity = 1 AND (kind IN ({kinds}) "
        f"OR kind IN ('call_price', 'draw_purchase') AND words LIKE '{_KEPT}')"
    )
    op.execute("ALTER TABLE settlement_line DROP CONSTRAINT ck_settlement_line_amount")
    op.execute(
        "ALTER TABLE settlement_line ADD CONSTRAINT ck_settlement_line_amount CHECK (quantity > 0 AND amount >= 0 "
        "AND (quantity IS NULL) = (unit_price IS NULL))"
    )


def downgrade() -> None:
    op.execute("UPDATE settlement_line SET quantity = 1, unit_price = amount WHERE quantity IS NULL")
    op.execute("ALTER TABLE settlement_line DROP CONSTRAINT ck_settlement_line_amount")
    op.execute(
        "ALTER TABLE settlement_line ADD CONSTRAINT ck_settlement_line_amount CHECK (quantity > 0 AND amount >= 0)"
    )
    op.execute("ALTER TABLE settlement_line ALTER COLUMN quantity SET NOT NULL, ALTER COLUMN unit_price SET NOT NULL")
    op.execute("ALTER TABLE settlement_line DROP COLUMN credited")
