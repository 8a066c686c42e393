"""Files of parts, supersessions, prices, sites and other numbers; what an import changed, so that it can be undone.

A file is of a kind and takes effect in one of three ways: it adds what is new, updates what it names, or replaces what is on
record. What landed of a catalogue file is kept row by row with the values before. Prices have days from which they count.
Undo: downgrade() drops the tables and columns with what they hold; imports of the new kinds are marked as cancelled before.

Revision ID: 302400
Revises: 302700
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "302400"
down_revision = "302700"
branch_labels = None
depends_on = None

ROLES = "backstock_app, backstock_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("part", sa.Column("criticality", sa.Text(), nullable=True))
    op.add_column("part", sa.Column("export_control", sa.Text(), nullable=True))
    op.add_column("import_job", sa.Column("takes", sa.Text(), nullable=False, server_default="update"))
    op.add_column("import_job", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("import_job", sa.Column("undone_by", sa.Uuid(), nullable=True))
    op.create_check_constraint(op.f("ck_import_job_takes"), "import_job", "takes IN ('update','replace','add')")
    op.create_check_constraint(
        op.f("ck_import_job_kind"), "import_job", "kind IN ('stock','parts','supersessions','prices','sites','numbers')"
    )
    op.add_column("import_mapping", sa.Column("kind", sa.Text(), nullable=False, server_default="stock"))
    op.create_table(
        "catalogue_row",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("number_norm", sa.Text(collation="C"), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("other_norm", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("says", JSONB(), nullable=False),
        sa.Column("issues", JSONB(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("other_id", sa.Uuid(), nullable=True),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("after", JSONB(), nullable=True),
        sa.Column("fate", sa.Text(), nullable=False, server_default="bad"),
        sa.PrimaryKeyConstraint("job_id", "row_no", name=op.f("pk_catalogue_row")),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_catalogue_row_fate", "catalogue_row", ["job_id", "fate", "row_no"])
    op.create_table(
        "catalogue_change",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("other_id", sa.Uuid(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("after", JSONB(), nullable=True),
        sa.Column("undone", sa.Text(), nullable=True),
        sa.Column("kept_because", sa.Text(), nullable=True),
        sa.CheckConstraint("act IN ('new','changed','vanished','lot','count')", name=op.f("ck_catalogue_change_act")),
        sa.CheckConstraint("undone IN ('undone','partly','kept')", name=op.f("ck_catalogue_change_undone")),
        sa.ForeignKeyConstraint(["job_id"], ["import_job.id"], name=op.f("fk_catalogue_change_job_id")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_catalogue_change_company_id")),
        sa.PrimaryKeyConstraint("job_id", "row_no", name=op.f("pk_catalogue_change")),
    )
    op.create_index("ix_catalogue_change_company_id", "catalogue_change", ["company_id"])
    op.create_table(
        "part_price",
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("list_price", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.CheckConstraint("list_price >= 0", name=op.f("ck_part_price_price")),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_part_price_part_id")),
        sa.PrimaryKeyConstraint("part_id", "valid_from", name=op.f("pk_part_price")),
    )
    op.create_index("ix_part_price_valid_from", "part_price", ["valid_from"])
    op.execute("ALTER TABLE catalogue_change ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE catalogue_change FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON catalogue_change TO {ROLES} USING (company_id = app_company()) WITH CHECK (company_id = app_company())"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, MAINTAIN ON catalogue_row TO {ROLES}")
    op.execute(f"GRANT SELECT, INSERT ON catalogue_change TO {ROLES}")
    op.execute(f"GRANT UPDATE (undone, kept_because) ON catalogue_change TO {ROLES}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON part_price TO {ROLES}")
    # A part that an undone import made goes again, and only where nothing refers to it: the foreign keys see to that.
    op.execute(f"GRANT DELETE ON part, part_number, site, stock_line TO {ROLES}")
    for table in ("site", "stock_line"):
        op.execute(
            f"CREATE POLICY app_delete ON {table} FOR DELETE TO backstock_app USING (company_id = app_company())"
        )
    # What refers to a part or a site may be another company's, which no policy shows; only whether there is something is told.
    op.execute(
        """
        CREATE FUNCTION referred_to(kind text, ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
        SET search_path = public AS $$
        DECLARE edge record;
        BEGIN
            IF kind NOT IN ('part', 'site') THEN RAISE EXCEPTION 'no such kind'; END IF;
            FOR edge IN
                SELECT c.conrelid::regclass AS tab, a.attname AS col FROM pg_constraint c
                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                WHERE c.contype = 'f' AND c.confrelid = kind::regclass AND c.conparentid = 0
                AND c.conrelid <> 'part_number'::regclass
            LOOP
                RETURN QUERY EXECUTE format(
                    'SELECT DISTINCT i FROM unnest($1) i WHERE EXISTS (SELECT 1 FROM %s x WHERE x.%I = i)', edge.tab, edge.col
                ) USING ids;
            END LOOP;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION referred_to(text, uuid[]) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION referred_to(text, uuid[]) TO {ROLES}")


def downgrade() -> None:
    op.execute("DROP FUNCTION referred_to(text, uuid[])")
    op.execute(f"REVOKE DELETE ON part, part_number, site, stock_line FROM {ROLES}")
    for table in ("site", "stock_line"):
        op.execute(f"DROP POLICY app_delete ON {table}")
    op.drop_table("part_price")
    op.drop_table("catalogue_change")
    op.drop_table("catalogue_row")
    op.drop_column("import_mapping", "kind")
    op.drop_constraint(op.f("ck_import_job_kind"), "import_job")
    op.execute("UPDATE import_job SET step = 'cancelled' WHERE kind <> 'stock' AND step <> 'done'")
    op.drop_constraint(op.f("ck_import_job_takes"), "import_job")
    for column in ("takes", "undone_at", "undone_by"):
        op.drop_column("import_job", column)
    op.drop_column("part", "export_control")
    op.drop_column("part", "criticality")
