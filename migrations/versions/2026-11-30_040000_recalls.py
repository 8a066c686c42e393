"""Quality holds and recalls across holders: what a maker orders, whom it reaches, what each of them says, and how it ends.

A maker's hold reaches every unit of its part, also units in which it has no right any more and which row level security
hides from it: what stops them is therefore done by functions of the owner, which lock the lots in their order and write the
same transactions as the ledger's own quality hold. One statement each, however many lots. Registering waits for the part's
row through its foreign key, and looks for standing holds after that: a unit is either seen by the hold or sees it.

Rows are only added; that somebody was told, has read it or answered, and that a hold is lifted, are rows of their own.

Undo: downgrade() drops functions and tables; units that are on hold stay so, and are then lifted one by one.

Revision ID: 300400
Revises: 300221
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "300400"
down_revision = "300221"
branch_labels = None
depends_on = None

_OURS = (
    "recall",
    "recall_holder",
    "recall_read",
    "recall_answer",
    "recall_lift",
    "recall_told",
    "recall_lot",
    "recall_lift_lot",
)

_FUNCTIONS = (
    """
CREATE FUNCTION recall_covers(serial text, batch text, of_batch text, serial_from text, serial_to text, serials text[])
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- Serials compare as people number them: shorter ones first, then by character.
    SELECT coalesce((of_batch IS NULL OR batch = of_batch)
        AND (serial_from IS NULL OR (length(serial), serial COLLATE "C") >= (length(serial_from), serial_from COLLATE "C"))
        AND (serial_to IS NULL OR (length(serial), serial COLLATE "C") <= (length(serial_to), serial_to COLLATE "C"))
        AND (serials IS NULL OR upper(serial) = ANY (serials)), false)
$$
""",
    """
