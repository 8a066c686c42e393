"""What is still open under agreements whose right has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one


@dataclass(frozen=True, slots=True)
class StillOpen:
    """What is to be finished under an agreement: orders back that are under way, drawn units that are to be replaced,
    resales under way, settlement lines that are not paid, units with the holder that are the maker's still; ``units`` with the
    holder, of which it reports as long as its duties survive."""

    calls: int
    replacements: int
    resales: int
    lines: int
    units: int
    kept: int

    @property
    def anything(self) -> bool:
        """Whether something keeps the agreement from being closed by the clock."""
        return self.calls + self.replacements + self.resales + self.lines + self.kept > 0


# What is priced is finished but for its payment, which is a line.
_UNDER_WAY: Final = (
    "k.status IN ('requested', 'allocated', 'noticed', 'acknowledged', 'silent', 'accepted', 'picked', 'shipped', 'received', "
    "'inspected', 'graded', 'defaulted', 'disputed')"
)
_CALLS: Final = f"call k WHERE k.agreement_id = a.id AND {_UNDER_WAY}"
_TO_REPLACE: Final = (
    "call k WHERE k.agreement_id = a.id AND k.draw_fee IS NOT NULL AND k.inspected_good > k.replaced + k.bought"
)
_RESALES: Final = (
    "resale r WHERE r.agreement_id = a.id AND r.status IN ('asked', 'consented', 'acceded', 'shipped')",
    "resale r WHERE r.child_id = a.id AND r.status IN ('acceded', 'shipped')",
)
_LINES: Final = "settlement_line l WHERE l.agreement_id = a.id AND l.paid < l.amount"
_KEPT: Final = "position p WHERE p.agreement_id = a.id AND p.quantity > 0 AND p.holder_id = a.holder_id AND p.owner_id = a.maker_id"
_OPEN: Final = f"""
SELECT (SELECT count(*) FROM {_CALLS})::int AS calls,
       (SELECT coalesce(sum(k.inspected_good - k.replaced - k.bought), 0) FROM {_TO_REPLACE})::int AS replacements,
       ((SELECT count(*) FROM {_RESALES[0]}) + (SELECT count(*) FROM {_RESALES[1]}))::int AS resales,
       (SELECT count(*) FROM {_LINES})::int AS lines,
       (SELECT coalesce(sum(p.quantity), 0) FROM position p WHERE p.agreement_id = a.id AND p.quantity > 0
        AND p.holder_id = a.holder_id)::int AS units,
       (SELECT coalesce(sum(p.quantity), 0) FROM {_KEPT})::int AS kept
FROM agreement a WHERE a.id = $1
"""
_SHORTAGES: Final = "shortage s WHERE s.agreement_id = a.id AND s.status = 'open'"
_NOTHING: Final = " AND ".join(
    f"NOT EXISTS (SELECT FROM {what})" for what in (_CALLS, _TO_REPLACE, *_RESALES, _LINES, _SHORTAGES, _KEPT)
)


async def still_open(session: AsyncSession, agreement_id: UUID) -> StillOpen:
    """What is open under one agreement, as far as the reader may see it."""
    row = await fetch_one(session, _OPEN, agreement_id)
    return StillOpen(**dict(row)) if row else StillOpen(0, 0, 0, 0, 0, 0)


async def to_close(session: AsyncSession, now: datetime, *, limit: int = 500) -> Sequence[UUID]:
    """Agreements in run-off, or ended before, whose surviving duties have ended and under which nothing is open, nothing
    reserved, on the way or with the maker, and that do not stand still (worker). None of the first library: its terms state no survival."""
    rows = await fetch(
        session,
        "SELECT a.id FROM agreement a WHERE a.status IN ('run_off', 'terminated') AND a.survives_until <= $1 AND NOT a.legal_hold "
        f"AND {_NOTHING} AND NOT EXISTS (SELECT FROM position p WHERE p.agreement_id = a.id AND p.quantity > 0 "
        "AND (p.held > 0 OR p.site_id IS NULL OR p.holder_id <> a.holder_id)) "
        # Such an order is cancelled by what hears of the end.
        "AND NOT EXISTS (SELECT FROM purchase_order o WHERE o.id = a.order_id AND o.status IN ('placed', 'accepted')) ORDER BY a.survives_until, a.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


MOST: Final = 500
"""So many agreements that have ended with something open are told; beyond it, not how many more."""
_ANY: Final = f"""
SELECT k.agreement_id FROM call k WHERE k.maker_id = $1 AND {_UNDER_WAY}
UNION SELECT k.agreement_id FROM call k WHERE k.holder_id = $1 AND {_UNDER_WAY}
UNION SELECT k.agreement_id FROM call k WHERE (k.maker_id = $1 OR k.holder_id = $1) AND k.draw_fee IS NOT NULL
      AND k.inspected_good > k.replaced + k.bought
UNION SELECT r.agreement_id FROM resale r WHERE (r.maker_id = $1 OR r.holder_id = $1)
      AND r.status IN ('asked', 'consented', 'acceded', 'shipped')
UNION SELECT l.agreement_id FROM settlement_line l WHERE l.payer_id = $1 AND l.payer_marked_at IS NULL
UNION SELECT l.agreement_id FROM settlement_line l WHERE l.payee_id = $1 AND l.payer_marked_at IS NULL
UNION SELECT a.id FROM agreement a WHERE a.status = 'run_off' AND a.return_by IS NOT NULL
      AND (a.maker_id = $1 OR a.holder_id = $1) AND EXISTS (SELECT FROM {_KEPT})
"""


_FINISHING: Final = (
    f"FROM agreement a JOIN ({_ANY}) x ON x.agreement_id = a.id WHERE a.status IN ('run_off', 'terminated') "
    "AND (a.maker_id = $1 OR a.holder_id = $1)"
)


async def open_run_off(session: AsyncSession, company_id: UUID) -> Sequence[UUID]:
    """Agreements of a company whose right has ended, or that were ended before, and under which something is still open, by id, at most ``MOST``. By what
    is open, not by what has ended: of that there are thousands in time."""
    rows = await fetch(session, f"SELECT a.id {_FINISHING} ORDER BY a.id LIMIT $2", company_id, MOST)
    return [r["id"] for r in rows]


@dataclass(frozen=True, slots=True)
class AgreementsWaiting:
    """How many agreements wait for somebody: with an open proposal of the other side; whose right has ended with something
    open, at most ``MOST``."""

    proposed: int
    finishing: int


async def agreements_waiting(session: AsyncSession, company_id: UUID, now: datetime) -> AgreementsWaiting:
    """What waits for a company under its agreements: asked with every page."""
    row = await fetch_one(
        session,
        "SELECT (SELECT count(*) FROM agreement_proposal p WHERE p.status = 'open' AND (p.maker_id = $1 OR p.holder_id = $1) "
        "AND p.proposed_by <> $1 AND p.valid_until > $2)::int AS proposed, "
        f"(SELECT count(*) FROM (SELECT {_FINISHING} LIMIT $3) f)::int AS finishing",
        company_id,
        now,
        MOST,
    )
    return AgreementsWaiting(**dict(row)) if row else AgreementsWaiting(0, 0)
