"""Who receives an order says of each serial number what became of it, so the buyer must see which are on the way.

Until they are received the lots are the seller's alone, and row level security hides them from the buyer. The function
tells both sides of an order the serials of its units, and nothing else of the lots; of an order that came to nothing
it tells the buyer none.

Undo: downgrade() drops the function.

Revision ID: 190000
Revises: 170300
"""

from __future__ import annotations

from alembic import op

revision = "190000"
down_revision = "170300"
branch_labels = None
depends_on = None

SERIALS = """
CREATE FUNCTION order_serials(of_order uuid) RETURNS TABLE (lot_id uuid, serial text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT t.lot_id, t.serial
    FROM purchase_order o JOIN order_unit u ON u.order_id = o.id JOIN lot t ON t.lot_id = u.lot_id
    WHERE o.id = of_order AND t.serial IS NOT NULL AND (o.seller_id = app_company()
        OR (o.buyer_id = app_company() AND o.status IN ('placed', 'accepted', 'shipped', 'received')))
$$
"""


def upgrade() -> None:
    op.execute(SERIALS)


def downgrade() -> None:
    op.execute("DROP FUNCTION order_serials(uuid)")
