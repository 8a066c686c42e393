"""Where units sat at a date is asked of stock lines that are empty today as well: they get indexes of their own, beside
those of what is there now, so that a line stands in one of the two and a move writes no more than before. What happened
or became known between two dates is found by block ranges, which cost a move next to nothing.

Undo: downgrade() drops the indexes.

Revision ID: 300170
Revises: 300161
"""

from __future__ import annotations

from alembic import op

revision = "300170"
down_revision = "300161"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute('CREATE INDEX ix_position_part_emptied ON "position" (part_id, lot_id) WHERE quantity = 0')
    op.execute('CREATE INDEX ix_position_holder_emptied ON "position" (holder_id, part_id, lot_id) WHERE quantity = 0')
    op.execute(
        'CREATE INDEX ix_position_agreement_emptied ON "position" (agreement_id) '
        "WHERE agreement_id IS NOT NULL AND quantity = 0"
    )
    op.execute(
        "CREATE INDEX ix_movement_times ON movement USING brin (occurred_at timestamptz_minmax_multi_ops, "
        "recorded_at timestamptz_minmax_multi_ops) WITH (pages_per_range = 32, autosummarize = on)"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_movement_times")
    op.execute("DROP INDEX ix_position_agreement_emptied")
    op.execute("DROP INDEX ix_position_holder_emptied")
    op.execute("DROP INDEX ix_position_part_emptied")
