"""The calendar of obligations: what companies were reminded of, how they want to be, the addresses of people's feeds, and
indexes by which what is due is found in order.

Deadlines themselves stay where they arose. A reminder is a fact: rows are added, never changed. A feed's address opens
it before anybody is known, as a session does, so one function finds the person by the hash of the token.

Undo: downgrade() drops the tables, the function and the indexes; what was reminded of would be reminded of again.

Revision ID: 292000
Revises: 290181
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "292000"
down_revision = "290181"
branch_labels = None
depends_on = None

SECURITY = """
GRANT SELECT ON reminder TO backstock_app;
GRANT SELECT, INSERT ON reminder TO backstock_worker;
ALTER TABLE reminder ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminder FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON reminder FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY worker_all ON reminder TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON reminder_setting TO backstock_app;
GRANT SELECT ON reminder_setting TO backstock_worker;
ALTER TABLE reminder_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminder_setting FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON reminder_setting FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON reminder_setting FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON reminder_setting FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON reminder_setting TO backstock_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON calendar_feed TO backstock_app;
GRANT SELECT ON calendar_feed TO backstock_worker;
ALTER TABLE calendar_feed ENABLE ROW LEVEL SECURITY;
ALTER TABLE calendar_feed FORCE ROW LEVEL SECURITY;
CREATE POLICY app_read ON calendar_feed FOR SELECT TO backstock_app USING (company_id = app_company());
CREATE POLICY app_insert ON calendar_feed FOR INSERT TO backstock_app WITH CHECK (company_id = app_company());
CREATE POLICY app_update ON calendar_feed FOR UPDATE TO backstock_app USING (company_id = app_company()) WITH CHECK (company_id = app_company());
CREATE POLICY worker_all ON calendar_feed TO backstock_worker USING (true) WITH CHECK (true);
CREATE FUNCTION auth_feed(wanted_hash bytea)
RETURNS TABLE (user_id uuid, company_id uuid, user_name text, company_name text, company_code text,
    is_manufacturer boolean, is_partner boolean, currency text, roles text[], site_id uuid, order_limit_amount numeric,
    sources uuid[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT u.id, u.company_id, u.name, c.name, c.code, c.is_manufacturer, c.is_partner, c.currency::text, u.roles,
        u.site_id, u.order_limit_amount, auth_sources(u.company_id)
    FROM calendar_feed f JOIN user_account u ON u.id = f.user_id JOIN company c ON c.id = u.company_id
    WHERE f.token_hash = wanted_hash AND f.revoked_at IS NULL AND u.active
$$;
REVOKE ALL ON FUNCTION auth_feed(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_feed(bytea) TO backstock_app;
"""
_OPEN_CALL = "status IN ('noticed', 'acknowledged', 'accepted', 'picked', 'received')"
_TO_REPLACE = "draw_fee IS NOT NULL AND inspected_good > replaced + bought + replacing"
_LIVE = "status IN ('active', 'renewed', 'expiring')"


def _run(script: str) -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(script))  # type: ignore[attr-defined]


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where))


def upgrade() -> None:
    op.create_table(
        "reminder",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("step IN ('ahead','overdue')", name=op.f("ck_reminder_step")),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_reminder_company_id")),
        sa.PrimaryKeyConstraint("company_id", "subject_id", "kind", "step", "due_at", name=op.f("pk_reminder")),
    )
    op.create_table(
        "reminder_setting",
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("hours_before", sa.Integer(), nullable=False),
        sa.Column("days_before", sa.Integer(), nullable=False),
        sa.Column("mails", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.UUID(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "hours_before BETWEEN 1 AND 168 AND days_before BETWEEN 1 AND 60", name=op.f("ck_reminder_setting_before")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_reminder_setting_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_reminder_setting")),
    )
    op.create_table(
        "calendar_feed",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("token_hash", postgresql.BYTEA(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "company_id"],
            ["user_account.id", "user_account.company_id"],
            name=op.f("fk_calendar_feed_user_id_company_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_feed_token_hash")),
    )
    op.create_index("ix_calendar_feed_user", "calendar_feed", ["user_id", "company_id"])
    op.create_index(
        "uq_calendar_feed_person", "calendar_feed", ["user_id"], unique=True, postgresql_where=sa.text("revoked_at IS NULL")
    )  # fmt: skip
    _index("ix_call_open_company", "call", ["company_id"], _OPEN_CALL)
    _index("ix_call_open_maker", "call", ["maker_id"], _OPEN_CALL)
    _index("ix_call_open_holder", "call", ["holder_id"], _OPEN_CALL)
    _index("ix_call_to_be_replaced", "call", ["holder_id", "replace_by"], _TO_REPLACE)
    _index("ix_purchase_order_placed_seller", "purchase_order", ["seller_id", "hold_expires_at"], "status = 'placed'")
    _index("ix_purchase_order_placed_buyer", "purchase_order", ["buyer_id", "hold_expires_at"], "status = 'placed'")
    for side in ("maker", "holder"):
        for end in ("opens", "closes"):
            _index(f"ix_agreement_{side}_{end}", "agreement", [f"{side}_id", f"window_{end}_at", "id"], _LIVE)
    _index("ix_agreement_closes", "agreement", ["window_closes_at"], _LIVE)
    for side in ("payer", "payee"):
        _index(f"ix_settlement_{side}_unpaid", "settlement_line", [f"{side}_id", "due_on"], "payer_marked_at IS NULL")
    _index("ix_settlement_unpaid", "settlement_line", ["due_on"], "payer_marked_at IS NULL")
    _run(SECURITY)


def downgrade() -> None:
    op.execute("DROP FUNCTION auth_feed(bytea)")
    for name, table in (
        ("ix_settlement_unpaid", "settlement_line"), ("ix_settlement_payer_unpaid", "settlement_line"),
        ("ix_settlement_payee_unpaid", "settlement_line"), ("ix_agreement_closes", "agreement"),
        ("ix_agreement_maker_opens", "agreement"), ("ix_agreement_maker_closes", "agreement"),
        ("ix_agreement_holder_opens", "agreement"), ("ix_agreement_holder_closes", "agreement"),
        ("ix_purchase_order_placed_seller", "purchase_order"), ("ix_purchase_order_placed_buyer", "purchase_order"),
        ("ix_call_to_be_replaced", "call"), ("ix_call_open_company", "call"), ("ix_call_open_maker", "call"),
        ("ix_call_open_holder", "call"),
    ):  # fmt: skip
        op.drop_index(name, table)
    for table in ("calendar_feed", "reminder_setting", "reminder"):
        op.drop_table(table)
