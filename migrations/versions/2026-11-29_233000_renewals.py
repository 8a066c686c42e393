"""How an agreement goes on after its window: how often it was renewed, by when that is decided, who gave notice against it,
how long its duties survive, and for how many days a legal hold froze its units.

``decide_by`` and ``survives_until`` are stored when the agreement is made and whenever its window moves, so that the clock
acts on the same moment however late it runs. Agreements from before state neither renewal nor survival: both stay empty.
A renewal by agreement is a proposal of a kind of its own.

Undo: downgrade() drops the columns; agreements that were renewed keep the end of the window that the renewal gave them.

Revision ID: 292330
Revises: 292320
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292330"
down_revision = "292320"
branch_labels = None
depends_on = None

_TO_DECIDE = "decide_by IS NOT NULL AND non_renewal_at IS NULL AND status IN ('active', 'renewed', 'expiring')"
_OLD_TERMS = (
    "(kind = 'end') = (terms IS NULL) AND (terms IS NULL) = (reference IS NULL) AND (terms IS NULL) = (clause IS NULL) "
    "AND (terms IS NULL) = (version IS NULL) AND (terms IS NULL) = (minimums IS NULL)"
)

_CHANGING = "renewals, frozen_days, decide_by, survives_until, non_renewal_at, non_renewal_by"


def _check(table: str, name: str, condition: str) -> None:
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def upgrade() -> None:
    for name in ("renewals", "frozen_days"):
        op.add_column("agreement", sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False))
    for name in ("decide_by", "survives_until", "non_renewal_at"):
        op.add_column("agreement", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("agreement", sa.Column("non_renewal_by", sa.Uuid(), nullable=True))
    _check("agreement", "renewals", "renewals >= 0 AND frozen_days >= 0")
    _check("agreement", "non_renewal", "(non_renewal_at IS NULL) = (non_renewal_by IS NULL)")
    op.create_index("ix_agreement_decide", "agreement", ["decide_by"], postgresql_where=sa.text(_TO_DECIDE))
    for side in ("maker", "holder"):
        op.create_index(
            f"ix_agreement_{side}_decide",
            "agreement",
            [f"{side}_id", "decide_by"],
            postgresql_where=sa.text(_TO_DECIDE),
        )
    op.create_index(
        "ix_agreement_run_off", "agreement", ["survives_until"], postgresql_where=sa.text("status = 'run_off'")
    )
    # What is open under an agreement whose right has ended.
    op.create_index("ix_call_agreement_id", "call", ["agreement_id"])
    op.create_index(
        "ix_settlement_line_agreement_id", "settlement_line", ["agreement_id"],
        postgresql_where=sa.text("agreement_id IS NOT NULL"),
    )  # fmt: skip
    # Columns of an agreement that may change are named one by one.
    op.execute(f"GRANT UPDATE ({_CHANGING}) ON agreement TO backstock_app, backstock_worker")
    op.drop_constraint(op.f("ck_agreement_proposal_kind"), "agreement_proposal", type_="check")
    _check("agreement_proposal", "kind", "kind IN ('change','end','renewal')")
    op.drop_constraint(op.f("ck_agreement_proposal_terms"), "agreement_proposal", type_="check")
    _check("agreement_proposal", "terms", _OLD_TERMS.replace("(kind = 'end')", "(kind <> 'change')"))


def downgrade() -> None:
    # As what they came to, where they were signed, stays in the agreement.
    op.execute(
        "UPDATE agreement_proposal SET answers_id = NULL WHERE answers_id IN "
        "(SELECT id FROM agreement_proposal WHERE kind = 'renewal')"
    )
    op.execute("DELETE FROM agreement_proposal WHERE kind = 'renewal'")
    op.drop_constraint(op.f("ck_agreement_proposal_terms"), "agreement_proposal", type_="check")
    _check("agreement_proposal", "terms", _OLD_TERMS)
    op.drop_constraint(op.f("ck_agreement_proposal_kind"), "agreement_proposal", type_="check")
    _check("agreement_proposal", "kind", "kind IN ('change','end')")
    op.drop_index("ix_settlement_line_agreement_id", table_name="settlement_line")
    op.drop_index("ix_call_agreement_id", table_name="call")
    for name in (
        "ix_agreement_run_off",
        "ix_agreement_holder_decide",
        "ix_agreement_maker_decide",
        "ix_agreement_decide",
    ):
        op.drop_index(name, table_name="agreement")
    for name in ("non_renewal", "renewals"):
        op.drop_constraint(op.f(f"ck_agreement_{name}"), "agreement", type_="check")
    for name in ("non_renewal_by", "non_renewal_at", "survives_until", "decide_by", "frozen_days", "renewals"):
        op.drop_column("agreement", name)
