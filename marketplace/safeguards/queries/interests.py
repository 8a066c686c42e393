"""Security interests: a maker's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing


@dataclass(frozen=True, slots=True)
class InterestRow:
    """A security interest; without an agreement it is for all with the company. ``continued_by``: the interest that was
    recorded as its continuation."""

    id: UUID
    company_id: UUID
    company: str
    agreement_id: UUID | None
    agreement: str | None
    kind: str
    filed_with: str
    number: str
    filed_on: date
    expires_on: date | None
    note: str
    recorded_at: datetime
    recorded_by: UUID
    continues_id: UUID | None
    continued_by: UUID | None
    ended_at: datetime | None
    end_reason: str | None

    def standing(self, today: date) -> str:
        """'in_force', 'lapsed' (nobody renewed it) or 'ended'."""
        if self.ended_at is not None:
            return "ended"
        return "lapsed" if self.expires_on is not None and self.expires_on < today else "in_force"


_ROWS = """
SELECT s.id, s.company_id, c.name AS company, s.agreement_id, a.reference AS agreement, s.kind, s.filed_with, s.number,
       s.filed_on, s.expires_on, s.note, s.recorded_at, s.recorded_by, s.continues_id, k.id AS continued_by, e.ended_at,
       e.reason AS end_reason
FROM security_interest s JOIN company c ON c.id = s.company_id LEFT JOIN agreement a ON a.id = s.agreement_id
LEFT JOIN security_interest k ON k.continues_id = s.id
LEFT JOIN security_interest_end e ON e.security_interest_id = s.id
"""


@dataclass(frozen=True, slots=True)
class InterestFilter:
    """Which ones; None = any. ``agreement_id``: those of one agreement and those for all with its holder; ``standing``:
    'in_force', 'lapsed' or 'ended', on ``today``."""

    company_id: UUID | None = None
    agreement_id: UUID | None = None
    standing: str | None = None


async def security_interests(
    session: AsyncSession,
    maker_id: UUID,
    wanted: InterestFilter,
    today: date,
    *,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[InterestRow]:
    """The maker's interests, newest first."""
    rows = await fetch(
        session,
        _ROWS + "WHERE s.maker_id = $1 AND ($2::uuid IS NULL OR s.company_id = $2) AND ($3::uuid IS NULL OR s.agreement_id IN ("
        # Also what was filed for an agreement that this one took the place of.
        "WITH RECURSIVE r AS (SELECT $3::uuid AS id UNION ALL SELECT g.replaces_id FROM agreement g JOIN r ON g.id = r.id "
        "WHERE g.replaces_id IS NOT NULL) SELECT id FROM r) "
        "OR (s.agreement_id IS NULL AND s.company_id = (SELECT g.holder_id FROM agreement g WHERE g.id = $3))) "
        "AND ($4::text IS NULL OR $4 = CASE WHEN e.ended_at IS NOT NULL THEN 'ended' WHEN s.expires_on < $5 THEN 'lapsed' "
        "ELSE 'in_force' END) AND ($6::uuid IS NULL OR s.id < $6) ORDER BY s.id DESC LIMIT $7",
        maker_id, wanted.company_id, wanted.agreement_id, wanted.standing, today, after, limit,
    )  # fmt: skip
    return [InterestRow(**dict(r)) for r in rows]


async def security_interest(session: AsyncSession, maker_id: UUID, interest_id: UUID) -> InterestRow:
    """One interest of the maker. Raises ``security_interest.not_found``."""
    row = await fetch_one(session, _ROWS + "WHERE s.id = $1 AND s.maker_id = $2", interest_id, maker_id)
    if row is None:
        raise missing("security_interest.not_found", "No such security interest.")
    return InterestRow(**dict(row))


async def security_interest_for_update(session: WriteSession, maker_id: UUID, interest_id: UUID) -> InterestRow:
    """As ``security_interest``; nobody else ends or continues it until this transaction ends. Its row may not be changed,
    so the lock is on its id."""
    await fetch(session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"interest {interest_id}")
    return await security_interest(session, maker_id, interest_id)
