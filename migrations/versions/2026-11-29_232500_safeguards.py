"""What protects a maker's rights when a holder fails: records of insolvency with the legal holds that they set, and
security interests with their expiry.

All of it is the maker's own record: row level security opens it to nobody else. Rows are only added; that a record is
lifted, or an interest ended, is a row of its own, so that it happens once. ``number`` counts a pair's records: of two
people who record the same insolvency at once, the second finds the number taken.

Undo: downgrade() drops the tables; legal holds that a record set stay, and are then lifted one by one.

Revision ID: 292325
Revises: 292320
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292325"
down_revision = "292320"
branch_labels = None
depends_on = None

_TABLES = (
    "insolvency", "insolvency_note", "insolvency_hold", "insolvency_lifted", "security_interest", "security_interest_end",
)  # fmt: skip


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _fk(table: str, columns: list[str], other: str, to: list[str]) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(columns, [f"{other}.{c}" for c in to], name=op.f(f"fk_{table}_{'_'.join(columns)}"))


def upgrade() -> None:
    op.create_table(
        "insolvency",
        _id(),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("administrator", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("maker_id <> company_id", name=op.f("ck_insolvency_two")),
        sa.CheckConstraint("number > 0", name=op.f("ck_insolvency_number")),
        _fk("insolvency", ["maker_id"], "company", ["id"]),
        _fk("insolvency", ["company_id"], "company", ["id"]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insolvency")),
        sa.UniqueConstraint("maker_id", "company_id", "number", name=op.f("uq_insolvency_maker_id_company_id_number")),
    )
    op.create_index(op.f("ix_insolvency_company_id"), "insolvency", ["company_id"])
    op.create_index("ix_insolvency_maker", "insolvency", ["maker_id", "id"])
    op.create_table(
        "insolvency_note",
        _id(),
        sa.Column("insolvency_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("administrator", sa.Text(), nullable=True),
        sa.Column("noted_by", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        _fk("insolvency_note", ["insolvency_id"], "insolvency", ["id"]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insolvency_note")),
    )
    op.create_index("ix_insolvency_note_insolvency_id", "insolvency_note", ["insolvency_id", "id"])
    op.create_table(
        "insolvency_hold",
        sa.Column("insolvency_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("held_before", sa.Boolean(), nullable=False),
        _fk("insolvency_hold", ["insolvency_id"], "insolvency", ["id"]),
        _fk("insolvency_hold", ["agreement_id"], "agreement", ["id"]),
        sa.PrimaryKeyConstraint("insolvency_id", "agreement_id", name=op.f("pk_insolvency_hold")),
    )
    op.create_index(op.f("ix_insolvency_hold_agreement_id"), "insolvency_hold", ["agreement_id"])
    op.create_table(
        "insolvency_lifted",
        sa.Column("insolvency_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("holds", sa.Integer(), nullable=False),
        sa.Column("lifted_by", sa.Uuid(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("holds >= 0", name=op.f("ck_insolvency_lifted_holds")),
        _fk("insolvency_lifted", ["insolvency_id"], "insolvency", ["id"]),
        sa.PrimaryKeyConstraint("insolvency_id", name=op.f("pk_insolvency_lifted")),
    )
    op.create_table(
        "security_interest",
        _id(),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=True),
        sa.Column("continues_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("filed_with", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("filed_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("maker_id <> company_id", name=op.f("ck_security_interest_two")),
        sa.CheckConstraint("expires_on >= filed_on", name=op.f("ck_security_interest_expires")),
        sa.CheckConstraint(
            "kind IN ('ucc1','ppsa','retention_of_title','pledge','lien','other')",
            name=op.f("ck_security_interest_kind"),
        ),
        _fk("security_interest", ["maker_id"], "company", ["id"]),
        _fk("security_interest", ["company_id"], "company", ["id"]),
        _fk("security_interest", ["agreement_id"], "agreement", ["id"]),
        _fk("security_interest", ["continues_id"], "security_interest", ["id"]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_interest")),
        sa.UniqueConstraint("continues_id", name=op.f("uq_security_interest_continues_id")),
    )
    op.create_index(op.f("ix_security_interest_company_id"), "security_interest", ["company_id"])
    op.create_index(op.f("ix_security_interest_agreement_id"), "security_interest", ["agreement_id"])
    op.create_index("ix_security_interest_maker", "security_interest", ["maker_id", "id"])
    op.create_index("ix_security_interest_maker_expires", "security_interest", ["maker_id", "expires_on"])
    op.create_index("ix_security_interest_expires", "security_interest", ["expires_on"])
    op.create_table(
        "security_interest_end",
        sa.Column("security_interest_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        _fk("security_interest_end", ["security_interest_id"], "security_interest", ["id"]),
        sa.PrimaryKeyConstraint("security_interest_id", name=op.f("pk_security_interest_end")),
    )
    for table in _TABLES:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING (maker_id = app_company())")
        op.execute(
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK (maker_id = app_company()"
            f"{_WITHIN.get(table, '')})"
        )
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")


# What is added to a record, or names an agreement, is added to one's own.
_OF_RECORD = " AND EXISTS (SELECT 1 FROM insolvency i WHERE i.id = {0}.insolvency_id AND i.maker_id = {0}.maker_id)"
_WITHIN = {
    **{table: _OF_RECORD.format(table) for table in ("insolvency_note", "insolvency_hold", "insolvency_lifted")},
    "security_interest": " AND (agreement_id IS NULL OR EXISTS (SELECT 1 FROM agreement a "
    "WHERE a.id = security_interest.agreement_id AND a.maker_id = security_interest.maker_id "
    "AND a.holder_id = security_interest.company_id))",
    "security_interest_end": " AND EXISTS (SELECT 1 FROM security_interest s "
    "WHERE s.id = security_interest_end.security_interest_id AND s.maker_id = security_interest_end.maker_id)",
}


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
