"""An order back carries what a shipper needs: the places it goes from and to, as they were when it was ordered.

An order is a document: its parties must see the same in ten years, also where row level security hides the site of a
company that they do not deal with. It also keeps the one proposal by which a dispute may end, and who reported a loss.

Undo: downgrade() drops the columns and the function; the story in call_event stays.

Revision ID: 230001
Revises: 220000
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "230001"
down_revision = "220000"
branch_labels = None
depends_on = None

CARD = """
CREATE FUNCTION site_card(wanted uuid) RETURNS jsonb LANGUAGE sql STABLE AS $card$
SELECT jsonb_build_object(
    'name', s.name, 'address', s.address, 'place', s.place, 'region', s.region, 'country', s.country,
    'timezone', s.timezone, 'opens', to_char(s.opens, 'HH24:MI'), 'closes', to_char(s.closes, 'HH24:MI'),
    'telephone', s.counter_phone, 'after_hours', s.after_hours_phone, 'will_call', s.will_call,
    'people', coalesce((
        SELECT jsonb_agg(jsonb_build_object('name', c.name, 'role', c.role, 'telephone', c.telephone, 'email', c.email)
                         ORDER BY c.name, c.id)
        FROM (SELECT * FROM site_contact x WHERE x.site_id = s.id ORDER BY x.name, x.id LIMIT 5) c
    ), '[]'::jsonb))
FROM site s WHERE s.id = wanted
$card$
"""


def upgrade() -> None:
    op.add_column("call", sa.Column("ship_to", postgresql.JSONB(), nullable=True))
    op.add_column("call", sa.Column("ship_from", postgresql.JSONB(), nullable=True))
    op.add_column("call", sa.Column("proposal", postgresql.JSONB(), nullable=True))
    op.add_column("call", sa.Column("lost_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_call_lost_by_company"), "call", "company", ["lost_by"], ["id"])
    op.execute(CARD)
    op.execute(
        "UPDATE call k SET ship_from = site_card(k.site_id), ship_to = site_card(k.destination_site_id) || "
        "jsonb_build_object('asked_by', (SELECT jsonb_build_object('name', u.name, 'company', c.name, 'telephone', "
        "coalesce(s.counter_phone, '')) FROM user_account u JOIN company c ON c.id = u.company_id "
        "LEFT JOIN site s ON s.id = u.site_id WHERE u.id = k.requested_by))"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION site_card(uuid)")
    op.drop_constraint(op.f("fk_call_lost_by_company"), "call")
    for column in ("lost_by", "proposal", "ship_from", "ship_to"):
        op.drop_column("call", column)
