"""Companies, sites, people, keys, delegations: tables, row level security, privileges.

Revision ID: 153001
Revises: 153000
Undo: downgrade() drops what upgrade() made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "153001"
down_revision = "153000"
branch_labels = None
depends_on = None

SECURITY = """
GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_bucket TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_bucket TO backstock_worker;
GRANT SELECT, INSERT, UPDATE ON company TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON company TO backstock_worker;
ALTER TABLE company ENABLE ROW LEVEL SECURITY;
ALTER TABLE company FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON company FOR SELECT TO backstock_app USING (true);
CREATE POLICY app_insert ON company FOR INSERT TO backstock_app WITH CHECK (id = app_company());
CREATE POLICY app_update ON company FOR UPDATE TO backstock_app USING (id = app_company()) WITH CHECK (id = app_company());
CREATE POLICY worker_all ON company TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO backstock_worker;
ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON idempotency_key FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON idempotency_key FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON idempotency_key FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY app_delete ON idempotency_key FOR DELETE TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON idempotency_key TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON counterparty TO backstock_app;
GRANT SELECT, INSERT ON counterparty TO backstock_worker;
ALTER TABLE counterparty ENABLE ROW LEVEL SECURITY;
ALTER TABLE counterparty FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON counterparty FOR SELECT TO backstock_app USING (company_id = app_company() OR other_id = app_company() OR company_id = ANY (app_sources()));
CREATE POLICY app_insert ON counterparty FOR INSERT TO backstock_app WITH CHECK (company_id = app_company() OR other_id = app_company());
CREATE POLICY worker_all ON counterparty TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON delegation TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON delegation TO backstock_worker;
ALTER TABLE delegation ENABLE ROW LEVEL SECURITY;
ALTER TABLE delegation FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON delegation FOR SELECT TO backstock_app USING (maker_id = app_company() OR company_id = app_company());
CREATE POLICY app_insert ON delegation FOR INSERT TO backstock_app WITH CHECK (maker_id = app_company());
CREATE POLICY app_update ON delegation FOR UPDATE TO backstock_app USING (maker_id = app_company()) WITH CHECK (maker_id = app_company());
CREATE POLICY worker_all ON delegation TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON site TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON site TO backstock_worker;
ALTER TABLE site ENABLE ROW LEVEL SECURITY;
ALTER TABLE site FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON site FOR SELECT TO backstock_app USING (company_id = app_company() OR company_id = ANY (app_sources()) OR company_id IN (SELECT other_id FROM counterparty WHERE company_id = app_company() OR company_id = ANY (app_sources())));
CREATE POLICY app_insert ON site FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON site FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON site TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON site_contact TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON site_contact TO backstock_worker;
ALTER TABLE site_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE site_contact FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON site_contact FOR SELECT TO backstock_app USING (company_id = app_company() OR company_id = ANY (app_sources()) OR company_id IN (SELECT other_id FROM counterparty WHERE company_id = app_company() OR company_id = ANY (app_sources())));
CREATE POLICY app_insert ON site_contact FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON site_contact FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY app_delete ON site_contact FOR DELETE TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON site_contact TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON user_account TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON user_account TO backstock_worker;
ALTER TABLE user_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_account FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON user_account FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON user_account FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON user_account FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON user_account TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON api_key TO backstock_app;
GRANT SELECT, INSERT, UPDATE ON api_key TO backstock_worker;
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON api_key FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON api_key FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON api_key FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON api_key TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON user_session TO backstock_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_session TO backstock_worker;
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON user_session FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON user_session FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON user_session FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY app_delete ON user_session FOR DELETE TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON user_session TO backstock_worker USING (true) WITH CHECK (true);
"""
AFTER = """
CREATE FUNCTION auth_sources(of_company uuid) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT coalesce(array_agg(DISTINCT maker_id), '{}') FROM delegation
    WHERE company_id = of_company AND revoked_at IS NULL AND valid_from <= now()
      AND (valid_until IS NULL OR valid_until > now())
