"""The day of a schedule is the day of the second signature: whether an agreement's text says so, and that the day is set
once, by that signature. Texts that were offered before name a day of their own, which stands.

Undo: downgrade() drops the column and the guard; agreements keep the day that they were given.

Revision ID: 301000
Revises: 300920
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "301000"
down_revision = "300920"
branch_labels = None
depends_on = None

_DAY = "schedule_date, window_opens_at"
_GUARD = """
CREATE FUNCTION agreement_dated_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'backstock_app' AND (OLD.status <> 'offered' OR NOT OLD.dated_by_signature) THEN
        RAISE EXCEPTION 'the schedule date of agreement % stands', OLD.id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.add_column(
        "agreement", sa.Column("dated_by_signature", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute(f"GRANT UPDATE ({_DAY}) ON agreement TO backstock_app")
    op.execute(_GUARD)
    op.execute(
        "CREATE TRIGGER dated_once BEFORE UPDATE ON agreement FOR EACH ROW WHEN (NEW.schedule_date <> OLD.schedule_date "
        "OR NEW.window_opens_at <> OLD.window_opens_at OR NEW.dated_by_signature <> OLD.dated_by_signature) EXECUTE FUNCTION agreement_dated_once()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER dated_once ON agreement")
    op.execute("DROP FUNCTION agreement_dated_once()")
    op.execute(f"REVOKE UPDATE ({_DAY}) ON agreement FROM backstock_app")
    op.drop_column("agreement", "dated_by_signature")
