"""What a company's files call its sites is kept, as what they call conditions is.

Undo: downgrade() drops the words; files then name sites by their codes and names only.

Revision ID: 304100
Revises: 304000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "304100"
down_revision = "304000"
branch_labels = None
depends_on = None

POLICIES = """
GRANT SELECT, INSERT, UPDATE, DELETE ON site_word TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON site_word TO backstock_worker;
ALTER TABLE site_word ENABLE ROW LEVEL SECURITY;
ALTER TABLE site_word FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON site_word FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON site_word FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON site_word FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY app_delete ON site_word FOR DELETE TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON site_word TO backstock_worker USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.create_table(
        "site_word",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("site_id", sa.UUID(), nullable=False),
        sa.Column("said_by", sa.UUID(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(word) BETWEEN 1 AND 200", name=op.f("ck_site_word_word")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_site_word_company_id")),
        sa.ForeignKeyConstraint(["said_by"], ["user_account.id"], name=op.f("fk_site_word_said_by")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_word_site_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("company_id", "word", name=op.f("pk_site_word")),
    )
    op.create_index(op.f("ix_site_word_site_id"), "site_word", ["site_id"])
    for statement in filter(str.strip, POLICIES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("site_word")
