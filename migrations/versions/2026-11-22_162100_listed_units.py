"""A partner sees the serials of what is on offer to it.

Why: a buyer decides by serial, batch and expiry, but the lots and the rows behind a listing belong to the seller and
stay invisible; this function shows just those columns, of listings that the reader may see.
Undo: drop the function.
"""

from __future__ import annotations

from alembic import op

revision = "162100"
down_revision = "160400"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION listed_units(of_listing uuid, most integer)
RETURNS TABLE (serial text, batch text, quantity integer, made_on date, expires_on date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT t.serial, t.batch, sum(b.quantity)::int, t.made_on, t.expires_on
    FROM listing l JOIN listing_lot b ON b.listing_id = l.id JOIN lot t ON t.lot_id = b.lot_id
    WHERE l.id = of_listing AND app_company() IS NOT NULL AND (l.company_id = app_company()
        OR (l.published AND (l.audience_ids IS NULL OR app_company() = ANY (l.audience_ids))))
    GROUP BY t.serial, t.batch, t.made_on, t.expires_on
    ORDER BY t.serial NULLS LAST, t.batch NULLS LAST, t.expires_on LIMIT most
$$
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute("REVOKE ALL ON FUNCTION listed_units(uuid, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION listed_units(uuid, integer) TO backstock_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION listed_units(uuid, integer)")
