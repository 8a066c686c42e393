"""Changing and ending agreements by both sides: a proposal names the terms as they are to be and is signed by whoever makes
it; the other side's signature makes a new agreement that replaces the old one, or ends it.

Undo: downgrade() drops the table and the column; what was agreed on stays, since each change made an agreement of its own.

Revision ID: 290180
Revises: 290120
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "290180"
down_revision = "290120"
branch_labels = None
depends_on = None

_SIDES = "maker_id = app_company() OR holder_id = app_company()"


def upgrade() -> None:
    op.add_column("agreement", sa.Column("replaces_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_agreement_replaces_id_agreement"), "agreement", "agreement", ["replaces_id"], ["id"])
    op.create_unique_constraint(op.f("uq_agreement_replaces_id"), "agreement", ["replaces_id"])
    op.create_table(
        "agreement_proposal",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("answers_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("clause", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("minimums", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("wording_sha256", postgresql.BYTEA(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_by_user", sa.Uuid(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("answered_by_user", sa.Uuid(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('change','end')", name=op.f("ck_agreement_proposal_kind")),
        sa.CheckConstraint(
            "status IN ('open','accepted','declined','withdrawn','countered','lapsed')",
            name=op.f("ck_agreement_proposal_status"),
        ),
        sa.CheckConstraint(
            "(kind = 'end') = (terms IS NULL) AND (terms IS NULL) = (reference IS NULL) "
            "AND (terms IS NULL) = (clause IS NULL) AND (terms IS NULL) = (version IS NULL) "
            "AND (terms IS NULL) = (minimums IS NULL)",
            name=op.f("ck_agreement_proposal_terms"),
        ),
        sa.CheckConstraint("(status = 'open') = (answered_at IS NULL)", name=op.f("ck_agreement_proposal_answered")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_agreement_proposal_agreement_id_agreement")
        ),
        sa.ForeignKeyConstraint(
            ["answers_id"], ["agreement_proposal.id"], name=op.f("fk_agreement_proposal_answers_id_agreement_proposal")
        ),
        sa.ForeignKeyConstraint(
            ["clause", "version"],
            ["clause_version.clause", "clause_version.version"],
            name=op.f("fk_agreement_proposal_clause_clause_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_proposal")),
        sa.UniqueConstraint("answers_id", name=op.f("uq_agreement_proposal_answers_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_agreement_proposal_reference")),
    )
    op.create_index("ix_agreement_proposal_agreement_id", "agreement_proposal", ["agreement_id", "id"])
    op.create_index(
        "uq_agreement_proposal_open", "agreement_proposal", ["agreement_id"], unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )  # fmt: skip
    for side in ("maker", "holder"):
        op.create_index(
            f"ix_agreement_proposal_{side}", "agreement_proposal", [f"{side}_id", "valid_until"],
            postgresql_where=sa.text("status = 'open'"),
        )  # fmt: skip
    op.execute("GRANT SELECT, INSERT, UPDATE ON agreement_proposal TO backstock_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON agreement_proposal TO backstock_worker")
    op.execute("ALTER TABLE agreement_proposal ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE agreement_proposal FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON agreement_proposal FOR SELECT TO backstock_app USING ({_SIDES})")
    op.execute(
        "CREATE POLICY app_insert ON agreement_proposal FOR INSERT TO backstock_app WITH CHECK "
        f"(proposed_by = app_company() AND ({_SIDES}) AND EXISTS (SELECT 1 FROM agreement a "
        "WHERE a.id = agreement_proposal.agreement_id AND a.maker_id = agreement_proposal.maker_id "
        "AND a.holder_id = agreement_proposal.holder_id))"
    )
    op.execute(
        f"CREATE POLICY app_update ON agreement_proposal FOR UPDATE TO backstock_app USING ({_SIDES}) "
        f"WITH CHECK ({_SIDES})"
    )
    op.execute("CREATE POLICY worker_all ON agreement_proposal TO backstock_worker USING (true) WITH CHECK (true)")
    # What ends soon and what has ended, for the clock.
    op.create_index(
        "ix_agreement_ending", "agreement", ["window_closes_at"],
        postgresql_where=sa.text("status IN ('active','expiring')"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_agreement_ending", table_name="agreement")
    op.drop_table("agreement_proposal")
    op.drop_constraint(op.f("uq_agreement_replaces_id"), "agreement", type_="unique")
    op.drop_constraint(op.f("fk_agreement_replaces_id_agreement"), "agreement", type_="foreignkey")
    op.drop_column("agreement", "replaces_id")
