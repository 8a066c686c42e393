"""Positions of the outbox: an order in which events can be read without missing one.

An event's id is given before its transaction commits, so whoever reads on from the highest id it saw misses an event that commits late.
A position is given to committed events only, by one transaction at a time: what is read at or below a position is complete for good. The
three functions answer for the table's owner, since a process that tells its browsers what is new serves many companies; what they
tell is positions and which companies are concerned, never an event.

Undo: downgrade() drops positions and functions; the events stay.

Revision ID: 300800
Revises: 300700
"""

import sqlalchemy as sa
from alembic import op

revision = "300800"
down_revision = "300700"
branch_labels = None
depends_on = None

# Looked at before the lock is asked for: most who are told of an event come after somebody has placed it.
_PLACE = """
CREATE FUNCTION outbox_place(most int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    placed int;
BEGIN
    IF NOT EXISTS (SELECT FROM outbox_event WHERE position IS NULL) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('outbox_place', 0));
    WITH waiting AS (
        SELECT id, row_number() OVER (ORDER BY id) AS nth
        FROM (SELECT id FROM outbox_event WHERE position IS NULL ORDER BY id LIMIT most) AS few
    ), reached AS (
        SELECT coalesce(max(position), 0) AS position FROM outbox_event
    )
    UPDATE outbox_event e SET position = reached.position + waiting.nth FROM waiting, reached WHERE e.id = waiting.id;
    GET DIAGNOSTICS placed = ROW_COUNT;
    RETURN placed;
END
$$
"""
_POSITION = """
CREATE FUNCTION outbox_position() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce((SELECT position FROM outbox_event WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1), 0)
$$
"""
_CONCERNED = """
CREATE FUNCTION outbox_concerned(behind bigint, up_to bigint) RETURNS TABLE (company_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT DISTINCT c FROM outbox_event e, unnest(e.company_ids) AS c WHERE e.position > behind AND e.position <= up_to
$$
"""
_TOLD = """
CREATE FUNCTION outbox_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END
$$
"""
_SIGNATURES = ("outbox_place(int)", "outbox_position()", "outbox_concerned(bigint, bigint)")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("outbox_event", sa.Column("position", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE outbox_event e SET position = n.nth FROM (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM outbox_event) n "
        "WHERE n.id = e.id"
    )
    op.create_index("uq_outbox_event_position", "outbox_event", ["position"], unique=True)
    op.create_index("ix_outbox_event_unplaced", "outbox_event", ["id"], postgresql_where=sa.text("position IS NULL"))
    for function in (_PLACE, _POSITION, _CONCERNED, _TOLD):
        op.execute(function)
    for signature in _SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO backstock_app, backstock_worker")
    op.execute(
        "CREATE TRIGGER outbox_told AFTER INSERT ON outbox_event FOR EACH STATEMENT EXECUTE FUNCTION outbox_told()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER outbox_told ON outbox_event")
    for signature in (*_SIGNATURES, "outbox_told()"):
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_index("ix_outbox_event_unplaced", table_name="outbox_event")
    op.drop_index("uq_outbox_event_position", table_name="outbox_event")
    op.drop_column("outbox_event", "position")
