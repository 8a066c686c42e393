"""An order's way: shipments, what arrived otherwise than it was shipped, returns, and cancellations that both sides agree on.

Until now an order shipped whole and once, and what was short counted as lost at the receipt. An order that is on its way or was
received gets the one shipment that it had. A difference and a return are records of their own beside the order's lines; their units
stay in the ledger where they are until the two sides have settled them.
Undo: downgrade() drops the tables, after which an order no longer says which of its units came by which shipment; it is refused where
an order was shipped or received in part, since such an order could not be told of then.

Revision ID: 303000
Revises: 303120
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "303000"
down_revision = "303120"
branch_labels = None
depends_on = None

_PARTY = "(seller_id = app_company() OR buyer_id = app_company())"
_SIDES = "seller_id uuid NOT NULL, buyer_id uuid NOT NULL"
_ORDER = "CONSTRAINT fk_{t}_order_id REFERENCES purchase_order (id)"

TABLES = {
    "order_shipment": f"""
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_order_shipment PRIMARY KEY,
        order_id uuid NOT NULL {_ORDER.format(t="order_shipment")},
        number integer NOT NULL,
        {_SIDES},
        carrier text NOT NULL, tracking text, packages integer, weight_grams integer, origin text, note text,
        shipped_by uuid NOT NULL, shipped_at timestamptz NOT NULL, received_by uuid, received_at timestamptz,
        CONSTRAINT uq_order_shipment_order_id_number UNIQUE (order_id, number),
        CONSTRAINT ck_order_shipment_positive CHECK (number > 0 AND packages > 0 AND weight_grams > 0),
        CONSTRAINT ck_order_shipment_origin CHECK (origin ~ '^[A-Z]{{2}}$'),
        CONSTRAINT ck_order_shipment_received CHECK ((received_by IS NULL) = (received_at IS NULL))""",
    "order_return": f"""
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_order_return PRIMARY KEY,
        order_id uuid NOT NULL {_ORDER.format(t="order_return")},
        number integer NOT NULL,
        {_SIDES},
        of_units text NOT NULL,
        reason_code text NOT NULL, note text, status text NOT NULL,
        asked_by uuid NOT NULL, asked_at timestamptz NOT NULL,
        answered_by uuid, answered_at timestamptz, answer_code text, answer_note text,
        credit_percent integer, to_site_id uuid CONSTRAINT fk_order_return_to_site_id REFERENCES site (id),
        carrier text, tracking text, shipped_at timestamptz, received_at timestamptz, credited numeric(16, 4),
        CONSTRAINT uq_order_return_order_id_number UNIQUE (order_id, number),
        CONSTRAINT ck_order_return_of_units CHECK (of_units IN ('bought','not_accepted')),
        CONSTRAINT ck_order_return_status CHECK (status IN ('asked','agreed','refused','withdrawn','shipped','received')),
        CONSTRAINT ck_order_return_credit CHECK (credit_percent BETWEEN 0 AND 100 AND credited >= 0)""",
    "order_return_unit": f"""
        return_id uuid NOT NULL CONSTRAINT fk_order_return_unit_return_id REFERENCES order_return (id),
        line_no integer NOT NULL, lot_id uuid NOT NULL,
        {_SIDES},
        quantity integer NOT NULL, serial text, travels_as uuid, position_id integer,
        CONSTRAINT pk_order_return_unit PRIMARY KEY (return_id, line_no, lot_id),
        CONSTRAINT ck_order_return_unit_quantity CHECK (quantity > 0)""",
    "order_difference": f"""
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_order_difference PRIMARY KEY,
        order_id uuid NOT NULL {_ORDER.format(t="order_difference")},
        shipment_id uuid NOT NULL CONSTRAINT fk_order_difference_shipment_id REFERENCES order_shipment (id),
        line_no integer NOT NULL,
        {_SIDES},
        kind text NOT NULL, quantity integer NOT NULL, reason_code text NOT NULL, note text,
        found_by uuid NOT NULL, found_at timestamptz NOT NULL, status text NOT NULL,
        answered_by uuid, answered_at timestamptz, answer_note text, settled_as text, settled_at timestamptz,
        return_id uuid CONSTRAINT fk_order_difference_return_id REFERENCES order_return (id),
        CONSTRAINT uq_order_difference_shipment_id_line_no_kind UNIQUE (shipment_id, line_no, kind),
        CONSTRAINT ck_order_difference_kind CHECK (kind IN ('short','damaged','wrong','over')),
        CONSTRAINT ck_order_difference_quantity CHECK (quantity > 0),
        CONSTRAINT ck_order_difference_status CHECK (status IN ('open','disputed','settled')),
        CONSTRAINT ck_order_difference_settled CHECK ((status = 'settled') = (settled_as IS NOT NULL))""",
    "order_difference_unit": f"""
        difference_id uuid NOT NULL CONSTRAINT fk_order_difference_unit_difference_id REFERENCES order_difference (id),
        lot_id uuid NOT NULL, position_id integer NOT NULL,
        {_SIDES},
        quantity integer NOT NULL, serial text,
        CONSTRAINT pk_order_difference_unit PRIMARY KEY (difference_id, lot_id),
        CONSTRAINT ck_order_difference_unit_quantity CHECK (quantity > 0)""",
    "order_cancellation": f"""
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT pk_order_cancellation PRIMARY KEY,
        order_id uuid NOT NULL {_ORDER.format(t="order_cancellation")},
        {_SIDES},
        company_id uuid NOT NULL, reason_code text NOT NULL, note text, status text NOT NULL,
        asked_by uuid NOT NULL, asked_at timestamptz NOT NULL,
        answered_by uuid, answered_at timestamptz, answer_note text,
        CONSTRAINT ck_order_cancellation_party CHECK (company_id IN (seller_id, buyer_id)),
        CONSTRAINT ck_order_cancellation_status CHECK (status IN ('asked','agreed','refused','withdrawn'))""",
}
INDEXES = (
    # What a side still has to do about it.
    "CREATE INDEX ix_order_shipment_way ON order_shipment (buyer_id, order_id) WHERE received_at IS NULL",
    "CREATE INDEX ix_order_difference_order_id ON order_difference (order_id)",
    "CREATE INDEX ix_order_difference_open ON order_difference (seller_id, order_id) WHERE status <> 'settled'",
    "CREATE INDEX ix_order_return_waits_seller ON order_return (seller_id, order_id) WHERE status IN ('asked','shipped')",
    "CREATE INDEX ix_order_return_waits_buyer ON order_return (buyer_id, order_id) WHERE status = 'agreed'",
    "CREATE UNIQUE INDEX uq_order_cancellation_asked ON order_cancellation (order_id) WHERE status = 'asked'",
    "CREATE INDEX ix_order_cancellation_order_id ON order_cancellation (order_id)",
    "CREATE INDEX ix_order_unit_shipment_id ON order_unit (shipment_id) WHERE shipment_id IS NOT NULL",
)
# What is said once stays; what may be told later of each record, by whom is the service's business.
LATER = {
    "order_shipment": "carrier, tracking, received_by, received_at",
    "order_return": "status, answered_by, answered_at, answer_code, answer_note, credit_percent, to_site_id, carrier, tracking, "
    "shipped_at, received_at, credited",
    "order_return_unit": "travels_as, position_id",
    "order_difference": "status, answered_by, answered_at, answer_note, settled_as, settled_at, return_id",
    "order_cancellation": "status, answered_by, answered_at, answer_note",
}
BACKFILL = (
    (
        "INSERT INTO order_shipment (order_id, number, seller_id, buyer_id, carrier, tracking, shipped_by, shipped_at, received_by, received_at) "
        "SELECT o.id, 1, o.seller_id, o.buyer_id, coalesce(o.carrier, ''), o.tracking, o.placed_by, coalesce(o.shipped_at, o.received_at, o.placed_at), "
        "CASE WHEN o.received_at IS NOT NULL THEN o.placed_by END, o.received_at FROM purchase_order o WHERE o.status IN ('shipped', 'received')"
    ),
    "UPDATE order_unit u SET shipment_id = s.id FROM order_shipment s WHERE s.order_id = u.order_id AND u.quantity > 0",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    for table, columns in TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
    op.add_column("order_unit", sa.Column("shipment_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_order_unit_shipment_id"), "order_unit", "order_shipment", ["shipment_id"], ["id"])
    op.drop_constraint(op.f("ck_order_line_receipt"), "order_line")
    op.create_check_constraint(
        op.f("ck_order_line_receipt"), "order_line", "good + short + damaged + wrong <= quantity"
    )
    for statement in (*INDEXES, *BACKFILL):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING {_PARTY}")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK {_PARTY}")
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
        if table in LATER:
            op.execute(
                f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING {_PARTY} WITH CHECK {_PARTY}"
            )
            op.execute(f"GRANT UPDATE ({LATER[table]}) ON {table} TO backstock_app")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_order_line_receipt"), "order_line")
    op.create_check_constraint(op.f("ck_order_line_receipt"), "order_line", "good + short + damaged + wrong = quantity")
    op.drop_index("ix_order_unit_shipment_id", "order_unit")
    op.drop_constraint(op.f("fk_order_unit_shipment_id"), "order_unit")
    op.drop_column("order_unit", "shipment_id")
    for table in reversed(TABLES):
        op.drop_table(table)
