"""What is open between the actor's company and each other one, by currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """What two companies owe each other in one currency and both do not say was paid. ``owed``: by the actor's company,
    ``owing``: to it; ``*_overdue``: what of it was due before today, ``*_disputed``: what is not due while it is in
    dispute."""

    other_id: UUID
    other: str
    currency: str
    owed: Decimal
    owed_overdue: Decimal
    owed_disputed: Decimal
    owing: Decimal
    owing_overdue: Decimal
    owing_disputed: Decimal
    lines: int

    @property
    def net(self) -> Decimal:
        """What the other company owes when all is taken together; below zero, what the actor's company does."""
        return self.owing - self.owed

    @property
    def can_net(self) -> bool:
        """Whether both owe something that is not in dispute."""
        return self.owed > self.owed_disputed and self.owing > self.owing_disputed


_OPEN = """
SELECT l.{other} AS other_id, l.currency, {ours} AS ours, l.amount - l.paid AS rest,
       least(l.disputed, l.amount - l.paid) AS disputed, l.due_on
FROM settlement_line l WHERE l.{own} = $1 AND l.paid < l.amount
"""
_BALANCES = f"""
SELECT o.other_id, c.name AS other, o.currency,
       coalesce(sum(o.rest) FILTER (WHERE o.ours), 0) AS owed,
       coalesce(sum(o.rest - o.disputed) FILTER (WHERE o.ours AND o.due_on < $2), 0) AS owed_overdue,
       coalesce(sum(o.disputed) FILTER (WHERE o.ours), 0) AS owed_disputed,
       coalesce(sum(o.rest) FILTER (WHERE NOT o.ours), 0) AS owing,
       coalesce(sum(o.rest - o.disputed) FILTER (WHERE NOT o.ours AND o.due_on < $2), 0) AS owing_overdue,
       coalesce(sum(o.disputed) FILTER (WHERE NOT o.ours), 0) AS owing_disputed,
       count(*)::int AS lines
FROM ({_OPEN.format(own="payer_id", other="payee_id", ours="true")} UNION ALL
      {_OPEN.format(own="payee_id", other="payer_id", ours="false")}) o
JOIN company c ON c.id = o.other_id
WHERE $3::uuid IS NULL OR o.other_id = $3
GROUP BY o.other_id, c.name, o.currency
"""


async def balances(
    session: AsyncSession,
    actor: Actor,
    today: date,
    *,
    other_id: UUID | None = None,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[BalanceRow]:
    """One row for each other company and currency in which something is open, by name."""
    key = read_bookmark(after, secret, str, UUID, str)
    rows = await fetch(
        session,
        f"SELECT * FROM ({_BALANCES}) b WHERE $4::text IS NULL OR (b.other, b.other_id, b.currency) > ($4, $5::uuid, $6) "
        "ORDER BY b.other, b.other_id, b.currency LIMIT $7",
        actor.company_id, today, other_id, key[0] if key else None, key[1] if key else None, key[2] if key else None,
        limit + 1,
    )  # fmt: skip
    return cut([BalanceRow(**dict(r)) for r in rows], limit, lambda r: [r.other, r.other_id, r.currency], secret)
