"""A delegation made two companies counterparties for good: each saw the other's sites, and whom to ring there, also after
it had ended. Now only agreements and orders make counterparties. While a delegation stands, the delegate sees the maker's
sites and those of its counterparties as before (app_sources); the maker sees the sites that its units were asked for.
Counterparties that have neither an agreement nor an order are none.

Undo: downgrade() puts the old conditions back, and makes counterparties of all who ever had a delegation.

Revision ID: 170000
Revises: 160101
"""

from __future__ import annotations

from alembic import op

revision = "170000"
down_revision = "160101"
branch_labels = None
depends_on = None

SEEN = (
    "company_id = app_company() OR company_id = ANY (app_sources()) OR company_id IN (SELECT other_id FROM counterparty "
    "WHERE company_id = app_company() OR company_id = ANY (app_sources()))"
)
# To ask a maker for its units is to say where they are to go; a delegation by itself opens nothing of the delegate, who
# was not asked for it.
ASKED = " OR EXISTS (SELECT 1 FROM requisition r WHERE r.destination_site_id = {site} AND r.maker_id = app_company())"
# The demo's maker deals with everybody, so pairs are judged by what there is between them, not by who made them.
FORGET = """
DELETE FROM counterparty c USING delegation d
WHERE ((c.company_id = d.maker_id AND c.other_id = d.company_id) OR (c.company_id = d.company_id AND c.other_id = d.maker_id))
  AND NOT EXISTS (SELECT 1 FROM agreement a WHERE (a.maker_id = c.company_id AND a.holder_id = c.other_id)
                  OR (a.maker_id = c.other_id AND a.holder_id = c.company_id))
  AND NOT EXISTS (SELECT 1 FROM purchase_order o WHERE (o.seller_id = c.company_id AND o.buyer_id = c.other_id)
                  OR (o.seller_id = c.other_id AND o.buyer_id = c.company_id))
"""
REMEMBER = """
INSERT INTO counterparty (company_id, other_id)
SELECT maker_id, company_id FROM delegation UNION SELECT company_id, maker_id FROM delegation ON CONFLICT DO NOTHING
"""


def _seen(condition: str) -> None:
    for table, site in (("site", "site.id"), ("site_contact", "site_contact.site_id")):
        op.execute(f"ALTER POLICY app_read ON {table} USING ({condition.format(site=site)})")


def upgrade() -> None:
    op.create_index("ix_requisition_destination", "requisition", ["destination_site_id", "maker_id"])
    _seen(SEEN + ASKED)
    op.execute(FORGET)


def downgrade() -> None:
    _seen(SEEN)
    op.execute(REMEMBER)
    op.drop_index("ix_requisition_destination", table_name="requisition")
