"""Payments, and what they pay: one truth for 'settled' and 'part paid'. And lines that take back part of another.

Until now both sides marked a line and nothing said what was paid, when, and against which reference. A mark is now a
payment of what is left of the line, said by one side and said by the other; the marks are written for what has them,
so that nothing that was settled opens again. ``allocated``, ``paid`` and ``disputed`` of a line (and ``allocated`` of a
payment) are sums kept beside the facts, under the line's lock, so that no two people can pay a line twice: a CHECK
refuses it. Payments and what they were allocated to are only added; a reversal is a row of its own.

Undo: downgrade() drops both tables and the columns; which payments there were is lost, the marks stay.

Revision ID: 290150
Revises: 292000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "290150"
down_revision = "292000"
branch_labels = None
depends_on = None

_SIDES = "from_id = app_company() OR to_id = app_company()"
_MARKED = "(l.payer_marked_at IS NOT NULL OR l.payee_marked_at IS NOT NULL)"


def upgrade() -> None:
    for name in ("allocated", "paid", "disputed"):
        op.add_column(
            "settlement_line", sa.Column(name, sa.Numeric(16, 4), server_default=sa.text("0"), nullable=False)
        )
    op.add_column("settlement_line", sa.Column("counters_id", sa.Uuid(), nullable=True))
    op.add_column("settlement_line", sa.Column("document", sa.Text(), nullable=True))
    op.add_column("settlement_line", sa.Column("object_by", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_settlement_line_counters_id"), "settlement_line", "settlement_line", ["counters_id"], ["id"]
    )
    op.create_index(
        "ix_settlement_line_counters_id", "settlement_line", ["counters_id"],
        postgresql_where=sa.text("counters_id IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=False),
        sa.Column("allocated", sa.Numeric(16, 4), server_default=sa.text("0"), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("bank_reference", sa.Text(), server_default="", nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("payer_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payer_by", sa.Uuid(), nullable=True),
        sa.Column("payee_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payee_by", sa.Uuid(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("import_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "amount > 0 AND allocated >= 0 AND allocated <= amount AND from_id <> to_id", name=op.f("ck_payment_amount")
        ),
        sa.CheckConstraint(
            "how IN ('recorded','imported','marked','set_off','credit','reversal')", name=op.f("ck_payment_how")
        ),
        sa.CheckConstraint("(how = 'reversal') = (reverses_id IS NOT NULL)", name=op.f("ck_payment_reverses")),
        sa.ForeignKeyConstraint(["from_id"], ["company.id"], name=op.f("fk_payment_from_id")),
        sa.ForeignKeyConstraint(["to_id"], ["company.id"], name=op.f("fk_payment_to_id")),
        sa.ForeignKeyConstraint(["reverses_id"], ["payment.id"], name=op.f("fk_payment_reverses_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("reference", name=op.f("uq_payment_reference")),
    )
    op.create_index("ix_payment_from", "payment", ["from_id", sa.literal_column("created_at DESC"), "id"])
    op.create_index("ix_payment_to", "payment", ["to_id", sa.literal_column("created_at DESC"), "id"])
    for own, at in (("from", "payer_at"), ("to", "payee_at")):
        op.create_index(
            f"ix_payment_{own}_waits", "payment", [f"{own}_id"],
            postgresql_where=sa.text(f"{at} IS NULL AND reversed_at IS NULL"),
        )  # fmt: skip
    op.create_index(
        "ix_payment_import_key", "payment", ["company_id", "import_key"], unique=True,
        postgresql_where=sa.text("import_key IS NOT NULL"),
    )  # fmt: skip
    # One reversal at a time of one payment.
    op.create_index(
        "ix_payment_reverses_id", "payment", ["reverses_id"], unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL AND reversed_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "payment_allocation",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(16, 4), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_payment_allocation_amount")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_allocation_payment_id")),
        sa.ForeignKeyConstraint(["line_id"], ["settlement_line.id"], name=op.f("fk_payment_allocation_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_allocation")),
    )
    op.create_index("ix_payment_allocation_payment_id", "payment_allocation", ["payment_id"])
    op.create_index("ix_payment_allocation_line_id", "payment_allocation", ["line_id"])
    for table in ("payment", "payment_allocation"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_app, backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_SIDES})")
        op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_SIDES})")
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    op.execute(
        f"CREATE POLICY app_update ON payment FOR UPDATE TO backstock_app USING ({_SIDES}) WITH CHECK ({_SIDES})"
    )
    # What was paid and what is owed is a fact; only who says so, and the sums beside it, are written later.
    op.execute(
        "GRANT UPDATE (payer_at, payer_by, payee_at, payee_by, reversed_at, allocated) ON payment "
        "TO backstock_app, backstock_worker"
    )
    op.execute("REVOKE UPDATE ON settlement_line FROM backstock_app, backstock_worker")
    op.execute(
        "GRANT UPDATE (payer_marked_at, payer_marked_by, payee_marked_at, payee_marked_by, allocated, paid, disputed) "
        "ON settlement_line TO backstock_app, backstock_worker"
    )
    _payments_of_marks()
    op.create_check_constraint(
        op.f("ck_settlement_line_balance"), "settlement_line",
        "paid >= 0 AND paid <= allocated AND allocated <= amount AND disputed >= 0 AND disputed <= amount",
    )  # fmt: skip
    for own, other in (("payer", "payee"), ("payee", "payer")):
        op.create_index(
            f"ix_settlement_{own}_open", "settlement_line", [f"{own}_id", f"{other}_id", "currency", "due_on", "id"],
            postgresql_where=sa.text("paid < amount"),
        )  # fmt: skip


def _payments_of_marks() -> None:
    """Each mark there is becomes what it meant: a payment of the whole line, said by whoever has marked it."""
    op.execute(
        "INSERT INTO payment (id, reference, from_id, to_id, currency, amount, allocated, paid_on, how, company_id, actor_id, "
        "payer_at, payer_by, payee_at, payee_by, created_at) "
        "SELECT uuidv7(), 'PAY-' || split_part(l.reference, '-', 2), l.payer_id, l.payee_id, l.currency, l.amount, l.amount, "
        "(least(l.payer_marked_at, l.payee_marked_at) AT TIME ZONE 'UTC')::date, 'marked', "
        "CASE WHEN l.payer_marked_at <= l.payee_marked_at OR l.payee_marked_at IS NULL THEN l.payer_id ELSE l.payee_id END, "
        "CASE WHEN l.payer_marked_at <= l.payee_marked_at OR l.payee_marked_at IS NULL THEN l.payer_marked_by "
        "ELSE l.payee_marked_by END, "
        "l.payer_marked_at, l.payer_marked_by, l.payee_marked_at, l.payee_marked_by, "
        "least(l.payer_marked_at, l.payee_marked_at) "
        f"FROM settlement_line l WHERE l.amount > 0 AND {_MARKED}"
    )
    op.execute(
        "INSERT INTO payment_allocation (payment_id, line_id, from_id, to_id, amount, actor_id, at) "
        "SELECT p.id, l.id, p.from_id, p.to_id, l.amount, p.actor_id, p.created_at "
        "FROM payment p JOIN settlement_line l ON 'PAY-' || split_part(l.reference, '-', 2) = p.reference"
    )
    op.execute(
        "UPDATE settlement_line l SET allocated = l.amount, paid = CASE WHEN l.payer_marked_at IS NOT NULL "
        f"AND l.payee_marked_at IS NOT NULL THEN l.amount ELSE 0 END WHERE l.amount > 0 AND {_MARKED}"
    )
    # A line over nothing is settled without a word.
    op.execute(
        "UPDATE settlement_line SET payer_marked_at = coalesce(payer_marked_at, created_at), "
        "payee_marked_at = coalesce(payee_marked_at, created_at) WHERE amount = 0"
    )


def downgrade() -> None:
    for own in ("payer", "payee"):
        op.drop_index(f"ix_settlement_{own}_open", "settlement_line")
    op.drop_constraint(op.f("ck_settlement_line_balance"), "settlement_line")
    op.execute(
        "REVOKE UPDATE (payer_marked_at, payer_marked_by, payee_marked_at, payee_marked_by, allocated, paid, disputed) "
        "ON settlement_line FROM backstock_app, backstock_worker"
    )
    op.execute("GRANT UPDATE ON settlement_line TO backstock_app, backstock_worker")
    op.drop_table("payment_allocation")
    op.drop_table("payment")
    op.drop_index("ix_settlement_line_counters_id", "settlement_line")
    op.drop_constraint(op.f("fk_settlement_line_counters_id"), "settlement_line")
    for name in ("object_by", "document", "counters_id", "disputed", "paid", "allocated"):
        op.drop_column("settlement_line", name)
