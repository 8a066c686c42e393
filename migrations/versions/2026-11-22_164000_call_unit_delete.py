"""A holder that commits to part of a call gives units back: their rows leave call_unit.

Revision ID: 164000
Revises: 163000
Undo: downgrade() takes the right to delete away again.
"""

from __future__ import annotations

from alembic import op

revision = "164000"
down_revision = "163000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT DELETE ON call_unit TO backstock_app, backstock_worker")
    op.execute(
        "CREATE POLICY app_delete ON call_unit FOR DELETE TO backstock_app USING "
        "(maker_id = app_company() OR holder_id = app_company() OR company_id = app_company())"
    )


def downgrade() -> None:
    op.execute("DROP POLICY app_delete ON call_unit")
    op.execute("REVOKE DELETE ON call_unit FROM backstock_app, backstock_worker")
