"""Who reads is looked up once a statement, and not once a row.

Why: the rule who sees a listing names ``app_company()``, which reads a setting and makes an id of its text. As a function it was reckoned
up to eight times for each row, in the policy and in the view: two thirds of what it cost to look at a listing. As a subquery without
anything from the row it is reckoned once a statement. The rule says the same as before. Other tables keep the function: where a page
reads many of them, planning the subqueries takes longer than it saves.

Undo: downgrade() puts the functions back as they were.

Revision ID: 303120
Revises: 303110
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "303120"
down_revision = "303110"
branch_labels = None
depends_on = None

POLICIES = ("listing",)
VIEWS = ("listing_seen",)
_CALL = re.compile(r"(?<!SELECT )app_(company|sources)\(\)")


def _once(rule: str) -> str:
    """The rule with each call as a subquery; of a list of ids the type is said, or ANY would take it for rows."""
    return _CALL.sub(
        lambda m: "(SELECT app_company())" if m[1] == "company" else "((SELECT app_sources())::uuid[])", rule
    )


def _each(rule: str) -> str:
    """The other way round, from what PostgreSQL says of it."""
    rule = rule.replace("(( SELECT app_sources() AS app_sources)::uuid[])", "(app_sources())")
    return rule.replace("( SELECT app_company() AS app_company)", "app_company()")


def _rewrite(change: object) -> None:
    bind = op.get_bind()
    for table in POLICIES:
        rule = bind.scalar(
            sa.text(
                "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'app_read' AND polrelid = CAST(:t AS regclass)"
            ),
            {"t": table},
        )
        op.execute(sa.text(f"ALTER POLICY app_read ON {table} USING ({change(rule)})".replace(":", "\\:")))
    for view in VIEWS:
        body = bind.scalar(sa.text("SELECT pg_get_viewdef(CAST(:v AS regclass))"), {"v": view})
        op.execute(
            sa.text(
                f"CREATE OR REPLACE VIEW {view} WITH (security_invoker = true) AS {change(body)}".replace(":", "\\:")
            )
        )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '10s'")
    _rewrite(_once)


def downgrade() -> None:
    _rewrite(_each)