CREATE FUNCTION recall_reach(of_lots uuid[], of_maker uuid)
RETURNS TABLE (holder_id uuid, named boolean, lots integer, units bigint, sites integer, reserved bigint, under_way bigint,
    installed bigint, used_up bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    WITH here AS (
        SELECT p.holder_id, count(DISTINCT p.lot_id)::int AS lots,
               sum(p.quantity) FILTER (WHERE p.site_id IS NOT NULL) AS units,
               count(DISTINCT p.site_id) FILTER (WHERE p.quantity > 0)::int AS sites, sum(p.held) AS reserved,
               sum(p.quantity) FILTER (WHERE p.site_id IS NULL) AS under_way,
               bool_or(of_maker IN (p.owner_id, p.holder_id, coalesce(p.beneficiary_id, p.owner_id))) AS named
        FROM position p WHERE p.lot_id = ANY (of_lots) GROUP BY p.holder_id
    ), gone AS (
        SELECT coalesce(f.holder_id, t.holder_id) AS holder_id,
               sum(CASE coalesce(m.purpose, m.kind) WHEN 'install' THEN m.quantity WHEN 'remove' THEN -m.quantity ELSE 0 END)
                   AS installed,
               sum(CASE WHEN coalesce(m.purpose, m.kind) = 'use_up' THEN m.quantity ELSE 0 END) AS used_up
        FROM movement m
        LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
        LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
        WHERE m.lot_id = ANY (of_lots) AND coalesce(m.purpose, m.kind) IN ('install', 'remove', 'use_up')
          AND NOT EXISTS (SELECT FROM movement c WHERE c.lot_id = m.lot_id AND c.corrects = m.seq)
        GROUP BY 1
    )
    SELECT h.holder_id, h.named OR EXISTS (
               SELECT FROM agreement a WHERE a.maker_id = of_maker AND a.holder_id = h.holder_id),
           h.lots, coalesce(h.units, 0)::bigint, h.sites, coalesce(h.reserved, 0)::bigint, coalesce(h.under_way, 0)::bigint,
           greatest(coalesce(g.installed, 0), 0)::bigint, coalesce(g.used_up, 0)::bigint
    FROM here h LEFT JOIN gone g ON g.holder_id = h.holder_id
$$
""",
    """
CREATE FUNCTION recall_preview(of_part uuid, of_batch text, serial_from text, serial_to text, serials text[])
RETURNS TABLE (holder_id uuid, named boolean, lots integer, units bigint, sites integer, reserved bigint, under_way bigint,
    installed bigint, used_up bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT r.* FROM recall_reach(
        ARRAY (SELECT l.lot_id FROM lot l WHERE l.part_id = of_part
               AND recall_covers(l.serial, l.batch, of_batch, serial_from, serial_to, serials)), app_company()) r
    WHERE EXISTS (SELECT FROM part t JOIN maker k ON k.id = t.maker_id WHERE t.id = of_part AND k.company_id = app_company())
$$
""",
    """
CREATE FUNCTION recall_progress(of_recall uuid)
RETURNS TABLE (holder_id uuid, named boolean, lots integer, units bigint, sites integer, reserved bigint, under_way bigint,
    installed bigint, used_up bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    -- To a holder its own numbers alone.
    SELECT h.* FROM recall r
    CROSS JOIN LATERAL recall_reach(ARRAY (SELECT x.lot_id FROM recall_lot x WHERE x.recall_id = r.id), r.maker_id) h
    WHERE r.id = of_recall AND app_company() IN (r.maker_id, h.holder_id)
$$
""",
    """
CREATE FUNCTION recall_mark(of_lots uuid[], stops boolean, by_company uuid, by_actor uuid, command uuid, cause uuid,
    reason text, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
#variable_conflict use_column
DECLARE marked integer;
BEGIN
    INSERT INTO command AS c (command_id, company_id, input_hash, recorded_at)
    VALUES (command, by_company, sha256(convert_to(cause::text || stops::text, 'UTF8')), clock_timestamp())
    ON CONFLICT (command_id) DO NOTHING;
    WITH told AS (
        SELECT l.lot_id, l.last_seq + 1 AS seq, greatest(at, l.last_occurred_at) AS occurred_at,
               greatest(at, l.last_recorded_at + interval '1 microsecond') AS recorded_at,
               p.position_id, p.quantity, p.held, p.agreement_id,
               (SELECT array_agg(DISTINCT x ORDER BY x) FROM position q
                CROSS JOIN LATERAL unnest(ARRAY[q.owner_id, q.holder_id, q.beneficiary_id]) AS x
                WHERE q.lot_id = l.lot_id AND x IS NOT NULL AND (q.quantity > 0 OR q.position_id = p.position_id)) AS parties
        FROM lot l CROSS JOIN LATERAL (
            SELECT * FROM position q WHERE q.lot_id = l.lot_id ORDER BY q.quantity DESC, q.position_id DESC LIMIT 1) p
        WHERE l.lot_id = ANY (of_lots) AND l.frozen <> stops
    ), lots AS (
        UPDATE lot l SET frozen = stops, last_seq = t.seq, last_recorded_at = t.recorded_at,
            last_occurred_at = greatest(l.last_occurred_at, t.occurred_at)
        FROM told t WHERE t.lot_id = l.lot_id RETURNING 1
    ), written AS (
        INSERT INTO movement (lot_id, seq, kind, quantity, from_position, from_quantity_after, from_held_after, agreement_id,
            occurred_at, recorded_at, company_id, actor_id, command_id, cause_kind, cause_id, reason_code, parties)
        SELECT lot_id, seq, CASE WHEN stops THEN 'freeze' ELSE 'lift' END, greatest(quantity, 1), position_id, quantity,
            held, agreement_id, occurred_at, recorded_at, by_company, by_actor, command, 'recall', cause, left(reason, 200), parties
        FROM told RETURNING lot_id, seq
    ), queued AS (
        INSERT INTO unsequenced (lot_id, seq) SELECT lot_id, seq FROM written RETURNING 1
    )
    SELECT count(*)::int INTO marked FROM lots;
    RETURN marked;
END
$$
""",
    """
CREATE FUNCTION recall_put(of_recall uuid, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    r recall;
    ids uuid[];
BEGIN
    SELECT * INTO r FROM recall x WHERE x.id = of_recall AND x.maker_id = app_company();
    IF NOT FOUND OR EXISTS (SELECT FROM recall_lot x WHERE x.recall_id = of_recall) THEN
        RETURN 0;
    END IF;
    -- Lots before the part: a command that moves one and registers another takes them in this order. Whoever registered
    -- before this has ended when the part's row is ours; whoever comes later waits, and finds the hold.
    FOR pass IN 1..2 LOOP
        PERFORM 1 FROM lot l WHERE l.part_id = r.part_id
            AND recall_covers(l.serial, l.batch, r.batch, r.serial_from, r.serial_to, r.serials)
            ORDER BY l.lot_id FOR NO KEY UPDATE;
        IF pass = 1 THEN
            PERFORM 1 FROM part t WHERE t.id = r.part_id FOR UPDATE;
        END IF;
    END LOOP;
    ids := ARRAY (SELECT l.lot_id FROM lot l WHERE l.part_id = r.part_id
        AND recall_covers(l.serial, l.batch, r.batch, r.serial_from, r.serial_to, r.serials) ORDER BY l.lot_id);
    INSERT INTO recall_lot (recall_id, lot_id, maker_id, at) SELECT r.id, x, r.maker_id, recall_put.at FROM unnest(ids) x;
    PERFORM recall_mark(ids, true, r.maker_id, r.put_by, r.id, r.id, r.reference || ': ' || r.reason, recall_put.at);
    INSERT INTO recall_holder (recall_id, holder_id, maker_id, named, since, answer_by)
    SELECT r.id, h.holder_id, r.maker_id, h.named, recall_put.at, r.answer_by FROM recall_reach(ids, r.maker_id) h;
    RETURN cardinality(ids);
END
$$
""",
    """
CREATE FUNCTION recall_catch(of_lots uuid[], at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    r recall;
    ids uuid[];
    caught integer := 0;
BEGIN
    FOR r IN
        SELECT x.* FROM recall x
        WHERE x.part_id IN (SELECT l.part_id FROM lot l WHERE l.lot_id = ANY (of_lots))
          AND NOT EXISTS (SELECT FROM recall_lift w WHERE w.recall_id = x.id AND w.whole) ORDER BY x.id
    LOOP
        ids := ARRAY (SELECT l.lot_id FROM lot l WHERE l.lot_id = ANY (of_lots) AND l.part_id = r.part_id
            AND recall_covers(l.serial, l.batch, r.batch, r.serial_from, r.serial_to, r.serials)
            AND NOT EXISTS (SELECT FROM recall_lift w WHERE w.recall_id = r.id
                AND recall_covers(l.serial, l.batch, w.batch, w.serial_from, w.serial_to, w.serials)) ORDER BY l.lot_id);
        CONTINUE WHEN cardinality(ids) = 0;
        caught := caught + cardinality(ids);
        INSERT INTO recall_lot (recall_id, lot_id, maker_id, at) SELECT r.id, x, r.maker_id, recall_catch.at FROM unnest(ids) x
        ON CONFLICT DO NOTHING;
        PERFORM recall_mark(ids, true, r.maker_id, r.put_by, gen_random_uuid(), r.id, r.reference || ': ' || r.reason,
            recall_catch.at);
        -- Who gets such units later has as long to answer as those who had them had.
        INSERT INTO recall_holder (recall_id, holder_id, maker_id, named, since, answer_by)
        SELECT r.id, h.holder_id, r.maker_id, h.named, recall_catch.at,
            greatest(r.answer_by, recall_catch.at + (r.answer_by - r.put_at))
        FROM recall_reach(ids, r.maker_id) h ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN caught;
END
$$
""",
    """
CREATE FUNCTION recall_stopped_parts() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    -- For whoever brings very many units on record at once: only these are looked at one by one.
    SELECT DISTINCT x.part_id FROM recall x
    WHERE NOT EXISTS (SELECT FROM recall_lift w WHERE w.recall_id = x.id AND w.whole)
$$
""",
    """
CREATE FUNCTION recall_lifted(of_lift uuid, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    w recall_lift;
    r recall;
    ids uuid[];
BEGIN
    SELECT * INTO w FROM recall_lift x WHERE x.id = of_lift AND x.maker_id = app_company();
    IF NOT FOUND OR EXISTS (SELECT FROM recall_lift_lot x WHERE x.lift_id = of_lift) THEN
        RETURN 0;
    END IF;
    SELECT * INTO r FROM recall x WHERE x.id = w.recall_id;
    FOR pass IN 1..2 LOOP
        PERFORM 1 FROM lot l WHERE l.lot_id IN (SELECT x.lot_id FROM recall_lot x WHERE x.recall_id = r.id)
            AND recall_covers(l.serial, l.batch, w.batch, w.serial_from, w.serial_to, w.serials)
            ORDER BY l.lot_id FOR NO KEY UPDATE;
        IF pass = 1 THEN
            PERFORM 1 FROM part t WHERE t.id = r.part_id FOR UPDATE;
        END IF;
    END LOOP;
    ids := ARRAY (SELECT l.lot_id FROM recall_lot x JOIN lot l ON l.lot_id = x.lot_id WHERE x.recall_id = r.id
        AND recall_covers(l.serial, l.batch, w.batch, w.serial_from, w.serial_to, w.serials)
        AND NOT EXISTS (SELECT FROM recall_lift_lot y WHERE y.recall_id = r.id AND y.lot_id = x.lot_id) ORDER BY l.lot_id);
    INSERT INTO recall_lift_lot (recall_id, lot_id, lift_id, maker_id) SELECT r.id, x, w.id, r.maker_id FROM unnest(ids) x;
    -- What another hold still covers, or its owner had stopped by itself, stays stopped.
    PERFORM recall_mark(ARRAY (
        SELECT x FROM unnest(ids) x WHERE NOT EXISTS (
            SELECT FROM recall_lot o WHERE o.lot_id = x AND NOT EXISTS (
                SELECT FROM recall_lift_lot y WHERE y.recall_id = o.recall_id AND y.lot_id = o.lot_id))
        AND 'recall' = (SELECT m.cause_kind FROM movement m WHERE m.lot_id = x AND m.kind = 'freeze' ORDER BY m.seq DESC LIMIT 1)),
        false, r.maker_id, w.lifted_by, w.id, r.id, r.reference || ': ' || w.reason, recall_lifted.at);
    RETURN cardinality(ids);
END
$$
""",
    """
CREATE FUNCTION recall_standing(of_lots uuid[])
RETURNS TABLE (lot_id uuid, recall_id uuid, reference text, kind text, maker text, instruction text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT x.lot_id, r.id, r.reference, r.kind, c.name, r.instruction
    FROM recall_lot x JOIN recall r ON r.id = x.recall_id JOIN company c ON c.id = r.maker_id JOIN lot l ON l.lot_id = x.lot_id
    WHERE x.lot_id = ANY (of_lots) AND (app_company() IS NULL OR app_company() = ANY (l.parties))
      AND NOT EXISTS (SELECT FROM recall_lift_lot y WHERE y.recall_id = x.recall_id AND y.lot_id = x.lot_id)
    ORDER BY x.lot_id, r.kind DESC, r.put_at
$$
""",
)

_GRANTS = (
    "recall_preview(uuid, text, text, text, text[])", "recall_progress(uuid)", "recall_put(uuid, timestamptz)",
    "recall_catch(uuid[], timestamptz)", "recall_lifted(uuid, timestamptz)", "recall_standing(uuid[])",
    "recall_stopped_parts()",
)  # fmt: skip
_INNER = (
    "recall_reach(uuid[], uuid)", "recall_mark(uuid[], boolean, uuid, uuid, uuid, uuid, text, timestamptz)",
    "recall_covers(text, text, text, text, text, text[])",
)  # fmt: skip

_TOLD = "EXISTS (SELECT FROM recall_holder h WHERE h.recall_id = {0}.{1} AND h.holder_id = app_company())"
_READS = {
    "recall": "maker_id = app_company() OR " + _TOLD.format("recall", "id"),
    "recall_lift": "maker_id = app_company() OR " + _TOLD.format("recall_lift", "recall_id"),
    # A lot that the reader may not see is nobody's to see here either.
    "recall_lot": "maker_id = app_company() OR EXISTS (SELECT FROM lot l WHERE l.lot_id = recall_lot.lot_id)",
    "recall_lift_lot": "maker_id = app_company() OR EXISTS (SELECT FROM lot l WHERE l.lot_id = recall_lift_lot.lot_id)",
    **dict.fromkeys(
        ("recall_holder", "recall_told", "recall_read", "recall_answer"),
        "maker_id = app_company() OR holder_id = app_company()",
    ),
}
_OF_MAKER = (
    "maker_id = app_company() AND EXISTS (SELECT FROM part t JOIN maker k ON k.id = t.maker_id "
    "WHERE t.id = recall.part_id AND k.company_id = app_company())"
)
_OF_HOLDER = "holder_id = app_company() AND EXISTS (SELECT FROM recall_holder h WHERE h.recall_id = {0}.recall_id AND h.holder_id = {0}.holder_id AND h.maker_id = {0}.maker_id)"
_ADDS = {
    "recall": _OF_MAKER,
    "recall_lift": "maker_id = app_company() AND EXISTS (SELECT FROM recall r WHERE r.id = recall_lift.recall_id AND r.maker_id = recall_lift.maker_id)",
    "recall_read": _OF_HOLDER.format("recall_read"),
    "recall_answer": _OF_HOLDER.format("recall_answer"),
}


def _uuid(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _fk(table: str, column: str, other: str, to: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.{to}"], name=op.f(f"fk_{table}_{column}"))


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False)


def _of_holder(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["recall_id", "holder_id"], ["recall_holder.recall_id", "recall_holder.holder_id"],
        name=op.f(f"fk_{table}_recall_id_holder_id"),
    )  # fmt: skip


def _range() -> tuple[sa.Column[object], ...]:
    return (
        _text("batch", nullable=True), _text("serial_from", nullable=True), _text("serial_to", nullable=True),
        sa.Column("serials", postgresql.ARRAY(sa.Text()), nullable=True),
    )  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "recall", _id(), _uuid("maker_id"), _text("reference"), _uuid("part_id"), _text("kind"), *_range(), _text("reason"),
        _text("instruction"), _text("document"), _at("answer_by"), _uuid("put_by"), _at("put_at"),
        sa.CheckConstraint("kind IN ('quality_hold','recall')", name=op.f("ck_recall_kind")),
        sa.CheckConstraint("answer_by > put_at", name=op.f("ck_recall_answer_by")),
        _fk("recall", "maker_id", "company"), _fk("recall", "part_id", "part"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall")),
        sa.UniqueConstraint("reference", name=op.f("uq_recall_reference")),
    )  # fmt: skip
    op.create_index("ix_recall_part", "recall", ["part_id"])
    op.create_index("ix_recall_maker", "recall", ["maker_id", "id"])
    op.create_table(
        "recall_holder", _uuid("recall_id"), _uuid("holder_id"), _uuid("maker_id"),
        sa.Column("named", sa.Boolean(), nullable=False), _at("since"), _at("answer_by"),
        _fk("recall_holder", "recall_id", "recall"), _fk("recall_holder", "holder_id", "company"),
        sa.PrimaryKeyConstraint("recall_id", "holder_id", name=op.f("pk_recall_holder")),
    )  # fmt: skip
    op.create_index("ix_recall_holder_holder", "recall_holder", ["holder_id", "recall_id"])
    op.create_index("ix_recall_holder_answer_by", "recall_holder", ["answer_by"])
    op.create_table(
        "recall_read", _uuid("recall_id"), _uuid("holder_id"), _uuid("maker_id"), _uuid("read_by"), _at("read_at"),
        _of_holder("recall_read"), sa.PrimaryKeyConstraint("recall_id", "holder_id", name=op.f("pk_recall_read")),
    )  # fmt: skip
    op.create_table(
        "recall_answer", _id(), _uuid("recall_id"), _uuid("holder_id"), _uuid("maker_id"), _number("asked"), _number("found"),
        _number("set_aside"), _number("used_before"), sa.Column("used_on", sa.Date(), nullable=True), _number("not_here"),
        _text("note"), _uuid("answered_by"), _at("answered_at"),
        sa.CheckConstraint(
            "asked >= 0 AND found >= 0 AND set_aside BETWEEN 0 AND found AND used_before >= 0 AND not_here >= 0",
            name=op.f("ck_recall_answer_units"),
        ),
        _of_holder("recall_answer"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall_answer")),
    )  # fmt: skip
    op.create_index("ix_recall_answer_recall", "recall_answer", ["recall_id", "holder_id", "id"])
    op.create_table(
        "recall_lift", _id(), _uuid("recall_id"), _uuid("maker_id"), *_range(), sa.Column("whole", sa.Boolean(), nullable=False),
        _text("disposition"), _text("reason"), _uuid("lifted_by"), _at("lifted_at"),
        sa.CheckConstraint(
            "disposition IN ('released','returned','scrapped','replaced')", name=op.f("ck_recall_lift_disposition")
        ),
        sa.CheckConstraint(
            "whole = (batch IS NULL AND serial_from IS NULL AND serial_to IS NULL AND serials IS NULL)",
            name=op.f("ck_recall_lift_whole"),
        ),
        _fk("recall_lift", "recall_id", "recall"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall_lift")),
    )  # fmt: skip
    op.create_index("ix_recall_lift_recall", "recall_lift", ["recall_id", "id"])
    op.create_index(
        "uq_recall_lift_whole", "recall_lift", ["recall_id"], unique=True, postgresql_where=sa.text("whole")
    )
    op.create_table(
        "recall_told", _id(), _uuid("recall_id"), _uuid("holder_id"), _uuid("maker_id"), _uuid("lift_id", nullable=True),
        _at("told_at"), _of_holder("recall_told"), _fk("recall_told", "lift_id", "recall_lift"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall_told")),
        sa.UniqueConstraint(
            "recall_id", "holder_id", "lift_id", name="uq_recall_told", postgresql_nulls_not_distinct=True
        ),
    )  # fmt: skip
    op.create_table(
        "recall_lot", _uuid("recall_id"), _uuid("lot_id"), _uuid("maker_id"), _at("at"),
        _fk("recall_lot", "recall_id", "recall"), _fk("recall_lot", "lot_id", "lot", "lot_id"),
        sa.PrimaryKeyConstraint("recall_id", "lot_id", name=op.f("pk_recall_lot")),
    )  # fmt: skip
    op.create_index("ix_recall_lot_lot", "recall_lot", ["lot_id"])
    op.create_table(
        "recall_lift_lot", _uuid("recall_id"), _uuid("lot_id"), _uuid("lift_id"), _uuid("maker_id"),
        sa.ForeignKeyConstraint(
            ["recall_id", "lot_id"], ["recall_lot.recall_id", "recall_lot.lot_id"],
            name=op.f("fk_recall_lift_lot_recall_id_lot_id"),
        ),
        _fk("recall_lift_lot", "lift_id", "recall_lift"),
        sa.PrimaryKeyConstraint("recall_id", "lot_id", name=op.f("pk_recall_lift_lot")),
    )  # fmt: skip
    op.create_index("ix_recall_lift_lot_lift", "recall_lift_lot", ["lift_id"])
    for table in _OURS:
        insert = ", INSERT" if table in _ADDS else ""
        op.execute(f"GRANT SELECT{insert} ON {table} TO backstock_app")
        op.execute(f"GRANT SELECT{', INSERT' if table == 'recall_told' else ''} ON {table} TO backstock_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY app_read ON {table} FOR SELECT TO backstock_app USING ({_READS[table]})")
        if insert:
            op.execute(f"CREATE POLICY app_insert ON {table} FOR INSERT TO backstock_app WITH CHECK ({_ADDS[table]})")
        op.execute(f"CREATE POLICY worker_all ON {table} TO backstock_worker USING (true) WITH CHECK (true)")
    for function in _FUNCTIONS:
        op.execute(function)
    for signature in (*_GRANTS, *_INNER):
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    for signature in (*_GRANTS, _INNER[-1]):
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO backstock_app, backstock_worker")


def downgrade() -> None:
    # They ask a table that is dropped before theirs.
    for table in ("recall", "recall_lift"):
        op.execute(f"DROP POLICY app_read ON {table}")
    for table in ("recall_read", "recall_answer"):
        op.execute(f"DROP POLICY app_insert ON {table}")
    for signature in reversed(_GRANTS):
        op.execute(f"DROP FUNCTION {signature}")
    for signature in _INNER:
        op.execute(f"DROP FUNCTION {signature}")
    for table in reversed(_OURS):
        op.drop_table(table)
