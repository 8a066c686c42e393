"""What a company's field asked for, month by month, kept with the file that said it.

One row a part and file, its months in an array: a million parts over five years are a million rows and not sixty million. Nothing
is changed afterwards; a later file counts instead for the months that it names, and a file that was a mistake is withdrawn whole.
``demand_stage`` is where a file's rows are copied to on their way in: COPY is refused where there are policies.

Undo: downgrade() drops the tables with every history.

Revision ID: 302000
Revises: 302300
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

revision = "302000"
down_revision = "302300"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"
_BOTH = "backstock_app, backstock_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "demand_import",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", BYTEA(), nullable=False),
        sa.Column("file_size", sa.Integer(), nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("first_month", sa.Date(), nullable=True),
        sa.Column("months", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("numbers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("parts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("odd", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("step IN ('waiting','done','failed')", name=op.f("ck_demand_import_step")),
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_demand_import_withdrawn")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_demand_import_company_id")),
        sa.ForeignKeyConstraint(["maker_id"], ["maker.id"], name=op.f("fk_demand_import_maker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demand_import")),
    )
    op.create_index("ix_demand_import_company", "demand_import", ["company_id", sa.text("id DESC")])
    op.create_table(
        "demand_history",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("units", ARRAY(sa.REAL()), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["demand_import.id"], name=op.f("fk_demand_history_import_id")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_demand_history_part_id")),
        sa.PrimaryKeyConstraint("import_id", "part_id", name=op.f("pk_demand_history")),
    )
    op.create_index("ix_demand_history_part", "demand_history", ["company_id", "part_id"])
    op.create_table(
        "demand_issue",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("part_number", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["demand_import.id"], name=op.f("fk_demand_issue_import_id")),
        sa.PrimaryKeyConstraint("import_id", "no", name=op.f("pk_demand_issue")),
    )
    op.create_table(
        "demand_stage",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("units", ARRAY(sa.REAL()), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "part_id", name=op.f("pk_demand_stage")),
        prefixes=["UNLOGGED"],
    )
    for table in ("demand_import", "demand_history", "demand_issue"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {_BOTH}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        # The worker acts on behalf of the one company whose file or run it is: it sees no other one's.
        op.execute(f"CREATE POLICY own_read ON {table} FOR SELECT TO {_BOTH} USING ({_OWN})")
        op.execute(f"CREATE POLICY own_insert ON {table} FOR INSERT TO {_BOTH} WITH CHECK ({_OWN})")
    op.execute(
        "GRANT UPDATE (step, error, first_month, months, numbers, parts, odd, finished_at, withdrawn_at, withdrawn_by) "
        f"ON demand_import TO {_BOTH}"
    )
    op.execute(f"CREATE POLICY own_update ON demand_import FOR UPDATE TO {_BOTH} USING ({_OWN}) WITH CHECK ({_OWN})")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON demand_stage TO {_BOTH}")
    op.execute(f"GRANT MAINTAIN ON demand_history TO {_BOTH}")


def downgrade() -> None:
    op.drop_table("demand_stage")
    op.drop_table("demand_issue")
    op.drop_table("demand_history")
    op.drop_table("demand_import")
