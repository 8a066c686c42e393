"""One call that claims a command, locks its lots and reads what the locks protect.

A function of several statements: in READ COMMITTED each takes its own snapshot, so that positions and holds are read
after the wait for the locks, as if the client had sent them one by one. It saves a round trip in every command.

Undo: downgrade() drops the function.

Revision ID: 074000
Revises: 171800
"""

from __future__ import annotations

from alembic import op

revision = "074000"
down_revision = "171800"
branch_labels = None
depends_on = None

# Rows of three shapes, told apart by ``shape``: 'l' a locked lot, 'p' one of its stock lines, 'h' an open reservation;
# first, always, 'c': the command is new. No row at all: it was carried out before.
FUNCTION = """
CREATE FUNCTION ledger_lock(p_command uuid, p_company uuid, p_hash bytea, p_lots uuid[])
RETURNS TABLE (shape text, lot_id uuid, number bigint, quantity integer, held integer, owner_id uuid, holder_id uuid,
    site_id uuid, condition text, agreement_id uuid, beneficiary_id uuid, expires_at timestamptz, cause_kind text,
    cause_id uuid, part_id uuid, serialised boolean, uom text, serial text, batch text, root_lot_id uuid,
    frozen boolean, last_recorded_at timestamptz, last_occurred_at timestamptz, parties uuid[])
-- The array has one element or five thousand: without this PostgreSQL would plan anew in every call.
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    IF p_command IS NOT NULL THEN
        INSERT INTO command AS c (command_id, company_id, input_hash, recorded_at)
        VALUES (p_command, p_company, p_hash, clock_timestamp())
        ON CONFLICT (command_id) DO NOTHING;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        shape := 'c';
        RETURN NEXT;
    END IF;
    RETURN QUERY
    SELECT 'l'::text, l.lot_id, l.last_seq, l.last_position, 0, NULL::uuid, NULL::uuid, NULL::uuid, NULL::text,
        NULL::uuid, NULL::uuid, NULL::timestamptz, NULL::text, NULL::uuid, l.part_id, l.serialised, l.uom, l.serial,
        l.batch, l.root_lot_id, l.frozen, l.last_recorded_at, l.last_occurred_at, l.parties
    FROM lot l WHERE l.lot_id = ANY (p_lots) ORDER BY l.lot_id FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT 'p'::text, p.lot_id, p.position_id::bigint, p.quantity, p.held, p.owner_id, p.holder_id, p.site_id,
        p.condition, p.agreement_id, p.beneficiary_id, NULL::timestamptz, NULL::text, NULL::uuid, NULL::uuid,
        NULL::boolean, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::boolean, NULL::timestamptz,
        NULL::timestamptz, NULL::uuid[]
    FROM position p WHERE p.lot_id = ANY (p_lots)
    UNION ALL
    SELECT 'h', h.lot_id, h.hold_seq, h.quantity, h.position_id, h.company_id, NULL, NULL, NULL, NULL, NULL,
        h.expires_at, h.cause_kind, h.cause_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM open_hold h WHERE h.lot_id = ANY (p_lots);
END
$$;
REVOKE ALL ON FUNCTION ledger_lock(uuid, uuid, bytea, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_lock(uuid, uuid, bytea, uuid[]) TO backstock_app, backstock_worker;
"""


def upgrade() -> None:
    # Many statements at once need the simple query protocol, so this goes to the driver; the statement before it
    # makes sure that the transaction has begun.
    op.execute("SELECT 1")
    op.get_bind().connection.run_async(lambda driver: driver.execute(FUNCTION))  # type: ignore[attr-defined]


def downgrade() -> None:
    op.execute("DROP FUNCTION ledger_lock(uuid, uuid, bytea, uuid[])")
