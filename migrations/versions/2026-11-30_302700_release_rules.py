"""Parts that a company never releases, above which value a second person approves a posting, and what was approved.

All three are added to and never changed: a protection ends by a row of its own, the newest limit counts, and what was approved is
recognised by the fingerprint of what the posting offered and under which terms.
Undo: downgrade() drops the tables; what is published stays so.

Revision ID: 302700
Revises: 302220
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302700"
down_revision = "302220"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"
_TABLES = ("part_protection", "part_protection_ended", "release_limit", "release_approval", "release_approval_answer")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _by(name: str) -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column(f"{name}_by", sa.Uuid(), nullable=False),
        sa.Column(f"{name}_at", sa.DateTime(timezone=True), nullable=False),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "part_protection",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_by("stated"),
        sa.CheckConstraint("length(reason) BETWEEN 1 AND 300", name=op.f("ck_part_protection_reason")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_part_protection_company_id")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_part_protection_part_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_part_protection")),
    )
    op.create_index("ix_part_protection_part", "part_protection", ["company_id", "part_id"])
    op.create_table(
        "part_protection_ended",
        sa.Column("protection_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        *_by("ended"),
        sa.ForeignKeyConstraint(
            ["protection_id"], ["part_protection.id"], name=op.f("fk_part_protection_ended_protection_id")
        ),
        sa.PrimaryKeyConstraint("protection_id", name=op.f("pk_part_protection_ended")),
    )
    op.create_table(
        "release_limit",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=True),
        *_by("stated"),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_release_limit_amount")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_release_limit_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_limit")),
    )
    op.create_index("ix_release_limit_company", "release_limit", ["company_id", sa.text("id DESC")])
    op.create_table(
        "release_approval",
        _id(),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=False),
        *_by("asked"),
        # A draft may be deleted, and what was asked about it with it.
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_release_approval_release_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_approval")),
    )  # fmt: skip
    op.create_index("ix_release_approval_release", "release_approval", ["release_id", sa.text("id DESC")])
    op.create_index("ix_release_approval_company", "release_approval", ["company_id", "id"])
    op.create_table(
        "release_approval_answer",
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_by("answered"),
        sa.CheckConstraint("length(reason) <= 300 AND (approved OR reason <> '')", name=op.f("ck_release_approval_answer_reason")),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["release_approval.id"], name=op.f("fk_release_approval_answer_approval_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_release_approval_answer")),
    )  # fmt: skip
    for table in _TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_OWN})")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_OWN})")
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
