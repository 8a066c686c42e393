"""What is posted to all partners was seen by every company, also by those that are no partners. Row level security now
asks for it, and so does the function that tells a listing's serials. The owner sees its own as before.

Undo: downgrade() puts the old conditions back.

Revision ID: 160101
Revises: 160100
"""

from __future__ import annotations

from alembic import op

revision = "160101"
down_revision = "160100"
branch_labels = None
depends_on = None

# A subquery without anything from the row is asked once a statement.
PARTNER = "(SELECT c.is_partner FROM company c WHERE c.id = app_company())"
UNITS = """
CREATE OR REPLACE FUNCTION listed_units(of_listing uuid, most integer)
RETURNS TABLE (serial text, batch text, quantity integer, made_on date, expires_on date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT t.serial, t.batch, sum(b.quantity)::int, t.made_on, t.expires_on
    FROM listing l JOIN listing_lot b ON b.listing_id = l.id JOIN lot t ON t.lot_id = b.lot_id
    WHERE l.id = of_listing AND app_company() IS NOT NULL AND (l.company_id = app_company()
        OR (l.published AND ({all_partners} OR app_company() = ANY (l.audience_ids))))
    GROUP BY t.serial, t.batch, t.made_on, t.expires_on
    ORDER BY t.serial NULLS LAST, t.batch NULLS LAST, t.expires_on LIMIT most
$$
"""


def _audience(asks: str) -> None:
    op.execute(
        "ALTER POLICY app_read ON release USING (company_id = app_company() OR (status <> 'draft' AND "
        f"((audience = 'all'{asks}) OR app_company() = ANY (audience_ids))))"
    )
    op.execute(
        "ALTER POLICY app_read ON listing USING (company_id = app_company() OR company_id = ANY (app_sources()) OR "
        f"(published AND ((audience_ids IS NULL{asks}) OR app_company() = ANY (audience_ids))))"
    )
    op.execute(UNITS.replace("{all_partners}", f"(l.audience_ids IS NULL{asks})"))


def upgrade() -> None:
    _audience(f" AND {PARTNER}")


def downgrade() -> None:
    _audience("")
