"""Documents that hang on parts, units, listings, orders and orders back.

What a file holds is kept once for a company, by its hash, in the database: in the same transaction as the row that names it, and in every
backup. Who may see a document is asked of the thing that it hangs on: the policies below look that thing up, and its own policies answer.
Documents are added and withdrawn, never changed.
Undo: downgrade() drops the tables with all files that were kept.

Revision ID: 302300
Revises: 302120
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302300"
down_revision = "302120"
branch_labels = None
depends_on = None

_OWN = "company_id = app_company()"
_SEEN = """(
    part_id IS NOT NULL AND EXISTS (SELECT FROM part t WHERE t.id = part_id)
    OR lot_id IS NOT NULL AND EXISTS (SELECT FROM lot t WHERE t.lot_id = document.lot_id)
    OR listing_id IS NOT NULL AND EXISTS (SELECT FROM listing t WHERE t.id = listing_id)
    OR order_id IS NOT NULL AND EXISTS (SELECT FROM purchase_order t WHERE t.id = order_id)
    OR call_id IS NOT NULL AND EXISTS (SELECT FROM call t WHERE t.id = call_id)
)"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "document_content",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("small", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_document_content_sha256")),
        sa.CheckConstraint("size BETWEEN 1 AND 15728640", name=op.f("ck_document_content_size")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_document_content_company_id")),
        sa.PrimaryKeyConstraint("company_id", "sha256", name=op.f("pk_document_content")),
    )
    # Read in pieces, and compressed already.
    op.execute("ALTER TABLE document_content ALTER COLUMN content SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE document_content ALTER COLUMN small SET STORAGE EXTERNAL")
    op.create_table(
        "document_usage",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_document_usage_bytes")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_document_usage_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_document_usage")),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=True),
        sa.Column("lot_id", sa.Uuid(), nullable=True),
        sa.Column("listing_id", sa.Uuid(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(part_id, lot_id, listing_id, order_id, call_id) = 1", name=op.f("ck_document_on")),
        sa.CheckConstraint("audience IN ('same', 'own')", name=op.f("ck_document_audience")),
        sa.CheckConstraint(
            "kind IN ('certificate', 'photo', 'drawing', 'data_sheet', 'packing_list', 'other')", name=op.f("ck_document_kind")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 120", name=op.f("ck_document_name")),
        sa.CheckConstraint("length(note) <= 500", name=op.f("ck_document_note")),
        sa.ForeignKeyConstraint(
            ["company_id", "sha256"], ["document_content.company_id", "document_content.sha256"], name=op.f("fk_document_company_id_sha256")
        ),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_document_part_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_document_lot_id")),
        # A line of a draft may be taken out again, and its documents with it.
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_document_listing_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["order_id"], ["purchase_order.id"], name=op.f("fk_document_order_id")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_document_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
    )  # fmt: skip
    for name in ("part", "lot", "listing", "order", "call"):
        op.create_index(
            f"ix_document_{name}", "document", [f"{name}_id", "id"], postgresql_where=sa.text(f"{name}_id IS NOT NULL")
        )
    op.create_index("ix_document_company", "document", ["company_id", "id"])
    op.create_index("ix_document_content", "document", ["company_id", "sha256"])
    op.create_table(
        "document_withdrawn",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.id"], name=op.f("fk_document_withdrawn_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_document_withdrawn")),
    )
    for table in ("document_content", "document_usage", "document", "document_withdrawn"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_OWN})")
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")
    op.execute("GRANT UPDATE (bytes) ON document_usage TO backstock_app")
    op.execute(f"CREATE POLICY app_read ON document_usage FOR SELECT TO backstock_app USING ({_OWN})")
    op.execute(
        f"CREATE POLICY app_update ON document_usage FOR UPDATE TO backstock_app USING ({_OWN}) WITH CHECK ({_OWN})"
    )
    # That a document was withdrawn is known to whoever could read it; the row says nothing else.
    op.execute("CREATE POLICY app_read ON document_withdrawn FOR SELECT TO backstock_app USING (true)")
    op.execute(
        f"CREATE POLICY app_read ON document FOR SELECT TO backstock_app USING ({_OWN} OR (audience = 'same' AND {_SEEN} "
        "AND NOT EXISTS (SELECT FROM document_withdrawn w WHERE w.document_id = document.id)))"
    )
    op.execute(
        f"CREATE POLICY app_read ON document_content FOR SELECT TO backstock_app USING ({_OWN} OR EXISTS ("
        "SELECT FROM document d WHERE d.company_id = document_content.company_id AND d.sha256 = document_content.sha256))"
    )


def downgrade() -> None:
    # Each policy looks into the next table.
    op.execute("DROP POLICY app_read ON document_content")
    op.execute("DROP POLICY app_read ON document")
    for table in ("document_withdrawn", "document", "document_usage", "document_content"):
        op.drop_table(table)