$$;
CREATE FUNCTION auth_login(wanted_email text)
RETURNS TABLE (user_id uuid, company_id uuid, password_hash text, active boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT u.id, u.company_id, u.password_hash, u.active FROM user_account u WHERE lower(u.email) = lower(wanted_email)
$$;
CREATE FUNCTION auth_session(wanted_hash bytea)
RETURNS TABLE (session_id uuid, user_id uuid, company_id uuid, user_name text, company_name text, company_code text,
    is_manufacturer boolean, is_partner boolean, currency text, roles text[], site_id uuid, order_limit_amount numeric,
    sources uuid[], expires_at timestamptz, revoked boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT s.id, u.id, u.company_id, u.name, c.name, c.code, c.is_manufacturer, c.is_partner, c.currency::text, u.roles,
        u.site_id, u.order_limit_amount, auth_sources(u.company_id), s.expires_at,
        s.revoked_at IS NOT NULL OR NOT u.active
    FROM user_session s JOIN user_account u ON u.id = s.user_id JOIN company c ON c.id = u.company_id
    WHERE s.token_hash = wanted_hash
$$;
CREATE FUNCTION auth_key(wanted_hash bytea)
RETURNS TABLE (key_id uuid, user_id uuid, company_id uuid, user_name text, company_name text, company_code text,
    is_manufacturer boolean, is_partner boolean, currency text, roles text[], site_id uuid, order_limit_amount numeric,
    sources uuid[], scopes text[], expires_at timestamptz, revoked boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT k.id, u.id, u.company_id, u.name, c.name, c.code, c.is_manufacturer, c.is_partner, c.currency::text, u.roles,
        u.site_id, u.order_limit_amount, auth_sources(u.company_id), k.scopes, k.expires_at,
        k.revoked_at IS NOT NULL OR NOT u.active
    FROM api_key k JOIN user_account u ON u.id = k.user_id JOIN company c ON c.id = u.company_id
    WHERE k.key_hash = wanted_hash
$$;
REVOKE ALL ON FUNCTION auth_sources(uuid), auth_login(text), auth_session(bytea), auth_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_login(text), auth_session(bytea), auth_key(bytea) TO backstock_app;
"""


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def upgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table(
        "attempt_bucket",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempt_bucket")),
    )
    op.create_table(
        "company",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_manufacturer", sa.Boolean(), nullable=False),
        sa.Column("is_partner", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("mask_holders", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("is_manufacturer OR is_partner", name=op.f("ck_company_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
        sa.UniqueConstraint("code", name=op.f("uq_company_code")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("input_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "counterparty",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("other_id", sa.UUID(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_counterparty_company_id")),
        sa.ForeignKeyConstraint(["other_id"], ["company.id"], name=op.f("fk_counterparty_other_id")),
        sa.PrimaryKeyConstraint("company_id", "other_id", name=op.f("pk_counterparty")),
    )
    op.create_table(
        "delegation",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("maker_id", sa.UUID(), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("max_quantity", sa.Integer(), nullable=False),
        sa.Column("max_value_amount", sa.Numeric(precision=16, scale=4), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("maker_id <> company_id", name=op.f("ck_delegation_not_self")),
        sa.CheckConstraint("max_quantity > 0 AND max_value_amount > 0", name=op.f("ck_delegation_limits")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_delegation_company_id")),
        sa.ForeignKeyConstraint(["maker_id"], ["company.id"], name=op.f("fk_delegation_maker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegation")),
    )
    op.create_index(op.f("ix_delegation_company_id"), "delegation", ["company_id"], unique=False)
    op.create_index("ix_delegation_maker", "delegation", ["maker_id"], unique=False)
    op.create_table(
        "site",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("approximate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=True),
        sa.Column("closes", sa.Time(), nullable=True),
        sa.Column("counter_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("after_hours_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("will_call", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_site_both_coordinates")),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name=op.f("ck_site_coordinates")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_site_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("company_id", "code", name=op.f("uq_site_company_id_code")),
    )
    op.create_table(
        "site_contact",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("site_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("telephone", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_site_contact_company_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_contact_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_contact")),
    )
    op.create_index(op.f("ix_site_contact_site_id"), "site_contact", ["site_id"], unique=False)
    op.create_table(
        "user_account",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("site_id", sa.UUID(), nullable=True),
        sa.Column("order_limit_amount", sa.Numeric(precision=16, scale=4), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "cardinality(roles) > 0 AND roles <@ ARRAY['admin','planner','buyer','seller','warehouse','technician','auditor']",
            name=op.f("ck_user_account_roles"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_user_account_company_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_user_account_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("id", "company_id", name=op.f("uq_user_account_id_company_id")),
    )
    op.create_index(op.f("ix_user_account_company_id"), "user_account", ["company_id"], unique=False)
    op.create_index("uq_user_account_email_lower", "user_account", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "api_key",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "company_id"],
            ["user_account.id", "user_account.company_id"],
            name=op.f("fk_api_key_user_id_company_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index("ix_api_key_company", "api_key", ["company_id"], unique=False)
    op.create_table(
        "user_session",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("token_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "company_id"],
            ["user_account.id", "user_account.company_id"],
            name=op.f("fk_user_session_user_id_company_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_session_token_hash")),
    )
    op.create_index("ix_user_session_user", "user_session", ["user_id"], unique=False)
    # ### end Alembic commands ###
    _run(SECURITY)
    _run(AFTER)


def downgrade() -> None:
    _run("""
DROP FUNCTION auth_login(text), auth_session(bytea), auth_key(bytea), auth_sources(uuid);
""")
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_index("ix_user_session_user", table_name="user_session")
    op.drop_table("user_session")
    op.drop_index("ix_api_key_company", table_name="api_key")
    op.drop_table("api_key")
    op.drop_index("uq_user_account_email_lower", table_name="user_account")
    op.drop_index(op.f("ix_user_account_company_id"), table_name="user_account")
    op.drop_table("user_account")
    op.drop_index(op.f("ix_site_contact_site_id"), table_name="site_contact")
    op.drop_table("site_contact")
    op.drop_table("site")
    op.drop_index("ix_delegation_maker", table_name="delegation")
    op.drop_index(op.f("ix_delegation_company_id"), table_name="delegation")
    op.drop_table("delegation")
    op.drop_table("counterparty")
    op.drop_table("idempotency_key")
    op.drop_table("company")
    op.drop_table("attempt_bucket")
    # ### end Alembic commands ###
