"""What a company says about itself, and a partner's track record, computed from what was recorded.

The record adds up orders back of several manufacturers, of which each may see only its own: so it is one function that answers numbers
and nothing else, to the partner itself and to companies that have an agreement with it; of others' orders only where they come from three
manufacturers or more, so that nobody can tell whose they are. A profile is read like a site: by its company and by those it deals with.

Undo: downgrade() drops the function, its index and the profiles.

Revision ID: 302110
Revises: 302100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302110"
down_revision = "302100"
branch_labels = None
depends_on = None

_RECORD = """
CREATE FUNCTION track_record(wanted_partner uuid, since timestamptz, until timestamptz)
RETURNS TABLE (scope text, makers bigint, orders bigint, asked bigint, answered bigint, silent bigint, refused jsonb, shipped bigint,
    shipped_late bigint, overdue bigint, median_seconds double precision, counted bigint, shortages bigint, units_missing bigint,
    shortages_open bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    WITH reader AS (
        SELECT app_company() AS id WHERE app_company() = wanted_partner OR EXISTS (
            SELECT FROM agreement a WHERE a.status NOT IN ('offered', 'withdrawn')
              AND ((a.maker_id = app_company() AND a.holder_id = wanted_partner)
                OR (a.holder_id = app_company() AND a.maker_id = wanted_partner)))
    ), ordered AS (
        SELECT c.*, e.answer, e.code FROM call c LEFT JOIN LATERAL (
            SELECT e.kind AS answer, e.detail ->> 'code' AS code FROM call_event e WHERE e.call_id = c.id
              AND e.kind IN ('accepted', 'refused', 'silent_accepted', 'silent_refused') ORDER BY e.id LIMIT 1) e ON true
        WHERE c.holder_id = wanted_partner AND c.maker_id <> wanted_partner AND c.kind IN ('buy_back', 'access_draw')
          AND c.noticed_at >= since AND c.noticed_at < until
    ), scopes AS (
        SELECT s.scope, reader.id AS reader FROM reader, (VALUES ('all'), ('yours')) AS s (scope)
        WHERE s.scope = 'all' OR reader.id <> wanted_partner
    ), numbers AS (
        SELECT s.scope, s.reader, count(DISTINCT o.maker_id) AS makers, count(o.id) AS orders,
            count(*) FILTER (WHERE o.respond_by IS NOT NULL AND o.answer IS NOT NULL) AS asked,
            count(*) FILTER (WHERE o.respond_by IS NOT NULL AND o.answer IN ('accepted', 'refused')) AS answered,
            count(*) FILTER (WHERE o.respond_by IS NOT NULL AND o.answer LIKE 'silent%') AS silent,
            count(*) FILTER (WHERE o.shipped_at IS NOT NULL) AS shipped,
            count(*) FILTER (WHERE o.shipped_at > o.ship_by) AS shipped_late,
            count(*) FILTER (WHERE o.shipped_at IS NULL AND o.ship_by < until AND o.status IN ('accepted', 'picked')) AS overdue,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM o.shipped_at - o.noticed_at))
                FILTER (WHERE o.shipped_at IS NOT NULL) AS median_seconds
        FROM scopes s LEFT JOIN ordered o ON s.scope = 'all' OR o.maker_id = s.reader GROUP BY s.scope, s.reader
    )
    SELECT n.scope, n.makers, n.orders, n.asked, n.answered, n.silent,
        coalesce((SELECT jsonb_object_agg(r.code, r.many) FROM (SELECT o.code, count(*) AS many FROM ordered o
            WHERE o.code IS NOT NULL AND (n.scope = 'all' OR o.maker_id = n.reader) GROUP BY o.code) r), '{}'),
        n.shipped, n.shipped_late, n.overdue, n.median_seconds,
        (SELECT count(*) FROM stock_count k WHERE k.holder_id = wanted_partner AND k.counted_at >= since AND k.counted_at < until
            AND (n.scope = 'all' OR n.reader = ANY (k.beneficiaries))),
        h.shortages, h.missing, h.open
    FROM numbers n CROSS JOIN LATERAL (
        SELECT count(*) AS shortages, coalesce(sum(missing), 0)::bigint AS missing, count(*) FILTER (WHERE status = 'open') AS open
        FROM shortage h WHERE h.holder_id = wanted_partner AND h.opened_at >= since AND h.opened_at < until
          AND (n.scope = 'all' OR h.maker_id = n.reader)) h
    WHERE n.scope = 'yours' OR n.reader = wanted_partner OR n.makers >= 3
    ORDER BY n.scope DESC
$$;
REVOKE ALL ON FUNCTION track_record(uuid, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION track_record(uuid, timestamptz, timestamptz) TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON company_profile TO backstock_app;
GRANT SELECT ON company_profile TO backstock_worker;
ALTER TABLE company_profile ENABLE ROW LEVEL SECURITY;
ALTER TABLE company_profile FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON company_profile FOR SELECT TO backstock_app USING (company_id = app_company() OR company_id = ANY (app_sources()) OR company_id IN (SELECT other_id FROM counterparty WHERE company_id = app_company()));
CREATE POLICY app_insert ON company_profile FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON company_profile FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_read ON company_profile FOR SELECT TO backstock_worker USING (true);
"""


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "company_profile",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column("telephone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(about) <= 2000", name=op.f("ck_company_profile_about")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_company_profile_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_profile")),
    )
    op.create_index("ix_call_record", "call", ["holder_id", "noticed_at"])
    _run(_RECORD)


def downgrade() -> None:
    op.execute("DROP FUNCTION track_record(uuid, timestamptz, timestamptz)")
    op.drop_index("ix_call_record", "call")
    op.drop_table("company_profile")
