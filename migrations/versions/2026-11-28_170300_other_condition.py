"""A stock file that names a known unit in another condition makes a proposal of it; before, nobody was told.

Undo: downgrade() deletes such proposals.

Revision ID: 170300
Revises: 170100
"""

from __future__ import annotations

from alembic import op

revision = "170300"
down_revision = "170100"
branch_labels = None
depends_on = None


def _kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_import_proposal_kind"), "import_proposal")
    op.create_check_constraint(op.f("ck_import_proposal_kind"), "import_proposal", f"kind IN ({kinds})")


def upgrade() -> None:
    _kinds("'more','less','vanished','shortage','condition'")


def downgrade() -> None:
    op.execute("DELETE FROM import_proposal WHERE kind = 'condition'")
    _kinds("'more','less','vanished','shortage'")
