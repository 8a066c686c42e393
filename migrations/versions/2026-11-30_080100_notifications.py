"""Notifications in the app: what a person was told, how each person wants to be told, and the digests that were sent.

The worker writes what people are told, the person marks it as read; what was told is never changed otherwise. A digest is a row of its own
with the person's day, so that it is sent once however many workers run and however late.

Undo: downgrade() drops the tables; everything is then sent by mail at once, as it was before.

Revision ID: 300810
Revises: 300800
"""

import sqlalchemy as sa
from alembic import op

revision = "300810"
down_revision = "300800"
branch_labels = None
depends_on = None

_TABLES = ("notification", "notification_choice", "notification_digest")
_OWN = "company_id = app_company()"


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _uuid(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _at(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id", "company_id"], ["user_account.id", "user_account.company_id"], name=op.f(f"fk_{table}_user_id")
    )


def upgrade() -> None:
    op.create_table(
        "notification_digest", _id(), _uuid("company_id"), _uuid("user_id"), sa.Column("day", sa.Date(), nullable=False),
        _at("sent_at"), _person("notification_digest"), sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_digest")),
        sa.UniqueConstraint("user_id", "day", name=op.f("uq_notification_digest_user_id_day")),
    )  # fmt: skip
    op.create_table(
        "notification", _id(), _uuid("company_id"), _uuid("user_id"), sa.Column("event_id", sa.BigInteger(), nullable=False),
        _text("kind"), _text("subject"), _text("text"), _text("link"),
        sa.Column("urgent", sa.Boolean(), nullable=False), sa.Column("daily", sa.Boolean(), nullable=False),
        _uuid("digest_id", nullable=True), _at("at"), _at("read_at", nullable=True),
        sa.Column("unread", sa.Boolean(), sa.Computed("read_at IS NULL", persisted=True), nullable=False),
        _person("notification"),
        sa.ForeignKeyConstraint(["digest_id"], ["notification_digest.id"], name=op.f("fk_notification_digest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("user_id", "event_id", name=op.f("uq_notification_user_id_event_id")),
    )  # fmt: skip
    op.create_index("ix_notification_list", "notification", ["user_id", "unread", "id"])
    op.create_index(
        "ix_notification_to_send", "notification", ["user_id"],
        postgresql_where=sa.text("daily AND digest_id IS NULL AND read_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "notification_choice", _uuid("user_id"), _text("kind"), _uuid("company_id"), _text("how"), _at("changed_at"),
        _person("notification_choice"), sa.PrimaryKeyConstraint("user_id", "kind", name=op.f("pk_notification_choice")),
        sa.CheckConstraint("how IN ('at_once','daily','in_app','nothing')", name=op.f("ck_notification_choice_how")),
    )  # fmt: skip
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
    op.execute("GRANT INSERT ON notification, notification_digest TO backstock_worker")
    op.execute("GRANT UPDATE (digest_id) ON notification TO backstock_worker")
    op.execute("GRANT SELECT ON notification TO backstock_app")
    op.execute("GRANT UPDATE (read_at) ON notification TO backstock_app")
    op.execute("GRANT SELECT, INSERT ON notification_choice TO backstock_app")
    op.execute("GRANT UPDATE (how, changed_at) ON notification_choice TO backstock_app")
    for table in ("notification", "notification_choice"):
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_OWN})")
        op.execute(
            f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({_OWN}) WITH CHECK ({_OWN})"
        )
    op.execute(f"CREATE POLICY app_insert ON notification_choice FOR INSERT TO backstock_app WITH CHECK ({_OWN})")


def downgrade() -> None:
    for table in ("notification_choice", "notification", "notification_digest"):
        op.drop_table(table)
