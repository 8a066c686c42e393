"""What both sides of an order back write to each other: one thread beside what happened, facts that are only added.

Undo: downgrade() drops the table and what was written; the order's own story stays.

Revision ID: 300820
Revises: 300810
"""

import sqlalchemy as sa
from alembic import op

revision = "300820"
down_revision = "300810"
branch_labels = None
depends_on = None

_PARTY = "(maker_id = app_company() OR holder_id = app_company() OR company_id = app_company())"


def upgrade() -> None:
    op.create_table(
        "call_message",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        *(sa.Column(n, sa.Uuid(), nullable=False) for n in ("call_id", "maker_id", "holder_id", "company_id", "from_id", "author_id")),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_call_message_call_id")),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 2000", name=op.f("ck_call_message_text")),
        sa.CheckConstraint("from_id IN (maker_id, holder_id, company_id)", name=op.f("ck_call_message_party")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_message")),
    )  # fmt: skip
    op.create_index("ix_call_message_thread", "call_message", ["call_id", "id"])
    op.execute("ALTER TABLE call_message ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE call_message FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON call_message FOR SELECT TO backstock_app USING {_PARTY}")
    op.execute(
        f"CREATE POLICY app_insert ON call_message FOR INSERT TO backstock_app WITH CHECK ({_PARTY} AND from_id = app_company())"
    )
    op.execute("CREATE POLICY worker_read ON call_message FOR SELECT TO backstock_worker USING (true)")
    op.execute("GRANT SELECT, INSERT ON call_message TO backstock_app")
    op.execute("GRANT SELECT ON call_message TO backstock_worker")


def downgrade() -> None:
    op.drop_table("call_message")
