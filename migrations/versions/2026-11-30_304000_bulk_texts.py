"""Text indexes gather much while a file of parts lands, and little otherwise.

The limit that 074100 set on the indexes held for bulk loads too, which then worked in a piece of 256 kB a thousand times: numbers of
300,000 new parts took 9.0 s of processor time instead of 6.1. Now connections say it (``marketplace.db.session``), and what a bulk
load has gathered is worked in before it commits, by the owner of the indexes.

Undo: downgrade() sets the limit on the indexes again and drops the function.

Revision ID: 304000
Revises: 303000
"""

from __future__ import annotations

from alembic import op

revision = "304000"
down_revision = "303000"
branch_labels = None
depends_on = None

INDEXES = ("ix_part_number_trgm", "ix_part_words")
WORK_IN = """
CREATE FUNCTION text_indexes_work_in() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
SELECT gin_clean_pending_list('ix_part_number_trgm') + gin_clean_pending_list('ix_part_words')
$$
"""


def upgrade() -> None:
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} RESET (gin_pending_list_limit)")
    op.execute(WORK_IN)
    op.execute("REVOKE ALL ON FUNCTION text_indexes_work_in() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION text_indexes_work_in() TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.execute("DROP FUNCTION text_indexes_work_in()")
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} SET (gin_pending_list_limit = 256)")
