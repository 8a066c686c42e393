"""Who is owed for units by their condition can object to the condition that was found. A line says for which condition it pays;
a dispute about it keeps what each condition fetches, since the order keeps it and settlement does not read orders.

Undo: downgrade() drops the columns and the subject; it fails while such a dispute is on record.

Revision ID: 300120
Revises: 300110
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "300120"
down_revision = "300110"
branch_labels = None
depends_on = None

_SUBJECTS = "subject IN ('line','grade','units'{})"
_ABOUT = "(subject = 'units') = (line_id IS NULL) AND (subject = 'line') = (quantity IS NULL)"
_FOUND = " AND (subject = 'condition') = (found IS NOT NULL) AND (found IS NULL) = (fetches IS NULL)"


def _check(name: str, condition: str) -> None:
    op.drop_constraint(op.f(name), "dispute", type_="check")
    op.create_check_constraint(op.f(name), "dispute", condition)


def upgrade() -> None:
    op.add_column("settlement_line", sa.Column("condition", sa.Text(), nullable=True))
    op.add_column("dispute", sa.Column("found", sa.Text(), nullable=True))
    op.add_column("dispute", sa.Column("fetches", postgresql.JSONB(), nullable=True))
    op.add_column("dispute", sa.Column("agreed_condition", sa.Text(), nullable=True))
    op.add_column("dispute_statement", sa.Column("condition", sa.Text(), nullable=True))
    op.execute("GRANT UPDATE (agreed_condition) ON dispute TO backstock_app, backstock_worker")
    _check("ck_dispute_subject", _SUBJECTS.format(",'condition'"))
    _check("ck_dispute_about", _ABOUT + _FOUND)


def downgrade() -> None:
    _check("ck_dispute_about", _ABOUT)
    _check("ck_dispute_subject", _SUBJECTS.format(""))
    op.drop_column("dispute_statement", "condition")
    for name in ("agreed_condition", "fetches", "found"):
        op.drop_column("dispute", name)
    op.drop_column("settlement_line", "condition")
