"""A file that names few of the lines on record is asked about before the rest is proposed as gone.

``lots_doubted`` counts those lines, ``covers_said`` whether a person has said since that the file tells of all stock.
What waits to be decided is found without reading what was.

Undo: downgrade() drops the columns and the index; no file is asked about any more.

Revision ID: 170100
Revises: 170000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "170100"
down_revision = "170000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_job", sa.Column("lots_doubted", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("import_job", sa.Column("covers_said", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_import_proposal_open", "import_proposal", ["company_id", "job_id"],
        postgresql_where=sa.text("decided IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_import_proposal_open", table_name="import_proposal")
    op.drop_column("import_job", "covers_said")
    op.drop_column("import_job", "lots_doubted")
