"""Files of counts, serial lists and use reports; the uses that earlier reports told are found by what they say.

Undo: downgrade() drops the index and the rule on kinds; imports of the new kinds that have not landed are marked as cancelled before.

Revision ID: 302610
Revises: 302600
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302610"
down_revision = "302600"
branch_labels = None
depends_on = None

KINDS = "'stock','parts','supersessions','prices','sites','numbers'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.drop_constraint(op.f("ck_import_job_kind"), "import_job")
    op.create_check_constraint(op.f("ck_import_job_kind"), "import_job", f"kind IN ({KINDS},'counts','uses')")
    op.create_index(
        "ix_catalogue_change_use",
        "catalogue_change",
        ["company_id", "key"],
        postgresql_where=sa.text("key LIKE 'use:%'"),
    )


def downgrade() -> None:
    op.drop_index("ix_catalogue_change_use", "catalogue_change")
    op.execute(
        "UPDATE import_job SET step = 'cancelled' WHERE kind IN ('counts','uses') AND step NOT IN ('done', 'cancelled')"
    )
    op.drop_constraint(op.f("ck_import_job_kind"), "import_job")
    # What landed of the new kinds stays as it is told.
    op.execute(f"ALTER TABLE import_job ADD CONSTRAINT ck_import_job_kind CHECK (kind IN ({KINDS})) NOT VALID")
