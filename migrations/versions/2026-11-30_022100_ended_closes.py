"""An agreement that was ended before its window did is closed by the clock as others are: its duties outlive that end, so it is
stored until when, and the index of those to close reaches it.

Undo: downgrade() takes the index back; the dates of what has ended stay, since nothing asked for them before.

Revision ID: 300221
Revises: 300220
"""

from __future__ import annotations

from alembic import op

revision = "300221"
down_revision = "300220"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "UPDATE agreement a SET survives_until = ((((e.at AT TIME ZONE a.zone)::date "
        "+ make_interval(months => (a.terms ->> 'survival_months')::int))::date + 1)::timestamp AT TIME ZONE a.zone) "
        "FROM (SELECT subject_id, max(at) AS at FROM agreement_event WHERE kind IN ('terminated', 'ended_for_breach') "
        "GROUP BY 1) e WHERE e.subject_id = a.id AND a.status = 'terminated' AND a.survives_until IS NOT NULL"
    )
    op.execute("DROP INDEX ix_agreement_run_off")
    op.execute(
        "CREATE INDEX ix_agreement_run_off ON agreement (survives_until) WHERE status IN ('run_off', 'terminated')"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_agreement_run_off")
    op.execute("CREATE INDEX ix_agreement_run_off ON agreement (survives_until) WHERE status = 'run_off'")
