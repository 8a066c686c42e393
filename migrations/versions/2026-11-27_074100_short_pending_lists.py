"""Searches no longer read the whole pending list of a text index: it is kept short.

PostgreSQL gathers new entries of such an index in a list that every search reads from end to end until it is worked in;
after a bulk load it had 4 MB, and each number looked for took 5 ms longer.

Undo: downgrade() gives the indexes back the server's own limit.

Revision ID: 074100
Revises: 074000
"""

from __future__ import annotations

from alembic import op

revision = "074100"
down_revision = "074000"
branch_labels = None
depends_on = None

INDEXES = ("ix_part_number_trgm", "ix_part_words")


def upgrade() -> None:
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} SET (gin_pending_list_limit = 256)")
        op.execute(f"SELECT gin_clean_pending_list('{index}')")


def downgrade() -> None:
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} RESET (gin_pending_list_limit)")
