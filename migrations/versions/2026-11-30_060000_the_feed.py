"""What a company reads of the log by position: whole records, as it has them in a bundle.

Whoever may see a movement may see both of its ends, though the stock line at the other one is not theirs: as in log_history, a
function answers for the tables' owner and looks itself who asks. Undo: downgrade; it drops the function.

Revision ID: 300600
Revises: 300500
"""

from alembic import op

revision = "300600"
down_revision = "300500"
branch_labels = None
depends_on = None

_FEED = """
CREATE FUNCTION log_feed(behind bigint, before bigint, most int) RETURNS TABLE (
    place bigint, lot_id uuid, seq bigint,
    kind text, purpose text, quantity int, agreement_id uuid, occurred_at timestamptz, recorded_at timestamptz,
    company_id uuid, actor_id uuid, command_id uuid, cause_kind text, cause_id uuid, reason_code text, note_hash bytea,
    resolves bigint, continues bigint, corrects bigint, permit_id uuid, counterpart_lot_id uuid, machine text,
    from_position int, from_owner uuid, from_holder uuid, from_site uuid, from_condition text, from_agreement uuid,
    from_beneficiary uuid, from_quantity_after int, from_held_after int,
    to_position int, to_owner uuid, to_holder uuid, to_site uuid, to_condition text, to_agreement uuid, to_beneficiary uuid,
    to_quantity_after int
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT s.position, s.lot_id, s.seq,
        m.kind, m.purpose, m.quantity, m.agreement_id, m.occurred_at, m.recorded_at,
        m.company_id, m.actor_id, m.command_id, m.cause_kind, m.cause_id, m.reason_code, m.note_hash,
        m.resolves, m.continues, m.corrects, m.permit_id, m.counterpart_lot_id, m.machine,
        m.from_position, f.owner_id, f.holder_id, f.site_id, f.condition, f.agreement_id, f.beneficiary_id,
        m.from_quantity_after, m.from_held_after,
        m.to_position, t.owner_id, t.holder_id, t.site_id, t.condition, t.agreement_id, t.beneficiary_id, m.to_quantity_after
    FROM log_salt s JOIN movement m ON m.lot_id = s.lot_id AND m.seq = s.seq
    LEFT JOIN position f ON f.lot_id = m.lot_id AND f.position_id = m.from_position
    LEFT JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position
    WHERE s.position > behind AND s.position < before AND (app_company() = ANY (m.parties) OR m.parties && app_sources())
    ORDER BY s.position LIMIT most
$$
"""


def upgrade() -> None:
    op.execute(_FEED)


def downgrade() -> None:
    op.execute("DROP FUNCTION log_feed(bigint, bigint, int)")
