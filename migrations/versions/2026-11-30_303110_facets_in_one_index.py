"""What a search is narrowed by stands together in one small index for each facet that narrows much.

Why: an index of one column and the id names every row by itself (45 MB for a million listings, five of them), and three filters were
answered by reading three of them as a whole. An index of the columns together names equal rows once (8 MB), and a search reads in it
only what fits all filters; columns that nothing is chosen of are skipped over. Row level security lets only comparisons into an index
that cannot tell of rows which are not shown, which the overlap of two lists of clauses is not: so the clauses of a listing stand beside
the list as one text (``clause_key``: in order, joined by '+'), kept by the database itself. The statistics say which classes, sellers and
clauses go together, so that a search for what does not is not planned as if it did.

Undo: downgrade() puts the five indexes back and drops column, function and statistics; nothing is lost, since it is a copy.

Revision ID: 303110
Revises: 303100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "303110"
down_revision = "303100"
branch_labels = None
depends_on = None

OPEN = sa.text("published AND ordered < quantity")
OLD = ("class_code", "maker_id", "country", "condition")
REST = ("clause_key", "use_class", "condition", "country")
FACETS = {
    "class": ("class_code", *REST),
    "seller": ("company_id", *REST),
    "maker": ("maker_id", *REST),
    "country": ("country", *REST[:-1]),
    "seller_class": ("company_id", "class_code"),
}
_COLUMNS = "class_code, clause_key, use_class, condition, country, company_id, maker_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute(
        "CREATE FUNCTION clause_key(clauses text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS "
        """$$ SELECT coalesce(string_agg(DISTINCT x, '+' ORDER BY x), '') FROM unnest($1) x(x) $$"""
    )
    op.add_column(
        "listing", sa.Column("clause_key", sa.Text(), sa.Computed("clause_key(clauses)", persisted=True), nullable=False)
    )  # fmt: skip
    for name, columns in FACETS.items():
        op.create_index(f"ix_listing_{name}_facets", "listing", list(columns), postgresql_where=OPEN)
    for column in OLD:
        op.drop_index(f"ix_listing_{column}_open", "listing")
    op.execute(f"CREATE STATISTICS listing_facets (dependencies, mcv) ON {_COLUMNS} FROM listing")
    # The view as it stands, with the column behind the others.
    view = op.get_bind().scalar(sa.text("SELECT pg_get_viewdef('listing_seen'::regclass)"))
    head, found, rule = view.rstrip().rstrip(";").rpartition("\n   FROM listing\n")
    if not found:
        raise RuntimeError("The view listing_seen is not the one that this migration knows.")
    op.execute(f"CREATE OR REPLACE VIEW listing_seen WITH (security_invoker = true) AS {head}, clause_key{found}{rule}")


def downgrade() -> None:
    view = op.get_bind().scalar(sa.text("SELECT pg_get_viewdef('listing_seen'::regclass)"))
    op.execute("DROP VIEW listing_seen")
    op.execute(
        "CREATE VIEW listing_seen WITH (security_invoker = true) AS "
        + view.rstrip().rstrip(";").replace(",\n    clause_key\n", "\n")
    )
    op.execute("GRANT SELECT ON listing_seen TO backstock_app, backstock_worker")
    op.execute("DROP STATISTICS listing_facets")
    for column in OLD:
        op.create_index(f"ix_listing_{column}_open", "listing", [column, "id"], postgresql_where=OPEN)
    for name in FACETS:
        op.drop_index(f"ix_listing_{name}_facets", "listing")
    op.drop_column("listing", "clause_key")
    op.execute("DROP FUNCTION clause_key(text[])")
