"""Cycle counts: a sheet for a site (or a part or an agreement there), what was counted as it goes, and what came of it.

Whoever scans and walks away finds the sheet again on any device, so every scan is a row of its own, and nothing is taken
back but by another row. A sheet is compared with the ledger as of the moment at which each part was counted.

Undo: downgrade() drops the tables; what counts changed stays in the ledger.

Revision ID: 300410
Revises: 300400
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "300410"
down_revision = "300400"
branch_labels = None
depends_on = None

_TABLES = ("count_sheet", "count_entry", "count_recount", "count_result", "count_end", "count_tolerance")

# A serial number that the holder may not see is told to be on record, and nothing more: it holds the unit in its hands.
_KNOWN = """
CREATE FUNCTION count_known_elsewhere(of_sheet uuid) RETURNS TABLE (serial text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT DISTINCT upper(e.serial) FROM count_entry e
    WHERE e.sheet_id = of_sheet AND e.holder_id = app_company() AND e.serial IS NOT NULL AND e.lot_id IS NULL
      AND EXISTS (SELECT FROM lot l WHERE upper(l.serial) = upper(e.serial) AND l.serial IS NOT NULL)
$$
"""


def _uuid(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _fk(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "count_sheet", _id(), _uuid("holder_id"), sa.Column("reference", sa.Text(), nullable=False), _uuid("site_id"),
        _uuid("part_id", nullable=True), _uuid("agreement_id", nullable=True), sa.Column("blind", sa.Boolean(), nullable=False),
        _uuid("opened_by"), _at("opened_at"), _fk("count_sheet", "site_id", "site"), _fk("count_sheet", "part_id", "part"),
        _fk("count_sheet", "agreement_id", "agreement"), sa.PrimaryKeyConstraint("id", name=op.f("pk_count_sheet")),
        sa.UniqueConstraint("reference", name=op.f("uq_count_sheet_reference")),
    )  # fmt: skip
    op.create_index("ix_count_sheet_holder", "count_sheet", ["holder_id", "id"])
    op.create_index(op.f("ix_count_sheet_site_id"), "count_sheet", ["site_id"])
    op.create_table(
        "count_entry", _id(), _uuid("sheet_id"), _uuid("holder_id"), _uuid("part_id", nullable=True), _uuid("lot_id", nullable=True),
        sa.Column("serial", sa.Text(), nullable=True), _number("quantity"), _number("round"), sa.Column("how", sa.Text(), nullable=False),
        _uuid("takes_back", nullable=True), _uuid("by"), _at("at"),
        sa.CheckConstraint("quantity >= 0 AND round > 0", name=op.f("ck_count_entry_quantity")),
        sa.CheckConstraint("part_id IS NOT NULL OR serial IS NOT NULL", name=op.f("ck_count_entry_what")),
        sa.CheckConstraint("how IN ('scan','typed','list')", name=op.f("ck_count_entry_how")),
        _fk("count_entry", "sheet_id", "count_sheet"), _fk("count_entry", "part_id", "part"),
        _fk("count_entry", "takes_back", "count_entry"), sa.PrimaryKeyConstraint("id", name=op.f("pk_count_entry")),
        sa.UniqueConstraint("takes_back", name=op.f("uq_count_entry_takes_back")),
    )  # fmt: skip
    op.create_index("ix_count_entry_sheet", "count_entry", ["sheet_id", "id"])
    op.create_index(
        "ix_count_entry_lot", "count_entry", ["lot_id", "at"], postgresql_where=sa.text("lot_id IS NOT NULL")
    )
    op.create_table(
        "count_recount", _uuid("sheet_id"), _uuid("part_id"), _number("round"), _uuid("holder_id"), _uuid("by"), _at("at"),
        _fk("count_recount", "sheet_id", "count_sheet"), _fk("count_recount", "part_id", "part"),
        sa.PrimaryKeyConstraint("sheet_id", "part_id", "round", name=op.f("pk_count_recount")),
    )  # fmt: skip
    op.create_table(
        "count_result", _uuid("sheet_id"), _uuid("part_id"), _uuid("holder_id"), _number("round"), _at("counted_at"),
        _number("expected"), _number("counted"), _number("moved_since"), _number("tolerated"), _number("adjusted"),
        _number("withdrawn"), _number("put_right"), sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint("expected >= 0 AND counted >= 0 AND tolerated >= 0", name=op.f("ck_count_result_units")),
        _fk("count_result", "sheet_id", "count_sheet"), _fk("count_result", "part_id", "part"),
        sa.PrimaryKeyConstraint("sheet_id", "part_id", name=op.f("pk_count_result")),
    )  # fmt: skip
    op.create_table(
        "count_end", _uuid("sheet_id"), _uuid("holder_id"), sa.Column("how", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False), _uuid("by"), _at("at"),
        sa.CheckConstraint("how IN ('confirmed','dropped')", name=op.f("ck_count_end_how")),
        _fk("count_end", "sheet_id", "count_sheet"), sa.PrimaryKeyConstraint("sheet_id", name=op.f("pk_count_end")),
    )  # fmt: skip
    op.create_table(
        "count_tolerance", _uuid("company_id"), sa.Column("class_code", sa.Text(), nullable=False), _number("basis_points"),
        _uuid("set_by"), _at("set_at"),
        sa.CheckConstraint("basis_points BETWEEN 0 AND 10000", name=op.f("ck_count_tolerance_share")),
        _fk("count_tolerance", "company_id", "company"),
        sa.PrimaryKeyConstraint("company_id", "class_code", name=op.f("pk_count_tolerance")),
    )  # fmt: skip
    for table in _TABLES:
        mine = "company_id" if table == "count_tolerance" else "holder_id"
        within = "" if table in ("count_sheet", "count_tolerance") else (
            f" AND EXISTS (SELECT FROM count_sheet s WHERE s.id = {table}.sheet_id AND s.holder_id = {table}.holder_id)"
        )  # fmt: skip
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({mine} = app_company())")
        op.execute(
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({mine} = app_company(){within})"
        )
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")
    op.execute("GRANT UPDATE (basis_points, set_by, set_at) ON count_tolerance TO backstock_app")
    op.execute(
        "CREATE POLICY app_update ON count_tolerance FOR UPDATE TO backstock_app USING (company_id = app_company()) "
        "WITH CHECK (company_id = app_company())"
    )
    op.execute(_KNOWN)
    op.execute("REVOKE ALL ON FUNCTION count_known_elsewhere(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION count_known_elsewhere(uuid) TO backstock_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION count_known_elsewhere(uuid)")
    for table in reversed(_TABLES):
        op.drop_table(table)
