"""Units that come back are paid by their condition: what each condition fetches is kept with the order when it is received.
The holder's own right to sell back makes an order that no parts request asked for. Rejected units that the terms let the
manufacturer keep for nothing end their dispute so.

Undo: downgrade() drops the column and the kinds; it fails while an order that sells back, or such an end, is on record.

Revision ID: 300100
Revises: 300010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "300100"
down_revision = "300010"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('buy_back','access_draw','own_stock'{})"
_ENDS = "kind IN ('opened','said','proposed','agreed','withdrawn','sent_back'{})"


def _check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(name), table, type_="check")
    op.create_check_constraint(op.f(name), table, condition)


def upgrade() -> None:
    op.add_column("call", sa.Column("grades", postgresql.JSONB(), nullable=True))
    op.alter_column("call", "requisition_id", nullable=True)
    _check("call", "ck_call_kind", _KINDS.format(",'put'"))
    op.create_check_constraint(op.f("ck_call_origin"), "call", "(kind = 'put') = (requisition_id IS NULL)")
    # Puts whose destination the manufacturer has still to name: what its home and the holder's shipping look at.
    op.create_index(
        "ix_call_put_open", "call", ["maker_id"],
        postgresql_where=sa.text("kind = 'put' AND status = 'accepted' AND acknowledged_at IS NULL"),
    )  # fmt: skip
    _check("dispute_statement", "ck_dispute_statement_kind", _ENDS.format(",'kept'"))
    # What the maker expects a unit to be worth then decides how a right to sell back is booked: its own, like its rate.
    op.add_column("company_books", sa.Column("expected_market_bp", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_company_books_expected_market"), "company_books", "expected_market_bp BETWEEN 0 AND 100000"
    )


def downgrade() -> None:
    op.drop_column("company_books", "expected_market_bp")
    _check("dispute_statement", "ck_dispute_statement_kind", _ENDS.format(""))
    op.drop_index("ix_call_put_open", table_name="call")
    op.drop_constraint(op.f("ck_call_origin"), "call", type_="check")
    _check("call", "ck_call_kind", _KINDS.format(""))
    op.alter_column("call", "requisition_id", nullable=False)
    op.drop_column("call", "grades")
