"""Serial numbers and batches of a hold compare without regard to capitals, as everywhere else.

A holder that wrote 'a12' had a unit that a recall of A10 to A20 passed by, and one of a list with A12 did not. What stands is not
looked through again: who has such a hold in force puts another one beside it.

Undo: downgrade() brings back the comparison by character.

Revision ID: 300610
Revises: 300600
"""

from alembic import op

revision = "300610"
down_revision = "300600"
branch_labels = None
depends_on = None

_COVERS = """
CREATE OR REPLACE FUNCTION recall_covers(serial text, batch text, of_batch text, serial_from text, serial_to text, serials text[])
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- Serials compare as people number them: shorter ones first, then by character.
    SELECT coalesce((of_batch IS NULL OR {case}(batch) = {case}(of_batch))
        AND (serial_from IS NULL OR (length(serial), {case}(serial) COLLATE "C") >= (length(serial_from), {case}(serial_from) COLLATE "C"))
        AND (serial_to IS NULL OR (length(serial), {case}(serial) COLLATE "C") <= (length(serial_to), {case}(serial_to) COLLATE "C"))
        AND (serials IS NULL OR upper(serial) = ANY (serials)), false)
$$
"""


def upgrade() -> None:
    op.execute(_COVERS.format(case="upper"))


def downgrade() -> None:
    op.execute(_COVERS.format(case=""))
