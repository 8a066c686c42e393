"""Requests for a quote, the offers made on them, and what both sides write to each other on a quote or an order.

A version of an offer is whole and never changed; ``quote`` keeps what stands now: the last version, whose it is, until when it holds.
Undo: downgrade() drops the tables with what was negotiated and written; orders that came of it stay.

Revision ID: 302500
Revises: 302410
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "302500"
down_revision = "302410"
branch_labels = None
depends_on = None

_PARTY = "(seller_id = app_company() OR buyer_id = app_company())"
_NOW = "status, po_number, last_version, last_by, expires_at, order_id, reason_code, reason_text, ended_by, ended_at"


def _column(name: str, kind: object, *, null: bool = False, **more: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=null, **more)  # type: ignore[arg-type]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    when = sa.DateTime(timezone=True)
    op.create_table(
        "quote",
        _column("id", sa.Uuid(), server_default=sa.text("uuidv7()")),
        _column("reference", sa.Text()), _column("buyer_id", sa.Uuid()), _column("seller_id", sa.Uuid()),
        _column("part_id", sa.Uuid()), _column("listing_id", sa.Uuid(), null=True), _column("quantity", sa.Integer()),
        _column("needed_by", sa.Date(), null=True), _column("ship_to_site_id", sa.Uuid()), _column("po_number", sa.Text()),
        _column("note", sa.Text()), _column("status", sa.Text()),
        _column("last_version", sa.Integer(), server_default=sa.text("0")), _column("last_by", sa.Uuid(), null=True),
        _column("expires_at", when, null=True), _column("order_id", sa.Uuid(), null=True),
        _column("reason_code", sa.Text(), null=True), _column("reason_text", sa.Text(), null=True),
        _column("asked_by", sa.Uuid()), _column("asked_at", when),
        _column("ended_by", sa.Uuid(), null=True), _column("ended_at", when, null=True),
        sa.CheckConstraint("status IN ('asked','offered','accepted','declined','withdrawn')", name=op.f("ck_quote_status")),
        sa.CheckConstraint("seller_id <> buyer_id", name=op.f("ck_quote_not_self")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_quote_quantity")),
        sa.CheckConstraint("(status = 'asked') = (last_version = 0) OR ended_at IS NOT NULL", name=op.f("ck_quote_version")),
        sa.CheckConstraint("(status = 'accepted') = (order_id IS NOT NULL)", name=op.f("ck_quote_order")),
        *(
            sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_quote_{column}"))
            for column, target in (
                ("buyer_id", "company.id"), ("seller_id", "company.id"), ("part_id", "part.id"),
                ("ship_to_site_id", "site.id"), ("order_id", "purchase_order.id"),
            )
        ),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_quote_listing_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quote")),
        sa.UniqueConstraint("reference", name=op.f("uq_quote_reference")),
    )  # fmt: skip
    op.create_index("ix_quote_seller", "quote", ["seller_id", sa.text("id DESC")])
    op.create_index("ix_quote_buyer", "quote", ["buyer_id", sa.text("id DESC")])
    op.create_index("ix_quote_listing_id", "quote", ["listing_id"], postgresql_where=sa.text("listing_id IS NOT NULL"))
    op.create_index(
        "uq_quote_order_id", "quote", ["order_id"], unique=True, postgresql_where=sa.text("order_id IS NOT NULL")
    )
    for side in ("seller", "buyer"):
        op.create_index(
            f"ix_quote_open_{side}", "quote", [f"{side}_id", "expires_at"], postgresql_where=sa.text("ended_at IS NULL")
        )
    op.create_table(
        "quote_version",
        _column("quote_id", sa.Uuid()), _column("number", sa.Integer()), _column("seller_id", sa.Uuid()),
        _column("buyer_id", sa.Uuid()), _column("by_company", sa.Uuid()), _column("made_by", sa.Uuid()),
        _column("made_at", when), _column("expires_at", when), _column("reserved", sa.Boolean()),
        _column("currency", sa.String(3)), _column("clauses", sa.dialects.postgresql.JSONB(), null=True),
        _column("note", sa.Text()), _column("sha256", sa.LargeBinary()),
        sa.CheckConstraint("number > 0", name=op.f("ck_quote_version_number")),
        sa.CheckConstraint("by_company IN (seller_id, buyer_id)", name=op.f("ck_quote_version_party")),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_quote_version_sha256")),
        sa.ForeignKeyConstraint(["quote_id"], ["quote.id"], name=op.f("fk_quote_version_quote_id")),
        sa.PrimaryKeyConstraint("quote_id", "number", name=op.f("pk_quote_version")),
    )  # fmt: skip
    op.create_table(
        "quote_line",
        _column("quote_id", sa.Uuid()), _column("number", sa.Integer()), _column("line_no", sa.Integer()),
        _column("seller_id", sa.Uuid()), _column("buyer_id", sa.Uuid()), _column("listing_id", sa.Uuid(), null=True),
        _column("part_id", sa.Uuid()), _column("condition", sa.Text()), _column("relation", sa.Text()),
        _column("quantity", sa.Integer()), _column("unit_price", sa.Numeric(16, 4)),
        sa.CheckConstraint("relation IN ('asked','superseded_by','alternate')", name=op.f("ck_quote_line_relation")),
        sa.CheckConstraint("quantity > 0 AND unit_price >= 0", name=op.f("ck_quote_line_positive")),
        sa.ForeignKeyConstraint(
            ["quote_id", "number"], ["quote_version.quote_id", "quote_version.number"], name=op.f("fk_quote_line_quote_id_number")
        ),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_quote_line_listing_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["part_id"], ["part.id"], name=op.f("fk_quote_line_part_id")),
        sa.PrimaryKeyConstraint("quote_id", "number", "line_no", name=op.f("pk_quote_line")),
    )  # fmt: skip
    op.create_index("ix_quote_line_listing_id", "quote_line", ["listing_id"])
    op.create_table(
        "trade_message",
        _column("id", sa.Uuid(), server_default=sa.text("uuidv7()")),
        _column("quote_id", sa.Uuid(), null=True), _column("order_id", sa.Uuid(), null=True),
        _column("seller_id", sa.Uuid()), _column("buyer_id", sa.Uuid()), _column("from_id", sa.Uuid()),
        _column("author_id", sa.Uuid()), _column("text", sa.Text()), _column("at", when),
        sa.CheckConstraint("num_nonnulls(quote_id, order_id) = 1", name=op.f("ck_trade_message_on")),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 2000", name=op.f("ck_trade_message_text")),
        sa.CheckConstraint("from_id IN (seller_id, buyer_id)", name=op.f("ck_trade_message_party")),
        sa.ForeignKeyConstraint(["quote_id"], ["quote.id"], name=op.f("fk_trade_message_quote_id")),
        sa.ForeignKeyConstraint(["order_id"], ["purchase_order.id"], name=op.f("fk_trade_message_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_message")),
    )  # fmt: skip
    for name in ("quote", "order"):
        op.create_index(
            f"ix_trade_message_{name}",
            "trade_message",
            [f"{name}_id", "id"],
            postgresql_where=sa.text(f"{name}_id IS NOT NULL"),
        )
    for table in ("quote", "quote_version", "quote_line", "trade_message"):
        by = {"quote_version": " AND by_company = app_company()", "trade_message": " AND from_id = app_company()"}.get(
            table, ""
        )
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING {_PARTY}")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_PARTY}{by})")
        op.execute(f"CREATE POLICY worker_read ON {table} FOR SELECT TO backstock_worker USING (true)")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT ON {table} TO backstock_worker")
    op.execute(f"GRANT UPDATE ({_NOW}) ON quote TO backstock_app")
    op.execute(f"CREATE POLICY app_update ON quote FOR UPDATE TO backstock_app USING {_PARTY} WITH CHECK {_PARTY}")


def downgrade() -> None:
    for table in ("trade_message", "quote_line", "quote_version", "quote"):
        op.drop_table(table)
