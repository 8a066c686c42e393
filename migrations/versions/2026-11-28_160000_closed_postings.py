"""Units of orders that ended after their posting was closed stood behind its lines for good: listed, yet on offer to
nobody. They are free, and a closed line offers what was ordered of it.

Undo: nothing to undo, the units were never on offer.

Revision ID: 160000
Revises: 094500
"""

from __future__ import annotations

from alembic import op

revision = "160000"
down_revision = "094500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "DELETE FROM listing_lot b USING listing l, release r "
        "WHERE l.id = b.listing_id AND r.id = l.release_id AND r.status = 'closed'"
    )
    op.execute(
        "UPDATE listing l SET quantity = l.ordered FROM release r "
        "WHERE r.id = l.release_id AND r.status = 'closed' AND l.quantity <> l.ordered"
    )


def downgrade() -> None:
    """Nothing was lost that could be put back."""
