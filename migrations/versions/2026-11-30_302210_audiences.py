"""Who sees which posting, from when and at which price: one rule, said once.

A company keeps groups of partners, blocks partners, records which of them are cleared for controlled parts and which parts those
are. A posting is opened in windows: to partners by name and to groups at once or from a moment on, and to everyone from a moment on.
Nothing has to run for a window to open: the rule reads the clock of the database, so no posting is seen early or late.

The rule is the text ``SEEN`` below. It stands in two places that nobody can pass by: the policies of row level security, and the
views ``listing_seen`` and ``release_seen`` through which every search, count, page, file and message of a partner reads. The view
also gives the price that its reader pays, the lowest of those that apply.

What a partner is named for stays in ``release.audience_ids``; postings of before are seen as they were. Undo: downgrade() puts the
old policies back and drops groups, blocks, clearances, windows and prices; a posting that opens to groups or later is then seen only
by those whom it names.

Revision ID: 302210
Revises: 302200
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302210"
down_revision = "302200"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
# Subqueries without anything from the row are asked once a statement.
PARTNER = "(SELECT c.is_partner FROM company c WHERE c.id = app_company())"
NOT_BLOCKED = "{t}.company_id NOT IN (SELECT app_blocked_by())"
ADMITTED = f"((({{everyone}} OR {{t}}.open_from <= now()) AND {PARTNER}) OR app_company() = ANY ({{t}}.audience_ids) OR {{release}} IN (SELECT app_windows()))"
CLEARED = "(NOT listing.controlled OR listing.company_id IN (SELECT app_cleared_by()))"
LISTING = f"listing.published AND {NOT_BLOCKED.format(t='listing')} AND {CLEARED} AND " + ADMITTED.format(
    t="listing", everyone="listing.audience_ids IS NULL", release="listing.release_id"
)
RELEASE = f"release.status <> 'draft' AND {NOT_BLOCKED.format(t='release')} AND " + ADMITTED.format(
    t="release", everyone="release.audience = 'all'", release="release.id"
)
SEEN = {
    "listing": f"listing.company_id = app_company() OR ({LISTING})",
    "release": f"release.company_id = app_company() OR ({RELEASE})",
}

FUNCTIONS = """
CREATE FUNCTION app_groups() RETURNS SETOF uuid LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public ROWS 10 AS
    $$ SELECT group_id FROM partner_group_member WHERE partner_id = app_company() $$;
CREATE FUNCTION app_windows() RETURNS SETOF uuid LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public ROWS 100 AS
    $$ SELECT release_id FROM release_window WHERE partner_id = app_company() AND (opens_at IS NULL OR opens_at <= now())
       UNION SELECT w.release_id FROM partner_group_member m JOIN release_window w ON w.group_id = m.group_id
       WHERE m.partner_id = app_company() AND (w.opens_at IS NULL OR w.opens_at <= now()) $$;
CREATE FUNCTION app_blocked_by() RETURNS SETOF uuid LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public ROWS 10 AS
    $$ SELECT company_id FROM partner_block WHERE partner_id = app_company() AND lifted_at IS NULL $$;
CREATE FUNCTION app_cleared_by() RETURNS SETOF uuid LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public ROWS 10 AS
    $$ SELECT company_id FROM export_clearance WHERE partner_id = app_company() AND withdrawn_at IS NULL
       AND valid_until >= (now() AT TIME ZONE 'UTC')::date $$;
REVOKE ALL ON FUNCTION app_groups(), app_windows(), app_blocked_by(), app_cleared_by() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app_groups(), app_windows(), app_blocked_by(), app_cleared_by() TO backstock_app, backstock_worker;
"""

# Prices of whoever reads: of the company, the posting or the line, by name or by group. Row level security shows a partner its own.
APPLIES = "(p.partner_id = app_company() OR p.group_id IN (SELECT app_groups()))"
VIEWS = f"""
CREATE VIEW listing_seen WITH (security_invoker = true) AS
SELECT listing.id, listing.release_id, listing.company_id, listing.part_id, listing.site_id, listing.place, listing.region, listing.country,
       listing.lat, listing.lon, listing.condition, listing.quantity, listing.ordered, listing.unit_price AS posted_price,
       CASE WHEN listing.company_id <> app_company() AND listing.company_id IN (
           SELECT p.company_id FROM partner_price p WHERE p.ended_at IS NULL AND {APPLIES}
       ) THEN least(listing.unit_price, (
           SELECT min(coalesce(p.unit_price, round(listing.unit_price * (10000 - p.off_bp) / 10000, 4))) FROM partner_price p
           WHERE p.company_id = listing.company_id AND p.ended_at IS NULL AND {APPLIES}
             AND (p.release_id IS NULL OR p.release_id = listing.release_id) AND (p.listing_id IS NULL OR p.listing_id = listing.id)
       )) ELSE listing.unit_price END AS unit_price,
       listing.minimum_quantity, listing.package_quantity, listing.minimum_to_keep, listing.published, listing.controlled, listing.created_at,
       listing.class_code, listing.maker_id, listing.clauses, listing.use_class, listing.currency
