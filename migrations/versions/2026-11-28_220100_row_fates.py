"""What becomes of each row of a checked file can be listed: new, changed (from what), as on record, bad; and the lines
on record that the file does not name. Before, only their numbers were known until the file had landed.

``fate`` follows from what the row says by itself, so that nothing can forget to set it. Imports that were checked before
have no lists of changed and vanished lines until their rows are checked again. No import was ever in step 'applied'.

Undo: downgrade() drops the columns and the table; both only hold what checking a file again finds again.

Revision ID: 220100
Revises: 190100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "220100"
down_revision = "190100"
branch_labels = None
depends_on = None

FATE = (
    "CASE WHEN bad THEN 'bad' WHEN was_quantity IS NOT NULL THEN 'changed' "
    "WHEN line_id IS NULL AND quantity > here_already THEN 'new' ELSE 'same' END"
)


def _steps(steps: str) -> None:
    op.drop_constraint(op.f("ck_import_job_step"), "import_job")
    op.create_check_constraint(op.f("ck_import_job_step"), "import_job", f"step IN ({steps})")


def upgrade() -> None:
    op.add_column("import_row", sa.Column("was_quantity", sa.Integer(), nullable=True))
    op.add_column("import_row", sa.Column("was_condition", sa.Text(), nullable=True))
    op.add_column("import_row", sa.Column("fate", sa.Text(), sa.Computed(FATE, persisted=True), nullable=False))
    op.create_index("ix_import_row_fate", "import_row", ["job_id", "fate", "row_no"])
    op.create_table(
        "import_vanished",
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column("line_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "line_id", name=op.f("pk_import_vanished")),
        prefixes=["UNLOGGED"],
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON import_vanished TO backstock_app, backstock_worker")
    _steps("'uploaded','staging','staged','validated','done','failed','cancelled'")


def downgrade() -> None:
    _steps("'uploaded','staging','staged','validated','applied','done','failed','cancelled'")
    op.drop_table("import_vanished")
    op.drop_index("ix_import_row_fate", "import_row")
    for column in ("fate", "was_condition", "was_quantity"):
        op.drop_column("import_row", column)
