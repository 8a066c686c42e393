"""The name of whoever signed is told to both parties of what was signed, and to nobody else.

Undo: downgrade() drops the functions.

Revision ID: 300210
Revises: 300200
"""

from __future__ import annotations

from alembic import op

revision = "300210"
down_revision = "300200"
branch_labels = None
depends_on = None

_SIGNER = """
CREATE FUNCTION {name}(of_one uuid, side text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
    SELECT u.name FROM {table} x
    JOIN user_account u ON u.id = CASE side WHEN 'maker' THEN x.maker_signed_by WHEN 'holder' THEN x.holder_signed_by END
    WHERE x.id = of_one AND app_company() IN (x.maker_id, x.holder_id)
$$
"""


def upgrade() -> None:
    op.execute(_SIGNER.format(name="agreement_signer", table="agreement"))
    op.execute(_SIGNER.format(name="framework_signer", table="framework"))


def downgrade() -> None:
    op.execute("DROP FUNCTION agreement_signer(uuid, text)")
    op.execute("DROP FUNCTION framework_signer(uuid, text)")
