"""The log: what waits to be sequenced, the order it got, salts and lot keys, the Merkle tree as tiles, checkpoints, witnesses.

Movements from before are not queued: the sequencer takes them in the order in which they were recorded, before the first
checkpoint. A checkpoint that was published cannot be taken back: do not undo this once there is one.

Undo: downgrade() drops the tables; the movements stay.

Revision ID: 300200
Revises: 300190
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "300200"
down_revision = "300190"
branch_labels = None
depends_on = None

_BYTES = postgresql.BYTEA()
_SEES_MOVEMENT = "EXISTS (SELECT FROM movement m WHERE m.lot_id = log_salt.lot_id AND m.seq = log_salt.seq)"
_SEES_LOT = "EXISTS (SELECT FROM lot l WHERE l.lot_id = log_lot_key.lot_id)"

# Every sealed movement of lots that the tenant may see: its place in the log and its commitment; and, of those that it may see,
# the salt and the record with both places, which row security would show only as far as they are the tenant's own.
_HISTORY = """
CREATE FUNCTION log_history(lots uuid[], below bigint) RETURNS TABLE (
    lot_id uuid, seq bigint, place bigint, commitment bytea, salt bytea,
    kind text, purpose text, quantity int, agreement_id uuid, occurred_at timestamptz, recorded_at timestamptz,
    company_id uuid, actor_id uuid, command_id uuid, cause_kind text, cause_id uuid, reason_code text, note_hash bytea,
    resolves bigint, continues bigint, corrects bigint, permit_id uuid, counterpart_lot_id uuid, machine text,
    from_position int, from_owner uuid, from_holder uuid, from_site uuid, from_condition text, from_agreement uuid,
    from_beneficiary uuid, from_quantity_after int, from_held_after int,
    to_position int, to_owner uuid, to_holder uuid, to_site uuid, to_condition text, to_agreement uuid, to_beneficiary uuid,
    to_quantity_after int
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT s.lot_id, s.seq, s.position, substr(e.entry, 34), CASE WHEN m.seq IS NOT NULL THEN s.salt END,
        m.kind, m.purpose, m.quantity, m.agreement_id, m.occurred_at, m.recorded_at,
        m.company_id, m.actor_id, m.command_id, m.cause_kind, m.cause_id, m.reason_code, m.note_hash,
        m.resolves, m.continues, m.corrects, m.permit_id, m.counterpart_lot_id, m.machine,
        m.from_position, f.owner_id, f.holder_id, f.site_id, f.condition, f.agreement_id, f.beneficiary_id,
        m.from_quantity_after, m.from_held_after,
        m.to_position, t.owner_id, t.holder_id, t.site_id, t.condition, t.agreement_id, t.beneficiary_id, m.to_quantity_after
    FROM lot l JOIN log_salt s ON s.lot_id = l.lot_id JOIN log_entry e ON e.position = s.position
    LEFT JOIN movement m ON m.lot_id = s.lot_id AND m.seq = s.seq
        AND (app_company() = ANY (m.parties) OR m.parties && app_sources())
    LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
    LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
    WHERE l.lot_id = ANY (lots) AND s.position < below AND (app_company() = ANY (l.parties) OR l.parties && app_sources())
    ORDER BY s.lot_id, s.seq
$$
"""

# How much waits, and since when: nobody need see whose movements these are.
_WAITING = """
CREATE FUNCTION log_waiting() RETURNS TABLE (n bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT count(*), min(m.recorded_at) FROM (SELECT lot_id, seq FROM unsequenced LIMIT 10000) u JOIN movement m USING (lot_id, seq)
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.create_table(
        "unsequenced",
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lot_id", "seq", name=op.f("pk_unsequenced")),
    )
    # Rows come and go all the time: the queue is swept long before the usual share of it is dead.
    op.execute("ALTER TABLE unsequenced SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    op.execute("GRANT INSERT ON unsequenced TO backstock_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON unsequenced TO backstock_worker")
    op.create_table(
        "log_state",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequenced_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_log_state_single")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_log_state_size")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_log_state")),
    )
    op.execute("GRANT SELECT ON log_state TO backstock_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (size, sequenced_at) ON log_state TO backstock_worker")
    op.create_table(
        "log_entry",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", _BYTES, nullable=False),
        sa.CheckConstraint("length(entry) = 65", name=op.f("ck_log_entry_entry")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_entry")),
    )
    op.create_table(
        "log_salt",
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("salt", _BYTES, nullable=False),
        sa.PrimaryKeyConstraint("lot_id", "seq", name=op.f("pk_log_salt")),
    )
    op.create_index("uq_log_salt_position", "log_salt", ["position"], unique=True)
    op.create_table(
        "log_lot_key",
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("key", _BYTES, nullable=False),
        sa.CheckConstraint("length(key) = 32", name=op.f("ck_log_lot_key_key")),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_log_lot_key")),
    )
    op.create_table(
        "log_tile",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", _BYTES, nullable=False),
        sa.CheckConstraint(
            "length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0", name=op.f("ck_log_tile_hashes")
        ),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_log_tile")),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", _BYTES, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size > 0 AND length(root) = 32", name=op.f("ck_log_checkpoint_root")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoint")),
    )
    op.create_table(
        "log_key",
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("vkey", name=op.f("pk_log_key")),
    )
    op.execute("GRANT SELECT ON log_key TO backstock_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (retired_at) ON log_key TO backstock_worker")
    op.create_table(
        "log_witness",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name=op.f("fk_log_witness_company_id_company")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_witness")),
        sa.UniqueConstraint("vkey", name=op.f("uq_log_witness_vkey")),
    )
    op.create_index(
        "uq_log_witness_name", "log_witness", ["name"], unique=True, postgresql_where=sa.text("retired_at IS NULL")
    )
    op.create_index("ix_log_witness_company_id", "log_witness", ["company_id"])
    op.create_table(
        "log_cosignature",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["log_checkpoint.size"], name=op.f("fk_log_cosignature_size_log_checkpoint")),
        sa.ForeignKeyConstraint(
            ["witness_id"], ["log_witness.id"], name=op.f("fk_log_cosignature_witness_id_log_witness")
        ),
        sa.PrimaryKeyConstraint("size", "witness_id", name=op.f("pk_log_cosignature")),
    )
    op.create_index("ix_log_cosignature_witness_id", "log_cosignature", ["witness_id", "size"])
    op.create_table(
        "log_alarm",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("witness_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('smaller','forked','key','check')", name=op.f("ck_log_alarm_kind")),
        sa.ForeignKeyConstraint(["witness_id"], ["log_witness.id"], name=op.f("fk_log_alarm_witness_id_log_witness")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_alarm")),
    )
    for table in ("log_entry", "log_tile", "log_checkpoint", "log_cosignature", "log_alarm"):
        op.execute(f"GRANT SELECT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_worker")
    op.execute("GRANT UPDATE (hashes) ON log_tile TO backstock_worker")
    # Whoever shows a cosignature that holds, or a proof that the log is not what it was, may put it on record.
    op.execute("GRANT INSERT ON log_cosignature, log_alarm TO backstock_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (retired_at) ON log_witness TO backstock_app")
    op.execute("GRANT SELECT ON log_witness TO backstock_worker")
    for table, sees in (("log_salt", _SEES_MOVEMENT), ("log_lot_key", _SEES_LOT)):
        op.execute(f"GRANT SELECT ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({sees})")
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    op.execute(_HISTORY)
    op.execute(_WAITING)


def downgrade() -> None:
    op.execute("DROP FUNCTION log_history(uuid[], bigint)")
    op.execute("DROP FUNCTION log_waiting()")
    for table in (
        "log_alarm", "log_cosignature", "log_witness", "log_key", "log_checkpoint", "log_tile", "log_lot_key", "log_salt", "log_entry",
        "log_state", "unsequenced",
    ):  # fmt: skip
        op.drop_table(table)
