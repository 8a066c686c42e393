"""Which clause an order was made under, and what was ordered of the units above the minimum.

Under an agreement whose one clause reaches only the minimum to keep and another the units above it, units taken on the holder's notice
used up the minimum. Undo: downgrade; all orders then count against it again.

Revision ID: 300700
Revises: 300620
"""

import sqlalchemy as sa
from alembic import op

revision = "300700"
down_revision = "300620"
branch_labels = None
depends_on = None

# Agreements where some clause reaches only the minimum, and some clause more.
_SHARED = """
SELECT a.id, a.clause, a.terms ->> 'applies_to' AS reaches, a.further FROM agreement a
WHERE jsonb_array_length(a.further) > 0
  AND (a.terms ->> 'applies_to' = 'floor' OR a.further @? '$[*].terms.applies_to ? (@ == "floor")')
  AND (a.terms ->> 'applies_to' IS DISTINCT FROM 'floor' OR a.further @? '$[*].terms ? (!exists(@.applies_to) || @.applies_to != "floor")')
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("call", sa.Column("clause", sa.Text(), nullable=True))
    op.add_column(
        "agreement_exercise", sa.Column("above", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("agreement_line", sa.Column("taken_above", sa.Integer(), server_default=sa.text("0"), nullable=False))
    # An order that names a notice went by the clause that reaches what the notice is about; one in place of rejected units goes as
    # the one before it.
    op.execute(
        "UPDATE call k SET notice_id = f.notice_id FROM call f WHERE f.id = k.replaces_id AND k.notice_id IS NULL"
    )
    op.execute(
        f"UPDATE agreement_exercise e SET above = true FROM call k JOIN ({_SHARED}) a ON a.id = k.agreement_id "
        "WHERE e.call_id = k.id AND k.notice_id IS NOT NULL"
    )
    op.execute(
        "INSERT INTO agreement_exercise (call_id, agreement_id, part_id, maker_id, holder_id, units, at, undone_at, above) "
        f"SELECT k.id, k.agreement_id, k.part_id, k.maker_id, k.holder_id, k.quantity, k.created_at, k.created_at, true FROM call k "
        f"JOIN ({_SHARED}) a ON a.id = k.agreement_id WHERE k.replaces_id IS NOT NULL AND k.notice_id IS NOT NULL "
        "ON CONFLICT DO NOTHING"
    )
    op.execute(
        "UPDATE agreement_line l SET taken_above = least(l.taken_back, x.units) FROM ("
        "WITH RECURSIVE w AS (SELECT id, id AS now FROM agreement "
        "UNION ALL SELECT a.replaces_id, w.now FROM w JOIN agreement a ON a.id = w.id WHERE a.replaces_id IS NOT NULL) "
        "SELECT w.now, k.part_id, sum(coalesce(k.inspected_good, CASE WHEN k.received_at IS NULL THEN 0 ELSE k.quantity END)) AS units "
        "FROM w JOIN call k ON k.agreement_id = w.id JOIN agreement_exercise e ON e.call_id = k.id AND e.above GROUP BY 1, 2"
        ") x WHERE l.agreement_id = x.now AND l.part_id = x.part_id AND x.units > 0"
    )
    op.create_check_constraint(
        op.f("ck_agreement_line_taken_above"), "agreement_line", "taken_above BETWEEN 0 AND taken_back"
    )
    op.create_index("ix_agreement_exercise_above", "agreement_exercise", ["call_id"], postgresql_where=sa.text("above"))
    op.execute("GRANT UPDATE (taken_above) ON agreement_line TO backstock_app, backstock_worker")


def downgrade() -> None:
    op.drop_index("ix_agreement_exercise_above", table_name="agreement_exercise")
    op.drop_constraint(op.f("ck_agreement_line_taken_above"), "agreement_line", type_="check")
    op.drop_column("agreement_line", "taken_above")
    op.execute("DELETE FROM agreement_exercise e USING call k WHERE k.id = e.call_id AND k.replaces_id IS NOT NULL")
    op.drop_column("agreement_exercise", "above")
    op.drop_column("call", "clause")
