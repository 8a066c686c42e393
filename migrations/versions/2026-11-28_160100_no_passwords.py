"""What was kept of requests that made a person held a digest of the password, from which a weak one can be guessed. These
records go; a repeat of such a request is then refused because the address is in use. Nothing else is touched.

Undo: downgrade() does nothing; the digests are not wanted back.

Revision ID: 160100
Revises: 161000
"""

from __future__ import annotations

from alembic import op

revision = "160100"
down_revision = "161000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM idempotency_key WHERE route = 'users.create'")


def downgrade() -> None:
    pass
