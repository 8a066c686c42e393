"""Accounts that can be trusted: second factors, mailed links, invitations, what was done about security, and where a session is from.

A link is signed, so that what proves it stands in the mail alone; the row says whose it is and whether it was used. The secret of a second
factor is sealed with the operator's key. Security acts are facts: rows are added, never changed. Sessions of before have no device, and
count as just verified when they were made.

Undo: downgrade() drops the tables with what was set up: people then sign in by password alone.

Revision ID: 302100
Revises: 301210
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302100"
down_revision = "301210"
branch_labels = None
depends_on = None

_SECURITY = """
GRANT SELECT, INSERT, UPDATE, DELETE ON second_factor TO backstock_app;
GRANT SELECT ON second_factor TO backstock_worker;
GRANT SELECT, INSERT, DELETE ON recovery_code TO backstock_app;
GRANT UPDATE (used_at) ON recovery_code TO backstock_app;
GRANT SELECT ON recovery_code TO backstock_worker;
GRANT SELECT, INSERT ON mail_link TO backstock_app, backstock_worker;
GRANT UPDATE (used_at, withdrawn_at) ON mail_link TO backstock_app, backstock_worker;
GRANT SELECT, INSERT ON invitation TO backstock_app;
GRANT UPDATE (sent_at, expires_at, times_sent, accepted_at, user_id, withdrawn_at) ON invitation TO backstock_app;
GRANT SELECT ON invitation TO backstock_worker;
GRANT SELECT, INSERT ON security_act TO backstock_app, backstock_worker;
GRANT SELECT, INSERT, UPDATE ON security_rule TO backstock_app;
GRANT SELECT ON security_rule TO backstock_worker;
"""
_TABLES = ("second_factor", "recovery_code", "mail_link", "invitation", "security_act", "security_rule")
_CHANGED = ("second_factor", "recovery_code", "mail_link", "invitation", "security_rule")
_DELETED = ("second_factor", "recovery_code")
_WORKER_WRITES = ("mail_link", "security_act")

_OF_SESSION = """session_id uuid, user_id uuid, company_id uuid, user_name text, company_name text, company_code text,
    is_manufacturer boolean, is_partner boolean, currency text, roles text[], site_id uuid, order_limit_amount numeric,
    sources uuid[], expires_at timestamptz, revoked boolean"""
_SELECTED = """s.id, u.id, u.company_id, u.name, c.name, c.code, c.is_manufacturer, c.is_partner, c.currency::text, u.roles,
        u.site_id, u.order_limit_amount, auth_sources(u.company_id), s.expires_at,
        s.revoked_at IS NOT NULL OR NOT u.active"""


def _functions(*, factor: bool) -> str:
    more, selected, login, logged = "", "", "", ""
    if factor:
        more = ", verified_at timestamptz, factor_missing boolean"
        selected = """, s.verified_at,
        EXISTS (SELECT FROM security_rule r WHERE r.company_id = u.company_id AND r.second_factor)
        AND NOT EXISTS (SELECT FROM second_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)"""
        login = ", user_name text, factor boolean"
        logged = ", u.name, EXISTS (SELECT FROM second_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)"
    return f"""
DROP FUNCTION auth_session(bytea), auth_login(text);
CREATE FUNCTION auth_login(wanted_email text)
RETURNS TABLE (user_id uuid, company_id uuid, password_hash text, active boolean{login})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT u.id, u.company_id, u.password_hash, u.active{logged} FROM user_account u WHERE lower(u.email) = lower(wanted_email)
$$;
CREATE FUNCTION auth_session(wanted_hash bytea)
RETURNS TABLE ({_OF_SESSION}{more})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT {_SELECTED}{selected}
    FROM user_session s JOIN user_account u ON u.id = s.user_id JOIN company c ON c.id = u.company_id
    WHERE s.token_hash = wanted_hash
$$;
REVOKE ALL ON FUNCTION auth_login(text), auth_session(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_login(text), auth_session(bytea) TO backstock_app;
"""


def _policies() -> str:
    own = "company_id = app_company()"
    lines = []
    for table in _TABLES:
        lines += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY;",
            f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({own});",
            f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({own});",
        ]
        if table in _CHANGED:
            lines.append(
                f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({own}) WITH CHECK ({own});"
            )
        if table in _DELETED:
            lines.append(f"CREATE POLICY app_delete ON {table} FOR DELETE TO backstock_app USING ({own});")
        lines.append(
            f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true);"
            if table in _WORKER_WRITES
            else f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true);"
        )
    return "\n".join(lines)


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def _moment(name: str, *, optional: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=optional)


def _person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id", "company_id"], ["user_account.id", "user_account.company_id"], name=op.f(f"fk_{table}_user_id_company_id")
    )  # fmt: skip


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("user_account", _moment("email_confirmed_at", optional=True))
    op.add_column("user_session", sa.Column("device", sa.Text(), server_default="", nullable=False))
    op.add_column("user_session", sa.Column("place", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "user_session",
        sa.Column("verified_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_table(
        "second_factor",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.dialects.postgresql.BYTEA(), nullable=False),
        _moment("begun_at"),
        _moment("confirmed_at", optional=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        _person("second_factor"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factor")),
    )
    op.create_table(
        "recovery_code",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.dialects.postgresql.BYTEA(), nullable=False),
        _moment("made_at"),
        _moment("used_at", optional=True),
        _person("recovery_code"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_code_user_id_code_hash")),
    )
    op.create_table(
        "mail_link",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        _moment("made_at"),
        _moment("expires_at"),
        _moment("used_at", optional=True),
        _moment("withdrawn_at", optional=True),
        _person("mail_link"),
        sa.CheckConstraint("kind IN ('reset','address')", name=op.f("ck_mail_link_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_link")),
    )
    op.create_index(
        "ix_mail_link_open", "mail_link", ["user_id", "kind"],
        postgresql_where=sa.text("used_at IS NULL AND withdrawn_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "invitation",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("order_limit_amount", sa.Numeric(16, 4), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        _moment("sent_at"),
        _moment("expires_at"),
        sa.Column("times_sent", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _moment("accepted_at", optional=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        _moment("withdrawn_at", optional=True),
        _person("invitation"),
        sa.CheckConstraint(
            "cardinality(roles) > 0 AND roles <@ ARRAY['admin','planner','buyer','seller','warehouse','technician','auditor']",
            name=op.f("ck_invitation_roles"),
        ),
        sa.CheckConstraint("(accepted_at IS NULL) = (user_id IS NULL)", name=op.f("ck_invitation_accepted")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_invitation_company_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_invitation_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    op.create_index("ix_invitation_company", "invitation", ["company_id", sa.text("id DESC")])
    op.create_index(
        "uq_invitation_open", "invitation", ["company_id", sa.text("lower(email)")], unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND withdrawn_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "security_act",
        _id(),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("by_user_id", sa.Uuid(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        _moment("at"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_security_act_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_act")),
    )
    op.create_index("ix_security_act_company", "security_act", ["company_id", sa.text("id DESC")])
    op.create_index("ix_security_act_user", "security_act", ["user_id", sa.text("id DESC")])
    op.create_table(
        "security_rule",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("second_factor", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        _moment("changed_at"),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_security_rule_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_security_rule")),
    )
    _run(_SECURITY + _policies() + _functions(factor=True))


def downgrade() -> None:
    _run(_functions(factor=False))
    for table in reversed(_TABLES):
        op.drop_table(table)
    for column in ("verified_at", "place", "device"):
        op.drop_column("user_session", column)
    op.drop_column("user_account", "email_confirmed_at")
