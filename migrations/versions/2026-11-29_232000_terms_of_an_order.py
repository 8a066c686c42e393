"""Terms are negotiated before anybody is bound: a buyer may propose other terms with its order, which are kept with it until
the seller answers, and either side may propose others for an agreement that not both have signed.

Undo: downgrade() drops the column and what was proposed with orders; proposals of the kind 'terms' have to be ended before.

Revision ID: 292320
Revises: 292200
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "292320"
down_revision = "292200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("purchase_order", sa.Column("proposed", JSONB, nullable=True))
    op.drop_constraint(op.f("ck_agreement_proposal_kind"), "agreement_proposal", type_="check")
    op.create_check_constraint(
        op.f("ck_agreement_proposal_kind"), "agreement_proposal", "kind IN ('change','end','terms')"
    )
    # An order has one agreement: the one signed under other terms takes it over from the one first offered.
    op.execute("GRANT UPDATE (order_id) ON agreement TO backstock_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (order_id) ON agreement FROM backstock_app")
    op.drop_constraint(op.f("ck_agreement_proposal_kind"), "agreement_proposal", type_="check")
    op.create_check_constraint(op.f("ck_agreement_proposal_kind"), "agreement_proposal", "kind IN ('change','end')")
    op.drop_column("purchase_order", "proposed")
