"""A difference and a return may be settled in part.

Until now the seller answered a difference as a whole, and agreed to a return as a whole. Now so many of a difference's units are settled at
a time, each time a record of its own that stays; how many are open, and which of its units are settled, is kept beside it. Of a return the
seller says of each lot how many it takes. What was settled before becomes one part that is all of it; who took units after all is read
from the order's story. A difference and a return now say by when they are to be answered, and what was agreed on by when it is to be sent: within
15 days, of those that are open already counted from today, so that nobody is late by this.

Undo: downgrade() drops the parts and the columns; it is refused where something was settled in parts or agreed to in part, since that could
not be told of then.

Revision ID: 303300
Revises: 304300
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "303300"
down_revision = "304300"
branch_labels = None
depends_on = None

_PARTY = "(seller_id = app_company() OR buyer_id = app_company())"
_TABLE = """
CREATE TABLE order_difference_part (
    difference_id uuid NOT NULL CONSTRAINT fk_order_difference_part_difference_id REFERENCES order_difference (id),
    number integer NOT NULL,
    seller_id uuid NOT NULL, buyer_id uuid NOT NULL, company_id uuid NOT NULL,
    settled_as text NOT NULL, quantity integer NOT NULL, serials text[] NOT NULL, note text,
    return_id uuid CONSTRAINT fk_order_difference_part_return_id REFERENCES order_return (id),
    settled_by uuid NOT NULL, settled_at timestamptz NOT NULL,
    CONSTRAINT pk_order_difference_part PRIMARY KEY (difference_id, number),
    CONSTRAINT ck_order_difference_part_quantity CHECK (number > 0 AND quantity > 0),
    CONSTRAINT ck_order_difference_part_party CHECK (company_id IN (seller_id, buyer_id))
)
"""
_BACKFILL = (
    """
    INSERT INTO order_difference_part (difference_id, number, seller_id, buyer_id, company_id, settled_as, quantity, serials, note, return_id,
                                       settled_by, settled_at)
    SELECT d.id, 1, d.seller_id, d.buyer_id, CASE WHEN d.settled_as IN ('taken', 'withdrawn') THEN d.buyer_id ELSE d.seller_id END,
           d.settled_as, d.quantity,
           coalesce((SELECT array_agg(u.serial ORDER BY u.serial) FROM order_difference_unit u
                     WHERE u.difference_id = d.id AND u.serial IS NOT NULL), '{}'),
           CASE WHEN d.settled_as NOT IN ('taken', 'withdrawn') THEN d.answer_note END, d.return_id,
           coalesce(CASE WHEN d.settled_as NOT IN ('taken', 'withdrawn') THEN d.answered_by END,
                    (SELECT e.actor_id FROM order_event e WHERE e.order_id = d.order_id AND e.kind = 'difference_settled'
                       AND e.company_id = d.buyer_id AND e.detail ->> 'line' = d.line_no::text AND e.detail ->> 'what' = d.kind LIMIT 1),
                    d.found_by),
           d.settled_at
    FROM order_difference d WHERE d.status = 'settled'
    """,
    (
        "UPDATE order_difference_unit u SET settled = u.quantity FROM order_difference d "
        "WHERE d.id = u.difference_id AND d.status = 'settled'"
    ),
    "UPDATE order_difference SET open = CASE WHEN status = 'settled' THEN 0 ELSE quantity END",
    "UPDATE order_difference SET answer_code = 'other' WHERE status = 'disputed'",
    (
        "UPDATE order_difference SET answer_by = CASE WHEN status = 'open' THEN greatest(found_at, now()) ELSE found_at END + interval '15 days'"
    ),
    (
        "UPDATE order_return SET answer_by = CASE WHEN status = 'asked' THEN greatest(asked_at, now()) ELSE asked_at END + interval '15 days' "
        "WHERE of_units = 'bought'"
    ),
    (
        "UPDATE order_return SET send_by = CASE WHEN status = 'agreed' THEN greatest(answered_at, now()) ELSE answered_at END + interval '15 days' "
        "WHERE answered_at IS NOT NULL AND status <> 'refused'"
    ),
    (
        "UPDATE order_return_unit u SET agreed = u.quantity FROM order_return r "
        "WHERE r.id = u.return_id AND (r.status IN ('agreed', 'shipped', 'received') OR r.status = 'withdrawn' AND r.answered_at IS NOT NULL)"
    ),
)
_OPEN_RETURN = "status IN ('asked','agreed','shipped')"
_TO_SHIP = "status = 'accepted' AND requested_on IS NOT NULL"
_INDEXES = (
    # What waits for a side, and for the clock that reminds.
    "CREATE INDEX ix_order_difference_open_buyer ON order_difference (buyer_id, order_id) WHERE status <> 'settled'",
    "CREATE INDEX ix_order_difference_answer ON order_difference (answer_by) WHERE status = 'open'",
    "DROP INDEX ix_order_return_waits_seller",
    "DROP INDEX ix_order_return_waits_buyer",
    f"CREATE INDEX ix_order_return_open_seller ON order_return (seller_id, order_id) WHERE {_OPEN_RETURN}",
    f"CREATE INDEX ix_order_return_open_buyer ON order_return (buyer_id, order_id) WHERE {_OPEN_RETURN}",
    "CREATE INDEX ix_order_return_asked ON order_return (answer_by) WHERE status = 'asked'",
    "CREATE INDEX ix_order_return_agreed ON order_return (send_by) WHERE status = 'agreed'",
    f"CREATE INDEX ix_purchase_order_ship_seller ON purchase_order (seller_id, requested_on) WHERE {_TO_SHIP}",
    f"CREATE INDEX ix_purchase_order_ship_buyer ON purchase_order (buyer_id, requested_on) WHERE {_TO_SHIP}",
    f"CREATE INDEX ix_purchase_order_ship ON purchase_order (requested_on) WHERE {_TO_SHIP}",
    "CREATE INDEX ix_quote_open ON quote (expires_at) WHERE ended_at IS NULL",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.execute(_TABLE)
    op.add_column("order_difference", sa.Column("open", sa.Integer(), nullable=True))
    op.add_column("order_difference", sa.Column("answer_code", sa.Text(), nullable=True))
    moment = sa.DateTime(timezone=True)
    op.add_column("order_difference", sa.Column("answer_by", moment, nullable=True))
    op.add_column("order_return", sa.Column("answer_by", moment, nullable=True))
    op.add_column("order_return", sa.Column("send_by", moment, nullable=True))
    op.add_column(
        "order_difference_unit", sa.Column("settled", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("order_return_unit", sa.Column("agreed", sa.Integer(), nullable=True))
    for statement in _BACKFILL:
        op.execute(statement)
    op.alter_column("order_difference", "open", nullable=False)
    op.alter_column("order_difference", "answer_by", nullable=False)
    op.create_check_constraint(
        op.f("ck_order_difference_open"),
        "order_difference",
        "open BETWEEN 0 AND quantity AND (open = 0) = (status = 'settled')",
    )
    op.create_check_constraint(
        op.f("ck_order_difference_unit_settled"), "order_difference_unit", "settled BETWEEN 0 AND quantity"
    )
    op.create_check_constraint(
        op.f("ck_order_return_unit_agreed"), "order_return_unit", "agreed BETWEEN 0 AND quantity"
    )
    for statement in _INDEXES:
        op.execute(statement)
    op.execute("ALTER TABLE order_difference_part ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE order_difference_part FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON order_difference_part FOR SELECT TO backstock_app USING {_PARTY}")
    op.execute(f"CREATE POLICY app_insert ON order_difference_part FOR INSERT TO backstock_app WITH CHECK {_PARTY}")
    op.execute("CREATE POLICY worker_read ON order_difference_part FOR SELECT TO backstock_worker USING (true)")
    op.execute("GRANT SELECT, INSERT ON order_difference_part TO backstock_app")
    op.execute("GRANT SELECT ON order_difference_part TO backstock_worker")
    op.execute("GRANT UPDATE (open, answer_code) ON order_difference TO backstock_app")
    op.execute("GRANT UPDATE (agreed) ON order_return_unit TO backstock_app")
    op.execute("GRANT UPDATE (send_by) ON order_return TO backstock_app")
    op.execute(
        f"CREATE POLICY app_update ON order_difference_unit FOR UPDATE TO backstock_app USING {_PARTY} WITH CHECK {_PARTY}"
    )
    op.execute("GRANT UPDATE (settled) ON order_difference_unit TO backstock_app")


def downgrade() -> None:
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM order_difference_part WHERE number > 1) "
        "OR EXISTS (SELECT 1 FROM order_difference WHERE open > 0 AND open < quantity) "
        "OR EXISTS (SELECT 1 FROM order_return_unit WHERE agreed < quantity) "
        "THEN RAISE EXCEPTION 'something was settled in part; it could not be told of any more'; END IF; END $$"
    )
    for name, table in (
        ("ix_order_difference_open_buyer", "order_difference"), ("ix_order_return_open_seller", "order_return"),
        ("ix_order_return_open_buyer", "order_return"), ("ix_order_difference_answer", "order_difference"),
        ("ix_order_return_asked", "order_return"), ("ix_order_return_agreed", "order_return"),
        ("ix_purchase_order_ship_seller", "purchase_order"), ("ix_purchase_order_ship_buyer", "purchase_order"),
        ("ix_purchase_order_ship", "purchase_order"), ("ix_quote_open", "quote"),
    ):  # fmt: skip
        op.drop_index(name, table)
    op.execute(
        "CREATE INDEX ix_order_return_waits_seller ON order_return (seller_id, order_id) WHERE status IN ('asked','shipped')"
    )
    op.execute("CREATE INDEX ix_order_return_waits_buyer ON order_return (buyer_id, order_id) WHERE status = 'agreed'")
    op.execute("DROP POLICY app_update ON order_difference_unit")
    op.execute("REVOKE UPDATE (settled) ON order_difference_unit FROM backstock_app")
    op.drop_column("order_return_unit", "agreed")
    op.drop_column("order_difference_unit", "settled")
    op.drop_column("order_return", "send_by")
    op.drop_column("order_return", "answer_by")
    op.drop_column("order_difference", "answer_by")
    op.drop_column("order_difference", "answer_code")
    op.drop_column("order_difference", "open")
    op.drop_table("order_difference_part")
