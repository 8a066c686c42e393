"""Imports: what staging looks up for each row of a file, and the rows as typed values, between reading and landing.

The ids of serial-numbered units are computed while a file streams in (the server has no UUIDv5), so they are staged
with the row. ``import_row`` is the typed side of ``import_stage``: unlogged, without policies, keyed by job.

Revision ID: 163000
Revises: 162100
Undo: downgrade() drops the table and the columns.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "163000"
down_revision = "162100"
branch_labels = None
depends_on = None

ROLES = "backstock_app, backstock_worker"


def upgrade() -> None:
    op.add_column("import_stage", sa.Column("maker_id", sa.UUID(), nullable=True))
    op.add_column("import_stage", sa.Column("site_id", sa.UUID(), nullable=True))
    op.add_column("import_stage", sa.Column("uom", sa.Text(), nullable=True))
    op.add_column("import_stage", sa.Column("condition", sa.Text(), nullable=True))
    op.add_column("import_stage", sa.Column("number_norm", sa.Text(collation="C"), nullable=True))
    op.add_column("import_stage", sa.Column("lot_id", sa.UUID(), nullable=True))
    op.create_table(
        "import_row",
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column("row_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site_id", sa.UUID(), nullable=True),
        sa.Column("maker_id", sa.UUID(), nullable=True),
        sa.Column("part_id", sa.UUID(), nullable=True),
        sa.Column("new_part", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("number_norm", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("uom", sa.Text(), nullable=True),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("bin", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("unit_cost", sa.Numeric(precision=16, scale=4), nullable=True),
        sa.Column("list_price", sa.Numeric(precision=16, scale=4), nullable=True),
        sa.Column("last_issue_on", sa.Date(), nullable=True),
        sa.Column("usage_12", sa.Integer(), nullable=True),
        sa.Column("usage_24", sa.Integer(), nullable=True),
        sa.Column("usage_36", sa.Integer(), nullable=True),
        sa.Column("weight_grams", sa.Integer(), nullable=True),
        sa.Column("package_quantity", sa.Integer(), nullable=True),
        sa.Column("protected", sa.Boolean(), nullable=True),
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("line_id", sa.UUID(), nullable=True),
        sa.Column("here_already", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("bad", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "row_no", name=op.f("pk_import_row")),
        prefixes=["UNLOGGED"],
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON import_row TO {ROLES}")
    op.execute(f"GRANT MAINTAIN ON import_stage TO {ROLES}")


def downgrade() -> None:
    op.execute(f"REVOKE MAINTAIN ON import_stage FROM {ROLES}")
    op.drop_table("import_row")
    for column in ("lot_id", "number_norm", "condition", "uom", "site_id", "maker_id"):
        op.drop_column("import_stage", column)
