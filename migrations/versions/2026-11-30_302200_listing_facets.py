"""A listing says itself what a search is narrowed by: class and maker of its part, clauses, use and currency of its posting.

Why: with them in other tables, counting what three filters leave among a million listings took up to a second: each row had to be
joined before it could be thrown away. The copies are kept by triggers, also where rows are loaded in bulk, so that no writer can
forget them; a part that changes its class takes its listings along. Undo: downgrade() drops columns, triggers and indexes; nothing is
lost, since they are copies.

Revision ID: 302200
Revises: 302020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302200"
down_revision = "302020"
branch_labels = None
depends_on = None

CLAUSES = "ARRAY[r.clause] || ARRAY(SELECT x ->> 'clause' FROM jsonb_array_elements(r.further) x)"
# As their owner, since a part is changed by whoever keeps the catalogue and its listings are everybody's.
FUNCTIONS = (
    f"""
CREATE FUNCTION listing_copies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    SELECT p.class_code, p.maker_id INTO NEW.class_code, NEW.maker_id FROM part p WHERE p.id = NEW.part_id;
    SELECT {CLAUSES}, r.use_class, r.currency INTO NEW.clauses, NEW.use_class, NEW.currency FROM release r WHERE r.id = NEW.release_id;
    RETURN NEW;
END $$
""",
    f"""
CREATE FUNCTION listing_follows_release() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE listing l SET clauses = {CLAUSES}, use_class = r.use_class, currency = r.currency
    FROM release r WHERE r.id = NEW.id AND l.release_id = r.id;
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION listing_follows_part() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE listing l SET class_code = NEW.class_code, maker_id = NEW.maker_id WHERE l.part_id = NEW.id;
    RETURN NULL;
END $$
""",
    "CREATE TRIGGER listing_copies BEFORE INSERT ON listing FOR EACH ROW EXECUTE FUNCTION listing_copies()",
    (
        "CREATE TRIGGER listing_follows_release AFTER UPDATE OF clause, further, use_class, currency ON release FOR EACH ROW "
        "WHEN ((OLD.clause, OLD.further, OLD.use_class, OLD.currency) IS DISTINCT FROM (NEW.clause, NEW.further, NEW.use_class, NEW.currency)) "
        "EXECUTE FUNCTION listing_follows_release()"
    ),
    (
        "CREATE TRIGGER listing_follows_part AFTER UPDATE OF class_code, maker_id ON part FOR EACH ROW "
        "WHEN ((OLD.class_code, OLD.maker_id) IS DISTINCT FROM (NEW.class_code, NEW.maker_id)) EXECUTE FUNCTION listing_follows_part()"
    ),
)
OPEN = sa.text("published AND ordered < quantity")
BY = ("class_code", "maker_id", "company_id", "country", "condition")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("listing", sa.Column("class_code", sa.Text(), nullable=True))
    op.add_column("listing", sa.Column("maker_id", sa.Uuid(), nullable=True))
    op.add_column("listing", sa.Column("clauses", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    op.add_column("listing", sa.Column("use_class", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("listing", sa.Column("currency", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(
        f"UPDATE listing l SET class_code = p.class_code, maker_id = p.maker_id, clauses = {CLAUSES}, use_class = r.use_class, "
        "currency = r.currency FROM part p, release r WHERE p.id = l.part_id AND r.id = l.release_id"
    )
    for statement in FUNCTIONS:
        op.execute(statement)
    for column in BY:
        op.create_index(f"ix_listing_{column}_open", "listing", [column, "id"], postgresql_where=OPEN)


def downgrade() -> None:
    for column in BY:
        op.drop_index(f"ix_listing_{column}_open", "listing")
    op.execute("DROP TRIGGER listing_follows_part ON part")
    op.execute("DROP TRIGGER listing_follows_release ON release")
    op.execute("DROP TRIGGER listing_copies ON listing")
    op.execute("DROP FUNCTION listing_follows_part(), listing_follows_release(), listing_copies()")
    for column in ("currency", "use_class", "clauses", "maker_id", "class_code"):
        op.drop_column("listing", column)
