"""A holder's notice is a row of its own: when it can be answered, from when until when the holder may act, what the
manufacturer has answered, and how many of its units were ordered or used. Beside it, every order under an agreement with its
units and day, and index series that prices follow. Notices so far are carried over from the events that told them, with their
numbers (the calendar has told of them by these).

Undo: downgrade() drops the tables; the events that told of notices stay.

Revision ID: 292200
Revises: 292100
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "292200"
down_revision = "292100"
branch_labels = None
depends_on = None

_SIDES = "maker_id = app_company() OR holder_id = app_company()"


def _open_to_sides(table: str, *, update: bool) -> None:
    for role in ("backstock_app", "backstock_worker"):
        op.execute(f"GRANT SELECT, INSERT{', UPDATE' if update else ''} ON {table} TO {role}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_SIDES})")
    op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_SIDES})")
    if update:
        op.execute(
            f"CREATE POLICY app_update ON {table} FOR UPDATE TO backstock_app USING ({_SIDES}) WITH CHECK ({_SIDES})"
        )
    op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("offer", sa.Numeric(), nullable=True),
        sa.Column("offered_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clear_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clear_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer_note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("act IN ('use','install','scrap','resell','move_site')", name=op.f("ck_notice_act")),
        sa.CheckConstraint("needs IN ('notice','offer','consent')", name=op.f("ck_notice_needs")),
        sa.CheckConstraint("status IN ('open','agreed','refused','withdrawn')", name=op.f("ck_notice_status")),
        sa.CheckConstraint("(status = 'open') = (answered_at IS NULL)", name=op.f("ck_notice_answered")),
        sa.CheckConstraint(
            "quantity > 0 AND taken >= 0 AND used >= 0 AND taken + used <= quantity", name=op.f("ck_notice_units")
        ),
        sa.CheckConstraint("(clear_from IS NULL) = (clear_until IS NULL)", name=op.f("ck_notice_clearance")),
        sa.CheckConstraint("offer IS NULL OR (offer >= 0 AND offered_by IS NOT NULL)", name=op.f("ck_notice_offer")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_notice_agreement_id_agreement_line"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_agreement", "notice", ["agreement_id", "part_id", "id"])
    standing = sa.text("status IN ('open','agreed') AND quantity > taken + used")
    for side in ("maker", "holder"):
        op.create_index(f"ix_notice_{side}", "notice", [f"{side}_id", "id"], postgresql_where=standing)
        op.create_index(f"ix_notice_{side}_answer", "notice", [f"{side}_id", "answer_by"], postgresql_where=standing)
        op.create_index(f"ix_notice_{side}_until", "notice", [f"{side}_id", "clear_until"], postgresql_where=standing)
    op.create_index("ix_notice_answer_by", "notice", ["answer_by"], postgresql_where=standing)
    op.create_index("ix_notice_clear_until", "notice", ["clear_until"], postgresql_where=standing)
    _open_to_sides("notice", update=True)
    op.execute(
        """
        INSERT INTO notice (id, agreement_id, part_id, maker_id, holder_id, act, needs, quantity, used, noticed_at, answer_by,
                            clear_from, clear_until, given_by)
        SELECT lpad(to_hex(n.id), 32, '0')::uuid, n.subject_id, (n.detail->>'part_id')::uuid, n.maker_id, n.holder_id, n.detail->>'act',
               CASE n.detail->>'act' WHEN 'scrap' THEN 'offer' ELSE 'notice' END, (n.detail->>'quantity')::int,
               least(coalesce((SELECT sum((u.detail->>'quantity')::int) FROM agreement_event u
                               WHERE u.subject_id = n.subject_id AND u.kind = 'notice_used'
                               AND (u.detail->>'notice')::int = n.id), 0), (n.detail->>'quantity')::int),
               n.at, (n.detail->>'clear_from')::timestamptz, (n.detail->>'clear_from')::timestamptz,
               (n.detail->>'clear_until')::timestamptz, n.actor_id
        FROM agreement_event n WHERE n.kind = 'notice' AND n.detail ? 'clear_until'
        """
    )
    for side in ("maker", "holder"):
        op.drop_index(f"ix_agreement_event_notice_{side}", table_name="agreement_event")

    op.create_table(
        "notice_use",
        sa.Column("permit_id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_notice_use_units")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name=op.f("fk_notice_use_notice_id_notice")),
        sa.PrimaryKeyConstraint("permit_id", name=op.f("pk_notice_use")),
    )
    op.create_index("ix_notice_use_notice_id", "notice_use", ["notice_id"])
    _open_to_sides("notice_use", update=False)

    op.create_table(
        "agreement_exercise",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=True),
        sa.Column("notice_units", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("units > 0 AND notice_units BETWEEN 0 AND units", name=op.f("ck_agreement_exercise_units")),
        sa.CheckConstraint("(notice_id IS NULL) = (notice_units = 0)", name=op.f("ck_agreement_exercise_notice")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_agreement_exercise_agreement_id_agreement_line"),
        ),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name=op.f("fk_agreement_exercise_notice_id_notice")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_agreement_exercise")),
    )
    op.create_index("ix_agreement_exercise_agreement", "agreement_exercise", ["agreement_id", "part_id", "at"])
    op.create_index(
        "ix_agreement_exercise_notice_id", "agreement_exercise", ["notice_id"],
        postgresql_where=sa.text("notice_id IS NOT NULL"),
    )  # fmt: skip
    _open_to_sides("agreement_exercise", update=True)
    # What was used or fitted under an agreement, for allowances.
    op.create_index(
        "ix_movement_agreement_use", "movement", ["agreement_id"],
        postgresql_where=sa.text("kind IN ('use_up','install') AND agreement_id IS NOT NULL"),
    )  # fmt: skip

    op.create_table(
        "index_value",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("value IS NULL OR value > 0", name=op.f("ck_index_value_value")),
        sa.CheckConstraint("month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'", name=op.f("ck_index_value_month")),
        sa.PrimaryKeyConstraint("series", "month", "published_at", name=op.f("pk_index_value")),
    )
    op.execute("GRANT SELECT ON index_value TO backstock_app")
    op.execute("GRANT SELECT, INSERT ON index_value TO backstock_worker")

    op.create_table(
        "unit_value",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("maker_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valued_on", sa.Date(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('cost','inbound_freight','market')", name=op.f("ck_unit_value_kind")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_unit_value_amount")),
        sa.ForeignKeyConstraint(
            ["agreement_id", "part_id"],
            ["agreement_line.agreement_id", "agreement_line.part_id"],
            name=op.f("fk_unit_value_agreement_id_agreement_line"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_value")),
    )
    op.create_index("ix_unit_value_agreement", "unit_value", ["agreement_id", "part_id", "id"])
    _open_to_sides("unit_value", update=False)


def downgrade() -> None:
    op.drop_table("unit_value")
    op.drop_table("index_value")
    op.drop_index("ix_movement_agreement_use", "movement")
    op.drop_table("agreement_exercise")
    op.drop_table("notice_use")
    op.drop_table("notice")
    for side in ("maker", "holder"):
        op.create_index(
            f"ix_agreement_event_notice_{side}", "agreement_event", [f"{side}_id", "at"],
            postgresql_where=sa.text("kind = 'notice'"),
        )  # fmt: skip
