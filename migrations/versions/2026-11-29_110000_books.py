"""What a maker's books need: its discount rate, and how each class of units of an agreement was classified when its
schedule was made, with the tests asked.

Both are the maker's accounting. A company's row can be read by everybody, so the rate has a table of its own that only the
company reads; a classification is read by its maker alone, not by the holder and not by a delegate. What was classified is
a fact: rows are added, never changed or taken away.

Undo: downgrade() drops both tables. Rates and stored classifications are lost then; nothing else rests on them.

Revision ID: 290110
Revises: 290100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "290110"
down_revision = "290100"
branch_labels = None
depends_on = None

SECURITY = """
GRANT SELECT, INSERT, UPDATE ON company_books TO backstock_app;
GRANT SELECT ON company_books TO backstock_worker;
ALTER TABLE company_books ENABLE ROW LEVEL SECURITY;
ALTER TABLE company_books FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON company_books FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON company_books FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON company_books FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON company_books TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON agreement_classification TO backstock_app;
GRANT SELECT ON agreement_classification TO backstock_worker;
ALTER TABLE agreement_classification ENABLE ROW LEVEL SECURITY;
ALTER TABLE agreement_classification FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON agreement_classification FOR SELECT TO backstock_app USING (maker_id = app_company());
CREATE POLICY app_insert ON agreement_classification FOR INSERT TO backstock_app WITH CHECK (maker_id = app_company() AND EXISTS (SELECT 1 FROM agreement a WHERE a.id = agreement_classification.agreement_id AND a.maker_id = app_company()));
CREATE POLICY worker_all ON agreement_classification TO backstock_worker USING (true) WITH CHECK (true);
"""


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def upgrade() -> None:
    op.create_table(
        "company_books",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("discount_rate_bp", sa.Integer(), nullable=True),
        sa.Column("changed_by", sa.UUID(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("discount_rate_bp BETWEEN 0 AND 10000", name=op.f("ck_company_books_discount_rate")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_books_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_books")),
    )
    op.create_table(
        "agreement_classification",
        sa.Column("agreement_id", sa.UUID(), nullable=False),
        sa.Column("part_id", sa.UUID(), nullable=False),
        sa.Column("unit_class", sa.Text(), nullable=False),
        sa.Column("maker_id", sa.UUID(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("needs_rate", sa.Boolean(), nullable=False),
        sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_agreement_classification_units")),
        sa.CheckConstraint(
            "unit_class IN ('floor','free','reserve')", name=op.f("ck_agreement_classification_unit_class")
        ),
        sa.CheckConstraint(
            "kind IN ('sale','sale_with_return','lease','financing','consignment','judgement')",
            name=op.f("ck_agreement_classification_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_agreement_classification_agreement_id_part_id"),
        ),
        sa.PrimaryKeyConstraint("agreement_id", "part_id", "unit_class", name=op.f("pk_agreement_classification")),
    )
    _run(SECURITY)


def downgrade() -> None:
    op.drop_table("agreement_classification")
    op.drop_table("company_books")