FROM listing WHERE {SEEN["listing"]};
CREATE VIEW release_seen WITH (security_invoker = true) AS SELECT release.* FROM release WHERE {SEEN["release"]};
GRANT SELECT ON listing_seen, release_seen TO backstock_app, backstock_worker;
"""
UNITS = """
CREATE OR REPLACE FUNCTION listed_units(of_listing uuid, most integer)
RETURNS TABLE (serial text, batch text, quantity integer, made_on date, expires_on date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT t.serial, t.batch, sum(b.quantity)::int, t.made_on, t.expires_on
    FROM {listing} l JOIN listing_lot b ON b.listing_id = l.id JOIN lot t ON t.lot_id = b.lot_id
    WHERE l.id = of_listing AND app_company() IS NOT NULL {also}
    GROUP BY t.serial, t.batch, t.made_on, t.expires_on
    ORDER BY t.serial NULLS LAST, t.batch NULLS LAST, t.expires_on LIMIT most
$$
"""
OLD_UNITS = f"AND (l.company_id = app_company() OR (l.published AND ((l.audience_ids IS NULL AND {PARTNER}) OR app_company() = ANY (l.audience_ids))))"
OWN = "company_id = app_company()"
CONTROLLED = (
    "(r.terms ->> 'export_class' IS NOT NULL OR jsonb_path_exists(r.further, '$[*].terms.export_class ? (@ != null)'))"
)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _company(table: str, column: str = "company_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["company.id"], name=op.f(f"fk_{table}_{column}"))


def _recorded(by: str = "recorded_by", at: str = "recorded_at") -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column(by, sa.Uuid(), nullable=False), sa.Column(at, sa.DateTime(timezone=True), nullable=False)


def _ended(word: str) -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column(f"{word}_by", sa.Uuid(), nullable=True), sa.Column(
        f"{word}_at", sa.DateTime(timezone=True), nullable=True
    )


def _secure(
    table: str, *, read: str = OWN, grants: str = "SELECT, INSERT", update: str = "", delete: bool = False
) -> None:
    op.execute(f"GRANT {grants} ON {table} TO backstock_app")
    op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({read})")
    op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({OWN})")
    if update:
        op.execute(f"GRANT UPDATE ({update}) ON {table} TO backstock_app")
        op.execute(f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({OWN}) WITH CHECK ({OWN})")
    if delete:
        op.execute(f"CREATE POLICY app_delete ON {table} FOR DELETE TO backstock_app USING ({OWN})")
    op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")


def _scripts(script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "partner_group", _id(), sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("name", sa.Text(), nullable=False),
        *_recorded("made_by", "made_at"),
        sa.CheckConstraint("name = btrim(name) AND length(name) BETWEEN 1 AND 80", name=op.f("ck_partner_group_name")),
        _company("partner_group"), sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_group")),
    )  # fmt: skip
    op.create_index("uq_partner_group_name", "partner_group", ["company_id", sa.text("lower(name)")], unique=True)
    op.create_table(
        "partner_group_member", sa.Column("group_id", sa.Uuid(), nullable=False), sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["partner_group.id"], name=op.f("fk_partner_group_member_group_id"), ondelete="CASCADE"),
        _company("partner_group_member", "partner_id"),
        sa.PrimaryKeyConstraint("group_id", "partner_id", name=op.f("pk_partner_group_member")),
    )  # fmt: skip
    op.create_index("ix_partner_group_member_partner_id", "partner_group_member", ["partner_id"])
    op.create_table(
        "partner_block", _id(), sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False), *_recorded(), *_ended("lifted"),
        sa.CheckConstraint("company_id <> partner_id", name=op.f("ck_partner_block_two")),
        _company("partner_block"), _company("partner_block", "partner_id"), sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_block")),
    )  # fmt: skip
    op.create_index(
        "uq_partner_block_open",
        "partner_block",
        ["partner_id", "company_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_index("ix_partner_block_company", "partner_block", ["company_id", "id"])
    op.create_table(
        "export_clearance", _id(), sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False), sa.Column("valid_until", sa.Date(), nullable=False), *_recorded(),
        *_ended("withdrawn"), sa.CheckConstraint("company_id <> partner_id", name=op.f("ck_export_clearance_two")),
        _company("export_clearance"), _company("export_clearance", "partner_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_clearance")),
    )  # fmt: skip
    op.create_index(
        "ix_export_clearance_partner",
        "export_clearance",
        ["partner_id", "valid_until"],
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_index("ix_export_clearance_company", "export_clearance", ["company_id", "id"])
    op.create_table(
        "controlled_part", sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("classification", sa.Text(), nullable=False), *_recorded(), _company("controlled_part"),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_controlled_part_part_id")),
        sa.PrimaryKeyConstraint("company_id", "part_id", name=op.f("pk_controlled_part")),
    )  # fmt: skip
    op.add_column("release", sa.Column("open_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("listing", sa.Column("open_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("listing", sa.Column("controlled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(f"UPDATE listing l SET controlled = true FROM release r WHERE r.id = l.release_id AND {CONTROLLED}")
    op.create_table(
        "release_window", _id(), sa.Column("release_id", sa.Uuid(), nullable=False), sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True), sa.Column("partner_id", sa.Uuid(), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("num_nonnulls(partner_id, group_id) = 1", name=op.f("ck_release_window_who")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_release_window_release_id"), ondelete="CASCADE"),
        _company("release_window", "partner_id"),
        sa.ForeignKeyConstraint(["group_id"], ["partner_group.id"], name=op.f("fk_release_window_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_window")),
    )  # fmt: skip
    op.create_index("ix_release_window_release_id", "release_window", ["release_id"])
    op.create_index(
        "ix_release_window_partner_id",
        "release_window",
        ["partner_id"],
        postgresql_where=sa.text("partner_id IS NOT NULL"),
    )
    op.create_index(
        "ix_release_window_group_id", "release_window", ["group_id"], postgresql_where=sa.text("group_id IS NOT NULL")
    )
    op.create_table(
        "partner_price", _id(), sa.Column("company_id", sa.Uuid(), nullable=False), sa.Column("release_id", sa.Uuid(), nullable=True),
        sa.Column("listing_id", sa.Uuid(), nullable=True), sa.Column("partner_id", sa.Uuid(), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True), sa.Column("off_bp", sa.Integer(), nullable=True),
        sa.Column("unit_price", sa.Numeric(16, 4), nullable=True), *_recorded(), *_ended("ended"),
        sa.CheckConstraint("num_nonnulls(partner_id, group_id) = 1", name=op.f("ck_partner_price_who")),
        sa.CheckConstraint("num_nonnulls(off_bp, unit_price) = 1", name=op.f("ck_partner_price_what")),
        sa.CheckConstraint("off_bp BETWEEN 1 AND 10000", name=op.f("ck_partner_price_off")),
        sa.CheckConstraint("unit_price IS NULL OR (unit_price >= 0 AND listing_id IS NOT NULL)", name=op.f("ck_partner_price_amount")),
        sa.CheckConstraint("listing_id IS NULL OR release_id IS NOT NULL", name=op.f("ck_partner_price_line")),
        _company("partner_price"), _company("partner_price", "partner_id"),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_partner_price_release_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_partner_price_listing_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["partner_group.id"], name=op.f("fk_partner_price_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_price")),
    )  # fmt: skip
    op.create_index("ix_partner_price_company", "partner_price", ["company_id", "id"])
    for column in ("partner_id", "group_id", "release_id", "listing_id"):
        op.create_index(
            f"ix_partner_price_{column}", "partner_price", [column], postgresql_where=sa.text(f"{column} IS NOT NULL")
        )
    _scripts(FUNCTIONS)
    _secure("partner_group", update="name", grants="SELECT, INSERT, DELETE", delete=True)
    _secure("partner_group_member", grants="SELECT, INSERT, DELETE", delete=True)
    _secure("partner_block", update="lifted_by, lifted_at")
    _secure("export_clearance", update="withdrawn_by, withdrawn_at")
    _secure("controlled_part", grants="SELECT, INSERT, DELETE", delete=True)
    _secure("release_window", grants="SELECT, INSERT, DELETE", delete=True)
    reads_price = "company_id = app_company() OR partner_id = app_company() OR group_id IN (SELECT app_groups())"
    _secure("partner_price", read=reads_price, update="ended_by, ended_at")
    sources = "listing.company_id = ANY (app_sources()) AND " + NOT_BLOCKED.format(t="listing")
    op.execute(f"ALTER POLICY app_read ON listing USING ({SEEN['listing']} OR ({sources}))")
    op.execute(f"ALTER POLICY app_read ON release USING ({SEEN['release']})")
    _scripts(VIEWS)
    op.execute(UNITS.format(listing="listing_seen", also=""))


def downgrade() -> None:
    op.execute(UNITS.format(listing="listing", also=OLD_UNITS))
    op.execute(
        "ALTER POLICY app_read ON release USING (company_id = app_company() OR (status <> 'draft' AND "
        f"((audience = 'all' AND {PARTNER}) OR app_company() = ANY (audience_ids))))"
    )
    op.execute(
        "ALTER POLICY app_read ON listing USING (company_id = app_company() OR company_id = ANY (app_sources()) OR "
        f"(published AND ((audience_ids IS NULL AND {PARTNER}) OR app_company() = ANY (audience_ids))))"
    )
    op.execute("DROP VIEW listing_seen, release_seen")
    for table in (
        "partner_price",
        "release_window",
        "controlled_part",
        "export_clearance",
        "partner_block",
        "partner_group_member",
    ):
        op.drop_table(table)
    op.drop_table("partner_group")
    op.execute("DROP FUNCTION app_groups(), app_windows(), app_blocked_by(), app_cleared_by()")
    op.drop_column("listing", "controlled")
    op.drop_column("listing", "open_from")
    op.drop_column("release", "open_from")
